"""From a path on the command line to the submissions at it."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from .archives import ARCHIVES
from .files import SKIPPED, stat_of, wanted


def find_submissions(path: str | os.PathLike, *, assignment: str, student: str | None = None) -> list[tuple[str, Path]]:
    """(student, path) of every submission at `path`, sorted by student.

    A single file or archive, or a folder that holds a notebook, a `.py` file or `layers/`, is one submission. A folder
    of those is a class, each entry a student named after it; in nbgrader's `submitted/`, `<student>/<assignment>/`.
    """
    path = Path(path)
    if not stat.S_ISDIR(stat_of(path).st_mode):
        return [(student or _stem(path.name), path)]
    if _is_submission(path):
        return [(student or path.resolve().name, path)]
    found = []
    for name in sorted(_names(path)):
        entry = path / name
        if name.startswith(".") or name in SKIPPED or entry.is_symlink():
            continue
        if entry.is_dir():
            inner = entry / assignment
            # os.path's, which say False of what a closed folder holds: it is that student's trouble, told later.
            plain = os.path.isdir(inner) and not os.path.islink(inner)
            found.append((name, inner if plain else entry))
        elif name.lower().endswith(ARCHIVES):
            found.append((_stem(name), entry))
    if student is not None:
        found = [(student, found[0][1])] if len(found) == 1 else [entry for entry in found if entry[0] == student]
    if not found:
        raise FileNotFoundError(
            f"no submission in {path}: no notebook, .py file, layers/, archive or folder of a student"
        )
    return sorted(found)


def _names(folder: Path) -> list[str]:
    try:
        return os.listdir(folder)
    except PermissionError:
        raise PermissionError(f"cannot read {folder}: permission denied") from None


def _is_submission(folder: Path) -> bool:
    """Whether a folder is one submission rather than a class: its files say so."""
    for name in _names(folder):
        entry = folder / name
        if name.startswith(".") or entry.is_symlink():
            continue
        if wanted(name) and entry.is_file() and name not in ("conftest.py", "nbgrader_config.py"):
            return True
        if name == "layers" and entry.is_dir():
            return True
    return False


def _stem(name: str) -> str:
    for ending in ARCHIVES:
        if name.lower().endswith(ending):
            return name[: -len(ending)]
    return Path(name).stem
