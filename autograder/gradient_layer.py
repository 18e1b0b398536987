"""The layer under check as a function of its float arguments: their entries, steps along a direction, and what comes
back.

Arguments and results are nested tuples (or lists) of arrays and scalars; the arrays and scalars are called leaves.
Whatever comes back is untrusted: it may be anything, and no function here raises because of it.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from autograder.gradient_result import Failed

EPS = float(np.finfo(float).eps)
TINY = float(np.finfo(float).tiny)

# A batch of requests holds about this many bytes of arguments at once; layers above it are asked for one by one.
BATCH = 1 << 22

# Nested deeper than this, a value is taken for garbage (a list that contains itself, say).
DEPTH = 16


@dataclass(frozen=True)
class Leaf:
    """One differentiable array among the arguments.

    argument, path: its place, `args[argument][path[0]][path[1]]...`.
    name: "w", or "params[1]" inside a tuple.
    value: the array, float64.
    scalar: `float` for Python's, `np.generic` for numpy's, None for an array: code may call math.exp on what it gets.
    """

    argument: int
    path: tuple[int, ...]
    name: str
    value: np.ndarray
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
    """

    args: tuple
    leaves: tuple[Leaf, ...]
    dout: Any
    v: np.ndarray
    out: np.ndarray
    eps: float
    shape: tuple[int, ...] | None


def walk(value: Any, path: tuple[int, ...] = ()) -> Iterator[tuple[tuple[int, ...], Any]]:
    """All leaves of nested tuples and lists, with their paths, in order."""
    if isinstance(value, tuple | list) and len(path) < DEPTH:
        for i, item in enumerate(value):
            yield from walk(item, (*path, i))
    else:
        yield path, value


def nested(value: Any, function: Callable[[np.ndarray], Any]) -> Any:
    """The same structure with the function applied to every array; anything else is passed on."""
    if isinstance(value, tuple | list):
        items = [nested(item, function) for item in value]
        return items if isinstance(value, list) else tuple(items)
    return function(value) if isinstance(value, np.ndarray) else value


def fresh(value: Any) -> Any:
    """A copy that shares no array with the value: code under check may write into what it is given."""
    return nested(value, np.copy)


def like(value: Any, flat: np.ndarray) -> Any:
    """The numbers of `flat` in the structure and the shapes of `value`."""
    taken = 0

    def part(leaf: Any) -> np.ndarray:
        nonlocal taken
        taken += np.size(leaf)
        return flat[taken - np.size(leaf) : taken].reshape(np.shape(leaf)).copy()

    def rebuilt(item: Any) -> Any:
        if isinstance(item, tuple | list):
            return type(item)(rebuilt(i) for i in item)
        return part(item)

    return rebuilt(value)


def differentiable(args: tuple, names: Sequence[str]) -> tuple[tuple[Leaf, ...], list[str]]:
    """The float leaves of the arguments, and a note about each leaf that holds something else."""
    leaves, notes = [], []
    for i, argument in enumerate(args):
        for path, value in walk(argument):
            name = names[i] + "".join(f"[{p}]" for p in path)
            array = _as_array(value)
            if array is None or array.dtype.kind not in "fbiu":
                notes.append(f"{name} is {kind(value)}, so it has no gradient")
            elif array.dtype.kind != "f":
                notes.append(f"{name} holds {'booleans' if array.dtype.kind == 'b' else 'integers'}: no gradient")
            else:
                scalar = float if type(value) is float else np.generic if isinstance(value, np.generic) else None
                leaves.append(Leaf(i, path, name, array.astype(float, copy=False), scalar))
                if array.dtype != np.float64:
                    notes.append(f"{name} holds {array.dtype}; it is checked in float64")
    return tuple(leaves), notes


# --- steps along a direction ---


def random_direction(rng: np.random.Generator, leaves: Sequence[Leaf]) -> Direction:
    """A direction with entries ±[1, 2) in every leaf (times a power of two where the leaf's values are large).

    Beyond |x| = 2048 the entries grow with the largest |x|, so that x ± step·u stays exact down to the steps in use.
    """
    u, size = [], []
    for leaf in leaves:
        drawn = signs_and_sizes(rng, leaf.value.shape)
        largest = float(np.max(np.abs(leaf.value), initial=0.0)) if leaf.value.size else 0.0
        scale = 2.0 ** np.ceil(np.log2(largest / 2048)) if largest > 2048 else 1.0
        u.append(drawn * scale if scale != 1.0 else drawn)
        size.append(1.53 * scale)  # the root mean square of ±[1, 2) is √(7/3)
    return Direction(tuple(leaves), tuple(u), tuple(size))


