"""`autograder watch` in a real terminal: what it shows after a save, and what it leaves behind."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import re
import select
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from autograder.student.watched_files import newest, snapshot
from demo.classroom import reference_source
from tests.conftest import NO_FORK, ROOT

PATIENCE = 30  # seconds for anything to appear; nothing is timed here, a busy machine only has to get there
ESCAPE = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")


class Terminal:
    """A command in a terminal of its own; `screen` is what it wrote since the screen was cleared last."""

    def __init__(self, arguments: list[str], folder: Path):
        self.master, slave = pty.openpty()
        self.before = termios.tcgetattr(self.master)
        env = {k: v for k, v in os.environ.items() if k not in ("NO_COLOR", "PYTHONPATH")}
        env |= {"TERM": "xterm-256color", "PYTHONPATH": str(ROOT)}
        command = [sys.executable, "-m", "autograder", *arguments]
        self.process = subprocess.Popen(
            command,
            cwd=folder,
            env=env,
            stdin=slave,
            stdout=slave,
            stderr=slave,
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),  # so that Ctrl-C is what it is to a person
        )
        os.close(slave)
        self.output = ""

    def _read(self) -> bool:
        ready, _, _ = select.select([self.master], [], [], 0.5)
        data = b""
        if ready:
            with contextlib.suppress(OSError):  # the other side is closed
                data = os.read(self.master, 65536)
        self.output += data.decode()
        return bool(data)

    @property
    def screen(self) -> str:
        return ESCAPE.sub("", self.output.rpartition("\x1b[2J\x1b[H")[2]).replace("\r\n", "\n")

    def wait_for(self, *texts: str) -> str:
        """The screen, once it holds all the texts and the last line of it is written."""
        end = time.monotonic() + PATIENCE
        while not all(text in self.screen for text in (*texts, "q: stop.")):
            assert time.monotonic() < end, f"never came: {texts}\n{self.screen}"
            assert self._read() or self.process.poll() is None, self.output
        return self.screen

    def type(self, text: str) -> None:
        os.write(self.master, text.encode())

    def end(self) -> int:
        """Waits for the end and returns the exit code; the terminal's mode must be what it was."""
        code = self.process.wait(timeout=PATIENCE)
        while self._read():
            pass
        assert termios.tcgetattr(self.master) == self.before
        return code

    def close(self) -> None:
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
        os.close(self.master)


@pytest.fixture
def terminal(tmp_path) -> Iterator:
    opened = []

    def start(*arguments: str) -> Terminal:
        opened.append(Terminal(["watch", *arguments], tmp_path))
        return opened[-1]

    yield start
    for one in opened:
        one.close()


@pytest.fixture
def text(catalogue) -> str:
    functions = catalogue.functions("02_layers")
    return "import numpy as np\n\n" + "\n\n".join(reference_source(f) for f in functions)


def test_a_session_of_work(terminal, tmp_path, text):
    """The first thing to mend and what is next; after each save the new state; hints and the list on asking."""
    file = tmp_path / "layers" / "all.py"
    file.parent.mkdir()
    (tmp_path / "notes.txt").write_text("not watched")
    wrong = text.replace("axis=0", "axis=1").replace("return dout * out * (1 - out)", "return out * (1 - out)")
    file.write_text(wrong)
    window = terminal()  # layers/ here is what is meant
    screen = window.wait_for("Watching layers, 02_layers")
    assert "affine_backward: db has shape (N,)" in screen
    assert "sigmoid_backward: dx is wrong" not in screen
    assert "Next: sigmoid_backward (wrong)." in screen
    assert "4 of 6 functions pass the public checks" in screen
    assert "8.99" not in screen

    window.type("h\n")
    assert "A sum without an axis" not in screen
    window.wait_for("db has one entry for each bias.")

    file.write_text(wrong.replace("axis=1", "axis=0"))
    screen = window.wait_for("Mended: affine_backward.", "sigmoid_backward: dx is wrong in 12 of 12 entries.")
    assert "5 of 6 functions" in screen
    assert "Next:" not in screen

    window.type("l\n")
    window.wait_for("Public checks passed: affine_forward, affine_backward,")

    new = tmp_path / "all.py.new"  # as editors do that rename
    new.write_text(text)
    os.replace(new, file)
    screen = window.wait_for("All functions pass the public checks. Hidden checks decide the points.")
    assert "12 of 12 points" in screen

    window.type("\x03")
    assert window.end() == 0
    assert "Traceback" not in window.output
    assert window.output.endswith("\n")
    assert not re.search(r"\x1b\[\?", window.output)  # no cursor hidden, no other screen


def test_a_file_that_is_not_there_yet(terminal, tmp_path, text):
    """It waits, checks what appears, says when it goes, and ends at q."""
    window = terminal("work.py")
    window.wait_for("There is nothing at work.py yet")
    (tmp_path / "work.py").write_text(text)
    window.wait_for("6 of 6 functions")
    (tmp_path / "work.py").unlink()
    window.wait_for("There is nothing at work.py yet")
    (tmp_path / "work.py").write_text("x = 1\n")
    window.wait_for("Nothing can be checked: no function of any assignment is defined")
    window.type("q\n")
    assert window.end() == 0


