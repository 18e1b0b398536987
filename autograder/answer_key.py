"""What is right and what is a known mistake, as arrays: the public key of a course, and the full one of a grader.

A key is made of `Question`s: a case with its inputs drawn, and the expected value of each function. The *full* key is
computed from the solutions, with hidden inputs that are fresh for each student. The *public* key holds the public cases
only, as arrays and sentences without a line of code; see `public_keys`. The judge cannot tell the two apart.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from autograder.exercise import Case, Exercise, Misconception, Pair
from autograder.inputs import upstream
from autograder.misconceptions import general_misconceptions
from autograder.rendering.shapes import Symbols, symbols_in

# Differentiating a wrong forward entry by entry is only worth it for small inputs.
FOLLOW_ENTRIES = 200


@dataclass(frozen=True)
class Mistake:
    """A misconception without its code: what a report needs to name it."""

    id: str
    sentence: str
    hints: tuple[str, ...]
    extreme: bool = False


@dataclass(frozen=True)
class Raises:
    """Stands for the value of a mistake that cannot be computed on a case: the mistaken code raises there."""

    type: str
    message: str


# Of one way to make one mistake: the arrays it changes, by name; or Raises.
Wrong = Mapping[str, Any] | Raises


def _no_kinks() -> None:
    return None


@dataclass(frozen=True)
class Question:
    """A case with its inputs.

    args: the arguments; dout: for a pair, the upstream gradient, else None.
    expected: by function name, the expected arrays in order; where the inputs are float32, from the same numbers in
        float64.
    kinks: for an elementwise pair whose reference has kinks here, `kinks()` gives the lower and upper bound that its
        one-sided slopes set to each entry of the gradient, nan where there is no kink; else None.
    """

    case: str
    reason: str
    args: tuple
    dout: Any
    expected: Mapping[str, tuple]
    hidden: bool = False
    extreme: bool = False
    cpu_limit: float | None = None
    similar: str = ""
    kinks: Callable[[], tuple[np.ndarray, np.ndarray] | None] = field(compare=False, default=_no_kinks)

    @functools.cached_property
    def single(self) -> bool:
        """Whether the inputs are float32."""
        return any(getattr(a, "dtype", None) == np.float32 for a in self.args)


@dataclass(frozen=True)
class KeyFunction:
    """A function as the judge needs it.

    wrong(mistake index) -> for each way of making that mistake, one `Wrong` a question.
    """

    name: str
    points: float
    args: tuple[str, ...]
    returns: tuple[str, ...]
    mistakes: tuple[Mistake, ...]
    wrong: Callable[[int], tuple[tuple[Wrong, ...], ...]] = field(compare=False)
    # For the forward of a pair: as `wrong`, but the gradients of the mistaken forward, by argument name.
    gradients: Callable[[int], tuple[tuple[Wrong, ...], ...]] = field(compare=False, default=lambda index: ())


@dataclass(frozen=True)
class Key:
    """All that is needed to judge one exercise. For a pair, `functions` is (forward, backward).

    shapes: the symbols of each array's shape, by its name: {"w": ("D", "M")}; what has none is left out.
    """

    exercise: str
    assignment: str
    pair: bool
    elementwise: bool
    functions: tuple[KeyFunction, ...]
    questions: tuple[Question, ...]
    shapes: Mapping[str, Symbols] = field(default_factory=dict)

    @property
    def forward(self) -> KeyFunction:
        return self.functions[0]

    @property
    def backward(self) -> KeyFunction:
        return self.functions[-1]


def public_seed(exercise: str) -> bytes:
    """Public cases are the same for everybody."""
    return _sha256(b"public\0" + exercise.encode())


def _sha256(data: bytes) -> bytes:
    import hashlib  # a notebook, which has the public key ready, need not wait for OpenSSL to load

    return hashlib.sha256(data).digest()


def full_key(exercise: Exercise, seed: bytes, *, public_only: bool = False) -> Key:
    """The key computed from the solutions: public cases, then hidden ones drawn from the student's `seed`."""
    return FullKeys(exercise).key(seed, public_only=public_only)


