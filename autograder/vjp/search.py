"""Where is a gradient wrong, and how would it be right? Asked only once it is known to be wrong.

The same notation as in `compare`. Sans I/O: generators that yield requests and are sent answers.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from autograder.vjp.answers import Claim
from autograder.vjp.compare import RESOLUTION, ROUNDINGS, Slope, entry_table, scales
from autograder.vjp.entries import compared_entries, listed
from autograder.vjp.evidence import FAR, Settled, noise_nearby
from autograder.vjp.layer import Direction, Point, blocks, dot, product_norm, random_direction
from autograder.vjp.relation import relation_of
from autograder.vjp.result import ArgumentCheck
from autograder.vjp.suspects import BY_COMPLEX, BY_TWO_STEPS, REAL_ACCURACY, Suspect, slopes

# What remains of J u when those of all other leaves are subtracted is used if it is at least this part of the whole:
# it has lost no more than 6 of the 52 bits.
REMAINS = 1 / 64


@dataclass(frozen=True)
class Searched:
    """The verdict on each leaf, and numerical gradients by position of the argument."""

    arguments: tuple[ArgumentCheck, ...]
    numerical: dict[int, np.ndarray]


def search(
    point: Point, direction: Direction, claims: Sequence[Claim], settled: Settled, rng: np.random.Generator
) -> Generator[list, list, Searched]:
    """Find the arguments whose gradients are wrong, their entries, and the relation to what would be right.

    direction, settled: along which T was found wrong, and what is known there. claims: one for each leaf.
    """
    by_complex = settled.slope.complex
    steps = BY_COMPLEX if by_complex else BY_TWO_STEPS
    suspects = yield from _suspects(point, direction, claims, settled, steps, rng)
    suspects, wrong = yield from _wrong(point, suspects, settled, rng)
    if not all(wrong):  # large arrays
        suspects = [s if bad else replace(s, slopes=()) for s, bad in zip(suspects, wrong, strict=True)]
    suspects = yield from _with_second_slopes(point, suspects, wrong, steps, rng)
    arguments, numerical = [], {}
    for suspect, is_wrong in zip(suspects, wrong, strict=True):
        leaf, claim = suspect.leaf, suspect.claim
        if not is_wrong:
            arguments.append(ArgumentCheck(leaf.name, leaf.argument, True))
            continue
        relation = relation_of(point, suspect, suspects, by_complex)
        compared = yield from compared_entries(point, suspect, direction, settled, bool(relation), rng)
        whole = compared.at.size == leaf.value.size
        if whole and not leaf.path:
            numerical[leaf.argument] = compared.values.reshape(leaf.value.shape)
        count = int(compared.wrong.sum()) if whole and claim.value is not None else None
        entries = listed(suspect, compared)
        arguments.append(ArgumentCheck(leaf.name, leaf.argument, False, claim.problem, entries, count, relation))
    return Searched(tuple(arguments), numerical)


def _suspects(
    point: Point,
    direction: Direction,
    claims: Sequence[Claim],
    settled: Settled,
    steps: tuple[float, ...],
    rng: np.random.Generator,
) -> Generator[list, list, list[Suspect]]:
    """Every leaf with J u along a direction of its own: where T was found wrong for all leaves together, its part of
    that direction. There the largest leaf needs no evaluation: its J u is what those of the others leave."""
    slope = settled.slope
    together = len(direction.leaves) == len(point.leaves) and direction.size != (1.0,)  # not that of a single entry
    if together:
        parts = zip(direction.leaves, direction.u, direction.size, strict=True)
        along = [Direction((leaf,), (u,), (size,)) for leaf, u, size in parts]
    else:
        along = [random_direction(rng, [leaf]) for leaf in point.leaves]
    found: list = [None] * len(along)
    missing = list(range(len(along)))
    if together and (slope.complex or len(along) == 1):
        largest = max(missing, key=lambda i: direction.size[i] * claims[i].norm)
        missing.remove(largest)
        others = yield from slopes(point, (along[i] for i in missing), steps)
        for i, ju in zip(missing, others, strict=True):
            found[i] = ju
        missing = [largest]
        if all(ju is not None for ju in others):
            remains = slope.ju.copy() if others else slope.ju
            for ju in others:
                remains -= ju
            if product_norm(point.v, remains) >= REMAINS * product_norm(point.v, slope.ju):
                found[largest], missing = remains, []
    measured = yield from slopes(point, (along[i] for i in missing), steps)
    for i, ju in zip(missing, measured, strict=True):
        found[i] = ju
    rows = zip(point.leaves, claims, along, found, strict=True)
    return [Suspect(leaf, claim, (own,), (ju,), settled.noise) for leaf, claim, own, ju in rows]


def _with_second_slopes(
    point: Point, suspects: list[Suspect], wrong: list[bool], steps: tuple[float, ...], rng: np.random.Generator
) -> Generator[list, list, list[Suspect]]:
    """What is wrong gets J u along one more direction, by which relations are told from coincidences."""
    drawn = [random_direction(rng, [s.leaf]) if bad else None for s, bad in zip(suspects, wrong, strict=True)]
    found = iter((yield from slopes(point, (u for u in drawn if u is not None), steps)))
    return [
        replace(s, directions=(*s.directions, u), slopes=(*s.slopes, next(found))) if u is not None else s
        for s, u in zip(suspects, drawn, strict=True)
    ]


def _wrong(
    point: Point, suspects: list[Suspect], settled: Settled, rng: np.random.Generator
) -> Generator[list, list, tuple[list[Suspect], list[bool]]]:
    """Which leaves are wrong, by T along a direction of their own.

    What rounding does to T need not be known of what is far off. Where it was not measured, it is measured now for
    every other leaf whose T is not so small that rounding is no question.
    """
    if len(suspects) == 1:
        return suspects, [True]
    judged, excesses = [], []
    for suspect in suspects:
        excess, far = _excess(point, suspect, settled)
        if suspect.noise is None and excess > 1 and not far:
            slope = Slope(suspect.slopes[0], 0.0, None, True)
            noise = yield from noise_nearby(
                point, suspect.directions[0], [suspect.claim], slope, settled.alike, rng, FAR
            )
            suspect = replace(suspect, noise=noise)
            excess, _ = _excess(point, suspect, settled)
        judged.append(suspect)
        excesses.append(excess)
    wrong = [not excess <= 1 for excess in excesses]
    if not any(wrong):  # the sum over all was wrong, so one of its parts is: the one that comes closest
        wrong[int(np.argmax(excesses))] = True
    return judged, wrong


def _excess(point: Point, suspect: Suspect, settled: Settled) -> tuple[float, bool]:
    """How many times its tolerance T is, inf for a gradient that cannot be read; and whether it is far off."""
    claim, ju, by_complex = suspect.claim, suspect.slopes[0], settled.slope.complex
    noise = 0.0 if suspect.noise is None else suspect.noise
    if claim.value is None:
        return np.inf, True
    if ju is None:
        return 0.0, False
    direction = suspect.directions[0]
    size = scales(point, direction, [claim], ju)
    real = 0.0 if by_complex else REAL_ACCURACY * size.q
    if not settled.alike:
        difference = abs(dot(point.v, ju) - dot(claim.value, direction.u[0]))
        allowed = size.strict + noise + real
        if settled.noise is None:
            # The gradient of a bias whose mean is subtracted afterwards is nothing but the rounding of the others, and
            # the noise of one that is computed from a rounded out does not always show.
            allowed += size.out + ROUNDINGS * product_norm(point.v, settled.slope.ju)
        return difference / allowed, difference > max(RESOLUTION * size.q, allowed)
    slope, worst = Slope(ju, 0.0, None, by_complex), 0.0
    for at in blocks(ju.size):
        table = entry_table(point, direction, [claim], slope, noise + real, at)
        error = np.abs(table.claimed - table.expected) / table.allowed
        if settled.slope.kinked is not None:
            error[settled.slope.kinked[at]] = 0.0
        worst = max(worst, float(np.max(error)))
    return worst, False
