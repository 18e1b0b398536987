"""Grades submissions: `Grader` holds what a whole class shares, the exercises, the secret and one warm sandbox."""

from __future__ import annotations

import time
from collections.abc import Container, Sequence
from dataclasses import replace
from typing import Any

from autograder import calls
from autograder.answer_key import FullKeys
from autograder.assess import reports_of
from autograder.calls import Limits
from autograder.catalogue import Catalogue
from autograder.exercise import Exercise
from autograder.judge import judge
from autograder.memory import keep_freed
from autograder.observe import Observation, observe
from autograder.report import PASSED, Finding, FunctionReport, SubmissionReport
from autograder.sandbox import Sandbox
from autograder.secret import seed_for
from autograder.submission import Submission
from autograder.whole_class.likeness import code_marks, definition_in


class Grader:
    """Grades one submission after another against the full key, in one warm sandbox.

    Args:
        catalogue: the course's exercises.
        assignment: which of its assignments.
        secret: the course secret, or a function from (student, exercise) to the seed, where only seeds are known.
        confine: "full" or, accepted by the instructor, "none".
    """

    def __init__(
        self,
        catalogue: Catalogue,
        assignment: str,
        *,
        secret: bytes | Any,
        limits: Limits | None = None,
        confine: str = "full",
    ):
        self.exercises = catalogue.exercises(assignment)
        self._keys = {exercise.name: FullKeys(exercise) for exercise in self.exercises}
        self.assignment = assignment
        self.names = [f.name for f in catalogue.functions(assignment)]
        self.seed = secret if callable(secret) else (lambda student, exercise: seed_for(secret, student, exercise))
        texts = [layer.text for layer in catalogue.layers]
        self.common = {name: code_marks(definition_in(texts, name)) for name in self.names}
        self.sandbox = Sandbox(limits=limits or Limits(), confine=confine)

    def __enter__(self) -> Grader:
        keep_freed()
        self.sandbox.__enter__()
        return self

    def __exit__(self, *exc) -> None:
        self.sandbox.__exit__(*exc)

    def grade(self, submission: Submission, only: Container[str] | None = None) -> SubmissionReport:
        """The report on one submission. Never raises for anything that a submission does.

        Args:
            only: the names of the exercises to grade, where the others are known; None for all.
        """
        exercises = [e for e in self.exercises if only is None or e.name in only]
        start = time.perf_counter()
        functions: list[FunctionReport] = []
        remarks = list(submission.remarks)
        try:
            if submission.problem:
                functions = nothing_graded(exercises, calls.MISSING, submission.problem)
            else:
                with self.sandbox.open(submission.sources, self.names) as session:
                    keys = [self._keys[e.name].key(self.seed(submission.student, e.name)) for e in exercises]
                    begun = time.perf_counter()
                    seen = observe(keys, session)
                    took = time.perf_counter() - begun
                    spent = [_spent(observations) for observations in seen]
                    for key, observations, part in zip(keys, seen, spent, strict=True):
                        begun = time.perf_counter()
                        found = reports_of(key, judge(key, observations), session, submission)
                        seconds = took * part / (sum(spent) or 1.0) + time.perf_counter() - begun
                        functions.extend(replace(f, exercise=key.exercise, seconds=seconds) for f in found)
                    functions = [self._marked(f, submission) for f in functions]
                    remarks.extend(session.remarks)
        except Exception as error:
            sentence = f"The autograder broke, not your code: {_short(error)}"
            functions = nothing_graded(exercises, calls.GRADER_ERROR, sentence)
        return SubmissionReport(
            student=submission.student,
            path=submission.path,
            digest=submission.digest,
            assignment=self.assignment,
            functions=tuple(functions),
            remarks=tuple(dict.fromkeys(remarks)),
            seconds=time.perf_counter() - start,
        )

    def _marked(self, report: FunctionReport, submission: Submission) -> FunctionReport:
        """With marks of the code of a function that is wrong; what the reference has in common with it is no mark."""
        if report.status == PASSED:
            return report
        text = definition_in((source.text for source in submission.sources), report.name)
        return replace(report, code=tuple(sorted(code_marks(text) - self.common[report.name])))


def _spent(observations: Sequence[Observation]) -> float:
    """Seconds that the first calls of an exercise took, as the submission's process counts them."""
    return sum([reply.seconds for observation in observations for reply in observation.first])


def nothing_graded(exercises: Sequence[Exercise], status: str, sentence: str) -> list[FunctionReport]:
    """A report for each function of a submission of which none could be run."""
    return [
        FunctionReport(
            name=f.name,
            status=status,
            score=0.0,
            max_score=float(f.points),
            findings=(Finding(case="", array="", passed=False, kind=status, headline=sentence),),
            exercise=exercise.name,
        )
        for exercise in exercises
        for f in exercise.functions
    ]


def _short(error: Exception) -> str:
    return f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"[:300]
