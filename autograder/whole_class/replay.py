"""An appeal: one student's hidden cases again, to the last bit, from the seed that grading used.

The instructor is shown the inputs, the student's answer and the expected one. What can be handed to the student holds
none of these: what was asked, in words, and what went wrong.
"""

from __future__ import annotations

import difflib
import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from autograder.answer_key import Key, Question, full_key
from autograder.assess import reports_of
from autograder.catalogue import Catalogue, load_catalogue
from autograder.errors import BadInput
from autograder.exercise import Exercise
from autograder.grading import Grader
from autograder.judge import describe_value, judge
from autograder.observe import observe
from autograder.rendering.shown import inert, points_text
from autograder.rendering.text import to_text
from autograder.report import Finding, FunctionReport
from autograder.results import FILE, read_head, read_submissions
from autograder.secret import course_secret, fingerprint, seed_for
from autograder.submission import Submission, read_submission
from autograder.verdict import Judgement, Verdict
from autograder.whole_class.cache import grader_identity
from autograder.whole_class.run import protection

LARGE = 200  # entries; a larger array is shown by its corners and its checksum
LONG = 4000  # characters of one array


@dataclass(frozen=True)
class _Then:
    """What results.json says: the run's head, the student's submission in it, and the functions asked for."""

    head: dict
    submission: dict
    functions: dict[str, dict]


def replay(
    folder: Path,
    student: str,
    name: str,
    *,
    solutions: Path,
    submission: Path | None = None,
    for_student: bool = False,
    confine: str = "full",
) -> str:
    """What is to be shown of one exercise of one student's submission, graded again as it was.

    Args:
        folder: where results.json is.
        name: a function, "sigmoid_backward", or an exercise, "sigmoid", for all of its functions.
        submission: where the submission is now; None for where it was.
        for_student: True for the version without a hidden or an expected value.
    Raises:
        BadInput: no such results, student, exercise or submission, or the course secret is another.
    """
    catalogue, secret = load_catalogue(solutions), course_secret(solutions)
    head = read_head(folder / FILE)
    if head is None:
        raise BadInput(f"there is no {FILE} in {folder}; name the folder that was graded into")
    there = head["grader"].get("secret")
    if there != fingerprint(secret):
        raise BadInput(
            f"{folder} was graded with another course secret ({there}, yours is {fingerprint(secret)}): "
            "import that one to repeat it"
        )
    exercise = catalogue.exercise_of(name, head["assignment"])
    if exercise.assignment != head["assignment"]:
        raise BadInput(f"{name} is of {exercise.assignment}; {folder} holds the results of {head['assignment']}")
    wanted = [f.name for f in exercise.functions if name in (f.name, exercise.name)]
    then = _then(folder, head, student, wanted)
    now = _submission(then.submission, submission, head["assignment"])
    protection(confine)
    with Grader(catalogue, exercise.assignment, secret=secret, confine=confine) as grader:
        key = full_key(exercise, seed_for(secret, student, exercise.name))
        with grader.sandbox.open(now.sources, grader.names) as session:
            judgements = judge(key, observe([key], session)[0])
            reports = {r.name: r for r in reports_of(key, judgements, session, now)}
    lines = [f"{name} of {inert(student, 80)} in {head['assignment']}, graded {head['created']}, repeated now."]
    lines += _differences(then, now, catalogue, exercise)
    lines += _outcome(then, [reports[n] for n in wanted])
    if for_student:
        return "\n".join([*lines, *_redacted(reports[n] for n in wanted)])
    for judgement in judgements:
        if judgement.function.name in wanted:
            lines += _shown(key, judgement)
    return "\n".join(lines)


def _then(folder: Path, head: dict, student: str, wanted: Sequence[str]) -> _Then:
    students = []
    for submission in read_submissions(folder / FILE):
        students.append(submission["student"])
        if submission["student"] == student:
            return _Then(head, submission, {f["name"]: f for f in submission["exercises"] if f["name"] in wanted})
    near = difflib.get_close_matches(student, students, 3)
    raise BadInput(
        f"{folder / FILE} holds no student {student!r}" + (f"; did you mean {' or '.join(near)}?" if near else "")
    )


def _submission(then: dict, moved: Path | None, assignment: str) -> Submission:
    path = moved or Path(then["path"])
    try:
        found = read_submission(path, student=then["student"], assignment=assignment)
    except OSError as error:
        raise BadInput(f"the submission cannot be read ({error}); say where it is now with --submission") from error
    if found.problem:
        raise BadInput(f"there is nothing to repeat: {found.problem}")
    return found


