"""`autograder check`: the public checks of work on disk, in a fresh process, for the student who wrote it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from autograder.answer_key import Key
from autograder.assess import report_on
from autograder.calls import Limits, Session
from autograder.public_keys import key_of, read_keys
from autograder.render import points_text
from autograder.render_text import to_text
from autograder.report import PASSED, FunctionReport
from autograder.sandbox import Sandbox
from autograder.submission import Submission, guess_assignment, read_submission


@dataclass(frozen=True)
class WorkCheck:
    """What the public checks found."""

    reports: tuple[FunctionReport, ...]
    remarks: tuple[str, ...]
    hints: int

    @property
    def score(self) -> float:
        return sum(r.score for r in self.reports)

    @property
    def max_score(self) -> float:
        return sum(r.max_score for r in self.reports)

    @property
    def passed(self) -> bool:
        return all(r.status == PASSED for r in self.reports)

    @property
    def text(self) -> str:
        parts = [to_text(r, hints=self.hints, public=True) for r in self.reports]
        good = sum(r.status == PASSED for r in self.reports)
        parts.append(
            f"{good} of {len(self.reports)} functions pass the public checks: "
            f"{points_text(self.score)} of {points_text(self.max_score)} points if the hidden checks agree."
        )
        return "\n\n".join([*parts, *(f"Remark: {r}" for r in self.remarks)])


def check_work(path: Path, *, exercise: str | None = None, hints: int = 1) -> WorkCheck:
    """Runs the public checks of a notebook, a `.py` file or a folder.

    Raises:
        ValueError, OSError: there is no such work, or no key for it; the message is one line.
    """
    if not path.exists():
        raise ValueError(f"there is nothing at {path}")
    keys = read_keys(path if path.is_dir() else path.parent)
    if exercise is not None:
        wanted = [key_of(exercise, keys)]
    else:
        by_assignment: dict[str, list[str]] = {}
        for key in keys.values():
            by_assignment.setdefault(key.assignment, []).extend(f.name for f in key.functions)
        assignment = guess_assignment([path], by_assignment)
        wanted = [key for key in keys.values() if key.assignment == assignment]
    submission = read_submission(path, student="you")
    if submission.problem:
        raise ValueError(submission.problem)
    names = [f.name for key in wanted for f in key.functions]
    with Sandbox(limits=Limits(), confine="none") as box, box.open(submission.sources, names) as session:
        reports = [r for key in wanted for r in _reports(key, session, submission)]
        remarks = (*submission.remarks, *session.remarks)
    if exercise is not None:
        reports = [r for r in reports if exercise in (r.name, wanted[0].exercise)]
    return WorkCheck(tuple(reports), remarks, hints)


def _reports(key: Key, session: Session, submission: Submission) -> list[FunctionReport]:
    return report_on(key, session, submission)
