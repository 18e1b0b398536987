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
    if student is not None and found:
        found = [(student, found[0][1])] if len(found) == 1 else [entry for entry in found if entry[0] == student]
        if not found:
            raise FileNotFoundError(f"no submission of {student} in {path}")
    if not found:
        none = f"no submission in {path}: no notebook, .py file, layers/, archive or folder of a student"
        raise FileNotFoundError("; ".join(filter(None, (none, _left_out(path)))))
    return sorted(found)


def meant_otherwise(path: str | os.PathLike, *, assignment: str) -> str:
    """What a person may not expect of how `find_submissions` takes a path, in one line; "" where nothing is odd."""
    path = Path(path)
    if not path.is_dir():
        return ""
    if _is_submission(path):
        return _meant_as_class(path, assignment)
    return _left_out(path)


def _meant_as_class(folder: Path, assignment: str) -> str:
    """Several notebooks, or folders of notebooks, of which none is where one student's assignment would lie."""
    names = [name for name in _names(folder) if not name.startswith(".")]
    if {f"{assignment}.ipynb", assignment, "layers"} & set(names):
        return ""
    one = f"and is taken for one submission; to grade each by itself: autograder grade {folder}"
    loose = sorted(name for name in names if _is_work(folder / name))
    folders = [name for name in names if _holds_work(folder / name, assignment)]
    if len(folders) > 1:
        return f"{folder} holds {loose[0]} beside {len(folders)} folders of submissions {one}/*/"
    notebooks = [name for name in loose if name.endswith(".ipynb")]
    return f"{folder} holds {len(notebooks)} notebooks {one}/*" if len(notebooks) > 1 else ""


def _holds_work(entry: Path, assignment: str) -> bool:
    """Whether a folder looks like a student's: a notebook or layers/ lies in it; not so in helpers or tests."""
    if entry.name in SKIPPED or os.path.islink(entry) or not os.access(entry, os.R_OK | os.X_OK) or not entry.is_dir():
        return False
    return any(name.endswith(".ipynb") or name in ("layers", assignment) for name in os.listdir(entry))


def _left_out(folder: Path) -> str:
    """The entries of a class that are symbolic links: one could lead to anybody's work."""
    links = [name for name in sorted(_names(folder)) if _is_linked_submission(folder / name)]
    return f"left out, {'symbolic links' if links[1:] else 'a symbolic link'}: {', '.join(links)}" if links else ""


def _is_linked_submission(entry: Path) -> bool:
    """Whether a link in a class stands where a student's folder or archive would."""
    plain = entry.name.startswith(".") or entry.name in SKIPPED or not entry.is_symlink()
    return not plain and (entry.name.lower().endswith(ARCHIVES) or not os.path.isfile(entry))


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
        if _is_work(entry) or (name == "layers" and entry.is_dir()):
            return True
    return False


def _is_work(entry: Path) -> bool:
    """Whether a file makes the folder in which it lies somebody's submission."""
    ours = entry.name in ("conftest.py", "nbgrader_config.py")
    return wanted(entry.name) and not ours and not entry.is_symlink() and entry.is_file()


def _stem(name: str) -> str:
    for ending in ARCHIVES:
        if name.lower().endswith(ending):
            return name[: -len(ending)]
    return Path(name).stem
