"""Graders for other places, run as those places run them: laid out alike, started alike, without a network."""

from __future__ import annotations

import io
import json
import os
import shutil
import signal
import subprocess
import time
import zipfile
from dataclasses import replace
from pathlib import Path

import jsonschema
import junitparser
import pytest
import yaml
from check_jsonschema import main as check_jsonschema
from click.testing import CliRunner

from autograder import fetch, harness
from autograder.catalogue import load_catalogue
from autograder.cli import main
from autograder.errors import BadInput
from autograder.handing_out.bundles import KINDS, Course, gradescope_zip, write_bundle
from autograder.handing_out.wheel import FILE
from autograder.sandbox import doctor
from demo.classroom import reference_source
from tests.conftest import ROOT, SECRET
from tests.consumers import CLASSROOM50, GRADESCOPE, PRAIRIELEARN
from tests.fresh import fresh_python, run, surroundings
from tests.test_release import solution_lines

A = "02_layers"
RUNNER = {
    "CLASSROOM": "spring",
    "ASSIGNMENT": "layers",
    "SUBMISSION_TAG": "submit/2030-01-01T00-00-00Z-abc",
    "COMMIT_URL": "https://example.org/c",
    "RELEASE_URL": "https://example.org/r",
    "REVIEW_URL": "https://example.org/v",
    "OWNER": "ada",
}


def course(**more) -> Course:
    return Course(load_catalogue(ROOT / "solutions"), A, SECRET, **more)


def right(**changes: str) -> str:
    """A file with every function right, but for those given."""
    functions = load_catalogue(ROOT / "solutions").functions(A)
    return "import numpy as np\n\n\n" + "\n\n\n".join(changes.get(f.name) or reference_source(f) for f in functions)


LOOP = "def sigmoid_forward(x):\n    while True:\n        pass\n"


@pytest.fixture(scope="module")
def python(tmp_path_factory) -> Path:
    return fresh_python(tmp_path_factory.mktemp("fresh"))


@pytest.fixture(scope="module")
def image(tmp_path_factory) -> Path:
    """Gradescope's /autograder after it built the image: the zip unpacked, `setup.sh` run once."""
    root = tmp_path_factory.mktemp("gradescope")
    python = fresh_python(root / "venv")  # so that setup.sh need not fetch numpy
    with zipfile.ZipFile(io.BytesIO(gradescope_zip(course()))) as archive:
        archive.extractall(root / "source")
    (root / "submission").mkdir()
    done = run(python, "bash source/setup.sh", root, AUTOGRADER_ROOT=str(root))
    assert done.returncode == 0, done.stderr
    assert "autograder" in {p.name for p in (root / "venv" / "bin").iterdir()}
    shutil.copy(root / "source" / "run_autograder", root / "run_autograder")
    return root


@pytest.fixture
def gradescope(image) -> Path:
    """The image with nothing handed in and no result yet."""
    for folder in ("submission", "results"):
        shutil.rmtree(image / folder, ignore_errors=True)
        (image / folder).mkdir()
    (image / "submission_metadata.json").write_text(
        json.dumps({"users": [{"email": "Bo@x.org"}, {"email": "ada@x.org"}]})
    )
    return image


