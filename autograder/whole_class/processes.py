"""Shares work out to processes of this machine, so that a process that is killed costs no result.

Each process has a job or two in hand and answers them in order, so that the one it died of is known: it is tried
again in another process, and given up after a few times. If this process is killed, the others end too.
"""

from __future__ import annotations

import os
import signal
import threading
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, ExitStack, suppress
from multiprocessing import connection, get_context, parent_process
from typing import Any

from autograder.errors import BadInput

AHEAD = 2  # jobs in one process's hands: while it works on one, the next is there
TRIES = 3
READY = "ready"

# Of a process: how to start what does the work, a callable to be used as a context.
Start = Callable[[], AbstractContextManager[Callable[[Any], Any]]]


class Processes:
    """Processes that get ready from now on; they end with the last job, and with their `with`.

    start: makes what does the work, in each process; importable there, as the jobs are.
    """

    def __init__(self, start: Start, workers: int):
        self.start = start
        self.pool = [_Process(start) for _ in range(workers)]

    def __enter__(self) -> Processes:
        return self

    def __exit__(self, *error) -> None:
        self.end()

    def end(self) -> None:
        """Ends them; those that are not at work clean up side by side."""
        for process in self.pool:
            process.pipe.close()
        while self.pool:
            self.pool.pop().end()

    def each(self, jobs: Iterable[Any], give_up: Callable[[Any], Any]) -> Iterator[tuple[int, Any]]:
        """(number of the job, result) as each is finished.

        Args:
            jobs: taken one by one, when a process has room for it.
            give_up: the result of a job of which `TRIES` processes died.
        Raises:
            BadInput: a process cannot start to work.
        """
        fresh, again, tries = iter(enumerate(jobs)), deque(), Counter()
        while True:
            for process in self.pool:
                while len(process.jobs) < AHEAD and (job := again.popleft() if again else next(fresh, None)):
                    process.send(job)
            if not any(process.jobs for process in self.pool):
                self.end()
                return
            for process in connection.wait([process for process in self.pool if process.jobs]):
                try:
                    answer = process.pipe.recv()
                except (EOFError, OSError):
                    self.pool[self.pool.index(process)] = _Process(self.start)
                    number, job = process.give_back(again)
                    tries[number] += 1
                    if tries[number] >= TRIES:
                        again.popleft()
                        yield number, give_up(job)
                    continue
                if answer == READY:
                    process.ready = True
                elif isinstance(answer, _CannotStart):
                    raise BadInput(answer.why)
                else:
                    yield process.jobs.popleft()[0], answer[0]


class _CannotStart:
    def __init__(self, why: str):
        self.why = why


class _Process:
    """A process, and the jobs that it has in hand, in order, each with its number."""

    def __init__(self, start: Start):
        # Spawned, not forked: a forked process would inherit the secret.
        context = get_context("spawn")
        self.pipe, theirs = context.Pipe()
        self.process = context.Process(target=_serve, args=(theirs, start), daemon=True)
        self.process.start()
        theirs.close()
        self.jobs: deque[tuple[int, Any]] = deque()
        self.ready = False

    def fileno(self) -> int:
        return self.pipe.fileno()

    def send(self, job: tuple[int, Any]) -> None:
        """Hands over a job; that a process has died is seen when it is asked for its answer."""
        self.jobs.append(job)
        with suppress(OSError):
            self.pipe.send(job[1])

    def give_back(self, again: deque[tuple[int, Any]]) -> tuple[int, Any]:
        """Puts the jobs in hand before those to be tried again; returns the one it died of, the first."""
        self.end()
        if not self.ready:
            raise BadInput("a process to grade with ended before it began; is there enough memory for --jobs so many?")
        again.extendleft(reversed(self.jobs))
        return self.jobs[0]

    def end(self) -> None:
        """Ends the process: at once if it is at work, else it is given time to clean up."""
        self.pipe.close()
        self.process.join(0 if self.jobs else 2)
        self.process.kill()
        self.process.join()


def _serve(pipe: connection.Connection, start: Start) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all; the first process ends the others
    threading.Thread(target=_end_with_parent, daemon=True).start()
    with ExitStack() as stack:
        try:
            work = stack.enter_context(start())
        except Exception as error:
            pipe.send(_CannotStart(f"grading cannot start: {error}"))
            return
        pipe.send(READY)
        with suppress(EOFError):
            while True:
                pipe.send((work(pipe.recv()),))


def _end_with_parent() -> None:
    connection.wait([parent_process().sentinel])
    os._exit(1)
