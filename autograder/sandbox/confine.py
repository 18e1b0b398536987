"""What a submission's process gives up before it sees the submission: rlimits, privileges, files, system calls.

Runs in the fork, in this order, and every step that fails ends the process: no READY frame, nothing graded.
"""

from __future__ import annotations

import ctypes
import os
import resource
import signal

NOBODY = 65534
PR_SET_PDEATHSIG, PR_SET_DUMPABLE, PR_SET_NO_NEW_PRIVS = 1, 4, 38

_libc = None


def prepare() -> None:
    """In the zygote: whatever needs a file or an import."""
    global _libc
    _libc = ctypes.CDLL(None, use_errno=True)


def prctl(option: int, value: int) -> None:
    if _libc.prctl(option, ctypes.c_ulong(value), 0, 0, 0):
        raise OSError(ctypes.get_errno(), f"prctl {option}")


def confine(parent: int, address_space: int, cpu: int, confined: bool) -> tuple[str, ...]:
    """Gives up what it can; returns the names of the layers that hold. `confined` False keeps to the rlimits."""
    set_rlimits(address_space, cpu)
    layers = ["rlimits"]
    if confined and os.geteuid() == 0:
        drop_root()
        layers.append("user")
    prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(70)
    return tuple(layers)


def set_rlimits(address_space: int, cpu: int) -> None:
    for name, value in (
        ("AS", address_space),
        ("CPU", cpu),
        ("FSIZE", 0),
        ("CORE", 0),
        ("NOFILE", 16),
        ("MEMLOCK", 0),
        ("MSGQUEUE", 0),
    ):
        limit = getattr(resource, f"RLIMIT_{name}", None)
        if limit is not None:
            hard = resource.getrlimit(limit)[1]
            value = value if hard == resource.RLIM_INFINITY else min(value, hard)
            resource.setrlimit(limit, (value, value))


def drop_root() -> None:
    os.setgroups([])
    os.setresgid(NOBODY, NOBODY, NOBODY)
    os.setresuid(NOBODY, NOBODY, NOBODY)
    if os.getresuid() != (NOBODY,) * 3:
        os._exit(70)
