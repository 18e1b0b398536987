"""A class autograded by several workers at once: one gradebook, no lock errors, on SQLite and on PostgreSQL."""

import contextlib
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from pathlib import Path

import pytest
from nbgrader.api import Gradebook

from autograder.catalogue import load_catalogue
from autograder.handing_out.nbgrader_course import make_course
from tests.course import SOFTPLUS, A, answers_of, hand_in, nbgrader, repository_of

STUDENTS = 12
WRONG = {"softplus_forward": "def softplus_forward(x):\n    return x, x"}


def class_in(folder, db_url=None):
    """A course with a class handed in: every third student has the forward wrong."""
    repository = repository_of(folder / "repository", SOFTPLUS)
    course = folder / "course"
    make_course(load_catalogue(repository / "solutions"), repository / "assignments", course, db_url=db_url)
    nbgrader(course, "generate_assignment", A)
    answers = answers_of(course)
    for number in range(STUDENTS):
        hand_in(course, f"s{number:02}", answers if number % 3 else answers | WRONG)
    return course


def scores_of(db_url):
    with Gradebook(db_url, "course") as book:
        return {s.student.id: s.score for s in book.assignment_submissions(A)}


# A backward that is right for the softplus and a forward that is not: the backward keeps its points.
EXPECTED = {f"s{number:02}": 3.5 if number % 3 else 1.5 for number in range(STUDENTS)}


@contextlib.contextmanager
def postgresql():
    """A PostgreSQL server of its own on a free port of this machine; skips where none is installed."""
    pytest.importorskip("psycopg", reason="psycopg is not installed")
    binaries = sorted(Path("/usr/lib/postgresql").glob("*/bin")) or [Path(shutil.which("initdb") or "/").parent]
    if not (binaries[-1] / "initdb").exists():
        pytest.skip("PostgreSQL is not installed")
    user = {"user": "postgres"} if os.getuid() == 0 else {}  # it refuses to run as root
    with tempfile.TemporaryDirectory() as folder:
        if user:
            os.chown(folder, pwd.getpwnam("postgres").pw_uid, -1)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]

        def run(name, *arguments):
            command = [binaries[-1] / name, *arguments]
            subprocess.run(command, check=True, cwd=folder, capture_output=True, timeout=120, **user)

        run("initdb", "-D", f"{folder}/data", "-U", "grader", "--auth=trust", "--no-sync")
        options = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={folder} -c fsync=off"
        run("pg_ctl", "-D", f"{folder}/data", "-o", options, "-l", f"{folder}/log", "-w", "start")
        try:
            run("createdb", "-h", "127.0.0.1", "-p", str(port), "-U", "grader", "grades")
            yield f"postgresql+psycopg://grader@127.0.0.1:{port}/grades"
        finally:
            run("pg_ctl", "-D", f"{folder}/data", "-m", "immediate", "stop")


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def course(request, tmp_path_factory):
    """(course, address of its gradebook)"""
    folder = tmp_path_factory.mktemp(request.param)
    with contextlib.ExitStack() as stack:
        db_url = stack.enter_context(postgresql()) if request.param == "postgresql" else None
        yield class_in(folder, db_url), db_url or f"sqlite:///{folder}/course/gradebook.db"


def test_workers_grade_every_submission_once(course):
    """Three workers, one gradebook: every score is there and right, and nobody met a lock."""
    course, db_url = course
    said = nbgrader(course, "autograde", A, "--SubmissionExporter.workers=3")
    assert scores_of(db_url) == EXPECTED
    assert said.count("Autograding /") == STUDENTS
    assert [line for line in said.splitlines() if "ERROR" in line or "locked" in line] == []


def test_what_a_worker_could_not_do_is_done_again_and_told(course):
    """A submission whose page cannot be written fails by itself, ends in exit code 1, and stops nobody else."""
    course, db_url = course
    shutil.rmtree(course / "autograded" / "s05", ignore_errors=True)
    (course / "autograded" / "s05").write_text("in the way")
    try:
        said = nbgrader(course, "autograde", A, "--force", "--SubmissionExporter.workers=3", code=1)
    finally:
        (course / "autograded" / "s05").unlink()
    assert "1 submissions were not finished by the workers" in said
    assert "There was an error processing assignment '02_layers' for student 's05'" in said
    assert len(list((course / "autograded").glob(f"*/{A}/{A}.ipynb"))) == STUDENTS - 1
    nbgrader(course, "autograde", A, "--SubmissionExporter.workers=3")
    assert scores_of(db_url) == EXPECTED
