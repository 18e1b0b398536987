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
    scale = np.abs(theirs[np.isfinite(theirs)]).max(initial=0.0) if theirs.size else 0.0
    rtol = MATCH_SINGLE if question.single else MATCH
    with np.errstate(all="ignore"):
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
    return abs(factor) > 1e-8 and close(difference, factor * direction, question)


def factors(answers: Sequence, arrays: Sequence, questions: Sequence[Question]) -> list[float]:
    """The constant λ of each question with answer = λ·array, or nothing if one has none."""
    found = []
    for answer, array, question in zip(answers, arrays, questions, strict=True):
        if not isinstance(answer, np.ndarray) or answer.shape != np.shape(array) or answer.dtype.kind not in "fiu":
            return []
        norm = float(np.vdot(array, array)) if np.isfinite(array).all() else 0.0
        factor = float(np.vdot(array, np.asarray(answer, float))) / norm if norm else 0.0
        if abs(factor) < 1e-8 or not close(np.asarray(answer, float), factor * array, question):
            return []
        found.append(factor)
    several = [f for f, a in zip(found, arrays, strict=True) if np.size(a) > 1]
    return found if len(several) >= 2 and any(abs(f - 1) > 1e-8 for f in found) else []
