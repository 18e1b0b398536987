"""Reads a submitted archive in memory: nothing is written, no path in it is trusted, no size it claims is believed."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import stat
import tarfile
import zipfile
import zlib

from .files import MAX_FILES, read_code
from .problem import BrokenSubmission

ARCHIVES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")
MAX_MEMBERS = 5000
MAX_UNPACKED = 512 << 20  # bytes, outputs of notebooks included
MAX_TOTAL = 128 << 20  # bytes without them
MAX_DEPTH = 8
MAX_HEADER = 8192  # bytes of one extended header of a tar archive
MOVES = (b"size=", b"hdrcharset=", b"GNU.sparse")
CENTRAL_RECORD = b"PK\x01\x02"  # one for each member of a zip archive
SKIPPED = ("__MACOSX/",)
TOO_MUCH = "this archive unpacks to more than a submission needs"


def read_archive(data: bytes, name: str) -> dict[str, bytes]:
    """The notebooks and `.py` files of an archive by their relative path; raises BrokenSubmission for a hostile one."""
    try:
        files = _read_zip(data) if name.lower().endswith(".zip") else _read_tar(data)
    except BrokenSubmission:
        raise
    except (
        zipfile.BadZipFile,
        tarfile.TarError,
        zlib.error,
        lzma.LZMAError,
        EOFError,
        OSError,
        ValueError,
        RuntimeError,
    ) as error:
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
        self.unpacked, self.total, self.files = 0, 0, {}

    def add(self, path: str, stream) -> None:
        if path in self.files:
            raise BrokenSubmission(f"this archive holds {path} twice")
        if len(self.files) >= MAX_FILES:
            raise BrokenSubmission(f"this archive holds more than {MAX_FILES} code files")
        try:
            data = read_code(_Counted(stream, self), path)
        except BrokenSubmission as error:
            raise BrokenSubmission(f"{TOO_MUCH}: {error}") from None
        self.total += len(data)
        if self.total > MAX_TOTAL:
            raise BrokenSubmission(TOO_MUCH)
        self.files[path] = data


class _Counted:
    """A member of an archive, as it is read: what it unpacks to is counted, not what it says."""

    def __init__(self, stream, budget: _Budget):
        self.stream, self.budget = stream, budget

    def read(self, size: int) -> bytes:
        data = self.stream.read(size)
        self.budget.unpacked += len(data)
        if self.budget.unpacked > MAX_UNPACKED:
            raise BrokenSubmission(f"it is larger than {MAX_UNPACKED >> 20} MB")
        return data


def _read_zip(data: bytes) -> dict[str, bytes]:
    budget = _Budget()
    if data.count(CENTRAL_RECORD) > MAX_MEMBERS:  # before each is made an object
        raise BrokenSubmission(f"this archive has more than {MAX_MEMBERS} members")
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        for member in archive.infolist():
            path = _path(member.filename)
            kind = stat.S_IFMT(member.external_attr >> 16)
            if path is None or member.is_dir() or kind not in (0, stat.S_IFREG):
                continue
            if member.flag_bits & 1:
                raise BrokenSubmission("this archive is locked with a password")
            if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                raise BrokenSubmission("this archive is packed in an unusual way; pack it again as a plain zip")
            with archive.open(member) as stream:
                budget.add(path, stream)
    return budget.files


def _read_tar(data: bytes) -> dict[str, bytes]:
    budget = _Budget()
    plain = _unpacked(data)
    _check_headers(plain)
    with tarfile.open(fileobj=io.BytesIO(plain), mode="r:") as archive:
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


def _unpacked(data: bytes) -> bytes:
    """A tar archive without its compression, within the limits of size and memory."""
    if data.startswith(b"\xfd7zXZ"):
        opened = lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=MAX_TOTAL)
        plain = opened.decompress(data, MAX_TOTAL + 1)
    elif data.startswith(b"\x1f\x8b"):
        plain = gzip.GzipFile(fileobj=io.BytesIO(data)).read(MAX_TOTAL + 1)
    elif data.startswith(b"BZh"):
        plain = bz2.BZ2File(io.BytesIO(data)).read(MAX_TOTAL + 1)
    else:
        plain = data
    if len(plain) > MAX_TOTAL:
        raise BrokenSubmission(TOO_MUCH)
    return plain


def _check_headers(plain: bytes) -> None:
    """Refuses extended headers in which a tar reader loses itself: long ones, and those that move the next header."""
    at = extended = count = 0
    while at + 512 <= len(plain) and plain[at] != 0:
        count += 1
        field = plain[at + 124 : at + 136].split(b"\0")[0].strip()
        size = int(field or b"0", 8)  # ValueError, for a size written in another way
        kind = plain[at + 156 : at + 157]
        if kind in b"xgXLK" and kind:
            body = plain[at + 512 : at + 512 + size]
            extended += size
            if size > MAX_HEADER or extended > 64 * MAX_HEADER or any(word in body for word in MOVES):
                raise BrokenSubmission("this archive has unusual headers; pack it again as a plain zip")
        if count > 3 * MAX_MEMBERS:
            raise BrokenSubmission(f"this archive has more than {MAX_MEMBERS} members")
        at += 512 + (size + 511) // 512 * 512


def _without_common_folder(files: dict[str, bytes]) -> dict[str, bytes]:
    """A folder that was packed as a whole is looked into: `alice/layers/x.py` is `layers/x.py`."""
    while files:
        heads = {path.partition("/")[0] for path in files}
        if len(heads) != 1 or any("/" not in path for path in files) or heads == {"layers"}:
            break
        files = {path.partition("/")[2]: data for path, data in files.items()}
    return files
