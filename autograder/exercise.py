"""What an exercise is: frozen data about the functions that students write.

An `Exercise` is either a `Function` (cases and a reference, no gradient) or a `Pair` of a forward and a backward
function. Nothing here knows a layer; the layers are described in `solutions/`, one file each.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

# Arguments and results are nested tuples (or lists) of arrays and scalars.
Values = Any


@dataclass(frozen=True)
class Case:
    """One input on which a function is judged.

    name: short and unique within its exercise, "a batch".
    reason: why this input is asked for, a sentence that a student may read even when the case is hidden.
    make: draws the arguments, `make(rng) -> args`; a fixed grid ignores `rng`.
    hidden: True where only the full answer key asks it, with inputs fresh for each student.
    extreme: True where it decides the extreme-input tier (15 % of an array's points) and is judged by value alone.
    cpu_limit: seconds of CPU for one call, where cost is part of what is asked; None for the general limit.
    similar: for a hidden case, an input of the same kind that a student can try, as an expression of Python.
    lesson: for a hidden case, the section of the notebook that prepares for it, "2.5".
    """

    name: str
    reason: str
    make: Callable[[np.random.Generator], tuple]
    hidden: bool = False
    extreme: bool = False
    cpu_limit: float | None = None
    similar: str = ""
    lesson: str = ""


@dataclass(frozen=True)
class Misconception:
    """A mistake that has a name.

    id: the public identifier, as it appears under `diagnosis` in results.json.
    sentence: what the code computes instead, "Your dw is averaged over the batch ...". Never blames the person.
    hints: from asking to pointing; none of them contains a line to type.
    wrong: the mistaken computations, one function for each way of making the mistake. For a backward function
        `wrong(dout, *args)`, otherwise `wrong(*args)`; each returns a dict from the names of the arrays that the
        mistake changes to their wrong values. A value may be a `Plus`, for a mistake with a free constant.
        Each is self-contained numpy code, so that it also serves as a mistaken submission.
    extreme: True where the mistake shows in the extreme cases only.
    """

    id: str
    sentence: str
    hints: tuple[str, ...]
    wrong: tuple[Callable[..., dict], ...] = ()
    extreme: bool = False


@dataclass(frozen=True)
class Plus:
    """A family of wrong arrays, `base + λ·direction` with one unknown λ ≠ 0 a case: a decay term left in, say."""

    base: np.ndarray
    direction: np.ndarray


@dataclass(frozen=True)
class Function:
    """One function that a student writes.

    reference: the solution; its name, signature and docstring are the contract with students.
    returns: the names of the arrays it returns, in order; a forward of a `Pair` names `out` alone (its cache is the
        student's own). The points are split equally over them.
    assignment, cases: for a `Function` that stands alone; a `Pair` holds those of its two functions.
    """

    reference: Callable
    points: float
    returns: tuple[str, ...]
    misconceptions: tuple[Misconception, ...] = ()
    assignment: str = ""
    cases: tuple[Case, ...] = ()

    @property
    def name(self) -> str:
        return self.reference.__name__

    @functools.cached_property
    def args(self) -> tuple[str, ...]:
        return tuple(inspect.signature(self.reference).parameters)

    @property
    def functions(self) -> tuple[Function, ...]:
        return (self,)


@dataclass(frozen=True)
class Pair:
    """A layer: `forward(*args) -> (out, cache)` and `backward(dout, cache) -> gradients`.

    name: the layer's short name, "affine"; it seeds the hidden inputs.
    backward.returns: first the gradient for each argument of the forward, in order, then any further values
        (judged by the reference alone).
    elementwise: every entry of `out` depends on the entry of `x` at the same place only. Then every entry of the
        gradient is checked singly, and rounding is measured against |dout| entry by entry.
    """

    name: str
    assignment: str
    forward: Function
    backward: Function
    cases: tuple[Case, ...]
    elementwise: bool = False

    @property
    def functions(self) -> tuple[Function, ...]:
        return (self.forward, self.backward)


Exercise = Function | Pair


def describe_array(value: Any) -> str:
    """A value's kind in words for a person: 'one array, shape (4, 3), float64', 'None', 'a tuple of 3'."""
    if isinstance(value, np.ndarray) and value.ndim:
        return f"one array, shape {value.shape}, {value.dtype}"
    if isinstance(value, np.ndarray | np.generic | float | int | complex):
        return f"one number, {np.asarray(value).dtype}"
    if isinstance(value, tuple | list):
        return f"a {type(value).__name__} of {len(value)}"
    if value is None:
        return "None"
    return f"a value of type {type(value).__name__}"
