"""Trusted scores: what `nbgrader autograde` does differently in our courses.

    exporter_class            `SubmissionExporter` reads whatever was handed in, and holds what a batch shares
    sanitize_preprocessors    `Rebuild` takes the released notebook and the student's answers, nothing else
    autograde_preprocessors   `TrustedGrade` grades in the sandbox and writes report and points into each cell,
                              `SaveGrades` puts the points into the gradebook

nbgrader reads points from a cell's outputs and gives full marks for anything that is not a number (nothing at all, nan,
a rich object). So every graded cell ends with exactly one number, and one that we cannot grade ends with an error.
No code of a student runs in the process of nbgrader, and no kernel is started. With `run_notebook`, the rest of the
notebook is run too, confined, for what it shows.
"""

from __future__ import annotations

import copy
import html
import os
import weakref
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import nbformat
from nbconvert.exporters import NotebookExporter
from nbformat.v4 import new_code_cell, new_markdown_cell, new_output
from nbgrader.api import Gradebook
from nbgrader.converters import Autograde
from nbgrader.coursedir import CourseDirectory
from nbgrader.preprocessors import NbGraderPreprocessor
from nbgrader.utils import compute_checksum, determine_grade, is_grade, is_solution
from traitlets import Bool, Float, Int, Unicode

from autograder.calls import GRADER_ERROR, Limits
from autograder.catalogue import load_catalogue
from autograder.grading import Grader
from autograder.nbgrader_plugin.changes import tell_changes
from autograder.nbgrader_plugin.history import History
from autograder.nbgrader_plugin.intake import missing_notebook, read_plain, take_every_submission
from autograder.nbgrader_plugin.running import show
from autograder.nbgrader_plugin.workers import share_out
from autograder.release import answer_stubs
from autograder.rendering.html import to_html
from autograder.rendering.shown import inert
from autograder.rendering.text import to_text
from autograder.report import FunctionReport, SubmissionReport
from autograder.sandbox import SandboxError
from autograder.sandbox.cells_box import NotebookBox
from autograder.secret import course_secret
from autograder.submission import Submission, read_submission

CHECK = "check_"
RUN = (
    "*What stands under the code was shown when this notebook was run, apart from grading. "
    "Points come from the reports of the graded cells alone.*"
)
NOT_RUN = "*This notebook was graded, and could not be run for its plots.*"


