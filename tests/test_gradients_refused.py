"""Gradients that are far off are refused at once; where, is found at some places of a large layer alone."""

import numpy as np
import pytest
from test_gradients import STYLES as STYLE
from test_gradients import (
    affine,
    affine_backward,
    changed,
    draw,
    normalised,
    normalised_backward,
    sigmoid,
    sigmoid_backward,
    verdicts,
)

from autograder.gradients import check_vjp

RNG = np.random.default_rng(0)
ARGS = tuple(RNG.normal(size=shape) for shape in ((4, 6), (6, 5), 5))
LARGE = RNG.normal(size=(300, 400))
NOT_LOCATED = "it was not located: locate is False"


def doubled_dw(dout, cache):
    dx, dw, db = affine_backward(dout, cache)
    return dx, 2 * dw, db


def counted(forward):
    """The forward, and a list of the sizes of the arrays that it is called with."""
    sizes = []

    def counting(*args):
        sizes.append(np.size(args[0]))
        return forward(*args)

    return counting, sizes


# --- a verdict only ---


def test_a_verdict_only_takes_one_backward_more_than_accepting():
    """What is far off from complex step and central difference is looked at once more, and refused."""
    check = check_vjp(affine, doubled_dw, ARGS, locate=False)
    assert check.ok is False
    assert check.evaluations == 6
    assert verdicts(check) == {"x": None, "w": None, "b": None}
    assert check.notes == (NOT_LOCATED,)
    assert check.discrepancy > check.tolerance


def test_right_gradients_are_accepted_as_ever_where_only_a_verdict_is_asked_for():
    check = check_vjp(affine, affine_backward, ARGS, locate=False)
    assert str(check) == str(check_vjp(affine, affine_backward, ARGS))
    assert check.evaluations == 5


def test_what_cannot_be_read_is_named_in_a_verdict_only():
    """It costs nothing to know which array it is."""
    check = check_vjp(affine, lambda d, c: (affine_backward(d, c)[0], None, d.sum(axis=0)), ARGS, locate=False)
    assert check.ok is False
    assert verdicts(check) == {"x": None, "w": False, "b": None}
    assert check.where.note == "dw is None, not an array of numbers"
    assert check.evaluations == 5


@pytest.mark.parametrize("name", STYLE)
@pytest.mark.parametrize("factor", [1 + 1e-6, 1.001, -1])
def test_verdicts_are_the_same_with_and_without_a_search(name, factor):
    """However the forward is written, and however far off the gradient is."""
    style = STYLE[name]

    def wrong(dout, cache):
        gradients = style.backward(dout, cache)
        return (gradients[0] * factor, *gradients[1:]) if isinstance(gradients, tuple) else gradients * factor

    args = style.make(np.random.default_rng(1))
    found = [check_vjp(style.forward, wrong, args, locate=locate).ok for locate in (True, False)]
    assert found == [False, False]


# --- refused at once, but for good reasons only ---


@pytest.mark.parametrize("locate", [True, False])
def test_random_gradients_are_not_refused(locate):
    """Another answer each time: nothing certain can be said, however far off each of them is."""
    rng = np.random.default_rng(5)

    def noisy(dout, cache):
        dx, dw, db = affine_backward(dout, cache)
        return dx, dw * (1 + 0.1 * rng.normal(size=dw.shape)), db

    assert check_vjp(affine, noisy, ARGS, locate=locate).ok is None


@pytest.mark.parametrize("locate", [True, False])
def test_a_backward_that_is_wrong_once_is_not_refused(locate):
    """Whatever went wrong the first time, the code is not known to be wrong."""
    calls = []

    def once(dout, cache):
        calls.append(1)
        return doubled_dw(dout, cache) if len(calls) == 1 else affine_backward(dout, cache)

    assert check_vjp(affine, once, ARGS, locate=locate).ok is None


@pytest.mark.parametrize("locate", [True, False])
@pytest.mark.parametrize("part", [0.5, 0.99])
def test_a_random_forward_is_inconclusive(locate, part):
    """Dropout with no seed, where it drops much or little."""
    rng = np.random.default_rng(5)

    def dropout(x):
        mask = rng.random(x.shape) < part
        return x * mask, mask

    assert check_vjp(dropout, lambda dout, mask: dout * mask, (ARGS[1],), locate=locate).ok is None