class FullKeys:
    """The full keys of one exercise, for one student after another; what is the same for all is computed once."""

    def __init__(self, exercise: Exercise):
        self.exercise = exercise
        self._known = []
        for function in exercise.functions:
            backward = isinstance(exercise, Pair) and function is exercise.backward
            self._known.append(function.misconceptions + (general_misconceptions(exercise) if backward else ()))
        self._shapes = symbols_in("\n".join(f.reference.__doc__ or "" for f in exercise.functions))
        self._mistakes = [tuple(Mistake(m.id, m.sentence, m.hints, m.extreme) for m in known) for known in self._known]

    @functools.cached_property
    def _public(self) -> dict[str, Question]:
        seed = public_seed(self.exercise.name)
        return {case.name: _question(self.exercise, case, seed) for case in self.exercise.cases if not case.hidden}

    def key(self, seed: bytes, *, public_only: bool = False) -> Key:
        """The key whose hidden inputs are drawn from `seed`."""
        exercise, pair = self.exercise, isinstance(self.exercise, Pair)
        questions = tuple(
            self._public.get(case.name) or _question(exercise, case, seed)
            for case in exercise.cases
            if not (case.hidden and public_only)
        )
        functions = []
        for function, known, mistakes in zip(exercise.functions, self._known, self._mistakes, strict=True):
            backward = pair and function is exercise.backward
            functions.append(
                KeyFunction(
                    name=function.name,
                    points=float(function.points),
                    args=function.args,
                    returns=function.returns,
                    mistakes=mistakes,
                    wrong=_lazily(known, questions, _wrong_gradient if backward else _wrong_value),
                    gradients=_lazily(known, questions, _gradient_of_wrong(function.args))
                    if pair and not backward
                    else (lambda index: ()),
                )
            )
        return Key(
            exercise=exercise.name,
            assignment=exercise.assignment,
            pair=pair,
            elementwise=pair and exercise.elementwise,
            functions=tuple(functions),
            questions=questions,
            shapes=self._shapes,
        )


def _question(exercise: Exercise, case: Case, seed: bytes) -> Question:
    from autograder.drawing import generator, hashed_again  # nor for numpy's random numbers

    digest = _sha256(seed + case.name.encode())
    rng = generator(digest) if case.hidden else hashed_again(digest)
    args = case.make(rng)
    if not isinstance(args, tuple):
        raise TypeError(f"{exercise.name}, case {case.name!r}: make(rng) must return a tuple of arguments")
    exact = double(args)
    expected, dout, kinks = {}, None, _no_kinks
    if isinstance(exercise, Pair):
        out, cache = exercise.forward.reference(*copies(exact))
        dtype = np.float32 if any(getattr(a, "dtype", None) == np.float32 for a in args) else np.float64
        dout = upstream(rng, np.shape(out), dtype)
        gradients = exercise.backward.reference(double(dout), cache)
        expected[exercise.forward.name] = (np.asarray(out),)
        expected[exercise.backward.name] = as_tuple(gradients)
        if exercise.elementwise and not case.extreme:
            kinks = _Kinks(exercise, exact[0], double(dout))
    else:
        expected[exercise.name] = as_tuple(exercise.reference(*copies(exact)))
    return Question(
        case=case.name,
        reason=f"{case.reason} (section {case.lesson})" if case.lesson else case.reason,
        args=args,
        dout=dout,
        expected=expected,
        hidden=case.hidden,
        extreme=case.extreme,
        cpu_limit=case.cpu_limit,
        similar=case.similar,
        kinks=kinks,
    )


# A step at which a smooth layer's one-sided slopes agree to a few 1e-6, and those beside a kink do not.
KINK_STEP = 2.0**-20
KINK = 1e-3


