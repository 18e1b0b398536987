"""What a class's results come to, as plain data: distribution, pass rates, mistakes, what a person should look at.

The submissions of results.json are taken one by one; of each only what a table's row needs is held.
"""

from __future__ import annotations

import statistics
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

from autograder import calls
from autograder.report import PARTIAL, PASSED
from autograder.whole_class.alike import Alike, AlikeArrays, AlikeCode

# Statuses that call for a person, and why.
LOOK = {
    calls.PROTOCOL: "wrote to the line on which the grader is answered",
    calls.FORBIDDEN: "asked the operating system for something that no exercise needs",
    calls.GRADER_ERROR: "could not be graded: the autograder broke; grade it again",
}
# What the remarks on a submission say where a status does not: the attack may have cost nothing.
ATTACKS = (
    ("The code wrote to the line", LOOK[calls.PROTOCOL]),
    ("The code asked the operating system", LOOK[calls.FORBIDDEN]),
)


@dataclass
class FunctionSummary:
    """One function: how many students have each status, and how long grading its exercise took."""

    name: str
    exercise: str
    max_score: float
    statuses: Counter = field(default_factory=Counter)
    scores: float = 0.0
    seconds: float = 0.0  # median

    @property
    def students(self) -> int:
        return sum(self.statuses.values())

    @property
    def passed(self) -> int:
        return self.statuses[PASSED]

    @property
    def partial(self) -> int:
        return self.statuses[PARTIAL]


@dataclass
class MistakeSummary:
    """A named mistake: how many students make it, in which functions, and one example."""

    id: str
    students: int = 0
    functions: Counter = field(default_factory=Counter)
    sentence: str = ""
    example: tuple[str, ...] = ()  # lines


@dataclass
class HiddenSummary:
    """A hidden case of a function: how many fail it, and how many of these pass every public case."""

    function: str
    case: str
    reason: str
    failed: int = 0
    alone: int = 0


@dataclass(frozen=True)
class Row:
    """One student in the table; `functions` holds (score, status) in order."""

    student: str
    score: float
    max_score: float
    functions: tuple[tuple[float, str], ...]
    mistakes: tuple[str, ...]
    look: bool


@dataclass
class ClassSummary:
    """A class at a glance; lists are in the order in which they are worth reading."""

    assignment: str
    created: str
    grader: dict
    rows: list[Row] = field(default_factory=list)
    functions: list[FunctionSummary] = field(default_factory=list)
    mistakes: list[MistakeSummary] = field(default_factory=list)
    hidden: list[HiddenSummary] = field(default_factory=list)
    look: list[tuple[str, str, str]] = field(default_factory=list)  # student, function or "", why
    alike: list[Alike] = field(default_factory=list)

    @property
    def percents(self) -> list[float]:
        return [100 * row.score / row.max_score if row.max_score else 0.0 for row in self.rows]


def summarise(head: dict, submissions: Iterable[dict]) -> ClassSummary:
    """The summary of a run; `head` and `submissions` as `read_head` and `read_submissions` give them."""
    summary = ClassSummary(head["assignment"], head["created"], head["grader"])
    functions: dict[str, FunctionSummary] = {}
    mistakes: dict[str, MistakeSummary] = {}
    hidden: dict[tuple[str, str], HiddenSummary] = {}
    seconds: dict[str, list[float]] = defaultdict(list)
    arrays, code = AlikeArrays(), AlikeCode()
    for submission in submissions:
        student = submission["student"]
        for exercise, took in submission.get("timing", {}).items():
            seconds[exercise].append(took)
        look = list(_look(submission))
        summary.look += look
        for f in submission["exercises"]:
            name = f["name"]
            if name not in functions:
                functions[name] = FunctionSummary(name, f.get("exercise", ""), f["max_score"])
            functions[name].statuses[f["status"]] += 1
            functions[name].scores += f["score"]
            _count_mistakes(mistakes, f)
            _count_hidden(hidden, f)
            if f["status"] != PASSED:
                arrays.add(student, f)
                code.add(student, f)
        summary.rows.append(_row(submission, bool(look)))
    for f in functions.values():
        f.seconds = statistics.median(seconds.get(f.exercise) or [0.0])
    count = len(summary.rows)
    summary.functions = list(functions.values())
    summary.mistakes = sorted(mistakes.values(), key=lambda m: (-m.students, m.id))
    summary.hidden = sorted(hidden.values(), key=lambda h: (-h.alone, -h.failed))
    summary.alike = [*code.found(count), *arrays.found()]
    return summary


def _row(submission: dict, look: bool) -> Row:
    exercises = submission["exercises"]
    return Row(
        student=submission["student"],
        score=submission["score"],
        max_score=submission["max_score"],
        functions=tuple((f["score"], f["status"]) for f in exercises),
        mistakes=tuple(dict.fromkeys(d for f in exercises for d in f["diagnosis"])),
        look=look,
    )


def _look(submission: dict) -> Iterable[tuple[str, str, str]]:
    """Why a person should look at a submission, each reason once."""
    told = set()
    for f in submission["exercises"]:
        why = f.get("flagged") or LOOK.get(f["status"])
        if why and why not in told:
            told.add(why)
            yield submission["student"], f["name"], why
    for beginning, why in ATTACKS:
        if why not in told and any(remark.startswith(beginning) for remark in submission["remarks"]):
            yield submission["student"], "", why
    if unread := _unread(submission):
        yield submission["student"], "", f"nothing of it could be read: {unread}"


def _unread(submission: dict) -> str:
    """Why nothing of a submission could be read, where that is so: then no finding speaks of an array."""
    missing = (f for f in submission["exercises"] if f["status"] == calls.MISSING)
    return next((g["headline"] for f in missing for g in f["findings"] if not g["array"]), "")


def _count_mistakes(mistakes: dict[str, MistakeSummary], f: dict) -> None:
    for id in f["diagnosis"]:
        mistake = mistakes.setdefault(id, MistakeSummary(id))
        mistake.students += 1
        mistake.functions[f["name"]] += 1
        if mistake.example:
            continue
        shown = [g for g in f["findings"] if not g["passed"] and g.get("mistake") == id]
        shown.sort(key=lambda g: g["hidden"])
        if shown:
            mistake.sentence = shown[0]["idea"]
            case = f'case "{shown[0]["case"]}"   ' if shown[0]["case"] else ""
            parts = (shown[0]["headline"], case + shown[0]["evidence"])
            mistake.example = tuple(part for part in parts if part)


def _count_hidden(hidden: dict[tuple[str, str], HiddenSummary], f: dict) -> None:
    failed = {g["case"]: g for g in f["findings"] if g["hidden"] and not g["passed"] and g["case"]}
    public = all(g["passed"] for g in f["findings"] if not g["hidden"])
    for case, finding in failed.items():
        found = hidden.setdefault((f["name"], case), HiddenSummary(f["name"], case, finding.get("reason", "")))
        found.failed += 1
        found.alone += public
