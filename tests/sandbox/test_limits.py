"""What a submission may use, who measures it, and that the zygote and its children leave nothing behind."""

from __future__ import annotations

import os
import select
import signal
import time
from pathlib import Path

import numpy as np
import pytest

from autograder.calls import RAISED, RETURNED, TIMEOUT, Call, Limits, Opaque, Source
from autograder.sandbox import Sandbox, supervisor

LIMITS = Limits(definitions=2.0, call=0.5, call_wall=1.0, total_wall=20.0, memory=256 << 20)
X = np.linspace(-1.0, 1.0, 6)


@pytest.fixture(scope="module")
def box():
    with Sandbox(LIMITS) as sandbox:
        yield sandbox


def ask(box, text: str, *calls: Call, names=("f", "g")):
    with box.open([Source("cell 1", text)], names) as session:
        return session.run(calls)


BURN = """
import time
def f(x):
    end = time.thread_time() + 0.2
    while time.thread_time() < end: pass
    return x
"""


def test_a_call_with_a_limit_of_its_own_is_measured_from_outside(box):
    """A call over its own CPU limit is a timeout though it answered; one within it is not; the rest goes on."""
    slow, fast, after = ask(
        box,
        BURN + "def g(x):\n    return x",
        Call("f", (X,), cpu_limit=0.1),
        Call("f", (X,), cpu_limit=0.45),
        Call("g", (X,)),
    )
    assert [slow.status, fast.status, after.status] == [TIMEOUT, RETURNED, RETURNED]
    assert slow.problem.message == "stopped after 0.1 s of CPU time"


def test_a_clock_that_lies_hides_nothing(box):
    """The time that counts is the kernel's: a submission that turns its clocks back is stopped all the same."""
    text = "import time\ntime.thread_time = time.process_time = lambda: 0.0\ndef f(x):\n    while True: pass"
    assert ask(box, text, Call("f", (X,)))[0].status == TIMEOUT


def test_waiting_is_stopped_by_the_wall_clock(box):
    """A call that waits uses no CPU and is stopped by the wall clock."""
    (reply,) = ask(box, "import time\ndef f(x):\n    time.sleep(100)", Call("f", (X,)))
    assert (reply.status, reply.problem.message) == (TIMEOUT, "stopped after 1 s of waiting")


def test_a_submission_has_only_so_much_time():
    """When the time of the whole submission is used up, what is left is answered without being run."""
    text = "\n".join(f"def f{n}(x):\n    while True: pass" for n in range(8)) + "\ndef g(x):\n    return x"
    names = [f"f{n}" for n in range(8)]
    with Sandbox(Limits(definitions=2.0, call=0.3, call_wall=1.0, total_wall=1.0)) as box:
        start = time.monotonic()
        replies = ask(box, text, *[Call(name, (X,)) for name in names], Call("g", (X,)), names=(*names, "g"))
        assert time.monotonic() - start < 5
    assert {reply.status for reply in replies} == {TIMEOUT}
    assert replies[-1].problem.message == "not called: the time for the whole submission is used up"


def test_memory_is_limited_and_the_next_call_goes_on(box):
    """An array larger than the allowance is a MemoryError with a line number; the function after it runs."""
    big, small = ask(box, "import numpy as np\ndef f(x):\n    return np.ones(1 << 27)\ndef g(x):\n    return x",
                     Call("f", (X,)), Call("g", (X,)))  # fmt: skip
    assert (big.status, big.problem.frames[0].line, small.status) == (RAISED, 3, RETURNED)


def test_large_values_go_both_ways(box):
    """Frames larger than any pipe's buffer do not block the two sides against each other."""
    x = np.arange(2e6)
    (reply,) = ask(box, "def f(*x):\n    return x", Call("f", (x, x), max_bytes=64 << 20))
    for value in reply.value:
        np.testing.assert_array_equal(value, x)


def test_a_value_larger_than_was_asked_for_is_not_sent(box):
    """A reply over its allowance says what it was instead."""
    (reply,) = ask(box, "import numpy as np\ndef f(x):\n    return np.ones((1 << 10, 1 << 10))", Call("f", (X,)))
    assert reply.value == Opaque("array of shape (1024, 1024), too large to compare")


