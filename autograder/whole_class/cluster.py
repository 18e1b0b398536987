"""Grades on a Dask cluster what `batch` grades on this machine, with the same results.

Workers may come and go, and the scheduler too: what one had in hand when it went is graded by another. Only the files
of a few submissions are on their way at any time, so that a large class needs little memory anywhere.
"""

from __future__ import annotations

import asyncio
import logging
import sys
import time
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import CancelledError
from contextlib import suppress
from typing import Any

from autograder.catalogue import Catalogue
from autograder.errors import BadInput
from autograder.intake.files import Files
from autograder.submission import Handed, read_handed
from autograder.whole_class.batch import Course, Job, lost
from autograder.whole_class.cluster_worker import Parcel, Setup, WorkerRefuses, grade_parcels, setup_of
from autograder.whole_class.pieces import Graded, graded

CHUNK = 8  # submissions in one task
AHEAD = 3  # tasks for each thread of the cluster
REACHED = 10.0  # seconds until a scheduler has to answer
PATIENCE = 60.0  # seconds that a scheduler may be gone
POLL = 1.0


def grade_on_cluster(
    jobs: Sequence[Job], catalogue: Catalogue, course: Course, address: str
) -> Iterator[tuple[int, Graded]]:
    """(number of the job, what was found) as each is finished.

    Raises:
        BadInput: the scheduler cannot be reached or stays away, or a worker cannot grade.
    """
    try:
        import distributed  # noqa: F401
    except ImportError:
        raise BadInput('--cluster needs Dask: pip install "backprop-by-hand[cluster]"') from None
    # Its own lines about a lost connection would stand between ours; some of its loggers have levels of their own.
    for name in ("distributed", *(n for n in logging.root.manager.loggerDict if n.startswith("distributed."))):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    run = _Run(jobs, setup_of(catalogue, course), course, address)
    try:
        yield from run.results()
    finally:
        run.close()


class _Run:
    """The jobs that wait, and the tasks that are under way."""

    def __init__(self, jobs: Sequence[Job], setup: Setup, course: Course, address: str):
        self.jobs, self.setup, self.course, self.address = jobs, setup, course, address
        numbers = range(len(jobs))
        self.waiting = deque(list(numbers[i : i + CHUNK]) for i in numbers[::CHUNK])
        self.suspects: deque[int] = deque()  # of tasks whose worker died: each is sent when nothing else is under way
        self.pending: dict[Any, list[int]] = {}
        self.threads, self.counted, self.told = 0, 0.0, False
        self.client = self._connect(REACHED)

    def _connect(self, timeout: float) -> Any:
        from distributed import Client

        try:
            # A Client that cannot be made would try for another 20 seconds to say goodbye.
            asyncio.run(_greet(self.address, timeout))
            return Client(self.address, timeout=timeout, set_as_default=False)
        except TypeError as error:  # its way to say that a tls:// address needs certificates
            raise BadInput(f"no way to {self.address}: {' '.join(str(error).split())}") from error
        except (OSError, ValueError, ImportError) as error:  # a TimeoutError is an OSError
            raise BadInput(
                f"no Dask scheduler answers at {self.address or repr('')} ({type(error).__name__}); is it running, and "
                "the address tcp://HOST:8786? What is graded is kept; start again to go on"
            ) from error

    def close(self) -> None:
        for future in self.pending:
            future.release()
        self.client.close(timeout=2)

    def results(self) -> Iterator[tuple[int, Graded]]:
        while self.waiting or self.suspects or self.pending:
            if self.client.status != "running":
                self._reconnect()
            self._send()
            for future in self._ended():
                yield from self._taken(future, self.pending.pop(future))

    def _send(self) -> None:
        """Keeps every thread of the cluster busy, and no more."""
        if time.monotonic() - self.counted > POLL:
            self.counted = time.monotonic()
            with suppress(OSError):  # the scheduler has gone just now: the next look at the client tells
                self.threads = sum(self.client.nthreads().values())
        if not self.threads and not self.told:
            self.told = True
            print(f"no worker has joined {self.address} yet: waiting for one", file=sys.stderr, flush=True)
        if self.suspects:
            if not self.pending:
                self._submit([self.suspects.popleft()])
            return
        while self.waiting and len(self.pending) < AHEAD * max(1, self.threads):
            self._submit(self.waiting.popleft())

    def _submit(self, numbers: list[int]) -> None:
        parcels = [_parcel(self.jobs[number]) for number in numbers]
        self.pending[self.client.submit(grade_parcels, self.setup, parcels, pure=False)] = numbers

    def _ended(self) -> list[Any]:
        """The tasks that are over, one way or another; waits a little for the first."""
        from distributed import wait

        with self.client.as_current(), suppress(TimeoutError, CancelledError):
            wait(list(self.pending), timeout=POLL, return_when="FIRST_COMPLETED")
        return [future for future in self.pending if future.status != "pending"]

    def _taken(self, future: Any, numbers: list[int]) -> Iterator[tuple[int, Graded]]:
        from distributed import KilledWorker

        try:
            yield from zip(numbers, future.result(timeout=PATIENCE), strict=True)
        except KilledWorker:  # workers died of it, or of what else they had in hand: which it is, shows alone
            if len(numbers) > 1 or self.suspects or self.pending:
                self.suspects.extend(numbers)
            else:
                yield numbers[0], lost(self.course, graded, self.jobs[numbers[0]])
        except WorkerRefuses as error:
            raise BadInput(f"{error}; what is graded is kept") from error
        except (CancelledError, OSError):  # the scheduler has gone, or the worker that held the result
            self.waiting.appendleft(numbers)
        except Exception as error:
            raise BadInput(
                f"a worker of {self.address} cannot grade ({type(error).__name__}: {error}): it needs the same "
                "backprop-by-hand installed; what is graded is kept"
            ) from error

    def _reconnect(self) -> None:
        """Waits for the scheduler to come back; what was under way is sent again."""
        print(f"the scheduler at {self.address} is gone: waiting for it", file=sys.stderr, flush=True)
        self.waiting.extendleft(self.pending.values())
        self.pending.clear()
        self.client.close(timeout=2)
        self.client, self.counted, self.told = self._connect(PATIENCE), 0.0, False


async def _greet(address: str, timeout: float) -> None:
    """Raises what keeps us from a scheduler, as soon as that is certain."""
    from distributed.comm.core import connect
    from distributed.security import Security

    comm = await connect(address, timeout=timeout, **Security().get_connection_args("client"))
    await comm.close()


def _parcel(job: Job) -> Parcel:
    try:
        return Parcel(job, read_handed(job.path))
    except OSError as error:  # closed, or gone since it was found: one student's trouble
        return Parcel(job, Handed("", Files(), str(error)))
