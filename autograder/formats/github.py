"""GitHub Actions: annotations at the failing functions' lines, and the summary of a job as markdown.

Source: GitHub's documentation, "Workflow commands for GitHub Actions". The runner takes every line of a step's output
that begins with "::" for a command, so whatever else is printed stands between `quiet` and its end, and what came from
a student can neither begin such a line nor end the quiet: it does not know the token.
"""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Iterator, Mapping, Sequence

from autograder.calls import MISSING
from autograder.formats.reading import (
    exercises,
    failed,
    headline,
    is_public,
    no_commands,
    not_begun,
    report_of,
    score_line,
    student_text,
)
from autograder.rendering.shown import inert, points

ANNOTATIONS = 10  # of one kind that a step may have
SUMMARY_BYTES = 900_000  # a step may have 1 MiB


def annotations(records: Sequence[dict]) -> str:
    """A command a failing function, of each kind at most as many as GitHub shows; the summary has all.

    What is wrong is an error; what is not written yet, a notice.
    """
    lines: dict[str, list[str]] = {"error": [], "notice": []}
    for record in records:
        if is_public(record) and not_begun(record):
            continue
        for submission, exercise in exercises(record):
            if failed(exercise):
                kind = "notice" if exercise["status"] == MISSING else "error"
                where = {"file": exercise.get("file", ""), "line": str(exercise.get("line", ""))}
                title = exercise["name"] if is_public(record) else f"{exercise['name']} ({submission['student']})"
                lines[kind].append(command(kind, headline(exercise), **where, title=title))
    return "".join(f"{line}\n" for kind in lines.values() for line in kind[:ANNOTATIONS])


def command(name: str, message: str, **properties: str) -> str:
    """A workflow command, its parts escaped as GitHub's toolkit does; empty properties are left out."""
    given = ",".join(f"{key}={_property(value)}" for key, value in properties.items() if value)
    return f"::{name}{' ' if given else ''}{given}::{_data(message)}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")


def quiet(text: str) -> str:
    """Text to print in a step of which nothing is obeyed."""
    token = secrets.token_hex(16)
    return f"::stop-commands::{token}\n{no_commands(text)}\n::{token}::\n"


def summary(records: Sequence[dict]) -> str:
    """A table of the functions and, below, what is wrong with each that fails, as GitHub's markdown."""
    parts, room = [], SUMMARY_BYTES
    for part in (part for record in records for part in _section(record)):
        room -= len(part.encode())
        if room < 0:
            parts.append("\nThe rest is left out here; it is in the results.\n")
            break
        parts.append(part)
    return "".join(parts)


def add_to_step_summary(records: Sequence[dict], environment: Mapping[str, str] = os.environ) -> None:
    """Adds the summary to the running job's page; outside GitHub Actions it does nothing."""
    path = environment.get("GITHUB_STEP_SUMMARY")
    if path:
        with open(path, "a", encoding="utf-8") as file:
            file.write(summary(records))


def _section(record: dict) -> Iterator[str]:
    """A record's heading, its table and a report a failing function, in pieces that can be left out one by one."""
    public = is_public(record)
    title = escape(record["assignment"])
    if public and not_begun(record):
        yield f"### {title}: not begun\n\n"
        return
    what = "public checks; hidden checks decide the points" if public else score_line(record["submissions"])
    columns = ["function", "", ""] if public else ["student", "function", "points", "", ""]
    yield f"### {title}: {what}\n\n{_table_row(columns)}{_table_row(['---'] * len(columns))}"
    for submission, exercise in exercises(record):
        row = [f"{'✗' if failed(exercise) else '✓'} {exercise['status'].replace('_', ' ')}", escape(headline(exercise))]
        name = f"`{exercise['name']}`"
        full = [escape(submission["student"]), name, points(report_of(exercise)), *row]
        yield _table_row([name, *row] if public else full)
    yield "\n"
    for submission, exercise in exercises(record):
        if failed(exercise) and exercise["status"] != MISSING:
            whose = "" if public else f" ({escape(submission['student'])})"
            body = fenced(student_text(record, exercise))
            # Few are shown at once, a class's many when they are asked for.
            opened = " open" if public else ""
            head = f"<details{opened}><summary><code>{exercise['name']}</code>{whose}</summary>"
            yield f"{head}\n\n{body}\n</details>\n\n"


def _table_row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |\n"


def fenced(text: str) -> str:
    """A code block of which the text cannot be the end."""
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}text\n{text}\n{fence}\n"


def escape(text: str) -> str:
    """Text that markdown and HTML take as it is: every mark is escaped, so it is no link, picture or mention."""
    return (
        re.sub(r"([!-/:-@\[-`{-~])", r"\\\1", " ".join(inert(text).split()))
        .replace("\\<", "&lt;")
        .replace("\\&", "&amp;")
    )
