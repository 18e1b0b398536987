"""Derivatives from real differences with a bound for their error: Richardson extrapolation that minds rounding and
kinks."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from autograder.vjp.layer import EPS, blocks

# Powers of two, so that step·u is exact. The error of a central difference is c₂·step² + c₄·step⁴ + ...: from one step
# to the next it falls by 64 (by 256 at the last), after one extrapolation by 4096. 2⁻¹⁷ = 7.6e-6 is about eps^(1/3),
# where truncation and rounding of a single central difference balance.
STEPS = (2.0**-7, 2.0**-10, 2.0**-13, 2.0**-17)

# For outputs with a kink within 2⁻¹⁷: they lose digits to rounding (1e-7 at 2⁻²⁹), but a kink within reach loses all.
FINE_STEPS = (2.0**-21, 2.0**-25, 2.0**-29)

# Steps that must be free of a kink for the finer two of them to be used: a kink within reach of the finest is within
# reach of the others too, and shows there.
CLEAN = 3

# So many outputs are treated at once: it takes some 40 arrays of that size, which a small layer is to be spared too.
PART = 2048

# Where two one-sided slopes differ by less, relative to the larger, they are one slope.
ONE_SLOPE = 1e-6


@dataclass(frozen=True)
class Differences:
    """A vector-valued function f at x and at x ± step·u.

    out: f(x), shape (O,).
    steps: the L steps, falling.
    plus, minus: f(x + step·u) and f(x - step·u) for each, shapes (O,); None where f gave no finite numbers.
    ripple: the largest |change| of f between points that differ from x in the last place, shape (O,).
    ripple_of_sum: the largest |change| of Σ vₖ·fₖ there.
    eps: machine epsilon of the format f computes in.
    unit: the least size against which rounding is measured, 0 or 1.
    """

    out: np.ndarray
    steps: tuple[float, ...]
    plus: tuple[np.ndarray | None, ...]
    minus: tuple[np.ndarray | None, ...]
    ripple: np.ndarray
    ripple_of_sum: float
    eps: float = EPS
    unit: float = 0.0

    def part(self, at: slice) -> Differences:
        """The same for a slice of the outputs."""
        plus, minus = (tuple(f if f is None else f[at] for f in side) for side in (self.plus, self.minus))
        return replace(self, out=self.out[at], plus=plus, minus=minus, ripple=self.ripple[at])

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
    kinked: True where a kink is within reach of the finest step.
    low, high: there the one-sided slopes, between which every value is a derivative; elsewhere the value.
    total, total_bound: Σ vₖ·valueₖ over the outputs that are not kinked, and how far it may be off.
    """

    value: np.ndarray
    bound: np.ndarray
    kinked: np.ndarray
    low: np.ndarray
    high: np.ndarray
    total: float
    total_bound: float


def derivative(f: Differences, v: np.ndarray) -> Derivative:
    """Differentiate every output by the steps that no kink disturbs, and their sum weighted by v.

    Outputs that are smooth from the first step on are also extrapolated as a sum: so independent rounding errors
    average out instead of adding up. The few others are added with their own bounds.
    """
    value, bound = np.empty(f.out.shape), np.empty(f.out.shape)
    kinked, kinks = np.zeros(f.out.shape, dtype=bool), {}
    sums, squares = np.zeros(len(f.steps)), np.zeros(len(f.steps))
    total, total_bound = 0.0, 0.0
    for at in blocks(f.out.size, PART):
        part = f.part(at)
        noise = _noise(part)
        start = _first_smooth_step(part, noise)
        quotients = [part.quotient(i) for i in range(len(f.steps))]
        smooth = start == 0
        weights = np.where(smooth, v[at], 0.0)
        sums += [np.sum(weights * quotient, where=smooth) for quotient in quotients]
        squares += [np.sum((weights * n) ** 2) for n in noise]
        for i, quotient in enumerate(quotients):
            quotient[start > i] = np.nan
        value[at], bound[at] = extrapolate(f.steps, quotients, noise)
        kinked[at] = start == len(f.steps)
        if kinked[at].any():
            kinks[at.start] = _one_sided(part, noise[-1], kinked[at])
        rest = ~smooth & ~kinked[at]
        if rest.any():
            total += float(v[at][rest] @ value[at][rest])
            total_bound += float(np.abs(v[at][rest]) @ bound[at][rest])
    best, best_bound = extrapolate(f.steps, list(sums), list(np.maximum(np.sqrt(squares), 4 * f.ripple_of_sum)))
    if np.any(squares) or np.any(sums):
        total, total_bound = total + float(best), total_bound + float(best_bound)
    if not kinks:
        return Derivative(value, bound, kinked, value, value, total, total_bound)
    return _with_kinks(Derivative(value, bound, kinked, value, value, total, total_bound), v, kinks)


