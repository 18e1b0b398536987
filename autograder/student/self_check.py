"""`autograder check`: the public checks of work on disk, in a fresh process, for the student who wrote it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from autograder.answer_key import Key
from autograder.assess import report_on
from autograder.calls import MISSING
from autograder.public_keys import key_of, read_keys
from autograder.rendering.shown import points_text
from autograder.rendering.text import WIDTH, filled, to_text
from autograder.report import PASSED
from autograder.student.own_session import OwnSessions
from autograder.submission import Submission, guess_assignment, read_submission

BAR = 20


@dataclass(frozen=True)
class FunctionCheck:
    """What the public checks found about one function; `text` is its report, ready to print."""

    name: str
    status: str
    score: float
    max_score: float
    text: str

    @property
    def passed(self) -> bool:
        return self.status == PASSED

    @property
    def untouched(self) -> bool:
        """Whether it still is the stub."""
        return self.status == MISSING and self.text.startswith(f"{self.name} is not written yet.")


@dataclass(frozen=True)
class WorkCheck:
    """What the public checks found, in the order in which the functions stand in the work."""

    assignment: str
    functions: tuple[FunctionCheck, ...]
    remarks: tuple[str, ...] = ()

    @property
    def score(self) -> float:
        return sum(f.score for f in self.functions)

    @property
    def max_score(self) -> float:
        return sum(f.max_score for f in self.functions)

    @property
    def passed(self) -> bool:
        return all(f.passed for f in self.functions)

    @property
    def progress(self) -> str:
        """A bar over the functions, how many pass, and the points."""
        good, all_of = sum(f.passed for f in self.functions), len(self.functions)
        full = BAR * good // all_of if all_of else 0
        points = f"{points_text(self.score)} of {points_text(self.max_score)} points"
        return (
            f"[{'#' * full}{'-' * (BAR - full)}] {good} of {all_of} functions pass the public checks,\n"
            f"{' ' * (BAR + 3)}{points} if the hidden checks agree."
        )

    @property
    def text(self) -> str:
        """Everything: what fails, what passes, remarks, and the progress last, where a terminal shows it."""
        brief = {f.name: "Not written yet" for f in self.functions if f.untouched}
        brief |= {f.name: "Public checks passed" for f in self.functions if f.passed}
        parts = [f.text for f in self.functions if f.name not in brief]
        parts += [f.text for f in self.functions if f.passed and "Remark:" in f.text]
        for what in ("Not written yet", "Public checks passed"):
            if names := [name for name, word in brief.items() if word == what]:
                parts.append("\n".join(filled(f"{what}: {', '.join(names)}.", WIDTH)))
        parts += ["\n".join(filled(f"Remark: {remark}", WIDTH)) for remark in self.remarks]
        return "\n\n".join(part for part in [*parts, self.progress] if part)

    def as_dict(self) -> dict:
        """Plain data, for another process; `from_dict` reads it."""
        return {**asdict(self), "score": self.score, "max_score": self.max_score, "text": self.text}

    @classmethod
    def from_dict(cls, data: Mapping) -> WorkCheck:
        functions = tuple(FunctionCheck(**function) for function in data["functions"])
        return cls(data["assignment"], functions, tuple(data["remarks"]))


def check_work(
    path: Path,
    *,
    exercise: str | None = None,
    assignment: str | None = None,
    hints: int = 1,
    more: str = "",
    sessions: OwnSessions | None = None,
) -> WorkCheck:
    """Runs the public checks of a notebook, a `.py` file or a folder.

    Args:
        exercise: one exercise, or one of its functions, alone.
        assignment: which it is, where that cannot be told from the functions.
        more: how to ask for another hint; by default the command's option.
        sessions: where the code is to run; by default in a process made for it.
    Raises:
        ValueError, OSError: there is no such work, or no key for it; the message is one line.
    """
    if sessions is None:
        with OwnSessions() as sessions:
            return check_work(path, exercise=exercise, assignment=assignment, hints=hints, more=more, sessions=sessions)
    if not path.exists():
        raise ValueError(f"there is nothing at {path}")
    keys = read_keys(path if path.is_dir() else path.parent)
    wanted = _wanted(path, keys, exercise, assignment)
    submission = read_submission(path, student="you", assignment=wanted[0].assignment)
    if submission.problem:
        raise ValueError(submission.problem)
    names = [f.name for key in wanted for f in key.functions]
    with sessions.open(submission.sources, names) as session:
        reports = [r for key in wanted for r in report_on(key, session, submission)]
        remarks = tuple(dict.fromkeys((*submission.remarks, *session.remarks)))
    if exercise is not None:
        reports = [r for r in reports if exercise in (r.name, wanted[0].exercise)]
    place = _places(submission, names)
    functions = tuple(
        FunctionCheck(
            name=r.name,
            status=r.status,
            score=r.score,
            max_score=r.max_score,
            text=to_text(r, hints=hints, public=True, more=more or f"--hints {hints + 1}"),
        )
        for r in sorted(reports, key=lambda r: place[r.name])
    )
    return WorkCheck(wanted[0].assignment, functions, remarks)


def _wanted(path: Path, keys: Mapping[str, Key], exercise: str | None, assignment: str | None) -> list[Key]:
    if exercise is not None:
        if exercise in keys:
            return [keys[exercise]]
        return [key_of(exercise, dict(keys))]
    by_assignment: dict[str, list[str]] = {}
    for key in keys.values():
        by_assignment.setdefault(key.assignment, []).extend(f.name for f in key.functions)
    if assignment is not None and assignment not in by_assignment:
        raise ValueError(f"there is no assignment {assignment!r}; there are {', '.join(sorted(by_assignment))}")
    chosen = assignment or guess_assignment([path], by_assignment)
    return [key for key in keys.values() if key.assignment == chosen]


def _places(submission: Submission, names: list[str]) -> dict[str, tuple[int, int]]:
    """Where each function first stands in the work, so that the first to mend is the first that a reader meets."""
    places = {}
    for name in names:
        found = re.compile(rf"^[ \t]*def[ \t]+{re.escape(name)}\b", re.MULTILINE)
        at = ((i, found.search(source.text)) for i, source in enumerate(submission.sources))
        places[name] = next(((i, match.start()) for i, match in at if match), (len(submission.sources), 0))
    return places
