"""One exercise through the whole ladder: observe, judge, diagnose, and the findings of each function put together.

Grading and a student's own `check()` share this; only the key differs. It knows no solutions and no sandbox, so that a
notebook imports little.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from autograder import calls
from autograder.answer_key import Key
from autograder.calls import Definition, Session
from autograder.diagnose import Diagnosis, Naming, diagnose
from autograder.exercise import describe_array
from autograder.judge import RUNGS, Judgement, Verdict, judge, problem_text
from autograder.observe import observe
from autograder.report import BLOCKED, PARTIAL, PASSED, Finding, FunctionReport

if TYPE_CHECKING:
    from autograder.submission import Submission

# The largest picture of wrong entries that is worth looking at: rows, columns.
PICTURE = (16, 40)


def report_on(key: Key, session: Session, submission: Submission | None = None) -> list[FunctionReport]:
    """Runs the ladder for one exercise: a report for each of its functions, in order."""
    observations = observe(key, session)
    judgements = judge(key, observations)
    namings = diagnose(key, judgements)
    reports = []
    for judgement, naming in zip(judgements, namings, strict=True):
        definition = session.definitions.get(judgement.function.name)
        report = _report(key, judgement, naming, definition)
        if key.pair and judgement is judgements[-1] and submission is not None:
            report = replace(report, flagged=_flag(key, report, submission))
        reports.append(report)
    return reports


def _report(key: Key, judgement: Judgement, naming: Naming, definition: Definition | None) -> FunctionReport:
    function = judgement.function
    share = judgement.share
    remarks = list(judgement.remarks)
    if naming.reordered or naming.followed:
        share = max(share, 0.5)
    if naming.followed:
        remarks.insert(
            0,
            f"{function.name} is the exact gradient of your own {key.forward.name}, which is wrong itself: "
            "half of the points. Mend the forward and look again.",
        )
    findings = tuple(_finding(v, naming) for row in judgement.rows for v in row)
    if definition is not None and (definition.untouched or not definition.found):
        findings = tuple(_undefined(f, function.name, definition) for f in findings)
    reached, not_reached = _reached(key, judgement)
    score = min(max(share, 0.0), 1.0) * function.points
    return FunctionReport(
        name=function.name,
        status=_status(score, function.points, findings),
        score=score,
        max_score=function.points,
        findings=findings,
        diagnosis=naming.ids,
        remarks=tuple(dict.fromkeys(remarks)),
        reached=reached,
        not_reached=not_reached,
    )


def _status(score: float, points: float, findings: Sequence[Finding]) -> str:
    if all(f.passed for f in findings):
        return PASSED
    if score > 0:
        return PARTIAL
    return next(f.kind for f in findings if not f.passed)


def _finding(verdict: Verdict, naming: Naming) -> Finding:
    question = verdict.question
    named: Diagnosis | None = None if verdict.ok else naming.of(verdict.array)
    return Finding(
        case=question.case,
        array=verdict.array,
        passed=verdict.ok,
        kind=verdict.kind,
        headline=verdict.headline,
        evidence=verdict.evidence,
        idea=named.sentence if named else "",
        hint=named.hints[0] if named and named.hints else "",
        more_hints=named.hints[1:] if named else (),
        hidden=question.hidden,
        reason=question.reason,
        similar=question.similar,
        picture=_picture(verdict.wrong),
    )


def _undefined(finding: Finding, name: str, definition: Definition) -> Finding:
    """Why there is no function to call: an untouched stub, no definition, or a cell that did not get that far."""
    if finding.passed or finding.kind not in (calls.MISSING, calls.RAISED, BLOCKED):
        return finding  # a hang, a crash or worse while the cells ran: that is the reason
    if definition.untouched:
        return replace(finding, kind=calls.MISSING, case="", headline=f"{name} is not written yet.", evidence="")
    problem = definition.problem
    if problem is None:
        headline = f"{name} is not defined: no cell and no file holds it."
        return replace(finding, kind=calls.MISSING, case="", headline=headline, evidence="")
    return replace(
        finding,
        kind=calls.RAISED,
        case="",
        headline=f"{name} could not be defined: {problem.type}.",
        evidence=problem_text(problem),
    )


def _reached(key: Key, judgement: Judgement) -> tuple[str, tuple[str, ...]]:
    """What the first failing array had right, in words, and the rungs above the one from which it fell."""
    fallen = next((v for row in judgement.rows for v in row if not v.ok), None)
    if fallen is None:
        return "", ()
    at = RUNGS.index(fallen.rung)
    if at == 0:
        return "", ()
    backward = key.pair and judgement.function is key.backward
    above = tuple(r for r in RUNGS[at + 1 :] if backward or r not in ("numerical gradient", "linear in dout"))
    return describe_array(fallen.yours) if at > RUNGS.index("dtype") else "", above


def _picture(wrong: np.ndarray | None) -> tuple[tuple[bool, ...], ...]:
    """Which entries are wrong, as rows, where that is small enough to read and some are right."""
    if wrong is None or wrong.ndim == 0 or wrong.all():
        return ()
    rows = wrong.reshape(wrong.shape[0], -1) if wrong.ndim > 1 else wrong.reshape(1, -1)
    if rows.shape[0] > PICTURE[0] or rows.shape[1] > PICTURE[1]:
        return ()
    return tuple(tuple(bool(entry) for entry in row) for row in rows)


# A derivative made by trying: a step on both sides, or the imaginary part after an imaginary step.
_BY_TRYING = r"\d[jJ]\b|\.imag\b|\bcomplex\b|{forward}\s*\([^()]*[-+][^()]*\)|numerical_gradient|complex_step"


def _flag(key: Key, report: FunctionReport, submission: Submission) -> str:
    """A backward of an elementwise layer that seems to differentiate its forward by trying: a human decides.

    On layers that mix inputs the cost tells; here only the text can, so it asks for a look and takes no points.
    """
    if not key.elementwise or report.score == 0:
        return ""
    pattern = re.compile(_BY_TRYING.format(forward=re.escape(key.forward.name)))
    for source in submission.sources:
        start = source.text.find(f"def {key.backward.name}(")
        if start < 0:
            continue
        end = re.compile(r"^(?=\S)", re.MULTILINE).search(source.text, source.text.find("\n", start) + 1)
        if pattern.search(source.text[start : end.start() if end else None]):
            return (
                f"{key.backward.name} seems to find its derivative by trying numbers; the points are provisional "
                "until your instructor has looked at it."
            )
    return ""
