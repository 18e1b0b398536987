"""Whether an array is another one, but for rounding, for a constant factor, or for a free term."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from autograder.answer_key import Question
from autograder.exercise import Plus

# The student's own rounding may differ from ours; a different mistake differs by far more.
MATCH = 1e-9
MATCH_SINGLE = 1e-4  # float32


def same(answer: Any, theirs: Any, question: Question) -> bool:
    """Equal but for rounding; for a family of arrays, equal to one of its members."""
    if isinstance(theirs, Plus):
        return _member(answer, theirs, question)
    theirs = np.asarray(theirs)
    if not isinstance(answer, np.ndarray) or answer.shape != theirs.shape or answer.dtype.kind not in "fiub":
        return False
    return close(answer, theirs, question)


def close(answer: np.ndarray, theirs: np.ndarray, question: Question) -> bool:
    """Within the student's own rounding: of the largest entry, and of each entry."""
    rtol = MATCH_SINGLE if question.single else MATCH
    with np.errstate(all="ignore"):
        largest = np.abs(theirs).max(initial=0.0)
        apart = np.abs(answer - theirs).max(initial=0.0)
        if np.isfinite(largest) and np.isfinite(apart):
            return bool(apart <= rtol * largest)
        scale = np.abs(theirs[np.isfinite(theirs)]).max(initial=0.0)
        return bool(np.allclose(answer, theirs, rtol=rtol, atol=rtol * float(scale), equal_nan=True))


def _member(answer: Any, family: Plus, question: Question) -> bool:
    """Whether answer = base + λ·direction for some λ that is not 0, found by least squares."""
    if not isinstance(answer, np.ndarray) or answer.shape != np.shape(family.base) or answer.size < 2:
        return False
    direction = np.asarray(family.direction, float)
    difference = np.asarray(answer, float) - family.base
    norm = float(np.vdot(direction, direction))
    if norm == 0 or not np.isfinite(difference).all():
        return False
    factor = float(np.vdot(direction, difference)) / norm
    if question.single:  # a small λ drowns in float32's rounding; the float64 cases tell
        return close(answer, family.base + factor * direction, question)
    return abs(factor) > 1e-8 and close(difference, factor * direction, question)


def factors(answers: Sequence, arrays: Sequence, questions: Sequence[Question]) -> list[float]:
    """The constant λ of each question with answer = λ·array, or nothing if one has none.

    One number is always a multiple of another: where there are no arrays of several, one λ must hold for all cases.
    """
    found, telling = [], 0
    for answer, array, question in zip(answers, arrays, questions, strict=True):
        array = np.asarray(array)
        if not isinstance(answer, np.ndarray) or answer.shape != array.shape or answer.dtype.kind not in "fiu":
            return []
        answer, array = answer.astype(float), array.astype(float)
        if not (np.isfinite(array).all() and np.isfinite(answer).all()):
            return []
        norm = float(np.vdot(array, array))
        factor = float(np.vdot(array, answer)) / norm if norm else float("nan")
        if abs(factor) < 1e-8 or not close(answer, factor * array if norm else array, question):
            return []
        telling += array.size > 1 and bool(norm)
        found.append(factor)
    known = [f for f in found if np.isfinite(f)]
    if len(known) < 2 or not any(abs(f - 1) > 1e-8 for f in known):
        return []
    one = max(known) - min(known) < 1e-8 * abs(known[0])
    if telling < 2 and not (one and len(known) >= 3):
        return []
    return [f if np.isfinite(f) else (known[0] if one else 1.0) for f in found]
