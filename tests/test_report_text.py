"""Reports as text: what a student wrote cannot act on a terminal or on whoever reads the output."""

from __future__ import annotations

import re

import pytest

from autograder.answer_key import full_key
from autograder.calls import RETURNED, Reply
from autograder.judge import judge
from autograder.observe import Observation
from autograder.rendering.html import to_html
from autograder.rendering.text import WIDTH, to_text
from autograder.report import Entry, Finding, FunctionReport, Picture
from autograder.vjp.result import ArgumentCheck, VJPCheck
from tests.consumers import commands_obeyed

HOSTILE = "\x1b[31m::error file=x::forged ##[add-mask]y \u202egnp.<script>alert(1)</script>" + "long " * 400


def failed(**fields) -> FunctionReport:
    finding = Finding(**({"case": "a batch", "array": "dx", "passed": False, "kind": "error"} | fields))
    return FunctionReport("f_backward", "error", 0.0, 2.0, findings=(finding,), remarks=(HOSTILE,))


EVERYWHERE = failed(
    headline=HOSTILE,
    evidence=HOSTILE,
    raised=HOSTILE,
    help=HOSTILE,
    trace=((HOSTILE, HOSTILE), ("::warning::x", "::error::x"), ("a cell", "x = y")),
)


@pytest.mark.parametrize("report", [EVERYWHERE, failed(headline="h", evidence=HOSTILE, kind="blocked")])
def test_hostile_text_is_inert(report):
    """No escape, no reordering, no command to a host of CI jobs, no line too wide, no tag."""
    text = to_text(report)
    assert not re.search("[\x00-\x09\x0b-\x1f\u202e]", text)
    assert commands_obeyed(text) == []
    assert all(len(line) <= WIDTH + 2 for line in text.splitlines())
    page = to_html(report)
    assert "<script" not in page
    assert "\x1b" not in page


def test_hidden_inputs_stay_hidden():
    """Of a hidden case a student sees the reason and a similar input; no value, no message, no line of code.

    A line number or a line's text is the student's to choose while the code runs, and could spell out the input.
    """
    report = failed(
        headline="f_backward raised ValueError.",
        evidence="0.123 is secret",
        raised="ValueError: 0.123 is secret",
        help="about 0.123",
        trace=(("cell 3, line 2", "raise ValueError(x)"),),
        entry=Entry("dx[0]", "0.123", "expected", "0.456"),
        picture=Picture("dx", ("x.",), ((0.123, 0.0),), "dx is wrong in entry 0."),
        hidden=True,
        reason="one example",
        similar="np.ones(1)",
    )
    for shown in (to_text(report), to_html(report)):
        assert "one example" in shown
        assert "np.ones(1)" in shown
        assert "raise ValueError(x)" not in shown
        assert "0.123" not in shown
        assert "0.456" not in shown
        assert "dx is wrong in entry 0" not in shown
    assert "0.456" in to_text(report, audience="instructor")


def test_html_is_for_everybody():
    """No script, link or style sheet; a role and a label; the picture says in words what it shows; hints on asking."""
    report = failed(
        headline="f_backward: dx is wrong in 1 of 2 entries.",
        entry=Entry("dx[0]", "0.5", "numerical gradient", "0.25"),
        picture=Picture("dx", ("x.", ".."), ((1.0, 0.0), (0.0, 0.0)), "dx is wrong in row 0.", ("N", "M")),
        idea="Your dx is strange.",
        hint="Why?",
        more_hints=("Look there.",),
    )
    page = to_html(report, more='check("f_backward", hints=2)')
    for word in ("<script", "<link", "<style", "http", "javascript", "onclick"):
        assert word not in page
    assert 'role="group" aria-label="f_backward: exception"' in page
    assert 'role="img" aria-label="dx is wrong in row 0."' in page
    assert '<th scope="col"' in page
    assert "Look there." not in page
    assert "hints=2" in page
    assert "Look there." in to_html(report, hints=2)
    assert "hints=3" not in to_html(report, hints=2, more="hints=3")


def test_where_no_numerical_gradient_could_be_measured(catalogue):
    """Values that are right stay right, and a remark says that the reference alone decided."""
    key = full_key(catalogue.exercise_of("tanh_backward"), b"", public_only=True)
    (question, *_) = key.questions
    values = [question.expected[f.name] for f in key.functions]
    replies = tuple(Reply(RETURNED, value[0]) for value in values)
    unsure = VJPCheck(None, arguments=(ArgumentCheck("x", 0, None, "everything is saturated"),))
    forward, backward = judge(key, [Observation(question, replies, replies, vjp=unsure)])
    assert backward.share == 1
    assert forward.remarks == ()
    assert backward.remarks == (
        'tanh_backward: in the case "a batch" no numerical gradient of your tanh_forward could be measured for x '
        "(everything is saturated); its values are right.",
    )
