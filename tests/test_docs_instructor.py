"""The tutorial for instructors is run as it stands."""

import csv
import os
import re
import subprocess
import sys
from pathlib import Path

from tests.course import SECRET

ROOT = Path(__file__).parent.parent


def test_every_command_of_the_tutorial_works(tmp_path):
    """All its shell blocks, in order, in one shell, with an empty home."""
    text = (ROOT / "docs" / "instructor.md").read_text()
    blocks = re.findall(r"^```sh\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    assert len(blocks) == 12
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    home = {"HOME": str(tmp_path), "AUTOGRADER_SECRET": SECRET, "PATH": path}
    for name in ("CONFIG", "DATA", "RUNTIME"):
        home[f"JUPYTER_{name}_DIR"] = str(tmp_path / "jupyter" / name)
    done = subprocess.run(
        ["bash", "-eux", "-c", "".join(blocks)],
        cwd=ROOT,
        env=os.environ | home,
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    with open(tmp_path / "courses" / "spring" / "grades.csv", newline="") as file:
        students = {row["student_id"]: row for row in csv.DictReader(file)}
    assert {"zoe"} < set(students)  # and whoever runs this, who handed in as ann
    assert {row["score"] for row in students.values()} == {"0.0"}
