"""Classroom 50's result.json, for one submission, and the text of its release.

Source: schemas/result-v1.schema.json of Classroom 50. Scores there are whole numbers, so they count hundredths of a
point, rounded down: a score is never above what was earned. The exact ones stand beside them in each test.
What names the submission (classroom, tag, commit) comes from the environment of Classroom 50's runner.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from datetime import UTC, datetime

from autograder.errors import BadInput
from autograder.formats.reading import failed, headline

SCHEMA = "classroom50/result/v1"
PER_POINT = 100
# What the result calls it -> the runner's variable.
NAMED = {
    "classroom": "CLASSROOM",
    "assignment": "ASSIGNMENT",
    "submission": "SUBMISSION_TAG",
    "commit": "COMMIT_URL",
    "release": "RELEASE_URL",
    "review": "REVIEW_URL",
}


def check(environment: Mapping[str, str] = os.environ) -> None:
    """Raises BadInput where it is not run by Classroom 50's runner: a variable that it sets is missing."""
    missing = [variable for variable in NAMED.values() if not environment.get(variable)]
    if missing:
        raise BadInput(f"--format classroom50 is for Classroom 50's runner, which sets {', '.join(missing)}")


def text(record: dict, submission: dict, environment: Mapping[str, str] = os.environ) -> str:
    """The result of one submission; raises as `check`."""
    check(environment)
    tests = [_test(exercise) for exercise in submission["exercises"]]
    result = {
        "schema": SCHEMA,
        **{name: environment[variable] for name, variable in NAMED.items()},
        # The runner writes these three over; they are here so that the file is valid by itself.
        "owner": environment.get("OWNER") or submission["student"],
        "assignment_type": environment.get("ASSIGNMENT_TYPE") or "individual",
        "datetime": datetime.fromisoformat(record["created"]).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "score": sum(test["score"] for test in tests),
        "max-score": sum(test["max-score"] for test in tests),
        "tests": tests,
    }
    return json.dumps(result, indent=1, ensure_ascii=True, allow_nan=False) + "\n"


def whole(points: float) -> int:
    """Points in hundredths, rounded down, but not for the error of adding shares: 0.85 * 2 is 170."""
    return max(0, math.floor(points * PER_POINT + 1e-6))


def _test(exercise: dict) -> dict:
    highest = whole(exercise["max_score"])
    return {
        "test-name": exercise["name"],
        "passed": not failed(exercise),
        "score": min(whole(exercise["score"]), highest),
        "max-score": highest,
        "points": exercise["score"],
        "max-points": exercise["max_score"],
        "message": headline(exercise),
    }
