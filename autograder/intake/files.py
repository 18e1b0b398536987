"""Files and folders that strangers filled: sizes capped; no symlink, device or FIFO opened; names only compared."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from .outputs import without_outputs
from .problem import BrokenSubmission

MAX_NOTEBOOK = 64 << 20  # bytes without the outputs of its cells
MAX_RAW = 1 << 30  # bytes with them
SMALL = 1 << 20  # bytes of a notebook that is read as it is
MAX_PYTHON = 1 << 20
MAX_TOTAL = 128 << 20
MAX_FILES = 200
MAX_ENTRIES = 20_000  # names looked at in one folder tree
MAX_DEPTH = 6
MAX_REMARKS = 5
SKIPPED = frozenset(("__pycache__", "__MACOSX", "node_modules", "site-packages", "venv", "env", "build", "dist"))


@dataclass
class Files:
    """Code files by their relative path, and what was left out."""

    data: dict[str, bytes] = field(default_factory=dict)
    remarks: list[str] = field(default_factory=list)

    def leave_out(self, name: str, why: str) -> None:
        if len(self.remarks) < MAX_REMARKS:
            self.remarks.append(f"{name} was left out: {why}")


def wanted(name: str) -> bool:
    return name.endswith((".py", ".ipynb"))


def stat_of(path: Path) -> os.stat_result:
    """Raises FileNotFoundError or PermissionError with a sentence for the command line."""
    try:
        return path.stat()
    except (FileNotFoundError, NotADirectoryError):
        raise FileNotFoundError(f"no such file or folder: {path}") from None
    except PermissionError:
        raise PermissionError(f"cannot read {path}: permission denied") from None
    except (OSError, ValueError) as error:
        raise FileNotFoundError(f"cannot read {path}: {error}") from None


def read_file(path: Path, *, follow: bool = False) -> bytes:
    """A regular file's bytes; raises OSError, or BrokenSubmission for what is no code file of a sane size."""
    flags = os.O_RDONLY | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
    flags |= getattr(os, "O_NONBLOCK", 0)  # a FIFO that took the file's place would be waited for
    flags |= 0 if follow else getattr(os, "O_NOFOLLOW", 0)
    descriptor = os.open(path, flags)
    with os.fdopen(descriptor, "rb") as file:
        there = os.fstat(descriptor)
        if not stat.S_ISREG(there.st_mode):
            raise BrokenSubmission(f"{path.name} is not a regular file")
        return read_code(file, path.name, there.st_size)


def read_code(file: BinaryIO, name: str, size: int = SMALL) -> bytes:
    """The bytes of a code file, without the outputs of a large notebook; raises BrokenSubmission beyond the limits.

    size: how many bytes are expected, so that no more memory than that is asked for; there may be others.
    """
    notebook = name.endswith(".ipynb")
    data = file.read(min(size, SMALL) + 1)
    if len(data) == size + 1:  # it has grown
        data += file.read(SMALL - size)
    if notebook and len(data) > SMALL and not data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return without_outputs(_pieces(data, file, name), MAX_NOTEBOOK, name)
    limit = MAX_PYTHON if name.endswith(".py") else MAX_NOTEBOOK
    data += file.read(max(0, limit + 1 - len(data)))
    if len(data) > limit:
        raise BrokenSubmission(f"{name} is larger than {limit >> 20} MB")
    return data


def _pieces(first: bytes, file: BinaryIO, name: str) -> Iterator[bytes]:
    yield first
    size = len(first)
    while piece := file.read(SMALL):
        size += len(piece)
        if size > MAX_RAW:
            raise BrokenSubmission(f"{name} is larger than {MAX_RAW >> 20} MB")
        yield piece


def read_folder(folder: Path) -> Files:
    """The notebooks and `.py` files of a folder tree.

    Raises:
        PermissionError: the folder itself is closed.
        BrokenSubmission: there is too much, or nothing is left of what is there.
    """
    files, total, raw = Files(), 0, 0
    for name, path in _walk(folder, files):
        if len(files.data) >= MAX_FILES:
            raise BrokenSubmission(f"the folder holds more than {MAX_FILES} code files")
        try:
            size = path.lstat().st_size if name.endswith(".ipynb") else 0
            if raw + size > MAX_RAW:
                raise BrokenSubmission(f"the notebooks are larger than {MAX_RAW >> 20} MB")
            raw += size
            data = read_file(path)
        except (OSError, BrokenSubmission) as error:
            why = error.strerror if isinstance(error, OSError) else str(error).replace(path.name, "it", 1)
            files.leave_out(name, why or type(error).__name__)
            continue
        total += len(data)
        if total > MAX_TOTAL:
            raise BrokenSubmission("the folder's code files are too large together")
        files.data[name] = data
    if not files.data and files.remarks:
        raise BrokenSubmission(f"there is no notebook and no .py file here, since {'; '.join(files.remarks)}")
    return files


def _walk(folder: Path, files: Files) -> Iterator[tuple[str, Path]]:
    """(relative path, path) of the code files in a tree, the nearest first."""
    pending, seen = [("", folder, 0)], 0
    while pending:
        prefix, here, depth = pending.pop(0)
        for entry in _entries(here, files, prefix):
            seen += 1
            if seen > MAX_ENTRIES:
                raise BrokenSubmission(f"the folder holds more than {MAX_ENTRIES} entries")
            name = prefix + entry.name
            if entry.name.startswith("."):
                continue
            if entry.is_symlink():
                if wanted(name) or entry.name == "layers":
                    files.leave_out(name, "it is a symbolic link")
            elif entry.is_dir(follow_symlinks=False):
                if depth < MAX_DEPTH and entry.name not in SKIPPED:
                    pending.append((f"{name}/", Path(entry.path), depth + 1))
            elif wanted(name) and _is_plain(entry, here, name, files):
                yield name, Path(entry.path)


def _entries(folder: Path, files: Files, prefix: str) -> list[os.DirEntry]:
    entries = []
    try:
        with os.scandir(folder) as scan:
            for entry in scan:
                entries.append(entry)
                if len(entries) > MAX_ENTRIES:
                    break
    except OSError as error:
        if not prefix:
            raise PermissionError(f"cannot read {folder}: {error.strerror}") from None
        files.leave_out(prefix, error.strerror or "it cannot be read")
    return sorted(entries, key=lambda entry: entry.name)


def _is_plain(entry: os.DirEntry, folder: Path, name: str, files: Files) -> bool:
    """A regular file; and not a hard link to somebody else's."""
    if not entry.is_file(follow_symlinks=False):
        files.leave_out(name, "it is not a regular file")
        return False
    status = entry.stat(follow_symlinks=False)
    if os.name == "posix" and status.st_nlink > 1 and status.st_uid != folder.stat().st_uid:
        files.leave_out(name, "it is a hard link to a file of another owner")
        return False
    return True
