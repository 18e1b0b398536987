"""The wire carries values exactly, and believes nothing: any bytes at all are read as a value or refused, cheaply."""

from __future__ import annotations

import socket
import struct
import threading
import time
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autograder.calls import Call, Definition, Reply
from autograder.sandbox import wire
from autograder.sandbox.calling import differs
from autograder.sandbox.child import Pipe
from autograder.sandbox.messages import calls_frame, read_calls, reply_pieces
from autograder.sandbox.replies import read_definitions, read_reply
from autograder.sandbox.wire import DTYPES, Frames, Odd, Reader, WireError, frame, fresh

EXAMPLES = settings(max_examples=300, deadline=None)

arrays = st.builds(
    lambda dtype, shape, order, seed: np.asarray(
        np.random.default_rng(seed).integers(0, 2, shape).astype(dtype), order=order
    ),
    st.sampled_from(DTYPES),
    st.lists(st.integers(0, 4), max_size=4).map(tuple),
    st.sampled_from("CF"),
    st.integers(0, 99),
)
scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(1 << 63), (1 << 63) - 1),
    st.floats(),
    st.complex_numbers(),
    st.text(max_size=20),
    st.builds(Odd, st.text(max_size=9)),
)
values = st.recursive(st.one_of(scalars, arrays), lambda inner: st.lists(inner, max_size=4).map(tuple), max_leaves=12)


def reply_frame(sequence, reply):
    return b"".join(reply_pieces(sequence, reply))


def same(one, two) -> bool:
    if isinstance(one, np.ndarray):
        return one.dtype == two.dtype and one.shape == two.shape and one.tobytes() == two.tobytes()
    if isinstance(one, tuple):
        return len(one) == len(two) and all(map(same, one, two))
    return type(one) is type(two) and (one == two or repr(one) == repr(two))


@EXAMPLES
@given(values)
def test_what_goes_in_comes_out(value):
    """Every value of the kinds that the wire carries arrives as it left, dtype, shape and bits."""
    frames = Frames()
    frames.feed(frame(wire.REPLY, 7, value))
    kind, sequence, body = frames.pop()
    assert (kind, sequence) == (wire.REPLY, 7)
    expected = Reader(body).decode()
    assert same(value, expected) or max(str(value)) >= "\ud800"


@pytest.mark.parametrize("array", [np.zeros((3, 4)), np.zeros((3, 4)).T, np.zeros((3, 8))[:, ::2], np.zeros(())])
def test_memory_order_is_kept(array):
    """C, Fortran and strided arrays arrive as such, and `fresh` copies keep it."""
    decoded = Reader(frame(0, 0, array)[wire.HEADER.size :]).decode()
    for copy in (decoded, fresh(decoded)):
        assert copy.flags.c_contiguous == array.flags.c_contiguous
        assert copy.flags.f_contiguous == array.flags.f_contiguous
        assert copy.flags.writeable
        assert copy.flags.aligned


@pytest.mark.parametrize("value", [object(), {1: 2}, np.zeros(2, object), np.zeros(2, "f2"), 1 << 63, b"bytes"])
def test_what_the_wire_does_not_carry_is_refused(value):
    """Objects, other dtypes and bytes are refused by the sender."""
    with pytest.raises(WireError):
        frame(0, 0, value)


def array_header(code=0, order=b"C", shape=(2,), data=bytes(16)) -> bytes:
    return b"a" + struct.pack("<BcB", code, order, len(shape)) + struct.pack(f"<{len(shape)}Q", *shape) + data


BROKEN = {
    "an unknown tag": b"?",
    "nothing": b"",
    "bytes left over": b"NN",
    "an unknown dtype": array_header(code=99),
    "an unknown order": array_header(order=b"X"),
    "a rank of 255": b"a" + struct.pack("<BcB", 0, b"C", 255) + bytes(2040),
    "more data than there is": array_header(shape=(3,)),
    "less data than there is": array_header(shape=(1,)),
    "dimensions that overflow": array_header(shape=(1 << 32, 1 << 32)),
    "a dimension of 2**63": array_header(shape=(1 << 63,)),
    "a huge dimension beside a zero": array_header(shape=(0, 1 << 40), data=b""),
    "huge dimensions beside a zero": array_header(shape=(0, 1 << 31, 1 << 31, 1 << 31), data=b""),
    "a bool of 2": array_header(code=5, shape=(1,), data=b"\x02"),
    "a text of 4 GiB": b"s\xff\xff\xff\xff",
    "a tuple of 4 billion": b"(\xff\xff\xff\xff",
    "nested for ever": (b"(" + struct.pack("<I", 1)) * 1000 + b"N",
    "a truncated number": b"d\0\0",
    "a scalar of an unknown dtype": b"g\x63" + bytes(8),
}


