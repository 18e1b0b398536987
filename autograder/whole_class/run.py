"""One run of `autograder grade`: from paths on the command line to results.json and a table.

What was graded before is taken from the results folder (`cache`); the rest is graded and kept as it is finished, so
that a run that was stopped, however, goes on where it was. results.json is written at the end, whole.
"""

from __future__ import annotations

import importlib.util
import itertools
import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path

from autograder.catalogue import Catalogue, load_catalogue
from autograder.class_report import PAGE, write_page
from autograder.errors import BadInput
from autograder.rendering.shown import class_table, counted, inert
from autograder.report import SubmissionReport
from autograder.results import FILE, full_disk, head_of, no_room, read_head, refuse_others, write_results
from autograder.sandbox.doctor import examine
from autograder.secret import course_secret, fingerprint
from autograder.submission import find_submissions, guess_assignment, meant_otherwise, read_handed
from autograder.whole_class.batch import Course, Job, grade_each, graders, seeds_for
from autograder.whole_class.cache import FILE as KEPT
from autograder.whole_class.cache import Cache, address, check_kept, grader_identity
from autograder.whole_class.changes import after, before, changed_rows, tell_changes
from autograder.whole_class.cluster import grade_on_cluster
from autograder.whole_class.pieces import Graded, graded, outline, shares_trouble, whole
from autograder.whole_class.processes import Processes
from autograder.whole_class.progress import Progress, progress

LINE = 2000  # characters of a warning


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
    fresh: bool = False
    cluster: str | None = None


class Stopped(KeyboardInterrupt):
    """Somebody pressed Ctrl-C; the message says what is kept."""


def grade_class(
    run: ClassRun,
    *,
    tell: Callable[[str], None],
    warn: Callable[[str], None],
    check: Callable[[str, list[str]], None] | None = None,
) -> list[SubmissionReport]:
    """Grades everything, writes `out/results.json` and tells the table.

    Args:
        warn: told, in one line each, what a person may have meant otherwise; the run goes on.
        check: given the assignment and the students before any work is done, raises BadInput where it is for nothing.
    Returns:
        the reports in order, without their findings; those are in results.json.
    Raises:
        BadInput, ValueError, OSError: the message is one line that says what to do. Bad input is found before anything
            is written; where a disk is full, what was graded is kept.
        Stopped: on Ctrl-C; what was graded is kept.
    """
    start = time.perf_counter()
    catalogue = load_catalogue(run.solutions)
    for path in run.submissions:
        if not path.exists():
            raise ValueError(f"there is nothing at {path}")
    assignment = run.assignment or guess_assignment(run.submissions, catalogue.names_by_assignment())
    if assignment not in catalogue.assignments:
        raise ValueError(f"there is no assignment {assignment!r}; there are {', '.join(catalogue.assignments)}")
    entries = _entries(run, assignment)
    if check is not None:
        check(assignment, [student for student, _ in entries])
    secret = course_secret(run.solutions)
    _check_out(run.out, assignment, fingerprint(secret))
    for path in run.submissions:
        if line := meant_otherwise(path, assignment=assignment):
            warn(inert(line, LINE))
    earlier = before(run.out)
    course = Course(run.solutions, assignment, run.confine)
    workers = min(run.jobs, len(entries)) if run.cluster is None else 0
    try:
        with ExitStack() as stack:
            processes = None
            if workers > 1 and not (run.out / KEPT).exists():  # all will be graded: they get ready from now on
                processes = stack.enter_context(graders(course, graded, workers))
            # On a cluster no student's code runs here, and each worker proves its own machine.
            level = protection(run.confine) if run.cluster is None else f"{run.confine}, on each worker"
            cache = stack.enter_context(Cache(run.out, assignment=assignment, secret=fingerprint(secret)))
            class_ = _Class(run, catalogue, course, secret, cache)
            reports = class_.graded(entries, level, processes)
        rows = changed_rows(earlier, reports, catalogue.digests(assignment))
        tell_changes(rows, run.out, tell)
    except OSError as error:
        if no_room(error):
            raise BadInput(full_disk(run.out)) from error
        raise
    tell(class_table(reports))
    tell(f"{class_.told(len(reports))} in {time.perf_counter() - start:.1f} s: {run.out / FILE}")
    if gone := len(earlier.submissions.keys() - {r.student for r in reports}):
        who = "1 student of the results before is" if gone == 1 else f"{gone} students of the results before are"
        warn(f"{who} not in this run, and so no longer in {run.out / FILE}")
    there = (run.out / PAGE).exists()
    same = there and earlier == after(reports, catalogue.digests(assignment))
    if (len(reports) > 1 or there) and not same and importlib.util.find_spec("matplotlib"):
        tell(f"The class at a glance: {write_page(run.out)}")
    return reports


