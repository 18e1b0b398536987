"""From what a child sent to `Reply` and `Definition`: every type and length checked, every text cleaned."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..calls import RETURNED, Definition, Frame, Opaque, Problem, Reply
from .messages import read_plain_reply, read_reply_fields
from .problems import MAX_FRAMES, MAX_LINE, MAX_MESSAGE, clean
from .wire import MAX_DEPTH, MAX_ITEMS, Odd, Reader, WireError, fields

MAX_TEXT = 4 * MAX_MESSAGE  # bytes of UTF-8
SLACK = 1 << 16  # bytes of a reply that are not array data
MAX_DEFINITIONS = 1 << 20


def read_reply(body: bytes) -> Reply:
    """The reply in a REPLY frame's body; raises WireError."""
    plain = read_plain_reply(body)
    if plain is not None:
        value, paired, where, seconds = plain
        return Reply(RETURNED, value, paired, None, where, (), (), _plausible(seconds))
    return make_reply(read_reply_fields(body, max_text=MAX_TEXT, depth=MAX_DEPTH + 2, items=MAX_ITEMS))


def make_reply(told: tuple) -> Reply:
    """The reply that a plain tuple describes; see `autograder.sandbox.calling`."""
    status, value, paired, problem, where, mutated, warnings, seconds = told
    return Reply(
        status,
        _settle(value) if status == RETURNED else None,
        paired,
        _problem(problem),
        where,
        tuple([_argument(text) for text in mutated]),
        tuple([clean(_is(text, str)) for text in warnings[:5]]),
        _plausible(seconds),
    )


def _argument(name: str) -> str:
    if type(name) is str and (name == "dout" or (name.isascii() and name.isdecimal() and len(name) < 3)):
        return name
    raise WireError("no argument")


def _plausible(seconds: float) -> float:
    return seconds if 0 <= seconds < 1e6 else 0.0


def read_definitions(body: bytes, names) -> tuple[dict[str, Definition], tuple[str, ...]]:
    """The definitions and remarks in a DEFINED frame's body; raises WireError."""
    told = Reader(body, max_text=MAX_TEXT, depth=6, items=4096).decode()
    return make_definitions(*fields(told, tuple, tuple), names)


def make_definitions(entries, remarks, names) -> tuple[dict[str, Definition], tuple[str, ...]]:
    if len(entries) != len(names):
        raise WireError("definitions are missing")
    definitions = {}
    for entry, name in zip(entries, names, strict=True):
        told, found, where, problem, untouched = fields(entry, str, bool, str, None, bool)
        if told != name:
            raise WireError("a definition of something else")
        definitions[name] = Definition(name, found, clean(where, 200), _problem(problem), untouched)
    return definitions, tuple(clean(_is(text, str)) for text in remarks[:32])


def _is(value: Any, kind: type) -> Any:
    if type(value) is not kind:
        raise WireError("a field of the wrong type")
    return value


def _problem(value: Any) -> Problem | None:
    if value is None:
        return None
    kind, message, frames = fields(value, str, str, tuple)
    made = []
    for frame in frames[:MAX_FRAMES]:
        label, line, function, text = fields(frame, str, int, str, str)
        made.append(Frame(clean(label, 200), line, clean(function, 80), clean(text, MAX_LINE)))
    return Problem(clean(kind, 100), clean(message), tuple(made))


def _settle(value: Any, depth: int = 0) -> Any:
    """Scalars as 0-d arrays, lists as tuples, what the wire does not carry as `Opaque`."""
    if isinstance(value, np.ndarray) or value is None:
        return value
    if isinstance(value, bool | int | float | complex | np.generic):
        return np.asarray(value)
    if isinstance(value, tuple | list):
        if depth >= MAX_DEPTH:
            raise WireError("nested too deep")
        return tuple(_settle(item, depth + 1) for item in value)
    if isinstance(value, Odd):
        return Opaque(clean(value.kind, 200))
    if isinstance(value, Opaque):
        return value
    raise WireError("a text where a value was expected")
