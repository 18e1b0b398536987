"""The corpus of attacks: small texts in `corpus/`, one file a group, and how one becomes a submission.

An attack starts with `### name | statuses | flags`. The statuses are what `sigmoid_forward` may end as in results.json.
By default the text is the body of `attack()`, which `sigmoid_forward` calls before it returns zeros: one that raises
was refused, one that returns has succeeded. Flags: `bare`, it succeeds with protection off (`bare-root`: as root);
`top`, the text stands at the top of the submission; `whole`, so it does, and defines `sigmoid_forward` itself;
`all-lost`, the honest functions beside it earn nothing either.
"""

from __future__ import annotations

import re
import textwrap
from dataclasses import dataclass
from pathlib import Path

CORPUS = Path(__file__).parent / "corpus"

# What stands beside every attack, and must keep its points: one layer done right.
HONEST = """
import numpy as np

def tanh_forward(x):
    out = np.tanh(x)
    return out, out

def tanh_backward(dout, cache):
    return dout * (1 - cache) * (1 + cache)
"""
CALLED = """
def sigmoid_forward(x):
    attack()
    return np.zeros_like(x), x
"""


@dataclass(frozen=True)
class Attack:
    group: str
    name: str
    statuses: tuple[str, ...]
    flags: frozenset[str]
    text: str

    def source(self, places: dict[str, str]) -> str:
        """The submission: `@NAME@` stands for a path on this machine."""
        text = self.text
        for name, path in places.items():
            text = text.replace(f"@{name}@", path)
        if "whole" in self.flags:
            return HONEST + text
        if "top" not in self.flags:
            text = "def attack():\n" + textwrap.indent(text, "    ")
        return HONEST + text + CALLED


def attacks() -> list[Attack]:
    found = []
    for path in sorted(CORPUS.glob("*.txt")):
        _, *parts = re.split(r"^### ", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
        for part in parts:
            head, text = part.split("\n", 1)
            name, statuses, flags = (
                [word.strip() for word in field.split(",")] for field in (head + "||").split("|")[:3]
            )
            found.append(Attack(path.stem, name[0], tuple(statuses), frozenset(filter(None, flags)), text))
    return found