class _Class:
    """The submissions of a run on their way into the cache, and from there into results.json."""

    def __init__(self, run: ClassRun, catalogue: Catalogue, course: Course, secret: bytes, cache: Cache):
        self.run, self.catalogue, self.course, self.secret, self.cache = run, catalogue, course, secret, cache
        self.assignment, self.exercises = course.assignment, catalogue.digests(course.assignment)
        self.digests: dict[str, str] = {}
        self.unkept: dict[str, Graded] = {}  # what the grader broke over, or what could not be read
        self.kept: set[str] = set()  # the students whose gradings are there, from before or by now
        self.anew = 0

    def graded(
        self, entries: list[tuple[str, Path]], level: str, processes: Processes | None
    ) -> list[SubmissionReport]:
        reports: list[SubmissionReport] = []
        try:
            with progress(len(entries)) as told, closing(self._grading(entries, processes, told)) as grading:
                # Written as it comes, while others are graded: at the end there is little left to do.
                write_results(self.run.out / FILE, self._head(level), self._records(entries, grading, reports))
        except KeyboardInterrupt:
            looked_at = len(self.digests) == len(entries)
            kept = f"{'' if looked_at else 'at least '}{len(self.kept)} of {len(entries)}"
            raise Stopped(f"stopped; {kept} are graded and kept, start again to go on") from None
        used = {place for student, _ in entries for place in self._places(student).values()}
        self.cache.tidy(used)
        return reports

    def _grading(self, entries: list[tuple[str, Path]], processes: Processes | None, told: Progress) -> Iterator[None]:
        """Grades what is not known; goes a step on whenever another submission is kept, and when all are."""
        jobs: dict[int, Job] = {}  # those under way, by their number
        numbers = itertools.count()

        def to_grade() -> Iterator[Job]:
            for student, path in entries:
                if (job := self._job(student, path)) is not None:
                    jobs[next(numbers)] = job
                    yield job
                else:
                    self.kept.add(student)
                    told.known()

        if self.run.cluster is None:
            results = grade_each(to_grade(), self.course, workers=self.run.jobs, finish=graded, processes=processes)
        else:
            results = grade_on_cluster(list(to_grade()), self.catalogue, self.course, self.run.cluster)
        for number, result in results:
            job = jobs.pop(number)
            self._keep(job, result)
            self.kept.add(job.student)
            self.anew += 1
            told.done()
            yield
        yield

    def _head(self, level: str) -> dict:
        return head_of(
            self.assignment,
            key="full",
            sandbox=level,
            secret=fingerprint(self.secret),
            exercises=self.catalogue.digest,
            by_exercise=self.exercises,
            identity=grader_identity(),
        )

    def told(self, count: int) -> str:
        """How many were graded, in words."""
        submissions = counted(count, "submission")
        if self.anew == count:
            return f"{submissions} graded"
        if count == 1:
            return f"{submissions}, known from before,"
        return f"{submissions}, {self.anew} of them graded anew and the others known from before,"

    def _places(self, student: str) -> dict[str, str]:
        """Where each exercise of a student's submission is kept, by the exercise's name."""
        return {
            exercise: address(
                assignment=self.assignment,
                student=student,
                submission=self.digests[student],
                exercise=exercise,
                digest=digest,
                secret=fingerprint(self.secret),
                confine=self.run.confine,
            )
            for exercise, digest in self.exercises.items()
        }

    def _job(self, student: str, path: Path) -> Job | None:
        """What is to be graded of a submission; None where everything is known."""
        try:
            digest = read_handed(path).digest
        except OSError:
            digest = ""  # the report will say why
        self.digests[student] = digest
        places = self._places(student)
        missing = {e for e, place in places.items() if self.run.fresh or not digest or place not in self.cache}
        if not missing:
            return None
        known = [self.cache.get(place) for e, place in places.items() if e not in missing]
        together = not known or None in known or shares_trouble(known)
        only = None if together else frozenset(missing)
        return Job(student, path, seeds_for(list(self.exercises), self.secret, student), digest, only)

    def _keep(self, job: Job, result: Graded) -> None:
        self.digests[job.student] = result.digest
        if result.broken or not result.digest:
            self.unkept[job.student] = result
        else:
            places = self._places(job.student)
            self.cache.put({places[exercise]: text for exercise, text in result.pieces.items()})

    def _records(
        self, entries: list[tuple[str, Path]], grading: Iterator[None], reports: list[SubmissionReport]
    ) -> Iterator[dict]:
        """What results.json says of each submission, as soon as it is known; an outline of each is added to `reports`.

        grading: what goes on until it is.
        """
        for student, path in entries:
            while student not in self.kept:
                next(grading)
            places = self._places(student)
            fallen = self.unkept[student].pieces if student in self.unkept else {}
            pieces = {e: json.loads(fallen[e]) if e in fallen else self.cache.get(p) for e, p in places.items()}
            if None in pieces.values():
                raise BadInput(f"{self.cache.path} was damaged while it was in use; start again to go on")
            record = whole(student, str(path), self.digests[student], pieces)
            reports.append(outline(record, self.assignment))
            yield record
        for _ in grading:  # to its end
            pass


def protection(confine: str) -> str:
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
    if out.exists() and not out.is_dir():
        raise ValueError(f"{out} is not a folder; choose another --out")
    there = read_head(out / FILE)
    parent = next(p for p in (out, *out.resolve().parents) if p.exists())
    # Where that can be asked, by the rights that will count when it is written.
    if not os.access(parent, os.W_OK | os.X_OK, effective_ids=os.access in os.supports_effective_ids):
        raise ValueError(f"{parent} cannot be written to; choose another --out")
    if there is not None:
        refuse_others(out, there["assignment"], there["grader"].get("secret", ""), assignment, secret)
    check_kept(out, assignment=assignment, secret=secret)
