"""How fast a class is graded, beside stock `nbgrader autograde` and `otter run`: `python -m benchmarks.throughput`.

    python -m benchmarks.throughput [--largest 10000] [--rounds 5] [--peers 10] [--plot docs/throughput.svg]

Everybody grades the same six functions of 02_layers, right and as a notebook, each with a comment of its own. Ours is
the command `autograder grade` with all its hidden inputs, from the start of the process until results.json is written;
the class report comes after that. "One core" holds `--jobs 1` and all its processes to one. The peers may use every
core, run the notebook and check next to nothing, in their favour. They take turns, round after round, so that a busy
machine is busy for all; the tables show medians. otter-grader is installed into an environment of its own.
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
import threading
import time
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path

from autograder.catalogue import Catalogue, load_catalogue
from autograder.grading import Grader
from autograder.submission import read_submission
from benchmarks.nbgrader import ENVIRONMENT, make, memory_of
from demo.solved import solved_notebook

ROOT = Path(__file__).resolve().parent.parent
A = "02_layers"
OTTER_TEST = """\
OK_FORMAT = True
test = {{"name": "{name}", "points": 1, "suites": [{{"cases": [
    {{"code": ">>> bool(np.isfinite(np.array([[0.5, -1.0], [2.0, 0.0]])).all() and {name} is not None)\\nTrue",
      "hidden": False, "locked": False}}], "scored": True, "setup": "", "teardown": "", "type": "doctest"}}]}}
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--largest", type=int, default=10_000, help="submissions of the largest class")
    parser.add_argument("--rounds", type=int, default=5, help="rounds of one core against two, and against the peers")
    parser.add_argument("--peers", type=int, default=10, help="submissions that the peers grade in a round")
    parser.add_argument("--otter", type=Path, help="an environment that holds otter-grader; made anew if not given")
    parser.add_argument("--cluster", action="store_true", help="also by a Dask cluster of two workers")
    parser.add_argument("--plot", type=Path, help="where to write the plot (SVG or PNG)")
    arguments = parser.parse_args()
    catalogue = load_catalogue(ROOT / "solutions")
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        classes = Classes(place / "classes", catalogue)
        warm(classes)
        peers = Peers(place / "peers", arguments.peers, arguments.otter)
        rates = compare(classes, peers, arguments.rounds)
        if arguments.cluster:
            cluster(classes, arguments.rounds)
        resumed(classes)
        growth = grow(classes, arguments.largest)
        if arguments.plot:
            plot(growth, rates, arguments.plot)


class Classes:
    """Classes of any size, each notebook different by a comment."""

    def __init__(self, folder: Path, catalogue: Catalogue):
        self.folder, self.catalogue = folder, catalogue
        self.notebook = solved_notebook(catalogue, A, ROOT / "assignments")

    def of(self, count: int) -> Path:
        """The folder of a class of `count`."""
        folder = self.folder / str(count)
        first = self.notebook.cells[0]
        original = first.source
        for number in range(0 if not folder.exists() else count, count):
            student = folder / f"s{number:05}"
            student.mkdir(parents=True)
            first.source = f"{original}\n\n<!-- {number} -->"
            (student / f"{A}.ipynb").write_text(json.dumps(self.notebook), encoding="utf-8")
        first.source = original
        return folder


def grade(
    classes: Classes,
    count: int,
    *options: str,
    keep: Path | None = None,
    cores: set[int] | None = None,
    watched: bool = False,
) -> tuple[float, float]:
    """(seconds, peak megabytes) of `autograder grade` of a class; every submission must have full marks.

    cores: those that it is held to. watched: whether its memory is measured, which takes time on one of them.
    """
    folder = classes.of(count)
    out = keep or Path(tempfile.mkdtemp(dir=classes.folder))
    command = [sys.executable, "-m", "autograder", "grade", str(folder), "--out", str(out), "--assignment", A, *options]
    seconds, peak = run(command, until="results.json", cores=cores, watched=watched)
    graded = json.loads((out / "results.json").read_text())["submissions"]
    if len(graded) != count or any(entry["score"] != entry["max_score"] for entry in graded):
        sys.exit(f"{len(graded)} of {count} graded, not all with full marks")
    if keep is None:
        shutil.rmtree(out)
    return seconds, peak


