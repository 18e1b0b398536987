"""The submission's process: loads the sources it is sent, makes the calls it is asked for, answers each.

Runs after the fork, confined, with no reference, no expected value and no verdict in reach. Imports numpy, the standard
library and its neighbours in this folder only.
"""

from __future__ import annotations

import builtins
import contextlib
import linecache
import os
import sys

import numpy as np

from . import wire
from .calling import Caller, Sink, Warnings
from .program import Program, world
from .standins import Refusal, StandIns

_read, _write, _exit = os.read, os.write, os._exit


class Pipe:
    """The child's end of the wire: blocking, by plain read and write."""

    def __init__(self, descriptor: int):
        self.descriptor = descriptor
        self.frames = wire.Frames()

    def receive(self):
        while True:
            frame = self.frames.pop()
            if frame is not None:
                return frame
            data = _read(self.descriptor, 1 << 18)
            if not data:
                _exit(0)
            self.frames.feed(data)

    def send(self, kind: int, sequence: int, value) -> None:
        data = memoryview(wire.frame(kind, sequence, value))
        while data:
            data = data[_write(self.descriptor, data) :]


class Server:
    """Made in the zygote with what does not depend on the submission; `serve` runs in the fork and never returns."""

    def __init__(self, descriptor: int):
        self.pipe, self.collector, self.standins, self.refusal = Pipe(descriptor), Warnings(), StandIns(), Refusal()
        self.collector.listen()
        builtins.exit = builtins.quit = sys.exit
        self._rehearse()

    def refuse(self, error: BaseException) -> None:
        """Says why this process is not fit to run a submission."""
        self.pipe.send(wire.REFUSED, 0, (f"{type(error).__name__}: {error}",))

    def serve(self, layers: tuple[str, ...]) -> None:
        """Says READY, loads the sources, answers calls until the grader hangs up."""
        sys.stdout = sys.stderr = sys.__stdout__ = sys.__stderr__ = Sink()
        pipe = self.pipe
        pipe.send(wire.READY, 0, layers)
        _, _, body = pipe.receive()
        with self._load(body, lambda source, at: pipe.send(wire.PROGRESS, 0, (source, at))) as (caller, definitions):
            pipe.send(wire.DEFINED, 0, definitions)
            while True:
                _, sequence, body = pipe.receive()
                pipe.send(wire.REPLY, sequence, self._call(caller, body))

    @contextlib.contextmanager
    def _load(self, body: bytes, progress):
        """Runs the sources; gives a `Caller` of what they defined and what the grader is told of it."""
        sources, names, skip = wire.Reader(body).decode()
        program = Program(sources, names, self.standins, frozenset(map(tuple, skip)), progress)
        with world(program, self.standins, self.refusal):
            program.run()
            functions, definitions = {}, []
            for name in names:
                value, where, problem, untouched = program.find(name)
                functions[name] = (value, problem)
                definitions.append((name, value is not None, where, problem, untouched))
            caller = Caller(functions, program.labels, self.collector, self.standins)
            yield caller, (tuple(definitions), tuple(program.remarks))

    @staticmethod
    def _call(caller: Caller, body: bytes) -> tuple:
        function, args, forward, dout, pair, max_bytes = wire.Reader(body).decode()
        return caller.call(function, args, forward, dout, pair, max_bytes)

    def _rehearse(self) -> None:
        """Every path of the above once: what is imported, cached or allocated by it is shared by all forks."""
        text = "import numpy as np\ndef f(x):\n    return x * 2.0, x\ndef g(dout, x):\n    return dout * 2.0\n"
        load = wire.frame(wire.LOAD, 0, ((("rehearsal", text, None, (), False, True),), ("f", "g"), ()))
        x = np.ones((2, 3))
        with self._load(load[wire.HEADER.size :], lambda source, at: None) as (caller, definitions):
            wire.frame(wire.DEFINED, 0, definitions)
            for call in (("f", (x,), None, None, True, 1 << 20), ("g", (x,), "f", x, False, 1 << 20)):
                reply = self._call(caller, wire.frame(wire.CALL, 0, call)[wire.HEADER.size :])
                wire.frame(wire.REPLY, 0, reply)
        linecache.clearcache()
