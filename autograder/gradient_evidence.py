"""Gather all evidence about the derivative along one direction, for claims that the quick comparison does not accept.

The same notation as in `gradient_compare`. Sans I/O: generators that yield requests and are sent answers.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from autograder import richardson
from autograder.gradient_compare import (
    CENTRAL_STEP,
    COMPLEX_STEP,
    ROUNDINGS,
    Outcome,
    Probe,
    Slope,
    compare_entries,
    compare_projection,
    inner,
)
from autograder.gradient_layer import (
    Claim,
    Direction,
    Point,
    ask,
    claims_of,
    finite_numbers,
    fresh,
    like,
    moved,
    moved_imaginary,
    shaken,
)
from autograder.gradient_result import Backward, Forward

# T is measured again where the inputs differ in the last place, three times. If g is right, T is nothing but such
# noise, and it exceeds 16 times the largest change seen once in 25,000 times (one normal variable against the largest
# of three, times 16). If g is wrong, T changes by eps of itself.
SHAKES = 3
SHAKEN = 16

# How certain real differences must be to confirm the complex step: code that is unsafe for complex numbers (abs,
# np.real, norms, variances) is off by more.
CONFIRMED = 1e-3


@dataclass(frozen=True)
class Settled:
    """An outcome, and what the search for the mistake can build on.

    slope: J u, or None where the forward could not be relied on.
    noise: what rounding does to T.
    alike: whether every output depends on the entries at its own place only.
    """

    outcome: Outcome
    slope: Slope | None = None
    noise: Any = 0.0
    alike: bool = False


def probe_requests(args: tuple, direction: Direction) -> Iterator[Forward]:
    """Three evaluations: the complex step, and the two sides of a central difference."""
    yield Forward(moved_imaginary(args, direction, COMPLEX_STEP))
    yield Forward(moved(args, direction, CENTRAL_STEP))
    yield Forward(moved(args, direction, -CENTRAL_STEP))


def read_probe(answers: Sequence[Any], size: int) -> Probe:
    return Probe(imaginary_slope(answers[0], size), real_out(answers[1], size), real_out(answers[2], size))


def imaginary_slope(answer: Any, size: int) -> np.ndarray | None:
    """J u = Im f(x + ihu) / h, if the answer is complex and finite."""
    flat = finite_numbers(answer, size)
    return None if flat is None or flat.dtype.kind != "c" else flat.imag / COMPLEX_STEP


def real_out(answer: Any, size: int) -> np.ndarray | None:
    flat = finite_numbers(answer, size)
    return None if flat is None or flat.dtype.kind == "c" else flat


def place_by_place(point: Point, direction: Direction, rng: np.random.Generator) -> Generator[list, list, bool]:
    """Whether every output depends on the entries at its own place only: a random half of the places is moved, and the
    outputs at the others must stay where they are, up to rounding."""
    moves = rng.random(direction.u[0].shape) < 0.5
    half = replace(direction, u=tuple(np.where(moves, u, 0.0) for u in direction.u))
    (answer,) = yield [Forward(moved(point.args, half, CENTRAL_STEP))]
    out = real_out(answer, point.out.size)
    return out is not None and bool(
        (np.abs(out - point.out) <= 16 * point.eps * np.abs(point.out))[~moves.ravel()].all()
    )


def settle(
    point: Point,
    direction: Direction,
    claims: Sequence[Claim] | None,
    complex_step: np.ndarray | None,
    alike: bool,
    rng: np.random.Generator,
    *,
    known: bool = False,
) -> Generator[list, list, Settled]:
    """Measure the derivative by real differences at several steps, and what rounding does; then compare.

    Where the complex step lies within the bounds of the real differences it is trusted: it is far more accurate.
    Where it does not, some function dropped the imaginary part without a word.

    claims: one for each leaf of the direction, or None to find the slope alone.
    alike: whether every output depends on the entries at its own place only.
    known: whether the complex step has been confirmed for all leaves together.
    """
    entries = sum(u.size for u in direction.u)
    plan = _Plan(claims is not None, claims is not None and complex_step is not None)
    answers = yield from ask(_requests(point, direction, plan, rng), entries)
    read = _read(answers, point, direction, plan)
    if read is None:
        return Settled(Outcome(None, notes=("the forward gives another out when it is called again",)))
    f, elsewhere = read
    f = replace(f, unit=1.0 if alike else 0.0)
    real = richardson.derivative(f, point.v)
    if real.kinked.any():
        f = yield from _finer(point, direction, f, entries)
        real = richardson.derivative(f, point.v)
    slope = _slope(complex_step, real, point, known)
    if claims is None:
        return Settled(Outcome(None), slope, 0.0, alike)
    if not np.isfinite(slope.bound).all():
        return Settled(
            Outcome(None, notes=("the forward gives no finite numbers at points nearby",)), slope, 0.0, alike
        )

    noise = _noise(point, direction, claims, slope, elsewhere, alike)
    if alike:
        outcome = compare_entries(point, direction, claims, slope, None, noise)
        if outcome.ok is None:
            outcome = replace(
                outcome, notes=("every entry is so small that rounding hides it: saturate the layer less",)
            )
        return Settled(outcome, slope, noise, True)
    outcome = compare_projection(point, direction, claims, slope, noise)
    if slope.kinked is not None and not (outcome.ok and slope.complex):
        outcome = yield from _at_kinks(point, direction, claims, slope, noise)
    if outcome.ok is None and not outcome.notes:
        outcome = replace(outcome, notes=("the numerical derivative is too inaccurate to tell right from wrong",))
    return Settled(outcome, slope, noise)


@dataclass(frozen=True)
class _Plan:
    """What to ask for beside real differences: the backward, the complex step."""

    backward: bool
    complex: bool


@dataclass(frozen=True)
class _Elsewhere:
    """At a point that differs from x in the last place: the backward's gradients and the complex step's J u."""

    claims: list[Claim] | None
    ju: np.ndarray | None


def _requests(
    point: Point, direction: Direction, plan: _Plan, rng: np.random.Generator
) -> Iterator[Forward | Backward]:
    yield Forward(fresh(point.args))
    for _ in range(SHAKES):
        args, there = shaken(point.args, direction, rng)
        yield Forward(fresh(args))
        if plan.backward:
            yield Backward(fresh(args), fresh(point.dout))
        if plan.complex:
            yield Forward(moved_imaginary(args, there, COMPLEX_STEP))
    for step in richardson.STEPS:
        yield Forward(moved(point.args, direction, step))
        yield Forward(moved(point.args, direction, -step))


def _read(
    answers: list, point: Point, direction: Direction, plan: _Plan
) -> tuple[richardson.Differences, list[_Elsewhere]] | None:
    """The answers to `_requests`; None if f does not repeat itself."""
    size, rest = point.out.size, iter(answers)
    again = real_out(next(rest), size)
    if again is None or not _repeats(point, again):
        return None
    ripples, elsewhere = [again - point.out], []
    for _ in range(SHAKES):
        ripple = real_out(next(rest), size)
        if ripple is not None:
            ripples.append(ripple - point.out)
        claims = _own(claims_of(next(rest), point.args, point.leaves), point, direction) if plan.backward else None
        elsewhere.append(_Elsewhere(claims, imaginary_slope(next(rest), size) if plan.complex else None))
    sides = [real_out(next(rest), size) for _ in richardson.STEPS for _ in (0, 1)]
    f = richardson.Differences(
        point.out, richardson.STEPS, tuple(sides[0::2]), tuple(sides[1::2]), tuple(ripples), point.eps
    )
    return f, elsewhere


def _repeats(point: Point, again: np.ndarray) -> bool:
    """The same out, up to the rounding of another order of summation (threads of a BLAS may divide the work anew)."""
    return bool(
        np.max(np.abs(again - point.out), initial=0.0) <= 64 * point.eps * np.max(np.abs(point.out), initial=0.0)
    )


def _own(claims: list[Claim] | str, point: Point, direction: Direction) -> list[Claim] | None:
    """Of the claims for all leaves those for the direction's, if each is an array of the right shape."""
    if isinstance(claims, str):
        return None
    names = {leaf.name for leaf in direction.leaves}
    own = [c for c, leaf in zip(claims, point.leaves, strict=True) if leaf.name in names]
    return None if any(c.problem for c in own) else own


