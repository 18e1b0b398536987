"""The gradient checker: right for right, wrong for wrong, inconclusive where it cannot tell, and never an exception."""

import importlib.util
import math
import sys
import tracemalloc
import warnings
from pathlib import Path

import numpy as np
import pytest

from autograder.gradients import (
    Backward,
    Entry,
    Failed,
    Forward,
    check_vjp,
    complex_step_gradient,
    numerical_gradient,
    relative_error,
    vjp_steps,
)

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"


def benchmark(name):
    """A module of the benchmarks, which are no package."""
    spec = importlib.util.spec_from_file_location(name, BENCHMARKS / f"{name}.py")
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


styles = benchmark("gradient_styles")
STYLES = {style.name: style for style in styles.STYLES}


def affine(x, w, b):
    return x.reshape(len(x), -1) @ w + b, (x, w)


def affine_backward(dout, cache):
    x, w = cache
    return (dout @ w.T).reshape(x.shape), x.reshape(len(x), -1).T @ dout, dout.sum(axis=0)


def sigmoid(x):
    s = 1 / (1 + np.exp(-x))
    return s, s


def sigmoid_backward(dout, s):
    return dout * s * (1 - s)


def relu(x):
    return np.maximum(x, 0), x


def draw(*shapes, seed=0):
    rng = np.random.default_rng(seed)
    return tuple(rng.normal(size=shape) for shape in shapes)


ARGS = draw((4, 3, 2), (6, 5), 5)


def changed(change, backward=affine_backward):
    """A backward whose gradients are changed: change(list of gradients, dout) returns the new ones, or changes in
    place."""

    def wrong(dout, cache):
        returned = backward(dout, cache)
        gradients = [np.array(g) for g in (returned if isinstance(returned, tuple) else (returned,))]
        new = change(gradients, dout)
        gradients = gradients if new is None else new
        return tuple(gradients) if isinstance(returned, tuple) else gradients[0]

    return wrong


def verdicts(check):
    return {argument.name: argument.ok for argument in check.arguments}


# --- the tools that a course teaches with ---


def test_the_element_loop_differentiates_every_entry():
    """(f(x+h) - f(x-h)) / 2h is right to 1e-9, and x is as it was."""
    (x,) = draw((3, 2))
    before = x.copy()
    gradient = numerical_gradient(lambda x: np.sum(x**3), x)
    assert gradient.shape == (3, 2)
    assert np.abs(gradient - 3 * x**2).max() < 1e-9
    assert np.array_equal(before, x)


def test_the_element_loop_takes_a_number():
    """A 0-d array is one entry; integers are computed with as floats."""
    assert numerical_gradient(lambda x: x**2, 3.0) == pytest.approx(6.0)
    assert numerical_gradient(lambda x: np.sum(x**2), np.array([1, 2])) == pytest.approx([2.0, 4.0])


def test_the_complex_step_is_right_to_the_last_digits():
    """Im f(x + ih) / h has no cancellation."""
    (x,) = draw((3, 2))
    gradient = complex_step_gradient(lambda z: np.sum(np.tanh(z)), x)
    assert np.abs(gradient - (1 - np.tanh(x) ** 2)).max() < 1e-15


def test_the_complex_step_is_spoiled_by_abs():
    """np.abs drops the imaginary part without a word: why the checker never relies on the complex step alone."""
    assert complex_step_gradient(lambda z: np.sum(np.abs(z)), np.array([2.0])).tolist() == [0.0]


def test_relative_error_broadcasts_nothing():
    """A bias gradient of shape (1, M) is not compared with one of shape (M,)."""
    with pytest.raises(ValueError, match=r"shapes \(1, 3\) and \(3,\) differ"):
        relative_error(np.ones((1, 3)), np.ones(3))


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        ([1.0, 2.0], [1.0, 1.0], 0.5),
        ([0.0, -1.0], [0.0, 1.0], 2.0),
        ([np.inf], [np.inf], 0.0),
        ([], [], 0.0),
        (0.0, -0.0, 0.0),
    ],
)
def test_relative_error_is_the_largest(a, b, expected):
    """|a - b| / max(|a|, |b|), 0 where both are the same."""
    assert relative_error(a, b) == expected


@pytest.mark.parametrize(
    ("a", "b"), [([np.nan], [1.0]), ([np.nan], [np.nan]), ([np.inf], [-np.inf]), ([1.0], [np.nan])]
)
def test_relative_error_lets_no_nan_pass(a, b):
    """nan stays nan, so that `not error <= tolerance` fails."""
    assert not relative_error([0.0, *a], [0.0, *b]) <= 1e-7


# --- right is right ---


@pytest.mark.parametrize("name", STYLES)
def test_a_right_layer_passes_however_it_is_written(name):
    """All 35 ways of writing a forward pass, those that the complex step cannot use included."""
    style = STYLES[name]
    for seed in range(3):
        check = check_vjp(style.forward, style.backward, style.make(np.random.default_rng(seed)), seed=seed)
        assert check.ok is True, str(check)
        assert check.resolution <= 1e-6


@pytest.mark.parametrize("name", STYLES)
def test_one_entry_off_by_a_millionth_fails_however_it_is_written(name):
    """A single entry of dx times 1 + 1e-6 is found behind every way of writing a forward."""
    style = STYLES[name]
    args = style.make(np.random.default_rng(0))

    def change(gradients, dout):
        flat = gradients[0].reshape(-1)
        flat[np.argmax(np.abs(flat))] *= 1 + 1e-6

    check = check_vjp(style.forward, changed(change, style.backward), args)
    assert check.ok is False
    assert [name for name, ok in verdicts(check).items() if ok is False] == [check.arguments[0].name]


def complex_slope(style, seed=0):
    """J u by the complex step (or the kind of failure), and by a central difference."""
    rng = np.random.default_rng(seed)
    args = style.make(rng)
    u = [rng.choice([-1.0, 1.0], a.shape) * rng.uniform(1, 2, a.shape) for a in args]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            out = style.forward(*(a + 1e-30j * d for a, d in zip(args, u, strict=True)))[0]
        except TypeError:
            return "raises", None
    if any(issubclass(w.category, np.exceptions.ComplexWarning) for w in caught):
        return "warns", None
    above, below = (style.forward(*(a + h * d for a, d in zip(args, u, strict=True)))[0] for h in (1e-5, -1e-5))
    central = (above - below) / 2e-5
    right = np.abs(np.imag(out) / 1e-30 - central).max() <= 1e-6 * np.abs(central).max()
    return ("safe" if right else "silent"), None


@pytest.mark.parametrize("name", STYLES)
def test_the_styles_do_to_complex_numbers_what_they_say(name):
    """17 are fit for the complex step, 8 spoil it silently, 4 warn, 6 raise: else the tests above would test
    nothing."""
    assert complex_slope(STYLES[name])[0] == STYLES[name].complex


def test_the_styles_are_as_many_as_they_say():
    """No idiom is lost."""
    kinds = [style.complex for style in styles.STYLES]
    assert {kind: kinds.count(kind) for kind in kinds} == {"safe": 17, "silent": 8, "warns": 4, "raises": 6}


