"""A report as plain text, for a terminal or a pipe: no colour, no control characters, 80 columns."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from typing import Any

from autograder.rendering.shown import (
    Audience,
    hints_left,
    inert,
    parts_of,
    points,
    reached_line,
    shown_failures,
    with_ideas,
)
from autograder.report import PASSED, Entry, FunctionReport, Picture

WIDTH = 80
# Beyond this an array is described in words alone.
PICTURE = (8, 30)
MEANINGS = {".": "right", "x": "wrong", "0": "wrongly 0", "?": "nan or inf"}


def to_text(
    report: FunctionReport,
    *,
    audience: Audience = "student",
    hints: int = 1,
    public: bool = False,
    more: str = "",
    width: int = WIDTH,
) -> str:
    """One function's report as plain text of at most `width` columns.

    public: only the public checks ran, and points are not told.
    more: what to type for another hint, where there is one to ask for.
    """
    passed, total = report.checks
    score = "" if public else points(report)
    if report.status == PASSED:
        if public:
            lines = filled(f"{report.name}: public checks passed, {passed} of {total}. {DECIDE}", width)
        else:
            lines = _spread(f"{report.name}: passed.", score, width)
    else:
        lines = []
        for finding, idea in with_ideas(shown_failures(report)):
            lines += _spread(inert(finding.headline, 300), score, width)
            score = ""
            for line in _below(parts_of(finding, audience, hints, idea), width):
                lines += line
        if passed:
            lines += _wrapped(f"{'Public checks' if public else 'Checks'} passed: {passed} of {total}.", width)
    if reached := reached_line(report):
        lines += _wrapped(reached, width)
    if more and hints_left(report, hints):
        lines += _wrapped(f"Another hint: {more}", width)
    for remark in (report.flagged, *report.remarks):
        if remark:
            lines += _wrapped(f"Remark: {inert(remark)}", width)
    return "\n".join(no_command(line) for line in lines)


def no_command(line: str) -> str:
    """The line, if need be quoted, so that a host of CI jobs that reads it takes it for no command of its own."""
    words = line.lstrip().replace("##[", "## [")
    return line[: len(line) - len(line.lstrip())] + ("> " if words.startswith("::") else "") + words


DECIDE = "Hidden checks decide the points."


def _below(parts: Iterator[tuple[str, Any]], width: int) -> Iterator[list[str]]:
    """The lines of each part; a case stands before its evidence, or alone with its reason."""
    case = reason = ""
    for kind, content in parts:
        if kind == "case":
            case, reason = f'case "{content[0]}"', content[1]
            continue
        if kind == "entry":
            yield _entry(case, content, width)
        elif kind == "evidence":
            yield _wrapped(f"{case}   {content}" if case else content, width)
        else:
            if case:
                yield _wrapped(f"{case}: {reason}", width)
            yield _PARTS.get(kind, _wrapped)(content, width)
        case = ""
    if case:
        yield _wrapped(f"{case}: {reason}", width)


def _entry(case: str, entry: Entry, width: int) -> list[str]:
    line = f"  {case}   {entry}" if case else f"  {entry}"
    return [line] if len(line) <= width else [f"  {case}", *_wrapped(str(entry), width)]


def _trace(content: tuple[list[tuple[str, str]], str], width: int) -> list[str]:
    trace, raised = content
    lines = []
    for where, line in trace:
        lines += _wrapped(where, width)
        if line:
            lines.append(f"      {line}" if len(line) <= width - 6 else f"      {line[: width - 10]} ...")
    return lines + (_wrapped(raised, width) if raised else [])


def _picture(content: tuple[Picture, bool], width: int) -> list[str]:
    """The marks, where they are few and not all alike, and what they say, if that is not said already."""
    picture, said = content
    rows, columns = len(picture.marks), len(picture.marks[0])
    lines = [] if said else _wrapped(picture.words, width)
    used = [mark for mark in MEANINGS if any(mark in row for row in picture.marks)]
    if len(used) > 1 and rows > 1 and rows <= PICTURE[0] and columns <= PICTURE[1] and picture.block == (1, 1):
        meanings = ", ".join(f"{mark} {MEANINGS[mark]}" for mark in used)
        lines += ["      " + " ".join(row) for row in picture.marks]
        lines[-1] += f"   ({meanings})" if len(lines[-1]) + len(meanings) + 5 <= width else ""
    return lines


_PARTS = {"trace": _trace, "picture": _picture}


def filled(text: str, width: int) -> list[str]:
    return textwrap.wrap(text, width, subsequent_indent="  ", break_on_hyphens=False)


def _spread(left: str, right: str, width: int) -> list[str]:
    """Left and right on one line where they fit, else below each other."""
    if right and len(left) + len(right) + 2 <= width:
        return [left + right.rjust(width - len(left))]
    return filled(left, width) + ([right.rjust(width)] if right else [])


def _wrapped(text: str, width: int) -> list[str]:
    return textwrap.wrap(text, width, initial_indent="  ", subsequent_indent="    ", break_on_hyphens=False)
