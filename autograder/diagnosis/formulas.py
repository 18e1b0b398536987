"""Reads a short formula off the numbers: a wrong array as a sum of a few products of known ones.

Least squares over all ordinary cases at once, with one coefficient for each term. A formula is claimed only where it
fits to rounding, with many more entries than terms.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from autograder.diagnosis.column import Column

# (words, a function from the number of a case to the values there)
Terms = list[tuple[str, Callable[[int], np.ndarray]]]

MAX_TERMS = 4
MAX_ENTRIES = 400  # of one array: the huge ones of cost cases would only slow the search
ENTRIES_A_TERM = 2
NEGLIGIBLE = 1e-7


def formula(column: Column) -> str:
    """The formula in words, or "" if there is none: "dout·out − out²"."""
    chosen = [
        i
        for i, (a, r, q) in enumerate(zip(column.answers, column.right, column.questions, strict=True))
        if isinstance(a, np.ndarray) and a.shape == r.shape and a.dtype.kind in "fiu" and not q.single
        and a.size <= MAX_ENTRIES and np.isfinite(a).all()
    ]  # fmt: skip
    if len(chosen) < 2 or len(chosen) + sum(q.single for q in column.questions) < len(column.questions) - 1:
        return ""
    answers = np.concatenate([np.asarray(column.answers[i], float).ravel() for i in chosen])
    return next((text for group in _groups(column) if (text := _fit(answers, _stacked(column, chosen, group)))), "")


def _stacked(column: Column, chosen: list[int], group: Terms) -> dict[str, np.ndarray]:
    """The terms of all chosen cases, end to end; those that are 0 everywhere or not finite are left out."""
    terms = {}
    for label, of_case in group:
        values = [_spread(of_case(i), column.right[i].shape) for i in chosen]
        if all(v is not None for v in values):
            stacked = np.concatenate([v.ravel() for v in values])
            if np.isfinite(stacked).all() and np.any(stacked):
                terms[label] = stacked
    return terms


def _spread(values: np.ndarray, shape: tuple[int, ...]) -> np.ndarray | None:
    try:
        return np.broadcast_to(np.asarray(values, float), shape)
    except ValueError:
        return None


def _groups(column: Column) -> Iterator[Terms]:
    """Terms that are tried together: of a layer that mixes inputs the right array and the known ones; else powers."""
    if not column.elementwise:
        yield [
            ("1", lambda i: np.ones(())),
            ("the right one", lambda i: column.right[i]),
            *((label, lambda i, label=label: column.known[i][label]) for label in column.labels),
        ]
        return
    x = next(iter(column.known[0]))
    if not column.backward:
        yield [("1", lambda i: np.ones(())), *_powers("x", lambda i: column.known[i][x])]
        yield [("1", lambda i: np.ones(())), *_powers("(the right out)", lambda i: column.right[i])]
        return
    for shown, label in (("out", "the right out"), (x, x)):
        powers = [("", lambda i: 1.0), *_powers(shown, lambda i, label=label: column.known[i][label])]
        upstreams = [("", lambda i: 1.0), *_powers("dout", lambda i: column.known[i]["dout"])]
        upstreams.append(("1/dout", lambda i: 1 / column.known[i]["dout"]))
        yield [
            ("·".join(t for t in (first, second) if t) or "1", lambda i, f=f, g=g: f(i) * g(i))
            for first, f in upstreams
            for second, g in powers
        ]


def _powers(shown: str, values: Callable[[int], np.ndarray], highest: int = 3) -> Terms:
    return [
        (shown + ("", "", "²", "³")[power], lambda i, power=power: values(i) ** float(power))
        for power in range(1, highest + 1)
    ]


def _fit(answers: np.ndarray, terms: dict[str, np.ndarray]) -> str:
    """All terms at once; those whose coefficient comes out as 0 are not in the formula."""
    scale = float(np.abs(answers).max(initial=0.0))
    if not scale or not terms or answers.size < ENTRIES_A_TERM * len(terms):
        return ""
    labels = list(terms)
    matrix = np.stack([terms[label] for label in labels], axis=1)
    sizes = np.abs(matrix).max(axis=0)
    found, rank = _solved(matrix / sizes, answers)
    if rank < len(labels):
        return ""
    kept = np.flatnonzero(np.abs(found) > NEGLIGIBLE * scale)
    if not 0 < len(kept) <= MAX_TERMS:
        return ""
    found, _ = _solved(matrix[:, kept], answers)
    if np.abs(matrix[:, kept] @ found - answers).max() > 1e-10 * scale:
        return ""
    return _written([labels[i] for i in kept], found)


def _solved(matrix: np.ndarray, answers: np.ndarray) -> tuple[np.ndarray, int]:
    found, _, rank, _ = np.linalg.lstsq(matrix, answers, rcond=1e-11)
    return found, rank


def _written(labels: list[str], coefficients: np.ndarray) -> str:
    text = ""
    for label, value in zip(labels, coefficients, strict=True):
        sign = " − " if value < 0 else " + "
        size = f"{abs(value):.6g}"
        part = size if label == "1" else label if size == "1" else f"{size}·{label}"
        text += (sign if text else sign.strip().replace("+", "")) + part
    return text