def started(root: Path) -> subprocess.Popen:
    """`run_autograder` as Gradescope starts it."""
    return subprocess.Popen(
        ["bash", "run_autograder"],
        cwd=root,
        env=surroundings(root / "venv" / "bin" / "python", AUTOGRADER_ROOT=str(root)),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def result_of(root: Path) -> dict:
    return json.loads((root / "results" / "results.json").read_text())


# Gradescope -----------------------------------------------------------------------------------------------------------


def test_the_zip_is_what_gradescope_takes():
    """The two scripts at its root, as programs; solutions and package inside; the secret for its owner alone."""
    with zipfile.ZipFile(io.BytesIO(gradescope_zip(course()))) as archive:
        modes = {member.filename: member.external_attr >> 16 & 0o777 for member in archive.infolist()}
        assert archive.read("run_autograder").startswith(b"#!/usr/bin/env bash\n")
    assert (modes["setup.sh"], modes["run_autograder"], modes["course_secret"]) == (0o755, 0o755, 0o600)
    assert {f"solutions/{path.name}" for path in (ROOT / "solutions").glob("*.py")} <= set(modes)
    assert f"wheels/{FILE}" in modes


def test_a_submission_is_graded_as_gradescope_does(gradescope):
    """The scores of `autograder grade`, students by e-mail address, one test a function, nothing hidden told."""
    wrong = "def tanh_forward(x):\n    print('::x')\n    return 0.5 * np.tanh(x), x\n"
    (gradescope / "submission" / "work.py").write_text(right(tanh_forward=wrong))
    run_of = started(gradescope)
    out, _ = run_of.communicate(timeout=120)
    assert (run_of.returncode, out) == (0, "")
    result = result_of(gradescope)
    jsonschema.validate(result, GRADESCOPE)
    here = gradescope / "here"
    grade = ["grade", str(gradescope / "submission"), "--student", "ada@x.org", "--out", str(here), "--assignment", A]
    assert main(grade) == 0
    (submission,) = json.loads((here / "results.json").read_text())["submissions"]
    shutil.rmtree(here)
    assert [(t["name"], t["score"]) for t in result["tests"]] == [
        (e["name"], e["score"]) for e in submission["exercises"]
    ]
    assert 0 < result["score"] == submission["score"] < 12
    assert result["output"] == ""
    hidden = [f["evidence"] for e in submission["exercises"] for f in e["findings"] if f["hidden"] and f["evidence"]]
    assert hidden
    assert not any(text in json.dumps(result) for text in hidden)


def test_a_result_lies_there_at_all_times_also_when_killed(gradescope):
    """While a function never ends and the grader is killed: always valid, and with the points that were reached."""
    (gradescope / "submission" / "work.py").write_text(right(sigmoid_forward=LOOP))
    run_of = started(gradescope)
    seen: list[dict] = []
    end = time.monotonic() + 60
    while time.monotonic() < end and not (seen and seen[-1]["tests"] and seen[-1]["score"] == 5.0):
        if (gradescope / "results" / "results.json").exists():
            seen.append(result_of(gradescope))
        time.sleep(0.005)
    os.killpg(run_of.pid, signal.SIGKILL)
    run_of.wait()
    last = result_of(gradescope)
    jsonschema.validate(last, GRADESCOPE)
    assert last["score"] == 5.0
    assert "Grading was stopped before its end" in last["output"]
    assert [test["status"] for test in last["tests"]] == ["passed"] * 2 + ["failed"] * 4
    assert last["tests"][2]["output"].startswith("sigmoid_forward is not graded yet")
    for result in seen:
        jsonschema.validate(result, GRADESCOPE)
        assert result["score"] in (0.0, 5.0)


def test_a_submission_cannot_read_the_bundle(gradescope):
    """Neither the secret nor a solution: the function that tries gets nothing, and nothing of it is told."""
    source = gradescope / "source"
    reads = f"def tanh_forward(x):\n    raise ValueError(open({str(source / 'course_secret')!r}).read())\n"
    (gradescope / "submission" / "work.py").write_text(right(tanh_forward=reads))
    assert started(gradescope).wait(120) == 0
    result = result_of(gradescope)
    assert SECRET.hex() not in json.dumps(result)
    assert [t["score"] for t in result["tests"]] == [2.0, 3.0, 2.0, 2.0, 0.0, 0.0]


def test_a_submission_that_holds_nothing_is_graded(gradescope):
    """No notebook and no code: a score and a reason."""
    (gradescope / "submission" / "notes.txt").write_text("hello")
    assert started(gradescope).wait(120) == 0
    result = result_of(gradescope)
    jsonschema.validate(result, GRADESCOPE)
    assert result["score"] == 0.0
    assert "no notebook and no .py file" in result["tests"][0]["output"]


def laid_out(tmp_path: Path, **more) -> Path:
    """As the image, but nothing installed: for runs in this process."""
    with zipfile.ZipFile(io.BytesIO(gradescope_zip(course(**more)))) as archive:
        archive.extractall(tmp_path / "source")
    (tmp_path / "submission").mkdir()
    (tmp_path / "submission" / "work.py").write_text(right())
    return tmp_path


@pytest.mark.parametrize("missing", ["course_secret", "bundle.json", "solutions"])
def test_a_broken_bundle_is_nobodys_fault(tmp_path, capsys, missing):
    """The result is valid and says so to the student, the log says it to the instructor, the exit code is 1."""
    root = laid_out(tmp_path)
    path = root / "source" / missing
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    assert harness.main("gradescope", root) == 1
    result = result_of(root)
    jsonschema.validate(result, GRADESCOPE)
    assert "no fault of yours" in result["output"]
    assert missing in capsys.readouterr().err


def test_a_machine_that_cannot_confine_grades_only_when_told_to(tmp_path, monkeypatch, capsys):
    """Refused with the doctor's sentence; accepted where the instructor built the bundle so."""
    unsound = replace(doctor.examine(), refusal="no sandbox here")
    monkeypatch.setattr(harness, "examine", lambda confine: unsound)
    assert harness.main("gradescope", laid_out(tmp_path / "a")) == 1
    assert "no fault of yours" in result_of(tmp_path / "a")["output"]
    assert "no sandbox here" in capsys.readouterr().err
    assert harness.main("gradescope", laid_out(tmp_path / "b", weak=True)) == 0
    assert result_of(tmp_path / "b")["score"] == 12.0


# PrairieLearn ---------------------------------------------------------------------------------------------------------


def test_a_submission_is_graded_as_prairielearn_does(tmp_path, python):
    """/grade laid out, the entrypoint made a program and started, the package unpacked without pip: a valid result."""
    question = tmp_path / "question"
    write_bundle("prairielearn", course(), question)
    info = json.loads((question / "info.json").read_text())
    assert info["externalGradingOptions"]["entrypoint"] == "/grade/tests/run.sh"
    root = tmp_path / "grade"
    shutil.copytree(question / "tests", root / "tests")
    (root / "student").mkdir()
    cells = [
        {"cell_type": "code", "id": "a", "metadata": {}, "source": right(), "outputs": [], "execution_count": None}
    ]
    notebook = {"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": cells}
    (root / "student" / f"{A}.ipynb").write_text(json.dumps(notebook))
    (root / "data").mkdir()
    (root / "data" / "data.json").write_text('{"variant_seed": 17}')
    done = run(python, f"chmod +x {root}/tests/run.sh && {root}/tests/run.sh", root, AUTOGRADER_ROOT=str(root))
    assert done.returncode == 0, done.stderr
    result = result_of(root)
    jsonschema.validate(result, PRAIRIELEARN)
    assert (result["gradable"], result["score"]) == (True, 1.0)
    assert harness.student_of("prairielearn", root) == "variant-17"

    (root / "student" / f"{A}.ipynb").write_text("no notebook")
    assert run(python, f"{root}/tests/run.sh", root, AUTOGRADER_ROOT=str(root)).returncode == 0
    result = result_of(root)
    jsonschema.validate(result, PRAIRIELEARN)
    assert result["gradable"] is False


# Classroom 50 ---------------------------------------------------------------------------------------------------------


def test_classroom50_gets_no_solution_and_no_secret():
    """Its graders are published: the wheel and a script, without a line of a solution."""
    files = KINDS["classroom50"](course())
    assert set(files) == {"autograder.py", FILE}
    with zipfile.ZipFile(io.BytesIO(files[FILE])) as wheel:
        text = files["autograder.py"].decode() + "".join(wheel.read(name).decode() for name in wheel.namelist())
    assert SECRET.hex() not in text
    assert [line for line in solution_lines() if line in text] == []


def test_a_repository_is_graded_as_classroom50s_runner_does(tmp_path, python):
    """In the student's checkout: result.json and the release's text; a package of theirs is not taken for ours."""
    bundle, checkout = tmp_path / "bundle", tmp_path / "checkout"
    write_bundle("classroom50", course(), bundle)
    (checkout / "layers").mkdir(parents=True)
    (checkout / "layers" / "all.py").write_text(
        right(tanh_backward="def tanh_backward(dout, cache):\n    return dout\n")
    )
    (checkout / "autograder").mkdir()
    (checkout / "autograder" / "__init__.py").write_text("raise SystemExit(3)")
    command = f"python {bundle}/autograder.py"
    done = run(python, command, checkout, CLASSROOM50_BUNDLE_DIR=str(bundle), **RUNNER)
    assert done.returncode == 0, done.stderr
    result = json.loads((checkout / "result.json").read_text())
    jsonschema.validate(result, CLASSROOM50)
    assert (result["score"], result["max-score"]) == (1000, 1200)
    assert (result["owner"], result["assignment"]) == ("ada", "layers")
    assert "`tanh_backward`" in (checkout / "release-body.md").read_text()

    (checkout / "layers" / "all.py").unlink()  # nothing to read is a result, too
    (checkout / "work.ipynb").write_text("no notebook")
    shutil.rmtree(checkout / "autograder")
    done = run(python, command, checkout, CLASSROOM50_BUNDLE_DIR=str(bundle), **RUNNER)
    assert done.returncode == 0, done.stderr
    assert json.loads((checkout / "result.json").read_text())["score"] == 0


# GitHub and GitLab ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "name", "schema"),
    [("github", ".github/workflows/grade.yml", "github-workflows"), ("gitlab", ".gitlab-ci.yml", "gitlab-ci")],
)
def test_graders_workflows_are_what_their_host_reads(tmp_path, kind, name, schema):
    """By the published schemas."""
    path = tmp_path / "workflow.yml"
    path.write_bytes(KINDS[kind](course())[name])
    done = CliRunner().invoke(check_jsonschema, ["--builtin-schema", f"vendor.{schema}", str(path)])
    assert done.exit_code == 0, done.output


