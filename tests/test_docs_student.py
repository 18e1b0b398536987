"""The page for students: its files are written, its commands run, its reports compared, in the order of the page."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from tests.conftest import ROOT

BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.DOTALL | re.MULTILINE)


def run(commands: str, folder: Path) -> str:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    env = os.environ | {"PYTHONPATH": str(ROOT), "PATH": path}
    done = subprocess.run(["bash", "-c", commands], cwd=folder, env=env, capture_output=True, text=True)
    assert done.returncode in (0, 1), done.stderr
    assert done.stderr == ""
    return done.stdout


def test_what_the_page_shows_is_what_comes_out(tmp_path):
    """Every report on the page is that of the code above it, to the letter."""
    (tmp_path / "layers").mkdir()
    for name in ("fully_connected", "sigmoid", "tanh"):
        shutil.copy(ROOT / "layers" / f"{name}.py", tmp_path / "layers")
    command, shown, compared = "", "", 0
    for kind, text in BLOCK.findall((ROOT / "docs" / "student.md").read_text(encoding="utf-8")):
        if kind == "python":
            file = re.match(r"# (\S+)\n", text)[1]
            (tmp_path / file).write_text(text)
            shown = ""
        elif kind == "sh":
            command, shown = text, run(text, tmp_path)
            assert shown
        elif kind == "text":
            shown = shown or run(command, tmp_path)  # of the code above it, if that stands below the command
            assert text in shown
            compared += 1
    assert compared == 3


def test_the_pages_it_names_are_there():
    """Pictures and links within the repository."""
    text = (ROOT / "docs" / "student.md").read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)#:]+)\)", text):
        assert (ROOT / "docs" / target).exists(), target
