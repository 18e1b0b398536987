"""Clones the students' repositories for grading: `python -m autograder.fetch students.csv submitted`.

The table has the columns `student` and `repository`, an address that git can clone. One that cannot be cloned is named
and does not keep the others from being graded. A token for private repositories comes from the environment; it stands
in no address, no command line and no file.
"""

from __future__ import annotations

import base64
import csv
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from autograder.errors import BadInput

TOKEN = "AUTOGRADER_FETCH_TOKEN"
COLUMNS = ("student", "repository")
# Only what was committed: no submodules, no tags, no history, no hooks, and symbolic links as small files.
CLONE = (
    "git", "-c", "core.hooksPath=/dev/null", "-c", "core.symlinks=false", "clone", "--quiet", "--depth=1", "--no-tags",
    "--single-branch", "--no-recurse-submodules", "--template=", "--",
)  # fmt: skip
PATIENCE = 120  # seconds a clone


def read_students(path: Path) -> dict[str, str]:
    """The repositories by student.

    Raises:
        BadInput: the table cannot be read, or a row in it cannot be used; the message names the row.
    """
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except (OSError, UnicodeError) as error:
        raise BadInput(f"cannot read {path}: {error}") from error
    rows = csv.DictReader(text.splitlines())
    if not set(COLUMNS) <= set(rows.fieldnames or ()):
        raise BadInput(f"{path} needs the columns {' and '.join(COLUMNS)}")
    students: dict[str, str] = {}
    for number, row in enumerate(rows, 2):
        student, repository = ((row[name] or "").strip() for name in COLUMNS)
        if not re.fullmatch(r"[\w@+-][\w@+. -]*", student):
            raise BadInput(f"{path}, row {number}: {student!r} cannot be the name of a folder")
        if student in students:
            raise BadInput(f"{path}, row {number}: {student} is there twice")
        if not re.match(r"(https://|ssh://|git@|file://)\S+$", repository):
            raise BadInput(f"{path}, row {number}: {repository!r} is not the address of a repository")
        students[student] = repository
    if not students:
        raise BadInput(f"{path} lists no student")
    return students


def fetch(students: Mapping[str, str], folder: Path, environment: Mapping[str, str] = os.environ) -> Iterator[str]:
    """Clones each into its folder, afresh; yields a line about each that could not be."""
    folder.mkdir(parents=True, exist_ok=True)
    variables = {k: v for k, v in environment.items() if k != TOKEN} | {"GIT_TERMINAL_PROMPT": "0"}
    if token := environment.get(TOKEN):
        # For the host that this runs on alone: an address of another in the table does not get it.
        host = environment.get("CI_SERVER_URL") or environment.get("GITHUB_SERVER_URL") or "https://github.com"
        basic = base64.b64encode(f"x-access-token:{token}".encode()).decode()
        variables |= {
            "GIT_CONFIG_COUNT": "1",
            "GIT_CONFIG_KEY_0": f"http.{host.rstrip('/')}/.extraHeader",
            "GIT_CONFIG_VALUE_0": f"Authorization: Basic {basic}",
        }
    for student, repository in students.items():
        place = folder / student
        shutil.rmtree(place, ignore_errors=True)
        try:
            done = subprocess.run(
                [*CLONE, repository, str(place)],
                env=variables,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=PATIENCE,
            )
        except subprocess.TimeoutExpired:
            shutil.rmtree(place, ignore_errors=True)
            yield f"{student}: not cloned in {PATIENCE} seconds"
            continue
        if done.returncode:
            shutil.rmtree(place, ignore_errors=True)
            reason = (done.stderr.strip().splitlines() or ["git failed"])[-1]
            yield f"{student}: not cloned: {reason}"


def main(table: Path, folder: Path) -> int:
    """Clones all; 1 where none could be, 2 where the table cannot be used."""
    try:
        students = read_students(table)
    except BadInput as error:
        print(f"autograder: {error}", file=sys.stderr)
        return 2
    lost = list(fetch(students, folder))
    for line in lost:
        print(line)
    print(f"{len(students) - len(lost)} of {len(students)} repositories are in {folder}")
    return 1 if len(lost) == len(students) else 0


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit("python -m autograder.fetch students.csv FOLDER")
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2])))
