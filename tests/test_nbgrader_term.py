"""A term with nbgrader's own commands: handing out and in, late work, grading by hand, grading again."""

import json
import os
import shutil
import zipfile

import pytest
from nbgrader.api import Gradebook

from autograder.catalogue import load_catalogue
from autograder.handing_out.nbgrader_course import LOCAL_CONFIG, make_course
from autograder.nbgrader_plugin.changes import Standing, table
from tests.course import SOFTPLUS, A, answers_of, complete, hand_in, nbgrader, repository_of

TEXT = """\
---
kernelspec:
  name: python3
  display_name: Python 3
---

```{code-cell}
import numpy as np
from autograder import check
```

+++ {"question": "why", "points": 2}

Why is it smooth?
"""
# Right for every ordinary input, and inf where exp overflows.
NAIVE = {"softplus_forward": "def softplus_forward(x):\n    return np.log(1 + np.exp(x)), x"}
SLIP = {"softplus_backward": "def softplus_backward(dout, cache):\n    return -dout / (1 + np.exp(-cache))"}


def make(folder, solutions=SOFTPLUS):
    """A repository of one layer and one question, and its course, generated."""
    repository = repository_of(folder / "repository", solutions)
    (repository / "assignments" / A).mkdir(exist_ok=True)
    (repository / "assignments" / A / f"{A}.md").write_text(TEXT)
    course = folder / "course"
    make_course(load_catalogue(repository / "solutions"), repository / "assignments", course)
    nbgrader(course, "generate_assignment", A, "--force")
    return course


def configure(course, text):
    """Adds the instructor's own settings."""
    with open(course / LOCAL_CONFIG, "a") as file:
        file.write(f"c = get_config()\n{text}\n")


def gradebook(course):
    return Gradebook(f"sqlite:///{course}/gradebook.db", course.name)


def scores_of(course, what="score"):
    with gradebook(course) as book:
        return {s.student.id: getattr(s, what) for s in book.assignment_submissions(A)}


# Handing out and in --------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def term(tmp_path_factory):
    """A whole round through the exchange; ann and bob hand in by command, others put strange things there."""
    folder = tmp_path_factory.mktemp("term")
    course = make(folder)
    (folder / "config").mkdir()
    nbgrader(course, "release_assignment", A)
    answers = answers_of(course)
    for student in ("ann", "bob"):
        home = folder / student
        home.mkdir()
        outside = ("--course", "course", f"--Exchange.root={course}/exchange", f"--Exchange.cache={home}/cache")
        nbgrader(home, "fetch_assignment", A, *outside)
        complete(home / A, answers if student == "ann" else answers | SLIP)
        (home / A / "timestamp.txt").write_text("1999-01-01 00:00:00 UTC")
        nbgrader(home, "submit", A, *outside, f"--CourseDirectory.student_id={student}")
    inbound = course / "exchange" / "course" / "inbound"
    by_ann = next(inbound.glob("ann+*"))
    # Links would be followed with the instructor's rights, and hand in what only the instructor can read.
    linked = inbound / f"eve+{A}+2026-01-02 10:00:00 UTC+x"
    shutil.copytree(course / "release" / A, linked)
    (linked / "layers" / "softplus.py").unlink()
    (linked / "layers" / "softplus.py").symlink_to(folder / "repository" / "solutions" / "softplus.py")
    (linked / "dangling").symlink_to("/nowhere")
    os.mkfifo(linked / "pipe")
    shutil.copytree(by_ann, inbound / f"no time+{A}+yesterday")
    edited = inbound / f"tim+{A}+2026-01-03 10:00:00 UTC+x"
    shutil.copytree(by_ann, edited)
    (edited / "timestamp.txt").write_text("1999-01-01 00:00:00 UTC")
    nbgrader(course, "collect", A)
    nbgrader(course, "autograde", A)
    return course


def test_what_was_submitted_is_collected_and_graded(term):
    """Every folder of the exchange has its score, whatever it holds."""
    # bob: a sign slip in the backward loses its 1.5 points
    expected = {"ann": 3.5, "bob": 2.0, "eve": 0.0, "no time": 3.5, "tim": 3.5}
    assert scores_of(term) == pytest.approx(expected)