@pytest.mark.parametrize(
    ("forward", "spoiled"),
    [
        (lambda x: (np.abs(x), x), lambda dout, x: 0 * dout),
        (lambda x: ((x + np.abs(x)) / 2, x), lambda dout, x: dout / 2),
        (lambda x: (np.real(x) * 2 + x, x), lambda dout, x: dout),
        (lambda x: (x * np.sign(x), x), lambda dout, x: 2 * np.sign(x) * dout),
    ],
)
def test_a_gradient_that_agrees_with_a_spoiled_complex_step_fails(forward, spoiled):
    """The complex step says what this wrong backward says; the central difference does not."""
    check = check_vjp(forward, spoiled, draw((4, 3)))
    assert check.ok is False
    assert check.method.startswith("Richardson")


@pytest.mark.parametrize("seed", range(20))
def test_a_right_backward_takes_five_evaluations(seed):
    """One forward, one backward with its forward, one complex step, two sides of a central difference."""
    check = check_vjp(affine, affine_backward, ARGS, seed=seed)
    assert check.ok is True
    assert check.evaluations == 5
    assert check.discrepancy <= check.tolerance < 1e-12
    assert verdicts(check) == {"x": True, "w": True, "b": True}


@pytest.mark.parametrize("layout", ["F", "transposed", "sliced", "reversed"])
def test_the_layout_in_memory_does_not_matter(layout):
    """Fortran order, views with strides, negative strides."""
    x, w, b = draw((4, 6), (6, 5), 5)
    x = {
        "F": np.asfortranarray(x),
        "transposed": np.ascontiguousarray(x.T).T,
        "sliced": np.repeat(x, 2, axis=1)[:, ::2],
        "reversed": x[::-1],
    }[layout]
    assert check_vjp(affine, affine_backward, (x, w, b)).ok is True
    wrong = check_vjp(affine, changed(lambda g, dout: [g[0], g[1] * 1.01, g[2]]), (x, w, b))
    assert verdicts(wrong) == {"x": True, "w": False, "b": True}


def test_numbers_keep_their_type():
    """A scalar function may call math.exp: what was a Python float stays one, complex where the complex step tries
    it."""

    def forward(x, y):
        out = math.exp(x) * y
        return out, (out, y, x)

    right = check_vjp(forward, lambda dout, c: (dout * c[0], dout * c[0] / c[1]), (0.3, 2.0))
    wrong = check_vjp(forward, lambda dout, c: (dout * c[0], dout * c[0]), (0.3, 2.0))
    assert right.ok is True
    assert verdicts(wrong) == {"x": True, "y": False}


def test_arguments_and_gradients_may_be_nested():
    """params = (w, b) gets its gradient as (dw, db); a wrong leaf is named."""

    def forward(x, params):
        return x @ params[0] + params[1], (x, params[0])

    def backward(dout, cache):
        return dout @ cache[1].T, [cache[0].T @ dout, 2 * dout.sum(axis=0)]

    x, w, b = draw((4, 6), (6, 5), 5)
    check = check_vjp(forward, backward, (x, (w, b)))
    assert verdicts(check) == {"x": True, "params[0]": True, "params[1]": False}
    assert check.where.relation == "yours / numerical = 2 in every entry"


def test_several_outputs_are_checked_together():
    """out may be a tuple; dout then is one."""

    def forward(x):
        return (np.sin(x), x.sum(axis=0)), x

    def backward(dout, x):
        return dout[0] * np.cos(x) + dout[1]

    assert check_vjp(forward, backward, draw((3, 2))).ok is True
    assert check_vjp(forward, lambda dout, x: dout[0] * np.cos(x), draw((3, 2))).ok is False


def test_integers_are_no_variables():
    """The labels of a loss get no gradient, whether one is returned for them or not."""
    (x,) = draw((4, 3))
    labels = np.array([0, 2, 1, 1])

    def forward(x, y):
        p = np.exp(x) / np.exp(x).sum(axis=1, keepdims=True)
        return -np.log(p[np.arange(len(y)), y]).mean(), (p, y)

    def backward(dout, cache):
        p, y = cache
        return dout * (p - np.eye(3)[y]) / len(y)

    check = check_vjp(forward, backward, (x, labels))
    assert check.ok is True
    assert check.notes == ("y holds integers: no gradient",)
    assert check_vjp(forward, lambda d, c: (backward(d, c), None), (x, labels)).ok is True


# --- wrong is wrong, and where ---


def square(args):
    return draw((5, 4), (4, 4), 4)


