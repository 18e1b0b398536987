"""The layer under check as a function of its float arguments: their entries, and steps along a direction.

Arguments and results are nested tuples (or lists) of arrays and scalars; the arrays and scalars are called leaves.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

EPS = float(np.finfo(float).eps)
TINY = float(np.finfo(float).tiny)

# Long arrays are summed in blocks of so many entries: they stay in the cache, and BLAS sums them in one thread. Waiting
# for threads that are busy elsewhere takes longer than any sum.
BLOCK = 8192

# So many random numbers are drawn one by one; more are products.
FEW_DRAWN = 4096

# Nested deeper than this, a value is taken for garbage (a list that contains itself, say).
DEPTH = 16


@dataclass(frozen=True)
class Leaf:
    """One differentiable array among the arguments.

    argument, path: its place, `args[argument][path[0]][path[1]]...`.
    name: "w", or "params[1]" inside a tuple.
    value: the array, float64.
    norm: ‖value‖.
    scalar: `float` for Python's, `np.generic` for numpy's, None for an array: code may call math.exp on what it gets.
    """

    argument: int
    path: tuple[int, ...]
    name: str
    value: np.ndarray
    norm: float
    scalar: type | None = None


@dataclass(frozen=True)
class Direction:
    """A direction u in the space of some leaves, one array each.

    size: the root mean square of an entry of each array, so that size·‖g‖ is what ⟨g, u⟩ amounts to.
    """

    leaves: tuple[Leaf, ...]
    u: tuple[np.ndarray, ...]
    size: tuple[float, ...]


@dataclass(frozen=True)
class Point:
    """A layer at one point.

    args, leaves: the arguments and the differentiable arrays among them.
    dout, v: the upstream gradient, as it is handed over and as one flat array.
    out: what the forward computed, flat, and eps, the machine epsilon of its format.
    shape: the shape of out, or None where out is nested.
    sample_of: of some places of a larger layer, looked at by themselves, the shape of that layer's out.
    """

    args: tuple
    leaves: tuple[Leaf, ...]
    dout: Any
    v: np.ndarray
    out: np.ndarray
    eps: float
    shape: tuple[int, ...] | None
    sample_of: tuple[int, ...] | None = None

    @property
    def entries(self) -> int:
        """How many numbers an evaluation takes and gives."""
        return sum(leaf.value.size for leaf in self.leaves) + self.out.size


def walk(value: Any, path: tuple[int, ...] = ()) -> Iterator[tuple[tuple[int, ...], Any]]:
    """All leaves of nested tuples and lists, with their paths, in order."""
    if isinstance(value, tuple | list) and len(path) < DEPTH:
        for i, item in enumerate(value):
            yield from walk(item, (*path, i))
    else:
        yield path, value


def fresh(value: Any, depth: int = 0) -> Any:
    """A copy that shares no array with the value: code under check may write into what it is given."""
    if isinstance(value, tuple | list) and depth < DEPTH:
        items = [fresh(item, depth + 1) for item in value]
        return items if isinstance(value, list) else tuple(items)
    return value.copy("K") if isinstance(value, np.ndarray) else value


def like(value: Any, flat: np.ndarray) -> Any:
    """The numbers of `flat` in the structure and the shapes of `value`."""
    if isinstance(value, np.ndarray):
        return flat.reshape(value.shape)
    parts, taken = [], 0
    for _, leaf in walk(value):
        parts.append(flat[taken : taken + np.size(leaf)])
        taken += np.size(leaf)
    return _filled(value, iter(parts))


def _filled(value: Any, parts: Iterator[np.ndarray]) -> Any:
    if isinstance(value, tuple | list):
        items = [_filled(item, parts) for item in value]
        return items if isinstance(value, list) else tuple(items)
    return next(parts).reshape(np.shape(value)).copy()


def differentiable(args: tuple, names: Sequence[str]) -> tuple[tuple[Leaf, ...], list[str]]:
    """The float leaves of the arguments, and a note about each leaf that holds something else."""
    leaves, notes = [], []
    for i, argument in enumerate(args):
        for path, value in walk(argument):
            name = names[i] + "".join(f"[{p}]" for p in path)
            array = as_array(value)
            if array is None or array.dtype.kind not in "fbiu":
                notes.append(f"{name} is {kind(value)}, so it has no gradient")
            elif array.dtype.kind != "f":
                notes.append(f"{name} holds {'booleans' if array.dtype.kind == 'b' else 'integers'}: no gradient")
            else:
                scalar = float if type(value) is float else np.generic if isinstance(value, np.generic) else None
                array64 = array.astype(float, copy=False)
                leaves.append(Leaf(i, path, name, array64, norm(array64), scalar))
                if array.dtype != np.float64:
                    notes.append(f"{name} holds {array.dtype}; it is checked in float64")
    return tuple(leaves), notes


def blocks(n: int, size: int = BLOCK) -> list[slice]:
    """The numbers up to n in slices of so many."""
    return [slice(i, i + size) for i in range(0, n, size)]


def dot(a: np.ndarray, b: np.ndarray) -> float:
    """⟨a, b⟩ of two real arrays of one shape."""
    if a.size <= BLOCK:
        return float(np.vdot(a, b))
    a, b = a.ravel(), b.ravel()
    return sum(float(np.vdot(a[at], b[at])) for at in blocks(a.size))


def norm(array: np.ndarray) -> float:
    """‖a‖, the root of the sum of squares; nan or inf if an entry is, or if squares overflow (beyond 1e154)."""
    if array.size <= BLOCK:
        return math.sqrt(np.vdot(array, array).real)
    flat = array.ravel(order="K")
    return math.sqrt(sum(np.vdot(flat[at], flat[at]).real for at in blocks(flat.size)))


def product_norm(a: np.ndarray, b: np.ndarray) -> float:
    """‖a∘b‖ of two flat arrays."""
    if a.size <= BLOCK:
        return norm(a * b)
    return math.sqrt(sum(norm(a[at] * b[at]) ** 2 for at in blocks(a.size)))


def kind(value: Any) -> str:
    """What a value is, in words: 'None', 'a str', 'an array of dtype object'."""
    if value is None:
        return "None"
    if isinstance(value, np.ndarray):
        return f"an array of dtype {value.dtype}"
    word = type(value).__name__
    return f"{'an' if word[:1] in 'aeiouAEIOU' else 'a'} {word}"


def as_array(item: Any) -> np.ndarray | None:
    try:
        return np.asarray(item)
    except Exception:  # an object with an __array__ that raises, a ragged sequence
        return None


# --- steps along a direction ---


def random_direction(rng: np.random.Generator, leaves: Sequence[Leaf]) -> Direction:
    """A direction with entries ±[1, 2] in every leaf (times a power of two where the leaf's values are large).

    Beyond |x| = 2048 the entries grow with the largest |x|, so that x ± step·u stays exact down to the steps in use.
    """
    return direction_of(signs_and_sizes(rng, sum(leaf.value.size for leaf in leaves)), leaves)


def direction_of(drawn: np.ndarray, leaves: Sequence[Leaf]) -> Direction:
    """The direction of these numbers, which `signs_and_sizes` drew."""
    u, size, taken = [], [], 0
    for leaf in leaves:
        part = drawn[taken : taken + leaf.value.size].reshape(leaf.value.shape)
        taken += leaf.value.size
        scale = 1.0
        if leaf.norm > 2048 and (largest := float(np.max(np.abs(leaf.value)))) > 2048:
            scale = 2.0 ** math.ceil(math.log2(largest / 2048))
        u.append(part if scale == 1 else part * scale)
        size.append(1.53 * scale)  # the root mean square of ±[1, 2] is √(7/3)
    return Direction(tuple(leaves), tuple(u), tuple(size))


def signs_and_sizes(rng: np.random.Generator, n: int) -> np.ndarray:
    """n random numbers on ±[1, 2], of 24 bits: so short that x ± u·2⁻¹⁷ is exact wherever |x| ≤ 2048.

    Not normal: an error is seen times its u, and a normal u is near 0 too often (at a tolerance of 1e-8 it hid one
    wrong entry in 47 % of the runs). Not ±1: two entries swapped would cancel half of the time.

    Up to FEW_DRAWN numbers are uniform. More are products aᵢ·bⱼ of uniform numbers on ±[1, √2]: drawing takes longer
    than a pass over the array. They crowd towards the middle (the root mean square is 1.47, not 1.53), and are not
    independent, but an error that is not made for the draw does not vanish in them either: Σ eᵢⱼaᵢbⱼ is 0 for all a
    and b only if e is.
    """
    if n <= FEW_DRAWN:
        return _uniform(rng, n, 2.0).astype(float)
    a, b = _uniform(rng, -(-n // 1024), math.sqrt(2)), _uniform(rng, 1024, math.sqrt(2))
    products = np.empty((len(a), len(b)))
    np.multiply(a[:, None], b, out=products, dtype=np.float32, casting="unsafe")
    return products.ravel()[:n]


def two_draws(rng: np.random.Generator, n: int, m: int) -> tuple[np.ndarray, np.ndarray]:
    """n and m such numbers.

    Few are drawn at once. Where there are many, products must not share their b: an error of dx that is antisymmetric
    along an axis as long as b (a matrix not transposed) would vanish if dout and u did.
    """
    if n + m <= FEW_DRAWN:
        drawn = signs_and_sizes(rng, n + m)
        return drawn[:n], drawn[n:]
    return signs_and_sizes(rng, n), signs_and_sizes(rng, m)


def _uniform(rng: np.random.Generator, n: int, largest: float) -> np.ndarray:
    """float32 numbers, uniform on ±[1, largest]."""
    r = rng.random(n, dtype=np.float32)
    r *= 2
    r -= 1
    signs = np.copysign(1, r)
    r *= largest - 1
    r += signs
    return r


def unit_direction(leaf: Leaf, k: int) -> Direction:
    """The direction of one entry, by its flat index."""
    one = np.zeros(leaf.value.shape)
    one.flat[k] = 1.0
    return Direction((leaf,), (one,), (1.0,))


def moved(point_args: tuple, direction: Direction, step: float) -> tuple:
    """The arguments at x + step·u."""
    values = []
    for leaf, u in zip(direction.leaves, direction.u, strict=True):
        value = u * step
        value += leaf.value
        values.append(value)
    return with_values(point_args, direction.leaves, values)


def moved_imaginary(point_args: tuple, direction: Direction, step: float) -> tuple:
    """The arguments at x + i·step·u."""
    values = []
    for leaf, u in zip(direction.leaves, direction.u, strict=True):
        z = np.empty_like(leaf.value, dtype=complex)
        z.real = leaf.value
        np.multiply(u, step, out=z.imag)
        values.append(z)
    return with_values(point_args, direction.leaves, values)


def shaken(args: tuple, direction: Direction, rng: np.random.Generator, by: float = 0.0) -> tuple[tuple, Direction]:
    """The arguments with every entry of these leaves moved at random, up or down, and the same direction there.

    by: how far at most, relative to the entry, and to the spread of the leaf's entries (or to their size, if they are
        all the same); 0 to move by 2 to 4 units in the last place (a single one can get lost when the entry is scaled).
    """
    leaves = []
    for leaf in direction.leaves:
        way = np.asarray(rng.random(leaf.value.shape))
        way -= 0.5
        if by:
            spread = float(np.std(leaf.value)) if leaf.value.size else 0.0
            way *= np.minimum(np.abs(leaf.value), spread or leaf.norm)
            way *= 2 * by
        else:
            np.copysign(2 * EPS, way, out=way)
            way *= leaf.value
        way += leaf.value
        leaves.append(replace(leaf, value=way))
    return with_values(args, leaves, [leaf.value for leaf in leaves]), replace(direction, leaves=tuple(leaves))


def with_values(args: tuple, leaves: Sequence[Leaf], values: Sequence[np.ndarray]) -> tuple:
    """The arguments with new values for these leaves, each as the kind of object that stood there; the rest copied."""
    new = {(leaf.argument, *leaf.path): _like(leaf, value) for leaf, value in zip(leaves, values, strict=True)}
    return tuple([_replaced(argument, (i,), new) for i, argument in enumerate(args)])


def _replaced(value: Any, path: tuple[int, ...], new: dict[tuple[int, ...], Any]) -> Any:
    # A function of the module, not of `with_values`: one that refers to itself would keep all arrays until the garbage
    # collector comes by.
    if path in new:
        return new[path]
    if isinstance(value, tuple | list):
        items = [_replaced(item, (*path, i), new) for i, item in enumerate(value)]
        return items if isinstance(value, list) else tuple(items)
    return value.copy() if isinstance(value, np.ndarray) else value


def _like(leaf: Leaf, value: np.ndarray) -> Any:
    if leaf.scalar is float:
        return value.item()
    return value[()] if leaf.scalar else np.asarray(value)
