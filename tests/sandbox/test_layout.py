"""The zygote's memory is laid out for cheap forks, and holds what it held."""

from __future__ import annotations

import ctypes
import hashlib
import platform
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from autograder.sandbox.layout import HEAP, HUGE, fill_heap, on_huge_pages

LINUX = pytest.mark.skipif(sys.platform != "linux", reason="/proc tells how memory is laid out")


@pytest.mark.parametrize("step", [1 << 21, -(1 << 21), 0])
def test_holes_are_filled_to_an_end(step):
    """Also where memory is handed out from high to low, or there is none: some libraries do, and limits end it."""
    asked, freed = [], []

    def malloc(size):
        asked.append(size)
        return (1 << 40) + step * len(asked) if step else None

    def free(piece):
        freed.append(piece)

    fill_heap(SimpleNamespace(malloc=malloc, free=free))
    assert asked[0] == HEAP
    assert sum(asked) <= HEAP * 300
    assert freed[-1] == ((1 << 40) + step if step else None)


SMALL = """
import sys
from autograder.sandbox.layout import side_by_side
held = side_by_side() if sys.argv[1] == "held" else []
places, blocks = [], []
for n in range(8):
    blocks.append(bytearray(1 << 22))  # as a library would come between
    places += [bytes(464) for _ in range(2000)]
megabytes = {id(one) >> 20 for one in places}
print(max(megabytes) - min(megabytes) + 1)
"""


@LINUX
def test_small_objects_lie_side_by_side():
    """Made a megabyte at a time, with other memory in between; without what holds a place for them, they are apart."""

    def stretch(how: str) -> int:
        command = [sys.executable, "-c", SMALL, how]
        return int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)

    assert stretch("held") <= 16
    assert stretch("apart") > 30


POOLS = """
import sys
from autograder.sandbox.layout import fill_pools
junk = [bytes(464) for _ in range(3000)]
pages = {id(one) >> 14 for one in junk}
kept = junk[::1000]
del junk
filling = fill_pools() if sys.argv[1] == "filled" else []
print(sum(id(one) >> 14 in pages for one in [bytes(464) for _ in range(500)]))
"""


@LINUX
@pytest.mark.parametrize(("how", "old"), [("filled", False), ("not filled", True)])
def test_pages_that_are_free_are_taken_up(how, old):
    """What is made afterwards lies on pages that nothing has been written to."""
    found = subprocess.run([sys.executable, "-c", POOLS, how], capture_output=True, text=True, check=True)
    assert (int(found.stdout) > 400) is old
    assert old or int(found.stdout) < 70  # what was left of the pages of those that are kept


@LINUX
def test_what_is_moved_to_huge_pages_is_what_it_was():
    """The memory of this process, moved: not a byte of a large block is another."""
    libc = ctypes.CDLL(None, use_errno=True)
    block = bytearray(range(256)) * (4 * HUGE >> 8)
    before = hashlib.sha256(block).digest()
    moved = on_huge_pages(libc)
    assert hashlib.sha256(block).digest() == before
    release = tuple(int(n) for n in platform.release().split("-")[0].split(".")[:2])
    pages = Path("/sys/kernel/mm/transparent_hugepage/enabled")
    if release >= (6, 1) and pages.exists() and "[never]" not in pages.read_text():
        assert moved


@LINUX
@pytest.mark.parametrize(("answer", "moved"), [(0, 2), (-1, 0)])
def test_whole_huge_pages_are_asked_for_and_a_refusal_is_no_matter(monkeypatch, answer, moved):
    """The heap and what has no name; no files, nothing that is read only, nothing sparse, no part of a page."""
    maps = """\
100000-500000 rw-p 00000000 00:00 0 [heap]
600000-7ff000 rw-p 00000000 00:00 0
800000-900000 rw-p 00000000 00:00 0
a00000-ffff000 rw-p 00000000 00:00 0
10000000-10400000 r--p 00000000 00:00 0
10400000-10800000 rw-p 00000000 08:01 77 /lib/libc.so
10800000-10c00000 rw-p 00000000 00:00 0 [stack]
10c00000-10e00000 rw-p 00000000 00:00 0
"""
    asked = []

    def madvise(start, length, advice):
        asked.append((start.value, length.value, advice.value))
        return answer

    monkeypatch.setattr("builtins.open", lambda path: __import__("io").StringIO(maps))
    assert on_huge_pages(SimpleNamespace(madvise=madvise)) == moved
    assert asked == [(0x200000, 0x200000, 25), (0x10C00000, 0x200000, 25)]