def run(
    command: Sequence[str], cwd: Path = ROOT, until: str = "", cores: set[int] | None = None, watched: bool = False
) -> tuple[float, float]:
    """(seconds, peak megabytes with all its processes, 0 if not watched) of a command that must succeed.

    until: the seconds end with the first line that it prints with these words.
    """
    everywhere, seconds, said, peak, over = os.sched_getaffinity(0), 0.0, [], [0.0], threading.Event()
    start = time.perf_counter()
    os.sched_setaffinity(0, cores or everywhere)  # which a process inherits
    process = subprocess.Popen(
        command, cwd=cwd, env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace"
    )
    os.sched_setaffinity(0, everywhere)

    def watch() -> None:
        while watched and not over.wait(0.5):
            peak[0] = max(peak[0], memory_of(process.pid))

    watcher = threading.Thread(target=watch)
    watcher.start()
    for line in process.stdout:
        said.append(line)
        if until and until in line and not seconds:
            seconds = time.perf_counter() - start
    process.wait()
    seconds = seconds or time.perf_counter() - start
    over.set()
    watcher.join()
    if process.returncode:
        sys.exit(f"{' '.join(map(str, command))}: {''.join(said)[-2000:]}")
    return seconds, peak[0]


class Peers:
    """Stock nbgrader and otter-grader on an assignment of the same six functions."""

    def __init__(self, folder: Path, count: int, otter: Path | None):
        folder.mkdir()
        self.count = count
        _, self.course = make(folder, count)
        self.notebooks = sorted((self.course / "submitted").glob(f"*/{A}/{A}.ipynb"))
        self.otter = (otter or self._install(folder / "otter")) / "bin" / "otter"
        self.tests = self._otter_tests(folder)

    @staticmethod
    def _install(environment: Path) -> Path:
        subprocess.run([sys.executable, "-m", "venv", str(environment)], check=True)
        command = [
            environment / "bin" / "pip",
            "install",
            "--quiet",
            "otter-grader",
            "ipykernel",
            "numpy",
            "matplotlib",
        ]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        return environment

    def _otter_tests(self, folder: Path) -> Path:
        """An autograder of otter's with a test a function."""
        tests = folder / "tests"
        tests.mkdir()
        for layer in ("affine", "sigmoid", "tanh"):
            for name in (f"{layer}_forward", f"{layer}_backward"):
                (tests / f"{name}.py").write_text(OTTER_TEST.format(name=name))
        command = [self.otter, "generate", "-t", tests, "-o", folder / "autograder.zip", "--no-environment"]
        subprocess.run(command, check=True, cwd=folder, capture_output=True)
        with zipfile.ZipFile(folder / "autograder.zip") as archive:
            assert any(name.endswith("tanh_backward.py") for name in archive.namelist())
        return folder / "autograder.zip"

    def nbgrader(self) -> float:
        """Seconds a submission of one `nbgrader autograde` of all."""
        command = [sys.executable, "-m", "nbgrader", "autograde", A, "--force"]
        return run(command, self.course)[0] / self.count

    def otter_run(self) -> float:
        """Seconds a submission of `otter run`, which takes one at a time."""
        times = []
        for notebook in self.notebooks[: max(3, self.count // 3)]:
            with tempfile.TemporaryDirectory() as out:
                times.append(run([self.otter, "run", "-a", self.tests, "-o", out, notebook])[0])
                scored = json.loads((Path(out) / "results.json").read_text())["tests"]
                if sum(test.get("score", 0) for test in scored) < 6:
                    sys.exit(f"otter found a right notebook wrong: {scored}")
        return statistics.median(times)


def warm(classes: Classes, count: int = 200) -> None:
    """Milliseconds a submission in one warm grader: on all cores, and with everything held to one."""
    cores = os.sched_getaffinity(0)
    paths = sorted(classes.of(count).glob(f"*/{A}.ipynb"))
    print(f"one warm grader, {count} submissions of {A}, milliseconds each")
    for label, allowed in (("one process, its child beside it", cores), ("all on one core", {min(cores)})):
        os.sched_setaffinity(0, allowed)
        with Grader(classes.catalogue, A, secret=b"x" * 32) as grader:
            times = []
            for path in [*paths[:10], *paths]:
                start = time.perf_counter()
                grader.grade(read_submission(path, student=path.parent.name, assignment=A))
                times.append(1e3 * (time.perf_counter() - start))
        print(f"  {label:34} median {statistics.median(times[10:]):6.1f}   best {min(times):6.1f}", flush=True)
    os.sched_setaffinity(0, cores)


def by_turns(ways: dict[str, Callable[[], float]], rounds: int) -> dict[str, float]:
    """The median of what each way returns, taken by turns."""
    found: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, way in ways.items():
            found[name].append(way())
    return {name: statistics.median(values) for name, values in found.items()}


def compare(classes: Classes, peers: Peers, rounds: int, count: int = 1000) -> dict[str, float]:
    """Seconds a submission: ours on one core and on two, and the peers."""
    one = {min(os.sched_getaffinity(0))}
    found = by_turns(
        {
            "ours, one core": lambda: grade(classes, count, "--jobs", "1", cores=one)[0] / count,
            "ours, two cores": lambda: grade(classes, count, "--jobs", "2")[0] / count,
            "nbgrader autograde": peers.nbgrader,
            "otter run": peers.otter_run,
        },
        rounds,
    )
    ours = found["ours, one core"]
    print(f"\na class, median of {rounds} rounds by turns (ours {count} submissions a run, peers {peers.count})")
    print(f"two cores: {ours / found['ours, two cores']:.2f} times one")
    print(f"{'':20} {'submissions/s':>14} {'times ours on one core':>24}")
    for name, seconds in found.items():
        print(f"{name:20} {1 / seconds:14.2f} {seconds / ours:24.2f}")
    return found


def cluster(classes: Classes, rounds: int, count: int = 1000) -> None:
    """A Dask cluster of two workers on this machine against two local processes."""
    from distributed import LocalCluster

    with LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None) as dask:
        address = dask.scheduler_address
        found = by_turns(
            {
                "--jobs 2": lambda: grade(classes, count, "--jobs", "2")[0],
                "--cluster": lambda: grade(classes, count, "--cluster", address)[0],
            },
            rounds,
        )
    ratio = found["--cluster"] / found["--jobs 2"]
    print(
        f"\n{count} submissions: --jobs 2 {found['--jobs 2']:.1f} s, --cluster {found['--cluster']:.1f} s: {ratio:.2f}"
    )


def resumed(classes: Classes, count: int = 1000) -> None:
    """A class that has been graded, graded again."""
    out = classes.folder / "kept"
    first, _ = grade(classes, count, "--jobs", "2", keep=out)
    again = statistics.median(grade(classes, count, "--jobs", "2", keep=out)[0] for _ in range(3))
    print(f"\n{count} submissions: {first:.1f} s; again, nothing changed: {again:.1f} s", flush=True)


def grow(classes: Classes, largest: int) -> list[tuple[int, float, float]]:
    """(submissions, seconds, megabytes) from 10 to the largest class, on two cores."""
    print(f"\n{'submissions':>12} {'seconds':>9} {'ms each':>9} {'peak MB':>9}")
    found = []
    count = 10
    while count <= largest:
        seconds, peak = grade(classes, count, "--jobs", "2", watched=True)
        found.append((count, seconds, peak))
        print(f"{count:12} {seconds:9.1f} {1e3 * seconds / count:9.1f} {peak:9.0f}", flush=True)
        count *= 10
    return found


def plot(growth: list[tuple[int, float, float]], rates: dict[str, float], path: Path) -> None:
    """Seconds against submissions, log-log: ours as measured, the peers by their rate."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(7, 4.2), layout="constrained")
    sizes = [size for size, _, _ in growth]
    axes.loglog(sizes, [seconds for _, seconds, _ in growth], "o-", label="autograder grade --jobs 2")
    for name, style in (("nbgrader autograde", "s--"), ("otter run", "^:")):
        axes.loglog(sizes, [rates[name] * size for size in sizes], style, label=f"{name}, at its rate")
    axes.set(xlabel="submissions", ylabel="seconds", title="Grading a class of 02_layers on two cores")
    axes.grid(True, which="major", alpha=0.3)
    axes.legend()
    figure.savefig(path)


if __name__ == "__main__":
    main()
