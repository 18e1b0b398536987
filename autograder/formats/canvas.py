"""Scores into a gradebook that Canvas exported: the same rows, the same ids, one column of points filled in.

Canvas knows an assignment by the number in its column's title, "Layers (12345)", and makes a new one of a title that it
does not know; so the title is taken from the export and never made up. A student is known by `ID`; ours is looked for
in `SIS Login ID`, `SIS User ID` and `ID`. One student's login may be another's number: who could be two is refused,
never guessed. Who is not in a run keeps the points that the export has.
"""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from autograder.errors import BadInput
from autograder.formats.reading import total
from autograder.formats.tables import as_csv, number
from autograder.rendering.shown import inert

WHO = ("SIS Login ID", "SIS User ID", "ID")
BY = f"by {', '.join(WHO[:-1])} or {WHO[-1]}"
KEPT = ("Student", "ID", "SIS User ID", "SIS Login ID", "Integration ID", "Root Account", "Section")
POINTS_POSSIBLE = "Points Possible"


@dataclass(frozen=True)
class Gradebook:
    """The file to import, and what a person should know of it before they do."""

    text: str
    notes: tuple[str, ...]


@dataclass(frozen=True)
class _Export:
    """What Canvas exported: `rows` below the `head`, each as long, the column to fill and the points it has there."""

    head: list[str]
    rows: list[list[str]]
    at: int
    possible: float | None


def fill(record: dict, exported: str, column: str | None = None) -> Gradebook:
    """The exported gradebook with the points of a run.

    Args:
        record: the run.
        exported: the text of the CSV that Canvas exported.
        column: the assignment's title in Canvas, with or without its number; None for the assignment's own name.
    Raises:
        BadInput: it is no such export, has not exactly one such column or no points for it, or a submission's row is
            not plain.
    """
    export = _read(exported, column or record["assignment"])
    submissions = {s["student"]: s for s in record["submissions"]}
    students = _students(export, submissions)
    keep = [i for i, name in enumerate(export.head) if name in KEPT]
    filled = [[export.head[i] for i in (*keep, export.at)]]
    for i, row in enumerate(export.rows):
        who = students.get(i)
        score = row[export.at] if who is None else _points(submissions[who], export.possible)
        filled.append([*(row[k] for k in keep), score])
    return Gradebook(as_csv(filled), _notes(record, set(students.values()), export.possible))


def check(exported: str, column: str, students: Iterable[str]) -> None:
    """Refuses, as `fill` would, a gradebook that cannot be filled in for these students."""
    _students(_read(exported, column), students)


def _read(exported: str, column: str) -> _Export:
    try:
        rows = list(csv.reader(io.StringIO(exported.removeprefix("\ufeff"))))
    except csv.Error as error:
        raise BadInput(f"this is not a gradebook that Canvas exported: {error}") from error
    head = rows[0] if rows else []
    missing = [name for name in ("Student", "ID") if name not in head]
    if missing:
        raise BadInput(f"this is not a gradebook that Canvas exported: it has no column {' and no '.join(missing)}")
    at = _column(head, column)
    possible = _points_possible(rows, head, at)
    if possible is not None and not 0 < possible < math.inf:
        raise BadInput(
            f"{head[at]} has {number(possible)} points possible in Canvas, to which no score can be scaled; "
            "set its points there and export again"
        )
    return _Export(head, [row + [""] * (len(head) - len(row)) for row in rows[1:]], at, possible)


def _students(export: _Export, students: Iterable[str]) -> dict[int, str]:
    """Whose submission belongs to a row, by the row's number. Where two could, none is guessed."""
    known: dict[str, list[str]] = {}
    for student in students:
        known.setdefault(_known(student), []).append(student)
    rows_of: dict[str, list[int]] = {}
    found: dict[int, str] = {}
    for i, row in enumerate(export.rows):
        fitting = [student for name in sorted(_names_of(row, export.head)) for student in known.get(name, ())]
        if len(fitting) > 1:
            raise BadInput(
                f"the gradebook's row of {_listed([_name(row, export)])} fits {len(fitting)} submissions {BY}: "
                f"{_listed(fitting)}; leave out all but one"
            )
        for student in fitting:
            found[i] = student
            rows_of.setdefault(student, []).append(i)
    for student, numbers in rows_of.items():
        if len(numbers) > 1:
            raise BadInput(
                f"the submission {_listed([student])} fits {len(numbers)} rows of the gradebook {BY}: "
                f"{_listed([_name(export.rows[i], export) for i in numbers])}; rename it to what only its student "
                "has there, or take the other rows out of the file"
            )
    return found


def _column(head: Sequence[str], wanted: str) -> int:
    titled = {i: re.sub(r" \(\d+\)$", "", name) for i, name in enumerate(head) if re.search(r" \(\d+\)$", name)}
    fitting = [i for i, title in titled.items() if wanted in (title, head[i])]
    if len(fitting) != 1:
        what = "no column" if not fitting else f"{len(fitting)} columns"
        there = ", ".join(head[i] for i in titled) or "none"
        raise BadInput(f"the gradebook has {what} {wanted!r}; name one with --column; its assignments: {there}")
    return fitting[0]


def _names_of(row: Sequence[str], head: Sequence[str]) -> set[str]:
    """All that a row's student may be known by; nothing, where it is not a student's."""
    if _is_points_row(row, head):
        return set()
    return {_known(row[head.index(name)]) for name in WHO if name in head} - {""}


def _name(row: Sequence[str], export: _Export) -> str:
    return row[export.head.index("Student")]


def _listed(names: Sequence[str]) -> str:
    return " and ".join(inert(name, 80) for name in names)


def _known(name: str) -> str:
    return name.strip().casefold()


def _is_points_row(row: Sequence[str], head: Sequence[str]) -> bool:
    return row[head.index("Student")].strip() == POINTS_POSSIBLE


def _points_possible(rows: Sequence[Sequence[str]], head: Sequence[str], at: int) -> float | None:
    for row in rows[1:4]:
        if len(row) > at and _is_points_row(row, head):
            try:
                return float(row[at])
            except ValueError:
                return None
    return None


def _points(submission: dict, possible: float | None) -> str:
    score, highest = total(submission), total(submission, "max_score")
    return number(score if possible is None or not highest else score / highest * possible)


def _notes(record: dict, found: set[str], possible: float | None) -> tuple[str, ...]:
    notes = []
    lost = [s["student"] for s in record["submissions"] if s["student"] not in found]
    if lost:
        notes.append(f"not in the gradebook, so not in the file: {', '.join(lost)}")
    highest = {total(s, "max_score") for s in record["submissions"]}
    if possible is not None and highest != {possible}:
        notes.append(f"scaled to the {number(possible)} points that the assignment has in Canvas")
    return tuple(notes)
