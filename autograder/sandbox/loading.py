"""Has a submission's sources run in a fresh child, and finds out which of the graded functions they define.

A statement that hangs or ends the process costs that statement: the sources run again, in another child, without it.
Which statement that is, a child only says when one has failed: seventy frames take as long as a notebook's functions.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..calls import CRASHED, MISSING, TIMEOUT, Definition, Limits, Problem, Source
from . import messages, wire
from .converse import Failure
from .line import Line
from .replies import MAX_DEFINITIONS, read_definitions

MAX_LOADS = 5  # times that the sources are run by a child that says where it is
SILENT = 1.0  # seconds, of CPU or waiting, that one may take which does not
MAX_PROGRESS = 100_000

Place = tuple[int, int]  # source, statement


class Loader:
    """Loads one submission, as often as a fresh child needs it."""

    def __init__(self, line: Line, sources: Sequence[Source], names: Sequence[str], limits: Limits):
        self.line, self.sources, self.names, self.limits = line, tuple(sources), tuple(names), limits
        self.skipped: dict[Place, Failure] = {}
        self.definitions: dict[str, Definition] = {}
        self.remarks: tuple[str, ...] = ()
        self.told = False

    def load(self) -> Failure | None:
        """Leaves a child that has loaded the submission; the failure, where there is none to be had."""
        while True:
            place: list[Place] = []
            try:
                definitions, remarks = self._run(place)
            except Failure as failure:
                if self.line.tries_again(failure):
                    continue
                at = place[-1] if place else None
                if failure.status in (TIMEOUT, CRASHED) and self._may_try():
                    if not self.told:
                        self.told = True
                        continue
                    if at not in (None, *self.skipped):
                        self.skipped[at] = failure
                        continue
                problem = Problem("", failure.message)
                self.definitions = {name: Definition(name, False, problem=problem) for name in self.names}
                self.remarks = self._left_out()
                return failure
            self.definitions = {name: self._explained(definition) for name, definition in definitions.items()}
            self.remarks = (*remarks, *self._left_out())
            return None

    def status_of(self, definition: Definition | None) -> str:
        """How a call of a function ends that is not there: as missing, or as what kept it from being defined."""
        told = definition.problem.message if definition and definition.problem else None
        return next((failure.status for failure in self.skipped.values() if failure.message == told), MISSING)

    def _may_try(self) -> bool:
        return len(self.skipped) < MAX_LOADS - 1 and self.line.left() > 0

    def _run(self, place: list[Place]):
        """One try; `place` ends with the statement that was reached."""
        result = []

        def limit(kind, sequence, length):
            if sequence or length > {wire.PROGRESS: 64, wire.DEFINED: MAX_DEFINITIONS}.get(kind, -1):
                raise wire.WireError("an unexpected frame")

        def accept(kind, sequence, body):
            if kind == wire.DEFINED:
                result.append(read_definitions(body, self.names))
                return True
            at = wire.Reader(body, depth=1, items=2).decode()
            if len(place) >= MAX_PROGRESS or type(at) is not tuple or [type(number) for number in at] != [int, int]:
                raise wire.WireError("bad progress")
            place.append(at)
            return None

        self.line.fresh()
        sources = tuple((s.label, s.text, s.module, s.answers, s.untouched, s.runs) for s in self.sources)
        payload = messages.load_frame(sources, self.names, tuple(self.skipped), self.told)
        cpu, wall = self.limits.definitions, self.limits.call_wall
        if not self.told:
            cpu, wall = min(cpu, SILENT), min(wall, SILENT)
        self.line.exchange(payload, limit, accept, cpu=cpu, wall=wall)
        return result[0]

    def _explained(self, definition: Definition) -> Definition:
        """A function that was not found where a statement was left out: that may be why."""
        if definition.found or definition.problem is not None or not self.skipped:
            return definition
        failure = next(iter(self.skipped.values()))
        return Definition(definition.name, False, definition.where, Problem("", failure.message))

    def _left_out(self) -> tuple[str, ...]:
        remarks = []
        for (source, _), failure in self.skipped.items():
            label = self.sources[source].label if 0 <= source < len(self.sources) else "the code"
            remarks.append(f"{label}: {failure.message}; this statement was left out")
        return tuple(remarks)
