"""The oracle stays outside: no expected value and no secret is in the memory of the zygote, nor of a child."""

from __future__ import annotations

import ctypes
import hashlib
import os
from collections.abc import Iterator

import numpy as np
import pytest

from autograder.answer_key import full_key
from autograder.calls import Call, Limits, Source
from autograder.grading import Grader
from autograder.sandbox import Sandbox
from autograder.secret import seed_for
from autograder.submission import Submission

SECRET = hashlib.sha256(b"a course").digest()
# right shapes and nothing else: a right answer would stand in the child's memory by right
WRONG = """
import numpy as np
CANARY = b"canary in " + b"the memory"
def sigmoid_forward(x):
    return np.zeros_like(x), x
def sigmoid_backward(dout, cache):
    return np.zeros_like(dout)
"""
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="reads the memory of a process that is closed to users")


def memory(pid: int) -> Iterator[bytes]:
    """The contents of a process's readable mappings."""
    with open(f"/proc/{pid}/maps") as maps, open(f"/proc/{pid}/mem", "rb", buffering=0) as file:
        for line in maps:
            area, rights, *_ = line.split()
            start, end = (int(word, 16) for word in area.split("-"))
            if rights.startswith("r") and "[v" not in line:
                try:
                    file.seek(start)
                    yield file.read(end - start)
                except (OSError, ValueError, OverflowError):
                    continue


def needles(catalogue, student: str) -> dict[str, bytes]:
    """What must not be found: the secret in its spellings, each seed, eight bytes or more of each expected array."""
    found = {"secret": SECRET, "secret as hex": SECRET.hex().encode()}
    for exercise in catalogue.exercises("02_layers"):
        seed = seed_for(SECRET, student, exercise.name)
        found[f"seed of {exercise.name}"] = seed if isinstance(seed, bytes) else str(seed).encode()
        for question in full_key(exercise, seed).questions:
            if not question.hidden:
                continue
            for name, arrays in question.expected.items():
                for at, array in enumerate(arrays):
                    data = np.ascontiguousarray(array).tobytes()
                    if len(set(np.ravel(array).tolist())) > 3:
                        found[f"{question.case}: {name}[{at}]"] = data[:64]
    return found


@needs_root
def test_no_secret_is_in_the_zygote_or_the_child(catalogue):
    """After grading and in the midst of it, the secret and the expected values are in the grader alone."""
    submission = Submission("ada", "ada.py", "", (Source("ada.py", WRONG, "ada"),))
    sought = needles(catalogue, "ada")
    assert len(sought) > 30
    with Grader(catalogue, "02_layers", secret=SECRET, limits=Limits(total_wall=60.0)) as grader:
        for _ in range(3):
            grader.grade(submission)
        with grader.sandbox.open(submission.sources, grader.names) as session:
            processes = {"zygote": grader.sandbox._zygote.pid, "child": session._line.child.pid}
            for process, pid in processes.items():
                areas = list(memory(pid))
                assert sum(map(len, areas)) > 10 << 20
                if process == "child":
                    assert any(b"canary in the memory" in area for area in areas), "the scan sees what is there"
                assert [name for name, needle in sought.items() if any(needle in area for area in areas)] == []


@needs_root
def test_the_scan_would_find_the_secret():
    """The tester tested: in this process, which holds the secret, the scan finds it."""
    held = ctypes.create_string_buffer(SECRET)
    assert any(held.raw[:32] in area for area in memory(os.getpid()))


def test_the_environment_of_the_grader_stops_at_the_zygote(monkeypatch):
    """Neither the course secret nor any other variable of the grader reaches the zygote."""
    monkeypatch.setenv("AUTOGRADER_SECRET", SECRET.hex())
    with Sandbox() as box:
        text = (
            "import os\ndef f():\n    return float(sum('AUTOGRADER' in name for name in os.environ)) + len(os.environ)"
        )
        with box.open([Source("a.py", text, "a")], ["f"]) as session:
            (reply,) = session.run([Call("f", ())])
    assert float(reply.value) <= 7
