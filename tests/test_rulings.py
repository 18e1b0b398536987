"""The rulings on what a submission may do, a test for each: what counts, what is named, what is only remarked on."""

from __future__ import annotations

import numpy as np
import pytest

from autograder.answer_key import full_key
from autograder.assess import _flag, report_on
from autograder.calls import Source
from autograder.exercise import Case, Function, Pair
from autograder.report import FunctionReport
from autograder.submission import Submission

AFFINE_FORWARD = """
def affine_forward(x, w, b):
    return x.reshape(len(x), -1) @ w + b, (x, w, b)
"""


def affine_backward(
    *, dx="(dout @ w.T).reshape(x.shape)", dw="x.reshape(len(x), -1).T @ dout", db="dout.sum(0)", end=""
):
    return f"""
def affine_backward(dout, cache):
    x, w, b = cache
    dx = {dx}
    dw = {dw}
    db = {db}
    {end or "return dx, dw, db"}
"""


def affine(**parts):
    return {"affine_forward": AFFINE_FORWARD, "affine_backward": affine_backward(**parts)}


def status(report):
    return report.status, round(report.score, 6), report.diagnosis


def test_the_reference_earns_full_marks(grade):
    """Every function of the reference passes with full points, without a remark."""
    reports = grade({})
    assert {n: status(r) for n, r in reports.items()} == {
        "affine_forward": ("passed", 2.0, ()),
        "affine_backward": ("passed", 3.0, ()),
        "sigmoid_forward": ("passed", 2.0, ()),
        "sigmoid_backward": ("passed", 2.0, ()),
        "tanh_forward": ("passed", 1.0, ()),
        "tanh_backward": ("passed", 2.0, ()),
    }
    assert all(not r.remarks and not r.flagged for r in reports.values())


@pytest.mark.parametrize(
    ("parts", "id"),
    [
        ({"db": "dout.sum(0, keepdims=True)"}, "bias-shape"),
        ({"db": "dout.sum(0)[:, None]"}, "bias-shape"),
        ({"dx": "dout @ w.T"}, "input-not-reshaped"),
        ({"dw": "x.reshape(len(x), -1).T @ dout / len(x)"}, "averaged-over-batch"),
        ({"db": "dout.mean(0)"}, "averaged-over-batch"),
    ],
)
def test_a_wrong_array_earns_nothing_and_is_named(grade, parts, id):
    """One array of three is wrong: two thirds of the points, and the mistake has its name."""
    assert status(grade(affine(**parts))["affine_backward"]) == ("partial", 2.0, (id,))


@pytest.mark.parametrize("order", ["dw, dx, db", "dw, db, dx", "db, dw, dx"])
def test_another_order_is_half(grade, order):
    """The right gradients in another order earn half of the points and are named."""
    report = grade(affine(end=f"return {order}"))["affine_backward"]
    assert status(report) == ("partial", 1.5, ("gradient-order",))


@pytest.mark.parametrize(
    "answers",
    [
        affine(end="return [dx, dw, db]"),
        {"sigmoid_backward": "def sigmoid_backward(dout, cache):\n    return (dout * cache * (1 - cache),)\n"},
        {"tanh_forward": "def tanh_forward(x):\n    out = np.tanh(x)\n    return [out, out]\n"},
    ],
)
def test_lists_and_tuples_of_one_are_accepted(grade, answers):
    """A list for a tuple, and (dx,) for dx, are as good."""
    assert all(r.status == "passed" and not r.remarks for r in grade(answers).values())


def test_writing_into_the_inputs_is_a_remark(grade):
    """A backward that works in place on dout, and on its cache, gets full marks and a remark."""
    code = """
def sigmoid_backward(dout, cache):
    dout *= cache
    cache *= -1
    cache += 1
    dout *= cache
    return dout
"""
    report = grade({"sigmoid_backward": code})["sigmoid_backward"]
    assert status(report) == ("passed", 2.0, ())
    assert report.remarks == ("sigmoid_backward writes into dout, which belongs to its caller.",)


