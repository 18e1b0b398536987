"""The class at a glance: what it counts, whom it puts side by side, and that nothing a student wrote acts in it."""

from __future__ import annotations

import html.parser
import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest

from autograder.class_report import page, summary_of, to_markdown, write_page
from autograder.cli import main
from autograder.results import read_head, read_submissions, write_results
from autograder.whole_class.alike import AlikeCode
from autograder.whole_class.likeness import array_mark, code_marks, definition_in
from autograder.whole_class.summary import ATTACKS, summarise
from tests.course import SOFTPLUS, A, repository_of

FORWARD = "def softplus_forward(x):\n    return np.logaddexp(0, x), x\n"
RIGHT = FORWARD + "def softplus_backward(dout, cache):\n    return dout / (1 + np.exp(-cache))\n"
# Two ways to the same wrong array, to which no mistake gives a name.
ODD = (
    FORWARD + "def softplus_backward(dout, cache):\n    return dout / (1 + np.exp(-cache)) + 0.01\n",
    FORWARD + "def softplus_backward(dout, cache):\n    s = 1 / (1 + np.exp(-cache))\n    return 0.01 + s * dout\n",
)
LONG = """\
def softplus_backward(dout, cache):
    x = cache
    result = np.zeros_like(x)
    for i, value in enumerate(x.ravel()):
        bounded = min(max(value, -20.0), 20.0)
        e = np.exp(-bounded)
        slope = 1.0 / (1.0 + e * {0})
        result.ravel()[i] = slope * dout.ravel()[i] + {1}
    return result
"""
# The same with other names, comments and spaces.
COPIED = """\
def softplus_backward(dout, cache):
    '''My very own.'''
    inputs=cache
    grad = np.zeros_like( inputs )  # start with nothing
    for k, v in enumerate(inputs.ravel()):
        clipped = min(max(v, -20.0), 20.0)

        ex = np.exp(-clipped)
        d = 1.0 / (1.0 + ex * 1.25)
        grad.ravel()[k] = d * dout.ravel()[k] + 0.5
    return grad
"""
CLASS = {
    **{f"right-{n}": RIGHT for n in range(4)},
    "odd-1": ODD[0],
    "odd-2": ODD[1],
    "long-1": FORWARD + LONG.format("1.25", "0.5"),
    "long-2": FORWARD + COPIED,
    "other": FORWARD + "def softplus_backward(dout, cache):\n    a = cache * 2\n    b = a.sum()\n    c = np.tanh(a)\n"
    "    d = c + b\n    return d * dout\n",
    "flipped": RIGHT.replace("dout / ", "-dout / "),
    "by-trying": FORWARD.replace("np.logaddexp(0, x)", "np.log(1 + np.exp(x))")
    + "def softplus_backward(dout, cache):\n    return dout * softplus_forward(cache + 1e-20j)[0].imag / 1e-20\n",
    "attacker": "import os\n" + RIGHT.replace("return np", 'os.chroot("/")\n    return np'),
    "nothing": FORWARD,
}


@pytest.fixture(scope="module")
def out(tmp_path_factory) -> Path:
    """The class, graded by the command."""
    place = tmp_path_factory.mktemp("class")
    solutions = repository_of(place / "repository", SOFTPLUS) / "solutions"
    for student, text in CLASS.items():
        (place / "submitted" / student).mkdir(parents=True)
        (place / "submitted" / student / "softplus.py").write_text("import numpy as np\n\n" + text)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AUTOGRADER_SECRET", "5e" * 32)
        command = ["grade", str(place / "submitted"), "--out", str(place / "out"), "--assignment", A]
        assert main([*command, "--solutions", str(solutions)]) == 0
    return place / "out"


def test_what_it_counts(out):
    """Statuses, mistakes with an example that names nobody, hidden cases that fail although all public ones pass."""
    summary = summary_of(out)
    forward, backward = summary.functions
    assert (forward.passed, backward.passed, backward.students) == (11, 4, 13)
    assert backward.statuses["missing"] == 1
    assert all(f.seconds > 0 for f in summary.functions)
    (flipped,) = [m for m in summary.mistakes if m.id == "sign-flipped"]
    assert (flipped.students, list(flipped.functions)) == (1, ["softplus_backward"])
    assert flipped.sentence == "Your dx is the gradient with its sign turned round."
    assert flipped.example[1].startswith('case "a batch"   dx[0, 0]   yours ')
    assert "flipped" not in " ".join(flipped.example)
    failing = {h.case: (h.failed, h.alone) for h in summary.hidden if h.function == "softplus_backward"}
    assert failing["another batch"][0] >= 6
    assert {row.student for row in summary.rows} == set(CLASS)


def test_who_needs_a_person(out):
    """A flagged numerical backward and an attack are listed, with the reason, and nobody else is."""
    look = {student: why for student, _, why in summary_of(out).look}
    assert set(look) == {"by-trying", "attacker"}
    assert "provisional" in look["by-trying"]
    assert look["attacker"] == "asked the operating system for something that no exercise needs"


