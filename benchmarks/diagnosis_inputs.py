"""Whether a changed function computes something else: its values beside the reference's, on many inputs of all kinds.

The autograder's own cases and its judge have no part in this. Inputs are drawn within the contract of each exercise:
sizes from 1 up, numbers of all magnitudes, zeros, ties, extremes. Values differ if they are apart by more than 1e-9 of
the largest, or nan, or of another shape, or integers where the contract has fractions and the other way round.
"""

from __future__ import annotations

import math
import signal
from collections.abc import Callable, Iterator

import numpy as np

from autograder.answer_key import copies
from autograder.exercise import Exercise, Pair

DRAWS = 120
APART = 1e-9
SECONDS = 0.3  # for one call; the references need a few thousandths
SAME, DIFFERENT, ALWAYS_RAISES = "equivalent", "different", "always raises"


def compare(exercise: Exercise, functions: dict[str, Callable], draws: int = DRAWS) -> str:
    """SAME, DIFFERENT, or ALWAYS_RAISES: `functions` (by name) beside the references."""
    right = {f.name: f.reference for f in exercise.functions}
    raised = apart = 0
    for n in range(draws):
        rng = np.random.default_rng(n)
        args = DRAWN[exercise.name](rng)
        ours = _values(exercise, right, args, n)
        theirs = _values(exercise, functions, args, n)
        raised += theirs is None
        apart += theirs is None or not _alike(ours, theirs)
        if apart and not raised:
            return DIFFERENT
        if raised == 30 == n + 1:
            return ALWAYS_RAISES
    return SAME if not apart else DIFFERENT


def _values(exercise: Exercise, functions: dict[str, Callable], args: tuple, n: int) -> list[np.ndarray] | None:
    """Everything the functions return, flat; None where they raise, or do not finish."""

    def late(*_):
        raise TimeoutError

    signal.signal(signal.SIGALRM, late)
    signal.setitimer(signal.ITIMER_REAL, SECONDS)
    try:
        with np.errstate(all="ignore"):
            if not isinstance(exercise, Pair):
                return _flat(functions[exercise.name](*copies(args)))
            out, cache = functions[exercise.forward.name](*copies(args))
            dout = np.random.default_rng(n).normal(size=exercise.forward.reference(*copies(args))[0].shape)
            return [np.asarray(out), *_flat(functions[exercise.backward.name](dout, cache))]
    except Exception:
        return None
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def _flat(value) -> list[np.ndarray]:
    return [np.asarray(v) for v in (value if isinstance(value, tuple | list) else (value,))]


def _alike(ours: list[np.ndarray] | None, theirs: list[np.ndarray]) -> bool:
    return ours is not None and len(ours) == len(theirs) and all(map(_equal, ours, theirs))


def _equal(a: np.ndarray, b: np.ndarray) -> bool:
    if a.shape != b.shape or b.dtype.kind not in "fiub" or (a.ndim and (a.dtype.kind == "f") != (b.dtype.kind == "f")):
        return False
    a, b = a.astype(float), b.astype(float)
    scale = max(np.abs(a[np.isfinite(a)]).max(initial=0.0), 1e-6)
    return bool(np.allclose(b, a, rtol=0, atol=APART * scale, equal_nan=True))


# What to draw --------------------------------------------------------------------------------------------------------


def size(rng) -> int:
    return int(rng.integers(1, 6))


def numbers(rng, shape) -> np.ndarray:
    """Normal numbers of some magnitude, now and then with zeros."""
    values = rng.normal(size=shape) * rng.choice([0.1, 1.0, 3.0])
    return np.where(rng.random(shape) < rng.choice([0.0, 0.0, 0.3]), 0.0, values)


def affine(rng) -> tuple:
    n, inner, m = size(rng), [size(rng) for _ in range(rng.integers(1, 4))], size(rng)
    return numbers(rng, (n, *inner)), numbers(rng, (math.prod(inner), m)), numbers(rng, m)


def elementwise(rng) -> tuple:
    shape = tuple(size(rng) for _ in range(rng.integers(1, 4)))
    scale = rng.choice([1e-3, 1.0, 5.0, 30.0, 1000.0])
    return (numbers(rng, shape) * scale,)


def stack(rng) -> tuple:
    n, depth, d = size(rng), size(rng), size(rng)
    scale = rng.choice([0.5, 1.0, 4.0])
    return numbers(rng, (n, d)), scale * numbers(rng, (depth, d, d)), numbers(rng, (depth, d))


def expression(rng) -> tuple:
    n, k = size(rng), size(rng)
    left = np.array([rng.integers(0, n + i) for i in range(k)])
    right = np.array([rng.integers(0, n + i) for i in range(k)])
    return rng.integers(0, 2, k), left, right, rng.normal(size=n) * 2


def graph(rng) -> tuple[int, np.ndarray, np.ndarray, np.ndarray]:
    """A random graph in topological order under shuffled numbers, and the numbers in that order."""
    n = int(rng.integers(2, 7))
    pairs = [sorted(rng.choice(n, 2, replace=False)) for _ in range(rng.integers(0, 12))]
    edges = np.array(sorted(pairs), dtype=np.int64).reshape(-1, 2)
    names = rng.permutation(n)
    return n, names[edges], rng.normal(size=len(edges)) * 2, names


def ends(rng) -> tuple:
    n, edges, local, names = graph(rng)
    order = np.random.default_rng(rng.integers(1 << 30)).permutation(len(edges))
    return n, edges[order], local[order], int(names[rng.integers(n)]), int(names[rng.integers(n)])


def swept(rng) -> tuple:
    n, edges, local, _ = graph(rng)
    return n, edges, local, numbers(rng, n)


def slopes(rng) -> tuple:
    shape = tuple(size(rng) for _ in range(rng.integers(1, 4)))
    top, tol = float(rng.choice([0.25, 1.0, 2.0])), float(rng.choice([0.01, 0.125, 0.5]))
    on_the_line = rng.random(shape) < rng.choice([0.0, 0.4])
    return np.where(on_the_line, tol * top, top * rng.random(shape) ** 4), top, tol


DRAWN: dict[str, Callable[[np.random.Generator], tuple]] = {
    "affine": affine,
    "sigmoid": elementwise,
    "tanh": elementwise,
    "local_derivatives": expression,
    "sum_over_paths": ends,
    "forward_mode": swept,
    "reverse_mode": swept,
    "glorot_init": lambda rng: (numbers(rng, (size(rng), size(rng))), float(rng.choice([1.0, 4.0, 0.3]))),
    "sigmoid_stack": stack,
    "saturated_fraction": slopes,
    "gradient_bound": lambda rng: (numbers(rng, (size(rng), *(size(rng),) * 2)),),
}


def functions_of(text: str) -> Iterator[tuple[str, Callable]]:
    """The functions that some source text defines."""
    namespace = {"np": np, "math": math}
    exec(compile(text, "<mutant>", "exec"), namespace)
    return ((name, value) for name, value in namespace.items() if callable(value))
