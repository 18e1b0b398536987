"""The same grading on a Dask cluster: LocalCluster, and a scheduler and two workers as processes of their own."""

from __future__ import annotations

import contextlib
import gc
import json
import logging
import os
import pickle
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from autograder.catalogue import load_catalogue
from autograder.cli import main
from autograder.errors import BadInput
from autograder.submission import read_handed
from autograder.whole_class import cluster, cluster_worker
from autograder.whole_class.batch import Course, Job, jobs_for
from autograder.whole_class.cache import FILE
from tests.conftest import ROOT, SECRET
from tests.course import SOFTPLUS, A, repository_of

distributed = pytest.importorskip("distributed", reason="Dask is not installed")

STUDENTS = 24
# It takes its time, so that there is a middle in which to kill a worker.
RIGHT = """\
import time
import numpy as np
time.sleep(0.1)

def softplus_forward(x):
    return np.logaddexp(0, x), x

def softplus_backward(dout, cache):
    return dout / (1 + np.exp(-cache))
"""
PATIENCE = 60


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    """solutions/ and submitted/; every third student has a slip, the last one's folder cannot be a submission."""
    place = tmp_path_factory.mktemp("cluster")
    repository_of(place, SOFTPLUS)
    for number in range(STUDENTS):
        (place / "submitted" / f"s{number:02}").mkdir(parents=True)
        text = RIGHT if number % 3 else RIGHT.replace("1 +", "2 +")
        (place / "submitted" / f"s{number:02}" / "work.py").write_text(text)
    (place / "submitted" / f"s{STUDENTS - 1:02}" / "work.py").unlink()
    return place


def start(*arguments: object) -> subprocess.Popen:
    """A process of the cluster: it knows nothing of the course, the secret least of all."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AUTOGRADER")}
    command = [sys.executable, "-m", *map(str, arguments), "--no-dashboard"]
    return subprocess.Popen(
        command,
        cwd=ROOT,
        env=environment | {"PYTHONPATH": str(ROOT)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def worker_of(address: str) -> subprocess.Popen:
    return start("distributed.cli.dask_worker", address, "--nthreads", 1, "--no-nanny")


@contextlib.contextmanager
def scheduler(place: Path, port: int = 0):
    """Yields the address of a scheduler of its own, and its process."""
    file = place / f"scheduler-{time.monotonic_ns()}.json"
    process = start("distributed.cli.dask_scheduler", "--host", "127.0.0.1", "--port", port, "--scheduler-file", file)
    try:
        wait_for(lambda: file.exists() and file.read_text().rstrip().endswith("}"))
        yield json.loads(file.read_text())["address"], process
    finally:
        process.kill()
        process.wait()


@pytest.fixture(scope="module")
def running(place):
    """A scheduler's address, and its two workers."""
    with scheduler(place) as (address, _):
        workers = [worker_of(address) for _ in range(2)]
        yield address, workers
        for worker in workers:
            worker.kill()
            worker.wait()


def wait_for(condition) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def command(place: Path, out: Path, *more: str) -> list[str]:
    solutions = ["--solutions", str(place / "solutions")]
    return ["grade", str(place / "submitted"), "--out", str(out), "--assignment", A, *solutions, *more]


def judged(out: Path) -> dict[str, tuple]:
    submissions = json.loads((out / "results.json").read_text())["submissions"]
    return {s["student"]: (s["score"], s["exercises"], s["digest"], s["remarks"]) for s in submissions}


@pytest.fixture(scope="module")
def expected(place, tmp_path_factory) -> dict:
    """What this machine alone finds."""
    out = tmp_path_factory.mktemp("here")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AUTOGRADER_SECRET", SECRET.hex())
        assert main(command(place, out)) == 0
    return judged(out)


def test_the_same_as_here_though_a_worker_is_killed(place, running, expected, tmp_path):
    """Two workers find what one machine finds; one that is killed in the middle loses no submission."""
    address, workers = running
    run = graded_beside(place, tmp_path / "out", address)
    kept = tmp_path / "out" / FILE
    wait_for(lambda: run.poll() is not None or (kept.exists() and kept.read_bytes().count(b"\n") > 8))
    assert run.poll() is None
    workers[0].kill()
    _, complaints = run.communicate(timeout=120)
    assert (run.returncode, complaints) == (0, "")
    assert len(expected) == STUDENTS
    assert judged(tmp_path / "out") == expected
    head = json.loads((tmp_path / "out" / "results.json").read_text())
    assert head["grader"]["sandbox"] == "full, on each worker"


