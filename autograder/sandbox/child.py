"""The submission's process: loads the sources it is sent, makes the calls it is asked for, answers each.

Runs after the fork, confined, with no reference, no expected value and no verdict in reach. Imports numpy, the standard
library and its neighbours in this folder only.
"""

from __future__ import annotations

import builtins
import os
import random
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
            data = _read(self.descriptor, 1 << 20)
            if not data:
                _exit(0)
            self.frames.feed(data)

    def send(self, kind: int, sequence: int, value) -> None:
        data = memoryview(wire.frame(kind, sequence, value))
        while data:
            data = data[_write(self.descriptor, data) :]


def serve(descriptor: int, ready: tuple) -> None:
    """Says READY, loads the sources, answers calls until the grader hangs up."""
    pipe = Pipe(descriptor)
    pipe.send(wire.READY, 0, ready)
    _, _, body = pipe.receive()
    sources, names, skip = wire.Reader(body).decode()
    sys.stdout = sys.stderr = sys.__stdout__ = sys.__stderr__ = Sink()
    # the same start for every child, so that a case can be repeated
    random.seed(0)
    np.random.seed(0)
    collector, standins = Warnings(), StandIns()
    collector.listen()
    program = Program(
        sources,
        names,
        standins,
        skip=frozenset(tuple(place) for place in skip),
        progress=lambda source, statement: pipe.send(wire.PROGRESS, 0, (source, statement)),
    )
    builtins.exit = builtins.quit = sys.exit
    with world(program, standins, Refusal(), own_imports=("autograder",)):
        program.run()
        functions, definitions = {}, []
        for name in names:
            value, where, problem, untouched = program.find(name)
            functions[name] = (value, problem)
            definitions.append((name, value is not None, where, problem, untouched))
        pipe.send(wire.DEFINED, 0, (tuple(definitions), tuple(program.remarks)))
        caller = Caller(functions, program.labels, collector, standins)
        while True:
            _, sequence, body = pipe.receive()
            function, args, forward, dout, pair, max_bytes = wire.Reader(body).decode()
            pipe.send(wire.REPLY, sequence, caller.call(function, args, forward, dout, pair, max_bytes))
