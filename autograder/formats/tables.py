"""Scores as CSV: a plain table, and nbgrader's columns.

A spreadsheet takes a cell that begins with = + - @ for a formula, and a student chooses the name of a folder: such a
text gets an apostrophe in front, which spreadsheets read as "this is text". Numbers are written as numbers.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence

from autograder.formats.reading import total
from autograder.rendering.shown import inert

# nbgrader's own columns, as `nbgrader export` writes them.
NBGRADER = (
    "assignment", "duedate", "timestamp", "student_id", "last_name", "first_name", "email", "raw_score",
    "late_submission_penalty", "score", "max_score",
)  # fmt: skip


def scores(records: Sequence[dict]) -> str:
    """One row a submission: student, assignment, score, max_score, a column a function, the named mistakes."""
    names = list(dict.fromkeys(e["name"] for r in records for s in r["submissions"] for e in s["exercises"]))
    rows = [["student", "assignment", "score", "max_score", *names, "diagnosis"]]
    for record in records:
        for submission in record["submissions"]:
            by_name = {e["name"]: e for e in submission["exercises"]}
            ids = list(dict.fromkeys(d for e in submission["exercises"] for d in e["diagnosis"]))
            rows.append(
                [
                    cell(submission["student"]),
                    cell(record["assignment"]),
                    number(total(submission)),
                    number(total(submission, "max_score")),
                    *(number(by_name[name]["score"]) if name in by_name else "" for name in names),
                    cell(" ".join(ids)),
                ]
            )
    return as_csv(rows)


def nbgrader(records: Sequence[dict]) -> str:
    """The columns of `nbgrader export`; who and when is the gradebook's knowledge and left empty."""
    rows: list[list[str]] = [list(NBGRADER)]
    for record in records:
        for submission in record["submissions"]:
            score, highest = number(total(submission)), number(total(submission, "max_score"))
            student, assignment = cell(submission["student"]), cell(record["assignment"])
            rows.append([assignment, "None", "None", student, "", "", "", score, "0.0", score, highest])
    return as_csv(rows)


def number(value: float) -> str:
    """A number without noise of the last bits, which a reader gets back within 1e-9: 0.85 * 2 is 1.7."""
    return repr(round(float(value), 9))


def cell(text: str) -> str:
    """Text that no spreadsheet takes for a formula, on one line."""
    text = inert(text, 300)
    return f"'{text}" if text.lstrip()[:1] in ("=", "+", "-", "@", "|", "%") else text


def as_csv(rows: Iterable[Sequence[str]]) -> str:
    file = io.StringIO()
    csv.writer(file, lineterminator="\r\n").writerows(rows)
    return file.getvalue()
