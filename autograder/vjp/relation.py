"""How would a wrong gradient be right? Seen from two projections of it: no evaluation is needed.

The same notation as in `compare`. Pure functions.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from autograder.vjp.layer import Point, dot, norm, product_norm
from autograder.vjp.suspects import REAL_ACCURACY, Suspect

# How well a relation must fit, in Q: far above rounding, and hit by accident once in 1e9.
FIT = 1e-9


def relation_of(point: Point, suspect: Suspect, suspects: Sequence[Suspect], by_complex: bool) -> str:
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


def _fits(point: Point, v: np.ndarray, suspect: Suspect, candidate: np.ndarray, by_complex: bool) -> bool:
    """Whether ⟨v, J u⟩ = ⟨candidate, u⟩ along both directions, at least 100 times better than what was claimed."""
    for direction, ju in zip(suspect.directions, suspect.slopes, strict=True):
        u, claimed = direction.u[0], suspect.claim.value
        q = direction.size[0] * norm(candidate) + product_norm(v, ju)
        allowed = (FIT if by_complex else REAL_ACCURACY) * q
        if claimed is not None:
            allowed = min(allowed, abs(dot(point.v, ju) - dot(claimed, u)) / 100)
        if not abs(dot(v, ju) - dot(candidate, u)) <= allowed:
            return False
    return True


def _candidates(suspect: Suspect, suspects: Sequence[Suspect]) -> Iterator[tuple[str, np.ndarray]]:
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


def _constant(point: Point, suspect: Suspect, by_complex: bool) -> str:
    """The constant by which the numerical gradient has to be multiplied to give what was returned."""
    value = suspect.claim.value
    factor = np.float64(dot(value, suspect.directions[0].u[0])) / dot(point.v, suspect.slopes[0])
    if value.size == 1 or not np.isfinite(factor) or factor == 0:
        return ""
    if not _fits(point, point.v, suspect, value / factor, by_complex):
        return ""
    words = f"yours / numerical = {factor:.10g} in every entry{' that was looked at' if point.sample_of else ''}"
    inverse, shape = 1 / factor, point.sample_of or point.shape
    if shape and abs(inverse - round(inverse)) < REAL_ACCURACY and round(inverse) == shape[0] > 1:
        words += f" = 1/{round(inverse)}: averaged over the {round(inverse)} rows of out"
    return words
