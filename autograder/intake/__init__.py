"""Reads what students hand in as hostile input: bytes in, plain text out, nothing parsed as Python and nothing run."""