class _Kinks:
    """The bounds that the reference's one-sided slopes set to dx, where they differ; computed when first asked for."""

    def __init__(self, exercise: Pair, x: np.ndarray, dout: np.ndarray):
        self.exercise, self.x, self.dout = exercise, x, dout

    def __call__(self) -> tuple[np.ndarray, np.ndarray] | None:
        return self.bounds

    @functools.cached_property
    def bounds(self) -> tuple[np.ndarray, np.ndarray] | None:
        forward = self.exercise.forward.reference
        middle, right, left = (forward(self.x + s)[0] for s in (0.0, KINK_STEP, -KINK_STEP))
        after, before = (right - middle) / KINK_STEP, (middle - left) / KINK_STEP
        kinked = np.abs(after - before) > KINK * (1 + np.abs(after) + np.abs(before))
        if not kinked.any():
            return None
        bounds = np.sort(np.stack([self.dout * after, self.dout * before]), axis=0)
        return tuple(np.where(kinked, bound, np.nan) for bound in bounds)


def _lazily(known: tuple[Misconception, ...], questions: tuple[Question, ...], one: Callable) -> Callable:
    """`one(wrong, question)` for every way of making a mistake and every question, computed when first asked for."""

    found: dict[int, tuple[tuple[Wrong, ...], ...]] = {}

    def answers(index: int) -> tuple[tuple[Wrong, ...], ...]:
        if index not in found:
            found[index] = tuple(tuple(_attempt(one, wrong, q) for q in questions) for wrong in known[index].wrong)
        return found[index]

    return answers


def _attempt(one: Callable, wrong: Callable, question: Question) -> Wrong:
    try:
        with np.errstate(all="ignore"):
            return one(wrong, question)
    except Exception as error:
        return Raises(type(error).__name__, str(error))


def _wrong_value(wrong: Callable, question: Question) -> Wrong:
    return dict(wrong(*copies(double(question.args))))


def _wrong_gradient(wrong: Callable, question: Question) -> Wrong:
    return dict(wrong(np.array(question.dout, np.float64), *copies(double(question.args))))


def _gradient_of_wrong(names: tuple[str, ...]) -> Callable:
    """The gradients of a mistaken forward, so that a backward that is exact for it can be recognised."""

    def one(wrong: Callable, question: Question) -> Wrong:
        args = double(question.args)
        if question.extreme or sum(np.size(a) for a in args) > FOLLOW_ENTRIES:
            return {}
        return {f"d{name}": _pulled_back(wrong, args, i, question.dout) for i, name in enumerate(names)}

    return one


def _pulled_back(wrong: Callable, args: tuple, index: int, dout) -> np.ndarray:
    """d<dout, out>/d args[index], entry by entry, by the complex step: Im f(x + ih)/h, exact to rounding."""
    step = 1e-150
    gradient = np.zeros(np.shape(args[index]))
    for entry in np.ndindex(gradient.shape):
        moved = [np.array(a, complex) for a in args]
        moved[index][entry] += 1j * step
        gradient[entry] = np.sum(dout * np.imag(wrong(*moved)["out"])) / step
    return gradient


def as_tuple(value: Any) -> tuple:
    """Results as a tuple of arrays, whether one came back or several."""
    return tuple(np.asarray(v) for v in value) if isinstance(value, tuple | list) else (np.asarray(value),)


def copies(value: Any) -> Any:
    """Fresh copies of nested arrays, memory layout kept."""
    if isinstance(value, tuple | list):
        return tuple(copies(v) for v in value)
    return value.copy(order="K") if isinstance(value, np.ndarray) else value


def double(value: Any) -> Any:
    """The same numbers with float32 arrays as float64."""
    if isinstance(value, tuple | list):
        return tuple(double(v) for v in value)
    return value.astype(np.float64) if getattr(value, "dtype", None) == np.float32 else value
