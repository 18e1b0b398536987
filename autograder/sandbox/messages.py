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
NOTHING = -1
# status, where it was, whether a pair came back, whether more follows the value; seconds
_HEAD = struct.Struct("<BB??d")
_PLAIN = (None, (), ())


def load_frame(*fields: Any) -> bytes:
    """The frame that hands over sources. By `marshal`: what the grader says is trusted, and a child reads it once."""
    body = marshal.dumps(fields)
    return wire.HEADER.pack(wire.LOAD, 0, len(body)) + body


def read_load(body: bytes) -> tuple:
    return marshal.loads(body)


def calls_frame(sequence: int, calls: Sequence[Any]) -> bytes:
    """The frame that asks for `calls`, of which the first has the number `sequence`."""
    names: dict[str, int] = {}
    values: list[Any] = []
    known: dict[Any, int] = {}

    def index(key: Any, value: Any) -> int:
        at = known.setdefault(key, len(values))
        if at == len(values):
            values.append(value)
        return at

    rows = [
        (
            names.setdefault(call.function, len(names)),
            NOTHING if call.forward is None else names.setdefault(call.forward, len(names)),
            index(tuple(map(id, call.args)), call.args),
            NOTHING if call.dout is None else index(id(call.dout), call.dout),
            call.pair,
            call.max_bytes,
        )
        for call in calls
    ]
    return wire.frame(wire.CALLS, sequence, tuple(names), tuple(values), np.array(rows, np.int64).reshape(-1, 6))


def read_calls(body: bytes) -> Iterator[tuple]:
    """For each call the arguments of `calling.Caller.call`, which copies arrays."""
    reader = wire.Reader(body, copy=False)
    names, values, rows = reader.value(), reader.value(), reader.value()
    reader.end()
    return (
        (
            names[function],
            values[args],
            None if forward == NOTHING else names[forward],
            None if dout == NOTHING else values[dout],
            bool(pair),
            max_bytes,
        )
        for function, forward, args, dout, pair, max_bytes in rows.tolist()
    )


def reply_pieces(sequence: int, reply: tuple) -> list[bytes | memoryview]:
    """The frame of one reply, which is a tuple as `calling` makes it, in the pieces of `wire.pieces`."""
    status, value, paired, problem, where, mutated, warnings, seconds = reply
    more = (problem, mutated, warnings)
    head = _HEAD.pack(STATUSES.index(status), PLACES.index(where), paired, more != _PLAIN, seconds)
    return wire.pieces(wire.REPLY, sequence, value, *(() if more == _PLAIN else (more,)), head=head)


def say_the_same(one: bytes, two: bytes) -> bool:
    """Whether the bodies of two replies are one but for the time that the calls took."""
    seconds = slice(_HEAD.size - 8, _HEAD.size)
    return (
        len(one) == len(two)
        and one[: seconds.start] == two[: seconds.start]
        and one[seconds.stop :] == two[seconds.stop :]
    )


def read_reply_fields(body: bytes, **limits) -> tuple:
    """The reply in a frame's body as such a tuple; its fields are of any type yet. Raises WireError."""
    if len(body) < _HEAD.size:
        raise wire.WireError("a reply that is too short")
    status, where, paired, more, seconds = _HEAD.unpack_from(body)
    if status >= len(STATUSES) or where >= len(PLACES):
        raise wire.WireError("an unknown status")
    if not (status or more):
        value = wire.plain_arrays(body, _HEAD.size)
        if value is not None:
            return STATUSES[0], value, paired, None, PLACES[where], (), (), seconds
    reader = wire.Reader(body, _HEAD.size, **limits)
    value = reader.value()
    problem, mutated, warnings = wire.fields(reader.value(), None, tuple, tuple) if more else _PLAIN
    reader.end()
    return STATUSES[status], value, paired, problem, PLACES[where], mutated, warnings, seconds
