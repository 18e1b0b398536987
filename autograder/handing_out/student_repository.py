"""Makes the repository that students clone, work in and push: `autograder release DIR`.

An assignment is a folder as nbgrader would release it: the notebook with its answers taken out, stubs, public keys.
Around them stand the package itself as a wheel, workflows that run the public checks, and what other places need to
open it. Nothing in it holds a line of a solution, but for the layers that `--with-layers` hands out.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from urllib.parse import quote

import nbformat
from nbformat.v4 import new_code_cell

from autograder import __version__
from autograder.catalogue import Catalogue, Layer
from autograder.errors import BadInput
from autograder.handing_out.generated import Change, refuse_repository, write_folder
from autograder.handing_out.nbgrader_course import source_files, stub_names
from autograder.handing_out.wheel import DISTRIBUTION, FILE, package_wheel
from autograder.release import MARKER, notebook_text, released_cells, student_notebook
from autograder.student.repository_check import MARKER_FILE
from autograder.templates import TEMPLATES, filled

# Where each file of templates/student goes.
PLACES = {
    "check.yml": ".github/workflows/check.yml",
    "gitlab-ci.yml": ".gitlab-ci.yml",
    "devcontainer.json": ".devcontainer/devcontainer.json",
    "gitattributes": ".gitattributes",
    "gitignore": ".gitignore",
    "README.md": "README.md",
}
BRANCH = "main"
INSTALL_ID = "install-on-colab"
INSTALL = """\
# On Google Colab this installs the course's package. Anywhere else it does nothing.
import subprocess
import sys
from importlib.util import find_spec