def test_a_link_hands_in_nothing(term):
    """The solution that a link points to is not copied into the submission."""
    assert not [p for p in (term / "submitted" / "eve").rglob("*") if p.is_file() and "logaddexp" in p.read_text()]
    assert {p.name for p in (term / "submitted" / "eve" / A).iterdir()} == {
        "keys",
        "layers",
        f"{A}.ipynb",
        "timestamp.txt",
    }


def test_the_time_is_the_exchanges(term):
    """A time that a student wrote, before or after handing in, does not count."""
    times = {student: str(time) for student, time in scores_of(term, "timestamp").items()}
    assert times["tim"] == "2026-01-03 10:00:00"
    assert not [time for time in times.values() if time.startswith("1999")]


def test_feedback_goes_back_with_what_a_person_wrote(term):
    """A manual score and comment reach the student's page; grading again by force keeps both."""
    with gradebook(term) as book:
        grade = book.find_grade("why", A, A, "bob")
        assert grade.auto_score == 0  # an untouched question
        grade.manual_score = 1.25
        book.find_comment("why", A, A, "bob").manual_comment = "Half of it, said well."
        by_hand = book.find_grade("check_softplus_backward", A, A, "bob")
        by_hand.manual_score = 0.75
        book.db.commit()
    nbgrader(term, "autograde", A, "--force", "--student", "bob")
    assert scores_of(term)["bob"] == pytest.approx(2 + 1.25 + 0.75)
    nbgrader(term, "generate_feedback", A, "--CourseDirectory.student_id=[be]*")
    said = nbgrader(term, "release_feedback", A)
    assert f"{term}/feedback/eve/{A} was not handed in by the exchange" in said
    home = term.parent / "bob"
    outside = ("--course", "course", f"--Exchange.root={term}/exchange", f"--Exchange.cache={home}/cache")
    nbgrader(home, "fetch_feedback", A, *outside, "--CourseDirectory.student_id=bob")
    page = next((home / A / "feedback").rglob("*.html")).read_text()
    assert "Half of it, said well." in page
    assert "(Score: 4.0 / 5.5)" in page


def test_downloads_from_an_lms_are_collected(term):
    """`zip_collect` takes notebooks and .py files, with the time of the file's name, and no time of a student's."""
    downloaded = term / "downloaded" / A / "archive"
    downloaded.mkdir(parents=True)
    notebook = json.loads((term / "submitted" / "ann" / A / f"{A}.ipynb").read_text())
    with zipfile.ZipFile(downloaded / "all.zip", "w") as archive:
        archive.writestr(f"zoe_2026-02-03-10-00-00_{A}.ipynb", json.dumps(notebook))
        archive.writestr("zoe_2026-02-03-10-00-00_timestamp.txt", "1999-01-01 00:00:00 UTC")
    regexp = r".*/(?P<student_id>\w+?)_(?P<timestamp>[0-9-]+)_(?P<file_id>\w+)"
    nbgrader(term, "zip_collect", A, f"--FileNameCollectorPlugin.named_regexp={regexp}")
    nbgrader(term, "autograde", A, "--student", "zoe")
    assert scores_of(term)["zoe"] == pytest.approx(3.5)
    assert str(scores_of(term, "timestamp")["zoe"]) == "2026-02-03 10:00:00"


@pytest.mark.parametrize(
    ("local", "reason"),
    [
        ("c = get_config(\n", "SyntaxError: '(' was never closed"),
        ("c = get_config()\nc.PerDay.extensions = extensions\n", "NameError: name 'extensions' is not defined"),
    ],
)
def test_a_configuration_that_fails_grades_nobody(term, local, reason):
    """nbgrader would go on without it, in a kernel of the instructor's own; here it ends with the reason."""
    before = (term / LOCAL_CONFIG).read_text() if (term / LOCAL_CONFIG).exists() else ""
    (term / LOCAL_CONFIG).write_text(local)
    try:
        said = nbgrader(term, "autograde", A, "--force", code=1)
    finally:
        (term / LOCAL_CONFIG).write_text(before)
    assert said.startswith(f"{term / LOCAL_CONFIG}: {reason}")
    assert said.endswith("Nothing was done.\n")
    assert "Autograding" not in said


