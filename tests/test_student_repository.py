"""The repository that students get: it checks itself as its workflows do, keeps their work, and gives nothing away."""

from __future__ import annotations

import base64
import io
import json
import re
import subprocess
import zipfile
from pathlib import Path

import junitparser
import nbformat
import pytest
import yaml
from check_jsonschema import main as check_jsonschema
from click.testing import CliRunner
from hatchling.build import build_wheel

from autograder.catalogue import load_catalogue
from autograder.cli import main
from autograder.errors import BadInput
from autograder.handing_out.student_repository import INSTALL_ID, install_cell, make_release, release_files, solved_file
from autograder.handing_out.wheel import FILE, package_wheel
from autograder.student.repository_check import MARKER_FILE
from demo.classroom import reference_source
from tests.conftest import ROOT
from tests.consumers import commands_obeyed
from tests.fresh import fresh_python, run
from tests.test_release import solution_lines

URL = "https://github.com/org/backprop"
WORKFLOW = ".github/workflows/check.yml"


@pytest.fixture(scope="module")
def files() -> dict[str, bytes]:
    """Every file of a release."""
    return release_files(load_catalogue(ROOT / "solutions"), ROOT / "assignments", url=URL)


@pytest.fixture
def repository(files, tmp_path) -> Path:
    """A release on disk, as if cloned."""
    folder = tmp_path / "repository"
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    (folder / MARKER_FILE).write_text('{"schema": "autograder/generated/v1", "files": {}}')
    return folder


@pytest.fixture(scope="module")
def python(tmp_path_factory) -> Path:
    """A Python with numpy and pip and nothing else, as on a fresh machine."""
    return fresh_python(tmp_path_factory.mktemp("fresh"))


def answer(repository: Path, assignment: str, **answers: str) -> None:
    """Writes answers into the cells of an assignment's notebook."""
    path = repository / assignment / f"{assignment}.ipynb"
    notebook = json.loads(path.read_text(encoding="utf-8"))
    for cell in notebook["cells"]:
        if cell["id"] in answers:
            cell["source"] = answers[cell["id"]].splitlines(keepends=True)
    path.write_text(json.dumps(notebook, indent=1), encoding="utf-8")


def solved(assignment: str) -> dict[str, str]:
    return {f.name: reference_source(f) for f in load_catalogue(ROOT / "solutions").functions(assignment)}


def texts(files: dict[str, bytes]) -> dict[str, str]:
    """Every text of a release: what notebooks' cells say and what the wheel holds included."""
    found = {}
    for name, data in files.items():
        if name.endswith(".whl"):
            with zipfile.ZipFile(io.BytesIO(data)) as wheel:
                found |= {f"{name}/{member}": wheel.read(member).decode() for member in wheel.namelist()}
            continue
        found[name] = data.decode()
        if name.endswith(".ipynb"):
            found[f"{name} cells"] = "\n".join(c.source for c in nbformat.reads(found[name], as_version=4).cells)
    return found


# What is in it --------------------------------------------------------------------------------------------------------


def test_no_file_of_a_release_holds_a_line_of_a_solution(files):
    """Notebooks, stubs, keys, pages, and every file in the wheel; and the search finds what is there."""
    lines = list(solution_lines())
    layers = load_catalogue(ROOT / "solutions").layers
    assert all(any(line in solved_file(layer) for line in lines) for layer in layers)
    released = texts(files)
    assert len(released) > 120
    assert [(name, line) for name, text in released.items() for line in lines if line in text] == []
    assert not any("solutions/" in name or "tests/" in name for name in released)


def test_working_layers_are_handed_out_where_later_work_needs_them(files, tmp_path):
    """02 asks for functions of 01, 03 for those of 02: --with-layers hands them out, without markers and grading."""
    given = release_files(load_catalogue(ROOT / "solutions"), ROOT / "assignments", url=URL, with_layers=True)
    added = sorted(given.keys() - files.keys())
    needed = [
        "03_saturation/layers/fully_connected.py",
        "03_saturation/layers/sigmoid.py",
        "03_saturation/layers/tanh.py",
    ]
    assert added == ["02_layers/layers/graphs.py", *needed]
    assert [name for name in files if files[name] != given[name]] == []
    for name in needed:
        text = given[name].decode()
        assert "SOLUTION" not in text
        assert "EXERCISES" not in text
        (tmp_path / Path(name).name).write_text(text)
    assert (
        main(["grade", str(tmp_path), "--student", "x", "--assignment", "02_layers", "--out", str(tmp_path / "o")]) == 0
    )
    (submission,) = json.loads((tmp_path / "o" / "results.json").read_text())["submissions"]
    assert (submission["score"], submission["remarks"]) == (12.0, [])


