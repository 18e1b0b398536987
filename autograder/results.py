"""results.json: the one canonical record of a grading run, written whole or not at all."""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from autograder import __version__
from autograder.render import to_dict
from autograder.report import SubmissionReport

SCHEMA = "autograder/result/v1"


def results(
    assignment: str, reports: Sequence[SubmissionReport], *, key: str, sandbox: str, secret: str, exercises: str
) -> dict:
    """The record of a run; `secret` is the fingerprint, `exercises` their digest."""
    return {
        "schema": SCHEMA,
        "assignment": assignment,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "grader": {
            "version": __version__,
            "key": key,
            "sandbox": sandbox,
            "secret": secret,
            "exercises": exercises,
        },
        "submissions": [to_dict(r) for r in reports],
    }


def write_json(path: Path, data: dict) -> None:
    """Writes a file whole or not at all: a temporary file beside it, then a rename."""
    write_text(path, json.dumps(data, indent=1, ensure_ascii=True, allow_nan=False) + "\n")


def write_text(path: Path, text: str) -> None:
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    try:
        with open(temporary, "x", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def read_results(path: Path) -> dict | None:
    """An earlier run's record, or None where there is none.

    Raises:
        ValueError: the file is something else; the message is one line that says what to do.
    """
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (ValueError, OSError) as error:
        raise ValueError(f"{path} cannot be read as results ({error}); move it away or choose another --out") from None
    if not isinstance(data, dict) or data.get("schema") != SCHEMA:
        raise ValueError(f"{path} is not of the schema {SCHEMA}; move it away or choose another --out")
    return data
