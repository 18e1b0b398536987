"""Makes a class of submissions for an assignment: right, mistaken in every way that has a name, untouched and broken.

Every mistake is made mechanically from the code that the grader knows it by, so that a new layer brings its own
mistaken students.
"""

from __future__ import annotations

import copy
import inspect
import re
import textwrap
from collections.abc import Mapping
from pathlib import Path

import nbformat

from autograder.catalogue import Catalogue
from autograder.exercise import Exercise, Function, Misconception, Pair
from autograder.misconceptions import general_misconceptions
from autograder.release import build_notebook, student_notebook
from demo.solved import without_markers
from demo.variants import BROKEN, RIGHT

# The general mistakes are closures over a layer; as a student's code they read like this.
GENERAL_SOURCES = {
    "upstream-forgotten": "def mistake(dout, *args):\n    return dict(zip(NAMES, right(np.ones_like(dout), *args)))\n",
    "derivative-skipped": "def mistake(dout, *args):\n    return {n: dout for n, a in zip(NAMES, args)"
    " if np.shape(a) == np.shape(dout)}\n",
    "sign-flipped": "def mistake(dout, *args):\n    return {n: -g for n, g in zip(NAMES, right(dout, *args))}\n",
    "zero-gradient": "def mistake(dout, *args):\n    return {n: np.zeros_like(a) for n, a in zip(NAMES, args)}\n",
}


def reference_source(function: Function) -> str:
    """The reference as a student would have typed it: no docstring, no markers."""
    source = textwrap.dedent(inspect.getsource(function.reference))
    source = re.sub(r"^ *### (BEGIN|END) SOLUTION *\n", "", source, flags=re.MULTILINE)
    return source.replace(f'"""{function.reference.__doc__}"""', "", 1)


def mistaken(exercise: Exercise, function: Function, misconception: Misconception, way: int = 0) -> dict[str, str]:
    """Answer cells in which one function makes one mistake and all else is right."""
    own = next((m.wrong for m in function.misconceptions if m.id == misconception.id), ())
    if own:
        source, name = textwrap.dedent(inspect.getsource(own[way])), own[way].__name__
    else:
        source, name = GENERAL_SOURCES[misconception.id], "mistake"
    helpers = "Plus = lambda base, direction: base + 0.1 * direction\n"
    arguments = ", ".join(function.args)
    names = repr(function.returns)
    if isinstance(exercise, Pair) and function is exercise.backward:
        forward = exercise.forward
        inputs = ", ".join(forward.args)
        return {
            forward.name: f"{_renamed(reference_source(forward), forward.name, 'right_forward')}\n\n"
            f"def {forward.name}({inputs}):\n"
            f"    return right_forward({inputs})[0], ({inputs},)\n",
            function.name: f"{_renamed(reference_source(function), function.name, 'right_backward')}\n\n"
            f"NAMES = {names}\n{helpers}\n"
            "def right(dout, *args):\n"
            "    value = right_backward(dout, right_forward(*args)[1])\n"
            "    return value if isinstance(value, tuple) else (value,)\n\n"
            f"{source}\n"
            f"def {function.name}(dout, cache):\n"
            "    values = dict(zip(NAMES, right(dout, *cache)))\n"
            f"    values.update({name}(dout, *cache))\n"
            "    result = tuple(values[n] for n in NAMES)\n"
            "    return result if len(result) > 1 else result[0]\n",
        }
    unpaired = "value" if not isinstance(exercise, Pair) else "value[:1]"
    returned = "result if len(result) > 1 else result[0]" if not isinstance(exercise, Pair) else "(result[0], value[1])"
    return {
        function.name: f"{_renamed(reference_source(function), function.name, 'right_' + function.name)}\n\n"
        f"{helpers}\n{source}\n"
        f"def {function.name}({arguments}):\n"
        f"    wrong = {name}({arguments})\n"
        f"    value = right_{function.name}({arguments})\n"
        f"    right = {unpaired} if isinstance(value, tuple) else (value,)\n"
        f"    values = dict(zip({names}, right))\n"
        "    values.update(wrong)\n"
        f"    result = tuple(values[n] for n in {names})\n"
        f"    return {returned}\n"
    }


def _renamed(source: str, old: str, new: str) -> str:
    return source.replace(f"def {old}(", f"def {new}(", 1)


def all_mistakes(catalogue: Catalogue, assignment: str) -> list[tuple[Exercise, Function, Misconception]]:
    """Every misconception of every function, the general ones of a pair included."""
    found = []
    for exercise in catalogue.exercises(assignment):
        for function in exercise.functions:
            found += [(exercise, function, m) for m in function.misconceptions]
            if isinstance(exercise, Pair) and function is exercise.backward:
                found += [(exercise, function, m) for m in general_misconceptions(exercise)]
    return found


def notebook_with(solved: nbformat.NotebookNode, answers: Mapping[str, str]) -> nbformat.NotebookNode:
    """The solved notebook with some answer cells replaced."""
    notebook = copy.deepcopy(solved)
    for cell in notebook.cells:
        name = cell.metadata.get("nbgrader", {}).get("grade_id")
        if name in answers:
            cell.source = answers[name]
    return notebook


def make_class(catalogue: Catalogue, assignment: str, assignments_dir: Path) -> dict[str, bytes]:
    """Every student's notebook file, as bytes by student id."""
    source = build_notebook(catalogue, assignment, assignments_dir)
    solved = without_markers(source)
    students = {"reference": solved, "untouched": student_notebook(source)}
    names = {f.name for f in catalogue.functions(assignment)}
    for student, answers in RIGHT.items():
        if set(answers) <= names:
            students[f"right-{student}"] = notebook_with(solved, answers)
    for exercise, function, misconception in all_mistakes(catalogue, assignment):
        student = f"{function.name.replace('_', '-')}-{misconception.id}"
        students[student] = notebook_with(solved, mistaken(exercise, function, misconception))
    first = catalogue.exercises(assignment)[0]
    if isinstance(first, Pair):
        order = first.backward.name
        students[f"{order.replace('_', '-')}-gradient-order"] = notebook_with(
            solved, {order: _last_first(first.backward)}
        )
        students[f"{order.replace('_', '-')}-nothing-returned"] = notebook_with(
            solved, {order: f"def {order}(dout, cache):\n    dx = dout\n"}
        )
    for student, answers in BROKEN.items():
        if set(answers) <= names:
            students[f"broken-{student}"] = notebook_with(solved, answers)
    empty = nbformat.v4.new_notebook()
    students["broken-empty-notebook"] = empty
    files = {student: nbformat.writes(notebook).encode() for student, notebook in students.items()}
    files["broken-not-a-notebook"] = b"My dog ate my homework.\n"
    return files


def _last_first(backward: Function) -> str:
    """The right gradients, handed back in reverse order."""
    source = _renamed(reference_source(backward), backward.name, "right_backward")
    return f"{source}\n\ndef {backward.name}(dout, cache):\n    return right_backward(dout, cache)[::-1]\n"


def write_class(files: Mapping[str, bytes], submitted: Path, assignment: str) -> None:
    """Writes the files as nbgrader lays out what was handed in: submitted/<student>/<assignment>/<assignment>.ipynb."""
    for student, data in files.items():
        folder = submitted / student / assignment
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{assignment}.ipynb").write_bytes(data)