def test_what_a_forward_writes_into_is_no_remark_on_its_backward(grade):
    """The backward's own call of the forward leaves nothing to say of the backward."""
    code = """
def sigmoid_forward(x):
    out = 1 / (1 + np.exp(-x))
    x *= 0
    return out, out

def sigmoid_backward(dout, cache):
    return dout * cache * (1 - cache)
"""
    reports = grade({"sigmoid_forward": code.partition("def sigmoid_backward")[0], "sigmoid_backward": code})
    assert reports["sigmoid_forward"].remarks[0] == "sigmoid_forward writes into x, which belongs to its caller."
    assert not any("writes into" in remark for remark in reports["sigmoid_backward"].remarks)
    assert status(reports["sigmoid_backward"]) == ("passed", 2.0, ())


def test_an_overflow_warning_is_a_remark(grade):
    """Right values with an overflow warning: full marks, and the warning is passed on."""
    code = "def sigmoid_forward(x):\n    out = 1 / (1 + np.exp(-x))\n    return out, out\n"
    report = grade({"sigmoid_forward": code})["sigmoid_forward"]
    assert status(report) == ("passed", 2.0, ())
    assert report.remarks == ("sigmoid_forward warns: RuntimeWarning: overflow encountered in exp",)


def test_extreme_inputs_cost_the_extreme_tier_only(grade):
    """nan at large inputs and nowhere else loses 15 % of the points."""
    code = "def sigmoid_forward(x):\n    out = np.exp(x) / (1 + np.exp(x))\n    return out, out\n"
    reports = grade({"sigmoid_forward": code})
    assert status(reports["sigmoid_forward"]) == ("partial", 1.7, ("overflow-at-large-inputs",))


def test_wrong_values_at_extreme_inputs_cost_the_same(grade):
    """Clipping that bites where it should not is wrong at extreme inputs only."""
    code = "def tanh_forward(x):\n    out = np.where(np.abs(x) > 700, 0, np.tanh(x))\n    return out, out\n"
    report = grade({"tanh_forward": code})["tanh_forward"]
    assert status(report) == ("partial", 0.85, ())


@pytest.mark.parametrize(
    "code",
    [
        "def sigmoid_backward(dout, cache):\n    return np.zeros_like(dout)\n",
        "def sigmoid_backward(dout, cache):\n    return np.where(np.abs(cache - 0.5) > 0.4999, 0, dout)\n",
    ],
)
def test_extreme_inputs_alone_earn_nothing(grade, code):
    """Zeros are right where the sigmoid is flat; the extreme tier is only earned on top of the base."""
    assert grade({"sigmoid_backward": code})["sigmoid_backward"].score == 0.0


def test_float64_from_float32_is_a_remark(grade):
    """float32 in and float64 out: full marks and a remark."""
    code = "def tanh_forward(x):\n    out = np.tanh(np.asarray(x, dtype=np.float64))\n    return out, out\n"
    report = grade({"tanh_forward": code})["tanh_forward"]
    assert status(report) == ("passed", 1.0, ())
    assert report.remarks == ("tanh_forward: out is float64 although the inputs are float32.",)


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("tanh_forward", "def tanh_forward(x):\n    out = 2 / (1 + np.exp(-2 * x)) - 1\n    return out, out\n"),
        ("sigmoid_forward", "def sigmoid_forward(x):\n    out = (1 + np.tanh(x / 2)) / 2\n    return out, out\n"),
    ],
)
def test_lost_relative_accuracy_is_a_remark(grade, name, code):
    """2σ(2x)-1 near 0 and ½(1+tanh(x/2)) in the tail are right to a few eps: full marks and a remark."""
    report = grade({name: code})[name]
    assert report.status == "passed"
    assert any("fewer correct digits" in remark for remark in report.remarks)


