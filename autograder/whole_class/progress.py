"""How far a run is: a bar with the rate and what is left on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

LINE_SECONDS = 10.0  # between two plain lines


@contextmanager
def progress(total: int, *, before: int = 0) -> Iterator[Callable[[], None]]:
    """Yields what is to be called at each submission done.

    Args:
        total: all submissions; before: those that an earlier run had graded.
    """
    if sys.stderr.isatty() and total > before + 1:
        try:
            from rich.progress import Progress  # noqa: F401
        except ImportError:
            pass
        else:
            with _bar(total, before) as advance:
                yield advance
            return
    yield _Lines(total, before)


@contextmanager
def _bar(total: int, before: int) -> Iterator[Callable[[], None]]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("grading"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
        TextColumn("left"),
    )
    start, done = time.perf_counter(), 0
    with Progress(*columns, console=Console(stderr=True), transient=True) as shown:
        task = shown.add_task("", total=total, completed=before, rate="")

        def advance() -> None:
            nonlocal done
            done += 1
            rate = done / max(time.perf_counter() - start, 1e-9)
            shown.update(task, advance=1, rate=f"{rate:.1f} a second")

        yield advance


class _Lines:
    """A line on stderr now and then, so that a log of a short run stays empty."""

    def __init__(self, total: int, before: int):
        self.total, self.before, self.done = total, before, 0
        self.start = self.told = 0.0

    def __call__(self) -> None:
        now = time.perf_counter()
        if not self.start:  # the clock starts when there is something to count: a grader takes its time to warm up
            self.start = self.told = now
            self.before += 1
            return
        self.done += 1
        if now - self.told < LINE_SECONDS:
            return
        self.told = now
        rate = self.done / (now - self.start)
        done = self.before + self.done
        left = (self.total - done) / rate
        print(f"graded {done} of {self.total}, {rate:.1f} a second, {_span(left)} left", file=sys.stderr, flush=True)


def _span(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    return f"{minutes} min {seconds:02d} s" if minutes else f"{seconds} s"
