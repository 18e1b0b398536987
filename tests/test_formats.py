"""One canonical result, written for each consumer: valid there, exact in its scores, without what is hidden, inert."""

from __future__ import annotations

import copy
import csv
import hashlib
import io
import json
import math
import re

import jsonschema
import junitparser
import pytest
from markdown_it import MarkdownIt

from autograder.answer_key import full_key
from autograder.catalogue import load_catalogue
from autograder.cli import main
from autograder.errors import BadInput
from autograder.formats import (
    FORMATS,
    canvas,
    classroom50,
    github,
    gradescope,
    junit,
    prairielearn,
    safe_name,
    tables,
    write_formats,
)
from autograder.formats.reading import no_commands
from autograder.intake.locate import line_of, located
from autograder.secret import seed_for
from demo.classroom import reference_source
from tests.conftest import ROOT, SECRET
from tests.consumers import CLASSROOM50, CODE_QUALITY, GRADESCOPE, PRAIRIELEARN, commands_obeyed

HIDDEN = "0.73105857863"  # a hidden expected value: nothing but results.json may hold it
HOSTILE = (
    '::error::forged\n::add-mask::x ##[group] </failure> <script>alert(1)</script> ]]> \x1b[2J\x00 =cmd|"/c calc" ``` '
)
RUNNER = {
    "CLASSROOM": "spring",
    "ASSIGNMENT": "layers",
    "SUBMISSION_TAG": "submit/2030-01-01T00-00-00Z-abc",
    "COMMIT_URL": "https://example.org/c",
    "RELEASE_URL": "https://example.org/r",
    "REVIEW_URL": "https://example.org/v",
}


def finding(**changes) -> dict:
    return {
        "case": "a batch", "array": "dx", "passed": False, "kind": "failed", "headline": "f_backward: dx is wrong.",
        "evidence": "dx[0, 0]   yours 0.2", "idea": "", "hint": "", "hidden": False, "reason": "", "similar": "",
    } | changes  # fmt: skip


def exercise(name: str, status: str, score: float, max_score: float = 2.0, findings: tuple = (), **changes) -> dict:
    return {
        "name": name, "status": status, "score": score, "max_score": max_score, "diagnosis": [],
        "findings": list(findings), "remarks": [], "flagged": "",
    } | changes  # fmt: skip


def record(student: str = "ada", key: str = "full") -> dict:
    """A run of one submission: a pass, a wrong array in a hidden case, and an exception whose message is hostile."""
    hidden = finding(
        hidden=True, evidence=f"yours 0.2 numerical gradient {HIDDEN}", reason="more than one row", case="a wide batch"
    )
    raised = finding(kind="error", array="", headline=f"tanh_forward raised ValueError: {HOSTILE}", evidence=HOSTILE)
    return {
        "schema": "autograder/result/v1",
        "assignment": "02_layers",
        "created": "2030-01-01T02:00:00+02:00",
        "grader": {"version": "0.1.0", "key": key, "sandbox": "full", "secret": "0123456789ab"},
        "submissions": [
            {
                "student": student,
                "path": "submitted/ada",
                "digest": "0" * 64,
                "score": 1.7 + 1.1333333333333333,
                "max_score": 5.4,
                "seconds": 0.25,
                "remarks": [],
                "exercises": [
                    exercise("f_forward", "partial", 0.85 * 2, findings=[finding(passed=True)]),
                    exercise("f_backward", "partial", 1.1333333333333333, 1.4, [hidden], diagnosis=["scaled"]),
                    exercise("tanh_forward", "error", 0.0, findings=[raised]),
                ],
            }
        ],
    }


def one(module, data: dict, *more) -> dict:
    return json.loads(module.text(data, data["submissions"][0], *more))


def every_text(data: dict) -> dict[str, str]:
    """Each format of a record, by name."""
    texts = {}
    for name, format in FORMATS.items():
        if format.of_run is not None:
            texts[name] = format.of_run([data])
        elif name == "classroom50":
            texts[name] = classroom50.text(data, data["submissions"][0], RUNNER)
        else:
            texts[name] = format.of_one(data, data["submissions"][0])
    return texts | {"annotations": github.annotations([data])}


