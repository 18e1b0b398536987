"""What runs on a worker of a Dask cluster: a warm grader a thread, which gets submissions as bytes.

The side that started the run sends the text of the solutions that are needed, each student's seeds and the files that
were handed in; the course secret is never sent.
"""

from __future__ import annotations

import hashlib
import tempfile
import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from autograder.catalogue import Catalogue, load_catalogue
from autograder.sandbox.doctor import examine
from autograder.submission import Handed
from autograder.whole_class.batch import Course, Job, Worker
from autograder.whole_class.cache import grader_identity
from autograder.whole_class.pieces import Graded, graded

_here = threading.local()


class WorkerRefuses(Exception):
    """A worker cannot grade as the run asks; the message says why, for the person who started it."""


@dataclass(frozen=True)
class Setup:
    """What a worker needs to know to grade.

    solutions: (file name, text) of the files that describe the assignment's exercises.
    identity: the grader's on the side that started the run.
    """

    solutions: tuple[tuple[str, str], ...]
    course: Course
    identity: str

    @property
    def digest(self) -> str:
        return hashlib.sha256(repr((self.solutions, self.course, self.identity)).encode()).hexdigest()


@dataclass(frozen=True)
class Parcel:
    """A job and the files to grade."""

    job: Job
    handed: Handed


def setup_of(catalogue: Catalogue, course: Course) -> Setup:
    needed = [layer for layer in catalogue.layers if any(e.assignment == course.assignment for e in layer.exercises)]
    # The worker has its own place for them; this side's paths tell it nothing.
    course = replace(course, solutions=Path())
    return Setup(tuple((layer.path.name, layer.text) for layer in needed), course, grader_identity())


def grade_parcels(setup: Setup, parcels: Sequence[Parcel]) -> list[Graded]:
    """What was found about each submission, in order.

    Raises:
        WorkerRefuses: another version of the grader is installed here, or this machine cannot confine a submission.
    """
    worker = _warm(setup)
    return [worker(parcel.job, parcel.handed) for parcel in parcels]


def _warm(setup: Setup) -> Worker:
    """This thread's grader; made anew where the run is another."""
    if getattr(_here, "digest", None) == setup.digest:
        return _here.worker
    if setup.identity != grader_identity():
        raise WorkerRefuses(
            f"a worker has another grader ({grader_identity()}, this side has {setup.identity}): install the same there"
        )
    if setup.course.confine == "full" and not (found := examine("full")).sound:
        raise WorkerRefuses(f"a worker's machine cannot confine a submission: {found.lines()[-1]}")
    if old := getattr(_here, "worker", None):
        _here.digest = None
        old.__exit__(None, None, None)
    with tempfile.TemporaryDirectory(prefix="autograder-") as folder:
        for name, text in setup.solutions:
            (Path(folder) / name).write_text(text, encoding="utf-8")
        catalogue = load_catalogue(folder)
    worker = Worker(catalogue, setup.course, graded)
    worker.__enter__()
    _here.worker, _here.digest = worker, setup.digest
    return worker
