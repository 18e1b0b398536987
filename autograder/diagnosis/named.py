"""What diagnosis says: a named mistake or a relation, and the words for those that no layer describes itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Diagnosis:
    """What explains some arrays of a function.

    id: the misconception's public identifier; "" for a relation, which is a fact about the numbers and no name.
    arrays: the arrays it explains. sentence: what to say of them. hints: from asking to pointing.
    """

    id: str
    arrays: tuple[str, ...]
    sentence: str
    hints: tuple[str, ...] = ()

    def about(self, arrays: Sequence[str]) -> Diagnosis:
        return replace(self, arrays=tuple(arrays))


@dataclass(frozen=True)
class Naming:
    """What diagnosis found about one function.

    reordered: all gradients are right but in another order.
    followed: the backward is the exact gradient of its own, wrong and recognised, forward.
    """

    found: tuple[Diagnosis, ...] = ()
    reordered: bool = False
    followed: bool = False

    @property
    def ids(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(d.id for d in self.found if d.id))

    def of(self, array: str) -> Diagnosis | None:
        return next((d for d in self.found if array in d.arrays), None)


def merged(found: Sequence[Diagnosis]) -> tuple[Diagnosis, ...]:
    """One entry a mistake, with all the arrays it explains; names before relations, and those of most arrays first."""
    alike: dict[tuple[str, str], list[Diagnosis]] = {}
    for diagnosis in found:
        alike.setdefault((diagnosis.id, "" if diagnosis.id else diagnosis.sentence), []).append(diagnosis)
    together = []
    for several in alike.values():
        arrays = tuple(dict.fromkeys(name for d in several for name in d.arrays))
        first = several[0]
        hints = tuple(_filled(hint, arrays) for hint in first.hints)
        together.append(Diagnosis(first.id, arrays, _filled(first.sentence, arrays), hints))
    return tuple(sorted(together, key=lambda d: (not d.id, -len(d.arrays))))


def _filled(sentence: str, arrays: Sequence[str]) -> str:
    """The sentence about these arrays: {array}, {is}, {has} and {does} stand in it for what depends on them."""
    words = ("is", "has", "does", "it") if len(arrays) == 1 else ("are", "have", "do", "they")
    return sentence.format_map(dict(zip(("is", "has", "does", "it"), words, strict=True)) | {"array": _and(arrays)})


def _and(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _named(id: str, sentence: str, *hints: str) -> Diagnosis:
    return Diagnosis(id, (), sentence, hints)


GRADIENT_ORDER = _named(
    "gradient-order",
    "Your gradients come back in another order than the docstring's.",
    "In which order does the docstring list what comes back?",
)
NOTHING_RETURNED = _named(
    "nothing-returned",
    "Your function computes, but gives nothing back: a function without return gives None.",
    "What does Python hand to the caller when a function ends without a return?",
)
NOTHING_SET = _named(
    "nothing-returned",
    "Your {array} {is} None: nothing was ever put there.",
    "Where in your function is {array} given a value, and is that line reached?",
)
IN_PLACE = _named(
    "in-place-damage",
    "Your forward overwrites its input, and the backward then finds the changed numbers in the cache.",
    "After your forward has run, does x still hold what it held before?",
    "Look for an operation that writes its result into an array which it was given.",
)
OWN_FORWARD = _named(
    "",
    "Your {array} {does} what your own forward asks for; what is wrong is in the forward.",
    "Mend the forward first, then look here again.",
)
OUTLIVED = _named(
    "",
    "Your {array} {is} another each time the same call is made.",
    "What does your function read that is not an argument: a counter, random numbers, an array that it changed before?",
)
NOT_RECOGNISED = _named(
    "",
    "Not recognised: your {array} {is} like none of the mistakes that are known here.",
    "Take the smallest input that you can think of, and follow one number through your function by hand.",
)
AVERAGED = _named(
    "averaged-over-batch",
    "Your {array} {is} the right one divided by N, the number of examples.",
    "If the loss is a mean, its 1/N is already inside dout. Where does yours come in?",
)
SIGN = _named(
    "sign-flipped",
    "Your {array} {has} its sign turned round.",
    "If the input grows a little, does out grow or shrink?",
)
TRANSPOSED = _named(
    "transposed",
    "Your {array} {is} the transpose of the right one.",
    "Which index of {array} comes first in the docstring, and which in yours?",
)
UPSTREAM = _named(
    "upstream-forgotten",
    "Your {array} {does} not contain the upstream gradient dout.",
    "Which rule joins a local derivative to the gradient that arrives from above?",
)
ZERO = _named(
    "zero-gradient",
    "Your {array} {is} 0 everywhere.",
    "Is the array that you return ever written to after it was made?",
)


def scaled(how: str) -> Diagnosis:
    return _named(
        "scaled",
        "Your {array} {is} " + how + " the right one.",
        "Where does the constant come from: the number of examples, a 2 from a square, a learning rate?",
    )


def relation(sentence: str, *hints: str) -> Diagnosis:
    return _named("", sentence, *hints)
