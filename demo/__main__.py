"""The main job, once through: `python -m demo` builds a course, hands in a class, grades it and shows what came out.

Everything is made in a temporary folder: an nbgrader course, a submission for every right and wrong way that the course
knows, nbgrader's grades and feedback pages, and the class table with the name of each mistake.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from autograder.catalogue import load_catalogue
from autograder.handing_out.nbgrader_course import make_course
from autograder.whole_class.run import ClassRun, grade_class
from demo.classroom import make_class, write_class

ROOT = Path(__file__).resolve().parent.parent
ASSIGNMENT = "02_layers"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m demo", description=__doc__.splitlines()[0])
    parser.add_argument("folder", nargs="?", type=Path, help="where to (default: a new temporary folder)")
    arguments = parser.parse_args()
    folder = arguments.folder or Path(tempfile.mkdtemp(prefix="backprop-demo-"))
    course = folder / "course"

    catalogue = load_catalogue(ROOT / "solutions")
    with step("making the nbgrader course"):
        make_course(catalogue, ROOT / "assignments", course)
        nbgrader(course, "generate_assignment", ASSIGNMENT)
    with step("handing in a class of submissions"):
        files = make_class(catalogue, ASSIGNMENT, ROOT / "assignments")
        write_class(files, course / "submitted", ASSIGNMENT)
    with step(f"nbgrader autograde: {len(files)} submissions"):
        nbgrader(course, "autograde", ASSIGNMENT)
    with step("feedback pages and the gradebook's export"):
        nbgrader(course, "generate_feedback", ASSIGNMENT)
        nbgrader(course, "export")
    with step("the same class by `autograder grade`"):
        run = ClassRun(
            submissions=(course / "submitted",),
            out=folder / "results",
            solutions=catalogue.folder,
            assignment=ASSIGNMENT,
            jobs=os.cpu_count() or 1,
        )
        lines: list[str] = []
        reports = grade_class(run, tell=lines.append, warn=lines.append)
    print("\n".join(lines))
    check_scores(course, {r.student: r.score for r in reports})

    page = next((course / "feedback").glob(f"*-upstream-forgotten/{ASSIGNMENT}/*.html"))
    print(f"""
Grades      {course / "grades.csv"} (and the gradebook, {course / "gradebook.db"})
Feedback    {course / "feedback"}, for example {page.relative_to(course / "feedback")}
Report      {folder / "results" / "report.html"} (from {folder / "results" / "results.json"})
Formgrader  cd {course} && {Path(sys.executable).parent / "jupyter"} lab""")
    return 0


class step:
    """Says what is being done, and on a terminal how long it took; silent in between."""

    def __init__(self, what: str):
        self.what = what

    def __enter__(self) -> None:
        self.start = time.perf_counter()
        if sys.stdout.isatty():
            print(f"{self.what} ...", end="", flush=True)

    def __exit__(self, kind, *_) -> None:
        seconds = time.perf_counter() - self.start
        if kind is None:
            print(f"\r{self.what}: {seconds:.1f} s " if sys.stdout.isatty() else self.what, flush=True)


def nbgrader(course: Path, *arguments: str) -> None:
    """Runs an nbgrader command in the course; its output is shown only if it fails."""
    # nbgrader starts `alembic` by name: where the environment is not activated, its folder is not on the path.
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        [sys.executable, "-m", "nbgrader", *arguments],
        cwd=course,
        env={**os.environ, "PATH": path},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    if done.returncode:
        sys.exit(f"nbgrader {' '.join(arguments)} failed:\n{done.stdout}{done.stderr}")


def check_scores(course: Path, scores: dict[str, float]) -> None:
    """The gradebook must hold the very scores that `autograder grade` gave."""
    from nbgrader.api import Gradebook

    with Gradebook(f"sqlite:///{course / 'gradebook.db'}") as gradebook:
        kept = {
            s.student.id: sum(g.auto_score or 0.0 for n in s.notebooks for g in n.grades)
            for s in gradebook.assignment_submissions(ASSIGNMENT)
        }
    different = {s: (kept.get(s), score) for s, score in scores.items() if kept.get(s) != score}
    if different:
        sys.exit(f"the gradebook and autograder grade disagree: {different}")
    print(f"\nnbgrader's gradebook holds the same score for all {len(scores)}.")


if __name__ == "__main__":
    raise SystemExit(main())
