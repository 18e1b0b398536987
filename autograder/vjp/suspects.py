"""The gradients among which a wrong one is sought, and derivatives along many directions.

Not to judge by: that is done. These show numbers, and tell mistakes from one another.

The same notation as in `compare`. Sans I/O: generators that yield requests and are sent answers.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from autograder.vjp import richardson
from autograder.vjp.answers import Claim, ask
from autograder.vjp.compare import CENTRAL_STEP, COMPLEX_STEP
from autograder.vjp.evidence import imaginary_slope, real_out
from autograder.vjp.layer import Direction, Leaf, Point, moved, moved_imaginary
from autograder.vjp.result import Forward

# Ways to differentiate, as steps of real differences: none is the complex step; two steps are extrapolated once; one is
# a plain central difference, which is enough to show a number.
BY_COMPLEX: tuple[float, ...] = ()
BY_TWO_STEPS = richardson.STEPS[1:3]
BY_CENTRAL = (CENTRAL_STEP,)
REAL_ACCURACY = 1e-6


@dataclass(frozen=True)
class Suspect:
    """A leaf with what was claimed for it, and J u along directions of its own (None where the forward failed).

    directions, slopes: one, and a second for what is wrong.
    noise: what rounding does to T along the first; None where that was not measured.
    """

    leaf: Leaf
    claim: Claim
    directions: tuple[Direction, ...]
    slopes: tuple[np.ndarray | None, ...]
    noise: Any = None


def slopes(
    point: Point,
    directions: Iterable[Direction],
    steps: tuple[float, ...],
    keep: Callable[[np.ndarray | None], Any] = lambda ju: ju,
) -> Generator[list, list, list]:
    """For each direction what `keep` makes of J u, by real differences at these steps or BY_COMPLEX."""
    found, outs = [], []

    def read_complex(answer: Any) -> None:
        found.append(keep(imaginary_slope(answer, point.out.size)))

    def read_real(answer: Any) -> None:
        outs.append(real_out(answer, point.out.size))
        if len(outs) == 2 * len(steps):
            found.append(keep(_extrapolated(outs, steps)))
            outs.clear()

    def requests() -> Iterator[tuple[Forward, Callable]]:
        for direction in directions:
            if not steps:
                yield Forward(moved_imaginary(point.args, direction, COMPLEX_STEP)), read_complex
            for step in (signed for size in steps for signed in (size, -size)):
                yield Forward(moved(point.args, direction, step)), read_real

    yield from ask(requests(), point.entries)
    return found


def _extrapolated(outs: Sequence[np.ndarray | None], steps: tuple[float, ...]) -> np.ndarray | None:
    if any(out is None for out in outs):
        return None
    coarse, *finer = ((outs[2 * i] - outs[2 * i + 1]) / (2 * s) for i, s in enumerate(steps))
    return finer[0] + (finer[0] - coarse) / ((steps[0] / steps[1]) ** 2 - 1) if finer else coarse
