"""Gradescope's results.json, for one submission.

Source: Gradescope's autograder specification, "Output format". Scores may be fractional; the top score overrides the
sum of the tests, so both are given and agree.
"""

from __future__ import annotations

import json

from autograder.formats.reading import failed, student_text, total


def text(record: dict, submission: dict, note: str = "") -> str:
    """The result of one submission; `note` is shown to the student above the tests."""
    lines = [note, *(f"Remark: {remark}" for remark in submission["remarks"])]
    result = {
        "score": total(submission),
        "execution_time": round(submission["seconds"], 3),
        "output": "\n".join(line for line in lines if line),
        "output_format": "text",
        "test_output_format": "text",
        "test_name_format": "text",
        "visibility": "visible",
        "stdout_visibility": "hidden",
        "extra_data": {"digest": submission["digest"], "grader": record["grader"]},
        "tests": [_test(record, exercise, number) for number, exercise in enumerate(submission["exercises"], 1)],
    }
    return json.dumps(result, indent=1, ensure_ascii=True, allow_nan=False) + "\n"


def _test(record: dict, exercise: dict, number: int) -> dict:
    return {
        "name": exercise["name"],
        "number": str(number),
        "score": exercise["score"],
        "max_score": exercise["max_score"],
        "status": "failed" if failed(exercise) else "passed",
        "output": student_text(record, exercise),
        "tags": exercise["diagnosis"],
        "visibility": "visible",
    }
