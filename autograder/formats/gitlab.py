"""GitLab's Code Quality report: shows a failing function at its line in a merge request.

Source: GitLab's documentation, "Code Quality", "Code Quality report format". A finding needs a file; where the function
is nowhere, it is the submission itself. The tests themselves go to GitLab as JUnit XML.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence

from autograder.calls import MISSING
from autograder.formats.reading import exercises, failed, headline, is_public, not_begun
from autograder.report import PARTIAL

SEVERITIES = {MISSING: "info", PARTIAL: "minor"}


def text(records: Sequence[dict]) -> str:
    """One finding for each function that does not pass; of an assignment that is not begun, none."""
    findings = [
        _finding(record, submission, exercise)
        for record in records
        if not (is_public(record) and not_begun(record))
        for submission, exercise in exercises(record)
        if failed(exercise)
    ]
    return json.dumps(findings, indent=1, ensure_ascii=True) + "\n"


def _finding(record: dict, submission: dict, exercise: dict) -> dict:
    # Without the line: the same finding a line further down is still the same.
    known_by = "\0".join((record["assignment"], submission["student"], exercise["name"]))
    return {
        "description": headline(exercise),
        "check_name": exercise["diagnosis"][0] if exercise["diagnosis"] else exercise["status"],
        "fingerprint": hashlib.sha256(known_by.encode("utf-8", "replace")).hexdigest()[:32],
        "severity": SEVERITIES.get(exercise["status"], "major"),
        "location": {
            "path": exercise.get("file", submission["path"]),
            "lines": {"begin": exercise.get("line", 1)},
        },
    }
