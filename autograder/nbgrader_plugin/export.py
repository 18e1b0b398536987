"""The gradebook as CSV that any reader parses: nbgrader's own columns, properly quoted."""

from __future__ import annotations

import csv

from nbgrader.api import Gradebook, MissingEntry
from nbgrader.plugins import CsvExportPlugin

COLUMNS = (
    "assignment", "duedate", "timestamp", "student_id", "last_name", "first_name", "email", "raw_score",
    "late_submission_penalty", "score", "max_score",
)  # fmt: skip


class QuotedCsv(CsvExportPlugin):
    """As nbgrader's CSV export, for names with commas, quotes and line breaks too."""

    def export(self, gradebook: Gradebook) -> None:
        destination = self.to or "grades.csv"
        self.log.info("Exporting grades to %s", destination)
        with open(destination, "w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, COLUMNS)
            writer.writeheader()
            for assignment in gradebook.assignments:
                if self.assignment and assignment.name not in map(str, self.assignment):
                    continue
                for student in gradebook.students:
                    if not self.student or student.id in map(str, self.student):
                        writer.writerow(_row(gradebook, assignment, student))


def _row(gradebook: Gradebook, assignment, student) -> dict:
    """One student's line; whoever handed nothing in has no points and no time."""
    try:
        submission = gradebook.find_submission(assignment.name, student.id)
        time, raw, penalty = submission.timestamp, submission.score, submission.late_submission_penalty
    except MissingEntry:
        time, raw, penalty = None, 0.0, 0.0
    return {
        "assignment": assignment.name,
        "duedate": assignment.duedate,
        "timestamp": time,
        "student_id": student.id,
        "last_name": student.last_name,
        "first_name": student.first_name,
        "email": student.email,
        "raw_score": raw,
        "late_submission_penalty": penalty,
        "score": max(0.0, raw - penalty),
        "max_score": assignment.max_score,
    }