@pytest.mark.parametrize("locate", [True, False])
@pytest.mark.parametrize("slope", [0.0, 1.0])
def test_the_mean_of_two_slopes_is_not_the_only_right_one(locate, slope):
    """At 0, ½(x + |x|) has the slope ½ by complex step and by central difference; any from 0 to 1 is right."""
    check = check_vjp(
        lambda x: ((x + np.abs(x)) / 2, x), lambda dout, x: slope * dout, (np.zeros((4, 3)),), locate=locate
    )
    assert check.ok is not False


def test_a_small_mistake_beside_a_large_one_is_named_too():
    """dx is off by a billionth, dw by a factor 2; db is right."""

    def wrong(dout, cache):
        dx, dw, db = affine_backward(dout, cache)
        return dx * (1 + 1e-9), 2 * dw, db

    check = check_vjp(affine, wrong, ARGS)
    assert verdicts(check) == {"x": False, "w": False, "b": True}
    assert [a.relation for a in check.arguments[:2]] == [
        "yours / numerical = 1.000000001 in every entry",
        "yours / numerical = 2 in every entry",
    ]


@pytest.mark.parametrize("seed", [*range(8), 57, 92])
def test_rounding_beside_a_mistake_is_not_taken_for_another(seed):
    """A bias whose mean is subtracted afterwards has a gradient of 1e-17 or so, none of whose digits is right; with
    the last two seeds, moving the inputs does not change it."""
    args = draw((3, 2), (2, 2), 2, seed=seed)
    wrong = changed(lambda g, dout: [g[0], 1.001 * g[1], g[2]], normalised_backward)
    assert verdicts(check_vjp(normalised, wrong, args, seed=seed)) == {"x": True, "w": False, "b": True}


# --- large layers ---


@pytest.mark.parametrize("factor", [1.001, -3.0])
def test_a_large_elementwise_layer_is_searched_at_some_places_alone(factor):
    """Four evaluations of the whole, and one more of its backward; all else at thousands of 120,000 entries."""
    forward, sizes = counted(sigmoid)
    check = check_vjp(forward, lambda dout, s: factor * sigmoid_backward(dout, s), (LARGE,))
    assert check.ok is False
    assert check.where.relation == f"yours / numerical = {factor:.10g} in every entry that was looked at"
    assert check.where.entries[0].index == (0, 0)
    assert check.where.count == LARGE.size
    assert sum(size == LARGE.size for size in sizes) == 4
    assert max(size for size in sizes if size != LARGE.size) < 10_000


def test_the_wrong_entries_of_a_large_elementwise_layer_are_counted_in_all_of_it():
    """Many more than are looked at: exactly those with x < 0, the first ones listed."""

    def wrong(dout, s):
        return sigmoid_backward(dout, s) * np.where(s < 0.5, 1.5, 1.0)

    check = check_vjp(sigmoid, wrong, (LARGE,))
    assert check.where.count == (LARGE < 0).sum()
    assert [e.index for e in check.where.entries] == [tuple(i) for i in np.argwhere(LARGE < 0)[:32].tolist()]
    assert check.where.relation == ""


def test_a_backward_that_goes_by_the_shape_is_run_at_the_whole_layer():
    """Divided by the rows of out, of which the places alone have one."""
    check = check_vjp(sigmoid, lambda dout, s: sigmoid_backward(dout, s) / len(dout), (LARGE,))
    assert check.where.relation.endswith("= 1/300: averaged over the 300 rows of out")


def test_the_argument_is_found_in_a_large_elementwise_layer_of_two():
    check = check_vjp(
        lambda x, y: (x * y, (x, y)), lambda dout, c: (dout * c[1], 1.5 * dout * c[0]), (LARGE, LARGE[::-1] + 1)
    )
    assert verdicts(check) == {"x": True, "y": False}
    assert check.where.count is None


@pytest.mark.parametrize("factor", [1.0, 1 + 1e-9, 1.5])
def test_a_large_elementwise_forward_without_complex_numbers_is_differenced_at_some_places(factor):
    """Richardson's steps are not taken by 120,000 entries."""
    style = STYLE["sigmoid, exp(-|x|)"]
    forward, sizes = counted(style.forward)
    check = check_vjp(forward, lambda dout, c: factor * style.backward(dout, c), (LARGE,))
    assert check.ok is (factor == 1)
    assert sum(size == LARGE.size for size in sizes) <= 10
    if check.ok:
        assert check.method.startswith("central difference, entry by entry; Richardson extrapolation at ")