def test_an_attack_that_cost_nothing(out):
    """An attack of which only a remark is left, since every function is right, is listed too."""
    head, submissions = read_head(out / "results.json"), list(read_submissions(out / "results.json"))
    (attacker,) = [s for s in submissions if s["student"] == "attacker"]
    attack = [r for r in attacker["remarks"] if r.startswith(ATTACKS[1][0])]
    assert len(attack) == 1
    (right,) = [s for s in submissions if s["student"] == "right-0"]
    assert [f["status"] for f in right["exercises"]] == ["passed", "passed"]
    assert summarise(head, [right]).look == []
    assert summarise(head, [right | {"remarks": attack}]).look == [("right-0", "", ATTACKS[1][1])]


def test_what_could_not_be_read(out, tmp_path):
    """A submission of which nothing could be read is listed with the reason, text like any other; a stub is not."""
    submitted = tmp_path / "submitted"
    for student in ("empty", "eve", "untouched"):
        (submitted / student).mkdir(parents=True)
    (submitted / "broken.zip").write_bytes(b"PK")
    (submitted / "eve" / "<i>|.py").symlink_to("/etc/passwd")
    stub = 'def softplus_forward(x):\n    raise NotImplementedError("Need to implement softplus_forward")\n'
    (submitted / "untouched" / "softplus.py").write_text(stub)
    solutions = out.parent / "repository" / "solutions"
    command = ["grade", str(submitted), "--out", str(tmp_path), "--assignment", A, "--solutions", str(solutions)]
    assert main(command) == 0
    summary = summary_of(tmp_path)
    no_code = "nothing of it could be read: there is no notebook and no .py file here"
    assert summary.look == [
        ("broken", "", "nothing of it could be read: this archive cannot be read: File is not a zip file"),
        ("empty", "", no_code),
        ("eve", "", f"{no_code}, since <i>|.py was left out: it is a symbolic link"),
    ]
    assert [row.student for row in summary.rows if row.look] == ["broken", "empty", "eve"]
    assert "since &lt;i&gt;|.py was left out" in "".join(page(summary))
    assert "since &lt;i&gt;\\|.py was left out" in to_markdown(summary)


def test_who_is_alike(out):
    """The same odd arrays and the same long code are put side by side; right and short functions are not."""
    alike = {(a.students, a.what) for a in summary_of(out).alike}
    assert alike == {
        (("odd-1", "odd-2"), "the same wrong dx in 4 public cases, not a mistake with a name"),
        (("long-1", "long-2"), "nearly the same code, apart from names and layout"),
        (("long-1", "long-2"), "the same wrong dx in 4 public cases, not a mistake with a name"),
    }


# Marks ----------------------------------------------------------------------------------------------------------------


def test_marks_of_arrays():
    """Sums in another order, and -0 for 0, have the same mark; another number or shape has not."""
    x = np.random.default_rng(0).standard_normal((30, 4)) + 3
    assert array_mark(x.sum(0)) == array_mark(x[::-1].sum(0))
    assert array_mark(np.array([0.0, 1])) == array_mark(np.array([-0.0, 1]))
    assert array_mark(x) != array_mark(x + 1e-4)
    assert array_mark(x) != array_mark(x.reshape(4, 30))
    assert array_mark(np.array([np.nan, np.inf])) != array_mark(np.array([np.inf, np.nan]))


def test_marks_of_code():
    """Names, comments and layout do not count, what is computed does; a short function has no marks."""
    own = code_marks(LONG.format("1.25", "0.5"))
    assert own
    assert own == code_marks(COPIED)
    assert own != code_marks(LONG.format("1.25", "0.5").replace("* dout", "- dout"))
    assert not code_marks("def f(x):\n" + "".join(f"    a = {n} * x\n" for n in range(3)) + "    return a\n")
    assert code_marks("def f(x):\n" + "".join(f"    a = {n} * x\n" for n in range(4)) + "    return a\n")


@pytest.mark.parametrize(
    "text", ["", "\0\n\n;;;", "'" * 9000, '"""' * 3000, "(" * 9000, "\\\n" * 4000, "é" * 9000, "1e" * 4000]
)
def test_marks_of_anything(text):
    """Any text can be marked: it is never parsed."""
    code_marks("def f():\n" + text)
    assert definition_in([text], "f") == ""


def test_the_text_of_a_function():
    """From its def to the next line at the margin; the last function of a file goes to its end."""
    text = "import x\ndef f(\n    a,\n):\n    return 1\n\n# rest\n    x\ndef g(): return 2"
    assert definition_in(["", text], "f") == "def f(\n    a,\n):\n    return 1\n\n# rest\n    x\n"
    assert definition_in([text], "g") == "def g(): return 2"


def test_what_many_have_in_common_is_no_sign():
    """Code that a good part of a class has written is not put side by side."""
    for students, groups in ((8, 1), (9, 0)):
        alike = AlikeCode()
        for n in range(students):
            alike.add(f"s{n}", {"name": "f", "code": ["a", "b", "c", "d", "e"]})
        assert len(alike.found(100)) == groups


# The page -------------------------------------------------------------------------------------------------------------

