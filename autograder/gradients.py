"""Numerical gradients, from the loop that a course teaches with to a check that finds one wrong entry among millions.

`numerical_gradient` and `complex_step_gradient` differentiate a function entry by entry. `check_vjp` checks a layer's
backward pass with a handful of evaluations: both sides are projected on random directions.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Generator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from autograder.gradient_compare import ROUNDINGS, Outcome, Probe, quick, scales
from autograder.gradient_evidence import place_by_place, probe_requests, read_probe, settle
from autograder.gradient_layer import (
    Claim,
    Direction,
    Point,
    ask,
    claims_of,
    differentiable,
    fresh,
    like,
    numbers,
    precision,
    random_direction,
    shapes,
    signs_and_sizes,
    trouble,
    unit_direction,
)
from autograder.gradient_result import ArgumentCheck, Backward, Entry, Failed, Forward, VJPCheck
from autograder.gradient_search import search

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


# An error of 1e-6 in an entry that is 1e-3 of the largest is to be seen in every gradient.
SMALLEST_ERROR = 1e-9

# Layers with at most this many entries are compared entry by entry as well: that costs an evaluation each.
FEW = 16


def vjp_steps(
    args: tuple,
    dout: Any = None,
    *,
    seed: int = 0,
    elementwise: bool = False,
    names: Sequence[str] | None = None,
    out_shape: tuple[int, ...] | None = None,
) -> Generator[list[Forward | Backward], list[Any], VJPCheck]:
    """Check a backward pass without running anything: yield the evaluations wanted, be sent their answers."""
    steps = _steps(tuple(args), dout, np.random.default_rng(seed), elementwise, names or (), out_shape)
    evaluations, answers = 0, None
    while True:
        try:
            with np.errstate(all="ignore"):  # left before the yield: what runs the evaluations keeps its own state
                batch = steps.send(answers)
        except StopIteration as stop:
            return replace(stop.value, evaluations=evaluations)
        evaluations += len(batch)
        answers = yield batch


def _steps(
    args: tuple, dout: Any, rng: np.random.Generator, elementwise: bool, names: Sequence[str], out_shape: Any
) -> Generator[list, list, VJPCheck]:
    names = [str(name) for name in names][: len(args)]
    leaves, notes = differentiable(args, names + [f"arg{i}" for i in range(len(names), len(args))])
    if not leaves:
        return VJPCheck(None, notes=(*notes, "there is nothing to differentiate: no argument holds floats"))
    for leaf in leaves:
        if not np.isfinite(leaf.value).all():
            return VJPCheck(None, notes=(*notes, f"{leaf.name} holds nan or inf: there is no derivative"))

    # The first round holds all that is needed to accept, provided that dout can be drawn before out is known.
    here, out = fresh(args), None
    if dout is None and out_shape is None:
        (out,) = yield [Forward(here)]
        problem = trouble("out", out)
        if problem:
            return VJPCheck(None, notes=(*notes, problem))
        dout = like(out, signs_and_sizes(rng, (numbers(out).size,)))
    elif dout is None:
        dout = signs_and_sizes(rng, tuple(out_shape))
    v = numbers(dout)
    if isinstance(v, str) or trouble("dout", dout):
        return VJPCheck(None, notes=(*notes, trouble("dout", dout)))

    whole = random_direction(rng, leaves)

    def first():
        if out is None:
            yield Forward(here)
        yield Backward(here, fresh(dout))
        yield from probe_requests(args, whole)

    answers = yield from ask(first(), sum(u.size for u in whole.u))
    if out is None:
        out, *answers = answers
    answer, *probe = answers
    problem = trouble("out", out)
    if not problem and shapes(out) != shapes(dout):
        problem = f"out has shape {_listed(shapes(out))}, dout has shape {_listed(shapes(dout))}"
    if problem:
        return VJPCheck(None, notes=(*notes, problem))
    claims = claims_of(answer, args, leaves)
    if isinstance(claims, str):
        return VJPCheck(False, notes=(*notes, claims))
    point = Point(args, leaves, dout, v, numbers(out), precision(out), _shape(out))
    check = yield from _decide(point, whole, claims, read_probe(probe, v.size), elementwise, rng)
    return replace(check, notes=(*notes, *check.notes))


def _decide(
    point: Point, whole: Direction, claims: list[Claim], probe: Probe, elementwise: bool, rng: np.random.Generator
) -> Generator[list, list, VJPCheck]:
    alike = all(leaf.value.shape == point.shape for leaf in point.leaves)
    readable = not any(c.problem for c in claims)
    doubtful, outcome = [(whole, claims, probe)], None
    if readable:
        outcome, entries_differ = quick(point, whole, claims, probe, alike)
        if outcome is None or entries_differ:
            alike = alike and (yield from place_by_place(point, whole, rng))
        if outcome is not None and not (entries_differ and alike):
            doubtful = yield from _closer(point, claims, whole, probe, alike)
    elif alike:
        alike = yield from place_by_place(point, whole, rng)
    for direction, own, seen in doubtful:
        settled = yield from settle(
            point,
            direction,
            own if readable else None,
            seen.complex_step,
            alike and direction is whole,
            rng,
            known=direction is not whole,
        )
        outcome = settled.outcome
        if outcome.ok is False or (not readable and settled.slope is not None):
            found = yield from search(point, direction, claims, settled, rng)
            return _verdict(point, replace(outcome, ok=False), found.arguments, found.numerical)
        if outcome.ok is None:
            break
    return _verdict(point, outcome, tuple(ArgumentCheck(a.name, a.argument, outcome.ok) for a in point.leaves), {})


Doubt = tuple[Direction, list[Claim], Probe]


def _closer(
    point: Point, claims: list[Claim], whole: Direction, probe: Probe, alike: bool
) -> Generator[list, list, list[Doubt]]:
    """Look again, more closely, where the projection of everything at once does not see an error of SMALLEST_ERROR.

    A leaf whose gradient is small beside the others' is projected by itself. In a small layer every entry is.

    Returns: the directions along which the claim is not accepted.
    """
    directions = _faint(point, claims, whole, probe)
    if not alike and 1 < sum(leaf.value.size for leaf in point.leaves) <= FEW:
        directions = [
            (unit_direction(leaf, k), c)
            for leaf, c in zip(point.leaves, claims, strict=True)
            for k in range(leaf.value.size)
        ]
    requests = (r for direction, _ in directions for r in probe_requests(point.args, direction))
    answers = yield from ask(requests, max(leaf.value.size for leaf in point.leaves))
    doubtful = []
    for i, (direction, claim) in enumerate(directions):
        seen = read_probe(answers[3 * i : 3 * i + 3], point.v.size)
        if quick(point, direction, [claim], seen, False, known=True)[0] is None:
            doubtful.append((direction, [claim], seen))
    return doubtful


def _faint(point: Point, claims: list[Claim], whole: Direction, probe: Probe) -> list[tuple[Direction, Claim]]:
    """The leaves in whose gradients an error of SMALLEST_ERROR of the largest entry drowns in the rounding of all, but
    would not in their own."""
    size = scales(point, whole, claims, probe.complex_step)
    found = []
    for leaf, claim, u, s, norm in zip(point.leaves, claims, whole.u, whole.size, size.norms, strict=True):
        largest = s * float(np.max(np.abs(claim.value), initial=0.0))
        if size.usual > SMALLEST_ERROR * largest and size.usual - size.strict + 2 * ROUNDINGS * norm < size.usual / 8:
            found.append((Direction((leaf,), (u,), (s,)), claim))
    return found


def _verdict(point: Point, outcome: Outcome, arguments: tuple[ArgumentCheck, ...], numerical: dict) -> VJPCheck:
    return VJPCheck(
        outcome.ok,
        outcome.method,
        outcome.discrepancy,
        outcome.tolerance,
        outcome.resolution,
        arguments,
        outcome.notes,
        0,
        numerical,
    )


def _shape(value: Any) -> tuple[int, ...] | None:
    return None if isinstance(value, tuple | list) else np.shape(value)


def _listed(several: list) -> str:
    return str(several[0]) if len(several) == 1 else str(several)


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
    """Answers requests in this process. A Backward at the very arguments of the last Forward takes that one's cache."""

    def __init__(self, forward: Callable[..., Any], backward: Callable[..., Any]) -> None:
        self.forward, self.backward, self.args, self.cache = forward, backward, None, None

    def __call__(self, request: Forward | Backward) -> Any:
        try:
            if not (isinstance(request, Backward) and request.args is self.args):
                returned = self.forward(*request.args)
                if not (isinstance(returned, tuple | list) and len(returned) == 2):
                    return Failed("the forward returned no pair (out, cache)")
                self.args, self.cache = request.args, returned[1]
                if isinstance(request, Forward):
                    return fresh(returned[0])
            cache, self.args, self.cache = self.cache, None, None
            return self.backward(request.dout, cache)
        except Exception as error:
            return Failed(f"{type(error).__name__}: {error}")
