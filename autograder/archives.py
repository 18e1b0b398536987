"""Reads a submitted archive in memory: nothing is written, no path in it is trusted, no size it claims is believed."""

from __future__ import annotations

import io
import stat
import tarfile
import zipfile
import zlib

ARCHIVES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")
MAX_MEMBERS = 5000
MAX_MEMBER = 64 << 20
MAX_TOTAL = 128 << 20
MAX_DEPTH = 8
SKIPPED = ("__MACOSX/",)


class BrokenSubmission(ValueError):
    """A submission that cannot be read, in a sentence its author can understand."""


def read_archive(data: bytes, name: str) -> dict[str, bytes]:
    """The notebooks and `.py` files of an archive by their relative path; raises BrokenSubmission for a hostile one."""
    try:
        files = _read_zip(data) if name.lower().endswith(".zip") else _read_tar(data)
    except BrokenSubmission:
        raise
    except (zipfile.BadZipFile, tarfile.TarError, zlib.error, EOFError, OSError, ValueError, RuntimeError) as error:
        raise BrokenSubmission(f"this archive cannot be read: {_short(error)}") from None
    except (NotImplementedError, MemoryError, RecursionError, LookupError, OverflowError) as error:
        raise BrokenSubmission(f"this archive cannot be read: {type(error).__name__}") from None
    return _without_common_folder(files)


def _short(error: Exception) -> str:
    return " ".join(str(error).split())[:120] or type(error).__name__


def _path(name: str) -> str | None:
    """The member's path if it is a plain relative one worth reading, else None; raises for one that climbs out."""
    name = name.replace("\\", "/")
    parts = [part for part in name.split("/") if part not in ("", ".")]
    if ".." in parts or name.startswith("/") or ":" in name or "\0" in name:
        raise BrokenSubmission("this archive holds a path that leads out of it")
    if not parts or len(parts) > MAX_DEPTH or any(part.startswith(".") for part in parts) or name.startswith(SKIPPED):
        return None
    return "/".join(parts) if name.endswith((".py", ".ipynb")) else None


class _Budget:
    def __init__(self):
        self.total, self.files = 0, {}

    def add(self, path: str, stream) -> None:
        if path in self.files:
            raise BrokenSubmission(f"this archive holds {path} twice")
        data = stream.read(MAX_MEMBER + 1)  # what it unpacks to is counted, not what it says
        self.total += len(data)
        if len(data) > MAX_MEMBER or self.total > MAX_TOTAL:
            raise BrokenSubmission("this archive unpacks to more than a submission needs")
        self.files[path] = data


def _read_zip(data: bytes) -> dict[str, bytes]:
    budget = _Budget()
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        members = archive.infolist()
        if len(members) > MAX_MEMBERS:
            raise BrokenSubmission(f"this archive has more than {MAX_MEMBERS} members")
        for member in members:
            path = _path(member.filename)
            kind = stat.S_IFMT(member.external_attr >> 16)
            if path is None or member.is_dir() or kind not in (0, stat.S_IFREG):
                continue
            if member.flag_bits & 1:
                raise BrokenSubmission("this archive is locked with a password")
            with archive.open(member) as stream:
                budget.add(path, stream)
    return budget.files


def _read_tar(data: bytes) -> dict[str, bytes]:
    budget = _Budget()
    with tarfile.open(fileobj=_Counted(data), mode="r:*") as archive:
        for count, member in enumerate(archive):
            if count >= MAX_MEMBERS:
                raise BrokenSubmission(f"this archive has more than {MAX_MEMBERS} members")
            path = _path(member.name)
            if path is None or not member.isreg() or member.issparse():
                continue
            stream = archive.extractfile(member)
            if stream is not None:
                budget.add(path, stream)
    return budget.files


def _Counted(data: bytes) -> io.BytesIO:
    """The archive's bytes, unpacked within the limit first: a tar reader skips over members by unpacking them."""
    import bz2
    import gzip
    import lzma

    for start, module in ((b"\x1f\x8b", gzip), (b"BZh", bz2), (b"\xfd7zXZ", lzma)):
        if data.startswith(start):
            with module.open(io.BytesIO(data)) as stream:
                plain = stream.read(MAX_TOTAL + 1)
            if len(plain) > MAX_TOTAL:
                raise BrokenSubmission("this archive unpacks to more than a submission needs")
            return io.BytesIO(plain)
    return io.BytesIO(data)


def _without_common_folder(files: dict[str, bytes]) -> dict[str, bytes]:
    """A folder that was packed as a whole is looked into: `alice/layers/x.py` is `layers/x.py`."""
    while files:
        heads = {path.partition("/")[0] for path in files}
        if len(heads) != 1 or any("/" not in path for path in files) or heads == {"layers"}:
            break
        files = {path.partition("/")[2]: data for path, data in files.items()}
    return files
