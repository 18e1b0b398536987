"""Our `nbgrader autograde` against stock nbgrader's, on the same notebooks in the same run, by turns.

    python -m benchmarks.nbgrader [--submissions 50] [--rounds 3]
    python -m benchmarks.nbgrader --flat 500

Stock nbgrader executes each notebook in a kernel; its copy of the notebooks asserts public values in the test cells.
Both run with one process; ours also with one a core. Printed: seconds and peak memory, medians, and the ratios.
With --flat, one batch of ours in one process: its memory at each tenth of the way, and how many were graded.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from autograder.catalogue import load_catalogue
from autograder.handing_out.nbgrader_course import make_course

ROOT = Path(__file__).resolve().parent.parent
A = "02_layers"
# nbgrader starts `alembic` by name: where the environment is not activated, its folder is not on the path.
PROGRAMS = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
ENVIRONMENT = os.environ | {"AUTOGRADER_SECRET": "00" * 32, "MPLBACKEND": "Agg", "PATH": PROGRAMS}
# What an instructor without us writes: a value or two, by allclose. Kept short, in favour of stock nbgrader.
STOCK_TEST = """\
x = np.array([[0.5, -1.0], [2.0, 0.0]])
assert {name} is not None and np.isfinite(x).all()
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--submissions", type=int, default=50)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--flat", type=int, default=0, metavar="N", help="one batch of N submissions, for its memory")
    arguments = parser.parse_args()
    if arguments.flat:
        flat(arguments.flat)
        return
    with tempfile.TemporaryDirectory() as folder:
        ours, stock = make(Path(folder), arguments.submissions)
        ways = {
            "stock": (stock, ()),
            "ours, one process": (ours, ("--SubmissionExporter.workers=1",)),
            "ours, one a core": (ours, ("--SubmissionExporter.workers=0",)),
        }
        results = {name: [] for name in ways}
        for _ in range(arguments.rounds):
            for name, (course, options) in ways.items():
                seconds, memory = autograde(course, options)
                results[name].append((seconds, max(memory)))
                print(f"  {name}: {results[name][-1][0]:.1f} s", flush=True)
        table(results, arguments)


def make(folder: Path, count: int) -> tuple[Path, Path]:
    """Two courses with the same class: ours, and one of stock nbgrader."""
    ours = folder / "ours"
    make_course(load_catalogue(ROOT / "solutions"), ROOT / "assignments", ours)
    nbgrader(ours, "generate_assignment", A)
    solved = json.loads((ours / "source" / A / f"{A}.ipynb").read_text())
    answers = {c["id"]: c["source"] for c in solved["cells"] if c["metadata"].get("nbgrader", {}).get("solution")}
    released = json.loads((ours / "release" / A / f"{A}.ipynb").read_text())
    for cell in released["cells"]:
        if cell["cell_type"] == "code":
            cell["source"] = answers.get(cell["id"], cell["source"])
    stock = folder / "stock"
    (stock / "source" / A).mkdir(parents=True)
    (stock / "nbgrader_config.py").write_text('c = get_config()\nc.CourseDirectory.course_id = "stock"\n')
    for notebook, target in ((solved, stock / "source" / A), (released, stock / "class")):
        copy = json.loads(json.dumps(notebook))
        for cell in copy["cells"]:
            if cell["cell_type"] == "code" and cell["metadata"].get("nbgrader", {}).get("grade"):
                cell["source"] = STOCK_TEST.format(name=cell["id"].removeprefix("check_"))
        target.mkdir(exist_ok=True)
        (target / f"{A}.ipynb").write_text(json.dumps(copy))
    nbgrader(stock, "generate_assignment", A)
    for number in range(count):
        for course, text in ((ours, json.dumps(released)), (stock, (stock / "class" / f"{A}.ipynb").read_text())):
            submitted = course / "submitted" / f"s{number:04}" / A
            shutil.copytree(course / "release" / A, submitted)
            (submitted / f"{A}.ipynb").write_text(text)
    return ours, stock


def nbgrader(course: Path, *arguments: str) -> None:
    command = [sys.executable, "-m", "nbgrader", *arguments]
    done = subprocess.run(
        command, cwd=course, env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    if done.returncode:
        raise SystemExit(f"nbgrader {arguments[0]} ended with {done.returncode}:\n{done.stdout}")


def flat(count: int) -> None:
    """Memory over one long batch in one process: what is kept of a submission would show as a slope."""
    with tempfile.TemporaryDirectory() as folder:
        ours, _ = make(Path(folder), count)
        seconds, memory = autograde(ours, ("--SubmissionExporter.workers=1",))
    tenths = [statistics.median(memory[i * len(memory) // 10 : (i + 1) * len(memory) // 10]) for i in range(10)]
    print(f"{count} submissions in one batch: {seconds:.0f} s, all graded, at most {max(memory):.0f} MB")
    print("median MB in each tenth of the time: " + " ".join(f"{megabytes:.0f}" for megabytes in tenths))


def autograde(course: Path, options: tuple[str, ...]) -> tuple[float, list[float]]:
    """Seconds of one forced run, and the megabytes of all its processes together, over it.

    Every submission must have a page.
    """
    command = [sys.executable, "-m", "nbgrader", "autograde", A, "--force", *options]
    start = time.perf_counter()
    process = subprocess.Popen(command, cwd=course, env=ENVIRONMENT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    memory = []
    os.set_blocking(process.stderr.fileno(), False)
    while process.poll() is None:
        process.stderr.read()
        memory.append(memory_of(process.pid))
        time.sleep(0.05)
    seconds = time.perf_counter() - start
    pages = len(list((course / "autograded").glob(f"*/{A}/{A}.ipynb")))
    submissions = len(list((course / "submitted").iterdir()))
    if process.returncode or pages != submissions:
        sys.exit(f"{course.name}: exit {process.returncode}, {pages} of {submissions} graded")
    return seconds, memory


def memory_of(pid: int) -> float:
    """Megabytes of a process and its descendants, pages that they share counted once a sharer (PSS)."""
    total, pending = 0.0, [pid]
    while pending:
        current = pending.pop()
        try:
            for line in Path(f"/proc/{current}/smaps_rollup").read_text().splitlines():
                if line.startswith("Pss:"):
                    total += int(line.split()[1]) / 1024
            for task in Path(f"/proc/{current}/task").iterdir():
                pending += map(int, (task / "children").read_text().split())
        except (OSError, ProcessLookupError):
            continue
    return total


def table(results: dict[str, list[tuple[float, float]]], arguments: argparse.Namespace) -> None:
    base_seconds, base_memory = (statistics.median(r[i] for r in results["stock"]) for i in (0, 1))
    print(f"\n{arguments.submissions} submissions of {A}, median of {arguments.rounds} rounds by turns")
    print(f"{'':20} {'seconds':>8} {'of stock':>9} {'MB':>7} {'of stock':>9}")
    for name, measured in results.items():
        seconds, memory = (statistics.median(r[i] for r in measured) for i in (0, 1))
        print(f"{name:20} {seconds:8.1f} {seconds / base_seconds:9.2f} {memory:7.0f} {memory / base_memory:9.2f}")


if __name__ == "__main__":
    main()
