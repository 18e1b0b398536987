"""Properties of the gradient checker over shapes, strides, formats and magnitudes, and over whatever may come back."""

import numpy as np
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from autograder.gradients import VJPCheck, check_vjp, complex_step_gradient, numerical_gradient, relative_error

FEW = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
SEEDS = st.integers(0, 2**32)
MAGNITUDES = st.sampled_from([1e-100, 1e-30, 1e-12, 1e-6, 1e-3, 1.0, 30.0, 1e3, 1e6, 1e12, 1e100])
SHAPES = hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4)


def affine(x, w, b):
    return x @ w + b, (x, w)


def affine_backward(dout, cache):
    x, w = cache
    return dout @ w.T, x.T @ dout, dout.sum(axis=0)


ELEMENTWISE = {
    "sigmoid": (lambda x: (s := 1 / (1 + np.exp(-x)), s), lambda dout, s: dout * s * (1 - s)),
    "tanh": (lambda x: (t := np.tanh(x), t), lambda dout, t: dout * (1 - t) * (1 + t)),
    "relu": (lambda x: (np.maximum(x, 0), x), lambda dout, x: dout * (x > 0)),
    "stable sigmoid": (
        lambda x: (s := np.where(x >= 0, 1 / (1 + np.exp(-np.abs(x))), 1 - 1 / (1 + np.exp(-np.abs(x)))), s),
        lambda dout, s: dout * s * (1 - s),
    ),
    "square": (lambda x: (x * x, x), lambda dout, x: 2 * dout * x),
    "sine": (lambda x: (np.sin(x), x), lambda dout, x: dout * np.cos(x)),
}


def strided(array, how):
    """The same numbers in another layout."""
    if array.ndim == 0 or how == "C":
        return array
    if how == "F":
        return np.asfortranarray(array)
    if how == "reversed":
        return np.ascontiguousarray(array[::-1])[::-1]
    return np.repeat(array, 2, axis=-1)[..., ::2]


LAYOUTS = st.sampled_from(["C", "F", "reversed", "strided"])
FORMATS = st.sampled_from([np.float64, np.float32, np.float16, np.longdouble])


@FEW
@given(
    st.sampled_from(sorted(ELEMENTWISE)),
    SHAPES,
    st.sampled_from([1e-100, 1e-12, 1e-3, 1.0, 10.0, 100.0]),
    LAYOUTS,
    SEEDS,
)
def test_a_right_elementwise_layer_is_never_accused(name, shape, magnitude, layout, seed):
    """Whatever the shape, the layout and the size of its inputs; and it passes where differences see anything."""
    forward, backward = ELEMENTWISE[name]
    x = strided(magnitude * np.random.default_rng(seed).normal(size=shape), layout)
    check = check_vjp(forward, backward, (x,), seed=seed)
    assert check.ok is not False, str(check)
    if 1e-12 <= magnitude <= 1:
        assert check.ok is True, str(check)


@FEW
@given(st.sampled_from(sorted(ELEMENTWISE)), SHAPES.filter(np.prod), LAYOUTS, SEEDS, st.sampled_from([-1, 1]))
def test_one_entry_off_by_a_millionth_is_found_in_an_elementwise_layer(name, shape, layout, seed, sign):
    """Whatever the shape and the layout, and in the right place."""
    forward, backward = ELEMENTWISE[name]
    rng = np.random.default_rng(seed)
    x = strided(rng.uniform(0.1, 2, size=shape), layout)
    k = int(rng.integers(x.size))

    def wrong(dout, cache):
        gradient = np.array(backward(dout, cache), order="C")
        gradient.reshape(-1)[k] *= 1 + sign * 1e-6
        return gradient

    check = check_vjp(forward, wrong, (x,), seed=seed)
    assert check.ok is False, str(check)
    assert [np.ravel_multi_index(e.index, shape) if e.index else 0 for e in check.where.entries] == [k]


@FEW
@given(st.integers(0, 5), st.integers(1, 6), st.integers(1, 5), MAGNITUDES, LAYOUTS, FORMATS, SEEDS)
def test_a_right_affine_layer_passes(n, d, m, magnitude, layout, dtype, seed):
    """Whatever its sizes, its magnitude, the layout and the format of its arguments."""
    rng = np.random.default_rng(seed)
    if dtype != np.float64:
        magnitude = 1.0
    args = (magnitude * rng.normal(size=(n, d)), rng.normal(size=(d, m)), magnitude * rng.normal(size=m))
    args = tuple(strided(a.astype(dtype), layout) for a in args)
    check = check_vjp(affine, affine_backward, args, seed=seed)
    assert check.ok is True, str(check)


