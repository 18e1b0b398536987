"""What passes between the grader and a process that runs a notebook's cells for what they show.

The grader sends one RUN a cell, (source,); back come OUTPUTs in the order in which the cell made them, then DONE, ().
An OUTPUT is (kind, name, text, picture): text as it is, picture the bytes of a PNG as an array of uint8 or None.
"""

from __future__ import annotations

RUN, OUTPUT, DONE = 8, 9, 10
STDOUT, STDERR, DISPLAY, RESULT, ERROR = "stdout", "stderr", "display", "result", "error"
KINDS = (STDOUT, STDERR, DISPLAY, RESULT, ERROR)

# what one cell shows; a process that keeps to no cap meets those of the grader
MAX_TEXT = 50_000  # characters of all its texts
MAX_PICTURES = 20
MAX_PICTURE = 2 << 20  # bytes
