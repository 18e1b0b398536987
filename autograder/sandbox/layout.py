"""How the zygote's memory is laid out, so that a fork of it costs little: what is shared stays shared, and what a child
writes lies side by side.

Every page of the zygote costs a child something at its birth and at its end, and a page that it writes to is copied
first. None of this changes what code computes; where the kernel or the C library does not go along, all is as it was.
"""

from __future__ import annotations

import ctypes
import os
import sys

# bytes for Python's small objects; somewhat less than what all imports take
SMALL_OBJECTS = 12 << 20
# of Python's objects of up to so many bytes so many of each size: more than was seen to be free
HOLES = (64, 4096), (96, 640), (256, 128), (512, 64)
POOLS = 128  # more than an arena has
HEAP = 1 << 20  # bytes of larger ones, more than all holes have

MADV_COLLAPSE, HUGE = 25, 1 << 21
# below it, memory is taken to be in use from one end to the other
SPARSE = 24 << 20


def mapped() -> int:
    """Bytes of address space in use."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[0]) * os.sysconf("SC_PAGESIZE")


def side_by_side() -> list[bytes]:
    """Has Python take the memory for its small objects at once, in one stretch, where it would take a megabyte here and
    there between the libraries that are loaded: only a stretch fits on huge pages. Hold what is returned until all is
    imported, so that the memory is not given back before."""
    several = [bytes(464) for _ in range(SMALL_OBJECTS // 496)]
    return several[::1000]  # one of each megabyte, and more


def fill_holes() -> list[list]:
    """Takes up what is free on the pages of Python's small objects: a child's own go to pages that are its alone, side
    by side, where each page shared with the zygote would first have to be copied (a tenth of all its page faults)."""
    filling, size, head = [[object() for _ in range(1024)], [float(n) for n in range(1024)]], 48, sys.getsizeof(b"")
    for largest, count in HOLES:
        while size <= largest:
            filling.append([bytes(size - head) for _ in range(count)])
            size += 16
    return filling


def fill_pools() -> list[list]:
    """The same for whole pages that are free: a fresh one need only be cleared, not copied. Ends when Python asks for
    more memory."""
    filling, before = [[] for _ in range(POOLS)], mapped()
    for pool in filling:
        if mapped() != before:
            break
        pool.extend([bytes(464) for _ in range(33)])  # 16 KiB
    return filling


def fill_heap(libc) -> None:
    """The same for what is larger, and for what is not Python's: the holes in the C library's heap, up to its top."""
    malloc, free = libc.malloc, libc.free
    malloc.restype, malloc.argtypes, free.argtypes = ctypes.c_void_p, [ctypes.c_size_t], [ctypes.c_void_p]
    top = malloc(HEAP)
    for size in (*(1 << n for n in range(17, 12, -1)), *range(4096, 16, -16)):
        for _ in range(HEAP // size):  # ends sooner, unless pieces are not handed out from low to high
            piece = malloc(size)
            if not piece or piece > top:
                free(piece)
                break
    free(top)


def on_huge_pages(libc) -> int:
    """Moves memory to huge pages, 2 MiB each: a fork copies one entry for 512 pages, or 512 entries in one go, and so
    it is with their end. Returns how many stretches were moved: none where the kernel does not know how (Linux 6.1)."""
    moved = 0
    with open("/proc/self/maps") as file:
        maps = [line.split() for line in file]
    for place, rights, _, _, inode, *name in maps:
        if rights == "rw-p" and inode == "0" and name[:1] in ([], ["[heap]"]):
            start, end = (int(number, 16) for number in place.split("-"))
            whole, rest = -(-start // HUGE) * HUGE, end // HUGE * HUGE
            if whole < rest and end - start < SPARSE:
                moved += not libc.madvise(
                    ctypes.c_void_p(whole), ctypes.c_size_t(rest - whole), ctypes.c_int(MADV_COLLAPSE)
                )
    return moved
