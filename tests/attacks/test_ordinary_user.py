"""The corpus again as an ordinary user, where the tests run as root: less is given up, and as much must hold."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest
from attack import attacks

ROOT = Path(__file__).resolve().parents[2]
NOBODY = 65534
# groups in which it makes no difference who the user is
SAME = ("crashing", "forging", "lying", "stalling", "text")


def interpreter(environment: dict[str, str]) -> str | None:
    """A Python that an ordinary user may run: root's own may lie in root's home."""
    for python in (sys.executable, f"/usr/bin/python3.{sys.version_info.minor}", "/usr/bin/python3"):
        command = [python, "-c", "import numpy, pytest, autograder.grading"]
        try:
            subprocess.run(command, user=NOBODY, group=NOBODY, extra_groups=[], env=environment, cwd="/", check=True)
        except (OSError, subprocess.CalledProcessError):
            continue
        return python
    return None


@pytest.mark.skipif(os.geteuid() != 0, reason="the corpus itself ran as an ordinary user")
def test_the_corpus_holds_for_an_ordinary_user():
    """Without root to give up, as the grader's own user, every attack is refused, and works with protection off."""
    with tempfile.TemporaryDirectory() as folder:  # pytest's own are closed to others
        os.chown(folder, NOBODY, NOBODY)
        run_the_corpus(folder)


def run_the_corpus(folder: str) -> None:
    environment = {
        "HOME": folder,
        "TMPDIR": folder,
        "PATH": "/usr/bin:/bin",
        "PYTHONPATH": os.pathsep.join([str(ROOT), str(Path(np.__file__).parents[1])]),
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTEST_ADDOPTS": "",
    }
    python = interpreter(environment)
    if python is None:
        pytest.skip("no Python here that an ordinary user may run")
    command = [
        python,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "-o",
        "addopts=",
        "tests/attacks/test_attacks.py",
    ]
    command += ["-k", " and ".join(f"not {group}-" for group in SAME)]
    done = subprocess.run(
        command,
        user=NOBODY,
        group=NOBODY,
        extra_groups=[],
        env=environment | {"AUTOGRADER_ATTACKS_WITHOUT": ",".join(SAME)},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
    passed = int(re.search(r"(\d+) passed", done.stdout).group(1))
    asked = [attack for attack in attacks() if attack.group not in SAME]
    assert passed == len(asked) + sum("bare" in attack.flags for attack in asked) + 5
