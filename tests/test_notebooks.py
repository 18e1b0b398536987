"""The three notebooks: solved, they run, draw and prove what they say; as handed out, they earn nothing."""

from __future__ import annotations

import ast
import base64
import html
import importlib.util
import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import jupytext
import nbformat
import numpy as np
import pytest
from nbclient import NotebookClient

from autograder.course import figures, graphs, training
from autograder.course.earlier import NotFoundYet, find_functions
from autograder.gradients import check_vjp, numerical_gradient, relative_error
from autograder.release import build_notebook, student_notebook
from demo.solved import solved_notebook, working_layers
from tests.conftest import ROOT
from tests.test_release import solution_lines

ASSIGNMENTS = ("01_computational_graphs", "02_layers", "03_saturation")
FIGURES = {"01_computational_graphs": 8, "02_layers": 5, "03_saturation": 8}
QUESTIONS = {"01_computational_graphs": 2, "02_layers": 2, "03_saturation": 3}

# A connection to anywhere but this machine raises, in the kernel and in every process that it starts.
NO_NETWORK = """
import socket

_connect = socket.socket.connect


def connect(self, address):
    if self.family != socket.AF_UNIX and address[0] not in ("127.0.0.1", "::1", "localhost"):
        raise AssertionError(f"the notebook reaches for the network: {address}")
    return _connect(self, address)


socket.socket.connect = connect
"""


def execute(notebook, folder, name, **options):
    """Runs a notebook in a fresh kernel without network; returns it with its outputs, and the seconds."""
    guard = folder.parent / "guard"
    guard.mkdir()
    (guard / "sitecustomize.py").write_text(NO_NETWORK)
    nbformat.write(notebook, folder / f"{name}.ipynb")
    env = {k: v for k, v in os.environ.items() if k != "MPLBACKEND"} | {"PYTHONPATH": f"{guard}{os.pathsep}{ROOT}"}
    client = NotebookClient(
        notebook, timeout=120, kernel_name="python3", resources={"metadata": {"path": str(folder)}}, **options
    )
    started = time.perf_counter()
    client.execute(env=env)
    return notebook, time.perf_counter() - started


@pytest.fixture(scope="module")
def sources(catalogue):
    return {a: build_notebook(catalogue, a, ROOT / "assignments") for a in ASSIGNMENTS}


@pytest.fixture(scope="module")
def solved(sources, catalogue, tmp_path_factory):
    """Runs a solved notebook once, when it is first asked for."""
    done = {}

    def run(assignment):
        if assignment not in done:
            folder = tmp_path_factory.mktemp("course") / assignment
            folder.mkdir()
            if assignment == "03_saturation":
                working_layers(catalogue, folder)
            notebook = solved_notebook(catalogue, assignment, ROOT / "assignments")
            done[assignment] = execute(notebook, folder, assignment)
        return done[assignment]

    return run


def outputs(notebook, kind):
    return [o for c in notebook.cells if c.cell_type == "code" for o in c.outputs if o.output_type == kind]


def printed(notebook):
    return "".join(o.text for o in outputs(notebook, "stream") if o.name == "stdout")


def results_of_checks(notebook):
    """What each `check("name")` returned, by name."""
    found = {}
    for cell in notebook.cells:
        name = re.fullmatch(r'check\("(\w+)"\)', cell.source.strip())
        if name:
            found[name[1]] = [float(o.data["text/plain"]) for o in cell.outputs if o.output_type == "execute_result"]
    return found


@pytest.mark.parametrize("assignment", ASSIGNMENTS)
def test_a_solved_notebook_runs_and_earns_full_marks(solved, catalogue, assignment):
    """Top to bottom in a fresh kernel, without network, under two minutes, nothing on stderr, full marks."""
    notebook, seconds = solved(assignment)
    assert seconds < 120
    assert [o.text for o in outputs(notebook, "stream") if o.name == "stderr"] == []
    points = {f.name: [float(f.points)] for f in catalogue.functions(assignment)}
    assert results_of_checks(notebook) == points
    last = notebook.cells[-1]
    assert last.source.strip() == "check_saved()"
    assert [float(o.data["text/plain"]) for o in last.outputs if o.output_type == "execute_result"] == [
        sum(p for (p,) in points.values())
    ]


