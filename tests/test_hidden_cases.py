"""Hidden cases: what public checks and grading share they judge alike; a student learns the lesson, never the input."""

from __future__ import annotations

import html
import re

import numpy as np
import pytest

from autograder.answer_key import as_tuple, full_key
from autograder.assess import report_on
from autograder.calls import Source
from autograder.catalogue import load_catalogue
from autograder.exercise import Pair
from autograder.local import LocalSession
from autograder.public_keys import read_keys
from autograder.rendering.html import to_html
from autograder.rendering.text import to_text
from benchmarks.diagnosis_corpus import samples
from tests.conftest import ROOT

CATALOGUE = load_catalogue(ROOT / "solutions")
PUBLIC = read_keys(ROOT)
HIDDEN = [(e, case) for e in CATALOGUE.exercises() for case in e.cases if case.hidden]
SEEDS = (b"one" * 11, b"two" * 11)


def graded(sources: list[Source], exercise, seed: bytes = SEEDS[0]):
    """The full grading of one exercise, in this process."""
    session = LocalSession.load(sources, [f.name for f in exercise.functions])
    return report_on(full_key(exercise, seed), session)


def seen_by_student(sources: list[Source], exercise, seed: bytes) -> str:
    """All that the feedback on an exercise says, as text and as a page, every hint included."""
    reports = graded(sources, exercise, seed)
    return "\n".join(to_text(r, hints=9) + html.unescape(to_html(r, hints=9)) for r in reports)


# What is said of a hidden case ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(("exercise", "case"), HIDDEN, ids=lambda v: v.name)
def test_a_hidden_case_says_which_lesson_it_asks_for(exercise, case):
    """Its description names a section that the assignment's notebook has."""
    text = (ROOT / "assignments" / exercise.assignment / f"{exercise.assignment}.md").read_text()
    assert re.search(rf"^## {re.escape(case.lesson)} ", text, re.MULTILINE)
    asked = [q.reason for q in full_key(exercise, SEEDS[0]).questions if q.case == case.name]
    assert [f"{case.reason} (section {case.lesson})"] == asked


@pytest.mark.parametrize(("exercise", "case"), HIDDEN, ids=lambda v: v.name)
def test_a_similar_input_can_be_tried(exercise, case):
    """It is of the same kind as the hidden one: the reference takes it, and gives as many arrays of as many axes."""
    similar = eval(case.similar, {"np": np})
    args = tuple(similar) if isinstance(similar, tuple | list) else (similar,)
    question = next(q for q in full_key(exercise, SEEDS[0]).questions if q.case == case.name)
    function = exercise.functions[0]
    value = function.reference(*args)
    arrays = (np.asarray(value[0]),) if isinstance(exercise, Pair) else as_tuple(value)
    expected = question.expected[function.name]
    assert [a.ndim for a in arrays] == [e.ndim for e in expected]
    assert len(args) == len(question.args)
    assert not all(np.array_equal(ours, theirs) for ours, theirs in zip(args, question.args, strict=True))


# Public checks and grading -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sample", samples("wrong")[::4], ids=lambda s: f"{s.function}-{'+'.join(sorted(s.ids))}")
def test_shared_cases_are_judged_alike(sample):
    """A case that is asked in both places has the same verdict, in the same words, in both."""
    exercise = sample.exercise(CATALOGUE)
    session = LocalSession.load(sample.sources(exercise), [f.name for f in exercise.functions])
    public = report_on(PUBLIC[exercise.name], session)
    full = report_on(full_key(exercise, SEEDS[0]), session)
    for here, there in zip(public, full, strict=True):
        told = [(f.case, f.array, f.passed, f.headline, f.evidence) for f in here.findings]
        assert told == [(f.case, f.array, f.passed, f.headline, f.evidence) for f in there.findings if not f.hidden]
        assert here.diagnosis == there.diagnosis


# Nothing hidden gets out ---------------------------------------------------------------------------------------------

# Right in public, wrong in one hidden case each: (exercise, when, the function's code where it goes wrong).
ONLY_HIDDEN = {
    "another batch": ("sigmoid", "x.shape == (5, 7)"),
    "another grid": ("sigmoid", "x.shape == (2, 13) and np.abs(x).max() != 30"),
    "one number": ("sigmoid", "x.size == 1"),
    "not contiguous": ("sigmoid", "x.shape == (3, 5)"),
    "float32": ("sigmoid", "x.dtype == np.float32"),
    "other very large inputs": ("sigmoid", "x.shape == (2, 12) and 709.0 not in x"),
}
WAYS = {
    "wrong values": "return 2 * out, out",
    "another shape": "return np.zeros(int(abs(x.flat[0]) * 100) + 50), out",
    "nan": "return out * np.nan, out",
    "a message": "raise ValueError(str(x.flat[0]))",
    "an exception of its own": "raise type('E' + str(x.flat[0]).replace('.', '_').replace('-', 'm'), (Exception,), {})",
    "an object of its own": "return type('T' + str(x.flat[0]), (), {})(), out",
    "a dtype of its own": "return np.zeros(1, [('f' + str(x.flat[0]), float)]), out",
    "a warning": "import warnings; warnings.warn(str(x.flat[0])); return out, out",
    "a failed assertion": "assert (x == 0).all(), x.tolist()",
    "nothing": "return None",
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("case", ONLY_HIDDEN)
def test_feedback_does_not_depend_on_hidden_inputs(case, way):
    """Where code fails a hidden case alone, however it does, two students' feedback is the same to the letter.

    So it holds nothing of the inputs, which differ; it names the case, its lesson and a similar input.
    """
    name, when = ONLY_HIDDEN[case]
    exercise = CATALOGUE.exercise_of(name)
    lines = "".join(f"        {line.strip()}\n" for line in WAYS[way].split(";"))
    code = f"def sigmoid_forward(x):\n    out = (1 + np.tanh(x / 2)) / 2\n    if {when}:\n{lines}    return out, out\n"
    backward = "def sigmoid_backward(dout, cache):\n    return dout * cache * (1 - cache)\n"
    sources = [Source("cell 1", f"import numpy as np\n{code}\n{backward}")]
    one, two = (seen_by_student(sources, exercise, seed) for seed in SEEDS)
    assert one == two
    if way == "a warning":
        assert "sigmoid_forward warns: of something, in a hidden case" in one
    else:
        described = next(c for c in exercise.cases if c.name == case)
        flat = re.sub(r"\s+", " ", one)
        assert f'hidden case "{case}": {described.reason} (section {described.lesson}).' in flat
        assert f"Try a similar one: {described.similar}" in flat


def test_the_search_would_find_a_hidden_number():
    """An instructor's report of the same does depend on the inputs: the test above can fail."""
    exercise = CATALOGUE.exercise_of("sigmoid")
    code = (
        "def sigmoid_forward(x):\n    out = (1 + np.tanh(x / 2)) / 2\n    return out * (1 + (x.shape == (5, 7))), out\n"
    )
    sources = [Source("cell 1", f"import numpy as np\n{code}")]
    one, two = (to_text(graded(sources, exercise, seed)[0], audience="instructor") for seed in SEEDS)
    assert one != two
