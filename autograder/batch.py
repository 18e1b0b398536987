"""Grades a class: many submissions, in the order given, on one or several processes.

Each worker process holds one warm `Grader`. It is handed a submission's path and the seeds of that student's hidden
inputs, never the course secret.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

from autograder.calls import Limits
from autograder.catalogue import Catalogue, load_catalogue
from autograder.grading import Grader
from autograder.report import SubmissionReport
from autograder.secret import seed_for
from autograder.submission import Submission, read_submission


@dataclass(frozen=True)
class Job:
    """One submission to grade: where it is, whose it is, and the seed of each exercise's hidden inputs."""

    student: str
    path: Path
    seeds: dict[str, bytes]


def jobs_for(entries: Sequence[tuple[str, Path]], catalogue: Catalogue, assignment: str, secret: bytes) -> list[Job]:
    exercises = [e.name for e in catalogue.exercises(assignment)]
    return [Job(s, path, {e: seed_for(secret, s, e) for e in exercises}) for s, path in entries]


def grade_all(
    jobs: Sequence[Job],
    catalogue: Catalogue,
    assignment: str,
    *,
    workers: int = 1,
    confine: str = "full",
    limits: Limits | None = None,
    done: Callable[[SubmissionReport], None] = lambda report: None,
) -> list[SubmissionReport]:
    """A report for each job, in order; `done` hears of each as it is finished."""
    reports = []
    for report in _graded(jobs, catalogue, assignment, workers, confine, limits):
        reports.append(report)
        done(report)
    return reports


def _graded(
    jobs: Sequence[Job], catalogue: Catalogue, assignment: str, workers: int, confine: str, limits: Limits | None
) -> Iterator[SubmissionReport]:
    workers = min(workers, len(jobs))
    if workers <= 1:
        with _Worker(catalogue, assignment, confine, limits) as worker:
            yield from map(worker.grade, jobs)
        return
    # Spawned, not forked: a forked worker would inherit the secret.
    with ProcessPoolExecutor(
        workers, get_context("spawn"), _start_worker, (catalogue.folder, assignment, confine, limits)
    ) as pool:
        yield from pool.map(_grade_in_worker, jobs, chunksize=max(1, min(16, len(jobs) // (4 * workers))))


class _Worker:
    """A warm grader that takes its seeds from the job."""

    def __init__(self, catalogue: Catalogue, assignment: str, confine: str, limits: Limits | None):
        self.seeds: dict[str, bytes] = {}
        self.assignment = assignment
        self.grader = Grader(
            catalogue,
            assignment,
            secret=lambda student, exercise: self.seeds[exercise],
            limits=limits,
            confine=confine,
        )

    def __enter__(self) -> _Worker:
        self.grader.__enter__()
        return self

    def __exit__(self, *exc) -> None:
        self.grader.__exit__(*exc)

    def grade(self, job: Job) -> SubmissionReport:
        self.seeds = job.seeds
        try:
            submission = read_submission(job.path, student=job.student, assignment=self.assignment)
        except OSError as error:  # closed, or gone since it was found: in a class that is one student's trouble
            submission = Submission(job.student, str(job.path), "", (), problem=str(error))
        return self.grader.grade(submission)


_worker: _Worker | None = None  # of this process, in a pool


def _start_worker(folder: Path, assignment: str, confine: str, limits: Limits | None) -> None:
    global _worker
    _worker = _Worker(load_catalogue(folder), assignment, confine, limits)
    _worker.__enter__()


def _grade_in_worker(job: Job) -> SubmissionReport:
    return _worker.grade(job)
