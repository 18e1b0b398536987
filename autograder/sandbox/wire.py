"""The wire between the grader and a submission's process: fixed binary frames that hold nested values.

A frame is a 16-byte header (kind, sequence number, length) and a body. A body is one value: None, bool, int, float,
complex, text, tuple, list, an array or a numpy scalar of a few dtypes, or `Odd`, which stands for anything else.
There is no pickle, no JSON and no `.npy` here, and nothing is allocated on the word of a header: every length is held
against the bytes that have arrived. (Two frames have bodies of their own: LOAD and CALLS, which only the grader sends.)
Imports numpy alone, since both sides load it.
"""

from __future__ import annotations

import functools
import math
import struct
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

HEADER = struct.Struct("<BxxxIQ")
LOAD, CALLS, READY, REFUSED, PROGRESS, DEFINED, REPLY, DONE = range(1, 9)

DTYPES = tuple(np.dtype(name) for name in ("float64", "float32", "int64", "int32", "uint8", "bool", "complex128"))
CODES = {dtype: code for code, dtype in enumerate(DTYPES)}
MAX_DEPTH, MAX_ITEMS, MAX_RANK, MAX_SIZE = 4, 64, 16, 1 << 31
# what the frames of the grader and of definitions may hold; a value that a student returned is held to the above
LOOSE_DEPTH, LOOSE_ITEMS = 16, 1 << 16
SMALL = 1 << 12  # bytes of a body that are sooner copied twice than looked at in place

_sum = sum  # bound early: a submission may put its own in its place
_LENGTH = struct.Struct("<I")
_INT = struct.Struct("<q")
_FLOAT = struct.Struct("<d")
_COMPLEX = struct.Struct("<dd")
_ARRAY = struct.Struct("<BcB")
_DIMS = tuple(struct.Struct(f"<{rank}Q") for rank in range(MAX_RANK + 1))


class WireError(ValueError):
    """A frame that breaks the format, or holds more than it may."""


class Odd:
    """Stands for a value that the wire does not carry; `kind` says what it was."""

    __slots__ = ("kind",)

    def __init__(self, kind: str):
        self.kind = kind

    def __eq__(self, other):
        return isinstance(other, Odd) and self.kind == other.kind

    def __hash__(self):
        return hash(self.kind)

    def __repr__(self):
        return f"Odd({self.kind!r})"


def frame(kind: int, sequence: int, *values: Any) -> bytes:
    """The bytes of one frame."""
    return b"".join(pieces(kind, sequence, values))


def pieces(kind: int, sequence: int, values: Sequence[Any], head: bytes = b"") -> list[bytes | memoryview]:
    """The bytes of one frame, `head` as it is, then the values, in pieces: what is large is looked at in place, and
    not copied."""
    parts = [b"", head]
    for value in values:
        _encode(value, parts.append)
    length = _sum(map(len, parts))
    parts[0] = HEADER.pack(kind, sequence, length)
    return parts if length > SMALL else [b"".join(parts)]


def _encode(value: Any, put) -> None:
    kind = type(value)
    if kind is np.ndarray:
        _encode_array(value, put)
    elif kind is str:
        text = value.encode("utf-8", "replace")
        put(b"s" + _LENGTH.pack(len(text)))
        put(text)
    elif kind is tuple or kind is list:
        put((b"(" if kind is tuple else b"[") + _LENGTH.pack(len(value)))
        for item in value:
            _encode(item, put)
    elif value is None:
        put(b"N")
    elif kind is bool:
        put(b"T" if value else b"F")
    elif kind is int and -(1 << 63) <= value < 1 << 63:
        put(b"i" + _INT.pack(value))
    elif kind is float:
        put(b"d" + _FLOAT.pack(value))
    elif kind is complex:
        put(b"c" + _COMPLEX.pack(value.real, value.imag))
    elif kind is Odd:
        text = value.kind.encode("utf-8", "replace")
        put(b"o" + _LENGTH.pack(len(text)))
        put(text)
    elif isinstance(value, np.generic) and value.dtype in CODES:
        put(b"g" + bytes([CODES[value.dtype]]) + value.tobytes())
    else:
        raise WireError(f"the wire does not carry {kind.__name__}")


def _encode_array(array: np.ndarray, put) -> None:
    code = CODES.get(array.dtype)
    if code is None or array.ndim > MAX_RANK:
        raise WireError(f"the wire does not carry arrays of dtype {array.dtype} and rank {array.ndim}")
    order, data = _laid_out(array)
    put(b"a" + _ARRAY.pack(code, order, array.ndim) + _DIMS[array.ndim].pack(*array.shape))
    put(data)


