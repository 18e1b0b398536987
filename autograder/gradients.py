"""Numerical gradients, from the loop that a course teaches with to a check that finds one wrong entry among millions.

`numerical_gradient` and `complex_step_gradient` differentiate a function entry by entry. `check_vjp` checks a layer's
backward pass with a handful of evaluations: both sides are projected on random directions.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from autograder.gradient_layer import fresh
from autograder.gradient_result import ArgumentCheck, Backward, Entry, Failed, Forward, VJPCheck
from autograder.gradient_steps import vjp_steps

__all__ = [
    "ArgumentCheck",
    "Backward",
    "Entry",
    "Failed",
    "Forward",
    "VJPCheck",
    "check_vjp",
    "complex_step_gradient",
    "numerical_gradient",
    "relative_error",
    "vjp_steps",
]


def numerical_gradient(f: Callable[[np.ndarray], float], x: np.ndarray, h: float = 1e-5) -> np.ndarray:
    """Estimate the gradient of a scalar function, one entry after the other: (f(x + h·eₖ) - f(x - h·eₖ)) / 2h.

    The error is about h²·|f‴|/6 + eps·|f|/h. It is smallest near h = 1e-5 and then about 1e-11 of f's size: do not
    expect more than 6 digits of an entry that is small beside the others.

    Args:
        f: takes an array of x's shape and returns a number.
        x: the point, floats of any shape. It is not changed.
        h: the step.

    Returns: the gradient, float64, shape of x.
    """
    x = np.array(x, dtype=float)
    gradient = np.empty_like(x)
    for k in np.ndindex(x.shape):
        old = x[k]
        x[k] = old + h
        above = f(x)
        x[k] = old - h
        below = f(x)
        x[k] = old
        gradient[k] = (above - below) / (2 * h)
    return gradient


def complex_step_gradient(f: Callable[[np.ndarray], complex], x: np.ndarray) -> np.ndarray:
    """Compute the gradient of a scalar function to the last digits, entry by entry: Im f(x + i·h·eₖ) / h.

    f(x + ih) = f(x) + ih·f'(x) - h²·f″(x)/2 - ...: the imaginary part is h·f'(x) up to h³. Nothing is subtracted, so h
    may be so small that the rest vanishes (Squire and Trapp 1998). f has to compute with complex numbers: abs, norms,
    np.real and the functions of `math` do not, and some of them drop the imaginary part without a word.

    Args:
        f: takes a complex array of x's shape and returns a complex number.
        x: the point, floats of any shape.

    Returns: the gradient, float64, shape of x.
    """
    h = 1e-20
    z = np.array(x, dtype=complex)
    gradient = np.empty(z.shape)
    for k in np.ndindex(z.shape):
        old = z[k]
        z[k] = old + 1j * h
        gradient[k] = np.imag(f(z)) / h
        z[k] = old
    return gradient


def relative_error(a: Any, b: Any) -> float:
    """The largest |a - b| / max(|a|, |b|) over all entries; 0 where both entries are 0.

    nan wherever either is nan, or where both are infinite and differ, so write `not (error <= tolerance)`: every
    comparison with nan is False.

    Raises:
        ValueError: the shapes differ. Broadcasting would compare a bias gradient of shape (1, M) with one of (M,).
    """
    a, b = np.asarray(a, dtype=float), np.asarray(b, dtype=float)
    if a.shape != b.shape:
        raise ValueError(f"shapes {a.shape} and {b.shape} differ")
    if a.size == 0:
        return 0.0
    with np.errstate(invalid="ignore", over="ignore"):
        size = np.maximum(np.abs(a), np.abs(b))
        error = np.abs(a - b) / np.where(size == 0, 1.0, size)
    return float(np.max(np.where(a == b, 0.0, error)))


def check_vjp(
    forward: Callable[..., Any],
    backward: Callable[[Any, Any], Any],
    args: tuple,
    *,
    dout: Any = None,
    seed: int = 0,
    elementwise: bool = False,
    names: Sequence[str] | None = None,
) -> VJPCheck:
    """Check a backward pass against numerical derivatives of its own forward pass, in this process."""
    code = getattr(forward, "__code__", None)
    if names is None and code is not None:
        names = code.co_varnames[: code.co_argcount]
    steps = vjp_steps(args, dout, seed=seed, elementwise=elementwise, names=names)
    run = _Runner(forward, backward)
    answers = None
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        while True:
            try:
                batch = steps.send(answers)
            except StopIteration as stop:
                return stop.value
            answers = [run(request) for request in batch]


class _Runner:
    """Answers requests in this process.

    The first forward is run at the very arguments of the first backward, and its cache serves that backward.
    """

    def __init__(self, forward: Callable[..., Any], backward: Callable[..., Any]) -> None:
        self.forward, self.backward = forward, backward
        self.kept: tuple[tuple, Any] | None = None

    def __call__(self, request: Forward | Backward) -> Any:
        try:
            return self.backward_at(request) if isinstance(request, Backward) else self.forward_at(request)
        except Exception as error:
            return Failed(f"{type(error).__name__}: {error}")

    def forward_at(self, request: Forward) -> Any:
        out, cache = _pair(self.forward(*request.args))
        if self.kept is None:
            self.kept = (request.args, cache)
        return fresh(out)  # code may write into an array that it returned before

    def backward_at(self, request: Backward) -> Any:
        cache = None
        if self.kept is not None and self.kept[0] is request.args:
            cache, self.kept = self.kept[1], ((), None)
        else:
            _, cache = _pair(self.forward(*request.args))
        return fresh(self.backward(request.dout, cache))


def _pair(returned: Any) -> tuple[Any, Any]:
    if not (isinstance(returned, tuple | list) and len(returned) == 2):
        raise TypeError("the forward returned no pair (out, cache)")
    return returned[0], returned[1]
