"""Real difference quotients with a certified error: Richardson extrapolation that knows about rounding and kinks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

EPS = float(np.finfo(float).eps)

# Powers of two, so that x ± step·u loses nothing in the product. Each is 8 times the next (the last 16 times): the
# error of a central difference, c·step², falls by 64 from one to the next, that of one extrapolation by 4096.
STEPS = (2.0**-7, 2.0**-10, 2.0**-13, 2.0**-17)


@dataclass(frozen=True)
class Derivative:
    """The derivative of every output along one direction, from real differences.

    value, bound: for each output, the estimate and how far it may be off.
    low, high: what the derivative lies between; the one-sided slopes where there is a kink, value elsewhere.
    kinked: True for outputs with a kink closer than the finest steps can resolve.
    """

    value: np.ndarray
    bound: np.ndarray
    low: np.ndarray
    high: np.ndarray
    kinked: np.ndarray
    start: np.ndarray


def extrapolate(steps: Sequence[float], quotients: np.ndarray, noise: np.ndarray | float) -> tuple:
    """The best estimate that a table of central differences yields, and a bound for its error.

    D(s) = (f(x+su) - f(x-su)) / 2s = f' + c₂s² + c₄s⁴ + ..., so that polynomial extrapolation in s² to s = 0 (Neville's
    scheme; Richardson 1911) removes one power a column:
        T[l, k] = T[l+1, k-1] + (T[l+1, k-1] - T[l, k-1]) / ((s_l / s_{l+k})² - 1).
    The correction is an estimate for the error of T[l+1, k-1]; twice that, with the rounding error noise / s_{l+k},
    bounds the error of T[l, k], which is smaller by a further power. Of all T[l, k] the one of smallest bound is taken.

    Args:
        steps: the L steps, falling.
        quotients: D for each step, shape (L, ...); nan where a step must not be used.
        noise: how far each value of f may be off by rounding.

    Returns: the estimate and its bound, both of shape (...); the bound is inf where no two steps can be used.
    """
    best = np.full(quotients.shape[1:], np.nan)
    bound = np.full(quotients.shape[1:], np.inf)
    column = quotients
    for k in range(1, len(steps)):
        ratios = [(steps[i] / steps[i + k]) ** 2 - 1 for i in range(len(steps) - k)]
        new = []
        for i, ratio in enumerate(ratios):
            correction = (column[i + 1] - column[i]) / ratio
            new.append(column[i + 1] + correction)
            error = 2 * np.abs(correction) + 1.1 * noise / steps[i + k]
            better = error < bound  # False for nan
            best = np.where(better, new[-1], best)
            bound = np.where(better, error, bound)
        column = new
    return best, bound


def smooth_from(
    steps: Sequence[float], base: np.ndarray, plus: Sequence[np.ndarray], minus: Sequence[np.ndarray], noise: np.ndarray
) -> np.ndarray:
    """For each output, the first step from which on (finer and finer) no kink or jump lies within reach.

    S(s) = |f(x+su) - 2f(x) + f(x-su)| / s is |f″|·s for a smooth f, so that it falls as s does. With a kink within
    reach it stays at the jump of the slope. When the kink falls out of reach from one step to the next, S collapses.

    Returns: integers, shape of base; len(steps) - 1 (fewer than two usable steps) where the kink cannot be avoided.
    """
    second = [np.abs(p - 2 * base + m) / s for p, m, s in zip(plus, minus, steps, strict=True)]
    start = np.full(base.shape, len(steps) - 1)
    reachable = np.ones(base.shape, dtype=bool)
    for i in range(len(steps) - 2, -1, -1):
        floor = 4 * noise / steps[i + 1]
        ratio = steps[i] / steps[i + 1]
        stays = second[i + 1] > second[i] / 2 + floor
        collapses = second[i] > 4 * ratio * (second[i + 1] + floor)
        reachable &= ~(stays | collapses) & np.isfinite(second[i])
        start = np.where(reachable, i, start)
    return start


def real_derivative(
    steps: Sequence[float], base: np.ndarray, plus: Sequence[np.ndarray], minus: Sequence[np.ndarray], noise: np.ndarray
) -> Derivative:
    """The derivative of every output, each by the steps that no kink disturbs."""
    start = smooth_from(steps, base, plus, minus, noise)
    quotients = np.array([(p - m) / (2 * s) for p, m, s in zip(plus, minus, steps, strict=True)])
    for i in range(len(steps)):
        quotients[i][start > i] = np.nan
    value, bound = extrapolate(steps, quotients, noise)
    kinked = start >= len(steps) - 1
    fine, coarse = len(steps) - 1, len(steps) - 2
    right = [(plus[i] - base) / steps[i] for i in (coarse, fine)]
    left = [(base - minus[i]) / steps[i] for i in (coarse, fine)]
    slack = np.fmax(np.abs(right[0] - right[1]), np.abs(left[0] - left[1])) + 2 * noise / steps[fine]
    low = np.where(kinked, np.fmin(right[1], left[1]), value)
    high = np.where(kinked, np.fmax(right[1], left[1]), value)
    return Derivative(
        np.where(kinked, (low + high) / 2, value), np.where(kinked, slack, bound), low, high, kinked, start
    )


def projected(
    derivative: Derivative,
    steps: Sequence[float],
    weights: np.ndarray,
    plus: Sequence[np.ndarray],
    minus: Sequence[np.ndarray],
    ripples: Sequence[np.ndarray],
    base: np.ndarray,
) -> tuple[float, float]:
    """⟨v, Ju⟩ over the outputs without a kink, and its bound: extrapolated as a sum, so that independent rounding
    errors average out instead of adding up. Outputs that share their first usable step are summed together.

    ripples: f at inputs changed by one unit in the last place, less f: what rounding does to the sum.
    """
    total, total_bound = 0.0, 0.0
    for first in np.unique(derivative.start[~derivative.kinked]):
        chosen = (derivative.start == first) & ~derivative.kinked
        v = weights[chosen]
        quotients = np.array(
            [
                v @ ((p - m)[chosen]) / (2 * s)
                for p, m, s in zip(plus[first:], minus[first:], steps[first:], strict=True)
            ]
        )
        noise = 4 * max((abs(v @ r[chosen]) for r in ripples), default=0.0) + 2 * EPS * np.linalg.norm(v * base[chosen])
        value, bound = extrapolate(steps[first:], quotients, noise)
        total, total_bound = total + float(value), total_bound + float(bound)
    return total, total_bound
