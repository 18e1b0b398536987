"""Cells that define functions and do nothing else, as most answers do: compiled as they are, without a syntax tree.

What they need of a notebook is read from the code: in Python's own terms, and in a fifth of the time.

Runs in the submission's process, like everything that looks at its code.
"""

from __future__ import annotations

import opcode
import re
import types
from collections.abc import Iterator
from dataclasses import dataclass

# at the left margin: anything but a `def`, the end of its brackets, a comment
OTHERWISE = re.compile(r"^(?!def |\)|#|[ \t]|$)", re.MULTILINE)
ODD = ("\f", "\r", "\0")  # a form feed sets the margin back; the others end lines, or all
LOAD_GLOBAL, EXTENDED_ARG, LOAD_BUILD_CLASS = (
    opcode.opmap[name] for name in ("LOAD_GLOBAL", "EXTENDED_ARG", "LOAD_BUILD_CLASS")
)


@dataclass(frozen=True)
class Plain:
    """A cell of function definitions: its code, and for each function its name and the names that it takes from around
    it, those of builtins included."""

    code: types.CodeType
    functions: tuple[tuple[str, frozenset[str]], ...]


def plain(text: str, label: str) -> Plain | None:
    """The cell where nothing in it can run, raise or be left half done: functions, each of a name of its own, with no
    decorator, default or annotation that is evaluated. None where that is not so or cannot be told, or it does not
    parse."""
    if OTHERWISE.search(text) or any(sign in text for sign in ODD):
        return None
    try:
        code = compile(text, label, "exec", 0, True)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    bodies = _inside(code)
    # besides functions, the code has no constant; and no name but theirs
    if len(bodies) + (None in code.co_consts) != len(code.co_consts):
        return None
    if not bodies or code.co_names != tuple([body.co_name for body in bodies]):
        return None
    try:
        return Plain(code, tuple([(body.co_name, frozenset(_taken(body))) for body in bodies]))
    except (LookupError, RecursionError):
        return None


def _inside(code: types.CodeType) -> list[types.CodeType]:
    return [constant for constant in code.co_consts if type(constant) is types.CodeType]


def _taken(code: types.CodeType) -> Iterator[str]:
    """The names that a function and those within it take from the notebook. LookupError where they are hard to see: in
    a class, and behind an argument of more than one byte."""
    operations, arguments, names = code.co_code[::2], code.co_code[1::2], code.co_names
    if EXTENDED_ARG in operations or LOAD_BUILD_CLASS in operations:
        raise LookupError
    at = operations.find(LOAD_GLOBAL)
    while at >= 0:
        yield names[arguments[at] >> 1]  # the last bit says whether it is called
        at = operations.find(LOAD_GLOBAL, at + 1)
    for inner in _inside(code):
        yield from _taken(inner)