@pytest.mark.parametrize("assignment", ASSIGNMENTS)
def test_every_figure_is_drawn_and_described(solved, assignment):
    """Each figure of the text is there as a picture, with a description in words."""
    notebook, _ = solved(assignment)
    pictures = [o for o in outputs(notebook, "display_data") if "image/png" in o.data]
    assert len(pictures) == FIGURES[assignment]
    for picture in pictures:
        assert base64.b64decode(picture.data["image/png"]).startswith(b"\x89PNG")
        assert len(picture.data["text/plain"].split()) >= 10
        assert picture.metadata["image/png"]["alt"] == picture.data["text/plain"]


def test_the_graph_of_the_essay(solved):
    """e = (a + b)(b + 1) at a = 2, b = 1: 6, and the derivatives 5 and 2, in both modes."""
    text = printed(solved("01_computational_graphs")[0])
    assert "de/db = 2 (over c) + 3 (over d) = 5" in text
    assert "{'a': 0.0, 'b': 1.0, '1': 0.0, 'c': 1.0, 'd': 1.0, 'e': 5.0}" in text
    assert "{'a': 2.0, 'b': 5.0, '1': 3.0, 'c': 2.0, 'd': 3.0, 'e': 1.0}" in text
    assert "sum over paths  [3, 12, 39, 120, 363, 1092]" in text
    assert "reverse mode    [3, 6, 9, 12, 15, 18]" in text


def test_the_bridge_and_the_sandwich(solved):
    """The scalar graph gives the layer's gradient, and the composed layer passes its live check."""
    text = printed(solved("02_layers")[0])
    assert "w00: 25\nfirst example  2 · 10 = 20\nsecond example 5 ·  1 = 5" in text
    assert "dw [[25.0, 215.0], [9.0, 97.0]]" in text
    assert "steepest at x = 0.00, slope 0.2500" in text
    assert "not written yet" not in text


def test_the_climax_over_five_seeds(solved):
    """Four sigmoid layers are flat near 10 % under Glorot's rule, and reach 96 % with gain 4 and with tanh."""
    text = printed(solved("03_saturation")[0])
    accuracies = {
        name: [float(a) for a in re.findall(r"([\d.]+)%", line)]
        for name, line in re.findall(r"^(\w+, [\w ]+), rate [\d.]+\n  accuracy (.*)$", text, re.MULTILINE)
    }
    assert {name: len(five) for name, five in accuracies.items()} == {
        "sigmoid, Glorot": 5,
        "sigmoid, gain 4": 5,
        "tanh, Glorot": 5,
    }
    assert max(accuracies["sigmoid, Glorot"]) < 15
    assert min(accuracies["sigmoid, gain 4"]) >= 96
    assert min(accuracies["tanh, Glorot"]) >= 96
    assert "width 64, batches of 32, 40 epochs, softmax and cross-entropy, images split by seed 0" in text


@pytest.mark.parametrize("assignment", ASSIGNMENTS)
def test_a_notebook_as_handed_out_earns_nothing(sources, catalogue, tmp_path, assignment):
    """Every check of the untouched notebook returns 0, and only the missing functions raise."""
    notebook = student_notebook(sources[assignment])
    (tmp_path / assignment).mkdir()
    notebook, _ = execute(notebook, tmp_path / assignment, assignment, allow_errors=True)
    assert results_of_checks(notebook) == {f.name: [0.0] for f in catalogue.functions(assignment)}
    assert [o.text for o in outputs(notebook, "stream") if o.name == "stderr"] == []
    allowed = {"NotImplementedError", "NameError", "KeyError", "NotFoundYet"}  # and what follows from the first
    assert {o.ename for o in outputs(notebook, "error")} <= allowed


