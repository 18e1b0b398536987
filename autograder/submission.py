"""What a submission is: a notebook, a `.py`, a folder or an archive, read as hostile input into `Source`s.

Nothing of a submission is parsed as Python, rendered or executed here. What cannot be read becomes a `Submission` with
its `problem` set; only a path that is missing or closed raises, since that is the caller's mistake.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from .calls import Source
from .intake.archives import ARCHIVES, read_archive
from .intake.classes import find_submissions, meant_otherwise
from .intake.files import MAX_RAW, Files, read_file, read_folder, stat_of
from .intake.notebooks import MAX_CELLS, decode, defines, notebook_json, notebook_sources
from .intake.problem import BrokenSubmission
from .sandbox.problems import clean

__all__ = [
    "MAX_CELLS",
    "MAX_RAW",
    "BrokenSubmission",
    "Handed",
    "Submission",
    "decode",
    "find_submissions",
    "guess_assignment",
    "meant_otherwise",
    "notebook_json",
    "read_file",
    "read_handed",
    "read_notebook_bytes",
    "read_submission",
    "submission_of",
]

MAX_CODE = 4 << 20  # characters of code in one submission
GUESSES = 50  # submissions that are looked into to learn which assignment it is


@dataclass(frozen=True)
class Submission:
    """One student's code.

    digest: sha256 of the bytes that matter, so that an unchanged submission need not be graded again.
    problem: why nothing could be read, "this file is not a notebook: ..."; `sources` is empty then.
    """

    student: str
    path: str
    digest: str
    sources: tuple[Source, ...]
    remarks: tuple[str, ...] = ()
    problem: str = ""


@dataclass(frozen=True)
class Handed:
    """What was handed in, as bytes; nothing of it has been looked into, and it can be sent elsewhere to be graded.

    digest: sha256 of the files' names and bytes, or of why there are none.
    problem: why nothing could be read; `files` is empty then.
    """

    digest: str
    files: Files
    problem: str = ""


def read_handed(path: str | os.PathLike) -> Handed:
    """Reads the files of a submission.

    Raises:
        FileNotFoundError, PermissionError: with a sentence for the command line.
    """
    digest = hashlib.sha256()
    try:
        files = _read(Path(path))
    except BrokenSubmission as error:
        return Handed(hashlib.sha256(str(error).encode("utf-8", "replace")).hexdigest(), Files(), str(error))
    for name in sorted(files.data):
        digest.update(b"%d %d " % (len(name.encode("utf-8", "replace")), len(files.data[name])))
        digest.update(name.encode("utf-8", "replace") + files.data[name])
    return Handed(digest.hexdigest(), files)


def submission_of(
    handed: Handed,
    *,
    student: str,
    path: str,
    stubs: Mapping[str, str] | None = None,
    assignment: str | None = None,
) -> Submission:
    """The submission that was handed in; arguments as of `read_submission`."""
    try:
        if handed.problem:
            raise BrokenSubmission(handed.problem)
        sources, remarks = _sources(handed.files.data, stubs or {}, assignment)
    except BrokenSubmission as error:
        return Submission(student, path, handed.digest, (), (), clean(str(error)))
    remarks = tuple(clean(remark) for remark in (*handed.files.remarks, *remarks))
    return Submission(student, path, handed.digest, sources, remarks)


def read_submission(
    path: str | os.PathLike,
    *,
    student: str | None = None,
    stubs: Mapping[str, str] | None = None,
    assignment: str | None = None,
) -> Submission:
    """Reads a submission.

    Args:
        path: a notebook, a `.py`, an archive, or a folder that holds any of these.
        student: whose it is; None for the path's stem.
        stubs: function name -> the text of its untouched answer cell.
        assignment: where a folder holds several notebooks, the one of that name is taken.
    Raises:
        FileNotFoundError, PermissionError: with a sentence for the command line.
    """
    student = Path(path).stem if student is None else student
    return submission_of(read_handed(path), student=student, path=str(path), stubs=stubs, assignment=assignment)


def _read(path: Path) -> Files:
    kind = stat_of(path).st_mode
    if stat.S_ISDIR(kind):
        return read_folder(path)
    if not stat.S_ISREG(kind):
        raise BrokenSubmission("this is neither a file nor a folder")
    try:
        data = read_file(path, follow=True)
    except PermissionError:
        raise PermissionError(f"cannot read {path}: permission denied") from None
    except OSError as error:
        raise BrokenSubmission(f"{path.name} cannot be read: {error.strerror}") from None
    return Files(read_archive(data, path.name) if path.name.lower().endswith(ARCHIVES) else {path.name: data})


def read_notebook_bytes(
    data: bytes, *, student: str = "", path: str = "notebook.ipynb", stubs: Mapping[str, str] | None = None
) -> Submission:
    """Reads a notebook's bytes as a submission of that notebook alone."""
    digest = hashlib.sha256(data).hexdigest()
    try:
        sources, remarks = notebook_sources(data, stubs or {})
        _check_size(sources)
    except BrokenSubmission as error:
        return Submission(student, path, digest, (), (), clean(str(error)))
    return Submission(student, path, digest, tuple(sources), tuple(clean(remark) for remark in remarks))


