"""What a submission's functions are asked: as little as settles it, and more only where that does not."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from autograder.answer_key import full_key
from autograder.calls import RAISED, RETURNED, Opaque, Reply
from autograder.catalogue import load_catalogue
from autograder.exercise import Pair
from autograder.observe import _is_twice, observe
from tests.conftest import ROOT, SECRET, cells_of

CATALOGUE = load_catalogue(ROOT / "solutions")
PAIRS = [exercise for exercise in CATALOGUE.exercises() if isinstance(exercise, Pair)]
X = np.arange(3.0)


class Counted:
    """A session that notes the batches it is asked."""

    def __init__(self, session):
        self.session, self.batches = session, []

    def run(self, calls):
        self.batches.append(list(calls))
        return self.session.run(calls)


def observed(box, exercise, replaced=None, public_only=False):
    """What observing a submission came to, and the batches in which it was asked."""
    key = full_key(exercise, SECRET, public_only=public_only)
    names = [f.name for f in exercise.functions]
    with box.open(cells_of(CATALOGUE, replaced or {}, exercise.assignment), names) as session:
        counted = Counted(session)
        return observe([key], counted)[0], [batch for batch in counted.batches if batch]


@pytest.mark.parametrize("exercise", PAIRS, ids=lambda exercise: exercise.name)
def test_what_is_right_is_asked_in_one_batch(box, exercise):
    """Hidden questions alone are asked with 2·dout, and none of a right layer's needs a further round."""
    observations, batches = observed(box, exercise)
    assert len(batches) == 1
    for one in observations:
        question = one.question
        closely = question.hidden and not question.extreme and question.cpu_limit is None
        assert (one.doubled is not None) == closely
    hidden = [one.question for one in observations if one.question.hidden and one.question.cpu_limit is None]
    for question in hidden[1:]:  # the first is repeated by its numerical check
        asked = [call.function for call in batches[0] if call.args is question.args]
        assert [asked.count(f.name) for f in exercise.functions] == [2, 2]
    for question in (one.question for one in observations if not one.question.hidden):
        assert len([call for call in batches[0] if call.args is question.args]) == 2


@pytest.mark.parametrize("exercise", PAIRS, ids=lambda exercise: exercise.name)
def test_a_public_key_asks_all_of_its_questions_closely(box, exercise):
    """Where nothing is hidden the public questions are what is there to look at."""
    observations, _ = observed(box, exercise, public_only=True)
    assert all((one.doubled is not None) == (not one.question.extreme) for one in observations)


SIGMOID = next(exercise for exercise in PAIRS if exercise.name == "sigmoid")
NOISY = "def sigmoid_backward(dout, cache):\n    return dout * cache * (1 - cache) * (1 + 1e-3 * np.random.rand())\n"
SQUARED = "def sigmoid_backward(dout, cache):\n    return dout * dout * cache * (1 - cache)\n"
FORWARD = "def sigmoid_forward(x):\n    out = 0.5 * (1 + np.tanh(x / 2))\n    return out, out\n"


@pytest.mark.parametrize(("code", "alike"), [(NOISY, False), (SQUARED, True)])
def test_what_is_not_twice_as_large_is_asked_once_more(box, code, alike):
    """One call more for each such question, the very same: so what varies is told from what is not linear."""
    observations, batches = observed(box, SIGMOID, {"sigmoid_forward": FORWARD, "sigmoid_backward": code})
    ordinary = [one for one in observations if one.doubled is not None]
    repeats = [(call.args, call.dout) for batch in batches[1:] for call in batch if call.function == "sigmoid_backward"]
    for one in ordinary[1:]:  # the first is repeated by its numerical check
        assert any(args is one.question.args and dout is one.question.dout for args, dout in repeats)
    for one in ordinary:
        assert (one.second[1].value.tobytes() == one.first[1].value.tobytes()) == alike


def returned(value) -> Reply:
    return Reply(RETURNED, value)


@pytest.mark.parametrize(
    ("two", "one", "twice"),
    [
        (2 * X, X, True),
        ((2 * X, 4 * X), (X, 2 * X), True),
        (np.float32(2) * X.astype("f4"), X.astype("f4"), True),
        (2 * X + 1e-15, X, False),
        (2 * X, X.astype("f4"), False),
        (2 * X.astype(int), X.astype(int), False),
        ((2 * X).reshape(3, 1), X, False),
        ((2 * X,), (X, X), False),
        (None, None, False),
        (Opaque("a str"), Opaque("a str"), False),
    ],
)
def test_twice_is_to_the_last_bit(two, one, twice):
    assert _is_twice(returned(two), returned(one)) is twice


def test_what_did_not_return_is_not_twice_anything():
    assert not _is_twice(Reply(RAISED), returned(X))
    assert not _is_twice(Reply(RAISED), Reply(RAISED))


FAULTS = """
import resource, sys
import numpy as np
from autograder.memory import keep_freed

if sys.argv[1] == "keep":
    keep_freed()
for _ in range(5):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    arrays = [np.ones(90_000) for _ in range(3)]
    del arrays
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="of glibc's heap")
def test_memory_that_was_freed_is_used_again():
    """Two megabytes that are given back each time cost five hundred page faults; kept for the next time, none."""
    faults = {}
    for way in ("keep", "give back"):
        run = [sys.executable, "-c", FAULTS, way]
        faults[way] = int(subprocess.run(run, cwd=ROOT, capture_output=True, text=True, check=True).stdout)
    assert faults["keep"] < 30 < 300 < faults["give back"]