def test_notebooks_are_clean_and_install_on_colab_first(files):
    """No output, no count, valid; the title stands first, and before any other code the cell that installs."""
    notebooks = {name: nbformat.reads(d.decode(), as_version=4) for name, d in files.items() if name.endswith(".ipynb")}
    assert len(notebooks) == 3
    for notebook in notebooks.values():
        nbformat.validate(notebook)
        code = [cell for cell in notebook.cells if cell.cell_type == "code"]
        assert [(c.outputs, c.execution_count) for c in code if c.outputs or c.execution_count is not None] == []
        assert code[0].id == INSTALL_ID
        assert notebook.cells[0].source.startswith("# ")
        assert code[0].source == install_cell(f"{URL}/raw/main/wheels/{FILE}")
        assert max(map(len, code[0].source.splitlines())) < 100


def test_names_and_line_ends_are_good_on_every_system(files):
    """No name that Windows refuses, no two that differ by case alone, short paths, LF, and git keeps it so."""
    reserved = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\.|$)", re.IGNORECASE)
    for name in files:
        assert re.fullmatch(r"[\w.+-]+(/[\w.+-]+)*", name, re.ASCII)
        assert len(name) < 100
        assert not any(reserved.match(part) or part.endswith(".") for part in name.split("/"))
    assert len({name.lower() for name in files}) == len(files)
    assert [name for name, data in files.items() if b"\r" in data and not name.endswith(".whl")] == []
    assert b"* text=auto eol=lf" in files[".gitattributes"]


def test_git_checks_out_the_same_bytes_where_it_would_change_line_ends(files, repository, tmp_path):
    """With Windows' settings too: a clone is the release byte by byte."""
    commit = "git init -q -b main && git add -A && git -c user.name=a -c user.email=a@b commit -qm x"
    clone = f"git -c core.autocrlf=true -c core.eol=crlf clone -q . {tmp_path}/clone"
    subprocess.run(["bash", "-ec", f"{commit} && {clone}"], cwd=repository, check=True)
    assert files == {name: (tmp_path / "clone" / name).read_bytes() for name in files}


# Workflows ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "schema"), [(WORKFLOW, "github-workflows"), (".gitlab-ci.yml", "gitlab-ci")])
def test_workflows_are_what_their_host_reads(files, tmp_path, name, schema):
    """By the published schemas; and these can fail."""
    path = tmp_path / "workflow.yml"
    check = ["--builtin-schema", f"vendor.{schema}", str(path)]
    path.write_bytes(files[name])
    assert CliRunner().invoke(check_jsonschema, check).exit_code == 0
    path.write_text(files[name].decode().replace("timeout", "time-out").replace("script:", "scripts: 1\n  script:"))
    assert CliRunner().invoke(check_jsonschema, check).exit_code == 1


def test_the_workflows_hold_no_secret_and_can_use_none(files):
    """A fork's pull request has nothing to take: no secret is named, no trigger would bring one, rights are to read."""
    workflow = yaml.safe_load(files[WORKFLOW])
    assert set(workflow[True]) == {"push", "pull_request", "workflow_dispatch"}  # YAML reads "on" as true
    assert workflow["permissions"] == {"contents": "read"}
    (job,) = workflow["jobs"].values()
    assert "permissions" not in job
    checkout = next(step for step in job["steps"] if step.get("uses", "").startswith("actions/checkout"))
    assert checkout["with"]["persist-credentials"] is False
    for name, data in files.items():
        if not name.endswith(".whl"):
            for word in (
                b"secrets.",
                b"AUTOGRADER_SECRET",
                b"pull_request_target",
                b"workflow_run",
                b"TOKEN",
                b"http://",
            ):
                assert word not in data, name


