"""The warm process from which every submission's process is forked: numpy imported once, no secret ever held.

Run by file as `python -I -S -B zygote.py CONTROL NUMPY_FOLDER`. Each request on the control socket is one byte and a
fixed structure: F forks a child on the descriptor that comes with it and answers with its pid and pidfd; W waits for a
child that is dead or dying and answers with its wait status. The end of the control socket ends everything.
"""

import array
import contextlib
import ctypes
import gc
import importlib
import importlib.machinery
import os
import resource
import signal
import socket
import struct
import sys
import time
import types

REQUEST = struct.Struct("<cqqq")  # kind; for F: memory, cpu seconds, confine; for W: pid, grace in milliseconds
ANSWER = struct.Struct("<cqq")
WIRE = 3
PR_SET_PDEATHSIG, PR_SET_DUMPABLE, PR_SET_CHILD_SUBREAPER = 1, 4, 36


class OnlyNumpy:
    """Finds numpy in its folder and nothing else there."""

    def __init__(self, folder):
        self.folder = folder

    def find_spec(self, name, path=None, target=None):
        if path is None and name in ("numpy", "numpy.libs"):
            return importlib.machinery.PathFinder.find_spec(name, [self.folder])
        return None


def preload(numpy_folder: str):
    """Imports all that a submission may use, and this package's child under a name of its own; returns the child."""
    import warnings

    here = os.path.dirname(os.path.abspath(__file__))
    sys.path[:] = [path for path in sys.path if path not in ("", here) and "-packages" not in path]
    package = types.ModuleType("_grading")
    package.__path__ = [here]
    sys.modules["_grading"] = package
    allowed = importlib.import_module("_grading.allowed")
    finder = OnlyNumpy(numpy_folder)
    sys.meta_path.insert(0, finder)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name in allowed.NUMPY + allowed.STANDARD + allowed.LAZY:
            with contextlib.suppress(ImportError):  # another version of Python or numpy
                importlib.import_module(name)
    warm_up()
    child = importlib.import_module("_grading.child")
    confine = importlib.import_module("_grading.confine")
    sys.meta_path.remove(finder)
    package.__path__ = []
    return child, confine


def warm_up() -> None:
    """First uses that import lazily or allocate for good."""
    import datetime

    import numpy as np

    np.random.default_rng(0).normal(size=3)
    np.random.seed(0)
    np.linalg.svd(np.eye(3) @ np.ones((3, 3)))
    np.einsum("ij,jk->ik", np.eye(3), np.eye(3), optimize=True)
    np.testing.assert_allclose([1.0], [1.0])
    repr(np.arange(3.0)), str(np.float32(1)), np.array2string(np.eye(2))
    np.median([1.0, 2.0]), np.percentile([1.0, 2.0], 50), np.histogram([1.0, 2.0]), np.unique([1, 1])
    datetime.datetime.strptime("2020", "%Y")
    "x".encode("idna")


def fork_child(child, confine, descriptor: int, memory: int, cpu: int, confined: bool, base: int) -> int:
    parent = os.getpid()
    pid = os.fork()
    if pid:
        return pid
    try:
        if descriptor != WIRE:
            os.dup2(descriptor, WIRE)
        os.closerange(WIRE + 1, 1 << 16)
        os.setsid()
        ready = confine.confine(parent, base + memory, cpu, confined)
        child.serve(WIRE, ready)
    finally:
        os._exit(70)


def main() -> None:
    control = socket.socket(fileno=int(sys.argv[1]))
    libc = ctypes.CDLL(None, use_errno=True)
    child, confine = preload(sys.argv[2])
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    libc.prctl(PR_SET_DUMPABLE, 0)
    libc.prctl(PR_SET_CHILD_SUBREAPER, 1)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    os.chdir("/")
    null = os.open("/dev/null", os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(null, descriptor)
    os.close(null)
    with open("/proc/self/statm") as file:
        base = int(file.read().split()[0]) * os.sysconf("SC_PAGESIZE")
    confine.prepare()
    gc.collect()
    gc.freeze()
    control.sendall(ANSWER.pack(b"R", os.getpid(), base))
    living: set[int] = set()
    while True:
        request, ancillary, _, _ = socket.recv_fds(control, REQUEST.size, 1)
        if len(request) < REQUEST.size:
            os._exit(0)
        kind, first, second, third = REQUEST.unpack(request)
        if kind == b"F":
            pid = fork_child(child, confine, ancillary[0], first, second, bool(third), base)
            os.close(ancillary[0])
            living.add(pid)
            try:
                pidfd = os.pidfd_open(pid)
            except (AttributeError, OSError):
                control.sendall(ANSWER.pack(b"N", pid, 0))
            else:
                rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [pidfd]))]
                control.sendmsg([ANSWER.pack(b"F", pid, 0)], rights)
                os.close(pidfd)
        elif kind == b"W":
            control.sendall(ANSWER.pack(b"W", first, reap(first, second / 1000, living)))


def reap(pid: int, grace: float, living: set) -> int:
    """Ends a child and every process that it left behind; returns the child's wait status."""
    deadline = time.monotonic() + grace
    done, status = os.waitpid(pid, os.WNOHANG)
    while not done and time.monotonic() < deadline:
        time.sleep(0.001)
        done, status = os.waitpid(pid, os.WNOHANG)
    # the child leads its group, and its number is not given away while a member lives
    for end in (os.kill, os.killpg):
        with contextlib.suppress(OSError):
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
            try:
                os.kill(orphan, signal.SIGKILL)
                os.waitpid(orphan, 0)
            except OSError:
                return


if __name__ == "__main__":
    main()
