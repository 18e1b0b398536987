"""One sentence of help for an exception in a student's own code, from its type and message alone.

The sentences say what Python or numpy meant, for someone who meets it for the first time; they never say what to type.
They are matched in order, the more specific first. Sources: numpy 1.26 to 2.x and CPython 3.11 to 3.13, whose messages
differ in places.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from autograder.calls import Problem
from autograder.rendering.shapes import in_symbols

# (exception types, a pattern of the message, the sentence; {1}, {2} are the pattern's groups)
_TABLE = (
    # shapes that do not fit
    (
        "ValueError",
        r"operand 1 has a mismatch in its core dimension 0.*\(size (\d+) is different from (\d+)\)",
        "A matrix product needs as many columns on its left as rows on its right: the left has {2}, the right {1}.",
    ),
    (
        "ValueError",
        r"mismatch in its core dimension .*\(size (\d+) is different from (\d+)\)",
        "The axes over which a product adds up must be equally long; here one has length {1}, the other {2}.",
    ),
    (
        "ValueError",
        r"(\([\d, ]*\)) and (\([\d, ]*\)) not aligned",
        "A matrix product needs as many columns on its left as rows on its right; the two arrays are {1} and {2}.",
    ),
    (
        "ValueError",
        r"matmul: Input operand \d does not have enough dimensions",
        "A matrix product takes arrays, and one of these is a single number.",
    ),
    (
        "ValueError",
        r"non-broadcastable output operand with shape (\([\d, ]*\)) doesn't match the broadcast shape (\([\d, ]*\))",
        "An operation in place keeps the shape on its left, {1}, and this result would have shape {2}.",
    ),
    (
        "ValueError",
        r"could not broadcast input array from shape (\([\d, ]*\)) into shape (\([\d, ]*\))",
        "What is written has shape {1}, and the place it is written to has shape {2}.",
    ),
    (
        "ValueError",
        r"remapped shapes|einstein sum|operand has (?:more|fewer) dimensions|subscript",
        "einsum's letters must match the axes of its arrays: one letter an axis, the same letter for the same length.",
    ),
    ("ValueError", r"shape-mismatch for sum", "The axes over which a product adds up must be equally long."),
    (
        "ValueError",
        r"could not be broadcast together with shapes (\([\d, ]*\)) (\([\d, ]*\))",
        "Entry by entry, shapes must agree counted from the last axis, or be 1 there; these are {1} and {2}.",
    ),
    (
        "ValueError",
        r"cannot reshape array of size (\d+) into shape (\([^)]*\))",
        "reshape keeps the number of entries, and {1} entries do not fill the shape {2}.",
    ),
    ("ValueError", r"axes don't match array", "transpose takes each axis of the array once."),
    (
        "ValueError",
        r"all the input array dimensions|must match exactly",
        "Arrays that are joined must agree along every axis but the one along which they are joined.",
    ),
    (
        "AxisError|ValueError",
        r"axis (-?\d+) is out of bounds for array of dimension (\d+)",
        "Axes are counted from 0, and this array has {2}: there is no axis {1}.",
    ),
    (
        "ValueError|TypeError",
        r"setting an array element with a sequence|inhomogeneous",
        "One entry of an array holds one number; here several are to go into one place.",
    ),
    (
        "ValueError",
        r"truth value of an array",
        "if, and, or ask for one yes or no, and an array compared with a number gives one for every entry.",
    ),
    ("ValueError", r"read-only", "This array may not be written into; work on an array of your own."),
    # what was returned, cached and taken apart
    (
        "ValueError",
        r"not enough values to unpack \(expected (?:at least )?(\d+), got (\d+)\)",
        "{1} names stand on the left, and there are only {2}: does the forward cache all that the backward takes out?",
    ),
    (
        "ValueError",
        r"too many values to unpack \(expected (\d+)",
        "{1} names stand on the left, and more came: is it all that the forward cached, or is it one array?",
    ),
    (
        "TypeError",
        r"cannot unpack non-iterable NoneType",
        "None is being taken apart: some function here ends without return, or a name was never filled.",
    ),
    (
        "TypeError",
        r"cannot unpack non-iterable|iteration over a 0-d array",
        "A single value is being taken apart as if it were several.",
    ),
    (
        "TypeError",
        r"returned (.+) where \(out, cache\) was expected",
        "A forward returns two things, its output and a cache for the backward.",
    ),
    ("*", r"NoneType", "Something in this line is None: a function that ends without return, or a name never filled."),
    (
        "AttributeError",
        r"'(tuple|list|dict)' object has no attribute '(shape|T|dot|sum|reshape|ndim|size|mean|copy|astype|ravel)'",
        "This is a {1}, not an array: take out the array that you mean first.",
    ),
    (
        "TypeError",
        r"can't multiply sequence|bad operand type for unary.*'(?:tuple|list|dict)'|"
        r"unsupported operand.*'(?:tuple|list|dict)'",
        "A tuple, list or dict takes part in arithmetic here, perhaps the whole cache: take out the array first.",
    ),
    (
        "TypeError",
        r"(?:tuple|list) indices must be integers",
        "Tuples and lists are indexed by position; only a dict is indexed by name.",
    ),
    ("TypeError", r"'(tuple|list)' object is not callable", "A {1} is being called: is a comma missing between two?"),
    (
        "TypeError",
        r"'numpy\.\w+' object is not callable",
        "Round brackets after an array call it; entries are taken with square ones.",
    ),
    (
        "TypeError",
        r"'tuple' object does not support item assignment",
        "A tuple cannot be changed once it is made; an array, list or dict can.",
    ),
    ("KeyError", r"^(.+)$", "The dict has no entry {1}: does the forward store it under this very name?"),
    # calls
    (
        "TypeError",
        r"only (?:length-1|size-1|0-dimensional) arrays can be converted|must be real number, not (?:numpy\.)?ndarray",
        "The functions of math take one number; numpy has functions of the same names that take arrays.",
    ),
    (
        "TypeError",
        r"([\w<>]+)\(\) (?:missing \d+ required|takes \d+ positional|takes from \d+|got an unexpected keyword)",
        "{1} is called with other arguments than its def line lists.",
    ),
    (
        "TypeError|UFuncTypeError|_UFuncNoLoopError|_UFuncInputCastingError",
        r"not supported for the input types|does not support argument|did not contain a loop|no callable",
        "numpy was given something that is not an array of numbers.",
    ),
    (
        "TypeError|UFuncTypeError|_UFuncOutputCastingError|_UFuncBinaryResolutionError",
        r"Cannot cast ufunc|cannot cast",
        "An array made for integers cannot take fractions in place; was it made from whole numbers?",
    ),
    ("AttributeError", r"module 'numpy' has no attribute '(\w+)'", "numpy has nothing called {1}."),
    (
        "AttributeError",
        r"'numpy\.ndarray' object has no attribute '(\w+)'",
        "An array has no {1}; numpy may offer it as a function, or under another name.",
    ),
    # indices
    (
        "IndexError",
        r"index (-?\d+) is out of bounds for axis (\d+) with size (\d+)",
        "Counting starts at 0: along an axis of length {3} the last index is one less.",
    ),
    (
        "IndexError",
        r"too many indices for array: array is (\d+)-dimensional, but (\d+) were indexed",
        "The array has {1} axes and is indexed along {2}.",
    ),
    (
        "IndexError",
        r"(tuple|list) index out of range",
        "The {1} is shorter than that: is it a shape with fewer axes, or a cache that holds less?",
    ),
    ("IndexError", r"boolean index did not match", "A mask must have the shape of the array that it picks from."),
    # numbers and machines
    (
        "OverflowError",
        r"math range error|out of range|too large",
        "The number is too large for a float: exp passes its end at about 710.",
    ),
    ("ZeroDivisionError", r"", "Something is divided by 0."),
    ("RecursionError", r"", "A function calls itself, directly or by way of another, and never stops."),
    ("MemoryError", r"", "An array became far too large: did two shapes broadcast to a much bigger one?"),
    ("AssertionError", r"", "An assert in your own code did not hold."),
    ("NotImplementedError", r"", "Something that this function calls is not written yet."),
    # text that is no Python
    ("TabError", r"", "Tabs and spaces are mixed at the start of these lines."),
    (
        "IndentationError",
        r"expected an indented block",
        "The lines that belong to the one above, which ends in a colon, start further to the right.",
    ),
    (
        "IndentationError",
        r"unindent does not match",
        "This line starts at a depth where no earlier line of the function starts.",
    ),
    ("IndentationError", r"", "This line starts further to the right than the one above it, without a reason."),
    ("SyntaxError", r"expected ':'", "The line that begins a def, if or for ends in a colon."),
    ("SyntaxError", r"was never closed", "A bracket is opened here and not closed."),
    ("SyntaxError", r"unmatched|does not match opening", "A closing bracket has no opening one of its kind."),
    ("SyntaxError", r"unterminated", "A text in quotation marks is not closed."),
    ("SyntaxError", r"'return' outside function", "This return stands outside the function: look at where it starts."),
    (
        "SyntaxError",
        r"Maybe you meant '=='|cannot assign to",
        "One equals sign gives a value to a name, two ask whether things are equal.",
    ),
    ("SyntaxError", r"invalid character|non-printable", "A character here is not Python's; was the line pasted?"),
    ("SyntaxError", r"", "Python cannot read this line, or the one above: look at brackets, colons and commas."),
    ("ModuleNotFoundError|ImportError", r"", "The exercises need numpy alone."),
)
_FRAMEWORKS = ("autograd", "jax", "jnp", "keras", "tensorflow", "tf", "torch")
_SHAPE = re.compile(r"\(\s*\d+\s*(?:,\s*\d+\s*)*,?\s*\)")


@dataclass(frozen=True)
class Setting:
    """Where an exception was raised, as far as a sentence needs it.

    function, args: the graded function's name and the arguments of its contract.
    forward, forward_args: for a backward, those of its forward.
    sizes: what the symbols of shapes stand for in this call: {"N": 4, "D": 15}.
    """

    function: str
    args: Sequence[str] = ()
    forward: str = ""
    forward_args: Sequence[str] = ()
    sizes: Mapping[str, int] = field(default_factory=dict)


def help_for(problem: Problem, setting: Setting) -> str:
    """The sentence, or "" for an exception about which there is nothing to add."""
    special = _name(problem, setting) if problem.type in ("NameError", "UnboundLocalError") else _call(problem, setting)
    if special:
        return special
    for types, pattern, sentence in _TABLE:
        if types != "*" and problem.type not in types.split("|"):
            continue
        if match := re.search(pattern, problem.message):
            lone = "size" in pattern  # other numbers are counts
            groups = [_shapes_told(group or "", setting.sizes, lone) for group in match.groups()]
            return sentence.format("", *groups)
    return ""


def _name(problem: Problem, setting: Setting) -> str:
    match = re.search(r"name '(\w+)' is not defined|variable '(\w+)'", problem.message)
    name = (match[1] or match[2]) if match else ""
    if problem.type == "UnboundLocalError":
        return f"{name or 'A name'} is used before it is given a value: are all ways through the function covered?"
    if name in ("np", "numpy"):
        return "numpy is not imported where this runs: the import belongs into a cell or file that is handed in."
    if name in _FRAMEWORKS:
        return "There is no framework that differentiates here: the derivative is yours to find."
    raised_in = problem.frames[-1].function if problem.frames else ""
    if name in setting.forward_args and raised_in == setting.function:
        return (
            f"{name} belongs to {setting.forward}; what {setting.function} needs of it travels in the cache, "
            "and has to be taken out there."
        )
    if name in setting.args:
        return f"{name} is an argument of {setting.function}: is it in the def line, and spelt the same?"
    return f"Nothing called {name or 'so'} exists here: is it spelt alike everywhere, and is its definition handed in?"


def _call(problem: Problem, setting: Setting) -> str:
    """The grader's own call did not fit: the def line is not the contract's."""
    match = problem.type == "TypeError" and re.match(
        r"(\w+)\(\) (?:missing \d+ required|takes \d+ positional|takes from)", problem.message
    )
    if match and not problem.frames:
        for name, args in ((setting.function, setting.args), (setting.forward, setting.forward_args)):
            if match[1] == name:
                return f"{name} is called with {len(args)} arguments, {' and '.join(args)}: its def line has others."
    return ""


def _shapes_told(text: str, sizes: Mapping[str, int], lone: bool) -> str:
    """Shapes in a message with their symbols: "(3,15)" becomes "(M, D) = (3, 15)"; a lone size "3" becomes "3 (M)"."""
    if _SHAPE.fullmatch(text):
        return in_symbols([int(n) for n in re.findall(r"\d+", text)], sizes)
    if lone and text.isdecimal():
        named = [symbol for symbol, size in sizes.items() if size == int(text)]
        return f"{text} ({named[0]})" if len(named) == 1 else text
    return text
