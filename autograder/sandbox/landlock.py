"""Landlock: no file, no TCP port, no abstract socket and no signal outside, where the kernel has it (5.13 and newer).

A second wall behind the system-call filter; a kernel without it is no reason to refuse. Where a notebook is run for its
plots it is the wall that says which files may be read, and needed. See landlock(7).
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import struct
from collections.abc import Sequence

CREATE_RULESET, ADD_RULE, RESTRICT_SELF = 444, 445, 446  # the same on every architecture
VERSION = 1
PATH_BENEATH = 1
READ_FILE, READ_DIR = 1 << 2, 1 << 3
# what each version of the interface added: rights on files, on TCP, and scopes
FILES = {1: (1 << 13) - 1, 2: (1 << 14) - 1, 3: (1 << 15) - 1, 5: (1 << 16) - 1}
TCP_SINCE, SCOPES_SINCE = 4, 6


def version(libc) -> int:
    """The interface's version in this kernel, 0 where there is none."""
    return max(0, libc.syscall(CREATE_RULESET, None, ctypes.c_size_t(0), VERSION))


def deny_all(libc) -> int | None:
    """A descriptor of a ruleset that handles all that this kernel can and allows nothing; None without Landlock."""
    known = version(libc)
    if known < 1:
        return None
    files = FILES[max(since for since in FILES if since <= known)]
    fields = [files]
    if known >= TCP_SINCE:
        fields.append(3)
    if known >= SCOPES_SINCE:
        fields.append(3)
    attributes = struct.pack(f"<{len(fields)}Q", *fields)
    descriptor = libc.syscall(CREATE_RULESET, attributes, ctypes.c_size_t(len(attributes)), 0)
    if descriptor < 0:
        return None
    high = fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, 10)  # out of the way of the wire's descriptor in a fork
    os.close(descriptor)
    return high


def allow_reading(libc, descriptor: int, paths: Sequence[str]) -> None:
    """Adds to a ruleset that these files, and these folders with all in them, may be read. Raises OSError."""
    for path in paths:
        there = os.open(path, os.O_PATH | os.O_CLOEXEC)
        try:
            rule = struct.pack("<Qi", READ_FILE | (READ_DIR if os.path.isdir(path) else 0), there)
            if libc.syscall(ADD_RULE, descriptor, PATH_BENEATH, rule, 0):
                raise OSError(ctypes.get_errno(), f"Landlock did not take the rule for {path}")
        finally:
            os.close(there)


def restrict(libc, descriptor: int) -> None:
    """Puts this process under the ruleset, for good; needs no_new_privs. Raises OSError."""
    if libc.syscall(RESTRICT_SELF, descriptor, 0):
        raise OSError(ctypes.get_errno(), "the kernel refused Landlock's ruleset")
    os.close(descriptor)
