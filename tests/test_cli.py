"""The command line: what it takes, what it writes, and what it refuses in one line."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from dataclasses import replace
from pathlib import Path

import nbformat
import pytest

from autograder import cli
from autograder.cli import main
from autograder.formats import FORMATS
from demo.classroom import reference_source
from tests.conftest import NO_FORK, ROOT

CS231N = """
import numpy as np

def affine_forward(x, w, b):
    out = None
    N = x.shape[0]
    reshaped_x = x.reshape(N, -1)
    out = reshaped_x.dot(w) + b
    cache = (x, w, b)
    return out, cache


def affine_backward(dout, cache):
    x, w, b = cache
    dx, dw, db = None, None, None
    N = x.shape[0]
    dx = dout.dot(w.T).reshape(x.shape)
    dw = x.reshape(N, -1).T.dot(dout)
    db = np.sum(dout, axis=0)
    return dx, dw, db


def relu_forward(x):
    out = np.maximum(0, x)
    cache = x
    return out, cache
"""


@pytest.fixture
def solved(catalogue, tmp_path) -> Path:
    """A file with every function of 02_layers right."""
    path = tmp_path / "ada.py"
    functions = catalogue.functions("02_layers")
    path.write_text("import numpy as np\n\n" + "\n\n".join(reference_source(f) for f in functions))
    return path


def graded(out: Path) -> dict:
    return json.loads((out / "results.json").read_text())


def statuses(record: dict, student: int = 0) -> dict[str, str]:
    return {e["name"]: e["status"] for e in record["submissions"][student]["exercises"]}


def test_a_solved_cs231n_file_passes_what_it_holds(tmp_path):
    """A solved affine layer in CS231n's form passes as it is; what the file does not define is missing."""
    (tmp_path / "layers.py").write_text(CS231N)
    assert main(["grade", str(tmp_path / "layers.py"), "--out", str(tmp_path / "out")]) == 0
    record = graded(tmp_path / "out")
    assert statuses(record) == {
        "affine_forward": "passed",
        "affine_backward": "passed",
        "sigmoid_forward": "missing",
        "sigmoid_backward": "missing",
        "tanh_forward": "missing",
        "tanh_backward": "missing",
    }
    assert record["submissions"][0]["score"] == 5.0


def test_results_have_the_contracts_keys(solved, tmp_path):
    """results.json holds every key that people outside rely on."""
    main(["grade", str(solved), "--out", str(tmp_path / "out")])
    record = graded(tmp_path / "out")
    assert record["schema"] == "autograder/result/v1"
    assert record["assignment"] == "02_layers"
    assert {"version", "key", "sandbox", "secret"} <= set(record["grader"])
    (submission,) = record["submissions"]
    assert submission["student"] == "ada"
    assert (submission["score"], submission["max_score"]) == (12.0, 12.0)
    assert {"path", "digest", "seconds", "remarks"} <= set(submission)
    for exercise in submission["exercises"]:
        assert {"name", "status", "score", "max_score", "diagnosis", "findings"} <= set(exercise)
        for finding in exercise["findings"]:
            assert {"case", "array", "passed", "headline", "evidence", "hint", "hidden"} <= set(finding)


def test_every_kind_of_submission(catalogue, solved, tmp_path):
    """A notebook, a file, a folder with layers/, a zip, a class folder and nbgrader's submitted/ get the same score."""
    text = solved.read_text()
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(text)])
    (tmp_path / "nb").mkdir()
    nbformat.write(notebook, tmp_path / "nb" / "ada.ipynb")
    repository = tmp_path / "repo" / "layers"
    repository.mkdir(parents=True)
    (repository / "all.py").write_text(text)
    with zipfile.ZipFile(tmp_path / "ada.zip", "w") as archive:
        archive.writestr("layers/all.py", text)
    for student in ("ada", "bob"):
        (tmp_path / "class" / student).mkdir(parents=True)
        shutil.copy(solved, tmp_path / "class" / student / "work.py")
        nested = tmp_path / "submitted" / student / "02_layers"
        nested.mkdir(parents=True)
        nbformat.write(notebook, nested / "02_layers.ipynb")
    kinds = ["nb/ada.ipynb", "ada.py", "repo", "ada.zip", "class", "submitted"]
    for i, kind in enumerate(kinds):
        out = tmp_path / f"out{i}"
        assert main(["grade", str(tmp_path / kind), "--out", str(out)]) == 0
        scores = {s["student"]: s["score"] for s in graded(out)["submissions"]}
        expected = {"ada", "bob"} if kind in ("class", "submitted") else {"repo" if kind == "repo" else "ada"}
        assert scores == dict.fromkeys(expected, 12.0), kind


