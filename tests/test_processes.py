"""Work shared out to processes: one that is killed costs no result."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
from pathlib import Path

import pytest

from autograder.errors import BadInput
from autograder.whole_class.processes import TRIES, Processes
from autograder.whole_class.progress import progress


def each(jobs, start, give_up):
    with Processes(start, 2) as processes:
        yield from processes.each(jobs, give_up)


@contextlib.contextmanager
def doubling():
    yield lambda job: 2 * job


class Dying:
    """Doubles; dies once of the job 3, and of the job 5 each time."""

    def __init__(self, folder: Path):
        self.folder = folder

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        pass

    def __call__(self, job: int) -> int:
        with open(self.folder / str(job), "a") as file:
            file.write("x")
        if job == 5 or (job == 3 and len((self.folder / "3").read_text()) == 1):
            os.kill(os.getpid(), signal.SIGKILL)
        return 2 * job


class Dies(Dying):
    """Ready for any folder, to be started by `start()`."""

    def __call__(self, job=None):
        return self if job is None else super().__call__(job)


def broken():
    raise RuntimeError("no room for a grader")


def dead():
    os._exit(3)


def test_every_job_gets_its_own_result():
    """Results come as they are finished, each with its job's number."""
    assert dict(each(range(20), doubling, lambda job: None)) == {n: 2 * n for n in range(20)}


def test_the_processes_end_with_the_last_job():
    """What comes after the grading has the memory to itself; and without a job they end with their `with`."""
    with Processes(doubling, 2) as processes:
        assert len(multiprocessing.active_children()) == 2
        assert sorted(processes.each(range(3), lambda job: None)) == [(0, 0), (1, 2), (2, 4)]
        assert multiprocessing.active_children() == []
    with Processes(doubling, 2):
        assert len(multiprocessing.active_children()) == 2
    assert multiprocessing.active_children() == []


def test_a_killed_process_costs_nothing(tmp_path):
    """A job whose process was killed is tried again; one that kills each is given up; every other is done once."""
    results = list(each(range(10), Dies(tmp_path), lambda job: "given up"))
    assert dict(results) == {n: 2 * n for n in range(10) if n != 5} | {5: "given up"}
    assert len(results) == 10
    assert [len((tmp_path / str(n)).read_text()) for n in (3, 5)] == [2, TRIES]


@pytest.mark.parametrize(("start", "why"), [(broken, "no room for a grader"), (dead, "ended before it began")])
def test_a_process_that_cannot_start(start, why):
    """Where no process can work, one line says why."""
    with pytest.raises(BadInput, match=why):
        list(each(range(4), start, lambda job: None))


def test_lines_where_nobody_watches(capsys, monkeypatch):
    """Without a terminal a line now and then says the rate and what is left; a short run says nothing."""
    clock = iter([100.0, 105.0, 110.0, 111.0])
    monkeypatch.setattr("autograder.whole_class.progress.time.perf_counter", lambda: next(clock))
    with progress(20) as told:
        for _ in range(8):
            told.known()
        for _ in range(4):
            told.done()
    assert capsys.readouterr().err == "graded 11 of 20, 0.2 a second, 45 s left\n"
