"""Scores into a gradebook that Canvas exported: the same rows, the same ids, one column of points filled in.

Canvas knows an assignment by the number in its column's title, "Layers (12345)", and makes a new one of a title that it
does not know; so the title is taken from the export and never made up. A student is known by `ID`; ours is looked for
in `SIS Login ID`, `SIS User ID` and `ID`. Who is not in a run keeps the points that the export has.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass

from autograder.errors import BadInput
from autograder.formats.reading import total
from autograder.formats.tables import as_csv, number

WHO = ("SIS Login ID", "SIS User ID", "ID")
KEPT = ("Student", "ID", "SIS User ID", "SIS Login ID", "Integration ID", "Root Account", "Section")
POINTS_POSSIBLE = "Points Possible"


@dataclass(frozen=True)
class Gradebook:
    """The file to import, and what a person should know of it before they do."""

    text: str
    notes: tuple[str, ...]


def fill(record: dict, exported: str, column: str | None = None) -> Gradebook:
    """The exported gradebook with the points of a run.

    Args:
        record: the run.
        exported: the text of the CSV that Canvas exported.
        column: the assignment's title in Canvas, with or without its number; None for the assignment's own name.
    Raises:
        BadInput: it is no such export, or has not exactly one such column.
    """
    rows = list(csv.reader(io.StringIO(exported.removeprefix("﻿"))))
    head = rows[0] if rows else []
    missing = [name for name in ("Student", "ID") if name not in head]
    if missing:
        raise BadInput(f"this is not a gradebook that Canvas exported: it has no column {' and no '.join(missing)}")
    at = _column(head, column or record["assignment"])
    keep = [i for i, name in enumerate(head) if name in KEPT]
    students = {_known(s["student"]): s for s in record["submissions"]}
    possible = _points_possible(rows, head, at)
    found: set[str] = set()
    filled = [[head[i] for i in (*keep, at)]]
    for row in rows[1:]:
        row = row + [""] * (len(head) - len(row))
        who = next((k for k in _names_of(row, head) if k in students), None)
        score = row[at]
        if who is not None and not _is_points_row(row, head):
            found.add(who)
            score = _points(students[who], possible)
        filled.append([*(row[i] for i in keep), score])
    return Gradebook(as_csv(filled), _notes(record, found, possible))


def _column(head: Sequence[str], wanted: str) -> int:
    titled = {i: re.sub(r" \(\d+\)$", "", name) for i, name in enumerate(head) if re.search(r" \(\d+\)$", name)}
    fitting = [i for i, title in titled.items() if wanted in (title, head[i])]
    if len(fitting) != 1:
        what = "no column" if not fitting else f"{len(fitting)} columns"
        there = ", ".join(head[i] for i in titled) or "none"
        raise BadInput(f"the gradebook has {what} {wanted!r}; name one with --column; its assignments: {there}")
    return fitting[0]


def _names_of(row: Sequence[str], head: Sequence[str]) -> list[str]:
    return [_known(row[head.index(name)]) for name in WHO if name in head]


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
    lost = [s["student"] for s in record["submissions"] if _known(s["student"]) not in found]
    if lost:
        notes.append(f"not in the gradebook, so not in the file: {', '.join(lost)}")
    highest = {total(s, "max_score") for s in record["submissions"]}
    if possible is not None and highest != {possible}:
        notes.append(f"scaled to the {number(possible)} points that the assignment has in Canvas")
    return tuple(notes)
