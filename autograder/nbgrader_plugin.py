"""What makes nbgrader's `autograde` trustworthy, by its public configuration alone.

    exporter_class            SubmissionExporter: reads whatever was handed in, and holds what a batch shares
    sanitize_preprocessors    SANITIZE: `Rebuild` takes the released notebook and the student's answers, nothing else
    autograde_preprocessors   GRADE: `TrustedGrade` grades in the sandbox and writes report and points into each cell

nbgrader reads points from a cell's outputs and gives full marks for anything that is not a number (nothing at all, nan,
a rich object). So every graded cell ends with exactly one number, and one that we cannot grade ends with an error.
No code of a student runs in the process of nbgrader, and no kernel is started.
"""

from __future__ import annotations

import fnmatch
import glob
import html
import json
import os
import re
import stat
import weakref
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import nbformat
from nbconvert.exporters import NotebookExporter
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from nbgrader.api import Gradebook, MissingEntry
from nbgrader.converters import Autograde, GenerateAssignment
from nbgrader.coursedir import CourseDirectory
from nbgrader.preprocessors import (
    AssignLatePenalties,
    CheckCellMetadata,
    ClearSolutions,
    NbGraderPreprocessor,
    SaveAutoGrades,
)
from nbgrader.utils import is_grade, is_solution
from traitlets import Bool, Unicode

from autograder.calls import GRADER_ERROR
from autograder.catalogue import load_catalogue
from autograder.grading import Grader
from autograder.render import inert, to_html, to_text
from autograder.report import FunctionReport, SubmissionReport
from autograder.secret import course_secret
from autograder.submission import MAX_NOTEBOOK, Submission, read_submission

FUNCTION = re.compile(r"^def (\w+)", re.MULTILINE)
CHECK = "check_"
SHOWN = 100_000  # characters of one cell that a page shows
# Control characters, lone surrogates and the marks that reorder a line, none of which belongs on a page.
UNPRINTABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\u202a-\u202e\u2066-\u2069]")


class NamedStubs(ClearSolutions):
    """Replaces a solution by a line that says which function is still to be written.

    A question that a person grades keeps its text; only a model answer between markers is taken out of it.
    """

    def preprocess_cell(self, cell, resources, cell_index):
        if cell.cell_type == "markdown" and self.begin_solution_delimeter not in cell.source:
            return cell, resources
        function = FUNCTION.search(cell.source)
        what = f"Need to implement {function[1]}" if function else "Need to write this cell"
        self.code_stub = {"python": f'raise NotImplementedError("{what}")'}
        return super().preprocess_cell(cell, resources, cell_index)


class UnbreakableCourse(CourseDirectory):
    """A course directory in which nothing that was handed in can stop a batch."""

    def get_existing_timestamp(self, dest_path):
        path = os.path.join(dest_path, "timestamp.txt")
        if not _is_small_file(path, 1000):
            return None
        try:
            return super().get_existing_timestamp(dest_path)
        except Exception:  # no date, a date of another era, not text: the parsers raise what they like
            self.log.warning("%s holds no time; the submission counts as in time", path)
            return None


class SubmissionExporter(NotebookExporter):
    """Reads whatever was handed in as a notebook of plain cells, and holds what one run of `autograde` shares.

    nbgrader makes one of these a run, and makes the preprocessors anew for every notebook with this as their parent.
    """

    solutions = Unicode(help="The folder of the solutions to grade with.").tag(config=True)
    accept_weak_sandbox = Bool(
        False, help="Grade although this machine cannot confine a submission (see autograder doctor)."
    ).tag(config=True)

    def __init__(self, config=None, **kwargs):
        super().__init__(config=config, **kwargs)
        self._graders = {}
        self._open = ExitStack()
        weakref.finalize(self, self._open.close)
        if isinstance(self.parent, Autograde):
            _take_every_submission(self.parent)

    @property
    def coursedir(self) -> CourseDirectory:
        return self.parent.coursedir

    def from_filename(self, filename, resources=None, **kw):
        """As nbconvert's, but a file that was handed in may be anything, or missing."""
        names = resources["nbgrader"]
        if Path(filename).parent != self.submitted(names["student"], names["assignment"]):
            return super().from_filename(filename, resources=resources, **kw)
        return self.from_notebook_node(read_plain(Path(filename)), resources=resources, **kw)

    def submitted(self, student: str, assignment: str) -> Path:
        """The folder that the student handed in."""
        return Path(self.coursedir.format_path(self.coursedir.submitted_directory, student, assignment))

    def grade(self, student: str, assignment: str) -> SubmissionReport:
        """Grades what the student handed in, in the batch's warm sandbox."""
        grader, stubs = self._grader(assignment)
        folder = self.submitted(student, assignment)
        try:
            submission = read_submission(folder, student=student, stubs=stubs, assignment=assignment)
        except OSError as error:
            submission = Submission(student, str(folder), "", (), (), f"it cannot be read: {error}")
        return grader.grade(submission)

    def _grader(self, assignment: str) -> tuple[Grader, dict[str, str]]:
        """The batch's warm grader, and the answer cells as they were handed out."""
        if assignment not in self._graders:
            from autograder.release import answer_stubs  # it imports this module

            catalogue = load_catalogue(self.solutions)
            confine = "none" if self.accept_weak_sandbox else "full"
            grader = Grader(catalogue, assignment, secret=course_secret(self.solutions), confine=confine)
            self._graders[assignment] = self._open.enter_context(grader), answer_stubs(catalogue, assignment)
        return self._graders[assignment]


