"""Inputs that show a mistake: the generators and grids from which solutions files build their cases.

Distinct sizes show a swapped axis, N = 1 must work, a grid reaches the tails, and views with gaps show code that
assumes contiguous memory. Grids: ordinary values up to 30, where every sigmoid still has a slope that can be compared;
extreme ones around the powers where exp overflows in float32 (88.7) and float64 (709.8) and underflows (745.1).
"""

from __future__ import annotations

import math

import numpy as np

from autograder.exercise import Case

GRID = (0.0, 1e-8, 1e-3, 0.5, 1.0, 2.0, 3.0, 5.0, 8.0, 10.0, 15.0, 20.0, 30.0)
OVERFLOW = (36.0, 40.0, 88.0, 89.0, 104.0, 355.0, 709.0, 710.0, 745.0, 746.0, 1e3, 1e4)

SIGNS = np.array((-1.0, 1.0))


def normal(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Standard normal numbers, float64."""
    return rng.standard_normal(shape)


def uniform(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Uniform numbers of mean 0 and variance 1, float64: many of them are drawn in a quarter of the time."""
    return math.sqrt(12) * (rng.random(shape) - 0.5)


def strided(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Standard normal numbers in a view that skips every second entry along each axis."""
    return rng.standard_normal(tuple(2 * n for n in shape))[tuple(slice(None, None, 2) for _ in shape)]


def upstream(rng: np.random.Generator, shape: tuple[int, ...], dtype=np.float64) -> np.ndarray:
    """An upstream gradient with entries in ±[1, 2): never ones, never near 0, so that each entry of a result counts."""
    return (SIGNS[rng.integers(0, 2, shape)] * rng.uniform(1, 2, shape)).astype(dtype)


def both_signs(values: tuple[float, ...]) -> np.ndarray:
    """The values and their negatives as two rows."""
    return np.array([values, [-v for v in values]])


def elementwise_cases(*, contract: str = "", section: str = "", overflow: str = "") -> tuple[Case, ...]:
    """The cases of a layer that maps every entry by itself: batches, the grid, layouts, float32 and overflow.

    The arguments are the sections of the notebook that prepare for the hidden ones: what holds for all layers, this
    layer's own, and the one on overflow.
    """
    return (
        Case("a batch", "several examples at once", lambda rng: (2 * normal(rng, (4, 3)),)),
        Case(
            "images",
            "x has more than two dimensions, as images do",
            lambda rng: (2 * normal(rng, (2, 3, 4)),),
        ),
        Case(
            "the grid",
            "from 0 to 30 on both sides: in the middle, on the shoulders and in the tails",
            lambda rng: (both_signs(GRID),),
        ),
        Case(
            "another batch",
            "a batch of another size, with numbers that you have not seen",
            lambda rng: (3 * normal(rng, (5, 7)),),
            hidden=True,
            similar="3 * np.random.randn(5, 7)",
            lesson=section,
        ),
        Case(
            "another grid",
            "values between those of the grid, on both sides",
            lambda rng: (both_signs(GRID) * rng.uniform(0.8, 1.0, (2, len(GRID))),),
            hidden=True,
            similar="np.linspace(-30, 30, 60).reshape(2, 30)",
            lesson=section,
        ),
        Case(
            "one number",
            "x of shape (1,)",
            lambda rng: (normal(rng, (1,)),),
            hidden=True,
            similar="np.ones(1)",
            lesson=contract,
        ),
        Case(
            "not contiguous",
            "x is a view with gaps, as slices are",
            lambda rng: (strided(rng, (3, 5)),),
            hidden=True,
            similar="np.random.randn(6, 10)[::2, ::2]",
            lesson=contract,
        ),
        Case(
            "float32",
            "x is float32",
            lambda rng: (normal(rng, (3, 4)).astype(np.float32),),
            hidden=True,
            similar='np.random.randn(3, 4).astype("float32")',
            lesson=contract,
        ),
        Case(
            "very large inputs",
            "|x| up to 10,000, where exponentials overflow or vanish",
            lambda rng: (both_signs(OVERFLOW),),
            extreme=True,
        ),
        Case(
            "other very large inputs",
            "|x| up to 10,000, where exponentials overflow or vanish",
            lambda rng: (both_signs(OVERFLOW) * rng.uniform(0.97, 1.0, (2, len(OVERFLOW))),),
            hidden=True,
            extreme=True,
            similar="np.array([[-10000.0, -746, -709], [709, 746, 10000]])",
            lesson=overflow,
        ),
    )
