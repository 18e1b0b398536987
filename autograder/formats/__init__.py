"""The one canonical result, written as each consumer wants it: `write_formats(records, ["junit", ...], folder)`.

Every module here is a pure function from results.json's record to text. What students get to see is what `autograder
check` or a feedback page would show them: of a hidden case its name and reason, never its numbers.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from autograder.errors import BadInput
from autograder.formats import classroom50, github, gitlab, gradescope, junit, prairielearn, tables
from autograder.results import write_text

# Of a file's name without its ending: systems take 255 bytes, encrypted folders 143, and a temporary name is longer.
LONGEST, DIGITS = 100, 16


@dataclass(frozen=True)
class Format:
    """One consumer's file.

    name: what `--format` takes.
    file: what the file is called.
    of_run: records -> text, for a consumer that reads a whole run.
    of_one: (record, submission) -> text, for a consumer that reads one submission.
    check: raises BadInput where the format cannot be made here, whatever the record.
    """

    name: str
    file: str
    of_run: Callable[[Sequence[dict]], str] | None = None
    of_one: Callable[[dict, dict], str] | None = None
    check: Callable[[], None] | None = None


FORMATS = {
    f.name: f
    for f in (
        Format("classroom50", "classroom50.json", of_one=classroom50.text, check=classroom50.check),
        Format("csv", "scores.csv", of_run=tables.scores),
        Format("github", "summary.md", of_run=github.summary),
        Format("gitlab", "gitlab.json", of_run=gitlab.text),
        Format("gradescope", "gradescope.json", of_one=gradescope.text),
        Format("junit", "junit.xml", of_run=junit.text),
        Format("nbgrader", "nbgrader.csv", of_run=tables.nbgrader),
        Format("prairielearn", "prairielearn.json", of_one=prairielearn.text),
    )
}


def formats_called(names: Sequence[str]) -> list[Format]:
    """The formats of these names, each once.

    Raises:
        BadInput: there is no such format, and the message lists what there is; or it cannot be made here.
    """
    for name in names:
        if name not in FORMATS:
            raise BadInput(f"there is no format {name!r}; there are {', '.join(sorted((*FORMATS, 'canvas')))}")
    formats = [FORMATS[name] for name in dict.fromkeys(names)]
    for format in formats:
        if format.check is not None:
            format.check()
    return formats


def write_formats(records: Sequence[dict], formats: Sequence[Format], folder: Path) -> list[Path]:
    """Writes each format into the folder, whole or not at all, and returns the paths.

    Where a consumer reads one submission and there are several, each student gets a file in a folder of the format.
    """
    written = []
    for format in formats:
        for path, text in _files(format, records):
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            write_text(folder / path, text)
            written.append(folder / path)
    return written


def _files(format: Format, records: Sequence[dict]) -> Iterator[tuple[str, str]]:
    if format.of_run is not None:
        yield format.file, format.of_run(records)
        return
    each = [(record, submission) for record in records for submission in record["submissions"]]
    ending = format.file.rpartition(".")[2]
    for record, submission in each:
        folder = f"{format.name}/{record['assignment']}" if len(records) > 1 else format.name
        many = f"{folder}/{safe_name(submission['student'])}.{ending}"
        yield format.file if len(each) == 1 else many, format.of_one(record, submission)


def safe_name(student: str) -> str:
    """A student's id as the name of a file on any system: all but letters, digits and -_@+ is %-encoded.

    A long one is shortened to its beginning and a digest of the whole, with a ~ between them that no other name has.
    """
    name = quote(student, safe="@+", errors="surrogatepass").replace("~", "%7E").replace(".", "%2E") or "%"
    if len(name) <= LONGEST:
        return name
    digest = hashlib.sha256(student.encode("utf-8", "surrogatepass")).hexdigest()[:DIGITS]
    return f"{re.sub('%.?$', '', name[: LONGEST - DIGITS - 1])}~{digest}"  # no encoded character is cut in two
