"""A submission in the sandbox: loads it, asks it calls, and goes on in a fresh child when one of them ends badly."""

from __future__ import annotations

import contextlib
import time
from collections import Counter
from collections.abc import Sequence

from ..calls import (
    CRASHED,
    FORBIDDEN,
    GRADER_ERROR,
    MISSING,
    PROTOCOL,
    TIMEOUT,
    Call,
    Definition,
    Limits,
    Problem,
    Reply,
    Source,
)
from . import wire
from .converse import Budget, Failure, converse
from .replies import MAX_DEFINITIONS, SLACK, read_definitions, read_reply
from .supervisor import Child, SandboxError

MAX_LOADS = 5  # times that the definitions are tried, each time without the statement that ended the last
MAX_STRIKES = 2  # hangs or crashes of one function, after which it is not called again
MAX_PROGRESS = 100_000


class SandboxSession:
    """A `calls.Session` over one confined child at a time.

    `spawn()` gives a child that has said READY; `restart()` ends a zygote that died or stalls, so that the next starts.
    """

    def __init__(self, spawn, restart, sources: Sequence[Source], names: Sequence[str], limits: Limits):
        self._spawn, self._restart, self._limits, self._names = spawn, restart, limits, tuple(names)
        self._restarted = False
        self._sources = tuple(sources)
        self._load_body = tuple((s.label, s.text, s.module, s.answers, s.untouched, s.runs) for s in self._sources)
        self._child: Child | None = None
        self._ended: Failure | None = None
        self._skipped: dict[tuple[int, int], Failure] = {}
        self._strikes: Counter[str] = Counter()
        self._last_strike: dict[str, Failure] = {}
        self._sequence = 0
        self._spent = 0.0
        self.forbidden = self.protocol = False
        self.definitions: dict[str, Definition] = {}
        self.remarks: tuple[str, ...] = ()
        with _Stopwatch(self):
            self._load()

    # the definitions

    def _load(self) -> None:
        """Runs the sources in a fresh child; without a statement that hangs or ends the process, on another try."""
        for _ in range(MAX_LOADS):
            try:
                definitions, remarks = self._try_load()
            except Failure as failure:
                last, place = failure, self._place
                self._note(failure)
                if self._retries(failure):
                    continue
                if failure.status in (FORBIDDEN, PROTOCOL, GRADER_ERROR) or place is None or place in self._skipped:
                    break
                self._skipped[place] = failure
            else:
                self._settle_definitions(definitions, remarks)
                return
        self._ended = last
        problem = Problem("", last.message)
        self.definitions = {name: Definition(name, False, problem=problem) for name in self._names}
        self.remarks = self._skip_remarks()

    def _try_load(self):
        self._place, result, progress = None, [], 0

        def limit(kind, sequence, length):
            if sequence or length > {wire.PROGRESS: 64, wire.DEFINED: MAX_DEFINITIONS}.get(kind, -1):
                raise wire.WireError("an unexpected frame")

        def accept(kind, sequence, body):
            nonlocal progress
            if kind == wire.DEFINED:
                result.append(read_definitions(body, self._names))
                return True
            progress += 1
            place = wire.Reader(body, depth=1, items=2).decode()
            if progress > MAX_PROGRESS or type(place) is not tuple or [type(at) for at in place] != [int, int]:
                raise wire.WireError("bad progress")
            self._place = place
            return None

        child = self._fresh_child()
        self._frames = wire.Frames(limit)
        skip = tuple(self._skipped)
        body = wire.frame(wire.LOAD, 0, (self._load_body, self._names, skip))
        limits = self._limits
        budget = Budget(limits.definitions, limits.total_wall, self._deadline(), patience=limits.call_wall)
        self._converse(child, body, accept, budget)
        return result[0]

    def _settle_definitions(self, definitions, remarks) -> None:
        self.remarks = (*remarks, *self._skip_remarks())
        for name, definition in definitions.items():
            if not definition.found and definition.problem is None and self._skipped:
                failure = next(iter(self._skipped.values()))
                definitions[name] = Definition(name, False, definition.where, Problem("", failure.message))
        self.definitions = definitions

    def _skip_remarks(self) -> tuple[str, ...]:
        remarks = []
        for (source, _), failure in self._skipped.items():
            label = self._sources[source].label if 0 <= source < len(self._sources) else "the code"
            remarks.append(f"{label}: {failure.message}; this statement was left out")
        return tuple(remarks)

    # calls

    def run(self, calls: Sequence[Call]) -> list[Reply]:
        """Makes the calls in order, as few round trips as the limits allow; every call gets its reply."""
        replies: list[Reply] = []
        with _Stopwatch(self):
            while len(replies) < len(calls):
                if (reply := self._without_asking(calls[len(replies)])) is not None:
                    replies.append(reply)
                    continue
                self._run_segment(_segment(calls, len(replies), self._without_asking), replies)
        return replies

    def _without_asking(self, call: Call) -> Reply | None:
        """The reply where it is known beforehand: nothing to call, or nothing that ends in time."""
        if self._ended is not None:
            return _failed(self._ended)
        for name, where in ((call.forward, "forward"), (call.function, "")):
            if name is None:
                continue
            definition = self.definitions.get(name)
            if definition is None or not definition.found:
                problem = definition.problem if definition else None
                return Reply(self._missing_status(problem), problem=problem, where=where)
            if self._strikes[name] >= MAX_STRIKES:
                failure = self._last_strike[name]
                return _failed(
                    Failure(failure.status, f"{failure.message}, {MAX_STRIKES} times; not called again"), where
                )
        return None

    def _missing_status(self, problem: Problem | None) -> str:
        for failure in self._skipped.values():
            if problem is not None and problem.message == failure.message:
                return failure.status
        return MISSING

    def _run_segment(self, segment: Sequence[Call], replies: list[Reply]) -> None:
        if self._spent_now() >= self._limits.total_wall:
            self._ended = Failure(TIMEOUT, "not called: the time for the whole submission is used up")
            return
        if self._child is None:
            self._load()
            if self._ended is not None:
                return
        first, base, limits = self._sequence, len(replies), self._limits
        self._sequence += len(segment)

        def limit(kind, sequence, length):
            at = len(replies) - base
            if at >= len(segment) or kind != wire.REPLY or sequence != first + at:
                raise wire.WireError("a reply that was not asked for")
            if length > segment[at].max_bytes + SLACK:
                raise wire.WireError("a reply that is too long")

        def accept(kind, sequence, body):
            replies.append(read_reply(body))
            return len(replies) - base == len(segment)

        self._frames.limit = limit
        bodies = (_body(call) for call in segment)
        payload = b"".join(wire.frame(wire.CALL, first + at, body) for at, body in enumerate(bodies))
        cpu = segment[0].cpu_limit
        budget = Budget(limits.call if cpu is None else cpu, limits.call_wall, self._deadline())
        child, before = self._child, self._child.cpu() if cpu is not None else 0.0
        try:
            self._converse(child, payload, accept, budget)
        except Failure as failure:
            if not self._retries(failure):
                replies.append(self._struck(segment[len(replies) - base], failure))
        else:
            if cpu is not None and child.cpu() - before > cpu:
                replies[-1] = _failed(
                    Failure(TIMEOUT, f"it took {child.cpu() - before:.2f} s of CPU time, of {cpu:g} s")
                )

    def _struck(self, call: Call, failure: Failure) -> Reply:
        """Notes against which function a failure counts; a backward's may be its forward's."""
        self._note(failure)
        if failure.status == GRADER_ERROR:
            self._ended = failure
        if failure.status not in (TIMEOUT, CRASHED) or call.cpu_limit is not None:
            return _failed(failure)
        where = ""
        if call.forward is not None:
            probe = Call(call.forward, call.args, pair=True, max_bytes=call.max_bytes)
            if self._strikes[call.forward] or self.run([probe])[0].status in (TIMEOUT, CRASHED):
                where = "forward"
        name = call.forward if where else call.function
        self._strikes[name] += 1
        self._last_strike[name] = failure
        return _failed(failure, where)

    # one child

    def _fresh_child(self) -> Child:
        try:
            self._child = self._spawn()
        except SandboxError as error:
            raise Failure(GRADER_ERROR, f"the sandbox failed: {error}") from error
        return self._child

    def _converse(self, child, payload, accept, budget) -> None:
        try:
            converse(child, payload, self._frames, accept, budget)
        except Failure:
            self._child = None
            raise
        except SandboxError as error:
            self._child = None
            raise Failure(GRADER_ERROR, f"the sandbox failed: {error}") from error

    def _retries(self, failure: Failure) -> bool:
        """Whether the sandbox itself failed for the first time: then a new zygote gets a second try."""
        if failure.status != GRADER_ERROR or self._restarted:
            return False
        self._restarted = True
        self._restart()
        return True

    def _note(self, failure: Failure) -> None:
        self.forbidden |= failure.status == FORBIDDEN
        self.protocol |= failure.status == PROTOCOL

    def _spent_now(self) -> float:
        return self._spent + time.monotonic() - self._started

    def _deadline(self) -> float:
        return self._started + self._limits.total_wall - self._spent

    @property
    def sees_cpu(self) -> bool:
        """Whether the kernel tells this process what CPU time the child uses."""
        return self._child is not None and self._child.cpu() > 0

    def close(self) -> None:
        child, self._child = self._child, None
        if child is not None:
            with contextlib.suppress(SandboxError):
                child.discard()
        self._ended = self._ended or Failure(GRADER_ERROR, "the session is closed")

    def __enter__(self) -> SandboxSession:
        return self

    def __exit__(self, *error) -> None:
        self.close()


class _Stopwatch:
    """Counts the wall time that a session itself uses; calls within calls count once."""

    def __init__(self, session):
        self.session = session

    def __enter__(self):
        self.outer = getattr(self.session, "_running", False)
        if not self.outer:
            self.session._running, self.session._started = True, time.monotonic()

    def __exit__(self, *error):
        if not self.outer:
            self.session._spent = self.session._spent_now()
            self.session._running = False


def _segment(calls: Sequence[Call], start: int, known) -> Sequence[Call]:
    """The calls from `start` that go out together; one with a CPU limit of its own goes alone, to be measured."""
    if calls[start].cpu_limit is not None:
        return calls[start : start + 1]
    end = start + 1
    while end < len(calls) and calls[end].cpu_limit is None and known(calls[end]) is None:
        end += 1
    return calls[start:end]


def _body(call: Call) -> tuple:
    return call.function, tuple(call.args), call.forward, call.dout, call.pair, call.max_bytes


def _failed(failure: Failure, where: str = "") -> Reply:
    return Reply(failure.status, problem=Problem("", failure.message), where=where)
