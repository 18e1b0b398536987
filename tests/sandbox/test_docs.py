"""docs/security.md states what the code does: its lists and numbers are the code's."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from autograder.calls import Limits
from autograder.intake import archives, files
from autograder.sandbox import allowed, cells_box, cells_wire, problems, standins

TEXT = (Path(__file__).resolve().parents[2] / "docs" / "security.md").read_text(encoding="utf-8")
LISTS = {
    "numpy: ": allowed.NUMPY,
    "The standard library: ": allowed.STANDARD,
    "Stand-ins that do nothing: ": standins.INERT,
    "say so when a graded function uses them: ": standins.COMPUTING,
    "since they differentiate or are not numpy: ": standins.FRAMEWORKS,
}


@pytest.mark.parametrize("start", LISTS)
def test_the_lists_of_modules_are_the_codes(start):
    """What a submission may import is what the page says."""
    line = next(line for line in TEXT.splitlines() if start in line and "`" in line)
    assert set(re.findall(r"`([\w.]+)`", line.split(start)[1])) == set(LISTS[start])


def test_the_limits_are_the_codes():
    """The table of limits holds the numbers that are enforced."""
    limits = Limits()
    for row in (
        f"until its functions are defined | {limits.definitions:g} s |",
        f"one call of a function | {limits.call:g} s,",
        f"waiting (hardly any CPU time passes) | {limits.call_wall:g} s wall |",
        f"a submission in all | {limits.total_wall:g} s wall |",
        f"memory | {limits.memory >> 30} GiB more than the zygote |",
        f"| {problems.MAX_MESSAGE}, 300, {problems.MAX_LINE} characters |",
        f"| {files.MAX_NOTEBOOK >> 20} MB, {files.MAX_PYTHON >> 20} MB, {archives.MAX_TOTAL >> 20} MB |",
        f"| {files.MAX_RAW >> 20} MB, {archives.MAX_UNPACKED >> 20} MB |",
        f"| {files.MAX_FILES}, {files.MAX_ENTRIES:,}, {archives.MAX_MEMBERS:,} |",
    ):
        assert row in TEXT


def test_the_limits_of_notebooks_are_the_codes():
    """So are those of a notebook that is run for its plots."""
    assert (
        f"A notebook has {cells_box.LIMITS.total_wall:g} s of wall time, a cell a quarter of that as CPU time; "
        f"{cells_wire.MAX_TEXT:,} characters and {cells_wire.MAX_PICTURES} pictures a cell, "
        f"{cells_box.MAX_SHOWN >> 20} MB and {cells_box.MAX_OUTPUTS:,} outputs a notebook."
    ) in TEXT
    assert cells_box.LIMITS.call == cells_box.LIMITS.total_wall / 4
    assert cells_box.MAX_RUNS == 3
