"""The rules of comparison: right ways of computing pass, wrong ones do not, and nan never hides."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from autograder import tolerances
from autograder.tolerances import (
    float32_rule,
    informative,
    linear,
    relatively_inaccurate,
    same_value,
    sum_unit,
    wrong_entries,
)

HALF = np.array([0, 1e-8, 1e-3, 0.5, 1, 2, 3, 5, 8, 10, 15, 20, 30])
GRID = np.concatenate([HALF, -HALF])
OVERFLOW = np.array([36, 40, 88, 89, 104, 355, 709, 710, 745, 746, 1e3, 1e4])
OVERFLOW = np.concatenate([OVERFLOW, -OVERFLOW])
DOUT = np.random.default_rng(0).normal(size=GRID.shape) + 3


def exact(f, x):
    """A function of long doubles, rounded to double."""
    with np.errstate(all="ignore"):
        return f(x.astype(np.longdouble)).astype(float)


D_SIGMOID = exact(lambda x: 1 / (np.exp(x / 2) + np.exp(-x / 2)) ** 2, GRID)
D_TANH = exact(lambda x: 1 / np.cosh(x) ** 2, GRID)


def sigmoids(x):
    e = np.exp(-np.abs(x))
    yield "plain", 1 / (1 + np.exp(-x))
    yield "by tanh", 0.5 * (1 + np.tanh(x / 2))
    yield "stable", np.where(x >= 0, 1 / (1 + e), e / (1 + e))
    yield "complement", 1 - 1 / (1 + np.exp(x))


def tanhs(x):
    yield "np.tanh", np.tanh(x)
    yield "exponentials", (np.exp(x) - np.exp(-x)) / (np.exp(x) + np.exp(-x))
    yield "by sigmoid", 2 / (1 + np.exp(-2 * x)) - 1


# --- wrong_entries ---


def test_nan_is_wrong_unless_expected():
    """nan for a number is wrong; nan for nan is right; an infinity is right only for the same one."""
    value = np.array([np.nan, np.nan, np.inf, 1.0, -np.inf, np.inf, 1e308])
    expected = np.array([1.0, np.nan, np.inf, np.inf, np.inf, 1.0, np.inf])
    assert wrong_entries(value, expected).tolist() == [True, False, False, True, True, True, True]
    assert wrong_entries(value, expected, unit=np.inf).tolist() == [True, False, False, True, True, True, True]


def test_whole_numbers_do_not_wrap_around():
    """In int64, 3 - 2**63 less 3 is the one number whose absolute value is negative."""
    expected = np.array([3, 4], np.int64)
    assert tolerances.wrong_entries(expected + np.iinfo(np.int64).min, expected).all()
    assert tolerances.wrong_entries(np.array([255], np.uint8), np.array([0], np.uint8)).all()
    assert not tolerances.wrong_entries(expected, expected).any()


def test_shapes_are_not_broadcast():
    """Whoever compares says what is wrong with a shape; here it is an error."""
    with pytest.raises(ValueError, match=r"cannot compare shape \(1, 3\) with shape \(3,\)"):
        wrong_entries(np.ones((1, 3)), np.ones(3))


@pytest.mark.parametrize("value", [np.array([True, False]), np.array([1, 0]), np.array([1.0, 0.0], dtype=np.float32)])
def test_any_kind_of_number_is_compared(value):
    """Booleans and integers by their value."""
    assert wrong_entries(value, np.array([1.0, 0.0])).tolist() == [False, False]
    assert wrong_entries(value, np.array([1.0, 0.1])).tolist() == [False, True]


def test_the_relative_and_the_absolute_part():
    """1e-12 of the expected value, and 4 eps of the unit."""
    eps = 2.0**-52
    assert wrong_entries(np.array([1 + 0.9e-12, 1 + 1.1e-12]), np.ones(2)).tolist() == [False, True]
    assert wrong_entries(np.array([3 * eps, 5 * eps]), np.zeros(2), unit=1.0).tolist() == [False, True]
    assert wrong_entries(np.array([3e-15, 3e-15]), np.zeros(2), unit=np.array([10.0, 1.0])).tolist() == [False, True]


@pytest.mark.parametrize(
    ("name", "derivative"),
    [
        (f"{name}, {formula}", derivative)
        for name, s in sigmoids(GRID)
        for formula, derivative in (("s(1-s)", s * (1 - s)), ("s-s²", s - s**2))
    ],
)
def test_every_right_derivative_of_sigmoid_passes_on_the_grid(name, derivative):
    """s(1-s) is off by eps where σ' is 1e-13; that is no mistake."""
    assert not wrong_entries(DOUT * derivative, DOUT * D_SIGMOID, unit=np.abs(DOUT)).any()