ALIGNED = 8  # bytes: an array that begins at a multiple of it is read in place at full speed


def laid_side_by_side(arrays: Sequence[np.ndarray]) -> tuple[list[tuple], list[bytes | memoryview]]:
    """(dtype, order, shape) of each array, and their entries in pieces of aligned length, large ones in place.

    order: C, F or S as in `_laid_out`, or G for a numpy scalar.
    """
    heads, pieces = [], []
    for array in arrays:
        dtype, (order, data) = array.dtype, _laid_out(array)
        if dtype not in CODES:
            raise WireError(f"the wire does not carry arrays of dtype {dtype}")
        heads.append((CODES[dtype], order if type(array) is np.ndarray else b"G", array.shape))
        pieces.append(data)
        if gap := -len(data) % ALIGNED:
            pieces.append(bytes(gap))
    return heads, pieces


def taken_apart(body: bytes | bytearray, at: int, heads: Sequence[tuple]) -> Iterator[np.ndarray]:
    """The arrays of `laid_side_by_side`, which lie in `body` from `at` on, in place where they are not strided."""
    for code, order, shape in heads:
        array = np.ndarray(shape, DTYPES[code], body, at, order="F" if order == b"F" else "C")
        at += array.nbytes + -array.nbytes % ALIGNED
        yield array if order in b"CF" else order_as(array, order) if order == b"S" else array[()]


def _laid_out(array: np.ndarray) -> tuple[bytes, bytes | memoryview]:
    """An array's order, C, F (Fortran, where that differs) or S (strided, neither), and its entries in that order."""
    flags = array.flags
    if flags.c_contiguous and array.nbytes < SMALL:  # as most
        return b"C", array.tobytes()
    order = b"C" if flags.c_contiguous else b"F" if flags.f_contiguous else b"S"
    if array.nbytes < SMALL or order == b"S":
        return order, array.tobytes("F" if order == b"F" else "C")
    return order, memoryview(array if order == b"C" else array.T).cast("B")


class Reader:
    """Decodes the values of one body within limits; `end` sees to it that the last byte was consumed."""

    def __init__(self, body, at=0, *, max_text=1 << 30, depth=LOOSE_DEPTH, items=LOOSE_ITEMS):
        self.body, self.at, self.size = body, at, len(body)
        self.max_text, self.depth, self.items = max_text, depth, items

    def decode(self) -> Any:
        """The one value that the body holds."""
        value = self.value()
        self.end()
        return value

    def end(self) -> None:
        if self.at != self.size:
            raise WireError("bytes are left over")

    def _take(self, count: int) -> int:
        """Moves past `count` bytes that have arrived and returns where they began."""
        start = self.at
        if count > self.size - start:
            raise WireError("a length points past the end")
        self.at = start + count
        return start

    def value(self, depth: int = 0) -> Any:
        """The next value."""
        tag = self.body[self._take(1)]
        if tag == 0x61:  # a
            return self._array()
        if tag == 0x28 or tag == 0x5B:  # ( [
            count = self._length()
            if depth >= self.depth or count > self.items or count > self.size - self.at:
                raise WireError("too many items, or nested too deep")
            items = [self.value(depth + 1) for _ in range(count)]
            return items if tag == 0x5B else tuple(items)
        if tag == 0x73:  # s
            return self._text()
        if tag == 0x4E:  # N
            return None
        if tag == 0x54 or tag == 0x46:  # T F
            return tag == 0x54
        if tag == 0x69:  # i
            return _INT.unpack_from(self.body, self._take(8))[0]
        if tag == 0x64:  # d
            return _FLOAT.unpack_from(self.body, self._take(8))[0]
        if tag == 0x63:  # c
            return complex(*_COMPLEX.unpack_from(self.body, self._take(16)))
        if tag == 0x67:  # g
            dtype = _dtype(self.body[self._take(1)])
            return np.frombuffer(self.body, dtype, 1, self._take(dtype.itemsize))[0]
        if tag == 0x6F:  # o
            return Odd(self._text())
        raise WireError(f"unknown tag {tag}")

    def _length(self) -> int:
        return _LENGTH.unpack_from(self.body, self._take(4))[0]

    def _text(self) -> str:
        length = self._length()
        if length > self.max_text:
            raise WireError("a text is too long")
        start = self._take(length)
        return bytes(self.body[start : start + length]).decode("utf-8", "replace")

    def _array(self) -> np.ndarray:
        start = self._take(_ARRAY.size)
        self._take(8 * self.body[start + _ARRAY.size - 1])
        dtype, order, shape = _array_head(bytes(self.body[start : self.at]))
        count = math.prod(shape)
        start = self._take(count * dtype.itemsize)
        flat = np.frombuffer(self.body, dtype, count, start)
        if dtype.kind == "b" and flat.view(np.uint8).max(initial=0) > 1:
            raise WireError("a bool is neither 0 nor 1")
        if order == b"C":
            return flat.copy().reshape(shape)
        return order_as(flat.reshape(shape, order="F" if order == b"F" else "C"), order)