@pytest.mark.parametrize(
    "forward",
    [
        "return out, None",
        "print('hello', out)\n    return out, {'out': out, 'fn': lambda: out}",
        "return out, [out, iter([1])]",
    ],
)
def test_any_cache_and_printing_are_fine(grade, forward):
    """The cache belongs to the student, whatever it is; and so does standard output."""
    cells = {
        "tanh_forward": f"def tanh_forward(x):\n    out = np.tanh(x)\n    {forward}\n",
        "tanh_backward": "def tanh_backward(dout, cache):\n    return dout\n",
    }
    assert status(grade(cells)["tanh_forward"]) == ("passed", 1.0, ())


def test_another_answer_the_second_time_is_wrong(grade):
    """A layer function is pure: one that counts its calls fails."""
    noise = "def tanh_forward(x):\n    out = np.tanh(x)\n    return out * (1 + 4e-13 * np.random.rand()), out\n"
    report = grade({"tanh_forward": noise})["tanh_forward"]
    assert report.status == "failed"
    assert "second time" in report.first_failure.headline


def test_another_answer_the_second_time_at_large_inputs_alone_is_wrong(grade):
    """A function that remembers large inputs, and answers those in another way when they come again, loses there."""
    code = """
seen = set()

def tanh_forward(x):
    out = np.tanh(x)
    if np.abs(x).max() > 35:
        out = -out if x.tobytes() in seen else out
        seen.add(x.tobytes())
    return out, out
"""
    report = grade({"tanh_forward": code})["tanh_forward"]
    assert report.status == "partial"
    assert "second time" in report.first_failure.headline


def test_a_backward_that_remembers_what_it_was_asked_is_wrong(grade):
    """It answers the very same dout in another way when it comes again, and twice as large a dout as it should."""
    code = """
seen = set()

def tanh_backward(dout, cache):
    dx = dout * (1 - np.tanh(cache) ** 2)
    dx = -dx if dout.tobytes() in seen else dx
    seen.add(dout.tobytes())
    return dx
"""
    forward = "def tanh_forward(x):\n    return np.tanh(x), x\n"
    report = grade({"tanh_forward": forward, "tanh_backward": code})["tanh_backward"]
    assert report.status == "failed"


def test_a_textbook_backward_beside_a_wrong_forward_keeps_its_points(grade):
    """The reference's values from a backward whose forward has a sign slip: full points and a remark."""
    code = "def sigmoid_forward(x):\n    out = 1 / (1 + np.exp(x))\n    return out, out\n"
    reports = grade({"sigmoid_forward": code})
    assert status(reports["sigmoid_forward"]) == ("failed", 0.0, ("sigmoid-sign",))
    assert status(reports["sigmoid_backward"]) == ("passed", 2.0, ())
    assert "together they do not make a layer" in reports["sigmoid_backward"].remarks[0]


def test_the_exact_gradient_of_a_known_wrong_forward_is_half(grade):
    """Follow-through: the backward differentiates its own wrong forward exactly, and is given no name of its own."""
    cells = {
        "sigmoid_forward": "def sigmoid_forward(x):\n    out = 1 / (1 + np.exp(x))\n    return out, out\n",
        "sigmoid_backward": "def sigmoid_backward(dout, cache):\n    return -dout * cache * (1 - cache)\n",
    }
    report = grade(cells)["sigmoid_backward"]
    assert status(report) == ("partial", 1.0, ())
    assert "half of the points" in report.remarks[0]