def test_two_processes_grade_as_one(tmp_path, solved):
    """--jobs 2 gives the same scores in the same order."""
    for student in ("a", "b", "c", "d"):
        (tmp_path / "class" / student).mkdir(parents=True)
        text = solved.read_text()
        (tmp_path / "class" / student / "w.py").write_text(text.replace("axis=0", "axis=1") if student == "c" else text)
    for jobs in ("1", "2"):
        main(["grade", str(tmp_path / "class"), "--out", str(tmp_path / jobs), "--jobs", jobs])
    one, two = (
        [(s["student"], s["score"], s["exercises"]) for s in graded(tmp_path / jobs)["submissions"]]
        for jobs in ("1", "2")
    )
    assert one == two
    assert [score for _, score, _ in one] == [12.0, 12.0, 11.0, 12.0]


def test_a_remark_on_a_cell_that_cannot_be_read_names_the_line_if_there_is_one(tmp_path):
    """Python finds a colon missing in a line, and a NUL in none."""
    cells = [
        nbformat.v4.new_code_cell(text)
        for text in ("def tanh_forward(x):\n    pass\0", "def sigmoid_forward(x)\n    pass")
    ]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), tmp_path / "ada.ipynb")
    main(["grade", str(tmp_path / "ada.ipynb"), "--out", str(tmp_path / "out"), "--assignment", "02_layers"])
    remarks = graded(tmp_path / "out")["submissions"][0]["remarks"]
    assert [remark.partition(": SyntaxError: ")[0] for remark in remarks] == ["cell 1", "cell 2, line 1"]


def test_one_submission_is_told_of_as_one(solved, tmp_path, capsys):
    """When it is graded, and when it is known."""
    for told in ("1 submission graded in ", "1 submission, known from before, in "):
        assert main(["grade", str(solved), "--out", str(tmp_path / "out")]) == 0
        assert told in capsys.readouterr().out


def test_the_help_names_every_format(capsys):
    """Those that there are; `check` has no gradebook to fill in."""
    assert sorted(FORMATS) == list(cli.FORMATS)
    for command, more in (("check", set()), ("grade", {"canvas"})):
        with pytest.raises(SystemExit):
            main([command, "--help"])
        names = re.search(r"also as F, which is (.*?);", " ".join(capsys.readouterr().out.split()))[1]
        assert set(re.split(", | or ", names)) == {*FORMATS, *more}


def test_fail_under(solved, tmp_path):
    """Grading exits 0 whatever the score, unless --fail-under says otherwise."""
    bad = tmp_path / "bob.py"
    bad.write_text(CS231N)
    assert main(["grade", str(bad), "--out", str(tmp_path / "a")]) == 0
    assert main(["grade", str(bad), "--out", str(tmp_path / "b"), "--fail-under", "50"]) == 1
    assert main(["grade", str(solved), "--out", str(tmp_path / "c"), "--fail-under", "100"]) == 0


@pytest.mark.parametrize("percent", ["nan", "-5", "100.5", "inf"])
def test_fail_under_what_is_no_percentage(capsys, solved, tmp_path, percent):
    """It would fail nobody, or everybody."""
    message = refused(capsys, "grade", str(solved), "--out", str(tmp_path / "out"), f"--fail-under={percent}")
    assert "--fail-under takes a percentage from 0 to 100" in message
    assert not (tmp_path / "out").exists()


