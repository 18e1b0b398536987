"""Finds functions that a student wrote earlier: in `layers/`, or in the notebook of another assignment.

Only imports, constants and definitions are taken from a file; nothing else in it runs.
"""

from __future__ import annotations

import ast
import json
import os
from pathlib import Path

import numpy as np

WHERE_TO_PUT_THEM = (
    "Put the notebook in which you wrote them beside this one (or in its own folder beside this folder), or your "
    'layers/ folder, or name the place: find_functions(..., where="path/to/it"). '
    "If you have not written them, ask whoever teaches the course for a layers/ folder that works."
)


class NotFoundYet(Exception):
    """Functions that are needed and were not found; the message says what to do."""


def find_functions(*names, where=None, needed=False):
    """Look for your own functions, and say where they were found.

    A forward and its backward are only taken together, from one file: they share a cache.

    Args:
        names: what they are called, "affine_forward".
        where: a notebook, a .py file or a folder; None to look beside this notebook, one folder up and in its
            neighbours.
        needed: True where nothing can go on without them.

    Returns:
        a dict from name to function; a name that was not found, or is still the stub, is missing from it.

    Raises:
        NotFoundYet: some were not found and are needed.
    """
    found, origins = {}, {}
    for path in _candidates(Path.cwd() if where is None else Path(where), look_around=where is None):
        defined = _functions_of(path, [name for name in names if name not in found])
        for name in defined:
            if all(partner in defined for partner in names if _layer(partner) == _layer(name)):
                found[name], origins[name] = defined[name], os.path.relpath(path)
        if len(found) == len(names):
            break
    missing = [name for name in names if name not in found]
    for name in names:
        print(f"{name}: " + (f"yours, from {origins[name]}" if name in found else "not found"))
    if missing and needed:
        raise NotFoundYet(f"{', '.join(missing)}: not found. {WHERE_TO_PUT_THEM}")
    if missing:
        print(WHERE_TO_PUT_THEM)
    return found


def _layer(name):
    return name.removesuffix("_forward").removesuffix("_backward")


def _candidates(start, look_around):
    """The files to look into, the nearest first."""
    if start.is_file():
        yield start
        return
    folders = [start]
    if look_around:
        neighbours = sorted(p for p in start.parent.iterdir() if p.is_dir() and p != start)
        folders += [start.parent, *(p for p in neighbours if not p.name.startswith("."))]
    for folder in folders:
        try:
            yield from sorted((folder / "layers").glob("*.py"))
            yield from sorted(folder.glob("*.ipynb"))
            if folder.name == "layers" or not look_around:
                yield from sorted(folder.glob("*.py"))
        except OSError:
            continue


def _functions_of(path, wanted):
    """The wanted functions that a file defines and that are written, not stubs."""
    try:
        text = path.read_text(encoding="utf-8")
        if path.suffix == ".ipynb":
            texts = ["".join(c["source"]) for c in json.loads(text)["cells"] if c["cell_type"] == "code"]
        else:
            texts = [text]
    except (OSError, ValueError, KeyError, TypeError):
        return {}
    if not any(f"def {name}(" in text for name in wanted for text in texts):
        return {}
    namespace, written = {"np": np}, set()
    for text in texts:
        for node in _definitions(text):
            try:
                exec(compile(ast.Module([node], []), str(path), "exec"), namespace)
            except Exception:  # an import that is not there, say; what needs it will tell
                continue
            if isinstance(node, ast.FunctionDef):
                (written.discard if _is_stub(node) else written.add)(node.name)
    return {name: namespace[name] for name in wanted if name in written}


def _definitions(text):
    plain = "\n".join("" if line.lstrip().startswith(("%", "!")) else line for line in text.splitlines())
    try:
        body = ast.parse(plain).body
    except SyntaxError:
        return []
    kinds = (ast.FunctionDef, ast.ClassDef, ast.Import, ast.ImportFrom)
    return [
        node
        for node in body
        if isinstance(node, kinds) or (isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant))
    ]


def _is_stub(node):
    return any(isinstance(n, ast.Raise) and "NotImplementedError" in ast.dump(n) for n in node.body)