def _sources(files: dict[str, bytes], stubs: Mapping[str, str], assignment: str | None):
    """The sources among a submission's files: its notebook's cells, then its graded files, then importable helpers."""
    notebooks = sorted((name for name in files if name.endswith(".ipynb")), key=lambda name: (name.count("/"), name))
    python = sorted((name for name in files if name.endswith(".py")), key=lambda name: (name.count("/"), name))
    if not notebooks and not python:
        if len(files) == 1:
            return _lone_file(*next(iter(files.items())), stubs)
        raise BrokenSubmission("there is no notebook and no .py file here")
    sources: list[Source] = []
    remarks: list[str] = []
    problems: list[str] = []
    chosen = [name for name in notebooks if assignment and Path(name).stem == assignment] or notebooks[:1]
    if len(notebooks) > 1:
        remarks.append(f"{len(notebooks)} notebooks were handed in; {chosen[0]} was graded")
    for name in chosen[:1]:
        try:
            cells, notes = notebook_sources(files[name], stubs)
        except BrokenSubmission as error:
            problems.append(f"{name}: {error}" if python else str(error))
        else:
            sources += cells
            remarks += notes
    base = _import_folder(chosen, python)
    for name in python:
        text, note = decode(files[name])
        if note:
            remarks.append(f"{name}: {note}")
        file = name.rpartition("/")[2]
        runs = not file.startswith(("test_", "conftest.", "setup."))
        sources.append(Source(clean(name, 200), text, module=_module(name, base), runs=runs))
    if not sources:
        raise BrokenSubmission(problems[0] if problems else "the notebook holds no code")
    _check_size(sources)
    return tuple(sources), tuple(remarks + problems)


def _import_folder(notebooks: Sequence[str], python: Sequence[str]) -> str:
    """The folder from which a submission's own files are imported: the notebook's, or the one that holds `layers/`."""
    if notebooks:
        return notebooks[0].rpartition("/")[0]
    layers = [name.split("/layers/")[0] for name in python if "/layers/" in name and not name.startswith("layers/")]
    return layers[0] if layers else ""


def _module(name: str, base: str) -> str:
    """The name by which a file is imported: layers/sigmoid.py is layers.sigmoid, layers/__init__.py is layers."""
    if base and name.startswith(base + "/"):
        name = name[len(base) + 1 :]
    name = name.removesuffix(".py").removesuffix("/__init__")
    return name.replace("/", ".")


def _lone_file(name: str, data: bytes, stubs: Mapping[str, str]):
    """A single file of another name: a notebook by its content, else not a submission."""
    if data.lstrip()[:1] == b"{":
        sources, remarks = notebook_sources(data, stubs)
        _check_size(sources)
        return tuple(sources), tuple(remarks)
    raise BrokenSubmission(f"{name} is neither a notebook (.ipynb), a .py file nor an archive")


def _check_size(sources: Sequence[Source]) -> None:
    if sum(len(source.text) for source in sources) > MAX_CODE:
        raise BrokenSubmission(f"there is more code than {MAX_CODE >> 20} million characters")


def guess_assignment(paths: Sequence[str | os.PathLike], names_by_assignment: Mapping[str, Sequence[str]]) -> str:
    """The assignment most of whose functions the submissions define, found by searching their text for `def name(`.

    Raises: ValueError with one line that says what to do, where none or several fit equally.
    """
    counts = dict.fromkeys(names_by_assignment, 0)
    entries = [entry for path in paths for _, entry in find_submissions(path, assignment="")]
    for entry in entries[:GUESSES]:
        try:
            text = "\n".join(source.text for source in read_submission(entry).sources)
        except PermissionError:
            continue  # one student's folder is closed; it gets its reason when it is graded
        for assignment, names in names_by_assignment.items():
            counts[assignment] += sum(defines(text, name) for name in names)
    best = max(counts.values(), default=0)
    fitting = sorted(assignment for assignment, count in counts.items() if count == best)
    if best == 0:
        known = ", ".join(sorted(counts))
        raise ValueError(f"no function of any assignment is defined there; name it with --assignment ({known})")
    if len(fitting) > 1:
        raise ValueError(f"it could be {' or '.join(fitting)}; say which with --assignment")
    return fitting[0]
