"""Grading a whole class: shared out, kept and resumed, on a cluster too; what it comes to, and a student's appeal."""
