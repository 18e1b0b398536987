"""`Sandbox`: one warm zygote, from which every submission gets a confined process of its own."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence

from ..calls import Limits, Source
from . import wire
from .converse import Budget, Failure, converse
from .line import Line
from .session import SandboxSession
from .supervisor import Child, SandboxError, Zygote
from .support import unsupported

READY_TIMEOUT = 20.0
LAYERS = ("seccomp", "landlock", "rlimits", "user")


class Sandbox:
    """Runs submissions. confine="full" is for grading; "none" keeps the processes and the rlimits and nothing else."""

    def __init__(self, limits: Limits | None = None, confine: str = "full"):
        if confine not in ("full", "none"):
            raise ValueError(f"confine is 'full' or 'none', not {confine!r}")
        self.limits, self.confined = limits or Limits(), confine == "full"
        self._cpu = self.limits.definitions + self.limits.total_wall
        self.level = ""
        self._zygote: Zygote | None = None

    def __enter__(self) -> Sandbox:
        if self.confined and (reason := unsupported()):
            raise SandboxError(reason)
        self._spawn().discard()
        self._expect()
        return self

    def __exit__(self, *error) -> None:
        self.close()

    def close(self) -> None:
        zygote, self._zygote = self._zygote, None
        if zygote is not None:
            zygote.close()

    def open(self, sources: Sequence[Source], names: Sequence[str]) -> SandboxSession:
        """A session over one submission: its sources are run, `definitions` says what was found of `names`."""
        line = Line(self._spawn, self._expect, self.close, self.limits.total_wall)
        return SandboxSession(line, sources, names, self.limits)

    def _expect(self) -> None:
        """Asks for the next child, which gets ready while the grader is at other work.

        Not before the last is dismissed: what three processes share is copied whenever one of them writes to it.
        """
        if self._zygote is not None and self.confined:  # two that are not confined could meddle with each other
            with contextlib.suppress(SandboxError):  # whoever needs the next child will see it
                self._zygote.expect(self._cpu)

    def _spawn(self) -> Child:
        """A child that has said READY; a zygote that died or stalls is started again, once."""
        fresh = self._zygote is None
        try:
            return self._try_spawn()
        except SandboxError:
            self.close()
            if fresh:
                raise
            return self._try_spawn()

    def _new_zygote(self) -> Zygote:
        return Zygote(self.confined, self.limits.memory)

    def _try_spawn(self) -> Child:
        if self._zygote is None:
            self._zygote = self._new_zygote()
            self._zygote.start()
        child = self._zygote.fork(self._cpu)
        layers: list[str] = []

        def limit(kind, sequence, length):
            if kind not in (wire.READY, wire.REFUSED) or sequence or length > 4096:
                raise wire.WireError("no READY")

        def accept(kind, sequence, body):
            told = wire.Reader(body, max_text=2000, depth=1, items=16).decode()
            if kind == wire.REFUSED:
                child.discard()
                raise SandboxError(f"a process could not be confined: {told[0]}")
            layers.extend(told)
            return True

        budget = Budget(READY_TIMEOUT, READY_TIMEOUT, float("inf"))
        try:
            converse(child, b"", wire.Frames(limit), accept, budget)
        except Failure as failure:
            raise SandboxError(f"a process did not become ready: {failure.message}") from failure
        held = [layer for layer in LAYERS if layer in layers]
        self.level = "+".join(held if self.confined else ["process", *held])
        return child
