"""What a submission's process gives up before it sees the submission: rlimits, privileges, files, system calls.

Runs in the fork. A step that fails ends the process with its reason: no READY frame, nothing graded.
"""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import struct
import sys
from collections.abc import Sequence

from . import landlock
from .seccomp import Filter

NOBODY = 65534
STACK = 8 << 20
OPEN_FILES = 64  # the zygote's; a child may have fewer
PR_SET_PDEATHSIG, PR_SET_DUMPABLE, PR_SET_KEEPCAPS, PR_SET_NO_NEW_PRIVS = 1, 4, 8, 38
CAPABILITY_VERSION, CAP_DAC_READ_SEARCH = 0x20080522, 2  # linux/capability.h


class Confinement:
    """Made in the zygote, since it needs files and imports; applied in every fork.

    readable: files and folders that may be read; with any, Landlock is needed, which says that no others are.
    """

    def __init__(self, readable: Sequence[str] = ()):
        self.libc = ctypes.CDLL(None, use_errno=True)
        self.libc.prctl, self.libc.syscall  # noqa: B018 - looked up here and kept, which a fork need not do then
        self.linux = sys.platform == "linux"
        self.ruleset = landlock.deny_all(self.libc) if self.linux else None
        self.reading = bool(readable)
        if self.ruleset is not None:
            landlock.allow_reading(self.libc, self.ruleset, readable)
        self.root = os.geteuid() == 0
        try:
            self.filter = Filter(self.reading)
        except KeyError:
            self.filter = None

    def descriptors(self) -> tuple[int, ...]:
        """What a fork has to keep open until it is confined."""
        return () if self.ruleset is None else (self.ruleset,)

    def apply(self, parent: int, cpu: int, confined: bool) -> tuple[str, ...]:
        """Gives up what it can; returns the names of the layers that hold. `confined` False keeps to the rlimits."""
        layers = ["rlimits"]
        limit(resource.RLIMIT_CPU, cpu)
        limit(resource.RLIMIT_NOFILE, OPEN_FILES if self.reading else 16)
        if confined and self.root and drop_root(self.libc if self.reading else None):
            layers.append("user")
        if self.linux:
            self.prctl(PR_SET_DUMPABLE, 0)
            self.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)  # after the change of user, which clears it
        if os.getppid() != parent:
            raise OSError("the zygote is gone")
        if not confined:
            for descriptor in self.descriptors():
                os.close(descriptor)
            return tuple(layers)
        if self.filter is None:
            raise OSError(f"no system-call filter for {os.uname().machine}")
        if self.reading and self.ruleset is None:
            raise OSError("this kernel has no Landlock")
        limit(resource.RLIMIT_NPROC, 0)
        self.prctl(PR_SET_NO_NEW_PRIVS, 1)
        if self.ruleset is not None:
            landlock.restrict(self.libc, self.ruleset)
            layers.append("landlock")
        self.filter.install(self.libc)
        prove_closed() if not self.reading else prove_reading_only()
        layers.append("seccomp")
        return tuple(layers)

    def prctl(self, option: int, value: int) -> None:
        if self.libc.prctl(option, ctypes.c_ulong(value), 0, 0, 0):
            raise OSError(ctypes.get_errno(), f"prctl {option} was refused")


def set_rlimits(address_space: int | None) -> None:
    """In the zygote, once: the limits that its forks inherit."""
    limit(resource.RLIMIT_STACK, STACK)
    limit(resource.RLIMIT_NOFILE, OPEN_FILES)
    for name in ("FSIZE", "CORE", "MEMLOCK", "MSGQUEUE"):
        if hasattr(resource, f"RLIMIT_{name}"):
            limit(getattr(resource, f"RLIMIT_{name}"), 0)
    if address_space is not None:
        limit(resource.RLIMIT_AS, address_space)


def limit(which: int, value: int) -> None:
    """Lowers a limit, soft and hard, never above what it was."""
    hard = resource.getrlimit(which)[1]
    value = value if hard == resource.RLIM_INFINITY else min(value, hard)
    resource.setrlimit(which, (value, value))


def drop_root(libc=None) -> bool:
    """Becomes nobody; False in a user namespace where there is no such user, and root is no root either.

    With `libc`, a nobody who may read what root may, where root may keep that: Python itself can lie in root's home.
    What of it is read is for Landlock to say.
    """
    if libc is not None:
        libc.prctl(PR_SET_KEEPCAPS, ctypes.c_ulong(1), 0, 0, 0)
    try:
        os.setgroups([])
        os.setresgid(NOBODY, NOBODY, NOBODY)
        os.setresuid(NOBODY, NOBODY, NOBODY)
    except OSError:
        return False
    if os.getresuid() != (NOBODY,) * 3 or os.getresgid() != (NOBODY,) * 3:
        raise OSError("root was dropped but is there")
    if libc is not None:
        version = struct.pack("<Ii", CAPABILITY_VERSION, 0)
        for kept in (1 << CAP_DAC_READ_SEARCH, 0):  # Docker's root has no such right to keep
            if libc.capset(version, struct.pack("<6I", kept, kept, 0, 0, 0, 0)) == 0:
                break
        else:
            raise OSError(ctypes.get_errno(), "the capabilities could not be dropped")
    return True


def prove_closed() -> None:
    """One live look at whether the filter holds; `autograder doctor` looks at the rest."""
    if os.access("/", os.F_OK):
        raise OSError("the system-call filter was accepted but does not hold")


def prove_reading_only() -> None:
    """The same where some files may be read: not the machine's, and none is written."""
    for path, flags in (("/", os.O_RDONLY), ("/etc/passwd", os.O_RDONLY), ("/dev/null", os.O_WRONLY)):
        try:
            os.open(path, flags)
        except PermissionError:
            continue
        raise OSError(f"Landlock and the system-call filter were accepted but {path} could be opened")
