"""Notebooks that are run for what they show: real plots, texts and errors come back, and nothing else gets out."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from autograder.calls import Limits
from autograder.nbgrader_plugin.pictures import SIGNATURE, plain_png
from autograder.sandbox import SandboxError
from autograder.sandbox.cells_box import MAX_OUTPUTS, NotebookBox, _Room
from autograder.sandbox.cells_warm import COURSE
from autograder.sandbox.cells_wire import MAX_PICTURES, MAX_TEXT, OUTPUT, STDOUT
from autograder.sandbox.wire import HEADER, frame
from tests.sandbox.test_doctor import _OLDER_KERNEL, LANDLOCK_CREATE_RULESET

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def box():
    with NotebookBox() as box:
        yield box


@pytest.fixture(scope="module")
def open_box():
    """The same without its walls, where attacks must succeed."""
    with NotebookBox(confine="none") as box:
        yield box


def kinds(outputs):
    return [(shown.kind, bool(shown.picture)) for shown in outputs]


@pytest.mark.parametrize("name", COURSE.split())
def test_what_is_imported_for_all_notebooks_is_there(name):
    """A module that has another name by now would be missed in silence, and imported by every notebook anew."""
    assert importlib.util.find_spec(f"autograder.{name}") is not None


# What an honest notebook shows ----------------------------------------------------------------------------------------


def test_a_notebook_shows_what_it_would(box):
    """Plots, printed lines, values and errors, each under its cell and in its order; an error stops no later cell."""
    plot, shown, mixed, error, syntax, magic, html = box.run(
        [
            "import numpy as np, matplotlib.pyplot as plt\nplt.plot(np.arange(3.0));",
            "from autograder.course import figures\nfig, ax = figures.new()\nfigures.show(fig, 'an empty figure')",
            "import sys\nprint('one')\nprint('two', file=sys.stderr)\ndisplay(2)\nprint('three')\n2 * 3",
            "def f():\n    return 1 / 0\nf()",
            "def f(:",
            "%time 1 + 1\n%matplotlib inline",
            "from IPython.display import HTML, Javascript\ndisplay(HTML('<b>x</b>'), Javascript('x'))",
        ]
    )
    assert [("display", True)] == kinds(plot) == kinds(shown)
    assert shown[0].text == "an empty figure"
    assert plain_png(plot[0].picture)[:8] == SIGNATURE
    order = [("stdout", "one\n"), ("stderr", "two\n"), ("display", "2"), ("stdout", "three\n"), ("result", "6")]
    assert order == [(s.kind, s.text) for s in mixed]
    assert (error[0].kind, error[0].name) == ("error", "ZeroDivisionError")
    assert "----> 2     return 1 / 0" in error[0].text
    assert (syntax[0].kind, syntax[0].name) == ("error", "SyntaxError")
    assert "CPU times" in magic[0].text
    assert [s.text for s in html] == ["<IPython.core.display.HTML object>", "<IPython.core.display.Javascript object>"]


def test_files_beside_the_notebook_are_there(box):
    """A helper module and a table that were handed in can be imported and read; nothing is left for the next."""
    (box.folder / "helper.py").write_text("answer = 42")
    (box.folder / "table.csv").write_text("1,2")
    cells = ["import helper, numpy as np\nhelper.answer", "np.loadtxt('table.csv', delimiter=',')"]
    assert [[s.text for s in shown] for shown in box.run(cells)] == [["42"], ["array([1., 2.])"]]
    for path in box.folder.iterdir():
        path.unlink()
    again = box.run(["import helper", "np.loadtxt('table.csv')"])
    assert [shown[0].name for shown in again] == ["ModuleNotFoundError", "NameError"]


# What may not get out -------------------------------------------------------------------------------------------------

# Each returns where it succeeded and raises where it was refused. Those marked * must succeed without the walls.
ATTACKS = {
    "*read a file": "open('@SECRET@').read()",
    "*read the solutions": "open('@ROOT@/solutions/sigmoid.py').read()",
    "*import the solutions": "import sys; sys.path.insert(0, '@ROOT@'); import solutions.sigmoid",
    "*list the repository": "import os; os.listdir('@ROOT@')",
    "*list the root": "import os; os.listdir('/')",
    "*read by way of a package's folder": "import json; open(json.__path__[0] + 9 * '/..' + '/etc/passwd').read()",
    "*read itself by /proc": "open('/proc/self/status', 'rb').read()",
    "*read the parent by /proc": "import os; open(f'/proc/{os.getppid()}/cmdline', 'rb').read()",
    "*open without reading": "import os; os.close(os.open('/etc/passwd', os.O_PATH))",
    "*follow a link of its own": "open('link').read()",
    "*map a file": "import numpy as np; np.memmap('/etc/passwd', np.uint8, 'r')",
    "*TCP": "import socket; socket.create_server(('127.0.0.1', 0)).close()",
    "*UDP": "import socket; socket.socket(socket.AF_INET, socket.SOCK_DGRAM).close()",
    "*unix socket": "import socket; socket.socketpair()[0].close()",
    "connect": "import socket; socket.create_connection(('127.0.0.1', 22), 1)",
    "*run a program": "import subprocess; assert subprocess.run(['true']).returncode == 0",
    "*fork": "import os\nif not os.fork(): os._exit(0)\nos.wait()",
    "*thread": "import threading; thread = threading.Thread(target=int); thread.start(); thread.join()",
    "*a bomb of forks": "import os\nfor _ in range(3):\n    if not os.fork(): os._exit(0)",
    "*signal the parent": "import os; os.kill(os.getppid(), 0)",
    "signal all": "import os, sys; assert os.getppid() < 0 or os.kill(-1, 0)",
    "own a descriptor": "import fcntl; fcntl.fcntl(3, fcntl.F_SETOWN, 1)",
    "write beside the notebook": "open('mine', 'w').write('x')",
    "write in /tmp": "open('/tmp/@NAME@', 'w').write('x')",
    "write over a package": "import numpy; open(numpy.__file__, 'a')",
    "make a folder": "import os; os.mkdir('/tmp/@NAME@')",
    "*make a link": "import os; os.symlink('@SECRET@', '/tmp/@NAME@'); os.unlink('/tmp/@NAME@')",
    "delete": "import os; os.unlink('link')",
    "write to the terminal": "open('/dev/tty', 'w')",
    "shared memory": "from multiprocessing import shared_memory; shared_memory.SharedMemory(create=True, size=9)",
    "*memory that runs": "import mmap; mmap.mmap(-1, 4096, prot=mmap.PROT_WRITE | mmap.PROT_EXEC).close()",
    "raise a limit": "import resource; resource.setrlimit(resource.RLIMIT_AS, (-1, -1))",
    "become root": "import os; assert os.getuid() == 0 or os.setuid(0)\nassert os.geteuid() == 0",
    "memory": "bytearray(8 << 30)",
}


@pytest.fixture(scope="module")
def attacked(box, tmp_path_factory):
    """name -> what its cell showed, with the walls and, where that does no harm, without."""
    secret = tmp_path_factory.mktemp("secret-of-a-course") / "gradebook.db"
    secret.write_text("grades")
    (box.folder / "link").symlink_to(secret)

    def run(box, names):
        cells = []
        for name in names:
            text = (
                ATTACKS[name]
                .replace("@SECRET@", str(secret))
                .replace("@ROOT@", str(ROOT))
                .replace("@NAME@", secret.parent.name)
            )
            body = textwrap.indent(text, "    ")
            cells.append(f"def attack():\n{body}\ntry:\n    attack()\nexcept BaseException as error:\n"
                         "    print('refused', type(error).__name__)\nelse:\n    print('done')")  # fmt: skip
        return dict(zip(names, box.run(cells), strict=True))

    yield run(box, list(ATTACKS)), run
    (box.folder / "link").unlink()
    assert list(box.folder.iterdir()) == []
    assert not Path("/tmp", secret.parent.name).exists()


@pytest.mark.parametrize("name", ATTACKS)
def test_an_attack_is_refused(attacked, name):
    """Files, network, processes, signals, memory: what is not its own business raises."""
    shown = attacked[0][name]
    assert len(shown) == 1
    assert shown[0].text.startswith("refused ")
    assert "AssertionError" not in shown[0].text


def test_without_the_walls_attacks_succeed(attacked, open_box, tmp_path_factory):
    """Each that does no harm is tried once unconfined: one that fails for another reason proves nothing."""
    names = [name for name in ATTACKS if name.startswith("*")]
    (open_box.folder / "link").symlink_to("/etc/passwd")
    shown = attacked[1](open_box, names)
    assert dict.fromkeys(names, "done\n") == {name: shown[name][0].text for name in names}
    assert len(names) == 21


# What ends a process, or would fill a page ----------------------------------------------------------------------------

ENDS = {
    "exits": ("import os; os._exit(0)", "ended itself"),
    "kills itself": ("import ctypes; ctypes.string_at(0)", "segmentation fault"),
    "asks for the forbidden": ("import ctypes; ctypes.CDLL(None).ptrace(0, 0, 0, 0)", "asked the operating system"),
    "speaks out of turn": ("import os; os.write(3, b'x' * 64)", "protocol"),
    "claims gigabytes": ("import os, struct\nos.write(3, struct.pack('<BxxxIQ', 9, 1, 1 << 40))", "protocol"),
    "sends without end": (
        "import os, struct\nwhile True: os.write(3, struct.pack('<BxxxIQ', 9, 1, 9) + b'(\\4\\0\\0\\0NNNN')",
        "protocol",
    ),
}


def test_a_cell_that_says_too_early_that_it_is_done_deceives_itself(box):
    """What comes after is unasked for and ends the process, in this cell or the next; nothing else happens."""
    lie = "import os, struct\nos.write(3, struct.pack('<BxxxIQ', 10, 1, 5) + b'(' + bytes(4))\nprint('more')"
    before, cell, after = box.run(["print('before')", lie, "print('after')"])
    assert [s.text for s in before] == ["before\n"]
    assert "protocol" in (cell + after)[-1].text or [s.text for s in after] == ["after\n"]


@pytest.mark.parametrize("name", ENDS)
def test_a_cell_that_ends_the_process_costs_its_own_output(box, name):
    """The cell says what happened; the cells before and after it are run, without it, and show what they show."""
    source, reason = ENDS[name]
    before, cell, after = box.run(["x = 1\nprint('before')", source, "print('after', x)"])
    assert [s.text for s in before] == ["before\n"]
    assert (cell[-1].kind, cell[-1].name) == ("error", "Stopped")
    assert reason in cell[-1].text
    assert [s.text for s in after] == ["after 1\n"]


def test_a_cell_that_never_ends_is_stopped():
    """A loop costs its share of the notebook's time and its own output; the rest is shown."""
    with NotebookBox(Limits(call=1.0, call_wall=1.0, total_wall=60.0)) as box:
        loop, asleep, after = box.run(
            ["print('in')\nwhile True: pass", "import time; time.sleep(1000)", "print('after')"]
        )
    assert [s.kind for s in loop] == ["stdout", "error"]
    assert "stopped after 1 s of CPU time" in loop[-1].text
    assert "stopped after 1 s of waiting" in asleep[-1].text
    assert [s.text for s in after] == ["after\n"]