@pytest.mark.parametrize(
    ("name", "derivative"),
    [
        (f"{name}, {formula}", derivative)
        for name, t in tanhs(GRID)
        for formula, derivative in (("1-t²", 1 - t**2), ("(1-t)(1+t)", (1 - t) * (1 + t)))
    ],
)
def test_every_right_derivative_of_tanh_passes_on_the_grid(name, derivative):
    """The exponential forms need two of the four units."""
    assert not wrong_entries(DOUT * derivative, DOUT * D_TANH, unit=np.abs(DOUT)).any()


S = 1 / (1 + np.exp(-GRID))
WRONG_DERIVATIVES = {
    "at the input": GRID * (1 - GRID),
    "the sigmoid itself": S,
    "its sign": -S * (1 - S),
    "without 1 -": S * S,
    "twice": 2 * S * (1 - S),
    "clipped at 10": np.where(np.abs(GRID) > 10, 0.0, S * (1 - S)),
    "applied twice": (1 / (1 + np.exp(-S))) * (1 - 1 / (1 + np.exp(-S))),
    "a millionth too much": S * (1 - S) * (1 + 1e-6),
}


@pytest.mark.parametrize("name", WRONG_DERIVATIVES)
def test_wrong_derivatives_of_sigmoid_fail_on_the_grid(name):
    """Each at some entry, and a tail that is cut off where it is 3e-7."""
    assert wrong_entries(DOUT * WRONG_DERIVATIVES[name], DOUT * D_SIGMOID, unit=np.abs(DOUT)).any()


@given(hnp.arrays(np.float64, hnp.array_shapes(max_dims=3, max_side=4)), st.floats(0, 1e6))
def test_every_array_equals_itself(a, unit):
    """nan, infinities, denormals, any shape and unit."""
    assert not wrong_entries(a, a, unit=unit).any()
    assert same_value(a, a.copy())


@given(
    hnp.arrays(np.float64, 4, elements=st.floats(-1e6, 1e6)), st.integers(0, 3), st.sampled_from([np.nan, np.inf, 1e7])
)
def test_a_changed_entry_is_the_one_that_is_wrong(a, k, new):
    """And no other."""
    b = a.copy()
    b[k] = new
    assert np.flatnonzero(wrong_entries(b, a, unit=1.0)).tolist() == [k]
    assert not same_value(a, b)


# --- sums of products ---


def one_by_one(a, b):
    out = np.zeros((len(a), b.shape[1]), dtype=a.dtype)
    for k in range(a.shape[1]):
        out += np.outer(a[:, k], b[k])
    return out


ORDERS = {
    "matmul": lambda a, b: a @ b,
    "einsum": lambda a, b: np.einsum("nd,dm->nm", a, b),
    "one by one": one_by_one,
    "backwards": lambda a, b: one_by_one(a[:, ::-1], b[::-1]),
    "broadcast": lambda a, b: (a[:, :, None] * b[None]).sum(axis=1),
    "a column more": lambda a, b: np.hstack([a, np.zeros((len(a), 1))]) @ np.vstack([b, np.ones((1, b.shape[1]))]),
}


@pytest.mark.parametrize("terms", [1, 7, 96, 784, 4096])
@pytest.mark.parametrize("name", ORDERS)
def test_another_order_of_summation_is_right(name, terms):
    """Sums that nearly cancel included."""
    rng = np.random.default_rng(terms)
    for spread in (0.0, 1.0, 100.0):
        a, b = spread + rng.normal(size=(3, terms)), rng.normal(size=(terms, 40))
        expected = a @ b
        assert not wrong_entries(ORDERS[name](a, b), expected, unit=sum_unit(expected, terms)).any()


