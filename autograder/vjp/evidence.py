"""Gather all evidence about the derivative along one direction, for claims that the quick comparison does not accept.

The same notation as in `compare`. Sans I/O: generators that yield requests and are sent answers.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from autograder.vjp import richardson
from autograder.vjp.answers import Claim, ask, claims_of, finite_numbers
from autograder.vjp.compare import (
    CENTRAL_STEP,
    COMPLEX_STEP,
    ROUNDINGS,
    Outcome,
    Slope,
    compare_entries,
    compare_projection,
    inner,
)
from autograder.vjp.layer import Direction, Point, dot, fresh, like, moved, moved_imaginary, product_norm, shaken
from autograder.vjp.result import Backward, Forward

# T is measured at three more points nearby. If g is right, T is nothing but rounding there as well, and it exceeds 16
# times the largest change seen once in 25,000 times (one normal variable against the largest of three, times 16). If g
# is wrong, T changes as little as the point does.
SHAKES = 3
SHAKEN = 16

# How far the other points are, relative to the entries of x: far enough to round anew what is nearly flat, such as
# s(1-s).
FAR = 2.0**-20

# How certain real differences must be to confirm the complex step: code that is unsafe for complex numbers is off by
# more.
CONFIRMED = 1e-3

# A step long enough to show any dependence: in a softmax that is nearly one-hot, short ones change nothing elsewhere.
MOVED = 0.25

# Each dependence escapes one half with probability 1/2 (if both places move, or neither), and so many with 1/16.
HALVES = 4


@dataclass(frozen=True)
class Settled:
    """An outcome, and what the search for the mistake can build on.

    slope: J u, or None where the forward could not be relied on.
    noise: what rounding does to T; for every output where entries are compared; None if that was not measured.
    alike: whether every output depends on the entries at its own place only.
    """

    outcome: Outcome
    slope: Slope | None = None
    noise: Any = 0.0
    alike: bool = False


@dataclass(frozen=True)
class Evidence:
    """What `settle` is asked about, by its names."""

    point: Point
    direction: Direction
    claims: Sequence[Claim] | None
    complex_step: np.ndarray | None
    alike: bool
    known: bool


def probe_requests(args: tuple, direction: Direction, size: int) -> Iterator[tuple[Forward, Callable]]:
    """Three evaluations: the complex step, and the two sides of a central difference; size is that of out."""
    yield complex_request(args, direction, size)
    yield from central_requests(args, direction, size)


def complex_request(args: tuple, direction: Direction, size: int) -> tuple[Forward, Callable]:
    return Forward(moved_imaginary(args, direction, COMPLEX_STEP)), lambda answer: imaginary_slope(answer, size)


def central_requests(args: tuple, direction: Direction, size: int) -> Iterator[tuple[Forward, Callable]]:
    for step in (CENTRAL_STEP, -CENTRAL_STEP):
        yield Forward(moved(args, direction, step)), lambda answer: real_out(answer, size)


def imaginary_slope(answer: Any, size: int) -> np.ndarray | None:
    """J u = Im f(x + ihu) / h, if the answer is complex and finite."""
    flat = finite_numbers(answer, size)
    return None if flat is None or flat.dtype.kind != "c" else flat.imag / COMPLEX_STEP


def real_out(answer: Any, size: int) -> np.ndarray | None:
    flat = finite_numbers(answer, size)
    return None if flat is None or flat.dtype.kind == "c" else flat


def place_by_place(point: Point, direction: Direction, rng: np.random.Generator) -> Generator[list, list, bool]:
    """Whether every output depends on the entries at its own place only: random halves of the places are moved, and the
    outputs at the others must stay where they are, up to rounding."""
    for step in (MOVED, CENTRAL_STEP):
        halves = [rng.random(direction.u[0].shape) < 0.5 for _ in range(HALVES)]
        requests = []
        for moves in halves:
            half = replace(direction, u=tuple(np.where(moves, u, 0.0) for u in direction.u))
            requests.append(Forward(moved(point.args, half, step)))
        answers = yield requests
        outs = [real_out(answer, point.out.size) for answer in answers]
        if all(out is not None for out in outs):
            allowed = 4 * point.eps * np.abs(point.out)
            checks = zip(outs, halves, strict=True)
            return all((np.abs(out - point.out) <= allowed)[~moves.ravel()].all() for out, moves in checks)
    return False


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
    evidence = Evidence(point, direction, claims, complex_step, alike, known)
    settled = yield from _settle(evidence, richardson.STEPS, rng)
    if claims is not None and settled.slope is not None and not settled.slope.complex and not settled.outcome.ok:
        # Many kinks, or one of |x|^1.5, can look smooth to the usual steps: nobody is accused by those alone.
        del settled
        settled = yield from _settle(evidence, richardson.STEPS + richardson.FINE_STEPS, rng)
    return settled


def _settle(e: Evidence, steps: tuple[float, ...], rng: np.random.Generator) -> Generator[list, list, Settled]:
    point, direction, claims, alike = e.point, e.direction, e.claims, e.alike
    f = yield from _differences(point, direction, 1.0 if alike else 0.0, steps, rng)
    if f is None:
        return Settled(Outcome(None, notes=("the forward gives another out when it is called again",)))
    real = richardson.derivative(f, point.v)
    if real.kinked.any() and steps == richardson.STEPS:  # finer steps may get between a kink and the point
        f = yield from _finer(point, direction, f)
        real = richardson.derivative(f, point.v)
    del f
    slope = slope_of(e.complex_step, real, point, e.known)
    if claims is None:
        return Settled(Outcome(None), slope, 0.0, alike)
    if not np.isfinite(slope.bound).all():
        return Settled(Outcome(None, notes=("the forward gives no finite numbers nearby",)), slope, 0.0, alike)
    # Where the complex step gives T at other points, T is noise and nothing else if g is right, however far away they
    # are; if not, ⟨g, u⟩ itself must not have changed.
    noise = yield from noise_nearby(point, direction, claims, slope, alike, rng, FAR if slope.complex else 0.0)
    compare = compare_entries if alike else compare_projection
    outcome = compare(point, direction, claims, slope, noise=noise)
    if outcome.ok and slope.complex and compare(point, direction, claims, slope, noise=0.0).ok is False:
        # It is noise that excuses T. But a mistake that jumps from place to place looks like noise from afar.
        near = yield from noise_nearby(point, direction, claims, slope, alike, rng, 0.0)
        if compare(point, direction, claims, slope, noise=near).ok is False:
            outcome = replace(outcome, ok=None, notes=("the gradients are not right, or change abruptly nearby",))
    if alike:
        why = "the numerical derivative is too inaccurate at some entries: they are saturated, or near a singularity"
    else:
        if slope.kinked is not None and not (outcome.ok and slope.complex):
            outcome = yield from _at_kinks(point, direction, claims, slope, noise)
        why = "the numerical derivative is too inaccurate to tell right from wrong"
    if outcome.ok is None and not outcome.notes:
        outcome = replace(outcome, notes=(why,))
    return Settled(outcome, slope, noise, alike)


def same_out(point: Point, again: np.ndarray) -> bool:
    """The same out, up to the rounding of another order of summation (threads of a BLAS may divide the work anew)."""
    largest = float(np.max(np.abs(point.out), initial=0.0))
    return float(np.max(np.abs(again - point.out), initial=0.0)) <= 64 * point.eps * largest


def _differences(
    point: Point, direction: Direction, unit: float, steps: tuple[float, ...], rng: np.random.Generator
) -> Generator[list, list, richardson.Differences | None]:
    """f at x ± step·u for all steps, and what it does at x again and where x differs in the last place.

    Returns: None if f does not repeat itself at x.
    """
    size, repeats, ripple, sums = point.out.size, [], np.zeros(point.out.size), [0.0]

    def read_again(answer: Any) -> None:
        again = real_out(answer, size)
        repeats.append(again is not None and same_out(point, again))
        read_ripple(answer)

    def read_ripple(answer: Any) -> None:
        out = real_out(answer, size)
        if out is not None:
            change = out - point.out
            sums.append(abs(dot(point.v, change)))
            np.maximum(ripple, np.abs(change, out=change), out=ripple)

    def requests() -> Iterator[tuple[Forward, Callable]]:
        yield Forward(fresh(point.args)), read_again
        for _ in range(SHAKES):
            yield Forward(shaken(point.args, direction, rng)[0]), read_ripple
        yield from _sides(point, direction, steps)

    sides = (yield from ask(requests(), point.entries))[1 + SHAKES :]
    if not all(repeats):
        return None
    plus, minus = tuple(sides[0::2]), tuple(sides[1::2])
    return richardson.Differences(point.out, steps, plus, minus, ripple, max(sums), point.eps, unit)


def _finer(
    point: Point, direction: Direction, f: richardson.Differences
) -> Generator[list, list, richardson.Differences]:
    """The differences with finer steps added."""
    sides = yield from ask(_sides(point, direction, richardson.FINE_STEPS), point.entries)
    steps = f.steps + richardson.FINE_STEPS
    return replace(f, steps=steps, plus=f.plus + tuple(sides[0::2]), minus=f.minus + tuple(sides[1::2]))


def _sides(point: Point, direction: Direction, steps: tuple[float, ...]) -> Iterator[tuple[Forward, Callable]]:
    for step in steps:
        for signed in (step, -step):
            yield Forward(moved(point.args, direction, signed)), lambda answer: real_out(answer, point.out.size)


def own_claims(claims: list[Claim] | str, point: Point, direction: Direction) -> list[Claim] | None:
    """Of the claims for all leaves those for the direction's, if each is an array of the right shape."""
    if isinstance(claims, str):
        return None
    names = {leaf.name for leaf in direction.leaves}
    own = [c for c, leaf in zip(claims, point.leaves, strict=True) if leaf.name in names]
    return None if any(c.problem for c in own) else own


