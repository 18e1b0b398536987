"""The page on repositories and continuous integration is run as it stands."""

import json
import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

from tests.course import SECRET

ROOT = Path(__file__).parent.parent


def test_every_command_of_the_page_works(tmp_path):
    """All its shell blocks, in order, in one shell, with an empty home: what each says it makes is there."""
    text = (ROOT / "docs" / "ci.md").read_text()
    blocks = re.findall(r"^```sh\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    assert len(blocks) == 8
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-eux", "-c", "".join(blocks)],
        cwd=ROOT,
        env=os.environ | {"HOME": str(tmp_path), "AUTOGRADER_SECRET": SECRET, "PATH": path},
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    (submission,) = json.loads((tmp_path / "results" / "results.json").read_text())["submissions"]
    assert (submission["student"], submission["score"]) == ("ada", 0.0)
    assert (tmp_path / "results" / "scores.csv").read_text().startswith("student,assignment,score")
    assert {"setup.sh", "run_autograder"} <= set(zipfile.ZipFile(tmp_path / "gradescope.zip").namelist())
    for made in ("students/README.md", "grader/students.csv", "grader-gitlab/.gitlab-ci.yml"):
        assert (tmp_path / made).is_file()
    for made in ("prairielearn/backprop_02/info.json", "classroom50/02_layers/autograder.py"):
        assert (tmp_path / made).is_file()
