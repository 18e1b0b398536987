"""Shows a report: as text for a terminal, as HTML for a notebook or a feedback page, as a dict for results.json.

Whatever came from a student (messages, lines of code) is made inert here: control and bidirectional characters are
replaced, lengths capped, HTML escaped. For students, what is hidden is described and never printed.
"""

from __future__ import annotations

import html
import textwrap
import unicodedata
from collections.abc import Iterator, Sequence
from typing import Literal

from autograder.report import PASSED, Finding, FunctionReport, SubmissionReport

Audience = Literal["student", "instructor"]
WIDTH = 80
TEXT_CAP = 600


def inert(text: str, cap: int = TEXT_CAP) -> str:
    """Text that cannot act on a terminal or reorder a line: no control, format, surrogate or private characters."""
    kept = "".join(
        " " if c in "\n\t\r" else "�" if unicodedata.category(c) in ("Cc", "Cf", "Cs", "Co", "Zl", "Zp") else c
        for c in text[: 4 * cap]
    )
    return kept if len(kept) <= cap else kept[: cap - 1] + "…"


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


def details(finding: Finding, audience: Audience, hints: int, idea: bool) -> Iterator[tuple[str, str]]:
    """(kind, text) of the lines below a headline: the evidence, then, where wanted, the idea and hints."""
    if finding.hidden and audience == "student":
        similar = f" Try a similar one: {finding.similar}" if finding.similar else ""
        yield "evidence", f'hidden case "{finding.case}": {finding.reason}.{similar}'
    elif finding.case:
        yield "evidence", f'case "{finding.case}"   {inert(finding.evidence)}'.rstrip()
    elif finding.evidence:
        yield "evidence", inert(finding.evidence)
    if not idea:
        return
    if finding.idea:
        yield "idea", inert(finding.idea)
    for hint in [h for h in (finding.hint, *finding.more_hints) if h][:hints]:
        yield "hint", inert(hint)


# Text -----------------------------------------------------------------------------------------------------------------


def to_text(
    report: FunctionReport, *, audience: Audience = "student", hints: int = 1, public: bool = False, width: int = WIDTH
) -> str:
    """One function's report as plain text of at most `width` columns; `public` where only public checks ran."""
    passed, total = report.checks
    score = "" if public else points(report)
    if report.status == PASSED and not report.flagged:
        lines = [_spread(f"{report.name}: passed.", score, width)]
    else:
        lines = []
        for finding, idea in with_ideas(shown_failures(report)):
            lines += _spread(inert(finding.headline, 300), score, width).split("\n")
            score = ""
            for _, text in details(finding, audience, hints, idea):
                lines += _wrapped(text, width)
    if public:
        lines += _wrapped(public_line(passed, total), width)
    elif report.status != PASSED:
        lines += _wrapped(f"{passed} of {total} checks passed.", width)
    if reached := reached_line(report):
        lines += _wrapped(reached, width)
    for remark in (report.flagged, *report.remarks):
        if remark:
            lines += _wrapped(f"Remark: {inert(remark)}", width)
    return "\n".join(lines)


def reached_line(report: FunctionReport) -> str:
    """What the first failing array had right, and what was not looked at any more."""
    parts = [f"Passed: {report.reached}."] if report.reached else []
    if report.not_reached:
        parts.append(f"Not reached: {', '.join(report.not_reached)}.")
    return "   ".join(parts)


def public_line(passed: int, total: int) -> str:
    return f"public checks {passed} of {total}; hidden checks decide the points"


def _spread(left: str, right: str, width: int) -> str:
    if not right:
        return textwrap.fill(left, width)
    if len(left) + len(right) + 2 <= width:
        return left + right.rjust(width - len(left))
    return textwrap.fill(left, width) + "\n" + right.rjust(width)


def _wrapped(text: str, width: int) -> list[str]:
    return textwrap.wrap(
        text, width, initial_indent="  ", subsequent_indent="  ", drop_whitespace=True, break_on_hyphens=False
    )


# HTML -----------------------------------------------------------------------------------------------------------------

# Colours are those of the page (currentColor, transparent greys), so that light and dark both work without a script.
_BOX = "border-left:4px solid {edge};padding:.4em .9em;margin:.3em 0;font-family:inherit;line-height:1.45"
_EDGES = {PASSED: "#009E73", "partial": "#E69F00"}
_OTHER_EDGE = "#D55E00"
_CODE = (
    "font-family:monospace;background:rgba(128,128,128,.14);padding:.05em .35em;border-radius:3px;white-space:pre-wrap"
)
_WORDS = {PASSED: "passed", "partial": "partly right"}


