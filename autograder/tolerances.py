"""The rules by which the judge compares two arrays: every constant stands beside its derivation or its source.

Throughout, eps is the machine epsilon of the format, 2⁻⁵² for float64: one correctly rounded operation is wrong by at
most eps/2 of its result.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

# Relative part of the rule for float64. Correct ways of writing the course's layers differ from each other by less than
# 1e-14 of an entry wherever nothing cancels; a wrong formula is off by 1e-6 at the very least. 1e-12 lies between.
RTOL = 1e-12

# Absolute part, in eps times the `unit` of an entry. For σ' = s(1-s) and tanh' = (1-t)(1+t), 1-t², ... with s and t
# correct to 1 ulp, measured on the grid ±{0, 1e-8, ..., 30}: correct formulas need at most 0.94; wrong ones 1e6 and
# more.
UNITS = 4

# float32 is compared with a run in float64, never with itself. 64·eps32 = 7.6e-6: the course's layers, fed float32,
# reach 20·eps32 (sums over 4096 terms); half precision misses by 8,192·eps32.
FLOAT32_UNITS = 64


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
            `rounding_unit(...)` for a layer that adds up products, 0 to demand relative accuracy.
        rtol: the relative part; never below 64·eps of `dtype`.
        dtype: the format that value was computed in.

    Returns: a boolean array of the same shape, True where value is wrong.

    Raises:
        ValueError: the shapes differ.
    """
    value, expected = np.asarray(value), np.asarray(expected)
    if value.shape != expected.shape:
        raise ValueError(f"cannot compare shape {value.shape} with shape {expected.shape}")
    eps = float(np.finfo(dtype).eps)
    with np.errstate(all="ignore"):
        allowed = max(rtol, FLOAT32_UNITS * eps) * np.abs(expected) + UNITS * eps * np.abs(unit)
        right = np.abs(value - expected) <= allowed
    # inf - inf is nan, and inf ≤ inf would let any number pass for an infinite `expected`.
    finite = np.isfinite(value) & np.isfinite(expected)
    identical = (value == expected) | (np.isnan(value) & np.isnan(expected))
    return ~np.where(finite, right, identical)


def rounding_unit(
    function: Callable[..., Any], args: tuple, rng: np.random.Generator, *, draws: int = 3
) -> tuple[np.ndarray, ...]:
    """Estimate, for each entry of a trusted function's result, the unit in which its rounding is to be measured.

    A sum of n products, added up in any order, is wrong by at most n·eps/2·Σ|a_i b_i| (Higham, Accuracy and Stability
    of Numerical Algorithms, §3.1), typically by √n·eps/2·√Σ(a_i b_i)². If the sum cancels, that is far more than eps of
    the result, so that a relative rule alone would call another order of summation wrong. Rounding acts like relative
    changes of the inputs (backward stability), which is how the unit is measured: the arguments are
    multiplied by 1 ± 2⁻²⁶ entry by entry, and an entry's unit is 16 times the largest change seen, over 2⁻²⁶, but
    at least 16 times its root mean square over the array (three draws can all be small by accident, an
    entry's neighbours seldom are). For sums of n ≤ 4096 products added one by one, 4·eps·unit is above twice the
    largest error measured.

    Args:
        function: `function(*args)` returns an array or a tuple of arrays; from the trusted side.
        args: arrays and scalars; those that are no floats stay as they are.

    Returns: one array for each array that the function returns.
    """
    size = 2.0**-26

    def results(arguments: tuple) -> list[np.ndarray]:
        value = function(*arguments)
        return [np.asarray(v, dtype=float) for v in (value if isinstance(value, tuple | list) else (value,))]

    def shaken(argument: Any) -> Any:
        array = np.asarray(argument)
        return array * (1 + size * rng.choice([-1.0, 1.0], array.shape)) if array.dtype.kind == "f" else argument

    with np.errstate(all="ignore"):
        base = results(args)
        largest = [np.zeros(b.shape) for b in base]
        for _ in range(draws):
            moved = results(tuple(shaken(a) for a in args))
            largest = [np.fmax(m, np.abs(v - b) / size) for m, v, b in zip(largest, moved, base, strict=True)]
        return tuple(16 * np.fmax(m, np.sqrt(np.mean(m * m)) if m.size else 0.0) for m in largest)


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
    if np.array_equal(x, y, equal_nan=True):
        return True
    with np.errstate(all="ignore"):
        finite = np.isfinite(x) & np.isfinite(y)
        largest = float(np.max(np.abs(x[finite]), initial=0.0))
        return not wrong_entries(x, y, unit=16 * largest, rtol=0.0, dtype=_real(x.dtype)).any()


def linear(g: np.ndarray, g2: np.ndarray, *, unit: float | np.ndarray = 0.0) -> np.ndarray:
    """Mark the entries in which a backward is not linear in its upstream gradient, from g = backward(dout, cache) and
    g2 = backward(2·dout, cache).

    Multiplying by 2 is exact, and commutes with every rounding of +, -, ·, / as long as nothing overflows or falls
    below 2.2e-308, where numbers lose bits. So g2 == 2·g bit by bit for code that treats dout by these operations
    alone. Code may also take another but still correct route (logarithms of |dout|, a sum whose order BLAS chooses), so
    the rule is that of `wrong_entries`, in units of twice the gradient's, with 2⁻¹⁰²² for denormals.
    """
    with np.errstate(all="ignore"):
        expected = 2.0 * np.asarray(g)
        denormal = float(np.finfo(float).tiny / np.finfo(float).eps)
        return wrong_entries(g2, expected, unit=2 * np.abs(unit) + denormal) & ~_overflowed(expected, g)


def float32_rule(value: np.ndarray, expected64: np.ndarray, *, unit: float | np.ndarray = 0.0) -> np.ndarray:
    """Mark the entries of a float32 run that are not those of the same function's float64 run.

    float32 is never differenced: with eps32 = 1.2e-7 a difference quotient keeps three or four digits, fewer than the
    bugs worth finding. An entry may differ by 64·eps32 of itself, and by 4·eps32 of its unit, or of the
    largest entry where that is more: a float32 sum that cancels has no relative accuracy.
    """
    expected = np.asarray(expected64, dtype=float)
    finite = expected[np.isfinite(expected)]
    scale = float(np.max(np.abs(finite), initial=0.0))
    return wrong_entries(
        np.asarray(value, dtype=float), expected, unit=np.fmax(np.abs(unit), 16 * scale), dtype=np.float32
    )


def relatively_inaccurate(
    value: np.ndarray, expected: np.ndarray, *, unit: float | np.ndarray = 1.0, rtol: float = 1e-9
) -> np.ndarray:
    """Mark the entries that are right in absolute terms and yet have lost relative accuracy: worth a remark, not a
    point.

    (e^x - e^-x)/(e^x + e^-x) at x = 1e-12 is right to 1e-16, but 1e-16 is 1e-4 of the result. The exponential
    forms lose 3e-5 to 1e-4 there, stable ones nothing; 1e-9 lies between.
    """
    absolutely_right = ~wrong_entries(value, expected, unit=unit)
    return absolutely_right & wrong_entries(value, expected, rtol=rtol)


def _overflowed(expected: np.ndarray, g: np.ndarray) -> np.ndarray:
    return ~np.isfinite(expected) & np.isfinite(g)


def _real(dtype: np.dtype) -> np.dtype:
    return np.finfo(dtype).dtype