@pytest.mark.parametrize("body", BROKEN.values(), ids=BROKEN)
def test_a_broken_body_is_refused_before_anything_is_allocated(body):
    """Every length is held against the bytes that arrived; no claim makes the reader allocate."""
    tracemalloc.start()
    try:
        with pytest.raises(WireError):
            Reader(body).decode()
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()


@EXAMPLES
@given(st.binary(max_size=200))
def test_random_bytes_are_a_value_or_refused(body):
    """No bytes make the readers raise anything but WireError."""
    for read in (lambda: Reader(body).decode(), lambda: read_reply(body), lambda: read_definitions(body, ("f",))):
        try:
            read()
        except WireError:
            continue


GOOD_REPLY = ("returned", (np.ones((2, 3)), 1.0), True, None, "", ("0",), ("RuntimeWarning: x",), 0.5)
BAD_REPLY = ("error", None, True, ("ValueError", "no", (("cell 1", 2, "f", "x"),)), "forward", (), (), 0.5)
GOOD_DEFINITIONS = ((("f", True, "cell 1", ("E", "m", ()), False),), ("a remark",))


@EXAMPLES
@given(st.sampled_from([GOOD_REPLY, BAD_REPLY, GOOD_DEFINITIONS]), st.data())
def test_a_damaged_reply_is_a_reply_or_refused(value, data):
    """A reply with bytes changed, cut or put in is a well-formed reply of clean text, or refused."""
    body = bytearray((reply_frame(0, value) if len(value) == 8 else frame(0, 0, value))[wire.HEADER.size :])
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(body) - 1))
        change = data.draw(st.sampled_from(["flip", "cut", "put"]))
        if change == "flip":
            body[at] = data.draw(st.integers(0, 255))
        elif change == "cut" and len(body) > 1:
            del body[at]
        else:
            body.insert(at, data.draw(st.integers(0, 255)))
    for read, kind in ((read_reply, Reply), (lambda b: read_definitions(b, ("f",))[0]["f"], Definition)):
        try:
            made = read(bytes(body))
        except WireError:
            continue
        assert isinstance(made, kind)
        assert not set(repr(made)) & set("\x1b\x07\x9b\u202e")


FIELDS = {
    "value": "text where a value belongs",
    "problem": ("only", "two"),
    "mutated": (1,),
    "warnings": "text",
}
# Of no argument: a digit that is no number, one of those that Python reads as numbers, too many digits, a lie.
NO_ARGUMENTS = [("\u00b2",), ("\u0663",), ("0" * 50,), ("",), ("dout", "x belongs to the grader"), ("-1",)]


@pytest.mark.parametrize("mutated", NO_ARGUMENTS)
def test_what_is_no_argument_was_not_written_into(mutated):
    """Positions and dout alone: what is told of them becomes a sentence of the report."""
    told = (*GOOD_REPLY[:5], mutated, *GOOD_REPLY[6:])
    with pytest.raises(WireError, match="no argument"):
        read_reply(reply_frame(0, told)[wire.HEADER.size :])


@pytest.mark.parametrize("field", FIELDS)
def test_a_reply_with_a_field_of_another_type_is_refused(field):
    """Each field of a reply is held to its type."""
    at = ("status", "value", "paired", "problem", "where", "mutated", "warnings", "seconds").index(field)
    changed = list(GOOD_REPLY)
    changed[at] = FIELDS[field]
    with pytest.raises(WireError):
        read_reply(reply_frame(0, tuple(changed))[wire.HEADER.size :])


@pytest.mark.parametrize("at", [0, 1])
def test_an_unknown_status_is_refused(at):
    """The first two bytes say how the call ended and where; there are few ways."""
    body = bytearray(reply_frame(0, GOOD_REPLY)[wire.HEADER.size :])
    read_reply(bytes(body))
    body[at] = 9
    with pytest.raises(WireError, match="status"):
        read_reply(bytes(body))