@pytest.mark.parametrize(
    ("code", "why"),
    [
        ("def sigmoid_forward(x):\n    raise ValueError('no')\n", "raised ValueError"),
        (
            'def sigmoid_forward(x):\n    raise NotImplementedError("Need to implement sigmoid_forward")\n',
            "not written yet",
        ),
        ("def sigmoid_forward(x):\n    while True:\n        pass\n", "did not finish"),
        ("", "is not written yet"),
    ],
)
def test_a_backward_without_its_forward_is_blocked(grade, code, why):
    """The forward is missing, raises or hangs: the backward earns nothing and says whom it waits for."""
    report = grade({"sigmoid_forward": code})["sigmoid_backward"]
    assert (report.status, report.score) == ("blocked", 0.0)
    assert report.first_failure.headline.startswith("sigmoid_backward needs your sigmoid_forward, which ")
    assert why in report.first_failure.headline


def test_two_dimensions_only_is_named(grade):
    """A forward that raises for N-dimensional x earns nothing, and is told why."""
    code = "def affine_forward(x, w, b):\n    return x @ w + b, (x, w)\n"
    report = grade({"affine_forward": code})["affine_forward"]
    assert status(report) == ("error", 0.0, ("input-not-flattened",))


def test_differentiating_by_trying_is_too_slow_on_a_layer_that_mixes_inputs(grade):
    """A backward that tries every weight runs out of time where an analytic one needs none."""
    code = """
def affine_backward(dout, cache):
    x, w, b = cache
    gradients = []
    for array in (x, w, b):
        array = np.array(array, dtype=float)
        gradient = np.zeros(array.shape)
        for i in np.ndindex(array.shape):
            step = np.zeros(array.shape, complex)
            step[i] = 1e-30j
            args = [array + step if a.shape == array.shape else a for a in (x, w, b)]
            gradient[i] = (affine_forward(*args)[0].imag * dout).sum() / 1e-30
        gradients.append(gradient)
    return tuple(gradients)
"""
    report = grade({"affine_forward": AFFINE_FORWARD, "affine_backward": code})["affine_backward"]
    assert (report.status, report.score) == ("timeout", 0.0)
    assert {f.case for f in report.findings if f.kind == "timeout"} == {"many inputs"}


def test_differentiating_by_trying_is_flagged_on_an_elementwise_layer(grade):
    """It is exact and cheap there, so a person decides; the student is told that the points are provisional."""
    code = "def tanh_backward(dout, cache):\n    x = cache\n    return dout * np.tanh(x + 1e-30j).imag / 1e-30\n"
    forward = "def tanh_forward(x):\n    return np.tanh(x), x\n"
    report = grade({"tanh_forward": forward, "tanh_backward": code})["tanh_backward"]
    assert report.score > 0
    assert "provisional" in report.flagged


TRYING = "dout * (tanh_forward(cache + 1e-6)[0] - tanh_forward(cache - 1e-6)[0]) / 2e-6"


@pytest.mark.parametrize(
    ("code", "flagged"),
    [
        (f"def tanh_backward(dout, cache): return {TRYING}", True),  # one line, and no end of it
        (f"def tanh_backward(\n    dout,\n    cache,\n):\n    return {TRYING}\n", True),
        (f"def tanh_backward(dout, cache):\n    x = cache\n# a comment\n    return {TRYING}\n", True),
        ("def tanh_backward(dout, cache):\n    z = np.asarray(cache, complex)\n    return dout\n", True),
        ("def tanh_backward(dout, cache):\n    return complex_step(cache)\n", True),
        (f"def tanh_backward(dout, cache):\n    pass\ndef tanh_backward(dout, cache):\n    return {TRYING}\n", True),
        ("def tanh_backward(dout, cache):\n    not_complexity = 1\n    return dout\n", False),
        (f"def tanh_backward(dout, cache):\n    return dout\ndef check(cache, dout):\n    return {TRYING}\n", False),
    ],
)
def test_what_is_flagged_is_in_the_text_of_the_backward(catalogue, code, flagged):
    pair = next(e for e in catalogue.exercises("02_layers") if e.name == "tanh")
    key = full_key(pair, b"seed", public_only=True)
    report = FunctionReport("tanh_backward", "passed", 2.0, 2.0, ())
    submission = Submission("ann", "ann.ipynb", "", (Source("cell 1", "import numpy as np\n"), Source("cell 2", code)))
    assert bool(_flag(key, report, submission)) is flagged


