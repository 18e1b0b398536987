"""Where is a gradient wrong, and how would it be right? Asked only once it is known to be wrong.

The same notation as in `compare`. Sans I/O: generators that yield requests and are sent answers.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from autograder.vjp import richardson
from autograder.vjp.answers import Claim, ask
from autograder.vjp.compare import COMPLEX_STEP, OUT_ROUNDINGS, ROUNDINGS, Slope, entry_table, scales
from autograder.vjp.evidence import Settled, imaginary_slope, real_out
from autograder.vjp.layer import (
    Direction,
    Leaf,
    Point,
    blocks,
    dot,
    moved,
    moved_imaginary,
    norm,
    product_norm,
    random_direction,
    unit_direction,
)
from autograder.vjp.result import ArgumentCheck, Entry, Forward

# Gradients with at most this many entries are differentiated entry by entry.
SMALL = 256

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

# Real differences here serve to show numbers and to recognise mistakes, not to judge: two steps, one extrapolation.
REAL_STEPS = richardson.STEPS[1:3]
REAL_ACCURACY = 1e-6

# How well a relation must fit, in Q: far above rounding, and hit by accident once in 1e9.
FIT = 1e-9


@dataclass(frozen=True)
class Searched:
    """The verdict on each leaf, and numerical gradients by position of the argument."""

    arguments: tuple[ArgumentCheck, ...]
    numerical: dict[int, np.ndarray]


@dataclass(frozen=True)
class _Suspect:
    """A leaf with what was claimed for it, and J u along two directions of its own (None where the forward failed).

    seeds: of the directions. They are drawn again where they are needed: kept, they would be two more copies.
    """

    leaf: Leaf
    claim: Claim
    seeds: tuple[int, int]
    slopes: tuple[np.ndarray | None, np.ndarray | None]

    def direction(self, i: int) -> Direction:
        return random_direction(np.random.default_rng(self.seeds[i]), [self.leaf])


@dataclass(frozen=True)
class _Compared:
    """Entries of a gradient: their flat indices, numerical values, and whether the claimed ones are wrong."""

    at: np.ndarray
    values: np.ndarray
    wrong: np.ndarray


def search(
    point: Point, direction: Direction, claims: Sequence[Claim], settled: Settled, rng: np.random.Generator
) -> Generator[list, list, Searched]:
    """Find the arguments whose gradients are wrong, their entries, and the relation to what would be right.

    direction, settled: along which T was found wrong, and what is known there. claims: one for each leaf.
    """
    by_complex = settled.slope.complex
    drawn = rng.integers(2**62, size=(len(point.leaves), 2)).tolist()
    directions = (
        random_direction(np.random.default_rng(seed), [leaf])
        for leaf, seeds in zip(point.leaves, drawn, strict=True)
        for seed in seeds
    )
    slopes = yield from _slopes(point, directions, by_complex)
    suspects = [
        _Suspect(leaf, claim, tuple(seeds), (slopes[2 * i], slopes[2 * i + 1]))
        for i, (leaf, claim, seeds) in enumerate(zip(point.leaves, claims, drawn, strict=True))
    ]
    arguments, numerical = [], {}
    for suspect, is_wrong in zip(suspects, _wrong(point, suspects, settled), strict=True):
        leaf, claim = suspect.leaf, suspect.claim
        if not is_wrong:
            arguments.append(ArgumentCheck(leaf.name, leaf.argument, True))
            continue
        if settled.alike:
            compared = _place_by_place(point, suspect, direction, settled)
        else:
            compared = yield from _entry_by_entry(point, suspect, settled, rng)
        whole = compared.at.size == leaf.value.size
        if whole and not leaf.path:
            numerical[leaf.argument] = compared.values.reshape(leaf.value.shape)
        count = int(compared.wrong.sum()) if whole and claim.value is not None else None
        relation = _relation(point, suspect, suspects, by_complex)
        entries = _entries(suspect, compared)
        arguments.append(ArgumentCheck(leaf.name, leaf.argument, False, claim.problem, entries, count, relation))
    return Searched(tuple(arguments), numerical)


def _slopes(
    point: Point,
    directions: Iterable[Direction],
    by_complex: bool,
    keep: Callable[[np.ndarray | None], Any] = lambda ju: ju,
) -> Generator[list, list, list]:
    """For each direction what `keep` makes of J u."""
    found, outs = [], []

    def read_complex(answer: Any) -> None:
        found.append(keep(imaginary_slope(answer, point.out.size)))

    def read_real(answer: Any) -> None:
        outs.append(real_out(answer, point.out.size))
        if len(outs) == 2 * len(REAL_STEPS):
            found.append(keep(_extrapolated(outs)))
            outs.clear()

    def requests() -> Iterator[tuple[Forward, Callable]]:
        for direction in directions:
            if by_complex:
                yield Forward(moved_imaginary(point.args, direction, COMPLEX_STEP)), read_complex
                continue
            for step in (signed for size in REAL_STEPS for signed in (size, -size)):
                yield Forward(moved(point.args, direction, step)), read_real

    yield from ask(requests(), point.entries)
    return found


def _extrapolated(outs: Sequence[np.ndarray | None]) -> np.ndarray | None:
    if any(out is None for out in outs):
        return None
    coarse, fine = ((outs[2 * i] - outs[2 * i + 1]) / (2 * s) for i, s in enumerate(REAL_STEPS))
    return fine + (fine - coarse) / ((REAL_STEPS[0] / REAL_STEPS[1]) ** 2 - 1)


# --- which argument ---


def _wrong(point: Point, suspects: Sequence[_Suspect], settled: Settled) -> list[bool]:
    """Which leaves are wrong, by T along a direction of their own."""
    excess = [_excess(point, suspect, settled) for suspect in suspects]
    wrong = [not e <= 1 for e in excess]
    if not any(wrong):  # the sum over all was wrong, so one of its parts is: the one that comes closest
        wrong[int(np.argmax(excess))] = True
    return wrong


def _excess(point: Point, suspect: _Suspect, settled: Settled) -> float:
    """How many times its tolerance T is; inf for a gradient that cannot be read."""
    claim, ju, by_complex = suspect.claim, suspect.slopes[0], settled.slope.complex
    if claim.value is None:
        return np.inf
    if ju is None:
        return 0.0
    direction = suspect.direction(0)
    size = scales(point, direction, [claim], ju)
    real = 0.0 if by_complex else REAL_ACCURACY * size.q
    if not settled.alike:
        difference = abs(dot(point.v, ju) - dot(claim.value, direction.u[0]))
        return difference / (size.strict + settled.noise + real)
    slope, worst = Slope(ju, 0.0, None, by_complex), 0.0
    for at in blocks(ju.size):
        table = entry_table(point, direction, [claim], slope, settled.noise + real, at)
        error = np.abs(table.claimed - table.expected) / table.allowed
        if settled.slope.kinked is not None:
            error[settled.slope.kinked[at]] = 0.0
        worst = max(worst, float(np.max(error)))
    return worst


# --- which entries ---


def _place_by_place(point: Point, suspect: _Suspect, direction: Direction, settled: Settled) -> _Compared:
    """Where every output depends on its own place only, the numerical gradient is vₖ·(J u)ₖ / uₖ."""
    by_complex = settled.slope.complex
    if len(point.leaves) == 1:
        slope, along, real = settled.slope, direction, 0.0
    else:
        slope, along = Slope(suspect.slopes[0], 0.0, None, by_complex), suspect.direction(0)
        real = 0.0 if by_complex else REAL_ACCURACY * float(np.max(np.abs(point.v * slope.ju), initial=0.0))
    values = point.v * slope.ju / along.u[0].ravel()
    everywhere = np.arange(values.size)
    if suspect.claim.value is None:
        return _Compared(everywhere, values, _unreadable(suspect))
    parts = blocks(values.size)
    wrong = [entry_table(point, along, [suspect.claim], slope, settled.noise + real, at).wrong for at in parts]
    return _Compared(everywhere, values, np.concatenate(wrong))


def _entry_by_entry(
    point: Point, suspect: _Suspect, settled: Settled, rng: np.random.Generator
) -> Generator[list, list, _Compared]:
    """Every entry of a small leaf; of a large one a sample, and if that is mostly right, what a hunt finds."""
    size, by_complex = suspect.leaf.value.size, settled.slope.complex
    few = np.arange(size)
    if size > SMALL:
        unreadable = np.flatnonzero(_unreadable(suspect))[:SAMPLE]
        few = np.unique([*range(SAMPLE // 3), *rng.integers(0, size, SAMPLE - SAMPLE // 3), *unreadable])
    looked = yield from _single(point, suspect, few, by_complex)
    if size <= SMALL or suspect.claim.value is None or looked.wrong.mean() >= FEW:
        return looked
    hunted = yield from _hunt(point, suspect, settled)
    return _together(looked, hunted)


def _together(a: _Compared, b: _Compared) -> _Compared:
    at, first = np.unique(np.concatenate([a.at, b.at]), return_index=True)
    return _Compared(at, np.concatenate([a.values, b.values])[first], np.concatenate([a.wrong, b.wrong])[first])


def _single(point: Point, suspect: _Suspect, indices: np.ndarray, by_complex: bool) -> Generator[list, list, _Compared]:
    """The numerical gradient at some flat indices, one entry at a time: ⟨v, J eₖ⟩."""
    directions = (unit_direction(suspect.leaf, k) for k in indices.tolist())
    projections = yield from _slopes(point, directions, by_complex, _projected(point))
    values, sizes = np.array(projections).reshape(-1, 2).T
    if suspect.claim.value is None:
        return _Compared(indices, values, _unreadable(suspect)[indices])
    rounding = OUT_ROUNDINGS * point.eps * product_norm(point.v, point.out)
    allowed = (ROUNDINGS if by_complex else REAL_ACCURACY) * 2 * sizes + rounding
    return _Compared(indices, values, ~(np.abs(suspect.claim.value.ravel()[indices] - values) <= allowed))


def _projected(point: Point) -> Callable[[np.ndarray | None], tuple[float, float]]:
    """⟨v, J u⟩ and ‖v∘J u‖ instead of J u, many of which would fill the memory; nan and 0 where there is none."""
    return lambda ju: (np.nan, 0.0) if ju is None else (dot(point.v, ju), product_norm(point.v, ju))


def _unreadable(suspect: _Suspect) -> np.ndarray:
    """The entries of a gradient of the right shape that are nan or infinite."""
    raw = suspect.claim.raw
    if raw is None or raw.shape != suspect.leaf.value.shape or raw.dtype.kind == "c":
        return np.zeros(suspect.leaf.value.size, dtype=bool)
    return ~np.isfinite(raw.ravel())


def _hunt(point: Point, suspect: _Suspect, settled: Settled) -> Generator[list, list, _Compared]:
    """Find single wrong entries in a large gradient that is otherwise right.

    In a block of entries, r = Σ eₖuₖ and s = Σ eₖuₖ·k, over its k, are T along u and along k·uₖ. If one entry is wrong,
    it is entry s / r, found by two evaluations. If it is not, the block is cut.
    """
    by_complex, size = settled.slope.complex, suspect.leaf.value.size
    u, claimed = suspect.direction(0).u[0].ravel(), suspect.claim.value.ravel()
    spans, found = [(0, size)], _Compared(np.array([], dtype=int), np.array([]), np.array([], dtype=bool))
    for _ in range(ROUNDS):
        directions = (d for lo, hi in spans for d in _block_and_ramp(suspect, u, lo, hi))
        projections = yield from _slopes(point, directions, by_complex, _projected(point))
        guesses, suspicious = set(), []
        for (lo, hi), (along, block), (ramp, _) in zip(spans, projections[0::2], projections[1::2], strict=True):
            r, s = _unexplained(u, claimed, found, lo, hi, along, ramp)
            q = 1.53 * norm(claimed[lo:hi]) + block
            if abs(r) > (ROUNDINGS if by_complex else REAL_ACCURACY) * q + settled.noise:
                suspicious.append((lo, hi))
                if abs(s / r) <= 1:
                    guess = lo + round(s / r * (hi - lo))
                    guesses |= set(range(max(lo, guess - 1), min(hi, guess + 2)))
        if not suspicious or found.wrong.sum() >= FOUND:
            break
        looked = yield from _single(point, suspect, np.array(sorted(guesses), dtype=int), by_complex)
        found = _together(found, looked)
        spans = [
            (lo + (hi - lo) * i // CUTS, lo + (hi - lo) * (i + 1) // CUTS)
            for lo, hi in suspicious[: 2 * FOUND]
            for i in range(CUTS)
        ]
        spans = [(lo, hi) for lo, hi in spans if hi > lo]
    return found


def _block_and_ramp(suspect: _Suspect, u: np.ndarray, lo: int, hi: int) -> Iterator[Direction]:
    for ramp in (1.0, np.arange(hi - lo) / (hi - lo)):
        block = np.zeros(u.size)
        block[lo:hi] = u[lo:hi] * ramp
        yield Direction((suspect.leaf,), (block.reshape(suspect.leaf.value.shape),), (1.53,))


def _unexplained(
    u: np.ndarray, claimed: np.ndarray, found: _Compared, lo: int, hi: int, along: float, ramp: float
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


def _entries(suspect: _Suspect, compared: _Compared) -> tuple[Entry, ...]:
    """The first entries that are wrong, in the order of the array."""
    raw, shape = suspect.claim.raw, suspect.leaf.value.shape
    if raw is None or raw.shape != shape or raw.dtype.kind == "c":
        return ()
    flat, listed = raw.ravel(), np.flatnonzero(compared.wrong)[:LISTED]
    return tuple(
        Entry(tuple(int(i) for i in np.unravel_index(k, shape)), float(flat[k]), float(value))
        for k, value in zip(compared.at[listed].tolist(), compared.values[listed], strict=True)
    )


# --- how it would be right ---


def _relation(point: Point, suspect: _Suspect, suspects: Sequence[_Suspect], by_complex: bool) -> str:
    """How the gradient would be right, if that can be seen from two projections: no evaluation is needed."""
    if suspect.claim.raw is None or any(ju is None for ju in suspect.slopes):
        return ""
    for words, candidate in _candidates(suspect, suspects):
        if _fits(point, point.v, suspect, candidate, by_complex):
            return words
    if suspect.claim.value is None:
        return ""
    if not suspect.claim.value.any():
        return "it is all zeros"
    ones = "dout is left out: it is right for a dout of ones"
    for words, v in ((ones, np.ones_like(point.v)), ("dout is squared", point.v**2)):
        if _fits(point, v, suspect, suspect.claim.value, by_complex):
            return words
    return _constant(point, suspect, by_complex)


def _fits(point: Point, v: np.ndarray, suspect: _Suspect, candidate: np.ndarray, by_complex: bool) -> bool:
    """Whether ⟨v, J u⟩ = ⟨candidate, u⟩ along both directions, at least 100 times better than what was claimed."""
    for i, ju in enumerate(suspect.slopes):
        direction = suspect.direction(i)
        u, claimed = direction.u[0], suspect.claim.value
        q = direction.size[0] * norm(candidate) + product_norm(v, ju)
        allowed = (FIT if by_complex else REAL_ACCURACY) * q
        if claimed is not None:
            allowed = min(allowed, abs(dot(point.v, ju) - dot(claimed, u)) / 100)
        if not abs(dot(v, ju) - dot(candidate, u)) <= allowed:
            return False
    return True


def _candidates(suspect: _Suspect, suspects: Sequence[_Suspect]) -> Iterator[tuple[str, np.ndarray]]:
    """What the right gradient might be, made from what was returned."""
    raw, shape = suspect.claim.raw, suspect.leaf.value.shape
    if not _is_real(raw):
        return
    raw = raw.astype(float, copy=False)
    if raw.shape == shape:
        yield "the sign is flipped", -raw
    if raw.ndim == 2 and raw.T.shape == shape:
        yield "it is the transpose of the numerical gradient", raw.T
    for other in suspects:
        candidate = other.claim.raw
        if other is not suspect and candidate is not None and candidate.shape == shape and _is_real(candidate):
            words = f"the gradient for {suspect.leaf.name} stands in the place of d{other.leaf.name}"
            yield words, candidate.astype(float, copy=False)
    if raw.shape == shape:
        return
    if raw.size == suspect.leaf.value.size:
        yield "the values are right, the shape is not", raw.reshape(shape)
    for axis in range(raw.ndim):
        summed = raw.sum(axis=axis)
        if summed.shape == shape:
            yield f"summed over axis {axis} it is right", summed


def _is_real(array: np.ndarray) -> bool:
    return array.dtype.kind in "biuf" and bool(np.isfinite(array).all())


def _constant(point: Point, suspect: _Suspect, by_complex: bool) -> str:
    """The constant by which the numerical gradient has to be multiplied to give what was returned."""
    value = suspect.claim.value
    factor = np.float64(dot(value, suspect.direction(0).u[0])) / dot(point.v, suspect.slopes[0])
    if value.size == 1 or not np.isfinite(factor) or factor == 0:
        return ""
    if not _fits(point, point.v, suspect, value / factor, by_complex):
        return ""
    words = f"yours / numerical = {factor:.10g} in every entry"
    inverse = 1 / factor
    if point.shape and abs(inverse - round(inverse)) < REAL_ACCURACY and round(inverse) == point.shape[0] > 1:
        words += f" = 1/{round(inverse)}: averaged over the {round(inverse)} rows of out"
    return words
