"""How a wrong array is related to the right one, or to another, where axes or shapes differ."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from autograder.diagnosis.column import Column, attempt
from autograder.diagnosis.matching import same
from autograder.diagnosis.named import Diagnosis, relation

REDUCED = {
    "summed": np.sum,
    "averaged": np.mean,
    "the largest entries": np.max,
    "the smallest entries": np.min,
    "multiplied up": np.prod,
}
LAYOUTS = {
    "the right one without its first entry": lambda r: r[1:],
    "the right one without its last entry": lambda r: r[:-1],
    "the right one, summed over its first axis": lambda r: r.sum(axis=0),
    "the right one, summed over its second axis": lambda r: r.sum(axis=1),
    "the right one, averaged over its first axis": lambda r: r.mean(axis=0),
    "one number, the sum of the right one": lambda r: r.sum(),
    "one number, the mean of the right one": lambda r: r.mean(),
    "the right one with a first axis of length 1": lambda r: r[None],
    "the right one as a column": lambda r: r[:, None],
    "the right one laid out in one row": lambda r: r.reshape(-1),
}
UNDONE = {
    "has not been summed over its first axis": lambda a: a.sum(axis=0),
    "has not been summed over its second axis": lambda a: a.sum(axis=1),
    "has not been summed up": lambda a: a.sum(),
    "has one entry too many, the first": lambda a: a[1:],
    "has one entry too many, the last": lambda a: a[:-1],
}


def reduced(column: Column) -> Iterator[Diagnosis]:
    """A known array, summed, averaged, ... along an axis."""
    for label in column.labels:
        for how, reduce in REDUCED.items():
            for axis, along in ((0, "its first axis"), (1, "its second axis"), (None, "everything")):
                guesses = [attempt(lambda k, a=axis, f=reduce: f(k, axis=a), known[label]) for known in column.known]
                if guesses[0] is not None and column.holds(guesses):
                    yield relation(
                        f"Your {{array}} {{is}} {label}, {how} over {along}.",
                        "Which numbers have to be added up for {array}, and which not?",
                    )


def another_shape(column: Column) -> Iterator[Diagnosis]:
    shape = "Which shape does the docstring give for {array}, and which axes has yours?"
    for what, change in LAYOUTS.items():
        if column.maps(change):
            yield relation(f"Your {{array}} {{is}} {what}.", shape)
    if all(isinstance(a, np.ndarray) and a.size == r.size for a, r in zip(column.answers, column.right, strict=True)):
        if column.holds([r.reshape(a.shape) for a, r in zip(column.answers, column.right, strict=True)]):
            yield relation("Your {array} {has} the right numbers in another shape.", shape)
        if column.holds([attempt(np.reshape, r.T, a.shape) for a, r in zip(column.answers, column.right, strict=True)]):
            yield relation("Your {array} {has} the right numbers in another shape and order.", shape)
    pairs = list(zip(column.answers, column.right, strict=True))
    if all(isinstance(a, np.ndarray) and a.ndim == r.ndim > 0 for a, r in pairs):
        if column.holds([r[: len(a)] for a, r in pairs]):
            yield relation("Your {array} {is} the right one without its end.", shape)
        if all(same(a[: len(r)], r, q) for (a, r), q in zip(pairs, column.questions, strict=True)):
            yield relation("Your {array} {has} more entries after the right ones.", shape)
    for how, undo in UNDONE.items():
        undone = [attempt(undo, a) if isinstance(a, np.ndarray) else None for a in column.answers]
        if all(u is not None and same(u, r, q) for u, r, q in zip(undone, column.right, column.questions, strict=True)):
            yield relation(f"Your {{array}} {how}.", shape)


def shape_of_another(column: Column) -> Iterator[Diagnosis]:
    """The shape of something else that is known."""
    shapes = [np.shape(a) if isinstance(a, np.ndarray) else None for a in column.answers]
    rights = [np.shape(r) for r in column.right]
    if sum(s != r for s, r in zip(shapes, rights, strict=True)) < 2 or None in shapes:
        return
    hint = "Which shape does the docstring give for {array}, and where does yours come from?"
    if all(s == () for s in shapes):
        yield relation("Your {array} {is} one number where an array belongs.", hint)
    for label in column.labels:
        if all(np.shape(known[label]) == s for known, s in zip(column.known, shapes, strict=True)):
            yield relation(f"Your {{array}} {{has}} the shape of {label}.", hint)
        if all(np.shape(known[label])[1:] == s and s for known, s in zip(column.known, shapes, strict=True)):
            yield relation(f"Your {{array}} {{has}} the shape of one entry of {label}.", hint)
        if all((*r[:1], *np.shape(k[label])[1:]) == s for r, k, s in zip(rights, column.known, shapes, strict=True)):
            yield relation(f"Your {{array}} {{has}} the shape of {label} but for its first axis.", hint)
    if all(len(s) == len(r) + 1 for s, r in zip(shapes, rights, strict=True)):
        yield relation("Your {array} {has} one axis too many.", hint)
    if all(len(s) == len(r) - 1 for s, r in zip(shapes, rights, strict=True)):
        yield relation("Your {array} {has} one axis too few.", hint)
