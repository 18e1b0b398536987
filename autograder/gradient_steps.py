"""Check a backward pass without running it: a generator that asks for evaluations and is sent their results.

What is compared is explained in `gradient_compare`. Here is the order: a first round that suffices to accept what is
right, a closer look at what that round cannot see, all evidence for what it does not accept, a search where that is
wrong.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from autograder.gradient_answers import Claim, ask, claims_of, not_finite, numbers, precision, shapes, trouble
from autograder.gradient_compare import ROUNDINGS, Outcome, Probe, Scales, quick
from autograder.gradient_evidence import place_by_place, probe_requests, settle
from autograder.gradient_layer import (
    EPS,
    Direction,
    Point,
    differentiable,
    fresh,
    like,
    random_direction,
    signs_and_sizes,
    unit_direction,
    with_values,
)
from autograder.gradient_result import ArgumentCheck, Backward, Forward, VJPCheck
from autograder.gradient_search import search

# An error of 1e-6 in an entry that is 1e-3 of the largest is to be seen in every gradient.
SMALLEST_ERROR = 1e-9

# Random numbers of our own: arguments drawn from `default_rng(seed)` must not be those of dout.
STREAM = 1_911_191_191

# Layers with at most this many entries are compared entry by entry too: an evaluation for each, less than 0.1 ms in
# all.
FEW = 16


def vjp_steps(
    args: tuple,
    dout: Any = None,
    *,
    seed: int = 0,
    elementwise: bool = False,
    names: Sequence[str] | None = None,
    out_shape: tuple[int, ...] | None = None,
) -> Generator[list[Forward | Backward], list[Any], VJPCheck]:
    """Check a backward pass as `check_vjp` does, wherever it runs.

    Yields batches, lists of `Forward` and `Backward` requests, and is sent a list of answers of the same length: what
    the request's function returned (for a `Forward` its out alone, not the cache), or `Failed`. Answers are not
    trusted: whatever they are, they lead to a verdict. The arrays of a request belong to whoever answers it.
    Two rounds accept a right layer, one if dout can be drawn before out is known.

    Args:
        args: the arguments of the forward, nested tuples of arrays and scalars. What holds no floats is passed on as it
        is. dout: the upstream gradient, of out's structure; None to draw it.
        seed: of the random directions, and of dout.
        elementwise: True for a layer that is meant to work entry by entry: a note says so if its forward does not.
        names: names for the arguments, in order.
        out_shape: the shape of out, if it is known: it saves a round.

    Returns: the verdict (as the value of the generator's StopIteration).
    """
    rng = np.random.default_rng(STREAM + seed)
    steps = _steps(tuple(args), dout, rng, elementwise, names or (), out_shape)
    evaluations, answers = 0, None
    while True:
        try:
            with np.errstate(all="ignore"):  # left before the yield: whoever evaluates keeps a state of their own
                batch = steps.send(answers)
        except StopIteration as stop:
            outcome, arguments, notes, numerical = stop.value
            return VJPCheck(
                outcome.ok,
                outcome.method,
                outcome.discrepancy,
                outcome.tolerance,
                outcome.resolution,
                arguments,
                (*notes, *outcome.notes),
                evaluations,
                numerical,
            )
        evaluations += len(batch)
        answers = yield batch


def _steps(
    args: tuple, dout: Any, rng: np.random.Generator, elementwise: bool, names: Sequence[str], out_shape: Any
) -> Generator[list, list, Found]:
    names = [str(name) for name in names][: len(args)]
    leaves, notes = differentiable(args, names + [f"arg{i}" for i in range(len(names), len(args))])
    if not leaves:
        return _no_figures(None, notes, "there is nothing to differentiate: no argument holds floats")
    for leaf in leaves:
        if not math.isfinite(leaf.norm):
            return _no_figures(None, notes, not_finite(leaf.name, leaf.value))

    if notes:  # something is not float64: the leaves are
        args = with_values(args, leaves, [leaf.value for leaf in leaves])
    here, out, problem = fresh(args), None, ""
    if dout is not None:
        problem = trouble("dout", dout)
    elif out_shape is not None:
        dout = signs_and_sizes(rng, math.prod(out_shape)).reshape(out_shape)
    else:
        (out,) = yield [Forward(here)]
        problem = trouble("out", out)
        dout = None if problem else like(out, signs_and_sizes(rng, numbers(out).size))
    if problem:
        return _no_figures(None, notes, problem)

    whole = random_direction(rng, leaves)
    requests = _first_round(args, here, dout, whole, out is None)
    del here
    first = yield from ask(requests, sum(u.size for u in whole.u))
    if out is None:
        out, *first = first
        problem = trouble("out", out)
        if not problem and shapes(out) != shapes(dout):
            problem = f"out has shape {_listed(shapes(out))}, dout has shape {_listed(shapes(dout))}"
    if problem:
        return _no_figures(None, notes, problem)
    claims = claims_of(first[0], args, leaves)
    if isinstance(claims, str):
        return _no_figures(False, notes, claims)
    shape = None if isinstance(out, tuple | list) else np.shape(out)
    point = Point(args, leaves, dout, numbers(dout), numbers(out), precision(out), shape)
    notes += [f"d{leaf.name} holds {c.raw.dtype}" for leaf, c in zip(leaves, claims, strict=True) if _unusual(c)]
    if point.eps > EPS:
        notes.append("out is not float64, and differences keep few of its digits")
    probe = Probe(*first[1:])
    del first
    return (yield from _decide(point, whole, claims, probe, elementwise, tuple(notes), rng))


def _first_round(
    args: tuple, here: tuple, dout: Any, whole: Direction, forward: bool
) -> Iterator[tuple[Forward | Backward, Callable]]:
    """All that is needed to accept. Forward and Backward at the very same arguments: one evaluation can serve both."""

    def unread(answer: Any) -> Any:
        return answer

    if forward:
        yield Forward(here), unread
    yield Backward(here, fresh(dout)), unread
    yield from probe_requests(args, whole, numbers(dout).size)


# What `_steps` returns: the outcome, the verdict on each argument, notes, numerical gradients by position.
Found = tuple[Outcome, tuple[ArgumentCheck, ...], tuple[str, ...], dict[int, np.ndarray]]

# A direction along which a claim was not accepted, the claims for its leaves, and J u by the complex step.
Doubt = tuple[Direction, list[Claim], np.ndarray | None]


def _decide(
    point: Point,
    whole: Direction,
    claims: list[Claim],
    probe: Probe,
    elementwise: bool,
    notes: tuple[str, ...],
    rng: np.random.Generator,
) -> Generator[list, list, Found]:
    alike = all(leaf.value.shape == point.shape for leaf in point.leaves)
    readable = not any(c.problem for c in claims)
    first = quick(point, whole, claims, probe, alike) if readable else None
    if alike and (first is None or first.entries_differ):
        alike = yield from place_by_place(point, whole, rng)
        if elementwise and not alike:
            notes = (*notes, "the forward is not elementwise: an entry of out depends on several places")
    doubts = [(whole, claims, probe.complex_step)]
    if first is not None and not (first.entries_differ and alike):
        doubts = yield from _closer(point, claims, whole, first.size, alike)
        if not doubts:
            return first.outcome, _every(point, True), notes, {}
    del first, probe
    return (yield from _settle_doubts(point, whole, claims, doubts, alike, notes, rng))


def _settle_doubts(
    point: Point,
    whole: Direction,
    claims: list[Claim],
    doubts: list[Doubt],
    alike: bool,
    notes: tuple[str, ...],
    rng: np.random.Generator,
) -> Generator[list, list, Found]:
    """Settle each direction along which the claim was not accepted; search where one is wrong."""
    readable = not any(c.problem for c in claims)
    for direction, own, complex_step in doubts:
        settled = yield from settle(
            point,
            direction,
            own if readable else None,
            complex_step,
            alike and direction is whole,
            rng,
            known=direction is not whole,
        )
        outcome = settled.outcome
        if outcome.ok is False or (not readable and settled.slope is not None):
            found = yield from search(point, direction, claims, settled, rng)
            return replace(outcome, ok=False), found.arguments, notes, found.numerical
        if outcome.ok is None:
            ok = None if readable else False
            checks = tuple(
                ArgumentCheck(leaf.name, leaf.argument, False if c.problem else None, c.problem)
                for leaf, c in zip(point.leaves, claims, strict=True)
            )
            return replace(outcome, ok=ok), checks, notes, {}
    return outcome, _every(point, True), notes, {}


def _closer(
    point: Point, claims: list[Claim], whole: Direction, size: Scales, alike: bool
) -> Generator[list, list, list[Doubt]]:
    """Look again, more closely, where the projection of everything at once does not see an error of SMALLEST_ERROR.

    A leaf whose gradient is small beside the others' is projected by itself. In a small layer every entry is.

    Returns: the directions along which the claim is not accepted.
    """
    directions = _faint(point, claims, whole, size)
    if not alike and 1 < sum(leaf.value.size for leaf in point.leaves) <= FEW:
        directions = [
            (unit_direction(leaf, k), replace(claim, norm=abs(float(claim.value.flat[k]))))
            for leaf, claim in zip(point.leaves, claims, strict=True)
            for k in range(leaf.value.size)
        ]
    if not directions:
        return []
    requests = (r for direction, _ in directions for r in probe_requests(point.args, direction, point.out.size))
    probes = yield from ask(requests, max(leaf.value.size for leaf in point.leaves))
    doubts = []
    for i, (direction, claim) in enumerate(directions):
        seen = Probe(*probes[3 * i : 3 * i + 3])
        if quick(point, direction, [claim], seen, False, known=True) is None:
            doubts.append((direction, [claim], seen.complex_step))
    return doubts


def _faint(point: Point, claims: list[Claim], whole: Direction, size: Scales) -> list[tuple[Direction, Claim]]:
    """The leaves in whose gradients an error of SMALLEST_ERROR of the largest entry drowns in the rounding of all, but
    would not in their own."""
    found = []
    for leaf, claim, u, s, norm in zip(point.leaves, claims, whole.u, whole.size, size.norms, strict=True):
        # The root mean square, which is at hand, is not above the largest entry.
        if 2 * ROUNDINGS * norm >= size.strict / 8 or size.strict**2 * leaf.value.size <= (SMALLEST_ERROR * norm) ** 2:
            continue
        if size.strict > SMALLEST_ERROR * s * float(np.max(np.abs(claim.value), initial=0.0)):
            found.append((Direction((leaf,), (u,), (s,)), claim))
    return found


def _every(point: Point, ok: bool | None) -> tuple[ArgumentCheck, ...]:
    return tuple([ArgumentCheck(leaf.name, leaf.argument, ok) for leaf in point.leaves])


def _no_figures(ok: bool | None, notes: list[str], why: str) -> Found:
    return Outcome(ok, notes=(why,)), (), tuple(notes), {}


def _unusual(claim: Claim) -> bool:
    return claim.raw is not None and claim.raw.dtype != np.float64


def _listed(several: list) -> str:
    return str(several[0]) if len(several) == 1 else str(several)
