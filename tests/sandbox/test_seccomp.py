"""The filter's verdict on every system call, on both architectures, by running the program as the kernel would."""

from __future__ import annotations

import errno
import os
import re
import struct
from pathlib import Path

import pytest

from autograder.sandbox import seccomp
from autograder.sandbox.seccomp import (
    ALLOW,
    AUDIT_ARCH,
    ERRNO,
    HARMLESS_FCNTL,
    KILL_PROCESS,
    MAP_ANONYMOUS,
    PROT_EXEC,
    PROT_WRITE,
    program,
)  # fmt: skip
from autograder.sandbox.syscalls import ALLOWED, KILLED, NUMBERS, READING, SPECIAL

MACHINES = sorted(NUMBERS)
HEADERS = {
    "x86_64": (Path("/usr/include/x86_64-linux-gnu/asm/unistd_64.h"), r"#define __NR_(\w+) (\d+)"),
    "aarch64": (Path("/usr/include/asm-generic/unistd.h"), r"#define __NR(?:3264)?_(\w+) (\d+)"),
}
REFUSED = ERRNO | errno.EPERM
# calls that an attack would want, by number, which must be refused though no table of ours names them
WANTED = {
    "x86_64": {"open": 2, "openat": 257, "socket": 41, "clone": 56, "fork": 57, "vfork": 58, "execve": 59, "kill": 62,
               "tgkill": 234, "fcntl": 72, "prctl": 157, "seccomp": 317, "memfd_create": 319, "openat2": 437,
               "setuid": 105, "shmget": 29, "pidfd_open": 434, "execveat": 322, "sendmsg": 46, "setitimer": 38},
    "aarch64": {"openat": 56, "socket": 198, "clone": 220, "execve": 221, "kill": 129, "tgkill": 131, "fcntl": 25,
                "prctl": 167, "seccomp": 277, "memfd_create": 279, "openat2": 437, "setuid": 146, "shmget": 194,
                "pidfd_open": 434, "execveat": 281, "sendmsg": 211, "setitimer": 103},
}  # fmt: skip


def verdict(machine: str, number: int, *args: int, architecture: int | None = None, reading: bool = False) -> int:
    """Runs the program on one system call, as linux/filter.h describes it; every path ends in a return."""
    data = struct.pack("<IIQ6Q", number, architecture or AUDIT_ARCH[machine], 0, *args, *[0] * (6 - len(args)))
    code, at, value = program(machine, reading), 0, 0
    while True:
        kind, yes, no, k = code[at]
        at += 1
        if kind == seccomp.RETURN:
            return k
        if kind == seccomp.LOAD:
            value = struct.unpack_from("<I", data, k)[0]
        else:
            test = {seccomp.JEQ: value == k, seccomp.JGE: value >= k, seccomp.JSET: bool(value & k)}[kind]
            at += yes if test else no


@pytest.mark.parametrize("machine", MACHINES)
def test_each_named_call_has_its_verdict(machine):
    """What numpy needs is allowed, what only an attack needs ends the process."""
    numbers = NUMBERS[machine]
    assert {name for name in ALLOWED if name in numbers and verdict(machine, numbers[name]) != ALLOW} == set()
    assert {name for name in KILLED if verdict(machine, numbers[name]) != KILL_PROCESS} == set()
    assert len(KILLED) == 23


@pytest.mark.parametrize("machine", MACHINES)
def test_everything_else_is_refused(machine):
    """Of the first 600 numbers, those that no table names fail with EPERM, those that an attack wants among them."""
    named = {NUMBERS[machine].get(name) for name in (*ALLOWED, *KILLED, *SPECIAL)}
    assert {number for number in range(600) if number not in named and verdict(machine, number) != REFUSED} == set()
    assert not named & set(WANTED[machine].values())


@pytest.mark.parametrize("machine", MACHINES)
def test_calls_that_are_looked_at_more_closely(machine):
    """Memory may be mapped but not run, limits read but not set, of this process alone."""
    numbers = NUMBERS[machine]
    assert set(SPECIAL) == {"mmap", "mprotect", "prlimit64", "ioctl", "clone3"}
    for name in ("mmap", "mprotect"):
        assert verdict(machine, numbers[name], 0, 4096, 3) == ALLOW
        assert verdict(machine, numbers[name], 0, 4096, 3 | PROT_EXEC) == REFUSED
        assert verdict(machine, numbers[name], 0, 4096, PROT_EXEC | 1 << 40) == REFUSED
    prlimit = numbers["prlimit64"]
    assert verdict(machine, prlimit, 0, 7, 0, 0x1000) == ALLOW
    for args in ((1, 7, 0), (0, 7, 0x1000), (1 << 32, 7, 0), (0, 7, 1 << 32)):
        assert verdict(machine, prlimit, *args) == REFUSED
    assert verdict(machine, numbers["ioctl"]) == ERRNO | errno.ENOTTY
    assert verdict(machine, numbers["clone3"]) == ERRNO | errno.ENOSYS


@pytest.mark.parametrize("machine", MACHINES)
def test_a_notebook_may_read_besides(machine):
    """With `reading` files open to be read and libraries are mapped; all else has the verdict that it always has."""
    numbers = NUMBERS[machine]
    read = lambda name, *args: verdict(machine, numbers[name], *args, reading=True)  # noqa: E731
    for number in range(600):
        if number not in [numbers.get(name) for name in (*READING, "mmap")]:
            assert verdict(machine, number) == verdict(machine, number, reading=True)
    assert {name for name in READING if name in numbers and read(name, 0, 3, 0) != ALLOW} == set()
    cloexec, directory = 0o2000000, 0o200000 if machine == "x86_64" else 0o40000
    assert read("openat", 0, 0, cloexec | directory) == ALLOW
    for flags in (os.O_WRONLY, os.O_RDWR, os.O_CREAT, os.O_TRUNC, 0o20000000, 0o10000000, 3):
        assert read("openat", 0, 0, cloexec | flags) == REFUSED
    assert {command for command in range(2000) if read("fcntl", 0, command) == ALLOW} == set(HARMLESS_FCNTL)
    library = 2  # MAP_PRIVATE
    assert read("mmap", 0, 4096, 1 | PROT_EXEC, library) == ALLOW
    assert read("mmap", 0, 4096, 1 | PROT_WRITE, library | MAP_ANONYMOUS) == ALLOW
    assert read("mmap", 0, 4096, PROT_WRITE | PROT_EXEC, library) == REFUSED
    assert read("mmap", 0, 4096, PROT_EXEC, library | MAP_ANONYMOUS) == REFUSED
    assert read("mprotect", 0, 4096, PROT_EXEC) == REFUSED


@pytest.mark.parametrize("machine", MACHINES)
def test_another_architectures_table_ends_the_process(machine):
    """A 32-bit call, or one of x86-64's x32 table, is never looked up in the wrong table."""
    assert verdict(machine, 0, architecture=0x40000003) == KILL_PROCESS
    if machine == "x86_64":
        assert verdict(machine, seccomp.X32 | 39) == KILL_PROCESS


@pytest.mark.parametrize("machine", MACHINES)
def test_the_numbers_are_the_kernels(machine):
    """Every number in the table is the one in the kernel's own header, where that is installed."""
    path, pattern = HEADERS[machine]
    if not path.exists():
        pytest.skip(f"no {path} here")
    known = {name: int(number) for name, number in re.findall(pattern, path.read_text())}
    table = NUMBERS[machine]
    wrong = {name for name in set(table) & set(known) if table[name] != known[name]}
    assert wrong == set()
    assert len(set(table) & set(known)) > 50
