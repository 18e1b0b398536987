"""Look again, more closely, where everything at once does not tell; settle what is in doubt.

The same notation as in `compare`. Sans I/O: generators that yield requests and are sent answers.
"""

from __future__ import annotations

import math
from collections.abc import Generator, Iterator
from dataclasses import replace

import numpy as np

from autograder.vjp.answers import Claim, ask
from autograder.vjp.compare import ROUNDINGS, Outcome, Probe, Scales, quick, scales
from autograder.vjp.evidence import Settled, probe_requests, settle
from autograder.vjp.layer import Direction, Point, random_direction, unit_direction
from autograder.vjp.result import ArgumentCheck
from autograder.vjp.search import search

# An error of 1e-6 in an entry that is 1e-3 of the largest is to be seen in every gradient.
SMALLEST_ERROR = 1e-9

# Layers with at most this many entries are compared entry by entry too: an evaluation for each, less than 0.1 ms in
# all.
FEW = 16

# Directions that a gradient gets besides the first, where real differences decide and it is the only one.
ALONE = 2

NOT_LOCATED = "it was not located: locate is False"

# What `_steps` returns: the outcome, the verdict on each argument, notes, numerical gradients by position.
Found = tuple[Outcome, tuple[ArgumentCheck, ...], tuple[str, ...], dict[int, np.ndarray]]

# A direction along which a claim was not accepted, the claims for its leaves, and J u by the complex step.
Doubt = tuple[Direction, list[Claim], np.ndarray | None]


def settle_doubts(
    point: Point,
    whole: Direction,
    claims: list[Claim],
    doubts: list[Doubt],
    accepted: list[Outcome],
    alike: bool,
    notes: tuple[str, ...],
    locate: bool,
    rng: np.random.Generator,
) -> Generator[list, list, Found]:
    """Settle each direction along which the claim was not accepted; search where one is wrong.

    Where real differences alone decide, or nothing can be said, everything together is not enough: see `_by_parts`.

    accepted: what was found along the directions where it was. locate: whether to search.
    """
    readable = not any(c.problem for c in claims)
    queue, outcomes, faint, parts = iter(doubts), list(accepted), {}, False
    while (doubt := next(queue, None)) is not None:
        direction, own, complex_step = doubt
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
            del doubt, doubts, own, complex_step, queue  # large arrays
            return (yield from refuse(point, direction, claims, settled, notes, locate, rng))
        if direction is whole:
            if not alike and settled.slope is not None and (outcome.ok is None or not settled.slope.complex):
                queue, parts = _by_parts(point, claims, rng), True
        elif outcome.ok is None and parts and (direction.size == (1.0,) or len(point.leaves) == 1):
            continue  # known too inaccurately to accuse; all together have been judged
        elif outcome.ok is None and _drowned(point, direction, own, settled, claims):
            faint[f"d{direction.leaves[0].name} is 0 but for rounding"] = None
            continue
        del settled, doubt  # large arrays
        outcomes.append(outcome)
    notes = (*notes, *faint)
    outcome = next((o for o in outcomes if o.ok is None), outcomes[0])
    if outcome.ok is not None:
        return outcome, every(point, True), notes, {}
    return replace(outcome, ok=None if readable else False), unlocated(point, claims), notes, {}


def refuse(
    point: Point,
    direction: Direction,
    claims: list[Claim],
    settled: Settled,
    notes: tuple[str, ...],
    locate: bool,
    rng: np.random.Generator,
) -> Generator[list, list, Found]:
    """What is found of gradients that are wrong: where, if that is asked."""
    outcome = replace(settled.outcome, ok=False)
    if not locate:
        return outcome, unlocated(point, claims), (*notes, NOT_LOCATED), {}
    found = yield from search(point, direction, claims, settled, rng)
    return outcome, found.arguments, notes, found.numerical


def unlocated(point: Point, claims: list[Claim]) -> tuple[ArgumentCheck, ...]:
    """The arguments, where nothing is known of any but whose gradient cannot be read."""
    pairs = zip(point.leaves, claims, strict=True)
    return tuple(ArgumentCheck(leaf.name, leaf.argument, False if c.problem else None, c.problem) for leaf, c in pairs)


def _drowned(point: Point, direction: Direction, own: list[Claim], settled: Settled, claims: list[Claim]) -> bool:
    """Whether a gradient by itself is nothing but rounding, as that of a bias whose mean is subtracted afterwards: no
    digit of it is known, but it is less than SMALLEST_ERROR of all gradients."""
    if settled.slope is None or not math.isfinite(settled.outcome.tolerance):
        return False
    size = scales(point, direction, own, settled.slope.ju)
    largest = math.hypot(*(1.53 * claim.norm for claim in claims))
    drowned = settled.outcome.tolerance >= 1 or size.q <= size.out
    return drowned and max(1.0, settled.outcome.tolerance) * size.q <= SMALLEST_ERROR * largest


def _by_parts(point: Point, claims: list[Claim], rng: np.random.Generator) -> Iterator[Doubt]:
    """More directions, where the derivative is known by real differences only: every entry of a small layer, else every
    leaf by itself, one that is alone twice more.

    They are a hundred times coarser than the complex step. So a gradient that is small beside the others drowns sooner,
    and ⟨g, u⟩, which may be small by accident, hides a factor of 1 + 1e-9 once in 40 times: three times in a row, once
    in 60,000.
    """
    if sum(leaf.value.size for leaf in point.leaves) <= FEW:
        yield from ((direction, [claim], None) for direction, claim in _single_entries(point, claims))
        return
    for leaf, claim in zip(point.leaves, claims, strict=True):
        for _ in range(ALONE if len(point.leaves) == 1 else 1):
            yield random_direction(rng, [leaf]), [claim], None


def _single_entries(point: Point, claims: list[Claim]) -> list[tuple[Direction, Claim]]:
    return [
        (unit_direction(leaf, k), replace(claim, norm=abs(float(claim.value.flat[k]))))
        for leaf, claim in zip(point.leaves, claims, strict=True)
        for k in range(leaf.value.size)
    ]


def closer(
    point: Point, claims: list[Claim], whole: Direction, size: Scales, alike: bool
) -> Generator[list, list, list[Doubt]]:
    """Look again, more closely, where the projection of everything at once does not see an error of SMALLEST_ERROR.

    A leaf whose gradient is small beside the others' is projected by itself. In a small layer every entry is.

    Returns: the directions along which the claim is not accepted.
    """
    directions = _faint(point, claims, whole, size)
    if not alike and 1 < sum(leaf.value.size for leaf in point.leaves) <= FEW:
        directions = _single_entries(point, claims)
    if not directions:
        return []
    requests = (r for direction, _ in directions for r in probe_requests(point.args, direction, point.out.size))
    probes = yield from ask(requests, point.entries)
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


def every(point: Point, ok: bool | None) -> tuple[ArgumentCheck, ...]:
    return tuple([ArgumentCheck(leaf.name, leaf.argument, ok) for leaf in point.leaves])
