"""What grading found, as frozen data: a `Finding` an array and case, a `FunctionReport`, a `SubmissionReport`.

Rendering is apart (`autograder.render`); nothing here runs a submission or reads an answer key.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

PASSED, PARTIAL, FAILED, BLOCKED = "passed", "partial", "failed", "blocked"


@dataclass(frozen=True)
class Finding:
    """One judgement: one array on one case.

    kind: "passed", or what went wrong, in the words of results.json's status.
    headline: what and where, one sentence.
    evidence: the student's value beside the numerical gradient or the expected value.
    idea: the named mistake, one sentence, where it is recognised.
    hint: one question or pointer that leads on.
    more_hints: further hints, from asking to pointing, shown only when asked for.
    hidden: True where the case's inputs are not for students: then headline and hint may be shown, evidence not.
    similar: an input of the same kind that a student can try instead.
    picture: rows of True where an entry is wrong, for a small picture, or empty.
    """

    case: str
    array: str
    passed: bool
    kind: str
    headline: str = ""
    evidence: str = ""
    idea: str = ""
    hint: str = ""
    more_hints: tuple[str, ...] = ()
    hidden: bool = False
    reason: str = ""
    similar: str = ""
    picture: tuple[tuple[bool, ...], ...] = ()


@dataclass(frozen=True)
class FunctionReport:
    """What was found about one function.

    status: as in results.json.
    diagnosis: misconception ids, most certain first.
    reached: what the first failing array had right: "one array, shape (4, 3), float64".
    not_reached: checks that this failure left open, in words.
    flagged: a sentence where a human has to decide (the score is provisional), else "".
    """

    name: str
    status: str
    score: float
    max_score: float
    findings: tuple[Finding, ...] = ()
    diagnosis: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()
    reached: str = ""
    not_reached: tuple[str, ...] = ()
    flagged: str = ""

    @property
    def checks(self) -> tuple[int, int]:
        """(passed, all) over the findings."""
        return sum(f.passed for f in self.findings), len(self.findings)

    @property
    def first_failure(self) -> Finding | None:
        return next((f for f in self.findings if not f.passed), None)


@dataclass(frozen=True)
class SubmissionReport:
    """What was found about one submission."""

    student: str
    path: str
    digest: str
    assignment: str
    functions: tuple[FunctionReport, ...]
    remarks: tuple[str, ...] = ()
    seconds: float = 0.0
    extra: dict = field(default_factory=dict)

    @property
    def score(self) -> float:
        return math.fsum(f.score for f in self.functions)

    @property
    def max_score(self) -> float:
        return math.fsum(f.max_score for f in self.functions)

    def function(self, name: str) -> FunctionReport:
        return next(f for f in self.functions if f.name == name)