def test_hidden_inputs_depend_on_student_and_secret(solved, tmp_path, monkeypatch):
    """The same secret gives a student the same hidden inputs; the fingerprint tells which secret it was."""
    main(["grade", str(solved), "--out", str(tmp_path / "a")])
    monkeypatch.setenv("AUTOGRADER_SECRET", "ff" * 32)
    main(["grade", str(solved), "--out", str(tmp_path / "b")])
    assert graded(tmp_path / "a")["grader"]["secret"] != graded(tmp_path / "b")["grader"]["secret"]


# What is refused ------------------------------------------------------------------------------------------------------


def refused(capsys, *arguments: str) -> str:
    """Runs a command that must be refused: exit code 2 and one line on stderr, which is returned."""
    assert main(list(arguments)) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    lines = captured.err.splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("autograder: ")
    return lines[0]


def test_no_such_path(capsys, tmp_path):
    """A path that is not there is named."""
    message = refused(capsys, "grade", str(tmp_path / "nobody.ipynb"), "--out", str(tmp_path / "out"))
    assert "there is nothing at" in message
    assert not (tmp_path / "out").exists()


def test_unknown_assignment(capsys, solved, tmp_path):
    """An assignment that the course does not have is refused with a list of those it has."""
    message = refused(capsys, "grade", str(solved), "--out", str(tmp_path / "out"), "--assignment", "09_none")
    assert "there is no assignment '09_none'" in message
    assert "02_layers" in message


def test_nothing_to_guess_from(capsys, tmp_path):
    """A file that defines no function of any assignment needs --assignment."""
    (tmp_path / "x.py").write_text("print('hello')\n")
    assert "--assignment" in refused(capsys, "grade", str(tmp_path / "x.py"), "--out", str(tmp_path / "out"))


def test_an_empty_class_folder(capsys, tmp_path):
    """A folder without a submission is refused."""
    (tmp_path / "class").mkdir()
    refused(capsys, "grade", str(tmp_path / "class"), "--out", str(tmp_path / "out"), "--assignment", "02_layers")


def test_stopped_anywhere(capsys, tmp_path, monkeypatch):
    """Ctrl-C where nothing has a better word for it."""
    monkeypatch.setattr("autograder.class_report.summary_of", interrupted)
    assert main(["report", str(tmp_path)]) == 130
    assert capsys.readouterr().err == "autograder: stopped\n"


def interrupted(path):
    raise KeyboardInterrupt


def test_the_same_student_twice(capsys, solved, tmp_path):
    """Two submissions of one student are refused before anything is graded."""
    (tmp_path / "other").mkdir()
    shutil.copy(solved, tmp_path / "other" / "ada.py")
    message = refused(capsys, "grade", str(solved), str(tmp_path / "other" / "ada.py"), "--out", str(tmp_path / "out"))
    assert "two submissions of student 'ada'" in message


def test_out_is_a_file(capsys, solved, tmp_path):
    """An output folder that is a file is refused."""
    (tmp_path / "out").write_text("")
    refused(capsys, "grade", str(solved), "--out", str(tmp_path / "out"))


@pytest.mark.usefixtures("no_privilege")
def test_out_cannot_be_written(capsys, solved, tmp_path):
    """An output folder without write permission is refused before any work."""
    (tmp_path / "locked").mkdir(mode=0o500)
    assert "cannot be written" in refused(capsys, "grade", str(solved), "--out", str(tmp_path / "locked" / "out"))


@pytest.mark.parametrize(
    "command", ["check {}", "grade {} --out o", "release {}", "course {}", "grade ada.py --out {}"]
)
@pytest.mark.parametrize("name", ["closed", "closed/within", "n" * 300])
@pytest.mark.usefixtures("no_privilege")
def test_what_the_system_refuses(solved, capsys, monkeypatch, command, name):
    """A folder that is closed, one within it and a name that no disk can hold: one line that names it and says why."""
    monkeypatch.chdir(solved.parent)
    Path("closed").mkdir(mode=0)
    message = refused(capsys, *command.format(name).split())
    assert name in message
    assert re.search("permission denied|name too long", message, re.IGNORECASE)


