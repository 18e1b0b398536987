"""Mistakes are named by what they compute, however they are written; what cannot be told is not claimed."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from autograder.answer_key import full_key
from autograder.assess import report_on
from autograder.calls import Source
from autograder.catalogue import load_catalogue
from autograder.local import LocalSession
from autograder.public_keys import read_keys
from autograder.report import FunctionReport
from benchmarks.diagnosis import mutant_sources
from benchmarks.diagnosis_corpus import Sample, samples
from benchmarks.diagnosis_inputs import DIFFERENT, SAME, compare, functions_of
from benchmarks.diagnosis_mutants import mutants_of
from demo.classroom import reference_source
from tests.conftest import ROOT, SECRET, cells_of

PUBLIC = read_keys(ROOT)
WRONG = samples("wrong")
RIGHT = samples("right")

# A second name that the numbers do not exclude.
ALSO_TRUE = {"in-place-damage": {"activation-twice"}}


def public_reports(sources: list[Source], exercise) -> dict[str, FunctionReport]:
    """What the public checks say, in this process."""
    session = LocalSession.load(sources, [f.name for f in exercise.functions])
    return {r.name: r for r in report_on(PUBLIC[exercise.name], session)}


@pytest.fixture
def check(catalogue):
    """Public reports on an exercise with some functions replaced."""

    def run(name: str, answers: Mapping[str, str]) -> dict[str, FunctionReport]:
        exercise = catalogue.exercise_of(name)
        functions = {f.name for f in exercise.functions}
        sources = cells_of(catalogue, answers, exercise.assignment)
        return public_reports([s for s in sources if not s.answers or s.answers[0] in functions], exercise)

    return run


def ideas(report: FunctionReport) -> dict[str, str]:
    """What is said of each failing array."""
    return {f.array: f.idea for f in reversed(report.findings) if not f.passed}


@pytest.mark.parametrize("sample", WRONG, ids=lambda s: f"{s.function}-{'+'.join(sorted(s.ids))}-{s.style}")
def test_a_mistake_has_its_name_in_every_hand(catalogue, sample: Sample):
    """By the public checks the mistaken function fails under its name, and no other function is called mistaken."""
    for name, report in public_reports(sample.sources(sample.exercise(catalogue)), sample.exercise(catalogue)).items():
        if name == sample.function:
            also = set().union(*(ALSO_TRUE.get(i, ()) for i in sample.ids))
            assert set(report.diagnosis) - also == sample.ids
            assert report.diagnosis[0] in sample.ids
            assert report.score < report.max_score
        else:
            assert report.diagnosis == ()


def test_every_mistake_was_tried_in_three_hands():
    """The corpus has at least three styles of each mistake that stands alone."""
    counted: dict[tuple[str, str], int] = {}
    for sample in WRONG:
        if len(sample.ids) == 1:
            key = (sample.function, *sample.ids)
            counted[key] = counted.get(key, 0) + 1
    assert min(counted.values()) >= 3
    assert len(counted) >= 80


@pytest.mark.parametrize("sample", RIGHT, ids=lambda s: f"{s.file}-{s.style}")
def test_a_right_answer_passes_in_every_hand(catalogue, sample: Sample):
    """Loops, einsum, classes, closures, any cache: full points by the public checks, and no name."""
    exercise = sample.exercise(catalogue)
    for report in public_reports(sample.sources(exercise), exercise).values():
        assert (report.status, report.score, report.diagnosis) == ("passed", report.max_score, ())


def test_right_answers_were_tried():
    assert len(RIGHT) >= 60
    assert len({s.text for s in RIGHT}) == len(RIGHT)


MUTANTS = [
    (exercise.name, mutant)
    for exercise in load_catalogue(ROOT / "solutions").exercises()
    for mutant in mutants_of(exercise)[::31]
]


@pytest.mark.parametrize(("name", "mutant"), MUTANTS, ids=lambda v: getattr(v, "change", v))
def test_a_mutant_does_not_pass(catalogue, name, mutant):
    """What computes something else, by its values on many inputs, loses points in the public checks."""
    exercise = catalogue.exercise_of(name)
    functions = {f.name: f.reference for f in exercise.functions} | dict(functions_of(mutant.text))
    if compare(exercise, functions, draws=40) == DIFFERENT:
        reports = public_reports(mutant_sources(exercise, mutant), exercise).values()
        assert any(r.score < r.max_score for r in reports)


def test_equivalence_is_told_by_values():
    """A comparison that may as well include 0 is equivalent for the sigmoid; a lost minus is not."""
    exercise = load_catalogue(ROOT / "solutions").exercise_of("sigmoid_forward")
    text = reference_source(exercise.forward)
    right = {f.name: f.reference for f in exercise.functions}
    assert compare(exercise, right | dict(functions_of(text.replace("x >= 0", "x > 0")))) == SAME
    assert compare(exercise, right | dict(functions_of(text.replace("-np.abs(x)", "np.abs(x)")))) == DIFFERENT


# Relations -----------------------------------------------------------------------------------------------------------


def sigmoid_backward(expression: str) -> dict[str, str]:
    return {"sigmoid_backward": f"def sigmoid_backward(dout, cache):\n    return {expression}\n"}


def affine_backward(**changed: str) -> dict[str, str]:
    """The affine backward with some gradients replaced by other expressions."""
    right = {"dx": "(dout @ w.T).reshape(x.shape)", "dw": "x.reshape(len(x), -1).T @ dout", "db": "dout.sum(0)"}
    lines = "".join(f"    {name} = {code}\n" for name, code in (right | changed).items())
    return {
        "affine_forward": "def affine_forward(x, w, b):\n    return x.reshape(len(x), -1) @ w + b, (x, w, b)\n",
        "affine_backward": f"def affine_backward(dout, cache):\n    x, w, b = cache\n{lines}    return dx, dw, db\n",
    }


@pytest.mark.parametrize(
    ("answers", "array", "sentence"),
    [
        (sigmoid_backward("np.where(cache < 0.5, 0, dout * cache * (1 - cache))"), "dx", "wrong where x is negative"),
        (sigmoid_backward("dout * np.abs(cache - cache**2) * np.sign(cache - 0.5)"), "dx", "wrong where x is"),
        (sigmoid_backward("dout * cache * (1 - cache) ** 2"), "dx", "By its values, your dx is dout·out − 2·dout·out²"),
        (sigmoid_backward("dout + cache"), "dx", "By its values, your dx is out + dout."),
        (sigmoid_backward("cache + 0 * dout + 1"), "dx", "By its values, your dx is 1 + out."),
        (sigmoid_backward("dout**2 * cache * (1 - cache)"), "dx", "the right one times dout"),
        (sigmoid_backward("np.float32(dout * cache * (1 - cache)).astype(float)"), "dx", "a few digits only"),
        (affine_backward(dw="w"), "dw", "Your dw is w itself."),
        (affine_backward(dw="x.reshape(len(x), -1).T @ dout + w**2"), "dw", "Not recognised"),
        (affine_backward(db="dout.max(0)"), "db", "Your db is dout, the largest entries over its first axis."),
        (affine_backward(db="dout.sum(0)[::-1]"), "db", "with its entries in reverse order"),
        (affine_backward(db="dout.sum(0)[:-1]"), "db", "Your db is the right one without its last entry."),
        (affine_backward(db="1 - dout.sum(0)"), "db", "Your db is 1 minus the right one."),
        (affine_backward(db="np.sqrt(dout.sum(0))"), "db", "Your db is the square root of the right one."),
        (affine_backward(db="np.where(np.arange(len(b)) == 0, 0, dout.sum(0))"), "db", "wrong in the first entry (0"),
        (affine_backward(dx="np.abs(dout @ w.T).reshape(x.shape)"), "dx", "the right one without its signs"),
    ],
)
def test_an_unknown_mistake_gets_its_relation(check, answers, array, sentence):
    """What no misconception explains is related to the right array, or said not to be recognised; and has no name."""
    name = next(n for n in answers if n.endswith("_backward"))
    report = check(name, answers)[name]
    assert sentence in ideas(report)[array]
    assert report.diagnosis == ()


def test_a_few_equal_numbers_are_no_relation(check):
    """Random garbage is not recognised, and gets no name."""
    answers = sigmoid_backward("dout * np.random.default_rng(0).normal(size=dout.shape)")
    report = check("sigmoid_backward", answers)["sigmoid_backward"]
    assert report.diagnosis == ()
    assert ideas(report)["dx"].startswith("Not recognised: ")


@pytest.mark.parametrize("forward", ["2 * s", "s + 0.1 * x", "s**2", "np.sin(x)"])
def test_a_mistake_in_the_forward_is_not_reported_again(check, forward):
    """A backward that is the gradient of its own wrong forward gets no name: the forward is pointed at."""
    slopes = {"2 * s": "2 * d", "s + 0.1 * x": "d + 0.1", "s**2": "2 * s * d", "np.sin(x)": "np.cos(x)"}
    answers = {
        "sigmoid_forward": f"def sigmoid_forward(x):\n    s = 1 / (1 + np.exp(-x))\n    return {forward}, (x, s)\n",
        "sigmoid_backward": "def sigmoid_backward(dout, cache):\n    x, s = cache\n    d = s * (1 - s)\n"
        f"    return dout * ({slopes[forward]})\n",
    }
    report = check("sigmoid_backward", answers)["sigmoid_backward"]
    assert report.diagnosis == ()
    assert ideas(report)["dx"].endswith("what is wrong is in the forward.")


GARBAGE = (
    "np.full(dout.shape, np.nan)",
    "np.full(dout.shape, np.inf)",
    "dout * 1e308 * 10",
    "dout.astype(complex)",
    "dout > 0",
    "dout.astype(int)",
    "dout.astype(np.float16)",
    "np.zeros((0, 3))",
    "np.zeros(dout.shape + (0,))",
    "np.array('text')",
    "np.array([object()])",
    "dout.astype('M8[s]')",
    "np.ma.masked_array(dout)",
    "[[1.0], [2.0, 3.0]]",
    "{'dx': dout}",
    "7",
    "True",
    "np.broadcast_to(np.float64(3), dout.shape)",
    "np.full(dout.shape, 2**63 - 1)",
    "np.where(dout > 0, np.nan, dout * cache * (1 - cache))",
)


@pytest.mark.parametrize("value", GARBAGE)
def test_no_value_breaks_the_diagnosis(check, catalogue, value):
    """Whatever comes back, as one array or among several, is reported on, by either key, without a name."""
    report = check("sigmoid_backward", sigmoid_backward(value))["sigmoid_backward"]
    assert report.score == 0
    assert "scaled" not in report.diagnosis
    several = affine_backward(dw=value.replace("cache * (1 - cache)", "1"))
    assert check("affine_backward", several)["affine_backward"].score == 2
    exercise = catalogue.exercise_of("forward_mode")
    code = f"def forward_mode(n_nodes, edges, local, dout):\n    cache = dout\n    return {value}\n"
    session = LocalSession.load([Source("cell 1", f"import numpy as np\n{code}")], ["forward_mode"])
    assert report_on(full_key(exercise, SECRET), session)[0].score == 0