HOSTILE = (
    "<script>document.title='acted'</script><img src=x onerror=\"document.title='acted'\">`|*_[a](b)\u202e\x1b[2J\n# x"
)
FETCHING = {"script", "img", "link", "iframe", "object", "base", "form"}


@pytest.fixture
def hostile(out, tmp_path) -> Path:
    """The results with every text that a student could have written replaced by one that would act."""
    head, submissions = read_head(out / "results.json"), list(read_submissions(out / "results.json"))
    for submission in submissions:
        submission["student"] += HOSTILE
        for f in submission["exercises"]:
            f["flagged"] = HOSTILE if f["flagged"] else ""
            for finding in f["findings"]:
                finding.update(headline=HOSTILE, evidence=HOSTILE, idea=HOSTILE)
    write_results(tmp_path / "results.json", head, submissions)
    return tmp_path


class Tags(html.parser.HTMLParser):
    def __init__(self, text: str):
        super().__init__()
        self.tags: list[tuple[str, dict]] = []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))


def test_nothing_acts_in_the_page(hostile):
    """One script, ours, known to the page's policy by its hash; no handler, no address to fetch from."""
    text = "".join(page(summary_of(hostile)))
    found = Tags(text).tags
    assert [tag for tag, _ in found if tag in FETCHING] == ["script"]
    assert not [a for _, attributes in found for a in attributes if a.startswith("on") or a in ("src", "href")]
    (policy,) = [a["content"] for tag, a in found if tag == "meta" and "http-equiv" in a]
    assert policy.startswith("default-src 'none'; ")
    assert "\u202e" not in text
    assert "\x1b" not in text
    assert "&lt;script&gt;document.title" in text
    assert not re.search(r"url\((?!#)", text)


def test_nothing_acts_in_markdown(hostile):
    """Every cell stays a cell on a line of its own, and no markup of a student's is left."""
    text = to_markdown(summary_of(hostile))
    assert "<" not in text
    assert "\x1b" not in text
    rows = [line for line in text.splitlines() if line.startswith("|")]
    students = rows[next(i for i, row in enumerate(rows) if row.startswith("| student | points")) :]
    assert len(students) == 2 + len(CLASS)
    assert {len(re.findall(r"(?<!\\)\|", row)) for row in students} == {4}
    assert not re.search(r"(?<!\\)[`*\[]", text)


def test_report_is_written_and_told(out, tmp_path, capsys):
    """The command writes the page beside the results, or tells the Markdown."""
    shutil.copy(out / "results.json", tmp_path)
    assert main(["report", str(tmp_path)]) == 0
    assert capsys.readouterr().out == f"{tmp_path / 'report.html'}\n"
    assert (tmp_path / "report.html").read_text().endswith("</html>\n")
    for place in (tmp_path, tmp_path / "results.json"):
        assert main(["report", str(place), "--format", "md"]) == 0
        assert "## Mistakes with a name" in capsys.readouterr().out
    assert (out / "report.html").is_file()  # `grade` wrote it too


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (None, "there is no results.json in"),
        ("{}", "is not of the schema autograder/result/v1; move it away and grade again"),
        ("{", "cannot be read as results ("),
        (
            '{"schema": "autograder/result/v9", "submissions": []}',
            "is of a newer autograder (autograder/result/v9); update this one, or grade into another folder",
        ),
        (json.dumps({"schema": "autograder/result/v1", "assignment": "a", "grader": {}, "submissions": [{}]}), "grade"),
    ],
)
def test_no_report(tmp_path, capsys, text, why):
    """A folder without results, or with somebody else's, is refused in one line, and nothing is written."""
    if text is not None:
        (tmp_path / "results.json").write_text(text)
    assert main(["report", str(tmp_path)]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert why in captured.err
    assert len(captured.err.splitlines()) == 1
    assert captured.err.count("results.json") == 1  # one sentence, not one within another
    assert "--out" not in captured.err
    assert not (tmp_path / "report.html").exists()


def test_in_a_browser(hostile):
    """From a file, in light and dark: nothing acts, nothing is complained of, a heading sorts the table."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if chromium is None:
        pytest.skip("no Chromium is installed")
    path = write_page(hostile)
    shots = Path(__file__).parent.parent / "build" / "screenshots"
    shots.mkdir(parents=True, exist_ok=True)
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        for scheme in ("light", "dark"):
            tab = browser.new_page(color_scheme=scheme, viewport={"width": 1250, "height": 1400})
            said: list[str] = []
            tab.on("console", lambda message, said=said: said.append(message.text))
            tab.on("pageerror", lambda error, said=said: said.append(str(error)))
            tab.goto(f"file://{path}")
            percents = tab.locator("table.sortable tbody td:nth-child(3)")
            for expected in (sorted(map(int, percents.all_inner_texts()), reverse=True),) * 2:
                tab.locator("table.sortable th button", has_text="percent").click()
                assert [int(t) for t in percents.all_inner_texts()] == expected
                expected.reverse()
            assert tab.title() == f"{A}: the class at a glance"
            assert said == []
            tab.screenshot(path=shots / f"class-report-{scheme}.png", full_page=True)
        browser.close()
