"""The rules by which the judge compares two arrays: every constant stands beside its derivation or its source.

Throughout, eps is the machine epsilon of the format, 2⁻⁵² for float64: one correctly rounded operation is wrong by at
most eps/2 of its result.
"""

from __future__ import annotations

from typing import Any

import numpy as np

# Relative part of the rule for float64: 4,500 eps. Right ways of writing the course's layers differ from each other by
# less than 1e-14 of an entry wherever nothing cancels; the smallest mistake ever met in a formula is 1e-6.
RTOL = 1e-12

# Absolute part, in eps times the `unit` of an entry. Measured against long double on the grid ±{0, 1e-8, 1e-3, 0.5, 1,
# 2, 3, 5, 8, 10, 15, 20, 30}, with unit |dout|: s(1-s), s - s² and e^-x/(1+e^-x)² need at most 0.6 from any of four
# sigmoids, 1 - t² and (1-t)(1+t) 0.55 from np.tanh, 1.4 from exponentials, 2.1 from 2σ(2x) - 1. Wrong formulas are off
# by 1e6 and more.
UNITS = 4

# float32 is compared with a run in float64, never with itself. 64·eps32 = 7.6e-6: sums of 4,096 products, added up one
# by one, reach 28·eps32 of the largest entry, σ and tanh 2·eps32. Half precision is 8,192 times as coarse.
FLOAT32_UNITS = 64

# Two orders of adding n products differ by at most 0.62·eps·√n of the largest sum (matmul, einsum, loops forward and
# backward, broadcast and sum; n from 1 to 4,096, signs mixed and equal, 84 draws of matrices each). 4·4·eps·√n is 26
# times that.
SUM_UNITS = 4

# What loss of relative accuracy is worth a remark. At x = 1e-12 the exponential forms of tanh are off by 3e-5 to 1e-4
# of themselves, at 1e-8 by 1e-8; np.tanh by 1e-16 anywhere.
INACCURATE = 1e-9


LOST = float(np.finfo(float).tiny / np.finfo(float).eps)  # below, numbers lose bits
EPS = {np.dtype(kind): float(np.finfo(kind).eps) for kind in (np.float16, np.float32, np.float64, np.longdouble)}


def wrong_entries(
    value: np.ndarray,
    expected: np.ndarray,
    *,
    unit: float | np.ndarray = 0.0,
    rtol: float = RTOL,
    dtype: Any = np.float64,
) -> np.ndarray:
    """Mark the entries where value is not expected.

    An entry is right if |value - expected| ≤ rtol·|expected| + 4·eps·unit, or if both are the same infinity, or both
    nan.

    Args:
        value, expected: arrays of one shape (whoever compares shapes does it before).
        unit: the size of a number whose rounding may show up undiminished in the entry; a scalar, or an array that
            broadcasts to the shape. |dout| for the backward of an elementwise layer, 1 for a bounded activation,
            `sum_unit(...)` for a layer that adds up products, 0 to demand relative accuracy.
        rtol: the relative part; never below 64·eps of `dtype`.
        dtype: the format that value was computed in.

    Returns: a boolean array of the same shape, True where value is wrong.

    Raises:
        ValueError: the shapes differ.
    """
    value, expected = _number(value), _number(expected)
    if value.shape != expected.shape:
        raise ValueError(f"cannot compare shape {value.shape} with shape {expected.shape}")
    eps = EPS[np.dtype(dtype)]
    with np.errstate(all="ignore"):
        difference = np.abs(value - expected)
        # As nearly always: all is within what is allowed of the unit alone, and finite.
        if isinstance(unit, float) and difference.max(initial=0.0) <= UNITS * eps * abs(unit) < np.inf:
            return np.zeros(value.shape, bool)
        allowed = max(rtol, FLOAT32_UNITS * eps) * np.abs(expected) + UNITS * eps * np.abs(unit)
        right = difference <= allowed
        # Or all is right and finite (an infinity would stand out in the sum).
        if np.count_nonzero(right) == right.size and np.add.reduce(difference, axis=None) < np.inf:
            return np.zeros(value.shape, bool)
    # For an infinite `expected`, allowed is infinite too, and every number would pass.
    finite = np.isfinite(value) & np.isfinite(expected)
    identical = (value == expected) | (np.isnan(value) & np.isnan(expected))
    return ~np.where(finite, right, identical)


def _number(value: Any) -> np.ndarray:
    """As an array of floats: True and False as 1 and 0, and whole numbers so that no difference wraps around."""
    array = np.asarray(value)
    return array * 1.0 if array.dtype.kind in ("b", "i", "u") else array


def sum_unit(expected: np.ndarray, terms: int) -> float:
    """The `unit` for an array whose entries are sums of products: 4·√terms·max|expected|.

    A sum of n products, added up in any order, is off by at most n·eps/2·Σ|aᵢbᵢ| (Higham, Accuracy and Stability of
    Numerical Algorithms, §3.1), typically by √n·eps/2·√Σ(aᵢbᵢ)², whatever remains of the sum. If it nearly cancels,
    that is far more than eps of the entry, but not of the entries beside it, whose terms are as large. So
    rounding is measured against the largest entry; SUM_UNITS says by how much.

    Args:
        expected: the right array, any shape.
        terms: how many products an entry adds up, at most.
    """
    finite = expected[np.isfinite(expected)] if expected.dtype.kind == "f" else np.zeros(0)
    return SUM_UNITS * float(np.sqrt(terms)) * float(np.max(np.abs(finite), initial=0.0))


