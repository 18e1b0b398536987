"""Derivatives from real differences with a bound for their error: Richardson extrapolation that minds rounding and
kinks."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

EPS = float(np.finfo(float).eps)

# Powers of two, so that step·u is exact. The error of a central difference is c₂·step² + c₄·step⁴ + ...: from one step
# to the next it falls by 64 (by 256 at the last), after one extrapolation by 4096. 2⁻¹⁷ = 7.6e-6 is about eps^(1/3),
# where truncation and rounding of a single central difference balance.
STEPS = (2.0**-7, 2.0**-10, 2.0**-13, 2.0**-17)

# For outputs with a kink within 2⁻¹⁷: they lose digits to rounding (1e-7 at 2⁻²⁹), but a kink within reach loses all.
FINE_STEPS = (2.0**-21, 2.0**-25, 2.0**-29)


# Steps that must be free of a kink for the finer two of them to be used: a kink within reach of the finest is within
# reach of the others too, and shows there.
CLEAN = 3

# Where two one-sided slopes differ by less, relative to the larger, they are one slope.
ONE_SLOPE = 1e-6


@dataclass(frozen=True)
class Differences:
    """A vector-valued function f at x and at x ± step·u.

    out: f(x), shape (O,).
    steps: the L steps, falling.
    plus, minus: f(x + step·u) and f(x - step·u) for each, shapes (O,); None where f gave no finite numbers.
    ripples: f at points that differ from x in the last place, less f(x): what rounding does to f.
    eps: machine epsilon of the format f computes in.
    unit: the least size against which rounding is measured, 0 or 1.
    """

    out: np.ndarray
    steps: tuple[float, ...]
    plus: tuple[np.ndarray | None, ...]
    minus: tuple[np.ndarray | None, ...]
    ripples: tuple[np.ndarray, ...]
    eps: float = EPS
    unit: float = 0.0

    def quotient(self, i: int) -> np.ndarray:
        """The central difference at step i, nan where there is none."""
        if self.plus[i] is None or self.minus[i] is None:
            return np.full(self.out.shape, np.nan)
        return (self.plus[i] - self.minus[i]) / (2 * self.steps[i])

    def second(self, i: int) -> np.ndarray:
        """|f(x+su) - 2f(x) + f(x-su)| at step i, nan where there is none."""
        if self.plus[i] is None or self.minus[i] is None:
            return np.full(self.out.shape, np.nan)
        return np.abs(self.plus[i] - 2 * self.out + self.minus[i])


@dataclass(frozen=True)
class Derivative:
    """f'(x)·u for every output.

    value, bound: the estimate, and how far it may be off; inf where there is none.
    low, high: where `kinked`, the one-sided slopes, between which every value is a derivative; elsewhere the value.
    kinked: True where a kink is within reach of the finest step.
    total, total_bound: Σ vₖ·valueₖ over the outputs that are not kinked, and how far it may be off.
    """

    value: np.ndarray
    bound: np.ndarray
    low: np.ndarray
    high: np.ndarray
    kinked: np.ndarray
    total: float
    total_bound: float


def derivative(f: Differences, v: np.ndarray) -> Derivative:
    """Differentiate every output by the steps that no kink disturbs, and their sum weighted by v."""
    noise = _noise(f)
    start = _first_smooth_step(f, noise)
    quotients = [f.quotient(i) for i in range(len(f.steps))]
    for i, quotient in enumerate(quotients):
        quotient[start > i] = np.nan
    value, bound = extrapolate(f.steps, quotients, noise)
    total, total_bound = _total(f, v, start, noise, value, bound)
    low, high, kinked = value.copy(), value.copy(), start == len(f.steps)
    if kinked.any():
        left, right, slack = _one_sided(f, noise[-1], kinked)
        low[kinked], high[kinked] = np.minimum(left, right), np.maximum(left, right)
        value[kinked], bound[kinked] = (left + right) / 2, slack + np.abs(right - left) / 2
        one = np.zeros(kinked.shape, dtype=bool)
        one[kinked] = np.abs(right - left) <= ONE_SLOPE * np.maximum(np.abs(left), np.abs(right))
        total, total_bound = total + float(v[one] @ value[one]), total_bound + float(np.abs(v[one]) @ bound[one])
        low[one] = high[one] = value[one]
        kinked &= ~one
        bound[kinked] -= (high - low)[kinked] / 2
    return Derivative(value, bound, low, high, kinked, total, total_bound)


def extrapolate(steps: Sequence[float], quotients: Sequence, noise: Sequence) -> tuple:
    """The best estimate that a column of central differences yields, and a bound for its error.

    D(s) = (f(x+su) - f(x-su)) / 2s = f' + c₂s² + c₄s⁴ + ... Extrapolating to s = 0 by polynomials in s² (Richardson
    1911; the scheme is Neville's) removes one power in each column:
        T[i, 0] = D(sᵢ),    T[i, k] = T[i+1, k-1] + (T[i+1, k-1] - T[i, k-1]) / ((sᵢ / sᵢ₊ₖ)² - 1).
    The correction estimates the error of T[i+1, k-1]; twice as much, with noiseᵢ₊ₖ / sᵢ₊ₖ for rounding, bounds
    that of T[i, k], which is smaller by a power. The T[i, k] of smallest bound is taken.

    That holds from the step on from which the differences fall as they should; see `_falling`.

    Args:
        steps: the L steps, falling.
        quotients: D for each, all of one shape; nan where a step must not be used.
        noise: for each step, how far a value of f may be off by rounding, numbers or arrays of that shape.

    Returns: the estimate and its bound, of that shape; nan and inf where fewer than two steps can be used.
    """
    best = np.full(np.shape(quotients[0]), np.nan)
    bound = np.full(np.shape(quotients[0]), np.inf)
    column = _falling(steps, quotients, noise)
    for k in range(1, len(steps)):
        for i in range(len(column) - 1):
            correction = (column[i + 1] - column[i]) / ((steps[i] / steps[i + k]) ** 2 - 1)
            column[i] = column[i + 1] + correction
            error = 2 * np.abs(correction) + 1.1 * noise[i + k] / steps[i + k]
            better = error < bound  # False for nan
            best = np.where(better, column[i], best)
            bound = np.where(better, error, bound)
        column.pop()
    return best, bound


def _falling(steps: Sequence[float], quotients: Sequence, noise: Sequence) -> list[np.ndarray]:
    """The central differences with nan for the steps before they begin to converge as they should.

    D(sᵢ₊₁) - D(sᵢ) falls with the square of the step. If a difference is more than four times what the one before it
    lets expect, something else than c₂s² was at work there: a kink that came and went, steps too long for the function.
    """
    changes = [np.abs(fine - coarse) for coarse, fine in itertools.pairwise(quotients)]
    column, bad = list(quotients), np.zeros(np.shape(quotients[0]), dtype=bool)
    for i in range(len(steps) - 3, -1, -1):
        expected = 4 * changes[i] * (steps[i + 1] / steps[i]) ** 2
        bad = bad | (changes[i + 1] > expected + 4 * noise[i + 2] / steps[i + 2])
        column[i] = np.where(bad, np.nan, column[i])
    return column


def _noise(f: Differences) -> list[np.ndarray]:
    """How far f may be off by rounding, for each output at each step: 4 units in the last place of the largest value
    involved, 4 times the largest ripple, and the grain of f where it shows.

    Second differences fall with the square of the step if f is smooth, with the step itself if there is a kink. Where
    they fall by less than that between the two finest steps they are rounding: ½(1 + tanh(x/2)) near 0, say, comes in
    multiples of 1e-16.
    """
    fine, coarse = f.second(len(f.steps) - 1), f.second(len(f.steps) - 2)
    common = np.where(fine > 2 * coarse * f.steps[-1] / f.steps[-2], 4 * fine, 0.0)
    for ripple in f.ripples:
        np.maximum(common, 4 * np.abs(ripple), out=common)
    noise = []
    for plus, minus in zip(f.plus, f.minus, strict=True):
        size = np.maximum(np.abs(f.out), f.unit)
        if plus is not None and minus is not None:
            size = np.maximum(size, np.maximum(np.abs(plus), np.abs(minus)))
        noise.append(np.maximum(common, 4 * f.eps * size))
    return noise


def _first_smooth_step(f: Differences, noise: Sequence[np.ndarray]) -> np.ndarray:
    """For each output, the first step from which on no kink or jump is within reach of any step.

    With S(s) = |f(x+su) - 2f(x) + f(x-su)| / s: it is |f″|·s where f is smooth, and falls with s. With a kink in reach
    it stays the jump of the slope, or some part of it; when the kink falls out of reach between two steps, S collapses.

    Returns: integers, shape (O,); L where fewer than CLEAN steps can be used.
    """
    start = np.full(f.out.shape, len(f.steps))
    usable = np.ones(f.out.shape, dtype=bool)
    finer = f.second(len(f.steps) - 1) / f.steps[-1]
    for i in range(len(f.steps) - 2, -1, -1):
        coarser, ratio = f.second(i) / f.steps[i], f.steps[i] / f.steps[i + 1]
        floor = 4 * noise[i + 1] / f.steps[i + 1]
        # False for nan
        usable &= (finer <= 4 / ratio * coarser + floor) & (coarser <= 4 * ratio * (finer + floor))
        if i <= len(f.steps) - CLEAN:
            start[usable] = i
        finer = coarser
    return start


def _one_sided(f: Differences, noise: np.ndarray, chosen: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The slopes to the left and to the right at the finest step, and how far they may be off: rounding, and a
    curvature that changes them by no more than 8 times themselves over a length of 1."""
    if f.plus[-1] is None or f.minus[-1] is None:
        return tuple(np.full(int(chosen.sum()), x) for x in (np.nan, np.nan, np.inf))
    out, step = f.out[chosen], f.steps[-1]
    left, right = (out - f.minus[-1][chosen]) / step, (f.plus[-1][chosen] - out) / step
    return left, right, 2 * noise[chosen] / step + 8 * step * (np.abs(left) + np.abs(right))


def _total(
    f: Differences, v: np.ndarray, start: np.ndarray, noise: Sequence[np.ndarray], value: np.ndarray, bound: np.ndarray
) -> tuple[float, float]:
    """Σ vₖ·f'ₖ over the outputs with smooth steps.

    Those that are smooth from the first step on are extrapolated as a sum: so independent rounding errors average out
    instead of adding up. The few others are added with their own bounds.
    """
    total, total_bound = 0.0, 0.0
    some = (start > 0) & (start < len(f.steps))
    if some.any():
        total, total_bound = float(v[some] @ value[some]), float(np.abs(v[some]) @ bound[some])
    smooth = start == 0
    if smooth.any():
        chosen = slice(None) if smooth.all() else smooth
        weights = v[chosen]
        quotients = [weights @ f.quotient(i)[chosen] for i in range(len(f.steps))]
        ripple = max((4 * abs(float(weights @ r[chosen])) for r in f.ripples), default=0.0)
        summed = [max(ripple, float(np.linalg.norm(weights * n[chosen]))) for n in noise]
        best, best_bound = extrapolate(f.steps, quotients, summed)
        total, total_bound = total + float(best), total_bound + float(best_bound)
    return total, total_bound
