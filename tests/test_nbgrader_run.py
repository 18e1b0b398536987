"""`run_notebook`: the plots of a submission reach the page, in display only; scores are those of trusted grading."""

import base64
import json
import struct
import zlib

import nbformat
import pytest
from nbgrader.api import Gradebook

from autograder.catalogue import load_catalogue
from autograder.handing_out.nbgrader_course import LOCAL_CONFIG, make_course
from autograder.nbgrader_plugin.pictures import SIGNATURE, plain_png
from autograder.nbgrader_plugin.running import plain_text
from tests.course import SOFTPLUS, A, answers_of, hand_in, nbgrader, repository_of

TEXT = """\
---
kernelspec:
  name: python3
  display_name: Python 3
---

```{code-cell}
import numpy as np
from autograder import check
```

```{code-cell}
# answer: softplus_forward
```

```{code-cell}
import matplotlib.pyplot as plt
plt.plot(softplus_forward(np.linspace(-3, 3))[0]);
```

```{code-cell}
check("softplus_forward")
```
"""
FULL = 3.5
WRONG = {"softplus_backward": "def softplus_backward(dout, cache):\n    return dout"}
# A stamp that a cell of the student's own leaves on the page, with whatever would act there.
ACTS = """\
from IPython.display import HTML, Javascript, Markdown, SVG, display
class Rich:
    def __repr__(self): return "<script>alert(1)</script>"
    def _repr_html_(self): return "<script>alert(2)</script>"
    def _repr_mimebundle_(self, **kwargs):
        return {"text/html": "<script>alert(3)</script>", "text/markdown": "<script>alert(4)</script>",
                "image/svg+xml": "<svg onload='alert(5)'/>", "application/javascript": "alert(6)",
                "application/vnd.jupyter.widget-view+json": {}, "text/latex": "$x$", "text/plain": repr(self)}
display(HTML("<script>alert(7)</script>"), Javascript("alert(8)"), Markdown("<script>alert(9)</script>"), Rich())
display({"image/png": b"<script>alert(10)</script>", "text/plain": "a picture"}, raw=True)
display({"image/png": PNG + b"<script>alert(11)</script>", "text/plain": "a tail"}, raw=True)
print("\\x1b]8;;http://evil\\x07link\\x1b]8;;\\x07 \\u202e")
raise ValueError("<script>alert(12)</script>")
"""
# What a submission's first cells do, and what then must stand somewhere among the outputs of each.
ATTACKS = {
    "exits": [("import os; os._exit(0)", "This cell was stopped")],
    "reaches out": [
        ("import os; os.kill(os.getppid(), 9)", "PermissionError"),
        ("import os\nwhile True: os.fork()", "PermissionError"),
        ("print(open({gradebook!r}, 'rb').read())", "PermissionError"),
        ("print(open({solution!r}).read())", "PermissionError"),
        ("import os; print(os.listdir({submitted!r}))", "PermissionError"),
        ("import socket; socket.create_connection(('127.0.0.1', 1))", "PermissionError"),
        ("open({gradebook!r}, 'ab').write(b'x')", "PermissionError"),
    ],
    "floods": [("for _ in range(10**5): print('x' * 1000)", "the rest of this cell's output is left out")],
    "acts": [(ACTS, "a tail")],
    "hangs": [("import time; time.sleep(10**6)", "This cell was stopped")],
}


def png(*chunks, end=b""):
    """A PNG of these chunks, with right sums."""
    return SIGNATURE + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body)) for kind, body in chunks
    ) + end  # fmt: skip


def header(width, height, depth=8, colour=0, rest=b"\0\0\0"):
    return b"IHDR", struct.pack(">IIBB", width, height, depth, colour) + rest


DOT = (header(1, 1), (b"IDAT", zlib.compress(b"\0\7")), (b"IEND", b""))