def test_results_of_another_secret_are_kept(capsys, solved, tmp_path, monkeypatch):
    """A folder graded with another secret is refused, and its results stay as they are."""
    main(["grade", str(solved), "--out", str(tmp_path / "out")])
    capsys.readouterr()
    before = (tmp_path / "out" / "results.json").read_bytes()
    monkeypatch.setenv("AUTOGRADER_SECRET", "ab" * 32)
    assert "another course secret" in refused(capsys, "grade", str(solved), "--out", str(tmp_path / "out"))
    assert before == (tmp_path / "out" / "results.json").read_bytes()


def test_foreign_results_are_kept(capsys, solved, tmp_path):
    """A results.json of another schema is not overwritten."""
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "results.json").write_text('{"tests": []}')
    refused(capsys, "grade", str(solved), "--out", str(tmp_path / "out"))
    assert (tmp_path / "out" / "results.json").read_text() == '{"tests": []}'


def test_a_bad_secret(capsys, solved, tmp_path, monkeypatch):
    """A secret that is none is refused without being printed."""
    monkeypatch.setenv("AUTOGRADER_SECRET", "hunter2")
    message = refused(capsys, "grade", str(solved), "--out", str(tmp_path / "out"))
    assert "64 hexadecimal digits" in message
    assert "hunter2" not in message


def test_no_solutions(capsys, solved, tmp_path):
    """A folder that holds no solutions is refused."""
    (tmp_path / "empty").mkdir()
    refused(capsys, "grade", str(solved), "--out", str(tmp_path / "out"), "--solutions", str(tmp_path / "empty"))
    refused(capsys, "grade", str(solved), "--out", str(tmp_path / "out"), "--solutions", str(tmp_path / "none"))


def test_solutions_that_do_not_run(capsys, solved, tmp_path):
    """A solutions file with an error is named with the error."""
    (tmp_path / "s").mkdir()
    (tmp_path / "s" / "broken.py").write_text("import nothing_of_this_name\n")
    message = refused(capsys, "grade", str(solved), "--out", str(tmp_path / "o"), "--solutions", str(tmp_path / "s"))
    assert "broken.py does not run" in message


@pytest.mark.parametrize("arguments", [[], ["grade"], ["frobnicate"], ["grade", "x", "--out", "y", "--jobs", "many"]])
def test_bad_arguments(arguments):
    """Arguments that cannot be read exit with 2."""
    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    assert stopped.value.code == 2


def test_a_broken_submission_is_not_bad_input(tmp_path):
    """A file that is not a notebook gets 0 and a reason; grading exits 0."""
    (tmp_path / "eve.ipynb").write_bytes(b"\x00\xff not json")
    assert main(["grade", str(tmp_path / "eve.ipynb"), "--out", str(tmp_path / "o"), "--assignment", "02_layers"]) == 0
    (submission,) = graded(tmp_path / "o")["submissions"]
    assert submission["score"] == 0.0
    assert submission["max_score"] == 12.0
    assert all(e["status"] != "passed" and e["findings"][0]["headline"] for e in submission["exercises"])


def test_a_machine_that_cannot_confine(capsys, solved, tmp_path, monkeypatch):
    """Where a probe fails nothing is graded, and one line says what a submission could do, and the way out."""
    from autograder.sandbox import doctor

    broken = replace(doctor.examine(), refusal="")
    broken = replace(broken, probes=(replace(broken.probes[0], holds=False), *broken.probes[1:]))
    monkeypatch.setattr("autograder.whole_class.run.examine", lambda confine: broken)
    message = refused(capsys, "grade", str(solved), "--out", str(tmp_path / "out"))
    assert "could read every file that you can read" in message
    assert "--accept-weak-sandbox" in message
    assert not (tmp_path / "out").exists()
    assert main(["grade", str(solved), "--out", str(tmp_path / "out"), "--accept-weak-sandbox"]) == 0


