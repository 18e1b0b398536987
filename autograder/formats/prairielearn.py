"""PrairieLearn's results.json of an external grader, for one submission.

Source: PrairieLearn's documentation, "External grading", "Grading results". `score` is a share of 1; a submission of
which nothing could be read is not gradable, so that it costs the student no attempt; the file stays below 1 MB.
"""

from __future__ import annotations

import json

from autograder import calls
from autograder.formats.reading import failed, headline, student_text, total

MAX_BYTES = 1_000_000


def text(record: dict, submission: dict, note: str = "") -> str:
    """The result of one submission; `note` is shown to the student above the tests."""
    if nothing_read(submission):
        reason = headline(submission["exercises"][0])
        return _json({"gradable": False, "format_errors": [reason], "message": reason, "tests": []})
    lines = [note, *(f"Remark: {remark}" for remark in submission["remarks"])]
    result = {
        "gradable": True,
        "score": share(total(submission), total(submission, "max_score")),
        "message": "\n".join(line for line in lines if line),
        "output": "",
        "images": [],
        "tests": [_test(record, exercise) for exercise in submission["exercises"]],
    }
    if len(_json(result)) > MAX_BYTES:
        for test in result["tests"]:
            test["output"] = ""
    return _json(result)


def nothing_read(submission: dict) -> bool:
    """Whether the submission itself could not be read: then every function says so in the same words."""
    headlines = {exercise["findings"][0]["headline"] for exercise in submission["exercises"] if exercise["findings"]}
    statuses = {exercise["status"] for exercise in submission["exercises"]}
    return statuses == {calls.MISSING} and len(headlines) == 1 and len(submission["exercises"]) > 1


def share(score: float, max_score: float) -> float:
    """score / max_score within [0, 1]; of nothing, nothing."""
    return min(max(score / max_score, 0.0), 1.0) if max_score else 0.0


def _test(record: dict, exercise: dict) -> dict:
    return {
        "name": exercise["name"],
        "description": "",
        "points": exercise["score"],
        "max_points": exercise["max_score"],
        "message": headline(exercise),
        "output": student_text(record, exercise) if failed(exercise) else "",
        "images": [],
    }


def _json(result: dict) -> str:
    return json.dumps(result, indent=1, ensure_ascii=True, allow_nan=False) + "\n"
