"""What grading found, as frozen data: a `Finding` an array and case, a `FunctionReport`, a `SubmissionReport`.

Rendering is apart (`autograder.rendering`); nothing here runs a submission or reads an answer key.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

PASSED, PARTIAL, FAILED, BLOCKED = "passed", "partial", "failed", "blocked"


@dataclass(frozen=True)
class Entry:
    """One entry of an array, "dw[0, 0]": the student's value, and what the label says it is compared with.

    The two are texts, with as many digits as tell them apart.
    """

    place: str
    yours: str
    label: str
    value: str

    def __str__(self) -> str:
        return f"{self.place}   yours {self.yours}   {self.label} {self.value}"


@dataclass(frozen=True)
class Picture:
    """Which entries of an array are wrong, laid out in rows.

    marks: a string for each row, in it one character an entry: "." right, "x" wrong, "0" wrongly 0, "?" nan or inf.
    heat: how far each is off, from 0 to 1 of the largest error.
    words: the same in a sentence, for whoever does not see it.
    axes: what rows and columns are called, "" where they have no name.
    block: how many rows and columns of the array one mark stands for.
    """

    array: str
    marks: tuple[str, ...]
    heat: tuple[tuple[float, ...], ...]
    words: str
    axes: tuple[str, str] = ("", "")
    block: tuple[int, int] = (1, 1)


@dataclass(frozen=True)
class Finding:
    """One judgement: one array on one case.

    kind: "passed", or what went wrong, in the words of results.json's status.
    headline: what and where, one sentence.
    evidence: the student's value beside the numerical gradient or the expected value, or an exception's message.
    entry: the same as data, for an array with a wrong entry.
    raised: an exception's type and message.
    trace: (where, the line itself) of the student's own lines that led to it, the innermost last.
    help: what such an exception or such an end usually means, one sentence.
    idea: the named mistake, one sentence, where it is recognised.
    hint: one question or pointer that leads on.
    more_hints: further hints, from asking to pointing, shown only when asked for.
    hidden: True where the case's inputs are not for students: then headline and hint may be shown, evidence not.
    similar: an input of the same kind that a student can try instead.
    picture: which entries are wrong, where a picture helps.
    mistake: the id of the named mistake, where it is recognised.
    mark: of a wrong array that is not recognised, on a case that all students share: the same for the same array.
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
    entry: Entry | None = None
    raised: str = ""
    trace: tuple[tuple[str, str], ...] = ()
    help: str = ""
    picture: Picture | None = None
    mistake: str = ""
    mark: str = ""


@dataclass(frozen=True, slots=True)
class FunctionReport:
    """What was found about one function.

    status: as in results.json.
    diagnosis: misconception ids, most certain first.
    reached: what is right, in words: "dx, dw", "db's shape and dtype".
    not_reached: checks that the first failure left open, in words.
    flagged: a sentence where a human has to decide (the score is provisional), else "".
    exercise: the exercise that it is part of, "sigmoid".
    seconds: the time that grading the exercise took. All exercises are asked at once: that time is divided among them
        as the submission's process says that its calls took.
    code: marks of a wrong function's code, by which code that is nearly the same is found.
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
    exercise: str = ""
    seconds: float = 0.0
    code: tuple[str, ...] = ()

    @property
    def checks(self) -> tuple[int, int]:
        """(passed, all) over the findings."""
        return sum(f.passed for f in self.findings), len(self.findings)

    @property
    def first_failure(self) -> Finding | None:
        return next((f for f in self.findings if not f.passed), None)


@dataclass(frozen=True, slots=True)
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