def _with_kinks(d: Derivative, v: np.ndarray, kinks: dict[int, tuple]) -> Derivative:
    """The derivative with its one-sided slopes entered; where they are the same, there is no kink after all.

    The arrays of d are written into: copies would be half as much again as all else that is kept of a large layer.
    """
    left, right, slack = (np.concatenate(parts) for parts in zip(*(kinks[k] for k in sorted(kinks)), strict=True))
    value, bound, kinked = d.value, d.bound, d.kinked.copy()
    value[d.kinked], bound[d.kinked] = (left + right) / 2, slack
    low, high = value.copy(), value.copy()
    low[d.kinked], high[d.kinked] = np.minimum(left, right), np.maximum(left, right)
    same = np.abs(right - left) <= ONE_SLOPE * np.maximum(np.abs(left), np.abs(right))
    kinked[d.kinked] = ~same
    one = d.kinked & ~kinked
    bound[one] += (high - low)[one] / 2
    low[one] = high[one] = value[one]
    total = d.total + float(v[one] @ value[one])
    total_bound = d.total_bound + float(np.abs(v[one]) @ bound[one])
    return Derivative(value, bound, kinked, low, high, total, total_bound)


def extrapolate(steps: Sequence[float], quotients: Sequence, noise: Sequence) -> tuple:
    """The best estimate that a column of central differences yields, and a bound for its error.

    D(s) = (f(x+su) - f(x-su)) / 2s = f' + c₂s² + c₄s⁴ + ... Extrapolating to s = 0 by polynomials in s² (Richardson
    1911; the scheme is Neville's) removes one power in each column:
        T[i, 0] = D(sᵢ),    T[i, k] = T[i+1, k-1] + (T[i+1, k-1] - T[i, k-1]) / ((sᵢ / sᵢ₊ₖ)² - 1).
    The correction estimates the error of T[i+1, k-1]; twice as much, with noiseᵢ₊ₖ / sᵢ₊ₖ for rounding, bounds
    that of T[i, k], which is smaller by a power. That holds from the step on from which the differences fall as they
    should (see `_falling`), which rounding at the finer steps may hide: so the bound is at least the distance to T[i+1,
    k]. The T[i, k] of smallest bound is taken.

    Args:
        steps: the L steps, falling.
        quotients: D for each, all of one shape; nan where a step must not be used.
        noise: for each step, how far a value of f may be off by rounding, numbers or arrays of that shape.

    Returns: the estimate and its bound, of that shape; nan and inf where fewer than two steps can be used.
    """
    best = np.full(np.shape(quotients[0]), np.nan)
    bound = np.full(np.shape(quotients[0]), np.inf)
    column = list(quotients)
    for k in range(1, len(steps)):
        column = _falling(steps, column, noise, k - 1)
        corrections = [
            (fine - coarse) / ((steps[i] / steps[i + k]) ** 2 - 1)
            for i, (coarse, fine) in enumerate(itertools.pairwise(column))
        ]
        column = [fine + correction for fine, correction in zip(column[1:], corrections, strict=True)]
        for i, (value, correction) in enumerate(zip(column, corrections, strict=True)):
            error = 2 * np.abs(correction) + 1.1 * noise[i + k] / steps[i + k]
            if i + 1 < len(column):
                error = np.fmax(error, np.abs(value - column[i + 1]))
            better = error < bound  # False for nan
            best, bound = np.where(better, value, best), np.where(better, error, bound)
    return best, bound


def _falling(steps: Sequence[float], column: Sequence, noise: Sequence, k: int) -> list[np.ndarray]:
    """A column T[., k] with nan for the entries before it begins to converge as it should.

    The error of T[i, k] is c·sᵢ²·...·sᵢ₊ₖ² if the steps are short enough, so each difference between neighbours is
    (sᵢ₊ₖ₊₁ / sᵢ)² times the one before. If it is far larger, or far smaller, that one was something else: a kink that
    came and went, a step too long for the function, two terms that happened to cancel.
    """
    changes = [np.abs(fine - coarse) for coarse, fine in itertools.pairwise(column)]
    column, bad = list(column), np.zeros(np.shape(column[0]), dtype=bool)
    for i in range(len(changes) - 2, -1, -1):
        expected = changes[i] * (steps[i + k + 1] / steps[i]) ** 2
        floor = 4 * noise[i + k + 2] / steps[i + k + 2]
        bad = bad | (changes[i + 1] > 4 * expected + floor) | (changes[i + 1] + floor < expected / 16)
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
    common = np.maximum(common, 4 * f.ripple)
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