@pytest.fixture(scope="module")
def graded(tmp_path_factory) -> tuple:
    """A real run of a class of three: right, wrong, and nothing that can be read; with every format of a class."""
    folder = tmp_path_factory.mktemp("class")
    functions = load_catalogue(ROOT / "solutions").functions("02_layers")
    right = "import numpy as np\n\n\n" + "\n\n\n".join(reference_source(f) for f in functions)
    wrong = right.replace("axis=0", "axis=1") + "\n\n\ndef tanh_forward(x):\n    return 0.5 * np.tanh(x), x\n"
    class_of = (("ada", "w.py", right), ("bo, 'b'", "w.py", wrong), ("eve", "eve.ipynb", "no notebook"))
    for student, name, text in class_of:
        (folder / "class" / student).mkdir(parents=True)
        (folder / "class" / student / name).write_text(text)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AUTOGRADER_SECRET", SECRET.hex())
        patch.chdir(folder)
        wanted = [f"--format={name}" for name in sorted(FORMATS) if name != "classroom50"]
        assert main(["grade", "class", "--out", "out", "--assignment", "02_layers", *wanted]) == 0
    return folder / "out", json.loads((folder / "out" / "results.json").read_text())


# Valid where it is read -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "schema"),
    [
        ("gradescope", GRADESCOPE),
        ("prairielearn", PRAIRIELEARN),
        ("classroom50", CLASSROOM50),
        ("gitlab", CODE_QUALITY),
    ],
)
def test_json_formats_are_what_their_consumer_reads(name, schema):
    """Each validates, and the schema can fail: without its scores, or with another type, it does."""
    data = json.loads(every_text(record())[name])
    jsonschema.validate(data, schema)
    broken = copy.deepcopy(data)
    first = broken[0] if isinstance(broken, list) else broken["tests"][0]
    first.pop({"gitlab": "description", "prairielearn": "points"}.get(name, "score"))
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(broken, schema)


def test_junit_is_read_by_a_junit_parser():
    """Counts, unique names, the body beside the message, and what kind of failure it was."""
    suites = junitparser.JUnitXml.fromstring(junit.text([record()]).encode())
    (suite,) = suites
    assert (suite.tests, suite.failures, suite.errors, suite.skipped) == (3, 3, 0, 0)
    cases = list(suite)
    assert len({(case.classname, case.name) for case in cases}) == 3
    assert {case.classname for case in cases} == {"02_layers.ada"}
    (failure,) = cases[1].result
    assert (failure.message, failure.type) == ("f_backward: dx is wrong.", "partial")
    assert failure.text.startswith("f_backward: dx is wrong.")


def test_a_graders_own_error_is_no_failure_of_the_student():
    """JUnit keeps them apart."""
    data = record()
    data["submissions"][0]["exercises"][0]["status"] = "grader_error"
    (suite,) = junitparser.JUnitXml.fromstring(junit.text([data]).encode())
    assert (suite.failures, suite.errors) == (2, 1)


def test_the_formats_of_a_real_run(graded):
    """A class of three: class files hold everyone, the others are a file a student, all valid, all with its scores."""
    out, data = graded
    scores = {s["student"]: s["score"] for s in data["submissions"]}
    assert scores["ada"] == 12.0
    assert 0 < scores["bo, 'b'"] < 12
    assert scores["eve"] == 0.0
    for name, schema in (("gradescope", GRADESCOPE), ("prairielearn", PRAIRIELEARN)):
        files = {path.name for path in (out / name).iterdir()}
        assert files == {"ada.json", "bo%2C%20%27b%27.json", "eve.json"}
        for file in files:
            jsonschema.validate(json.loads((out / name / file).read_text()), schema)
    assert json.loads((out / "gradescope" / "ada.json").read_text())["score"] == 12.0
    assert json.loads((out / "prairielearn" / "eve.json").read_text())["gradable"] is False
    assert len(list(junitparser.JUnitXml.fromfile(str(out / "junit.xml")))) == 3
    jsonschema.validate(json.loads((out / "gitlab.json").read_text()), CODE_QUALITY)
    rows = list(csv.DictReader(io.StringIO((out / "scores.csv").read_text(), newline="")))
    assert {row["student"]: float(row["score"]) for row in rows} == pytest.approx(scores)


def test_hidden_evidence_of_a_real_run_reaches_no_student(graded):
    """No line of hidden evidence in results.json stands in any file that a student sees."""
    out, data = graded
    findings = [f for s in data["submissions"] for e in s["exercises"] for f in e["findings"]]
    hidden = {f["evidence"] for f in findings if f["hidden"] and not f["passed"] and f["evidence"]}
    assert hidden
    shown = "".join(p.read_text() for p in out.rglob("*") if p.is_file() and p.name != "results.json" and p.suffix)
    assert "bias-wrong-axis" in shown
    assert [text for text in hidden if text in shown] == []


