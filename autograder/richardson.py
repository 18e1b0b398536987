"""Derivatives from real differences with a bound for their error: Richardson extrapolation that minds rounding and
kinks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

EPS = float(np.finfo(float).eps)

# Powers of two, so that step·u is exact. The error of a central difference is c₂·step² + c₄·step⁴ + ...: from one step
# to the next it falls by 64 (by 256 at the last), after one extrapolation by 4096. 2⁻¹⁷ = 7.6e-6 is about eps^(1/3),
# where truncation and rounding of a single central difference balance.
STEPS = (2.0**-7, 2.0**-10, 2.0**-13, 2.0**-17)

# For outputs with a kink within 2⁻¹⁷: they lose digits to rounding (1e-7 at 2⁻²⁹), but a kink within reach loses all.
FINE_STEPS = (2.0**-21, 2.0**-25, 2.0**-29)


@dataclass(frozen=True)
class Differences:
    """A vector-valued function f at x and at x ± step·u.

    out: f(x), shape (O,).
    steps: the L steps, falling.
    plus, minus: f(x + step·u) and f(x - step·u) for each, shapes (O,); None where f gave no finite numbers.
    ripples: f at points that differ from x in the last place, less f(x): what rounding does to f.
    eps: machine epsilon of the format f computes in.
    """

    out: np.ndarray
    steps: tuple[float, ...]
    plus: tuple[np.ndarray | None, ...]
    minus: tuple[np.ndarray | None, ...]
    ripples: tuple[np.ndarray, ...]
    eps: float = EPS

    def noise(self) -> np.ndarray:
        """How far each output may be off by rounding: 4 units in the last place, and 4 times the largest ripple."""
        noise = 4 * self.eps * np.abs(self.out)
        for ripple in self.ripples:
            np.maximum(noise, 4 * np.abs(ripple), out=noise)
        return noise


@dataclass(frozen=True)
class Derivative:
    """f'(x)·u for every output.

    value, bound: the estimate, and how far it may be off; inf where there is none.
    low, high: where `kinked`, the one-sided slopes, between which every value is a derivative; elsewhere the value.
    kinked: True where a kink is closer than the finest two steps.
    start: for each output, the first step that no kink disturbs.
    total, total_bound: Σ vₖ·valueₖ over the outputs that are not kinked, and how far it may be off.
    """

    value: np.ndarray
    bound: np.ndarray
    low: np.ndarray
    high: np.ndarray
    kinked: np.ndarray
    start: np.ndarray
    total: float
    total_bound: float


def derivative(f: Differences, v: np.ndarray) -> Derivative:
    """Differentiate every output by the steps that no kink disturbs, and their sum weighted by v."""
    noise = f.noise()
    start = _first_smooth_step(f, noise)
    quotients = [_quotient(f, i) for i in range(len(f.steps))]
    for i, quotient in enumerate(quotients):
        quotient[start > i] = np.nan
    value, bound = extrapolate(f.steps, quotients, noise)
    kinked = start >= len(f.steps) - 1
    low, high = value.copy(), value.copy()
    if kinked.any():
        low[kinked], high[kinked], bound[kinked] = _one_sided(f, noise, kinked)
        value[kinked] = (low[kinked] + high[kinked]) / 2
    total, total_bound = _total(f, v, start)
    return Derivative(value, bound, low, high, kinked, start, total, total_bound)


def extrapolate(steps: Sequence[float], quotients: Sequence, noise: np.ndarray | float) -> tuple:
    """The best estimate that a column of central differences yields, and a bound for its error.

    D(s) = (f(x+su) - f(x-su)) / 2s = f' + c₂s² + c₄s⁴ + ... Extrapolating to s = 0 by polynomials in s² (Richardson
    1911; the scheme is Neville's) removes one power in each column:
        T[i, 0] = D(sᵢ),    T[i, k] = T[i+1, k-1] + (T[i+1, k-1] - T[i, k-1]) / ((sᵢ / sᵢ₊ₖ)² - 1).
    The correction estimates the error of T[i+1, k-1]; twice as much, with noise / sᵢ₊ₖ for rounding, bounds
    that of T[i, k], which is smaller by a power. The T[i, k] of smallest bound is taken.

    Args:
        steps: the L steps, falling.
        quotients: D for each, all of one shape; nan where a step must not be used.
        noise: how far a value of f may be off by rounding, a number or an array of that shape.

    Returns: the estimate and its bound, of that shape; nan and inf where fewer than two steps can be used.
    """
    best = np.full(np.shape(quotients[0]), np.nan)
    bound = np.full(np.shape(quotients[0]), np.inf)
    column = list(quotients)
    for k in range(1, len(steps)):
        for i in range(len(column) - 1):
            correction = (column[i + 1] - column[i]) / ((steps[i] / steps[i + k]) ** 2 - 1)
            column[i] = column[i + 1] + correction
            error = 2 * np.abs(correction) + 1.1 * noise / steps[i + k]
            better = error < bound  # False for nan
            best = np.where(better, column[i], best)
            bound = np.where(better, error, bound)
        column.pop()
    return best, bound


def _quotient(f: Differences, i: int) -> np.ndarray:
    if f.plus[i] is None or f.minus[i] is None:
        return np.full(f.out.shape, np.nan)
    return (f.plus[i] - f.minus[i]) / (2 * f.steps[i])


def _second(f: Differences, i: int) -> np.ndarray:
    if f.plus[i] is None or f.minus[i] is None:
        return np.full(f.out.shape, np.nan)
    return np.abs(f.plus[i] - 2 * f.out + f.minus[i]) / f.steps[i]


def _first_smooth_step(f: Differences, noise: np.ndarray) -> np.ndarray:
    """For each output, the first step from which on no kink or jump is within reach of any step.

    S(s) = |f(x+su) - 2f(x) + f(x-su)| / s is |f″|·s where f is smooth: it falls with s. With a kink in reach it stays
    the jump of the slope, or some part of it; when the kink falls out of reach between two steps, S collapses.

    Returns: integers, shape (O,); L - 1 where fewer than two steps can be used.
    """
    start = np.full(f.out.shape, len(f.steps) - 1)
    usable = np.ones(f.out.shape, dtype=bool)
    finer = _second(f, len(f.steps) - 1)
    for i in range(len(f.steps) - 2, -1, -1):
        coarser, ratio = _second(f, i), f.steps[i] / f.steps[i + 1]
        floor = 4 * noise / f.steps[i + 1]
        falls = finer <= coarser / 2 + floor
        usable &= falls & (coarser <= 4 * ratio * (finer + floor))  # False for nan
        start[usable] = i
        finer = coarser
    return start


def _one_sided(f: Differences, noise: np.ndarray, chosen: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The one-sided slopes of some outputs, the smaller first, and how far they may be off: at the finest step, where
    the error is about 1/15 of the change from the step before, which is 16 times as large."""
    slopes = []
    for i in (-2, -1):
        if f.plus[i] is None or f.minus[i] is None:
            return tuple(np.full(int(chosen.sum()), x) for x in (np.nan, np.nan, np.inf))
        out, step = f.out[chosen], f.steps[i]
        slopes.append(((f.plus[i][chosen] - out) / step, (out - f.minus[i][chosen]) / step))
    (right_before, left_before), (right, left) = slopes
    change = np.maximum(np.abs(right - right_before), np.abs(left - left_before))
    return np.minimum(left, right), np.maximum(left, right), change / 8 + 2 * noise[chosen] / f.steps[-1]


def _total(f: Differences, v: np.ndarray, start: np.ndarray) -> tuple[float, float]:
    """Σ vₖ·f'ₖ over the outputs that have two smooth steps, extrapolated as a sum: so independent rounding errors
    average out instead of adding up. Outputs that share their first smooth step are summed together."""
    total, total_bound = 0.0, 0.0
    for first in range(len(f.steps) - 1):
        chosen: Any = start == first
        if not chosen.any():
            continue
        chosen = slice(None) if chosen.all() else chosen
        weights, out = v[chosen], f.out[chosen]
        quotients = [
            np.nan if p is None or m is None else weights @ (p - m)[chosen] / (2 * s)
            for p, m, s in zip(f.plus[first:], f.minus[first:], f.steps[first:], strict=True)
        ]
        noise = 2 * f.eps * float(np.linalg.norm(weights * out))
        noise = max([noise] + [4 * abs(float(weights @ ripple[chosen])) for ripple in f.ripples])
        value, bound = extrapolate(f.steps[first:], quotients, noise)
        total, total_bound = total + float(value), total_bound + float(bound)
    return total, total_bound