@FEW
@given(st.integers(2, 5), st.integers(1, 6), st.integers(1, 5), MAGNITUDES, LAYOUTS, SEEDS)
def test_one_entry_off_by_a_millionth_is_found_in_an_affine_layer(n, d, m, magnitude, layout, seed):
    """In any of the three gradients, and that one is named."""
    rng = np.random.default_rng(seed)
    args = (magnitude * rng.normal(size=(n, d)), rng.normal(size=(d, m)), magnitude * rng.normal(size=m))
    args = tuple(strided(a, layout) for a in args)
    which = int(rng.integers(3))

    def wrong(dout, cache):
        gradients = [np.array(g) for g in affine_backward(dout, cache)]
        flat = gradients[which].reshape(-1)
        flat[np.argmax(np.abs(flat))] *= 1 + 1e-6
        return tuple(gradients)

    check = check_vjp(affine, wrong, args, seed=seed)
    assert [a.ok for a in check.arguments] == [i != which for i in range(3)], str(check)


ARRAYS = hnp.arrays(
    st.sampled_from([np.float64, np.float32, np.int64, np.bool_, np.complex128]),
    hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4),
)
ANYTHING = st.recursive(
    st.one_of(
        ARRAYS,
        st.none(),
        st.text(max_size=3),
        st.binary(max_size=3),
        st.floats(),
        st.integers(),
        st.complex_numbers(),
        st.just(object()),
        st.dictionaries(st.text(max_size=2), st.integers(), max_size=2),
        hnp.arrays(np.float64, (3, 2)),
        hnp.arrays(np.float64, (2, 4)),
        hnp.arrays(np.float64, (4,)),
    ),
    lambda inner: st.lists(inner, max_size=4) | st.tuples(inner, inner) | st.tuples(inner, inner, inner),
    max_leaves=8,
)
X, W, B = np.arange(6.0).reshape(3, 2) / 7, np.arange(8.0).reshape(2, 4) / 3 - 1, np.ones(4)


@settings(max_examples=300, deadline=None)
@given(ANYTHING)
@example((None, np.ones((2, 4)), np.ones(4)))
def test_whatever_a_backward_returns_there_is_a_verdict(gradients):
    """Never an exception, and never a pass (the right gradients are not among them)."""
    check = check_vjp(affine, lambda dout, cache: gradients, (X, W, B))
    assert isinstance(check, VJPCheck)
    assert check.ok is False
    assert str(check)


@settings(max_examples=300, deadline=None)
@given(ANYTHING, st.booleans())
def test_whatever_a_forward_returns_there_is_a_verdict(out, always):
    """Garbage every time, or every time but the first."""
    calls = []

    def forward(x, w, b):
        calls.append(1)
        return (out if always or len(calls) > 1 else x @ w + b), (x, w)

    check = check_vjp(forward, affine_backward, (X, W, B))
    assert isinstance(check, VJPCheck)
    assert str(check)
    if not always:
        assert check.ok is not True


@settings(max_examples=200, deadline=None)
@given(st.lists(ANYTHING, max_size=4), SEEDS)
def test_whatever_the_arguments_are_there_is_a_verdict(args, seed):
    """Arguments may hold anything too; what is no float is left alone."""

    def forward(*args):
        return sum(np.sum(np.sin(a)) for a in args), args

    check = check_vjp(forward, lambda dout, cache: tuple(dout * np.cos(a) for a in cache), tuple(args), seed=seed)
    assert isinstance(check, VJPCheck)
    assert str(check)


@FEW
@given(hnp.arrays(np.float64, hnp.array_shapes(max_dims=3, max_side=3), elements=st.floats(-3, 3)))
def test_the_two_simple_tools_agree(x):
    """Element loop and complex step, on a smooth function."""

    def f(x):
        return np.sum(np.sin(x) * np.exp(x / 2))

    assert np.abs(numerical_gradient(f, x) - complex_step_gradient(f, x)).max() < 1e-9


@given(hnp.arrays(np.float64, 3), hnp.arrays(np.float64, 3))
def test_relative_error_is_symmetric_and_at_most_2(a, b):
    """And 0 for equal arrays; nan only where there is nan or an infinity."""
    error = relative_error(a, b)
    assert error == relative_error(b, a) or np.isnan(error)
    if np.isfinite(a).all() and np.isfinite(b).all():
        assert 0 <= error <= 2 or np.isinf(a - b).any()
    if not np.isnan(a).any():
        assert relative_error(a, a) == 0
