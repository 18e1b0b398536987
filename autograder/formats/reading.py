"""A record of results.json read back as reports, and the sentences that a student may see of it."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence

from autograder import calls
from autograder.rendering.shown import inert, points_text, shown_failures
from autograder.rendering.text import no_command, to_text
from autograder.report import PASSED, Finding, FunctionReport

# Characters that no XML 1.0 document may hold, escaped or not.
NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def report_of(exercise: dict) -> FunctionReport:
    """One function's entry of results.json as the report it was made of."""
    return FunctionReport(
        name=exercise["name"],
        status=exercise["status"],
        score=exercise["score"],
        max_score=exercise["max_score"],
        findings=tuple(_finding(f) for f in exercise["findings"]),
        diagnosis=tuple(exercise["diagnosis"]),
        remarks=tuple(exercise.get("remarks", ())),
        flagged=exercise.get("flagged", ""),
    )


def _finding(data: dict) -> Finding:
    return Finding(
        case=data["case"],
        array=data["array"],
        passed=data["passed"],
        kind=data.get("kind", PASSED if data["passed"] else "failed"),
        headline=data["headline"],
        evidence=data["evidence"],
        idea=data.get("idea", ""),
        help=data.get("help", ""),
        hint=data["hint"],
        hidden=data["hidden"],
        reason=data.get("reason", ""),
        similar=data.get("similar", ""),
    )


def exercises(record: dict) -> Iterator[tuple[dict, dict]]:
    """(submission, exercise) of everything in a record, in order."""
    for submission in record["submissions"]:
        for exercise in submission["exercises"]:
            yield submission, exercise


def is_public(record: dict) -> bool:
    """Whether only the public checks ran: then scores are provisional."""
    return record["grader"]["key"] == "public"


def not_begun(record: dict) -> bool:
    """Whether every function of a record is missing: the assignment has not been begun."""
    return all(exercise["status"] == calls.MISSING for _, exercise in exercises(record))


def student_text(record: dict, exercise: dict) -> str:
    """What the student is told about one function, as plain text: hidden numbers are left out."""
    return to_text(report_of(exercise), audience="student", public=is_public(record))


def headline(exercise: dict) -> str:
    """The first thing that went wrong, in one sentence; the empty string where nothing did."""
    if not failed(exercise):
        return ""
    failures = shown_failures(report_of(exercise))
    return inert(failures[0].headline if failures else f"{exercise['name']}: {exercise['status']}.", 300)


def failed(exercise: dict) -> bool:
    return exercise["status"] != PASSED


def total(submission: dict, key: str = "score") -> float:
    """The sum of a submission's exercises, exact to the last bit."""
    return math.fsum(exercise[key] for exercise in submission["exercises"])


def score_line(submissions: Sequence[dict]) -> str:
    """'7.5 of 12 points'."""
    score, out_of = (math.fsum(total(s, key) for s in submissions) for key in ("score", "max_score"))
    return f"{points_text(score)} of {points_text(out_of)} points"


def no_commands(text: str) -> str:
    """Text of which no line is a command to a host of CI jobs."""
    return "\n".join(map(no_command, text.splitlines()))


def xml_text(text: str) -> str:
    """Text that may stand in XML: what the standard forbids is replaced."""
    return NOT_XML.sub("�", text)