def test_only_a_person_can_start_what_sees_the_secret():
    """No push, pull request or fork starts a grader's workflow; a secret reaches the one step that needs it."""
    workflow = yaml.safe_load(KINDS["github"](course())[".github/workflows/grade.yml"])
    assert set(workflow[True]) == {"workflow_dispatch"}  # YAML reads "on" as true
    assert workflow["permissions"] == {"contents": "read"}
    (job,) = workflow["jobs"].values()
    assert "env" not in workflow
    assert "env" not in job
    with_secret = {step["name"]: list(step["env"]) for step in job["steps"] if "secrets." in json.dumps(step)}
    assert with_secret == {
        "fetch the students' repositories": ["AUTOGRADER_FETCH_TOKEN"],
        "grade": ["ASSIGNMENT", "AUTOGRADER_SECRET"],
    }
    assert not any("${{" in step.get("run", "") for step in job["steps"])  # no text of anybody's becomes a command
    rules = yaml.safe_load(KINDS["gitlab"](course())[".gitlab-ci.yml"])["workflow"]["rules"]
    assert [rule["if"] for rule in rules] == ['$CI_PIPELINE_SOURCE == "web"', '$CI_PIPELINE_SOURCE == "schedule"']


@pytest.mark.parametrize("kind", ["github", "gitlab"])
def test_a_graders_repository_holds_no_secret(kind):
    """It comes from the host's own safe."""
    assert not any(SECRET.hex().encode() in data for data in KINDS[kind](course()).values())