class SubmissionExporter(NotebookExporter):
    """Reads whatever was handed in as a notebook of plain cells, and holds what one run of `autograde` shares.

    nbgrader makes one of these a run, and makes the preprocessors anew for every notebook with this as their parent.
    """

    solutions = Unicode(help="The folder of the solutions to grade with.").tag(config=True)
    accept_weak_sandbox = Bool(
        False, help="Grade although this machine cannot confine a submission (see autograder doctor)."
    ).tag(config=True)
    allow_decrease = Bool(
        False, help="Let grading an unchanged submission again, after a test was mended, lower its score."
    ).tag(config=True)

    run_notebook = Bool(
        False,
        help="After grading, also run the rest of the notebook, confined, so that its plots are on the page.",
    ).tag(config=True)
    notebook_seconds = Float(120, min=1, help="How long a notebook may then take; one cell, a quarter of it.").tag(
        config=True
    )
    workers = Int(1, min=0, help="How many processes autograde a class; 0 for one a core.").tag(config=True)
    optimistic_validation = True  # once, at the end: what is rebuilt from the release is valid

    def __init__(self, config=None, **kwargs):
        super().__init__(config=config, **kwargs)
        self._graders, self._released = {}, {}
        self._box: NotebookBox | SandboxError | None = None
        self._open = ExitStack()
        weakref.finalize(self, self._open.close)
        if isinstance(self.parent, Autograde):
            take_every_submission(self.parent)
            tell_changes(self.parent)
            self._history = History(Path(self.coursedir.root))
            share_out(self.parent, self.workers)

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

    def released(self, assignment: str, notebook: str) -> nbformat.NotebookNode:
        """A fresh copy of the notebook as it was handed out."""
        if (assignment, notebook) not in self._released:
            folder = self.coursedir.format_path(self.coursedir.release_directory, ".", assignment)
            path = os.path.join(folder, f"{notebook}.ipynb")
            self._released[assignment, notebook] = nbformat.read(path, as_version=4)
        return copy.deepcopy(self._released[assignment, notebook])

    def grade(self, student: str, assignment: str, notebook: str) -> SubmissionReport:
        """Grades what the student handed in, in the batch's warm sandbox."""
        grader, stubs = self._grader(assignment)
        folder = self.submitted(student, assignment)
        try:
            submission = read_submission(folder, student=student, stubs=stubs, assignment=assignment)
        except OSError as error:
            submission = Submission(student, str(folder), "", (), (), f"it cannot be read: {error}")
        report = grader.grade(submission)
        # A cell of ours that fails in the sandbox (it draws a figure, say) is no remark about the student.
        ours = {cell.source.strip() for cell in self.released(assignment, notebook).cells if not is_solution(cell)}
        labels = {source.label for source in submission.sources if source.text.strip() in ours}
        remarks = tuple(remark for remark in report.remarks if remark.partition(",")[0] not in labels)
        remarks += missing_notebook(submission, folder)
        report, changes = self._history.settle(replace(report, remarks=remarks), allow_decrease=self.allow_decrease)
        for change in changes:
            self.log.warning("score changed: %s", change)
        return report

    def show(self, nb: nbformat.NotebookNode, student: str, assignment: str, notebook: str) -> str:
        """Runs the student's notebook and puts its outputs into `nb`; returns what the page says about that."""
        folder = self.submitted(student, assignment)
        code = [cell.source for cell in read_plain(folder / f"{notebook}.ipynb").cells if cell.cell_type == "code"]
        try:
            beside = sorted(folder.parent.iterdir()) if folder.parent.name == student else []
            near = [path for path in beside if path != folder and path.is_dir() and not path.is_symlink()]
            show(self._notebook_box(), nb, code, folder, near)
        except Exception as error:  # whatever goes wrong with what is only looked at, the grades stand
            self.log.warning("the notebook of %s was graded but not run: %s", student, error)
            return NOT_RUN
        return RUN

    def _notebook_box(self) -> NotebookBox:
        """The batch's confinement for notebooks; where it cannot be had, the reason, each time."""
        if self._box is None:
            hidden = [Path(self.solutions), Path(self.coursedir.root)]
            limits = Limits(call=self.notebook_seconds / 4, call_wall=5.0, total_wall=self.notebook_seconds)
            try:
                if self.accept_weak_sandbox:
                    raise SandboxError("a notebook is run in a confined process or not at all")
                self._box = self._open.enter_context(NotebookBox(limits, hidden))
            except SandboxError as error:
                self._box = error
        if isinstance(self._box, SandboxError):
            raise self._box
        return self._box

    def _grader(self, assignment: str) -> tuple[Grader, dict[str, str]]:
        """The batch's warm grader, and the answer cells as they were handed out."""
        if assignment not in self._graders:
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
        rebuilt = self.parent.released(names["assignment"], names["notebook"])
        shown = {cell.source.strip() for cell in rebuilt.cells} | {""}
        for cell in filter(is_solution, rebuilt.cells):
            given = [c for c in nb.cells if c.metadata.grade_id == cell.metadata.nbgrader.grade_id]
            # Of a cell that was copied, the one that is graded: the first that was filled in.
            answer = next((c for c in given if c.source.strip() not in shown), cell)
            cell.source = answer.source
            if cell.cell_type == "markdown" and answer.get("attachments"):
                cell.attachments = answer.attachments
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
        report = self.parent.grade(names["student"], names["assignment"], names["notebook"])
        functions = {f"{CHECK}{f.name}": f for f in report.functions}
        for cell in nb.cells:
            if cell.cell_type == "code":
                cell.outputs, cell.execution_count = [], None
                if is_grade(cell) and not is_solution(cell):
                    stamp = cell.metadata.nbgrader
                    cell.outputs = _outputs(functions.get(stamp.grade_id), float(stamp.points))
        if self.parent.run_notebook:
            note = self.parent.show(nb, names["student"], names["assignment"], names["notebook"])
            nb.cells.insert(0, new_markdown_cell(note))
        if report.remarks:
            nb.cells.insert(0, new_markdown_cell(_remarks(report.remarks)))
        resources["autograder"] = report
        return nb, resources


class SaveGrades(NbGraderPreprocessor):
    """As nbgrader's SaveAutoGrades, in one transaction; a grade that a person has to look at is marked so.

    That is: a question, a flagged function, a failure of the grader itself, or a grade that a person gave before.
    """

    def preprocess(self, nb, resources):
        names = resources["nbgrader"]
        where = names["notebook"], names["assignment"], names["student"]
        doubtful = {f"{CHECK}{f.name}" for f in resources["autograder"].functions if _doubtful(f)}
        with Gradebook(names["db_url"], self.parent.coursedir.course_id) as gradebook:
            for cell in nb.cells:
                if is_grade(cell):
                    grade_id = cell.metadata.nbgrader.grade_id
                    grade = gradebook.find_grade(grade_id, *where)
                    grade.auto_score, _ = determine_grade(cell, self.log)
                    by_hand = grade.manual_score is not None or grade.auto_score is None
                    grade.needs_manual_grade = by_hand or grade_id in doubtful
                if is_solution(cell):
                    untouched = cell.metadata.nbgrader.get("checksum") == compute_checksum(cell)
                    comment = gradebook.find_comment(cell.metadata.nbgrader.grade_id, *where)
                    comment.auto_comment = "No response." if untouched else None
            gradebook.db.commit()
        return nb, resources


def _doubtful(function: FunctionReport) -> bool:
    return bool(function.flagged) or function.status == GRADER_ERROR


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
