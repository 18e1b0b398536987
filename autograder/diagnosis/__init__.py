"""How `diagnose` tells one mistake from another: known mistakes, relations between arrays, and the words for them."""
