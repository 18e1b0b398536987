"""The class at a glance: one HTML page that needs nothing else, or Markdown for a job summary.

Every text is made inert and escaped, a student's above all; the page's own policy allows no script but the one that
sorts the table, known by its hash, and no connection at all.
"""

from __future__ import annotations

import base64
import hashlib
import html
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from autograder.errors import BadInput
from autograder.rendering.shown import TEXT_CAP, inert, points_text
from autograder.report import PARTIAL, PASSED
from autograder.results import FILE, full_disk, no_room, read_head, read_submissions, write_lines
from autograder.whole_class.summary import ClassSummary, summarise

PAGE = "report.html"
LISTED = 40  # students of one group; more would hide the rest of the page
TEMPLATES = Path(__file__).parent / "templates"
SIGNS = {PASSED: "✓", PARTIAL: "◐"}


def summary_of(folder: Path) -> ClassSummary:
    """The summary of the run in a results folder.

    Raises:
        BadInput: there is no results.json of ours.
    """
    try:
        head = read_head(folder / FILE)
        if head is None:
            raise BadInput(f"there is no {FILE} in {folder}; name the folder that was graded into")
        return summarise(head, read_submissions(folder / FILE))
    except ValueError as error:  # a sentence that says all
        raise BadInput(error) from error
    except (KeyError, TypeError) as error:
        raise BadInput(f"{folder / FILE} cannot be read as results ({error}); grade again to write it anew") from error


def write_page(folder: Path) -> Path:
    """Writes the HTML page beside results.json, whole or not at all, and returns where it is.

    Raises:
        BadInput: there are no results, the disk is full, or matplotlib is not installed.
    """
    path = folder / PAGE
    summary = summary_of(folder)
    try:
        write_lines(path, page(summary))
    except ImportError as error:
        raise BadInput('the report needs matplotlib: pip install "backprop-by-hand[instructor]"') from error
    except OSError as error:
        if no_room(error):
            raise BadInput(full_disk(folder)) from error
        raise BadInput(f"{path} cannot be written: {error.strerror}") from error
    return path


# HTML -----------------------------------------------------------------------------------------------------------------


def page(summary: ClassSummary) -> Iterator[str]:
    """The page, piece by piece."""
    from autograder.whole_class.figures import distribution, pass_rates

    style, script = ((TEMPLATES / f"class_report.{kind}").read_text(encoding="utf-8") for kind in ("css", "js"))
    known = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    title = f"{summary.assignment}: the class at a glance"
    yield (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; '
        f"style-src 'unsafe-inline'; script-src 'sha256-{known}'\">\n"
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n'
        f"<title>{_esc(title)}</title>\n<style>\n{style}</style>\n</head>\n<body>\n<main>\n"
    )
    yield f"<h1>{_esc(title)}</h1>\n<p>{_esc(opening(summary))}</p>\n"
    yield f'<div class="plots"><figure>{distribution(summary)}</figure><figure>{pass_rates(summary)}</figure></div>\n'
    yield from _section("Needs a person", _look(summary))
    yield from _section("Functions", _functions(summary))
    yield from _section("Mistakes with a name", _mistakes(summary))
    yield from _section("Hidden cases that fail", _hidden(summary))
    yield from _section("Work that is alike", _alike(summary))
    yield from _section("Students", _students(summary))
    yield f"</main>\n<script>{script}</script>\n</body>\n</html>\n"


