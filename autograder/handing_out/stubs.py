"""Keeps what is derived from `solutions/` in step with it: the stubs of `layers/` and the public answer keys."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import numpy as np

from autograder.catalogue import Catalogue
from autograder.release import GENERATED, key_text, stub_file

# Another processor rounds a product or an exponential differently in its last bits; such a key is not out of date.
SAME = 1e-9


def derived_files(catalogue: Catalogue, layers_dir: Path, keys_dir: Path) -> dict[Path, str]:
    """Every stub and public key, as text by path."""
    files = {Path(layers_dir) / layer.path.name: stub_file(layer) for layer in catalogue.layers}
    for exercise in catalogue.exercises():
        files[Path(keys_dir) / f"{exercise.name}.json"] = key_text(exercise)
    return files


def stale_files(catalogue: Catalogue, layers_dir: Path, keys_dir: Path) -> list[Path]:
    """The stubs and keys that are missing, out of date, or left over from a solutions file that is gone."""
    files = derived_files(catalogue, layers_dir, keys_dir)
    stubs = [p for p in Path(layers_dir).glob("*.py") if p.read_text(encoding="utf-8").startswith(GENERATED)]
    left_over = {*stubs, *Path(keys_dir).glob("*.json")} - set(files)
    return sorted(left_over | {path for path, text in files.items() if not _up_to_date(path, text)})


def write_stubs(catalogue: Catalogue, layers_dir: Path, keys_dir: Path) -> list[Path]:
    """Brings stubs and public keys up to date; returns the files that it wrote or removed."""
    files = derived_files(catalogue, layers_dir, keys_dir)
    stale = stale_files(catalogue, layers_dir, keys_dir)
    for path in stale:
        if path in files:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(files[path], encoding="utf-8")
        else:
            path.unlink()
    return stale


def _up_to_date(path: Path, text: str) -> bool:
    if not path.is_file():
        return False
    there = path.read_text(encoding="utf-8")
    if there == text or path.suffix != ".json":
        return there == text
    try:
        return _same(json.loads(there), json.loads(text))
    except ValueError:
        return False


def _same(a: Any, b: Any) -> bool:
    """Whether two parsed keys agree, their arrays up to rounding."""
    if isinstance(a, dict) and isinstance(b, dict):
        if a.keys() != b.keys():
            return False
        if a.keys() == {"dtype", "shape", "data"} and a["data"] != b["data"]:
            return a["shape"] == b["shape"] and a["dtype"] == b["dtype"] and _close(_array(a), _array(b))
        return all(_same(a[key], b[key]) for key in a)
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(_same, a, b))
    if isinstance(a, float) and isinstance(b, float):
        return _close(np.float64(a), np.float64(b))
    return a == b


def _array(packed: dict) -> np.ndarray:
    return np.frombuffer(base64.b64decode(packed["data"]), np.dtype(packed["dtype"]).newbyteorder("<"))


def _close(a: np.ndarray, b: np.ndarray) -> bool:
    scale = np.max(np.abs(a), where=np.isfinite(a), initial=0)
    return a.shape == b.shape and np.allclose(a, b, rtol=SAME, atol=SAME * scale, equal_nan=True)
