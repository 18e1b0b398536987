"""One exercise through the whole ladder: observe, judge, diagnose, and the findings of each function put together.

Grading and a student's own `check()` share this; only the key differs. It knows no solutions and no sandbox, so that a
notebook imports little.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from autograder import calls
from autograder.answer_key import Key
from autograder.calls import Definition, Session
from autograder.diagnose import Diagnosis, Naming, diagnose
from autograder.judge import judge
from autograder.observe import observe
from autograder.rendering.picture import picture_of
from autograder.rendering.stopped import undefined
from autograder.report import BLOCKED, PARTIAL, PASSED, Finding, FunctionReport
from autograder.verdict import RUNGS, Judgement, Verdict
from autograder.whole_class.likeness import array_mark, definitions_in

if TYPE_CHECKING:
    from autograder.submission import Submission

# The rungs of which a report says that they were not reached, in a reader's words.
WORDS = {"same twice": "the same answer twice"}
# What these rungs ask for, where the mistake has no name.
ASKED = {
    "linear in dout": "If dout doubles, the gradient doubles. Where does yours use dout other than as a factor?",
    "same twice": "The same inputs must give the same answer. What does your function remember, change or draw?",
}


def report_on(key: Key, session: Session, submission: Submission | None = None) -> list[FunctionReport]:
    """Runs the ladder for one exercise: a report for each of its functions, in order."""
    return reports_of(key, judge(key, observe([key], session)[0]), session, submission)


def reports_of(
    key: Key, judgements: Sequence[Judgement], session: Session, submission: Submission | None = None
) -> list[FunctionReport]:
    """What the verdicts on an exercise come to: a report for each of its functions, in order."""
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
    findings = tuple([_finding(key, v, naming) for row in judgement.rows for v in row])
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


@functools.lru_cache(1024)
def _passed(case: str, array: str, hidden: bool, reason: str, similar: str) -> Finding:
    """As most findings of a class are."""
    return Finding(case, array, True, PASSED, "", hidden=hidden, reason=reason, similar=similar)


def _finding(key: Key, verdict: Verdict, naming: Naming) -> Finding:
    question, stop = verdict.question, verdict.stop
    if verdict.ok:
        return _passed(question.case, verdict.array, question.hidden, question.reason, question.similar)
    named: Diagnosis | None = naming.of(verdict.array)
    known = named.id if named else ""  # a relation that has no name is no known mistake
    picture = None
    if verdict.wrong is not None and not question.hidden and not (named and verdict.wrong.all()):
        symbols = key.shapes.get(verdict.array, ())
        picture = picture_of(verdict.array, verdict.yours, verdict.expected, verdict.wrong, symbols)
    return Finding(
        case=question.case,
        array=verdict.array,
        passed=False,
        kind=verdict.kind,
        headline=verdict.headline,
        evidence=verdict.evidence,
        idea=named.sentence if named else "",
        hint=named.hints[0] if named and named.hints else "",
        more_hints=named.hints[1:] if named else (),
        hidden=question.hidden,
        reason=question.reason,
        similar=question.similar,
        entry=verdict.entry,
        raised=stop.raised if stop else "",
        trace=stop.trace if stop else (),
        help=stop.help if stop else "" if named else ASKED.get(verdict.rung, ""),
        picture=picture,
        mistake=known,
        mark=array_mark(verdict.yours) if verdict.wrong is not None and not (known or question.hidden) else "",
    )


def _undefined(finding: Finding, name: str, definition: Definition) -> Finding:
    """Why there is no function to call: an untouched stub, no definition, or a cell that did not get that far."""
    if finding.passed or finding.kind not in (calls.MISSING, calls.RAISED, BLOCKED):
        return finding  # a hang, a crash or worse while the cells ran: that is the reason
    stop = undefined(name, definition.problem, definition.where, definition.untouched)
    return replace(
        finding,
        kind=calls.MISSING if definition.untouched or definition.problem is None else calls.RAISED,
        case="",
        headline=stop.headline,
        evidence=stop.evidence,
        raised=stop.raised,
        trace=stop.trace,
        help=stop.help,
    )


def _reached(key: Key, judgement: Judgement) -> tuple[str, tuple[str, ...]]:
    """What is right, in words, and the rungs above the one from which the first failing array fell."""
    if judgement.right:
        return "", ()
    fallen = next(v for row in judgement.rows for v in row if not v.ok)
    if fallen.rung == "returned":
        return "", ()
    names, name = judgement.function.returns, fallen.array
    parts = []
    if whole := [n for n in names if all(v.ok for v in judgement.verdicts(n))]:
        parts.append(_and(whole))
    if right := [f'"{v.question.case}"' for v in judgement.verdicts(name) if v.ok]:
        where = f"in the case{'s' * (len(right) > 1)} {_and(right)}" if len(right) <= 3 else f"in {len(right)} cases"
        parts.append(f"{name} {where}")
    at = RUNGS.index(fallen.rung)
    if at > RUNGS.index("dtype"):
        parts.append(f"the shape and dtype of {name}")
    elif at > RUNGS.index("shape"):
        parts.append(f"the shape of {name}")
    backward = key.pair and judgement.function is key.backward
    above = tuple(
        WORDS.get(r, r) for r in RUNGS[at + 1 :] if backward or r not in ("numerical gradient", "linear in dout")
    )
    return "; ".join(parts), above


def _and(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


# A derivative made by trying: an imaginary step, or the forward at x and a step. One by one they are found sooner;
# none takes longer than a few looks at each character, whatever the text.
_BY_TRYING = (
    r"\d[jJ]\b",
    r"\.imag\b",
    r"complex(?:_step|(?<=\bcomplex)\b)",
    r"{forward}\s*+\([^()+-]*+[-+][^()]*+\)",
    r"numerical_gradient",
)


@functools.cache
def _by_trying(forward: str) -> tuple[re.Pattern, ...]:
    return tuple(re.compile(pattern.format(forward=re.escape(forward))) for pattern in _BY_TRYING)


def _flag(key: Key, report: FunctionReport, submission: Submission) -> str:
    """A backward of an elementwise layer that seems to differentiate its forward by trying: a human decides.

    On layers that mix inputs the cost tells; here only the text can, so it asks for a look and takes no points.
    """
    if not key.elementwise or report.score == 0:
        return ""
    for text in definitions_in([source.text for source in submission.sources], key.backward.name):
        if any(pattern.search(text) for pattern in _by_trying(key.forward.name)):
            return (
                f"{key.backward.name} seems to find its derivative by trying numbers; the points are provisional "
                "until your instructor has looked at it."
            )
    return ""
