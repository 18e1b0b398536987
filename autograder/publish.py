"""A finished run handed on: its formats written beside results.json, and what GitHub Actions wants told at once.

A class of thousands is read here whole; a consumer's file has everyone in it anyway.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from autograder.errors import BadInput
from autograder.formats import Format, canvas, formats_called, write_formats
from autograder.formats.github import add_to_step_summary, annotations, quiet
from autograder.intake.locate import located
from autograder.results import read_results, write_text

CANVAS_FILE = "canvas.csv"


@dataclass(frozen=True)
class Wanted:
    """The formats asked for on the command line, known to be usable before any work is done.

    gradebook: the text of the gradebook that Canvas exported, for the format canvas; column: its assignment's title.
    """

    formats: tuple[Format, ...] = ()
    gradebook: str | None = None
    column: str | None = None

    @property
    def on_github(self) -> bool:
        return any(format.name == "github" for format in self.formats)

    def check(self, assignment: str, students: Sequence[str]) -> None:
        """Refuses, before any work is done, a gradebook that cannot be filled in for a run of these students."""
        if self.gradebook is not None:
            canvas.check(self.gradebook, self.column or assignment, students)

    def told(self, tell: Callable[[str], object]) -> Callable[[str], object]:
        """How to tell a person something: on GitHub, so that nothing in it is taken for a command."""
        return (lambda text: tell(quiet(text))) if self.on_github else (lambda text: tell(f"{text}\n"))


def wanted(names: Sequence[str], *, gradebook: Path | None = None, column: str | None = None) -> Wanted:
    """What `--format`, `--gradebook` and `--column` ask for.

    Raises:
        BadInput: there is no such format, it cannot be made here, or the gradebook is missing.
    """
    formats = tuple(formats_called([name for name in names if name != "canvas"]))
    if "canvas" not in names:
        if gradebook is not None or column is not None:
            raise BadInput("--gradebook and --column belong to --format canvas")
        return Wanted(formats)
    if gradebook is None:
        raise BadInput("--format canvas fills in a gradebook: export it from Canvas and name it with --gradebook FILE")
    try:
        text = gradebook.read_bytes().decode("utf-8-sig")
    except (OSError, UnicodeError) as error:
        raise BadInput(f"cannot read the gradebook {gradebook}: {error}") from error
    return Wanted(formats, text, column)


def publish_run(folder: Path, wanted: Wanted, tell: Callable[[str], object]) -> None:
    """Writes the formats of the run whose results.json lies in the folder."""
    if not wanted.formats and wanted.gradebook is None:
        return
    record = read_results(folder / "results.json")
    publish([located(record)], folder, wanted, tell)
    if wanted.gradebook is not None:
        filled = canvas.fill(record, wanted.gradebook, wanted.column)
        write_text(folder / CANVAS_FILE, filled.text)
        for note in filled.notes:
            wanted.told(tell)(f"{folder / CANVAS_FILE}: {note}")


def publish(records: Sequence[dict], folder: Path, wanted: Wanted, tell: Callable[[str], object]) -> None:
    """Writes the formats of these records; tells GitHub Actions of the failing lines.

    Raises:
        BadInput: the folder cannot be written to, or a format cannot be made here.
    """
    try:
        write_formats(records, wanted.formats, folder)
        if wanted.on_github:
            tell(annotations(records))
            add_to_step_summary(records)
    except OSError as error:
        raise BadInput(f"cannot write to {folder}: {error.strerror or error}") from error
