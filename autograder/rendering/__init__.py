"""What a report shows, and to whom: as text, HTML and a dict; and how it speaks of shapes and of stopped calls."""
