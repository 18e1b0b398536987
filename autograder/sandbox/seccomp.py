"""The system-call filter: an allow-list without open, socket, fork, exec or kill, as a classic BPF program.

What an honest numpy function needs is allowed; what only an attack needs ends the process; all else fails with EPERM,
so that an honest `open` in a cell is an exception with a line number and not the end.
Format: linux/filter.h, linux/seccomp.h; see seccomp(2).
"""

from __future__ import annotations

import ctypes
import errno
import platform
import struct

from .syscalls import ALLOWED, KILLED, NUMBERS

AUDIT_ARCH = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
X32 = 0x40000000  # x86-64: the bit of a number of the x32 table
PROT_EXEC = 4

LOAD, JEQ, JGE, JSET, RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
NUMBER, ARCHITECTURE, ARGUMENTS = 0, 4, 16  # offsets in struct seccomp_data
KILL_PROCESS, ERRNO, ALLOW = 0x80000000, 0x00050000, 0x7FFF0000
PR_SET_SECCOMP, SECCOMP_MODE_FILTER = 22, 2

Instruction = tuple[int, int, int, int]  # code, jump if true, jump if false, k


def program(machine: str) -> list[Instruction]:
    """The filter for an architecture; raises KeyError for one that has no table."""
    numbers = NUMBERS[machine]
    code: list[Instruction] = [
        (LOAD, 0, 0, ARCHITECTURE),
        (JEQ, 1, 0, AUDIT_ARCH[machine]),
        (RETURN, 0, 0, KILL_PROCESS),
        (LOAD, 0, 0, NUMBER),
    ]
    if machine == "x86_64":
        code += [(JGE, 0, 1, X32), (RETURN, 0, 0, KILL_PROCESS)]
    for name in ALLOWED:
        if name in numbers:
            code += _when(numbers[name], [(RETURN, 0, 0, ALLOW)])
    for name in ("mmap", "mprotect"):  # memory that can be run is memory that a compiler of shellcode wants
        code += _when(
            numbers[name],
            [_argument(2), (JSET, 0, 1, PROT_EXEC), _fails(errno.EPERM), (RETURN, 0, 0, ALLOW)],
        )
    # a limit may be read, of this process, and never set: pid 0 and no new limit, both halves of each
    zeros = [
        part for half in (0, 4) for at in (0, 2) for part in (_argument(at, half), (JEQ, 1, 0, 0), _fails(errno.EPERM))
    ]
    code += _when(numbers["prlimit64"], [*zeros, (RETURN, 0, 0, ALLOW)])
    code += _when(numbers["ioctl"], [_fails(errno.ENOTTY)])
    code += _when(numbers["clone3"], [_fails(errno.ENOSYS)])
    for name in KILLED:
        code += _when(numbers[name], [(RETURN, 0, 0, KILL_PROCESS)])
    code.append(_fails(errno.EPERM))
    return code


def _when(number: int, block: list[Instruction]) -> list[Instruction]:
    """`block`, which returns, for this system call; else past it."""
    return [(JEQ, 0, len(block), number), *block]


def _argument(at: int, half: int = 0) -> Instruction:
    """Loads 32 bits of an argument; both architectures are little-endian."""
    return (LOAD, 0, 0, ARGUMENTS + 8 * at + half)


def _fails(number: int) -> Instruction:
    return (RETURN, 0, 0, ERRNO | number)


class Filter:
    """The program in the memory of the process, ready to be installed after a fork."""

    class _Program(ctypes.Structure):
        _fields_ = [("length", ctypes.c_ushort), ("filter", ctypes.c_void_p)]

    def __init__(self, machine: str | None = None):
        code = program(machine or platform.machine())
        self._bytes = ctypes.create_string_buffer(b"".join(struct.pack("<HBBI", *line) for line in code))
        self._program = self._Program(len(code), ctypes.addressof(self._bytes))

    def install(self, libc) -> None:
        """For this thread, for good; needs no_new_privs. Raises OSError."""
        pointer = ctypes.byref(self._program)
        if libc.prctl(PR_SET_SECCOMP, ctypes.c_ulong(SECCOMP_MODE_FILTER), pointer, 0, 0):
            number = ctypes.get_errno()
            raise OSError(number, f"the kernel refused the system-call filter: {errno.errorcode.get(number, number)}")
