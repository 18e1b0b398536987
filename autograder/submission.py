"""What a submission is: a notebook, a `.py`, a folder or an archive, read as hostile input into `Source`s.

Nothing of a submission is parsed as Python, rendered or executed here. What cannot be read becomes a `Submission` with
its `problem` set; only a path that is missing or unreadable raises, since that is the caller's mistake.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import stat
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from .archives import ARCHIVES, BrokenSubmission, read_archive
from .calls import Source

MAX_NOTEBOOK = 64 << 20  # bytes: outputs and pictures are dropped, but a notebook may have many
MAX_PYTHON = 1 << 20
MAX_CODE = 4 << 20  # characters of code in one submission
MAX_CELLS = 2000
MAX_FILES = 200
MAX_ENTRIES = 20_000  # names looked at in one folder tree
MAX_DEPTH = 6
SKIPPED_FOLDERS = frozenset(
    ["__pycache__", "__MACOSX", "node_modules", "site-packages", "venv", "env", "build", "dist"]
)


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
    path = Path(path)
    student = path.stem if student is None else student
    kind = _stat(path).st_mode
    digest = hashlib.sha256()
    try:
        if stat.S_ISDIR(kind):
            files = _read_folder(path)
        elif not stat.S_ISREG(kind):
            raise BrokenSubmission("this is neither a file nor a folder")
        elif path.name.lower().endswith(ARCHIVES):
            files = read_archive(_read_file(path, MAX_NOTEBOOK), path.name)
        else:
            limit = MAX_PYTHON if path.suffix == ".py" else MAX_NOTEBOOK
            files = {path.name: _read_file(path, limit)}
        for name in sorted(files):
            data = files[name]
            digest.update(b"%d %d " % (len(name.encode("utf-8", "replace")), len(data)))
            digest.update(name.encode("utf-8", "replace") + data)
        sources, remarks = _sources(files, stubs or {}, assignment)
    except BrokenSubmission as error:
        digest.update(str(error).encode("utf-8", "replace"))
        return Submission(student, str(path), digest.hexdigest(), (), (), str(error))
    return Submission(student, str(path), digest.hexdigest(), sources, remarks)


def read_notebook_bytes(
    data: bytes, *, student: str = "", path: str = "notebook.ipynb", stubs: Mapping[str, str] | None = None
) -> Submission:
    """Reads a notebook's bytes as a submission of that notebook alone."""
    digest = hashlib.sha256(data).hexdigest()
    try:
        sources, remarks = _notebook_sources(data, stubs or {})
        _check_size(sources)
    except BrokenSubmission as error:
        return Submission(student, path, digest, (), (), str(error))
    return Submission(student, path, digest, tuple(sources), tuple(remarks))


# files


def _stat(path: Path) -> os.stat_result:
    try:
        return path.stat()
    except (FileNotFoundError, NotADirectoryError):
        raise FileNotFoundError(f"no such file or folder: {path}") from None
    except PermissionError:
        raise PermissionError(f"cannot read {path}: permission denied") from None
    except (OSError, ValueError) as error:
        raise FileNotFoundError(f"cannot read {path}: {error}") from None


def _read_file(path: Path, limit: int) -> bytes:
    """A regular file's bytes, opened without following a symlink and without waiting for a FIFO."""
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
    try:
        descriptor = os.open(path, flags)
    except PermissionError:
        raise PermissionError(f"cannot read {path}: permission denied") from None
    except OSError as error:
        raise BrokenSubmission(f"{path.name} cannot be opened: {error.strerror}") from None
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise BrokenSubmission(f"{path.name} is not a regular file")
        data = file.read(limit + 1)
    if len(data) > limit:
        raise BrokenSubmission(f"{path.name} is larger than {limit >> 20} MB")
    return data


def _wanted(name: str) -> bool:
    return name.endswith((".py", ".ipynb"))


def _read_folder(folder: Path) -> dict[str, bytes]:
    """The notebooks and `.py` files of a folder tree by relative path, without symlinks, devices and hidden folders."""
    files: dict[str, bytes] = {}
    total = 0
    for relative, path in _walk(folder):
        if len(files) >= MAX_FILES:
            raise BrokenSubmission(f"the folder holds more than {MAX_FILES} code files")
        data = _read_file(path, MAX_PYTHON if relative.endswith(".py") else MAX_NOTEBOOK)
        total += len(data)
        if total > 2 * MAX_NOTEBOOK:
            raise BrokenSubmission("the folder's code files are too large together")
        files[relative] = data
    return files


