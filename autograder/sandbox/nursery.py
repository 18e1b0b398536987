"""The zygote's children: none is waited for longer than it must be, and nothing that one started outlives it."""

from __future__ import annotations

import contextlib
import os
import signal
import time

SIGKILL = int(signal.SIGKILL)


class Nursery:
    def __init__(self):
        self.living: set[int] = set()
        self.dismissed: set[int] = set()
        self.free = False  # whether a child was ever free to start processes of its own

    def born(self, pid: int, confined: bool) -> None:
        self.living.add(pid)
        self.free |= not confined
        self.collect()

    def end(self, pid: int, grace: float) -> int:
        """Ends a child that does not end by itself within `grace` seconds; returns its wait status."""
        deadline = time.monotonic() + grace
        while not is_dead(pid) and time.monotonic() < deadline:
            time.sleep(0.001)
        self._kill(pid)
        status = self._reap(pid, 0)
        self.collect(wait=True)
        return status

    def dismiss(self, pid: int) -> None:
        """Ends a child; that it is gone is seen to later, while the next one is at work."""
        self._kill(pid)
        self.dismissed.add(pid)

    def collect(self, wait: bool = False) -> None:
        for pid in tuple(self.dismissed):
            if wait or is_dead(pid):
                self._reap(pid, 0)
                self.dismissed.discard(pid)

    def _kill(self, pid: int) -> None:
        """The child and its group, which it leads: the number is theirs until the child is reaped."""
        for end in (os.kill, os.killpg):
            try:  # noqa: SIM105 - what this process writes to is copied: it does little, by few means
                end(pid, SIGKILL)
            except OSError:
                pass

    def _reap(self, pid: int, options: int) -> int:
        _, status = os.waitpid(pid, options)
        self.living.discard(pid)
        if self.free:
            self._end_orphans()
        return status

    def _end_orphans(self) -> None:
        """Processes that a child left behind become the zygote's own: none stays."""
        while True:
            try:
                with open(f"/proc/self/task/{os.getpid()}/children") as file:
                    orphans = {int(word) for word in file.read().split()} - self.living
            except OSError:
                return  # a kernel that does not tell
            if not orphans:
                return
            for orphan in orphans:
                with contextlib.suppress(OSError):
                    os.kill(orphan, signal.SIGKILL)
                    os.waitpid(orphan, 0)


def is_dead(pid: int) -> bool:
    """Whether a child has ended; its status stays to be read."""
    if not hasattr(os, "waitid"):
        return True  # macOS: it is ended at once, and its own exit code is not known
    return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
