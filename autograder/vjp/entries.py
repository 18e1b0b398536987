"""Which entries of a gradient are wrong? Asked only once it is known to be wrong.

The same notation as in `compare`. Sans I/O: generators that yield requests and are sent answers.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass

import numpy as np

from autograder.vjp.compare import OUT_ROUNDINGS, ROUNDINGS, TIMES, Slope, entry_table
from autograder.vjp.evidence import Settled
from autograder.vjp.layer import Direction, Point, blocks, dot, norm, product_norm, unit_direction
from autograder.vjp.result import SHOWN, Entry
from autograder.vjp.suspects import BY_CENTRAL, BY_COMPLEX, BY_TWO_STEPS, REAL_ACCURACY, Suspect, slopes

# Gradients with at most this many entries are differentiated entry by entry, unless that takes evaluations of more
# than so many numbers.
SMALL = 256
EVERY = 1 << 24

# Of larger ones this many entries are looked at first: if half of all are wrong, these are all right once in 4,096.
SAMPLE = 12

# If fewer of these than this share are wrong, single wrong entries are hunted: at most so many, in at most so many
# rounds, a block being cut into so many.
FEW = 0.25
FOUND = 5
ROUNDS = 8
CUTS = 8

# At most so many wrong entries are listed.
LISTED = 32


@dataclass(frozen=True)
class Compared:
    """Entries of a gradient: their flat indices, numerical values, and whether the claimed ones are wrong."""

    at: np.ndarray
    values: np.ndarray
    wrong: np.ndarray


NOTHING = Compared(np.array([], dtype=int), np.array([]), np.array([], dtype=bool))


def compared_entries(
    point: Point, suspect: Suspect, direction: Direction, settled: Settled, related: bool, rng: np.random.Generator
) -> Generator[list, list, Compared]:
    """Every entry of an elementwise layer or a small leaf; of a large one a sample, and if that is mostly right, what
    a hunt finds.

    direction, settled: along which T was found wrong. related: whether it is known how the gradient would be right:
    then a few entries show it.
    """
    if settled.alike:
        return _place_by_place(point, suspect, direction, settled)
    size, steps = suspect.leaf.value.size, BY_COMPLEX if settled.slope.complex else BY_TWO_STEPS
    if size <= SMALL and size * point.entries <= EVERY:
        return (yield from _single(point, suspect, np.arange(size), steps))
    if suspect.claim.raw is None or suspect.claim.raw.shape != suspect.leaf.value.shape:
        return NOTHING
    if related:
        few = np.unique([0, *rng.integers(0, size, SHOWN - 1)])
        looked = yield from _single(point, suspect, few, BY_CENTRAL)
        if looked.wrong.any():
            return looked
    unreadable = np.flatnonzero(_unreadable(suspect))[:SAMPLE]
    first = range(min(size, SAMPLE // 3))
    few = np.unique([*first, *rng.integers(0, size, SAMPLE - SAMPLE // 3), *unreadable])
    looked = yield from _single(point, suspect, few, steps)
    if suspect.claim.value is None or looked.wrong.mean() >= FEW:
        return looked
    hunted = yield from _hunt(point, suspect, settled)
    return _together(looked, hunted)


def _place_by_place(point: Point, suspect: Suspect, direction: Direction, settled: Settled) -> Compared:
    """Where every output depends on its own place only, the numerical gradient is vₖ·(J u)ₖ / uₖ."""
    by_complex, noise = settled.slope.complex, suspect.noise
    if len(point.leaves) == 1:
        slope, along = settled.slope, direction
        if noise is None:  # nothing but what is far off is called wrong
            noise = TIMES * np.abs(point.v) * slope.real.bound
    else:
        slope, along = Slope(suspect.slopes[0], 0.0, None, by_complex), suspect.directions[0]
        if not by_complex:
            noise = noise + REAL_ACCURACY * float(np.max(np.abs(point.v * slope.ju), initial=0.0))
    values = point.v * slope.ju / along.u[0].ravel()
    everywhere = np.arange(values.size)
    if suspect.claim.value is None:
        return Compared(everywhere, values, _unreadable(suspect))
    parts = blocks(values.size)
    wrong = [entry_table(point, along, [suspect.claim], slope, noise, at).wrong for at in parts]
    return Compared(everywhere, values, np.concatenate(wrong))


def _together(a: Compared, b: Compared) -> Compared:
    at, first = np.unique(np.concatenate([a.at, b.at]), return_index=True)
    return Compared(at, np.concatenate([a.values, b.values])[first], np.concatenate([a.wrong, b.wrong])[first])


def _single(
    point: Point, suspect: Suspect, indices: np.ndarray, steps: tuple[float, ...]
) -> Generator[list, list, Compared]:
    """The numerical gradient at some flat indices, one entry at a time: ⟨v, J eₖ⟩."""
    directions = (unit_direction(suspect.leaf, k) for k in indices.tolist())
    projections = yield from slopes(point, directions, steps, _projected(point))
    values, sizes = np.array(projections).reshape(-1, 2).T
    if suspect.claim.value is None:
        return Compared(indices, values, _unreadable(suspect)[indices])
    rounding = OUT_ROUNDINGS * point.eps * product_norm(point.v, point.out)
    allowed = (REAL_ACCURACY if steps else ROUNDINGS) * 2 * sizes + rounding
    return Compared(indices, values, ~(np.abs(suspect.claim.value.ravel()[indices] - values) <= allowed))


def _projected(point: Point) -> Callable[[np.ndarray | None], tuple[float, float]]:
    """⟨v, J u⟩ and ‖v∘J u‖ instead of J u, many of which would fill the memory; nan and 0 where there is none."""
    return lambda ju: (np.nan, 0.0) if ju is None else (dot(point.v, ju), product_norm(point.v, ju))


def _unreadable(suspect: Suspect) -> np.ndarray:
    """The entries of a gradient of the right shape that are nan or infinite."""
    raw = suspect.claim.raw
    if raw is None or raw.shape != suspect.leaf.value.shape or raw.dtype.kind == "c":
        return np.zeros(suspect.leaf.value.size, dtype=bool)
    return ~np.isfinite(raw.ravel())


def _hunt(point: Point, suspect: Suspect, settled: Settled) -> Generator[list, list, Compared]:
    """Find single wrong entries in a large gradient that is otherwise right.

    In a block of entries, r = Σ eₖuₖ and s = Σ eₖuₖ·k, over its k, are T along u and along k·uₖ. If one entry is wrong,
    it is entry s / r, found by two evaluations. If it is not, the block is cut.
    """
    size, steps = suspect.leaf.value.size, BY_COMPLEX if settled.slope.complex else BY_TWO_STEPS
    accuracy, noise = REAL_ACCURACY if steps else ROUNDINGS, suspect.noise or 0.0
    u, claimed = suspect.directions[0].u[0].ravel(), suspect.claim.value.ravel()
    spans, found = [(0, size)], NOTHING
    for _ in range(ROUNDS):
        directions = (d for lo, hi in spans for d in _block_and_ramp(suspect, u, lo, hi))
        projections = yield from slopes(point, directions, steps, _projected(point))
        guesses, suspicious = set(), []
        for (lo, hi), (along, block), (ramp, _) in zip(spans, projections[0::2], projections[1::2], strict=True):
            r, s = _unexplained(u, claimed, found, lo, hi, along, ramp)
            q = 1.53 * norm(claimed[lo:hi]) + block
            if abs(r) > accuracy * q + noise:
                suspicious.append((lo, hi))
                if abs(s / r) <= 1:
                    guess = lo + round(s / r * (hi - lo))
                    guesses |= set(range(max(lo, guess - 1), min(hi, guess + 2)))
        if not suspicious or found.wrong.sum() >= FOUND:
            break
        looked = yield from _single(point, suspect, np.array(sorted(guesses), dtype=int), steps)
        found = _together(found, looked)
        spans = [
            (lo + (hi - lo) * i // CUTS, lo + (hi - lo) * (i + 1) // CUTS)
            for lo, hi in suspicious[: 2 * FOUND]
            for i in range(CUTS)
        ]
        spans = [(lo, hi) for lo, hi in spans if hi > lo]
    return found


def _block_and_ramp(suspect: Suspect, u: np.ndarray, lo: int, hi: int) -> Iterator[Direction]:
    for ramp in (1.0, np.arange(hi - lo) / (hi - lo)):
        block = np.zeros(u.size)
        block[lo:hi] = u[lo:hi] * ramp
        yield Direction((suspect.leaf,), (block.reshape(suspect.leaf.value.shape),), (1.53,))


def _unexplained(
    u: np.ndarray, claimed: np.ndarray, found: Compared, lo: int, hi: int, along: float, ramp: float
) -> tuple[float, float]:
    """r and s of a block (k counted from 0 to 1 within it), less what the entries found already explain; nan where the
    forward failed.

    along, ramp: ⟨v, J u⟩ along u and along k·uₖ.
    """
    weights = u[lo:hi] * claimed[lo:hi]
    r = float(np.sum(weights)) - along
    s = dot(weights, np.arange(hi - lo) / (hi - lo)) - ramp
    at, values = found.at[found.wrong], found.values[found.wrong]
    inside = (at >= lo) & (at < hi)
    errors = u[at[inside]] * (claimed[at[inside]] - values[inside])
    return r - float(errors.sum()), s - float(np.sum(errors * (at[inside] - lo))) / (hi - lo)


def listed(suspect: Suspect, compared: Compared) -> tuple[Entry, ...]:
    """The first entries that are wrong, in the order of the array."""
    raw, shape = suspect.claim.raw, suspect.leaf.value.shape
    if raw is None or raw.shape != shape or raw.dtype.kind == "c":
        return ()
    first = np.flatnonzero(compared.wrong)[:LISTED]
    at = compared.at[first]
    places = np.stack(np.unravel_index(at, shape), axis=-1) if shape else np.empty((at.size, 0), dtype=int)
    rows = zip(places.tolist(), raw.ravel()[at].tolist(), compared.values[first].tolist(), strict=True)
    return tuple(Entry(tuple(index), float(yours), numerical) for index, yours, numerical in rows)
