"""The public answer key as JSON, and where it is found: beside the student's work, or in this package.

It holds arrays and sentences and no code; every array keeps every bit.
"""

from __future__ import annotations

import base64
import functools
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from autograder.answer_key import Key, KeyFunction, Mistake, Question, Raises, full_key
from autograder.exercise import Exercise, Plus

SCHEMA = "autograder/public-key/v1"
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


# To JSON and back ----------------------------------------------------------------------------------------------------


def public_key(exercise: Exercise) -> dict:
    """The public answer key, ready for JSON: inputs, expected and wrong arrays with their sentences, and no code."""
    key = full_key(exercise, b"", public_only=True)
    return {
        "schema": SCHEMA,
        "exercise": key.exercise,
        "assignment": key.assignment,
        "pair": key.pair,
        "elementwise": key.elementwise,
        "shapes": {name: list(symbols) for name, symbols in key.shapes.items()},
        "functions": [
            {
                "name": f.name,
                "points": f.points,
                "args": list(f.args),
                "returns": list(f.returns),
                "mistakes": [
                    {
                        "id": m.id,
                        "sentence": m.sentence,
                        "hints": list(m.hints),
                        "extreme": m.extreme,
                        "wrong": _pack(f.wrong(i)),
                        "gradients": _pack(f.gradients(i)),
                    }
                    for i, m in enumerate(f.mistakes)
                ],
            }
            for f in key.functions
        ],
        "questions": [
            {
                "case": q.case,
                "reason": q.reason,
                "extreme": q.extreme,
                "args": _pack(q.args),
                "dout": _pack(q.dout),
                "expected": _pack(dict(q.expected)),
                "kinks": _pack(q.kinks()),
            }
            for q in key.questions
        ],
    }


def read_public_key(data: dict) -> Key:
    """The inverse of `public_key`.

    Raises:
        ValueError: it is not a public key, or one of another version.
    """
    if not isinstance(data, dict) or data.get("schema") != SCHEMA:
        raise ValueError(f"not a public answer key of the version {SCHEMA}")
    functions = []
    for f in data["functions"]:
        wrong = [_unpack(m["wrong"]) for m in f["mistakes"]]
        gradients = [_unpack(m["gradients"]) for m in f["mistakes"]]
        functions.append(
            KeyFunction(
                name=f["name"],
                points=f["points"],
                args=tuple(f["args"]),
                returns=tuple(f["returns"]),
                mistakes=tuple(Mistake(m["id"], m["sentence"], tuple(m["hints"]), m["extreme"]) for m in f["mistakes"]),
                wrong=wrong.__getitem__,
                gradients=gradients.__getitem__,
            )
        )
    questions = tuple(
        Question(
            case=q["case"],
            reason=q["reason"],
            args=_unpack(q["args"]),
            dout=_unpack(q["dout"]),
            expected=_unpack(q["expected"]),
            kinks=functools.partial(_unpack, q.get("kinks")),
            extreme=q["extreme"],
        )
        for q in data["questions"]
    )
    return Key(
        exercise=data["exercise"],
        assignment=data["assignment"],
        pair=data["pair"],
        elementwise=data["elementwise"],
        functions=tuple(functions),
        questions=questions,
        shapes={name: tuple(symbols) for name, symbols in data.get("shapes", {}).items()},
    )


def _pack(value: Any) -> Any:
    """Nested values as JSON. Arrays keep every bit: dtype, shape and little-endian bytes in base 64."""
    if isinstance(value, Raises):
        return {"raises": value.type, "message": value.message}
    if isinstance(value, Plus):
        return {"base": _pack(value.base), "direction": _pack(value.direction)}
    if isinstance(value, Mapping):
        return {"named": {name: _pack(v) for name, v in value.items()}}
    if isinstance(value, tuple | list):
        return [_pack(v) for v in value]
    if isinstance(value, np.ndarray | np.generic):
        array = np.asarray(value)
        data = array.astype(array.dtype.newbyteorder("<")).tobytes()
        return {"dtype": str(array.dtype), "shape": list(array.shape), "data": base64.b64encode(data).decode()}
    return value  # None and Python's numbers


def _unpack(value: Any) -> Any:
    if isinstance(value, list):
        return tuple(_unpack(v) for v in value)
    if not isinstance(value, dict):
        return value
    if "raises" in value:
        return Raises(value["raises"], value["message"])
    if "base" in value:
        return Plus(_unpack(value["base"]), _unpack(value["direction"]))
    if "named" in value:
        return {name: _unpack(v) for name, v in value["named"].items()}
    dtype = np.dtype(value["dtype"])
    array = np.frombuffer(base64.b64decode(value["data"]), dtype.newbyteorder("<")).astype(dtype)
    return array.reshape(value["shape"])
