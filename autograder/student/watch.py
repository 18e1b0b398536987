"""`autograder watch`: checks again at every save, and shows the first thing to mend and what comes next.

Files are looked at, not subscribed to: a few `stat` calls every 25 ms cost next to nothing, and they work on every
system and network drive, for editors that write in place as for those that rename. The terminal keeps its mode, so
there is nothing to restore.
"""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from autograder.rendering.text import WIDTH, filled
from autograder.student.own_session import PATIENCE, OwnSessions
from autograder.student.self_check import WorkCheck, check_work
from autograder.student.terminal import CLEAR, is_fancy, with_bold_heads
from autograder.student.watched_files import Snapshot, newest, snapshot

INTERVAL = 0.025  # seconds between two looks at the files
SHARE = 0.05  # of the time may be spent looking, where there are many files
AGAIN = 0.4  # seconds in which what cannot be read may turn out half saved
HELP = "Save to check again. h and Enter: another hint; l: all reports; q: stop."


@dataclass
class Screen:
    """What was found last, and how much of it is shown."""

    path: Path
    found: WorkCheck | None = None
    problem: str = ""
    before: frozenset[str] = frozenset()
    hints: int = 1
    everything: bool = False
    seconds: float = 0.0

    def lines(self, interactive: bool) -> str:
        parts = [f"Watching {self.path}" + (f", {self.found.assignment}" if self.found else "")]
        if self.problem:
            parts.append("\n".join(filled(self.problem, WIDTH)))
        elif self.found is not None:
            parts += self._found(self.found)
        if interactive:
            parts.append(f"  {HELP}")
        return "\n\n".join(parts)

    def _found(self, found: WorkCheck) -> list[str]:
        if self.everything:
            return [found.text]
        parts = []
        new = [f.name for f in found.functions if f.passed and f.name in self.before]
        if new:
            parts.append("\n".join(filled(f"Mended: {', '.join(new)}.", WIDTH)))
        open_ = [f for f in found.functions if not f.passed]
        if not open_:
            parts.append("All functions pass the public checks. Hidden checks decide the points.")
        else:
            parts.append(open_[0].text)
        if open_[1:]:
            rest = ", ".join(f"{f.name} ({_WORDS.get(f.status, f.status)})" for f in open_[1:])
            parts.append("\n".join(filled(f"Next: {rest}.", WIDTH)))
        parts += ["\n".join(filled(f"Remark: {remark}", WIDTH)) for remark in found.remarks]
        parts.append(found.progress + f"\n  Checked at {time.strftime('%H:%M:%S')} in {self.seconds:.2f} s.")
        return parts


_WORDS = {
    "missing": "not written yet",
    "error": "raises an exception",
    "blocked": "waits for its forward",
    "partial": "partly right",
    "failed": "wrong",
    "timeout": "does not finish",
}


def watch(
    path: Path,
    *,
    assignment: str | None = None,
    hints: int = 1,
    output: TextIO | None = None,
    is_repository: Callable[[Path], bool] = lambda folder: False,
) -> int:
    """Watches a notebook, a `.py` file or a folder until Ctrl-C, `q`, or the end of the input; returns 0."""
    output = output or sys.stdout
    fancy = is_fancy(output)
    interactive = fancy and sys.stdin is not None and sys.stdin.isatty()
    typed: queue.SimpleQueue[str] = queue.SimpleQueue()
    if interactive:
        threading.Thread(target=_read_lines, args=(sys.stdin.fileno(), typed), daemon=True).start()
    screen, given = Screen(path, hints=hints), hints

    def show() -> None:
        text = with_bold_heads(screen.lines(interactive), fancy)
        output.write(f"{CLEAR}{text}\n" if fancy else f"{text}\n\n{'-' * WIDTH}\n")
        output.flush()

    try:
        with OwnSessions() as sessions:
            seen = None
            while True:
                saved, word = _next_event(path, seen, typed)
                if word in ("q", "quit"):
                    return 0
                if word is not None:
                    screen.hints, screen.everything = _asked(word, screen)
                elif saved is not None:
                    screen.hints, screen.everything = given, False
                    seen = saved
                before = screen.found
                _check(screen, _target(path, seen, is_repository), assignment, sessions, interactive)
                if screen.problem and seen is not None and word is None:
                    _, changed = _wait(path, seen, AGAIN)
                    if changed:
                        screen.found = before
                        continue  # it was half saved
                show()
    except KeyboardInterrupt:
        output.write("\n")
        output.flush()
        return 0


