"""A fresh machine for tests: a Python with numpy and pip alone, and no network to fetch anything else from."""

from __future__ import annotations

import os
import subprocess
import venv
from importlib import metadata
from pathlib import Path

OFFLINE = {"PIP_NO_INDEX": "1", "PIP_NO_COMPILE": "1", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}


def fresh_python(folder: Path) -> Path:
    """Makes an environment in the folder, its numpy and pip those of this one, and returns its Python."""
    venv.create(folder, symlinks=os.name == "posix")
    (packages,) = folder.glob("lib/python*/site-packages")
    for package in ("numpy", "pip"):
        where = Path(metadata.distribution(package).locate_file(package))
        for path in where.parent.glob(f"{where.name}*"):
            (packages / path.name).symlink_to(path)
    return folder / "bin" / "python"


def surroundings(python: Path, **variables: str) -> dict[str, str]:
    """An environment with this Python first on the path, without the checkout, a secret or an index of packages."""
    kept = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "AUTOGRADER_SECRET")}
    return kept | {"PATH": f"{python.parent}{os.pathsep}{os.environ['PATH']}", **OFFLINE, **variables}


def run(python: Path, command: str, folder: Path, **variables: str) -> subprocess.CompletedProcess:
    """A command in bash, in these surroundings."""
    return subprocess.run(
        ["bash", "-ec", command],
        cwd=folder,
        env=surroundings(python, **variables),
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        timeout=300,
    )
