"""How far a run is: a bar with the rate and what is left on a terminal, plain lines elsewhere."""

from __future__ import annotations

import importlib.util
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol

LINE_SECONDS = 10.0  # between two plain lines


class Progress(Protocol):
    def done(self) -> None:
        """One more is graded."""

    def known(self) -> None:
        """One more was graded by an earlier run."""


@contextmanager
def progress(total: int) -> Iterator[Progress]:
    """Yields what is to be told of each submission; `total` is how many there are."""
    if sys.stderr.isatty() and total > 1 and importlib.util.find_spec("rich"):
        with _bar(total) as bar:
            yield bar
    else:
        yield _Lines(total)


@contextmanager
def _bar(total: int) -> Iterator[_Bar]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn
    from rich.progress import Progress as RichProgress

    columns = (
        TextColumn("grading"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[words]}"),
    )
    with RichProgress(*columns, console=Console(stderr=True), transient=True) as shown:
        yield _Bar(shown, shown.add_task("", total=total, words=""), total)


class _Pace:
    """Counts; the rate and what is left are by what is graded now, since what is known passes in no time.

    The clock starts when the first is done: a grader takes its time to warm up.
    """

    def __init__(self, total: int):
        self.total, self.at, self.count, self.start, self.now = total, 0, -1, 0.0, 0.0

    def known(self) -> None:
        self.at += 1

    def done(self) -> None:
        self.at += 1
        self.count += 1
        self.now = time.perf_counter()
        self.start = self.start or self.now

    def words(self) -> str:
        rate = self.count / (self.now - self.start)
        return f"{rate:.1f} a second, {_span((self.total - self.at) / rate)} left"


class _Bar(_Pace):
    """A bar on a terminal."""

    def __init__(self, shown: Any, task: Any, total: int):
        super().__init__(total)
        self.shown, self.task = shown, task

    def done(self) -> None:
        super().done()
        self.shown.update(self.task, advance=1, words=self.words() if self.now > self.start else "")

    def known(self) -> None:
        super().known()
        self.shown.update(self.task, advance=1)


class _Lines(_Pace):
    """A line on stderr now and then, so that a log of a short run stays empty."""

    def __init__(self, total: int):
        super().__init__(total)
        self.told = 0.0

    def done(self) -> None:
        super().done()
        self.told = self.told or self.now
        if self.now - self.told >= LINE_SECONDS:
            self.told = self.now
            print(f"graded {self.at} of {self.total}, {self.words()}", file=sys.stderr, flush=True)


def _span(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    return f"{minutes} min {seconds:02d} s" if minutes else f"{seconds} s"
