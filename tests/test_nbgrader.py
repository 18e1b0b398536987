"""nbgrader's own commands in a course that `autograder course` made: trusted scores, and nothing that stops a batch."""

import csv
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import numpy as np
import pytest
from nbgrader.api import Gradebook

from autograder.answer_key import full_key
from autograder.catalogue import load_catalogue
from autograder.handing_out.nbgrader_course import make_course
from autograder.secret import seed_for
from tests.course import SECRET, A, answers_of, hand_in, nbgrader

ROOT = Path(__file__).parent.parent
FULL = 12.0


@pytest.fixture(scope="module")
def released(tmp_path_factory):
    """A course with its assignment generated, and nothing handed in yet."""
    course = tmp_path_factory.mktemp("nbgrader") / "course"
    make_course(load_catalogue(ROOT / "solutions"), ROOT / "assignments", course)
    nbgrader(course, "generate_assignment", A)
    return course


@pytest.fixture(scope="module")
def solved(released):
    """The answer cells of the instructor's notebook, by function."""
    return answers_of(released)


# Handing in -----------------------------------------------------------------------------------------------------------


def averaged(solved):
    """The most frequent mistake: dw and db averaged over the batch."""
    text = solved["affine_backward"]
    wrong = text.replace("rows.T @ dout", "rows.T @ dout / len(x)").replace("dout.sum(axis=0)", "dout.mean(axis=0)")
    assert wrong.count("len(x)") == wrong.count("mean(axis=0)") == 1
    return solved | {"affine_backward": wrong}


def duplicate_graded_cell(notebook, cells):
    notebook["cells"].append(dict(cells["check_tanh_forward"]))


def duplicate_answer_cell(notebook, cells):
    notebook["cells"].insert(0, cells["tanh_forward"] | {"source": "def tanh_forward(x):\n    return x, x"})


def skip_execution(notebook, cells):
    for cell in notebook["cells"]:
        cell["metadata"]["tags"] = ["skip-execution", "remove-cell"]


def only_answers(notebook, cells):
    notebook["cells"] = [cell for cell in notebook["cells"] if cell["id"] in ("tanh_forward", "tanh_backward")]
    notebook["cells"].insert(0, {"cell_type": "code", "source": "import numpy as np", "metadata": {}, "outputs": []})


def no_cells(notebook, cells):
    notebook["cells"] = []


def retyped(notebook, cells):
    cells["check_tanh_forward"].update(cell_type="markdown")
    cells["affine_forward"].update(cell_type="raw")


def worth_a_thousand(notebook, cells):
    for cell in notebook["cells"]:
        if "nbgrader" in cell["metadata"]:
            cell["metadata"]["nbgrader"] |= {"points": 1000, "solution": False, "locked": False, "grade": True}


def forged_outputs(notebook, cells):
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            data = {"text/plain": "12.0"}
            cell["outputs"] = [{"output_type": "execute_result", "data": data, "metadata": {}, "execution_count": 1}]


def another_kernel(notebook, cells):
    notebook["metadata"] = {"kernelspec": {"name": "ir", "display_name": "R", "language": "R"}}


def metadata_of_another_age(notebook, cells):
    notebook["metadata"] = []
    for cell in notebook["cells"]:
        if "nbgrader" in cell["metadata"]:
            cell["metadata"]["nbgrader"] |= {"schema_version": 99, "checksum": 3, "extra": {}}
        cell.pop("id")


def version_3(notebook, cells):
    old = [{"cell_type": c["cell_type"], "input": c["source"], "metadata": c["metadata"]} for c in notebook["cells"]]
    notebook.clear()
    notebook.update({"nbformat": 3, "nbformat_minor": 0, "metadata": {}, "worksheets": [{"cells": old}]})


def lone_surrogates(notebook, cells):
    cells["why_sum"]["source"] = "half a letter: \ud800, and a bell: \x07"


def helper_cell(notebook, cells):
    """The answers call a function of a cell that the student added."""
    for name in ("tanh_forward", "sigmoid_forward"):
        cells[name]["source"] = cells[name]["source"].replace("np.", "numbers.")
    notebook["cells"].insert(
        1, {"cell_type": "code", "source": "import numpy as numbers", "metadata": {}, "outputs": []}
    )


def prints_a_warning(notebook, cells):
    cells["tanh_forward"]["source"] += "\nimport sys, warnings\nwarnings.warn('look')\nprint('noise', file=sys.stderr)"


