"""Asks a submission's functions the questions of an answer key and notes what comes back.

This is the only step that touches a student's code, and it does so through a `Session` alone. What it returns is plain
data; whether it is right is the judge's business.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from autograder import calls, gradients
from autograder.answer_key import Key, Question
from autograder.calls import Call, Reply, Session
from autograder.tolerances import is_twice

DOUBLE = np.dtype(np.float64)


@dataclass(frozen=True)
class Observation:
    """What became of one question.

    first, second: for each function of the exercise in order, the replies to two calls with the same inputs; of one
        that was not asked twice, or whose answer to 2·dout was twice its first to the last bit, the same reply.
    doubled: for a pair, the backward's reply to 2·dout; None where it was not asked.
    twice: whether that is the first reply times 2, to the last bit.
    vjp: for a pair, the backward compared with a numerical derivative of the student's own forward; None where that is
        not asked (extreme or float32 inputs) or could not be.
    """

    question: Question
    first: tuple[Reply, ...]
    second: tuple[Reply, ...]
    doubled: Reply | None = None
    twice: bool = False
    vjp: gradients.VJPCheck | None = None


def observe(keys: Sequence[Key], session: Session) -> list[tuple[Observation, ...]]:
    """For each key one `Observation` for each of its questions, in order.

    One batch asks every question of all keys. Where there are hidden questions, these alone are asked twice, and with
    2·dout: their inputs are new, while public ones have been through `check()`. A backward's answer to 2·dout is its
    second answer, too: doubling changes no digit of a float, so what is linear and pure gives twice the first, to the
    last bit. Only where it does not is the same asked again. The first hidden question that can be differentiated (or
    every question, where none is hidden) begins its numerical check with that batch; most of those need nothing more.
    The others get theirs one round later, where an answer is not the reference's: where it is, the check could only
    confirm it.
    """
    asked = [_asked(key) for key in keys]
    # what is measured goes alone, after what goes together
    flat = sorted((one for ones in asked for one in ones), key=lambda one: one.question.cpu_limit is not None)
    for one, replies in zip(flat, _grouped(session, [one.calls for one in flat]), strict=True):
        one.take(replies)
    unlike = [one for one in flat if one.unlike is not None]
    for one, replies in zip(unlike, _grouped(session, [[one.unlike] for one in unlike]), strict=True):
        one.second = (one.second[0], replies[0])
    running = [
        one
        for key, ones in zip(keys, asked, strict=True)
        for one in _in_doubt(key, [one for one in ones if one.steps is not None])
    ]
    for one in running:
        if not one.at_once:
            one.wanted = next(one.steps)
    _go_on(session, running)
    return [tuple(one.observation() for one in ones) for ones in asked]


def _asked(key: Key) -> list[_Asked]:
    hidden = any(question.hidden for question in key.questions)
    asked, begun = [], False
    for seed, question in enumerate(key.questions):
        closely = question.hidden or not hidden
        at_once = key.pair and closely and _asks_for_gradient(question) and not (hidden and begun)
        begun |= at_once
        asked.append(_Asked(key, question, seed, closely, at_once))
    return asked


class _Asked:
    """One question on its way: the calls of the first batch, and the numerical check that they begin.

    closely: whether it is asked twice. at_once: whether the numerical check begins with the first batch; it asks for
        the plain forward and backward too, and theirs are the second calls then.
    """

    def __init__(self, key: Key, question: Question, seed: int, closely: bool, at_once: bool):
        self.key, self.question, self.at_once = key, question, at_once
        self.room = _room(question)
        self.steps = self.vjp = None
        self.wanted: list = []
        if key.pair and _asks_for_gradient(question):
            self.steps = gradients.vjp_steps(
                question.args, question.dout, seed=seed, elementwise=key.elementwise, names=key.forward.args
            )
            if at_once:
                self.wanted = next(self.steps)
        once = [self.call(f.name, question.dout) for f in key.functions]
        wanted_at = len(once)
        self.calls = once + self.requests()
        self.wanted_at = slice(wanted_at, len(self.calls))
        self.again_at, self.doubled_at, self.unlike = [], None, None
        closely &= question.cpu_limit is None  # where cost counts nothing is asked twice
        for i, call in enumerate(once):
            repeated = [n for n, request in enumerate(self.wanted) if _repeats(request, question, backward=i == 1)]
            if repeated:
                self.again_at.append(wanted_at + repeated[0])
            elif not closely or self.doubled_at is not None:
                self.again_at.append(i)
            else:
                self.again_at.append(self._ask(call))
            if key.pair and i == 0 and closely and not question.extreme:
                # next to a forward of the same arguments, whose cache it can have
                self.doubled_at = self._ask(self.call(key.backward.name, 2 * question.dout))

    def _ask(self, call: Call) -> int:
        """Adds a call; returns its place."""
        self.calls.append(call)
        return len(self.calls) - 1

    def call(self, name: str, dout: Any) -> Call:
        """The question, put to one of the two functions."""
        backward = self.key.pair and name == self.key.backward.name
        return Call(
            function=name,
            args=self.question.args,
            forward=self.key.forward.name if backward else None,
            dout=dout if backward else None,
            pair=self.key.pair and not backward,
            max_bytes=self.room,
            cpu_limit=self.question.cpu_limit,
        )

    def requests(self) -> list[Call]:
        """What the gradient checker wants to know now, as calls of the student's functions."""
        return [self._request(wanted, isinstance(wanted, gradients.Backward)) for wanted in self.wanted]

    def _request(self, wanted: gradients.Forward | gradients.Backward, backward: bool) -> Call:
        return Call(
            function=self.key.backward.name if backward else self.key.forward.name,
            args=wanted.args,
            forward=self.key.forward.name if backward else None,
            dout=wanted.dout if backward else None,
            pair=not backward,
            max_bytes=2 * self.room,  # complex numbers are twice as long
            cpu_limit=self.question.cpu_limit,
        )

    def take(self, replies: Sequence[Reply]) -> None:
        self.first = tuple(replies[: len(self.key.functions)])
        self.second = tuple(replies[i] for i in self.again_at)
        self.doubled = replies[self.doubled_at] if self.doubled_at is not None else None
        self.twice = self.doubled is not None and _is_twice(self.doubled, self.first[1])
        if self.doubled is not None and self.again_at[1] == 1 and not self.twice:
            self.unlike = self.calls[1]
        if self.steps is not None:
            if not _differentiable(self.first, self.question):
                self.steps = None
            elif self.at_once:
                self.send(replies[self.wanted_at])

    def send(self, replies: Sequence[Reply]) -> None:
        """Answers the numerical check; it ends, or `wanted` holds what it asks next."""
        try:
            self.wanted = self.steps.send([_answer(self.key, reply) for reply in replies])
        except StopIteration as done:
            self.vjp, self.steps = done.value, None

    def observation(self) -> Observation:
        return Observation(self.question, self.first, self.second, self.doubled, self.twice, self.vjp)


