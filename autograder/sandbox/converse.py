"""One exchange with a child: frames out, frames in, under limits of CPU and wall time.

Reads and writes in one loop, so that neither side can block the other, and believes nothing it reads: the caller's
`limit` sees every header before its body is awaited.
"""

from __future__ import annotations

import os
import select
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass

from ..calls import CRASHED, FORBIDDEN, PROTOCOL, TIMEOUT
from .supervisor import Child
from .wire import Frames, WireError

GRACE = 0.25  # seconds in which a child that hung up may end by itself, so that its exit code is known
RECEIVE = 1 << 16  # above twice that, malloc asks the kernel for memory each time
BUSY = 0.1  # share of the wall time; below it a process is said to wait


@dataclass(frozen=True)
class Failure(Exception):
    """How a child ended before it had answered: a status, and what happened in plain words."""

    status: str
    message: str


@dataclass
class Budget:
    """What may pass until the next frame that counts.

    cpu: seconds of CPU time.
    wall: seconds in which hardly any CPU time passes.
    deadline: the moment at which all ends, by the monotonic clock.
    """

    cpu: float
    wall: float
    deadline: float


def converse(child: Child, payload: bytes, frames: Frames, accept: Callable, budget: Budget) -> None:
    """Sends `payload`; gives each frame to `accept(kind, sequence, body)` until it returns True.

    `accept` returns None for a frame that does not renew the budget, False for one that does.
    Raises Failure; the child is then dead and reaped.
    """
    sock, out = child.sock, memoryview(payload)
    clock = _Clock(child, budget)
    if payload and (frames.at != len(frames.buffer) or _receive(sock)):
        child.discard()
        raise Failure(PROTOCOL, "the process broke the grader's protocol (it spoke unasked)")
    mask = select.POLLIN | select.POLLOUT if out else select.POLLIN
    child.poller.modify(sock, mask)
    try:
        while True:
            events = child.poller.poll(clock.wait())
            if not events:
                clock.check()
                continue
            event = events[0][1]
            if event & select.POLLOUT:
                out = out[_send(sock, out) :]
                if not out:
                    child.poller.modify(sock, select.POLLIN)
            if event & (select.POLLIN | select.POLLHUP | select.POLLERR):
                data = _receive(sock)
                if data is None:
                    clock.check()
                    continue
                if not data:
                    raise ended(child)
                frames.feed(data)
                if _deliver(frames, accept, clock):
                    if frames.at != len(frames.buffer):
                        raise WireError("more than was asked for")
                    return
                clock.check()
            elif event & select.POLLNVAL:
                raise ended(child)
    except WireError as error:
        child.discard()
        raise Failure(PROTOCOL, f"the process broke the grader's protocol ({error})") from None
    except _Overdue as overdue:
        child.discard()
        raise Failure(TIMEOUT, overdue.message) from None


def _deliver(frames: Frames, accept: Callable, clock: _Clock) -> bool:
    counted = False
    while (frame := frames.pop()) is not None:
        verdict = accept(*frame)
        if verdict:
            return True
        counted |= verdict is False
    if counted:
        clock.renew()
    return False


def _send(sock, out) -> int:
    try:
        return sock.send(out)
    except BlockingIOError:
        return 0
    except OSError:
        return len(out)  # the child hung up: what it still said, then its end, is read next


def _receive(sock):
    try:
        return sock.recv(RECEIVE)
    except BlockingIOError:
        return None
    except ConnectionError:
        return b""


class _Overdue(Exception):
    def __init__(self, message: str):
        self.message = message


class _Clock:
    """Holds an exchange to its budget, by the kernel's count of CPU time and, for what waits, by the wall clock."""

    def __init__(self, child: Child, budget: Budget):
        self.child, self.budget = child, budget
        self.renew()
        # where the kernel does not tell, the wall clock stands for both
        self.wall = budget.wall if self.cpu > 0 else max(budget.wall, budget.cpu)

    def renew(self) -> None:
        self.cpu = self.seen = self.child.cpu()
        self.since = time.monotonic()

    def wait(self) -> float:
        """Milliseconds until the next look at the clocks: CPU time cannot pass faster than wall time."""
        now, budget = time.monotonic(), self.budget
        left = min(budget.cpu - (self.child.last_cpu - self.cpu), self.wall - (now - self.since), budget.deadline - now)
        return max(1.0, min(left, 5.0) * 1000)

    def check(self) -> None:
        now, budget = time.monotonic(), self.budget
        cpu = self.child.cpu()
        if cpu - self.cpu >= budget.cpu:
            raise _Overdue(f"stopped after {budget.cpu:g} s of CPU time")
        if now >= budget.deadline:
            raise _Overdue("stopped: the time for the whole submission is used up")
        if now - self.since >= self.wall:
            # on a busy machine CPU time passes too, if slowly: only what waits is stopped here
            if cpu - self.seen < BUSY * self.wall:
                raise _Overdue(f"stopped after {self.wall:g} s of waiting")
            self.since, self.seen = now, cpu


def ended(child: Child) -> Failure:
    """What became of a child that hung up."""
    used = child.cpu()
    status = child.end(GRACE)
    if os.WIFEXITED(status):
        return Failure(CRASHED, f"the process ended itself (exit code {os.WEXITSTATUS(status)})")
    number = os.WTERMSIG(status)
    if number == signal.SIGSYS:
        return Failure(FORBIDDEN, "the code asked the operating system for something that no exercise needs")
    if number == signal.SIGXCPU:
        return Failure(TIMEOUT, f"stopped after {used:.0f} s of CPU time")
    if number == signal.SIGSEGV:
        return Failure(CRASHED, "segmentation fault: too deep a recursion, or a write outside an array")
    if number == signal.SIGKILL:
        return Failure(CRASHED, "the process was ended: it hung up on the grader, or ran out of memory")
    try:
        name = signal.Signals(number).name
    except ValueError:
        name = f"signal {number}"
    return Failure(CRASHED, f"the process was ended by {name}")