def test_a_folder_without_a_notebook_is_graded_by_name(term):
    """`--student` takes whoever has a folder, with an empty one too; a name without any is an error, as it was."""
    (term / "submitted" / "empty" / A).mkdir(parents=True)
    nbgrader(term, "autograde", A, "--student", "empty")
    assert scores_of(term)["empty"] == 0
    page = (term / "autograded" / "empty" / A / f"{A}.ipynb").read_text()
    assert "there is no notebook and no .py file here" in page
    assert "No notebooks were matched" in nbgrader(term, "autograde", A, "--student", "nobody", code=1)


# Late work -----------------------------------------------------------------------------------------------------------


def test_late_work_costs_a_share_for_each_day_begun(tmp_path):
    """Grace minutes, a per-day rule, extensions by student and assignment; never more than all points."""
    course = make(tmp_path)
    configure(
        course,
        'c.AssignLatePenalties.plugin_class = "autograder.nbgrader_plugin.late.PerDay"\n'
        f"c.PerDay.grace_minutes = 15\nc.PerDay.per_day = 0.2\nc.PerDay.extensions = {str(tmp_path / 'ext.csv')!r}",
    )
    (tmp_path / "ext.csv").write_text(f"student,assignment,days\nill,{A},3\ntired,,1\nother,01_graphs,9\n")
    nbgrader(course, "db", "assignment", "add", A, "--duedate=2026-03-01 12:00:00 UTC")
    # student -> (handed in, share taken off)
    cases = {
        "early": ("2026-02-01 12:00:00", 0.0),
        "within the grace": ("2026-03-01 12:14:00", 0.0),
        "an hour": ("2026-03-01 13:16:00", 0.2),
        "two days": ("2026-03-02 13:00:00", 0.4),
        "a month": ("2026-04-01 12:00:00", 1.0),
        "ill": ("2026-03-04 12:10:00", 0.0),
        "tired": ("2026-03-02 13:00:00", 0.2),
        "other": ("2026-03-02 11:00:00", 0.2),
    }
    answers = answers_of(course)
    for student, (time, _) in cases.items():
        (hand_in(course, student, answers) / "timestamp.txt").write_text(f"{time} UTC")
    nbgrader(course, "autograde", A)
    penalties = scores_of(course, "late_submission_penalty")
    assert penalties == pytest.approx({student: 3.5 * share for student, (_, share) in cases.items()})


@pytest.mark.parametrize(
    ("table", "reason"),
    [
        (None, "No such file"),
        ("name,days\nann,2\n", "it has no column 'student'"),
        ("student,days\nann,two\n", "could not convert string to float"),
    ],
)
def test_extensions_that_cannot_be_read_say_so(tmp_path, table, reason):
    """One line with the path and the reason; nobody is fined by mistake."""
    from autograder.errors import BadInput
    from autograder.nbgrader_plugin.late import PerDay

    path = tmp_path / "extensions.csv"
    if table is not None:
        path.write_text(table)
    with pytest.raises(BadInput, match=reason) as error:
        PerDay(extensions=str(path)).late_submission_penalty("ann", 3.0, 100.0)
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)


# Grading again -------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def mild(tmp_path_factory):
    """A course graded before its extreme cases were asked."""
    folder = tmp_path_factory.mktemp("mild")
    text = SOFTPLUS.replace("cases=elementwise_cases()", "cases=tuple(c for c in elementwise_cases() if not c.extreme)")
    assert text != SOFTPLUS
    course = make(folder, text)
    answers = answers_of(course)
    hand_in(course, "right", answers)
    hand_in(course, "naive", answers | NAIVE)
    nbgrader(course, "autograde", A)
    assert scores_of(course) == pytest.approx({"right": 3.5, "naive": 3.5})
    return folder


