"""Names the mistake behind wrong arrays, missing values and exceptions: what the functions of an exercise did together.

One array by itself is the business of `diagnosis.explain`. Here: nothing returned, gradients in another order, a
backward that is the exact gradient of its own wrong forward, a forward that damages its cache.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import permutations
from typing import Any

import numpy as np

from autograder import calls
from autograder.answer_key import Key, Raises
from autograder.diagnosis.column import Column, column_of
from autograder.diagnosis.explain import answers_of, explain, known_mistakes
from autograder.diagnosis.matching import same
from autograder.diagnosis.named import (
    GRADIENT_ORDER,
    IN_PLACE,
    NOTHING_RETURNED,
    NOTHING_SET,
    OWN_FORWARD,
    Diagnosis,
    Naming,
    merged,
)
from autograder.judge import arrays_of
from autograder.verdict import Judgement

__all__ = ["Diagnosis", "Naming", "diagnose"]


def diagnose(key: Key, judgements: Sequence[Judgement]) -> tuple[Naming, ...]:
    """A `Naming` for each function of the exercise, in order."""
    if not key.pair:
        return (_name(key, judgements[0], None),)
    forward = _name(key, judgements[0], None)
    if _follows(key, judgements, forward):
        return forward, Naming(followed=True)
    return forward, _name(key, judgements[1], judgements[0])


def _name(key: Key, judgement: Judgement, forward: Judgement | None) -> Naming:
    if judgement.right:
        return Naming()
    function = judgement.function
    failing = [name for name in function.returns if not all(v.ok for v in judgement.verdicts(name))]
    if not failing:
        return Naming()
    if all(r.status == calls.RETURNED and r.value is None for r in judgement.replies):
        return Naming((NOTHING_RETURNED.about(failing),))
    if forward is not None and (_own_forward_is_wrong(judgement, forward) or _both_overflow(judgement, forward)):
        return Naming(merged([OWN_FORWARD.about(failing)]))
    order, found = _other_order(key, judgement)
    if order:
        return Naming(merged([GRADIENT_ORDER.about(failing), *found]), reordered=not found)
    return Naming(merged([d for name in failing for d in _of_array(key, judgement, forward, name)]))


def _of_array(key: Key, judgement: Judgement, forward: Judgement | None, name: str) -> Iterator[Diagnosis]:
    replies = [r for r in judgement.replies if r.status == calls.RETURNED]
    if replies and all(v.ok is False and v.yours is None and v.rung == "structure" for v in judgement.verdicts(name)):
        place = judgement.function.returns.index(name)
        values = [arrays_of(r, judgement.function, key) for r in replies]
        if all(not complaint and arrays[place] is None for arrays, complaint in values):
            yield NOTHING_SET.about([name])
            return
    for diagnosis in explain(key, judgement, name):
        if diagnosis.id == "activation-twice" and forward is not None and any(r.mutated for r in forward.replies):
            yield IN_PLACE.about([name])
        yield diagnosis


# Another order ------------------------------------------------------------------------------------------------------


def _other_order(key: Key, judgement: Judgement) -> tuple[tuple[int, ...], list[Diagnosis]]:
    """The order in which the gradients come back, if it is not the right one, and mistakes made beside that.

    A place is explained if the array there is right or a known mistake's. Another order is claimed only if it explains
    all places, and moves none that the right order explains.
    """
    function = judgement.function
    count = len(function.returns)
    if count < 2:
        return (), []
    columns = {name: column_of(key, judgement, name, answers_of(judgement, name)) for name in function.returns}
    returned = [columns[name].answers for name in function.returns]
    if any(not isinstance(a, np.ndarray) for answers in returned for a in answers):
        return (), []
    explained: dict[tuple[int, int], list[Diagnosis] | None] = {}

    def at(i: int, place: int) -> list[Diagnosis] | None:
        """What explains the array at `place` as the i-th gradient; [] if it is right, None if nothing does."""
        if (i, place) not in explained:
            explained[i, place] = _as(columns[function.returns[i]], returned[place], judgement)
        return explained[i, place]

    rights = [order for order in permutations(range(count)) if all(at(i, p) == [] for i, p in enumerate(order))]
    others = rights or [
        order
        for order in permutations(range(count))
        if all(at(i, p) is not None for i, p in enumerate(order) if i != p)
        and all(at(i, i) is None for i, p in enumerate(order) if i != p)
        and all(at(i, i) is not None for i, p in enumerate(order) if i == p)
    ]  # fmt: skip
    for order in others:
        if order != tuple(range(count)):
            return order, [d.about([function.returns[i]]) for i, p in enumerate(order) for d in at(i, p)]
    return (), []


def _as(column: Column, answers: Sequence[Any], judgement: Judgement) -> list[Diagnosis] | None:
    if answers is not column.answers and any(a.shape != r.shape for a, r in zip(answers, column.right, strict=True)):
        return None
    if all(same(a, r, q) for a, r, q in zip(answers, column.right, column.questions, strict=True)):
        return []
    moved = Column(
        column.name, tuple(answers), column.right, column.verdicts, column.known, column.elementwise, column.backward
    )
    return list(known_mistakes(judgement.function, judgement, moved)) or None


# A backward and its own forward -------------------------------------------------------------------------------------


def _own_forward_is_wrong(backward: Judgement, forward: Judgement) -> bool:
    """Whether the forward is wrong, and the backward, wherever it failed, measured as the gradient of that forward."""
    if all(v.ok for row in forward.rows for v in row if not v.question.extreme):
        return False
    checks = [
        check
        for row, check in zip(backward.rows, backward.checks, strict=True)
        if not all(v.ok or v.question.extreme or v.question.single for v in row)
    ]
    return len(checks) >= 2 and all(c is not None and all(a.ok is True for a in c.arguments) for c in checks)


def _both_overflow(backward: Judgement, forward: Judgement) -> bool:
    """Whether both fail in nothing but extreme cases, and the backward in none that the forward passes."""
    return not all(v.ok for row in forward.rows for v in row) and all(
        v.ok or (v.question.extreme and not all(u.ok for u in before))
        for row, before in zip(backward.rows, forward.rows, strict=True)
        for v in row
    )


def _follows(key: Key, judgements: Sequence[Judgement], forward: Naming) -> bool:
    """Whether the backward is not the reference's, but exactly the gradient of its own wrong and recognised forward."""
    backward = judgements[1]
    if not forward.found or all(v.ok for row in backward.rows for v in row if not v.question.extreme):
        return False
    for index, mistake in enumerate(key.forward.mistakes):
        if mistake.id not in forward.ids:
            continue
        for way in key.forward.gradients(index):
            if _is_gradient(backward, way):
                return True
    return False


def _is_gradient(backward: Judgement, way: Sequence) -> bool:
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