def test_many_calls_in_one_round_trip_keep_their_order(box):
    """A thousand calls are answered each with its own value."""
    replies = ask(box, "def f(x):\n    return x * 2", *[Call("f", (np.full(3, n),)) for n in range(1000)])
    assert [int(reply.value[0]) for reply in replies] == [2 * n for n in range(1000)]


def test_every_submission_starts_from_the_same_random_state(box):
    """Random numbers are the same in every child, so that a case can be repeated."""
    text = "import random\nimport numpy as np\ndef f(x):\n    return random.random(), np.random.rand(), hash('x') != 0"
    first, second = (ask(box, text, Call("f", (X,)))[0].value for _ in range(2))
    assert first == second


def test_a_zygote_that_dies_is_started_again(box):
    """A killed zygote takes its child along; the submission is tried once more, and the class goes on."""
    with box.open([Source("cell 1", "def f(x):\n    return x")], ("f",)) as session:
        os.kill(box._zygote.pid, signal.SIGKILL)
        assert session.run([Call("f", (X,))])[0].status == RETURNED
    assert ask(box, "def f(x):\n    return x", Call("f", (X,)))[0].status == RETURNED


def test_a_zygote_that_stalls_is_started_again(monkeypatch):
    """A zygote that does not answer is ended and replaced."""
    monkeypatch.setattr(supervisor, "ANSWER_TIMEOUT", 0.5)
    with Sandbox(LIMITS) as box:
        os.kill(box._zygote.pid, signal.SIGSTOP)
        assert ask(box, "def f(x):\n    return x", Call("f", (X,)))[0].status == RETURNED


def zygotes_children(box) -> set[int]:
    pid = box._zygote.pid
    return {int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()}


def test_the_next_child_gets_ready_once_one_is_dismissed(box):
    """It has said so before anybody needs it; where it does not live that long, another takes its place."""
    with box.open([Source("cell 1", "def f(x):\n    return x")], ("f",)):
        assert box._zygote._expected is None
    assert select.select([box._zygote._expected], [], [], 10)[0]
    for pid in zygotes_children(box):
        os.kill(pid, signal.SIGKILL)
    assert ask(box, "def f(x):\n    return x", Call("f", (X,)))[0].status == RETURNED


def children() -> list[str]:
    return Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()


def test_nothing_is_left_behind(box):
    """After many submissions, hangs and crashes there are the processes and descriptors of before, and no zombie."""
    ask(box, "def f(x):\n    return x", Call("f", (X,)))
    box._spawn().end(0)  # the one that was made ready for the next submission
    zygote = box._zygote.pid
    descriptors = [len(os.listdir(f"/proc/{pid}/fd")) for pid in ("self", zygote)]
    before = children()
    for _ in range(20):
        ask(box, "import os\ndef f(x):\n    os._exit(3)\ndef g(x):\n    return x", Call("f", (X,)), Call("g", (X,)))
    assert ask(box, "def f(x):\n    return x", Call("f", (X,)))[0].status == RETURNED
    box._spawn().end(0)
    assert [len(os.listdir(f"/proc/{pid}/fd")) for pid in ("self", zygote)] == descriptors
    assert children() == before
    assert Path(f"/proc/{zygote}/task/{zygote}/children").read_text().split() == []


def test_processes_left_behind_are_ended():
    """Even with protection off, what a submission started does not outlive it."""
    text = "import os, time\ndef f(x):\n    for _ in range(2):\n        if os.fork() == 0:\n            os.setsid()\n"
    text += "            if os.fork() == 0:\n                time.sleep(60)\n            os._exit(0)\n    return x"
    with Sandbox(LIMITS, confine="none") as box:
        assert ask(box, text, Call("f", (X,)))[0].status == RETURNED
        box._spawn().end(0)
        assert Path(f"/proc/{box._zygote.pid}/task/{box._zygote.pid}/children").read_text().split() == []


def test_a_session_that_is_closed_answers_nothing(box):
    """Calls after the end are the grader's own mistake."""
    session = box.open([Source("cell 1", "def f(x):\n    return x")], ("f",))
    session.close()
    assert session.run([Call("f", (X,))])[0].status == "grader_error"