def first_cell(source):
    """Puts a code cell of the student's own before all others."""

    def change(notebook, cells):
        notebook["cells"].insert(0, {"cell_type": "code", "source": source, "metadata": {}, "outputs": []})

    return change


def long_output(notebook, cells):
    """A hundred million characters in one line, as a print in a loop leaves them."""
    output = {"output_type": "stream", "name": "stdout", "text": "x" * 100_000_000}
    cells["tanh_forward"]["outputs"] = [output]


# Each makes stock nbgrader give full marks for functions that were never written.
FORGERIES = {
    "rebinds check": "check = lambda *a, **k: 99.0\nimport numpy as np\nnp.allclose = lambda *a, **k: True",
    "transforms input": "get_ipython().input_transformers_cleanup.append(lambda lines: ['6.0'])",
    "formats numbers": "get_ipython().display_formatter.formatters['text/plain'].for_type("
    "float, lambda n, p, c: p.text('6.0'))",
    "imports the reference": "from solutions.tanh import *\nfrom autograder.catalogue import load_catalogue\n"
    "tanh_forward = load_catalogue('solutions').functions()[0].reference",
}


# One class, with everything that has ever stopped a batch ------------------------------------------------------------

# Text and code that would act on the page of whoever reads it.
SCRIPTS = {
    "why_sum": "A sum, $a < b$, **because** <script>alert(1)</script> <img src=x onerror=alert(2)> "
    "[x](javascript:alert(3)) <a href='data:text/html,x'>y</a> <iframe src='//evil'></iframe> ![p](http://evil/p.png)",
    "tanh_backward": "def tanh_backward(dout, cache):\n    raise ValueError('<script>alert(4)</script>')",
}

READS = """\
def tanh_forward(x):
    import json
    for cell in json.load(open({path!r}))["cells"]:
        if cell["id"] == "tanh_forward":
            exec("".join(cell["source"]), globals())
    return tanh_forward(x)
"""
WRITES = """\
def tanh_backward(dout, cache):
    open({path!r}, "ab").write(b"mine")
    return dout * (1 - cache**2)
"""

# student -> points; the submissions are made below.
EXPECTED = {
    "perfect": FULL,
    "untouched": 0.0,
    "averaged": 10.0,  # of 3 points for dx, dw and db, dx earns its third
    "duplicated graded cell": FULL,
    "duplicated answer cell": FULL - 3.0,  # the first that was filled in counts: x itself, and so its backward
    "skip-execution": 0.0,
    "only tanh": 3.0,
    "no cells": 0.0,
    "retyped": FULL - 5.0,  # an answer cell that is no code cell is no code
    "worth a thousand": 0.0,
    "forged outputs": 0.0,
    "another kernel": FULL,
    "metadata of another age": FULL,
    "version 3": FULL,
    "lone surrogates": FULL,
    "helper cell": FULL,
    "prints a warning": FULL,
    "renamed": FULL,
    "not a notebook": 0.0,
    "0 bytes": 0.0,
    "binary": 0.0,
    "latin-1": 0.0,
    "nested too deep": 0.0,
    "a list": 0.0,
    "a folder for a notebook": 0.0,
    "no notebook": 0.0,
    "empty folder": 0.0,
    "files only": FULL,
    "links and pipes": FULL,
    "bad timestamp": FULL,
    "timestamp is a folder": FULL,
    "loops forever": FULL - 2.0,
    "exits": FULL - 2.0,
    'o\'brien, "ann" – żółć': FULL,
    "writes a script": FULL - 2.0,
    "shadows modules": FULL,
    "reads the source": FULL - 3.0,  # a forward that raises blocks its backward
    "writes the gradebook": FULL - 2.0,
    "=1+1": FULL,
    "a+b": FULL,
    **dict.fromkeys(FORGERIES, 0.0),
    "kills the kernel": FULL - 2.0,
    "prints without end": FULL - 2.0,
    "prints a gigabyte": FULL,
    "a long output": FULL,
}


