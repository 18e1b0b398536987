"""Reads a large notebook without the outputs of its cells, so that its memory is that of its code.

A print in a loop or a hundred plots make a notebook of a hundred megabytes whose answers are a few thousand characters.
The file is read piece by piece; of what follows a key "outputs", the list is passed over, whatever it holds. Nothing
else is interpreted: what is no JSON before is none after.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from .problem import BrokenSubmission

MAX_STEPS = 5_000_000  # brackets passed over, or strings read: each costs time, however short it is written
# The rest of a string, up to its closing quote or the end of the piece; an escape that is cut in two is left.
STRING_REST = re.compile(rb'[^"\\]*+(?:\\.[^"\\]*+)*+', re.DOTALL)
# Whole strings and whatever is not a bracket: what can be passed over at once. A string is a group of its own because
# Python before 3.11.5 forgets where it was when one in a possessive repeat does not end (its issue 106052).
FLAT = re.compile(rb'[^"\[\]{}]*+(?:(?>"[^"\\]*+(?:\\.[^"\\]*+)*+")[^"\[\]{}]*+)*+', re.DOTALL)
VISIBLE = re.compile(rb"[^ \t\r\n]")
KEY = b"outputs"
QUOTE, BACKSLASH = ord('"'), ord("\\")


def without_outputs(pieces: Iterable[bytes], limit: int, name: str) -> bytes:
    """The JSON text that the pieces of the file `name` make, every list of outputs emptied.

    Raises:
        BrokenSubmission: more than `limit` bytes are left, or it would take too long to find out.
    """
    state = _State()
    for piece in pieces:
        state.feed(piece)
        if len(state.kept) > limit:
            raise BrokenSubmission(f"{name} is larger than {limit >> 20} MB without its outputs")
        if state.steps > MAX_STEPS:
            raise BrokenSubmission(f"{name} holds too many values")
    return bytes(state.kept)


class _State:
    """What was kept, and where in the text that is: within a string or not, after a key or not, how deep in a list."""

    def __init__(self):
        self.kept, self.steps = bytearray(), 0
        self.in_string = self.cut_escape = False
        self.word = b""  # the string that is being read, as far as it could be a key
        self.awaits = b""  # what makes the last string the key of a list: first a colon, then a bracket
        self.depth = 0  # within a list of outputs: how many brackets are open

    def feed(self, piece: bytes) -> None:
        at = 0
        while at < len(piece):
            start, keeping = at, self.depth == 0
            if self.cut_escape:
                self.cut_escape = False
                at += 1
            elif self.in_string:
                at = self._string(piece, at)
            elif self.depth:
                at = self._passed_over(piece, at)
            else:
                at = self._read(piece, at)
            if keeping:
                self.kept += piece[start:at]
            elif self.depth == 0:
                self.kept += b"]"

    def _string(self, piece: bytes, at: int) -> int:
        end = STRING_REST.match(piece, at).end()
        self.word = (self.word + piece[at : min(end, at + 16)])[:16]
        if end == len(piece):
            return end
        if piece[end] == BACKSLASH:  # the last byte of the piece; what it escapes comes with the next
            self.cut_escape = True
            self.word += b"\\"
        else:
            self.in_string = False
            self.awaits = b":" if self.word == KEY and not self.depth else b""
        return end + 1

    def _read(self, piece: bytes, at: int) -> int:
        if self.awaits:
            match = VISIBLE.search(piece, at)
            if match is None:
                return len(piece)
            at, found = match.start(), match.group()
            if found != self.awaits:
                self.awaits = b""
                return at  # it is looked at again, as what it is
            self.awaits = b"[" if found == b":" else b""
            self.depth = found == b"["
            return at + 1
        at = piece.find(b'"', at)
        if at < 0:
            return len(piece)
        self._opened()
        return at + 1

    def _passed_over(self, piece: bytes, at: int) -> int:
        at = FLAT.match(piece, at).end()
        if at == len(piece):
            return at
        if piece[at] == QUOTE:  # a string that ends in a later piece
            self._opened()
        else:
            self.steps += 1
            self.depth += 1 if piece[at] in b"[{" else -1
        return at + 1

    def _opened(self) -> None:
        self.in_string, self.word = True, b""
        self.steps += 1