def _walk(folder: Path) -> Iterator[tuple[str, Path]]:
    pending, seen = [("", folder, 0)], 0
    while pending:
        prefix, here, depth = pending.pop(0)
        with os.scandir(here) as entries:
            listed = sorted(entries, key=lambda entry: entry.name)
        for entry in listed:
            seen += 1
            if seen > MAX_ENTRIES:
                raise BrokenSubmission(f"the folder holds more than {MAX_ENTRIES} entries")
            if entry.name.startswith(".") or entry.is_symlink():
                continue
            if entry.is_dir(follow_symlinks=False):
                if depth < MAX_DEPTH and entry.name not in SKIPPED_FOLDERS:
                    pending.append((f"{prefix}{entry.name}/", Path(entry.path), depth + 1))
            elif entry.is_file(follow_symlinks=False) and _wanted(entry.name):
                yield prefix + entry.name, Path(entry.path)


# sources


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
            cells, notes = _notebook_sources(files[name], stubs)
        except BrokenSubmission as error:
            problems.append(f"{name}: {error}" if python else str(error))
        else:
            sources += cells
            remarks += notes
    base = _import_folder(chosen, python)
    for name in python:
        text, note = _decode(files[name])
        if note:
            remarks.append(f"{name}: {note}")
        file = name.rpartition("/")[2]
        runs = not file.startswith(("test_", "conftest.", "setup."))
        sources.append(Source(name, text, module=_module(name, base), runs=runs))
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
        sources, remarks = _notebook_sources(data, stubs)
        _check_size(sources)
        return tuple(sources), tuple(remarks)
    raise BrokenSubmission(f"{name} is neither a notebook (.ipynb), a .py file nor an archive")


def _check_size(sources: Sequence[Source]) -> None:
    if sum(len(source.text) for source in sources) > MAX_CODE:
        raise BrokenSubmission(f"there is more code than {MAX_CODE >> 20} million characters")