# what an honest notebook does that Python or numpy import only when it is first used
WORKLOAD = """
import copy, datetime, decimal, fractions, itertools, json, math, re, statistics, textwrap, typing, unittest, warnings
import numpy as np
from dataclasses import dataclass

def f(x):
    before = set(__import__("sys").modules)
    rng = np.random.default_rng(0)
    for draw in (rng.random, rng.permutation, rng.standard_normal):
        draw(3)
    np.random.seed(1); np.random.randn(2); np.random.shuffle(np.arange(3)); np.random.choice(3); rng.uniform(size=3)
    a = rng.normal(size=(4, 4))
    np.linalg.svd(a); np.linalg.inv(a); np.linalg.eig(a); np.linalg.qr(a); np.linalg.norm(a, 2)
    np.linalg.lstsq(a, a, None); np.linalg.det(a); np.linalg.solve(a, a)
    np.einsum("ij,jk->ik", a, a); np.einsum("ij,jk,kl->il", a, a, a, optimize="optimal"); np.tensordot(a, a)
    np.fft.fft(a); np.fft.fft2(a); np.polynomial.Polynomial([1, 2])(a); np.polyfit([1, 2, 3], [1, 2, 3], 1)
    np.ma.masked_array(a, a > 0).mean(); np.nanmean(a); np.nanmedian(a); np.quantile(a, 0.5); np.cov(a); np.histogram(a)
    np.testing.assert_allclose(a, a); np.testing.assert_array_equal(a, a); np.allclose(a, a); np.array_equal(a, a)
    np.vectorize(math.sin)(a); np.apply_along_axis(sum, 0, a); np.meshgrid(a[0], a[0]); np.broadcast_to(a, (2, 4, 4))
    np.lib.stride_tricks.sliding_window_view(a, (2, 2)); np.pad(a, 1); np.gradient(a); np.interp([0.5], [0, 1], [0, 1])
    repr(a), str(a), format(a[0, 0], ".3f"), np.array2string(a), np.array_repr(a); np.set_printoptions(precision=3)
    np.char.upper(np.array(["a"])); np.datetime64("2020-01-01"); np.unique(a); np.lexsort((a[0], a[1])); np.save
    datetime.datetime.strptime("2020", "%Y"); datetime.datetime.now().strftime("%c"); json.loads(json.dumps({"a": [1]}))
    decimal.Decimal("1") / 3; fractions.Fraction(1, 3); statistics.mean([1, 2]); re.compile("a+").match("aa")
    copy.deepcopy({"a": a}); textwrap.dedent(" a"); "é".encode("latin-1"); "a".encode("utf-16"); "a".encode("idna")
    try:
        assert not a.any()
    except AssertionError as error:
        __import__("traceback").format_exc()
    warnings.warn("once")
    @dataclass
    class Point:
        x: float = 0.0
    Point() == Point()
    class Case(unittest.TestCase):
        def runTest(self):
            self.assertAlmostEqual(1.0, 1.0)
    unittest.TextTestRunner(verbosity=0).run(Case())
    new = {name for name in set(__import__("sys").modules) - before}
    assert not new, sorted(new)
    return x
"""


def test_no_new_module_appears_while_a_workload_runs(box):
    """All that common use imports lazily is there before the fork: afterwards no file can be opened."""
    (reply,) = ask(box, WORKLOAD, Call("f", (X,)))
    assert (reply.status, reply.problem) == (RETURNED, None)


def test_the_child_holds_nothing_of_the_grader(box):
    """No module of the grader but the child's own, no path to import from, and a stand-in under the grader's name."""
    text = """
import sys
import autograder, autograder.judge
def f(x):
    ours = sorted(m for m in sys.modules if m.startswith(("autograder", "solutions", "_grading")))
    assert sys.path == [] and type(autograder).__name__ == "InertModule"
    assert not any("answer" in m or "judge" in m and not m.startswith("autograder") for m in ours), ours
    return len(x)
"""
    (reply,) = ask(box, text, Call("f", (X,)))
    assert reply.status == RETURNED, reply.problem