@pytest.fixture
def mended(mild, tmp_path):
    """A copy of that course, refreshed from solutions that ask the extreme cases."""
    shutil.copytree(mild, tmp_path, dirs_exist_ok=True)
    solutions = tmp_path / "repository" / "solutions"
    (solutions / "softplus.py").write_text(SOFTPLUS)
    make_course(load_catalogue(solutions), solutions.parent / "assignments", tmp_path / "course")
    return tmp_path / "course"


def test_grading_again_lowers_no_score(mended):
    """A case added later takes nothing from an unchanged submission, and the page says that the points stand.

    A last line of the history that was cut off by a crash does not matter.
    """
    with open(mended / ".autograder-history.jsonl", "a") as file:
        file.write('{"student": "right", "assig')
    said = nbgrader(mended, "autograde", A, "--force")
    assert "score changed" not in said
    assert "scores changed" not in said
    assert scores_of(mended) == pytest.approx({"right": 3.5, "naive": 3.5})
    assert "they stand" in (mended / "autograded" / "naive" / A / f"{A}.ipynb").read_text()


def test_grading_again_may_lower_scores_when_asked(mended):
    """With allow_decrease the new case counts, and each change is told with before and after."""
    said = nbgrader(mended, "autograde", A, "--force", "--SubmissionExporter.allow_decrease=True")
    assert "score changed: naive: softplus_forward had 2 of 2, now 1.7 of 2" in said
    assert said.count("score changed") == 1
    assert said.rstrip().endswith("1 of 2 scores changed:\n    student  before   after\n    naive       3.5     3.2")
    assert scores_of(mended) == pytest.approx({"right": 3.5, "naive": 3.2})


def test_a_new_submission_may_earn_less(mended):
    """What keeps its points is the submission, not the student."""
    complete(mended / "submitted" / "right" / A, NAIVE)
    nbgrader(mended, "autograde", A, "--force")
    assert scores_of(mended)["right"] == pytest.approx(3.2)


def test_points_changed_after_submissions(mended):
    """More points for one function, none for another: refreshed, generated and graded again, every score follows."""
    solutions = mended.parent / "repository" / "solutions"
    text = SOFTPLUS.replace("points=2,", "points=4,").replace("points=1.5,", "points=0,")
    (solutions / "softplus.py").write_text(text)
    make_course(load_catalogue(solutions), solutions.parent / "assignments", mended)
    nbgrader(mended, "generate_assignment", A, "--force")
    said = nbgrader(mended, "autograde", A, "--force")
    expected = [
        "2 of 2 scores changed:",
        "    student  before   after",
        "    naive       3.5       4",
        "    right       3.5       4",
    ]
    assert said.rstrip().endswith("\n".join(expected))
    assert "score changed: right: softplus_forward had 2 of 2, now 4 of 4" in said
    assert "score changed: right: softplus_backward had 1.5 of 1.5, now 0 of 0" in said
    assert scores_of(mended) == pytest.approx({"right": 4.0, "naive": 4.0})
    assert set(scores_of(mended, "max_score").values()) == {6.0}


def test_the_table_of_changes_tells_what_changed():
    """Only who had a score and has another now; names are inert; a long table says how much more there is."""
    before = {"ann": Standing(2.0, 0), "bob": Standing(1.0, 0), "\x1b[31m": Standing(1.0, 1), "gone": Standing(1.0, 0)}
    after = {"ann": Standing(2.0, 0), "bob": Standing(1.5, 0), "\x1b[31m": Standing(0.0, 1), "new": Standing(3.0, 0)}
    assert table(before, after).split("\n") == [
        "2 of 4 scores changed:",
        "student  before   after",
        "\N{REPLACEMENT CHARACTER}[31m         1       0   some of it given by hand",
        "bob           1     1.5",
    ]
    assert table(after, after) == ""
    many = {f"s{number}": Standing(0.0, 0) for number in range(300)}
    assert table(many, dict.fromkeys(many, Standing(1.0, 0))).endswith("and 100 more")