def _asked(word: str, screen: Screen) -> tuple[int, bool]:
    """(hints, everything) after what was typed."""
    if word in ("h", "hint"):
        return screen.hints + 1, screen.everything
    if word in ("l", "list"):
        return screen.hints, not screen.everything
    return screen.hints, screen.everything


def _next_event(path: Path, seen: Snapshot | None, typed: queue.SimpleQueue) -> tuple[Snapshot | None, str | None]:
    """Waits for a save, told as the new snapshot, or for a line that is typed; at once where nothing was seen yet."""
    if seen is None:
        return snapshot(path), None
    while True:
        now, changed = _wait(path, seen, INTERVAL)
        if changed:
            return now, None
        if not typed.empty():
            return None, typed.get()


def _wait(path: Path, seen: Snapshot, seconds: float) -> tuple[Snapshot, bool]:
    """Looks at the files until they have changed and settled, or for so many seconds."""
    end = time.monotonic() + seconds
    now = seen
    while True:
        start = time.monotonic()
        now, before = snapshot(path), now
        if now != seen and now == before:
            return now, True
        if now == seen and start >= end:
            return now, False
        time.sleep(max(INTERVAL, (time.monotonic() - start) / SHARE))


def _target(path: Path, seen: Snapshot | None, is_repository: Callable[[Path], bool]) -> Path:
    """What to check: the path, or of a whole repository the assignment that was saved last."""
    if not seen or not path.is_dir() or not is_repository(path):
        return path
    inside = {name: state for name, state in seen.items() if (_assignment(path, name) / "keys").is_dir()}
    return _assignment(path, newest(inside)) if inside else path


def _assignment(repository: Path, file: str) -> Path:
    """The folder at the top of a repository in which a file lies."""
    return repository / Path(file).relative_to(repository).parts[0]


def _check(screen: Screen, target: Path, assignment: str | None, sessions: OwnSessions, interactive: bool) -> None:
    start = time.perf_counter()
    failing = frozenset(f.name for f in screen.found.functions if not f.passed) if screen.found else frozenset()
    screen.path, screen.problem = target, ""
    try:
        if not target.exists():
            screen.problem = f"There is nothing at {target} yet: it is checked as soon as it is saved."
            return
        if sessions.apart:
            more = "h and Enter" if interactive else ""
            screen.found = check_work(target, assignment=assignment, hints=screen.hints, more=more, sessions=sessions)
        else:
            screen.found = _in_fresh_process(target, assignment, screen.hints)
        screen.before = failing
    except (ValueError, OSError) as error:
        screen.problem = f"Nothing can be checked: {' '.join(str(error).split())}."
    screen.seconds = time.perf_counter() - start


def _in_fresh_process(path: Path, assignment: str | None, hints: int) -> WorkCheck:
    """As `check_work`, on a system where a process cannot be forked: code once loaded would stay.

    Raises ValueError where it came to no result.
    """
    command = [sys.executable, "-m", "autograder", "check", "--json", "--hints", str(hints), str(path)]
    if assignment is not None:
        command += ["--assignment", assignment]
    try:
        done = subprocess.run(
            command, capture_output=True, encoding="utf-8", stdin=subprocess.DEVNULL, timeout=PATIENCE + 10
        )
    except subprocess.TimeoutExpired:
        raise ValueError("your code does not finish") from None
    try:
        return WorkCheck.from_dict(json.loads(done.stdout))
    except (ValueError, KeyError, TypeError):
        told = (done.stderr or "").strip().splitlines()
        raise ValueError(told[-1].removeprefix("autograder: ") if told else "Python ended in your code") from None


def _read_lines(descriptor: int, typed: queue.SimpleQueue) -> None:
    """Hands on what is typed, line by line; "q" at the end of the input."""
    pending = b""
    while True:
        try:
            data = os.read(descriptor, 1024)
        except OSError:
            data = b""
        if not data:
            typed.put("q")
            return
        *lines, pending = (pending + data).split(b"\n")
        for line in lines:
            typed.put(line.decode("utf-8", "replace").strip().lower())