def test_workers_that_come_and_go(place, expected, tmp_path):
    """A run started before its first worker waits for one; a worker that is sent away is replaced by the next."""
    kept = tmp_path / "out" / FILE
    with scheduler(tmp_path) as (address, _), contextlib.ExitStack() as ends:
        run = graded_beside(place, tmp_path / "out", address)
        assert run.stderr.readline() == f"no worker has joined {address} yet: waiting for one\n"
        first = ends.enter_context(ending(worker_of(address)))
        wait_for(lambda: run.poll() is not None or (kept.exists() and kept.read_bytes().count(b"\n") > 4))
        assert run.poll() is None
        first.terminate()
        first.wait()
        ends.enter_context(ending(worker_of(address)))
        _, complaints = run.communicate(timeout=120)
    assert (run.returncode, complaints) == (0, "")
    assert judged(tmp_path / "out") == expected


def test_a_scheduler_that_comes_back(place, expected, tmp_path):
    """One that dies in the middle and is started again at its address: the run goes on, and nothing is lost."""
    kept = tmp_path / "out" / FILE
    with contextlib.ExitStack() as ends:
        address, old = ends.enter_context(scheduler(tmp_path))
        ends.enter_context(ending(worker_of(address)))
        run = graded_beside(place, tmp_path / "out", address)
        wait_for(lambda: run.poll() is not None or (kept.exists() and kept.read_bytes().count(b"\n") > 4))
        assert run.poll() is None
        old.kill()
        assert run.stderr.readline() == f"the scheduler at {address} is gone: waiting for it\n"
        again, _ = ends.enter_context(scheduler(tmp_path, int(address.rpartition(":")[2])))
        assert again == address
        ends.enter_context(ending(worker_of(address)))
        _, complaints = run.communicate(timeout=120)
    assert run.returncode == 0, complaints
    assert judged(tmp_path / "out") == expected