class Rebuild(NbGraderPreprocessor):
    """The released notebook with the text of the student's answers: whatever else was changed is gone.

    This is what people look at. What is graded is the submission itself, helper cells included; those are shown at
    the end.
    """

    def preprocess(self, nb, resources):
        names = resources["nbgrader"]
        coursedir = self.parent.coursedir
        folder = coursedir.format_path(coursedir.release_directory, ".", names["assignment"])
        rebuilt = nbformat.read(os.path.join(folder, f"{names['notebook']}.ipynb"), as_version=4)
        shown = {cell.source.strip() for cell in rebuilt.cells} | {""}
        for cell in filter(is_solution, rebuilt.cells):
            given = [c.source for c in nb.cells if c.metadata.grade_id == cell.metadata.nbgrader.grade_id]
            # Of a cell that was copied, the one that is graded: the first that was filled in.
            cell.source = next((text for text in given if text.strip() not in shown), cell.source)
            shown.add(cell.source.strip())
        others = [c for c in nb.cells if c.cell_type == "code" and c.source.strip() not in shown]
        if others:
            rebuilt.cells.append(new_markdown_cell("## Other cells of this submission"))
            rebuilt.cells += [new_code_cell(cell.source) for cell in others]
        return rebuilt, resources


class TrustedGrade(NbGraderPreprocessor):
    """Grades the submission in the sandbox and writes report and points into the graded cells."""

    def preprocess(self, nb, resources):
        names = resources["nbgrader"]
        report = self.parent.grade(names["student"], names["assignment"])
        functions = {f"{CHECK}{f.name}": f for f in report.functions}
        for cell in nb.cells:
            if cell.cell_type == "code":
                cell.outputs, cell.execution_count = [], None
                if is_grade(cell) and not is_solution(cell):
                    stamp = cell.metadata.nbgrader
                    cell.outputs = _outputs(functions.get(stamp.grade_id), float(stamp.points))
        if report.remarks:
            nb.cells.insert(0, new_markdown_cell(_remarks(report.remarks)))
        resources["autograder"] = report
        return nb, resources


class AskForReview(NbGraderPreprocessor):
    """Marks the grades that a person has to look at: a flagged function, or a failure of the grader itself."""

    def preprocess(self, nb, resources):
        names = resources["nbgrader"]
        doubtful = [f for f in resources["autograder"].functions if f.flagged or f.status == GRADER_ERROR]
        if doubtful:
            with Gradebook(names["db_url"]) as gradebook:
                for function in doubtful:
                    gradebook.find_grade(
                        f"{CHECK}{function.name}", names["notebook"], names["assignment"], names["student"]
                    ).needs_manual_grade = True
                gradebook.db.commit()
        return nb, resources


# nbgrader's own steps from a source notebook to the released one, with our stubs.
RELEASE = [NamedStubs if step is ClearSolutions else step for step in GenerateAssignment.preprocessors.default()]
SANITIZE = [Rebuild, CheckCellMetadata]
GRADE = [TrustedGrade, SaveAutoGrades, AskForReview, AssignLatePenalties, CheckCellMetadata]


def _outputs(function: FunctionReport | None, points: float) -> list[nbformat.NotebookNode]:
    """The report, then the points as the one result that nbgrader reads."""
    if function is None:
        reason = "No exercise of the course belongs to this cell; it earns nothing until a person grades it."
        return [new_output("error", ename="NotGraded", evalue=reason, traceback=[reason])]
    share = function.score / function.max_score if function.max_score else 0.0
    score = function.score if function.max_score == points else share * points
    score = min(score, points) if score >= 0 else 0.0  # nan is not >= 0
    return [
        new_output("display_data", data={"text/html": to_html(function), "text/plain": to_text(function)}),
        new_output("execute_result", data={"text/plain": repr(float(score))}),
    ]


