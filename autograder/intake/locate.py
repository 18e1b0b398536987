"""Finds the line where a submission defines a function, so that a finding can be shown there.

The text is searched, never parsed. A notebook's line is that of its JSON, which is what a host shows of it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import islice
from pathlib import Path

from autograder.intake.files import read_file, read_folder, wanted
from autograder.intake.problem import BrokenSubmission

MAX_DEFINITIONS = 100  # of one function in one file that are looked at: a file may repeat it a million times


def located(record: dict, root: Path = Path()) -> dict:
    """The record with `file` (relative to `root`) and `line` for every function that is found in plain files."""
    submissions = [_located(s, record["assignment"], root.resolve()) for s in record["submissions"]]
    return {**record, "submissions": submissions}


def _located(submission: dict, assignment: str, root: Path) -> dict:
    path = Path(submission["path"])
    files = code_files(path)
    base = path.resolve() if path.is_dir() else path.resolve().parent
    exercises = []
    for exercise in submission["exercises"]:
        place = line_of(files, exercise["name"], assignment)
        if place is not None and (base / place[0]).is_relative_to(root):
            name = (base / place[0]).relative_to(root).as_posix()
            exercise = {**exercise, "file": name, "line": place[1]}
        exercises.append(exercise)
    return {**submission, "exercises": exercises}


def code_files(path: Path) -> Mapping[str, bytes]:
    """The notebooks and `.py` files at a path, by relative name; nothing where it holds none or cannot be read."""
    try:
        if path.is_dir():
            return read_folder(path).data
        return {path.name: read_file(path, follow=True)} if wanted(path.name) else {}
    except (OSError, BrokenSubmission):
        return {}


def line_of(files: Mapping[str, bytes], function: str, assignment: str) -> tuple[str, int] | None:
    """(file, line) of the definition that is graded: the notebook's, or another's where that is the untouched stub."""
    definition = re.compile(rb'^[ \t]*"?def ' + function.encode() + rb"\(", re.MULTILINE)
    stub = f"Need to implement {function}".encode()
    places = []
    for name in sorted(files, key=lambda name: _rank(name, assignment)):
        data = files[name]
        for match in islice(definition.finditer(data), MAX_DEFINITIONS):
            after = re.compile(rb'^[ \t]*"?def ', re.MULTILINE).search(data, match.end())
            untouched = stub in data[match.end() : after.start() if after else None]
            places.append((untouched, name, data.count(b"\n", 0, match.start()) + 1))
    if not places:
        return None
    _, name, line = min(places, key=lambda place: place[0])  # the first that is written, else the first
    return name, line


def _rank(name: str, assignment: str) -> tuple[bool, bool, int, str]:
    return not name.endswith(".ipynb"), Path(name).stem != assignment, name.count("/"), name
