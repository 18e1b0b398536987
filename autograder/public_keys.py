"""Finds the public answer keys that a course ships: JSON files, beside the student's work or in this package."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from autograder.answer_key import Key, read_public_key

PACKAGED = Path(__file__).parent / "keys"


def key_folders(near: Path) -> Iterator[Path]:
    """Where keys are looked for, nearest first: beside the work, one folder up, then what came with the package."""
    for folder in (near, near.parent):
        if (folder / "keys").is_dir():
            yield folder / "keys"
    yield PACKAGED


def read_keys(near: Path | str = ".") -> dict[str, Key]:
    """All public keys, by exercise; of two for one exercise the nearer holds.

    Raises:
        ValueError: a file among them is not a public key; the message names it.
    """
    keys: dict[str, Key] = {}
    for folder in key_folders(Path(near).resolve()):
        for path in sorted(folder.glob("*.json")):
            try:
                key = read_public_key(json.loads(path.read_text(encoding="utf-8")))
                keys.setdefault(key.exercise, key)
            except (OSError, KeyError, TypeError, ValueError) as error:
                raise ValueError(f"{path} is not a public answer key ({error}); fetch the course again") from None
    return keys


def key_of(function: str, keys: dict[str, Key]) -> Key:
    """The key of the exercise that holds this function.

    Raises:
        ValueError: there is none; the message lists what there is.
    """
    for key in keys.values():
        if function in (f.name for f in key.functions):
            return key
    known = ", ".join(f.name for key in keys.values() for f in key.functions)
    raise ValueError(f"there is nothing to check called {function!r}; there are {known or 'no keys here'}")
