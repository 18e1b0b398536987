"""A class is graded whatever happens: what was done is kept, what was not is done later, nothing is half-written."""

from __future__ import annotations

import contextlib
import functools
import json
import multiprocessing
import os
import re
import resource
import shlex
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from autograder.cli import _parser, main
from autograder.sandbox.doctor import examine
from autograder.submission import guess_assignment
from autograder.whole_class.cache import FILE
from tests.conftest import ROOT
from tests.course import SOFTPLUS, A, repository_of

STUDENTS = 16
TERM = {"TERM": "xterm-256color", "COLUMNS": "100"}
RIGHT = """\
import numpy as np

def {0}_forward(x):
    return np.logaddexp(0, x), x

def {0}_backward(dout, cache):
    return dout / (1 + np.exp(-cache))
"""


def layer(name: str) -> str:
    return SOFTPLUS.replace("softplus", name)


@pytest.fixture(scope="module")
def examined():
    return examine("full")


@pytest.fixture(autouse=True)
def _examined_once(examined, monkeypatch) -> None:
    """What protects this machine is found out once, not in every run of this file."""
    monkeypatch.setattr("autograder.whole_class.run.examine", lambda confine: examined)


@pytest.fixture
def solutions(tmp_path) -> Path:
    """Two layers, softplus and ramp, in a file each."""
    folder = repository_of(tmp_path / "repository", SOFTPLUS) / "solutions"
    (folder / "ramp.py").write_text(layer("ramp"))
    return folder


def write(submitted: Path, student: str, softplus: str = RIGHT, ramp: str = RIGHT) -> None:
    (submitted / student).mkdir(parents=True, exist_ok=True)
    (submitted / student / "softplus.py").write_text(softplus.format("softplus"))
    (submitted / student / "ramp.py").write_text(ramp.format("ramp"))


@pytest.fixture
def submitted(tmp_path) -> Path:
    """Three students: two hand in the same right files, the third slips in ramp_backward."""
    for student in ("ann", "bob"):
        write(tmp_path / "submitted", student)
    write(tmp_path / "submitted", "cat", ramp=RIGHT.replace("dout / ", "-dout / "))
    return tmp_path / "submitted"


def grade(submitted: Path, out: Path, solutions: Path, *more: str, code: int = 0) -> None:
    command = ["grade", str(submitted), "--out", str(out), "--assignment", A, "--solutions", str(solutions)]
    assert main([*command, *more]) == code


def graded(out: Path) -> dict[str, dict]:
    return {s["student"]: s for s in json.loads((out / "results.json").read_text())["submissions"]}


def judged(out: Path) -> dict[str, tuple]:
    """What does not depend on how long anything took."""
    return {student: (s["score"], s["exercises"], s["digest"]) for student, s in graded(out).items()}


def kept(out: Path) -> list[str]:
    """The addresses of everything kept, in order."""
    lines = (out / FILE).read_bytes().split(b"\n")[1:-1]
    return [line.partition(b" ")[0].decode() for line in lines]


# Again ----------------------------------------------------------------------------------------------------------------


def test_nothing_is_graded_twice(submitted, solutions, tmp_path, capsys):
    """A second run of an unchanged class grades nothing, takes every time from the first and writes the same."""
    out = tmp_path / "out"
    grade(submitted, out, solutions)
    assert "3 submissions graded in " in capsys.readouterr().out
    first = graded(out)
    (out / "results.json").unlink()
    grade(submitted, out, solutions)
    assert "3 submissions, 0 of them graded anew" in capsys.readouterr().out
    assert graded(out) == first
    assert len(kept(out)) == 6
    page = (out / "report.html").stat()
    grade(submitted, out, solutions)
    assert (out / "report.html").stat().st_mtime_ns == page.st_mtime_ns  # it says all there is to say


def test_where_nothing_confines_nothing_is_begun(submitted, solutions, tmp_path, capsys, monkeypatch, examined):
    """The processes that get ready while the machine is examined are ended, and have written nothing."""
    broken = replace(examined, probes=(replace(examined.probes[0], holds=False), *examined.probes[1:]))
    monkeypatch.setattr("autograder.whole_class.run.examine", lambda confine: broken)
    grade(submitted, tmp_path / "out", solutions, "--jobs", "2", code=2)
    assert "--accept-weak-sandbox" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
    assert multiprocessing.active_children() == []


