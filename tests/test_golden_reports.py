"""One report for every misconception and for every status, as text, so that wording is reviewed as wording.

After a change of wording: `pytest tests/test_golden_reports.py --update`, then read the difference aloud.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from autograder import calls
from autograder.answer_key import full_key
from autograder.assess import report_on
from autograder.public_keys import read_keys
from autograder.rendering.html import to_html
from autograder.rendering.text import to_text
from autograder.report import FunctionReport
from demo.classroom import all_mistakes, mistaken
from tests.conftest import SECRET, as_submission, cells_of

GOLDEN = Path(__file__).parent / "golden"
HINTS = 9  # all of them


def students() -> list[tuple[str, str, dict[str, str]]]:
    """(what it shows, the function whose report is shown, answer cells by function) from golden/students.txt."""
    found = []
    for block in (GOLDEN / "students.txt").read_text(encoding="utf-8").split("\n### ")[1:]:
        head, _, code = block.partition("\n")
        title, _, name = head.partition(" | ")
        cells = [cell for cell in re.split(r"^# %%\n", code, flags=re.MULTILINE) if cell.strip()]
        found.append((title, name, {_answer(cell): cell.strip() + "\n" for cell in cells}))
    return found


def _answer(cell: str) -> str:
    """The function whose answer cell this is: one misspelt is known by its first letters."""
    return re.search(r"^def (\w+?_(?:forward|backward))", cell, re.MULTILINE)[1]


def reports(catalogue, box, exercise, answers, name, *keys) -> Iterator[FunctionReport]:
    """The report on one function by each key."""
    sources = cells_of(catalogue, answers, exercise.assignment)
    for key in keys:
        with box.open(sources, [f.name for f in exercise.functions]) as session:
            yield next(r for r in report_on(key, session, as_submission(sources)) if r.name == name)


def broken(catalogue, box) -> FunctionReport:
    """The report where the grader itself fails: its session is gone when the questions come."""
    sources = cells_of(catalogue, {})
    exercise = catalogue.exercise_of("tanh_forward")
    with box.open(sources, [f.name for f in exercise.functions]) as session:
        session.close()
        return report_on(read_keys()["tanh"], session)[0]


def section(title: str, text: str) -> str:
    return f"{'=' * 80}\n{title}\n{'=' * 80}\n{text}\n"


def compare(name: str, text: str, update: bool) -> None:
    path = GOLDEN / name
    if update:
        path.write_text(text, encoding="utf-8")
    assert path.read_text(encoding="utf-8") == text


@pytest.mark.parametrize("assignment", ["01_computational_graphs", "02_layers", "03_saturation"])
def test_every_misconception(catalogue, box, assignment, request):
    """What a student reads who makes the mistake and asks for all hints."""
    keys, sections = read_keys(), []
    for exercise, function, misconception in all_mistakes(catalogue, assignment):
        answers = mistaken(exercise, function, misconception)
        (report,) = reports(catalogue, box, exercise, answers, function.name, keys[exercise.name])
        sections.append(section(f"{function.name}, {misconception.id}", to_text(report, hints=HINTS, public=True)))
    compare(f"misconceptions_{assignment}.txt", "\n".join(sections), request.config.getoption("--update"))


def test_every_status(catalogue, box, request):
    """A student's own check, and, where points matter, the feedback after grading."""
    sections, met = [], set()
    full = {e.name: full_key(e, SECRET) for e in catalogue.exercises("02_layers")}
    for title, name, answers in students():
        exercise = catalogue.exercise_of(name)
        public, graded = reports(
            catalogue, box, exercise, answers, name, read_keys()[exercise.name], full[exercise.name]
        )
        met |= {public.status, graded.status}
        text = f"check:\n\n{to_text(public, public=True, more=f'check({name!r}, hints=2)')}"
        text += f"\n\nfeedback:\n\n{to_text(graded)}"
        sections.append(section(title, text))
        assert to_html(public, public=True)
    sections.append(section("grader_error", to_text(broken(catalogue, box))))
    compare("statuses.txt", "\n".join(sections), request.config.getoption("--update"))
    expected = {"passed", "partial", "failed", "blocked", calls.MISSING, calls.RAISED, calls.TIMEOUT, calls.CRASHED}
    assert met >= expected | {calls.FORBIDDEN, calls.PROTOCOL}
