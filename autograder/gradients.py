"""Numerical gradients, from the loop that a course teaches with to a check that finds one wrong entry among millions.

`numerical_gradient` and `complex_step_gradient` differentiate a function entry by entry; `relative_error` compares.
They are to be read. `check_vjp` checks a layer's backward pass with five evaluations whatever its size; how it does
that is explained in its docstring, and written in `autograder/vjp/`: `steps`, `compare`, `places`, `parts`, `at_once`,
`evidence`, `richardson`, `search`, `entries` and `relation`.
"""

from __future__ import annotations

import math
import sys
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from autograder.vjp.layer import fresh
from autograder.vjp.result import ArgumentCheck, Backward, Entry, Failed, Forward, VJPCheck
from autograder.vjp.steps import vjp_steps

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
    """Estimate the gradient of a scalar function, one entry after the other.

    ∂f/∂xₖ ≈ (f(x + h·eₖ) - f(x - h·eₖ)) / 2h, where eₖ is 1 at entry k and 0 elsewhere.

    The error is h²·f‴/6 from the terms left out of the Taylor series, and eps·|f|/h from rounding. Together they are
    smallest near h = eps^(1/3) = 6e-6, and then about 1e-11 of the size of f: an entry that is small beside the others
    is known to few digits.

    Args:
        f: takes an array of x's shape and returns a number.
        x: the point, floats of any shape. It is not changed.
        h: the step.

    Returns: the gradient, float64, of x's shape.
    """
    x = np.array(x, dtype=float)
    gradient = np.empty_like(x)
    for k in np.ndindex(x.shape):
        middle = x[k]
        x[k] = middle + h
        above = f(x)
        x[k] = middle - h
        below = f(x)
        x[k] = middle
        gradient[k] = (above - below) / (2 * h)
    return gradient


def complex_step_gradient(f: Callable[[np.ndarray], complex], x: np.ndarray) -> np.ndarray:
    """Compute the gradient of a scalar function to the last digits, one entry after the other.

    ∂f/∂xₖ = Im f(x + i·h·eₖ) / h. In f(x + ih) = f + ih·f' - h²·f″/2 - ih³·f‴/6 + ..., the imaginary part is h·f' but
    for h³. Nothing is subtracted, so h can be so small that the rest vanishes (Squire and Trapp, SIAM Review 40, 1998).

    f has to compute with complex numbers. Functions of `math` raise; np.abs, np.real, norms and variances drop the
    imaginary part, or some of it, without a word, and then the result is wrong.

    Args:
        f: takes a complex array of x's shape and returns a complex number.
        x: the point, floats of any shape. It is not changed.

    Returns: the gradient, float64, of x's shape.
    """
    h = 1e-20
    z = np.array(x, dtype=complex)
    gradient = np.empty(z.shape)
    for k in np.ndindex(z.shape):
        middle = z[k]
        z[k] = middle + 1j * h
        gradient[k] = np.imag(f(z)) / h
        z[k] = middle
    return gradient


def relative_error(a: Any, b: Any) -> float:
    """The largest |a - b| / max(|a|, |b|) over all entries; an entry that is the same in both counts as 0.

    It is nan if an entry of either is nan, or if both are infinite and differ. So write `not error <= tolerance`: a
    comparison with nan is False, and `error > tolerance` would let nan pass.

    Raises:
        ValueError: the shapes differ. Broadcasting would compare a bias gradient of shape (1, M) with one of shape
        (M,).
    """
    a, b = np.asarray(a, dtype=float), np.asarray(b, dtype=float)
    if a.shape != b.shape:
        raise ValueError(f"shapes {a.shape} and {b.shape} differ")
    with np.errstate(all="ignore"):
        error = np.abs(a - b) / np.maximum(np.abs(a), np.abs(b))
    return float(np.max(np.where(a == b, 0.0, error), initial=0.0))


