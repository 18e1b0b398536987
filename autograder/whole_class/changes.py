"""Whose score changed since the last run into the same folder, and why."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from autograder.rendering.shown import inert, points_text
from autograder.report import SubmissionReport
from autograder.results import FILE, read_head, read_submissions, write_text
from autograder.whole_class.cache import grader_identity

SHOWN = 40
ALL = "changes.txt"


@dataclass(frozen=True)
class Before:
    """What an earlier run's results.json says, as much of it as is needed to compare.

    submissions: student -> (digest, {function: (score, max_score)}).
    """

    exercises: Mapping[str, str] = field(default_factory=dict)
    grader: str = ""
    submissions: Mapping[str, tuple[str, dict[str, tuple[float, float]]]] = field(default_factory=dict)


def before(out: Path) -> Before:
    """The earlier run's; empty where there is none."""
    head = read_head(out / FILE)
    if head is None:
        return Before()
    grader = head["grader"]
    return Before(
        exercises=grader.get("by_exercise", {}),
        grader=grader.get("identity", ""),
        submissions={
            s["student"]: (s["digest"], {f["name"]: (f["score"], f["max_score"]) for f in s["exercises"]})
            for s in read_submissions(out / FILE)
        },
    )


def after(reports: Iterable[SubmissionReport], exercises: Mapping[str, str]) -> Before:
    """This run's, to be compared with the earlier one's."""
    return Before(
        exercises=exercises,
        grader=grader_identity(),
        submissions={r.student: (r.digest, {f.name: (f.score, f.max_score) for f in r.functions}) for r in reports},
    )


def changed_rows(earlier: Before, reports: Iterable[SubmissionReport], exercises: Mapping[str, str]) -> list[list[str]]:
    """student, function, points before, points now and why, for every function whose points are others now."""
    rows = []
    for report in reports:
        digest, scores = earlier.submissions.get(report.student, ("", {}))
        for f in report.functions:
            was = scores.get(f.name)
            if was is None or was == (f.score, f.max_score):
                continue
            if digest != report.digest:
                why = "handed in anew"
            elif earlier.exercises.get(f.exercise) != exercises[f.exercise]:
                why = f"the exercise {f.exercise} was changed"
            elif earlier.grader != grader_identity():
                why = "the grader was changed"
            else:
                why = "graded again"
            rows.append([inert(report.student, 40), f.name, _of(*was), _of(f.score, f.max_score), why])
    return rows


def tell_changes(rows: list[list[str]], out: Path, tell: Callable[[str], None]) -> None:
    """Tells the changes as a table; where they are many, the rest stands in a file."""
    (out / ALL).unlink(missing_ok=True)
    if not rows:
        return
    lines = _table([["student", "function", "before", "now", "why"], *rows])
    if len(rows) > SHOWN:
        write_text(out / ALL, "\n".join(lines) + "\n")
        lines = [*lines[: SHOWN + 1], f"... and {len(rows) - SHOWN} more: {out / ALL}"]
    students = len({row[0] for row in rows})
    tell(f"\nScores that changed ({students} student{'s' * (students != 1)}):")
    tell("\n".join(lines) + "\n")


def _table(rows: list[list[str]]) -> list[str]:
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return ["  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)).rstrip() for row in rows]


def _of(score: float, max_score: float) -> str:
    return f"{points_text(score)} of {points_text(max_score)}"