def test_the_same_bytes_have_each_their_own_hidden_inputs(submitted, solutions, tmp_path):
    """Two who hand in the same file are graded each on numbers of their own."""
    write(submitted, "ann", RIGHT.replace("dout / ", "2 * dout / "))
    write(submitted, "bob", RIGHT.replace("dout / ", "2 * dout / "))
    grade(submitted, tmp_path / "out", solutions)
    found = graded(tmp_path / "out")
    assert found["ann"]["digest"] == found["bob"]["digest"]
    hidden = [
        [f["evidence"] for e in found[s]["exercises"] for f in e["findings"] if f["hidden"] and f["evidence"]]
        for s in ("ann", "bob")
    ]
    assert len(hidden[0]) == len(hidden[1]) > 0
    assert not set(hidden[0]) & set(hidden[1])


def test_only_what_a_fixed_test_touches_is_graded_again(submitted, solutions, tmp_path, capsys):
    """After ramp's points were changed, softplus's gradings stand; a table says whose score changed and why."""
    out = tmp_path / "out"
    grade(submitted, out, solutions)
    before, addresses = graded(out), kept(out)
    (solutions / "ramp.py").write_text(layer("ramp").replace("points=1.5", "points=3"))
    capsys.readouterr()
    grade(submitted, out, solutions)
    told = capsys.readouterr().out
    assert len(kept(out)) == len(addresses) + 3
    after = graded(out)
    assert all(after[s]["timing"]["softplus"] == before[s]["timing"]["softplus"] for s in after)
    assert any(after[s]["timing"]["ramp"] != before[s]["timing"]["ramp"] for s in after)
    assert told.startswith(
        """
Scores that changed (3 students):
student  function       before      now     why
ann      ramp_backward  1.5 of 1.5  3 of 3  the exercise ramp was changed
bob      ramp_backward  1.5 of 1.5  3 of 3  the exercise ramp was changed
cat      ramp_backward  0 of 1.5    0 of 3  the exercise ramp was changed
"""
    )


def test_handed_in_anew(submitted, solutions, tmp_path, capsys):
    """A changed submission is graded again, alone, and the table says that it was handed in anew."""
    out = tmp_path / "out"
    grade(submitted, out, solutions)
    write(submitted, "cat")
    capsys.readouterr()
    grade(submitted, out, solutions)
    told = capsys.readouterr().out
    assert "cat      ramp_backward  0 of 1.5  1.5 of 1.5  handed in anew" in told
    assert "3 submissions, 1 of them graded anew" in told


def test_a_submission_that_hung_is_graded_whole(submitted, solutions, tmp_path):
    """Where one exercise used up what all share, the others cannot be taken from before."""
    out = tmp_path / "out"
    write(submitted, "cat", RIGHT.replace("return np.logaddexp(0, x), x", "import os; os._exit(1)"))
    grade(submitted, out, solutions)
    (solutions / "ramp.py").write_text(layer("ramp").replace("points=1.5", "points=3"))
    before = len(kept(out))
    grade(submitted, out, solutions)
    assert len(kept(out)) == before + 2 + 2


def test_one_of_the_class_alone(submitted, solutions, tmp_path, capsys):
    """Who was in the results before and is not in this run is counted on stderr; the page does not stay as it was."""
    out = tmp_path / "out"
    grade(submitted, out, solutions)
    assert capsys.readouterr().err == ""
    grade(submitted / "ann", out, solutions)
    gone = f"autograder: 2 students of the results before are not in this run, and so no longer in {out}/results.json\n"
    assert capsys.readouterr().err == gone
    assert list(graded(out)) == ["ann"]
    assert "<p>1 submission, " in (out / "report.html").read_text()
    grade(submitted, out, solutions)
    assert capsys.readouterr().err == ""
    assert "<p>3 submissions, " in (out / "report.html").read_text()


def test_fresh_grades_all_again(submitted, solutions, tmp_path, capsys):
    """--fresh takes nothing from before."""
    out = tmp_path / "out"
    grade(submitted, out, solutions)
    before = judged(out)
    grade(submitted, out, solutions, "--fresh")
    assert len(kept(out)) == 12
    assert judged(out) == before


