"""Marks by which alike things are found in a large class: the same wrong array, code that is nearly the same.

A mark says nothing by itself; it is a hint for a person who then looks. Code is taken for a row of words by a plain
regular expression and never parsed, so that any text whatever is safe to mark.
"""

from __future__ import annotations

import hashlib
import keyword
import re
import zlib
from collections.abc import Iterable, Iterator

import numpy as np

ENTRIES = 4096  # of an array
CHARACTERS = 8000  # of a function
STATEMENTS = 5  # a shorter function has one way to be written
WORDS = 12  # in a row, hashed together
WINDOW = 8  # of those, the least is kept: 19 words in common are always found

_WORD = re.compile(
    r'"""[\s\S]*?"""|\'\'\'[\s\S]*?\'\'\'|"[^"\n]*"|\'[^\'\n]*\'|#[^\n]*'
    r"|[A-Za-z_]\w*|\d[\w.]*|\*\*|//|[<>=!+\-*/]=|\n|\S"
)
# The closing bracket of arguments that go over several lines may stand at the margin too, and a comment.
_END = re.compile(r"\n(?=[^\s)#])")
_KEPT = frozenset(keyword.kwlist) | {"np", "range", "len", "zip", "enumerate", "sum", "abs", "max", "min"}


def array_mark(array: np.ndarray) -> str:
    """The same for arrays of one shape that agree to six digits: sums in another order do not tell them apart."""
    entries = np.ravel(array)[:ENTRIES]
    text = f"{array.shape} " + " ".join(f"{entry + 0.0:.5e}" for entry in entries.tolist())
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def code_marks(text: str) -> frozenset[str]:
    """Marks of a function's code, after Schleimer, Wilkerson and Aiken (2003), "Winnowing: local algorithms".

    Names, numbers' spelling, strings, comments and layout do not count; what is called and the operators do.
    Empty for a function of few statements.
    """
    words = list(_words(text[:CHARACTERS]))
    if sum(word == "\n" for word in words) <= STATEMENTS:  # the line with def is none
        return frozenset()
    row = [word for word in words if word != "\n"]
    hashes = [zlib.crc32(" ".join(row[i : i + WORDS]).encode()) for i in range(len(row) - WORDS + 1)]
    least = {min(hashes[i : i + WINDOW]) for i in range(max(1, len(hashes) - WINDOW + 1))} if hashes else ()
    return frozenset(f"{mark:08x}" for mark in least)


def _words(text: str) -> Iterator[str]:
    """The words of a function; "\\n" after every statement."""
    depth, last, fresh = 0, "", True
    for word in _WORD.findall(text):
        if word[0] == "#" or (word[0] in "\"'" and fresh):  # a comment, or a docstring
            continue
        if word in "\n;":
            if depth == 0 and not fresh:
                yield "\n"
                fresh = True
            continue
        depth = max(0, depth + (word in "([{") - (word in ")]}"))
        fresh = False
        if word[0] in "\"'":
            yield "text"
        elif (word[0].isalpha() or word[0] == "_") and word not in _KEPT and last != ".":
            yield "name"
        else:
            yield word
        last = word
    if not fresh:
        yield "\n"


def definition_in(texts: Iterable[str], name: str) -> str:
    """The text of a function where a submission's texts first have it; "" where none has."""
    return next(definitions_in(texts, name), "")


def definitions_in(texts: Iterable[str], name: str) -> Iterator[str]:
    """The text of a function wherever it is defined: from `def name(` to the next line that is not indented."""
    head = f"def {name}("
    for text in texts:
        start = text.find(head)
        while start >= 0:
            end = _END.search(text, start)
            stop = end.end() if end else len(text)
            yield text[start:stop]
            start = text.find(head, stop)
