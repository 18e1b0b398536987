"""`check()` and `check_saved()`, as a student meets them in a notebook."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

import autograder
from demo.classroom import reference_source
from tests.conftest import ROOT


def kernel_outputs(cells: list[str], folder: Path) -> list[list]:
    """Runs cells in a real kernel, in a folder of their own; the outputs of each."""
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(c) for c in cells])
    nbformat.write(notebook, folder / "mine.ipynb")
    place = {"metadata": {"path": str(folder)}}
    NotebookClient(notebook, kernel_name="python3", allow_errors=True, resources=place).execute()
    return [cell.outputs for cell in notebook.cells]


def text_of(outputs: list) -> str:
    return "".join(o.get("text", "") or o.get("data", {}).get("text/plain", "") for o in outputs)


@pytest.fixture(scope="module")
def session(tmp_path_factory) -> dict[str, list]:
    """One kernel that runs what the tests below look at."""
    folder = tmp_path_factory.mktemp("student")
    cells = {
        "imports": "import numpy as np\nfrom autograder import check, check_saved",
        "warns": "def sigmoid_forward(x):\n    out = 1 / (1 + np.exp(-x))\n    print('computing')\n    return out, out",
        "right": 'check("sigmoid_forward")',
        "forgets": "def sigmoid_backward(dout, cache):\n    return cache * (1 - cache)",
        "wrong": 'check("sigmoid_backward")',
        "hints": 'check("sigmoid_backward", hints=2)',
        "missing": 'check("tanh_forward")',
        "float": 'type(check("sigmoid_forward"))',
        "unknown": 'check("softmax_forward")',
        "raises": "def affine_forward(x, w, b):\n    return helper(x, w) + b, x\n\n"
        "def helper(x, w):\n    return x @ ww",
        "raised": 'check("affine_forward")',
        "only in memory": "def tanh_forward(x):\n    return np.tanh(x), np.tanh(x)",
        "saved": "check_saved()",
    }
    outputs = dict(zip(cells, kernel_outputs(list(cells.values()), folder), strict=True))
    assert outputs["imports"] == []
    return outputs


def test_a_right_function_shows_that_public_checks_passed(session):
    """The report says that public checks passed, and that hidden ones decide; the cell's value is a float."""
    assert "public checks passed, 4 of 4. Hidden checks decide the points." in text_of(session["right"])
    assert "2.0" in text_of(session["right"])
    assert text_of(session["float"]).endswith("float")


def test_nothing_reaches_stderr(session):
    """A function that warns and prints leaves no stream output: any would cost points in nbgrader."""
    for name in ("right", "wrong", "missing", "float"):
        assert [o.name for o in session[name] if o.output_type == "stream"] == []


def test_a_wrong_function_is_told_what_it_computes(session):
    """The named mistake, evidence beside the numerical gradient, and one hint; a second hint when asked."""
    text = text_of(session["wrong"])
    assert "dx is wrong in 12 of 12 entries" in text
    assert "numerical gradient" in text
    assert "upstream gradient dout is left out" in text
    assert "If the loss did not depend" not in text
    assert "If the loss did not depend" in text_of(session["hints"])


def test_the_report_is_html_without_a_script(session):
    """A notebook gets HTML beside the text, self-contained."""
    (shown,) = [o for o in session["wrong"] if o.output_type == "display_data"]
    page = shown.data["text/html"]
    assert "<script" not in page
    assert "http" not in page
    assert 'role="group"' in page


def test_what_is_not_defined_is_missing(session):
    """A function that the notebook does not define yet earns 0.0 and says so."""
    assert "tanh_forward is not defined in this notebook yet." in text_of(session["missing"])
    assert "Has the cell that defines it been run" in text_of(session["missing"])
    assert text_of(session["missing"]).endswith("0.0")


def test_an_exception_is_placed_as_the_notebook_numbers_its_cells(session):
    """The student's own lines by cell and line, innermost last, and no frame of the checker's."""
    text = text_of(session["raised"])
    assert "cell In[" in text
    assert "line 2, in affine_forward\n      return helper(x, w) + b, x\n" in text
    assert "line 5, in helper\n      return x @ ww\n" in text
    assert "NameError: name 'ww' is not defined" in text
    assert "Nothing called ww exists here" in text
    for ours in ("autograder", "calling", "ipykernel", "site-packages"):
        assert ours not in text


def test_an_unknown_name_is_an_error_that_lists_the_known(session):
    """A misspelt name raises, with the names that there are."""
    (error,) = [o for o in session["unknown"] if o.output_type == "error"]
    assert "sigmoid_forward" in error.evalue


def test_check_saved_reads_the_file_and_not_the_kernel(session):
    """What is saved is checked in a fresh process; it says how many functions pass."""
    text = text_of(session["saved"])
    assert "of 6 functions pass the public checks" in text
    assert "sigmoid_backward: dx is wrong" in text


def test_check_does_not_grade_for_nbgrader(monkeypatch):
    """Executed by nbgrader's autograde without our plugin it raises, so that a lost configuration gives 0."""
    monkeypatch.setenv("NBGRADER_EXECUTION", "autograde")
    with pytest.raises(RuntimeError, match="check\\(\\) does not grade"):
        autograder.check("sigmoid_forward")


def test_check_saved_without_a_notebook(tmp_path, monkeypatch):
    """No notebook, or several, or one that is not there: the message says what to do."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("JPY_SESSION_NAME", raising=False)
    with pytest.raises(FileNotFoundError, match="no notebook is in this folder"):
        autograder.check_saved()
    for name in ("a.ipynb", "b.ipynb"):
        (tmp_path / name).write_text("{}")
    with pytest.raises(FileNotFoundError, match="several notebooks"):
        autograder.check_saved()
    with pytest.raises(FileNotFoundError, match="save it first"):
        autograder.check_saved("c.ipynb")


def test_check_in_a_plain_script(catalogue, tmp_path):
    """Outside a notebook the report is printed as text."""
    sources = "\n\n".join(reference_source(f) for f in catalogue.functions("02_layers"))
    code = f"import numpy as np\nfrom autograder import check\n{sources}\nprint(check('affine_backward'))\n"
    (tmp_path / "work.py").write_text(code)
    env = {k: v for k, v in os.environ.items() if k != "NBGRADER_EXECUTION"} | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "work.py"], cwd=tmp_path, env=env, capture_output=True, text=True)
    assert done.stderr == ""
    assert done.stdout.splitlines()[0] == "affine_backward: public checks passed, 12 of 12. Hidden checks decide the"
    assert done.stdout.splitlines()[-1] == "3.0"


def test_importing_the_package_is_cheap():
    """`import autograder` loads neither numpy nor anything that a student may not have."""
    code = "import sys, autograder; print(sorted({'numpy', 'nbgrader', 'IPython', 'rich'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout == "[]\n"
