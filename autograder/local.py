"""A `Session` in this very process: for the student's own notebook, whose result counts for nothing.

`LocalSession(namespace)` calls the functions of a live notebook. `LocalSession.load(sources, names)` runs the sources
of a submission first, for a throw-away process on a system that cannot fork.
"""

from __future__ import annotations

import contextlib
import random
import sys
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from .calls import LIVE, Call, Definition, Frame, Reply, Source
from .sandbox.calling import Caller, Sink, Warnings
from .sandbox.problems import clean
from .sandbox.program import Program, is_stub, world
from .sandbox.replies import make_definitions, make_reply
from .sandbox.standins import Refusal, StandIns


class LocalSession:
    """Calls functions in this process; there are no limits but those of the process itself."""

    forbidden = protocol = False

    def __init__(self, namespace: dict, names: Sequence[str] = ()):
        self.remarks: tuple[str, ...] = ()
        self._enter = contextlib.nullcontext
        self._functions = _Live(namespace)
        names = names or [name for name, value in namespace.items() if callable(value) and not name.startswith("_")]
        self.definitions = {
            name: Definition(name, callable(namespace.get(name)), LIVE, untouched=is_stub(namespace.get(name)))
            for name in names
        }
        self._caller = Caller(self._functions, _NotebookLabels(), Warnings())

    @classmethod
    def load(cls, sources: Sequence[Source], names: Sequence[str]) -> LocalSession:
        """Runs the sources here and now, stand-ins in the place of what grading does not have."""
        session = cls({}, names)
        standins = StandIns()
        plain = [(s.label, s.text, s.module, s.answers, s.untouched, s.runs) for s in sources]
        program = Program(plain, tuple(names), standins)
        random.seed(0)
        np.random.seed(0)

        @contextlib.contextmanager
        def enter():
            with world(program, standins, Refusal(), own_imports=("autograder",)):
                yield

        session._enter = enter
        with session._quietly():
            program.run()
            found = {name: program.find(name) for name in names}
        functions = {name: (value, problem) for name, (value, _, problem, _) in found.items()}
        entries = tuple(
            (name, value is not None, where, problem, untouched)
            for name, (value, where, problem, untouched) in found.items()
        )
        session.definitions, session.remarks = make_definitions(entries, tuple(program.remarks), tuple(names))
        session._caller = Caller(functions, program.labels, Warnings(), standins)
        return session

    def run(self, calls: Sequence[Call]) -> list[Reply]:
        with self._quietly():
            self._caller.begin()
            return [self._one(call) for call in calls]

    def _one(self, call: Call) -> Reply:
        fields = self._caller.call(call.function, tuple(call.args), call.forward, call.dout, call.pair, call.max_bytes)
        return _with_cells(make_reply(fields))

    @contextlib.contextmanager
    def _quietly(self) -> Iterator[None]:
        """Prints and warnings of the student's code reach nobody: stderr in a graded cell costs marks."""
        sink = Sink()
        with (
            self._enter(),
            contextlib.redirect_stdout(sink),
            contextlib.redirect_stderr(sink),
            warnings.catch_warnings(),
        ):
            self._caller.collector.listen()
            yield

    def close(self) -> None:
        pass

    def __enter__(self) -> LocalSession:
        return self

    def __exit__(self, *error) -> None:
        self.close()


def _with_cells(reply: Reply) -> Reply:
    """The reply with its traceback's lines placed as the notebook shows them, "cell In[7]", not in temporary files."""
    if reply.problem is None or not reply.problem.frames:
        return reply
    frames = tuple(replace(frame, label=_place(frame)) for frame in reply.problem.frames)
    return reply._replace(problem=replace(reply.problem, frames=frames))


def _place(frame: Frame) -> str:
    shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    named = getattr(getattr(shell, "compile", None), "format_code_name", lambda name: None)(frame.label)
    if named:
        return " ".join(named).replace("Cell ", "cell ")
    path = Path(frame.label)
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else path.name


class _Live:
    """The functions of a namespace as they are at the moment of the call."""

    def __init__(self, namespace: dict):
        self.namespace = namespace

    def get(self, name: str):
        value = self.namespace.get(name)
        if value is not None and not callable(value):
            return None, ("TypeError", f"{name} is not a function but of type {clean(type(value).__name__, 80)}", ())
        return (value, None) if callable(value) else None


class _NotebookLabels:
    """Which files' frames are the student's own: a notebook's cells, and nothing of Python, numpy or the grader."""

    def __contains__(self, filename: str) -> bool:
        return (
            "ipykernel" in filename
            or filename.startswith(("<ipython", "<string>", "<stdin>"))
            or self._beside(filename)
        )

    @staticmethod
    def _beside(filename: str) -> bool:
        folders = ("site-packages", "dist-packages", "autograder")
        inside = filename.startswith((sys.prefix, sys.base_prefix)) or any(f"/{name}/" in filename for name in folders)
        return not inside and not filename.startswith("<")