@pytest.mark.usefixtures("in_time")
@pytest.mark.parametrize(
    "text",
    [
        "tanh_forward(" + "+" * 10**6,
        "tanh_forward(" * 10**5,
        "tanh_forward" + " " * 10**6,
        "1" * 10**6,
        "tanh_forward(" + "x" * 10**6,
        "complex" * 10**5,
        "\n    " * 10**5,
    ],
    ids=["signs", "calls", "spaces", "digits", "names", "complex", "lines"],
)
def test_no_text_keeps_the_grader_looking(catalogue, text):
    """The look at a backward's text is the grader's own work, which no limit on the submission's process ends."""
    pair = next(e for e in catalogue.exercises("02_layers") if e.name == "tanh")
    key = full_key(pair, b"seed", public_only=True)
    report = FunctionReport("tanh_backward", "passed", 2.0, 2.0, ())
    source = Source("cell 1", f"def tanh_backward(dout, cache):\n    # {text}\n    return dout")
    assert _flag(key, report, Submission("ann", "ann.ipynb", "", (source,))) == ""


@pytest.mark.parametrize("module", ["jax", "torch", "autograd"])
def test_frameworks_are_not_importable(grade, module):
    """A backward that asks a framework raises, and says which module is not there."""
    code = f"def tanh_backward(dout, cache):\n    import {module}\n    return {module}.grad(dout)\n"
    report = grade({"tanh_backward": code})["tanh_backward"]
    assert (report.status, report.score) == ("error", 0.0)
    assert module in report.first_failure.evidence


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("def tanh_backward(dout, cache):\n    return dout @ dout @ dout\n", "error"),
        ("def tanh_backward(dout, cache):\n    while True:\n        pass\n", "timeout"),
        ("import os\ndef tanh_backward(dout, cache):\n    os._exit(0)\n", "crashed"),
        ("def tanh_backward(dout, cache)\n    return dout\n", "error"),
        ("", "missing"),
    ],
)
def test_a_failure_is_local(grade, code, expected):
    """An error, a hang, an exit or a syntax error in one function leaves all others their points."""
    reports = grade({"tanh_backward": code})
    assert reports.pop("tanh_backward").status == expected
    assert len(reports) == 5
    assert all(r.status == "passed" for r in reports.values())


def test_the_stub_is_missing(grade):
    """An untouched stub is 'missing', not an error."""
    code = 'def tanh_forward(x):\n    """Apply."""\n    raise NotImplementedError("Need to implement tanh_forward")\n'
    reports = grade({"tanh_forward": code})
    assert reports["tanh_forward"].status == "missing"
    assert reports["tanh_forward"].first_failure.headline == "tanh_forward is not written yet."


def test_not_implemented_from_deeper_is_an_error(grade):
    """NotImplementedError of something that the function calls is an error of its own."""
    code = "def helper():\n    raise NotImplementedError\n\ndef tanh_forward(x):\n    return helper()\n"
    assert grade({"tanh_forward": code})["tanh_forward"].status == "error"


@pytest.mark.parametrize(
    ("code", "headline"),
    [
        ("def tanh_backward(dout, cache):\n    pass\n", "tanh_backward returned nothing (None)."),
        (
            "def tanh_backward(dout, cache):\n    return dout, cache\n",
            "tanh_backward returned a tuple of 2; it should return dx alone.",
        ),
        (
            "def tanh_backward(dout, cache):\n    return 'dx'\n",
            "tanh_backward: dx is a value of type str; an array of float64 is expected.",
        ),
    ],
)
def test_structure_is_told_in_words(grade, code, headline):
    """What came back is described, beside what should have."""
    assert grade({"tanh_backward": code})["tanh_backward"].first_failure.headline == headline


