"""The warm process from which every submission's process is forked: numpy imported once, no secret ever held.

Run by file as `python -I -S -B zygote.py CONTROL NUMPY_FOLDER MEMORY`. Each request on the control socket is one byte
and a fixed structure: F forks a child on the descriptor that comes with it and answers with its pid and pidfd; W waits
for a child that is dead or dying and answers with its wait status; D does the same and answers nothing. The end of the
control socket ends everything.
"""

import array
import contextlib
import ctypes
import gc
import importlib
import os
import signal
import socket
import struct
import sys
import time
import types

REQUEST = struct.Struct("<cqq")  # kind; for F: CPU seconds, confine; for W and D: pid, grace in milliseconds
ANSWER = struct.Struct("<cqq")
WIRE = 3
PR_SET_DUMPABLE, PR_SET_CHILD_SUBREAPER = 4, 36


def neighbours(numpy_folder: str):
    """This folder's modules that a child runs, as a package of their own; returns (child, confine).

    The package `autograder` itself is never imported here: a submission that imports it gets a stand-in.
    """
    here = os.path.dirname(os.path.abspath(__file__))
    sys.path[:] = [path for path in sys.path if path not in ("", here) and "-packages" not in path]
    package = types.ModuleType("_grading")
    package.__path__ = [here]
    sys.modules["_grading"] = package
    importlib.import_module("_grading.warm").import_allowed(numpy_folder)
    child, confine = importlib.import_module("_grading.child"), importlib.import_module("_grading.confine")
    package.__path__ = []
    sys.path[:] = []
    sys.path_importer_cache.clear()
    return child, confine


class Zygote:
    def __init__(self, control: socket.socket, numpy_folder: str, memory: int):
        self.control = control
        self.living: set[int] = set()
        self.pid = os.getpid()
        child, confine = neighbours(numpy_folder)
        libc = ctypes.CDLL(None, use_errno=True)
        libc.prctl(PR_SET_DUMPABLE, 0)
        libc.prctl(PR_SET_CHILD_SUBREAPER, 1)
        with open("/proc/self/statm") as file:
            mapped = int(file.read().split()[0]) * os.sysconf("SC_PAGESIZE")
        confine.set_rlimits(mapped + memory)
        self.confinement = confine.Confinement()
        self.server = child.Server(WIRE)
        os.chdir("/")
        null = os.open("/dev/null", os.O_RDWR)
        for descriptor in (0, 1, 2):
            os.dup2(null, descriptor)
        os.close(null)
        gc.collect()
        gc.freeze()

    def serve(self) -> None:
        """Answers requests until the grader hangs up."""
        self.control.sendall(ANSWER.pack(b"R", self.pid, 0))
        while True:
            request, descriptors, _, _ = socket.recv_fds(self.control, REQUEST.size, 1)
            if len(request) < REQUEST.size:
                return
            kind, first, second = REQUEST.unpack(request)
            if kind == b"F":
                self.fork(descriptors[0], first, bool(second))
            else:
                status = reap(first, second / 1000, self.living)
                if kind == b"W":
                    self.control.sendall(ANSWER.pack(b"W", first, status))

    def fork(self, descriptor: int, cpu: int, confined: bool) -> None:
        pid = os.fork()
        if not pid:
            self.become_child(descriptor, cpu, confined)
        os.close(descriptor)
        self.living.add(pid)
        try:
            pidfd = os.pidfd_open(pid)
        except (AttributeError, OSError):  # Linux before 5.3: the pid has to do, which stays its own until it is reaped
            self.control.sendall(ANSWER.pack(b"N", pid, 0))
        else:
            socket.send_fds(self.control, [ANSWER.pack(b"F", pid, 0)], array.array("i", [pidfd]))
            os.close(pidfd)

    def become_child(self, descriptor: int, cpu: int, confined: bool) -> None:
        try:
            os.dup2(descriptor, WIRE)
            close_all_but(WIRE, *self.confinement.descriptors())
            os.setsid()
            try:
                layers = self.confinement.apply(self.pid, cpu, confined)
            except BaseException as error:
                self.server.refuse(error)
            else:
                self.server.serve(layers)
        finally:
            os._exit(70)


def close_all_but(*kept: int) -> None:
    """Closes every descriptor above the standard three but these."""
    start = 3
    for descriptor in sorted(kept):
        os.closerange(start, descriptor)
        start = descriptor + 1
    os.closerange(start, 1 << 20)


def reap(pid: int, grace: float, living: set) -> int:
    """Ends a child and every process that it left behind; returns the child's wait status."""
    deadline = time.monotonic() + grace
    done, status = os.waitpid(pid, os.WNOHANG)
    while not done and time.monotonic() < deadline:
        time.sleep(0.001)
        done, status = os.waitpid(pid, os.WNOHANG)
    # the child leads its group, whose number is not given away while a member lives
    for end in (os.kill, os.killpg):
        with contextlib.suppress(OSError):
            if end is os.killpg or not done:
                end(pid, signal.SIGKILL)
    if not done:
        _, status = os.waitpid(pid, 0)
    living.discard(pid)
    end_orphans(living)
    return status


def end_orphans(living: set) -> None:
    """Processes that a submission left behind become this one's children: none stays."""
    while True:
        try:
            with open(f"/proc/self/task/{os.getpid()}/children") as file:
                orphans = {int(word) for word in file.read().split()} - living
        except OSError:
            return
        if not orphans:
            return
        for orphan in orphans:
            with contextlib.suppress(OSError):
                os.kill(orphan, signal.SIGKILL)
                os.waitpid(orphan, 0)


if __name__ == "__main__":
    Zygote(socket.socket(fileno=int(sys.argv[1])), sys.argv[2], int(sys.argv[3])).serve()
    os._exit(0)