def _finer(point: Point, direction: Direction, f: richardson.Differences, entries: int) -> Generator[list, list, Any]:
    """The differences with finer steps added, to get between a kink and the point."""
    requests = (Forward(moved(point.args, direction, s)) for t in richardson.FINE_STEPS for s in (t, -t))
    sides = [real_out(answer, point.out.size) for answer in (yield from ask(requests, entries))]
    return replace(
        f,
        steps=f.steps + richardson.FINE_STEPS,
        plus=f.plus + tuple(sides[0::2]),
        minus=f.minus + tuple(sides[1::2]),
    )


def _slope(complex_step: np.ndarray | None, real: richardson.Derivative, point: Point, known: bool) -> Slope:
    """The complex step if the real differences confirm it, as a sum and at every kink, and are certain enough to do so;
    else the real differences."""
    if complex_step is not None:
        smooth = point.v * ~real.kinked
        error = abs(float(smooth @ complex_step) - real.total)
        between = (complex_step >= real.low - real.bound) & (complex_step <= real.high + real.bound)
        q = float(np.linalg.norm(smooth * complex_step))
        certain = known or real.total_bound <= CONFIRMED * q
        if certain and error <= real.total_bound + ROUNDINGS * q and between[real.kinked].all():
            return Slope(complex_step, 0.0, real, True)
    return Slope(real.value, real.bound, real, False)


