"""Renders the notebooks to HTML: run with everything solved, shown with the stubs that students get.

    python docs/build.py [FOLDER]        (default: docs/html)

Figures, tables and reports are those of a solved notebook; of the solutions, nothing is in the pages.
"""

from __future__ import annotations

import html
import sys
import tempfile
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbconvert import HTMLExporter

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from autograder.catalogue import Catalogue, load_catalogue  # noqa: E402
from autograder.release import build_notebook, student_notebook  # noqa: E402
from demo.solved import solved_notebook, working_layers  # noqa: E402

# What nbconvert writes where it does not look for a figure's description.
NO_DESCRIPTION = 'alt="No description has been provided for this image"'


def main(folder: Path) -> None:
    catalogue = load_catalogue(ROOT / "solutions")
    folder.mkdir(parents=True, exist_ok=True)
    for assignment in catalogue.assignments:
        notebook = shown(catalogue, assignment)
        page = described(HTMLExporter(embed_images=True).from_notebook_node(notebook)[0], notebook)
        (folder / f"{assignment}.html").write_text(page, encoding="utf-8")
        print(folder / f"{assignment}.html")


def shown(catalogue: Catalogue, assignment: str) -> nbformat.NotebookNode:
    """The student's notebook with the outputs of the solved one."""
    solved = solved_notebook(catalogue, assignment, ROOT / "assignments")
    with tempfile.TemporaryDirectory() as folder:
        working_layers(catalogue, Path(folder))
        nbformat.write(solved, Path(folder) / f"{assignment}.ipynb")  # for check_saved()
        place = {"metadata": {"path": folder}}
        NotebookClient(solved, timeout=300, kernel_name="python3", resources=place).execute()
    notebook = student_notebook(build_notebook(catalogue, assignment, ROOT / "assignments"))
    for cell, ran in zip(notebook.cells, solved.cells, strict=True):
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = ran.outputs, ran.execution_count
    return notebook


def described(page: str, notebook: nbformat.NotebookNode) -> str:
    """Gives every figure its description, in order, for those who cannot see it."""
    figures = [o for c in notebook.cells for o in c.get("outputs", []) if "image/png" in o.get("data", {})]
    parts = page.split(NO_DESCRIPTION)
    if len(parts) != len(figures) + 1:
        raise SystemExit(f"{len(figures)} figures, but {len(parts) - 1} places for a description")
    texts = [html.escape(f.metadata.get("image/png", {}).get("alt", "")) for f in figures]
    if not all(texts):
        raise SystemExit("a figure has no description")
    return "".join(p + f'alt="{t}"' for p, t in zip(parts, texts, strict=False)) + parts[-1]


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "docs" / "html")