@pytest.mark.parametrize("assignment", ASSIGNMENTS)
def test_questions_for_a_person(sources, assignment):
    """Two or three questions graded by hand, with points and a model answer that students do not get."""
    asked = [
        c
        for c in sources[assignment].cells
        if c.cell_type == "markdown" and c.metadata.get("nbgrader", {}).get("grade")
    ]
    assert len(asked) == QUESTIONS[assignment]
    assert all("### BEGIN SOLUTION" in c.source and c.metadata.nbgrader.points == 2 for c in asked)
    handed_out = "\n".join(c.source for c in student_notebook(sources[assignment]).cells)
    assert "BEGIN SOLUTION" not in handed_out
    for cell in asked:
        answer = re.search(r"### BEGIN SOLUTION\n(.*?)\n### END SOLUTION", cell.source, re.DOTALL)[1]
        assert not any(line in handed_out for line in answer.splitlines())


@pytest.mark.parametrize("assignment", ASSIGNMENTS)
def test_a_notebook_has_its_parts(assignment):
    """Goals, time and prerequisites first; predictions on the way; summary, reading and handing in at the end."""
    text = (ROOT / "assignments" / assignment / f"{assignment}.md").read_text(encoding="utf-8")
    for part in ("**After this notebook you will be able to**", "**Time:**", "**You need:**", "**Where to go next.**"):
        assert text.count(part) == 1
    for cited in ("Yes you should understand backprop", "Calculus on Computational Graphs", "Nielsen", "CS231n"):
        assert cited in text[text.index("**Where to go next.**") :]
    assert text.count("**Predict.**") >= 7
    assert "What to take along" in text


def prose():
    return sorted([*ROOT.glob("assignments/*/*.md"), *ROOT.glob("docs/instructor-notes/*.md"), ROOT / "docs/course.md"])


def text_of(path):
    """What a reader reads: the text without code cells."""
    if path.parent.parent.name != "assignments":
        return path.read_text(encoding="utf-8")
    return "\n\n".join(c.source for c in jupytext.read(path).cells if c.cell_type == "markdown")


def descriptions(assignment):
    """The description of each figure, as the notebook's code has it, in order."""
    found = []
    for cell in jupytext.read(ROOT / "assignments" / assignment / f"{assignment}.md").cells:
        if cell.cell_type == "code":
            calls = [n for n in ast.walk(ast.parse(cell.source)) if isinstance(n, ast.Call) and n.args]
            shown = [n.args[-1] for n in calls if ast.unparse(n.func) in ("figures.show", "draw_sweep")]
            found += [" ".join(n.value.split()) for n in shown if isinstance(n, ast.Constant)]
    return found


@pytest.mark.parametrize("assignment", ASSIGNMENTS)
def test_instructor_notes(assignment):
    """Each notebook has notes: timing, mistakes, how to shorten, ten viva questions, every figure in words."""
    text = (ROOT / "docs" / "instructor-notes" / f"{assignment}.md").read_text(encoding="utf-8")
    for part in ("## Timing", "**To shorten**", "## What each exercise draws out", "## Common questions", "## Viva"):
        assert part in text
    assert len(re.findall(r"^\d+\. \*.+\?\*|^\d+\. \*.+\.\* ", text, re.MULTILINE)) == 10
    assert text.count("rubric (2 points)") == QUESTIONS[assignment]
    assert re.findall(r"^- \d\.\d+: (.*)$", text[text.index("## Figures") :], re.MULTILINE) == descriptions(assignment)
    assert len(descriptions(assignment)) == FIGURES[assignment]


def test_the_table_of_the_course(catalogue):
    """docs/course.md tells the exercises, points, questions and figures that there are."""
    text = (ROOT / "docs" / "course.md").read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| \[(\w+)\]\([^)]*\) \| [^|]*hours \| (.*) \|$", text, re.MULTILINE))
    assert rows == {
        a: f"{len(catalogue.functions(a))} | {sum(f.points for f in catalogue.functions(a)):g} | "
        f"{QUESTIONS[a]} ({2 * QUESTIONS[a]} points) | {FIGURES[a]}"
        for a in ASSIGNMENTS
    }
    for function in catalogue.functions():
        assert f"`{function.name}`" in text