def _noise(
    point: Point, direction: Direction, claims: Sequence[Claim], slope: Slope, elsewhere: list[_Elsewhere], alike: bool
) -> Any:
    """SHAKEN times the largest change of T (for each entry, where entries are compared) between points that differ in
    the last place."""
    changes = []
    for there in elsewhere:
        if there.claims is None or (slope.complex and there.ju is None):
            continue
        ju = there.ju if slope.complex else slope.ju
        if alike:
            change = point.v * (ju - slope.ju)
            for here, c, u in zip(claims, there.claims, direction.u, strict=True):
                change = change - ((c.value - here.value) * u).ravel()
            changes.append(np.abs(change))
        else:
            change = float(point.v @ (ju - slope.ju)) - (inner(there.claims, direction) - inner(claims, direction))
            changes.append(abs(change))
    if not changes or (slope.kinked is not None and not alike):
        return 0.0  # at a kink a derivative jumps: its changes say nothing about rounding
    if not alike:
        return SHAKEN * max(changes)
    noise = SHAKEN * np.max(changes, axis=0)
    return noise if slope.kinked is None else np.where(slope.kinked, 0.0, noise)


def _at_kinks(
    point: Point, direction: Direction, claims: Sequence[Claim], slope: Slope, noise: float
) -> Generator[list, list, Outcome]:
    """Compare where some outputs are at a kink: anything between the one-sided slopes is right.

    That alone would excuse other mistakes of the same size. So the backward is run once more with a dout that is 0 at
    those outputs: there is no kink in what remains, and it has to agree to the last digits.
    """
    outcome = compare_projection(point, direction, claims, slope, noise, at_kinks=True)
    if not outcome.ok:
        return outcome
    v = np.where(slope.kinked, 0.0, point.v)
    if not v.any():
        return replace(outcome, ok=None, notes=("every output is at a kink: move the inputs a little",))
    (answer,) = yield [Backward(fresh(point.args), like(point.dout, v))]
    rest = _own(claims_of(answer, point.args, point.leaves), point, direction)
    if rest is None:
        return replace(outcome, ok=False, notes=("the backward gives no gradients for a dout that is 0 at the kinks",))
    note = f"{int(slope.kinked.sum())} of {v.size} outputs are at a kink, where any slope in between is right"
    return replace(compare_projection(replace(point, v=v), direction, rest, slope, noise), notes=(note,))