def test_kinks_of_a_large_layer_are_excused_and_mistakes_are_not():
    """relu with zeros in x: any slope from 0 to 1 is right there, and nowhere else."""
    x = np.where(np.abs(LARGE) < 0.001, 0.0, LARGE)

    def relu(x):
        return np.maximum(x, 0), x

    assert (x == 0).sum() > 20
    assert check_vjp(relu, lambda dout, x: dout * (x >= 0), (x,)).ok is True
    check = check_vjp(relu, lambda dout, x: dout * (x >= -0.5), (x,))
    assert check.ok is False
    assert all(-0.5 <= x[e.index] < 0 for e in check.where.entries)


def test_a_large_layer_that_is_not_elementwise_is_looked_at_as_a_whole():
    """Some places of a softmax are not a softmax of some places."""

    def softmax(x):
        e = np.exp(x - x.max(axis=1, keepdims=True))
        return e / e.sum(axis=1, keepdims=True), e / e.sum(axis=1, keepdims=True)

    def backward(dout, s):
        return 0.5 * s * (dout - (dout * s).sum(axis=1, keepdims=True))

    check = check_vjp(softmax, backward, (LARGE,))
    assert check.where.relation == "yours / numerical = 0.5 in every entry"


def test_a_projection_layer_that_is_far_off_is_located_by_few_evaluations():
    """Each argument but the largest once, the wrong one twice, three entries by real differences."""
    args = tuple(RNG.normal(size=shape) for shape in ((16, 96), (96, 32), 32))
    check = check_vjp(affine, doubled_dw, args)
    assert verdicts(check) == {"x": True, "w": False, "b": True}
    assert check.where.relation == "yours / numerical = 2 in every entry"
    assert len(check.where.entries) == 3
    assert all(e.yours == pytest.approx(2 * e.numerical, rel=1e-6) for e in check.where.entries)
    assert check.evaluations <= 15


def test_a_gradient_of_few_entries_in_a_huge_layer_is_sampled():
    """200 evaluations of a million numbers would take seconds."""
    args = tuple(RNG.normal(size=shape) for shape in ((20, 800), (800, 200), 200))

    def wrong(dout, cache):
        dx, dw, db = affine_backward(dout, cache)
        return dx, dw, db + 1

    check = check_vjp(affine, wrong, args)
    assert verdicts(check) == {"x": True, "w": True, "b": False}
    assert check.evaluations < 40


# --- the wrong number of gradients ---


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda dx, dw, db: (dx, dw), "2 gradients for 3 differentiable arguments: nothing for b"),
        (lambda dx, dw, db: (dx, db), "2 gradients for 3 differentiable arguments: nothing for w"),
        (lambda dx, dw, db: dw, "1 gradient for 3 differentiable arguments: nothing for x, b"),
        (lambda dx, dw, db: (), "0 gradients for 3 differentiable arguments: nothing for x, w, b"),
        (lambda dx, dw, db: (db, dx), "2 gradients for 3 differentiable arguments: nothing for b"),
        (lambda dx, dw, db: (object(), [1, [2]]), "2 gradients for 3 differentiable arguments: nothing for b"),
        (lambda dx, dw, db: (dx, dw, db, 0, 0), "5 gradients for 3 differentiable arguments: 2 more than dx, dw, db"),
    ],
)
def test_the_arguments_without_a_gradient_are_named(change, words):
    """By the shapes of what there is, if they fit in order; else the last ones."""
    check = check_vjp(affine, lambda dout, cache: change(*affine_backward(dout, cache)), ARGS)
    assert check.ok is False
    assert check.notes == (f"the backward returned {words}",)


def test_a_nested_argument_without_a_gradient_is_named_whole():
    def forward(x, params):
        return affine(x, *params)

    def backward(dout, cache):
        return affine_backward(dout, cache)[0]

    check = check_vjp(forward, backward, (ARGS[0], ARGS[1:]))
    assert check.notes == ("the backward returned 1 gradient for 2 differentiable arguments: nothing for params",)