def test_links_inside_the_course_resolve():
    """Every relative link leads to a file, and every section that a text or a hint names is there."""
    links = 0
    for path in prose():
        for target in re.findall(r"\]\(([^)#\s]+)", text_of(path)):
            assert target.startswith("https://") or (path.parent / target).exists(), (path, target)
            links += 1
    assert links >= 6
    sections = set()
    for assignment in ASSIGNMENTS:
        text = (ROOT / "assignments" / assignment / f"{assignment}.md").read_text(encoding="utf-8")
        sections |= set(re.findall(r"^## (\d\.\d+) ", text, re.MULTILINE))
    named = 0
    for path in [*prose(), *ROOT.glob("solutions/*.py")]:
        for group in re.findall(r"[Ss]ections? (\d\.\d+(?:(?:, | and )\d\.\d+)*)", path.read_text(encoding="utf-8")):
            for section in re.findall(r"\d\.\d+", group):
                assert section in sections, (path, section)
                named += 1
    assert named >= 5


def test_spelling():
    """codespell finds nothing in what people read; `dout` is a name, not a word."""
    paths = [*map(str, prose()), str(ROOT / "solutions"), str(ROOT / "autograder" / "course")]
    done = subprocess.run(
        [sys.executable, "-m", "codespell_lib", "-L", "dout", *paths], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, "")


def test_prose_is_one_sentence_a_line():
    """No line of prose ends one sentence and starts another, so that a diff reads."""
    for assignment in ASSIGNMENTS:
        cells = jupytext.read(ROOT / "assignments" / assignment / f"{assignment}.md").cells
        for cell in cells:
            if cell.cell_type != "markdown" or "question" in cell.metadata:
                continue
            for line in cell.source.splitlines():
                if line.startswith(("|", "-", ">", "#", "**")) or '"' in line or "(" in line:
                    continue
                assert not re.search(r"[a-z]{2}[.?!] [A-Z]", line), line


# The course's own module ----------------------------------------------------------------------------------------------


def notebook_of(*cells):
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(c) for c in cells])
    return json.dumps(notebook)


TANH = "def tanh_forward(x):\n    return scale(x), x\n", "def tanh_backward(dout, cache):\n    return dout\n"


def test_functions_are_found_in_a_neighbours_notebook(tmp_path, monkeypatch, capsys):
    """Definitions and constants of a notebook are taken, nothing else of it runs, and its place is named."""
    (tmp_path / "02_layers").mkdir()
    (tmp_path / "03_saturation").mkdir()
    cells = (
        "%matplotlib inline\nimport numpy as np\nTWO = 2\ndef scale(x):\n    return TWO * x",
        *TANH,
        "1 / 0",
        "if:",
    )
    (tmp_path / "02_layers" / "02_layers.ipynb").write_text(notebook_of(*cells))
    monkeypatch.chdir(tmp_path / "03_saturation")
    found = find_functions("tanh_forward", "tanh_backward")
    assert found["tanh_forward"](3)[0] == 6
    assert f"tanh_forward: yours, from {os.path.join('..', '02_layers', '02_layers.ipynb')}" in capsys.readouterr().out


def test_a_stub_is_not_found_and_a_pair_stays_together(tmp_path, monkeypatch, capsys):
    """A forward whose backward is still the stub is left for a file that has both."""
    place = tmp_path / "03_saturation"
    (place / "layers").mkdir(parents=True)
    stub = "def tanh_backward(dout, cache):\n    raise NotImplementedError('Need to implement tanh_backward')\n"
    (place / "layers" / "tanh.py").write_text("def tanh_forward(x):\n    return -x, x\n" + stub)
    monkeypatch.chdir(place)
    assert find_functions("tanh_forward", "tanh_backward") == {}
    assert "ask whoever teaches the course" in capsys.readouterr().out
    (place / "mine.ipynb").write_text(notebook_of("def scale(x):\n    return 5 * x", *TANH))
    assert find_functions("tanh_forward", "tanh_backward")["tanh_forward"](1)[0] == 5