@pytest.mark.parametrize(
    ("damage", "graded_anew"),
    [
        (lambda data: data[: len(data) - 40], 1),  # cut off
        (lambda data: data.replace(b'"status":"failed"', b'"status":"passed"'), 1),
        (lambda data: data[:30] + data[90:], 3),  # the head is gone, and with it all
        (lambda data: b"", 3),
        (lambda data: data + b"\0" * 5000, 0),  # as a file system may leave a file after a power cut
        (lambda data: data[: data.index(b"\n") + 1] + b"\xff" * 700 + data[data.index(b"\n") + 701 :], 1),
    ],
)
def test_what_is_damaged_is_graded_again(submitted, solutions, tmp_path, capsys, damage, graded_anew):
    """Entries cut off, altered or overwritten are not believed; the others are."""
    out = tmp_path / "out"
    grade(submitted, out, solutions)
    before = judged(out)
    (out / FILE).write_bytes(damage((out / FILE).read_bytes()))
    for anew in (graded_anew, 0):
        capsys.readouterr()
        grade(submitted, out, solutions)
        assert judged(out) == before
        told = capsys.readouterr().out
        assert ("3 submissions graded" if anew == 3 else f"3 submissions, {anew} of them graded anew") in told


def test_what_is_of_no_use_any_more_is_not_kept_for_ever(submitted, solutions, tmp_path, monkeypatch):
    """A file that is mostly of earlier versions is written anew, and still serves."""
    monkeypatch.setattr("autograder.whole_class.cache.SMALL", 0)
    monkeypatch.setattr("autograder.whole_class.cache.STALE", 2)
    out = tmp_path / "out"
    for points in (2, 3, 4):
        (solutions / "ramp.py").write_text(layer("ramp").replace("points=1.5", f"points={points}"))
        (solutions / "softplus.py").write_text(layer("softplus").replace("points=1.5", f"points={points}"))
        grade(submitted, out, solutions)
    assert len(kept(out)) == 6
    before = graded(out)
    grade(submitted, out, solutions)
    assert graded(out) == before


# Stopped --------------------------------------------------------------------------------------------------------------


@pytest.fixture
def many(tmp_path) -> Path:
    """A class that takes a second or two, so that there is a middle in which to end its run."""
    slow = RIGHT + "\nimport time\ntime.sleep(0.15)\n"
    for number in range(STUDENTS):
        ramp = RIGHT if number % 3 else RIGHT.replace("1 +", "2 +")
        write(tmp_path / "many", f"student-{number:02}", softplus=slow, ramp=ramp)
    return tmp_path / "many"


def started(submitted: Path, out: Path, solutions: Path, *more: str, **options) -> subprocess.Popen:
    command = [sys.executable, "-m", "autograder", "grade", submitted, "--out", out, "--solutions", solutions, *more]
    return subprocess.Popen(
        [str(part) for part in command],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        **options,
    )


def wait_for(condition, seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def count(out: Path) -> int:
    with contextlib.suppress(FileNotFoundError):
        return len(kept(out))
    return 0


def members(session: int) -> list[int]:
    """The processes of a session that are still there."""
    found = []
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError, ValueError):
            fields = (entry / "stat").read_text().rpartition(")")[2].split()
            if int(fields[3]) == session and fields[0] != "Z":
                found.append(int(entry.name))
    return found


@pytest.mark.skipif(sys.platform != "linux", reason="/proc tells which processes are left")
def test_killed_twice(many, solutions, tmp_path):
    """kill -9 in the middle, twice: every run goes on where the last was, and what comes out is what one run gives."""
    out = tmp_path / "out"
    for least in (4, 12):
        run = started(many, out, solutions, "--jobs", "2")
        wait_for(lambda least=least: count(out) >= least)
        run.kill()
        run.communicate()
        assert not (out / "results.json").exists()
        wait_for(lambda run=run: not members(run.pid))  # its processes end with it
        assert least <= count(out) < 2 * STUDENTS
    done = started(many, out, solutions, "--jobs", "2")
    told, complaints = done.communicate(timeout=120)
    assert done.returncode == 0, complaints
    assert f"{STUDENTS} submissions, " in told
    assert len(kept(out)) == len(set(kept(out))) == 2 * STUDENTS
    grade(many, tmp_path / "whole", solutions, "--jobs", "2")
    assert judged(out) == judged(tmp_path / "whole")
    assert {path.name for path in out.iterdir()} == {"results.json", "report.html", FILE}


def test_ctrl_c(many, solutions, tmp_path):
    """Ctrl-C ends everything at once and says what is kept."""
    out = tmp_path / "out"
    # a shell's background job ignores Ctrl-C, and so would what it starts
    heard = functools.partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    run = started(many, out, solutions, "--jobs", "2", preexec_fn=heard)
    wait_for(lambda: count(out) >= 4)
    os.killpg(run.pid, signal.SIGINT)
    told, complaints = run.communicate(timeout=30)
    assert run.returncode == 130
    assert told == ""
    (line,) = complaints.splitlines()
    assert line.startswith("autograder: stopped; ")
    assert line.endswith(f" of {STUDENTS} are graded and kept, start again to go on")
    assert int(re.search(r"(\d+) of", line)[1]) == count(out) // 2 < STUDENTS
    wait_for(lambda: not members(run.pid))