def test_a_notebook_that_runs_out_of_time_keeps_what_it_showed():
    """The cell at which the time was up says so; those before it are shown, those after it show nothing."""
    with NotebookBox(Limits(call=60.0, total_wall=4.0)) as box:
        before, loop, after = box.run(["print('before')", "while True: pass", "print('after')"])
    assert [s.text for s in before] == ["before\n"]
    assert "the time for the whole submission is used up" in loop[-1].text
    assert after == []


def test_a_flood_is_cut(box):
    """Printed text and pictures are capped a cell, whatever a cell has; how it ended is said all the same."""
    text, pictures, error = box.run(
        [
            f"for _ in range(100): print('x' * {MAX_TEXT // 10})",
            "from matplotlib.pyplot import *\nfor _ in range(22): figure(figsize=(1, 1)); plot([1]); show()",
            f"print('x' * {2 * MAX_TEXT})\n1 / 0",
        ]
    )
    assert sum(len(s.text) for s in text) < MAX_TEXT + 100
    assert text[-1].text.endswith("the rest of this cell's output is left out\n")
    assert sum(bool(s.picture) for s in pictures) == MAX_PICTURES == 20
    assert error[-1].name == "ZeroDivisionError"
    assert MAX_OUTPUTS > 1000


def test_forged_pieces_of_a_line_are_cut_too():
    """A process that keeps to no cap sends what no cell could print: what is put together is cut as one output."""
    room, here = _Room(), []
    for _ in range(30):
        room.take(here, OUTPUT, 0, frame(OUTPUT, 0, (STDOUT, "", "x" * (8 * MAX_TEXT), None))[HEADER.size :])
    assert [len(shown.text) for shown in here] == [8 * MAX_TEXT]


def test_without_landlock_no_notebook_is_run():
    """A kernel that cannot say which files may be read runs none, and says why."""
    script = _OLDER_KERNEL.split("examination =")[0] + (
        "from autograder.sandbox.cells_box import NotebookBox\n"
        "try:\n    NotebookBox().__enter__()\nexcept Exception as error:\n    print(type(error).__name__, error)\n"
    )
    command = [sys.executable, "-c", script, str(LANDLOCK_CREATE_RULESET), "-1", "38"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, cwd=ROOT)
    assert done.stdout.startswith("SandboxError a process could not be confined: OSError: this kernel has no Landlock")


def test_what_is_hidden_must_not_lie_among_the_packages():
    """A course or solutions in a folder that notebooks may read are a reason to run none."""
    with (
        pytest.raises(SandboxError, match="which a notebook may read"),
        NotebookBox(hidden=[Path(pytest.__file__).parent]),
    ):
        pass