@pytest.fixture(scope="module")
def graded(released, solved):
    """The class, handed in and autograded in one batch by the plain command."""
    give = lambda student, answers=None, change=None: hand_in(released, student, answers, change)  # noqa: E731
    give("perfect", solved)
    give("untouched")
    give("averaged", averaged(solved))
    give("duplicated graded cell", solved, duplicate_graded_cell)
    give("duplicated answer cell", solved, duplicate_answer_cell)
    give("skip-execution", {}, skip_execution)
    give("only tanh", solved, only_answers)
    give("no cells", solved, no_cells)
    give("retyped", solved, retyped)
    give("worth a thousand", {}, worth_a_thousand)
    give("forged outputs", {}, forged_outputs)
    give("another kernel", solved, another_kernel)
    give("metadata of another age", solved, metadata_of_another_age)
    give("version 3", solved, version_3)
    give("lone surrogates", solved, lone_surrogates)
    give("helper cell", solved, helper_cell)
    give("prints a warning", solved, prints_a_warning)
    folder = give("renamed", solved)
    (folder / f"{A}.ipynb").rename(folder / "my homework (1).ipynb")
    for student, data in {
        "not a notebook": b"{",
        "0 bytes": b"",
        "binary": bytes(range(256)) * 40,
        "latin-1": '{"cells": [{"cell_type": "markdown", "source": "très"}]}'.encode("latin-1"),
        "nested too deep": b"[" * 100_000,
        "a list": b'[{"cells": 3}, 4]',
    }.items():
        (give(student) / f"{A}.ipynb").write_bytes(data)
    folder = give("a folder for a notebook")
    (folder / f"{A}.ipynb").unlink()
    (folder / f"{A}.ipynb" / "inside").mkdir(parents=True)
    (folder / f"{A}.ipynb" / "inside" / "x.txt").write_text("")
    folder = give("no notebook", solved)
    (folder / f"{A}.ipynb").rename(folder / f"{A}.ipynb.txt")
    (released / "submitted" / "empty folder" / A).mkdir(parents=True)
    folder = give("files only")
    for path in (ROOT / "solutions").glob("*.py"):
        shutil.copy(path, folder / "layers")
    folder = give("links and pipes", solved)
    (folder / "dangling").symlink_to("/nowhere")
    (folder / "passwords.txt").symlink_to("/etc/passwd")
    (folder / "loop").symlink_to(folder)
    os.mkfifo(folder / "pipe.py")
    (give("bad timestamp", solved) / "timestamp.txt").write_bytes(b"\xff\xfe the day after tomorrow")
    (give("timestamp is a folder", solved) / "timestamp.txt").mkdir()
    give("loops forever", solved | {"tanh_backward": "def tanh_backward(dout, cache):\n    while True: pass"})
    give("exits", solved | {"tanh_backward": "import os\ndef tanh_backward(dout, cache):\n    os._exit(0)"})
    for student in ('o\'brien, "ann" – żółć', "=1+1", "a+b"):
        give(student, solved)
    give("writes a script", solved | SCRIPTS)
    folder = give("shadows modules", solved)
    for name in ("numpy.py", "sitecustomize.py", "autograder/__init__.py", "nbgrader_config.py"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text("raise SystemExit('ours now')")
    give("reads the source", solved | {"tanh_forward": READS.format(path=str(released / "source" / A / f"{A}.ipynb"))})
    give("writes the gradebook", solved | {"tanh_backward": WRITES.format(path=str(released / "gradebook.db"))})
    for student, source in FORGERIES.items():
        give(student, {}, first_cell(source))
    kills = (
        "import os, signal\ndef tanh_backward(dout, cache):\n    os.kill(os.getppid(), 9)\n    os.kill(os.getpid(), 9)"
    )
    give("kills the kernel", solved | {"tanh_backward": kills})
    prints = "def tanh_backward(dout, cache):\n    while True: print('x' * 10**6)"
    give("prints without end", solved | {"tanh_backward": prints})
    give("prints a gigabyte", solved, first_cell("print('x' * 10**9)"))
    give("a long output", solved, long_output)
    nbgrader(released, "autograde", A)
    return released


@pytest.fixture(scope="module")
def scores(graded):
    """student -> (automatic score, its maximum), from the gradebook."""
    with Gradebook(f"sqlite:///{graded}/gradebook.db") as gradebook:
        return {
            s.student.id: (
                sum(g.auto_score or 0 for n in s.notebooks for g in n.grades),
                sum(g.max_score_gradecell for n in s.notebooks for g in n.grades if g.cell_type == "code"),
            )
            for s in gradebook.assignment_submissions(A)
        }


def autograded(course, student):
    return nbformat.read(course / "autograded" / student / A / f"{A}.ipynb", as_version=4)


@pytest.mark.parametrize("student", EXPECTED)
def test_a_submission_earns_what_its_mathematics_earns(scores, student):
    """Whatever the notebook looks like, in one batch, read back from the gradebook."""
    assert (EXPECTED[student], FULL) == pytest.approx(scores[student])


def test_every_submission_is_in_the_gradebook(graded, scores):
    """None was passed over, and each has a page."""
    assert set(EXPECTED) == set(scores) == {p.name for p in (graded / "submitted").iterdir()}
    assert len(EXPECTED) == len(list((graded / "autograded").glob(f"*/{A}/{A}.ipynb")))


# What people read ----------------------------------------------------------------------------------------------------


def report_of(notebook, function):
    """The text of the report in a function's graded cell."""
    cell = next(c for c in notebook.cells if c.id == f"check_{function}")
    assert [o.output_type for o in cell.outputs] == ["display_data", "execute_result"]
    return cell.outputs[0].data["text/plain"]


def test_the_mistake_is_named_in_the_graded_cell(graded):
    """The averaged gradient's cell says so, and ends with its points."""
    notebook = autograded(graded, "averaged")
    report = report_of(notebook, "affine_backward")
    assert "affine_backward: dw is wrong in" in report
    assert "averaged over the batch where the gradient is a sum" in report
    assert next(c for c in notebook.cells if c.id == "check_affine_backward").outputs[1].data["text/plain"] == "1.0"
    assert "affine_forward: passed." in report_of(notebook, "affine_forward")


@pytest.mark.parametrize(
    ("student", "reason"),
    [
        ("not a notebook", "not a notebook: it is not JSON"),
        ("0 bytes", "not a notebook: it is empty"),
        ("nested too deep", "not a notebook: it is nested too deep"),
        (
            "no notebook",
            "no notebook (.ipynb) was handed in (02_layers.ipynb.txt cannot be read as one)",
        ),
        ("empty folder", "there is no notebook and no .py file here"),
        ("duplicated answer cell", "the answer cell of tanh_forward occurs 2 times"),
    ],
)
def test_what_could_not_be_read_says_why(graded, student, reason):
    """The reason stands on the page, in the student's cells or above them."""
    page = json.dumps(autograded(graded, student), ensure_ascii=False)
    assert reason in page


def test_what_was_tampered_with_is_as_it_was_released(graded):
    """Tags, metadata, points, outputs and cell types of a submission do not reach the page that people read."""
    released = nbformat.read(graded / "release" / A / f"{A}.ipynb", as_version=4)
    names = "skip-execution worth a thousand,forged outputs,no cells,metadata of another age,version 3,retyped"
    for student in names.replace(" worth", ",worth").split(","):
        notebook = autograded(graded, student)
        cells = [c for c in notebook.cells if "nbgrader" in c.metadata or c.cell_type == "markdown"]
        stamps = [(c.id, c.cell_type, c.metadata) for c in cells if "About this" not in c.source]
        expected = [c for c in released.cells if "nbgrader" in c.metadata or c.cell_type == "markdown"]
        assert [(c.id, c.cell_type, c.metadata) for c in expected] == stamps
        assert released.metadata == notebook.metadata


def test_a_good_submission_carries_no_remark(graded):
    """What fails in the sandbox in a cell of ours, a figure say, is not told as if it were the student's."""
    assert not any("About this submission" in cell.source for cell in autograded(graded, "perfect").cells)


def test_helper_cells_are_shown_at_the_end(graded):
    """What was graded can be read: code that the student added stands below the released cells."""
    *_, heading, cell = autograded(graded, "helper cell").cells
    assert (heading.source, cell.source) == ("## Other cells of this submission", "import numpy as numbers")


def test_nothing_strange_is_copied_along(graded):
    """Links and pipes stay where they were handed in; files that students wrote survive beside the notebook."""
    copied = {p.name for p in (graded / "autograded" / "links and pipes" / A).iterdir()}
    assert copied == {f"{A}.ipynb", "layers", "keys"}
    mine = graded / "autograded" / "files only" / A / "layers" / "tanh.py"
    assert "np.tanh(x)" in mine.read_text()


@pytest.fixture(scope="module")
def feedback(graded):
    """The pages of the students whose names begin with a w or an a, as nbgrader makes them."""
    nbgrader(graded, "generate_feedback", A, "--CourseDirectory.student_id=[aw]*")
    return {p.parent.parent.name: p.read_text() for p in (graded / "feedback").glob(f"*/{A}/{A}.html")}


def test_feedback_shows_the_report(feedback):
    """Score, headline, evidence, hint: all on the student's page."""
    page = feedback["averaged"]
    assert f"{A} (Score: 10.0 / " in page
    for part in ("dw is wrong in", "numerical gradient", "averaged over the batch", "1 of 3 points"):
        assert part in page


def test_nothing_a_student_wrote_acts_on_the_page(feedback):
    """Scripts, handlers, frames and strange links are text or gone; emphasis and formulas stay."""
    page = feedback["writes a script"]
    body = page[page.index("<body") :]
    for bad in ("<script>alert", "onerror", "javascript:", "data:text", "<iframe", "//evil"):
        assert bad not in re.sub(r"&lt;.*?&gt;", "", body), bad
    assert "<strong>because</strong>" in body
    assert "$a &lt; b$" in body


def test_no_hidden_value_reaches_a_page(graded, feedback):
    """Hidden inputs and expected values stand in no autograded notebook and on no feedback page."""
    searched = 0
    for student in ("averaged", "untouched", "perfect", "writes a script"):
        page = (graded / "autograded" / student / A / f"{A}.ipynb").read_text() + feedback.get(student, "")
        for exercise in load_catalogue(ROOT / "solutions").exercises(A):
            seed = seed_for(bytes.fromhex(SECRET), student, exercise.name)
            for question in full_key(exercise, seed).questions:
                if not question.hidden:
                    continue
                arrays = [a for a in (*question.args, question.dout) if isinstance(a, np.ndarray)]
                arrays += [a for values in question.expected.values() for a in values]
                for value in (v for a in arrays for v in np.ravel(a)[:20] if abs(v) > 1e-3 and v != round(v, 2)):
                    searched += 1
                    assert repr(float(value))[:7] not in page
    assert searched > 1000


def test_the_export_is_proper_csv(graded):
    """Every student has one row of eleven columns, names with commas and quotes included."""
    nbgrader(graded, "export")
    with open(graded / "grades.csv", newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    scores = {row["student_id"]: float(row["score"]) for row in rows}
    assert scores == pytest.approx(EXPECTED)
    assert all(None not in row and None not in row.values() for row in rows)


def test_autograder_grade_agrees_to_the_last_digit(graded, scores, tmp_path):
    """The same folder graded without nbgrader gives every student the very same score."""
    command = [sys.executable, "-m", "autograder", "grade", graded / "submitted", "--assignment", A, "--out", tmp_path]
    subprocess.run(command, cwd=graded, env=os.environ | {"AUTOGRADER_SECRET": SECRET}, check=True, capture_output=True)
    record = json.loads((tmp_path / "results.json").read_text())
    assert {s["student"]: s["score"] for s in record["submissions"]} == {
        name: score for name, (score, _) in scores.items()
    }


def test_autograding_again_changes_nothing(graded, scores):
    """A forced second run gives every submission the same score: hidden inputs belong to the student."""
    nbgrader(graded, "autograde", A, "--force", "--CourseDirectory.student_id=[anpw]*")
    with Gradebook(f"sqlite:///{graded}/gradebook.db") as gradebook:
        again = {s.student.id: s.score for s in gradebook.assignment_submissions(A)}
    assert {student: score for student, (score, _) in scores.items()} == again


# What a student can find out beforehand ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        ("the solution", ["Success! Your notebook passes all the tests."]),
        ("nothing", ["VALIDATION FAILED ON 6 CELL(S)", "affine_forward is not written yet"]),
        ("an average for a sum", ["VALIDATION FAILED ON 1 CELL(S)", "dw is wrong in"]),
    ],
)
def test_validate_tells_a_student_the_truth(released, solved, tmp_path, answers, expected):
    """`nbgrader validate` passes a right notebook and fails an unfinished or a wrong one, saying what is wrong."""
    given = {"the solution": solved, "nothing": {}, "an average for a sum": averaged(solved)}[answers]
    notebook = json.loads((released / "release" / A / f"{A}.ipynb").read_text())
    for cell in notebook["cells"]:
        cell["source"] = given.get(cell["id"], cell["source"])
    # The cells that draw take their time and are not what is validated.
    functions = [c for c in notebook["cells"] if c["cell_type"] == "code" and "nbgrader" in c["metadata"]]
    start = {"cell_type": "code", "id": "start", "metadata": {}, "outputs": [], "execution_count": None}
    start["source"] = "import numpy as np\nfrom autograder import check"
    notebook["cells"] = [start, *functions]
    (tmp_path / f"{A}.ipynb").write_text(json.dumps(notebook))
    said = nbgrader(tmp_path, "validate", f"{A}.ipynb")
    assert [text for text in expected if text not in said] == []
