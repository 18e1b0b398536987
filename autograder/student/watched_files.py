"""Which code files lie at a path, and what tells that one was saved: its time, size and identity."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from autograder.intake.files import MAX_DEPTH, SKIPPED, wanted

# By path: time of the last change in ns, size, and the file's number, which changes where an editor renames.
Snapshot = Mapping[str, tuple[int, int, int]]

MOST = 2000  # files and folders that are looked at


def snapshot(path: Path) -> Snapshot:
    """The code files at a path; none where nothing is there, or nothing can be read at the moment."""
    if not path.is_dir():
        status = _stat(path)
        return {} if status is None else {str(path): status}
    return dict(_walk(path))


def newest(files: Snapshot) -> str:
    """The file that was saved last."""
    return max(files, key=lambda name: files[name][0])


def _stat(path: Path | str) -> tuple[int, int, int] | None:
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino


def _walk(folder: Path) -> Iterator[tuple[str, tuple[int, int, int]]]:
    pending, looked = [(str(folder), 0)], 0
    while pending:
        here, depth = pending.pop(0)
        try:
            entries = sorted(os.scandir(here), key=lambda entry: entry.name)
        except OSError:
            continue
        for entry in entries:
            looked += 1
            if looked > MOST:
                return
            if entry.name.startswith("."):
                continue
            if entry.is_dir(follow_symlinks=False):
                if depth < MAX_DEPTH and entry.name not in SKIPPED:
                    pending.append((entry.path, depth + 1))
            elif wanted(entry.name) and (status := _stat(entry.path)) is not None:
                yield entry.path, status
