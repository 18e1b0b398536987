"""One run of `autograder grade`: from paths on the command line to results.json and a table."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from autograder.batch import grade_all, jobs_for
from autograder.catalogue import load_catalogue
from autograder.errors import BadInput
from autograder.render import class_table
from autograder.report import SubmissionReport
from autograder.results import read_results, results, write_json
from autograder.sandbox.doctor import examine
from autograder.secret import course_secret, fingerprint
from autograder.submission import find_submissions, guess_assignment


@dataclass(frozen=True)
class ClassRun:
    """What was asked for on the command line."""

    submissions: tuple[Path, ...]
    out: Path
    solutions: Path
    assignment: str | None = None
    student: str | None = None
    jobs: int = 1
    confine: str = "full"


def grade_class(run: ClassRun, *, tell: Callable[[str], None]) -> list[SubmissionReport]:
    """Grades everything, writes `out/results.json` and tells the table.

    Raises:
        ValueError, OSError: bad input; the message is one line that says what to do, and nothing was written.
    """
    catalogue = load_catalogue(run.solutions)
    for path in run.submissions:
        if not path.exists():
            raise ValueError(f"there is nothing at {path}")
    assignment = run.assignment or guess_assignment(run.submissions, catalogue.names_by_assignment())
    if assignment not in catalogue.assignments:
        raise ValueError(f"there is no assignment {assignment!r}; there are {', '.join(catalogue.assignments)}")
    entries = _entries(run, assignment)
    secret = course_secret(run.solutions)
    _check_out(run.out, assignment, fingerprint(secret))
    level = _protection(run.confine)
    jobs = jobs_for(entries, catalogue, assignment, secret)
    start = time.perf_counter()
    with _progress(len(jobs)) as advance:
        reports = grade_all(jobs, catalogue, assignment, workers=run.jobs, confine=run.confine, done=advance)
    record = results(
        assignment, reports, key="full", sandbox=level, secret=fingerprint(secret), exercises=catalogue.digest
    )
    run.out.mkdir(parents=True, exist_ok=True)
    write_json(run.out / "results.json", record)
    tell(class_table(reports))
    seconds = time.perf_counter() - start
    tell(f"{len(reports)} submissions graded in {seconds:.1f} s: {run.out / 'results.json'}")
    return reports


def _protection(confine: str) -> str:
    """What protects this machine, proven by trying it; refuses to grade where that is not enough.

    confine="none" is the instructor's word that they accept less: then nothing is refused, and the level says so.
    """
    found = examine(confine)
    if confine == "full" and not found.sound:
        raise BadInput(found.lines()[-1])
    return found.level


def _entries(run: ClassRun, assignment: str) -> list[tuple[str, Path]]:
    """(student, path) of every submission; no student twice."""
    entries = [
        (student, Path(path))
        for given in run.submissions
        for student, path in find_submissions(given, assignment=assignment, student=run.student)
    ]
    if not entries:
        raise ValueError(f"no submission in {', '.join(map(str, run.submissions))}")
    if run.student is not None and len(entries) > 1:
        raise ValueError(f"--student names one student, but there are {len(entries)} submissions")
    first: dict[str, Path] = {}
    for student, path in entries:
        if student in first:
            raise ValueError(f"two submissions of student {student!r}: {first[student]} and {path}; rename one")
        first[student] = path
    return entries


def _check_out(out: Path, assignment: str, secret: str) -> None:
    """Refuses, before any work is done, a folder that results cannot be written to or that holds other results."""
    there = read_results(out / "results.json") if out.exists() else None
    if out.exists() and not out.is_dir():
        raise ValueError(f"{out} is not a folder; choose another --out")
    parent = next(p for p in (out, *out.resolve().parents) if p.exists())
    if not os.access(parent, os.W_OK | os.X_OK):
        raise ValueError(f"{parent} cannot be written to; choose another --out")
    if there is None:
        return
    if there["assignment"] != assignment:
        raise ValueError(f"{out} holds the results of {there['assignment']}; choose another --out for {assignment}")
    if there["grader"]["secret"] != secret:
        raise ValueError(
            f"{out} was graded with another course secret ({there['grader']['secret']}, yours is {secret}): hidden "
            "inputs would differ; import that secret, or choose another --out"
        )


class _progress:
    """A progress bar on a terminal (with rich, where installed); silent where nobody watches."""

    def __init__(self, total: int):
        self.total, self.bar = total, None

    def __enter__(self) -> Callable[[SubmissionReport], None]:
        if sys.stderr.isatty() and self.total > 1:
            try:
                from rich.console import Console
                from rich.progress import MofNCompleteColumn, Progress, TimeRemainingColumn
            except ImportError:
                return lambda report: None
            columns = (*Progress.get_default_columns()[:2], MofNCompleteColumn(), TimeRemainingColumn())
            self.bar = Progress(*columns, console=Console(stderr=True), transient=True)
            task = self.bar.add_task("grading", total=self.total)
            self.bar.start()
            return lambda report: self.bar.advance(task)
        return lambda report: None

    def __exit__(self, *exc) -> None:
        if self.bar is not None:
            self.bar.stop()
