"""A notebook's bytes, read within limits and repaired where that is harmless, into the sources of its code cells."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

from ..calls import Source
from .problem import BrokenSubmission

MAX_CELLS = 2000
BIG = 1 << 20
MAX_ITEMS = 3_000_000  # values in the JSON: each costs up to a hundred bytes of memory however short it is written
# A string of JSON, or what one that is not closed leaves: with each quote mark tried anew, that would take for ever.
STRING = re.compile(r'"(?:[^"\\]|\\.)*+"?', re.DOTALL)


def decode(data: bytes) -> tuple[str, str]:
    """A text file's characters, and a remark on what had to be repaired."""
    for mark, encoding in ((b"\xef\xbb\xbf", "utf-8-sig"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16")):
        if data.startswith(mark):
            return data.decode(encoding, "replace"), "" if encoding == "utf-8-sig" else "it was read as UTF-16"
    try:
        return data.decode("utf-8"), ""
    except UnicodeDecodeError:
        return data.decode("latin-1"), "it is not UTF-8 and was read as Latin-1"


def defines(code: str, name: str) -> bool:
    """Whether `def name(` occurs; nothing is parsed."""
    return re.search(rf"^[ \t]*(?:async[ \t]+)?def[ \t]+{re.escape(name)}[ \t]*\(", code, re.MULTILINE) is not None


def notebook_sources(data: bytes, stubs: Mapping[str, str]) -> tuple[list[Source], list[str]]:
    """The code cells of a notebook, in order, with the answer cells marked."""
    remarks: list[str] = []
    if not data.strip():
        raise BrokenSubmission("this file is not a notebook: it is empty")
    text, note = decode(data)
    if note:
        remarks.append(f"the notebook: {note}")
    cells = _code_cells(notebook_json(text))
    if len(cells) > MAX_CELLS:
        raise BrokenSubmission(f"the notebook has more than {MAX_CELLS} code cells")
    answers: dict[int, list[str]] = {}
    for name, own in _answer_cells(cells, stubs, remarks).items():
        for at in own:
            answers.setdefault(at, []).append(name)
    sources = []
    for at, (number, code, _) in enumerate(cells):
        names = tuple(answers.get(at, ()))
        untouched = any(_same(code, stubs[name]) for name in names if name in stubs)
        sources.append(Source(f"cell {number}", code, answers=names, untouched=untouched))
    return sources, remarks


def notebook_json(text: str) -> object:
    """The content of a notebook's text, whatever it is; raises BrokenSubmission."""
    if len(text) > BIG and sum(map(STRING.sub("", text).count, ",[{")) > MAX_ITEMS:
        raise BrokenSubmission("this file is not a notebook: it holds too many values")
    try:
        return json.loads(text, strict=False)
    except (RecursionError, MemoryError):
        raise BrokenSubmission("this file is not a notebook: it is nested too deep") from None
    except ValueError as error:
        raise BrokenSubmission(f"this file is not a notebook: it is not JSON ({_short(error)})") from None


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
            source = "".join([line for line in source if isinstance(line, str)])
        if not isinstance(source, str):
            continue
        metadata = cell.get("metadata")
        nbgrader = metadata.get("nbgrader") if isinstance(metadata, dict) else None
        grade_id = nbgrader.get("grade_id") if isinstance(nbgrader, dict) else None
        # lone surrogates, which JSON can spell, cannot be encoded again
        code = source.encode("utf-8", "replace").decode("utf-8")
        cells.append((number, code, grade_id if isinstance(grade_id, str) else ""))
    return cells


def _answer_cells(cells, stubs: Mapping[str, str], remarks: list[str]) -> dict[str, tuple[int, ...]]:
    """Function name -> its answer cells: those with its name as nbgrader's grade_id, else the one that defines it.

    Of several, copied by hand, the first that was filled in counts; which that is shows when they run.
    """
    answers: dict[str, tuple[int, ...]] = {}
    for at, (_, _, grade_id) in enumerate(cells):
        if grade_id in stubs or grade_id.isidentifier():
            answers[grade_id] = (*answers.get(grade_id, ()), at)
    for name, own in answers.items():
        if len(own) > 1:
            remarks.append(f"the answer cell of {name} occurs {len(own)} times; the first that was filled in counts")
    for name in stubs:
        defining = [at for at, (_, code, _) in enumerate(cells) if defines(code, name) and not _same(code, stubs[name])]
        if name not in answers and defining:
            answers[name] = (defining[-1],)  # its metadata is lost: the last definition counts, as in a kernel
    return answers


def _same(code: str, stub: str) -> bool:
    """Equal but for whitespace."""
    return "".join(code.split()) == "".join(stub.split())
