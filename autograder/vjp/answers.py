"""Asking for evaluations, and reading what comes back.

Whatever comes back is untrusted: it may be anything, and no function here raises because of it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from autograder.vjp.layer import EPS, Leaf, as_array, kind, norm, walk
from autograder.vjp.result import Failed

# A batch holds about this many bytes of arguments and answers at once; layers above it are asked for one by one.
BATCH = 1 << 18


def ask(requests: Iterable[tuple[Any, Callable[[Any], Any]]], size: int) -> Generator[list, list, list]:
    """Yield requests in batches, each of which holds about BATCH bytes; return what was read from the answers.

    requests: pairs of a request and a function that reads its answer; made as they are taken, so that a large layer is
        never held in many copies.
    size: the number of entries of the arguments and of what comes back.
    """
    most = max(1, BATCH // (8 * size + 1))
    found: list = []
    batch: list = []
    for request in requests:
        batch.append(request)
        if len(batch) == most:
            found += yield from _sent(batch)
            batch = []
    if batch:
        found += yield from _sent(batch)
    return found


def _sent(batch: list) -> Generator[list, list, list]:
    answers = yield [request for request, _ in batch]
    if len(answers) != len(batch):
        raise ValueError(f"{len(batch)} requests, {len(answers)} answers")
    return [read(answer) for (_, read), answer in zip(batch, answers, strict=True)]


def numbers(value: Any) -> np.ndarray | str:
    """All numbers of an answer as one flat array of float64 or complex128; or, in words, what the answer is instead."""
    if type(value) is np.ndarray and value.dtype == np.float64:  # masks and matrices have ways of their own
        return value.ravel()
    parts = []
    for _, item in walk(value):
        array = as_array(item)
        if array is None or array.dtype.kind not in "biufc":
            return kind(item)
        parts.append(array.ravel())
    if not parts:
        return "empty"
    flat = parts[0] if len(parts) == 1 else np.concatenate(parts)
    return flat.astype(complex if flat.dtype.kind == "c" else float, copy=False)


def finite_numbers(answer: Any, size: int) -> np.ndarray | None:
    """The numbers of an answer, if there are as many as there should be, all finite and of ordinary size."""
    flat = numbers(answer)
    if isinstance(flat, str) or flat.size != size or not math.isfinite(norm(flat)):
        return None
    return flat


def trouble(name: str, answer: Any) -> str:
    """What keeps an answer from being real numbers of ordinary size, as a sentence; empty if nothing does."""
    if isinstance(answer, Failed):
        return f"there is no {name}: {answer.reason}"
    flat = numbers(answer)
    if isinstance(flat, str):
        return f"{name} is {flat}, not numbers"
    if flat.dtype.kind == "c":
        return f"{name} holds complex numbers"
    return "" if math.isfinite(norm(flat)) else not_finite(name, answer if isinstance(answer, np.ndarray) else flat)


def not_finite(name: str, array: np.ndarray) -> str:
    """Which entries of an array are nan or infinite, or else too large."""
    bad, word = ~np.isfinite(array), "nan" if np.isnan(array).any() else "inf"
    if not bad.any():
        bad, word = np.abs(array) > 1e150, "numbers beyond 1e150"
    if array.ndim == 0:
        return f"{name} is {word}"
    first = [int(i) for i in np.argwhere(bad)[0]] if bad.any() else ""
    return f"{name} holds {word} in {int(bad.sum())} of {array.size} entries, first at {first}"


def shapes(value: Any) -> list[tuple[int, ...]]:
    """The shapes of all leaves, in order."""
    return [np.shape(item) for _, item in walk(value)]


def precision(value: Any) -> float:
    """The machine epsilon of the coarsest floating-point format in a value of numbers."""
    dtypes = {np.asarray(leaf).dtype for _, leaf in walk(value)}
    return max((float(np.finfo(t).eps) for t in dtypes if t.kind in "fc" and t != np.float64), default=EPS)


@dataclass(frozen=True)
class Claim:
    """What a backward returned for one leaf.

    value: float64 in the leaf's shape, or None where it cannot be that, and problem says why.
    raw: as an array, where it is one at all: a wrong shape may still be recognised.
    eps: the machine epsilon of the format it came in.
    norm: ‖value‖.
    """

    value: np.ndarray | None
    problem: str = ""
    raw: np.ndarray | None = None
    eps: float = EPS
    norm: float = 0.0


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
        returned = f"the backward returned {len(given)} gradient{'s' if len(given) != 1 else ''} for {wanted}"
        return f"{returned}: {_not_matched(given, leaves)}"
    by_argument = dict(zip(arguments, given, strict=True))
    return [_claim(by_argument[leaf.argument], leaf) for leaf in leaves]


def _not_matched(given: list, leaves: Sequence[Leaf]) -> str:
    """Which arguments have no gradient, or how many gradients are too many.

    If the shapes of the gradients are those of some of the arguments, in order, the others have none; else the last
    ones.
    """
    shapes_of: dict[str, list] = {}
    for leaf in leaves:
        name = leaf.name.removesuffix("".join(f"[{i}]" for i in leaf.path))
        shapes_of.setdefault(name, []).append(leaf.value.shape)
    names = list(shapes_of)
    if len(given) > len(names):
        return f"{len(given) - len(names)} more than {', '.join(f'd{name}' for name in names)}"
    missing, left = [], [_shapes(value) for value in given]
    for name in names:
        if left and left[0] == shapes_of[name]:
            left.pop(0)
        else:
            missing.append(name)
    return f"nothing for {', '.join(names[len(given) :] if left else missing)}"


def _shapes(value: Any) -> list | None:
    """The shapes of all arrays of a gradient, or None where something is no array."""
    arrays = [as_array(item) for _, item in walk(value)]
    return None if any(array is None for array in arrays) else [array.shape for array in arrays]


def _claim(value: Any, leaf: Leaf) -> Claim:
    name = f"d{leaf.name}"
    for i in leaf.path:
        if not isinstance(value, tuple | list) or i >= len(value):
            return Claim(None, f"{name} is missing")
        value = value[i]
    array = None if isinstance(value, tuple | list) else as_array(value)
    if array is None or array.dtype.kind not in "biufc":
        return Claim(None, f"{name} is {kind(value)}, not an array of numbers")
    if array.shape != leaf.value.shape:
        return Claim(None, f"{name} has shape {array.shape}, {leaf.name} has shape {leaf.value.shape}", array)
    if array.dtype.kind == "c":
        return Claim(None, f"{name} holds complex numbers", array)
    value = array.astype(float, copy=False)
    size = norm(value)
    if not math.isfinite(size):
        return Claim(None, not_finite(name, value), array)
    return Claim(value, "", array, EPS if array.dtype == float else precision(array), size)