def to_html(report: FunctionReport, *, audience: Audience = "student", hints: int = 1, public: bool = False) -> str:
    """One function's report as a self-contained piece of HTML: no script, no link, readable without colour."""
    passed, total = report.checks
    good = report.status == PASSED
    edge = _EDGES.get(report.status, _OTHER_EDGE)
    mark = "✓" if good else "✗"
    word = _WORDS.get(report.status, report.status.replace("_", " "))
    score = public_line(passed, total) if public else points(report)
    parts = [
        f'<div role="group" aria-label="{_esc(report.name)}: {_esc(word)}" style="{_BOX.format(edge=edge)}">',
        '<div style="display:flex;flex-wrap:wrap;gap:.2em 1.5em;justify-content:space-between">',
        f'<strong><span aria-hidden="true">{mark}</span> {_esc(report.name)}: {_esc(word)}</strong>'
        f"<span>{_esc(score)}</span></div>",
    ]
    if not good or report.flagged:
        for finding, idea in with_ideas(shown_failures(report)):
            parts.append(f'<div style="margin-top:.4em"><strong>{_esc(inert(finding.headline, 300))}</strong></div>')
            parts += [_detail_html(kind, text) for kind, text in details(finding, audience, hints, idea)]
            if finding.picture and not (finding.hidden and audience == "student"):
                parts.append(_picture_html(finding))
    footer = []
    if not public and not good:
        footer.append(f"{passed} of {total} checks passed.")
    if reached := reached_line(report):
        footer.append(reached)
    footer += [f"Remark: {inert(r)}" for r in (report.flagged, *report.remarks) if r]
    parts += [f'<div style="opacity:.8;font-size:.92em">{_esc(line)}</div>' for line in footer]
    return "\n".join([*parts, "</div>"])


def _detail_html(kind: str, text: str) -> str:
    if kind == "evidence":
        return f'<div><code style="{_CODE}">{_esc(text)}</code></div>'
    if kind == "hint":
        return f'<div style="font-style:italic">{_esc(text)}</div>'
    return f"<div>{_esc(text)}</div>"


def _picture_html(finding: Finding) -> str:
    """Which entries are wrong, one square each: a cross marks a wrong one, so that colour is not the only sign."""
    rows, columns = len(finding.picture), len(finding.picture[0])
    size = 14
    wrong = sum(map(sum, finding.picture))
    cells = []
    for i, row in enumerate(finding.picture):
        for j, bad in enumerate(row):
            x, y = j * size, i * size
            fill = _OTHER_EDGE if bad else "rgba(128,128,128,.25)"
            cells.append(f'<rect x="{x + 1}" y="{y + 1}" width="{size - 2}" height="{size - 2}" fill="{fill}"/>')
            if bad:
                cells.append(
                    f'<path d="M{x + 4} {y + 4}l{size - 8} {size - 8}m0 {8 - size}l{8 - size} {size - 8}" '
                    'stroke="#fff" stroke-width="1.5"/>'
                )
    label = f"{wrong} of {rows * columns} entries of {finding.array} are wrong, marked by crosses"
    return (
        f'<svg role="img" aria-label="{_esc(label)}" width="{columns * size}" height="{rows * size}" '
        f'style="margin:.3em 0;display:block">{"".join(cells)}</svg>'
    )


def _esc(text: str) -> str:
    return html.escape(text, quote=True)


# dict -----------------------------------------------------------------------------------------------------------------


def to_dict(report: SubmissionReport) -> dict:
    """One submission as in results.json: the instructor's, hidden evidence included."""
    return {
        "student": report.student,
        "path": report.path,
        "digest": report.digest,
        "score": report.score,
        "max_score": report.max_score,
        "seconds": round(report.seconds, 6),
        "remarks": [inert(r) for r in report.remarks],
        "exercises": [_function_dict(f) for f in report.functions],
    }


def _function_dict(report: FunctionReport) -> dict:
    return {
        "name": report.name,
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
                "hint": f.hint,
                "hidden": f.hidden,
                "reason": f.reason,
                "similar": f.similar,
            }
            for f in report.findings
        ],
        "remarks": [inert(r) for r in report.remarks],
        "flagged": report.flagged,
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