def opening(summary: ClassSummary) -> str:
    """The first sentence: how many, how well, when and with what."""
    count = len(summary.rows)
    percents = sorted(summary.percents)
    middle = (percents[(count - 1) // 2] + percents[count // 2]) / 2 if count else 0.0
    full = sum(row.score >= row.max_score for row in summary.rows)
    grader = summary.grader
    version, exercises, secret = (grader.get(name, "?") for name in ("version", "exercises", "secret"))
    return (
        f"{count} submission{'s' * (count != 1)}, median {middle:.0f} percent, {full} with all points. "
        f"Graded {_when(summary.created)} by autograder {version}, exercises {exercises}, secret {secret}, "
        f"protected by {grader.get('sandbox') or 'nothing'}. "
        "It holds students' names and grades: it is yours, not for handing out."
    )


def _when(created: str) -> str:
    """'2026-11-23T02:36:28+00:00' as a person writes it."""
    return re.sub(r"(\d{4}-\d\d-\d\d)T(\d\d:\d\d):\d\d\+00:00", r"\1, \2 UTC,", created)


def _section(title: str, content: Iterable[str]) -> Iterator[str]:
    yield f"<section>\n<h2>{_esc(title)}</h2>\n"
    yield from content
    yield "</section>\n"


def _look(summary: ClassSummary) -> Iterator[str]:
    if not summary.look:
        yield "<p>No submission: each could be read, none was flagged, and none attacked the grader.</p>\n"
        return
    yield from _table(
        ["student", "function", "why"],
        ((_esc(student), _code(name) if name else "", _esc(why)) for student, name, why in summary.look),
    )


def _functions(summary: ClassSummary) -> Iterator[str]:
    head = ["function", "passed", "partial", "no points", "mean points", "median time to grade its exercise"]
    rows = []
    for f in summary.functions:
        none = f.students - f.passed - f.partial
        others = ", ".join(f"{n} {s.replace('_', ' ')}" for s, n in f.statuses.most_common() if s not in SIGNS)
        rows.append(
            (
                _code(f.name),
                _of(f.passed, f.students),
                _of(f.partial, f.students),
                _of(none, f.students) + (f" <small>({_esc(others)})</small>" if none else ""),
                f"{points_text(f.scores / f.students)} of {points_text(f.max_score)}",
                f"{1000 * f.seconds:.1f} ms",
            )
        )
    yield from _table(head, rows)


def _mistakes(summary: ClassSummary) -> Iterator[str]:
    if not summary.mistakes:
        yield "<p>None was recognised.</p>\n"
        return
    most = summary.mistakes[0].students
    rows = []
    for m in summary.mistakes:
        bar = f'<span class="bar" style="width:{6 * m.students / most:.2f}em"></span>'
        where = ", ".join(_code(name) for name, _ in m.functions.most_common())
        example = f"<details><summary>an example</summary>{'<br>'.join(map(_code, m.example))}</details>"
        example = example if m.example else ""
        rows.append(
            (_code(m.id), f'<span class="count">{m.students} {bar}</span>', where, f"{_esc(m.sentence)} {example}")
        )
    yield from _table(["mistake", "students", "functions", "what it is"], rows)


def _hidden(summary: ClassSummary) -> Iterator[str]:
    if not summary.hidden:
        yield "<p>None.</p>\n"
        return
    yield (
        "<p>A hidden case that many fail who pass every public one asks for something that the public cases "
        "do not show.</p>\n"
    )
    yield from _table(
        ["function", "case", "fail it", "of these pass every public case", "what it asks"],
        ((_code(h.function), _esc(h.case), str(h.failed), str(h.alone), _esc(h.reason)) for h in summary.hidden),
    )


def _alike(summary: ClassSummary) -> Iterator[str]:
    yield (
        "<p>A hint for a person who then reads both, and nothing more: a common mistake that has no name yet looks "
        "the same. Right functions and short ones are never compared.</p>\n"
    )
    if not summary.alike:
        yield "<p>Nothing.</p>\n"
        return
    yield from _table(
        ["function", "students", "what they have in common"],
        ((_code(a.function), _esc(_names(a.students), 2000), _esc(a.what)) for a in summary.alike),
    )


def _students(summary: ClassSummary) -> Iterator[str]:
    head = ["student", "points", "percent", *(f.name for f in summary.functions), "mistakes", "look"]
    rows = (
        (
            _esc(row.student),
            f"{points_text(row.score)} of {points_text(row.max_score)}",
            f"{percent:.0f}",
            *(_result(score, status) for score, status in row.functions),
            _esc(", ".join(row.mistakes)),
            "look" if row.look else "",
        )
        for row, percent in zip(summary.rows, summary.percents, strict=True)
    )
    yield "<p>A click on a heading sorts by it, where scripts may run.</p>\n"
    yield from _table(head, rows, kind=' class="sortable"')


def _result(score: float, status: str) -> str:
    """Points and, where they are not all or there are none, the word why."""
    sign = SIGNS.get(status, "✗")
    word = "" if status in (PASSED, PARTIAL, "failed") else f" <small>{_esc(status.replace('_', ' '))}</small>"
    label = f'<span class="{status if status in SIGNS else "none"}" title="{_esc(status)}">{sign}</span>'
    return f"{label} {points_text(score)}{word}"


def _table(head: Iterable[str], rows: Iterable[Iterable[str]], kind: str = "") -> Iterator[str]:
    """A table of pieces of HTML; the first of a row is its heading."""
    yield f'<div class="wide"><table{kind}>\n<thead><tr>'
    # A long name may go over two lines, so that the columns after it are in sight.
    yield "".join(f'<th scope="col">{_esc(name).replace("_", "_<wbr>")}</th>' for name in head)
    yield "</tr></thead>\n<tbody>\n"
    for first, *others in rows:
        yield f'<tr><th scope="row">{first}</th>{"".join(f"<td>{cell}</td>" for cell in others)}</tr>\n'
    yield "</tbody></table></div>\n"


def _names(students: tuple[str, ...]) -> str:
    more = f" and {len(students) - LISTED} more" if len(students) > LISTED else ""
    return ", ".join(inert(s, 40) for s in students[:LISTED]) + more


def _of(count: int, students: int) -> str:
    return f"{count} <small>({100 * count / students:.0f}&nbsp;%)</small>" if students else "0"


def _code(text: str) -> str:
    return f"<code>{_esc(text)}</code>"


def _esc(text: str, cap: int = TEXT_CAP) -> str:
    return html.escape(inert(text, cap), quote=True)


# Markdown -------------------------------------------------------------------------------------------------------------

SHOWN = 200  # rows of the table of students: a job summary holds a megabyte
_ACTS = str.maketrans({c: f"\\{c}" for c in "\\`*_{}[]#!|~$:@"} | {"<": "&lt;", ">": "&gt;", "&": "&amp;"})


def to_markdown(summary: ClassSummary) -> str:
    """The same in short, as GitHub and GitLab render it."""
    lines = [f"# {_md(summary.assignment)}: the class at a glance", "", _md(opening(summary)), ""]
    if summary.look:
        lines += ["## Needs a person", "", *_md_table(["student", "function", "why"], summary.look)]
    lines += ["## Functions", ""]
    rows = [(f.name, f.passed, f.partial, f.students - f.passed - f.partial) for f in summary.functions]
    lines += _md_table(["function", "passed", "partial", "no points"], rows)
    if summary.mistakes:
        lines += ["## Mistakes with a name", ""]
        lines += _md_table(
            ["mistake", "students", "what it is"], [(m.id, m.students, m.sentence) for m in summary.mistakes]
        )
    if summary.hidden:
        head = ["function", "hidden case", "fail it", "of these pass every public case"]
        lines += ["## Hidden cases that fail", ""]
        lines += _md_table(head, [(h.function, h.case, h.failed, h.alone) for h in summary.hidden])
    if summary.alike:
        lines += ["## Work that is alike", "", "A hint for a person who then reads both, and nothing more.", ""]
        head = ["function", "students", "what they have in common"]
        lines += _md_table(head, [(a.function, _names(a.students), a.what) for a in summary.alike])
    lines += ["## Students", ""]
    rows = [
        (row.student, f"{points_text(row.score)} of {points_text(row.max_score)}", ", ".join(row.mistakes))
        for row in summary.rows[:SHOWN]
    ]
    lines += _md_table(["student", "points", "mistakes"], rows)
    if len(summary.rows) > SHOWN:
        lines += [f"and {len(summary.rows) - SHOWN} more.", ""]
    return "\n".join(lines)


def _md_table(head: list[str], rows: Iterable[Iterable]) -> list[str]:
    def line(cells: Iterable) -> str:
        return f"| {' | '.join(_md(str(cell)) for cell in cells)} |"

    return [line(head), f"|{' --- |' * len(head)}", *(line(row) for row in rows), ""]


def _md(text: str) -> str:
    return inert(text, 2000).translate(_ACTS)