def slope_of(complex_step: np.ndarray | None, real: richardson.Derivative, point: Point, known: bool) -> Slope:
    """The complex step if the real differences confirm it, as a sum and at every kink, and are certain enough to do so;
    else the real differences."""
    if complex_step is not None:
        smooth = point.v * ~real.kinked
        error = abs(dot(smooth, complex_step) - real.total)
        q = product_norm(smooth, complex_step)
        k = real.kinked
        between = (complex_step[k] >= (real.low - real.bound)[k]) & (complex_step[k] <= (real.high + real.bound)[k])
        certain = known or real.total_bound <= CONFIRMED * q
        if certain and error <= real.total_bound + ROUNDINGS * q and between.all():
            return Slope(complex_step, 0.0, real, True)
    return Slope(real.value, real.bound, real, False)


def noise_nearby(
    point: Point,
    direction: Direction,
    claims: Sequence[Claim],
    slope: Slope,
    alike: bool,
    rng: np.random.Generator,
    by: float,
) -> Generator[list, list, Any]:
    """SHAKEN times the largest change of T (for each entry, where entries are compared) between x and points nearby, as
    far away as `shaken` does by `by`."""
    if slope.kinked is not None and not alike:
        return 0.0  # at a kink the derivative jumps: that says nothing about rounding
    noise: Any = 0.0
    pending: Any = None

    def read_backward(answer: Any) -> None:
        """How much less ⟨g, u⟩ is there, entry by entry where alike."""
        nonlocal pending
        pending = None
        there = own_claims(claims_of(answer, point.args, point.leaves), point, direction)
        if there is not None and alike:
            parts = zip(claims, there, direction.u, strict=True)
            pending = sum(((here.value - c.value) * u).ravel() for here, c, u in parts)
        elif there is not None:
            pending = inner(claims, direction) - inner(there, direction)
        if not slope.complex:
            add(pending)

    def read_complex(answer: Any) -> None:
        ju = imaginary_slope(answer, point.out.size)
        if ju is not None and pending is not None:
            add(pending + (point.v * (ju - slope.ju) if alike else dot(point.v, ju - slope.ju)))

    def add(change: Any) -> None:
        nonlocal noise
        noise = noise if change is None else np.maximum(noise, np.abs(change))

    def requests() -> Iterator[tuple[Forward | Backward, Callable]]:
        for _ in range(SHAKES):
            args, there = shaken(point.args, direction, rng, by)
            yield Backward(args, fresh(point.dout)), read_backward
            if slope.complex:
                yield Forward(moved_imaginary(args, there, COMPLEX_STEP)), read_complex

    yield from ask(requests(), 2 * point.entries)
    if slope.kinked is not None:
        noise = np.where(slope.kinked, 0.0, noise)
    return SHAKEN * noise


def _at_kinks(
    point: Point, direction: Direction, claims: Sequence[Claim], slope: Slope, noise: float
) -> Generator[list, list, Outcome]:
    """Compare where some outputs are at a kink: anything between the one-sided slopes is right.

    That alone would excuse other mistakes of the same size. So the backward is run once more with a dout that is 0 at
    those outputs: there is no kink in what remains, and it has to agree to the last digits.
    """
    outcome = compare_projection(point, direction, claims, slope, noise, at_kinks=True)
    v = np.where(slope.kinked, 0.0, point.v)
    if outcome.ok is not False and not v.any():
        return replace(outcome, ok=None, notes=("every output is at a kink: move the inputs a little",))
    if not outcome.ok:
        return outcome
    (answer,) = yield [Backward(fresh(point.args), like(point.dout, v))]
    rest = own_claims(claims_of(answer, point.args, point.leaves), point, direction)
    if rest is None:
        return replace(outcome, ok=False, notes=("the backward gives no gradients for a dout that is 0 at the kinks",))
    note = f"{int(slope.kinked.sum())} of {v.size} outputs are at a kink, where any slope in between is right"
    return replace(compare_projection(replace(point, v=v), direction, rest, slope, noise), notes=(note,))
