"""The layer under check as a function of its float arguments: their entries, and steps along a direction.

Arguments and results are nested tuples (or lists) of arrays and scalars; their arrays are called leaves.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Leaf:
    """One differentiable array among the arguments.

    argument, path: its place, `args[argument][path[0]][path[1]]...`.
    name: "w", or "params[1]" inside a tuple.
    value: the array, float64.
    scalar: Python's `float`, numpy's `np.generic`, or None for an array: code may use math.exp on what it is given.
    """

    argument: int
    path: tuple[int, ...]
    name: str
    value: np.ndarray
    scalar: type | None = None


def walk(value: Any, path: tuple[int, ...] = ()) -> Iterator[tuple[tuple[int, ...], Any]]:
    """All leaves of nested tuples and lists, with their paths, in order."""
    if isinstance(value, tuple | list):
        for i, item in enumerate(value):
            yield from walk(item, (*path, i))
    else:
        yield path, value


def differentiable(args: tuple, names: Sequence[str]) -> tuple[list[Leaf], list[str]]:
    """The float leaves of the arguments, and a note about each leaf that is no float array."""
    leaves, notes = [], []
    for i, argument in enumerate(args):
        for path, value in walk(argument):
            name = names[i] + "".join(f"[{p}]" for p in path)
            array = np.asarray(value)
            if array.dtype.kind == "f":
                scalar = float if type(value) is float else np.generic if isinstance(value, np.generic) else None
                leaves.append(Leaf(i, path, name, np.asarray(array, dtype=float), scalar))
                if array.dtype != np.float64:
                    notes.append(f"{name} holds {array.dtype}; it is checked in float64")
            elif array.dtype.kind in "biu":
                notes.append(
                    f"{name} holds {'booleans' if array.dtype.kind == 'b' else 'integers'}, so it has no gradient"
                )
            else:
                notes.append(f"{name} holds no floating-point numbers ({array.dtype}), so it has no gradient")
    return leaves, notes


def replaced(args: tuple, leaves: Sequence[Leaf], values: Sequence[np.ndarray]) -> tuple:
    """The arguments with new values for these leaves, each as the kind of object that stood there."""
    new = {(leaf.argument, *leaf.path): _like(leaf, value) for leaf, value in zip(leaves, values, strict=True)}

    def rebuild(value: Any, path: tuple[int, ...]) -> Any:
        if isinstance(value, tuple | list):
            items = [rebuild(item, (*path, i)) for i, item in enumerate(value)]
            return items if isinstance(value, list) else tuple(items)
        return new.get(path, value)

    return tuple(rebuild(argument, (i,)) for i, argument in enumerate(args))


def _like(leaf: Leaf, value: np.ndarray) -> Any:
    if leaf.scalar is float:
        return value.item()
    return value[()] if leaf.scalar else value


def stepped(args: tuple, leaves: Sequence[Leaf], directions: Sequence[np.ndarray], step: float) -> tuple:
    """The arguments at x + step·u."""
    return replaced(args, leaves, [np.asarray(x.value + step * u) for x, u in zip(leaves, directions, strict=True)])


def complex_stepped(args: tuple, leaves: Sequence[Leaf], directions: Sequence[np.ndarray], step: float) -> tuple:
    """The arguments at x + i·step·u."""
    values = []
    for leaf, u in zip(leaves, directions, strict=True):
        z = np.empty_like(leaf.value, dtype=complex)
        z.real = leaf.value
        np.multiply(u, step, out=z.imag)
        values.append(z)
    return replaced(args, leaves, values)


def numbers(value: Any) -> np.ndarray | str:
    """All numbers of an answer as one flat array of float64 or complex128, or else what the answer is instead."""
    parts = []
    for _, item in walk(value):
        array = _as_array(item)
        if array is None or array.dtype.kind not in "biufc":
            return kind(item)
        parts.append(array)
    if not parts:
        return "an empty tuple"
    complex_valued = any(p.dtype.kind == "c" for p in parts)
    flat = [np.asarray(p, dtype=complex if complex_valued else float).ravel() for p in parts]
    return flat[0] if len(flat) == 1 else np.concatenate(flat)


def kind(value: Any) -> str:
    """What a value is, in words: 'None', 'a str', 'an array of dtype object'."""
    if value is None:
        return "None"
    if isinstance(value, np.ndarray):
        return f"an array of dtype {value.dtype}"
    word = type(value).__name__
    return f"{'an' if word[0] in 'aeiouAEIOU' else 'a'} {word}"


def shapes(value: Any) -> list[tuple[int, ...]]:
    """The shapes of all leaves, in order."""
    return [np.shape(item) for _, item in walk(value)]


def _as_array(item: Any) -> np.ndarray | None:
    try:
        return np.asarray(item)
    except Exception:
        return None


def directions(rng: np.random.Generator, arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
    """A random direction: for each array one of its shape, entries uniform on ±[1, 2).

    Not normal: entries near 0 would hide an error there. Not ±1: two swapped entries would
    cancel half of the time. With ±[1, 2), an error e in one entry is seen as at least |e|.
    """
    drawn = []
    for array in arrays:
        r = rng.uniform(-1.0, 1.0, array.shape)
        drawn.append(r + np.copysign(1.0, r))
    return drawn


def nested(value: Any, function: Any) -> Any:
    """The same structure, with the function applied to every array in it; anything else is passed on."""
    if isinstance(value, tuple | list):
        items = [nested(item, function) for item in value]
        return items if isinstance(value, list) else tuple(items)
    return function(value) if isinstance(value, np.ndarray) else value


def shaken(args: tuple, leaves: Sequence[Leaf], rng: np.random.Generator) -> tuple[tuple, list[Leaf]]:
    """The arguments with every entry moved to a neighbouring double, up or down; and their leaves."""
    moved = [
        np.asarray(np.nextafter(leaf.value, np.where(rng.random(leaf.value.shape) < 0.5, -np.inf, np.inf)))
        for leaf in leaves
    ]
    new = [replace(leaf, value=value) for leaf, value in zip(leaves, moved, strict=True)]
    return replaced(args, leaves, moved), new


def trouble(name: str, answer: Any) -> str:
    """What keeps an answer from being real numbers, as a sentence; empty if nothing does."""
    reason = getattr(answer, "reason", None)
    if type(answer).__name__ == "Failed":
        return f"the forward gave no {name}: {reason}"
    flat = numbers(answer)
    if isinstance(flat, str):
        return f"{name} is {flat}, not an array of numbers"
    if flat.dtype.kind == "c":
        return f"{name} holds complex numbers"
    bad = ~np.isfinite(flat)
    if bad.any():
        return f"{name} holds {'nan' if np.isnan(flat).any() else 'inf'} in {bad.sum()} of {flat.size} entries"
    return ""


@dataclass(frozen=True)
class Claim:
    """What a backward returned for one leaf: the value as float64 in the leaf's shape, or what is wrong with it."""

    value: np.ndarray | None
    problem: str = ""
    raw: Any = None


