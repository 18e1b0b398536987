"""Accept a large elementwise layer without complex numbers at every entry.

numpy's complex exp and tanh take ten to twenty times as long as the real ones: in a large elementwise layer the complex
step is most of a check. There a central difference is right to 1e-8 of almost every entry, and finds what is off by
more. The complex step is left with the entries where it is not, those of a small derivative, and with a sample that
finds what is off everywhere by less.

The same notation as in `compare`. Sans I/O: a generator that yields requests and is sent answers.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import replace

import numpy as np

from autograder.vjp.answers import Claim, ask
from autograder.vjp.compare import (
    CENTRAL,
    CENTRAL_STEP,
    COMPLEX_STEP,
    OUT_ROUNDINGS,
    Outcome,
    Probe,
    Slope,
    compare_entries,
)
from autograder.vjp.evidence import imaginary_slope
from autograder.vjp.layer import EPS, Direction, Point, blocks, moved_imaginary
from autograder.vjp.result import Forward

# Layers of more entries are tried this way. In smaller ones it takes longer to choose entries than to take them all.
MANY = 1 << 16

# The entries of the sample. What is wrong in a thousandth of all entries escapes it once in 60.
SAMPLED = 4096

# If central differences are too coarse in more than this part of all entries, nothing is gained.
MOST = 1 / 2


def by_places(
    point: Point, direction: Direction, claims: Sequence[Claim], probe: Probe, rng: np.random.Generator
) -> Generator[list, list, Outcome | None]:
    """Compare every entry with the central difference, and some with the complex step, which the forward is asked for
    at these entries alone: arrays of shape (1, ..., 1, K).

    Returns: None where the claim is not accepted, or the forward works otherwise.
    """
    if probe.plus is None or probe.minus is None or point.eps > EPS or any(c.problem or c.eps > EPS for c in claims):
        return None
    coarse, worst = [], 0.0
    for at in blocks(point.out.size):
        expected = point.v[at] * (probe.plus[at] - probe.minus[at])
        expected /= 2 * CENTRAL_STEP
        difference = sum(c.value.ravel()[at] * u.ravel()[at] for c, u in zip(claims, direction.u, strict=True))
        difference -= expected
        allowed = CENTRAL * np.abs(expected, out=expected)
        right = np.abs(difference, out=difference) <= allowed
        # OUT_ROUNDINGS: four roundings of either side, and as much again for the doubt.
        rounding = np.maximum(np.abs(point.out[at]), 1.0)
        rounding *= np.abs(point.v[at])
        rounding *= OUT_ROUNDINGS / 2 * point.eps / CENTRAL_STEP
        known = rounding <= allowed
        if not (right | ~known).all():
            return None
        coarse.append(np.flatnonzero(~known) + at.start)
        largest = float(np.max(difference / expected, where=known, initial=0.0))
        worst = max(worst, largest)
    at = np.concatenate(coarse)
    if at.size > MOST * point.out.size:
        return None
    at = np.union1d(at, rng.integers(0, point.out.size, SAMPLED))
    outcome = yield from _at(point, direction, claims, probe, at)
    if outcome is None or not outcome.ok:
        return None
    method = f"central difference, entry by entry; complex step at {at.size} of {point.out.size} entries"
    return replace(outcome, method=method, discrepancy=worst, tolerance=CENTRAL, resolution=CENTRAL)


def _at(
    point: Point, direction: Direction, claims: Sequence[Claim], probe: Probe, at: np.ndarray
) -> Generator[list, list, Outcome | None]:
    """Compare the entries with these flat indices with the complex step."""

    def few(array: np.ndarray) -> np.ndarray:
        return array.ravel()[at].reshape((1,) * (array.ndim - 1) + (-1,))

    leaves = tuple(replace(leaf, value=few(leaf.value)) for leaf in point.leaves)
    there = replace(direction, leaves=leaves, u=tuple(few(u) for u in direction.u))
    request = Forward(moved_imaginary(point.args, there, COMPLEX_STEP))
    (slope,) = yield from ask([(request, lambda answer: imaginary_slope(answer, at.size))], at.size)
    if slope is None:
        return None
    part = replace(point, leaves=leaves, v=point.v[at], out=point.out[at], shape=leaves[0].value.shape)
    claimed = [replace(c, value=few(c.value)) for c in claims]
    seen = Probe(slope, probe.plus[at], probe.minus[at])
    return compare_entries(part, there, claimed, Slope(slope, 0.0, None, True), seen)