# Scores -----------------------------------------------------------------------------------------------------


def test_fractional_scores_are_kept():
    """Gradescope's and PrairieLearn's scores are the exact ones, and the top score is the sum."""
    data = record()
    exact = [e["score"] for e in data["submissions"][0]["exercises"]]
    result = one(gradescope, data)
    assert [test["score"] for test in result["tests"]] == exact
    assert result["score"] == math.fsum(exact)
    assert one(prairielearn, data)["score"] == math.fsum(exact) / math.fsum([2.0, 1.4, 2.0])


def test_a_share_stays_within_its_bounds():
    """Rounding never makes a share larger than 1, and an assignment without points has none."""
    assert prairielearn.share(12.000000000000002, 12.0) == 1.0
    assert prairielearn.share(0.0, 0.0) == 0.0


def test_whole_scores_count_hundredths_and_never_round_up():
    """Classroom 50's integers: 1.7 is 170, a third of 1.4 is not more; the exact ones stand beside."""
    result = one(classroom50, record(), RUNNER)
    assert [(t["score"], t["max-score"], t["points"]) for t in result["tests"]] == [
        (170, 200, 1.7),
        (113, 140, 1.1333333333333333),
        (0, 200, 0.0),
    ]
    assert (result["score"], result["max-score"]) == (283, 540)
    assert result["datetime"] == "2030-01-01T00:00:00Z"
    assert classroom50.whole(0.29) == 29
    assert classroom50.whole(-1.0) == 0


def test_classroom50_outside_its_runner_is_bad_input():
    """Without what names the submission there is no result to write."""
    with pytest.raises(BadInput, match="Classroom 50's runner, which sets CLASSROOM"):
        classroom50.text(record(), record()["submissions"][0], {})


def test_numbers_in_tables_are_numbers():
    """No noise of the last bits, and a reader gets the score back."""
    assert [tables.number(x) for x in (0.85 * 2, 0.1 + 0.2, 12, 1 / 3)] == ["1.7", "0.3", "12.0", "0.333333333"]


# What a student may see -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [*sorted(FORMATS), "annotations"])
def test_no_format_holds_hidden_numbers(name):
    """Of a hidden case its name and reason are shown, where text is shown at all, and never the evidence."""
    text = every_text(record())[name]
    assert HIDDEN not in text
    if name in ("gradescope", "prairielearn", "junit", "github"):
        assert "more than one row" in text


LEAKS = """import warnings
import numpy as np

def sigmoid_forward(x):
    out = 1 / (1 + np.exp(-np.clip(x, -500, 500)))
    warnings.warn(x.tobytes().hex())
    return out, out

def tanh_forward(x):
    if x.tobytes().hex()[:40] not in PUBLIC:
        raise type("N" + x.tobytes().hex(), (Exception,), {})(x.tobytes().hex())
    out = np.tanh(x)
    return out, out

PUBLIC = """


def test_what_a_submission_says_of_its_hidden_inputs_is_not_repeated(tmp_path):
    """In a warning or an exception, by its text or its name, it could tell itself what it is asked."""
    asked: dict[bool, set[str]] = {True: set(), False: set()}
    for exercise in load_catalogue(ROOT / "solutions").exercises("02_layers"):
        if exercise.name in ("sigmoid", "tanh"):
            for question in full_key(exercise, seed_for(SECRET, "eve", exercise.name)).questions:
                asked[question.hidden].add(question.args[0].tobytes().hex()[:40])
    (tmp_path / "eve.py").write_text(LEAKS + repr(asked[False]))
    out = tmp_path / "out"
    wanted = [f"--format={name}" for name in sorted(FORMATS) if name != "classroom50"]
    assert main(["grade", str(tmp_path / "eve.py"), "--out", str(out), "--assignment=02_layers", *wanted]) == 0
    shown = "".join(p.read_text() for p in out.iterdir() if p.suffix and p.name != "results.json")
    shown = re.sub(r"\s|\\n", "", shown)  # as one line: text is wrapped, and in JSON a line break is written out
    assert "warns:ofsomething,inahiddencase" in shown
    assert "tanh_forwardraisedanexceptionofitsown" in shown
    assert any(text in shown for text in asked[False])  # everybody has the public ones
    hidden = asked[True] - asked[False]
    assert len(hidden) > 10
    assert [text for text in hidden if text in shown] == []


def test_the_record_itself_holds_what_the_formats_leave_out():
    """The test before this one can fail: the numbers are in the record that the formats are made of."""
    assert HIDDEN in json.dumps(record())


