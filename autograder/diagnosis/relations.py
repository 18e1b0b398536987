"""How a wrong array is related to the right one, where no known mistake explains it.

A relation is a fact about the numbers that holds on every ordinary case: a constant factor, a transpose, another known
array, an operation with one, the entries that are wrong. It names no mistake.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from autograder import calls
from autograder.answer_key import Key, Question
from autograder.diagnosis.column import Column, attempt
from autograder.diagnosis.formulas import formula
from autograder.diagnosis.matching import factors, same
from autograder.diagnosis.named import AVERAGED, SIGN, ZERO, Diagnosis, relation, scaled
from autograder.diagnosis.places import first_wrong, wrong_places
from autograder.diagnosis.relation_shapes import another_shape, reduced, shape_of_another
from autograder.judge import arrays_of
from autograder.tolerances import same_value
from autograder.verdict import Judgement


def relation_of(column: Column) -> Diagnosis | None:
    """The best relation there is, or None."""
    for find in RELATIONS:
        if found := next(find(column), None):
            return found
    return None


# The whole array -----------------------------------------------------------------------------------------------------


def factor_named(constants: Sequence[float], questions: Sequence[Question]) -> list[Diagnosis]:
    """Names the factor: 1/N is an average, -1 a sign, one constant is said. Numbers come from public cases alone."""
    if is_average(constants, questions):
        return [AVERAGED]
    if is_sign(constants):
        return [SIGN]
    if is_average([-f for f in constants], questions):
        return [SIGN, AVERAGED]
    if max(constants) - min(constants) < 1e-6 * abs(constants[0]):
        return [scaled(f"{constants[0]:.6g} times")]
    shown = [f for f, q in zip(constants, questions, strict=True) if not q.hidden]
    return [scaled(f"a constant times ({shown[0]:.4g} for the first case, {shown[-1]:.4g} for the last public one)")]


def is_average(constants: Sequence[float], questions: Sequence[Question]) -> bool:
    sizes = [np.shape(q.args[0])[0] if np.shape(q.args[0]) else 1 for q in questions]
    return max(sizes) > 1 and all(abs(f * n - 1) < 1e-6 for f, n in zip(constants, sizes, strict=True))


def is_sign(constants: Sequence[float]) -> bool:
    return all(abs(f + 1) < 1e-6 for f in constants)


def constant(column: Column) -> Iterator[Diagnosis]:
    """The same number everywhere, in every case."""
    first = next((a for a in column.answers if isinstance(a, np.ndarray) and a.size), None)
    if first is None or first.dtype.kind not in "fiu" or not np.isfinite(first).all():
        return
    value = first.flat[0]
    if column.holds([np.full(np.shape(r), value) for r in column.right]):
        yield (
            ZERO
            if value == 0 and column.backward
            else relation(
                f"Your {{array}} {{is}} {value:.6g} everywhere, whatever comes in.",
                "Is what you return ever written to after it was made?",
            )
        )


def another_array(column: Column) -> Iterator[Diagnosis]:
    for label in column.labels:
        if column.holds([known[label] for known in column.known]):
            what = f"{label} itself" if not label.startswith("the right") else label
            yield relation(
                f"Your {{array}} {{is}} {what}.",
                "Which of your variables ends up in the place of {array}?",
            )


REARRANGED = {
    "with its entries in reverse order": lambda r: r[::-1],
    "with its columns in reverse order": lambda r: r[:, ::-1],
    "moved on by one place": lambda r: np.roll(r, 1, axis=0),
    "moved back by one place": lambda r: np.roll(r, -1, axis=0),
    "sorted": lambda r: np.sort(r, axis=None).reshape(r.shape),
    "summed over its last axis and repeated": lambda r: np.broadcast_to(r.sum(axis=-1, keepdims=True), r.shape),
    "summed over its first axis and repeated": lambda r: np.broadcast_to(r.sum(axis=0, keepdims=True), r.shape),
}
UNARY = {
    "1 minus the right one": lambda r: 1 - r,
    "the square of the right one": lambda r: r**2,
    "the square root of the right one": np.sqrt,
    "1 divided by the right one": lambda r: 1 / r,
    "the right one without its signs": np.abs,
    "the exponential of the right one": np.exp,
    "the logarithm of the right one": np.log,
    "the right one rounded to whole numbers": np.round,
}


def power_of_a_size(column: Column) -> Iterator[Diagnosis]:
    """A constant to the power of a length: something too much or too little in each step of a loop."""
    ratios = []
    for answer, right in zip(column.answers, column.right, strict=True):
        if not isinstance(answer, np.ndarray) or answer.shape != right.shape or not np.all(right):
            return
        ratio = answer / right
        if not np.isfinite(ratio).all() or ratio.min() <= 0 or np.ptp(ratio) > 1e-9 * ratio.max():
            return
        ratios.append(float(np.log(ratio.flat[0])))
    for label in column.labels:
        if any(np.ndim(known[label]) == 0 for known in column.known):
            continue
        lengths = np.array([len(known[label]) for known in column.known], float)
        steps = np.array(ratios) / lengths
        if len(set(lengths)) >= 3 and np.ptp(steps) < 1e-9 and abs(steps[0]) > 1e-9:
            yield relation(
                f"Your {{array}} {{is}} {np.exp(steps[0]):.6g} times the right one for each of the {label}'s length: "
                "the factor comes in again and again.",
                "What is done once for every step of your loop?",
            )
            return


def line_of_known(column: Column) -> Iterator[Diagnosis]:
    """A multiple of a known array plus a number, either of them other in each case."""
    arrays = {label: [known[label] for known in column.known] for label in column.labels}
    for label, values in {"the right one": column.right, **arrays}.items():
        if all(_is_line(a, v, q) for a, v, q in zip(column.answers, values, column.questions, strict=True)):
            yield relation(
                f"Your {{array}} {{is}} a multiple of {label} with the same number added everywhere.",
                "Where does your code add where it should multiply?",
            )
            return


def _is_line(answer: Any, values: np.ndarray, question: Question) -> bool:
    if not isinstance(answer, np.ndarray) or answer.shape != values.shape or answer.size < 5:
        return False
    if not (np.isfinite(answer).all() and np.isfinite(values).all() and np.ptp(values) and np.ptp(answer)):
        return False
    slope, offset = np.polyfit(values.ravel().astype(float), answer.ravel().astype(float), 1)
    return same(answer, slope * values + offset, question)


def not_finite(column: Column) -> Iterator[Diagnosis]:
    """nan or infinite where the right array is finite."""
    bad = [isinstance(a, np.ndarray) and not np.isfinite(a).all() for a in column.answers]
    if sum(bad) >= 2 and all(np.isfinite(r).all() for r in column.right):
        whole = all(not np.isfinite(a).any() for a, b in zip(column.answers, bad, strict=True) if b)
        some = " in every entry" if whole else " in some entries"
        often = "" if all(bad) else ", in some cases"
        yield relation(
            f"Your {{array}} {{is}} nan or infinite{some}{often}.",
            "Which step can give nan: 0/0, inf - inf, the root or the logarithm of a negative number?",
        )


def rearranged(column: Column) -> Iterator[Diagnosis]:
    for how, change in REARRANGED.items():
        if column.maps(change):
            yield relation(
                f"Your {{array}} {{is}} the right one {how}.", "In which order does the contract ask for it?"
            )


def unary(column: Column) -> Iterator[Diagnosis]:
    for what, change in UNARY.items():
        if column.maps(change):
            yield relation(f"Your {{array}} {{is}} {what}.", "Which step of yours comes once too often, or is missing?")


OPERATIONS = {
    "the right one times {}": lambda r, k: r * k,
    "the right one divided by {}": lambda r, k: r / k,
    "the right one plus {}": lambda r, k: r + k,
    "the right one minus {}": lambda r, k: r - k,
    "{} minus the right one": lambda r, k: k - r,
    "{} divided by the right one": lambda r, k: k / r,
    "the right one times the square of {}": lambda r, k: r * k**2,
    "the right one divided by the square of {}": lambda r, k: r / k**2,
}


def joined(column: Column) -> Iterator[Diagnosis]:
    """The right array and another known one under one operation."""
    for label in column.labels:
        for how, operate in OPERATIONS.items():
            guesses = []
            for answer, right, known, question in zip(
                column.answers, column.right, column.known, column.questions, strict=True
            ):
                guesses.append(attempt(operate, right, known[label]))
                if guesses[-1] is None or not same(answer, guesses[-1], question):
                    break
            if len(guesses) == len(column.right) and column.holds(guesses):
                yield relation(
                    f"Your {{array}} {{is}} {how.format(label)}.",
                    f"Where does {label} enter your {{array}}, and how often should it?",
                )


def multiple_of_a_product(column: Column) -> Iterator[Diagnosis]:
    """A multiple of the right array times, or divided by, a known one: another multiple in each case."""
    for label in column.labels:
        for how in ("the right one times {}", "the right one divided by {}"):
            pairs = zip(column.right, column.known, strict=True)
            products = [attempt(OPERATIONS[how], right, known[label]) for right, known in pairs]
            if None not in map(type, products) and factors(column.answers, products, column.questions):
                yield relation(
                    f"Your {{array}} {{is}} a multiple of {how.format(label)}.",
                    f"Where does {label} enter your {{array}}, and how often should it?",
                )


def out_of_range(column: Column) -> Iterator[Diagnosis]:
    """Values that the right array never has: negative, larger than 1, between whole numbers, or only whole ones."""
    if column.backward:  # a gradient has no limits
        return
    answers = [np.asarray(a, float) for a in column.answers if isinstance(a, np.ndarray) and a.size]
    if len(answers) < len(column.right) or not all(np.isfinite(a).all() for a in (*answers, *column.right)):
        return
    facts = {
        "{is} negative in some entries; the right one never is": lambda a: bool((a < 0).any()),
        "{is} larger than 1 in some entries; the right one never is": lambda a: bool((a > 1).any()),
        "{has} fractions in it; the right one holds whole numbers only": lambda a: bool((a % 1 != 0).any()),
    }
    for words, test in facts.items():
        if sum(map(test, answers)) >= 2 and not any(test(np.asarray(r, float)) for r in column.right):
            yield relation(f"Your {{array}} {words}.", "Between which limits must {array} lie, by its formula?")
    whole = [bool((a % 1 == 0).all()) for a in answers]
    if all(whole) and all(bool((np.asarray(r, float) % 1 != 0).any()) for r in column.right if np.size(r) > 1):
        yield relation(
            "Your {array} {has} whole numbers only; the right one lies between them.",
            "Which step rounds, compares or counts?",
        )


def signs(column: Column) -> Iterator[Diagnosis]:
    """Right but for some signs."""
    if any(not isinstance(a, np.ndarray) or a.dtype.kind not in "fiu" for a in column.answers):
        return
    pairs = zip(column.answers, column.right, strict=True)
    if column.holds([np.copysign(r, a) if a.shape == r.shape else None for a, r in pairs]):
        yield relation(
            "Your {array} {has} the right sizes, but the wrong sign in some entries.",
            "What have the entries with the wrong sign in common?",
        )


def shortened(column: Column) -> Iterator[Diagnosis]:
    """Right to six digits and no further."""
    worst = 0.0
    for answer, right in zip(column.answers, column.right, strict=True):
        if not isinstance(answer, np.ndarray) or answer.shape != right.shape or answer.dtype.kind != "f":
            return
        scale = float(np.abs(right).max(initial=0.0))
        worst = max(worst, float(np.abs(answer - right).max(initial=0.0)) / scale if scale else 0.0)
    if 0 < worst < 1e-5:
        yield relation(
            "Your {array} {is} right to a few digits only.",
            "Is something rounded, turned into float32, or found by trying small steps?",
        )


def by_formula(column: Column) -> Iterator[Diagnosis]:
    if text := formula(column):
        yield relation(f"By its values, your {{array}} {{is}} {text}.", "Is that the formula which you meant to write?")


def goes_wrong(column: Column) -> Iterator[Diagnosis]:
    if text := first_wrong(column):
        yield relation(f"Your {{array}} {{is}} {text}.", "What is done at that entry, and how is it done before?")


def by_places(column: Column) -> Iterator[Diagnosis]:
    if text := wrong_places(column):
        yield relation(f"Your {{array}} {{is}} {text}.", "What sets these entries apart in your code?")


RELATIONS = (
    constant,
    another_array,
    rearranged,
    unary,
    joined,
    power_of_a_size,
    reduced,
    shortened,
    another_shape,
    by_formula,
    line_of_known,
    by_places,
    signs,
    multiple_of_a_product,
    not_finite,
    shape_of_another,
    goes_wrong,
    out_of_range,
)


# What other calls gave --------------------------------------------------------------------------------------------


def another_each_time(key: Key, judgement: Judgement, name: str) -> bool:
    """Whether the same call gave another array the second time, where the first was not right."""
    place = judgement.function.returns.index(name)
    for row, reply, again in zip(judgement.rows, judgement.replies, judgement.again, strict=True):
        if row[place].ok or reply.status != calls.RETURNED or again.status != calls.RETURNED:
            continue
        (once, complaint), (twice, other) = (arrays_of(r, judgement.function, key) for r in (reply, again))
        if complaint or other or not all(isinstance(v[place], np.ndarray) for v in (once, twice)):
            continue
        if not same_value(once[place], twice[place]):
            return True
    return False


# How the answer depends on dout -------------------------------------------------------------------------------------


def dependence_on_upstream(key: Key, judgement: Judgement, name: str) -> Diagnosis | None:
    """Twice the upstream gradient: does the answer stay as it was, or grow fourfold?"""
    place = judgement.function.returns.index(name)
    seen: dict[str, bool] = {"stays": True, "fourfold": True}
    compared = 0
    for row, reply, doubled in zip(judgement.rows, judgement.replies, judgement.doubled, strict=True):
        if doubled is None or row[0].question.extreme:
            continue
        if reply.status != calls.RETURNED or doubled.status != calls.RETURNED:
            return None
        (once, complaint), (twice, other) = (arrays_of(r, judgement.function, key) for r in (reply, doubled))
        if complaint or other or not all(isinstance(v[place], np.ndarray) for v in (once, twice)):
            return None
        a, b = once[place], twice[place]
        if a.dtype.kind not in "fiu" or not np.any(a):
            continue
        compared += 1
        seen["stays"] &= same(b, a, row[0].question)
        seen["fourfold"] &= same(b, 4 * a, row[0].question)
    if compared < 2:
        return None
    if seen["stays"]:
        return relation(
            "Your {array} {does} not change when dout is doubled.",
            "Which rule joins a local derivative to the gradient that arrives from above?",
        )
    if seen["fourfold"]:
        return relation(
            "Your {array} grows fourfold when dout is doubled: dout is in it twice.",
            "How often does the chain rule multiply with the gradient from above?",
        )
    return None
