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
from collections.abc import Iterable
from types import SimpleNamespace

import numpy as np

from . import messages, wire
from .calling import Caller, Sink, Warnings
from .program import Program, world
from .standins import InertModule, Refusal, StandIns

# bound early: a submission may patch the modules they come from
_read, _write, _exit, _now = os.read, os.write, os._exit, time.monotonic

HELD_BYTES, HELD_SECONDS = 1 << 16, 0.002  # what may wait to be sent, and for how long


# what an honest notebook has, and what functions use of numpy
REHEARSAL = (
    "import numpy as np\nfrom autograder import check\nrng = np.random.default_rng(1)\n",
    "def f(x):\n    y = np.where(x > 0, np.abs(x) * 2.0, np.exp(-x) - 1)\n    return y.reshape(x.shape), (x, y)\n",
    "def g(dout, cache):\n"
    "    x, y = cache\n"
    "    flat = x.reshape(x.shape[0], -1)\n"
    "    return dout + y**2, flat.T @ flat, np.tanh(flat).sum(axis=0)\n",
    "x = rng.standard_normal((3, 4))\nprint(f(x))\n",
)
REHEARSALS = 10  # Python adapts a function's code to its use at the eighth call


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

    def put(self, pieces: Iterable[bytes | memoryview]) -> None:
        """Sends a frame soon: at once if much is waiting, or if the last was sent a while ago."""
        for piece in pieces:
            if len(piece) >= HELD_BYTES:
                self.flush()
                self._write(piece)
            else:
                self.held += piece
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
        self.sink, self.streams = Sink(), (sys.stdout, sys.stderr)  # kept: a fork need not take them apart
        self.collector.listen()
        builtins.exit = builtins.quit = sys.exit
        self._rehearse()

    def refuse(self, error: BaseException) -> None:
        """Says why this process is not fit to run a submission."""
        self.pipe.send(wire.REFUSED, 0, (f"{type(error).__name__}: {error}",))

    def serve(self, layers: tuple[str, ...]) -> None:
        """Says READY, loads the sources, answers calls until the grader hangs up."""
        sys.stdout = sys.stderr = sys.__stdout__ = sys.__stderr__ = self.sink
        pipe = self.pipe
        pipe.send(wire.READY, 0, layers)
        _, _, body = pipe.receive()

        with self._load(body) as (caller, definitions):
            pipe.send(wire.DEFINED, 0, definitions)
            while True:
                self._answer(caller, *pipe.receive()[1:])

    def _answer(self, caller: Caller, sequence: int, body: bytes) -> None:
        """Makes the calls of one frame, and says when all are made; a reply may wait for the next ones."""
        calls = messages.read_calls(body)
        caller.begin()
        for call in calls:
            self.pipe.put(messages.reply_pieces(sequence, caller.call(*call)))
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
        """All of the above, a few times: what is imported, cached or adapted by it is shared by all forks, where each
        would have to copy the pages that it changes."""
        sources = tuple((f"rehearsal {n}", text, None, (), False, True) for n, text in enumerate(REHEARSAL))
        load = messages.load_frame(sources, ("f", "g"), (), False)
        x = np.ones((2, 3))
        calls = []
        for y in (x, np.ones((4, 6))[::2, ::2], np.ones((3, 2)).T, x.astype(np.float32)):
            call = SimpleNamespace(function="f", args=(y,), forward=None, dout=None, pair=True, max_bytes=1 << 20)
            calls += [call, SimpleNamespace(**vars(call) | {"function": "g", "forward": "f", "dout": y, "pair": False})]
        asked = messages.calls_frame(1, calls)
        reader, writer = os.pipe()
        ours, theirs = Pipe(reader), Pipe(writer)
        for _ in range(REHEARSALS):
            os.write(writer, load)
            with self._load(ours.receive()[2]) as (caller, definitions):
                wire.frame(wire.DEFINED, 0, definitions)
                os.write(writer, asked)
                asked_for = messages.read_calls(ours.receive()[2])
                caller.begin()
                for call in asked_for:
                    theirs.put(messages.reply_pieces(1, caller.call(*call)))
                theirs.send(wire.DONE, 1)
            os.read(reader, 1 << 16)
        os.close(reader)
        os.close(writer)
        linecache.clearcache()
        for name in [name for name, module in sys.modules.items() if isinstance(module, InertModule)]:
            del sys.modules[name]  # a submission may have a file of that name