# Inert ------------------------------------------------------------------------------------------------------


def test_a_student_cannot_issue_workflow_commands():
    """Whatever an exception says, GitHub's runner obeys our annotations alone, and reads their text as it was."""
    data = record(student="::stop-commands::t\n::set-output name=a::b")
    log = github.quiet("\n".join(every_text(data).values())) + github.annotations([data])
    obeyed = commands_obeyed(log)
    assert [name for name, _, _ in obeyed] == ["error", "error", "error"]
    assert obeyed[2][1]["title"].startswith("tanh_forward (::stop-commands::t\n")
    assert commands_obeyed(HOSTILE)[0][0] == "error"  # which it would have obeyed


def test_without_the_token_lines_are_inert_by_themselves():
    """A CI other than GitHub's wraps nothing: no line begins with a command, and text in it stays readable."""
    assert commands_obeyed(no_commands(HOSTILE)) == []
    assert no_commands("  ::error::x") == "  > ::error::x"
    assert no_commands("a::b") == "a::b"


def test_annotations_are_escaped_and_few():
    """Commas and colons in a file's name, line breaks in a message; ten of a kind, as GitHub shows no more."""
    line = github.command("error", "50 % of\ndx", file="a,b:c.py", line="3")
    assert line == "::error file=a%2Cb%3Ac.py,line=3::50 %25 of%0Adx"
    assert commands_obeyed(line) == [("error", {"file": "a,b:c.py", "line": "3"}, "50 % of\ndx")]
    data = record()
    data["submissions"][0]["exercises"] *= 20
    assert len(github.annotations([data]).splitlines()) == 10


def test_what_is_not_written_yet_is_a_notice():
    """An error is what is wrong."""
    data = record(key="public")
    data["submissions"][0]["exercises"][0] = exercise("f_forward", "missing", 0.0, findings=[finding(kind="missing")])
    assert github.annotations([data]).count("::notice ") == 1


def test_the_summary_is_text_whatever_a_student_wrote():
    """No HTML, link or picture of theirs, no end of our code block, and below GitHub's limit."""
    data = record(student="<img src=x> [a](http://x) ![b](http://y) | c\u202e\x1b[2J")
    summary = github.summary([data])
    html = MarkdownIt("gfm-like", {"linkify": False}).render(summary)
    assert "<script>" not in html.replace("<code", "")
    for forbidden in ("<img", "<a ", "<script"):
        assert forbidden not in html
    assert "\u202e" not in summary
    assert "\x1b" not in summary
    assert html.count("<details>") == html.count("</details>") == 3
    assert html.count("<tr>") == 4
    data["submissions"] *= 3000
    assert len(github.summary([data]).encode()) < 1 << 20


def test_xml_holds_no_character_that_xml_forbids():
    """Control characters, an end of the element and of a CDATA section: the parser reads one failure a case."""
    (suite,) = junitparser.JUnitXml.fromstring(junit.text([record(student="\x00\x1b\ud800]]>")]).encode("utf-8"))
    assert len(list(suite)) == 3
    assert "<script>" in list(suite)[2].result[0].message


def test_a_students_name_is_no_formula():
    """A spreadsheet reads it as text; commas, quotes and line breaks stay in one cell."""
    text = tables.scores([record("=1+1"), record('a,"b"\nc'), record("@x")])
    rows = list(csv.reader(io.StringIO(text)))
    assert [row[0] for row in rows] == ["student", "'=1+1", 'a,"b" c', "'@x"]
    header, row = csv.reader(io.StringIO(tables.nbgrader([record("-2")])))
    assert dict(zip(header, row, strict=True)) == {
        "assignment": "02_layers", "duedate": "None", "timestamp": "None", "student_id": "'-2", "last_name": "",
        "first_name": "", "email": "", "raw_score": "2.833333333", "late_submission_penalty": "0.0",
        "score": "2.833333333", "max_score": "5.4",
    }  # fmt: skip


def test_nbgraders_columns_are_nbgraders():
    """Those of its own exporter, in its order."""
    from autograder.nbgrader_plugin.export import COLUMNS

    assert tables.NBGRADER == COLUMNS


@pytest.mark.parametrize(
    ("student", "name"), [("ada", "ada"), ("../x", "%2E%2E%2Fx"), ("CON.", "CON%2E"), ("é", "%C3%A9"), ("", "%")]
)
def test_a_students_file_stays_in_its_folder(student, name):
    """Whatever an id holds, it is one plain name."""
    assert safe_name(student) == name


