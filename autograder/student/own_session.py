"""Sessions on a student's own work: in a process apart where the system can make one, else in this very process.

Nothing here protects anybody: it is the student's own code on the student's own machine. So neither `autograder check`
nor `autograder watch` ever refuses because a sandbox is missing, as it is on Windows.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Sequence
from typing import Any

from autograder.calls import Limits, Session, Source

PATIENCE = 60.0  # seconds for a whole submission where no call can be stopped singly
HUNG = (
    "autograder: stopped after {:.0f} s; is there a loop whose end is never reached? "
    "Check one function at a time: autograder check -e NAME"
)


class OwnSessions:
    """Opens one session after another; `apart` tells whether each has a process of its own."""

    def __init__(self) -> None:
        self._box: Any = None

    @property
    def apart(self) -> bool:
        return self._box is not None

    def __enter__(self) -> OwnSessions:
        if hasattr(os, "fork"):
            try:
                from autograder.sandbox import Sandbox, SandboxError
            except ImportError:
                return self
            try:
                self._box = Sandbox(limits=Limits(), confine="none").__enter__()
            except (OSError, SandboxError):
                self._box = None
        return self

    def __exit__(self, *exc: object) -> None:
        if self._box is not None:
            self._box.close()

    def open(self, sources: Sequence[Source], names: Sequence[str]) -> Session:
        """A session over these sources. In this process it ends the process if it takes too long, or at Ctrl-C."""
        if self._box is not None:
            return self._box.open(sources, names)
        from autograder.local import LocalSession

        with _Stoppable():
            session = LocalSession.load(sources, names)
        return _Guarded(session)


class _Guarded:
    """A session in this process, each of whose batches can be stopped."""

    def __init__(self, session: Session):
        self._session = session
        self.definitions, self.remarks = session.definitions, session.remarks

    def run(self, calls: Sequence) -> list:
        with _Stoppable():
            return self._session.run(calls)

    def close(self) -> None:
        self._session.close()

    def __enter__(self) -> _Guarded:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


class _Stoppable:
    """While it lasts, Ctrl-C and the end of patience end the process: student code may catch any exception."""

    def __enter__(self) -> None:
        self._output = sys.stderr
        self._timer = threading.Timer(PATIENCE, self._end, (HUNG.format(PATIENCE), 2))
        self._timer.daemon = True
        self._timer.start()
        self._before = None
        if threading.current_thread() is threading.main_thread():
            self._before = signal.signal(signal.SIGINT, lambda *_: self._end("autograder: stopped", 130))

    def __exit__(self, *exc: object) -> None:
        self._timer.cancel()
        if self._before is not None:
            signal.signal(signal.SIGINT, self._before)

    def _end(self, message: str, code: int) -> None:
        print(message, file=self._output, flush=True)
        os._exit(code)
