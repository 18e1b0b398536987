"""Which entries of an array are wrong, in words: a row, a column, where an argument is negative."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from autograder.diagnosis.column import Column


def wrong_places(column: Column) -> str:
    """ "wrong where x is negative, and right elsewhere", or "" if no such sentence holds in every case."""
    marks = [v.wrong if v.wrong is not None else np.zeros(np.shape(v.expected), bool) for v in column.verdicts]
    if any(not v.ok and v.wrong is None for v in column.verdicts):
        return ""
    if all(m.ndim == 0 for m in marks):
        return _wrong_cases(column, np.array([bool(m) for m in marks]))
    if sum(m.any() for m in marks) < 2 or sum(np.count_nonzero(m) for m in marks) < 3:
        return ""
    within: list[tuple[float, str]] = []
    for label, masks in _masks(column):
        inside = sum(np.count_nonzero(m) for m in masks)
        outside = sum(m.size for m in masks) - inside
        if not inside or outside < 3:
            continue
        if all(np.array_equal(mask, wrong) for mask, wrong in zip(masks, marks, strict=True)):
            return f"wrong {label}{_there(column, marks)}, and right everywhere else"
        loose = label.startswith("where") or "column of" in label
        if loose and all(not (wrong & ~mask).any() for mask, wrong in zip(masks, marks, strict=True)):
            share = sum(np.count_nonzero(w) for w in marks) / inside
            within.append((share, label))
    share, label = max(within, default=(0.0, ""))
    if share >= 0.5:
        return f"right but in entries {label}"
    return _between(column, marks) if column.elementwise else ""


def _wrong_cases(column: Column, wrong: np.ndarray) -> str:
    """Of single numbers: what the cases have in common in which they are wrong."""
    if min(np.count_nonzero(wrong), np.count_nonzero(~wrong)) < 2:
        return ""
    values = {label: [known[label] for known in column.known] for label in column.labels}
    values["the right value"] = list(column.right)
    for label, numbers in values.items():
        if any(np.ndim(n) for n in numbers):
            continue
        numbers = np.array(numbers, float)
        for limit in (0.0, 1.0):
            for words, mask in ((f"larger than {limit:g}", numbers > limit), (f"{limit:g}", numbers == limit)):
                if np.array_equal(mask, wrong):
                    return f"wrong in the cases where {label} is {words}, and right in the others"
                if np.array_equal(mask, ~wrong):
                    return f"right in the cases where {label} is {words}, and wrong in the others"
    return ""


def first_wrong(column: Column) -> str:
    """Of a list that is computed entry by entry: what sets its first wrong entry apart from those before it."""
    marks = [v.wrong for v in column.verdicts]
    if any(m is not None and m.ndim != 1 for m in marks) or any(np.ndim(r) != 1 for r in column.right):
        return ""
    if any(not v.ok and v.wrong is None for v in column.verdicts):
        return ""
    firsts = [(i, int(np.argmax(m))) for i, m in enumerate(marks) if m is not None and m.any()]
    if len(firsts) < 2:
        return ""
    for label in column.labels:
        arrays = [np.asarray(column.known[i][label]) for i, _ in firsts]
        if any(
            a.ndim != 1 or a.dtype.kind not in "iu" or a.size > column.right[i].size
            for (i, _), a in zip(firsts, arrays, strict=True)
        ):
            continue
        before: list[int] = []
        at: list[int] = []
        for (i, place), array in zip(firsts, arrays, strict=True):
            offset = column.right[i].size - array.size  # the entries before it are given, and of no kind
            if place < offset:
                return ""
            at.append(int(array[place - offset]))
            before += [int(v) for v in array[: place - offset]]
        if len(set(at)) == 1 and len(before) >= 2 and at[0] not in before:
            return f"right up to the first entry where {label} is {at[0]}, in every case, and wrong from there on"
    return ""


def _between(column: Column, marks: list[np.ndarray]) -> str:
    """Of a layer that maps every entry by itself: the interval of its input in which it is wrong, from public cases."""
    label = next(iter(column.known[0]))
    public = [i for i, q in enumerate(column.questions) if not q.hidden]
    x = np.concatenate([column.known[i][label].ravel() for i in public])
    wrong = np.concatenate([marks[i].ravel() for i in public])
    if np.count_nonzero(wrong) < 3 or np.count_nonzero(~wrong) < 3:
        return ""
    for shown, values in ((label, x), (f"|{label}|", np.abs(x))):
        low, high = values[wrong].min(), values[wrong].max()
        if not ((values >= low) & (values <= high) & ~wrong).any():
            return f"wrong where {shown} lies between about {low:.2g} and {high:.2g}, and right elsewhere"
    return ""


def _there(column: Column, marks: list[np.ndarray]) -> str:
    """What the wrong entries are, where that can be said in a word."""
    pairs = [
        (np.asarray(v.yours, float)[m], np.asarray(v.expected, float)[m])
        for v, m in zip(column.verdicts, marks, strict=True)
        if m.any()
    ]
    yours, right = (np.concatenate([p[i] for p in pairs]) for i in (0, 1))
    if not np.isfinite(yours).all():
        return " (nan or infinite there)"
    if not yours.any():
        return " (0 there)"
    norm = float(right @ right)
    factor = float(yours @ right) / norm if norm else 0.0
    if factor and np.allclose(yours, factor * right, rtol=1e-9, atol=1e-9 * np.abs(right).max()):
        return (
            " (the sign is turned there)" if abs(factor + 1) < 1e-9 else f" ({factor:.6g} times the right value there)"
        )
    if np.ptp(yours) < 1e-12 * np.abs(yours).max():
        return f" ({yours[0]:.6g} there)"
    return ""


def _masks(column: Column) -> Iterator[tuple[str, list[np.ndarray]]]:
    """(words, for each case the entries they mean)."""
    shapes = [np.shape(r) for r in column.right]
    dimensions = {len(s) for s in shapes}
    if len(dimensions) == 1:
        for axis in range(min(dimensions.pop(), 2)):
            word = {(1, 0): "entry", (2, 0): "row", (2, 1): "column"}.get(
                (len(shapes[0]), axis), f"index of axis {axis}:"
            )
            places = [np.arange(s[axis]).reshape([-1 if a == axis else 1 for a in range(len(s))]) for s in shapes]
            last = [s[axis] - 1 for s in shapes]
            for words, choose in {
                f"in the first {word}": lambda p, n: p == 0,
                f"in the last {word}": lambda p, n: p == n,
                f"in the second {word}": lambda p, n: p == 1,
                f"in the third {word}": lambda p, n: p == 2,
                f"in every {word} but the first": lambda p, n: p != 0,
                f"in every {word} but the last": lambda p, n: p != n,
                f"in every second {word}, from the first on": lambda p, n: p % 2 == 0,
                f"in every second {word}, from the second on": lambda p, n: p % 2 == 1,
            }.items():
                yield (
                    words.replace(":", ""),
                    [np.broadcast_to(choose(p, n), s) for p, n, s in zip(places, last, shapes, strict=True)],
                )
    if all(len(s) == 2 and s[1] == 2 for s in shapes):
        for parity, rows in enumerate(("first", "second")):
            for place, word in enumerate(("first", "second")):
                yield (
                    f"in the {word} column of every second row, from the {rows} on",
                    [_cells(s, parity, place) for s in shapes],
                )
    values = {label: [known[label] for known in column.known] for label in column.labels}
    values["the right value"] = list(column.right)
    for label, arrays in values.items():
        spread = [_spread(a, s) for a, s in zip(arrays, shapes, strict=True)]
        if any(a is None for a in spread):
            continue
        for words, choose in {
            f"where {label} is negative": lambda a: a < 0,
            f"where {label} is positive": lambda a: a > 0,
            f"where {label} is 0": lambda a: a == 0,
            f"where {label} is not 0": lambda a: a != 0,
            f"where {label} is not positive": lambda a: a <= 0,
            f"where {label} is not negative": lambda a: a >= 0,
        }.items():
            yield words, [choose(a) for a in spread]
    return


def _cells(shape: tuple[int, ...], parity: int, place: int) -> np.ndarray:
    mask = np.zeros(shape, bool)
    mask[parity::2, place] = True
    return mask


def _spread(values: np.ndarray, shape: tuple[int, ...]) -> np.ndarray | None:
    """The values laid over the array, each repeated where it belongs to several entries."""
    if values.ndim == 1 and len(shape) == 1 and values.size and shape[0] % values.size == 0:
        return np.repeat(values, shape[0] // values.size)
    try:
        return np.broadcast_to(values, shape)
    except ValueError:
        return None
