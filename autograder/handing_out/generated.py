"""A folder of generated files that others work in: refreshed without touching what they changed.

A marker file remembers the digest of every file that was written. Another run replaces those that are still as they
were written and adds new ones; a file that was changed since is somebody's work and stays, as does whatever was added.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from autograder.errors import BadInput
from autograder.rendering.shown import counted

SCHEMA = "autograder/generated/v1"


@dataclass(frozen=True)
class Change:
    """What a run did, as paths inside the folder; as text, for the person who asked for it.

    kept: files that were changed by hand since they were written and for which there is a newer text.
    """

    folder: Path
    written: tuple[str, ...]
    removed: tuple[str, ...]
    kept: tuple[str, ...]

    def __str__(self) -> str:
        done = ((self.written, "written"), (self.removed, "removed"))
        counts = [f"{counted(len(names), 'file')} {what}" for names, what in done if names]
        lines = [f"{self.folder}: {', '.join(counts) or 'nothing to do'}"]
        return "\n".join([*lines, *(f"changed by hand, left as it is: {name}" for name in self.kept)])


def write_folder(
    folder: Path,
    files: Mapping[str, bytes],
    *,
    marker: str,
    command: str,
    holds: str = "",
    executable: Collection[str] = (),
) -> Change:
    """Makes the folder, or brings it up to date.

    Args:
        files: the data by path in it.
        marker: the name of the marker file; command: what makes such folders, for messages.
        holds: what the folder is, where the command makes several things; one is never made of another.
        executable: the files that are programs.
    Raises:
        BadInput: the folder is somebody else's, holds something else, or cannot be written.
    """
    before = _read_marker(folder, marker, command, holds)
    now = {name: hashlib.sha256(data).hexdigest() for name, data in files.items()}
    try:
        there = {name: _digest_of(folder / name) for name in {*files, *before}}
        stale = [name for name in files if there[name] != now[name]]
        written = sorted(name for name in stale if there[name] in (None, before.get(name)))
        kept = sorted(set(stale) - set(written))
        removed = sorted(name for name in before if name not in files and there[name] == before[name])
        folder.mkdir(parents=True, exist_ok=True)
        # Known before any file is there, so that a folder that could not be finished can be refreshed.
        _write_marker(folder / marker, holds, {**before, **{name: now[name] for name in written}})
        for name in written:
            replace_bytes(folder / name, files[name], mode=0o755 if name in executable else 0o644)
        for name in removed:
            (folder / name).unlink()
        remembered = {name: digest for name, digest in before.items() if name in kept}
        _write_marker(folder / marker, holds, {**{n: d for n, d in now.items() if n not in kept}, **remembered})
    except OSError as error:
        raise BadInput(f"cannot write {folder}: {error.strerror or error}") from error
    return Change(folder, tuple(written), tuple(removed), tuple(kept))


def refuse_repository(made: Path, *sources: Path, what: str) -> None:
    """Keeps what is made for others out of the repository that holds the solutions, and the other way round."""
    for source in sources:
        checkout = next((p for p in source.parents if (p / ".git").exists()), source.parent)
        if made.is_relative_to(checkout):
            raise BadInput(f"the {what} {made} would lie inside the repository {checkout}; choose a folder outside")
        if checkout.is_relative_to(made):
            raise BadInput(f"the repository {checkout} would lie inside the {what} {made}; choose another folder")


def _read_marker(folder: Path, marker: str, command: str, holds: str) -> dict[str, str]:
    """The digests of an earlier run; none where a folder can begin: in an empty one, or a repository without files."""
    if folder.exists() and not folder.is_dir():
        raise BadInput(f"{folder} is a file; name a folder")
    if not folder.exists() or not {p.name for p in folder.iterdir()} - {".git"}:
        return {}
    path = folder / marker
    if not path.is_file():
        raise BadInput(f"{folder} is not empty and was not made by {command}; choose an empty folder")
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        if data["schema"] != SCHEMA:
            raise ValueError(f"its schema is {data['schema']}")
        for name in data["files"]:
            if PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts:
                raise ValueError(f"it names {name!r}, which lies outside")
        files = {str(name): str(digest) for name, digest in data["files"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise BadInput(f"{path} cannot be read ({error}); restore it, or choose an empty folder") from error
    if data.get("holds", holds) != holds:
        raise BadInput(f"{folder} holds {data['holds']}; choose another folder for {holds}")
    return files


def _write_marker(path: Path, holds: str, digests: Mapping[str, str]) -> None:
    what = {"holds": holds} if holds else {}
    text = json.dumps({"schema": SCHEMA, **what, "files": dict(sorted(digests.items()))}, indent=1) + "\n"
    replace_bytes(path, text.encode(), mode=0o644)


def _digest_of(path: Path) -> str | None:
    if path.is_symlink() or (path.exists() and not path.is_file()):
        return "something else"
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else None


def replace_bytes(path: Path, data: bytes, *, mode: int) -> None:
    """Writes a file whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".writing-")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        os.chmod(temporary, mode)
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise
