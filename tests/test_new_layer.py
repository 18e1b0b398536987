"""Adding a layer is adding one file: everything else about it follows."""

import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from autograder.catalogue import load_catalogue
from autograder.cli import main
from tests.conftest import ROOT
from tests.course import SOFTPLUS
from tests.test_release import solution_lines


@pytest.fixture
def course(tmp_path) -> Path:
    """The course's solutions with a fourth layer beside them, in a folder of their own."""
    shutil.copytree(ROOT / "solutions", tmp_path / "solutions")
    (tmp_path / "solutions" / "softplus.py").write_text(SOFTPLUS)
    return tmp_path


def test_the_command_line_makes_its_stub_and_key(course, capsys):
    """`autograder stubs` in the folder writes the stub and the public key; a second time there is nothing to do."""
    arguments = ["stubs", "--solutions", str(course / "solutions"), "--keys", str(course / "keys")]
    assert main(arguments) == 0
    assert (
        'raise NotImplementedError("Need to implement softplus_forward")' in (course / "layers/softplus.py").read_text()
    )
    assert (course / "keys" / "softplus.json").is_file()
    assert main([*arguments, "--check"]) == 0
    main(arguments)
    assert "nothing to do" in capsys.readouterr().out


def test_a_student_checks_it_and_an_instructor_grades_it(course, capsys, monkeypatch):
    """The stub fails the public checks, a right function passes them, and full grading gives it its points."""
    main(["stubs", "--solutions", str(course / "solutions"), "--keys", str(course / "keys")])
    monkeypatch.chdir(course)
    assert main(["check", "layers", "-e", "softplus_forward"]) == 1
    stub = course / "layers" / "softplus.py"
    stub.write_text(
        "import numpy as np\n\n"
        "def softplus_forward(x):\n    return np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x))), x\n\n"
        "def softplus_backward(dout, cache):\n    return dout * (1 + np.tanh(cache / 2)) / 2\n"
    )
    assert main(["check", "layers", "-e", "softplus_forward"]) == 0
    assert main(["check", "layers", "-e", "softplus_backward"]) == 0
    capsys.readouterr()
    assert main(["grade", "layers", "--solutions", "solutions", "--assignment", "02_layers", "--out", "out"]) == 0
    head, row = capsys.readouterr().out.splitlines()[:2]
    points = dict(zip(re.split(r"  +", head), re.split(r"  +", row), strict=True))
    assert (points["softplus fwd"], points["softplus bwd"]) == ("2", "1.5")


def test_it_gets_every_test_that_the_other_layers_have(course):
    """The suite over the exercises, pointed at the folder, tests the new layer as it does the others."""
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-n",
            "0",
            "-p",
            "no:cacheprovider",
            "tests/test_exercises.py",
            "-k",
            "softplus",
        ],
        cwd=ROOT,
        env={**os.environ, "SOLUTIONS_UNDER_TEST": str(course / "solutions")},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout
    # reference, stub, JSON, fresh inputs, reasons, public cases; four general mistakes
    assert re.search(r"\b10 passed\b", done.stdout), done.stdout


def test_the_wheel_holds_the_engine_and_no_solution(tmp_path):
    """Only `autograder` is in the wheel, with the public keys, and no line of a reference."""
    done = subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(tmp_path), str(ROOT)],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        files = {name: archive.read(name).decode() for name in archive.namelist()}
    tops = {name.split("/")[0] for name in files if ".dist-info" not in name}
    assert tops == {"autograder"}
    keys = [name for name in files if name.startswith("autograder/keys/")]
    assert len(keys) == len(load_catalogue(ROOT / "solutions").exercises())
    lines = list(solution_lines())
    assert len(lines) >= 20
    assert [(name, line) for name, text in files.items() for line in lines if line in text] == []
