"""What has been graded already, kept so that a run that was stopped goes on where it was.

One file in the results folder, one line an exercise of a submission: its address, a checksum and a JSON text. Lines are
only ever added, each in one write, so a killed process loses nothing it had written; the disk is told to hold them
once a batch. A line that is cut off or damaged is not found again, and its exercise is simply graded again.

    address = SHA-256(assignment, student, submission's digest, exercise's digest, secret's fingerprint, grader)
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import os
import platform
import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from autograder import __version__
from autograder.errors import BadInput
from autograder.results import full_disk, no_room, refuse_others

try:
    import fcntl
except ImportError:  # Windows: two runs into one folder at once are not told apart
    fcntl = None

FILE = ".graded"
SCHEMA = "autograder/graded/v1"
BATCH = 200  # entries between two calls of fsync
BATCH_SECONDS = 5.0
STALE = 4  # a file this many times larger than what of it is of use is written anew
SMALL = 1 << 20
READ_AHEAD = 1 << 18


@functools.cache
def grader_identity() -> str:
    """Changes whenever the grader could give another score: its version, its own code, numpy, Python."""
    digest = hashlib.sha256()
    root = Path(__file__).resolve().parents[1]
    for path in sorted(root.rglob("*.py")):
        digest.update(f"{path.relative_to(root)}\0".encode() + path.read_bytes() + b"\0")
    versions = f"{__version__} numpy {np.__version__} Python {platform.python_version()}"
    return f"{versions} {digest.hexdigest()[:12]}"


def address(
    *, assignment: str, student: str, submission: str, exercise: str, digest: str, secret: str, confine: str
) -> str:
    """Where the grading of one exercise of one submission is kept.

    submission, digest: the digests of what was handed in and of the exercise; secret: the course secret's fingerprint.
    """
    parts = [SCHEMA, grader_identity(), assignment, student, submission, exercise, digest, secret, confine]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:32]


class Cache:
    """The gradings kept in a results folder; `with` closes it, having told the disk to hold them.

    Args:
        folder: the results folder; made where it is missing.
        assignment, secret: of which every entry is; `secret` is the fingerprint.
    Raises:
        BadInput: it holds gradings of another assignment or secret, or another run is writing to it.
    """

    def __init__(self, folder: Path, *, assignment: str, secret: str):
        self.path = folder / FILE
        self.head = {"schema": SCHEMA, "assignment": assignment, "secret": secret}
        self.places: dict[str, tuple[int, int]] = {}
        check_kept(folder, assignment=assignment, secret=secret)
        folder.mkdir(parents=True, exist_ok=True)
        self._open()

    def _open(self) -> None:
        self.file = open(self.path, "a+b", buffering=0)  # noqa: SIM115
        self._lock()
        # A reader of its own, since what one run wrote is read in much the same order.
        self.reader = open(self.path, "rb", buffering=READ_AHEAD)  # noqa: SIM115
        self.end = self._scan()
        self.unsaved, self.saved_at = 0, time.monotonic()

    def __enter__(self) -> Cache:
        return self

    def __exit__(self, *exc) -> None:
        with contextlib.suppress(OSError):
            self.save()
        self._close()

    def _close(self) -> None:
        self.reader.close()
        self.file.close()

    def __contains__(self, place: str) -> bool:
        return place in self.places

    def get(self, place: str) -> dict | None:
        """What was kept under an address, or None."""
        if place not in self.places:
            return None
        start, length = self.places[place]
        self.reader.seek(start)
        return _payload(self.reader.read(length).partition(b" ")[2])

    def put(self, entries: Mapping[str, str]) -> None:
        """Keeps what was found, JSON texts in ASCII by their address.

        Raises:
            BadInput: there is no room left on the disk; everything kept before is kept still.
        """
        lines = {place: _line(place, text) for place, text in entries.items()}
        try:
            self._write(b"".join(lines.values()))
        except OSError as error:
            with contextlib.suppress(OSError):
                os.ftruncate(self.file.fileno(), self.end)
            if no_room(error):
                raise BadInput(full_disk(self.path.parent)) from error
            raise
        for place, line in lines.items():
            self.places[place] = (self.end, len(line))
            self.end += len(line)
        self.unsaved += len(lines)
        if self.unsaved >= BATCH or time.monotonic() - self.saved_at > BATCH_SECONDS:
            self.save()

    def save(self) -> None:
        """Has the disk hold everything: what is saved survives a power cut."""
        if self.unsaved:
            os.fsync(self.file.fileno())
        self.unsaved, self.saved_at = 0, time.monotonic()

    def tidy(self, used: set[str]) -> None:
        """Writes the file anew with the entries in use alone, where most of it is of no use any more."""
        live = sum(self.places[place][1] for place in used if place in self.places)
        if self.end <= STALE * live + SMALL:
            return
        fresh = self.path.with_name(f"{FILE}.{os.getpid()}")
        try:
            with open(fresh, "wb") as file:
                file.write(_head_line(self.head))
                for place in used & set(self.places):
                    start, length = self.places[place]
                    self.reader.seek(start)
                    file.write(self.reader.read(length))
                file.flush()
                os.fsync(file.fileno())
            os.replace(fresh, self.path)
        except OSError:  # it was a service only
            fresh.unlink(missing_ok=True)
            return
        self._close()
        self.places.clear()
        self._open()

    def _lock(self) -> None:
        if fcntl is None:
            return
        try:
            fcntl.flock(self.file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self.file.close()
            raise BadInput(f"another run is grading into {self.path.parent}; wait for it to end") from None
        except OSError:
            pass  # a file system without locks

    def _scan(self) -> int:
        """Notes where each sound entry stands; returns where the next one goes."""
        self.file.seek(0)
        with open(self.path, "rb") as file:
            if _head(file.readline()) is None:  # new, or cut off before anything was kept
                os.ftruncate(self.file.fileno(), 0)
                self._write(_head_line(self.head))
                return os.fstat(self.file.fileno()).st_size
            place, line = file.tell(), b""
            for line in file:
                key, _, rest = line.partition(b" ")
                if line.endswith(b"\n") and _sound(rest):
                    self.places[key.decode("ascii", "replace")] = (place, len(line))
                place += len(line)
        if line and not line.endswith(b"\n"):  # cut off: the next line must not be joined to it
            self._write(b"\n")
            place += 1
        return place

    def _write(self, data: bytes) -> None:
        rest = memoryview(data)
        while rest:
            rest = rest[self.file.write(rest) :]


def check_kept(folder: Path, *, assignment: str, secret: str) -> None:
    """Refuses a folder whose kept gradings are not of this assignment and secret; writes nothing."""
    try:
        with open(folder / FILE, "rb") as file:
            head = _head(file.readline())
    except FileNotFoundError:
        return
    except OSError as error:
        raise BadInput(f"{folder / FILE} cannot be read ({error.strerror}); choose another --out") from None
    if head is None:
        return
    if head.get("schema") != SCHEMA:
        raise BadInput(f"{folder} was graded into by another version of autograder; choose another --out")
    refuse_others(folder, head["assignment"], head["secret"], assignment, secret)


def _line(place: str, entry: str) -> bytes:
    text = entry.encode("ascii")
    return b"%s %s %s\n" % (place.encode(), _checksum(text), text)


def _checksum(text: bytes) -> bytes:
    return hashlib.sha256(text).hexdigest()[:16].encode()


def _sound(rest: bytes) -> bool:
    checksum, _, text = rest.partition(b" ")
    return checksum == _checksum(text.rstrip(b"\n"))


def _payload(rest: bytes) -> dict | None:
    """The entry behind an address; None where the disk gives back something else than what was written."""
    return json.loads(rest.partition(b" ")[2]) if _sound(rest) else None


def _head_line(head: dict) -> bytes:
    return json.dumps(head).encode() + b"\n"


def _head(line: bytes) -> dict | None:
    """The first line, read; None where it is cut off or none of ours."""
    try:
        head = json.loads(line) if line.endswith(b"\n") else None
    except ValueError:
        return None
    if not isinstance(head, dict) or not str(head.get("schema", "")).startswith("autograder/graded/"):
        return None
    if head["schema"] == SCHEMA and not (
        isinstance(head.get("assignment"), str) and isinstance(head.get("secret"), str)
    ):
        return None
    return head
