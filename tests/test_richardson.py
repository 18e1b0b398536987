"""Certified differences: the true derivative lies within the bound, whatever rounding and kinks do."""

import numpy as np
import pytest

from autograder.vjp import richardson
from autograder.vjp.richardson import FINE_STEPS, STEPS, Differences, derivative, extrapolate


def differences(f, x, u, steps=STEPS, unit=0.0):
    """f at x and around it, with ripples measured as the checker measures them."""
    rng = np.random.default_rng(0)
    out = f(x)
    shaken = [f(x * (1 + rng.choice([-2.0, 2.0], x.shape) * richardson.EPS)) - out for _ in range(3)]
    plus, minus = tuple(f(x + s * u) for s in steps), tuple(f(x - s * u) for s in steps)
    ripple = np.max(np.abs(shaken), axis=0)
    return Differences(out, steps, plus, minus, ripple, float(max(abs(np.sum(s)) for s in shaken)), unit=unit)


SMOOTH = {
    "exp": (np.exp, np.exp),
    "tanh": (np.tanh, lambda x: 1 - np.tanh(x) ** 2),
    "stable sigmoid": (
        lambda x: np.where(x > 0, 1 / (1 + np.exp(-np.abs(x))), np.exp(-np.abs(x)) / (1 + np.exp(-np.abs(x)))),
        lambda x: 1 / (np.exp(x / 2) + np.exp(-x / 2)) ** 2,
    ),
    "sin": (np.sin, np.cos),
    "cube": (lambda x: x**3, lambda x: 3 * x**2),
    "coarse": (lambda x: 0.5 * (1 + np.tanh(x / 2)), lambda x: 1 / (np.exp(x / 2) + np.exp(-x / 2)) ** 2),
    "fast": (lambda x: np.sin(100 * x), lambda x: 100 * np.cos(100 * x)),
}


@pytest.mark.parametrize("name", SMOOTH)
@pytest.mark.parametrize("scale", [1e-3, 1.0, 5.0])
def test_the_derivative_of_a_smooth_function_lies_within_the_bound(name, scale):
    """For each of 2,000 outputs, and for their sum; and the bound is small."""
    f, f_prime = SMOOTH[name]
    rng = np.random.default_rng(1)
    x, u = scale * rng.normal(size=2000), rng.choice([-1.0, 1.0], 2000) * rng.uniform(1, 2, 2000)
    f = differences(f, x, u, unit=1.0 if name == "coarse" else 0.0)
    found, exact = derivative(f, np.ones(2000)), f_prime(x) * u
    error = np.abs(found.value - exact)
    assert not found.kinked.any()
    assert (error <= found.bound).all()
    assert abs(found.total - exact.sum()) <= found.total_bound
    assert np.median(found.bound) <= 1e-9 * max(1.0, np.median(np.abs(exact)))


def test_extrapolation_removes_a_power_at_a_time():
    """With D(s) = f' + c₂s² + c₄s⁴ + c₆s⁶ four steps leave nothing but rounding."""
    quotients = [np.float64(1 + 3 * s**2 - 5 * s**4 + 2 * s**6) for s in STEPS]
    value, bound = extrapolate(STEPS, quotients, [1e-18] * 4)
    assert abs(value - 1) <= 1e-15
    assert bound <= 1e-11


def test_a_step_that_does_not_fit_is_not_used():
    """A quotient spoiled by a kink in reach of the longest step only does not spoil the extrapolation."""
    quotients = [np.float64(1 + 3 * s**2) for s in STEPS]
    quotients[0] = quotients[0] + 0.1
    value, bound = extrapolate(STEPS, quotients, [1e-18] * 4)
    assert abs(value - 1) <= bound <= 1e-8