def _in_doubt(key: Key, running: list[_Asked]) -> list[_Asked]:
    """Those whose answers are not all the reference's, to nine digits of an array's largest entry.

    Of the others a longer check could only confirm what the reference says, to fewer digits.
    """
    if not running or _near(key, running):
        return []
    return [one for one in running if not _near(key, [one])]


def _near(key: Key, several: Sequence[_Asked]) -> bool:
    expected = [one.question.expected[f.name] for one in several for f in key.functions]
    flat = [array.ravel() for row in expected for array in row]
    values = laid_out([reply for one in several for reply in one.first], expected)
    if values is None or any(not array.size for array in flat):
        return False
    right = np.concatenate(flat)
    starts = list(itertools.accumulate([array.size for array in flat[:-1]], initial=0))
    with np.errstate(all="ignore"):
        off, size = (np.maximum.reduceat(np.abs(array), starts) for array in (values - right, right))
        return bool((off <= 1e-9 * size).all())


def laid_out(replies: Sequence[Reply], expected: Sequence[tuple]) -> np.ndarray | None:
    """All entries of what came back as one long array of float64, the first replies for as many rows of `expected`.

    None where anything is missing, or is of another kind, shape or dtype.
    """
    parts = []
    for reply, row in zip(replies, expected, strict=False):
        value = reply.value
        arrays = value if type(value) is tuple else (value,)
        if reply.status != calls.RETURNED or not reply.paired or len(arrays) != len(row):
            return None
        for array, right in zip(arrays, row, strict=True):
            if type(array) is not np.ndarray or array.dtype is not DOUBLE or array.shape != right.shape:
                return None
            parts.append(array.ravel())
    return np.concatenate(parts) if parts else np.zeros(0)


def _is_twice(doubled: Reply, once: Reply) -> bool:
    """Whether both returned arrays of floats alike, and the entries of the one are those of the other times 2."""
    if not doubled.status == once.status == calls.RETURNED:
        return False
    two, one = (value if type(value) is tuple else (value,) for value in (doubled.value, once.value))
    return len(two) == len(one) and all(map(is_twice, two, one))


def _repeats(request: gradients.Forward | gradients.Backward, question: Question, *, backward: bool) -> bool:
    """Whether the check's request is the very question: the same arguments, and for a backward the same dout."""
    if isinstance(request, gradients.Backward) != backward or not _identical(request.args, question.args):
        return False
    return not backward or _identical(request.dout, question.dout)


def _identical(one: Any, two: Any) -> bool:
    """Whether two nested values are made of arrays of the same bits, in the same memory order, and equal scalars."""
    if isinstance(one, tuple | list):
        return type(one) is type(two) and len(one) == len(two) and all(map(_identical, one, two))
    if not (isinstance(one, np.ndarray) and isinstance(two, np.ndarray)):
        return type(one) is type(two) and bool(one == two)
    if one is two:
        return True
    alike = one.shape == two.shape and one.dtype == two.dtype and one.flags.c_contiguous == two.flags.c_contiguous
    return alike and one.tobytes() == two.tobytes()


def _go_on(session: Session, running: list[_Asked]) -> None:
    """Further rounds for the numerical checks that need them, side by side, each round one batch."""
    while running:
        plans = [one.requests() for one in running]
        for one, replies in zip(running, _grouped(session, plans), strict=True):
            one.send(replies)
        running = [one for one in running if one.steps is not None]


def _room(question: Question) -> int:
    """Bytes that a reply may hold: ample for a right answer, and for a wrong one that repeats an axis."""
    largest = max([array.size for arrays in question.expected.values() for array in arrays], default=1)
    return 65536 + 64 * largest + 8 * sum([np.size(a) for a in question.args])


def _grouped(session: Session, plans: Sequence[Sequence[Call]]) -> list[list[Reply]]:
    """All plans in one batch, and the replies grouped as the plans were."""
    flat = iter(session.run([call for plan in plans for call in plan]))
    return [[next(flat) for _ in plan] for plan in plans]


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


def _answer(key: Key, reply: Reply) -> Any:
    if reply.status == calls.RETURNED:
        return reply.value
    return gradients.Failed(reply.problem.message if reply.problem else reply.status)