def test_functions_that_are_needed_and_missing_are_an_error(tmp_path):
    """The error says which are missing and what to do."""
    with pytest.raises(NotFoundYet, match=r"sigmoid_forward: not found\. Put the notebook"):
        find_functions("sigmoid_forward", where=tmp_path, needed=True)


def test_nudging_gives_what_the_reverse_mode_gives(catalogue):
    """On the layer's scalar graph the slow way and the reference of `reverse_mode` agree."""
    rng = np.random.default_rng(0)
    x, w, b = rng.standard_normal((3, 2)), rng.standard_normal((2, 2)), rng.standard_normal(2)
    graph = graphs.affine_graph(x, w, b)
    cotangent = rng.standard_normal(len(graph.names))
    reverse_mode = next(f.reference for f in catalogue.functions() if f.name == "reverse_mode")
    swept = reverse_mode(len(graph.names), graph.edges, graph.local, cotangent)
    assert np.allclose(graphs.nudge_every_node(graph, cotangent), swept, atol=1e-8)
    outputs = [graph.values[graph.node(f"out{n}{j}")] for n in range(3) for j in range(2)]
    assert np.allclose(np.reshape(outputs, (3, 2)), x @ w + b)


@pytest.mark.parametrize("loss", [training.softmax_cross_entropy, training.squared_error])
def test_the_gradients_of_the_losses(loss):
    """Each loss's gradient is its numerical one, also for scores that would overflow an exponential."""
    rng = np.random.default_rng(0)
    scores, labels = rng.standard_normal((4, 5)), rng.integers(0, 5, 4)
    assert relative_error(loss(scores, labels)[1], numerical_gradient(lambda s: loss(s, labels)[0], scores)) < 1e-5
    assert np.isfinite(loss(1000 * scores, labels)[0])


def test_the_gradient_of_a_network(catalogue):
    """network_forward and network_backward together pass the course's own check."""
    reference = {f.name: f.reference for f in catalogue.functions()}
    affine = training.Layer(reference["affine_forward"], reference["affine_backward"])
    tanh = training.Layer(reference["tanh_forward"], reference["tanh_backward"])
    rng = np.random.default_rng(0)
    weights, biases = training.new_network([3, 4, 2], lambda noise: noise, rng)
    x = rng.standard_normal((5, 3))

    def forward(w0, w1, b0, b1):
        scores, trail, _ = training.network_forward(x, [w0, w1], [b0, b1], affine, tanh)
        return scores, trail

    def backward(dscores, trail):
        dweights, dbiases = training.network_backward(dscores, trail, affine)
        return (*dweights, *dbiases)

    assert check_vjp(forward, backward, (*weights, *biases)).ok


def test_the_course_module_needs_matplotlib_only_to_draw():
    """Importing the course's module loads neither matplotlib nor scikit-learn."""
    code = "import sys, autograder.course.figures, autograder.course.training, autograder.course.earlier\n"
    code += "print([m for m in ('matplotlib', 'sklearn', 'IPython') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
    assert importlib.util.find_spec("matplotlib")
    assert Path(figures.__file__).parent == ROOT / "autograder" / "course"


def test_the_docs_build_shows_no_solution(tmp_path):
    """The rendered pages have every figure with its description, the reports, and no line of a reference."""
    done = subprocess.run(
        [sys.executable, str(ROOT / "docs" / "build.py"), str(tmp_path)], capture_output=True, text=True, cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    lines = [html.escape(line, quote=False) for line in solution_lines()]
    for assignment in ASSIGNMENTS:
        page = (tmp_path / f"{assignment}.html").read_text()
        assert page.count('<img alt="') == FIGURES[assignment]
        assert "No description has been provided" not in page
        assert "Need to implement" in page
        assert [line for line in lines if line in re.sub(r"<[^>]*>", "", page)] == []