def check_vjp(
    forward: Callable[..., Any],
    backward: Callable[[Any, Any], Any],
    args: tuple,
    *,
    dout: Any = None,
    seed: int = 0,
    elementwise: bool = False,
    locate: bool = True,
    names: Sequence[str] | None = None,
) -> VJPCheck:
    """Check a backward pass against numerical derivatives of its own forward pass.

    With f(x) the forward's out, J its Jacobian ∂f/∂x, and v = dout, the backward must return g = Jᵀv, a vector-Jacobian
    product (vjp). Computing Jᵀv entry by entry takes two forwards an entry. Instead one random direction u is drawn in
    the space of all arguments, with entries on ±[1, 2], and the numbers

        ⟨g, u⟩   and   ⟨v, J u⟩

    are compared, which are equal if g = Jᵀv. J u, the change of out along u, costs one evaluation, whatever the size of
    x. An error e in entry k of g makes T = ⟨v, J u⟩ - ⟨g, u⟩ differ from 0 by e·uₖ; errors in several entries cancel
    with probability 0. J u is computed twice:

        Im f(x + i·h·u) / h,  h = 2⁻¹⁰⁰             the complex step: right to the last digits, if f is fit for it
        (f(x + h·u) - f(x - h·u)) / 2h,  h = 2⁻¹⁷   the central difference: right to 1e-10, whatever f is

    With Q = 1.53·‖g‖ + ‖v∘J u‖ (1.53 is the root mean square of ±[1, 2]) and eps = 2⁻⁵², g is right if
    |T| ≤ 1000·eps·Q by the complex step and |T| ≤ 1e-8·Q by the central difference. `vjp.compare` says where the
    numbers come from. Beyond that:

    - Where every output may depend on the entry at its own place only, vₖ·(J u)ₖ = gₖ·uₖ is compared for every k. In a
      large layer most of these entries are left to the central difference alone (`vjp.places`).
    - If the two numerics agree and g is far off both, here and where x differs in its last digits, it is wrong
      (`vjp.at_once`).
    - A small layer is compared entry by entry, a gradient that is small beside the others by itself.
    - If the two numerics disagree, or the complex step cannot be used: does f repeat itself? Then Richardson
      extrapolation from several steps, with a bound for its error, without outputs that have a kink nearby
      (`richardson`).
    - At a kink, such as relu at 0, every value between the one-sided slopes is right.
    - If the derivative is not known better than 1e-6·Q, ok is None: inconclusive.
    - If g is wrong, it is found out where: the argument, the entries, and if possible the relation to what is right.

    Args:
        forward: `forward(*args) -> (out, cache)`.
        backward: `backward(dout, cache) -> gradients`, one for each argument that holds floats, of that argument's
            shape, in order, as a tuple or a list, or bare if there is only one. The cache is always that of a fresh
            forward.
        args: arrays and numbers, or nested tuples of them. Only floats are differentiated; float32 is checked in
            float64.
        dout: the upstream gradient, of out's shape; None to draw it at random, on ±[1, 2].
        seed: of all that is drawn.
        elementwise: True for a layer that is meant to work entry by entry: a note says so if its forward does not.
        locate: False for a verdict alone: ok says whether all gradients are right together, and nothing is searched.
            That is a part of the time where something is wrong, and makes no difference where all is right.
        names: names of the arguments for the report; by default those of the forward's signature.

    Returns: a `VJPCheck`. Its `ok` is True, False or None. Whatever the functions return or raise leads to a
        verdict, never to an exception.
    """
    code = getattr(forward, "__code__", None)
    if names is None and code is not None:
        names = code.co_varnames[: code.co_argcount]
    steps = vjp_steps(args, dout, seed=seed, elementwise=elementwise, locate=locate, names=names)
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
            del batch  # large arrays


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
        held = [out]
        del out, cache
        return _taken(held)[0]

    def backward_at(self, request: Backward) -> Any:
        cache = None
        if self.kept is not None and self.kept[0] is request.args:
            cache, self.kept = self.kept[1], ((), None)
        else:
            _, cache = _pair(self.forward(*request.args))
        gradients = self.backward(request.dout, cache)
        del cache
        if not isinstance(gradients, tuple | list):
            gradients = [gradients]
            return _taken(gradients)[0]
        held = list(gradients)
        del gradients
        return tuple(_taken(held))


def _taken(held: list) -> list:
    """What code returned, as arrays of our own: it may write into an array again that it returned before.

    An array that is nobody else's need not be copied; for large layers, copies would be a good part of the time.
    """
    return [held[i] if _holders(held, i) <= ALONE else fresh(held[i]) for i in range(len(held))]


def _holders(held: list, i: int) -> float:
    """How many hold this array, and whatever else counts as a reference; inf for what is no array with its own data."""
    if type(held[i]) is np.ndarray and held[i].base is None:
        return sys.getrefcount(held[i])
    return math.inf


# What `_holders` counts for an array in a list and nowhere else, in this version of Python.
ALONE = _holders([np.empty(0)], 0)


def _pair(returned: Any) -> tuple[Any, Any]:
    if not (isinstance(returned, tuple | list) and len(returned) == 2):
        raise TypeError("the forward returned no pair (out, cache)")
    return returned[0], returned[1]