def signs_and_sizes(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Random numbers on ±[1, 2], of 24 bits: short enough that x ± u·2⁻¹⁷ is exact wherever |x| ≤ 2048.

    Not normal: an error is seen times its u, and a normal u is near 0 too often (1e-8 of the scale hid one
    wrong entry in 47 % of the runs). Not ±1: two entries swapped would cancel half of the time.
    Large arrays get products aᵢ·bⱼ of numbers on ±[1, √2): drawing is slower than a matrix product's share of an entry,
    and an error that is no accident of the draw cannot vanish in them either.
    """
    n = int(np.prod(shape, dtype=np.int64))
    if n <= 4096:
        r = rng.random(n, dtype=np.float32).astype(float)
        return _signed(r, 1.0).reshape(shape)
    columns = 1024
    a = _signed(rng.random(-(-n // columns)), np.sqrt(2) - 1).astype(np.float32)
    b = _signed(rng.random(columns), np.sqrt(2) - 1).astype(np.float32)
    return np.multiply.outer(a, b).ravel()[:n].reshape(shape).astype(float)


def _signed(r: np.ndarray, width: float) -> np.ndarray:
    """From uniform numbers on [0, 1) to ±[1, 1 + width)."""
    r = 2 * r - 1
    return np.copysign(1.0, r) + width * r


def unit_direction(leaf: Leaf, k: int) -> Direction:
    """The direction of one entry, by its flat index."""
    one = np.zeros(leaf.value.shape)
    one.flat[k] = 1.0
    return Direction((leaf,), (one,), (1.0,))


def moved(point_args: tuple, direction: Direction, step: float) -> tuple:
    """The arguments at x + step·u."""
    values = []
    for leaf, u in zip(direction.leaves, direction.u, strict=True):
        value = np.multiply(u, step)
        values.append(np.add(leaf.value, value, out=value if value.ndim else None))
    return with_values(point_args, direction.leaves, values)


def moved_imaginary(point_args: tuple, direction: Direction, step: float) -> tuple:
    """The arguments at x + i·step·u."""
    values = []
    for leaf, u in zip(direction.leaves, direction.u, strict=True):
        z = np.empty_like(leaf.value, dtype=complex)
        z.real = leaf.value
        z.imag = np.multiply(u, step)
        values.append(z)
    return with_values(point_args, direction.leaves, values)


def shaken(args: tuple, direction: Direction, rng: np.random.Generator) -> tuple[tuple, Direction]:
    """The arguments with every entry of these leaves moved to a neighbouring double; and the same direction there."""
    leaves = []
    for leaf in direction.leaves:
        up = rng.random(leaf.value.shape) < 0.5
        leaves.append(replace(leaf, value=np.asarray(np.nextafter(leaf.value, np.where(up, np.inf, -np.inf)))))
    return with_values(args, leaves, [leaf.value for leaf in leaves]), replace(direction, leaves=tuple(leaves))


def with_values(args: tuple, leaves: Sequence[Leaf], values: Sequence[np.ndarray]) -> tuple:
    """The arguments with new values for these leaves, each as the kind of object that stood there."""
    new = {(leaf.argument, *leaf.path): _like(leaf, value) for leaf, value in zip(leaves, values, strict=True)}

    def rebuilt(value: Any, path: tuple[int, ...]) -> Any:
        if path in new:
            return new[path]
        if isinstance(value, tuple | list):
            items = [rebuilt(item, (*path, i)) for i, item in enumerate(value)]
            return items if isinstance(value, list) else tuple(items)
        return value.copy() if isinstance(value, np.ndarray) else value

    return tuple(rebuilt(argument, (i,)) for i, argument in enumerate(args))


def _like(leaf: Leaf, value: np.ndarray) -> Any:
    if leaf.scalar is float:
        return value.item()
    return value[()] if leaf.scalar else np.asarray(value)


def ask(requests: Iterable, size: int) -> Generator[list, list, list]:
    """Yield the requests in batches, each of which holds about BATCH bytes; return all answers.

    requests: made as they are taken, so that a large layer is never held in many copies.
    size: the number of entries of the arguments.
    """
    most = max(1, BATCH // (8 * size + 1))
    answers: list = []
    batch: list = []
    for request in requests:
        batch.append(request)
        if len(batch) == most:
            answers += yield from _sent(batch)
            batch = []
    if batch:
        answers += yield from _sent(batch)
    return answers


def _sent(batch: list) -> Generator[list, list, list]:
    answers = yield batch
    if len(answers) != len(batch):
        raise ValueError(f"{len(batch)} requests, {len(answers)} answers")
    return answers


# --- what comes back ---


def numbers(value: Any) -> np.ndarray | str:
    """All numbers of an answer as one flat array of float64 or complex128; or, in words, what the answer is instead."""
    if isinstance(value, np.ndarray) and value.dtype == np.float64:
        return value.ravel()
    parts = []
    for _, item in walk(value):
        array = _as_array(item)
        if array is None or array.dtype.kind not in "biufc":
            return kind(item)
        parts.append(array.ravel())
    if not parts:
        return "empty"
    flat = parts[0] if len(parts) == 1 else np.concatenate(parts)
    return flat.astype(complex if flat.dtype.kind == "c" else float, copy=False)


def finite_numbers(answer: Any, size: int) -> np.ndarray | None:
    """The numbers of an answer, if there are as many as there should be and all are finite."""
    flat = numbers(answer)
    if isinstance(flat, str) or flat.size != size or not np.isfinite(flat).all():
        return None
    return flat


def trouble(name: str, answer: Any) -> str:
    """What keeps an answer from being finite real numbers, as a sentence; empty if nothing does."""
    if isinstance(answer, Failed):
        return f"there is no {name}: {answer.reason}"
    flat = numbers(answer)
    if isinstance(flat, str):
        return f"{name} is {flat}, not numbers"
    return _not_finite(name, flat)


def _not_finite(name: str, array: np.ndarray) -> str:
    if array.dtype.kind == "c":
        return f"{name} holds complex numbers"
    bad = ~np.isfinite(array)
    if not bad.any():
        return ""
    word = "nan" if np.isnan(array).any() else "inf"
    first = [int(i) for i in np.argwhere(bad)[0]] if array.ndim else ""
    return (
        f"{name} holds {word} in {int(bad.sum())} of {array.size} entries, first at {first}"
        if array.ndim
        else (f"{name} is {word}")
    )


def shapes(value: Any) -> list[tuple[int, ...]]:
    """The shapes of all leaves, in order."""
    return [np.shape(item) for _, item in walk(value)]


def precision(value: Any) -> float:
    """The machine epsilon of the coarsest floating-point format in a value of numbers."""
    return max(
        (float(np.finfo(a.dtype).eps) for _, v in walk(value) if (a := np.asarray(v)).dtype.kind in "fc"), default=EPS
    )


def kind(value: Any) -> str:
    """What a value is, in words: 'None', 'a str', 'an array of dtype object'."""
    if value is None:
        return "None"
    if isinstance(value, np.ndarray):
        return f"an array of dtype {value.dtype}"
    word = type(value).__name__
    return f"{'an' if word[:1] in 'aeiouAEIOU' else 'a'} {word}"


def _as_array(item: Any) -> np.ndarray | None:
    try:
        return np.asarray(item)
    except Exception:  # an object with an __array__ that raises, a ragged sequence
        return None


@dataclass(frozen=True)
class Claim:
    """What a backward returned for one leaf.

    value: float64 in the leaf's shape, or None where it cannot be that, and problem says why.
    raw: as an array, where it is one at all: a wrong shape may still be recognised.
    eps: the machine epsilon of the format it came in.
    """

    value: np.ndarray | None
    problem: str = ""
    raw: np.ndarray | None = None
    eps: float = EPS


def claims_of(answer: Any, args: tuple, leaves: Sequence[Leaf]) -> list[Claim] | str:
    """Match a backward's answer with the leaves; or say in a sentence why that cannot be done.

    Accepted: a tuple or list with one gradient for each differentiable argument, or one for each argument (what stands
    in the places of the others is ignored), or, where only one is asked for, the bare gradient.
    """
    if isinstance(answer, Failed):
        return f"the backward gave no gradients: {answer.reason}"
    if answer is None:
        return "the backward returned None"
    arguments = sorted({leaf.argument for leaf in leaves})
    given = list(answer) if isinstance(answer, tuple | list) else [answer]
    if len(arguments) == 1 and len(given) != 1 and any(leaf.path for leaf in leaves):
        given = [answer]
    if len(given) == len(args):
        given = [given[i] for i in arguments]
    if len(given) != len(arguments):
        wanted = f"{len(arguments)} differentiable argument{'s' if len(arguments) > 1 else ''}"
        return f"the backward returned {len(given)} gradient{'s' if len(given) != 1 else ''} for {wanted}"
    by_argument = dict(zip(arguments, given, strict=True))
    return [_claim(by_argument[leaf.argument], leaf) for leaf in leaves]


def _claim(value: Any, leaf: Leaf) -> Claim:
    name = f"d{leaf.name}"
    for i in leaf.path:
        if not isinstance(value, tuple | list) or i >= len(value):
            return Claim(None, f"{name} is missing")
        value = value[i]
    array = None if isinstance(value, tuple | list) else _as_array(value)
    if array is None or array.dtype.kind not in "biufc":
        return Claim(None, f"{name} is {kind(value)}, not an array of numbers")
    problem = _not_finite(name, array)
    if array.shape != leaf.value.shape:
        problem = f"{name} has shape {array.shape}, {leaf.name} has shape {leaf.value.shape}"
    if problem:
        return Claim(None, problem, array)
    return Claim(array.astype(float, copy=False), "", array, precision(array))
