"""What the gradient checker asks for, and what it finds: plain frozen data."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

# Entries that `str` shows of each wrong gradient.
SHOWN = 3


@dataclass(frozen=True)
class Forward:
    """A request: evaluate `out = forward(*args)[0]`."""

    args: tuple


@dataclass(frozen=True)
class Backward:
    """A request: with the cache of a fresh `forward(*args)`, evaluate `backward(dout, cache)`."""

    args: tuple
    dout: Any


@dataclass(frozen=True)
class Failed:
    """An answer: the evaluation raised, timed out or returned no numbers; reason says which."""

    reason: str


@dataclass(frozen=True)
class Entry:
    """One entry of a gradient: its index in the array, the backward's value and the numerical one."""

    index: tuple[int, ...]
    yours: float
    numerical: float


@dataclass(frozen=True)
class ArgumentCheck:
    """The verdict on the gradient for one argument.

    name: the argument's, "w"; its gradient is "dw".
    index: its position among the forward's arguments.
    ok: True, False, or None where nothing could be said.
    note: why, in words; empty where ok is True.
    entries: on failure, the first entries that are wrong, in the order of the array; of a large gradient those found.
    count: on failure, how many entries are wrong; None where not all were compared.
    relation: on failure, how the gradient would be right: "times 0.125", "transposed", ...; empty where unknown.
    """

    name: str
    index: int
    ok: bool | None
    note: str = ""
    entries: tuple[Entry, ...] = ()
    count: int | None = None
    relation: str = ""


@dataclass(frozen=True)
class VJPCheck:
    """The outcome of `check_vjp`.

    ok: True: the gradients are right. False: at least one is wrong. None: nothing certain can be said, and notes say
    why. method: what the verdict rests on: "complex step", "Richardson", ...; empty where it came to no numbers.
    discrepancy: |T| / Q, how far the backward is from the numerical derivative (see `vjp_steps`).
    tolerance: the largest discrepancy that passes, in the same unit.
    resolution: how far the numerical derivative itself may be off, in the same unit.
    arguments: the verdict on each differentiable argument.
    notes: remarks, each a sentence.
    evaluations: forwards that were run, those inside a backward included.
    numerical: numerical gradients by position of the argument: whole arrays where they are small or came for free.
    """

    ok: bool | None
    method: str = ""
    discrepancy: float = float("nan")
    tolerance: float = float("nan")
    resolution: float = float("nan")
    arguments: tuple[ArgumentCheck, ...] = ()
    notes: tuple[str, ...] = ()
    evaluations: int = 0
    numerical: dict[int, np.ndarray] = field(default_factory=dict)

    @property
    def where(self) -> ArgumentCheck | None:
        """The first argument whose gradient is wrong."""
        return next((a for a in self.arguments if a.ok is False), None)

    def __bool__(self) -> bool:
        return self.ok is True

    def __str__(self) -> str:
        head = {True: "the gradients are right", False: "a gradient is wrong", None: "inconclusive"}[self.ok]
        lines = [head]
        if self.method:
            lines[0] += (
                f" ({self.method}: discrepancy {self.discrepancy:.1e}, tolerance {self.tolerance:.1e}, "
                f"resolution {self.resolution:.1e}; {self.evaluations} forward evaluations)"
            )
        for argument in self.arguments:
            word = {True: "right", False: "wrong", None: "unknown"}[argument.ok]
            remarks = "; ".join(part for part in (argument.note, argument.relation) if part)
            lines.append(f"  d{argument.name}: {word}" + (f": {remarks}" if remarks else ""))
            lines += [
                f"    d{argument.name}{list(e.index) if e.index else ''}   {_beside(e.yours, e.numerical)}"
                for e in argument.entries[:SHOWN]
            ]
            if argument.count is not None and argument.count > SHOWN:
                lines.append(f"    and {argument.count - SHOWN} more entries")
        return "\n".join(lines + [f"  {note}" for note in self.notes])


def _beside(yours: float, numerical: float) -> str:
    """Two numbers with as many digits as it takes to see that they differ."""
    digits = next((d for d in range(4, 17) if f"{yours:.{d}g}" != f"{numerical:.{d}g}"), 17)
    return f"yours {yours:.{digits}g}   numerical gradient {numerical:.{digits}g}"