def test_two_steps_that_agree_by_accident_are_not_believed():
    """c₂s² and c₄s⁴ cancel between the two longest steps: the finer ones disagree, and they count."""
    a, b = STEPS[0] ** 2, STEPS[1] ** 2
    quotients = [np.float64(1 + s**2 - s**4 / (a + b)) for s in STEPS]
    assert quotients[0] == pytest.approx(quotients[1], abs=1e-15)
    value, bound = extrapolate(STEPS, quotients, [1e-18] * 4)
    assert abs(value - 1) <= bound


@pytest.mark.parametrize("distance", [3e-3, 1e-4, 2e-5, 8e-6, 3e-6, 1e-6, 1e-7, 1e-8])
def test_a_kink_nearby_is_avoided_or_reported(distance):
    """|x| at some distance from 0: the slope ±1 lies within the bound, or between the one-sided slopes of a kink."""
    x = np.array([distance, -distance, 1.5 * distance])
    found = derivative(differences(np.abs, x, np.ones(3), STEPS + FINE_STEPS), np.ones(3))
    slack = found.bound + 1e-12
    assert (found.low - slack <= np.sign(x)).all()
    assert (np.sign(x) <= found.high + slack).all()
    if distance > 1e-5:
        assert not found.kinked.any()
        assert (found.bound < 1e-6).all()


def test_at_a_kink_the_slopes_of_both_sides_are_known():
    """relu at 0: between 0 and 1, and it is no part of the sum."""
    f = differences(lambda x: np.maximum(x, 0), np.array([0.0, 1.0]), np.array([1.0, 1.0]))
    found = derivative(f, np.array([5.0, 1.0]))
    assert found.kinked.tolist() == [True, False]
    assert found.low[0] == pytest.approx(0, abs=1e-9)
    assert found.high[0] == pytest.approx(1, abs=1e-9)
    assert found.total == pytest.approx(1.0)


def test_a_jump_is_no_kink():
    """The sign of x at 1e-7: the jump is within reach of every usual step, and no slope is certain."""
    found = derivative(differences(np.sign, np.array([1e-7]), np.array([1.0])), np.ones(1))
    assert found.kinked[0] or found.bound[0] > 1


def test_steps_without_numbers_are_left_out():
    """√x near 0 has no value beyond it: the shorter steps suffice."""
    f = differences(np.sqrt, np.array([4.0]), np.array([1.0]))
    missing = (None, *f.plus[1:])
    found = derivative(Differences(f.out, STEPS, missing, f.minus, f.ripple, f.ripple_of_sum), np.ones(1))
    assert abs(found.value[0] - 0.25) <= found.bound[0] < 1e-8


def test_without_any_numbers_nothing_is_known():
    """All steps missing: an infinite bound, and no exception."""
    nothing = (None,) * len(STEPS)
    with np.errstate(all="ignore"):
        found = derivative(Differences(np.ones(2), STEPS, nothing, nothing, np.zeros(2), 0.0), np.ones(2))
    assert not np.isfinite(found.bound).any()


def test_a_unit_raises_the_bound():
    """Where rounding is that of numbers near 1, a derivative of 1e-12 is not known to many digits."""
    x, u = np.array([-28.0]), np.array([1.0])
    f = SMOOTH["stable sigmoid"][0]
    assert derivative(differences(f, x, u), np.ones(1)).bound[0] < 1e-18
    assert derivative(differences(f, x, u, unit=1.0), np.ones(1)).bound[0] > 1e-13


def test_long_arrays_are_treated_in_blocks():
    """The same result as for each output by itself, and the sum of all."""
    x, u = np.linspace(-3, 3, 20_000), np.ones(20_000)
    whole = derivative(differences(np.tanh, x, u), np.ones(20_000))
    part = derivative(differences(np.tanh, x[9_000:9_010], u[9_000:9_010]), np.ones(10))
    assert np.array_equal(whole.value[9_000:9_010], part.value)
    exact = np.sum(1 - np.tanh(x) ** 2)
    assert abs(whole.total - exact) <= whole.total_bound + 1e-9
    assert richardson.blocks(20_000)[-1].stop >= 20_000
