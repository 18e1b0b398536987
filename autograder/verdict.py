"""What the judge decides: a `Verdict` on each array for each question, and of one function all, a `Judgement`."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from autograder.answer_key import KeyFunction, Question
from autograder.calls import Reply
from autograder.gradients import VJPCheck
from autograder.rendering.stopped import Stop
from autograder.report import PASSED, Entry

# The rungs, in order; a verdict tells the one it fell from.
RUNGS = ("returned", "structure", "shape", "dtype", "values", "numerical gradient", "linear in dout", "same twice")

# An array earns 85 % of its share for being right in every ordinary case, the rest for extreme inputs.
BASE_TIER = 0.85


class Verdict(NamedTuple):
    """Whether one array is right on one question.

    rung: the rung of the ladder it fell from, "" where it passed.
    yours, expected: the two arrays, where there are two to compare; wrong: True where an entry differs.
    numerical: the numerical gradient of the student's own forward, where it was measured.
    entry: the first entry that differs; stop: for a call that gave no value, what stopped it.
    """

    question: Question
    array: str
    ok: bool
    kind: str = PASSED
    rung: str = ""
    headline: str = ""
    evidence: str = ""
    yours: Any = None
    expected: Any = None
    wrong: np.ndarray | None = None
    numerical: np.ndarray | None = None
    entry: Entry | None = None
    stop: Stop | None = None


@dataclass(frozen=True)
class Judgement:
    """All verdicts on one function, a row for each question and in it one for each array, and remarks.

    replies: for each question what the function gave; again: what it gave to the same call a second time; doubled: for
        a backward, what it gave for 2·dout.
    checks: for a backward, for each question its comparison with the numerical gradient of the student's own forward.
    """

    function: KeyFunction
    rows: tuple[tuple[Verdict, ...], ...]
    replies: tuple[Reply, ...]
    remarks: tuple[str, ...]
    again: tuple[Reply, ...] = ()
    doubled: tuple[Reply | None, ...] = ()
    checks: tuple[VJPCheck | None, ...] = ()

    def verdicts(self, array: str, *, extreme: bool | None = None) -> list[Verdict]:
        """The verdicts on one array, in the order of the questions; all, ordinary ones or extreme ones."""
        column = self.function.returns.index(array)
        return [row[column] for row in self.rows if extreme is None or row[column].question.extreme == extreme]

    def earned(self, array: str) -> float:
        """The share of the array's points by tiers: the base only if every ordinary case is right, then the rest."""
        ordinary = [v.ok for v in self.verdicts(array, extreme=False)]
        extreme = [v.ok for v in self.verdicts(array, extreme=True)]
        if not ordinary or not all(ordinary):
            return 0.0
        if not extreme or all(extreme):
            return 1.0
        return BASE_TIER

    @functools.cached_property
    def right(self) -> bool:
        """Whether every array is right on every question, as most are."""
        return all(v.ok for row in self.rows for v in row)

    @property
    def share(self) -> float:
        """What the function earns of its points, 0 to 1: the mean over its arrays."""
        return sum(self.earned(array) for array in self.function.returns) / len(self.function.returns)
