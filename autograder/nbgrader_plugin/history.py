"""What was graded before, so that grading again lowers no score unasked, and says what it changes.

One line of JSON for each submission graded, in the course directory. Of a submission that was handed in anew, the new
score counts, lower or not: only the very same bytes keep what they once earned.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from autograder.calls import GRADER_ERROR
from autograder.rendering.shown import points_text
from autograder.report import FunctionReport, SubmissionReport

FILE = ".autograder-history.jsonl"
KEPT = "An earlier grading of this same submission gave more points; they stand."


class History:
    """The last grading of every submission of a course."""

    def __init__(self, course: Path):
        self.path = course / FILE
        self.last: dict[tuple[str, str], dict] = {}
        lines = self.path.read_text(encoding="utf-8").splitlines() if self.path.exists() else []
        for line in lines:
            try:
                entry = json.loads(line)
                self.last[entry["student"], entry["assignment"]] = entry
            except (ValueError, KeyError, TypeError):
                continue  # a line that was cut off when the machine went down

    def settle(self, report: SubmissionReport, *, allow_decrease: bool) -> tuple[SubmissionReport, list[str]]:
        """The report as it counts, now remembered, and a sentence for each score that differs from the last time.

        Args:
            report: a fresh grading.
            allow_decrease: False to let an earlier, higher share of the points stand.
        """
        before = self.last.get((report.student, report.assignment), {})
        earlier = before["scores"] if before.get("digest") == report.digest else {}
        functions = tuple(
            f if allow_decrease or f.name not in earlier else _not_less(f, *earlier[f.name]) for f in report.functions
        )
        report = replace(report, functions=functions)
        changes = [
            f"{report.student}: {f.name} had {_points(*earlier[f.name])}, now {_points(f.score, f.max_score)}"
            for f in functions
            if f.name in earlier and earlier[f.name] != [f.score, f.max_score]
        ]
        self._remember(report, earlier)
        return report, changes

    def _remember(self, report: SubmissionReport, earlier: dict) -> None:
        scores = {f.name: [f.score, f.max_score] for f in report.functions if f.status != GRADER_ERROR}
        entry = {"student": report.student, "assignment": report.assignment, "digest": report.digest}
        entry["scores"] = earlier | scores
        if self.last.get((report.student, report.assignment)) != entry:
            self.last[report.student, report.assignment] = entry
            with open(self.path, "a", encoding="utf-8") as file:
                file.write(json.dumps(entry) + "\n")


def _not_less(function: FunctionReport, score: float, max_score: float) -> FunctionReport:
    """The function with at least the share of its points that it had before."""
    kept = function.max_score * (score / max_score if max_score else 0.0)
    if not function.score < kept - 1e-9:
        return function
    return replace(function, score=kept, remarks=(*function.remarks, KEPT))


def _points(score: float, max_score: float) -> str:
    return f"{points_text(score)} of {points_text(max_score)}"
