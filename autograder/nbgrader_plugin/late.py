"""Late work: minutes of grace, a share of the points for each day after, and extensions from a table.

In nbgrader_config_local.py:

    c.AssignLatePenalties.plugin_class = "autograder.nbgrader_plugin.late.PerDay"
    c.PerDay.grace_minutes = 15
    c.PerDay.per_day = 0.10
    c.PerDay.extensions = "extensions.csv"
"""

from __future__ import annotations

import csv
import math
from pathlib import Path

from nbgrader.plugins import LateSubmissionPlugin
from traitlets import Float, Unicode

from autograder.errors import BadInput

DAY = 24 * 60 * 60


class PerDay(LateSubmissionPlugin):
    """Takes a share of a notebook's points for every day begun after the grace, and never more than all of them."""

    grace_minutes = Float(0, min=0, help="So many minutes after the due date are not late.").tag(config=True)
    per_day = Float(0.1, min=0, max=1, help="The share of the points that each day begun costs.").tag(config=True)
    extensions = Unicode(
        "",
        help="A CSV file with the columns student and days, and perhaps assignment (left empty: all of them).",
    ).tag(config=True)

    def late_submission_penalty(self, student_id: str, score: float, total_seconds_late: float) -> float:
        """The points taken off; nothing for who is in time after grace and extension."""
        days = self._extension(student_id, getattr(self.parent, "assignment_id", ""))
        late = total_seconds_late - 60 * self.grace_minutes - DAY * days
        return min(score, score * self.per_day * math.ceil(late / DAY)) if late > 0 else 0.0

    def _extension(self, student: str, assignment: str) -> float:
        """The days that a student was given for an assignment; the longest, where several rows apply."""
        if not self.extensions:
            return 0.0
        path = Path(self.extensions)
        try:
            with open(path, newline="", encoding="utf-8-sig") as file:
                rows = [row for row in csv.DictReader(file) if (row["student"] or "").strip() == student]
            return max(
                (float(r["days"]) for r in rows if (r.get("assignment") or "").strip() in ("", assignment)), default=0
            )
        except (OSError, KeyError, TypeError, ValueError) as error:
            reason = f"it has no column {error}" if isinstance(error, KeyError) else error
            raise BadInput(f"the extensions in {path.resolve()} cannot be read: {reason}") from error
