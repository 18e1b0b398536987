"""No submission reads, forges, stalls or harms; each attack earns what its mathematics earns and is called by its name.

All attacks are graded in one run, each followed by a good submission in the same grader.
"""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import pytest
from attack import Attack, attacks

from autograder.calls import RETURNED, Call, Limits, Source
from autograder.catalogue import load_catalogue
from autograder.cli import main
from autograder.rendering.shown import to_dict
from autograder.sandbox import Sandbox
from autograder.whole_class.batch import grade_all, jobs_for
from demo.classroom import reference_source

ROOT = Path(__file__).resolve().parents[2]
ATTACKS = attacks()
LIMITS = Limits(definitions=0.6, call=0.2, call_wall=1.0, total_wall=30.0, memory=256 << 20)
SECRET = bytes(range(32))


def test_the_corpus_is_whole():
    """Every attack has a name of its own, and none is lost on the way."""
    names = [attack.name for attack in ATTACKS]
    assert len(set(names)) == len(names) == 270
    assert {attack.group for attack in ATTACKS} == {
        *("crashing", "forging", "grader", "lying", "network", "privileges", "processes", "reading", "stalling"),
        *("text", "writing"),
    }


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    """A folder that anyone may write to, with a file in it that anyone may delete."""
    folder = tmp_path_factory.mktemp("place")
    for parent in (folder, *folder.parents[:3]):
        if os.stat(parent).st_uid == os.getuid():
            parent.chmod(parent.stat().st_mode | stat.S_IXOTH | stat.S_IROTH)
    folder.chmod(0o777)
    (folder / "victim").write_text("alive")
    (folder / "victim").chmod(0o666)
    return folder


@pytest.fixture(scope="module")
def graded(tmp_path_factory, place) -> dict[str, dict]:
    """results.json's entry of every submission: each attack, and the good submission after it."""
    folder = tmp_path_factory.mktemp("class")
    catalogue = load_catalogue(ROOT / "solutions")
    good = "import numpy as np\n" + "\n".join(reference_source(f) for f in catalogue.functions("02_layers"))
    entries = []
    for attack in ATTACKS:
        for name, text in (
            (attack.name, attack.source({"ROOT": str(ROOT), "PLACE": str(place)})),
            (f"after {attack.name}", good),
        ):
            path = folder / f"{name}.py"
            path.write_text(text, encoding="utf-8")
            entries.append((name, path))
    jobs = jobs_for(entries, catalogue, "02_layers", SECRET)
    reports = grade_all(jobs, catalogue, "02_layers", workers=2, limits=LIMITS)
    record = json.loads(json.dumps([to_dict(report) for report in reports], allow_nan=False))
    return {entry["student"]: entry for entry in record}


def honest_points(found: dict[str, dict]) -> float:
    """What the functions done right are worth, and what a function right for some inputs may at most."""
    return sum(found[name]["max_score"] for name in ("tanh_forward", "tanh_backward", "sigmoid_forward")) - 1e-9


def exercises(entry: dict) -> dict[str, dict]:
    return {exercise["name"]: exercise for exercise in entry["exercises"]}


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: f"{attack.group}-{attack.name}")
def test_an_attack_earns_nothing_and_harms_nobody(graded, attack: Attack):
    """The attacked function has the status that fits, the honest ones their points, the next student all of them."""
    found = exercises(graded[attack.name])
    assert found["sigmoid_forward"]["status"] in attack.statuses
    assert found["sigmoid_forward"]["score"] <= ("partial" in attack.statuses) * found["sigmoid_forward"]["max_score"]
    if "all-lost" not in attack.flags:
        assert [found[name]["status"] for name in ("tanh_forward", "tanh_backward")] == ["passed", "passed"]
    assert sum(e["score"] for e in found.values()) == graded[attack.name]["score"] <= honest_points(found)
    after = graded[f"after {attack.name}"]
    assert after["score"] == after["max_score"], [e["status"] for e in after["exercises"]]


def test_nothing_was_left_behind(graded, place):
    """After all attacks the folder that anyone may write to holds what it held, and no child process remains."""
    assert [path.name for path in place.iterdir()] == ["victim"]
    assert (place / "victim").read_text() == "alive"


def test_what_a_submission_says_is_inert(graded):
    """No text of a submission reaches results.json with a control character, or longer than its cap."""

    def texts(value):
        if isinstance(value, str):
            yield value
        elif isinstance(value, dict):
            for item in value.values():
                yield from texts(item)
        elif isinstance(value, list):
            for item in value:
                yield from texts(item)

    hostile = [
        text for text in texts(list(graded.values())) if any(mark in text for mark in "\x1b\x07\x9b\u202e\u2066\r")
    ]
    assert hostile == []
    assert max(len(text) for text in texts(list(graded.values()))) < 3000


@pytest.fixture(scope="module")
def bare():
    with Sandbox(LIMITS, confine="none") as sandbox:
        yield sandbox


SUCCEEDS_BARE = [a for a in ATTACKS if a.flags & ({"bare", "bare-root"} if os.geteuid() == 0 else {"bare"})]


@pytest.mark.parametrize("attack", SUCCEEDS_BARE, ids=lambda attack: f"{attack.group}-{attack.name}")
def test_with_protection_off_the_attack_succeeds(bare, place, attack: Attack):
    """The negative control: what the filter refuses would have worked without it."""
    (place / "victim").write_text("alive")
    source = Source("sub.py", attack.source({"ROOT": str(ROOT), "PLACE": str(place)}), "sub")
    with bare.open([source], ["attack"]) as session:
        (reply,) = session.run([Call("attack", ())])
    for path in place.iterdir():
        if path.name != "victim":
            path.rmdir() if path.is_dir() and not path.is_symlink() else path.unlink()
    assert reply.status == RETURNED, reply.problem


def test_enough_attacks_have_a_negative_control():
    """A corpus that is refused for a wrong reason would prove nothing: most attempts are seen to work."""
    assert sum("bare" in attack.flags for attack in ATTACKS) == 78
    assert sum("bare-root" in attack.flags for attack in ATTACKS) == 14


def test_the_command_line_grades_attackers_and_goes_on(tmp_path, place, capsys):
    """`autograder grade` on a class of attackers and one good student exits 0, with a status and a score for each."""
    folder = tmp_path / "class"
    chosen = {
        a.name: a for a in ATTACKS if a.name in ("open_the_solutions", "exit_in_a_call", "chroot", "frame_of_garbage")
    }
    good = "import numpy as np\n" + "\n".join(
        reference_source(f) for f in load_catalogue(ROOT / "solutions").functions("02_layers")
    )
    for name, text in (
        {n: a.source({"ROOT": str(ROOT), "PLACE": str(place)}) for n, a in chosen.items()} | {"zoe": good}
    ).items():
        (folder / name).mkdir(parents=True)
        (folder / name / "work.py").write_text(text)
    assert main(["grade", str(folder), "--out", str(tmp_path / "out"), "--assignment", "02_layers"]) == 0
    record = json.loads((tmp_path / "out" / "results.json").read_text())
    assert record["grader"]["sandbox"].startswith("seccomp+")
    found = {entry["student"]: entry for entry in record["submissions"]}
    assert {name: exercises(found[name])["sigmoid_forward"]["status"] for name in chosen} == {
        name: attack.statuses[0] for name, attack in chosen.items()
    }
    assert found["zoe"]["score"] == found["zoe"]["max_score"]