@pytest.fixture(scope="module")
def course(tmp_path_factory):
    """A class with the attackers, autograded in one batch with `run_notebook`, one worker so that all meet one box."""
    folder = tmp_path_factory.mktemp("run")
    repository = repository_of(folder / "repository", SOFTPLUS)
    (repository / "assignments" / A).mkdir()
    (repository / "assignments" / A / f"{A}.md").write_text(TEXT)
    course = folder / "course"
    make_course(load_catalogue(repository / "solutions"), repository / "assignments", course)
    (course / LOCAL_CONFIG).write_text(
        "c = get_config()\nc.SubmissionExporter.run_notebook = True\nc.SubmissionExporter.workers = 1\n"
        "c.SubmissionExporter.notebook_seconds = 60\n"
    )
    nbgrader(course, "generate_assignment", A)
    answers = answers_of(course)
    places = {"gradebook": str(course / "gradebook.db"), "submitted": str(course / "submitted")}
    places["solution"] = str(repository / "solutions" / "softplus.py")
    hand_in(course, "plots", answers | WRONG)
    hand_in(course, "unwritten")
    for student, cells in ATTACKS.items():
        sources = [source.replace("PNG", repr(png(*DOT))) for source, _ in cells]
        for name, place in places.items():
            sources = [source.replace(f"{{{name}!r}}", repr(place)) for source in sources]
        hand_in(course, student, answers, lambda notebook, cells, sources=sources: put_first(notebook, sources))
    (course / "submitted" / "nothing" / A).mkdir(parents=True)
    nbgrader(course, "autograde", A)
    return course


def put_first(notebook, sources):
    """Puts code cells before the others."""
    cell = {"cell_type": "code", "metadata": {}, "outputs": [], "execution_count": 1}
    notebook["cells"][:0] = [cell | {"id": f"first{at}", "source": source} for at, source in enumerate(sources)]


def page_of(course, student):
    return nbformat.read(course / "autograded" / student / A / f"{A}.ipynb", as_version=4)


def outputs_of(notebook, part):
    """The outputs of the first cell whose source holds this text."""
    return next(c.outputs for c in notebook.cells if c.cell_type == "code" and part in c.source)


def test_scores_are_those_of_trusted_grading(course):
    """Nothing that happens while a notebook is run adds or takes a point, and nobody is left out."""
    with Gradebook(f"sqlite:///{course}/gradebook.db", "course") as book:
        scores = {s.student.id: s.score for s in book.assignment_submissions(A)}
    expected = dict.fromkeys(ATTACKS, FULL) | {"plots": 2.0, "unwritten": 0.0, "nothing": 0.0}
    assert expected == pytest.approx(scores)
    assert len(expected) == 8


def test_a_plot_reaches_the_page(course):
    """Under the cell that draws it; what is graded keeps its report and its number; the page says what is what."""
    notebook = page_of(course, "plots")
    (figure,) = outputs_of(notebook, "plt.plot")
    assert set(figure.data) == {"image/png", "text/plain"}
    picture = base64.b64decode(figure.data["image/png"])
    assert picture.startswith(SIGNATURE)
    assert 100 < figure.metadata["image/png"]["width"] == int.from_bytes(picture[16:20], "big") <= 800
    report, points = outputs_of(notebook, 'check("softplus_forward")')
    assert "softplus_forward: passed" in report.data["text/plain"]
    assert points.data["text/plain"] == "2.0"
    assert "apart from grading" in notebook.cells[0].source


def test_what_fails_fails_as_in_a_kernel(course):
    """A cell that needs a function which was never written shows its error."""
    (error,) = outputs_of(page_of(course, "unwritten"), "plt.plot")
    assert error.ename == "NotImplementedError"
    assert "Need to implement softplus_forward" in "\n".join(error.traceback)


@pytest.mark.parametrize("student", ATTACKS)
def test_an_attack_comes_to_nothing(course, student):
    """Each cell says how it ended, and what comes after is shown all the same."""
    notebook = page_of(course, student)
    *_, heading = (at for at, cell in enumerate(notebook.cells) if "Other cells" in cell.source)
    for cell, (_, expected) in zip(notebook.cells[heading + 1 :], ATTACKS[student], strict=True):
        assert expected in json.dumps(cell.outputs)
    assert outputs_of(notebook, "plt.plot")[0].data["image/png"]