def test_the_level_of_protection_is_recorded(solved, tmp_path):
    """results.json says what protected the grader, also where the instructor accepted less."""
    main(["grade", str(solved), "--out", str(tmp_path / "full")])
    main(["grade", str(solved), "--out", str(tmp_path / "weak"), "--accept-weak-sandbox"])
    assert "seccomp" in graded(tmp_path / "full")["grader"]["sandbox"]
    assert "seccomp" not in graded(tmp_path / "weak")["grader"]["sandbox"]


def test_doctor_shows_a_line_for_each_probe(capsys):
    """Every probe is a line that says what was seen; the last line says what it means."""
    assert main(["doctor"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) >= 20
    assert all(line.startswith("ok  ") for line in lines[:-1])
    assert lines[-1].startswith("Submissions are confined here: ")


def piped(stdout, *command: str) -> tuple[int, str]:
    """The exit code of a command and what it says on stderr."""
    run = [sys.executable, "-m", "autograder", *command]
    done = subprocess.run(run, stdout=stdout, stderr=subprocess.PIPE, text=True, cwd=ROOT, timeout=120)
    return done.returncode, done.stderr


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="Linux has it")
def test_output_that_cannot_be_written():
    """What cannot be told, since the disk it goes to is full, is one line, and nothing more at Python's end."""
    with open("/dev/full", "w") as full:
        assert piped(full, "secret", "export") == (
            2,
            "autograder: the output cannot be written: No space left on device\n",
        )


def test_a_reader_that_has_gone(solved, tmp_path):
    """`grade ... | head` goes on to its end when nobody reads any more: all files are written, and nothing is wrong."""
    reader, writer = os.pipe()
    os.close(reader)
    with open(writer, "w") as gone:
        assert piped(gone, "grade", str(solved), "--out", str(tmp_path / "out"), "--format", "junit") == (0, "")
    assert sorted(p.name for p in (tmp_path / "out").glob("[!.]*")) == ["junit.xml", "results.json"]


# Students -------------------------------------------------------------------------------------------------------------


def test_check_on_files(solved, capsys):
    """`autograder check` passes a right file with exit code 0, and says that hidden checks decide."""
    assert main(["check", str(solved)]) == 0
    text = capsys.readouterr().out
    assert "Public checks passed: affine_forward, affine_backward," in text
    assert "6 of 6 functions pass the public checks" in text
    assert "12 of 12 points if the hidden checks agree" in text


def test_check_says_what_to_mend_before_what_is_not_begun(solved, capsys):
    """Reports on what fails; what is not written or passes is a line each; the progress last."""
    text = solved.read_text().replace("axis=0", "axis=1")
    cut = text.index("def tanh_backward")
    solved.write_text(text[:cut] + "def tanh_backward(dout, cache):\n    raise NotImplementedError\n")
    assert main(["check", str(solved)]) == 1
    out = capsys.readouterr().out
    assert out.startswith("affine_backward: db has shape (N,) = (4,); (M,) = (3,) is expected.")
    assert "\nNot written yet: tanh_backward.\n" in out
    assert out.endswith("9 of 12 points if the hidden checks agree.\n")
    assert "[#############-------] 4 of 6 functions" in out
    assert "\x1b" not in out


def without_fork(*arguments) -> subprocess.CompletedProcess:
    """The command as on a system that cannot fork and has none of Unix's own modules."""
    command = [sys.executable, "-c", NO_FORK, *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)


def test_check_where_no_process_can_be_forked(solved):
    """On Windows the work is checked in the very process of the command: same text, same exit code."""
    done = without_fork("check", solved)
    assert (done.returncode, done.stderr) == (0, "")
    assert "6 of 6 functions pass the public checks" in done.stdout
    solved.write_text(solved.read_text().replace("axis=0", "axis=1"))
    done = without_fork("check", solved, "-e", "affine_backward")
    assert (done.returncode, done.stderr) == (1, "")
    assert "one entry for each example" in done.stdout


