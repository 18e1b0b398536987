"""What of a report is shown, in which order, and to whom; and a report as a dict for results.json.

Text is made of it in `text`, HTML in `html`. Whatever came from a student (messages, lines of code) is made inert
here: control and bidirectional characters are replaced, lengths capped. For students, what is hidden is described and
never printed.
"""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal

from autograder.report import BLOCKED, Finding, FunctionReport, SubmissionReport

Audience = Literal["student", "instructor"]
TEXT_CAP = 600


def inert(text: str, cap: int = TEXT_CAP) -> str:
    """Text that cannot act on a terminal or reorder a line: no control, format, surrogate or private characters."""
    if len(text) <= cap and text.isascii() and text.isprintable():  # as nearly all is
        return text
    kept = "".join(
        " " if c in "\n\t\r" else "�" if unicodedata.category(c) in ("Cc", "Cf", "Cs", "Co", "Zl", "Zp") else c
        for c in text[: 4 * cap]
    )
    return kept if len(kept) <= cap else kept[: cap - 1] + "…"


def counted(number: int, noun: str) -> str:
    """'1 file', '3 files'."""
    return f"{number} {noun}{'s' * (number != 1)}"


def points_text(value: float) -> str:
    """Points without needless digits: 2, 1.5, 1.7."""
    return f"{value:.2f}".rstrip("0").rstrip(".")


def points(report: FunctionReport) -> str:
    return f"{points_text(report.score)} of {points_text(report.max_score)} points"


def shown_failures(report: FunctionReport) -> list[Finding]:
    """The failures worth a reader's time: the first for each array, public before hidden; one if all say the same."""
    failures = sorted((f for f in report.findings if not f.passed), key=lambda f: f.hidden)
    first = list({f.array: f for f in reversed(failures)}.values())[::-1]
    by_headline = list({f.headline: f for f in reversed(first)}.values())[::-1]
    order = [f.array for f in report.findings]
    return sorted(by_headline, key=lambda f: order.index(f.array))


def with_ideas(failures: Sequence[Finding]) -> Iterator[tuple[Finding, bool]]:
    """Each failure, and whether its idea and hints are to follow it: once where several in a row share them."""
    for i, finding in enumerate(failures):
        following = failures[i + 1] if i + 1 < len(failures) else None
        yield finding, following is None or (following.idea, following.hint) != (finding.idea, finding.hint)


def parts_of(finding: Finding, audience: Audience, hints: int, idea: bool) -> Iterator[tuple[str, Any]]:
    """(kind, content) of what stands below a headline, in order; what is hidden is described, never shown.

    Kinds and contents: "hidden", "evidence", "help", "idea" and "hint" are texts, "case" is (name, reason), "entry" an
    `Entry`, "trace" a list of (where, line) and the exception, "picture" a `Picture` and whether the headline says the
    same. The idea and hints only where they are wanted.
    """
    if finding.hidden and audience == "student":
        similar = f" Try a similar one: {finding.similar}" if finding.similar else ""
        yield "hidden", f'hidden case "{finding.case}": {finding.reason}.{similar}'
    else:
        if finding.case and finding.kind != BLOCKED:
            yield "case", (finding.case, finding.reason)
        if finding.entry is not None:
            yield "entry", finding.entry
        elif finding.raised:
            yield "trace", (_inert_lines(finding), inert(finding.raised))
        elif finding.evidence:
            yield "evidence", inert(finding.evidence)
        if finding.picture is not None:
            yield "picture", (finding.picture, finding.picture.words.rstrip(".") in finding.headline)
        if finding.help:
            yield "help", inert(finding.help)
    if not idea:
        return
    if finding.idea:
        yield "idea", inert(finding.idea)
    for hint in [h for h in (finding.hint, *finding.more_hints) if h][: max(hints, 0)]:
        yield "hint", inert(hint)


def _inert_lines(finding: Finding) -> list[tuple[str, str]]:
    return [(inert(where), inert(line)) for where, line in finding.trace]


def hints_left(report: FunctionReport, hints: int) -> bool:
    """Whether there are more hints to ask for."""
    shown = [f for f, idea in with_ideas(shown_failures(report)) if idea]
    return max((len([h for h in (f.hint, *f.more_hints) if h]) - hints for f in shown), default=0) > 0


def reached_line(report: FunctionReport) -> str:
    """What is right although something failed, and what was not looked at any more."""
    parts = [f"Right: {report.reached}."] if report.reached else []
    if report.not_reached:
        parts.append(f"Not reached: {', '.join(report.not_reached)}.")
    return "   ".join(parts)


# dict -----------------------------------------------------------------------------------------------------------------


def to_dict(report: SubmissionReport) -> dict:
    """One submission as in results.json: the instructor's, hidden evidence included."""
    return submission_dict(
        report.student,
        report.path,
        report.digest,
        functions=[function_dict(f) for f in report.functions],
        remarks=[inert(r) for r in report.remarks],
        seconds=report.seconds,
        timing={f.exercise: f.seconds for f in report.functions},
    )


def submission_dict(
    student: str,
    path: str,
    digest: str,
    *,
    functions: list[dict],
    remarks: list[str],
    seconds: float,
    timing: Mapping[str, float],
) -> dict:
    """One submission as in results.json; `timing`: the seconds that each exercise took."""
    return {
        "student": student,
        "path": path,
        "digest": digest,
        "score": math.fsum(f["score"] for f in functions),
        "max_score": math.fsum(f["max_score"] for f in functions),
        "seconds": round(seconds, 6),
        "timing": {exercise: round(took, 6) for exercise, took in timing.items()},
        "remarks": remarks,
        "exercises": functions,
    }


def function_dict(report: FunctionReport) -> dict:
    """What results.json says of one function."""
    return {
        "name": report.name,
        "exercise": report.exercise,
        "status": report.status,
        "score": report.score,
        "max_score": report.max_score,
        "diagnosis": list(report.diagnosis),
        "findings": [
            {
                "case": f.case,
                "array": f.array,
                "passed": f.passed,
                "kind": f.kind,
                "headline": inert(f.headline),
                "evidence": inert(f.evidence),
                "idea": inert(f.idea),
                "help": inert(f.help),
                "hint": f.hint,
                "hidden": f.hidden,
                "reason": f.reason,
                "similar": f.similar,
                "mistake": f.mistake,
                "mark": f.mark,
            }
            for f in report.findings
        ],
        "remarks": [inert(r) for r in report.remarks],
        "flagged": report.flagged,
        "code": list(report.code),
    }


# A class at a glance --------------------------------------------------------------------------------------------------


def class_table(reports: Sequence[SubmissionReport]) -> str:
    """A table as text: student, points for each function, total, and what the mistakes are called."""
    if not reports:
        return "no submissions"
    names = [f.name.replace("_forward", " fwd").replace("_backward", " bwd") for f in reports[0].functions]
    head = ["student", *names, "total", "named mistakes"]
    rows = [
        [
            inert(r.student, 40),
            *(points_text(f.score) if f.score or f.status == "failed" else f.status for f in r.functions),
            f"{points_text(r.score)}/{points_text(r.max_score)}",
            ", ".join(dict.fromkeys(d for f in r.functions for d in f.diagnosis)) or "–",
        ]
        for r in reports
    ]
    widths = [max(len(row[i]) for row in (head, *rows)) for i in range(len(head))]
    return "\n".join("  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)).rstrip() for row in (head, *rows))
