"""What a student calls in a notebook: `check("sigmoid_backward")` while working, `check_saved()` before handing in.

Both use the public answer key and count for nothing: points come from the hidden checks, elsewhere.
"""

from __future__ import annotations

import json
import os
import sys
import warnings
from pathlib import Path

from autograder.assess import report_on
from autograder.local import LocalSession
from autograder.public_keys import key_of, read_keys
from autograder.rendering.html import to_html
from autograder.rendering.text import to_text
from autograder.report import PASSED, FunctionReport


class NotGradedHere(RuntimeError):
    """nbgrader ran `check()` itself, without the course's plugin: nothing that a kernel says may earn points."""


class Shown:
    """A report that a notebook shows as HTML and a terminal as text."""

    def __init__(self, report: FunctionReport, hints: int):
        self.report, self.hints = report, hints

    def __repr__(self) -> str:
        return to_text(self.report, hints=self.hints, public=True, more=self._more)

    def _repr_html_(self) -> str:
        return to_html(self.report, hints=self.hints, public=True, more=self._more)

    @property
    def _more(self) -> str:
        return f'check("{self.report.name}", hints={self.hints + 1})'


def check(name: str, hints: int = 1) -> float:
    """Run the public checks of one function and show what they found.

    Args:
        name: the function's name, "sigmoid_backward".
        hints: how many hints to show; each further one points a little more clearly.

    Returns: the points that the public checks alone would give, a plain float.

    Raises:
        ValueError: there is no exercise of that name.
        NotGradedHere: nbgrader's autograde executes the cell although the course's plugin should have graded it.
    """
    if os.environ.get("NBGRADER_EXECUTION") == "autograde":
        raise NotGradedHere(
            "check() does not grade: nbgrader must autograde this course with the nbgrader_config.py that "
            "`autograder course` wrote"
        )
    namespace = sys._getframe(1).f_globals
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        report = check_namespace(name, namespace)
    _show(Shown(report, hints))
    if os.environ.get("NBGRADER_EXECUTION") == "validate" and report.status != PASSED:
        raise AssertionError(report.first_failure.headline)
    return float(report.score)


def check_namespace(name: str, namespace: dict, near: Path | str = ".") -> FunctionReport:
    """The report on one function of a live namespace, by the public key."""
    key = key_of(name, read_keys(near))
    session = LocalSession(namespace, [f.name for f in key.functions])
    reports = report_on(key, session)
    return next(r for r in reports if r.name == name)


def check_saved(path: str | Path | None = None) -> float:
    """Check the notebook as it is saved on disk, in a fresh process: what you hand in, not what this kernel remembers.

    Args:
        path: the notebook; by default the one this cell is in, where that can be told, else the only one here.

    Returns: the points that the public checks alone would give, a plain float.

    Raises:
        FileNotFoundError: there is no such notebook, or there are several and none was named.
    """
    import subprocess  # here, since a notebook's first cell waits for what is imported at the top

    path = Path(path) if path is not None else _this_notebook()
    if not path.is_file():
        raise FileNotFoundError(f"there is no notebook at {path}; save it first, or name it: check_saved('mine.ipynb')")
    try:
        done = subprocess.run(
            [sys.executable, "-m", "autograder", "check", "--json", str(path)],
            capture_output=True,
            text=True,
            encoding="utf-8",
            stdin=subprocess.DEVNULL,
            env={k: v for k, v in os.environ.items() if k != "NBGRADER_EXECUTION"},
        )
    except PermissionError:  # a notebook that is run for its plots, after grading
        print("check_saved: no other process can be started here")
        return 0.0
    if done.returncode not in (0, 1):
        print(f"check_saved: {(done.stderr or done.stdout).strip().splitlines()[-1]}")
        return 0.0
    result = json.loads(done.stdout)
    print(result["text"])
    return float(result["score"])


def _this_notebook() -> Path:
    """The notebook that runs this: Jupyter and VS Code tell its path; else the only notebook of the folder."""
    named = os.environ.get("JPY_SESSION_NAME", "")
    if named.endswith(".ipynb"):
        for candidate in (Path(named), Path(named).name):
            if Path(candidate).is_file():
                return Path(candidate)
    found = sorted(Path().glob("*.ipynb"))
    if len(found) == 1:
        return found[0]
    what = "several notebooks are" if found else "no notebook is"
    raise FileNotFoundError(f"{what} in this folder; name yours: check_saved('mine.ipynb')")


def _show(shown: Shown) -> None:
    shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    if shell is None:
        print(shown)
    else:
        from IPython.display import display

        display(shown)
