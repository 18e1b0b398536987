"""Refuse at once what is far off: where complex step and central difference agree, and a claim agrees with neither.

Both are known from the first round, and one more backward is all that is run: where T is a hundred times what the
two numerics disagree by, several steps, their extrapolation and measured noise would tell nothing new. Where it is
less, `evidence` looks closely.

The same notation as in `compare`. Sans I/O: a generator that yields requests and is sent answers.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from autograder.vjp.answers import Claim, ask, claims_of
from autograder.vjp.compare import (
    CENTRAL,
    CENTRAL_STEP,
    OUT_ROUNDINGS,
    RESOLUTION,
    TIMES,
    EntryTable,
    Outcome,
    Probe,
    Slope,
    compare_entries,
    compare_projection,
    inner,
    scales,
)
from autograder.vjp.evidence import Settled, own_claims, slope_of
from autograder.vjp.layer import Direction, Point, blocks, dot, fresh, norm, product_norm, shaken
from autograder.vjp.result import Backward
from autograder.vjp.richardson import Derivative

# Of an output at a kink, the slopes to the left and to the right differ by a good part of themselves; of a smooth one,
# at this step, by less than this part if |f″| < 250·|f'|. A kink within reach that is not at x itself is seen by the
# complex step, which does not agree with the central difference there; one at x may hide only where code gives the
# mean of both slopes (½(x + |x|) in complex numbers), and there they differ by all of themselves.
KINK = 1e-3


def at_once(
    point: Point,
    direction: Direction,
    claims: Sequence[Claim] | None,
    probe: Probe,
    alike: bool,
    rng: np.random.Generator,
) -> Generator[list, list, Settled | None]:
    """Refuse a claim that is far off, by what the first round has found.

    A forward that is random does not come this far: its complex step and its differences have nothing in common. A
    backward that is random gives another T the second time.

    claims: one for each leaf of the direction, or None to find the slope alone.
    probe: what the first round has found; its real differences at CENTRAL_STEP.
    alike: whether every output depends on the entries at its own place only; then entries are compared.

    Returns: what `settle` returns, its noise not measured; or None, and more evidence is needed.
    """
    slope = _agreed_slope(point, direction, probe, alike)
    if slope is None:
        return None
    kept = slope if alike else replace(slope, real=None)  # large arrays
    if claims is None:
        return Settled(Outcome(None), kept, None, alike)
    far_off = _entries_off if alike else _projection_off
    by, outcome = far_off(point, direction, claims, slope)
    if outcome.ok is not False or not np.any(by):
        return None
    args, _ = shaken(point.args, direction, rng)
    request = Backward(args, fresh(point.dout)), _changes(point, direction, claims, alike)
    del args
    (changes,) = yield from ask([request], point.entries)
    if changes is None or not np.any(TIMES * np.abs(changes) < by):
        return None
    return Settled(outcome, kept, None, alike)


def _agreed_slope(point: Point, direction: Direction, probe: Probe, alike: bool) -> Slope | None:
    """J u by the complex step, if the central difference confirms it."""
    if probe.complex_step is None or probe.plus is None or probe.minus is None:
        return None
    slope = slope_of(probe.complex_step, _derivative(point, probe, 1.0 if alike else 0.0), point, False)
    return slope if slope.complex else None


def _derivative(point: Point, probe: Probe, unit: float) -> Derivative:
    """J u by one central difference: right to CENTRAL, but for rounding, measured in units of out as in `quick`.

    unit: the least size against which the rounding of an output is measured. Nor is it less than the root mean square
    of them all: what is small because large terms cancel is rounded as they are.
    """
    out, size = point.out, point.out.size
    unit = max(unit, norm(out) / math.sqrt(max(1, size)))
    value, bound, kinked = np.empty(size), np.empty(size), np.zeros(size, dtype=bool)
    rounding = OUT_ROUNDINGS / 2 * point.eps / CENTRAL_STEP
    ends: dict[int, np.ndarray] = {}
    total = 0.0
    for at in blocks(size):
        plus, minus = probe.plus[at], probe.minus[at]
        value[at] = (plus - minus) / (2 * CENTRAL_STEP)
        apart = np.abs(plus - 2 * out[at] + minus) / (2 * CENTRAL_STEP)
        grain = rounding * np.maximum(np.abs(out[at]), unit)
        slopes = np.abs(value[at])
        bound[at] = CENTRAL * slopes + grain
        kinked[at] = ~(apart <= KINK * slopes + grain)
        if kinked[at].any():
            ends[at.start] = apart[kinked[at]]
        total += float(np.sum(point.v[at] * value[at], where=~kinked[at]))
    low = high = value
    if ends:
        apart = np.concatenate([ends[start] for start in sorted(ends)])
        low, high = value.copy(), value.copy()
        low[kinked] -= apart
        high[kinked] += apart
    total_bound = CENTRAL * product_norm(point.v, value) + rounding * product_norm(point.v, out)
    return Derivative(value, bound, kinked, low, high, total, total_bound)


def _projection_off(point: Point, direction: Direction, claims: Sequence[Claim], slope: Slope) -> tuple[float, Outcome]:
    """|T| if it is far off, however the slopes at kinks are chosen, else 0; and what the usual comparison says."""
    size, real = scales(point, direction, claims, slope.ju), slope.real
    off = abs(dot(point.v, slope.ju) - inner(claims, direction))
    if slope.kinked is not None:
        k = real.kinked
        off -= float(np.abs(point.v[k]) @ (real.high - real.low + 2 * real.bound)[k])
    near = max(RESOLUTION * size.q, TIMES * real.total_bound) + size.strict + size.out
    outcome = compare_projection(point, direction, claims, slope, 0.0, at_kinks=True)
    return (off if off > near else 0.0), outcome


def _entries_off(
    point: Point, direction: Direction, claims: Sequence[Claim], slope: Slope
) -> tuple[np.ndarray, Outcome]:
    """The same for each output by itself."""
    off = np.zeros(point.out.size)

    def see(at: slice, table: EntryTable) -> None:
        if table.wrong.any():
            bound = np.abs(point.v[at]) * slope.real.bound[at]
            far = table.wrong & ~slope.real.kinked[at] & (table.difference > TIMES * bound)
            off[at] = np.where(far, table.difference, 0.0)

    return off, compare_entries(point, direction, claims, slope, see=see)


def _changes(
    point: Point, direction: Direction, claims: Sequence[Claim], alike: bool
) -> Callable[[Any], np.ndarray | float | None]:
    """Reads another backward: by how much ⟨g, u⟩ differs there, for each entry where alike; None if it cannot be
    read."""

    def read(answer: Any) -> np.ndarray | float | None:
        there = own_claims(claims_of(answer, point.args, point.leaves), point, direction)
        if there is None:
            return None
        if not alike:
            return inner(claims, direction) - inner(there, direction)
        parts = zip(claims, there, direction.u, strict=True)
        return sum(((here.value - c.value) * u).ravel() for here, c, u in parts)

    return read