def test_a_long_id_is_shortened_and_stays_apart_from_others(tmp_path):
    """Its file can be written, is the same each time, ends in a digest of the whole id, and begins as the id does."""
    long = ["王" * 60, "王" * 61, "a" * 300, "a" * 300 + ".", "a" * 99 + "é"]
    names = [safe_name(student) for student in long]
    assert len(set(names)) == len(long)
    assert max(map(len, names)) <= 100
    assert names[0] == "%E7%8E%8B" * 9 + "~" + hashlib.sha256(long[0].encode()).hexdigest()[:16]
    assert "~" not in safe_name("a~b")  # so no id is spelled as the name of a long one
    data = record()
    data["submissions"] = [data["submissions"][0] | {"student": student} for student in long]
    written = write_formats([data], [FORMATS["gradescope"], FORMATS["csv"]], tmp_path)
    assert [path.name for path in written] == [*(f"{name}.json" for name in names), "scores.csv"]


# Canvas -----------------------------------------------------------------------------------------------------

EXPORT = '''\
Student,ID,SIS User ID,SIS Login ID,Section,Layers (4711),Essay (12),Layers Final Score
    Points Possible,,,,,12.00,10.00,(read only)
"Lovelace, Ada",901,s1,ADA,"Spring, A",,7,90
"Bo ""b""",902,s2,bo,B,3.5,,80
"=1+1",903,s3,eve,B,1,2,3
'''


def test_canvas_keeps_rows_and_ids_and_fills_one_column():
    """Names, ids and the column's number as exported; an absent student's points stay; a stranger is told of."""
    data = record()
    data["submissions"] = [data["submissions"][0] | {"student": s} for s in ("ada", "902", "nobody")]
    filled = canvas.fill(data, EXPORT, "Layers")
    rows = list(csv.reader(io.StringIO(filled.text)))
    points = tables.number(math.fsum([1.7, 1.1333333333333333]) / 5.4 * 12)
    assert rows == [
        ["Student", "ID", "SIS User ID", "SIS Login ID", "Section", "Layers (4711)"],
        ["    Points Possible", "", "", "", "", "12.00"],
        ["Lovelace, Ada", "901", "s1", "ADA", "Spring, A", points],
        ['Bo "b"', "902", "s2", "bo", "B", points],
        ["=1+1", "903", "s3", "eve", "B", "1"],
    ]
    assert filled.notes == (
        "not in the gradebook, so not in the file: nobody",
        "scaled to the 12.0 points that the assignment has in Canvas",
    )


@pytest.mark.parametrize(
    ("export", "column", "message"),
    [
        ("a,b\n1,2\n", None, "no column Student and no ID"),
        ("", None, "no column Student and no ID"),
        (EXPORT, None, "no column '02_layers'; name one with --column; its assignments: Layers (4711), Essay (12)"),
        (EXPORT.replace("Essay (12)", "Layers (12)"), "Layers", "2 columns 'Layers'"),
        (EXPORT.replace("12.00", "0.00"), "Layers", "Layers (4711) has 0.0 points possible in Canvas, to which"),
        (EXPORT.replace("12.00", "nan"), "Layers", "Layers (4711) has nan points possible"),
        (EXPORT, "Layers Final Score", "no column 'Layers Final Score'"),
    ],
)
def test_a_gradebook_that_cannot_be_filled(export, column, message):
    """An unknown title would make a new assignment in Canvas, so it is refused, with those there are."""
    with pytest.raises(BadInput) as error:
        canvas.fill(record(), export, column)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("students", "message"),
    [
        (["s2", "901"], None),
        (["ada", "901"], "the gradebook's row of Lovelace, Ada fits 2 submissions by SIS Login ID, SIS User ID or ID"),
        (["ada", "Ada"], "fits 2 submissions by SIS Login ID, SIS User ID or ID: ada and Ada; leave out all but one"),
        (["777"], "the submission 777 fits 2 rows of the gradebook by SIS Login ID, SIS User ID or ID: Num and Ann; "),
        (["BOB"], "the submission BOB fits 2 rows of the gradebook by SIS Login ID, SIS User ID or ID: Bob and Rob; "),
    ],
)
def test_one_students_login_that_is_anothers_number_is_refused(students, message):
    """Nobody gets another's points: neither by a number of another column, nor from a second submission."""
    rows = "Num,777,n1,num,B,7\nAnn,555,777,ann,B,\nBob,556,b1,bob,B,\nRob,557,bob,rob,B,3\nTest,558,,,B,\n"
    data = record()
    data["submissions"] = [data["submissions"][0] | {"student": s} for s in students]
    if message is None:
        assert "not in the gradebook" not in "".join(canvas.fill(data, EXPORT + rows, "Layers").notes)
        return
    with pytest.raises(BadInput) as error:
        canvas.fill(data, EXPORT + rows, "Layers")
    assert message in str(error.value)


