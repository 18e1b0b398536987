"""Names the mistake behind a wrong array, a missing value or an exception.

A name is claimed only where the mistaken computation gives what the student's function gave on *every* ordinary case,
at least two of them where it differs from the right answer. Certain first: the layer's own mistakes, then those of any
layer, then how the array is related to the right one (a constant factor, transposed). Two mistakes at once are
recognised where one is an array of the key and the other a constant factor.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import permutations
from typing import Any

import numpy as np

from autograder import calls
from autograder.answer_key import Key, KeyFunction, Mistake, Question, Raises
from autograder.exercise import Plus
from autograder.judge import Judgement, Verdict, arrays_of
from autograder.matching import close, factors, same


@dataclass(frozen=True)
class Diagnosis:
    """A named mistake: the arrays it explains, what to say of it, and hints."""

    id: str
    arrays: tuple[str, ...]
    sentence: str
    hints: tuple[str, ...] = ()


@dataclass(frozen=True)
class Naming:
    """What diagnosis found about one function.

    reordered: all gradients are right but in another order.
    followed: the backward is the exact gradient of its own, wrong and recognised, forward.
    """

    found: tuple[Diagnosis, ...] = ()
    reordered: bool = False
    followed: bool = False

    @property
    def ids(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(d.id for d in self.found))

    def of(self, array: str) -> Diagnosis | None:
        return next((d for d in self.found if array in d.arrays), None)


GRADIENT_ORDER = Diagnosis(
    id="gradient-order",
    arrays=(),
    sentence="Your gradients are right, but they come back in another order than the docstring's.",
    hints=("In which order does the docstring list what comes back?",),
)
NOTHING_RETURNED = Diagnosis(
    id="nothing-returned",
    arrays=(),
    sentence="Your function computes, but gives nothing back: a function without return gives None.",
    hints=("What does Python hand to the caller when a function ends without a return?",),
)
IN_PLACE = Diagnosis(
    id="in-place-damage",
    arrays=(),
    sentence="Your forward overwrites its input, and the backward then finds the changed numbers in the cache.",
    hints=(
        "After your forward has run, does x still hold what it held before?",
        "Look for an operation that writes its result into an array which it was given.",
    ),
)
TRANSPOSED = ("transposed", "Your {array} {is} the transpose of the right gradient.")


def diagnose(key: Key, judgements: Sequence[Judgement]) -> tuple[Naming, ...]:
    """A `Naming` for each function of the exercise, in order."""
    if not key.pair:
        return (_name(key, judgements[0], None),)
    forward = _name(key, judgements[0], None)
    if _follows(key, judgements, forward):
        return forward, Naming(followed=True)
    return forward, _name(key, judgements[1], judgements[0])


def _name(key: Key, judgement: Judgement, forward: Judgement | None) -> Naming:
    function = judgement.function
    failing = [name for name in function.returns if not all(v.ok for v in judgement.verdicts(name))]
    if not failing:
        return Naming()
    if all(r.status == calls.RETURNED and r.value is None for r in judgement.replies):
        return Naming((_about(NOTHING_RETURNED, failing),))
    order = _other_order(key, judgement)
    if order:
        return Naming((_about(GRADIENT_ORDER, failing),), reordered=True)
    mutated = forward is not None and any(r.mutated for r in forward.replies)
    found: list[Diagnosis] = []
    for name in failing:
        for diagnosis in _explain(function, judgement, name):
            if diagnosis.id == "activation-twice" and mutated:
                found.append(_about(IN_PLACE, [name]))
            found.append(diagnosis)
    return Naming(_merged(found))


def _about(diagnosis: Diagnosis, arrays: Sequence[str]) -> Diagnosis:
    return Diagnosis(diagnosis.id, tuple(arrays), diagnosis.sentence, diagnosis.hints)


def _merged(found: Sequence[Diagnosis]) -> tuple[Diagnosis, ...]:
    """One entry a mistake, with all the arrays it explains; the ones that explain most arrays first."""
    by_id: dict[str, list[Diagnosis]] = {}
    for diagnosis in found:
        by_id.setdefault(diagnosis.id, []).append(diagnosis)
    merged = []
    for alike in by_id.values():
        arrays = tuple(dict.fromkeys(name for d in alike for name in d.arrays))
        merged.append(
            Diagnosis(
                alike[0].id,
                arrays,
                _filled(alike[0].sentence, arrays),
                tuple(_filled(h, arrays) for h in alike[0].hints),
            )
        )
    return tuple(sorted(merged, key=lambda d: -len(d.arrays)))


def _filled(sentence: str, arrays: Sequence[str]) -> str:
    """The sentence about these arrays: {array}, {is} and {has} stand in it for what depends on them."""
    one = len(arrays) == 1
    return sentence.format_map({"array": _and(arrays), "is": "is" if one else "are", "has": "has" if one else "have"})


def _and(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


# One array ------------------------------------------------------------------------------------------------------------


def _explain(function: KeyFunction, judgement: Judgement, name: str) -> Iterator[Diagnosis]:
    """The mistakes that explain one array: the first base mistake that fits, or a relation, or a pair of both."""
    ordinary = judgement.verdicts(name, extreme=False)
    if all(v.ok for v in ordinary):
        yield from _extreme(function, judgement, name)
        return
    answers = [_answer(judgement, name, v) for v in ordinary]
    rows = [judgement.rows.index(row) for row in judgement.rows if not row[0].question.extreme]
    right = [v.question.expected[function.name][function.returns.index(name)] for v in ordinary]
    bases = []
    for index, mistake in enumerate(function.mistakes):
        if mistake.extreme:
            continue
        for way in function.wrong(index):
            wrong = [_wrong_array(way[row], name, expected) for row, expected in zip(rows, right, strict=True)]
            if _fits(answers, wrong, right, ordinary):
                yield Diagnosis(mistake.id, (name,), mistake.sentence, mistake.hints)
                return
            bases.append((mistake, wrong))
    yield from _related(name, answers, right, bases, ordinary)


def _answer(judgement: Judgement, name: str, verdict: Verdict) -> Any:
    """The student's array; a `Raises` where the function raised; None where there is nothing to compare."""
    if isinstance(verdict.yours, np.ndarray):
        return verdict.yours
    reply = judgement.replies[[row[0].question for row in judgement.rows].index(verdict.question)]
    if reply.status == calls.RAISED and not reply.where and reply.problem:
        return Raises(reply.problem.type, reply.problem.message)
    return None