def committed(folder: Path, text: str) -> str:
    """A repository with one file; its address."""
    folder.mkdir(parents=True)
    (folder / "work.py").write_text(text)
    (folder / "link.py").symlink_to("/etc/passwd")
    commit = "git init -q -b main && git add -A && git -c user.name=a -c user.email=a@b commit -qm x"
    subprocess.run(["bash", "-ec", commit], cwd=folder, check=True)
    return f"file://{folder}"


def test_the_graders_workflow_runs_as_written(tmp_path, python):
    """Its very commands, with the students' repositories on this disk: fetched, one of them lost, and graded."""
    repository = tmp_path / "grader"
    write_bundle("github", course(), repository)
    rows = [
        f"ada,{committed(tmp_path / 'ada', right())}",
        f"bo,{committed(tmp_path / 'bo', 'x = 1')}",
        f"eve,file://{tmp_path}/gone",
    ]
    (repository / "students.csv").write_text("\n".join(["student,repository", *rows]) + "\n")
    assert write_bundle("github", course(), repository).kept == ("students.csv",)
    (job,) = yaml.safe_load((repository / ".github" / "workflows" / "grade.yml").read_text())["jobs"].values()
    variables = {"ASSIGNMENT": A, "AUTOGRADER_SECRET": SECRET.hex(), "AUTOGRADER_FETCH_TOKEN": "t0ken"}
    install, get, grade = (step["run"] for step in job["steps"] if "run" in step)
    assert run(python, install, repository).returncode == 0
    done = run(python, get, repository, **variables)
    assert done.returncode == 0, done.stderr
    assert "2 of 3 repositories are in submitted" in done.stdout
    assert "eve: not cloned: " in done.stdout
    done = run(python, grade.replace("--jobs 4", "--jobs 1"), repository, **variables)
    assert done.returncode == 0, done.stderr
    scores = {
        s["student"]: s["score"] for s in json.loads((repository / "results/results.json").read_text())["submissions"]
    }
    assert scores == {"ada": 12.0, "bo": 0.0}
    assert len(list(junitparser.JUnitXml.fromfile(str(repository / "results" / "junit.xml")))) == 2
    everything = b"".join(p.read_bytes() for p in repository.rglob("*") if p.is_file() and not p.is_symlink())
    assert b"t0ken" not in everything
    assert SECRET.hex().encode() not in everything


