"""The process that runs a notebook's cells for what they show: IPython without a kernel, on one pipe.

Runs after the fork, confined. It may read its own folder and the installed packages, and nothing else. What a cell
prints, draws or raises is sent as text and PNG; HTML, JavaScript and whatever else a page would act on stays behind.
Nothing here has to do with scores.
"""

from __future__ import annotations

import base64
import builtins
import contextlib
import io
import os
import sys

import numpy as np
from IPython.core.displayhook import DisplayHook
from IPython.core.displaypub import DisplayPublisher
from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config

from . import wire
from .cells_wire import (
    DISPLAY,
    DONE,
    ERROR,
    MAX_PICTURE,
    MAX_PICTURES,
    MAX_TEXT,
    OUTPUT,
    RESULT,
    STDERR,
    STDOUT,
)
from .child import Pipe

AT_ONCE = 40  # lines of a cell that are sent as they are printed, so that a cell that is stopped shows where it was
BUFFER = 8192  # characters of the later ones that are sent together
LEFT_OUT = "\n... the rest of this cell's output is left out\n"


REHEARSAL = """
import matplotlib.pyplot as plt
fig, ax = plt.subplots(layout="constrained")
ax.plot([1, 2], label="a")
ax.imshow([[1, 2]])
ax.legend()
"""


class Deaf:
    """A pipe that leads nowhere, for the rehearsal."""

    def send(self, *frame) -> None:
        pass


class Sink:
    """Sends what the cell that runs now shows, up to the caps of one cell."""

    def __init__(self, pipe: Pipe):
        self.pipe, self.sequence = pipe, 0
        self.begin(0)

    def begin(self, sequence: int) -> None:
        self.sequence, self.text_left, self.pictures_left, self.full = sequence, MAX_TEXT, MAX_PICTURES, False
        self.printed, self.stream, self.length, self.lines = [], STDOUT, 0, 0

    def print(self, stream: str, text: str) -> None:
        if self.full:
            return
        if stream != self.stream:
            self.flush()
            self.stream = stream
        self.printed.append(text)
        self.length += len(text)
        self.lines += "\n" in text
        if self.length > BUFFER or (self.lines < AT_ONCE and "\n" in text):
            self.flush()

    def flush(self) -> None:
        text, self.printed, self.length = "".join(self.printed), [], 0
        if text:
            self._send(self.stream, "", text, None)

    def show(self, kind: str, data: dict) -> None:
        """A rich value: its text and, where it has one, its picture."""
        self.flush()
        text = data.get("text/plain")
        picture = _png(data.get("image/png"))
        if picture is not None:
            self.pictures_left -= 1
        if isinstance(text, str) or picture is not None:
            self._send(kind, "", text if isinstance(text, str) else "", picture if self.pictures_left >= 0 else None)

    def error(self, name: str, text: str) -> None:
        self.flush()
        self.text_left = max(self.text_left, 4000)  # how a cell ended is said whatever it printed before
        self.full = False
        self._send(ERROR, name[:200], text, None)

    def _send(self, kind: str, name: str, text: str, picture) -> None:
        if self.full:
            return
        if len(text) > self.text_left:
            text, self.full = text[: self.text_left] + LEFT_OUT, True
        self.text_left -= len(text)
        self.pipe.send(OUTPUT, self.sequence, (kind, name, text, picture))


def _png(picture) -> np.ndarray | None:
    try:
        picture = base64.b64decode(picture) if isinstance(picture, str) else picture
    except ValueError:
        return None
    if not isinstance(picture, bytes) or not 0 < len(picture) <= MAX_PICTURE:
        return None
    return np.frombuffer(picture, np.uint8)


class Stream(io.TextIOBase):
    """Standard output or standard error."""

    encoding = "utf-8"

    def __init__(self, sink: Sink, name: str):
        super().__init__()
        self._sink, self._name = sink, name

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        if not isinstance(text, str):
            raise TypeError(f"write() argument must be str, not {type(text).__name__}")
        self._sink.print(self._name, text)
        return len(text)


class Hook(DisplayHook):
    """Where the value of a cell's last line goes."""

    def write_output_prompt(self):
        pass

    def write_format_data(self, format_dict, md_dict=None):
        self.shell.sink.show(RESULT, format_dict)

    def finish_displayhook(self):
        self._is_active = False


class Publisher(DisplayPublisher):
    """Where `display(...)` and figures go."""

    def publish(self, data, metadata=None, **options):
        self.shell.sink.show(DISPLAY, data)

    def clear_output(self, wait=False):
        pass


class Shell(InteractiveShell):
    """IPython, with its output sent to a `Sink` and nothing kept on disk."""

    def __init__(self, sink: Sink, **settings):
        self.sink = sink
        super().__init__(displayhook_class=Hook, display_pub_class=Publisher, **settings)

    def enable_gui(self, gui=None):
        pass

    def ask_exit(self):
        pass

    def _showtraceback(self, etype, evalue, stb):
        self.sink.error(etype.__name__, stb if isinstance(stb, str) else "\n".join(stb))


class Server:
    """Made in the zygote; `serve` runs in the fork and never returns."""

    def __init__(self, descriptor: int):
        self.pipe = Pipe(descriptor)
        self.sink = Sink(self.pipe)
        config = Config()
        config.HistoryManager.enabled = False
        config.InteractiveShell.colors = "nocolor"
        Shell._instance = InteractiveShell._instance = self.shell = Shell(self.sink, config=config)
        builtins.help = __import__("_sitebuiltins")._Helper()
        self._rehearse()
        for name in ("MPLCONFIGDIR", "IPYTHONDIR"):
            os.environ.pop(name, None)

    def _rehearse(self) -> None:
        """A figure, a printed line and an error: what they import on first use is shared by all forks."""
        self.sink.pipe = Deaf()
        with contextlib.redirect_stdout(Stream(self.sink, STDOUT)):
            for cell in ("%matplotlib inline", REHEARSAL, "plt.title('$x^2$'); print(1 / 0)", "%reset -f"):
                self.shell.run_cell(cell, silent=True)
        self.sink.pipe = self.pipe

    def refuse(self, error: BaseException) -> None:
        """Says why this process is not fit to run a notebook."""
        self.pipe.send(wire.REFUSED, 0, (f"{type(error).__name__}: {error}",))

    def serve(self, layers: tuple[str, ...]) -> None:
        """Says READY, then runs one cell after the other until the grader hangs up."""
        sys.stdout, sys.stderr = Stream(self.sink, STDOUT), Stream(self.sink, STDERR)
        sys.path.insert(0, os.getcwd())
        self.pipe.send(wire.READY, 0, layers)
        while True:
            _, sequence, body = self.pipe.receive()
            (source,) = wire.Reader(body).decode()
            self.sink.begin(sequence)
            try:
                self.shell.run_cell(source, store_history=True)
            except BaseException as error:  # what IPython itself lets through
                self.sink.error(type(error).__name__, str(error))
            self.sink.flush()
            self.pipe.send(DONE, sequence, ())
