"""Autogrades a class on several cores: each worker is a fork of `nbgrader autograde` with a share of the folders.

What a worker could not do (it was killed, or one of its submissions failed) is left to the process they were forked
from, which does it as nbgrader would have, and so tells and returns its errors.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping

from nbgrader.api import Gradebook
from nbgrader.apps import AutogradeApp
from nbgrader.converters import Autograde
from nbgrader.coursedir import CourseDirectory
from sqlalchemy import event
from sqlalchemy.engine import Engine

WORTH_A_WORKER = 4  # submissions
PATIENCE = 60_000  # milliseconds that a writer waits for the others; sqlite3's own 5 seconds are few on a slow disk


def share_out(converter: Autograde, workers: int) -> None:
    """Returns in every worker, and at last in the process itself, with `converter.assignments` what is left to do.

    workers: how many; 0 for one a core.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    folders = sorted(converter.assignments)
    workers = min(workers or cores, len(folders) // WORTH_A_WORKER)
    if workers <= 1 or not hasattr(os, "fork") or not isinstance(converter.parent, AutogradeApp):
        return
    _prepare(converter.coursedir)
    everything = converter.assignments
    children = []
    for number in range(workers):
        child = os.fork()
        if child == 0:
            converter.assignments = {folder: everything[folder] for folder in folders[number::workers]}
            return
        children.append(child)
    _wait(children)
    left = {folder: names for folder, names in everything.items() if not _done(converter.coursedir, folder, names)}
    converter.assignments = left
    if left:
        converter.log.warning("%d submissions were not finished by the workers", len(left))


def _prepare(course: CourseDirectory) -> None:
    """Has all workers wait for each other's writes, and makes what they would otherwise all make at once."""

    @event.listens_for(Engine, "connect")
    def wait_for_others(connection, _):
        if course.db_url.startswith("sqlite"):
            connection.execute(f"PRAGMA busy_timeout = {PATIENCE}")

    with Gradebook(course.db_url):  # nbgrader's preprocessors open the gradebook under its default name
        pass


def _wait(children: list[int]) -> None:
    interrupted = False
    for child in children:
        while True:
            try:
                os.waitpid(child, 0)
                break
            except KeyboardInterrupt:  # it reached the workers too; they clean up first
                interrupted = True
    if interrupted:
        raise KeyboardInterrupt


def _done(course: CourseDirectory, folder: str, notebooks: Mapping | list[str]) -> bool:
    pattern = course.format_path(course.submitted_directory, "(?P<student>.*)", course.assignment_id, escape=True)
    student = re.match(pattern, folder)["student"]
    results = course.format_path(course.autograded_directory, student, course.assignment_id)
    return all(os.path.exists(os.path.join(results, os.path.basename(name))) for name in notebooks)