def test_a_relative_rule_alone_would_call_another_order_wrong():
    """Which is what `sum_unit` is for."""
    rng = np.random.default_rng(1)
    a, b = np.ones((1, 4096)), rng.normal(size=(4096, 2))
    b[:, 0] -= b[:, 0].mean()  # cancels, but for rounding
    expected, value = a @ b, one_by_one(a, b)
    assert wrong_entries(value, expected).tolist() == [[True, False]]
    assert not wrong_entries(value, expected, unit=sum_unit(expected, 4096)).any()


def test_a_sum_that_misses_a_millionth_is_wrong():
    """The unit of a sum hides no mistake: 26 times the rounding of 4,096 terms is 4e-12 of the largest entry."""
    rng = np.random.default_rng(1)
    expected = rng.normal(size=(3, 4096)) @ rng.normal(size=(4096, 40))
    value = expected.copy()
    k = np.argmax(np.abs(expected))
    value.flat[k] *= 1 + 1e-6
    assert np.flatnonzero(wrong_entries(value, expected, unit=sum_unit(expected, 4096))).tolist() == [k]


def test_the_unit_of_a_sum_without_numbers_is_0():
    """Empty arrays, infinities and integers."""
    assert sum_unit(np.zeros((0, 3)), 5) == 0
    assert sum_unit(np.array([np.inf, 2.0]), 4) == 16
    assert sum_unit(np.array([1, 2]), 4) == 0


# --- entries that say something ---


def test_the_overflow_grid_tells_nothing_under_the_absolute_rule():
    """There zeros and a flipped sign pass, so that no point may rest on it; on the ordinary grid they do not."""
    d = exact(lambda x: 1 / (np.exp(x / 2) + np.exp(-x / 2)) ** 2, OVERFLOW)
    assert not wrong_entries(-d, d, unit=1.0).any()
    assert not wrong_entries(0 * d, d, unit=1.0).any()
    assert not informative(d, unit=1.0).any()
    assert informative(D_SIGMOID, unit=1.0).all()


def test_without_a_unit_every_entry_but_0_tells_something():
    """Zero has no sign."""
    assert informative(np.array([1e-300, 0.0, -5.0])).tolist() == [True, False, True]


@pytest.mark.parametrize("name", ["exponentials", "by sigmoid"])
def test_a_loss_of_relative_accuracy_is_noticed_and_is_no_mistake(name):
    """tanh near 0 by exponentials: right to 1e-16, and wrong in the fourth digit."""
    x = np.array([1e-12, 1e-10, 0.5])
    value = dict(tanhs(x))[name]
    assert not wrong_entries(value, np.tanh(x), unit=1.0).any()
    assert relatively_inaccurate(value, np.tanh(x)).tolist() == [True, True, False]
    assert not relatively_inaccurate(np.tanh(x), exact(np.tanh, x)).any()


def test_what_is_wrong_is_not_called_inaccurate():
    """A remark is for what earns its points."""
    assert not relatively_inaccurate(np.array([1.1, np.nan]), np.array([1.0, 1.0])).any()


# --- the same answer twice ---


@pytest.mark.parametrize(
    ("a", "b"),
    [
        (np.array([1.0]), np.array([1.0 + 1e-9])),
        (np.array([1.0]), np.array([[1.0]])),
        (np.array([1.0]), np.array([1.0], dtype=np.float32)),
        (np.array([np.nan]), np.array([1.0])),
        (np.array([np.inf]), np.array([-np.inf])),
        ((np.ones(2), np.ones(2)), (np.ones(2),)),
        ((np.ones(2),), np.ones(2)),
        (None, np.ones(2)),
        (np.array([1, 2]), np.array([1, 3])),
        (np.array([True]), np.array([False])),
        ((np.ones(2), (np.ones(2), None)), (np.ones(2), (np.ones(2), 0.0))),
    ],
)
def test_another_answer_is_another_answer(a, b):
    """Another number, shape, format, structure."""
    assert not same_value(a, b)
    assert not same_value(b, a)