if "google.colab" in sys.modules and find_spec("autograder") is None:
    package = {package}
    subprocess.run([sys.executable, "-m", "pip", "install", "-q", package], check=True)"""


def make_release(
    catalogue: Catalogue, assignments_dir: Path | str, folder: Path | str, *, url: str = "", with_layers: bool = False
) -> Change:
    """Makes the repository, or refreshes one that was made before.

    Args:
        catalogue: the exercises.
        assignments_dir: the folder of the notebooks' texts.
        folder: where the repository is to be, outside this one.
        url: where it will be published, "https://github.com/ORG/REPO"; without it there are no links to Colab and
            Binder, and Colab installs the package from the index.
        with_layers: whether to hand out working layers to the assignments that build on earlier ones.
    Raises:
        BadInput: the place or a source cannot be used; nothing was changed.
    """
    folder, assignments_dir = Path(folder).resolve(), Path(assignments_dir).resolve()
    refuse_repository(folder, catalogue.folder.resolve(), assignments_dir, what="student repository")
    files = release_files(catalogue, assignments_dir, url=_published(url), with_layers=with_layers)
    return write_folder(folder, files, marker=MARKER_FILE, command="autograder release")


def release_files(
    catalogue: Catalogue, assignments_dir: Path, *, url: str = "", with_layers: bool = False
) -> dict[str, bytes]:
    """Everything in the repository, by path."""
    files: dict[str, bytes] = {}
    rows = []
    for assignment in catalogue.assignments:
        own = source_files(catalogue, assignment, assignments_dir)
        built = nbformat.reads(own[f"{assignment}.ipynb"].decode(), as_version=4)
        notebook = student_notebook(built)
        _install_first(notebook, _package(url))
        own[f"{assignment}.ipynb"] = notebook_text(notebook).encode()
        if with_layers:
            own |= dict(_earlier_layers(catalogue, assignment, built))
        files |= {f"{assignment}/{name}": data for name, data in own.items()}
        rows.append(_row(catalogue, assignment, notebook))
    files[f"wheels/{FILE}"] = package_wheel()
    files["requirements.txt"] = files["binder/requirements.txt"] = f"./wheels/{FILE}[student]\n".encode()
    files["binder/runtime.txt"] = b"python-3.11\n"
    values = {
        "WHEEL": FILE,
        "ASSIGNMENTS": "\n".join(rows),
        "FIRST": catalogue.assignments[0],
        "EXAMPLE": catalogue.functions(catalogue.assignments[0])[0].name,
        "BADGES": _badges(url, catalogue.assignments),
    }
    for name, place in PLACES.items():
        files[place] = filled(TEMPLATES / "student" / name, values).encode()
    return files


def _published(url: str) -> str:
    url = url.rstrip("/").removesuffix(".git")
    if url and not re.fullmatch(r"https://[\w.-]+(/[\w.-]+){2,}", url):
        raise BadInput(f"--url takes the address of the repository's page, https://github.com/ORG/REPO, not {url!r}")
    return url


def _package(url: str) -> str:
    """What pip is asked for on Colab, which opens a notebook without the folder it lies in."""
    if not url:
        return f"{DISTRIBUTION}=={__version__}"
    raw = "-/raw" if "gitlab" in url else "raw"
    return f"{url}/{raw}/{BRANCH}/wheels/{FILE}"


def install_cell(package: str) -> str:
    """The code that installs on Colab; an address stands on two lines, so that it can be read on a small screen."""
    folder, slash, file = package.rpartition("/wheels/")
    if not slash:
        return INSTALL.format(package=json.dumps(package))
    return INSTALL.format(package=f"(\n        {json.dumps(folder)}\n        {json.dumps(slash + file)}\n    )")


def _install_first(notebook, package: str) -> None:
    """Puts the cell that installs on Colab before the first cell of code."""
    cell = new_code_cell(install_cell(package), id=INSTALL_ID, metadata={"tags": ["install"]})
    at = next((i for i, c in enumerate(notebook.cells) if c.cell_type == "code"), len(notebook.cells))
    notebook.cells.insert(at, cell)


def _row(catalogue: Catalogue, assignment: str, notebook) -> str:
    heading = next((m[1] for c in notebook.cells if (m := re.match(r"# (.+)", c.source)) and c.cell_type != "code"), "")
    functions = catalogue.functions(assignment)
    names = ", ".join(f"`{f.name}`" for f in functions)
    points = sum(f.points for f in functions)
    return f"| `{assignment}` | {heading or assignment} | {names} | {points:g} |"


def _badges(url: str, assignments: Sequence[str]) -> str:
    """Links that open the repository elsewhere; Colab opens notebooks of GitHub alone."""
    path = re.sub(r"https://[^/]+/", "", url)
    lines = []
    if "github.com" in url:
        links = [
            f"[{a}](https://colab.research.google.com/github/{path}/blob/{BRANCH}/{a}/{a}.ipynb)" for a in assignments
        ]
        lines.append(f"Open in Colab: {' · '.join(links)}.")
        lines.append(f"Open in Binder: [the whole repository](https://mybinder.org/v2/gh/{path}/{BRANCH}).")
    elif "gitlab.com" in url:
        lines.append(
            f"Open in Binder: [the whole repository](https://mybinder.org/v2/gl/{quote(path, safe='')}/{BRANCH})."
        )
    return "\n" + "\n".join(lines) + "\n" if lines else ""


# Working layers -------------------------------------------------------------------------------------------------------


def _earlier_layers(catalogue: Catalogue, assignment: str, notebook) -> Iterator[tuple[str, bytes]]:
    """The layers of other assignments that this one's notebook asks for with find_functions, solved."""
    own = stub_names(catalogue, assignment)
    used = _asked_for("\n\n".join(c.source for c in notebook.cells if c.cell_type == "code"))
    for layer in catalogue.layers:
        if layer.path.name not in own and used & {f.name for e in layer.exercises for f in e.functions}:
            yield f"layers/{layer.path.name}", solved_file(layer).encode()


def _asked_for(code: str) -> set[str]:
    """The names in the notebook's own calls of find_functions: text of the course, so it may be parsed."""
    plain = "\n".join("" if line.lstrip().startswith(("%", "!")) else line for line in code.splitlines())
    calls = (n for n in ast.walk(ast.parse(plain)) if isinstance(n, ast.Call))
    return {
        argument.value
        for call in calls
        if isinstance(call.func, ast.Name) and call.func.id == "find_functions"
        for argument in call.args
        if isinstance(argument, ast.Constant)
    }


def solved_file(layer: Layer) -> str:
    """A layer as a working module: the released cells with their solutions, without the markers around them."""
    text = "\n\n\n".join(cell.strip("\n") for cell in released_cells(layer))
    lines = [line for line in text.splitlines() if MARKER not in line and "END SOLUTION" not in line]
    return f'# GENERATED by "autograder release --with-layers": handed out to build on.\n{chr(10).join(lines)}\n'
