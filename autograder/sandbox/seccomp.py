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

from .syscalls import ALLOWED, KILLED, NUMBERS, READING

AUDIT_ARCH = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
X32 = 0x40000000  # x86-64: the bit of a number of the x32 table
PROT_WRITE, PROT_EXEC, MAP_ANONYMOUS = 2, 4, 0x20
# openat: whatever is more than to read, and O_PATH, at which Landlock does not look
NOT_READING = 0o3 | 0o100 | 0o1000 | 0o10000000 | 0o20000000
HARMLESS_FCNTL = (1, 2, 3, 1030)  # F_GETFD, F_SETFD, F_GETFL, F_DUPFD_CLOEXEC

LOAD, JEQ, JGE, JSET, RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
NUMBER, ARCHITECTURE, ARGUMENTS = 0, 4, 16  # offsets in struct seccomp_data
KILL_PROCESS, ERRNO, ALLOW = 0x80000000, 0x00050000, 0x7FFF0000
PR_SET_SECCOMP, SECCOMP_MODE_FILTER = 22, 2

Instruction = tuple[int, int, int, int]  # code, jump if true, jump if false, k


def program(machine: str, reading: bool = False) -> list[Instruction]:
    """The filter for an architecture; raises KeyError for one that has no table.

    `reading` lets files be opened to read them, for a process that Landlock holds to a few folders.
    A binary search for the number: the kernel runs a new filter on every number once, and in every child anew.
    """
    foreign = [(JEQ, 1, 0, AUDIT_ARCH[machine]), (RETURN, 0, 0, KILL_PROCESS)]
    return [(LOAD, 0, 0, ARCHITECTURE), *foreign, (LOAD, 0, 0, NUMBER), *_search(_ranges(machine, reading))]


def _ranges(machine: str, reading: bool) -> list[tuple[int, list[Instruction]]]:
    """(first number, what to do from there on), ascending, from 0 up to all numbers there can be."""
    numbers = NUMBERS[machine]
    verdicts = {numbers[name]: [(RETURN, 0, 0, ALLOW)] for name in ALLOWED if name in numbers}
    verdicts |= {numbers[name]: [(RETURN, 0, 0, KILL_PROCESS)] for name in KILLED}
    # memory that can be run is what a compiler of shellcode wants
    unless_executable = [_argument(2), (JSET, 0, 1, PROT_EXEC), _fails(errno.EPERM), (RETURN, 0, 0, ALLOW)]
    verdicts |= {numbers[name]: unless_executable for name in ("mmap", "mprotect")}
    # a limit may be read, of this process, and never set: pid 0 and no new limit, both halves of each
    getter: list[Instruction] = []
    for at, half in ((0, 0), (0, 4), (2, 0), (2, 4)):
        getter += [_argument(at, half), (JEQ, 1, 0, 0), _fails(errno.EPERM)]
    verdicts[numbers["prlimit64"]] = [*getter, (RETURN, 0, 0, ALLOW)]
    if reading:
        verdicts |= _reading(numbers)
    verdicts[numbers["ioctl"]] = [_fails(errno.ENOTTY)]
    verdicts[numbers["clone3"]] = [_fails(errno.ENOSYS)]
    ranges: list[tuple[int, list[Instruction]]] = []
    for number in sorted({0, *verdicts, *(number + 1 for number in verdicts)}):
        verdict = verdicts.get(number, [_fails(errno.EPERM)])
        if not ranges or ranges[-1][1] != verdict:
            ranges.append((number, verdict))
    if machine == "x86_64":
        ranges.append((X32, [(RETURN, 0, 0, KILL_PROCESS)]))
    return ranges


def _reading(numbers: dict[str, int]) -> dict[int, list[Instruction]]:
    """What differs where files may be read: opened for nothing else, and libraries mapped, though no memory written."""
    refuse, allow = _fails(errno.EPERM), (RETURN, 0, 0, ALLOW)
    verdicts = {numbers[name]: [allow] for name in READING if name in numbers}
    verdicts[numbers["openat"]] = [_argument(2), (JSET, 0, 1, NOT_READING), refuse, allow]
    verdicts[numbers["fcntl"]] = [_argument(1)]
    for left, command in zip(range(len(HARMLESS_FCNTL), 0, -1), HARMLESS_FCNTL, strict=True):
        verdicts[numbers["fcntl"]].append((JEQ, left, 0, command))
    verdicts[numbers["fcntl"]] += [refuse, allow]
    verdicts[numbers["mmap"]] = [
        _argument(2), (JSET, 0, 4, PROT_EXEC), (JSET, 2, 0, PROT_WRITE),
        _argument(3), (JSET, 0, 1, MAP_ANONYMOUS), refuse, allow,
    ]  # fmt: skip
    return verdicts


def _search(ranges: list[tuple[int, list[Instruction]]]) -> list[Instruction]:
    """The verdict of the range that the loaded number lies in; every path returns."""
    if len(ranges) == 1:
        return ranges[0][1]
    middle = len(ranges) // 2
    below, above = _search(ranges[:middle]), _search(ranges[middle:])
    assert len(below) < 256  # a jump's offset is one byte
    return [(JGE, len(below), 0, ranges[middle][0]), *below, *above]


def _argument(at: int, half: int = 0) -> Instruction:
    """Loads 32 bits of an argument; both architectures are little-endian."""
    return (LOAD, 0, 0, ARGUMENTS + 8 * at + half)


def _fails(number: int) -> Instruction:
    return (RETURN, 0, 0, ERRNO | number)


class Filter:
    """The program in the memory of the process, ready to be installed after a fork."""

    class _Program(ctypes.Structure):
        _fields_ = [("length", ctypes.c_ushort), ("filter", ctypes.c_void_p)]

    def __init__(self, reading: bool = False):
        code = program(platform.machine(), reading)
        self._bytes = ctypes.create_string_buffer(b"".join(struct.pack("<HBBI", *line) for line in code))
        self._program = self._Program(len(code), ctypes.addressof(self._bytes))

    def install(self, libc) -> None:
        """For this thread, for good; needs no_new_privs. Raises OSError."""
        pointer = ctypes.byref(self._program)
        if libc.prctl(PR_SET_SECCOMP, ctypes.c_ulong(SECCOMP_MODE_FILTER), pointer, 0, 0):
            number = ctypes.get_errno()
            raise OSError(number, f"the kernel refused the system-call filter: {errno.errorcode.get(number, number)}")