def test_a_loop_without_end_where_no_process_can_be_forked(solved):
    """It is ended with one line that says what to try."""
    solved.write_text(solved.read_text() + "\n\ndef tanh_forward(x):\n    while True:\n        pass\n")
    code = NO_FORK.replace(
        "from autograder.cli",
        "import autograder.student.own_session\nautograder.student.own_session.PATIENCE = 1\nfrom autograder.cli",
    )
    done = subprocess.run(
        [sys.executable, "-c", code, "check", solved], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 2
    assert done.stderr.startswith("autograder: stopped after 1 s;")
    assert len(done.stderr.splitlines()) == 1


def test_check_fails_what_is_wrong(solved, capsys):
    """A wrong function makes it exit 1 and is named."""
    solved.write_text(solved.read_text().replace("axis=0", "axis=1"))
    assert main(["check", str(solved), "-e", "affine_backward"]) == 1
    assert "one entry for each example" in capsys.readouterr().out


def test_check_refuses_what_is_not_there(capsys, tmp_path, monkeypatch):
    """No work here, no such path, no such exercise: one line each."""
    monkeypatch.chdir(tmp_path)
    assert "say what to check" in refused(capsys, "check")
    refused(capsys, "check", "nowhere.py")
    (tmp_path / "a.py").write_text("def tanh_forward(x): pass\n")
    assert "nothing to check called 'relu'" in refused(capsys, "check", "a.py", "-e", "relu")


def test_check_needs_numpy_alone():
    """The student's commands import neither jupyter nor nbgrader nor matplotlib."""
    code = (
        "import sys; from autograder.cli import main; main(['check', 'layers']); "
        "bad = {'nbgrader', 'jupytext', 'matplotlib', 'rich', 'nbformat', 'IPython'} & set(sys.modules); "
        "sys.exit(f'imported {bad}' if bad else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_secret_travels(tmp_path, capsys, monkeypatch):
    """What `secret export` prints, `secret import` takes; another one is not overwritten by accident."""
    monkeypatch.delenv("AUTOGRADER_SECRET")
    for name in ("here", "there"):
        shutil.copytree(ROOT / "solutions", tmp_path / name / "solutions")
    here, there = (["--solutions", str(tmp_path / n / "solutions")] for n in ("here", "there"))
    assert main(["secret", "show", *here]) == 0
    shown = capsys.readouterr().out
    main(["secret", "export", *here])
    exported = capsys.readouterr().out
    path = tmp_path / "here" / ".autograder_secret"
    assert path.stat().st_mode & 0o777 == 0o600
    monkeypatch.setattr("sys.stdin", open_text(tmp_path, exported))
    assert main(["secret", "import", *there]) == 0
    assert capsys.readouterr().out == shown
    monkeypatch.setattr("sys.stdin", open_text(tmp_path, "ab" * 32))
    assert "--replace" in refused(capsys, "secret", "import", *there)
    monkeypatch.setattr("sys.stdin", open_text(tmp_path, "not a secret"))
    assert "not hold a course secret" in refused(capsys, "secret", "import", *there)


@pytest.mark.parametrize("action", ["show", "export", "import"])
def test_no_secret_is_made_beside_what_holds_no_solutions(tmp_path, capsys, monkeypatch, action):
    """A folder that is not there, a file and an empty folder are refused, and nothing is written."""
    monkeypatch.delenv("AUTOGRADER_SECRET")
    (tmp_path / "file").write_text("ab" * 32)
    (tmp_path / "empty").mkdir()
    for name, message in (("none", "no folder"), ("file", "no folder"), ("empty", "holds no exercise")):
        monkeypatch.setattr("sys.stdin", (tmp_path / "file").open())
        assert message in refused(capsys, "secret", action, "--solutions", str(tmp_path / name))
    assert {p.name for p in tmp_path.iterdir()} == {"file", "empty"}


def open_text(folder: Path, text: str):
    path = folder / "stdin"
    path.write_text(text)
    return path.open()