def test_a_reply_arrives_as_it_was_sent():
    """Every field, the rare ones too."""
    reply = read_reply(reply_frame(0, BAD_REPLY)[wire.HEADER.size :])
    assert (reply.status, reply.value, reply.where, reply.seconds) == ("error", None, "forward", 0.5)
    assert (reply.problem.type, reply.problem.frames[0].line) == ("ValueError", 2)
    reply = read_reply(reply_frame(0, GOOD_REPLY)[wire.HEADER.size :])
    assert (reply.status, reply.paired, reply.mutated, reply.warnings) == ("returned", True, ("0",), GOOD_REPLY[6])
    assert same(reply.value, (np.ones((2, 3)), np.array(1.0)))


def test_calls_arrive_as_they_were_made():
    """Arguments that several calls share travel once, and arrive at each."""
    x, dout = np.arange(6.0).reshape(2, 3).T, np.ones((3, 2))
    calls = [
        Call("f", (x, 2.0), pair=True),
        Call("g", (x, 2.0), forward="f", dout=dout, max_bytes=99),
        Call("g", (x,), forward="f", dout=(dout, x)),
    ]
    data = calls_frame(7, calls)
    arrived = read_calls(data[wire.HEADER.size :])
    first, second, third = arrived
    assert (first[0], first[2:]) == ("f", (None, None, True, 1 << 20))
    assert (second[0], second[2], second[4:]) == ("g", "f", (False, 99))
    assert all(same(one[1], (x, 2.0)) and one[1][0].flags.f_contiguous for one in (first, second))
    assert same(third[1], (x,))
    assert same(third[3], (dout, x))
    assert data.count(dout.tobytes()) == 2  # by itself, and within a tuple


def asked(*args, **more):
    """The arguments of a call, as they arrive."""
    ((_, args, *_),) = read_calls(calls_frame(0, [Call("f", args, **more)])[wire.HEADER.size :])
    return args


@EXAMPLES
@given(st.lists(values.filter(lambda value: "Odd(" not in repr(value)), max_size=4).map(tuple))
def test_arguments_arrive_as_they_were(args):
    """Nested arguments of the kinds that a case may have, each array at a place where it can be read at full speed."""
    arrived = asked(*args)
    assert same(args, arrived)
    for array in arrived:
        assert not isinstance(array, np.ndarray) or array.flags.aligned


@pytest.mark.parametrize(
    "array",
    [
        np.arange(12.0).reshape(3, 4),
        np.ones((300, 4)).T,
        np.arange(24.0).reshape(3, 8)[:, ::2],
        np.array(1.5),
        np.zeros((0, 3)),
        np.ones((3, 5), np.float32),
        np.ones(3, bool),
        np.arange(40_000.0).reshape(2, -1).T,
    ],
)
def test_the_memory_order_of_arguments_is_kept(array):
    """What stands beside an array of an odd number of bytes, too."""
    for arrived in asked(array, array, [array])[:2]:
        assert same(arrived, array)
        for flag in ("c_contiguous", "f_contiguous", "aligned"):
            assert getattr(arrived.flags, flag) == getattr(array.flags, flag)


def test_scalars_lists_and_texts_arrive_as_such():
    args = (np.float32(1.5), np.int64(3), [1, "a", None], "x -> y", 10**30, (True, 2.5, 1j))
    arrived = asked(*args)
    assert arrived == args
    assert [type(value) for value in arrived] == [type(value) for value in args]
    assert [type(value) for value in arrived[5]] == [bool, float, complex]


@pytest.mark.parametrize("value", [object(), {1: 2}, np.zeros(2, object), np.zeros(2, "f2"), np.float16(1), b"bytes"])
def test_arguments_that_do_not_travel_are_refused(value):
    with pytest.raises(WireError, match="does not carry"):
        calls_frame(0, [Call("f", (value,))])


def test_text_is_cleaned_on_this_side_too():
    """A child that cleans nothing gains nothing: control characters and length are dealt with again."""
    told = ("error", None, True, ("\x1b[31mE", "\u202em" + "x" * 1000, (("\x07", 1, "\x9b", "\r\n"),)), "", (), (), 0.0)
    problem = read_reply(reply_frame(0, told)[wire.HEADER.size :]).problem
    assert (problem.type, problem.message[:2], len(problem.message)) == ("\ufffd[31mE", "\ufffdm", 500)
    assert problem.frames[0].label == "\ufffd"