@pytest.mark.parametrize(
    "value",
    [None, np.array([1.0, np.nan, np.inf]), (np.ones(2), [np.zeros(0), None]), 3, np.float32(0.1), np.array([1 + 2j])],
)
def test_the_same_answer_is_the_same(value):
    """Bit by bit, nan being nan; lists stand for tuples."""
    assert same_value(value, value)


def test_another_order_of_summation_is_the_same_answer():
    """A BLAS may divide the work among threads by what is free: the last digits may change, and nobody drew lots."""
    a = np.array([1.0, 1e-3, np.nan])
    assert same_value(a, a * (1 + 2e-16))
    assert same_value(a, a + np.array([0, 3e-15, 0]))
    assert not same_value(a, a + np.array([0, 3e-13, 0]))


# --- linear in dout ---


@given(hnp.arrays(np.float64, 5, elements=st.floats(-1e300, 1e300)))
def test_twice_the_gradient_is_linear(g):
    """Doubling is exact."""
    assert not linear(g, 2 * g).any()


def test_what_is_not_doubled_is_marked():
    """A forgotten, a squared and an added dout."""
    g = np.array([1.0, 0.3, -2.0])
    assert linear(g, g).tolist() == [True] * 3
    assert linear(g, 4 * g).tolist() == [True] * 3
    assert linear(g, 2 * g + np.array([0, 1e-6, 0])).tolist() == [False, True, False]
    assert linear(g, np.array([2.0, np.nan, -4.0])).tolist() == [False, True, False]


def test_denormals_and_overflow_are_not_held_against_linearity():
    """What lost bits below 2.2e-308, and what overflows at twice the size."""
    with np.errstate(all="ignore"):
        assert linear(np.array([5e-324, 3e-308]), np.array([0.0, 6.1e-308])).tolist() == [False, False]
        assert linear(np.array([1.5e308]), np.array([np.inf])).tolist() == [False]
    assert linear(np.array([np.inf, np.nan]), np.array([np.inf, np.nan])).tolist() == [False, False]
    assert linear(np.array([np.inf]), np.array([1.0])).tolist() == [True]


# --- float32 ---


@pytest.mark.parametrize("terms", [6, 96, 4096])
@pytest.mark.parametrize("name", ORDERS)
def test_float32_sums_pass_in_any_order(name, terms):
    """Against the float64 run on the same numbers."""
    rng = np.random.default_rng(terms)
    a, b = rng.normal(size=(3, terms)).astype(np.float32), rng.normal(size=(terms, 20)).astype(np.float32)
    assert not float32_rule(ORDERS[name](a, b), a.astype(float) @ b.astype(float)).any()


def test_float32_activations_pass_and_half_precision_does_not():
    """σ and σ' in float32 are right to a few eps32, in float16 to a few per mille."""
    x = GRID.astype(np.float32)
    s = 1 / (1 + np.exp(-x))
    with np.errstate(over="ignore"):
        s16 = (1 / (1 + np.exp(-x.astype(np.float16)))).astype(np.float32)
    exact_s = 1 / (1 + np.exp(-x.astype(float)))
    assert s.dtype == np.float32
    assert not float32_rule(s, exact_s).any()
    assert not float32_rule(s * (1 - s), exact_s * (1 - exact_s), unit=1.0).any()
    assert float32_rule(s16, exact_s).any()
    assert float32_rule(1.0001 * s, exact_s).any()
    assert float32_rule(np.full_like(s, np.nan), exact_s).all()


def test_the_constants_are_ordered_as_their_reasons_say():
    """Rounding below, mistakes above."""
    eps = np.finfo(float).eps
    assert 100 * eps < tolerances.RTOL < 1e-9
    assert tolerances.UNITS * eps < tolerances.INACCURATE
    assert tolerances.FLOAT32_UNITS * np.finfo(np.float32).eps < 1e-4
