"""`NotebookBox`: runs a notebook's cells in a confined process for what they show.

Its processes may read one folder, which the grader fills with copies, and the installed packages; Landlock, which is
needed here, says so. No score depends on anything that comes out.
"""

from __future__ import annotations

import contextlib
import os
import sys
import sysconfig
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..calls import Limits
from . import wire
from .box import Sandbox
from .cells_wire import DONE, ERROR, KINDS, MAX_PICTURE, MAX_TEXT, OUTPUT, RUN, STDERR, STDOUT
from .confine import NOBODY
from .converse import Budget, Failure, converse
from .supervisor import SandboxError, Zygote

LIMITS = Limits(call=30.0, call_wall=5.0, total_wall=120.0)
MAX_RUNS = 3  # times that a notebook is run, each time without the cells that stopped it
MAX_SHOWN = 16 << 20  # bytes that one notebook sends
MAX_OUTPUTS = 2000
# Where shared libraries and fonts lie, besides what is installed with Python; those that there are.
SYSTEM = """
/lib /lib64 /usr/lib /usr/lib64 /usr/local/lib /etc/ld.so.cache /usr/share/fonts /usr/local/share/fonts
/usr/share/zoneinfo
"""


@dataclass(frozen=True)
class Shown:
    """One thing that a cell showed, not yet fit for a page.

    kind: stdout, stderr, display, result or error.
    name: the type of an error.
    picture: the bytes of what should be a PNG.
    """

    kind: str
    text: str
    name: str = ""
    picture: bytes = b""


class NotebookBox(Sandbox):
    """One warm zygote for notebooks; a context manager. `folder` is what a notebook sees as its own.

    Args:
        limits: of these, `call` holds for one cell, `total_wall` for a notebook.
        hidden: what must not be readable; one that lies in a package's folder is a SandboxError.
        confine: "none" only to try what the walls are for.
    """

    def __init__(self, limits: Limits = LIMITS, hidden: Sequence[Path] = (), confine: str = "full"):
        super().__init__(limits, confine)
        self.hidden = tuple(path.resolve() for path in hidden)
        self._place = contextlib.ExitStack()

    def __enter__(self) -> NotebookBox:
        base = Path(self._place.enter_context(tempfile.TemporaryDirectory(prefix="notebook-")))
        self.folder = base / "submitted" / "here"
        self.folder.mkdir(parents=True)
        if os.geteuid() == 0:  # a notebook is run by nobody, and nobody else may look
            for path in (base, *base.rglob("*")):
                os.chown(path, NOBODY, NOBODY)
        self._settings = base / "settings"
        self._settings.mkdir()
        try:
            return super().__enter__()
        except BaseException:
            self._place.close()
            raise

    def __exit__(self, *error) -> None:
        super().__exit__(*error)
        self._place.close()

    def run(self, cells: Sequence[str]) -> list[list[Shown]]:
        """What each cell showed. A cell that hangs or ends the process is said to, and the others run without it.

        Raises:
            SandboxError: the sandbox itself failed.
        """
        deadline = time.monotonic() + self.limits.total_wall
        shown: list[list[Shown]] = [[] for _ in cells]
        stopped: dict[int, list[Shown]] = {}
        for _ in range(MAX_RUNS):
            latest, at = self._run_once(cells, stopped, deadline)
            reached = len(cells) if at is None else at + 1
            shown[:reached] = latest[:reached]  # what an earlier run showed beyond that stays
            if at is None or time.monotonic() >= deadline:
                break
            stopped[at] = latest[at]
        return shown

    def _run_once(
        self, cells: Sequence[str], stopped: dict[int, list[Shown]], deadline: float
    ) -> tuple[list[list[Shown]], int | None]:
        """What each cell showed, and the number of the one that stopped the process, if one did."""
        child, frames = self._spawn(), wire.Frames()
        shown = [stopped.get(at, []) for at in range(len(cells))]
        room = _Room()
        for at, source in enumerate(cells):
            if at in stopped:
                continue
            here: list[Shown] = []
            shown[at] = here
            frames.limit = _limit(at)
            try:
                payload = wire.frame(RUN, at, (source,))
                budget = Budget(self.limits.call, self.limits.call_wall, deadline)
                converse(child, payload, frames, lambda *frame, here=here: room.take(here, *frame), budget)
            except Failure as failure:
                here.append(Shown(ERROR, f"This cell was stopped: {failure.message}.", "Stopped"))
                return shown, at
        child.discard()
        return shown, None

    def _new_zygote(self) -> Zygote:
        packages = sorted({str(Path(p).resolve()) for p in sys.path if "-packages" in p and Path(p).is_dir()})
        course = Path(__file__).resolve().parents[1]
        paths = sysconfig.get_paths()
        readable = {*packages, str(course), paths["stdlib"], paths["platstdlib"], str(self.folder.parent)}
        readable |= {path for path in SYSTEM.split() if os.path.exists(path)}
        for secret in self.hidden:
            for open_ in map(Path, readable):
                if secret.is_relative_to(open_.resolve()):
                    raise SandboxError(f"{secret} lies in {open_}, which a notebook may read")
        cache = os.environ.get("MPLCONFIGDIR") or Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache") / "matplotlib"
        settings = {
            "MPLCONFIGDIR": str(Path(cache).expanduser()),  # the list of fonts, which takes seconds to make
            "MPLBACKEND": "module://matplotlib_inline.backend_inline",
            "IPYTHONDIR": str(self._settings),
        }
        places = {"packages": packages, "course": str(course.parent), "settings": settings}
        places |= {"readable": sorted(readable), "folder": str(self.folder)}
        return Zygote(self.confined, self.limits.memory, "cells", places)


def _limit(at: int):
    """Refuses what was not asked for, and what is larger than one output can be."""

    def limit(kind: int, sequence: int, length: int) -> None:
        if kind not in (OUTPUT, DONE) or sequence != at or length > MAX_PICTURE + 8 * MAX_TEXT:
            raise wire.WireError("no output of this cell")

    return limit


class _Room:
    """Counts what a notebook shows against what a page holds."""

    def __init__(self):
        self.bytes = self.outputs = 0

    def take(self, here: list[Shown], kind: int, sequence: int, body: bytes) -> bool | None:
        if kind == DONE:
            return True
        self.bytes += len(body)
        self.outputs += 1
        if self.bytes > MAX_SHOWN or self.outputs > MAX_OUTPUTS:
            raise wire.WireError("it showed more than a page holds")
        value = wire.Reader(body, max_text=8 * MAX_TEXT, depth=1, items=4).decode()
        if type(value) is not tuple or len(value) != 4:
            raise wire.WireError("no output")
        kind, name, text, picture = value
        if kind not in KINDS or type(name) is not str or type(text) is not str:
            raise wire.WireError("no output")
        if picture is not None and not (isinstance(picture, np.ndarray) and picture.dtype == np.uint8):
            raise wire.WireError("no picture")
        if here and here[-1].kind == kind and kind in (STDOUT, STDERR):
            here[-1] = Shown(kind, (here[-1].text + text)[: 8 * MAX_TEXT])  # an honest one keeps to less
        else:
            here.append(Shown(kind, text, name, b"" if picture is None else picture.tobytes()))
        return None
