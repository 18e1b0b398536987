"""Students whose work is alike where there are many ways to be wrong: the same unrecognised arrays, the same long code.

A hint for a person, no more: a common mistake that has no name yet looks the same. What is right is never compared,
and what a good part of a class has in common is no sign of anything.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass

COMMON = 8  # students, or this share of the class: marks of code that so many have are common knowledge
COMMON_SHARE = 0.01
ENOUGH = 4  # marks of code
NEAR = 0.8  # of the marks of both


@dataclass(frozen=True)
class Alike:
    """Students whose work on one function is alike; `what` is a sentence on what they have in common."""

    function: str
    what: str
    students: tuple[str, ...]


class AlikeArrays:
    """Those whose wrong arrays are the same on every public case where they are wrong, and have no name."""

    def __init__(self):
        self.students: dict[tuple, list[str]] = defaultdict(list)

    def add(self, student: str, function: dict) -> None:
        by_array: dict[str, list[tuple[str, str]]] = defaultdict(list)
        for finding in function["findings"]:
            if finding.get("mark"):
                by_array[finding["array"]].append((finding["case"], finding["mark"]))
        if by_array:
            key = tuple((array, tuple(marks)) for array, marks in sorted(by_array.items()))
            self.students[function["name"], key].append(student)

    def found(self) -> list[Alike]:
        """The largest groups first."""
        groups = []
        for (function, arrays), students in self.students.items():
            if len(students) > 1:
                names = " and ".join(array for array, _ in arrays)
                cases = len({case for _, marks in arrays for case, _ in marks})
                what = f"the same wrong {names} in {cases} public case{'s' * (cases > 1)}, not a mistake with a name"
                groups.append(Alike(function, what, tuple(students)))
        return sorted(groups, key=lambda group: -len(group.students))


class AlikeCode:
    """Those whose wrong functions are nearly the same text, names and layout aside."""

    def __init__(self):
        self.marks: dict[str, dict[str, frozenset[str]]] = defaultdict(dict)

    def add(self, student: str, function: dict) -> None:
        marks = frozenset(function.get("code", ()))
        if len(marks) >= ENOUGH:
            self.marks[function["name"]][student] = marks

    def found(self, students: int) -> list[Alike]:
        """The largest groups first; `students`: how many there are in the class."""
        groups = []
        for function, marks in self.marks.items():
            for group in _groups(marks, max(COMMON, COMMON_SHARE * students)):
                groups.append(Alike(function, "nearly the same code, apart from names and layout", tuple(group)))
        return sorted(groups, key=lambda group: -len(group.students))


def _groups(marks: dict[str, frozenset[str]], common: float) -> list[list[str]]:
    """Students joined by being near another of the group, found by an index of their rarer marks."""
    holders: dict[str, list[str]] = defaultdict(list)
    for student, own in marks.items():
        for mark in own:
            holders[mark].append(student)
    rare = {s: {m for m in own if len(holders[m]) <= common} for s, own in marks.items()}
    leader = {student: student for student in marks}

    def leader_of(student: str) -> str:
        while leader[student] != student:
            student = leader[student]
        return student

    for student, own in rare.items():
        shared = Counter(other for mark in own for other in holders[mark] if other != student)
        for other, count in shared.items():
            if count >= ENOUGH and count >= NEAR * len(own | rare[other]):
                leader[leader_of(other)] = leader_of(student)
    groups: dict[str, list[str]] = defaultdict(list)
    for student in marks:
        groups[leader_of(student)].append(student)
    return [sorted(group) for group in groups.values() if len(group) > 1]
