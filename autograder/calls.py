"""What the grader asks of a submission and what comes back: plain immutable data, shared by every way to run code.

A `Session` runs a submission's functions. There are two: `autograder.sandbox` runs them in a confined process,
`autograder.local` in this one (a student's own notebook). Both take `Call`s and give `Reply`s, one each, in order.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

# How a call can end. Everything but RETURNED ends it without a value.
RETURNED = "returned"
MISSING = "missing"  # no such function, or the stub's NotImplementedError, raised in the function's own frame
RAISED = "error"
TIMEOUT = "timeout"
CRASHED = "crashed"
FORBIDDEN = "forbidden"
PROTOCOL = "protocol"
GRADER_ERROR = "grader_error"


LIVE = "this notebook"  # where a function is looked for that a live namespace should hold


@dataclass(frozen=True)
class Source:
    """One piece of a submission's code.

    label: how a student knows it, "cell 7" or "layers/sigmoid.py".
    text: the code, as written (magics and shell lines included).
    module: None for a notebook's cell; for a file the name by which other code imports it, "layers.sigmoid".
    answers: the functions of which this is the answer cell.
    untouched: True where the answer cell still is the stub that was handed out.
    runs: False for a helper file that is only importable, not part of what is graded.
    """

    label: str
    text: str
    module: str | None = None
    answers: tuple[str, ...] = ()
    untouched: bool = False
    runs: bool = True


@dataclass(frozen=True)
class Frame:
    """One line of a traceback that lies in the student's own code."""

    label: str
    line: int
    function: str
    text: str


@dataclass(frozen=True)
class Problem:
    """An exception in the student's code: its type's name, its message and the frames, outermost first."""

    type: str
    message: str
    frames: tuple[Frame, ...] = ()


class Call(NamedTuple):
    """One call of one of the student's functions, on fresh copies of its arguments.

    function: the function whose value comes back.
    args: its arguments, nested tuples of arrays and scalars. For a backward, the arguments of its forward.
    forward: for a backward, the name of the forward that makes its cache, in a fresh call.
    dout: for a backward, the upstream gradient.
    pair: True for the forward of a Pair: of the returned (out, cache) only out comes back.
    max_bytes: the reply may hold this many bytes of array data.
    cpu_limit: seconds of CPU for this call; None for the session's own limit.
    """

    function: str
    args: tuple
    forward: str | None = None
    dout: Any = None
    pair: bool = False
    max_bytes: int = 1 << 20
    cpu_limit: float | None = None


@dataclass(frozen=True)
class Opaque:
    """Stands for a returned value that is no array, scalar, tuple or list of those: 'str', 'array of dtype object'."""

    kind: str


class Reply(NamedTuple):
    """What became of one call.

    value: nested tuples of numpy arrays (scalars are 0-d arrays), None or `Opaque`.
    paired: for a call with `pair`, whether a tuple or list of two came back; if not, value is all that was returned.
    problem: the exception, for status RAISED and MISSING; for other failures its message says what happened.
    where: "forward" where a backward's own forward failed before the backward could run, else "".
    mutated: what the call wrote into of its arguments: their positions as "0", "1", ...; of a backward, "dout".
    warnings: numpy's and Python's warnings, as text, each once.
    seconds: CPU time of the call, from the end of the one before, as seen by the process that ran it. For remarks,
        never for scores. Of an answer that came again byte by byte, those of the first.
    """

    status: str
    value: Any = None
    paired: bool = True
    problem: Problem | None = None
    where: str = ""
    mutated: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    seconds: float = 0.0


@dataclass(frozen=True)
class Definition:
    """Where a graded name was found: `found` False with the problem that kept it from being defined, if any."""

    name: str
    found: bool
    where: str = ""
    problem: Problem | None = None
    untouched: bool = False


class Session(Protocol):
    """A loaded submission. `definitions` has an entry for every name asked for; `remarks` are sentences."""

    definitions: dict[str, Definition]
    remarks: tuple[str, ...]

    def run(self, calls: Sequence[Call]) -> list[Reply]: ...

    def close(self) -> None: ...


@dataclass(frozen=True)
class Limits:
    """What a submission may use. Seconds are CPU unless they say wall; bytes are of memory."""

    definitions: float = 10.0  # CPU, all that the graded functions need to be defined
    call: float = 2.0  # CPU, one call
    call_wall: float = 6.0
    total_wall: float = 120.0
    memory: int = 2 << 30
    output: int = 1 << 20
    text: int = 4000