def _remarks(remarks: tuple[str, ...]) -> str:
    """Remarks about the whole submission, as HTML in which nothing a student wrote can act."""
    items = "".join(f"<li>{html.escape(inert(remark))}</li>" for remark in remarks)
    return f"<div><strong>About this submission</strong><ul>{items}</ul></div>"


# Reading what may be anything ----------------------------------------------------------------------------------------


def read_plain(path: Path) -> nbformat.NotebookNode:
    """The cells of a notebook as text, each with its grade_id; no cells where there is no notebook to be read.

    A notebook of another name is taken where the one of this name is missing, as grading does.
    """
    if not _is_small_file(path, MAX_NOTEBOOK):
        others = [p for p in path.parent.rglob("*.ipynb") if _is_small_file(p, MAX_NOTEBOOK)]
        path = min(others, key=lambda p: (len(p.parts), str(p)), default=None)
    try:
        data = json.loads(path.read_bytes().decode("utf-8", "replace"), strict=False) if path else {}
        raw = data["cells"] if "cells" in data else [cell for sheet in data["worksheets"] for cell in sheet["cells"]]
        return new_notebook(cells=[_plain_cell(cell) for cell in raw if isinstance(cell, dict)])
    except (OSError, ValueError, TypeError, KeyError, RecursionError):
        return new_notebook()  # what is wrong with it, the report says


def _plain_cell(cell: dict) -> nbformat.NotebookNode:
    source = cell.get("source", cell.get("input", ""))
    source = "".join(line for line in source if isinstance(line, str))  # a list of lines, or a string
    source = UNPRINTABLE.sub("\N{REPLACEMENT CHARACTER}", source)
    if len(source) > SHOWN:
        source = f"{source[:SHOWN]}\n# ... {len(source) - SHOWN} more characters"
    stamp = cell.get("metadata")
    stamp = stamp.get("nbgrader") if isinstance(stamp, dict) else None
    grade_id = stamp.get("grade_id") if isinstance(stamp, dict) else None
    new = new_code_cell if cell.get("cell_type") == "code" else new_markdown_cell
    return new(source, metadata={"grade_id": grade_id if isinstance(grade_id, str) else None})


def _take_every_submission(converter: Autograde) -> None:
    """Has `autograde` take every folder that was handed in, with the notebooks that were released.

    nbgrader would pass over a folder without a notebook, and fail on one whose notebook has another name or beside
    which lies something that cannot be copied. A released notebook that is missing is read as an empty one.
    """
    course = converter.coursedir
    released = _released_notebooks(course)
    if not released:
        return  # nbgrader says by itself that the assignment was not generated
    folders = glob.glob(course.format_path(course.submitted_directory, course.student_id, course.assignment_id))
    converter.assignments = {folder: [os.path.join(folder, f"{name}.ipynb") for name in released] for folder in folders}
    unbreakable = UnbreakableCourse(parent=course.parent)
    for name in course.trait_names(config=True):
        setattr(unbreakable, name, getattr(course, name))
    unbreakable.ignore = [*course.ignore, *(glob.escape(path) for folder in folders for path in _uncopyable(folder))]
    converter.coursedir = unbreakable


def _released_notebooks(course: CourseDirectory) -> list[str]:
    with Gradebook(course.db_url, course.course_id) as gradebook:
        try:
            names = [notebook.name for notebook in gradebook.find_assignment(course.assignment_id).notebooks]
        except MissingEntry:
            names = []
    return fnmatch.filter(sorted(names), course.notebook_id)


def _uncopyable(folder: str) -> Iterator[str]:
    """What must not be copied along: links and devices, and folders that stand where a notebook will be written."""
    for here, folders, files in os.walk(folder):
        yield from (os.path.join(here, name) for name in folders if name.endswith(".ipynb"))
        for path in (os.path.join(here, name) for name in (*folders, *files)):
            if os.path.islink(path) or not (os.path.isdir(path) or os.path.isfile(path)):
                yield path


def _is_small_file(path: str | Path, limit: int) -> bool:
    try:
        status = os.lstat(path)
    except (OSError, ValueError):
        return False
    return stat.S_ISREG(status.st_mode) and status.st_size <= limit
