"""A report as a self-contained piece of HTML, for a notebook's output or a feedback page.

No script, no style sheet, no link. Colours are those of the page (inherited, and transparent greys), so that it reads
in light and dark; no meaning rests on colour alone, and pictures say in words what they show.
"""

from __future__ import annotations

import html
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
from autograder.rendering.text import DECIDE, MEANINGS
from autograder.report import PARTIAL, PASSED, Entry, FunctionReport, Picture

_BOX = "border-left:4px solid {edge};padding:.4em .9em;margin:.3em 0;line-height:1.5;max-width:60em"
# Colour-blind safe (Okabe and Ito), and legible as an edge on white and on black.
_EDGES = {PASSED: "#009E73", PARTIAL: "#E69F00"}
_OTHER_EDGE = "#D55E00"
_SIGNS = {PASSED: "✓", PARTIAL: "◐"}
_WORDS = {
    PARTIAL: "partly right",
    "error": "exception",
    "missing": "not there yet",
    "blocked": "waits for its forward",
    "timeout": "did not finish",
    "forbidden": "not allowed",
    "protocol": "no answer",
    "grader_error": "not your fault",
}
_GREY = "rgba(128,128,128,.16)"
_MONO = "font-family:ui-monospace,Menlo,Consolas,monospace;font-size:.95em"
_CELL = f"padding:.15em .8em;text-align:left;border:1px solid rgba(128,128,128,.4);background:none;{_MONO}"
_HEAD = "padding:.15em .8em;text-align:left;border:1px solid rgba(128,128,128,.4);background:none;font-weight:normal"
_SMALL = "font-size:.92em;margin-top:.2em"
_SQUARE = 16


def to_html(
    report: FunctionReport, *, audience: Audience = "student", hints: int = 1, public: bool = False, more: str = ""
) -> str:
    """One function's report; `public` and `more` as for text."""
    passed, total = report.checks
    good = report.status == PASSED
    word = _WORDS.get(report.status, report.status.replace("_", " "))
    score = f"{passed} of {total} public checks" if public else points(report)
    box = _BOX.format(edge=_EDGES.get(report.status, _OTHER_EDGE))
    shown = [] if good else list(with_ideas(shown_failures(report)))
    title = inert(shown[0][0].headline, 300) if shown else f"{report.name}: {'public checks ' if public else ''}{word}."
    parts = [
        f'<div role="group" aria-label="{_esc(report.name)}: {_esc(word)}" style="{box}">',
        '<div style="display:flex;flex-wrap:wrap;gap:.2em 1.5em;justify-content:space-between">',
        f'<strong><span aria-hidden="true">{_SIGNS.get(report.status, "✗")}</span> {_esc(title)}</strong>'
        f"<span>{_esc(score if good else f'{word}, {score}')}</span></div>",
    ]
    for at, (finding, idea) in enumerate(shown):
        if at:
            parts.append(f'<div style="margin-top:.4em"><strong>{_esc(inert(finding.headline, 300))}</strong></div>')
        parts += [_PARTS[kind](content) for kind, content in parts_of(finding, audience, hints, idea)]
    footer = [DECIDE] if public and good else []
    if not good and passed and not public:
        footer.append(f"Checks passed: {passed} of {total}.")
    if reached := reached_line(report):
        footer.append(reached)
    parts += [f'<div style="{_SMALL}">{_esc(line)}</div>' for line in footer]
    if more and hints_left(report, hints):
        parts.append(f'<div style="{_SMALL}">Another hint: {_code(more)}</div>')
    parts += [f'<div style="{_SMALL}">Remark: {_esc(inert(r))}</div>' for r in (report.flagged, *report.remarks) if r]
    return "\n".join([*parts, "</div>"])


def _esc(text: str) -> str:
    return html.escape(text, quote=True)


def _code(text: str) -> str:
    style = f"background:{_GREY};color:inherit;padding:.05em .35em;border-radius:3px;{_MONO}"
    return f'<code style="{style}">{_esc(text)}</code>'


def _case(case: tuple[str, str]) -> str:
    name, reason = case
    return _plain(f'case "{name}": {reason}')


def _plain(text: str) -> str:
    return f"<div>{_esc(text)}</div>"


def _hint(text: str) -> str:
    return f"<div>Hint: <em>{_esc(text)}</em></div>"


def _evidence(text: str) -> str:
    return f"<div>{_code(text)}</div>"