def test_a_token_is_for_its_host_alone(tmp_path, monkeypatch):
    """git gets it by its environment, for the one host; it is on no command line."""
    calls = []
    monkeypatch.setattr(subprocess, "run", lambda command, env, **more: calls.append((command, env)) or FakeDone())
    variables = {fetch.TOKEN: "t0ken", "CI_SERVER_URL": "https://gitlab.example.org"}
    assert list(fetch.fetch({"ada": "https://elsewhere.org/a"}, tmp_path, variables)) == []
    ((command, environment),) = calls
    assert environment["GIT_CONFIG_KEY_0"] == "http.https://gitlab.example.org/.extraHeader"
    assert fetch.TOKEN not in environment
    assert not any("t0ken" in part for part in command)


class FakeDone:
    returncode, stderr = 0, ""


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("who,where\na,b\n", "needs the columns student and repository"),
        ("", "needs the columns"),
        ("student,repository\n", "lists no student"),
        ("student,repository\n../x,https://h/r\n", "row 2: '../x' cannot be the name of a folder"),
        ("student,repository\na,https://h/r\na,https://h/s\n", "row 3: a is there twice"),
        ("student,repository\na,ext::sh -c id\n", "is not the address of a repository"),
        ("student,repository\na,--upload-pack=x\n", "is not the address of a repository"),
        ("student,repository\na\n", "is not the address of a repository"),
    ],
)
def test_a_table_of_students_that_cannot_be_used(tmp_path, table, message):
    """The row is named, before anything is cloned."""
    (tmp_path / "students.csv").write_text(table)
    with pytest.raises(BadInput) as error:
        fetch.read_students(tmp_path / "students.csv")
    assert message in str(error.value)


# The command line -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["gradescope", "g.zip"], "say for which assignment: --assignment 01_computational_graphs or 02_layers"),
        (["gradescope", "g.zip", "--assignment", "09_gan"], "there is no assignment '09_gan'"),
        (["gradescope", "g.tar", "--assignment", A], "call it g.tar.zip"),
        (["gradescope", "f/g.zip", "--assignment", A], "cannot write f/g.zip"),
        (["ci", "github", "full", "--assignment", A], "full is not empty and was not made by autograder ci"),
    ],
)
def test_a_bundle_that_cannot_be_made(tmp_path, monkeypatch, capsys, arguments, message):
    """One line and exit code 2; nothing is written."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.tex").write_text("")
    (tmp_path / "f").write_text("")
    assert main([*arguments, "--solutions", str(ROOT / "solutions")]) == 2
    assert message in capsys.readouterr().err
    assert sorted(p.name for p in tmp_path.rglob("*")) == ["f", "full", "thesis.tex"]


@pytest.mark.parametrize(("kind", "assignment"), [("github", A), ("gitlab", "03_saturation")])
def test_a_grader_is_not_made_of_another(tmp_path, kind, assignment):
    """A folder of another kind or assignment is refused and stays as it is; its own refreshes it."""
    out = tmp_path / "grader"
    write_bundle("gitlab", course(), out)
    before = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    with pytest.raises(BadInput) as error:
        write_bundle(kind, replace(course(), assignment=assignment), out)
    other = f"choose another folder for the {kind} grader of {assignment}"
    assert str(error.value) == f"{out} holds the gitlab grader of {A}; {other}"
    assert before == {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    assert str(write_bundle("gitlab", course(), out)) == f"{out}: nothing to do"


@pytest.mark.parametrize("arguments", [["gradescope", "made.zip"], *(["ci", kind, "made/deep"] for kind in KINDS)])
def test_a_bundle_in_the_courses_repository_is_refused(tmp_path, monkeypatch, capsys, arguments):
    """There `git add` would take the solutions and the course secret; nothing is written."""
    shutil.copytree(ROOT / "solutions", tmp_path / "solutions")
    (tmp_path / ".git").mkdir()
    monkeypatch.chdir(tmp_path)
    assert main([*arguments, "--assignment", A]) == 2
    assert f"would lie inside the repository {tmp_path}; choose a folder outside" in capsys.readouterr().err
    assert {p.name for p in tmp_path.iterdir()} == {"solutions", ".git"}


def test_gradescopes_zip_is_for_its_owner_alone(tmp_path, capsys):
    """It says what it holds."""
    out = tmp_path / "g.zip"
    assert main(["gradescope", str(out), "--assignment", A, "--solutions", str(ROOT / "solutions")]) == 0
    assert "holds the solutions and the course secret" in capsys.readouterr().out
    assert out.stat().st_mode & 0o777 == 0o600
    assert zipfile.ZipFile(out).read("course_secret").decode().strip() == SECRET.hex()
