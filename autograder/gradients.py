"""Numerical gradients, from the loop that a course teaches with to a check that finds one wrong entry among millions.

`numerical_gradient` and `complex_step_gradient` differentiate a function entry by entry. `check_vjp` checks a layer's
backward pass with a handful of evaluations: both sides are projected on random directions.
"""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from autograder import richardson
from autograder.gradient_layer import (
    Leaf,
    complex_stepped,
    differentiable,
    directions,
    gradients_of,
    nested,
    numbers,
    shaken,
    shapes,
    stepped,
    trouble,
)
from autograder.gradient_result import ArgumentCheck, Backward, Entry, Failed, Forward, VJPCheck

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


EPS = float(np.finfo(float).eps)
TINY = float(np.finfo(float).tiny)

# 2⁻¹⁰⁰ = 8e-31: its square vanishes beside any double of ordinary size, and even σ'(±600) = 1e-261 times it is no
# denormal. (At h = 1e-200, σ' at |x| = 300 falls out of the range of doubles.)
COMPLEX_STEP = 2.0**-100

# 2⁻¹⁷ = 7.6e-6, near eps^(1/3), where truncation h²/6·f‴ and rounding eps·f/h are both about 1e-11.
CENTRAL_STEP = richardson.STEPS[-1]

# What the central difference has to confirm of the complex step: 1e-8 is 100 times its worst floor on correct layers
# (1e-10), and no code that is unsafe for complex numbers is off by less than 1e-3.
CENTRAL = 1e-8

# The floor of the complex step is 8e-16·Q at worst over 5,800 correct layers; the smallest bug wanted, 1e-9 of the
# largest entry, is 1e-12·Q for a gradient of 31,000 entries.
ROUNDINGS = 1000 * EPS

# A derivative that is known no better than this cannot acquit.
RESOLUTION = 1e-6

# The largest change of T seen when the inputs move by one unit in the last place, times 8, is what rounding may do to
# T.
NOISE = 8

# On failure, gradients with at most this many entries are differentiated entry by entry; of larger ones a sample is.
WHOLE = 256


def vjp_steps(
    args: tuple,
    dout: Any = None,
    *,
    seed: int = 0,
    elementwise: bool | None = None,
    names: Sequence[str] | None = None,
    out_shape: tuple[int, ...] | None = None,
) -> Generator[list[Forward | Backward], list[Any], VJPCheck]:
    """Check a backward pass without running anything: yield the evaluations wanted, be sent their answers."""
    steps = _steps(tuple(args), dout, np.random.default_rng(seed), elementwise, names, out_shape)
    evaluations, answers = 0, None
    while True:
        try:
            batch = steps.send(answers)
        except StopIteration as stop:
            return replace(stop.value, evaluations=evaluations)
        evaluations += len(batch)
        answers = yield batch