def _entry(entry: Entry) -> str:
    """The first differing entry as a table of one row: a screen reader tells each number with its name."""
    heads = ("entry", "yours", entry.label)
    head = "".join(f'<th scope="col" style="{_HEAD}">{_esc(text)}</th>' for text in heads)
    row = (
        f'<th scope="row" style="{_HEAD};{_MONO}">{_esc(entry.place)}</th>'
        f'<td style="{_CELL}">{_esc(entry.yours)}</td><td style="{_CELL}">{_esc(entry.value)}</td>'
    )
    style = "border-collapse:collapse;margin:.3em 0;font-size:inherit;color:inherit"
    return f'<table style="{style}"><tr>{head}</tr><tr>{row}</tr></table>'


def _trace(content: tuple[list[tuple[str, str]], str]) -> str:
    trace, raised = content
    lines = [f"{where}\n    {line}" if line else where for where, line in trace] + [raised] * bool(raised)
    style = f"background:{_GREY};color:inherit;margin:.3em 0;padding:.3em .7em;white-space:pre-wrap;{_MONO}"
    return f'<pre style="{style}">{_esc(chr(10).join(lines))}</pre>'


def _picture(content: tuple[Picture, bool]) -> str:
    """One square an entry, darker the further off; crosses, 0 and ? mark what is wrong, so that no colour is needed."""
    picture, said = content
    used = [mark for mark in MEANINGS if any(mark in row for row in picture.marks)]
    if len(used) < 2:
        return "" if said else _plain(picture.words)
    rows, columns = len(picture.marks), len(picture.marks[0])
    left, top = (22 if picture.axes[0] else 0), (18 if picture.axes[1] else 0)
    text = 'font-family="monospace" font-size="12" fill="currentColor"'
    drawn = []
    if picture.axes[1]:
        drawn.append(f'<text x="{left + 2}" y="12" {text}>{_esc(picture.axes[1])} →</text>')
    if picture.axes[0]:
        drawn.append(f'<text x="2" y="{top + 12}" {text}>{_esc(picture.axes[0])}</text>')
        drawn.append(f'<text x="2" y="{top + 26}" {text}>↓</text>')
    for i, (row, heat) in enumerate(zip(picture.marks, picture.heat, strict=True)):
        for j, (mark, warmth) in enumerate(zip(row, heat, strict=True)):
            drawn.append(_square(left + j * _SQUARE, top + i * _SQUARE, mark, warmth))
    width, height = left + columns * _SQUARE, max(top + rows * _SQUARE, top + 30 if picture.axes[0] else 0)
    legend = ", ".join(f"{'empty' if mark == '.' else mark}: {MEANINGS[mark]}" for mark in used)
    if any(size > 1 for size in picture.block):
        legend += f"; a square stands for {picture.block[0]} x {picture.block[1]} entries"
    return (
        f'<svg role="img" aria-label="{_esc(picture.words)}" width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}" style="margin:.4em 0 .1em;display:block;max-width:100%">{"".join(drawn)}</svg>'
        f'<div style="{_SMALL}">{"" if said else _esc(picture.words) + " "}({legend})</div>'
    )


def _square(x: int, y: int, mark: str, warmth: float) -> str:
    inside = f'x="{x + 1}" y="{y + 1}" width="{_SQUARE - 2}" height="{_SQUARE - 2}"'
    if mark == ".":
        return f'<rect {inside} fill="rgba(128,128,128,.22)"/>'
    square = f'<rect {inside} fill="{_OTHER_EDGE}" fill-opacity="{0.6 + 0.4 * warmth:.2f}"/>'
    if mark == "x":
        a, b = 5, _SQUARE - 10
        return f'{square}<path d="M{x + a} {y + a}l{b} {b}m0 {-b}l{-b} {b}" stroke="#fff" stroke-width="1.6"/>'
    middle = f'x="{x + _SQUARE / 2:g}" y="{y + 12}" text-anchor="middle"'
    return f'{square}<text {middle} font-family="monospace" font-size="11" fill="#fff">{mark}</text>'


_PARTS: dict[str, Any] = {
    "hidden": _plain,
    "case": _case,
    "evidence": _evidence,
    "entry": _entry,
    "trace": _trace,
    "picture": _picture,
    "help": _plain,
    "idea": _plain,
    "hint": _hint,
}
