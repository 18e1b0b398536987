"""Grades many submissions, on one process or several: each holds one warm `Grader`.

A worker is handed a submission's path and the seeds of that student's hidden inputs, never the course secret.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from autograder.calls import GRADER_ERROR, Limits
from autograder.catalogue import Catalogue, load_catalogue
from autograder.grading import Grader, nothing_graded
from autograder.report import SubmissionReport
from autograder.secret import seed_for
from autograder.submission import Handed, Submission, read_handed, submission_of
from autograder.whole_class.processes import Processes


@dataclass(frozen=True)
class Job:
    """One submission to grade: where it is, whose it is, and the seed of each exercise's hidden inputs.

    only: the exercises to grade of the submission with this `digest`; None for all.
    """

    student: str
    path: Path
    seeds: dict[str, bytes]
    digest: str = ""
    only: frozenset[str] | None = None


@dataclass(frozen=True)
class Course:
    """What a worker needs to know to grade: where the solutions are, and how."""

    solutions: Path
    assignment: str
    confine: str = "full"
    limits: Limits | None = None


def jobs_for(entries: Sequence[tuple[str, Path]], catalogue: Catalogue, assignment: str, secret: bytes) -> list[Job]:
    names = [e.name for e in catalogue.exercises(assignment)]
    return [Job(student, path, seeds_for(names, secret, student)) for student, path in entries]


def seeds_for(exercises: Sequence[str], secret: bytes, student: str) -> dict[str, bytes]:
    return {e: seed_for(secret, student, e) for e in exercises}


def grade_all(
    jobs: Sequence[Job],
    catalogue: Catalogue,
    assignment: str,
    *,
    workers: int = 1,
    confine: str = "full",
    limits: Limits | None = None,
) -> list[SubmissionReport]:
    """A report for each job, in order."""
    course = Course(catalogue.folder, assignment, confine, limits)
    reports = dict(grade_each(jobs, course, workers=workers))
    return [reports[number] for number in range(len(jobs))]


def grade_each(
    jobs: Iterable[Job],
    course: Course,
    *,
    workers: int = 1,
    finish: Callable[[SubmissionReport], Any] | None = None,
    processes: Processes | None = None,
) -> Iterator[tuple[int, Any]]:
    """(number of the job, `finish(report)`) as each is finished.

    Args:
        jobs: taken one by one, while earlier ones are graded.
        finish: what the worker makes of a report before it sends it; a function that other processes can import.
        processes: `graders(course, finish)` that were started before; else as many as `workers` says, here and now.
    """
    if processes is not None:
        yield from processes.each(jobs, partial(lost, course, finish))
        return
    jobs = iter(jobs)
    first = list(itertools.islice(jobs, max(workers, 1)))
    workers, jobs = len(first), itertools.chain(first, jobs)
    if not first:
        return
    if workers == 1:
        with Worker(load_catalogue(course.solutions), course, finish) as worker:
            yield from ((number, worker(job)) for number, job in enumerate(jobs))
    else:
        with graders(course, finish, workers) as processes:
            yield from processes.each(jobs, partial(lost, course, finish))


def graders(course: Course, finish: Callable | None, workers: int) -> Processes:
    """Processes that grade, getting ready."""
    return Processes(partial(_worker, course, finish), workers)


def _worker(course: Course, finish: Callable | None) -> Worker:
    return Worker(load_catalogue(course.solutions), course, finish)


def lost(course: Course, finish: Callable | None, job: Job) -> Any:
    """What stands for a submission whose grader was killed again and again: no fault of the student's."""
    exercises = load_catalogue(course.solutions).exercises(course.assignment)
    sentence = "The autograder broke, not your code: its process was ended from outside, more than once."
    functions = nothing_graded(exercises, GRADER_ERROR, sentence)
    report = SubmissionReport(job.student, str(job.path), job.digest, course.assignment, tuple(functions))
    return finish(report) if finish else report


class Worker:
    """A warm grader that takes its seeds from the job."""

    def __init__(self, catalogue: Catalogue, course: Course, finish: Callable | None = None):
        self.seeds: dict[str, bytes] = {}
        self.assignment, self.finish = course.assignment, finish
        self.grader = Grader(
            catalogue,
            course.assignment,
            secret=lambda student, exercise: self.seeds[exercise],
            limits=course.limits,
            confine=course.confine,
        )

    def __enter__(self) -> Worker:
        self.grader.__enter__()
        return self

    def __exit__(self, *exc) -> None:
        self.grader.__exit__(*exc)

    def __call__(self, job: Job, handed: Handed | None = None) -> Any:
        """Grades a job; `handed` where the files came with it and need not be read."""
        report = self.grade(job, handed)
        return self.finish(report) if self.finish else report

    def grade(self, job: Job, handed: Handed | None) -> SubmissionReport:
        self.seeds = job.seeds
        try:
            handed = handed or read_handed(job.path)
        except OSError as error:  # closed, or gone since it was found: in a class that is one student's trouble
            return self.grader.grade(Submission(job.student, str(job.path), "", (), problem=str(error)))
        submission = submission_of(handed, student=job.student, path=str(job.path), assignment=self.assignment)
        unchanged = job.digest == submission.digest
        return self.grader.grade(submission, only=job.only if unchanged else None)
