"""The grader's hold on the zygote and its children: start, fork, measure, kill, reap."""

from __future__ import annotations

import contextlib
import json
import select
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from .zygote import ANSWER, REQUEST

START_TIMEOUT, ANSWER_TIMEOUT = 60.0, 15.0
# nothing of the grader's own environment reaches a submission
ENVIRONMENT = {
    "LC_ALL": "C.UTF-8",
    "PATH": "/usr/bin:/bin",
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "MPLBACKEND": "agg",
    "LD_BIND_NOW": "1",  # once here, not in every fork, where it costs pages
}


class SandboxError(RuntimeError):
    """The sandbox itself failed; never the submission's fault."""


class Zygote:
    """One warm process that forks a child for every submission.

    kind, places: what the children run, and what that needs to know of this machine; see zygote.py.
    """

    def __init__(self, confined: bool, memory: int, kind: str = "functions", places: dict | None = None):
        self.confined, self.memory, self.kind = confined, memory, kind
        self.places = places or {"numpy_folder": str(Path(np.__file__).parents[1])}
        self.process: subprocess.Popen | None = None
        self.control: socket.socket | None = None
        self._expected: socket.socket | None = None  # our end of the line to a child that was asked for

    def start(self) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        # of where an error was raised a report tells the line, so columns need not be kept
        flags = ["-I", "-S", "-B", "-X", "no_debug_ranges"]
        command = [sys.executable, *flags, str(Path(__file__).with_name("zygote.py"))]
        command += [str(theirs.fileno()), str(self.memory), self.kind, json.dumps(self.places)]
        try:
            self.process = subprocess.Popen(
                command,
                env=ENVIRONMENT,
                cwd="/",
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                pass_fds=[theirs.fileno()],
                start_new_session=True,
            )
        finally:
            theirs.close()
        self.control = ours
        ours.settimeout(START_TIMEOUT)
        kind, self.pid, _ = self._answer()
        if kind != b"R":
            raise SandboxError("the zygote did not start")
        ours.settimeout(ANSWER_TIMEOUT)

    def _answer(self):
        try:
            data = self.control.recv(ANSWER.size)
        except OSError as error:
            raise SandboxError(f"the zygote does not answer: {error}") from error
        if len(data) != ANSWER.size:
            raise SandboxError(f"the zygote ended: {self._last_words()}")
        return ANSWER.unpack(data)

    def _last_words(self) -> str:
        with contextlib.suppress(OSError, ValueError, subprocess.TimeoutExpired):
            self.process.wait(1)
            return self.process.stderr.read()[-2000:].decode("utf-8", "replace").strip() or "no message"
        return "no message"

    def expect(self, cpu: float) -> None:
        """Asks for the next child, which gets ready while the grader is at other work; once is enough."""
        if self._expected is not None:
            return
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        self._expected = ours
        request = REQUEST.pack(b"F", int(cpu) + 1, self.confined)
        try:
            socket.send_fds(self.control, [request], [theirs.fileno()])
        except OSError as error:
            raise SandboxError(f"the zygote does not answer: {error}") from error
        finally:
            theirs.close()

    def fork(self, cpu: float) -> Child:
        """A new child, on the other end of a fresh socket: the one that is expected, if there is one."""
        self.expect(cpu)
        return self._born()

    def _born(self) -> Child:
        _, pid, _ = self._answer()
        ours, self._expected = self._expected, None
        ours.setblocking(False)
        return Child(self, ours, pid)

    def reap(self, pid: int, grace: float) -> int:
        """Waits up to `grace` seconds for a child to end by itself, ends it, and returns its wait status."""
        if self._expected is not None:  # answers come in the order of the requests
            self._born().discard()
        self._ask(REQUEST.pack(b"W", pid, int(grace * 1000)))
        return self._answer()[2]

    def discard(self, pid: int) -> None:
        """Has a child ended and reaped, without waiting for it."""
        self._ask(REQUEST.pack(b"D", pid, 0))

    def _ask(self, request: bytes) -> None:
        try:
            self.control.send(request)
        except OSError as error:
            raise SandboxError(f"the zygote does not answer: {error}") from error

    def close(self) -> None:
        for ours in (self.control, self._expected):
            if ours is not None:
                ours.close()
        self._expected = None
        if self.process is not None:
            try:
                self.process.wait(1)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
            self.process.stderr.close()
        self.control = self.process = None


class Child:
    """One submission's process, seen from the grader."""

    def __init__(self, zygote: Zygote, sock: socket.socket, pid: int):
        self.zygote, self.sock, self.pid = zygote, sock, pid
        self.clock = (~pid << 3) | 2  # Linux: the CPU-time clock of another process
        self.poller = select.poll()
        self.poller.register(sock, select.POLLIN)
        self.last_cpu = 0.0

    def cpu(self) -> float:
        """Seconds of CPU used so far; once the process is gone, the last that was seen."""
        with contextlib.suppress(OSError):
            self.last_cpu = time.clock_gettime(self.clock)
        return self.last_cpu

    def end(self, grace: float) -> int:
        """Ends the process if it does not end by itself within `grace` seconds; returns its wait status."""
        try:
            return self.zygote.reap(self.pid, grace)
        finally:
            self.sock.close()

    def discard(self) -> None:
        """Has the zygote end the process, in its own time."""
        try:
            self.zygote.discard(self.pid)
        finally:
            self.sock.close()