def steps(files) -> list[str]:
    """The commands of the GitHub workflow, in order; those of GitLab's job are their like."""
    (job,) = yaml.safe_load(files[WORKFLOW])["jobs"].values()
    return [step["run"] for step in job["steps"] if "run" in step]


def test_the_workflow_runs_as_written(files, repository, python, tmp_path):
    """Its very commands, on a fresh Python without a network: two failures at their lines, all results kept."""
    forward = "def sigmoid_forward(x):\n    raise ValueError('::error file=x::forged\\n::add-mask::7')\n"
    backward = "def affine_backward(dout, cache):\n    x, w, b = cache\n    return dout, dout, dout\n"
    answer(repository, "02_layers", **{**solved("02_layers"), "sigmoid_forward": forward, "affine_backward": backward})
    install, check = steps(files)
    done = run(python, install, repository)
    assert done.returncode == 0, done.stderr
    done = run(python, check, repository, GITHUB_STEP_SUMMARY=str(tmp_path / "summary.md"), GITHUB_ACTIONS="true")
    assert done.returncode == 1, done.stderr
    obeyed = commands_obeyed(done.stdout)
    assert {name for name, _, _ in obeyed} == {"error"}
    lines = (repository / "02_layers" / "02_layers.ipynb").read_text().splitlines()
    places = {p["title"]: lines[int(p["line"]) - 1] for _, p, _ in obeyed}
    assert "def sigmoid_forward(x)" in places["sigmoid_forward"]
    assert "def affine_backward(dout, cache)" in places["affine_backward"]
    assert {p["file"] for _, p, _ in obeyed} == {"02_layers/02_layers.ipynb"}
    assert "### 01\\_computational\\_graphs: not begun" in (tmp_path / "summary.md").read_text()
    suites = junitparser.JUnitXml.fromfile(str(repository / "results" / "junit.xml"))
    assert (suites.tests, suites.failures, suites.skipped) == (15, 3, 9)
    record = json.loads((repository / "results" / "02_layers" / "results.json").read_text())
    assert (record["schema"], record["grader"]["key"]) == ("autograder/result/v1", "public")

    script = yaml.safe_load(files[".gitlab-ci.yml"])["check"]["script"]
    assert script[0] == install
    done = run(python, script[1], repository)
    assert done.returncode == 1
    assert commands_obeyed(done.stdout) == []
    assert len(json.loads((repository / "results" / "gitlab.json").read_text())) == 3


def test_a_right_solution_is_green(files, repository, capsys, monkeypatch):
    """What is begun passes, so the command exits 0; one assignment can be asked for, begun or not."""
    answer(repository, "02_layers", **solved("02_layers"))
    monkeypatch.chdir(repository)
    assert main(["check"]) == 0
    out = capsys.readouterr().out
    assert "02_layers: 6 of 6 functions pass the public checks, 12 of 12 points if the hidden checks agree." in out
    assert "03_saturation: not begun." in out
    assert main(["check", "--assignment", "02_layers"]) == 0
    assert main(["check", "--assignment", "03_saturation"]) == 1
    assert main(["check", "-e", "tanh_forward", "02_layers"]) == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["check", "--assignment", "09_gan"], "there is no 09_gan at .; there are 01_computational_graphs, 02_layers"),
        (["check", "--format", "junit"], "say where with --out DIR"),
        (["check", "--out", "README.md"], "cannot write to README.md"),
        (["check", "nowhere", "--out", "o"], "there is nothing at nowhere"),
        (["check", "-e", "tanh_forward", "--out", "o"], "-e checks one function"),
        (["check", "--out", "o", "--format", "classroom50"], "Classroom 50's runner"),
    ],
)
def test_bad_arguments_of_a_repositorys_check(repository, capsys, monkeypatch, arguments, message):
    """One line and exit code 2."""
    monkeypatch.chdir(repository)
    for name in ("01_computational_graphs", "03_saturation"):  # one assignment is enough here
        if "09_gan" not in arguments:
            (repository / name).rename(repository / f".{name}")
    assert main(arguments) == 2
    error = capsys.readouterr().err
    assert message in error
    assert len(error.splitlines()) == 1


# The package in it ----------------------------------------------------------------------------------------------------


