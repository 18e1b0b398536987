"""Check a backward pass without running it: a generator that asks for evaluations and is sent their results.

What is compared is explained in `compare`. Here is the order: a first round that suffices to accept what is
right, a closer look at what that round cannot see, all evidence for what it does not accept, a search where that is
wrong.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from autograder.vjp.answers import Claim, ask, claims_of, not_finite, numbers, precision, shapes, trouble
from autograder.vjp.at_once import at_once
from autograder.vjp.compare import Outcome, Probe, quick
from autograder.vjp.evidence import central_requests, complex_request, place_by_place
from autograder.vjp.layer import (
    EPS,
    Direction,
    Point,
    differentiable,
    direction_of,
    fresh,
    like,
    two_draws,
    with_values,
)
from autograder.vjp.parts import NOT_LOCATED, Found, closer, every, refuse, settle_doubts, unlocated
from autograder.vjp.places import MANY, by_places
from autograder.vjp.result import Backward, Forward, VJPCheck

# Random numbers of our own: arguments drawn from `default_rng(seed)` must not be those of dout.
STREAM = 1_911_191_191


def vjp_steps(
    args: tuple,
    dout: Any = None,
    *,
    seed: int = 0,
    elementwise: bool = False,
    locate: bool = True,
    names: Sequence[str] | None = None,
    out_shape: tuple[int, ...] | None = None,
) -> Generator[list[Forward | Backward], list[Any], VJPCheck]:
    """Check a backward pass as `check_vjp` does, wherever it runs.

    Yields batches, lists of `Forward` and `Backward` requests, and is sent a list of answers of the same length: what
    the request's function returned (for a `Forward` its out alone, not the cache), or `Failed`. Answers are not
    trusted: whatever they are, they lead to a verdict. The arrays of a request belong to whoever answers it.
    Two rounds accept a right layer, one if dout can be drawn before out is known; a large layer is asked for one
    evaluation at a time.

    Args:
        args: the arguments of the forward, nested tuples of arrays and scalars. What holds no floats is passed on as it
            is.
        dout: the upstream gradient, of out's structure; None to draw it.
        seed: of the random directions, and of dout.
        elementwise: True for a layer that is meant to work entry by entry: a note says so if its forward does not.
        locate: False for a verdict alone, without a search for what is wrong.
        names: names for the arguments, in order.
        out_shape: the shape of out, if it is known: it saves a round.

    Returns: the verdict (as the value of the generator's StopIteration).
    """
    rng = np.random.default_rng(STREAM + seed)
    decide = partial(_decide, elementwise=elementwise, locate=locate, rng=rng)
    steps = _steps(tuple(args), dout, rng, decide, names or (), out_shape)
    evaluations, answers = 0, None
    while True:
        try:
            with np.errstate(all="ignore"):  # left before the yield: whoever evaluates keeps a state of their own
                batch = steps.send(answers)
        except StopIteration as stop:
            outcome, arguments, notes, numerical = stop.value
            return VJPCheck(
                outcome.ok,
                outcome.method,
                outcome.discrepancy,
                outcome.tolerance,
                outcome.resolution,
                arguments,
                (*notes, *outcome.notes),
                evaluations,
                numerical,
            )
        evaluations += len(batch)
        answers = yield batch
        del batch  # large arrays


def _steps(
    args: tuple, dout: Any, rng: np.random.Generator, decide: Callable, names: Sequence[str], out_shape: Any
) -> Generator[list, list, Found]:
    names = [str(name) for name in names][: len(args)]
    leaves, notes = differentiable(args, names + [f"arg{i}" for i in range(len(names), len(args))])
    if not leaves:
        return _no_figures(None, notes, "there is nothing to differentiate: no argument holds floats")
    for leaf in leaves:
        if not math.isfinite(leaf.norm):
            return _no_figures(None, notes, not_finite(leaf.name, leaf.value))

    if notes:  # something is not float64: the leaves are
        args = with_values(args, leaves, [leaf.value for leaf in leaves])
    here, out, problem, outputs = fresh(args), None, "", 0
    if dout is not None:
        problem = trouble("dout", dout)
    elif out_shape is not None:
        outputs = math.prod(out_shape)
    else:
        (out,) = yield [Forward(here)]
        problem = trouble("out", out)
        outputs = 0 if problem else numbers(out).size
    if problem:
        return _no_figures(None, notes, problem)

    drawn, u = two_draws(rng, outputs, sum(leaf.value.size for leaf in leaves))
    if dout is None:
        dout = drawn.reshape(out_shape) if out is None else like(out, drawn)
    whole = direction_of(u, leaves)
    places = (
        isinstance(dout, np.ndarray) and dout.size > MANY and all(leaf.value.shape == dout.shape for leaf in leaves)
    )
    requests = _first_round(args, here, dout, whole, out is None, places)
    del here
    first = yield from ask(requests, sum(u.size for u in whole.u) + numbers(dout).size)
    if out is None:
        out, *first = first
        problem = trouble("out", out)
        if not problem and shapes(out) != shapes(dout):
            problem = f"out has shape {_listed(shapes(out))}, dout has shape {_listed(shapes(dout))}"
    if problem:
        return _no_figures(None, notes, problem)
    claims = claims_of(first[0], args, leaves)
    if isinstance(claims, str):
        return _no_figures(False, notes, claims)
    shape = None if isinstance(out, tuple | list) else np.shape(out)
    point = Point(args, leaves, dout, numbers(dout), numbers(out), precision(out), shape)
    notes += [f"d{leaf.name} holds {c.raw.dtype}" for leaf, c in zip(leaves, claims, strict=True) if _unusual(c)]
    if point.eps > EPS:
        notes.append("out is not float64, and differences keep few of its digits")
    held = [Probe(None, *first[1:]) if places else Probe(*first[1:])]
    del first, drawn, u
    if places:
        found = yield from by_places(point, whole, claims, held[0], rng, partial(decide, notes=tuple(notes)))
        if found is not None:
            return found
        (complex_step,) = yield from ask([complex_request(args, whole, point.out.size)], point.entries)
        held = [replace(held[0], complex_step=complex_step)]
        del complex_step
    # Handed over: what this generator kept would be in memory to the end.
    return (yield from decide(point, whole, claims, held.pop(), notes=tuple(notes)))


def _first_round(
    args: tuple, here: tuple, dout: Any, whole: Direction, forward: bool, places: bool
) -> Iterator[tuple[Forward | Backward, Callable]]:
    """All that is needed to accept. Forward and Backward at the very same arguments: one evaluation can serve both.

    forward: whether out is still to be computed. places: whether the complex step can wait, see `by_places`.
    """

    def unread(answer: Any) -> Any:
        return answer

    if forward:
        yield Forward(here), unread
    yield Backward(here, fresh(dout)), unread
    if not places:
        yield complex_request(args, whole, numbers(dout).size)
    yield from central_requests(args, whole, numbers(dout).size)


def _decide(
    point: Point,
    whole: Direction,
    claims: list[Claim],
    probe: Probe,
    *,
    elementwise: bool,
    locate: bool,
    notes: tuple[str, ...],
    rng: np.random.Generator,
) -> Generator[list, list, Found]:
    """Accept at once, refuse at once, or look more closely."""
    alike = all(leaf.value.shape == point.shape for leaf in point.leaves)
    readable = not any(c.problem for c in claims)
    if not readable and not locate:
        return Outcome(False), unlocated(point, claims), (*notes, NOT_LOCATED), {}
    first = quick(point, whole, claims, probe, alike) if readable else None
    claimed, refused = claims if readable else None, None
    if first is None and not (alike and locate):
        refused = yield from at_once(point, whole, claimed, probe, False, rng)
    if alike and refused is None and (first is None or first.entries_differ):
        alike = yield from place_by_place(point, whole, rng)
        if elementwise and not alike:
            notes = (*notes, "the forward is not elementwise: an entry of out depends on several places")
        if alike or (first is None and locate):
            refused = yield from at_once(point, whole, claimed, probe, alike, rng)
    complex_step = probe.complex_step
    del probe
    if refused is not None:
        del complex_step
        return (yield from refuse(point, whole, claims, refused, notes, locate, rng))
    doubts, accepted = [(whole, claims, complex_step)], []
    del complex_step
    if first is not None and not (first.entries_differ and alike):
        doubts, accepted = (yield from closer(point, claims, whole, first.size, alike)), [first.outcome]
        if not doubts:
            return first.outcome, every(point, True), notes, {}
    del first
    return (yield from settle_doubts(point, whole, claims, doubts, accepted, alike, notes, locate, rng))


def _no_figures(ok: bool | None, notes: list[str], why: str) -> Found:
    return Outcome(ok, notes=(why,)), (), tuple(notes), {}


def _unusual(claim: Claim) -> bool:
    return claim.raw is not None and claim.raw.dtype != np.float64


def _listed(several: list) -> str:
    return str(several[0]) if len(several) == 1 else str(several)
