"""What a report may repeat of a student's own words where the inputs are hidden.

An exception's class, an object's type and a warning's text are the student's to choose, and could spell out the numbers
that they were given. So in a headline or a remark on a hidden case only the names that Python and numpy themselves use
are repeated; all else is described. The evidence, which students do not see there, keeps every word.
"""

from __future__ import annotations

import builtins
import re

NUMPY_TYPES = {"LinAlgError", "AxisError", "ComplexWarning", "VisibleDeprecationWarning"}
KNOWN = NUMPY_TYPES | {name for name, value in vars(builtins).items() if isinstance(value, type)}
KINDS = KNOWN | {"function", "generator", "module", "builtin_function_or_method", "MaskedArray", "method"}

# What the sandbox says of values that it does not hand on; the numbers in it are left out.
DESCRIBED = (
    re.compile(r"array of dtype (?:(?:float|complex|u?int)\d{1,3}$|[<>=|]?[A-Za-z]+)"),
    re.compile(r"array of rank"),
    re.compile(r"array of shape"),
    re.compile(r"int too large for 64 bits$"),
)

# numpy's own warnings of floating-point trouble, whose words are always the same.
NUMPY_WARNING = re.compile(
    r"RuntimeWarning: (overflow|underflow|divide by zero|invalid value) encountered in [a-z_0-9]{1,30}"
)


def exception_name(type_name: str) -> str:
    """ "ValueError" for Python's own, "an exception of its own" for any other."""
    return type_name if type_name in KNOWN else "an exception of its own"


def kind_name(kind: str) -> str:
    """ "a value of type str", "an array of dtype object", or "an object of a class of its own"."""
    if kind in KINDS:
        return f"a value of type {kind}"
    told = next((match for pattern in DESCRIBED if (match := pattern.match(kind))), None)
    return f"an {told[0]}" if told else "an object of a class of its own"


def warning(text: str) -> str:
    return text if NUMPY_WARNING.fullmatch(text) else "of something, in a hidden case"