def _wrong_array(wrong: Any, name: str, expected: np.ndarray) -> Any:
    """What the mistake gives for this array; arrays that it leaves alone stay right."""
    return wrong if isinstance(wrong, Raises) else wrong.get(name, expected)


def _fits(answers: Sequence, wrong: Sequence, right: Sequence, verdicts: Sequence[Verdict]) -> bool:
    """Whether the mistake gives what the student's function gave, everywhere, and is told apart from right twice."""
    telling, exceptions = 0, 0
    for answer, theirs, ours, verdict in zip(answers, wrong, right, verdicts, strict=True):
        if isinstance(theirs, Raises) or isinstance(answer, Raises):
            if not (isinstance(theirs, Raises) and isinstance(answer, Raises) and theirs.type == answer.type):
                return False
            exceptions += _same_words(theirs, answer)
            continue
        if not same(answer, theirs, verdict.question):
            return False
        telling += not same(theirs, ours, verdict.question)
    return telling + exceptions >= 2


def _same_words(theirs: Raises, answer: Raises) -> bool:
    """The same complaint, shapes included: the very same operation was tried on the very same arrays."""
    return bool(theirs.message.strip()) and theirs.message.strip() in answer.message


# Relations ------------------------------------------------------------------------------------------------------------


def _related(
    name: str,
    answers: Sequence,
    right: Sequence[np.ndarray],
    bases: Sequence[tuple[Mistake, Sequence]],
    verdicts: Sequence[Verdict],
) -> Iterator[Diagnosis]:
    """A constant factor, a transpose; then a base mistake times a constant factor."""
    questions = [v.question for v in verdicts]
    if constants := factors(answers, right, questions):
        yield _scaled(name, constants, questions)
        return
    turned = [np.transpose(a) if isinstance(a, np.ndarray) else a for a in answers]
    if any(r.ndim > 1 for r in right) and all(same(t, r, q) for t, r, q in zip(turned, right, questions, strict=True)):
        yield Diagnosis(TRANSPOSED[0], (name,), TRANSPOSED[1], ("Which index of {array} comes first, and which in w?",))
        return
    for mistake, wrong in bases:
        if any(isinstance(w, Raises | Plus) for w in wrong):
            continue
        arrays = [np.asarray(w) for w in wrong]
        if all(same(w, r, q) for w, r, q in zip(arrays, right, questions, strict=True)):
            continue
        constants = factors(answers, arrays, questions)
        if constants and not any(close(a, np.zeros_like(a), q) for a, q in zip(arrays, questions, strict=True)):
            yield Diagnosis(mistake.id, (name,), mistake.sentence, mistake.hints)
            yield _scaled(name, constants, questions)
            return


