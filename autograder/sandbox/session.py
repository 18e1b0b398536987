"""A submission in the sandbox: asked many calls in one round trip, and after a failure the rest in a fresh child."""

from __future__ import annotations

import secrets
import time
from collections import Counter
from collections.abc import Sequence

from ..calls import CRASHED, FORBIDDEN, GRADER_ERROR, PROTOCOL, TIMEOUT, Call, Limits, Problem, Reply, Source
from . import messages, wire
from .converse import Failure
from .line import Line
from .loading import Loader
from .replies import SLACK, read_reply

MAX_STRIKES = 2  # hangs or crashes of one function, after which it is not called again; worse counts for all


class SandboxSession:
    """A `calls.Session` over one confined child at a time. The call that ends a child fails, and no other."""

    def __init__(self, line: Line, sources: Sequence[Source], names: Sequence[str], limits: Limits):
        self._line, self._limits = line, limits
        self._loader = Loader(line, sources, names, limits)
        self._strikes: Counter[str] = Counter()
        self._last_strike: dict[str, Failure] = {}
        self._sequence = 0
        self._one_by_one = False  # whether a call ended a child, and it is not known yet which
        self._careful = False  # whether bytes were left on the line: then so it stays
        with line.running():
            self._ended: Failure | None = self._loader.load()
        self.definitions = self._loader.definitions

    @property
    def forbidden(self) -> bool:
        """Whether anything in the submission asked the system for what only an attack asks for."""
        return self._line.forbidden

    @property
    def protocol(self) -> bool:
        """Whether anything in the submission wrote to the grader's wire."""
        return self._line.protocol

    @property
    def remarks(self) -> tuple[str, ...]:
        """Sentences on what was met so far, for the student and whoever grades."""
        told = list(self._loader.remarks)
        if self.forbidden:
            told.append("The code asked the operating system for something that no exercise needs, and was ended.")
        if self.protocol:
            told.append("The code wrote to the line on which the grader is answered, and was ended.")
        return tuple(told)

    @property
    def sees_cpu(self) -> bool:
        """Whether the kernel tells this process what CPU time the child uses."""
        return self._line.child is not None and self._line.child.cpu() > 0

    def run(self, calls: Sequence[Call]) -> list[Reply]:
        """Makes the calls in order; every call gets its reply."""
        replies: list[Reply] = []
        with self._line.running():
            while len(replies) < len(calls):
                known = self._known(calls[len(replies)])
                if known is not None:
                    replies.append(known)
                else:
                    self._run_segment(self._segment(calls, len(replies)), replies)
                if len(replies) == len(calls) and not self._line_is_clean():
                    replies.clear()
        return replies

    def _known(self, call: Call) -> Reply | None:
        """The reply where it is known beforehand: nothing to call, or nothing that ends in time."""
        if self._ended is not None:
            return _failed(self._ended)
        for name, where in ((call.forward, "forward"), (call.function, "")):
            if name is None:
                continue
            definition = self.definitions.get(name)
            if definition is None or not definition.found:
                problem = definition.problem if definition else None
                return Reply(self._loader.status_of(definition), problem=problem, where=where)
            if self._strikes[name] >= MAX_STRIKES:
                failure = self._last_strike[name]
                again = f"{failure.message}; it was not called again"
                return _failed(Failure(failure.status, again), where)
        return None

    def _segment(self, calls: Sequence[Call], start: int) -> Sequence[Call]:
        """The calls from `start` that go out together: those of one question where its CPU time is to be measured."""
        first, end = calls[start], start + 1
        to_be_made = set()
        while end < len(calls) and not self._one_by_one:
            call = calls[end]
            if (call.function, call.forward) not in to_be_made:
                if self._known(call) is not None:
                    break
                to_be_made.add((call.function, call.forward))
            if call.cpu_limit != first.cpu_limit or (call.cpu_limit is not None and call.args is not first.args):
                break
            end += 1
        return calls[start:end]

    def _run_segment(self, segment: Sequence[Call], replies: list[Reply]) -> None:
        """Appends replies to calls that go out together: to all, or to those before one that is to be found out."""
        if self._line.left() <= 0:
            self._ended = Failure(TIMEOUT, "not called: the time for the whole submission is used up")
        elif self._line.child is None:
            self._ended = self._loader.load()
        if self._ended is not None:
            return
        base, cpu, alone = len(replies), segment[0].cpu_limit, len(segment) == 1
        child, used = self._line.child, self._line.exchanges > 1
        before, begun = child.cpu() if cpu is not None else 0.0, time.monotonic()
        try:
            self._exchange(segment, replies)
            took = child.cpu() - before if cpu is not None else 0.0
            if self._one_by_one:
                self._ping()
        except Failure as failure:
            if self._line.tries_again(failure):
                return
            # the others were made; what ends a process after the last reply was the last call
            del replies[base if failure.status == PROTOCOL else min(len(replies), base + len(segment) - 1) :]
            if not alone or (failure.status == PROTOCOL and used and not self._one_by_one):
                self._one_by_one = True
                if failure.status == PROTOCOL:  # by what a call of an earlier frame left, perhaps
                    replies.clear()
                return
            took = time.monotonic() - begun
            replies.append(self._struck(segment[0], failure)._replace(seconds=took))
            self._one_by_one = self._careful
        else:
            if cpu is None or took <= cpu:
                return
            del replies[base:]
            if alone:
                replies.append(_failed(Failure(TIMEOUT, f"it took {took:.2f} s of CPU time, of {cpu:g} s")))
            else:
                self._one_by_one = True
                self._line.close()

    def _exchange(self, segment: Sequence[Call], replies: list[Reply]) -> None:
        first, base, limits = self._sequence, len(replies), self._limits
        read: dict[tuple, tuple[bytes, Reply]] = {}
        self._sequence += len(segment)

        def limit(kind, sequence, length):
            at = len(replies) - base
            awaited = wire.REPLY if at < len(segment) else wire.DONE
            if kind != awaited or sequence != first + at:
                raise wire.WireError("a reply that was not asked for")
            if length > (segment[at].max_bytes + SLACK if kind == wire.REPLY else 0):
                raise wire.WireError("a reply that is too long")

        def accept(kind, sequence, body):
            if kind == wire.DONE:
                return True
            call = segment[len(replies) - base]
            question = call.function, call.forward, id(call.args), id(call.dout)
            known = read.get(question)
            if known is None or not messages.say_the_same(known[0], body):
                known = read[question] = body, read_reply(body)
            replies.append(known[1])
            return False

        payload = messages.calls_frame(first, segment)
        cpu = segment[0].cpu_limit
        self._line.exchange(payload, limit, accept, cpu=limits.call if cpu is None else cpu, wall=limits.call_wall)

    # whose fault it was

    def _ping(self) -> None:
        """Asks for nothing under a number that no call could know: the answer comes next, or a call has left bytes."""
        number = secrets.randbits(32)

        def limit(kind, sequence, length):
            if (kind, sequence, length) != (wire.DONE, number, 0):
                raise wire.WireError("a reply that was not asked for")

        payload = messages.calls_frame(number, ())
        self._line.exchange(payload, limit, lambda *frame: True, cpu=self._limits.call, wall=self._limits.call_wall)

    def _line_is_clean(self) -> bool:
        """Whether nothing was left on the line by a call of many; if there was, they are to be made again, each alone.

        So a call whose reply was its own work and not the process's is known by name, whichever came first.
        """
        if self._one_by_one or self._line.child is None:
            return True
        try:
            self._ping()
        except Failure as failure:  # that the time is up, or the process gone, takes nothing from what was answered
            self._one_by_one = self._careful = failure.status == PROTOCOL
        return not self._careful

    def _struck(self, call: Call, failure: Failure) -> Reply:
        """Notes against which function a failure counts; a backward's may be its forward's."""
        if failure.status == GRADER_ERROR:
            self._ended = failure
        if failure.status == GRADER_ERROR or (failure.status == TIMEOUT and call.cpu_limit is not None):
            return _failed(failure)
        where = ""
        if call.forward is not None:
            probe = Call(call.forward, call.args, pair=True, max_bytes=call.max_bytes)
            if self._strikes[call.forward] or self.run([probe])[0].status in (TIMEOUT, CRASHED, FORBIDDEN):
                where = "forward"
        self._strike(call.forward if where else call.function, failure)
        return _failed(failure, where)

    def _strike(self, name: str, failure: Failure) -> None:
        self._strikes[name] += 1 if failure.status in (TIMEOUT, CRASHED) else MAX_STRIKES
        self._last_strike[name] = failure

    def close(self) -> None:
        self._line.close()
        self._ended = self._ended or Failure(GRADER_ERROR, "the session is closed")

    def __enter__(self) -> SandboxSession:
        return self

    def __exit__(self, *error) -> None:
        self.close()


def _failed(failure: Failure, where: str = "") -> Reply:
    return Reply(failure.status, problem=Problem("", failure.message), where=where)