def _dtype(code: int) -> np.dtype:
    if code >= len(DTYPES):
        raise WireError("unknown dtype")
    return DTYPES[code]


@functools.lru_cache(256)  # few are met, and each often
def _array_head(head: bytes) -> tuple[np.dtype, bytes, tuple[int, ...]]:
    """Data type, memory order and shape."""
    code, order, rank = _ARRAY.unpack_from(head)
    if rank > MAX_RANK or order not in b"CFS":
        raise WireError("bad array header")
    shape = _DIMS[rank].unpack_from(head, _ARRAY.size)
    # the product of a shape with a zero in it is 0 whatever the other sizes are, so these are bounded by themselves
    if math.prod(filter(None, shape)) > MAX_SIZE:
        raise WireError("an array is too large")
    return _dtype(code), order, shape


def order_as(array: np.ndarray, order: bytes) -> np.ndarray:
    """A fresh, aligned, writable copy in memory order C or F, or neither (S)."""
    if order != b"S" or not array.ndim:
        return np.array(array, order="F" if order == b"F" else "C")
    wide = np.zeros((*array.shape[:-1], 2 * array.shape[-1]), array.dtype)
    wide[..., ::2] = array
    return wide[..., ::2]


def fresh(value: Any) -> Any:
    """A deep copy of nested tuples and lists of arrays, each array in the memory order of the original."""
    kind = type(value)
    if kind is np.ndarray:
        flags = value.flags
        return value.copy("K") if flags.c_contiguous or flags.f_contiguous else order_as(value, b"S")
    if kind is tuple:
        return tuple([fresh(item) for item in value])
    if kind is list:
        return [fresh(item) for item in value]
    return value


def plain_arrays(body: bytes, at: int) -> np.ndarray | tuple[np.ndarray, ...] | None:
    """The value that fills a body from `at` on, where it is an array in C order or a tuple of such arrays, of numbers:
    as `Reader` has it, in a third of the time. None where it is anything else, a broken one among them."""
    size = len(body)
    count, several = 1, body[at : at + 1] == b"("
    if several:
        if size < at + 5:
            return None
        (count,) = _LENGTH.unpack_from(body, at + 1)
        at += 5
        if count > MAX_ITEMS:
            return None
    arrays = []
    for _ in range(count):
        if size < at + 4 or body[at] != 0x61 or body[at + 3] > MAX_RANK:
            return None
        start = at + 4 + 8 * body[at + 3]
        if size < start:
            return None
        dtype, order, shape = _array_head(body[at + 1 : start])
        at = start + math.prod(shape) * dtype.itemsize
        if size < at or order != b"C" or dtype.kind == "b":
            return None
        arrays.append(np.ndarray(shape, dtype, body, start).copy())
    if at != size:
        return None
    return tuple(arrays) if several else arrays[0]


def fields(value: Any, *types) -> tuple:
    """A record: a tuple of items of these types, None standing for any."""
    if type(value) is not tuple or len(value) != len(types):
        raise WireError("a record of the wrong length")
    for item, kind in zip(value, types, strict=True):
        if kind is not None and type(item) is not kind:
            raise WireError("a field of the wrong type")
    return value


class Frames:
    """Splits a stream of bytes into frames; `limit(kind, sequence, length)` may raise before a body is awaited."""

    def __init__(self, limit=None):
        self.buffer, self.at, self.limit = bytearray(), 0, limit

    def feed(self, data) -> None:
        if self.at:
            del self.buffer[: self.at]
            self.at = 0
        self.buffer += data

    def pop(self):
        """The next whole frame as (kind, sequence, body), or None while more bytes are needed."""
        buffer, start = self.buffer, self.at + HEADER.size
        size = len(buffer)
        if size < start:
            return None
        kind, sequence, length = HEADER.unpack_from(buffer, self.at)
        if self.limit is not None:
            self.limit(kind, sequence, length)
        end = start + length
        if size < end:
            return None
        self.at = end
        if length < SMALL:
            return kind, sequence, bytes(buffer[start:end])
        with memoryview(buffer) as view:
            return kind, sequence, bytes(view[start:end])
