"""The gradebook's scores before and after a batch: what grading again changed, as one table."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass

from nbgrader.api import Assignment, Grade, Gradebook, Student, SubmittedAssignment, SubmittedNotebook
from nbgrader.converters import Autograde
from sqlalchemy import func

from autograder.rendering.shown import inert, points_text

SHOWN = 200  # students; a larger change is in the gradebook


@dataclass(frozen=True)
class Standing:
    """A student's score in an assignment, late penalties taken off, and how many of its grades a person gave."""

    score: float
    by_hand: int


def standings(db_url: str, course: str, assignment: str) -> dict[str, Standing]:
    """Student -> standing, of all who handed in."""
    with Gradebook(db_url, course) as gradebook:
        submitted = gradebook.db.query(Student.id).select_from(SubmittedNotebook).join(SubmittedAssignment)
        submitted = submitted.join(Assignment).join(Student).filter(Assignment.name == assignment).group_by(Student.id)
        penalties = dict(submitted.add_columns(func.sum(SubmittedNotebook.late_submission_penalty)).all())
        grades = submitted.join(Grade).add_columns(func.sum(Grade.score), func.count(Grade.manual_score))
        return {
            student: Standing(max(0.0, (score or 0.0) - (penalties[student] or 0.0)), by_hand)
            for student, score, by_hand in grades
        }


def table(before: Mapping[str, Standing], after: Mapping[str, Standing]) -> str:
    """The students whose score is another now, before and after side by side; empty where there are none."""
    shown = {
        name: (points_text(before[name].score), points_text(after[name].score)) for name in before if name in after
    }
    changed = sorted(name for name, (then, now) in shown.items() if then != now)
    if not changed:
        return ""
    width = max(len("student"), *(len(inert(name, 40)) for name in changed[:SHOWN]))
    lines = [f"{len(changed)} of {len(before)} scores changed:", f"{'student':{width}}  before   after"]
    for name in changed[:SHOWN]:
        note = "   some of it given by hand" if after[name].by_hand else ""
        lines.append("{:{}}  {:>6}  {:>6}{}".format(inert(name, 40), width, *shown[name], note))
    if len(changed) > SHOWN:
        lines.append(f"and {len(changed) - SHOWN} more")
    return "\n".join(lines)


def tell_changes(converter: Autograde) -> None:
    """Has `converter` log the table when its batch is done; in the process that began it, not in its workers."""
    course, began, convert = converter.coursedir, os.getpid(), converter.convert_notebooks
    place = course.db_url, course.course_id, course.assignment_id
    before = standings(*place)

    def convert_and_tell() -> None:
        try:
            convert()
        finally:
            if os.getpid() == began and (text := table(before, standings(*place))):
                converter.log.warning("%s", text)

    converter.convert_notebooks = convert_and_tell
