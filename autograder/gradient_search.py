"""Where is a gradient wrong, and how would it be right? Asked only once it is known to be wrong.

The same notation as in `gradient_compare`. Sans I/O: generators that yield requests and are sent answers.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from autograder import richardson
from autograder.gradient_compare import COMPLEX_STEP, OUT_ROUNDINGS, ROUNDINGS, Slope, entry_table, scales
from autograder.gradient_evidence import Settled, imaginary_slope, real_out
from autograder.gradient_layer import (
    Claim,
    Direction,
    Leaf,
    Point,
    ask,
    dot,
    moved,
    moved_imaginary,
    norm,
    product_norm,
    random_direction,
    unit_direction,
)
from autograder.gradient_result import ArgumentCheck, Entry, Forward

# Gradients with at most this many entries are differentiated entry by entry.
SMALL = 256

# Of larger ones this many entries are looked at first: with half of the entries wrong, all of these are right once in
# 4,096.
SAMPLE = 12

# If fewer of these than this share are wrong, single wrong entries are hunted.
FEW = 0.25

# Then single wrong entries are hunted: at most this many, in at most so many rounds, each block cut into so many.
FOUND = 5
ROUNDS = 8
CUTS = 8

# Real differences here serve to show numbers and to recognise mistakes, not to judge: two steps, one extrapolation.
REAL_STEPS = richardson.STEPS[1:3]
REAL_ACCURACY = 1e-6

# How well a relation must fit, in Q: far above rounding, and hit by accident once in 1e9.
FIT = 1e-9


@dataclass(frozen=True)
class Searched:
    """The verdict on each leaf, and the numerical gradients by position of the argument."""

    arguments: tuple[ArgumentCheck, ...]
    numerical: dict[int, np.ndarray]


@dataclass(frozen=True)
class _Suspect:
    """A leaf with what was claimed for it, and J u along two directions of its own (None where the forward failed)."""

    leaf: Leaf
    claim: Claim
    directions: tuple[Direction, Direction]
    slopes: tuple[np.ndarray | None, np.ndarray | None]


def search(
    point: Point,
    direction: Direction,
    claims: Sequence[Claim],
    settled: Settled,
    rng: np.random.Generator,
) -> Generator[list, list, Searched]:
    """Find the arguments whose gradients are wrong, their entries, and the relation to what would be right.

    direction, settled: along which T was found wrong, and what is known there. claims: one for each leaf.
    """
    by_complex = settled.slope.complex
    pairs = [tuple(random_direction(rng, [leaf]) for _ in (0, 1)) for leaf in point.leaves]
    largest = max(leaf.value.size for leaf in point.leaves)
    slopes = yield from _slopes(point, [d for pair in pairs for d in pair], largest, by_complex)
    suspects = [
        _Suspect(leaf, claim, pair, (slopes[2 * i], slopes[2 * i + 1]))
        for i, (leaf, claim, pair) in enumerate(zip(point.leaves, claims, pairs, strict=True))
    ]
    arguments, numerical = [], {}
    for suspect, is_wrong in zip(suspects, _wrong(point, suspects, settled), strict=True):
        leaf, claim = suspect.leaf, suspect.claim
        if not is_wrong:
            arguments.append(ArgumentCheck(leaf.name, leaf.argument, True))
            continue
        if settled.alike:
            known, differs = _place_by_place(point, suspect, direction, settled)
        else:
            known, differs = yield from _entry_by_entry(point, suspect, settled, rng)
        if len(known) == leaf.value.size and not leaf.path:
            whole = np.array([known[k] for k in range(leaf.value.size)], dtype=float)
            numerical[leaf.argument] = whole.reshape(leaf.value.shape)
        relation = _relation(point, suspect, suspects, by_complex)
        arguments.append(
            ArgumentCheck(leaf.name, leaf.argument, False, claim.problem, _entries(suspect, known, differs), relation)
        )
    return Searched(tuple(arguments), numerical)


def _slopes(
    point: Point, directions: Iterable[Direction], size: int, by_complex: bool
) -> Generator[list, list, list[np.ndarray | None]]:
    """J u along each direction; size is the number of entries of a direction."""

    def requests() -> Iterator[tuple[Forward, Callable]]:
        for direction in directions:
            if by_complex:
                request = Forward(moved_imaginary(point.args, direction, COMPLEX_STEP))
                yield request, lambda answer: imaginary_slope(answer, point.out.size)
                continue
            for step in (signed for size in REAL_STEPS for signed in (size, -size)):
                yield Forward(moved(point.args, direction, step)), lambda answer: real_out(answer, point.out.size)

    found = yield from ask(requests(), size)
    return found if by_complex else [_extrapolated(found[i : i + 4]) for i in range(0, len(found), 4)]


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
    claim, direction, ju = suspect.claim, suspect.directions[0], suspect.slopes[0]
    if claim.value is None:
        return np.inf
    if ju is None:
        return 0.0
    by_complex = settled.slope.complex
    size = scales(point, direction, [claim], ju)
    real = 0.0 if by_complex else REAL_ACCURACY * size.q
    if not settled.alike:
        difference = abs(dot(point.v, ju) - dot(claim.value, direction.u[0]))
        return difference / (size.usual + settled.noise + real)
    table = entry_table(point, direction, [claim], Slope(ju, 0.0, None, by_complex), settled.noise + real)
    error = np.abs(table.claimed - table.expected) / table.allowed
    if settled.slope.kinked is not None:
        error[settled.slope.kinked] = 0.0
    return float(np.max(error, initial=0.0))


# --- which entries ---


@dataclass(frozen=True)
class _Known:
    """Numerical values of a gradient by flat index, and by how much they may differ from right ones."""

    values: dict[int, float]
    allowed: dict[int, float]


def _place_by_place(
    point: Point, suspect: _Suspect, direction: Direction, settled: Settled
) -> tuple[dict[int, float], list[int]]:
    """Where every output depends on its own place only: vₖ·(J u)ₖ / uₖ, and the entries that differ from it."""
    by_complex = settled.slope.complex
    if len(point.leaves) == 1:
        slope, along, real = settled.slope, direction, 0.0
    else:
        slope, along = Slope(suspect.slopes[0], 0.0, None, by_complex), suspect.directions[0]
        real = 0.0 if by_complex else REAL_ACCURACY * float(np.max(np.abs(point.v * slope.ju), initial=0.0))
    values = dict(enumerate((point.v * slope.ju / along.u[0].ravel()).tolist()))
    if suspect.claim.value is None:
        return values, _unreadable(suspect)
    wrong = entry_table(point, along, [suspect.claim], slope, settled.noise + real).wrong
    return values, np.flatnonzero(wrong).tolist()


def _entry_by_entry(
    point: Point, suspect: _Suspect, settled: Settled, rng: np.random.Generator
) -> Generator[list, list, tuple[dict[int, float], list[int]]]:
    """Every entry of a small leaf; of a large one a sample, and if that is right, what a hunt finds."""
    size, by_complex = suspect.leaf.value.size, settled.slope.complex
    few = range(size)
    if size > SMALL:
        few = sorted({*range(SAMPLE // 3), *rng.integers(0, size, SAMPLE).tolist(), *_unreadable(suspect)[:SAMPLE]})
    known = yield from _single(point, suspect, few, by_complex)
    differs = _differing(suspect, known)
    if size > SMALL and len(differs) < FEW * len(few) and suspect.claim.value is not None:
        hunted = yield from _hunt(point, suspect, settled)
        return known.values | hunted.values, sorted({*differs, *_differing(suspect, hunted)})
    return known.values, differs


def _single(point: Point, suspect: _Suspect, indices: Sequence[int], by_complex: bool) -> Generator[list, list, _Known]:
    """The numerical gradient at some flat indices, one entry at a time: ⟨v, J eₖ⟩."""

    directions = (unit_direction(suspect.leaf, k) for k in indices)
    slopes = yield from _slopes(point, directions, suspect.leaf.value.size, by_complex)
    values, allowed = {}, {}
    out = OUT_ROUNDINGS * point.eps * product_norm(point.v, point.out)
    for k, ju in zip(indices, slopes, strict=True):
        values[k] = float("nan") if ju is None else dot(point.v, ju)
        size = 0.0 if ju is None else 2 * product_norm(point.v, ju)
        allowed[k] = (ROUNDINGS if by_complex else REAL_ACCURACY) * size + out
    return _Known(values, allowed)


def _differing(suspect: _Suspect, known: _Known) -> list[int]:
    """The flat indices at which a gradient is not what it should be."""
    if suspect.claim.value is None:
        return _unreadable(suspect)
    flat = suspect.claim.value.ravel()
    return [k for k in sorted(known.values) if not abs(flat[k] - known.values[k]) <= known.allowed[k]]


def _unreadable(suspect: _Suspect) -> list[int]:
    """The flat indices at which a gradient of the right shape is nan or infinite."""
    raw = suspect.claim.raw
    if raw is None or raw.shape != suspect.leaf.value.shape or raw.dtype.kind == "c":
        return []
    return np.flatnonzero(~np.isfinite(raw)).tolist()


def _hunt(point: Point, suspect: _Suspect, settled: Settled) -> Generator[list, list, _Known]:
    """Find single wrong entries in a large gradient that is otherwise right.

    In a block B of entries, r = Σ eₖuₖ and s = Σ eₖuₖ·k, over k in B, are T along u and along k·uₖ. If one entry is
    wrong, it is entry s / r, found by two evaluations. If it is not, the block is cut.
    """
    by_complex, size = settled.slope.complex, suspect.leaf.value.size
    u, claimed = suspect.directions[0].u[0].ravel(), suspect.claim.value.ravel()
    blocks, found = [(0, size)], _Known({}, {})
    for _ in range(ROUNDS):
        directions = (d for lo, hi in blocks for d in _block_and_ramp(suspect, u, lo, hi))
        slopes = yield from _slopes(point, directions, size, by_complex)
        guesses, suspicious = set(), []
        for (lo, hi), ju, ramp in zip(blocks, slopes[0::2], slopes[1::2], strict=True):
            if ju is None or ramp is None:
                continue
            w = u[lo:hi] * claimed[lo:hi]
            r = float(w.sum()) - dot(point.v, ju)
            s = dot(w, np.arange(hi - lo) / (hi - lo)) - dot(point.v, ramp)
            for k, value in found.values.items():
                if lo <= k < hi:
                    error = u[k] * (claimed[k] - value)
                    r, s = r - error, s - error * (k - lo) / (hi - lo)
            q = 1.53 * norm(claimed[lo:hi]) + product_norm(point.v, ju)
            if abs(r) > (ROUNDINGS if by_complex else REAL_ACCURACY) * q + settled.noise:
                suspicious.append((lo, hi))
                if abs(s / r) <= 1:
                    guess = lo + round(s / r * (hi - lo))
                    guesses |= set(range(max(lo, guess - 1), min(hi, guess + 2)))
        if not suspicious or len(found.values) >= FOUND:
            break
        looked = yield from _single(point, suspect, sorted(guesses - set(found.values)), by_complex)
        for k in _differing(suspect, looked):
            found.values[k], found.allowed[k] = looked.values[k], looked.allowed[k]
        blocks = [
            (lo + (hi - lo) * i // CUTS, lo + (hi - lo) * (i + 1) // CUTS)
            for lo, hi in suspicious[: 2 * FOUND]
            for i in range(CUTS)
        ]
        blocks = [(lo, hi) for lo, hi in blocks if hi > lo]
    return found


def _block_and_ramp(suspect: _Suspect, u: np.ndarray, lo: int, hi: int) -> Iterator[Direction]:
    block = np.zeros(u.size)
    block[lo:hi] = u[lo:hi]
    yield Direction((suspect.leaf,), (block.reshape(suspect.leaf.value.shape),), (1.53,))
    ramp = np.zeros(u.size)
    ramp[lo:hi] = u[lo:hi] * (np.arange(hi - lo) / (hi - lo))
    yield Direction((suspect.leaf,), (ramp.reshape(suspect.leaf.value.shape),), (1.53,))


def _entries(suspect: _Suspect, known: dict[int, float], differs: Sequence[int]) -> tuple[Entry, ...]:
    """The entries that differ, in the order of the array."""
    raw, shape = suspect.claim.raw, suspect.leaf.value.shape
    if raw is None or raw.shape != shape:
        return ()
    flat = raw.ravel()
    return tuple(
        Entry(tuple(int(i) for i in np.unravel_index(k, shape)), float(flat[k]), known.get(k, float("nan")))
        for k in differs
    )


# --- how it would be right ---


def _relation(point: Point, suspect: _Suspect, suspects: Sequence[_Suspect], by_complex: bool) -> str:
    """How the gradient would be right, if that can be seen from two projections: no evaluation is needed."""
    if suspect.claim.raw is None or any(ju is None for ju in suspect.slopes):
        return ""
    for words, candidate in _candidates(suspect, suspects):
        if _fits(point.v, suspect, candidate, by_complex):
            return words
    if suspect.claim.value is None:
        return ""
    if not suspect.claim.value.any():
        return "it is all zeros"
    ones = "dout is left out: it is right for a dout of ones"
    for words, v in ((ones, np.ones_like(point.v)), ("dout is squared", point.v**2)):
        if _fits(v, suspect, suspect.claim.value, by_complex):
            return words
    return _constant(point, suspect, by_complex)


def _fits(v: np.ndarray, suspect: _Suspect, candidate: np.ndarray, by_complex: bool) -> bool:
    """Whether ⟨v, J u⟩ = ⟨candidate, u⟩ along both directions."""
    for direction, ju in zip(suspect.directions, suspect.slopes, strict=True):
        u, size = direction.u[0], direction.size[0]
        q = size * norm(candidate) + product_norm(v, ju)
        if not abs(dot(v, ju) - dot(candidate, u)) <= (FIT if by_complex else REAL_ACCURACY) * q:
            return False
    return True


def _candidates(suspect: _Suspect, suspects: Sequence[_Suspect]) -> Iterator[tuple[str, np.ndarray]]:
    """What the right gradient might be, made from what was returned."""
    raw, shape = suspect.claim.raw, suspect.leaf.value.shape
    if raw.dtype.kind == "c" or not np.isfinite(raw).all():
        return
    raw = raw.astype(float, copy=False)
    if raw.shape == shape:
        yield "the sign is flipped", -raw
    if raw.ndim == 2 and raw.T.shape == shape:
        yield "it is the transpose of the numerical gradient", raw.T
    for other in suspects:
        if other is not suspect and other.claim.raw is not None and other.claim.raw.shape == shape:
            candidate = other.claim.raw
            if candidate.dtype.kind in "biuf" and np.isfinite(candidate).all():
                words = f"the gradient for {suspect.leaf.name} stands in the place of d{other.leaf.name}"
                yield words, candidate.astype(float)
    if raw.shape == shape:
        return
    if raw.size == suspect.leaf.value.size:
        yield "the values are right, the shape is not", raw.reshape(shape)
    for axis in range(raw.ndim):
        summed = raw.sum(axis=axis)
        if summed.shape == shape:
            yield f"summed over axis {axis} it is right", summed


def _constant(point: Point, suspect: _Suspect, by_complex: bool) -> str:
    """The constant by which the numerical gradient has to be multiplied to give what was returned."""
    factor = np.float64(dot(suspect.claim.value, suspect.directions[0].u[0])) / dot(point.v, suspect.slopes[0])
    if (
        suspect.claim.value.size == 1
        or not np.isfinite(factor)
        or factor == 0
        or not _fits(point.v, suspect, suspect.claim.value / factor, by_complex)
    ):
        return ""
    words = f"yours / numerical = {factor:.10g} in every entry"
    inverse = 1 / factor
    if abs(inverse - round(inverse)) < REAL_ACCURACY and point.shape and round(inverse) == point.shape[0] > 1:
        words += f" = 1/{round(inverse)}: averaged over the {round(inverse)} rows of out"
    return words
