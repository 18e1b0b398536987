"""One look at all answers of a function: whether they are right as a whole, in a few operations on one long array.

Most functions of a class are right, and of a right one there is nothing to tell apart. The rules are those of the
ladder (`judge`), which decides alone where this look does not say "right": what passes here passes there as well.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np

from autograder.answer_key import Key, Question
from autograder.observe import Observation, laid_out
from autograder.tolerances import EPS, FLOAT32_UNITS, INACCURATE, RTOL, UNITS

DOUBLE = np.dtype(np.float64)
# the two parts of `tolerances.wrong_entries`
RELATIVE, ABSOLUTE = max(RTOL, FLOAT32_UNITS * EPS[DOUBLE]), UNITS * EPS[DOUBLE]
NONE = frozenset()


def unit_of(key: Key, question: Question, expected: np.ndarray, backward: bool) -> Any:
    """The natural size of an absolute error, of which a few eps are rounding.

    Elementwise layers: |dout| entry by entry in the backward, 1 in the forward. Layers that add products up: the
    largest entry times 1024, since sums in another order differ by rounding of the terms, not of the sum: with D terms
    by about sqrt(D)·eps of the largest sum, and D ≤ 4096 here (64, with room for unlucky ones).
    """
    if key.elementwise:
        return np.abs(question.dout) if backward else 1.0
    largest = np.abs(expected).max(initial=0.0) if expected.dtype.kind == "f" else 0.0
    return 1024 * largest


def _units(key: Key, questions: Sequence[Question], size: np.ndarray, sizes: Sequence[int], backward: bool) -> Any:
    """`unit_of` for all arrays as one; `size`: |expected|, `sizes`: how many entries each array has."""
    if key.elementwise:
        return np.abs(np.concatenate([q.dout.ravel() for q in questions])) if backward else 1.0
    starts = list(itertools.accumulate(sizes[:-1], initial=0))
    return np.repeat(1024 * np.maximum.reduceat(size, starts), sizes)


def right_at_a_glance(key: Key, index: int, observations: Sequence[Observation]) -> frozenset[int]:
    """The places of the observations in which all arrays of the function are right on every rung, if that is so in all
    that it looks at, what is small and float64; else none. Right includes that no inaccuracy is worth a remark.
    """
    backward = key.pair and index > 0
    looked_at = [i for i, o in enumerate(observations) if not o.question.single and o.question.cpu_limit is None]
    seen = [observations[i] for i in looked_at]
    if not seen or (backward and not all(_linear_and_confirmed(one) for one in seen)):
        return NONE
    name = key.functions[index].name
    questions = [one.question for one in seen]
    expected = [question.expected[name] for question in questions]
    yours = laid_out([one.first[index] for one in seen], expected)
    # of an answer that came again to the last bit there is one reply
    others = [i for i, one in enumerate(seen) if one.second[index] is not one.first[index]]
    if yours is None or any(not _same_bits(seen[i], index, expected[i]) for i in others):
        return NONE
    flat = [array.ravel() for row in expected for array in row]
    sizes = [array.size for array in flat]
    right = np.concatenate(flat)
    if right.dtype != DOUBLE or 0 in sizes or (key.elementwise and not _shaped_like_dout(questions, expected)):
        return NONE
    size, off = np.abs(right), yours - right
    np.abs(off, off)
    allowed = RELATIVE * size + ABSOLUTE * _units(key, questions, size, sizes, backward)
    if not ((off <= allowed).all() and np.add.reduce(off) < np.inf):
        return NONE
    if key.elementwise:  # one array a question; see `remarks.on_accuracy`
        inaccurate = off > INACCURATE * size
        if inaccurate.any() and (inaccurate & np.repeat([not q.extreme for q in questions], sizes)).any():
            return NONE
    return frozenset(looked_at)


def _shaped_like_dout(questions: Sequence[Question], expected: Sequence[tuple]) -> bool:
    """Whether there is one array a question, and an entry of dout for each entry of it."""
    return all(len(row) == 1 and row[0].shape == q.dout.shape for q, row in zip(questions, expected, strict=True))


def _linear_and_confirmed(seen: Observation) -> bool:
    """Whether a backward gave twice the gradient for 2·dout, and the numerical gradient: each where it was asked."""
    if seen.doubled is not None and not seen.twice:
        return False
    return seen.vjp is None or all(argument.ok is True for argument in seen.vjp.arguments)


def _same_bits(seen: Observation, index: int, expected: tuple) -> bool:
    """Whether the second reply holds the same arrays as the first, to the last bit."""
    first, second = (laid_out([replies[index]], [expected]) for replies in (seen.first, seen.second))
    return first is not None and second is not None and first.tobytes() == second.tobytes()