def informative(expected: np.ndarray, *, unit: float | np.ndarray = 0.0) -> np.ndarray:
    """Mark the entries at which `wrong_entries` would notice a flipped sign, and so notice anything at all.

    On the overflow grid, ±{36, ..., 1e4}, σ' and tanh' are below 4·eps: zeros pass there, and so does a flipped sign.
    It is asked to see whether values are finite and right in size; points must be earned at entries that tell
    something.
    """
    return wrong_entries(-np.asarray(expected), expected, unit=unit)


def same_value(a: Any, b: Any) -> bool:
    """Whether two answers to the same question are one: the same structure, shapes, dtypes and bits, nan equal to nan.

    Bitwise, because the same code on the same inputs at the same place of memory takes the same steps. The two calls do
    get other addresses, and a BLAS that picks its kernel by alignment, or divides the work among threads by what is
    free, may add in another order. So a difference of rounding alone is not called impure: entries may differ by
    64·eps of the largest entry, which no dropout mask, counter or random number stays within.
    """
    if isinstance(a, tuple | list) or isinstance(b, tuple | list):
        both = isinstance(a, tuple | list) and isinstance(b, tuple | list) and len(a) == len(b)
        return both and all(same_value(x, y) for x, y in zip(a, b, strict=True))
    if a is None or b is None:
        return a is b
    x, y = np.asarray(a), np.asarray(b)
    if x.shape != y.shape or x.dtype != y.dtype:
        return False
    if x.dtype.kind not in "fc":
        return bool(np.array_equal(x, y))
    if x.tobytes() == y.tobytes() or np.array_equal(x, y, equal_nan=True):
        return True
    with np.errstate(all="ignore"):
        finite = np.isfinite(x) & np.isfinite(y)
        largest = float(np.max(np.abs(x[finite]), initial=0.0))
        return not wrong_entries(x, y, unit=16 * largest, rtol=0.0, dtype=np.finfo(x.dtype).dtype).any()


def linear(g: np.ndarray, g2: np.ndarray, *, unit: float | np.ndarray = 0.0) -> np.ndarray:
    """Mark the entries in which a backward is not linear in its upstream gradient.

    Multiplying by 2 is exact, and commutes with every rounding of +, -, ·, / as long as nothing overflows or falls
    below 2.2e-308, where numbers lose bits. So g2 = 2·g bit by bit if the code treats dout by these operations alone.
    It may also take another right way (logarithms of |dout|; a sum whose order BLAS chooses anew), so the rule is that
    of `wrong_entries`, with twice the unit, and 2.2e-308 for what has lost bits. Where 2·g overflows nothing is said.

    Args:
        g: backward(dout, cache). g2: backward(2·dout, cache), each with the cache of a fresh forward.
        unit: that of g, as in `wrong_entries`.
    """
    g, g2, lost = np.asarray(g), np.asarray(g2), LOST
    if is_twice(g2, g):
        return np.zeros(g.shape, bool)
    with np.errstate(all="ignore"):
        doubled = 2.0 * g
    return wrong_entries(g2, doubled, unit=2 * np.abs(unit) + lost) & (np.isfinite(doubled) | ~np.isfinite(g))


def is_twice(two: Any, one: Any) -> bool:
    """Whether both are arrays of floats alike, the entries of the one those of the other times 2, bit by bit."""
    if not (type(two) is np.ndarray and type(one) is np.ndarray and two.dtype == one.dtype and two.dtype.kind == "f"):
        return False
    with np.errstate(over="ignore"):
        return two.shape == one.shape and two.tobytes() == (one + one).tobytes()


def float32_rule(value: np.ndarray, expected64: np.ndarray, *, unit: float | np.ndarray = 0.0) -> np.ndarray:
    """Mark the entries of a float32 run that are not those of the same function's float64 run.

    float32 is never differenced: with eps32 = 1.2e-7 a difference quotient keeps three or four digits. An entry may be
    off by 64·eps32 of itself and of the largest entry (a float32 sum that cancels has no relative accuracy), and by
    4·eps32 of its unit.
    """
    value, expected = np.asarray(value, dtype=float), np.asarray(expected64, dtype=float)
    with np.errstate(all="ignore"):
        everywhere = FLOAT32_UNITS * EPS[np.dtype(np.float32)] * np.abs(expected).max(initial=0.0)
        # as nearly always: all is within what is allowed of the largest entry alone, and finite
        if value.shape == expected.shape and np.abs(value - expected).max(initial=0.0) <= everywhere < np.inf:
            return np.zeros(value.shape, bool)
    largest = float(np.max(np.abs(expected[np.isfinite(expected)]), initial=0.0))
    unit = np.maximum(np.abs(unit), FLOAT32_UNITS / UNITS * largest)
    return wrong_entries(value, expected, unit=unit, dtype=np.float32)


def relatively_inaccurate(
    value: np.ndarray, expected: np.ndarray, *, unit: float | np.ndarray = 1.0, rtol: float = INACCURATE
) -> np.ndarray:
    """Mark the entries that are right in absolute terms and yet have lost relative accuracy: worth a remark, not a
    point.

    (e^x - e^-x)/(e^x + e^-x) at x = 1e-12 is off by 1e-16, which is 1e-4 of tanh(x).
    """
    inaccurate = wrong_entries(value, expected, rtol=rtol)
    return inaccurate & ~wrong_entries(value, expected, unit=unit) if inaccurate.any() else inaccurate
