"""What explains one wrong array: a known mistake, two at once, or how it is related to the right one.

A mistake is claimed only where it gives what the student's function gave on *every* ordinary case, at least two of them
where it differs from the right answer. Certain first: the layer's own mistakes and those of any layer, then a constant
factor and a transpose, then two mistakes at once, then relations.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from autograder import calls
from autograder.answer_key import Key, KeyFunction, Mistake, Question, Raises
from autograder.diagnosis.column import Column, column_of
from autograder.diagnosis.matching import close, factors, same
from autograder.diagnosis.named import (
    AVERAGED,
    NOT_RECOGNISED,
    OUTLIVED,
    SIGN,
    TRANSPOSED,
    UPSTREAM,
    Diagnosis,
    relation,
)
from autograder.diagnosis.relations import (
    another_each_time,
    dependence_on_upstream,
    factor_named,
    is_average,
    is_sign,
    relation_of,
)
from autograder.exercise import Plus
from autograder.verdict import Judgement, Verdict


def explain(key: Key, judgement: Judgement, name: str) -> Iterator[Diagnosis]:
    """What explains this array, which failed somewhere; nothing where there is no array to look at."""
    if all(v.ok for v in judgement.verdicts(name, extreme=False)):
        yield from _extreme(judgement.function, judgement, name)
        return
    if another_each_time(key, judgement, name):
        yield OUTLIVED.about([name])
        return
    answers = answers_of(judgement, name)
    column = column_of(key, judgement, name, answers)
    found = list(known_mistakes(judgement.function, judgement, column))
    if found or any(not isinstance(a, np.ndarray) for a in answers):
        yield from (d.about([name]) for d in found)
        return
    best = relation_of(column)
    if best is None and column.backward:
        best = dependence_on_upstream(key, judgement, name)
    yield (best or NOT_RECOGNISED).about([name])


def answers_of(judgement: Judgement, name: str) -> list[Any]:
    """For each ordinary case the student's array; a `Raises` where the function raised; None where there is nothing."""
    place = judgement.function.returns.index(name)
    return [
        _answer(row[place], reply)
        for row, reply in zip(judgement.rows, judgement.replies, strict=True)
        if not row[place].question.extreme
    ]


def _answer(verdict: Verdict, reply: calls.Reply) -> Any:
    if isinstance(verdict.yours, np.ndarray):
        numbers = verdict.yours * 1.0 if verdict.yours.dtype == bool else verdict.yours
        return numbers if numbers.dtype.kind in "fiu" else None
    if reply.status == calls.RAISED and not reply.where and reply.problem:
        return Raises(reply.problem.type, reply.problem.message)
    return None


def known_mistakes(function: KeyFunction, judgement: Judgement, column: Column) -> Iterator[Diagnosis]:
    """The known mistakes that explain the column: one, a plain relation that has a name, or two."""
    bases = list(_bases(function, judgement, column))
    for mistake, wrong in bases:
        if _fits(column, wrong):
            yield _said(mistake)
            return
    if any(not isinstance(a, np.ndarray) for a in column.answers):
        return
    if constants := factors(column.answers, column.right, column.questions):
        yield from (_own_words(function, d) for d in factor_named(constants, column.questions))
    elif column.maps(np.transpose):
        yield _own_words(function, TRANSPOSED)
    else:
        yield from _two_at_once(function, column, bases)


def _bases(function: KeyFunction, judgement: Judgement, column: Column) -> Iterator[tuple[Mistake, list[Any]]]:
    """Every way of making every known mistake: what it gives for this array in each ordinary case."""
    rows = [i for i, row in enumerate(judgement.rows) if not row[0].question.extreme]
    for index, mistake in enumerate(function.mistakes):
        if not mistake.extreme:
            for way in function.wrong(index):
                yield mistake, [_wrong_array(way[i], column.name, r) for i, r in zip(rows, column.right, strict=True)]


def _wrong_array(wrong: Any, name: str, right: np.ndarray) -> Any:
    """What the mistake gives for this array; arrays that it leaves alone stay right."""
    return wrong if isinstance(wrong, Raises) else wrong.get(name, right)


def _fits(column: Column, wrong: Sequence[Any]) -> bool:
    """Whether the mistake gives what the student's function gave, everywhere, and is told apart from right twice."""
    telling = exceptions = same_words = 0
    for answer, theirs, ours, question in zip(column.answers, wrong, column.right, column.questions, strict=True):
        if isinstance(theirs, Raises) or isinstance(answer, Raises):
            if not (isinstance(theirs, Raises) and isinstance(answer, Raises)):
                return False
            exceptions += 1
            same_words += theirs.type == answer.type and _same_words(theirs, answer)
            continue
        if not same(answer, theirs, question):
            return False
        telling += not same(theirs, ours, question)
    if exceptions and telling + same_words < exceptions:
        # Other words: it is the same mistake only if it lets the same cases pass, some of several kinds.
        return exceptions >= 2 and len(column.answers) - exceptions >= 2
    return telling + exceptions >= 2


def _same_words(theirs: Raises, answer: Raises) -> bool:
    """The same complaint, shapes included: the very same operation was tried on the very same arrays."""
    return bool(theirs.message.strip()) and theirs.message.strip() in answer.message


def _said(mistake: Mistake) -> Diagnosis:
    return Diagnosis(mistake.id, (), mistake.sentence, mistake.hints)


def _own_words(function: KeyFunction, diagnosis: Diagnosis) -> Diagnosis:
    """As the layer puts it, where it has words for this mistake of its own."""
    return next((_said(m) for m in function.mistakes if m.id == diagnosis.id), diagnosis)


# Two mistakes at once -----------------------------------------------------------------------------------------------