def test_the_wheel_is_the_one_that_the_project_builds(tmp_path, monkeypatch):
    """The same files as hatchling's, the same name, what it needs and its command; and twice the same bytes."""
    monkeypatch.chdir(ROOT)
    built = build_wheel(str(tmp_path))
    assert built == FILE
    ours, theirs = (
        {name: archive.read(name) for name in archive.namelist()}
        for archive in (zipfile.ZipFile(io.BytesIO(package_wheel())), zipfile.ZipFile(tmp_path / built))
    )
    package = {name for name in theirs if name.startswith("autograder/")}
    assert package == {name for name in ours if name.startswith("autograder/")}
    assert [name for name in package if ours[name] != theirs[name]] == []
    info = FILE.split("-py3")[0] + ".dist-info"
    assert ours[f"{info}/entry_points.txt"].split() == theirs[f"{info}/entry_points.txt"].split()
    assert ours[f"{info}/METADATA"].count(b"\nRequires-Dist: numpy") == 1
    assert package_wheel() == package_wheel()


def test_on_colab_the_first_cell_installs_and_elsewhere_it_does_nothing(files, repository, python):
    """Where the package is absent and this is Colab, pip gets it; another time, and elsewhere, nothing is tried."""
    cell = install_cell(str(repository / "wheels" / FILE))
    colab = "import sys, types; sys.modules['google.colab'] = types.ModuleType('google.colab')\n"
    spy = "\nimport importlib.util; print(importlib.util.find_spec('autograder') is not None)"
    run(python, "python -m pip uninstall -q -y backprop-by-hand", repository)

    def found(code: str) -> str:
        done = run(python, f"python -c {base64_code(code + spy)}", repository)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    assert found(cell) == "False"
    assert found(colab + cell) == "True"
    broken = colab + install_cell("/no/such/wheel")
    assert found(broken) == "True"  # nothing to do any more, so nothing is tried
    run(python, "python -m pip uninstall -q -y backprop-by-hand", repository)
    assert run(python, f"python -c {base64_code(broken)}", repository).returncode == 1


def base64_code(code: str) -> str:
    return f"\"import base64; exec(base64.b64decode('{base64.b64encode(code.encode()).decode()}').decode())\""


def test_what_is_installed_is_named_once(files):
    """pip and Binder install the wheel in the repository with what notebooks need; so does the container."""
    assert files["requirements.txt"] == files["binder/requirements.txt"] == f"./wheels/{FILE}[student]\n".encode()
    container = json.loads(files[".devcontainer/devcontainer.json"])
    assert container["postCreateCommand"] == "python -m pip install -r requirements.txt"
    assert files["binder/runtime.txt"] == b"python-3.11\n"


def test_the_readme_says_what_is_there(files):
    """Every path in it exists, every assignment is in its table, links lead to this repository and to no other."""
    readme = files["README.md"].decode()
    assert "@" not in readme
    for path in re.findall(r"^\| `([^`]+)`", readme, re.MULTILINE):
        assert any(name == path or name.startswith(path.rstrip("/") + "/") for name in files), path
    assert "| `02_layers` | 2. " in readme
    assert f"colab.research.google.com/github/org/backprop/blob/main/{'02_layers/' * 2}"[:-1] in readme
    plain = release_files(load_catalogue(ROOT / "solutions"), ROOT / "assignments")
    assert b"colab.research" not in plain["README.md"]
    assert b"mybinder" not in plain["README.md"]


# Grading what comes back ----------------------------------------------------------------------------------------------


def test_clones_are_graded_as_a_class(repository, tmp_path):
    """A folder of clones is a class for each assignment; the extra cell on top and the files beside cost nothing."""
    answer(repository, "02_layers", **solved("02_layers"))
    (tmp_path / "submitted").mkdir()
    repository.rename(tmp_path / "submitted" / "ada")
    command = ["grade", str(tmp_path / "submitted"), "--assignment", "02_layers", "--out", str(tmp_path / "out")]
    assert main(command) == 0
    (submission,) = json.loads((tmp_path / "out" / "results.json").read_text())["submissions"]
    assert (submission["student"], submission["score"], submission["remarks"]) == ("ada", 12.0, [])


