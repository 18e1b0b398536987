"""Shapes as the reader of a contract thinks of them: (N, M) = (4, 3) where the docstring says "shape (N, M)".

The symbols come from the references' docstrings, the one place where a shape is written down. They are plain strings,
so that public answer keys can hold them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import numpy as np

Symbols = tuple[str, ...]

ENTRY = re.compile(r"^ +(\w+): ", re.MULTILINE)
SHAPE = re.compile(r"\bshape\s+(?:of (\w+)|\(([^()]*)\))")
ELLIPSIS = "..."


def symbols_in(docstring: str) -> dict[str, Symbols]:
    """The shape of each array that a docstring describes by symbols, by the array's name.

    Understood are entries such as "w: weights, shape (D, M)" and "dx: gradient, shape of x"; an entry without is left
    out, and so is "shape of" an array that has none.
    """
    found: dict[str, Symbols] = {}
    same_as: dict[str, str] = {}
    parts = ENTRY.split(docstring)
    for name, text in zip(parts[1::2], parts[2::2], strict=True):
        match = SHAPE.search(text)
        if match and match[1]:
            same_as[name] = match[1]
        elif match:
            found[name] = tuple(part for part in re.split(r"\s*,\s*", match[2].strip()) if part)
    for name, other in same_as.items():
        if other in found:
            found[name] = found[other]
    return found


def spelled_out(symbols: Symbols, rank: int) -> Symbols | None:
    """The symbols for so many axes: (N, d_1, ..., d_k) is (N, d_1, d_2) for three, and (N, D) for two."""
    if ELLIPSIS not in symbols:
        return symbols if len(symbols) == rank else None
    at = symbols.index(ELLIPSIS)
    before, after = symbols[: at - 1], symbols[at + 2 :]
    stem = symbols[at - 1].rpartition("_")[0]
    several = rank - len(before) - len(after)
    if several < 1:
        return None
    middle = (stem.upper(),) if several == 1 else tuple(f"{stem}_{i + 1}" for i in range(several))
    return (*before, *middle, *after)


def sizes_of(shapes: Mapping[str, Symbols], names: Sequence[str], values: Sequence) -> dict[str, int]:
    """What each symbol stands for, read off arrays whose shapes are known: {"N": 4, "D": 15, "M": 3}."""
    sizes: dict[str, int] = {}
    for name, value in zip(names, values, strict=False):
        symbols = spelled_out(shapes.get(name, ()), np.ndim(value))
        for symbol, size in zip(symbols or (), np.shape(value), strict=False):
            if symbol.isidentifier():
                sizes.setdefault(symbol, size)
    return sizes


def in_symbols(shape: Sequence[int], sizes: Mapping[str, int], own: Symbols = ()) -> str:
    """A shape with its symbols before it, "(M, D) = (3, 15)", where they can be told; otherwise the numbers alone.

    Where several symbols have the size, one of the array's `own` is taken, if only one of those has.
    """
    names = []
    for size in shape:
        fitting = [symbol for symbol, value in sizes.items() if value == size]
        preferred = [symbol for symbol in fitting if symbol in own] or fitting
        if size == 1 and not fitting:
            preferred = ["1"]
        if len(preferred) != 1:
            return written(shape)
        names.append(preferred[0])
    return _equal(names, shape) if any(name != "1" for name in names) else written(shape)


def as_expected(symbols: Symbols, shape: Sequence[int]) -> str:
    """The expected shape: its symbols as the contract has them, and the numbers."""
    names = spelled_out(symbols, len(shape)) if symbols else None
    return _equal(names, shape) if names else written(shape)


def written(shape: Sequence[int]) -> str:
    return str(tuple(int(n) for n in shape))


def _equal(names: Sequence[str], shape: Sequence[int]) -> str:
    return f"({', '.join(names)}{',' * (len(names) == 1)}) = {written(shape)}"
