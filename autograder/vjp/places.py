"""Check a large elementwise layer without complex numbers at every entry, and without several steps at every entry.

numpy's complex exp and tanh take ten to twenty times as long as the real ones: in a large elementwise layer the complex
step is most of a check. There a central difference is right to 1e-8 of almost every entry, and finds what is off by
more. All else is done at some of the places alone, as if the layer had no others: those where the central difference
finds fault or is too coarse, those of a small derivative, and a sample that finds what is off everywhere by less.

The same notation as in `compare`. Sans I/O: generators that yield requests and are sent answers.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from autograder.vjp.answers import Claim, ask
from autograder.vjp.compare import (
    CENTRAL,
    CENTRAL_STEP,
    OUT_ROUNDINGS,
    Outcome,
    Probe,
    Slope,
    compare_entries,
)
from autograder.vjp.evidence import central_requests, complex_request, real_out, same_out
from autograder.vjp.layer import EPS, Direction, Point, blocks, fresh, norm, with_values
from autograder.vjp.parts import Found, every
from autograder.vjp.result import ArgumentCheck, Backward, Forward

# Layers of more entries are tried this way. In smaller ones it takes longer to choose entries than to take them all.
MANY = 1 << 16

# The entries of the sample. What is wrong in a thousandth of all entries escapes it once in 60.
SAMPLED = 4096

# Wrong entries that are looked at: the first ones, which are listed, and as many as this of all.
FIRST, WRONG = 32, 2048

# If central differences are too coarse in more than this part of all entries, nothing is gained.
MOST = 1 / 2

# Settles and searches what is left of a layer: of a point, a direction, claims, and what the first round found.
Decide = Callable[[Point, Direction, list[Claim], Probe], Generator[list, list, Found]]


def by_places(
    point: Point,
    direction: Direction,
    claims: Sequence[Claim],
    probe: Probe,
    rng: np.random.Generator,
    decide: Decide,
) -> Generator[list, list, Found | None]:
    """Compare every entry with the central difference, and some by all means: arrays of shape (1, ..., 1, K).

    decide: what is done at those if they are not right at once.

    Returns: what is found; None where the layer has to be looked at as a whole.
    """
    if probe.plus is None or probe.minus is None or point.eps > EPS or any(c.problem or c.eps > EPS for c in claims):
        return None
    table = _compare_by_central(point, direction, claims, probe)
    at, all_looked_at = _chosen(table, rng)
    if at is None:
        return None
    part, there, claimed = _part(point, direction, claims, at)
    seen = Probe(None, probe.plus[at], probe.minus[at])
    del probe
    (complex_step,) = yield from ask([complex_request(part.args, there, at.size)], part.entries)
    seen = replace(seen, complex_step=complex_step)
    if complex_step is not None and not table.wrong.any():
        outcome = compare_entries(part, there, claimed, Slope(complex_step, 0.0, None, True), seen)
        if outcome.ok:
            return _accepted(point, table, at, "complex step", ())
    if not (yield from _the_same_layer(part, there, seen)):
        return None
    outcome, checks, notes, _ = yield from _in_the_layer(point, at, decide(part, there, claimed, seen))
    if outcome.ok is False:
        return outcome, tuple(_check_in_the_layer(check, point, table, at) for check in checks), notes, {}
    if outcome.ok and all_looked_at:
        return _accepted(point, table, at, outcome.method.removesuffix(", entry by entry"), notes)
    return None


@dataclass(frozen=True)
class _Table:
    """Every entry compared with the central difference, as booleans: certainly wrong; known too coarsely.

    discrepancy: the largest, relative to the entry, of those that are right.
    """

    wrong: np.ndarray
    coarse: np.ndarray
    discrepancy: float


def _compare_by_central(point: Point, direction: Direction, claims: Sequence[Claim], probe: Probe) -> _Table:
    wrong, coarse = np.empty(point.out.size, dtype=bool), np.empty(point.out.size, dtype=bool)
    worst = 0.0
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
        np.logical_not(known, out=coarse[at])
        np.greater(known, right, out=wrong[at])
        worst = max(worst, float(np.max(difference / expected, where=known & right, initial=0.0)))
    return _Table(wrong, coarse, worst)


def _chosen(table: _Table, rng: np.random.Generator) -> tuple[np.ndarray | None, bool]:
    """The entries to look at, and whether all doubtful ones are among them; None if these are too many."""
    size, wrong, coarse = table.wrong.size, np.flatnonzero(table.wrong), np.flatnonzero(table.coarse)
    if coarse.size > MOST * size:
        return None, False
    some = wrong
    if wrong.size > WRONG:
        some = np.concatenate([wrong[:FIRST], wrong[rng.integers(0, wrong.size, WRONG)]])
    at = np.unique(np.concatenate([some, coarse, rng.integers(0, size, SAMPLED)]))
    return at, some is wrong


def _few(array: np.ndarray, at: np.ndarray) -> np.ndarray:
    return array.ravel()[at].reshape((1,) * (array.ndim - 1) + (-1,))


def _part(
    point: Point, direction: Direction, claims: Sequence[Claim], at: np.ndarray
) -> tuple[Point, Direction, list[Claim]]:
    """The layer at these places alone."""
    few = [_few(leaf.value, at) for leaf in point.leaves]
    leaves = tuple(replace(leaf, value=value, norm=norm(value)) for leaf, value in zip(point.leaves, few, strict=True))
    there = replace(direction, leaves=leaves, u=tuple(_few(u, at) for u in direction.u))
    values = [_few(c.value, at) for c in claims]
    claimed = [replace(c, value=value, raw=value, norm=norm(value)) for c, value in zip(claims, values, strict=True)]
    v = point.v[at]
    part = replace(
        point,
        args=with_values(point.args, leaves, few),
        leaves=leaves,
        dout=v.reshape(leaves[0].value.shape),
        v=v,
        out=point.out[at],
        shape=leaves[0].value.shape,
        sample_of=point.shape,
    )
    return part, there, claimed


def _the_same_layer(part: Point, direction: Direction, seen: Probe) -> Generator[list, list, bool]:
    """Whether the forward gives the same at these places without the others: at x, and where every x has moved."""
    requests = [(Forward(fresh(part.args)), lambda answer: real_out(answer, part.out.size))]
    requests += central_requests(part.args, direction, part.out.size)
    outs = yield from ask(requests, part.entries)
    pairs = zip(outs, (part.out, seen.plus, seen.minus), strict=True)
    return all(out is not None and same_out(replace(part, out=before), out) for out, before in pairs)


def _in_the_layer(point: Point, at: np.ndarray, steps: Generator[list, list, Found]) -> Generator[list, list, Found]:
    """Take steps at these places. A backward is run in the whole layer, one at a time: by how many entries it divides,
    say, it may take from the shape."""
    answers = None
    while True:
        try:
            batch = steps.send(answers)
        except StopIteration as stop:
            return stop.value
        forwards = [request for request in batch if isinstance(request, Forward)]
        outs = iter((yield forwards) if forwards else [])
        answers = []
        for request in batch:
            if isinstance(request, Forward):
                answers.append(next(outs))
                continue
            (answer,) = yield [_whole(point, at, request)]
            answers.append(_only(answer, point, at))


def _whole(point: Point, at: np.ndarray, request: Backward) -> Backward:
    """A backward at these places, as one of the whole layer, which is left as it is elsewhere."""
    values = []
    for leaf in point.leaves:
        value = leaf.value.copy()
        argument = request.args[leaf.argument]
        for i in leaf.path:
            argument = argument[i]
        value.reshape(-1)[at] = argument.ravel()
        values.append(value)
    dout = point.dout.copy()
    dout.reshape(-1)[at] = request.dout.ravel()
    return Backward(with_values(point.args, point.leaves, values), dout)


def _only(answer: Any, point: Point, at: np.ndarray) -> Any:
    """What a backward returned, at these places only; whatever does not have the layer's shape is left."""
    if isinstance(answer, tuple | list):
        return tuple(_only(item, point, at) for item in answer)
    alike = isinstance(answer, np.ndarray) and answer.shape == point.shape
    return _few(answer, at) if alike else answer


def _accepted(point: Point, table: _Table, at: np.ndarray, method: str, notes: tuple[str, ...]) -> Found:
    method = f"central difference, entry by entry; {method} at {at.size} of {point.out.size} entries"
    return Outcome(True, method, table.discrepancy, CENTRAL, CENTRAL), every(point, True), notes, {}


def _check_in_the_layer(check: ArgumentCheck, point: Point, table: _Table, at: np.ndarray) -> ArgumentCheck:
    """A verdict on these places as one on the layer: where the entries are, and how many are wrong in all."""
    entries = tuple(
        replace(e, index=tuple(int(i) for i in np.unravel_index(at[e.index[-1]], point.shape))) for e in check.entries
    )
    count = check.count
    if count is not None:
        # Elsewhere the central difference tells, if it speaks of one argument, and knows every entry well enough.
        elsewhere = np.ones(point.out.size, dtype=bool)
        elsewhere[at] = False
        alone = len(point.leaves) == 1 and not (table.coarse & elsewhere).any()
        count = count + int((table.wrong & elsewhere).sum()) if alone else None
    return replace(check, entries=entries, count=count)