# Made again -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def course(tmp_path, monkeypatch):
    """Releases a small course of one layer into a folder; the wheel is left small to be quick."""
    from tests.course import SOFTPLUS, repository_of

    monkeypatch.setattr("autograder.handing_out.student_repository.package_wheel", lambda: b"wheel")
    source = repository_of(tmp_path / "source", SOFTPLUS)

    def release(folder: Path = tmp_path / "out", **more):
        return make_release(load_catalogue(source / "solutions"), source / "assignments", folder, **more)

    release.solutions = source / "solutions" / "softplus.py"
    return release


def below(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_a_refresh_leaves_the_students_work_alone(course, tmp_path):
    """What a student wrote or added stays, newer text or not; the rest is renewed; twice changes nothing."""
    out = tmp_path / "out"
    assert "files written" in str(course())
    before = below(out)
    assert str(course()) == f"{out}: nothing to do"
    assert before == below(out)
    layer, notes = out / "02_layers" / "layers" / "softplus.py", out / "02_layers" / "notes.txt"
    layer.write_text("# mine\n")
    notes.write_text("mine\n")
    course.solutions.write_text(course.solutions.read_text().replace("a smooth ramp", "a soft ramp"))
    for _ in range(2):  # a file that was left alone is left alone the next time too
        change = course()
        assert change.kept == ("02_layers/layers/softplus.py",)
        assert "changed by hand, left as it is: 02_layers/layers/softplus.py" in str(change)
    assert (layer.read_text(), notes.read_text()) == ("# mine\n", "mine\n")
    assert "soft ramp" in (out / "02_layers" / "02_layers.ipynb").read_text()


def test_what_is_no_longer_released_goes_unless_it_was_changed(course, tmp_path):
    """A layer that the course dropped: the stub goes, a student's text in it stays."""
    other = course.solutions.with_name("swish.py")
    other.write_text(course.solutions.read_text().replace("softplus", "swish"))
    course()
    stub, key = (tmp_path / "out" / "02_layers" / name for name in ("layers/swish.py", "keys/swish.json"))
    stub.write_text("# mine\n")
    other.unlink()
    assert course().removed == ("02_layers/keys/swish.json",)
    assert (stub.read_text(), key.exists()) == ("# mine\n", False)


def test_an_empty_clone_is_a_place_for_a_release(course, tmp_path):
    """`git clone` of an empty repository leaves nothing but .git."""
    (tmp_path / "out" / ".git").mkdir(parents=True)
    assert course().written


@pytest.mark.parametrize("what", ["somebody's folder", "a file", "a broken marker", "a marker that leads outside"])
def test_a_place_that_is_not_ours_is_refused(course, tmp_path, what):
    """It is left as it is."""
    out = tmp_path / "out"
    if what == "a file":
        out.write_text("")
    else:
        out.mkdir()
        (out / "thesis.tex").write_text("")
    if "marker" in what:
        outside = {"schema": "autograder/generated/v1", "files": {"../thesis.tex": "0"}}
        (out / MARKER_FILE).write_text("{" if "broken" in what else json.dumps(outside))
    before = below(tmp_path)
    with pytest.raises(BadInput, match=r"choose an empty folder|name a folder") as error:
        course()
    assert "\n" not in str(error.value)
    assert before == below(tmp_path)


def test_a_release_never_lies_in_the_repository_of_the_solutions(course, tmp_path):
    """Nor beside the solutions; nothing is written."""
    before = below(tmp_path)
    with pytest.raises(BadInput, match=r"the student repository .* would lie inside the repository"):
        course(course.solutions.parent.parent / "student")
    assert before == below(tmp_path)


@pytest.mark.parametrize("url", ["github.com/org/repo", "https://github.com/org", "https://x/y/z?a=b", "javascript:1"])
def test_an_address_that_is_none_is_refused(course, tmp_path, url):
    """It would stand in every notebook."""
    with pytest.raises(BadInput, match="--url takes the address of the repository's page"):
        course(url=url)
    assert not (tmp_path / "out").exists()


def test_a_release_that_cannot_be_written_is_one_clear_error(course, tmp_path):
    """The place's parent is a file."""
    (tmp_path / "file").write_text("")
    with pytest.raises(BadInput, match=r"cannot write .*Not a directory"):
        course(tmp_path / "file" / "out")
