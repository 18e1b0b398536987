"""Runs the rest of a submitted notebook for what it shows, so that its plots reach whoever reads the page.

In a confined process of its own, after grading and apart from it: whatever happens there costs nothing and earns
nothing. Back come texts and PNGs; HTML, JavaScript and everything else that could act on a page stay behind.
"""

from __future__ import annotations

import base64
import os
import re
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

from nbformat import NotebookNode
from nbformat.v4 import new_output

from autograder.nbgrader_plugin.intake import UNPRINTABLE
from autograder.nbgrader_plugin.pictures import plain_png
from autograder.sandbox.cells_box import NotebookBox, Shown
from autograder.sandbox.cells_wire import ERROR, STDERR, STDOUT
from autograder.submission import BrokenSubmission, read_file

MAX_FILES, MAX_BYTES, MAX_DEPTH = 200, 32 << 20, 4  # of what is copied beside the notebook
PAGE = 800  # pixels: the width of a feedback page's column
ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|.)", re.DOTALL)
# What a progress bar wrote and wrote over, from the start of a line or from the last return on.
OVERWRITTEN = re.compile(r"(?<![^\n\r])[^\n\r]*+\r(?=[^\n])")


def show(box: NotebookBox, notebook: NotebookNode, cells: Sequence[str], folder: Path, near: Sequence[Path]) -> None:
    """Runs the cells of a submission and puts what they showed under those of the notebook that have the same text.

    Args:
        box: runs them; what it shows before is what comes before.
        notebook: the page; cells whose outputs are given already keep them.
        cells: the code cells of the submission, in the order in which they stand there.
        folder: the submission; its plain files are there while the cells run.
        near: other work of the same student, found beside it, as in the student's own course folder.

    Raises:
        SandboxError, OSError: they could not be run.
    """
    settled = {cell.source.strip() for cell in notebook.cells if cell.cell_type == "code" and cell.outputs}
    run = [source for source in cells if source.strip() and source.strip() not in settled]
    _stage(box, folder, near)
    try:
        shown = list(zip(run, box.run(run), strict=True))
    finally:
        _clear(box)
    by_text: dict[str, list[list[Shown]]] = {}
    for source, outputs in shown:
        by_text.setdefault(source.strip(), []).append(outputs)
    for cell in notebook.cells:
        here = by_text.get(cell.source.strip()) if cell.cell_type == "code" and not cell.outputs else None
        if here:
            cell.outputs = [_output(shown) for shown in here.pop(0)]


def _output(shown: Shown) -> NotebookNode:
    """As a page shows it. None is an `execute_result`: that is what nbgrader reads points from."""
    text = plain_text(shown.text)
    if shown.kind in (STDOUT, STDERR):
        return new_output("stream", name=shown.kind, text=text)
    if shown.kind == ERROR:
        name = plain_text(shown.name)
        return new_output("error", ename=name, evalue="", traceback=text.split("\n"))
    data = {"text/plain": text}
    if shown.picture:
        picture = plain_png(shown.picture)
        if picture is None:
            data["text/plain"] = "(a picture that cannot be shown)"
        else:
            data["image/png"] = base64.b64encode(picture).decode()
            width = min(int.from_bytes(picture[16:20], "big"), PAGE)  # PNG: in the header, which comes first
            return new_output("display_data", data=data, metadata={"image/png": {"width": width}})
    return new_output("display_data", data=data)


def plain_text(text: str) -> str:
    """Text without colours, cursor movements and whatever else is not printed."""
    return UNPRINTABLE.sub("\N{REPLACEMENT CHARACTER}", OVERWRITTEN.sub("", ESCAPES.sub("", text)).replace("\r", ""))


def _stage(box: NotebookBox, folder: Path, near: Sequence[Path]) -> None:
    """Copies what the notebook may read to where it runs; never a link, never what lies elsewhere."""
    _clear(box)
    left = [MAX_FILES, MAX_BYTES]
    for source, target in ((folder, box.folder), *((path, box.folder.parent / path.name) for path in near)):
        for path in _plain_files(source):
            try:
                data = read_file(path)
            except (OSError, BrokenSubmission):
                continue
            left[0], left[1] = left[0] - 1, left[1] - len(data)
            if left[0] < 0 or left[1] < 0:
                return
            copy = target / path.relative_to(source)
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(data)


def _plain_files(folder: Path) -> Iterator[Path]:
    for here, folders, files in os.walk(folder):
        depth = len(Path(here).relative_to(folder).parts)
        folders[:] = [n for n in sorted(folders) if depth < MAX_DEPTH and not n.startswith((".", "__pycache__"))]
        yield from (Path(here, name) for name in sorted(files) if not name.startswith("."))


def _clear(box: NotebookBox) -> None:
    for path in box.folder.parent.iterdir():
        if path != box.folder:
            shutil.rmtree(path)
    for path in box.folder.iterdir():
        shutil.rmtree(path) if path.is_dir() else path.unlink()