def test_an_ambiguous_title_can_be_named_with_its_number():
    """Two assignments of one name are told apart by Canvas's number."""
    twice = EXPORT.replace("Essay (12)", "Layers (12)")
    assert "Layers (12)" in canvas.fill(record(), twice, "Layers (12)").text.splitlines()[0]


# The command line -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--format", "xlsx"], "there is no format 'xlsx'; there are canvas, classroom50, csv, github"),
        (["--format", "canvas"], "name it with --gradebook FILE"),
        (["--format", "junit", "--column", "x"], "belong to --format canvas"),
        (["--format", "canvas", "--gradebook", "none.csv"], "cannot read the gradebook none.csv"),
        (["--format", "canvas", "--gradebook", "good.csv"], "no column '02_layers'"),
        (["--format", "canvas", "--gradebook", "good.csv", "--column", "Essay", "--student", "s3"], "fits 2 rows"),
        (["--format", "canvas", "--gradebook", "bad.csv", "--column", "Essay"], "not a gradebook that Canvas exported"),
        (["--format", "classroom50"], "Classroom 50's runner, which sets CLASSROOM, ASSIGNMENT"),
    ],
)
def test_formats_that_cannot_be_are_refused_before_grading(capsys, tmp_path, monkeypatch, arguments, message):
    """One line, exit code 2, nothing written."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "good.csv").write_text(EXPORT + "Eve,904,s4,s3,B,1,2,3\n")
    (tmp_path / "bad.csv").write_text(EXPORT + "x" * 200_000)
    (tmp_path / "ada.py").write_text("def sigmoid_forward(x):\n    pass\n")
    assert main(["grade", str(tmp_path / "ada.py"), "--out", str(tmp_path / "out"), *arguments]) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


# Lines ------------------------------------------------------------------------------------------------------

STUB = 'def f_forward(x):\n    raise NotImplementedError("Need to implement f_forward")\n\n\ndef g(x):\n    pass\n'


def test_the_line_is_that_of_the_definition_that_is_graded():
    """The notebook's before a file's, the assignment's notebook first, and another's where it is the untouched stub."""
    cell = json.dumps({"cells": [{"source": ["import numpy\n", "def f_forward(x):\n", "    return x\n"]}]}, indent=1)
    stub = json.dumps({"cells": [{"source": STUB.splitlines(keepends=True)}]}, indent=1)
    written = b"\n\ndef f_forward(x):\n    return x\n"
    files = {"layers/f.py": written, "b.ipynb": cell.encode(), "a.ipynb": stub.encode()}
    assert line_of(files, "f_forward", "b") == ("b.ipynb", 6)
    del files["b.ipynb"]
    assert line_of(files, "f_forward", "a") == ("layers/f.py", 3)
    assert line_of({"a.py": STUB.encode()}, "f_forward", "a") == ("a.py", 1)
    assert line_of(files, "nothing", "a") is None


def test_a_definition_repeated_a_million_times_is_no_trouble():
    """The line of the first is told, at once."""
    assert line_of({"a.py": b"def f(\n" * 1_000_000}, "f", "a") == ("a.py", 1)


def test_lines_are_looked_for_in_plain_files_below_here(tmp_path):
    """A link is not followed, an archive not opened, a file elsewhere not named."""
    data = record()
    data["submissions"][0]["path"] = str(tmp_path / "work")
    (tmp_path / "work").mkdir()
    (tmp_path / "else.py").write_text("def f_forward(x):\n    pass\n")
    (tmp_path / "work" / "w.py").symlink_to(tmp_path / "else.py")
    assert "file" not in located(data, tmp_path)["submissions"][0]["exercises"][0]
    (tmp_path / "work" / "v.py").write_text("\ndef f_forward(x):\n    pass\n")
    assert located(data, tmp_path)["submissions"][0]["exercises"][0]["file"] == "work/v.py"
    assert located(data, tmp_path)["submissions"][0]["exercises"][0]["line"] == 2
    assert "file" not in located(data, tmp_path / "elsewhere")["submissions"][0]["exercises"][0]