def test_only_inert_outputs_reach_the_page(course):
    """Text, errors, and pictures with nothing but pixels; no HTML, no script, no strange control characters."""
    notebook = page_of(course, "acts")
    outputs = outputs_of(notebook, "class Rich")
    assert {kind for o in outputs if o.output_type == "display_data" for kind in o.data} == {"text/plain", "image/png"}
    (picture,) = [o.data["image/png"] for o in outputs if "image/png" in o.get("data", {})]
    assert base64.b64decode(picture) == png(*DOT)
    (printed,) = [o.text for o in outputs if o.output_type == "stream"]
    assert printed == "link \N{REPLACEMENT CHARACTER}\n"
    nbgrader(course, "generate_feedback", A, "--CourseDirectory.student_id=acts")
    page = (course / "feedback" / "acts" / A / f"{A}.html").read_text()
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert(1)" in page
    assert "data:image/png;base64," in page


def test_no_result_but_the_graders_has_a_number(course):
    """What nbgrader reads points from, an `execute_result`, is never one of the student's."""
    for student in (*ATTACKS, "plots", "unwritten"):
        for cell in page_of(course, student).cells:
            if cell.cell_type == "code" and any(o.output_type == "execute_result" for o in cell.outputs):
                assert cell.metadata.nbgrader.grade


def test_where_no_notebook_can_be_run_grading_goes_on(course):
    """Each page says that it was not run, the batch is graded, and the log says why."""
    option = "--SubmissionExporter.accept_weak_sandbox=True"
    said = nbgrader(course, "autograde", A, "--force", "--CourseDirectory.student_id=plots", option)
    assert "the notebook of plots was graded but not run: a notebook is run in a confined process or not at" in said
    notebook = page_of(course, "plots")
    assert "could not be run" in notebook.cells[0].source
    assert outputs_of(notebook, "plt.plot") == []
    with Gradebook(f"sqlite:///{course}/gradebook.db", "course") as book:
        assert book.find_submission(A, "plots").score == pytest.approx(2.0)


# The parts -----------------------------------------------------------------------------------------------------------


def test_a_picture_is_put_together_again_from_its_pixels():
    """Texts, profiles and what follows the end are gone; the pixels are the same."""
    dot = png(*DOT)
    assert plain_png(dot) == dot
    assert plain_png(png(DOT[0], (b"tEXt", b"a\0<script>"), *DOT[1:], end=b"PK\3\4")) == dot


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"<svg/>",
        SIGNATURE,
        png(*DOT)[:-8],
        png(*DOT[:2]),
        png(DOT[0], DOT[2]),
        png(DOT[1], DOT[0], DOT[2]),
        png(DOT[0], *DOT),
        png(header(0, 1), *DOT[1:]),
        png(header(1, 2), *DOT[1:]),
        png(header(1 << 31, 1 << 31), *DOT[1:]),
        png(header(4001, 4001), *DOT[1:]),
        png(header(1, 1, depth=3), *DOT[1:]),
        png(header(1, 1, rest=b"\0\0\1"), *DOT[1:]),
        png(DOT[0], (b"IDAT", zlib.compress(b"\0\7" * 1000)), DOT[2]),
        png(DOT[0], (b"IDAT", b"no zlib"), DOT[2]),
        png(DOT[0], (b"IDAT", zlib.compress(b"\0\7")[:-1]), DOT[2]),
        png(DOT[0], (b"EVIL", b""), *DOT[1:]),
        SIGNATURE + struct.pack(">I", 1 << 31) + b"IHDR",
    ],
)
def test_what_is_no_picture_is_none(data):
    """Cut off, out of order, lying about its size, or more than its header says."""
    assert plain_png(data) is None


def test_text_is_what_would_be_printed():
    """Colours and links of a terminal go, a progress bar keeps its last state, other control characters are marked."""
    assert plain_text("\x1b[31mred\x1b[0m\x1b]0;title\x07 10%\r20%\r30%\nend\r\n\x00\u2066") == "30%\nend\n��"