def _steps(args: tuple, dout: Any, rng: np.random.Generator, elementwise: Any, names: Any, out_shape: Any) -> Any:
    names = [str(name) for name in names or ()][: len(args)]
    names += [f"[{i}]" for i in range(len(names), len(args))]
    leaves, notes = differentiable(args, names)

    def verdict(ok: bool | None, *more: str, **found: Any) -> VJPCheck:
        return VJPCheck(ok, notes=(*notes, *more), **found)

    if not leaves:
        return verdict(None, "there is nothing to differentiate: no argument holds floats")
    for leaf in leaves:
        if not np.isfinite(leaf.value).all():
            return verdict(None, f"{leaf.name} holds nan or inf, where nothing has a derivative")

    out = None
    if dout is None and out_shape is None:
        (out,) = yield [Forward(args)]
        problem = trouble("out", out)
        if problem:
            return verdict(None, problem)
        dout = nested(out, lambda a: directions(rng, [a])[0])
    elif dout is None:
        dout = directions(rng, [np.empty(out_shape)])[0]
    v = numbers(dout)
    if isinstance(v, str) or v.dtype.kind == "c" or not np.isfinite(v).all():
        return verdict(None, "dout is no array of finite real numbers")

    u = directions(rng, [leaf.value for leaf in leaves])
    requests = [Backward(args, dout), *_probe(args, leaves, u)] + ([Forward(args)] if out is None else [])
    answer, *probe = yield requests
    if out is None:
        out = probe.pop()
    problem = trouble("out", out)
    if problem:
        return verdict(None, problem)
    if shapes(out) != shapes(dout):
        return verdict(None, f"out has shape {_listed(shapes(out))}, dout {_listed(shapes(dout))}")
    if isinstance(answer, Failed):
        return verdict(False, f"the backward gave no gradients: {answer.reason}")
    claims = gradients_of(answer, args, leaves)
    if isinstance(claims, str):
        return verdict(False, claims)

    base = numbers(out)
    values = [_values(a, base.size) for a in probe]
    wrong = [i for i, c in enumerate(claims) if c.problem]
    alike = elementwise is not False and all(leaf.value.shape == np.shape(out) for leaf in leaves)
    unit = 1.0 if elementwise else 0.0
    if not wrong:
        claim = [c.value for c in claims]
        found = _accepted(values, v, base, u, claim, alike, unit)
        if found:
            return verdict(True, arguments=_right(leaves), **found)

    # Something differs. Measure what rounding does, whether the layer repeats itself, and real differences at several
    # steps, each with a bound for its error.
    shaken_args = [shaken(args, leaves, rng) for _ in range(3)]
    requests = [Forward(args), Forward(args), Backward(args, dout)]
    requests += [Forward(a) for a, _ in shaken_args] + [Backward(a, dout) for a, _ in shaken_args]
    requests += [Forward(complex_stepped(args, moved, u, COMPLEX_STEP)) for _, moved in shaken_args]
    requests += [Forward(stepped(args, leaves, u, s)) for t in richardson.STEPS for s in (t, -t)]
    answers = yield requests
    again = [_values(a, base.size) for a in answers[:2]]
    if any(a is None or not np.array_equal(a, base, equal_nan=True) for a in again):
        return verdict(None, "the forward gives another out when it is called again with the same arguments")
    slope = _slope(values, answers[3:6], answers[9:12], answers[12:], v, base, u)
    if slope is None:
        return verdict(None, "the forward gives no numbers at points nearby", arguments=_unknown(leaves))
    shifts = []
    if not wrong:
        for moved, jac in zip(answers[6:9], slope.moved or [slope.ju] * 3, strict=True):
            other = gradients_of(moved, args, leaves)
            if not isinstance(other, str) and not any(c.problem for c in other):
                shifts.append(abs((v @ jac - _dot([c.value for c in other], u)) - (v @ slope.ju - _dot(claim, u))))
        figures, ok = _judge(slope, v, base, u, claim, NOISE * max(shifts, default=0.0))
        entries = None
        if alike:
            entries = _entries_wrong(slope, v, base, u, claim, unit)
            if not entries.any() and ok is False:
                ok = True
        if ok is not False:
            note = () if ok else ("the numerical derivative is too inaccurate to tell",)
            return verdict(ok, *note, arguments=_right(leaves) if ok else _unknown(leaves), **figures)

    # Wrong. Which argument, and which entries?
    per_leaf = []
    for leaf, direction in zip(leaves, u, strict=True):
        if slope.complex:
            per_leaf.append([Forward(complex_stepped(args, [leaf], [direction], COMPLEX_STEP))])
        else:
            per_leaf.append([Forward(stepped(args, [leaf], [direction], s)) for t in richardson.STEPS for s in (t, -t)])
    answers = yield [r for requests in per_leaf for r in requests]
    checks, numerical, entry_requests = [], {}, []
    at = 0
    verdicts = []
    for requests, claim_, direction in zip(per_leaf, claims, u, strict=True):
        part, at = answers[at : at + len(requests)], at + len(requests)
        if slope.complex:
            own = _values(part[0], base.size)
            own = None if own is None or own.dtype.kind != "c" else Slope(own.imag / COMPLEX_STEP, 0.0, 0.0, True)
        else:
            own = _slope([None] * 3, [], [], part, v, base, [direction], slope.noise)
        if claim_.problem:
            verdicts.append((False, claim_.problem))
        elif own is None:
            verdicts.append((None, "the forward gives no numbers at points nearby"))
        else:
            _, ok = _judge(own, v, base, [direction], [claim_.value], NOISE * max(shifts, default=0.0))
            verdicts.append((ok, ""))
    if not any(ok is False for ok, _ in verdicts):
        verdicts = [(None, "") if ok is True else (ok, note) for ok, note in verdicts]
    for (ok, _), leaf in zip(verdicts, leaves, strict=True):
        n = leaf.value.size if ok is False else 0
        chosen = np.arange(n) if n <= WHOLE else np.unique(rng.integers(0, n, WHOLE // 4))
        for k in chosen:
            one = np.zeros(leaf.value.shape)
            one.flat[k] = 1.0
            if slope.complex:
                rs = [Forward(complex_stepped(args, [leaf], [one], COMPLEX_STEP))]
            else:
                rs = [Forward(stepped(args, [leaf], [one], s)) for t in richardson.STEPS[1:3] for s in (t, -t)]
            entry_requests.append((leaf, k, rs))
    answers = (yield [r for *_, rs in entry_requests for r in rs]) if entry_requests else []
    at = 0
    found_entries: dict[int, dict[int, float]] = {}
    for leaf, k, rs in entry_requests:
        part, at = [_values(a, base.size) for a in answers[at : at + len(rs)]], at + len(rs)
        found_entries.setdefault(id(leaf), {})[int(k)] = _entry(part, v, slope.complex)
    for (ok, note), leaf, c in zip(verdicts, leaves, claims, strict=True):
        at_entries = found_entries.get(id(leaf), {})
        listed: list[Entry] = []
        if c.value is not None:
            scale = max([abs(n) for n in at_entries.values()] + [0.0])
            for k, n in at_entries.items():
                mine = float(c.value.flat[k])
                if (
                    not abs(mine - n)
                    <= (1e-12 if slope.complex else 1e-7) * abs(n) + (1e-14 if slope.complex else 1e-8) * scale
                ):
                    listed.append(Entry(tuple(int(i) for i in np.unravel_index(k, leaf.value.shape)), mine, n))
            if leaf.value.size and len(at_entries) == leaf.value.size and not leaf.path:
                numerical[leaf.argument] = np.array([at_entries[k] for k in range(leaf.value.size)]).reshape(
                    leaf.value.shape
                )
        checks.append(ArgumentCheck(leaf.name, leaf.argument, ok, note, tuple(listed)))
    figures = figures if not wrong else {"method": slope.method}
    return verdict(False, arguments=tuple(checks), numerical=numerical, **figures)


@dataclass(frozen=True)
class Slope:
    """J u, the change of every output along a direction, and how far it may be off.

    bound: of ⟨v, ju⟩. each: of an entry of ju. complex: whether it comes from the complex step.
    """

    ju: np.ndarray
    bound: float
    each: Any
    complex: bool
    real: richardson.Derivative | None = None
    moved: tuple = ()
    noise: Any = 0.0

    @property
    def method(self) -> str:
        return "complex step" if self.complex else "Richardson extrapolation"


def _probe(args: tuple, leaves: Sequence[Leaf], u: Sequence[np.ndarray]) -> list[Forward]:
    return [
        Forward(complex_stepped(args, leaves, u, COMPLEX_STEP)),
        Forward(stepped(args, leaves, u, CENTRAL_STEP)),
        Forward(stepped(args, leaves, u, -CENTRAL_STEP)),
    ]


def _values(answer: Any, size: int) -> np.ndarray | None:
    """The numbers of an answer if they are finite and as many as they should be."""
    if isinstance(answer, Failed):
        return None
    flat = numbers(answer)
    if isinstance(flat, str) or flat.size != size or not np.isfinite(flat).all():
        return None
    return flat


def _dot(claim: Sequence[np.ndarray], u: Sequence[np.ndarray]) -> float:
    return float(sum(np.vdot(g, d) for g, d in zip(claim, u, strict=True)))


@np.errstate(all="ignore")
def _scales(ju: np.ndarray, v: np.ndarray, base: np.ndarray, claim: Sequence[np.ndarray]) -> tuple[float, float]:
    """Q, and τ."""
    norm = float(np.sqrt(sum(np.vdot(g, g) for g in claim)))
    q = 1.53 * norm + float(np.linalg.norm(v * ju))
    return q, ROUNDINGS * q + 16 * EPS * float(np.linalg.norm(v * base)) + TINY / COMPLEX_STEP


@np.errstate(all="ignore")
def _accepted(
    values: list, v: np.ndarray, base: np.ndarray, u: Any, claim: Any, alike: bool, unit: float
) -> dict | None:
    z, plus, minus = values
    if z is None or plus is None or minus is None or z.dtype.kind != "c":
        return None
    ju, central = z.imag / COMPLEX_STEP, (plus - minus) / (2 * CENTRAL_STEP)
    projected = _dot(claim, u)
    q, tau = _scales(ju, v, base, claim)
    discrepancy = abs(float(v @ ju) - projected)
    if not (discrepancy <= tau and abs(float(v @ central) - projected) <= CENTRAL * q):
        return None
    if alike and _entries_wrong(Slope(ju, 0.0, 0.0, True), v, base, u, claim, unit).any():
        return None
    q = q or 1.0
    return {
        "method": "complex step, confirmed by the central difference",
        "discrepancy": discrepancy / q,
        "tolerance": tau / q,
        "resolution": tau / q,
    }


@np.errstate(all="ignore")
def _entries_wrong(slope: Slope, v: np.ndarray, base: np.ndarray, u: Any, claim: Any, unit: float) -> np.ndarray:
    """For a layer in which every output depends on one entry: the outputs whose claimed change is not the true one."""
    claimed = sum((g * d).ravel() for g, d in zip(claim, u, strict=True))
    expected = v * slope.ju
    scale = max(unit, float(np.max(np.abs(base), initial=0.0)))
    allowed = 1e-12 * np.abs(expected) + 8 * EPS * np.abs(v) * scale + np.abs(v) * slope.each + TINY / COMPLEX_STEP
    right = np.abs(claimed - expected) <= allowed
    if slope.real is not None:
        ends = np.sort(np.stack([v * slope.real.low, v * slope.real.high]), axis=0)
        right |= slope.real.kinked & (claimed >= ends[0] - allowed) & (claimed <= ends[1] + allowed)
    return ~right


@np.errstate(all="ignore")
def _slope(
    probe: list,
    rippled: list,
    rippled_complex: list,
    answers: list,
    v: np.ndarray,
    base: np.ndarray,
    u: Any,
    noise: Any = None,
) -> Slope | None:
    """The best derivative that the evaluations yield: the complex step's where the real differences confirm it."""
    steps = richardson.STEPS
    values = [_values(a, base.size) for a in answers]
    if any(a is None or a.dtype.kind == "c" for a in values):
        return None
    plus, minus = values[0::2], values[1::2]
    ripples = [r - base for r in (_values(a, base.size) for a in rippled) if r is not None]
    if noise is None:
        noise = 4 * EPS * np.abs(base) + (4 * np.max(np.abs(ripples), axis=0) if ripples else 0.0)
    real = richardson.real_derivative(steps, base, plus, minus, noise)
    total, bound = richardson.projected(real, steps, v, plus, minus, ripples, base)
    z = probe[0]
    if z is not None and z.dtype.kind == "c":
        ju = z.imag / COMPLEX_STEP
        smooth = ~real.kinked
        q = float(np.linalg.norm(v * ju))
        inside = (ju >= real.low - real.bound) & (ju <= real.high + real.bound)
        if abs(float(v[smooth] @ ju[smooth]) - total) <= bound + ROUNDINGS * q and inside[real.kinked].all():
            moved = [_values(a, base.size) for a in rippled_complex]
            if all(m is not None and m.dtype.kind == "c" for m in moved):
                return Slope(ju, 0.0, 0.0, True, real, tuple(m.imag / COMPLEX_STEP for m in moved), noise)
    return Slope(real.value, bound, real.bound, False, real, (), noise)


@np.errstate(all="ignore")
def _judge(
    slope: Slope, v: np.ndarray, base: np.ndarray, u: Any, claim: Any, noise: float
) -> tuple[dict[str, Any], bool | None]:
    q, tau = _scales(slope.ju, v, base, claim)
    tolerance = slope.bound + noise + tau
    difference = float(v @ slope.ju) - _dot(claim, u)
    if slope.real is not None and not slope.complex and slope.real.kinked.any():
        k = slope.real.kinked
        spread = float(np.abs(v[k]) @ ((slope.real.high - slope.real.low)[k] / 2 + slope.real.bound[k]))
        difference = np.copysign(max(0.0, abs(difference) - spread), difference)
    q = q or 1.0
    ok = bool(abs(difference) <= tolerance)
    figures = {
        "method": slope.method,
        "discrepancy": abs(difference) / q,
        "tolerance": tolerance / q,
        "resolution": tolerance / q,
    }
    return figures, (None if ok and tolerance > RESOLUTION * q else ok)


def _entry(part: list, v: np.ndarray, complex_step: bool) -> float:
    if any(p is None for p in part):
        return float("nan")
    if complex_step:
        return float(v @ part[0].imag) / COMPLEX_STEP
    steps = richardson.STEPS[1:3]
    coarse, fine = (float(v @ (part[2 * i] - part[2 * i + 1])) / (2 * steps[i]) for i in (0, 1))
    return fine + (fine - coarse) / ((steps[0] / steps[1]) ** 2 - 1)


def _right(leaves: Sequence[Leaf]) -> tuple[ArgumentCheck, ...]:
    return tuple(ArgumentCheck(leaf.name, leaf.argument, True) for leaf in leaves)


def _unknown(leaves: Sequence[Leaf]) -> tuple[ArgumentCheck, ...]:
    return tuple(ArgumentCheck(leaf.name, leaf.argument, None) for leaf in leaves)


def _listed(shapes_: list) -> str:
    return str(shapes_[0]) if len(shapes_) == 1 else str(shapes_)


def check_vjp(
    forward: Callable[..., Any],
    backward: Callable[[Any, Any], Any],
    args: tuple,
    *,
    dout: Any = None,
    seed: int = 0,
    elementwise: bool | None = None,
    names: Sequence[str] | None = None,
) -> VJPCheck:
    """Check a backward pass against numerical derivatives of its own forward pass, in this process."""
    if names is None:
        names = _parameters(forward)
    steps = vjp_steps(args, dout, seed=seed, elementwise=elementwise, names=names)
    answers = None
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        while True:
            try:
                batch = steps.send(answers)
            except StopIteration as stop:
                return stop.value
            answers = [_run(request, forward, backward) for request in batch]


def _run(request: Forward | Backward, forward: Callable[..., Any], backward: Callable[..., Any]) -> Any:
    try:
        returned = forward(*nested(request.args, np.copy))
        if not (isinstance(returned, tuple | list) and len(returned) == 2):
            return Failed("the forward returned no pair (out, cache)")
        if isinstance(request, Forward):
            return returned[0]
        return backward(nested(request.dout, np.copy), returned[1])
    except Exception as error:
        return Failed(f"{type(error).__name__}: {error}")


def _parameters(forward: Callable[..., Any]) -> list[str]:
    try:
        return list(inspect.signature(forward).parameters)
    except (TypeError, ValueError):
        return []
