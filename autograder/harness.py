"""Grades one submission inside the container of Gradescope or PrairieLearn: `python -m autograder.harness KIND ROOT`.

A valid result lies at its place from the first second: it says what is graded so far, so a container that is stopped
(its time is up, its memory is used up) still tells the student what they have. What the machine cannot do, or a mistake
of the grader's own, is told as such; it is never the student's fault.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from autograder import __version__, calls
from autograder.catalogue import Catalogue, load_catalogue
from autograder.errors import BadInput
from autograder.formats import gradescope, prairielearn
from autograder.grading import Grader
from autograder.rendering.shown import to_dict
from autograder.report import Finding, FunctionReport, SubmissionReport
from autograder.results import SCHEMA, write_text
from autograder.sandbox.doctor import examine
from autograder.secret import fingerprint, parse_secret
from autograder.submission import Submission, read_submission

SETTINGS, SECRET_FILE = "bundle.json", "course_secret"
BEGUN = (
    "Grading was stopped before its end; these are the points so far. Submit again, or ask whoever teaches the course."
)
BROKEN = "The autograder could not grade here, which is no fault of yours. Tell whoever teaches the course."
NOT_YET = "not graded yet: grading was stopped before it."


@dataclass(frozen=True)
class Place:
    """Where a host puts things, below its root, and how it wants the result."""

    bundle: str
    submission: str
    result: str


PLACES = {
    "gradescope": Place("source", "submission", "results/results.json"),
    "prairielearn": Place("tests", "student", "results/results.json"),
}


def main(kind: str, root: Path) -> int:
    """Grades what lies at `root` and returns 0; 1 where this machine or the bundle does not allow it."""
    place = PLACES[kind]
    result = root / place.result
    result.parent.mkdir(parents=True, exist_ok=True)
    write_text(result, _refused(kind, BEGUN))
    try:
        settings = json.loads((root / place.bundle / SETTINGS).read_text(encoding="utf-8"))
        catalogue = load_catalogue(root / place.bundle / "solutions")
        secret = parse_secret((root / place.bundle / SECRET_FILE).read_text(encoding="ascii"))
        student = student_of(kind, root)
        confine = "none" if settings["accept_weak_sandbox"] else "full"
        found = examine(confine)
        if confine == "full" and not found.sound:
            raise BadInput(found.lines()[-1])
        submission = read_submission(root / place.submission, student=student, assignment=settings["assignment"])
        head = {"key": "full", "sandbox": found.level, "secret": fingerprint(secret)}
        for report, whole in graded(catalogue, settings["assignment"], submission, secret, confine):
            write_text(result, _result(kind, report, head, note="" if whole else BEGUN))
    except Exception as error:  # whatever it is: the student gets a valid result, the log the reason
        write_text(result, _refused(kind, BROKEN))
        print(f"autograder: {type(error).__name__}: {' '.join(str(error).split())}", file=sys.stderr)
        return 1
    return 0


def graded(
    catalogue: Catalogue, assignment: str, submission: Submission, secret: bytes, confine: str
) -> Iterator[tuple[SubmissionReport, bool]]:
    """The report so far, before the first exercise and after each, and whether it is whole."""
    exercises = catalogue.exercises(assignment)
    if not exercises:
        raise BadInput(f"there is no assignment {assignment!r}; there are {', '.join(catalogue.assignments)}")
    reports = {f.name: _not_yet(f.name, f.points) for e in exercises for f in e.functions}
    whole = SubmissionReport(submission.student, submission.path, submission.digest, assignment, ())
    yield replace(whole, functions=tuple(reports.values())), False
    with Grader(catalogue, assignment, secret=secret, confine=confine) as grader:
        for exercise in exercises:
            part = grader.grade(submission, only=(exercise.name,))
            reports |= {f.name: f for f in part.functions}
            whole = replace(
                whole,
                functions=tuple(reports.values()),
                remarks=tuple(dict.fromkeys((*whole.remarks, *part.remarks))),
                seconds=whole.seconds + part.seconds,
            )
            yield whole, exercise is exercises[-1]


def student_of(kind: str, root: Path) -> str:
    """Whose hidden inputs are drawn: the first submitter's e-mail address on Gradescope, the variant on PrairieLearn.

    PrairieLearn does not tell a grader who the student is; a variant of a question belongs to one.
    """
    try:
        if kind == "gradescope":
            data = json.loads((root / "submission_metadata.json").read_text(encoding="utf-8"))
            return min(str(user["email"]) for user in data["users"]).casefold()
        data = json.loads((root / "data" / "data.json").read_text(encoding="utf-8"))
        return f"variant-{data['variant_seed']}"
    except (OSError, ValueError, KeyError, TypeError):
        return "submission"


def _not_yet(name: str, points: float) -> FunctionReport:
    finding = Finding(case="", array="", passed=False, kind=calls.GRADER_ERROR, headline=f"{name} is {NOT_YET}")
    return FunctionReport(name, calls.GRADER_ERROR, 0.0, float(points), (finding,))


def _result(kind: str, report: SubmissionReport, head: Mapping[str, str], note: str) -> str:
    record = {
        "schema": SCHEMA,
        "assignment": report.assignment,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "grader": {"version": __version__, **head},
        "submissions": [to_dict(report)],
    }
    text = gradescope.text if kind == "gradescope" else prairielearn.text
    return text(record, record["submissions"][0], note)


def _refused(kind: str, reason: str) -> str:
    """A valid result that is nobody's grade."""
    if kind == "gradescope":
        result = {"score": 0.0, "output": reason, "output_format": "text", "tests": [], "visibility": "visible"}
    else:
        result = {"gradable": False, "format_errors": [reason], "message": reason, "tests": []}
    return json.dumps(result, indent=1) + "\n"


if __name__ == "__main__":
    if len(sys.argv) != 3 or sys.argv[1] not in PLACES:
        sys.exit(f"python -m autograder.harness {'|'.join(PLACES)} ROOT")
    sys.exit(main(sys.argv[1], Path(sys.argv[2])))
