"""The ladder: decides for each question and each array whether it is right, and if not, at which rung it fell.

    it returned → structure → shape → dtype → values (the reference's) → the numerical gradient of the student's own
    forward → linear in dout → the same answer twice

Pure functions on plain data: observations in, verdicts out. Names for what went wrong come later (`diagnose`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from autograder import calls, tolerances
from autograder.answer_key import Key, KeyFunction, Question
from autograder.calls import Opaque, Reply
from autograder.diagnosis.exception_help import Setting
from autograder.exercise import describe_array
from autograder.glance import right_at_a_glance, unit_of
from autograder.observe import Observation
from autograder.remarks import on_accuracy, on_the_way, undecided
from autograder.rendering.discretion import exception_name, kind_name
from autograder.rendering.shapes import as_expected, in_symbols, sizes_of
from autograder.rendering.stopped import stopped
from autograder.report import BLOCKED, FAILED, Entry
from autograder.verdict import Judgement, Verdict


def judge(key: Key, observations: Sequence[Observation]) -> tuple[Judgement, ...]:
    """A `Judgement` for each function of the exercise, in order."""
    with np.errstate(all="ignore"):
        forward = _judge(key, 0, observations, None)
        if not key.pair:
            return (forward,)
        return forward, _judge(key, 1, observations, [all(v.ok for v in row) for row in forward.rows])


def _judge(key: Key, index: int, observations: Sequence[Observation], forward_right: list[bool] | None) -> Judgement:
    function = key.functions[index]
    backward = forward_right is not None
    rows, remarks = [], []
    right = right_at_a_glance(key, index, observations)
    for i, seen in enumerate(observations):
        reply, numerically = seen.first[index], backward and forward_right[i]
        if i in right:
            rows.append(_all_right(key, function, seen, reply, numerically))
        else:
            rows.append(_Rungs(key, function, seen, reply, seen.second[index], backward).verdicts(numerically))
        if reply.mutated or reply.warnings or seen.question.single:
            remarks.extend(on_the_way(function, seen, reply, rows[-1], seen.first[0].warnings if backward else ()))
        if not backward or not (i in right or all(v.ok for v in rows[-1])):
            continue
        if forward_right[i]:
            remarks.extend(undecided(key, function, seen))
        elif not seen.question.extreme:
            remarks.append(
                f"{function.name} is right as the textbook has it, but your {key.forward.name} is not; "
                "together they do not make a layer yet."
            )
    if all(v.ok for row in rows for v in row):
        rest = [i for i in range(len(rows)) if i not in right]
        remarks.extend(on_accuracy(key, function, [observations[i] for i in rest], [rows[i] for i in rest]))
    return Judgement(
        function=function,
        rows=tuple(rows),
        replies=tuple(seen.first[index] for seen in observations),
        remarks=tuple(dict.fromkeys(remarks)),
        again=tuple(seen.second[index] for seen in observations),
        doubled=tuple(seen.doubled if backward else None for seen in observations),
        checks=tuple(seen.vjp if backward else None for seen in observations),
    )


def _all_right(
    key: Key, function: KeyFunction, seen: Observation, reply: Reply, numerically: bool
) -> tuple[Verdict, ...]:
    """The verdicts where all of the ladder is known to be climbed."""
    question, (arrays, _) = seen.question, arrays_of(reply, function, key)
    numerical = seen.vjp.numerical if numerically and seen.vjp is not None else {}
    return tuple(
        [
            Verdict(question, name, True, yours=yours, expected=expected, numerical=numerical.get(i))
            for i, (name, yours, expected) in enumerate(
                zip(function.returns, arrays, question.expected[function.name], strict=True)
            )
        ]
    )


@dataclass
class _Rungs:
    """The ladder for one function on one question."""

    key: Key
    function: KeyFunction
    seen: Observation
    reply: Reply
    again: Reply
    backward: bool

    @property
    def question(self) -> Question:
        return self.seen.question

    @property
    def expected(self) -> tuple:
        return self.question.expected[self.function.name]

    @property
    def sizes(self) -> dict[str, int]:
        """What the symbols of shapes stand for in this question."""
        return sizes_of(self.key.shapes, self.key.forward.args, self.question.args)

    @property
    def setting(self) -> Setting:
        forward = self.key.forward
        if not self.backward:
            return Setting(self.function.name, self.function.args, sizes=self.sizes)
        return Setting(self.function.name, self.function.args, forward.name, forward.args, self.sizes)

    def verdicts(self, forward_right: bool) -> tuple[Verdict, ...]:
        names = self.function.returns
        if self.reply.status != calls.RETURNED:
            kind = BLOCKED if self.reply.where == "forward" else self.reply.status
            stop = stopped(self.setting, self.reply, costly=self.question.cpu_limit is not None)
            problem = self.reply.problem
            if self.question.hidden and problem is not None and problem.type:
                told = stop.headline.replace(f" {problem.type}.", f" {exception_name(problem.type)}.")
                stop = replace(stop, headline=told)
            return tuple(
                Verdict(self.question, n, False, kind, "returned", stop.headline, stop.evidence, stop=stop)
                for n in names
            )
        arrays, complaint = arrays_of(self.reply, self.function, self.key)
        if complaint:
            return tuple(Verdict(self.question, n, False, FAILED, "structure", complaint) for n in names)
        return tuple(self._array(i, n, arrays[i], forward_right) for i, n in enumerate(names))

    def _array(self, i: int, name: str, yours: Any, forward_right: bool) -> Verdict:
        expected = self.expected[i]
        numerical = self._numerical(i) if forward_right else None

        def fell(rung: str, headline: str, wrong: np.ndarray | None = None, entry: Entry | None = None) -> Verdict:
            evidence = str(entry) if entry else ""
            return Verdict(
                self.question, name, False, FAILED, rung, headline, evidence, yours, expected, wrong, numerical, entry
            )

        title = f"{self.function.name}: {name}"
        if not isinstance(yours, np.ndarray):
            return fell("structure", f"{title} is {describe_value(yours)}; an array of {expected.dtype} is expected.")
        if yours.shape != expected.shape:
            own = self.key.shapes.get(name, ())
            got = in_symbols(yours.shape, self.sizes, own)
            has = "another shape" if self.question.hidden else f"shape {got}"
            return fell("shape", f"{title} has {has}; {as_expected(own, expected.shape)} is expected.")
        if not _dtype_fits(yours, expected, self.question):
            wanted = "float32 or float64" if self.question.single else str(expected.dtype)
            return fell("dtype", f"{title} is of dtype {yours.dtype}; {wanted} is expected.")
        wrong = self._wrong(i, yours, expected)
        if wrong.any() and (wrong := wrong & ~self._at_a_kink(yours)).any():
            return fell(
                "values", _how_many(title, yours, wrong), wrong, _beside(name, yours, expected, numerical, wrong)
            )
        if numerical is None and self._numerically_false(i) and forward_right:
            return fell("numerical gradient", f"{title} is not the gradient of your own {self.key.forward.name}.")
        if self._not_linear(i, yours):
            return fell("linear in dout", f"{title} does not double when dout does.")
        if not self._same_again(i, yours):
            return fell("same twice", f"{title} is another when the same call is made a second time.")
        if numerical is not None and self._numerically_false(i):
            return fell("numerical gradient", f"{title} is not the gradient of your own {self.key.forward.name}.")
        return Verdict(self.question, name, True, yours=yours, expected=expected, numerical=numerical)

    def _wrong(self, i: int, yours: np.ndarray, expected: np.ndarray) -> np.ndarray:
        unit = unit_of(self.key, self.question, expected, self.backward)
        if self.question.single:
            return tolerances.float32_rule(yours, expected, unit=unit)
        return tolerances.wrong_entries(yours, expected, unit=unit)

    def _at_a_kink(self, yours: np.ndarray) -> np.ndarray:
        """Entries between the one-sided slopes where the *reference* has a kink, such as relu at 0: as right as ours.

        The student's own forward is not asked: one with a memory could pretend a kink wherever it is differentiated.
        """
        kinks = self.question.kinks() if self.backward else None
        if kinks is None:
            return np.zeros(yours.shape, bool)
        low, high = (np.asarray(bound) for bound in kinks)
        room = 1e-5 * np.abs(self.question.dout)  # the one-sided slopes are difference quotients
        return (yours >= low - room) & (yours <= high + room)  # nan where there is no kink: False

    def _numerical(self, i: int) -> np.ndarray | None:
        """The numerical gradient for this array, where the checker measured all of it."""
        if self.seen.vjp is None or i >= len(self.question.args):
            return None
        return self.seen.vjp.numerical.get(i)

    def _numerically_false(self, i: int) -> bool:
        if self.seen.vjp is None:
            return False
        return any(argument.index == i and argument.ok is False for argument in self.seen.vjp.arguments)

    def _not_linear(self, i: int, yours: np.ndarray) -> bool:
        if not self.backward or self.seen.doubled is None or self.seen.twice:
            return False
        if self.seen.doubled.status != calls.RETURNED:
            return True
        doubled, complaint = arrays_of(self.seen.doubled, self.function, self.key)
        if complaint or not isinstance(doubled[i], np.ndarray) or doubled[i].shape != yours.shape:
            return True
        if tolerances.is_twice(doubled[i], yours):
            return False
        unit = unit_of(self.key, self.question, self.expected[i], self.backward)
        if self.question.single:
            return bool(tolerances.float32_rule(doubled[i], 2 * yours, unit=unit).any())
        return bool(tolerances.linear(yours, doubled[i], unit=unit).any())

    def _same_again(self, i: int, yours: np.ndarray) -> bool:
        if self.again is self.reply:
            return True
        if self.again.status != calls.RETURNED:
            return False
        arrays, complaint = arrays_of(self.again, self.function, self.key)
        return not complaint and isinstance(arrays[i], np.ndarray) and tolerances.same_value(yours, arrays[i])


def arrays_of(reply: Reply, function: KeyFunction, key: Key) -> tuple[tuple, str]:
    """The returned arrays, one for each name the function returns, or a sentence on what came back instead."""
    value, names = reply.value, function.returns
    forward = key.pair and function is key.forward
    if value is None:
        return (), f"{function.name} returned nothing (None)."
    if forward and not reply.paired:
        return (), (f"{function.name} returned {describe_value(value)}; it should return two things, out and a cache.")
    if len(names) == 1:
        if isinstance(value, tuple) and len(value) == 1:
            value = value[0]
        if isinstance(value, tuple):
            return (), f"{function.name} returned {describe_value(value)}; it should return {names[0]} alone."
        return (value,), ""
    if not isinstance(value, tuple) or len(value) != len(names):
        wanted = ", ".join(names)
        return (), f"{function.name} returned {describe_value(value)}; it should return {len(names)}: {wanted}."
    return value, ""


def describe_value(value: Any) -> str:
    return kind_name(value.kind) if isinstance(value, Opaque) else describe_array(value)


def _dtype_fits(yours: np.ndarray, expected: np.ndarray, question: Question) -> bool:
    """float64 for float64; either float where the inputs are float32; any integers for integers; numbers for 0-d."""
    kind = yours.dtype.kind
    if expected.ndim == 0:
        return kind in "fiub"
    if expected.dtype.kind in "iu":
        return kind in "iu"
    if expected.dtype.kind == "f":
        return yours.dtype == np.float64 or (question.single and yours.dtype == np.float32)
    return yours.dtype == expected.dtype


def _how_many(title: str, yours: np.ndarray, wrong: np.ndarray) -> str:
    what = "nan or inf" if not np.isfinite(yours[wrong]).any() else "wrong"
    if wrong.ndim == 0:
        return f"{title} is {what}."
    return f"{title} is {what} in {np.count_nonzero(wrong)} of {wrong.size} entries."


def _beside(
    name: str, yours: np.ndarray, expected: np.ndarray, numerical: np.ndarray | None, wrong: np.ndarray
) -> Entry:
    """The first differing entry, the student's beside the numerical gradient or the expected value."""
    index = tuple(int(i) for i in np.argwhere(wrong)[0])
    other, label = (expected, "expected")
    if numerical is not None and numerical.shape == expected.shape and np.isfinite(numerical[index]):
        other, label = numerical, "numerical gradient"
    mine, theirs = tell_apart(yours[index], other[index])
    place = f"{name}[{', '.join(map(str, index))}]" if index else name
    return Entry(place, mine, label, theirs)


def tell_apart(a: Any, b: Any) -> tuple[str, str]:
    """Two numbers with as few digits as tell them apart, four at least."""
    for digits in range(4, 18):
        texts = tuple(f"{v:.{digits}g}" for v in (a, b))
        if texts[0] != texts[1]:
            break
    return texts
