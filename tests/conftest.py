"""What the tests share: the course's exercises, a warm sandbox, and a way to grade answer cells."""

from __future__ import annotations

import ctypes
import os
import signal
import struct
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import numpy as np
import pytest

from autograder.answer_key import full_key
from autograder.assess import report_on
from autograder.calls import Limits, Source
from autograder.catalogue import Catalogue, load_catalogue
from autograder.grading import Grader
from autograder.report import FunctionReport
from autograder.sandbox import Sandbox
from autograder.sandbox.confine import CAPABILITY_VERSION
from autograder.submission import Submission
from demo.classroom import reference_source

ROOT = Path(__file__).resolve().parent.parent
ASSIGNMENT = "02_layers"
SECRET = bytes(range(32))

# Short, so that a loop that never ends costs a test little.
SHORT = Limits(definitions=5.0, call=0.5, call_wall=3.0, total_wall=30.0)

Cells = Mapping[str, str]

# CAP_DAC_OVERRIDE and CAP_DAC_READ_SEARCH: root's rights to files, whatever their modes say (capabilities(7)).
DAC = 1 << 1 | 1 << 2

# The command line as on a system that cannot fork and has none of Unix's own modules.
NO_FORK = """
import os, sys
for name in ("fork", "register_at_fork"):
    delattr(os, name)
for name in ("fcntl", "resource", "pwd", "grp", "termios", "pty"):
    sys.modules[name] = None
from autograder.cli import main
sys.exit(main(sys.argv[1:]))
"""


# nbgrader starts `alembic` by name: where the environment is not activated, its folder is not on the path.
os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update", action="store_true", help="write golden files anew; then review the difference")


@pytest.fixture(autouse=True)
def _course_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test makes or reads the checkout's own secret."""
    monkeypatch.setenv("AUTOGRADER_SECRET", SECRET.hex())


@pytest.fixture
def no_privilege() -> Iterator[None]:
    """What is closed is closed to a root that runs the tests, too; programs that it starts have their rights again."""
    if os.geteuid() != 0:
        yield
        return
    if sys.platform != "linux":
        pytest.skip("root may read and write everything")
    libc = ctypes.CDLL(None, use_errno=True)
    header, before = struct.pack("<Ii", CAPABILITY_VERSION, 0), ctypes.create_string_buffer(24)
    assert libc.capget(header, before) == 0
    effective, *others = struct.unpack("<6I", before.raw)
    assert libc.capset(header, struct.pack("<6I", effective & ~DAC, *others)) == 0
    yield
    assert libc.capset(header, before) == 0


@pytest.fixture
def in_time() -> Iterator[None]:
    """Ends a test that hangs: for what the grader itself does with a text, which no limit of a submission's ends."""
    if not hasattr(signal, "alarm"):
        pytest.skip("nothing ends a test that hangs")
    signal.alarm(60)
    yield
    signal.alarm(0)


@pytest.fixture(scope="session")
def catalogue() -> Catalogue:
    return load_catalogue(ROOT / "solutions")


@pytest.fixture(scope="session")
def box() -> Iterator[Sandbox]:
    with Sandbox(limits=SHORT) as sandbox:
        yield sandbox


@pytest.fixture(scope="session")
def grader(catalogue: Catalogue) -> Iterator[Grader]:
    with Grader(catalogue, ASSIGNMENT, secret=SECRET, limits=SHORT) as grader:
        yield grader


def cells_of(catalogue: Catalogue, answers: Cells, assignment: str = ASSIGNMENT, *, drop: tuple = ()) -> list[Source]:
    """A notebook's code cells: the reference for every function, but for those that `answers` replaces."""
    functions = [f for f in catalogue.functions(assignment) if f.name not in drop]
    sources = [Source("cell 1", "import numpy as np\n")]
    for f in functions:
        text = answers.get(f.name, reference_source(f))
        sources.append(Source(f"cell {len(sources) + 1}", text, answers=(f.name,)))
    return sources


def as_submission(sources: list[Source], student: str = "ada") -> Submission:
    return Submission(student=student, path="ada.ipynb", digest="0" * 64, sources=tuple(sources), remarks=())


@pytest.fixture
def grade(catalogue: Catalogue, grader: Grader) -> Callable[..., dict[str, FunctionReport]]:
    """Grades answer cells (the reference fills the rest) with hidden inputs; reports by function name."""

    def run(answers: Cells, *, drop: tuple = (), student: str = "ada") -> dict[str, FunctionReport]:
        report = grader.grade(as_submission(cells_of(catalogue, answers, drop=drop), student))
        return {f.name: f for f in report.functions}

    return run


@pytest.fixture
def check_exercise(catalogue: Catalogue, box: Sandbox) -> Callable[..., list[FunctionReport]]:
    """Reports on one exercise of any catalogue, graded with hidden inputs."""

    def run(exercise, answers: Cells, catalogue: Catalogue = catalogue) -> list[FunctionReport]:
        sources = cells_of(catalogue, answers, exercise.assignment)
        with box.open(sources, [f.name for f in exercise.functions]) as session:
            return report_on(full_key(exercise, SECRET), session)

    return run


@pytest.fixture
def rng_arrays() -> Callable[..., list[np.ndarray]]:
    """Arrays of standard normal numbers, of the shapes asked for."""
    rng = np.random.default_rng(0)
    return lambda *shapes: [rng.standard_normal(shape) for shape in shapes]
