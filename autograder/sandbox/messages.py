"""What goes over the wire for calls: many in one frame, each value once, and for every call a reply of its own.

Both sides load this. What a reply holds is believed by nobody until `replies` has looked at it.
"""

from __future__ import annotations

import marshal
import struct
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from . import wire

STATUSES = ("returned", "missing", "error")
PLACES = ("", "forward")
# status, where it was, whether a pair came back, whether more follows the value; seconds
_HEAD = struct.Struct("<BB??d")
_TOLD = struct.Struct("<Q")  # bytes before the arrays
_PLAIN = (None, (), ())


# What the grader says goes by `marshal`: it is trusted, and a child reads it once.


def load_frame(*fields: Any) -> bytes:
    """The frame that hands over sources."""
    body = marshal.dumps(fields)
    return wire.HEADER.pack(wire.LOAD, 0, len(body)) + body


def read_load(body: bytes) -> tuple:
    return marshal.loads(body)


def calls_frame(sequence: int, calls: Sequence[Any]) -> bytes:
    """The frame that asks for `calls`, of which the first has the number `sequence`."""
    values = {id(value): value for call in calls for value in (call.args, call.dout)}  # each once
    places = dict(zip(values, range(len(values)), strict=True))
    rows = [
        (call.function, places[id(call.args)], call.forward, places[id(call.dout)], call.pair, call.max_bytes)
        for call in calls
    ]
    arrays: list[np.ndarray] = []
    told = [_without_arrays(value, arrays) for value in values.values()]
    heads, pieces = wire.laid_side_by_side(arrays)
    told = marshal.dumps((rows, told, heads))
    told += bytes(-len(told) % wire.ALIGNED)
    length = _TOLD.size + len(told) + sum(map(len, pieces))
    return b"".join((wire.HEADER.pack(wire.CALLS, sequence, length), _TOLD.pack(len(told)), told, *pieces))


def read_calls(body: bytes) -> Iterator[tuple]:
    """For each call the arguments of `calling.Caller.call`, which copies arrays: these lie in the body."""
    start = _TOLD.size + _TOLD.unpack_from(body)[0]
    rows, values, heads = marshal.loads(memoryview(body)[_TOLD.size : start])
    arrays = iter(wire.taken_apart(body, start, heads))
    values = [_with_arrays(value, arrays) for value in values]
    return (
        (function, values[args], forward, values[dout], pair, max_bytes)
        for function, args, forward, dout, pair, max_bytes in rows
    )


def _without_arrays(value: Any, arrays: list[np.ndarray]) -> Any:
    """Nested values with `...` in the place of each array or numpy scalar, which are added to `arrays`."""
    kind = type(value)
    if kind is np.ndarray or isinstance(value, np.generic):
        arrays.append(value)
        return ...
    if kind is tuple or kind is list:
        return kind([_without_arrays(item, arrays) for item in value])
    if value is None or kind in (bool, int, float, complex, str):
        return value
    raise wire.WireError(f"the wire does not carry {kind.__name__}")


def _with_arrays(value: Any, arrays: Iterator[np.ndarray]) -> Any:
    if value is ...:
        return next(arrays)
    if type(value) is tuple or type(value) is list:
        return type(value)([_with_arrays(item, arrays) for item in value])
    return value


def reply_pieces(sequence: int, reply: tuple) -> list[bytes | memoryview]:
    """The frame of one reply, which is a tuple as `calling` makes it, in the pieces of `wire.pieces`."""
    status, value, paired, problem, where, mutated, warnings, seconds = reply
    more = (problem, mutated, warnings)
    plain = more == _PLAIN
    head = _HEAD.pack(STATUSES.index(status), PLACES.index(where), paired, not plain, seconds)
    return wire.pieces(wire.REPLY, sequence, (value,) if plain else (value, more), head)


def say_the_same(one: bytes, two: bytes) -> bool:
    """Whether the bodies of two replies are one but for the time that the calls took."""
    seconds = slice(_HEAD.size - 8, _HEAD.size)
    return (
        len(one) == len(two)
        and one[: seconds.start] == two[: seconds.start]
        and one[seconds.stop :] == two[seconds.stop :]
    )


def read_plain_reply(body: bytes) -> tuple | None:
    """(value, paired, where, seconds) of a reply that brings arrays and nothing else, as most do; None of any other."""
    if len(body) < _HEAD.size:
        return None
    status, where, paired, more, seconds = _HEAD.unpack_from(body)
    if status or more or where >= len(PLACES):
        return None
    value = wire.plain_arrays(body, _HEAD.size)
    return None if value is None else (value, paired, PLACES[where], seconds)


def read_reply_fields(body: bytes, **limits) -> tuple:
    """The reply in a frame's body as such a tuple; its fields are of any type yet. Raises WireError."""
    if len(body) < _HEAD.size:
        raise wire.WireError("a reply that is too short")
    status, where, paired, more, seconds = _HEAD.unpack_from(body)
    if status >= len(STATUSES) or where >= len(PLACES):
        raise wire.WireError("an unknown status")
    reader = wire.Reader(body, _HEAD.size, **limits)
    value = reader.value()
    problem, mutated, warnings = wire.fields(reader.value(), None, tuple, tuple) if more else _PLAIN
    reader.end()
    return STATUSES[status], value, paired, problem, PLACES[where], mutated, warnings, seconds
