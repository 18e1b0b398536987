"""An appeal: a student's hidden cases repeated to the last bit; what is handed out holds none of their numbers."""

from __future__ import annotations

import hashlib
import json
import re

import numpy as np
import pytest

from autograder.answer_key import full_key
from autograder.catalogue import load_catalogue
from autograder.cli import main
from autograder.secret import seed_for
from tests.conftest import SECRET
from tests.course import SOFTPLUS, A, repository_of

RIGHT = """\
import numpy as np

def softplus_forward(x):
    return np.logaddexp(0, x), x

def softplus_backward(dout, cache):
    return dout / (1 + np.exp(-cache))
"""
# Wrong, and it says what it was called with in every way that there is.
TELLTALE = """\
import numpy as np
import warnings

def softplus_forward(x):
    warnings.warn("x is %r" % x.ravel()[:3].tolist())
    return np.logaddexp(0, x) + 1e-3 * (np.ndim(x) == 2), x

def softplus_backward(dout, cache):
    digits = "".join(c if c.isdigit() else "_" for c in repr(float(cache.ravel()[0])))
    raise type("Value" + digits, (Exception,), {})("dout is %r" % dout.ravel()[:3].tolist())
"""


@pytest.fixture
def solutions(tmp_path):
    return repository_of(tmp_path / "repository", SOFTPLUS) / "solutions"


@pytest.fixture
def out(tmp_path, solutions):
    """The results of ann, who is right, and of bob, who is wrong."""
    for student, text in (("ann", RIGHT), ("bob", TELLTALE)):
        (tmp_path / "submitted" / student).mkdir(parents=True)
        (tmp_path / "submitted" / student / "softplus.py").write_text(text)
    submitted, out = str(tmp_path / "submitted"), tmp_path / "out"
    assert main(["grade", submitted, "--out", str(out), "--assignment", A, "--solutions", str(solutions)]) == 0
    return out


@pytest.fixture
def replay(out, solutions, capsys):
    def run(*arguments: str, code: int = 0) -> str:
        capsys.readouterr()
        assert main(["replay", str(out), *arguments, "--solutions", str(solutions)]) == code
        captured = capsys.readouterr()
        assert (captured.out == "") == (code == 2)
        assert len(captured.err.splitlines()) == (code == 2)
        return captured.out or captured.err

    return run


def hidden_questions(solutions, student):
    exercise = load_catalogue(solutions).exercise_of("softplus")
    return [q for q in full_key(exercise, seed_for(SECRET, student, "softplus")).questions if q.hidden]


def checksum(array) -> str:
    return hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()[:12]


def test_to_the_last_bit(replay, out, solutions):
    """The inputs and expected values shown are, to the bit, those of the grade; the answer is the one graded."""
    text = replay("bob", "softplus")
    assert "The submission is the one that was graded" in text
    assert "softplus_forward: failed, 0 of 2 points, as then." in text
    assert "softplus_backward: error, 0 of 1.5 points, as then." in text
    failing = [q for q in hidden_questions(solutions, "bob") if q.args[0].ndim == 2]
    assert len(failing) >= 4
    for question in failing:
        assert f"sha256 {checksum(question.args[0])}" in text
        assert f"sha256 {checksum(question.dout)}" in text
        assert f"sha256 {checksum(question.expected['softplus_forward'][0])}" in text
    bob = json.loads((out / "results.json").read_text())["submissions"][1]
    recorded = [f["evidence"] for f in bob["exercises"][0]["findings"] if f["hidden"] and not f["passed"]]
    assert len(recorded) >= 4
    assert all(evidence in text for evidence in recorded)
    assert text == replay("bob", "softplus")


def test_one_function_alone(replay):
    """A function's name shows that function, an exercise's all of its functions."""
    assert "softplus_backward" not in replay("ann", "softplus_forward")
    text = replay("ann", "softplus")
    assert re.search(r'softplus_backward passed 6 of 6 hidden cases: "another batch", ', text)