def test_a_bar_on_a_terminal(many, solutions, tmp_path):
    """Where somebody watches, a bar shows how many are done, the rate and what is left, and is gone at the end."""
    ours, theirs = os.openpty()
    command = [sys.executable, "-m", "autograder", "grade", many, "--out", tmp_path / "out", "--solutions", solutions]
    run = subprocess.Popen(
        list(map(str, command)), cwd=ROOT, stdin=theirs, stdout=subprocess.DEVNULL, stderr=theirs, env=os.environ | TERM
    )
    os.close(theirs)
    shown = b""
    with contextlib.suppress(OSError):  # the other side has closed it
        while data := os.read(ours, 4096):
            shown += data
    os.close(ours)
    assert run.wait(timeout=60) == 0
    text = shown.decode()
    assert re.search(rf"grading .*\d+/{STUDENTS}.* a second.* left", text)
    assert text.rstrip().endswith("\x1b[2K")


@pytest.mark.usefixtures("no_privilege")
def test_a_closed_folder(submitted, solutions, tmp_path, capsys):
    """A class folder that cannot be read is refused; one student's that cannot is that student's trouble."""
    (submitted / "bob").chmod(0)
    grade(submitted, tmp_path / "out", solutions)
    found = graded(tmp_path / "out")
    assert (found["bob"]["score"], found["ann"]["score"]) == (0.0, 7.0)
    assert "permission denied" in found["bob"]["exercises"][0]["findings"][0]["headline"].lower()
    assert main(["grade", str(submitted), "--out", str(tmp_path / "out"), "--solutions", str(solutions)]) == 0
    assert guess_assignment([submitted], {A: ["ramp_forward"]}) == A
    submitted.chmod(0)
    assert "permission denied" in refused(capsys, submitted, tmp_path / "other", solutions)
    submitted.chmod(0o700)
    (submitted / "bob").chmod(0o700)


def full(run: subprocess.Popen, out: Path) -> None:
    told, complaints = run.communicate(timeout=120)
    assert run.returncode == 2, complaints
    assert told == ""
    assert complaints == f"autograder: the disk that holds {out} is full: " + (
        "what is graded is kept; make room and start again to go on\n"
    )
    assert not (out / "results.json").exists()
    assert 0 < count(out) <= 2 * STUDENTS
    assert [p.name for p in out.iterdir()] == [FILE]


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_a_file_as_large_as_it_may_be(many, solutions, tmp_path, jobs):
    """Where no more may be written, one line says so, and what is kept is taken up when there is room."""
    out = tmp_path / "out"

    def little() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (25_000, 25_000))

    full(started(many, out, solutions, "--jobs", jobs, preexec_fn=little), out)
    before = count(out)
    grade(many, out, solutions)
    assert len(kept(out)) == len(set(kept(out))) == 2 * STUDENTS
    assert before < 2 * STUDENTS


