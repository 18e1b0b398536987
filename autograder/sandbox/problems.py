"""An exception of a student's code as plain data: its type, its message, the student's own lines that led to it."""

from __future__ import annotations

import linecache
import re

MAX_MESSAGE, MAX_FRAMES, MAX_LINE = 500, 12, 200
# control characters, ANSI's escape among them, and the marks that reorder text
UNSAFE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff\ud800-\udfff]"
)


def clean(text, limit: int = MAX_MESSAGE) -> str:
    """Text without control characters, capped."""
    text = UNSAFE.sub("\ufffd", str.__str__(text)[: limit + 1])
    return text if len(text) <= limit else text[: limit - 1] + "…"


def type_name(error: BaseException) -> str:
    return clean(type.__getattribute__(type(error), "__name__"), 100)


def message(error: BaseException) -> str:
    """What the exception says; a `__str__` that itself fails says nothing."""
    try:
        if isinstance(error, SyntaxError):
            return clean(str(error.msg))
        text = str(error)
        return clean(text) or ("ran out of memory" if isinstance(error, MemoryError) else "")
    except BaseException:
        return ""


def one_line(error: BaseException) -> str:
    text = " ".join(message(error).split())
    return f"{type_name(error)}: {text}" if text else type_name(error)


def describe_error(error: BaseException, labels) -> tuple:
    """(type, message, frames); a frame is (label, line, function, text) and lies in a source named in `labels`."""
    frames = []
    trace = error.__traceback__
    while trace is not None:
        code = trace.tb_frame.f_code
        if code.co_filename in labels:
            line = linecache.getline(code.co_filename, trace.tb_lineno).strip()
            frames.append((code.co_filename, trace.tb_lineno or 0, clean(code.co_name, 80), clean(line, MAX_LINE)))
            if len(frames) > MAX_FRAMES:
                del frames[MAX_FRAMES // 2]  # of a deep recursion, both ends
        trace = trace.tb_next
    if isinstance(error, SyntaxError) and error.filename in labels and not frames:
        line = linecache.getline(error.filename, error.lineno or 0).strip()
        frames.append((error.filename, error.lineno or 0, "", clean(line, MAX_LINE)))
    return type_name(error), message(error), tuple(frames)
