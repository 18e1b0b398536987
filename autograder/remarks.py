"""What is worth telling about a function although it costs nothing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from autograder import calls, tolerances
from autograder.answer_key import Key, KeyFunction, Question
from autograder.calls import Reply
from autograder.observe import Observation
from autograder.rendering.discretion import warning
from autograder.verdict import Verdict


def on_the_way(
    function: KeyFunction, seen: Observation, reply: Reply, row: Sequence[Verdict], before: Sequence[str]
) -> list[str]:
    """What is worth telling although it costs nothing; `before` are warnings that the forward has already given."""
    if reply.status != calls.RETURNED:
        return []
    remarks = []
    for name in reply.mutated:
        shown = function.args[int(name)] if name.isdecimal() and int(name) < len(function.args) else name
        remarks.append(f"{function.name} writes into {shown}, which belongs to its caller.")
    for text in reply.warnings:
        if text not in before:
            remarks.append(f"{function.name} warns: {warning(text) if seen.question.hidden else text}")
    for verdict in row if seen.question.single else ():
        if verdict.ok and isinstance(verdict.yours, np.ndarray) and verdict.yours.dtype == np.float64:
            remarks.append(f"{function.name}: {verdict.array} is float64 although the inputs are float32.")
    return remarks


def undecided(key: Key, function: KeyFunction, seen: Observation) -> list[str]:
    """Where the numerical gradient could say nothing, and the reference alone decided."""
    if seen.vjp is None:
        return []
    return [
        f'{function.name}: in the case "{seen.question.case}" no numerical gradient of your {key.forward.name} '
        f"could be measured for {argument.name}{f' ({argument.note})' if argument.note else ''}; its values are right."
        for argument in seen.vjp.arguments
        if argument.ok is None
    ]


def on_accuracy(key: Key, function: KeyFunction, observations: Sequence[Observation], rows: Sequence) -> list[str]:
    """Of right arrays those that have fewer good digits where they are small; of a wrong one that is no matter."""
    if not key.elementwise:
        return []
    return [
        f"{function.name}: where {verdict.array} is tiny, near 0 or in the tails, it has fewer correct digits than "
        "float64 could hold. That costs nothing here."
        for seen, row in zip(observations, rows, strict=True)
        for verdict in row
        if _inaccurate(seen.question, verdict, 1.0 if function is key.forward else seen.question.dout)
    ]


def _inaccurate(question: Question, verdict: Verdict, unit: Any) -> bool:
    """Right in absolute terms, but with fewer than nine digits somewhere."""
    if question.single or question.extreme:
        return False
    return bool(tolerances.relatively_inaccurate(verdict.yours, verdict.expected, unit=np.abs(unit)).any())