@pytest.mark.skipif(os.geteuid() != 0 or shutil.which("mount") is None, reason="only root mounts a small disk")
def test_a_full_disk(many, solutions, tmp_path):
    """The same on a disk that really is full: of what is graded, of that and results.json on its way, of its copy."""
    place = tmp_path / "disk"
    place.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=32k", "none", place], capture_output=True).returncode:
        pytest.skip("no disk can be mounted here")
    grade(many, tmp_path / "whole", solutions)
    needed, results = ((tmp_path / "whole" / name).stat().st_size >> 10 for name in (FILE, "results.json"))
    try:
        out = place / "out"
        for size in (needed // 2, needed + results // 2, needed + results + results // 2):
            subprocess.run(["mount", "-o", f"remount,size={size}k", place], check=True)
            full(started(many, out, solutions), out)
        assert count(out) == 2 * STUDENTS
        assert [file.name for file in out.iterdir()] == [FILE]
        subprocess.run(["mount", "-o", "remount,size=4m", place], check=True)
        grade(many, out, solutions)
        assert judged(out) == judged(tmp_path / "whole")
    finally:
        subprocess.run(["umount", place], check=True)


# Refused --------------------------------------------------------------------------------------------------------------


def refused(capsys, submitted, out, solutions, *more: str) -> str:
    capsys.readouterr()
    grade(submitted, out, solutions, *more, code=2)
    captured = capsys.readouterr()
    assert captured.out == ""
    (line,) = captured.err.splitlines()
    return line


def test_two_runs_at_once(submitted, solutions, tmp_path, capsys):
    """While one run grades into a folder another one is refused."""
    from autograder.secret import course_secret, fingerprint
    from autograder.whole_class.cache import Cache

    with Cache(tmp_path / "out", assignment=A, secret=fingerprint(course_secret(solutions))):
        assert "another run is grading into" in refused(capsys, submitted, tmp_path / "out", solutions)
    grade(submitted, tmp_path / "out", solutions)


@pytest.mark.parametrize("interrupted", [False, True])
def test_a_folder_of_something_else(submitted, solutions, tmp_path, capsys, monkeypatch, interrupted):
    """Results of another assignment or secret are refused and stay as they are, those of a run that was cut off too."""
    out = tmp_path / "out"
    grade(submitted, out, solutions)
    if interrupted:
        (out / "results.json").unlink()
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    text = (solutions / "ramp.py").read_text()
    (solutions / "ramp.py").write_text(text.replace(A, "09_more"))
    more = ("--assignment", "09_more")
    assert f"holds the results of {A}" in refused(capsys, submitted, out, solutions, *more)
    monkeypatch.setenv("AUTOGRADER_SECRET", "ab" * 32)
    assert "another course secret" in refused(capsys, submitted, out, solutions)
    assert before == {path.name: path.read_bytes() for path in out.iterdir()}


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda text: text.replace("result/v1", "result/v2"), "is of a newer autograder (autograder/result/v2)"),
        (lambda text: text.replace("autograder/result/v1", "somebody/else"), "is not of the schema"),
        (lambda text: text[:-30], "cannot be read as results"),
        (lambda text: "[" * 100_000, "cannot be read as results"),
    ],
)
def test_results_that_cannot_be_used(submitted, solutions, tmp_path, capsys, change, why):
    """A results.json of a newer schema, of somebody else's or cut off is refused and stays as it is."""
    out = tmp_path / "out"
    grade(submitted, out, solutions)
    text = change((out / "results.json").read_text())
    (out / "results.json").write_text(text)
    assert why in refused(capsys, submitted, out, solutions)
    assert (out / "results.json").read_text() == text


def test_kept_by_a_newer_version(submitted, solutions, tmp_path, capsys):
    """What a newer version keeps is refused, and stays."""
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / FILE).write_text('{"schema": "autograder/graded/v2"}\nsomething\n')
    assert "another version" in refused(capsys, submitted, tmp_path / "out", solutions)
    assert (tmp_path / "out" / FILE).read_text().endswith("something\n")


def test_what_may_be_meant_otherwise(submitted, solutions, tmp_path, capsys):
    """A student who is a link is named on stderr, in one line without what acts on a terminal or as a command of a
    workflow, which would begin a line; the run goes on."""
    (submitted / "d\x1ban\n::error::mine").symlink_to(submitted / "ann")
    grade(submitted, tmp_path / "out", solutions)
    assert capsys.readouterr().err == "autograder: left out, a symbolic link: d\ufffdan ::error::mine\n"
    assert list(graded(tmp_path / "out")) == ["ann", "bob", "cat"]


def test_a_folder_and_an_archive_of_one_student(submitted, solutions, tmp_path, capsys):
    """A student who handed in twice is named before anything is graded."""
    shutil.make_archive(str(submitted / "ann"), "zip", submitted / "ann")
    assert "two submissions of student 'ann'" in refused(capsys, submitted, tmp_path / "out", solutions)
    assert not (tmp_path / "out").exists()


def test_results_laid_out_by_another_tool(submitted, solutions, tmp_path):
    """A results.json that was indented or squeezed by another tool is as good."""
    out = tmp_path / "out"
    grade(submitted, out, solutions)
    data = json.loads((out / "results.json").read_text())
    for text in (json.dumps(data, indent=1), json.dumps(data)):
        (out / "results.json").write_text(text)
        grade(submitted, out, solutions)
        assert judged(out) == {s["student"]: (s["score"], s["exercises"], s["digest"]) for s in data["submissions"]}


def test_the_commands_of_the_page_on_scale():
    """Every command that docs/scale.md shows is one that the command line takes."""
    blocks = re.findall(r"^```sh\n(.*?)^```", (ROOT / "docs" / "scale.md").read_text(), flags=re.MULTILINE | re.DOTALL)
    commands = [line for block in blocks for line in block.splitlines() if line.startswith("autograder ")]
    assert len(commands) >= 6
    for line in commands:
        arguments = shlex.split(line.partition(">>")[0])[1:]
        assert callable(_parser().parse_args(arguments).run), line