# How one mistake is taken back out of an answer: (array, question) -> array.
Undo = Callable[[np.ndarray, Question], Any]


def _undoings(column: Column) -> Iterator[tuple[Diagnosis, Undo]]:
    sizes = [np.shape(q.args[0])[:1] for q in column.questions]
    if column.backward and any(size and size[0] > 1 for size in sizes):
        yield AVERAGED, lambda a, q: a * len(q.args[0])
    yield SIGN, lambda a, q: -a
    if any(r.ndim > 1 for r in column.right):
        yield TRANSPOSED, lambda a, q: np.transpose(a)
    if column.elementwise and column.backward:
        yield UPSTREAM, lambda a, q: a * q.dout if a.shape == q.dout.shape else None


def _two_at_once(
    function: KeyFunction, column: Column, bases: Sequence[tuple[Mistake, Sequence]]
) -> Iterator[Diagnosis]:
    """A known mistake together with an average, a sign, a transpose, a forgotten dout, another shape or a constant."""
    undoings = list(_undoings(column))
    bases = [(m, w) for m, w in bases if not any(isinstance(a, Raises) for a in w) and not _harmless(column, w)]
    for added, undo in undoings:
        undone = [undo(a, q) for a, q in zip(column.answers, column.questions, strict=True)]
        for mistake, wrong in bases:
            if mistake.id != added.id and _all_same(undone, wrong, column):
                yield _said(mistake)
                yield _own_words(function, added)
                return
        for also, undo_also in undoings:
            twice = [None if u is None else undo_also(u, q) for u, q in zip(undone, column.questions, strict=True)]
            if also.id > added.id and _all_same(twice, column.right, column):
                yield _own_words(function, added)
                yield _own_words(function, also)
                return
    yield from _in_another_shape(function, column, undoings, bases)
    for mistake, wrong in bases:
        if any(isinstance(w, Plus) for w in wrong):
            continue
        constants = factors(column.answers, wrong, column.questions)
        if constants and _one_constant(constants, column.questions):
            yield _said(mistake)
            yield from (_own_words(function, d) for d in factor_named(constants, column.questions))
            return


def _one_constant(constants: Sequence[float], questions: Sequence[Question]) -> bool:
    """A factor that can be said: a different one in every case explains too little beside another mistake."""
    return is_average(constants, questions) or is_sign(constants) or np.ptp(constants) < 1e-6 * abs(constants[0])


def _harmless(column: Column, wrong: Sequence[Any]) -> bool:
    """Whether the mistake leaves this array right, or 0, where everything is a multiple of everything."""
    arrays = [w.base if isinstance(w, Plus) else np.asarray(w) for w in wrong]
    if any(isinstance(w, Plus) for w in wrong):
        return False
    right = all(same(w, r, q) for w, r, q in zip(arrays, column.right, column.questions, strict=True))
    return right or any(close(a, np.zeros_like(a), q) for a, q in zip(arrays, column.questions, strict=True))


def _all_same(answers: Sequence, wrong: Sequence, column: Column) -> bool:
    return all(same(a, w, q) for a, w, q in zip(answers, wrong, column.questions, strict=True))


def _in_another_shape(
    function: KeyFunction, column: Column, undoings: Sequence, bases: Sequence[tuple[Mistake, Sequence]]
) -> Iterator[Diagnosis]:
    """A mistake in the numbers inside one in the shape: both known, the second by what it does to the right numbers."""
    if all(a.shape == r.shape for a, r in zip(column.answers, column.right, strict=True)):
        return
    for shaped, wrong in bases:
        if any(isinstance(w, Plus) or np.shape(w) != a.shape for w, a in zip(wrong, column.answers, strict=True)):
            continue
        if not all(
            same(_laid_out(r, w.shape), w, q) for r, w, q in zip(column.right, wrong, column.questions, strict=True)
        ):
            continue
        for mistake, other in bases:
            laid = [
                None if isinstance(w, Plus) else _laid_out(w, a.shape)
                for w, a in zip(other, column.answers, strict=True)
            ]
            if mistake.id != shaped.id and None not in [type(v) for v in laid] and _all_same_arrays(column, laid):
                yield _said(mistake)
                yield _said(shaped)
                return
        for added, undo in undoings:
            undone = [undo(a, q) for a, q in zip(column.answers, column.questions, strict=True)]
            if _all_same(undone, wrong, column):
                yield _own_words(function, added)
                yield _said(shaped)
                return


def _all_same_arrays(column: Column, laid: Sequence) -> bool:
    return all(v is not None and same(a, v, q) for a, v, q in zip(column.answers, laid, column.questions, strict=True))


def _laid_out(values: np.ndarray, shape: tuple[int, ...]) -> np.ndarray | None:
    """The same numbers in another shape, repeated where it is larger; None where they do not fit."""
    values = np.asarray(values)
    if values.size == np.prod(shape):
        return values.reshape(shape)
    try:
        return np.broadcast_to(values, shape)
    except ValueError:
        return None


# Extreme cases ------------------------------------------------------------------------------------------------------


def _extreme(function: KeyFunction, judgement: Judgement, name: str) -> Iterator[Diagnosis]:
    """Mistakes that show in the extreme cases only: nan or inf where the right value is finite."""
    for verdict in judgement.verdicts(name, extreme=True):
        if verdict.ok or not isinstance(verdict.yours, np.ndarray) or verdict.wrong is None:
            continue
        if not np.isfinite(verdict.yours[verdict.wrong]).all():
            for mistake in function.mistakes:
                if mistake.extreme:
                    yield _said(mistake).about([name])
                    return
        yield relation(
            "Your {array} {is} right for ordinary inputs, and wrong only where they are very large.",
            "What becomes of each step of your formula at 1000, and at -1000?",
        ).about([name])
        return
