"""What a terminal can show beyond plain text: bold type and a cleared screen; nothing of it in a pipe or a file."""

from __future__ import annotations

import os
from typing import TextIO

BOLD, PLAIN, CLEAR = "\x1b[1m", "\x1b[0m", "\x1b[2J\x1b[H"


def is_fancy(stream: TextIO) -> bool:
    """Whether escapes may be written: it is a terminal that knows them, and the user has not asked for none."""
    if not stream.isatty() or os.environ.get("TERM") == "dumb" or os.environ.get("NO_COLOR"):
        return False
    if os.name == "nt":
        os.system("")  # switches the console of Windows 10 and later to escapes
    return True


def with_bold_heads(text: str, fancy: bool) -> str:
    """Lines that begin at the margin in bold: those are the headlines."""
    if not fancy:
        return text
    return "\n".join(f"{BOLD}{line}{PLAIN}" if line and not line.startswith(" ") else line for line in text.split("\n"))