def test_nothing_returned_is_named(grade):
    """A function without return has its own name."""
    assert grade({"tanh_backward": "def tanh_backward(dout, cache):\n    pass\n"})["tanh_backward"].diagnosis == (
        "nothing-returned",
    )


def test_scores_stay_within_bounds(grade):
    """Whatever comes back (nan, inf, huge, objects), a score is between 0 and the maximum."""
    for value in ("np.full_like(dout, np.nan)", "dout * np.inf", "dout * 1e308 * 10", "np.array(['a'])", "object()"):
        report = grade({"tanh_backward": f"def tanh_backward(dout, cache):\n    return {value}\n"})["tanh_backward"]
        assert 0.0 <= report.score <= report.max_score
        assert report.score == 0.0


def relu_forward(x):
    return np.maximum(x, 0), x


def relu_backward(dout, cache):
    return dout * (cache > 0)


RELU = Pair(
    name="relu",
    assignment="relu",
    elementwise=True,
    forward=Function(reference=relu_forward, points=1, returns=("out",)),
    backward=Function(reference=relu_backward, points=1, returns=("dx",)),
    cases=(
        Case("signs", "both sides and the kink itself", lambda rng: (np.array([[-2.0, 0.0], [3.0, 0.0]]),)),
        Case("a batch", "many numbers", lambda rng: (rng.standard_normal((4, 3)),)),
    ),
)


def test_a_forward_that_pretends_a_kink_earns_nothing(grade):
    """A forward that bends wherever it is differentiated does not excuse a backward of zeros."""
    cells = {
        "tanh_forward": """
seen = []
def tanh_forward(x):
    out = np.tanh(x)
    for old in seen:
        if old.shape == x.shape and np.abs(x - old).max() < 1:
            return out + 1e6 * np.abs(x - old), out
    seen.append(np.array(x))
    return out, out
""",
        "tanh_backward": "def tanh_backward(dout, cache):\n    return np.zeros_like(dout)\n",
    }
    assert grade(cells)["tanh_backward"].score == 0.0


@pytest.mark.parametrize(
    ("slope", "score"),
    [
        ("cache > 0", 1),
        ("cache >= 0", 1),
        ("(cache > 0) + 0.5 * (cache == 0)", 1),
        ("cache > -9", 0),
        ("2.0*(cache>=0)", 0),
    ],
)
def test_at_an_exact_kink_any_slope_in_between_is_right(box, slope, score):
    """relu at 0: 0, 1 and anything between are right; what is wrong elsewhere stays wrong."""
    cells = [
        Source("cell 1", "import numpy as np"),
        Source("cell 2", "def relu_forward(x):\n    return np.maximum(x, 0), x\n", answers=("relu_forward",)),
        Source("cell 3", f"def relu_backward(dout, cache):\n    return dout * ({slope})\n", answers=("relu_backward",)),
    ]
    with box.open(cells, ["relu_forward", "relu_backward"]) as session:
        reports = report_on(full_key(RELU, b"seed"), session)
    assert [r.score for r in reports] == [1, score]


@pytest.mark.parametrize("value", ["np.nan", "np.inf", "-np.inf", "1.001 * out[0, 0]", "0.0"])
def test_one_entry_that_is_wrong_in_float32_alone(grade, value):
    """Answers for float32 are taken as right at a glance; one bad entry among good ones is seen all the same."""
    code = f"""
def sigmoid_forward(x):
    decay = np.exp(-np.abs(x))
    out = np.where(x >= 0, 1 / (1 + decay), decay / (1 + decay))
    if x.dtype == np.float32:
        out[0, 0] = {value}
    return out, out
"""
    found = grade({"sigmoid_forward": code})["sigmoid_forward"]
    assert found.score == 0.0
    assert {finding.case for finding in found.findings if not finding.passed} == {"float32"}
