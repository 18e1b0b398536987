"""One look at all answers says "right" where the ladder does, and only there."""

from __future__ import annotations

import inspect
import textwrap
from dataclasses import replace

import numpy as np
import pytest

from autograder import judge as judging
from autograder.answer_key import full_key
from autograder.calls import RAISED, Opaque, Reply, Source
from autograder.catalogue import load_catalogue
from autograder.exercise import Case, Function, Pair
from autograder.glance import right_at_a_glance
from autograder.judge import judge
from autograder.local import LocalSession
from autograder.observe import Observation, _is_twice, observe
from tests.conftest import ROOT, SECRET, cells_of

CATALOGUE = load_catalogue(ROOT / "solutions")
EXERCISES = CATALOGUE.exercises()


def one_entry(change):
    """Changes the entry in the middle of the first array."""

    def tamper(value):
        arrays = [np.array(a) for a in (value if isinstance(value, tuple) else (value,))]
        flat = arrays[0].reshape(-1)
        flat[flat.size // 2] = change(flat[flat.size // 2])
        return tuple(arrays) if isinstance(value, tuple) else arrays[0]

    return tamper


def every_array(change):
    return lambda value: tuple(map(change, value)) if isinstance(value, tuple) else change(value)


# what a value is replaced by; whether the answer is right nevertheless is for the ladder to say
TAMPERED = {
    "off by a hair": one_entry(lambda v: v * (1 + 1e-14) + 1e-17),
    "off by a little": one_entry(lambda v: v * (1 + 1e-10) + 1e-15),
    "off by 1e-6": one_entry(lambda v: v + 1e-6),
    "of the other sign": one_entry(lambda v: -v),
    "0": one_entry(lambda v: 0.0),
    "nan": one_entry(lambda v: np.nan),
    "inf": one_entry(lambda v: np.inf),
    "all times 1 + 1e-9": every_array(lambda a: a * (1 + 1e-9)),
    "float32": every_array(lambda a: a.astype(np.float32)),
    "integers": every_array(lambda a: a.astype(np.int64)),
    "another shape": every_array(lambda a: a[None]),
    "flat": every_array(np.ravel),
    "nothing": lambda value: None,
    "something else": lambda value: Opaque("a str"),
    "one more": lambda value: (*value, value[0]) if isinstance(value, tuple) else (value, value),
    "one less": lambda value: value[:-1] if isinstance(value, tuple) else (value,),
}
FAILED = Reply(RAISED)


def told(judgements) -> list:
    """What reports are made of."""
    rows = [
        [(v.question.case, v.array, v.ok, v.kind, v.rung, v.headline) for r in j.rows for v in r] for j in judgements
    ]
    return [*rows, *[(j.share, j.remarks) for j in judgements]]


def without_a_glance(key, observations, monkeypatch) -> list:
    with monkeypatch.context() as context:
        context.setattr(judging, "right_at_a_glance", lambda *anything: frozenset())
        return told(judge(key, [replace(one, twice=False) for one in observations]))


def other_than(one: Observation, **changes) -> Observation:
    """As it would have been observed with other replies."""
    other = replace(one, **changes)
    return replace(other, twice=other.doubled is not None and _is_twice(other.doubled, other.first[1]))


@pytest.fixture(scope="module")
def seen(box):
    """The reference's answers to the questions of every exercise, by its name."""
    found = {}
    for exercise in EXERCISES:
        key = full_key(exercise, SECRET)
        with box.open(cells_of(CATALOGUE, {}, exercise.assignment), [f.name for f in exercise.functions]) as session:
            found[exercise.name] = key, observe([key], session)[0]
    return found


@pytest.mark.parametrize("name", [exercise.name for exercise in EXERCISES])
def test_the_reference_is_right_at_a_glance(seen, name, monkeypatch):
    """In every case of float64 numbers whose cost is not measured; and no verdict is another for it."""
    key, observations = seen[name]
    plain = {i for i, q in enumerate(key.questions) if not q.single and q.cpu_limit is None}
    floats = all(e.dtype == np.float64 and e.size for q in key.questions for es in q.expected.values() for e in es)
    for index in range(len(key.functions)):
        assert right_at_a_glance(key, index, observations) == (plain if floats else set())
    assert told(judge(key, observations)) == without_a_glance(key, observations, monkeypatch)


@pytest.mark.parametrize("name", [exercise.name for exercise in EXERCISES if full_key(exercise, SECRET).pair])
def test_what_is_tampered_with_is_judged_as_by_the_ladder_alone(seen, name, monkeypatch):
    """One answer in one place changed, in every way: the first, the second, the one to 2·dout."""
    key, observations = seen[name]
    wrong = 0
    for at, one in enumerate(observations):
        changed = []
        for index, reply in enumerate(one.first):
            for tamper in TAMPERED.values():
                other = reply._replace(value=tamper(reply.value))
                changed.append(other_than(one, first=(*one.first[:index], other, *one.first[index + 1 :])))
                changed.append(other_than(one, second=(*one.second[:index], other, *one.second[index + 1 :])))
            changed.append(other_than(one, second=(*one.second[:index], FAILED, *one.second[index + 1 :])))
            changed.append(other_than(one, first=(*one.first[:index], FAILED, *one.first[index + 1 :])))
        changed.append(other_than(one, first=(one.first[0]._replace(paired=False), *one.first[1:])))
        if one.doubled is not None:
            changed.append(other_than(one, doubled=FAILED))
            changed += [
                other_than(one, doubled=one.doubled._replace(value=t(one.doubled.value))) for t in TAMPERED.values()
            ]
        for other in changed:
            some = [*observations[:at], other, *observations[at + 1 :]]
            judgements = judge(key, some)
            assert told(judgements) == without_a_glance(key, some, monkeypatch)
            wrong += not all(v.ok for j in judgements for row in j.rows for v in row)
    assert wrong > 100 * len(observations) / 4


@pytest.mark.parametrize("ok", [True, False, None])
def test_a_numerical_check_has_its_say(seen, ok, monkeypatch):
    """A backward that the check of the student's own forward refuses, or cannot judge, is not right at a glance."""
    key, observations = seen["tanh"]
    at = next(i for i, one in enumerate(observations) if one.vjp is not None)
    vjp = observations[at].vjp
    vjp = replace(vjp, arguments=tuple(replace(argument, ok=ok) for argument in vjp.arguments))
    some = [*observations[:at], replace(observations[at], vjp=vjp), *observations[at + 1 :]]
    assert bool(right_at_a_glance(key, 1, some)) == (ok is True)
    assert told(judge(key, some)) == without_a_glance(key, some, monkeypatch)


def test_an_elementwise_layer_of_two_inputs_is_left_to_the_ladder():
    """Two arrays came back, and one dout: the ladder compares them one by one."""

    def product_forward(x, y):
        return x * y, (x, y)

    def product_backward(dout, cache):
        x, y = cache
        return dout * y, dout * x

    case = Case("a batch", "two inputs", lambda rng: (rng.normal(size=(2, 3)), rng.normal(size=(2, 3))))
    functions = [
        Function(reference=f, points=1, returns=returns, misconceptions=())
        for f, returns in ((product_forward, ("out",)), (product_backward, ("dx", "dy")))
    ]
    pair = Pair("product", "09_products", *functions, cases=(case,), elementwise=True)
    key = full_key(pair, SECRET)
    text = "".join(textwrap.dedent(inspect.getsource(f.reference)) for f in functions)
    sources = [Source("cell 1", text)]
    session = LocalSession.load(sources, [f.name for f in functions])
    observations = observe([key], session)[0]
    assert right_at_a_glance(key, 1, observations) == set()
    assert all(v.ok for judgement in judge(key, observations) for row in judgement.rows for v in row)
