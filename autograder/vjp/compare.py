"""Compare a claimed gradient with the change of a layer's output along one direction.

f(x) is the forward's out, J its Jacobian, v the upstream gradient dout, g the claimed gradient, u a direction. If g =
Jᵀv, then ⟨g, u⟩ = ⟨v, J u⟩ whatever u is; an entry of g that is off by e changes the left side by e·uₖ. So
T = ⟨v, J u⟩ - ⟨g, u⟩ is compared with what rounding can make of it. Pure functions; nothing is evaluated here.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from autograder.vjp import richardson
from autograder.vjp.answers import Claim
from autograder.vjp.layer import EPS, TINY, Direction, Point, blocks, dot, product_norm

# 2⁻¹⁰⁰ = 8e-31: its square vanishes beside any ordinary double, and even σ'(±600) = 1e-261 times it is no denormal. (At
# h = 1e-200, σ' at |x| = 300 drops out of the range of doubles, and right code looks wrong.)
COMPLEX_STEP = 2.0**-100

# The finest of the usual steps, near eps^(1/3).
CENTRAL_STEP = richardson.STEPS[-1]

# Rounding of T by the complex step: at worst 8e-16·Q, 4 eps, over 5,800 right layers. The smallest bug wanted is 1e-6
# of an entry that is 1e-3 of the largest; among 31,000 entries that is 1e-12·Q or more. 1000·eps = 2e-13 lies between.
ROUNDINGS = 1000 * EPS

# Right backwards compute with a rounded out: s(1-s) is off by eps even where σ' is 1e-10. In eps times the size of out.
# Four roundings, each of eps/2, in out and as many in g, and as much again for the doubt.
OUT_ROUNDINGS = 16

# What the central difference has to confirm of the complex step, times Q: 100 times its worst floor on right layers
# (1e-10). Code that is unsafe for complex numbers (abs, np.real, norms, variances) is off by 1e-3 and more.
CENTRAL = 1e-8

# Entry by entry, |difference| ≤ 1e-12·|expected| + 4·eps·unit for an entry of the gradient, as in `tolerances`; the
# entries of a direction are up to twice as large.
ENTRY_RTOL = 1e-12
ENTRY_UNITS = 8

# A gradient that was computed in float32 is compared as float32, as in `tolerances`.
FLOAT32_UNITS = 64

# A bound for the error of real differences is an estimate. Within the bound a claim is right, beyond DOUBT times the
# bound it is wrong, and between the two nothing is said: over 30,000 right layers at hard inputs, bounds were exceeded
# 4 times at most.
DOUBT = 10

# What differs by so many times all that may excuse it is far off: it can be refused at once (see `at_once`).
TIMES = 8

# A derivative known no better than this, relative to its own size, acquits nobody.
RESOLUTION = 1e-6


@dataclass(frozen=True)
class Outcome:
    """What a comparison found; the figures are relative to the size of what was compared."""

    ok: bool | None
    method: str = ""
    discrepancy: float = float("nan")
    tolerance: float = float("nan")
    resolution: float = float("nan")
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Probe:
    """J u by the complex step and by a central difference; None where the forward does not give the one or the
    other."""

    complex_step: np.ndarray | None
    plus: np.ndarray | None
    minus: np.ndarray | None


@dataclass(frozen=True)
class Slope:
    """J u as all evidence has it.

    ju: for every output; bound: how far each may be off. real: what the real differences say.
    complex: whether ju is the complex step's, confirmed by the real differences.
    """

    ju: np.ndarray
    bound: Any
    real: richardson.Derivative | None
    complex: bool

    @property
    def method(self) -> str:
        return "complex step" if self.complex else "Richardson extrapolation"

    @property
    def kinked(self) -> np.ndarray | None:
        """The outputs at a kink, where only the one-sided slopes are known; None if there is none."""
        return self.real.kinked if self.real is not None and self.real.kinked.any() else None


def inner(claims: Sequence[Claim], direction: Direction) -> float:
    """⟨g, u⟩ over all leaves of the direction."""
    return sum(dot(c.value, u) for c, u in zip(claims, direction.u, strict=True))


@dataclass(frozen=True)
class Scales:
    """How large things are along a direction.

    q: Q = size(u)·‖g‖ + ‖v∘J u‖, what T would be if everything were wrong.
    strict: what rounding may do to T if g is right to its own last digits.
    out: what it may do besides if g was computed from a rounded out.
    norms: size(u)·‖g‖ of every leaf.
    """

    q: float
    strict: float
    out: float
    norms: tuple[float, ...]

    @property
    def agreed(self) -> float:
        """A T so small beside Q that g is right to RESOLUTION, however uncertain all else may be."""
        return max(ROUNDINGS * self.q + TINY / COMPLEX_STEP, RESOLUTION / 2 * self.q)


def scales(point: Point, direction: Direction, claims: Sequence[Claim], ju: np.ndarray) -> Scales:
    norms = [size * claim.norm for size, claim in zip(direction.size, claims, strict=True)]
    q = math.hypot(*norms) + product_norm(point.v, ju)
    strict = ROUNDINGS * q + TINY / COMPLEX_STEP
    for size, claim in zip(norms, claims, strict=True):
        strict += FLOAT32_UNITS * claim.eps * size if claim.eps > EPS else 0.0
    return Scales(q, strict, OUT_ROUNDINGS * point.eps * product_norm(point.v, point.out), tuple(norms))


@dataclass(frozen=True)
class Quick:
    """A claim that was accepted at once.

    size: what the projections amount to.
    entries_differ: whether entries differ although the projections agree, where entries were compared.
    """

    outcome: Outcome
    size: Scales
    entries_differ: bool


def quick(
    point: Point, direction: Direction, claims: Sequence[Claim], probe: Probe, alike: bool, *, known: bool = False
) -> Quick | None:
    """Accept a claim on which complex step and central difference agree, each to its own accuracy.

    alike: whether each output may depend on the entries at its own place only; then entries are compared as well.
    known: whether the complex step has been confirmed for all leaves together. Then a central difference too inaccurate
        to confirm it again is no objection.

    Returns: None where the claim is not accepted.
    """
    if probe.complex_step is None or probe.plus is None or probe.minus is None:
        return None
    size = scales(point, direction, claims, probe.complex_step)
    claimed = inner(claims, direction)
    difference = abs(dot(point.v, probe.complex_step) - claimed)
    changes = [dot(point.v[at], probe.plus[at] - probe.minus[at]) for at in blocks(point.v.size)]
    by_central = abs(sum(changes) / (2 * CENTRAL_STEP) - claimed)
    rounding = 4 / OUT_ROUNDINGS * size.out / CENTRAL_STEP
    confirmed = by_central <= max(CENTRAL * size.q, rounding if known else min(rounding, RESOLUTION * size.q))
    if difference <= size.out and by_central <= size.strict:
        difference = by_central  # f is flat to its last digit, g is 0: that J u is 1e-100 shows in neither
    tolerance = min(size.strict, size.agreed)
    if not (difference <= tolerance and confirmed):
        return None
    outcome = _figures(True, "complex step, confirmed by the central difference", difference, tolerance, size.q)
    if not alike:
        return Quick(outcome, size, False)
    entries = compare_entries(point, direction, claims, Slope(probe.complex_step, 0.0, None, True), probe)
    return Quick(entries, size, False) if entries.ok else Quick(outcome, size, True)


def compare_projection(
    point: Point, direction: Direction, claims: Sequence[Claim], slope: Slope, noise: float, *, at_kinks: bool = False
) -> Outcome:
    """Compare ⟨g, u⟩ with ⟨v, J u⟩.

    Beyond what rounding was seen to do, up to what it may do to a g computed from a rounded out, nothing is said; and
    neither if the derivative is known no better than RESOLUTION, unless g agrees with it even so.

    noise: what rounding was seen to do to T.
    at_kinks: accept everything between the one-sided slopes for outputs at a kink, even if the complex step has chosen
    one.
    """
    v = point.v
    size = scales(point, direction, claims, slope.ju)
    expected, bound, reach = dot(v, slope.ju), noise, 0.0
    if not slope.complex:
        expected, bound = slope.real.total, noise + slope.real.total_bound
    kinked = slope.kinked
    if kinked is not None and (at_kinks or not slope.complex):
        low, high = v[kinked] * slope.real.low[kinked], v[kinked] * slope.real.high[kinked]
        if slope.complex:
            expected -= float(v[kinked] @ slope.ju[kinked])
        expected += float(np.sum(low + high)) / 2
        reach = float(np.sum(np.abs(high - low))) / 2
        bound += float(np.abs(v[kinked]) @ slope.real.bound[kinked])
    difference = max(0.0, abs(expected - inner(claims, direction)) - reach)
    tolerance = size.strict + bound + (0.0 if slope.complex else size.out)
    ok: bool | None = bool(difference <= tolerance)
    if not ok and difference <= size.strict + size.out + DOUBT * bound:
        ok = None
    elif ok and tolerance > RESOLUTION * size.q:
        ok, tolerance = (True, size.agreed) if difference <= size.agreed and reach == 0 else (None, tolerance)
    return _figures(ok, slope.method, difference, tolerance, size.q)


def compare_entries(
    point: Point,
    direction: Direction,
    claims: Sequence[Claim],
    slope: Slope,
    probe: Probe | None = None,
    noise: Any = 0.0,
    see: Callable[[slice, EntryTable], None] | None = None,
) -> Outcome:
    """Compare output by output, in a layer whose outputs depend on the entries at their own place only.

    There vₖ·(J u)ₖ = Σ gₖ·uₖ, the sum being over the arguments, for every k by itself. See `entry_table`.

    see: shown the table of every slice of the outputs.
    """
    ok, wrong, error, tolerance, largest = True, False, 0.0, 0.0, 0.0
    for at in blocks(point.out.size):
        table = entry_table(point, direction, claims, slope, noise, at)
        if see is not None:
            see(at, table)
        difference = table.difference
        if slope.kinked is not None:
            difference = np.where(table.right & slope.kinked[at], 0.0, difference)
        ok, wrong = ok and bool(table.right.all()), wrong or bool(table.wrong.any())
        error = max(error, float(difference.max()))
        tolerance = max(tolerance, float(table.allowed.max()))
        largest = max(largest, float(table.expected.max()), -float(table.expected.min()))
    verdict = False if wrong else True if ok else None
    if ok and tolerance > RESOLUTION * largest:
        if _agreed(point, direction, claims, slope, probe, noise):
            tolerance = RESOLUTION / 2 * largest
        else:
            verdict = None
    return _figures(verdict, f"{slope.method}, entry by entry", error, tolerance, largest)


def _agreed(
    point: Point, direction: Direction, claims: Sequence[Claim], slope: Slope, probe: Probe | None, noise: Any
) -> bool:
    """Whether every entry is so near to a numerical derivative that it is right to RESOLUTION, however uncertain that
    derivative may be."""
    for at in blocks(point.out.size):
        table = entry_table(point, direction, claims, slope, noise, at)
        own = RESOLUTION / 2 * np.abs(table.expected) + TINY / COMPLEX_STEP
        agrees = table.difference <= own
        if probe is not None and not agrees.all():
            central = (probe.plus[at] - probe.minus[at]) / (2 * CENTRAL_STEP)
            agrees |= np.abs(table.claimed - point.v[at] * central) <= own
        if not agrees.all():
            return False
    return True


@dataclass(frozen=True)
class EntryTable:
    """For every output: the change claimed, the change expected, how far they differ and may differ, whether they
    agree, and whether they certainly do not (see DOUBT)."""

    claimed: np.ndarray
    expected: np.ndarray
    difference: np.ndarray
    allowed: np.ndarray
    right: np.ndarray
    wrong: np.ndarray


def entry_table(
    point: Point,
    direction: Direction,
    claims: Sequence[Claim],
    slope: Slope,
    noise: Any = 0.0,
    at: slice = slice(None),
) -> EntryTable:
    """Compare output by output, for a slice of the outputs.

    Rounding of entry k is measured in |vₖ| times the size of the output, but at least 1: an entry that was computed as
    1 - t² is off by eps even where 1 - t² is nearly 0.
    """
    v, ju = point.v[at], slope.ju[at]
    products = [(c, c.value.ravel()[at] * u.ravel()[at]) for c, u in zip(claims, direction.u, strict=True)]
    claimed = products[0][1] if len(products) == 1 else sum(product for _, product in products)
    expected = v * ju
    size = np.abs(point.out[at])
    np.maximum(size, 1.0, out=size)
    size *= ENTRY_UNITS * point.eps
    bound = _part(slope.bound, at)
    size += bound
    size *= np.abs(v)
    allowed = np.abs(expected)
    allowed *= ENTRY_RTOL
    allowed += size
    allowed += _part(noise, at) + TINY / COMPLEX_STEP
    for c, product in products:
        if c.eps > EPS:
            allowed += FLOAT32_UNITS * c.eps * np.abs(product)
    difference = claimed - expected
    np.abs(difference, out=difference)
    right = difference <= allowed
    if right.all():
        return EntryTable(claimed, expected, difference, allowed, right, np.zeros(right.shape, dtype=bool))
    wrong = ~(difference <= allowed + (DOUBT - 1) * np.abs(v) * bound)
    if slope.kinked is not None:
        ends = v * slope.real.low[at], v * slope.real.high[at]
        slack = np.abs(v) * slope.real.bound[at] + allowed
        between = (claimed >= np.minimum(*ends) - slack) & (claimed <= np.maximum(*ends) + slack)
        right |= slope.kinked[at] & between
        wrong &= ~right
    if slope.complex and slope.real is not None:
        # The complex step was confirmed as a whole. It accuses no entry by itself where real differences are too coarse
        # to confirm it, or contradict it.
        real, real_bound = slope.real.value[at], slope.real.bound[at]
        confirmed = (real_bound <= RESOLUTION * np.abs(ju)) & (np.abs(ju - real) <= real_bound)
        wrong &= confirmed | ~(np.abs(claimed - v * real) <= allowed + np.abs(v) * real_bound)
    return EntryTable(claimed, expected, difference, allowed, right, wrong)


def _part(value: Any, at: slice) -> Any:
    return value[at] if isinstance(value, np.ndarray) else value


def _figures(ok: bool | None, method: str, difference: float, tolerance: float, size: float) -> Outcome:
    resolution = np.inf if ok is None and not size else tolerance / (size or 1.0)
    return Outcome(ok, method, float(difference / (size or 1.0)), float(tolerance / (size or 1.0)), float(resolution))
