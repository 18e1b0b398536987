"""Reads whatever was handed in, and has `nbgrader autograde` take all of it: nothing stops a batch or is left out."""

from __future__ import annotations

import fnmatch
import glob
import os
import re
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path

import nbformat
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook
from nbgrader.api import Gradebook, MissingEntry
from nbgrader.converters import Autograde, NbGraderException
from nbgrader.coursedir import CourseDirectory

from autograder.nbgrader_plugin.pages import PASTED
from autograder.submission import MAX_CELLS, MAX_RAW, BrokenSubmission, Submission, decode, notebook_json, read_file

PICTURES = ("image/png", "image/jpeg", "image/gif")
PICTURE_SIZE = 10_000_000  # characters of base 64
BASE64 = re.compile(r"[A-Za-z0-9+/=\s]*")
NOT_QUITE = (".ipynb", ".json", ".txt", ".zip", ".html", ".pdf")  # in which a notebook is handed in by mistake
SHOWN = 100_000  # characters of one cell that a page shows
ALL_SHOWN = 500_000  # characters of all texts, beside pictures, and of all code
# Control characters, lone surrogates and the marks that reorder a line, none of which belongs on a page.
UNPRINTABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\u202a-\u202e\u2066-\u2069]")


class UnbreakableCourse(CourseDirectory):
    """A course directory in which nothing that was handed in can stop a batch."""

    def get_existing_timestamp(self, dest_path):
        path = os.path.join(dest_path, "timestamp.txt")
        if not _is_plain_file(path, 1000):
            return None
        try:
            return super().get_existing_timestamp(dest_path)
        except Exception:  # no date, a date of another era, not text: the parsers raise what they like
            self.log.warning("%s holds no time; the submission counts as in time", path)
            return None


def read_plain(path: Path) -> nbformat.NotebookNode:
    """The cells of a notebook as text, each with its grade_id; no cells where there is no notebook to be read.

    A notebook of another name is taken where the one of this name is missing, as grading does.
    """
    if not _is_plain_file(path):
        others = [p for p in path.parent.rglob("*.ipynb") if _is_plain_file(p)]
        path = min(others, key=lambda p: (len(p.parts), str(p)), default=None)
    try:
        data = notebook_json(decode(read_file(path))[0]) if path else {}
        raw = data["cells"] if "cells" in data else [cell for sheet in data["worksheets"] for cell in sheet["cells"]]
        return new_notebook(cells=_plain_cells(cell for cell in raw[:MAX_CELLS] if isinstance(cell, dict)))
    except (OSError, ValueError, TypeError, KeyError, MemoryError, BrokenSubmission):
        return new_notebook()  # what is wrong with it, the report says


def _plain_cells(cells: Iterable[dict]) -> list[nbformat.NotebookNode]:
    plain, room = [], {"code": ALL_SHOWN, "markdown": ALL_SHOWN}
    for cell in map(_plain_cell, cells):
        room[cell.cell_type] -= len(PASTED.sub("", cell.source))
        if room[cell.cell_type] < 0:
            cell.source = "# (not shown: there is too much before it)"
        plain.append(cell)
    return plain


def _plain_cell(cell: dict) -> nbformat.NotebookNode:
    source = cell.get("source", cell.get("input", ""))
    if isinstance(source, list):
        source = "".join(line for line in source if isinstance(line, str))
    source = UNPRINTABLE.sub("\N{REPLACEMENT CHARACTER}", source if isinstance(source, str) else "")
    if len(source) > SHOWN:
        source = f"{source[:SHOWN]}\n\n# ... {len(source) - SHOWN} more characters"
    metadata = cell.get("metadata")
    stamp = metadata.get("nbgrader") if isinstance(metadata, dict) else None
    grade_id = stamp.get("grade_id") if isinstance(stamp, dict) else None
    metadata = {"grade_id": grade_id if isinstance(grade_id, str) else None}
    if cell.get("cell_type") == "code":
        return new_code_cell(source, metadata=metadata)
    return new_markdown_cell(source, metadata=metadata, attachments=_pictures(cell.get("attachments")))