def numbers(solutions, student) -> list[str]:
    """Every hidden and expected value of a student, in so many digits that none occurs by chance."""
    arrays = []
    for question in hidden_questions(solutions, student):
        if not question.extreme:  # a grid scaled: its ends are known to everybody
            arrays += [question.args[0], question.dout, *(e for es in question.expected.values() for e in es)]
    values = np.unique(np.abs(np.concatenate([np.ravel(np.asarray(a, float)) for a in arrays])))
    return [f"{value:.17g}"[:8] for value in values if 0.01 < value < 1000]


def test_what_is_handed_out_holds_no_number(replay, solutions):
    """However a submission tries to pass on its hidden inputs, the version for students holds none; the other does."""
    shown = replay("bob", "softplus")
    text = replay("bob", "softplus", "--for-student")
    digits = numbers(solutions, "bob")
    assert len(digits) > 100
    assert sum(number in shown for number in digits) > 100
    assert [number for number in digits if number in text or number.replace(".", "_") in text] == []
    assert "softplus_backward: error, 0 of 1.5 points, as then." in text
    assert '"another batch" (dx): a batch of another size' in text
    assert "Try a similar one: 3 * np.random.randn(5, 7)" in text


def test_results_named_by_their_file(replay, out, solutions, capsys):
    """The results.json itself may be named in place of its folder."""
    text = replay("ann", "softplus_forward")
    assert main(["replay", str(out / "results.json"), "ann", "softplus_forward", "--solutions", str(solutions)]) == 0
    assert text == capsys.readouterr().out


def test_another_submission_is_said(replay, tmp_path):
    """What has changed since it was graded is said, and a grade that comes out otherwise."""
    (tmp_path / "submitted" / "ann" / "softplus.py").write_text(RIGHT.replace("dout / ", "-dout / "))
    text = replay("ann", "softplus")
    assert "NOT THE SAME SUBMISSION: what was graded has the digest" in text
    assert "softplus_backward: failed, 0 of 1.5 points. THEN IT WAS passed, 1.5 of 1.5 points." in text
    assert "softplus_forward: passed, 2 of 2 points, as then." in text


def test_a_submission_that_was_moved(replay, tmp_path):
    """Where the submission is gone, one line says how to name it; it is known again by its digest."""
    (tmp_path / "submitted" / "ann").rename(tmp_path / "elsewhere")
    assert "--submission" in replay("ann", "softplus", code=2)
    text = replay("ann", "softplus", "--submission", str(tmp_path / "elsewhere"))
    assert "The submission is the one that was graded" in text


def test_a_changed_exercise_is_said(replay, solutions):
    """An exercise that was changed since is said: its cases may be others."""
    (solutions / "softplus.py").write_text(SOFTPLUS.replace("points=1.5", "points=3"))
    text = replay("ann", "softplus_backward")
    assert "The exercise softplus was changed since" in text
    assert "passed, 3 of 3 points. THEN IT WAS passed, 1.5 of 1.5 points." in text


def test_refused(replay, tmp_path, monkeypatch, capsys, solutions):
    """No such student, function or results, and another secret: one line each."""
    assert "holds no student 'anne'; did you mean ann?" in replay("anne", "softplus", code=2)
    (solutions / "later.py").write_text(SOFTPLUS.replace("softplus", "later").replace(A, "03_saturation"))
    there = "there is no exercise called 'relu'; there are softplus, softplus_forward, softplus_backward\n"
    assert replay("ann", "relu", code=2).endswith(there)
    assert "later is of 03_saturation" in replay("ann", "later", code=2)
    assert main(["replay", str(tmp_path), "ann", "softplus", "--solutions", str(solutions)]) == 2
    assert "there is no results.json" in capsys.readouterr().err
    assert main(["replay", str(solutions / "softplus.py"), "ann", "softplus", "--solutions", str(solutions)]) == 2
    assert "there is no results.json" in capsys.readouterr().err
    monkeypatch.setenv("AUTOGRADER_SECRET", "ab" * 32)
    assert "another course secret" in replay("ann", "softplus", code=2)