def _decode(data: bytes) -> tuple[str, str]:
    """A text file's characters; what is not UTF-8 is repaired where that is harmless, and said."""
    for mark, encoding in ((b"\xef\xbb\xbf", "utf-8-sig"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16")):
        if data.startswith(mark):
            return data.decode(encoding, "replace"), "" if encoding == "utf-8-sig" else "read as UTF-16"
    try:
        return data.decode("utf-8"), ""
    except UnicodeDecodeError:
        return data.decode("latin-1"), "it is not UTF-8 and was read as Latin-1"


# notebooks


def _notebook_sources(data: bytes, stubs: Mapping[str, str]) -> tuple[list[Source], list[str]]:
    """The code cells of a notebook, in order, with the answer cells marked."""
    remarks: list[str] = []
    if not data.strip():
        raise BrokenSubmission("this file is not a notebook: it is empty")
    text, note = _decode(data)
    if note:
        remarks.append(f"the notebook: {note}")
    try:
        content = json.loads(text, strict=False)
    except RecursionError:
        raise BrokenSubmission("this file is not a notebook: it is nested too deep") from None
    except ValueError as error:
        raise BrokenSubmission(f"this file is not a notebook: it is not JSON ({_short(error)})") from None
    cells = _code_cells(content)
    if len(cells) > MAX_CELLS:
        raise BrokenSubmission(f"the notebook has more than {MAX_CELLS} code cells")
    answers = _answer_cells(cells, stubs, remarks)
    sources = []
    for at, (number, code, _) in enumerate(cells):
        names = tuple(name for name, cell in answers.items() if cell == at)
        untouched = bool(names) and any(_same(code, stubs[name]) for name in names if name in stubs)
        sources.append(Source(f"cell {number}", code, answers=names, untouched=untouched))
    return sources, remarks


def _short(error: Exception) -> str:
    return " ".join(str(error).split())[:120]


def _code_cells(content) -> list[tuple[int, str, str]]:
    """(number among all cells, code, nbgrader's grade_id or "") of each code cell; of version 4 or 3."""
    if not isinstance(content, dict):
        raise BrokenSubmission("this file is not a notebook: it has no cells")
    raw = content.get("cells")
    if raw is None and isinstance(content.get("worksheets"), list):
        sheets = [sheet.get("cells") for sheet in content["worksheets"] if isinstance(sheet, dict)]
        raw = [cell for sheet in sheets if isinstance(sheet, list) for cell in sheet]
    if not isinstance(raw, list):
        raise BrokenSubmission("this file is not a notebook: it has no cells")
    cells = []
    for number, cell in enumerate(raw, 1):
        if not isinstance(cell, dict) or cell.get("cell_type") != "code":
            continue
        source = cell.get("source", cell.get("input", ""))
        if isinstance(source, list):
            source = "".join(line for line in source if isinstance(line, str))
        if not isinstance(source, str):
            continue
        metadata = cell.get("metadata")
        nbgrader = metadata.get("nbgrader") if isinstance(metadata, dict) else None
        grade_id = nbgrader.get("grade_id") if isinstance(nbgrader, dict) else None
        # lone surrogates, which JSON can spell, cannot be encoded again
        code = source.encode("utf-8", "replace").decode("utf-8")
        cells.append((number, code, grade_id if isinstance(grade_id, str) else ""))
    return cells


def _answer_cells(cells, stubs: Mapping[str, str], remarks: list[str]) -> dict[str, int]:
    """Function name -> the index of its answer cell: by nbgrader's grade_id, else the cell that defines it."""
    answers = {}
    for name, stub in stubs.items():
        own = [at for at, (_, _, grade_id) in enumerate(cells) if grade_id == name]
        if not own:
            own = [at for at, (_, code, _) in enumerate(cells) if defines(code, name)]
            # the last definition counts where metadata is lost, as it would in a kernel
            own = own[::-1]
        elif len(own) > 1:
            remarks.append(f"the answer cell of {name} occurs {len(own)} times; the first that was filled in counts")
        if own:
            answers[name] = next((at for at in own if not _same(cells[at][1], stub)), own[0])
    return answers


def defines(code: str, name: str) -> bool:
    return re.search(rf"^[ \t]*(?:async[ \t]+)?def[ \t]+{re.escape(name)}[ \t]*\(", code, re.MULTILINE) is not None


def _same(code: str, stub: str) -> bool:
    """Equal but for whitespace."""
    return "".join(code.split()) == "".join(stub.split())


# many submissions


def find_submissions(path: str | os.PathLike, *, assignment: str, student: str | None = None) -> list[tuple[str, Path]]:
    """(student, path) of every submission at `path`, sorted by student.

    A single file or archive, or a folder that holds a notebook, a `.py` file or `layers/`, is one submission. A folder
    of those is a class, each entry a student named after it; in nbgrader's `submitted/`, `<student>/<assignment>/`.
    """
    path = Path(path)
    if not stat.S_ISDIR(_stat(path).st_mode):
        return [(student or _stem(path.name), path)]
    if _is_submission(path):
        return [(student or path.resolve().name, path)]
    found = []
    for name in sorted(_names(path)):
        entry = path / name
        if name.startswith(".") or name in SKIPPED_FOLDERS or entry.is_symlink():
            continue
        if entry.is_dir():
            inner = entry / assignment
            found.append((name, inner if inner.is_dir() and not inner.is_symlink() else entry))
        elif name.lower().endswith(ARCHIVES):
            found.append((_stem(name), entry))
    if student is not None:
        found = [(student, found[0][1])] if len(found) == 1 else [entry for entry in found if entry[0] == student]
    if not found:
        raise FileNotFoundError(
            f"no submission in {path}: no notebook, .py file, layers/, archive or folder of a student"
        )
    return found


def _names(folder: Path) -> list[str]:
    try:
        return os.listdir(folder)
    except PermissionError:
        raise PermissionError(f"cannot read {folder}: permission denied") from None


def _is_submission(folder: Path) -> bool:
    """Whether a folder is one submission rather than a class: its files say so."""
    for name in _names(folder):
        entry = folder / name
        if name.startswith(".") or entry.is_symlink():
            continue
        if _wanted(name) and entry.is_file() and name not in ("conftest.py", "nbgrader_config.py"):
            return True
        if name == "layers" and entry.is_dir():
            return True
    return False


def _stem(name: str) -> str:
    for ending in ARCHIVES:
        if name.lower().endswith(ending):
            return name[: -len(ending)]
    return Path(name).stem


def guess_assignment(paths: Sequence[str | os.PathLike], names_by_assignment: Mapping[str, Sequence[str]]) -> str:
    """The assignment most of whose functions the submissions define, found by searching their bytes for `def name(`.

    Raises: ValueError with one line that says what to do, where none or several fit equally.
    """
    counts = dict.fromkeys(names_by_assignment, 0)
    for path in paths:
        submission = read_submission(path)
        text = "\n".join(source.text for source in submission.sources)
        for assignment, names in names_by_assignment.items():
            counts[assignment] += sum(defines(text, name) for name in names)
    best = max(counts.values(), default=0)
    fitting = [assignment for assignment, count in counts.items() if count == best]
    known = ", ".join(sorted(counts))
    if best == 0:
        raise ValueError(f"no function of any assignment is defined there; name it with --assignment ({known})")
    if len(fitting) > 1:
        raise ValueError(f"it could be {' or '.join(fitting)}; say which with --assignment")
    return fitting[0]
