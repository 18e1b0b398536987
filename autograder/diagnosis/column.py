"""One array of a function over all ordinary cases, as the naming of mistakes looks at it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from autograder.answer_key import Key, Question
from autograder.diagnosis.matching import same
from autograder.verdict import Judgement, Verdict


@dataclass(frozen=True)
class Column:
    """One array of a function over all ordinary cases.

    answers: what the student's function gave: arrays, `Raises` where it raised, None where there is nothing to compare.
    right: the expected arrays. known: by label, what else there is in each case: the arguments, dout, other results.
    """

    name: str
    answers: tuple[Any, ...]
    right: tuple[np.ndarray, ...]
    verdicts: tuple[Verdict, ...]
    known: tuple[dict[str, np.ndarray], ...]
    elementwise: bool
    backward: bool

    @property
    def questions(self) -> tuple[Question, ...]:
        return tuple(v.question for v in self.verdicts)

    @cached_property
    def labels(self) -> list[str]:
        """What is known in every case."""
        return [label for label in self.known[0] if all(label in known for known in self.known)]

    def holds(self, predicted: Sequence[Any]) -> bool:
        """Whether the answers are what is predicted, and that is told apart from right twice (of numbers, three times).

        None for a case that the prediction does not reach.
        """
        telling = []
        for answer, guess, right, question in zip(self.answers, predicted, self.right, self.questions, strict=True):
            if guess is None or not same(answer, guess, question):
                return False
            if not same(guess, right, question):
                telling.append(np.asarray(guess))
        several = sum(guess.size > 1 for guess in telling)
        return several >= 2 or len(telling) >= 3

    def maps(self, change: Callable[[np.ndarray], Any]) -> bool:
        """Whether the answers are `change` of the right arrays; it may raise where it cannot be applied."""
        return self.holds([attempt(change, r) for r in self.right])


def attempt(change: Callable, *arrays: np.ndarray) -> Any:
    try:
        with np.errstate(all="ignore"):
            return np.asarray(change(*arrays))
    except (ValueError, IndexError, TypeError):
        return None


def column_of(key: Key, judgement: Judgement, name: str, answers: Sequence[Any]) -> Column:
    function = judgement.function
    verdicts = judgement.verdicts(name, extreme=False)
    place = function.returns.index(name)
    backward = key.pair and function is key.backward
    known = []
    for verdict in verdicts:
        question = verdict.question
        arguments = key.forward.args if key.pair else function.args
        values = dict(zip(arguments, question.args, strict=False))
        if backward:
            values |= {"dout": question.dout, "the right out": question.expected[key.forward.name][0]}
        for other, array in zip(function.returns, question.expected[function.name], strict=True):
            if other != name:
                values[f"the right {other}"] = array
        known.append({label: np.asarray(v) for label, v in values.items() if np.asarray(v).dtype.kind in "fiu"})
    return Column(
        name=name,
        answers=tuple(answers),
        right=tuple(v.question.expected[function.name][place] for v in verdicts),
        verdicts=tuple(verdicts),
        known=tuple(known),
        elementwise=key.elementwise,
        backward=backward,
    )