def gradients_of(answer: Any, args: tuple, leaves: Sequence[Leaf]) -> list[Claim] | str:
    """Match a backward's answer with the leaves; a sentence where their number is wrong.

    Accepted: one gradient for each differentiable argument, or for each argument (those of the others are ignored); a
    bare array where only one is asked for.
    """
    arguments = sorted({leaf.argument for leaf in leaves})
    given = list(answer) if isinstance(answer, tuple | list) else [answer]
    if len(arguments) == 1 and any(leaf.path for leaf in leaves) and len(given) != 1:
        given = [answer]
    if len(given) == len(args) != len(arguments):
        given = [given[i] for i in arguments]
    if type(answer).__name__ == "Failed":
        return f"the backward gave no gradients: {answer.reason}"
    if answer is None:
        return "the backward returned None"
    if len(given) != len(arguments):
        count = f"{len(given)} gradient{'s' if len(given) != 1 else ''}"
        return f"the backward returned {count} for {len(arguments)} differentiable arguments"
    at = dict(zip(arguments, given, strict=True))
    return [_claim(at[leaf.argument], leaf) for leaf in leaves]


def _claim(value: Any, leaf: Leaf) -> Claim:
    for i in leaf.path:
        if not isinstance(value, tuple | list) or i >= len(value):
            return Claim(None, f"d{leaf.name} is missing", value)
        value = value[i]
    array = None if isinstance(value, tuple | list) else _as_array(value)
    if array is None or array.dtype.kind not in "biufc":
        return Claim(None, f"d{leaf.name} is {kind(value)}, not an array of numbers", value)
    if array.dtype.kind == "c":
        return Claim(None, f"d{leaf.name} holds complex numbers", array)
    if array.shape != leaf.value.shape:
        return Claim(None, f"d{leaf.name} has shape {array.shape}, {leaf.name} has {leaf.value.shape}", array)
    array = array.astype(float, copy=False)
    bad = ~np.isfinite(array)
    if bad.any():
        return Claim(
            None,
            f"d{leaf.name} holds {'nan' if np.isnan(array).any() else 'inf'} in {bad.sum()} of {bad.size} entries",
            array,
        )
    return Claim(array)
