"""A report in pieces, one an exercise, as they are kept and sent; and put together again for results.json.

A piece is plain data: {"seconds": what the exercise took, "loading": its part of what reading and loading took,
"remarks": those on the submission, "functions": [...]}.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from sys import intern

from autograder import calls
from autograder.rendering.shown import function_dict, inert, submission_dict
from autograder.report import FunctionReport, SubmissionReport

# What a submission's exercises have in common: after one of these, grading a single one again could go another way.
SHARED = frozenset((calls.TIMEOUT, calls.CRASHED, calls.FORBIDDEN, calls.PROTOCOL, calls.GRADER_ERROR))


@dataclass(frozen=True)
class Graded:
    """A graded submission on its way: its digest, and a JSON text for each exercise that was graded."""

    digest: str
    pieces: Mapping[str, str]
    broken: bool = False  # the grader broke: not to be kept


def graded(report: SubmissionReport) -> Graded:
    """A report in pieces."""
    by_exercise: dict[str, list[FunctionReport]] = {}
    for function in report.functions:
        by_exercise.setdefault(function.exercise, []).append(function)
    remarks = [inert(remark) for remark in report.remarks]
    took = {exercise: functions[0].seconds for exercise, functions in by_exercise.items()}
    loading = (report.seconds - math.fsum(took.values())) / len(by_exercise)
    return Graded(
        digest=report.digest,
        pieces={
            exercise: json.dumps(
                {
                    "seconds": took[exercise],
                    "loading": loading,
                    "remarks": remarks,
                    "functions": [function_dict(f) for f in functions],
                },
                allow_nan=False,
                separators=(",", ":"),
            )
            for exercise, functions in by_exercise.items()
        },
        broken=any(f.status == calls.GRADER_ERROR for f in report.functions),
    )


def whole(student: str, path: str, digest: str, pieces: Mapping[str, dict]) -> dict:
    """One submission as in results.json, from its pieces by exercise."""
    return submission_dict(
        student,
        path,
        digest,
        functions=[function for piece in pieces.values() for function in piece["functions"]],
        remarks=list(dict.fromkeys(remark for piece in pieces.values() for remark in piece["remarks"])),
        seconds=math.fsum(piece["seconds"] + piece["loading"] for piece in pieces.values()),
        timing={exercise: piece["seconds"] for exercise, piece in pieces.items()},
    )


def shares_trouble(pieces: Iterable[dict]) -> bool:
    """Whether a submission hung, crashed or attacked: its exercises share limits, so all are graded together."""
    return any(function["status"] in SHARED for piece in pieces for function in piece["functions"])


def outline(submission: dict, assignment: str) -> SubmissionReport:
    """A submission of results.json as a report without its findings: thousands of them fit into memory."""
    return SubmissionReport(
        student=submission["student"],
        path=submission["path"],
        digest=submission["digest"],
        assignment=assignment,
        functions=tuple(
            FunctionReport(
                name=intern(f["name"]),
                status=intern(f["status"]),
                score=f["score"],
                max_score=f["max_score"],
                diagnosis=tuple(map(intern, f["diagnosis"])),
                flagged=f["flagged"],
                exercise=intern(f["exercise"]),
                seconds=submission["timing"].get(f["exercise"], 0.0),
            )
            for f in submission["exercises"]
        ),
        seconds=submission["seconds"],
    )
