"""The notebooks as a student who solved everything hands them in, and a `layers/` folder that works."""

from __future__ import annotations

import copy
import re
from pathlib import Path

import nbformat

from autograder.catalogue import Catalogue
from autograder.release import build_notebook, released_cells

# The composed layer of 02 is the student's own and worth no points, so no solutions file holds it.
SANDWICH = """\
def affine_sigmoid_forward(x, w, b):
    hidden, first = affine_forward(x, w, b)
    out, second = sigmoid_forward(hidden)
    return out, (first, second)


def affine_sigmoid_backward(dout, cache):
    first, second = cache
    return affine_backward(sigmoid_backward(dout, second), first)
"""


def without_markers(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """The instructor's notebook with the lines that mark solutions taken out of its code."""
    notebook = copy.deepcopy(notebook)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.source = re.sub(r"^ *### (BEGIN|END) SOLUTION *\n?", "", cell.source, flags=re.MULTILINE)
    return notebook


def solved_notebook(catalogue: Catalogue, assignment: str, assignments_dir: Path) -> nbformat.NotebookNode:
    """A notebook in which everything that runs is solved."""
    notebook = without_markers(build_notebook(catalogue, assignment, assignments_dir))
    for cell in notebook.cells:
        if cell.source.startswith("def affine_sigmoid_forward"):
            cell.source = SANDWICH
    return notebook


def working_layers(catalogue: Catalogue, folder: Path) -> None:
    """A `layers/` folder with the references, as an instructor may hand it out when the time has come."""
    (folder / "layers").mkdir(parents=True)
    for layer in catalogue.layers:
        text = "\n\n".join(released_cells(layer))
        (folder / "layers" / layer.path.name).write_text(text, encoding="utf-8")
