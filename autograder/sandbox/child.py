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
import time

import numpy as np

from . import messages, wire
from .calling import Caller, Sink, Warnings
from .program import Program, world
from .standins import Refusal, StandIns

# bound early: a submission may patch the modules they come from
_read, _write, _exit, _now = os.read, os.write, os._exit, time.monotonic

HELD_BYTES, HELD_SECONDS = 1 << 16, 0.002  # what may wait to be sent, and for how long


class Pipe:
    """The child's end of the wire: blocking, by plain read and write. What is put is sent with what follows it, unless
    it is large: a copy costs pages."""

    def __init__(self, descriptor: int):
        self.descriptor = descriptor
        self.held = bytearray()
        self.sent = 0.0

    def receive(self) -> tuple[int, int, bytes | bytearray]:
        """The next frame: its kind, its number, its body. The end of the line is the end of the process."""
        kind, sequence, length = wire.HEADER.unpack(self._read(wire.HEADER.size))
        return kind, sequence, self._read(length)

    def _read(self, count: int) -> bytes | bytearray:
        data = _read(self.descriptor, count)
        if len(data) == count:
            return data
        whole, at = bytearray(count), 0
        while at < count:
            if not data:
                _exit(0)
            whole[at : at + len(data)] = data
            at += len(data)
            data = _read(self.descriptor, count - at) if at < count else b""
        return whole

    def put(self, data: bytes) -> None:
        """Sends a frame soon: at once if much is waiting, or if the last was sent a while ago."""
        if len(data) >= HELD_BYTES:
            self.flush()
            self._write(data)
            return
        self.held += data
        if len(self.held) >= HELD_BYTES or _now() - self.sent >= HELD_SECONDS:
            self.flush()

    def send(self, kind: int, sequence: int, *values) -> None:
        """Sends a frame now, after whatever waits."""
        self.held += wire.frame(kind, sequence, *values)
        self.flush()

    def flush(self) -> None:
        held, self.held = self.held, bytearray()
        self._write(held)

    def _write(self, data) -> None:
        left = memoryview(data)
        while left:
            left = left[_write(self.descriptor, left) :]
        self.sent = _now()


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

        with self._load(body) as (caller, definitions):
            pipe.send(wire.DEFINED, 0, definitions)
            while True:
                self._answer(caller, *pipe.receive()[1:])

    def _answer(self, caller: Caller, sequence: int, body: bytes) -> None:
        """Makes the calls of one frame, and says when all are made; a reply may wait for the next ones."""
        for call in messages.read_calls(body):
            self.pipe.put(messages.reply_frame(sequence, caller.call(*call)))
            sequence += 1
        self.pipe.send(wire.DONE, sequence)

    @contextlib.contextmanager
    def _load(self, body: bytes):
        """Runs the sources; gives a `Caller` of what they defined and what the grader is told of it."""
        sources, names, skip, told = messages.read_load(body)

        def progress(source, at):
            if told:
                self.pipe.send(wire.PROGRESS, 0, (source, at))

        program = Program(sources, names, self.standins, frozenset(map(tuple, skip)), progress)
        with world(program, self.standins, self.refusal):
            program.run()
            functions, definitions = {}, []
            for name in names:
                value, where, problem, untouched = program.find(name)
                functions[name] = (value, problem)
                definitions.append((name, value is not None, where, problem, untouched))
            caller = Caller(functions, program.labels, self.collector, self.standins, keeps=True)
            yield caller, (tuple(definitions), tuple(program.remarks))

    def _rehearse(self) -> None:
        """Every path of the above once: what is imported, cached or allocated by it is shared by all forks."""
        text = "import numpy as np\ndef f(x):\n    return x * 2.0, x\ndef g(dout, x):\n    return dout * 2.0\n"
        load = messages.load_frame((("rehearsal", text, None, (), False, True),), ("f", "g"), (), False)
        x = np.ones((2, 3))
        with self._load(load[wire.HEADER.size :]) as (caller, definitions):
            wire.frame(wire.DEFINED, 0, definitions)
            for call in (("f", (x,), None, None, True), ("g", (x,), "f", x, False)):
                messages.reply_frame(0, caller.call(*call))
        linecache.clearcache()