WRONG = {
    "a sign": (lambda g, d: [g[0], -g[1], g[2]], "w", "the sign is flipped"),
    "zeros": (lambda g, d: [0 * g[0], g[1], g[2]], "x", "it is all zeros"),
    "1/N": (
        lambda g, d: [g[0], g[1] / 4, g[2]],
        "w",
        "yours / numerical = 0.25 in every entry = 1/4: averaged over the 4 rows of out",
    ),
    "a mean": (
        lambda g, d: [g[0], g[1], d.mean(axis=0)],
        "b",
        "yours / numerical = 0.25 in every entry = 1/4: averaged over the 4 rows of out",
    ),
    "a factor": (lambda g, d: [g[0] * 3, g[1], g[2]], "x", "yours / numerical = 3 in every entry"),
    "no sum": (lambda g, d: [g[0], g[1], d], "b", "summed over axis 0 it is right"),
    "keepdims": (lambda g, d: [g[0], g[1], g[2][None]], "b", "the values are right, the shape is not"),
    "a transpose": (lambda g, d: [g[0], g[1].T, g[2]], "w", "it is the transpose of the numerical gradient"),
    "not reshaped": (lambda g, d: [g[0].reshape(4, 6), g[1], g[2]], "x", "the values are right, the shape is not"),
    "one entry × 1.000001": (lambda g, d: g[1].__setitem__((2, 3), g[1][2, 3] * (1 + 1e-6)), "w", ""),
    "everything × (1 + 1e-9)": (lambda g, d: [g[0] * (1 + 1e-9), g[1], g[2]], "x", None),
    "an entry zeroed": (lambda g, d: g[2].__setitem__(1, 0.0), "b", ""),
    "two entries swapped": (lambda g, d: g[1].__setitem__(([0, 1], 0), g[1][[1, 0], 0]), "w", ""),
    "the wrong axis": (lambda g, d: [g[0], g[1], d.sum(axis=1)], "b", ""),
    "a scalar sum": (lambda g, d: [g[0], g[1], d.sum()], "b", ""),
    "integers": (lambda g, d: [g[0], g[1].astype(int), g[2]], "w", ""),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_mistake_is_found_in_its_argument(name):
    """One gradient is wrong: that one is named, the others are right, and what can be recognised is."""
    change, argument, relation = WRONG[name]
    check = check_vjp(affine, changed(change), ARGS)
    assert check.ok is False
    assert verdicts(check) == {"x": True, "w": True, "b": True} | {argument: False}
    assert check.where.name == argument
    if relation is not None:
        assert check.where.relation == relation


def test_the_transpose_of_a_square_matrix_is_recognised():
    """The shape does not tell; the numbers do."""
    check = check_vjp(affine, changed(lambda g, d: [g[0], g[1].T, g[2]]), draw((5, 4), (4, 4), 4))
    assert check.where.relation == "it is the transpose of the numerical gradient"


def test_gradients_in_another_order_are_recognised():
    """dw, dx, db: each stands in the place of the other."""
    check = check_vjp(affine, changed(lambda g, d: [g[1], g[0], g[2]]), draw((4, 6), (6, 5), 5))
    assert [a.relation for a in check.arguments] == [
        "the gradient for x stands in the place of dw",
        "the gradient for w stands in the place of dx",
        "",
    ]


@pytest.mark.parametrize(
    ("wrong", "relation"),
    [
        (lambda dout, s: s * (1 - s), "dout is left out: it is right for a dout of ones"),
        (lambda dout, s: dout**2 * s * (1 - s), "dout is squared"),
        (lambda dout, s: dout * (1 - dout), ""),
        (lambda dout, s: -sigmoid_backward(dout, s), "the sign is flipped"),
    ],
)
def test_what_became_of_dout_is_recognised(wrong, relation):
    """The upstream gradient left out, squared, or fed to the formula."""
    check = check_vjp(sigmoid, wrong, draw((4, 3)))
    assert check.ok is False
    assert check.where.relation == relation


def test_dout_ignored_is_wrong_even_where_it_is_given_as_ones_but_for_a_little():
    """A dout close to ones does not hide a tiny error behind 'dout is left out'."""
    check = check_vjp(sigmoid, lambda d, s: d * s * (1 - s) * (1 + 1e-7), draw((4, 3)), dout=np.ones((4, 3)))
    assert check.ok is False
    assert "dout" not in check.where.relation


def test_wrong_entries_are_shown_beside_the_numerical_gradient():
    """A small gradient is differentiated whole: the entries, their number and the array."""
    check = check_vjp(affine, changed(lambda g, d: g[1].__setitem__((2, 3), 7.0)), ARGS)
    numerical = check.numerical[1]
    assert numerical.shape == (6, 5)
    assert check.where.entries == (Entry((2, 3), 7.0, pytest.approx(numerical[2, 3], abs=0)),)
    assert check.where.count == 1
    assert set(check.numerical) == {1}


def test_an_elementwise_layer_is_compared_entry_by_entry():
    """An error that no sum would show is found in the tail: σ'(20) = 2e-9, returned as 0."""
    x = np.linspace(-20, 20, 41)

    def tail_lost(dout, s):
        return np.where(s > 1 - 1e-8, 0.0, sigmoid_backward(dout, s))

    assert check_vjp(sigmoid, sigmoid_backward, (x,)).ok is True
    check = check_vjp(sigmoid, tail_lost, (x,))
    assert check.ok is False
    assert [e.index for e in check.where.entries] == [(39,), (40,)]
    assert check.where.count == 2


@pytest.mark.parametrize("k", [0, 5, 9_999, 24_575])
def test_one_wrong_entry_of_a_large_gradient_is_hunted_down(k):
    """One of 24,576 entries off by a millionth is found by a few dozen evaluations, not 24,576."""
    args = draw((16, 384), (384, 64), 64)
    check = check_vjp(affine, changed(lambda g, d: g[1].reshape(-1).__setitem__(k, g[1].flat[k] + 1e-4)), args)
    assert check.ok is False
    assert [e.index for e in check.where.entries] == [divmod(k, 64)]
    assert check.evaluations < 200
    assert check.numerical == {}


def test_several_wrong_entries_of_a_large_gradient_are_hunted_down():
    """Five planted entries are found."""
    args = draw((8, 96), (96, 32), 32)
    planted = [7, 900, 901, 2000, 3071]

    def change(gradients, dout):
        gradients[1].reshape(-1)[planted] += 0.1

    check = check_vjp(affine, changed(change), args)
    assert [32 * e.index[0] + e.index[1] for e in check.where.entries] == planted


def test_a_large_gradient_that_is_wrong_everywhere_is_shown_by_a_sample():
    """Where all is wrong nothing is hunted."""
    check = check_vjp(affine, changed(lambda g, d: [g[0], g[1] + 1, g[2]]), draw((8, 96), (96, 32), 32))
    assert check.where.entries[0].index == (0, 0)
    assert check.where.count is None
    assert check.evaluations < 60


def test_mistakes_behind_a_forward_without_complex_numbers_are_located_too():
    """Real differences find the argument, the entries and the relation."""
    style = STYLES["affine, rows into empty"]
    args = style.make(np.random.default_rng(0))
    check = check_vjp(style.forward, changed(lambda g, d: [g[0], g[1] / 4, g[2]]), args)
    assert verdicts(check) == {"x": True, "w": False, "b": True}
    assert check.where.relation.endswith("averaged over the 4 rows of out")
    assert check.where.entries[0].yours == pytest.approx(check.where.entries[0].numerical / 4)


def test_a_large_gradient_behind_a_forward_without_complex_numbers():
    """The hunt works with real differences, for errors that they can see."""
    style = STYLES["affine, rows into empty"]
    check = check_vjp(
        style.forward, changed(lambda g, d: g[1].reshape(-1).__setitem__(1234, 5.0)), draw((8, 96), (96, 32), 32)
    )
    assert [e.index for e in check.where.entries] == [divmod(1234, 32)]


def test_a_gradient_that_is_small_beside_the_others_is_not_forgotten():
    """With x near 1e-8, dw is 1e-8 of dx; an entry of it off by 1e-6 is found all the same."""
    x, w, b = draw((5, 7), (7, 3), 3)
    args = (1e-8 * x, w, b)
    assert check_vjp(affine, affine_backward, args).ok is True
    check = check_vjp(affine, changed(lambda g, d: g[1].__setitem__((2, 1), g[1][2, 1] * (1 + 1e-6))), args)
    assert verdicts(check) == {"x": True, "w": False, "b": True}
    assert [e.index for e in check.where.entries] == [(2, 1)]


def test_a_small_layer_is_compared_entry_by_entry():
    """In 12 entries one that is 1e-9 of the others is checked by itself."""
    w = draw((3, 4))[0] * np.array([1, 1, 1, 1e-9])

    def forward(w):
        return np.sum(w**2), w

    assert check_vjp(forward, lambda dout, w: dout * 2 * w, (w,)).ok is True
    check = check_vjp(forward, lambda dout, w: dout * 2 * w * np.array([1, 1, 1, 1.001]), (w,))
    assert check.ok is False


def test_dout_may_be_given():
    """The gradient is that for the given upstream gradient; out must have its shape."""
    dout = np.zeros((4, 5))
    dout[1, 2] = 3.0
    assert check_vjp(affine, affine_backward, ARGS, dout=dout).ok is True
    check = check_vjp(affine, affine_backward, ARGS, dout=np.ones((4, 4)))
    assert check.ok is None
    assert check.notes == ("out has shape (4, 5), dout has shape (4, 4)",)
    assert check_vjp(affine, affine_backward, ARGS, dout=np.full((4, 5), np.nan)).ok is None


# --- kinks ---


def between(slope):
    """relu's backward with another slope at 0 exactly."""
    return lambda dout, x: dout * np.where(x == 0, slope, x > 0)


@pytest.mark.parametrize("slope", [0.0, 0.3, 0.5, 1.0])
@pytest.mark.parametrize("name", ["relu, maximum", "relu, abs"])
def test_at_a_kink_any_slope_in_between_is_right(name, slope):
    """relu at 0: 0, 1 and everything between; with the complex step and without."""
    x = np.array([0.0, 1.0, -2.0, -0.0, 0.5])
    assert check_vjp(STYLES[name].forward, between(slope), (x,)).ok is True


@pytest.mark.parametrize("slope", [-0.001, 1.001])
@pytest.mark.parametrize("name", ["relu, maximum", "relu, abs"])
def test_at_a_kink_any_other_slope_is_wrong(name, slope):
    """Beyond the one-sided slopes nothing is right."""
    check = check_vjp(STYLES[name].forward, between(slope), (np.array([0.0, 1.0, -2.0]),))
    assert check.ok is False
    assert [e.index for e in check.where.entries] == [(0,)]


@pytest.mark.parametrize("distance", [1e-3, 1e-4, 1e-5, 3e-6, 1e-6, 1e-7, 1e-8, 1e-9, 1e-12, 1e-300])
@pytest.mark.parametrize("name", ["relu, maximum", "relu, mask", "relu, abs"])
def test_a_kink_nearby_spoils_nothing(name, distance):
    """The difference quotients cross it, and know; a mistake elsewhere is still seen."""
    x = np.concatenate([[distance, -distance], draw(20)[0]])
    forward = STYLES[name].forward
    assert check_vjp(forward, styles.relu_backward, (x,)).ok is True
    wrong = changed(lambda g, d: g[0].__setitem__(7, 1e-3), styles.relu_backward)
    check = check_vjp(forward, wrong, (x,))
    assert check.ok is False
    assert [e.index for e in check.where.entries] == [(7,)]


def kinked_layer(x, w):
    """A unit of one row is 0 exactly: row 0 of out is at a kink."""
    a = x @ w
    return np.maximum(a, 0) @ w.T, (x, w, a)


def kinked_backward(slope, factor=1.0):
    def backward(dout, cache):
        x, w, a = cache
        da = (dout @ w) * np.where(a == 0, slope, a > 0)
        return factor * (da @ w.T), x.T @ da + dout.T @ np.maximum(a, 0)

    return backward


@pytest.mark.parametrize("slope", [0.0, 0.5, 1.0])
def test_a_kink_inside_a_layer_excuses_the_outputs_it_reaches_only(slope):
    """Between matrices the kink reaches several outputs; any slope in between passes, an error of 1e-6 elsewhere does
    not."""
    x, w = draw((5, 4), (4, 6))
    x[0] = 0.0
    assert check_vjp(kinked_layer, kinked_backward(slope), (x, w)).ok is True
    assert check_vjp(kinked_layer, kinked_backward(slope, 1 + 1e-6), (x, w)).ok is False
    assert check_vjp(kinked_layer, kinked_backward(10.0), (x, w)).ok is False


def test_where_every_output_is_at_a_kink_nothing_is_said():
    """A single number that adds up kinks: its other mistakes could hide in theirs."""
    x = np.array([0.0, 1.0, 2.0])
    check = check_vjp(lambda x: (np.abs(x).sum(), x), lambda dout, x: dout * np.sign(x), (x,))
    assert check.ok is None
    assert check.notes == ("every output is at a kink: move the inputs a little",)


# --- saturation, denormals, large numbers ---


@pytest.mark.parametrize("x", [-300.0, 300.0, -600.0, -700.0, 700.0, 36.0 * 10])
@pytest.mark.parametrize("name", ["sigmoid, plain", "sigmoid, by tanh", "sigmoid, masks into zeros", "tanh, np.tanh"])
def test_saturated_units_are_right(name, x):
    """Far out, derivatives of 1e-131 and products that leave the range of doubles accuse nobody."""
    style = STYLES[name]
    for seed in range(5):
        assert check_vjp(style.forward, style.backward, (np.array([x]),), seed=seed).ok is True


def test_a_vanishing_derivative_returned_as_0_is_not_called_right():
    """σ'(-300) = 5e-131 is not 0, and the numbers show it; but rounding elsewhere would hide it: inconclusive."""
    assert check_vjp(sigmoid, lambda dout, s: 0 * dout, (np.array([-300.0]),)).ok is None


@pytest.mark.parametrize("name", [s.name for s in styles.STYLES if s.backward is styles.sigmoid_backward])
def test_where_all_is_saturated_nobody_is_accused(name):
    """Near ±20 and ±38, rounding is as large as the derivative: right layers pass or are inconclusive."""
    style = STYLES[name]
    for seed in range(40):
        rng = np.random.default_rng(seed)
        x = np.array([[rng.choice([-1, 1]) * rng.uniform(18, 40)]])
        check = check_vjp(style.forward, style.backward, (x,), seed=seed)
        assert check.ok is not False, f"x = {x}: {check}"


def test_a_wrong_derivative_is_wrong_beside_saturated_units():
    """Saturated entries excuse no others."""
    x = np.array([-300.0, 300.0, 40.0, 0.5])
    assert check_vjp(sigmoid, sigmoid_backward, (x,)).ok is True
    check = check_vjp(sigmoid, lambda dout, s: dout * s, (x,))
    assert [e.index for e in check.where.entries] == [(1,), (2,), (3,)]


@pytest.mark.parametrize("scale", [1e-100, 1e-12, 1e-6, 1e6, 1e12, 1e100])
def test_scale_does_not_matter(scale):
    """Layers of tiny and of huge numbers are checked as well as others."""
    x, w, b = draw((5, 7), (7, 3), 3)
    args = (x, scale * w, scale * b)
    assert check_vjp(affine, affine_backward, args).ok is True
    wrong = changed(lambda g, d: g[1].__setitem__((2, 1), g[1][2, 1] * (1 + 1e-6)))
    assert check_vjp(affine, wrong, args).ok is False
    args = (scale * x, w, scale * b)
    assert check_vjp(affine, affine_backward, args).ok is True
    assert check_vjp(affine, wrong, args).ok is False


def test_a_small_error_beside_a_large_out_is_not_called_right():
    """With x near 1e-12 beside b near 1, an error of 1e-6 in dw is less than what the rounding of out may do:
    inconclusive."""
    x, w, b = draw((5, 7), (7, 3), 3)
    args = (1e-12 * x, w, b)
    assert check_vjp(affine, affine_backward, args).ok is True
    wrong = changed(lambda g, d: g[1].__setitem__((2, 1), g[1][2, 1] * (1 + 1e-6)))
    assert check_vjp(affine, wrong, args).ok is None
    assert check_vjp(affine, changed(lambda g, d: [g[0], 1.1 * g[1], g[2]]), args).ok is not True


def test_numbers_beyond_1e150_are_not_checked():
    """Their squares overflow."""
    x, w, b = ARGS
    check = check_vjp(affine, affine_backward, (x, 1e200 * w, b))
    assert check.ok is None
    assert check.notes == ("w holds numbers beyond 1e150 in 30 of 30 entries, first at [0, 0]",)


@pytest.mark.parametrize("mean", [1e2, 1e4, 1e6])
@pytest.mark.parametrize("name", ["batch normalisation", "batch normalisation, np.var", "batch normalisation, np.std"])
def test_large_means_accuse_nobody(name, mean):
    """Subtracting a large mean costs digits of the right derivative; a wrong one is still told."""
    style = STYLES[name]
    for seed in range(10):
        x = mean + np.random.default_rng(seed).normal(size=(6, 5))
        assert check_vjp(style.forward, style.backward, (x,), seed=seed).ok is not False
        wrong = check_vjp(style.forward, changed(lambda g, d: [g[0] * 1.01], style.backward), (x,), seed=seed)
        assert wrong.ok is False or (mean == 1e6 and wrong.ok is None)


# --- formats ---


def test_float32_arguments_are_checked_in_float64():
    """float32 is never differenced."""
    args = tuple(a.astype(np.float32) for a in ARGS)
    check = check_vjp(affine, affine_backward, args)
    assert check.ok is True
    assert check.notes == tuple(f"{name} holds float32; it is checked in float64" for name in "xwb")
    wrong = changed(lambda g, d: g[1].__setitem__((2, 3), g[1][2, 3] * (1 + 1e-6)))
    assert check_vjp(affine, wrong, args).ok is False


def test_a_gradient_in_float32_is_compared_as_float32():
    """Right to float32's digits passes with a note; a per cent off fails."""
    check = check_vjp(affine, changed(lambda g, d: [g[0], g[1].astype(np.float32), g[2]]), ARGS)
    assert check.ok is True
    assert check.notes == ("dw holds float32",)
    wrong = changed(lambda g, d: [g[0], (1.01 * g[1]).astype(np.float32), g[2]])
    assert check_vjp(affine, wrong, ARGS).ok is False
    check = check_vjp(sigmoid, changed(lambda g, d: [g[0].astype(np.float32)], sigmoid_backward), draw((4, 3)))
    assert check.ok is not False


def test_a_forward_in_float32_cannot_be_checked():
    """Its differences have three digits: inconclusive, and the note says why."""

    def forward(x):
        return sigmoid(x.astype(np.float32))

    check = check_vjp(forward, sigmoid_backward, draw((4, 3)))
    assert check.ok is None
    assert "out is not float64, and differences keep few of its digits" in check.notes


# --- functions that misbehave ---


def test_a_forward_that_does_not_repeat_itself_is_inconclusive():
    """Dropout with a new mask each time has no derivative."""
    rng = np.random.default_rng(0)

    def dropout(x):
        mask = rng.random(x.shape) < 0.5
        return x * mask, mask

    check = check_vjp(dropout, lambda dout, mask: dout * mask, draw((4, 3)))
    assert check.ok is None
    assert check.notes == ("the forward gives another out when it is called again",)


def test_functions_that_write_into_their_arguments_are_checked_all_the_same():
    """Every evaluation has arrays of its own, and the caller's arguments are as they were."""

    def forward(x):
        x *= 2
        np.exp(x, out=x)
        return x, x.copy()

    def backward(dout, out):
        dout *= 2
        out *= dout
        return out

    args = draw((4, 3))
    before = args[0].copy()
    assert check_vjp(forward, backward, args).ok is True
    assert np.array_equal(before, args[0])


def test_functions_that_reuse_their_arrays_are_checked_all_the_same():
    """What was returned before may be overwritten by the next call."""
    kept, gradient = np.empty((4, 3)), np.empty((4, 3))

    def forward(x):
        if x.dtype == complex:
            return sigmoid(x)
        kept[:] = 1 / (1 + np.exp(-x))
        return kept, kept.copy()

    def backward(dout, s):
        gradient[:] = sigmoid_backward(dout, s)
        return gradient

    def wrong(dout, s):
        gradient[:] = sigmoid_backward(dout, s) * 1.01
        return gradient

    assert check_vjp(forward, backward, draw((4, 3))).ok is True
    assert check_vjp(forward, wrong, draw((4, 3))).where.relation == "yours / numerical = 1.01 in every entry"


def test_nothing_is_printed_or_warned(capsys):
    """Overflow inside the functions, complex numbers lost: not a word, and numpy's error state is as it was."""
    before = np.geterr()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_vjp(sigmoid, sigmoid_backward, (np.array([-800.0, 1.0]),))
        check_vjp(STYLES["sigmoid, masks into zeros"].forward, sigmoid_backward, draw((4, 3)))
    assert before == np.geterr()
    assert capsys.readouterr() == ("", "")


# --- whatever comes back ---


class Hostile:
    """An object that raises when numpy looks at it."""

    def __array__(self, *args, **kwargs):
        raise RuntimeError("no")


def itself():
    value = []
    value.append(value)
    return value


GARBAGE = {
    "None": None,
    "a string": "0.5",
    "bytes": b"0",
    "an object": object(),
    "a hostile object": Hostile(),
    "a dict": {"dx": 1},
    "a set": {1.0},
    "a function": len,
    "nothing": (),
    "an array of objects": np.array([None, 1.0], dtype=object),
    "strings": np.array(["a", "b"]),
    "dates": np.array(["2020-01-01"], dtype="datetime64[D]"),
    "records": np.zeros(3, dtype=[("a", float)]),
    "nan": np.full((4, 5), np.nan),
    "inf": np.full((4, 5), np.inf),
    "complex": np.ones((4, 5), dtype=complex),
    "a list of itself": itself(),
    "a huge integer": 10**400,
    "a ragged list": [[1.0, 2.0], [3.0]],
    "booleans": np.ones((4, 5), dtype=bool),
    "half precision": np.ones((4, 5), dtype=np.float16),
    "no entries": np.ones((0, 5)),
    "seven dimensions": np.ones((1,) * 7),
    "masked": np.ma.masked_array(np.ones((4, 5)), mask=True),
    "a number": 3.0,
    "huge numbers": np.full((4, 5), 1e300),
}


@pytest.mark.parametrize("name", GARBAGE)
def test_a_forward_may_return_anything(name):
    """No exception comes from inside the checker, and no pass."""
    check = check_vjp(lambda x, w, b: (GARBAGE[name], (x, w)), affine_backward, ARGS)
    assert check.ok is not True
    assert str(check)


@pytest.mark.parametrize("name", GARBAGE)
@pytest.mark.parametrize("place", [0, 1, 2, None])
def test_a_backward_may_return_anything(name, place):
    """Garbage for one gradient or for all is wrong; the others are still judged."""

    def backward(dout, cache):
        gradients = list(affine_backward(dout, cache))
        if place is None:
            return GARBAGE[name]
        gradients[place] = GARBAGE[name]
        return tuple(gradients)

    check = check_vjp(affine, backward, ARGS)
    assert check.ok is False
    assert str(check)
    if place is not None:
        assert [a.ok for a in check.arguments] == [i != place for i in range(3)]
        assert f"d{'xwb'[place]}" in str(check)


SAID = {
    "nothing returned": (lambda dout, cache: None, "the backward returned None"),
    "too few": (lambda dout, cache: affine_backward(dout, cache)[:2], "the backward returned 2 gradients for 3"),
    "too many": (lambda dout, cache: (*affine_backward(dout, cache), 0, 0), "the backward returned 5 gradients for 3"),
    "one array": (lambda dout, cache: dout, "the backward returned 1 gradient for 3 differentiable arguments"),
    "raised": (lambda dout, cache: 1 / 0, "the backward gave no gradients: ZeroDivisionError: division by zero"),
    "a shape": (changed(lambda g, d: [g[0], g[1], g[2][:2]]), "db has shape (2,), b has shape (5,)"),
    "nan": (
        changed(lambda g, d: g[0].__setitem__((1, 2, 0), np.nan)),
        "dx holds nan in 1 of 24 entries, first at [1, 2, 0]",
    ),
    "inf": (changed(lambda g, d: [g[0], g[1], np.inf * g[2]]), "db holds inf in 5 of 5 entries, first at [0]"),
    "None": (changed(lambda g, d: [g[0], None, g[2]]), "dw is None, not an array of numbers"),
    "a tuple": (changed(lambda g, d: [g[0], (g[1],), g[2]]), "dw is a tuple, not an array of numbers"),
    "complex": (changed(lambda g, d: [g[0], g[1] + 0j, g[2]]), "dw holds complex numbers"),
}


@pytest.mark.parametrize("name", SAID)
def test_what_is_wrong_with_an_answer_is_said(name):
    """The verdict names the array and what it holds."""
    backward, words = SAID[name]
    check = check_vjp(affine, backward, ARGS)
    assert check.ok is False
    assert words in str(check)


FORWARDS = {
    "raised": (lambda x, w, b: 1 / 0, "there is no out: ZeroDivisionError: division by zero"),
    "no pair": (lambda x, w, b: x, "there is no out: TypeError: the forward returned no pair (out, cache)"),
    "None": (lambda x, w, b: (None, 1), "out is None, not numbers"),
    "nan": (lambda x, w, b: (np.array([1, np.nan]), 1), "out holds nan in 1 of 2 entries, first at [1]"),
    "nan, a number": (lambda x, w, b: (np.nan, 1), "out holds nan in 1 of 1 entries, first at [0]"),
    "complex": (lambda x, w, b: (1j, 1), "out holds complex numbers"),
    "empty": (lambda x, w, b: ((), 1), "out is empty, not numbers"),
    "object": (lambda x, w, b: (np.array([{}]), 1), "out is an array of dtype object, not numbers"),
}


@pytest.mark.parametrize("name", FORWARDS)
def test_without_numbers_from_the_forward_nothing_is_said_about_the_backward(name):
    """Inconclusive, and the reason."""
    forward, words = FORWARDS[name]
    check = check_vjp(forward, affine_backward, ARGS)
    assert check.ok is None
    assert check.notes == (words,)


ARGUMENTS = {
    "nan": ((np.array([1.0, np.nan]),), "x holds nan in 1 of 2 entries, first at [1]"),
    "inf": ((np.array([np.inf, 1.0]),), "x holds inf in 1 of 2 entries, first at [0]"),
    "integers": ((np.arange(3),), "there is nothing to differentiate: no argument holds floats"),
    "nothing": ((), "there is nothing to differentiate: no argument holds floats"),
    "a string": (("abc",), "there is nothing to differentiate: no argument holds floats"),
}


@pytest.mark.parametrize("name", ARGUMENTS)
def test_arguments_without_a_derivative_are_inconclusive(name):
    """nan, infinities, integers, no arguments at all."""
    args, words = ARGUMENTS[name]
    check = check_vjp(lambda x=0: (x, x), lambda dout, x: dout, args)
    assert check.ok is None
    assert check.notes[-1] == words


def test_arrays_without_entries():
    """A batch of 0 rows: dx is empty, dw and db are 0, and anything else is wrong."""
    x, w, b = np.ones((0, 6)), *draw((6, 5), 5)

    def forward(x, w, b):
        return x @ w + b, (x, w)

    def backward(dout, cache):
        return dout @ cache[1].T, cache[0].T @ dout, dout.sum(axis=0)

    assert check_vjp(forward, backward, (x, w, b)).ok is True
    check = check_vjp(forward, changed(lambda g, d: [g[0], g[1], g[2] + 1], backward), (x, w, b))
    assert verdicts(check) == {"x": True, "w": True, "b": False}
    assert check_vjp(sigmoid, sigmoid_backward, (np.ones((0, 3)),)).ok is True
    assert check_vjp(sigmoid, lambda dout, s: np.ones((3, 0)), (np.ones((0, 3)),)).ok is False


@pytest.mark.parametrize(
    "fails",
    [
        lambda x: np.isnan(x).any() or x.min() < -1e-4,
        lambda x: x.dtype == complex,
        lambda x: np.any(x != 1.0),
    ],
)
def test_a_forward_that_fails_nearby_leads_to_a_verdict(fails):
    """It raises off the point, by a lot or by anything: no exception, and no false accusation."""

    def forward(x):
        if fails(x):
            raise ValueError("outside")
        return np.exp(x), np.exp(x)

    args = (np.array([1.0, 1.0]),)
    assert check_vjp(forward, lambda dout, e: dout * e, args).ok is not False


def test_a_forward_that_is_nan_nearby_leads_to_a_verdict():
    """√x at 1e-4: long steps leave its domain, short ones do not."""
    x = np.array([1e-4, 2.0])
    with np.errstate(all="ignore"):
        right = check_vjp(lambda x: (np.sqrt(x), x), lambda dout, x: dout / (2 * np.sqrt(x)), (x,))
        wrong = check_vjp(lambda x: (np.sqrt(x), x), lambda dout, x: dout / np.sqrt(x), (x,))
    assert right.ok is True
    assert wrong.ok is False


def test_a_forward_that_changes_its_shape_leads_to_a_verdict():
    """Boolean selection by value: another number of outputs is no number."""
    x = np.array([1e-9, 1.0, -1.0])
    check = check_vjp(lambda x: (x[x > 0], x), lambda dout, x: np.array([*dout, 0.0]), (x,))
    assert check.ok is not False


def test_a_backward_that_fails_later_leads_to_a_verdict():
    """It answers the first time and raises ever after."""
    calls = []

    def backward(dout, s):
        calls.append(1)
        if len(calls) > 1:
            raise RuntimeError("enough")
        return dout * s

    assert check_vjp(sigmoid, backward, draw((4, 3))).ok is False


# --- sans I/O ---


def run(steps, forward, backward):
    """The verdict and the sizes of the batches, every request in arrays of its own, as in another process."""
    import pickle

    sizes, answers = [], None
    while True:
        try:
            batch = steps.send(answers)
        except StopIteration as stop:
            return stop.value, sizes
        sizes.append(len(batch))
        answers = []
        for request in pickle.loads(pickle.dumps(batch)):
            out, cache = forward(*request.args)
            answers.append(out if isinstance(request, Forward) else backward(request.dout, cache))


def test_two_rounds_accept_a_right_layer():
    """First out, so that dout can be drawn; then all that is needed."""
    check, sizes = run(vjp_steps(ARGS), affine, affine_backward)
    assert check.ok is True
    assert sizes == [1, 4]
    assert check.evaluations == 5


@pytest.mark.parametrize("known", [{"dout": np.ones((4, 5))}, {"out_shape": (4, 5)}])
def test_one_round_is_enough_where_the_shape_of_out_is_known(known):
    """dout, or the shape to draw it in, saves a round."""
    check, sizes = run(vjp_steps(ARGS, **known), affine, affine_backward)
    assert check.ok is True
    assert sizes == [5]


def test_a_wrong_layer_is_located_in_few_rounds():
    """Evidence, noise, arguments, entries."""
    check, sizes = run(vjp_steps(ARGS), affine, changed(lambda g, d: [g[0], g[1] * 2, g[2]]))
    assert check.ok is False
    assert len(sizes) <= 6


def test_a_large_layer_is_asked_for_one_evaluation_at_a_time():
    """So that it is never held in many copies."""
    args = draw((64, 2048), (2048, 256), 256)
    _, sizes = run(vjp_steps(args), affine, affine_backward)
    assert max(sizes) == 1


def test_evaluations_that_failed_are_answers():
    """A driver says Failed where a call raised or timed out."""
    steps = vjp_steps(ARGS, out_shape=(4, 5))
    batch = next(steps)
    assert [type(request) for request in batch] == [Forward, Backward, Forward, Forward, Forward]
    with pytest.raises(StopIteration) as stop:
        steps.send([Failed("timed out")] * 5)
    assert stop.value.value.ok is None
    assert stop.value.value.notes == ("there is no out: timed out",)


def test_a_driver_that_loses_answers_is_told():
    """As many answers as requests: that is the driver's contract, and the one exception there is."""
    steps = vjp_steps(ARGS, out_shape=(4, 5))
    next(steps)
    with pytest.raises(ValueError, match="5 requests, 4 answers"):
        steps.send([None] * 4)


def test_numpy_errors_are_silenced_inside_only():
    """While a driver evaluates, numpy's error state is the driver's own."""
    before = np.geterr()
    steps = vjp_steps(ARGS)
    next(steps)
    assert before == np.geterr()


def test_the_same_seed_gives_the_same_check():
    """All randomness comes from the seed."""
    a, b, c = (check_vjp(affine, affine_backward, ARGS, seed=seed) for seed in (1, 1, 2))
    assert str(a) == str(b)
    assert a.discrepancy != c.discrepancy or a.tolerance != c.tolerance


def test_arguments_drawn_with_the_same_seed_are_not_dout():
    """Else x would equal dout and dw = xᵀx hide its transposition."""
    for seed in range(5):
        rng = np.random.default_rng(seed)
        args = tuple(rng.random(shape, dtype=np.float32).astype(float) * 2 - 1 for shape in ((5, 4), (4, 4), 4))
        assert check_vjp(affine, changed(lambda g, d: [g[0], g[1].T, g[2]]), args, seed=seed).ok is False


def test_a_note_says_that_a_layer_is_not_elementwise():
    """elementwise=True is a claim about the forward, and it is tested."""
    style = STYLES["softmax"]
    args = style.make(np.random.default_rng(0))
    check = check_vjp(style.forward, style.backward, args, elementwise=True)
    assert check.ok is True
    assert check.notes == ("the forward is not elementwise: an entry of out depends on several places",)
    assert check_vjp(sigmoid, sigmoid_backward, args, elementwise=True).notes == ()


@pytest.mark.parametrize(
    ("forward", "backward", "args"),
    [
        (affine, affine_backward, draw((64, 512), (512, 256), 256)),
        (sigmoid, sigmoid_backward, draw((256, 512))),
        (STYLES["sigmoid, exp(-|x|)"].forward, sigmoid_backward, draw((256, 512))),
        (STYLES["affine, rows into empty"].forward, affine_backward, draw((64, 512), (512, 256), 256)),
        (affine, changed(lambda g, d: [g[0], 2 * g[1], g[2]]), draw((64, 512), (512, 256), 256)),
        (affine, changed(lambda g, d: [g[0], 2 * g[1], g[2]]), draw((16, 384), (384, 64), 64)),
        (
            STYLES["affine, rows into empty"].forward,
            changed(lambda g, d: [g[0], 2 * g[1], g[2]]),
            draw((64, 512), (512, 256), 256),
        ),
        (sigmoid, changed(lambda g, d: [2 * g[0]], sigmoid_backward), draw((256, 512))),
    ],
)
def test_memory_stays_within_six_times_the_layer(forward, backward, args):
    """The layer's own arrays are its arguments, their gradients, out and dout."""
    own = 2 * sum(a.nbytes for a in args) + 2 * forward(*args)[0].nbytes
    tracemalloc.start()
    check_vjp(forward, backward, args)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak <= 6 * own


# --- large elementwise layers ---

LARGE = (300, 400)


@pytest.mark.parametrize("name", ["sigmoid, plain", "sigmoid, masks into zeros_like", "tanh, np.tanh"])
def test_a_large_elementwise_layer_takes_the_complex_step_at_some_entries(name):
    """The others are left to the central difference: five evaluations, one of them of a few entries only."""
    style, seen = STYLES[name], []

    def forward(x):
        seen.append((x.dtype.kind, x.size))
        return style.forward(x)

    check = check_vjp(forward, style.backward, draw(LARGE))
    assert check.ok is True
    assert check.method.startswith("central difference, entry by entry; complex step at ")
    assert check.evaluations == 5
    assert [kind for kind, _ in seen] == ["f", "f", "f", "c"]
    assert seen[-1][1] < 10_000


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("factor", [1 - 1e-6, 1 + 1e-6])
def test_one_entry_off_by_a_millionth_is_found_in_a_large_elementwise_layer(seed, factor):
    k = int(np.random.default_rng(seed).integers(120_000))
    check = check_vjp(sigmoid, changed(off_at(k, factor), sigmoid_backward), draw(LARGE, seed=seed))
    assert check.ok is False
    assert [e.index for e in check.where.entries] == [np.unravel_index(k, LARGE)]


def off_at(k, factor):
    def change(gradients, dout):
        gradients[0].flat[k] *= factor

    return change


@pytest.mark.parametrize("name", ["sigmoid, plain", "tanh, np.tanh", "sigmoid, exp(-|x|)"])
def test_a_large_elementwise_gradient_off_by_a_billionth_everywhere_is_wrong(name):
    """That is less than a central difference sees; the sample shows it."""
    wrong = changed(lambda g, d: [g[0] * (1 + 1e-9)], STYLES[name].backward)
    assert check_vjp(STYLES[name].forward, wrong, draw(LARGE)).ok is False


def softmax(x):
    e = np.exp(x - x.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True), e / e.sum(axis=1, keepdims=True)


def softmax_backward(dout, s):
    return s * (dout - (dout * s).sum(axis=1, keepdims=True))


def times_mask(x, mask):
    return x * mask, mask


@pytest.mark.parametrize(
    ("forward", "backward", "args"),
    [
        (relu, lambda dout, x: dout * (x > 0), draw(LARGE)),  # kinks
        (softmax, softmax_backward, draw(LARGE)),  # not elementwise
        (times_mask, lambda dout, mask: dout * mask, (*draw(LARGE), draw(LARGE)[0] > 0)),  # of one shape only
        (STYLES["sigmoid, exp(-|x|)"].forward, sigmoid_backward, draw(LARGE)),  # unfit for complex numbers
        (lambda x, y: (x * y, (x, y)), lambda d, c: (d * c[1], d * c[0]), draw(LARGE, LARGE)),
        (sigmoid, sigmoid_backward, (30 * draw(LARGE)[0],)),  # saturated
    ],
)
def test_large_layers_of_other_kinds_pass_too(forward, backward, args):
    assert check_vjp(forward, backward, args).ok is True


def test_a_matrix_that_is_not_transposed_is_found_whatever_its_length():
    """The error is antisymmetric along an axis as long as the factors of the random numbers: it would cancel if dout
    and the direction shared them."""
    (w,) = draw((1024, 1024), seed=3)
    assert check_vjp(lambda x: (x @ w, None), lambda dout, cache: dout @ w.T, draw((5, 1024))).ok is True
    assert check_vjp(lambda x: (x @ w, None), lambda dout, cache: dout @ w, draw((5, 1024))).ok is False


# --- where real differences decide ---


@pytest.mark.parametrize("seed", range(30))
def test_a_factor_near_1_is_not_hidden_by_chance(seed):
    """Real differences know dx to 1e-11 or so, and ⟨g, u⟩ may be small by accident: one direction is not enough."""
    style = STYLES["batch normalisation, np.var"]
    wrong = changed(lambda g, d: [g[0] * (1 + 1e-9)], style.backward)
    assert check_vjp(style.forward, wrong, style.make(np.random.default_rng(seed)), seed=seed).ok is not True


def by_hand(x, w):
    """Real numbers only: x is small beside w."""
    return np.array([math.sin(a) * math.cos(b) for a, b in zip(x.tolist(), w.tolist(), strict=True)]), (x, w)


def by_hand_backward(dout, cache):
    x, w = cache
    return dout * np.cos(x) * np.cos(w), -dout * np.sin(x) * np.sin(w)


def test_a_small_layer_without_complex_numbers_is_compared_entry_by_entry():
    """An entry of dw that is 1e-4 of the others, off by 1e-5 of itself: 1e-9 of all, but more than is unknown of it."""
    args = (np.array([1.0, 1e-4, 0.5]), np.array([1.0, 1.2, 0.3]))
    assert check_vjp(by_hand, by_hand_backward, args).ok is True

    def change(gradients, dout):
        gradients[1][1] *= 1 + 1e-5

    check = check_vjp(by_hand, changed(change, by_hand_backward), args)
    assert check.ok is False
    assert verdicts(check) == {"x": True, "w": False}


def test_a_gradient_that_is_small_beside_the_others_is_not_forgotten_without_complex_numbers():
    def forward(x, w, b):
        return np.abs(1e6 * x) + x @ w * 1e6 + np.abs(b), (x, w, b)

    def backward(dout, cache):
        x, w, b = cache
        return 1e6 * (dout * np.sign(x) + dout @ w.T), 1e6 * x.T @ dout, (dout * np.sign(b)).sum(axis=0)

    args = draw((5, 4), (4, 4), 4)
    assert check_vjp(forward, backward, args).ok is True
    check = check_vjp(forward, changed(lambda g, d: [g[0], g[1], g[2] * (1 + 1e-4)], backward), args)
    assert check.ok is False
    assert verdicts(check) == {"x": True, "w": True, "b": False}


@pytest.mark.parametrize(
    ("f", "slope"),
    [
        (lambda x: np.abs(x).sum(), np.sign),
        (lambda x: np.abs(x) ** 1.5, lambda x: 1.5 * np.sqrt(np.abs(x)) * np.sign(x)),
        (lambda x: (np.abs(x) ** 1.5).sum(), lambda x: 1.5 * np.sqrt(np.abs(x)) * np.sign(x)),
    ],
)
def test_many_kinks_that_look_smooth_accuse_nobody(f, slope):
    """A sum of 120,000 |x| has a kink within every step of the usual four; |x|^1.5 bends ever faster near 0."""
    args, seed = draw(LARGE, seed=1), 1
    assert check_vjp(lambda x: (f(x), x), lambda dout, x: dout * slope(x), args, seed=seed).ok is not False
    wrong = check_vjp(lambda x: (f(x), x), lambda dout, x: dout * slope(x) * 1.01, args, seed=seed)
    assert wrong.ok is not True


@pytest.mark.parametrize(
    ("forward", "backward", "args"),
    [
        (affine, affine_backward, ARGS),
        (sigmoid, sigmoid_backward, draw((6, 5))),
        (STYLES["batch normalisation"].forward, STYLES["batch normalisation"].backward, draw((6, 5))),
    ],
)
def test_a_mistake_that_jumps_from_entry_to_entry_is_not_taken_for_noise(forward, backward, args):
    """Which entry is off depends on digits that change as soon as x is moved, and the error with them."""

    def change(gradients, dout):
        flat = gradients[0].reshape(-1)
        flat[int(abs(flat[0]) * 2**30) % flat.size] *= 1 + 1e-6

    for seed in range(20):
        assert check_vjp(forward, changed(change, backward), args, seed=seed).ok is not True


# --- gradients that are 0 ---


def normalised(x, w, b):
    a = x @ w + b
    centred = a - a.mean(axis=0)
    scale = np.sqrt((centred**2).mean(axis=0) + 1e-5)
    return centred / scale, (x, w, centred / scale, scale)


def normalised_by_var(x, w, b):
    """Unfit for complex numbers."""
    a = x @ w + b
    scale = np.sqrt(np.var(a, axis=0) + 1e-5)
    return (a - a.mean(axis=0)) / scale, (x, w, (a - a.mean(axis=0)) / scale, scale)


def normalised_backward(dout, cache):
    x, w, y, scale = cache
    da = (dout - dout.mean(axis=0) - y * (dout * y).mean(axis=0)) / scale
    return da @ w.T, x.T @ da, da.sum(axis=0)


@pytest.mark.parametrize("forward", [normalised, normalised_by_var])
@pytest.mark.parametrize("shapes", [((6, 4), (4, 5), 5), ((3, 2), (2, 2), 2)])
def test_a_bias_whose_mean_is_subtracted_has_a_gradient_of_rounding(forward, shapes):
    """db is 1e-17 or so, of which no digit is right or wrong."""
    for seed in range(5):
        args = draw(*shapes, seed=seed)
        assert check_vjp(forward, normalised_backward, args, seed=seed).ok is True
    check = check_vjp(forward, changed(lambda g, d: [g[0], g[1], g[2] + 1e-6], normalised_backward), args)
    assert verdicts(check) == {"x": True, "w": True, "b": False}


# --- the report ---


def test_a_right_check_in_words():
    """One line on the whole, one for each argument."""
    text = str(check_vjp(affine, affine_backward, ARGS))
    head, *rest = text.split("\n")
    assert head.startswith("the gradients are right (complex step, confirmed by the central difference: discrepancy ")
    assert head.endswith("; 5 forward evaluations)")
    assert rest == ["  dx: right", "  dw: right", "  db: right"]


def test_a_wrong_check_in_words():
    """Where, yours beside the numerical gradient, and the relation."""
    check = check_vjp(
        affine, changed(lambda g, d: [g[0], -g[1], g[2]]), (np.ones((2, 1)), np.ones((1, 2)), np.zeros(2))
    )
    numerical = check.numerical[1].ravel()
    assert str(check).split("\n")[1:] == [
        "  dx: right",
        "  dw: wrong: the sign is flipped",
        f"    dw[0, 0]   yours {-numerical[0]:.4g}   numerical gradient {numerical[0]:.4g}",
        f"    dw[0, 1]   yours {-numerical[1]:.4g}   numerical gradient {numerical[1]:.4g}",
        "  db: right",
    ]
    assert not check


def test_two_values_are_shown_until_they_differ():
    """An error of 1e-9 is visible in the report."""
    check = check_vjp(sigmoid, changed(lambda g, d: [g[0] * (1 + 1e-9)], sigmoid_backward), draw((2, 2)))
    line = str(check).split("\n")[2].split()
    assert line[3] != line[-1]
    assert line[3][:6] == line[-1][:6]