def test_the_limit_speaks_before_a_body_is_awaited():
    """A header alone is enough to refuse a frame: nothing waits for 2**62 bytes."""

    def limit(kind, sequence, length):
        raise WireError("too long")

    frames = Frames(limit)
    frames.feed(wire.HEADER.pack(wire.REPLY, 0, 1 << 62))
    with pytest.raises(WireError, match="too long"):
        frames.pop()


LARGE = np.arange(5000.0).reshape(50, 100)


@pytest.mark.parametrize("array", [LARGE, LARGE.T, LARGE[:, ::2], LARGE.astype("f4"), LARGE[::-1], LARGE > 9])
def test_large_arrays_are_sent_in_place(array):
    """What is too large to be copied first arrives like the rest, in its order, and with the frame's true length."""
    sent = b"".join(wire.pieces(wire.REPLY, 3, [(array, 1.0)], b"head"))
    assert wire.HEADER.unpack_from(sent) == (wire.REPLY, 3, len(sent) - wire.HEADER.size)
    got, more = Reader(sent[wire.HEADER.size :], 4).decode()
    assert same(got, array)
    assert (got.flags.c_contiguous, got.flags.f_contiguous) == (array.flags.c_contiguous, array.flags.f_contiguous)
    assert more == 1.0


def test_a_large_frame_arrives_in_the_parts_that_fit_the_line():
    """Both ends of the process's pipe: what is larger than the line holds is read and written in parts."""
    ours, theirs = socket.socketpair()
    ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 14)
    theirs.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 14)
    sent = frame(wire.CALLS, 1, np.arange(40_000.0))  # any values: not looked into here
    reply = wire.pieces(wire.REPLY, 2, (np.arange(30_000.0), np.ones(3)))
    whole = frame(wire.DONE, 1) + b"".join(reply)
    pipe, got = Pipe(theirs.fileno()), bytearray()

    def grader():
        ours.sendall(sent)
        while len(got) < len(whole):
            got.extend(ours.recv(1 << 16))

    thread = threading.Thread(target=grader)
    thread.start()
    kind, sequence, body = pipe.receive()
    assert (kind, sequence) == (wire.CALLS, 1)
    assert same(Reader(body).decode(), np.arange(40_000.0))
    pipe.sent = time.monotonic() + 60  # so that the next waits
    pipe.put([frame(wire.DONE, 1)])
    pipe.put(reply)
    pipe.flush()
    thread.join()
    assert bytes(got) == whole
    ours.close()
    theirs.close()


@EXAMPLES
@given(st.one_of(arrays, st.lists(arrays, max_size=3).map(tuple), values), st.data())
def test_the_short_way_to_arrays_is_the_long_one(value, data):
    """Where it gives anything the reader gives the same, also of a body that is cut or changed."""
    body = bytearray(b"".join(wire.pieces(wire.REPLY, 0, (value,)))[wire.HEADER.size :])
    several = value if isinstance(value, tuple) else (value,)
    if all(isinstance(v, np.ndarray) and v.dtype.kind != "b" and v.flags.c_contiguous for v in several):
        assert same(wire.plain_arrays(bytes(body), 0), value)
    if data.draw(st.booleans()):
        body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    body = bytes(body[: data.draw(st.integers(0, len(body)))])
    try:
        found = wire.plain_arrays(body, 0)
    except WireError:
        found = None
    if found is not None:
        assert same(found, Reader(body).decode())


@pytest.mark.parametrize("size", [4, 5000])
def test_a_copy_that_was_written_into_differs(size):
    """Of any size: by bits, so that nan is nan, and -0.0 is not 0.0; a view with gaps and float32, too."""
    for make in (np.zeros, lambda n: np.full(n, np.nan), lambda n: np.zeros(n, "f4"), lambda n: np.zeros(2 * n)[::2]):
        array = make(size)
        assert not differs(array, fresh(array))
        for value in (1.0, -0.0):
            written = fresh(array)
            written[size // 2] = value
            assert differs(array, written)
    assert differs(np.zeros(size), np.zeros((1, size)))


def test_frames_arrive_in_any_pieces():
    """A stream cut anywhere gives the same frames."""
    stream = frame(wire.REPLY, 1, (1.0, "a")) + frame(wire.REPLY, 2, np.ones(3))
    for cut in range(len(stream)):
        frames, found = Frames(), []
        for piece in (stream[:cut], stream[cut:]):
            frames.feed(piece)
            while (popped := frames.pop()) is not None:
                found.append(popped[:2])
        assert found == [(wire.REPLY, 1), (wire.REPLY, 2)]
