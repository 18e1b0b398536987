"""Reads `student_code/`: layers as students write them, right and wrong, and makes submissions of them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from autograder.calls import Source
from autograder.catalogue import Catalogue
from autograder.exercise import Exercise

FOLDER = Path(__file__).parent / "student_code"
CELL = re.compile(r"^# %% (.+)\n", re.MULTILINE)
DEFINED = re.compile(r"^def (\w+)\(", re.MULTILINE)


@dataclass(frozen=True)
class Sample:
    """One cell: which mistakes it makes in which function (none in a right one), its style in words, and the code."""

    file: str
    ids: frozenset[str]
    function: str
    style: str
    text: str
    given: str

    @property
    def defines(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(DEFINED.findall(self.text)))

    def sources(self, exercise: Exercise) -> list[Source]:
        """The submission: what is given to all cells of the file, then this one."""
        names = [f.name for f in exercise.functions]
        mine = tuple(n for n in names if n in self.defines)
        rest = tuple(n for n in names if n not in mine)
        return [Source("cell 1", self.given, answers=rest), Source("cell 2", self.text, answers=mine)]

    def exercise(self, catalogue: Catalogue) -> Exercise:
        return catalogue.exercise_of(self.function or self.defines[-1])


def samples(prefix: str) -> list[Sample]:
    """All cells of the files whose names begin so: "wrong" or "right"."""
    found = []
    for path in sorted(FOLDER.glob(f"{prefix}_*.py")):
        _, *parts = CELL.split(path.read_text(encoding="utf-8"))
        given = ""
        for title, text in zip(parts[::2], parts[1::2], strict=True):
            if title == "given":
                given = text
                continue
            head, style = title.split(": ", 1)
            ids, _, function = head.partition(" @ ")
            ids = "" if ids == "right" else ids
            found.append(Sample(path.stem, frozenset(i for i in ids.split(" + ") if i), function, style, text, given))
    return found
