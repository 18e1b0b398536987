"""An nbgrader course for tests: a repository of one layer, the plain commands, and handing in."""

import json
import os
import shutil
import subprocess
import sys

A = "02_layers"
SECRET = "5e" * 32

SOFTPLUS = '''\
"""The softplus layer: a smooth ramp."""

# %%
import numpy as np


# %%
def softplus_forward(x):
    """Apply log(1 + exp(x)) to every entry."""
    ### BEGIN SOLUTION
    out = np.logaddexp(0, x)
    return out, x
    ### END SOLUTION


# %%
def softplus_backward(dout, cache):
    """Send the upstream gradient back through the softplus."""
    ### BEGIN SOLUTION
    return dout * np.exp(-np.logaddexp(0, -cache))
    ### END SOLUTION


# %% tags=["grading"]
from autograder.exercise import Function, Pair
from autograder.inputs import elementwise_cases

EXERCISES = (
    Pair(
        name="softplus",
        assignment="02_layers",
        elementwise=True,
        forward=Function(reference=softplus_forward, points=2, returns=("out",)),
        backward=Function(reference=softplus_backward, points=1.5, returns=("dx",)),
        cases=elementwise_cases(),
    ),
)
'''


def nbgrader(course, *arguments, code=0):
    """Runs one of nbgrader's commands in the course directory and returns what it said."""
    done = subprocess.run(
        [sys.executable, "-m", "nbgrader", *arguments],
        cwd=course,
        capture_output=True,
        text=True,
        env=os.environ | {"AUTOGRADER_SECRET": SECRET},
        stdin=subprocess.DEVNULL,
        timeout=300,
    )
    assert code == done.returncode, done.stderr[-3000:]
    return done.stdout + done.stderr


def repository_of(folder, solutions):
    """A repository in `folder` whose only layer is the text `solutions`."""
    (folder / "solutions").mkdir(parents=True, exist_ok=True)
    (folder / "solutions" / "softplus.py").write_text(solutions)
    (folder / "assignments").mkdir(exist_ok=True)
    return folder


def answers_of(course):
    """The answer cells of the instructor's notebook, by function."""
    notebook = json.loads((course / "source" / A / f"{A}.ipynb").read_text())
    return {
        cell["id"]: "".join(cell["source"])
        for cell in notebook["cells"]
        if cell["cell_type"] == "code" and cell["metadata"].get("nbgrader", {}).get("solution")
    }


def hand_in(course, student, answers=None, change=None):
    """Submits the released assignment with these answers, the notebook changed by `change(notebook, cells by id)`."""
    folder = course / "submitted" / student / A
    shutil.copytree(course / "release" / A, folder)
    complete(folder, answers, change)
    return folder


def complete(folder, answers=None, change=None):
    """Writes answers into the notebook of a folder."""
    notebook = json.loads((folder / f"{A}.ipynb").read_text())
    cells = {cell["id"]: cell for cell in notebook["cells"]}
    for name, source in (answers or {}).items():
        cells[name]["source"] = source
    if change:
        change(notebook, cells)
    (folder / f"{A}.ipynb").write_text(json.dumps(notebook))