def graded_beside(place: Path, out: Path, address: str) -> subprocess.Popen:
    """`autograder grade --cluster` as a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "autograder", *command(place, out, "--cluster", address)],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


@contextlib.contextmanager
def ending(process: subprocess.Popen):
    """Yields the process, and ends it."""
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def test_dasks_own_lines_are_kept_back(place, monkeypatch):
    """Those of loggers with a level of their own too: what the client loses and asks for again is no concern."""
    monkeypatch.setattr(cluster, "REACHED", 0.5)
    for name in ("distributed", "distributed.client"):
        monkeypatch.setattr(logging.getLogger(name), "level", logging.WARNING)
    catalogue = load_catalogue(place / "solutions")
    with pytest.raises(BadInput):
        next(cluster.grade_on_cluster([], catalogue, Course(place / "solutions", A), "tcp://127.0.0.1:9"))
    assert not logging.getLogger("distributed.client").isEnabledFor(logging.ERROR)


NO_ANSWER = "no Dask scheduler answers at {} ("


@pytest.mark.parametrize(
    ("address", "why"),
    [
        *((address, NO_ANSWER) for address in ("tcp://127.0.0.1:9", "tcp://127.0.0.1", "tcp://", "nonsense://x", "x")),
        ("", "no Dask scheduler answers at '' ("),
        ("tls://127.0.0.1:9", "no way to {}: TLS expects"),  # without certificates
    ],
)
def test_no_scheduler(place, tmp_path, capsys, monkeypatch, address, why):
    """Where nobody answers, one line says so; what was graded before is kept."""
    monkeypatch.setattr(cluster, "REACHED", 0.5)
    main(command(place, tmp_path / "out"))
    before = {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()}
    capsys.readouterr()
    assert main(command(place, tmp_path / "out", "--fresh", "--cluster", address)) == 2
    gc.collect()  # what was begun for it has nothing more to say
    captured = capsys.readouterr()
    assert captured.out == ""
    (line,) = captured.err.splitlines()
    assert line.startswith(f"autograder: {why.format(address)}")
    assert before == {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()}


def test_a_scheduler_that_goes(place, tmp_path, monkeypatch):
    """A scheduler that goes and stays away ends the run in one line; nothing that was graded is lost."""
    monkeypatch.setattr(cluster, "PATIENCE", 2.0)
    monkeypatch.setattr(cluster, "CHUNK", 1)
    catalogue = load_catalogue(place / "solutions")
    entries = [(p.name, p) for p in sorted((place / "submitted").iterdir())]
    jobs = jobs_for(entries, catalogue, A, SECRET)
    with scheduler(tmp_path) as (address, process):
        worker = worker_of(address)
        results = cluster.grade_on_cluster(jobs, catalogue, Course(place / "solutions", A), address)
        found = [next(results), next(results)]
        process.kill()
        with pytest.raises(BadInput, match=r"no Dask scheduler answers at .* is graded is kept"):
            found.extend(results)
        worker.kill()
        worker.wait()
    assert 2 <= len(found) < STUDENTS


# What is sent ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def jobs(place) -> list[Job]:
    entries = [(f"s{n:02}", place / "submitted" / f"s{n:02}") for n in range(3)]
    return jobs_for(entries, load_catalogue(place / "solutions"), A, SECRET)


@pytest.fixture
def setup(place) -> cluster_worker.Setup:
    return cluster_worker.setup_of(load_catalogue(place / "solutions"), Course(place / "solutions", A))


def test_the_secret_stays(setup, jobs, place):
    """What goes to a worker holds seeds and files, neither the secret nor a path to the solutions."""
    sent = pickle.dumps((setup, [cluster._parcel(job) for job in jobs]))
    assert jobs[0].seeds["softplus"] in sent
    assert RIGHT.encode() in sent
    assert SECRET not in sent
    assert SECRET.hex().encode() not in sent
    assert str(place / "solutions").encode() not in sent


def test_another_grader_is_refused(setup, jobs):
    """A worker with another version of the grader grades nothing."""
    parcels = [cluster_worker.Parcel(job, read_handed(job.path)) for job in jobs]
    with pytest.raises(cluster_worker.WorkerRefuses, match="a worker has another grader"):
        cluster_worker.grade_parcels(replace(setup, identity="another"), parcels)


def test_a_machine_that_cannot_confine_is_refused(setup, jobs, monkeypatch):
    """A worker on a machine without protection grades nothing, unless less was accepted."""
    found = cluster_worker.examine("full")
    broken = replace(found, probes=(replace(found.probes[0], holds=False), *found.probes[1:]))
    monkeypatch.setattr(cluster_worker, "examine", lambda confine: broken)
    parcels = [cluster_worker.Parcel(job, read_handed(job.path)) for job in jobs]
    setup = replace(setup, course=replace(setup.course, limits=None, assignment=A))
    with pytest.raises(cluster_worker.WorkerRefuses, match="cannot confine"):
        cluster_worker.grade_parcels(replace(setup, solutions=(*setup.solutions, ("more.py", ""))), parcels)


# LocalCluster ---------------------------------------------------------------------------------------------------------


def dying(setup, parcels):
    """As Dask reports a task of which several workers died; `s01` is never graded."""
    if any(parcel.job.student == "s01" for parcel in parcels):
        raise distributed.KilledWorker("task", SimpleNamespace(address="tcp://there"), 3)
    return cluster_worker.grade_parcels(setup, parcels)


@contextlib.contextmanager
def local_cluster():
    with distributed.LocalCluster(
        n_workers=1, threads_per_worker=1, processes=False, dashboard_address=None, worker_dashboard_address=None
    ) as local:
        yield local.scheduler_address


def test_a_submission_that_kills_workers(jobs, place, monkeypatch):
    """One of which workers die again and again is given up, with a reason that blames nobody; the others are graded."""
    monkeypatch.setattr(cluster, "grade_parcels", dying)
    catalogue, course = load_catalogue(place / "solutions"), Course(place / "solutions", A)
    with local_cluster() as address:
        found = dict(cluster.grade_on_cluster(jobs, catalogue, course, address))
    assert sorted(found) == [0, 1, 2]
    assert [found[n].broken for n in range(3)] == [False, True, False]
    assert "The autograder broke, not your code" in found[1].pieces["softplus"]
    assert '"status":"passed"' in found[2].pieces["softplus"]


def test_a_worker_that_refuses_ends_the_run(jobs, setup, place, monkeypatch):
    """What a worker says against grading reaches the person who started it, in one line."""
    monkeypatch.setattr(cluster, "setup_of", lambda catalogue, course: replace(setup, identity="another"))
    catalogue, course = load_catalogue(place / "solutions"), Course(place / "solutions", A)
    with local_cluster() as address, pytest.raises(BadInput, match="a worker has another grader"):
        list(cluster.grade_on_cluster(jobs, catalogue, course, address))