def _scaled(name: str, constants: Sequence[float], questions: Sequence[Question]) -> Diagnosis:
    """Names the factor: 1/N is an average, -1 a sign, one constant is said."""
    batch = [np.shape(q.args[0])[:1] for q in questions]
    sizes = [n[0] if n else 1 for n in batch]
    if all(abs(f * n - 1) < 1e-6 for f, n in zip(constants, sizes, strict=True)):
        return Diagnosis(
            "averaged-over-batch",
            (name,),
            "Your {array} {is} the right one divided by N, the number of examples.",
            ("If the loss is a mean, its 1/N is already inside dout. Where does yours come in?",),
        )
    if all(abs(f + 1) < 1e-6 for f in constants):
        return Diagnosis(
            "sign-flipped",
            (name,),
            "Your {array} {has} its sign turned round.",
            ("If the input grows a little, does out grow or shrink?",),
        )
    if max(constants) - min(constants) < 1e-6 * abs(constants[0]):
        what = f"{constants[0]:.6g} times"
    else:
        what = f"a constant times ({constants[0]:.4g} for the first case, {constants[-1]:.4g} for the last)"
    return Diagnosis(
        "scaled",
        (name,),
        "Your {array} {is} " + what + " the right one.",
        ("Where does the constant come from: the number of examples, a 2 from a square, a learning rate?",),
    )


def _extreme(function: KeyFunction, judgement: Judgement, name: str) -> Iterator[Diagnosis]:
    """Mistakes that show in the extreme cases only: nan or inf where the right value is finite."""
    for verdict in judgement.verdicts(name, extreme=True):
        if verdict.ok or not isinstance(verdict.yours, np.ndarray) or verdict.wrong is None:
            continue
        if not np.isfinite(verdict.yours[verdict.wrong]).all():
            for mistake in function.mistakes:
                if mistake.extreme:
                    yield Diagnosis(mistake.id, (name,), mistake.sentence, mistake.hints)
                    return


# Several arrays -------------------------------------------------------------------------------------------------------


def _other_order(key: Key, judgement: Judgement) -> tuple[int, ...]:
    """The permutation under which all gradients are right, or () if there is none."""
    function = judgement.function
    if len(function.returns) < 2:
        return ()
    ordinary = [
        (row[0].question, reply)
        for row, reply in zip(judgement.rows, judgement.replies, strict=True)
        if not row[0].question.extreme
    ]
    answers = []
    for question, reply in ordinary:
        arrays, complaint = arrays_of(reply, function, key) if reply.status == calls.RETURNED else ((), "none")
        if complaint:
            return ()
        answers.append((question, arrays, question.expected[function.name]))
    for order in permutations(range(len(function.returns))):
        if order != tuple(sorted(order)) and all(
            same(arrays[place], expected[i], question)
            for question, arrays, expected in answers
            for i, place in enumerate(order)
        ):
            return order
    return ()


def _follows(key: Key, judgements: Sequence[Judgement], forward: Naming) -> bool:
    """Whether the backward is not the reference's, but exactly the gradient of its own wrong and recognised forward."""
    backward = judgements[1]
    if not forward.found or all(v.ok for row in backward.rows for v in row):
        return False
    for index, mistake in enumerate(key.forward.mistakes):
        if mistake.id not in forward.ids:
            continue
        for way in key.forward.gradients(index):
            if _is_gradient(key, backward, way):
                return True
    return False


def _is_gradient(key: Key, backward: Judgement, way: Sequence) -> bool:
    compared = 0
    for row, wrong in zip(backward.rows, way, strict=True):
        if row[0].question.extreme or row[0].question.single or wrong == {}:
            continue
        if isinstance(wrong, Raises):
            return False
        for verdict in row:
            gradient = wrong.get(verdict.array)
            if gradient is None or not same(verdict.yours, gradient, verdict.question):
                return False
            compared += 1
    return compared >= 2
