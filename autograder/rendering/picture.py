"""A small picture of which entries of an array are wrong, and by how much, with the same thing said in words."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from autograder.rendering.shapes import Symbols, spelled_out
from autograder.report import Picture

# The most squares that are worth looking at: rows, columns. A larger array is shown in blocks.
LARGEST = (12, 30)
# A factor that is the same everywhere, up to this relative difference, is worth naming.
SAME_FACTOR = 1e-6
RIGHT, WRONG, ZERO, NOT_FINITE = ".", "x", "0", "?"


def picture_of(
    array: str, yours: np.ndarray, expected: np.ndarray, wrong: np.ndarray, symbols: Symbols = ()
) -> Picture | None:
    """The picture of one array, or None where it would say nothing: a single number, or no pattern to see.

    An array of more than two axes is laid out with its first axis as the rows.
    """
    if wrong.ndim == 0 or wrong.size < 2 or not wrong.any():
        return None
    names = spelled_out(symbols, wrong.ndim) if symbols else None
    rows, columns = _axes(names, wrong.ndim)
    yours, expected, wrong = (_flat(np.asarray(a)) for a in (yours, expected, wrong))
    factors = _factors(yours, expected) if wrong.all() else ()
    words = _in_words(array, wrong, yours, factors, rows, columns)
    if not words:
        return None
    blocks = tuple(-(-size // most) for size, most in zip(wrong.shape, LARGEST, strict=True))
    error = _error(yours, expected, wrong)
    marks = np.where(wrong, np.where(np.isfinite(yours), np.where(yours == 0, ZERO, WRONG), NOT_FINITE), RIGHT)
    return Picture(
        array=array,
        marks=tuple("".join(_strongest(cell) for cell in row) for row in _blocks(marks, blocks)),
        heat=tuple(tuple(float(np.max(cell)) for cell in row) for row in _blocks(error, blocks)),
        words=words,
        axes=(rows, columns),
        block=blocks,
    )


def _axes(names: Symbols | None, rank: int) -> tuple[str, str]:
    """What the rows and the columns are called."""
    named = [name if name.isidentifier() else "" for name in names or ()]  # not "n + K"
    if not named:
        return "", ""
    if rank == 1:
        return "", named[0]
    return named[0], " x ".join(named[1:]) if all(named[1:]) else ""


def _flat(array: np.ndarray) -> np.ndarray:
    return array.reshape(array.shape[0], -1) if array.ndim > 1 else array.reshape(1, -1)


def _error(yours: np.ndarray, expected: np.ndarray, wrong: np.ndarray) -> np.ndarray:
    """How far each wrong entry is off, from 0 to 1 of the largest error; nan and inf are 1, right entries 0."""
    with np.errstate(all="ignore"):
        off = np.where(wrong, np.abs(yours - expected), 0.0)
        largest = np.max(off, initial=0.0, where=np.isfinite(off))
        return np.where(np.isfinite(off), off / largest if largest > 0 else 0.0, 1.0)


def _blocks(array: np.ndarray, size: tuple[int, int]) -> list[list[np.ndarray]]:
    high, wide = size
    return [
        [array[i : i + high, j : j + wide] for j in range(0, array.shape[1], wide)]
        for i in range(0, array.shape[0], high)
    ]


def _strongest(marks: np.ndarray) -> str:
    return next(mark for mark in (NOT_FINITE, WRONG, ZERO, RIGHT) if (marks == mark).any())


# In words ------------------------------------------------------------------------------------------------------------


def _in_words(array, wrong, yours, factors, rows: str, columns: str) -> str:
    """The pattern as a sentence, or "" where there is none that a person would call one."""
    if wrong.all():
        return _by_factors(array, factors, rows, columns)
    whole_rows, whole_columns = np.flatnonzero(wrong.all(axis=1)), np.flatnonzero(wrong.all(axis=0))
    count, all_of = int(np.count_nonzero(wrong)), wrong.size
    kind = "nan or inf" if not np.isfinite(yours[wrong]).any() else "wrong" if yours[wrong].any() else "wrongly 0"
    where = ""
    if wrong.shape[0] == 1 and count <= wrong.size / 2:
        where = _listed("entry", whole_columns, wrong.size, columns)
    elif wrong.shape[0] > 1 and count == len(whole_rows) * wrong.shape[1]:
        where = _listed("row", whole_rows, wrong.shape[0], rows)
    elif count == len(whole_columns) * wrong.shape[0] and wrong.shape[0] > 1:
        where = _listed("column", whole_columns, wrong.shape[1], columns)
    elif wrong.shape[0] == wrong.shape[1] and np.array_equal(wrong, ~np.eye(len(wrong), dtype=bool)):
        where = "everywhere but on the diagonal"
    return f"{array} is {kind} {where or f'in {count} of {all_of} entries'}."


def _listed(what: str, at: np.ndarray, length: int, axis: str) -> str:
    """ "in rows 0 and 2", or, where most are wrong, "everywhere but in row 1"."""
    along = f" (along {axis})" if axis else ""
    if len(at) > length / 2 and length > 2:
        right = [i for i in range(length) if i not in at]
        return f"everywhere but in {_numbered(what, right)}{along}"
    return f"in {_numbered(what, list(at))}{along}"


def _numbered(what: str, at: Sequence[int]) -> str:
    names = [str(int(i)) for i in at[:6]] + (["more"] if len(at) > 6 else [])
    listed = names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
    several = {"entry": "entries"}.get(what, f"{what}s")
    return f"{several if len(at) > 1 else what} {listed}"


def _factors(yours: np.ndarray, expected: np.ndarray) -> np.ndarray | tuple:
    """yours / expected where both are finite and not 0 everywhere, else ()."""
    with np.errstate(all="ignore"):
        ratio = np.asarray(yours, float) / expected if yours.dtype.kind in "fiu" else np.array(np.nan)
    return ratio if np.isfinite(ratio).all() and np.all(ratio != 0) else ()


def _by_factors(array: str, factors: np.ndarray | tuple, rows: str, columns: str) -> str:
    """Every entry by one factor, or each row or column by one of its own."""
    if len(factors) == 0:
        return ""

    def alike(values: np.ndarray) -> bool:
        return bool(np.all(np.abs(values - values.flat[0]) <= SAME_FACTOR * np.abs(values.flat[0])))

    if factors.size > 1 and alike(factors):
        return f"Every entry of {array} is {_number(factors.flat[0])} times what it should be."
    for what, axis, lines in (("row", rows, factors), ("column", columns, factors.T)):
        if len(lines) > 1 and lines.shape[1] > 1 and all(alike(line) for line in lines):
            own = ", ".join(_number(line[0]) for line in lines[:4]) + (", ..." if len(lines) > 4 else "")
            along = f" (along {axis})" if axis else ""
            return f"Each {what} of {array}{along} is off by a factor of its own: {own}."
    return ""


def _number(value: float) -> str:
    return f"{value:.4g}"
