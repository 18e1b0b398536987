"""Asks a submission's functions the questions of an answer key and notes what comes back.

This is the only step that touches a student's code, and it does so through a `Session` alone. What it returns is plain
data; whether it is right is the judge's business.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from autograder import calls, gradients
from autograder.answer_key import Key, Question
from autograder.calls import Call, Reply, Session


@dataclass(frozen=True)
class Observation:
    """What became of one question.

    first, second: for each function of the exercise in order, the replies to two calls with the same inputs.
    doubled: for a pair, the backward's reply to 2·dout; None where it was not asked.
    vjp: for a pair, the backward compared with a numerical derivative of the student's own forward; None where that is
        not asked (extreme or float32 inputs) or could not be.
    """

    question: Question
    first: tuple[Reply, ...]
    second: tuple[Reply, ...]
    doubled: Reply | None = None
    vjp: gradients.VJPCheck | None = None


def observe(key: Key, session: Session) -> tuple[Observation, ...]:
    """One `Observation` for each question of the key, in order."""
    plans = [_plan(key, question) for question in key.questions]
    replies = _grouped(session, plans)
    checks = _check_gradients(key, session, replies) if key.pair else [None] * len(plans)
    return tuple(
        _observation(question, got, len(key.functions), check)
        for question, got, check in zip(key.questions, replies, checks, strict=True)
    )


def _observation(
    question: Question, got: Sequence[Reply], functions: int, check: gradients.VJPCheck | None
) -> Observation:
    once, twice, doubled = got[:functions], got[functions : 2 * functions], got[2 * functions :]
    return Observation(question, tuple(once), tuple(twice or once), doubled[0] if doubled else None, check)


def _plan(key: Key, question: Question) -> list[Call]:
    """Each function twice; for a pair a fifth call, the backward with 2·dout. Where cost counts, each once."""
    once = [_call(key, function.name, question, question.dout) for function in key.functions]
    if question.cpu_limit is not None:
        return once
    if key.pair and not question.extreme:
        return [*once, *once, _call(key, key.backward.name, question, 2 * question.dout)]
    return [*once, *once]


def _call(key: Key, name: str, question: Question, dout: Any) -> Call:
    backward = key.pair and name == key.backward.name
    return Call(
        function=name,
        args=question.args,
        forward=key.forward.name if backward else None,
        dout=dout if backward else None,
        pair=key.pair and not backward,
        max_bytes=_room(question),
        cpu_limit=question.cpu_limit,
    )


def _room(question: Question) -> int:
    """Bytes that a reply may hold: ample for a right answer, and for a wrong one that repeats an axis."""
    largest = max((np.size(a) for values in question.expected.values() for a in values), default=1)
    return 65536 + 64 * largest + 8 * sum(np.size(a) for a in question.args)


def _grouped(session: Session, plans: Sequence[Sequence[Call]]) -> list[list[Reply]]:
    """All plans in one batch, and the replies grouped as the plans were."""
    flat = iter(session.run([call for plan in plans for call in plan]))
    return [[next(flat) for _ in plan] for plan in plans]


def _check_gradients(key: Key, session: Session, replies: list[list[Reply]]) -> list[gradients.VJPCheck | None]:
    """Runs the numerical checks of all questions side by side, so that each round is one batch."""
    results: list[gradients.VJPCheck | None] = [None] * len(replies)
    running = {}
    for i, (question, got) in enumerate(zip(key.questions, replies, strict=True)):
        if not _asks_for_gradient(question) or not _differentiable(got, question):
            continue
        steps = gradients.vjp_steps(
            question.args,
            question.dout,
            seed=i,
            elementwise=key.elementwise,
            names=key.forward.args,
        )
        running[i] = (steps, next(steps))
    while running:
        plans = [[_request(key, key.questions[i], r) for r in asked] for i, (_, asked) in running.items()]
        for i, got in zip(list(running), _grouped(session, plans), strict=True):
            steps = running[i][0]
            answers = [_answer(key, reply) for reply in got]
            try:
                running[i] = (steps, steps.send(answers))
            except StopIteration as done:
                results[i] = done.value
                del running[i]
    return results


def _asks_for_gradient(question: Question) -> bool:
    """Extreme inputs are judged by value, float32 is never differenced, and where cost counts nothing is repeated."""
    return not (question.extreme or question.single or question.cpu_limit is not None)


def _differentiable(got: Sequence[Reply], question: Question) -> bool:
    """Both functions returned, and the forward's out has the shape that dout was drawn for."""
    forward, backward = got[0], got[1]
    return (
        forward.status == backward.status == calls.RETURNED
        and isinstance(forward.value, np.ndarray)
        and forward.value.shape == np.shape(question.dout)
    )


def _request(key: Key, question: Question, request: gradients.Forward | gradients.Backward) -> Call:
    """What the gradient checker asks, as a call of the student's function."""
    backward = isinstance(request, gradients.Backward)
    return Call(
        function=key.backward.name if backward else key.forward.name,
        args=request.args,
        forward=key.forward.name if backward else None,
        dout=request.dout if backward else None,
        pair=not backward,
        max_bytes=2 * _room(question),  # complex numbers are twice as long
        cpu_limit=question.cpu_limit,
    )


def _answer(key: Key, reply: Reply) -> Any:
    if reply.status == calls.RETURNED:
        return reply.value
    return gradients.Failed(reply.problem.message if reply.problem else reply.status)
