"""results.json: the one canonical record of a grading run, written whole or not at all.

It is plain JSON with one submission a line, so that a class of thousands can be written and read one by one.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import secrets
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path

from autograder import __version__
from autograder.errors import BadInput

FILE = "results.json"
FAMILY, VERSION = "autograder/result/v", 1
SCHEMA = f"{FAMILY}{VERSION}"
OPENING = '"submissions": ['
CHUNK = 1 << 20  # characters
ANEW = "move it away and grade again"


def folder_of(path: Path) -> Path:
    """The results folder that a path means: itself, or the one that holds the results.json it names."""
    return path.parent if path.name == FILE and path.is_file() else path


def head_of(
    assignment: str,
    *,
    key: str,
    sandbox: str,
    secret: str,
    exercises: str,
    by_exercise: Mapping[str, str],
    identity: str,
) -> dict:
    """The record of a run without its submissions.

    Args:
        secret: the fingerprint.
        exercises: the digest of all that there are; by_exercise: those of the assignment's, each by itself.
        identity: of the grader, beyond its version.
    """
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
            "by_exercise": dict(by_exercise),
            "identity": identity,
        },
    }


def write_results(path: Path, head: dict, submissions: Iterable[dict]) -> None:
    """Writes a run's record; `submissions` are taken one by one, so that they need not all be held.

    They may take hours to come: until all are there, they are in a file without a name, of which nothing is left when
    the power goes.
    """
    with tempfile.TemporaryFile("w+", encoding="utf-8", dir=path.parent) as gathered:
        gathered.writelines(_lines(head, submissions))
        gathered.seek(0)
        write_lines(path, iter(lambda: gathered.read(CHUNK), ""))


def _lines(head: dict, submissions: Iterable[dict]) -> Iterator[str]:
    yield json.dumps(head, ensure_ascii=True, allow_nan=False)[:-1] + f", {OPENING}\n"
    before = ""
    for submission in submissions:
        yield before + json.dumps(submission, ensure_ascii=True, allow_nan=False)
        before = ",\n"
    yield "\n]}\n"


def write_text(path: Path, text: str) -> None:
    """Writes a file whole or not at all: a temporary file beside it, then a rename."""
    write_lines(path, (text,))


def write_lines(path: Path, pieces: Iterable[str]) -> None:
    """As `write_text`, piece by piece."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    try:
        with open(temporary, "x", encoding="utf-8") as file:
            file.writelines(pieces)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise


def refuse_others(folder: Path, there: str, secret_there: str, assignment: str, secret: str) -> None:
    """Refuses a folder that holds the results of another assignment or, by their fingerprints, of another secret."""
    if there != assignment:
        raise BadInput(f"{folder} holds the results of {there}; choose another --out for {assignment}")
    if secret_there != secret:
        raise BadInput(
            f"{folder} was graded with another course secret ({secret_there}, yours is {secret}): hidden "
            "inputs would differ; import that secret, or choose another --out"
        )


def no_room(error: OSError) -> bool:
    """Whether a disk is full, or what one may use of it is used up."""
    return error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def full_disk(folder: Path) -> str:
    return f"the disk that holds {folder} is full: what is graded is kept; make room and start again to go on"


def read_results(path: Path) -> dict | None:
    """An earlier run's record, or None where there is none.

    Raises:
        ValueError: the file is something else; the message is one line that says what to do.
        OSError: it is closed.
    """
    head = read_head(path)
    return None if head is None else {**head, "submissions": list(read_submissions(path))}


def read_head(path: Path) -> dict | None:
    """An earlier run's record without its submissions, or None where there is none; raises as `read_results`."""
    try:
        with open(path, encoding="utf-8") as file:
            first = file.readline()
            head = json.loads(f"{first}]}}" if _by_lines(first) else first + file.read())
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path} cannot be read as results ({error}); {ANEW}") from None
    _check_schema(path, head)
    return {name: value for name, value in head.items() if name != "submissions"}


def read_submissions(path: Path) -> Iterator[dict]:
    """The submissions of a record that `read_head` can read, one by one; raises as `read_results`."""
    try:
        with open(path, encoding="utf-8") as file:
            first = file.readline()
            if not _by_lines(first):
                yield from json.loads(first + file.read())["submissions"]
                return
            for line in file:
                if line.strip() == "]}":
                    return
                yield json.loads(line.rstrip().removesuffix(","))
    except (ValueError, RecursionError, KeyError, TypeError) as error:
        raise ValueError(f"{path} cannot be read as results ({error}); {ANEW}") from None
    raise ValueError(f"{path} cannot be read as results (it is cut off); {ANEW}")


def _by_lines(first: str) -> bool:
    """Whether a file is laid out as `write_results` does; one that another tool wrote need not be."""
    return first.rstrip().endswith(OPENING)


def _check_schema(path: Path, data: object) -> None:
    schema = data.get("schema") if isinstance(data, dict) else None
    number = schema.removeprefix(FAMILY) if isinstance(schema, str) else ""
    if number.isdecimal() and int(number) > VERSION:
        raise ValueError(f"{path} is of a newer autograder ({schema}); update this one, or grade into another folder")
    if schema != SCHEMA or not isinstance(data.get("grader"), dict) or not isinstance(data.get("assignment"), str):
        raise ValueError(f"{path} is not of the schema {SCHEMA}; {ANEW}")
