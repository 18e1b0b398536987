"""The grader's line to one submission: one child at a time, the time it may take in all, and what went wrong so far."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator

from ..calls import FORBIDDEN, GRADER_ERROR, PROTOCOL
from .converse import Budget, Failure, converse
from .supervisor import Child, SandboxError
from .wire import Frames


class Line:
    """Exchanges frames with the child that is there; every failure arrives as a `Failure`, and the child is gone then.

    `spawn()` gives a child that has said READY; `expect()` says that one will be wanted; `restart()` ends a zygote that
    died or stalls, so that the next starts.
    """

    def __init__(
        self, spawn: Callable[[], Child], expect: Callable[[], None], restart: Callable[[], None], total_wall: float
    ):
        self._spawn, self._expect, self._restart, self._total = spawn, expect, restart, total_wall
        self.child: Child | None = None
        self.frames, self.exchanges = Frames(), 0  # exchanges with this child
        self.forbidden = self.protocol = False
        self._restarted = False
        self._spent, self._since = 0.0, None

    def fresh(self) -> None:
        """Another child; the last, if it is there, ends."""
        self.close()
        try:
            self.child = self._spawn()
        except SandboxError as error:
            raise Failure(GRADER_ERROR, f"the sandbox failed: {error}") from error
        self.frames, self.exchanges = Frames(), 0

    def exchange(self, payload: bytes, limit: Callable, accept: Callable, *, cpu: float, wall: float) -> None:
        """One `converse` with the child, within what is left of the submission's time."""
        self.exchanges += 1
        self.frames.limit = limit
        child, self.child = self.child, None
        budget = Budget(cpu, wall, time.monotonic() + self.left())
        try:
            converse(child, payload, self.frames, accept, budget)
        except Failure as failure:
            self.forbidden |= failure.status == FORBIDDEN
            self.protocol |= failure.status == PROTOCOL
            raise
        except SandboxError as error:
            raise Failure(GRADER_ERROR, f"the sandbox failed: {error}") from error
        except BaseException:
            child.discard()
            raise
        self.child = child

    def tries_again(self, failure: Failure) -> bool:
        """Whether the sandbox itself failed, and for the first time: then a new zygote gets a second try."""
        if failure.status != GRADER_ERROR or self._restarted:
            return False
        self._restarted = True
        self._restart()
        return True

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """Counts the wall time spent here towards the submission's; one within another counts once."""
        if self._since is not None:
            yield
            return
        self._since = time.monotonic()
        try:
            yield
        finally:
            self._spent += time.monotonic() - self._since
            self._since = None

    def left(self) -> float:
        """Seconds of wall time that the submission still has."""
        now = 0.0 if self._since is None else time.monotonic() - self._since
        return self._total - self._spent - now

    def close(self) -> None:
        child, self.child = self.child, None
        if child is not None:
            with contextlib.suppress(SandboxError):
                child.discard()
            self._expect()
