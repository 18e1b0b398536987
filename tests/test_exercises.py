"""What every exercise of `solutions/` must satisfy; a new layer gets all of it by being there."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest

from autograder.answer_key import full_key
from autograder.assess import report_on
from autograder.catalogue import load_catalogue
from autograder.public_keys import public_key, read_public_key
from autograder.report import PASSED
from demo.classroom import all_mistakes, mistaken
from tests.conftest import ROOT, SECRET, cells_of

# Another course's solutions can be put to the same tests.
CATALOGUE = load_catalogue(Path(os.environ.get("SOLUTIONS_UNDER_TEST", ROOT / "solutions")))
EXERCISES = CATALOGUE.exercises()
MISTAKES = [
    (exercise, function, misconception, way)
    for assignment in CATALOGUE.assignments
    for exercise, function, misconception in all_mistakes(CATALOGUE, assignment)
    for way in range(len(misconception.wrong))
]


def keys_of(exercise):
    """The full key, and the public one as students get it: through JSON."""
    return [full_key(exercise, SECRET), read_public_key(json.loads(json.dumps(public_key(exercise))))]


def run(box, exercise, answers, key):
    sources = cells_of(CATALOGUE, answers, exercise.assignment)
    with box.open(sources, [f.name for f in exercise.functions]) as session:
        return report_on(key, session)


@pytest.mark.parametrize("exercise", EXERCISES, ids=lambda e: e.name)
def test_the_reference_passes_everything(box, exercise):
    """The reference earns full points by either key, and nothing is remarked on."""
    for key in keys_of(exercise):
        for report in run(box, exercise, {}, key):
            assert (report.status, report.score, report.remarks) == (PASSED, report.max_score, ())


@pytest.mark.parametrize("exercise", EXERCISES, ids=lambda e: e.name)
def test_the_stub_is_missing(box, exercise):
    """A function that only raises NotImplementedError is missing and earns nothing."""
    stubs = {
        f.name: f'def {f.name}({", ".join(f.args)}):\n    raise NotImplementedError("Need to implement {f.name}")\n'
        for f in exercise.functions
    }
    for key in keys_of(exercise):
        reports = run(box, exercise, stubs, key)
        assert [r.score for r in reports] == [0.0] * len(reports)
        assert reports[0].status == "missing"


@pytest.mark.parametrize(
    ("exercise", "function", "misconception", "way"),
    MISTAKES,
    ids=[f"{f.name}-{m.id}-{way}" for _, f, m, way in MISTAKES],
)
def test_every_misconception_loses_points_and_is_named(box, exercise, function, misconception, way):
    """By either key the mistaken function fails, its mistake comes first, and no other function is called mistaken."""
    for key in keys_of(exercise):
        reports = run(box, exercise, mistaken(exercise, function, misconception, way), key)
        for report in reports:
            if report.name == function.name:
                assert report.score < report.max_score
                assert report.diagnosis[:1] == (misconception.id,)
            else:
                assert report.diagnosis == ()


def test_all_mistakes_were_tried():
    """The count of mistaken students stands here, so that none can be lost unseen."""
    by_assignment = {a: sum(e.assignment == a for e, *_ in MISTAKES) for a in CATALOGUE.assignments}
    if CATALOGUE.folder == ROOT / "solutions":
        assert by_assignment["02_layers"] == 56
    assert all(by_assignment.values())


@pytest.mark.parametrize("exercise", EXERCISES, ids=lambda e: e.name)
def test_the_public_key_survives_json(exercise):
    """What students get holds the same numbers, bit for bit, and public cases only."""
    full, public = keys_of(exercise)
    shared = [q for q in full.questions if not q.hidden]
    assert [q.case for q in public.questions] == [q.case for q in shared]
    for ours, theirs in zip(shared, public.questions, strict=True):
        for name, expected in ours.expected.items():
            for a, b in zip(expected, theirs.expected[name], strict=True):
                assert a.dtype == b.dtype
                np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("exercise", EXERCISES, ids=lambda e: e.name)
def test_hidden_inputs_are_fresh_for_each_student(exercise):
    """Two seeds share no hidden numbers; one seed gives the same ones again."""
    one, same, other = (full_key(exercise, seed) for seed in (b"a", b"a", b"b"))
    for q, again, different in zip(one.questions, same.questions, other.questions, strict=True):
        floats = [i for i, a in enumerate(q.args) if getattr(a, "dtype", None) in (np.float64, np.float32)]
        assert all(np.array_equal(q.args[i], again.args[i]) for i in floats)
        if q.hidden and floats:
            assert not all(np.array_equal(q.args[i], different.args[i]) for i in floats)


@pytest.mark.parametrize("exercise", EXERCISES, ids=lambda e: e.name)
def test_cases_and_hints_say_something(exercise):
    """Every case has a reason, every hidden one a similar input, every misconception a sentence and a hint."""
    assert all(case.reason for case in exercise.cases)
    assert all(case.similar for case in exercise.cases if case.hidden)
    for function in exercise.functions:
        for misconception in function.misconceptions:
            assert misconception.sentence
            assert misconception.hints
            assert all(misconception.hints)


@pytest.mark.parametrize("exercise", EXERCISES, ids=lambda e: e.name)
def test_public_cases_can_tell_a_mistake(exercise):
    """At least two ordinary public cases have several examples, so that a 1/N shows without the hidden ones."""
    key = full_key(exercise, SECRET, public_only=True)
    ordinary = [q for q in key.questions if not q.extreme]
    assert len(ordinary) >= 2