def _differences(then: _Then, now: Submission, catalogue: Catalogue, exercise: Exercise) -> Iterator[str]:
    """What is not as it was when the grade was given; each of these can change what comes out."""
    grader, digest = then.head["grader"], then.submission["digest"]
    if digest != now.digest:
        yield (
            f"NOT THE SAME SUBMISSION: what was graded has the digest {digest[:12] or '(none)'}, what is at {now.path} "
            f"now has {now.digest[:12]}. What follows is about the latter."
        )
    else:
        yield f"The submission is the one that was graded: digest {digest[:12]}."
    if grader.get("by_exercise", {}).get(exercise.name) != catalogue.digests(exercise.assignment)[exercise.name]:
        yield f"The exercise {exercise.name} was changed since; what follows is by today's."
    if grader.get("identity") != grader_identity():
        was = grader.get("identity", grader["version"])
        yield f"The grader was changed since: then {was}, now {grader_identity()}."


def _outcome(then: _Then, reports: Sequence[FunctionReport]) -> Iterator[str]:
    for report in reports:
        was = then.functions.get(report.name)
        now = f"{report.status}, {points_text(report.score)} of {points_text(report.max_score)} points"
        if was is None:
            yield f"{report.name}: {now}; it was not graded then."
        elif (was["status"], was["score"], was["max_score"]) == (report.status, report.score, report.max_score):
            yield f"{report.name}: {now}, as then."
        else:
            before = f"{was['status']}, {points_text(was['score'])} of {points_text(was['max_score'])} points"
            yield f"{report.name}: {now}. THEN IT WAS {before}."


# For the instructor ---------------------------------------------------------------------------------------------------


def _shown(key: Key, judgement: Judgement) -> Iterator[str]:
    """Every hidden case of a function: those that failed with inputs, answer and expected values, then the others."""
    hidden = [row for row in judgement.rows if row[0].question.hidden]
    for row in hidden:
        if not all(v.ok for v in row):
            yield ""
            yield from _case(key, judgement, row)
    passed = [row[0].question.case for row in hidden if all(v.ok for v in row)]
    if passed:
        yield ""
        names = ", ".join(f'"{case}"' for case in passed)
        yield f"{judgement.function.name} passed {len(passed)} of {len(hidden)} hidden cases: {names}."


def _case(key: Key, judgement: Judgement, row: Sequence[Verdict]) -> Iterator[str]:
    question, function = row[0].question, judgement.function
    yield f'{function.name}, hidden case "{question.case}": {question.reason}'
    yield from _inputs(key, question, backward=key.pair and function is key.backward)
    told = ""
    for verdict in row:
        if told != verdict.headline + verdict.evidence or verdict.ok:  # what ended a call is told once
            yield f"  {inert(verdict.headline, 300) or f'{function.name}: {verdict.array} is right.'}"
            if verdict.evidence:
                yield f"    {inert(verdict.evidence)}"
        told = verdict.headline + verdict.evidence
        if verdict.expected is None:
            continue
        yield from _value(f"the student's {verdict.array}", verdict.yours)
        yield from _value(f"expected {verdict.array}", verdict.expected)


def _inputs(key: Key, question: Question, *, backward: bool) -> Iterator[str]:
    for name, value in zip(key.forward.args, question.args, strict=False):
        yield from _value(name, value)
    if backward:
        yield from _value("dout", question.dout)


def _value(name: str, value: object) -> Iterator[str]:
    """A value with all digits that tell it apart, and a checksum of its bytes, so that two graders can compare."""
    if isinstance(value, tuple | list):
        for i, part in enumerate(value):
            yield from _value(f"{name}[{i}]", part)
        return
    if value is None or not isinstance(value, np.ndarray | np.generic | float | int):
        yield f"  {name}: {inert(describe_value(value))}"
        return
    array = np.asarray(value)
    checksum = hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()[:12]
    yield f"  {name}: shape {array.shape}, {array.dtype}, sha256 {checksum}"
    text = np.array2string(array, threshold=LARGE, floatmode="unique", separator=", ", max_line_width=100)
    for line in text[:LONG].split("\n"):
        yield f"    {inert(line, 200)}"


# For the student ------------------------------------------------------------------------------------------------------


def _redacted(reports: Iterator[FunctionReport]) -> Iterator[str]:
    for report in reports:
        yield ""
        yield to_text(report, audience="student")
        failed: dict[str, list[Finding]] = {}
        for finding in report.findings:
            if finding.hidden and finding.case and not finding.passed:
                failed.setdefault(finding.case, []).append(finding)
        if failed:
            yield "  Hidden cases that are not passed:"
        for case, findings in failed.items():
            similar = f" Try a similar one: {findings[0].similar}" if findings[0].similar else ""
            yield f'    "{case}" ({", ".join(f.array for f in findings)}): {findings[0].reason}.{similar}'
    yield ""
    yield "The numbers of hidden cases stay hidden; each is drawn for you alone. What is said of them above is all that"
    yield "was asked: a similar input shows the same."