def test_a_file_saved_in_pieces(terminal, tmp_path, text):
    """A half-saved notebook is not called broken, if the rest of it comes at once."""
    import nbformat

    notebook = nbformat.writes(nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(text)]))
    wrong = notebook.replace("axis=0", "axis=1")
    (tmp_path / "mine.ipynb").write_text(wrong)
    window = terminal()
    window.wait_for("Watching mine.ipynb", "5 of 6 functions")
    window.output = ""
    with open(tmp_path / "mine.ipynb", "w") as file:
        for at in range(0, len(notebook), len(notebook) // 8):
            file.write(notebook[at : at + len(notebook) // 8])
            file.flush()
            time.sleep(0.06)
    window.wait_for("6 of 6 functions")
    assert "cannot be checked" not in window.output
    assert "not a notebook" not in window.output


def test_code_that_never_ends(terminal, tmp_path, text):
    """It is stopped and named; the next save is checked as any other."""
    (tmp_path / "work.py").write_text(text.replace("out = np.tanh(x)", "while True: pass"))
    window = terminal("work.py")
    window.wait_for("tanh_forward did not finish.", "Next: tanh_backward (waits for its forward).")
    (tmp_path / "work.py").write_text(text)
    window.wait_for("6 of 6 functions")
    window.type("\x03")
    assert window.end() == 0


def test_in_a_pipe_it_is_plain(tmp_path, text):
    """No escape, one report after another, and it ends at Ctrl-C."""
    (tmp_path / "work.py").write_text(text)
    command = [sys.executable, "-m", "autograder", "watch", "work.py"]
    env = os.environ | {"PYTHONPATH": str(ROOT)}
    with subprocess.Popen(command, cwd=tmp_path, env=env, stdout=subprocess.PIPE, text=True) as process:
        lines = []
        for line in process.stdout:
            lines.append(line)
            if line == "-" * 80 + "\n":
                break
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=PATIENCE) == 0
    assert "\x1b" not in "".join(lines)
    assert lines[0] == "Watching work.py, 02_layers\n"


def test_where_no_process_can_be_forked(tmp_path, text):
    """As on Windows: every save is checked in a new process of its own, and shown all the same."""
    (tmp_path / "work.py").write_text(text)
    env = os.environ | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", NO_FORK, "watch", "work.py"]
    with subprocess.Popen(command, cwd=tmp_path, env=env, stdout=subprocess.PIPE, text=True) as process:
        seen = []
        for line in process.stdout:
            seen.append(line)
            if "6 of 6 functions" in line:
                (tmp_path / "work.py").write_text(text.replace("axis=0", "axis=1"))
            if "5 of 6 functions" in line:
                break
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=PATIENCE) == 0
    assert any("affine_backward: db has shape" in line for line in seen)


def test_a_repository(terminal, tmp_path, text):
    """Of a released repository the assignment that was saved last is checked; files beside the assignments are not."""
    (tmp_path / ".autograder-release").write_text("")
    for name in ("01_computational_graphs", "02_layers"):
        (tmp_path / name / "layers").mkdir(parents=True)
        (tmp_path / name / "keys").mkdir()
        (tmp_path / name / "layers" / "stubs.py").write_text("import numpy as np\n")
    (tmp_path / "02_layers" / "layers" / "all.py").write_text(text)
    os.utime(tmp_path / "02_layers" / "layers" / "all.py", (2**31, 2**31))
    (tmp_path / "notes.py").write_text("x = 1\n")
    os.utime(tmp_path / "notes.py", (2**31 + 5, 2**31 + 5))
    window = terminal()
    window.wait_for("Watching 02_layers, 02_layers", "6 of 6 functions")
    other = tmp_path / "01_computational_graphs" / "layers" / "graphs.py"
    other.write_text((ROOT / "layers" / "graphs.py").read_text())
    os.utime(other, (2**31 + 9, 2**31 + 9))
    window.wait_for("Watching 01_computational_graphs", "0 of 4 functions", "is not written yet.")
    window.type("q\n")
    assert window.end() == 0


def test_what_is_looked_at(tmp_path):
    """Code files alone, hidden and installed ones left out; a rename within the same second and size is a change."""
    for name in ("a.py", "b.ipynb", "sub/c.py", ".hidden/d.py", "venv/e.py", "notes.md"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("one")
    seen = snapshot(tmp_path)
    assert {str(Path(name).relative_to(tmp_path)) for name in seen} == {"a.py", "b.ipynb", "sub/c.py"}
    time_of = os.stat(tmp_path / "a.py")
    (tmp_path / "new").write_text("two")
    os.replace(tmp_path / "new", tmp_path / "a.py")
    os.utime(tmp_path / "a.py", ns=(time_of.st_atime_ns, time_of.st_mtime_ns))
    assert snapshot(tmp_path) != seen
    assert snapshot(tmp_path / "nothing.py") == {}
    os.utime(tmp_path / "sub" / "c.py", (2**31, 2**31))
    assert newest(snapshot(tmp_path)).endswith("c.py")