def _pictures(attachments) -> dict[str, dict[str, str]]:
    """The pictures pasted into a cell: a derivation on paper, say."""
    if not isinstance(attachments, dict):
        return {}
    kept = {}
    for name, bundle in attachments.items():
        for kind, data in bundle.items() if isinstance(bundle, dict) else ():
            if kind in PICTURES and isinstance(data, str) and len(data) <= PICTURE_SIZE and BASE64.fullmatch(data):
                kept[UNPRINTABLE.sub("", name)] = {kind: data}
    return kept if len(kept) <= 20 else {}


def missing_notebook(submission: Submission, folder: Path) -> tuple[str, ...]:
    """A remark where only `.py` files were graded, perhaps the untouched stubs, and what may be the notebook."""
    if submission.problem or any(source.module is None for source in submission.sources):
        return ()
    names = sorted(path.name for path in folder.iterdir() if path.suffix.lower() in NOT_QUITE)
    names = [name for name in names if name != "timestamp.txt"]
    unread = f" ({', '.join(names[:3])} cannot be read as one)" if names else ""
    return (f"no notebook (.ipynb) was handed in{unread}; the .py files were graded",)


def take_every_submission(converter: Autograde) -> None:
    """Has `autograde` take every folder that was handed in, with the notebooks that were released.

    nbgrader would pass over a folder without a notebook, and fail on one whose notebook has another name or beside
    which lies something that cannot be copied. A released notebook that is missing is read as an empty one.
    """
    course = converter.coursedir
    released = _released_notebooks(course)
    if not released:
        return  # nbgrader says by itself that the assignment was not generated
    folders = glob.glob(course.format_path(course.submitted_directory, course.student_id, course.assignment_id))
    converter.assignments = {folder: [os.path.join(folder, f"{name}.ipynb") for name in released] for folder in folders}
    unbreakable = UnbreakableCourse(parent=course.parent)
    for name in course.trait_names(config=True):
        setattr(unbreakable, name, getattr(course, name))
    unbreakable.ignore = [*course.ignore, *(glob.escape(path) for folder in folders for path in _uncopyable(folder))]
    converter.coursedir = unbreakable


def take_folders_without_notebook() -> None:
    """Has `autograde` begin where all that it was told to grade is folders without a notebook.

    nbgrader ends there before it loads an exporter, and so would `--student` and formgrader for such a folder. There is
    no setting for it, so its method is wrapped; of courses with another exporter it does what it did.
    """
    stock = Autograde.init_notebooks
    if hasattr(stock, "stock"):
        return

    def init_notebooks(self):
        try:
            stock(self)
        except NbGraderException:
            folders = glob.glob(self._format_source(self.coursedir.assignment_id, self.coursedir.student_id))
            if self.exporter_class.__module__.partition(".")[0] != __name__.partition(".")[0] or not folders:
                raise
            self.assignments = {folder: [] for folder in folders}

    init_notebooks.stock = stock
    Autograde.init_notebooks = init_notebooks


def _released_notebooks(course: CourseDirectory) -> list[str]:
    with Gradebook(course.db_url, course.course_id) as gradebook:
        try:
            names = [notebook.name for notebook in gradebook.find_assignment(course.assignment_id).notebooks]
        except MissingEntry:
            names = []
    return fnmatch.filter(sorted(names), course.notebook_id)


def _uncopyable(folder: str) -> Iterator[str]:
    """What must not be copied along: links and devices, and folders that stand where a notebook will be written."""
    for here, folders, files in os.walk(folder):
        yield from (os.path.join(here, name) for name in folders if name.endswith(".ipynb"))
        for path in (os.path.join(here, name) for name in (*folders, *files)):
            if os.path.islink(path) or not (os.path.isdir(path) or os.path.isfile(path)):
                yield path


def _is_plain_file(path: str | Path, limit: int = MAX_RAW) -> bool:
    try:
        status = os.lstat(path)
    except (OSError, ValueError):
        return False
    return stat.S_ISREG(status.st_mode) and status.st_size <= limit
