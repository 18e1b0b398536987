"""What a student waits for, in milliseconds: `python benchmarks/check.py`.

Each line is a median, with the slowest of all runs beside it. Imports are measured in fresh processes whose modules are
compiled already, right after `import numpy`; `check()` in an IPython shell, display included; `watch` in a real
terminal, from the moment a file is saved to the moment its report stands on the screen.
"""

from __future__ import annotations

import argparse
import os
import pty
import select
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[0] = str(ROOT)  # benchmarks/nbgrader.py is not the nbgrader that is meant

from IPython.core.interactiveshell import InteractiveShell  # noqa: E402
from IPython.utils.capture import capture_output  # noqa: E402

from autograder.assess import report_on  # noqa: E402
from autograder.catalogue import load_catalogue  # noqa: E402
from autograder.diagnose import diagnose  # noqa: E402
from autograder.judge import judge  # noqa: E402
from autograder.local import LocalSession  # noqa: E402
from autograder.observe import observe  # noqa: E402
from autograder.public_keys import key_of, read_keys  # noqa: E402
from demo.classroom import all_mistakes, mistaken, reference_source  # noqa: E402

ASSIGNMENTS = ("01_computational_graphs", "02_layers", "03_saturation")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=15, help="how often each is measured (default 15)")
    rounds = parser.parse_args().rounds
    print(f"{'milliseconds':50}{'median':>9}{'slowest':>9}{'budget':>9}")
    with tempfile.TemporaryDirectory() as folder:
        environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
        environment |= {"PYTHONPYCACHEPREFIX": folder, "PYTHONPATH": str(ROOT)}
        line("import numpy, for comparison", imports("import numpy", rounds, environment, before="time"), None)
        for statement in ("import autograder", "from autograder import check"):
            line(f"{statement}, on top of numpy", imports(statement, rounds, environment), 50)
        catalogue = load_catalogue(ROOT / "solutions")
        right = {a: right_answers(catalogue, a) for a in ASSIGNMENTS}
        line("check() of a right function, display included", live(catalogue, right, rounds), 100)
        line("check() of a mistaken one, display included", live_mistaken(catalogue, rounds), 100)
        line("judge and diagnosis alone, right", judged(catalogue, right, rounds), 30)
        line("judge and diagnosis alone, mistaken", judged_mistaken(catalogue), 30)
        line("autograder watch, from save to screen", watched(right["02_layers"], rounds, environment), 200)
        line("autograder check of six functions, all of it", command(right["02_layers"], rounds, environment), None)


def line(what: str, seconds: Sequence[float], budget: float | None) -> None:
    middle, worst = 1000 * statistics.median(seconds), 1000 * max(seconds)
    print(f"{what:50}{middle:9.1f}{worst:9.1f}{budget if budget is not None else '':>9}")


def timed(function: Callable[[], object]) -> float:
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def right_answers(catalogue, assignment: str) -> str:
    functions = catalogue.functions(assignment)
    return "import numpy as np\n\n" + "\n\n".join(reference_source(f) for f in functions)


def imports(statement: str, rounds: int, environment: dict, before: str = "time, numpy") -> list[float]:
    code = f"import {before}\nstart = time.perf_counter()\n{statement}\nprint(time.perf_counter() - start)"
    run = [sys.executable, "-c", code]
    times = [float(subprocess.check_output(run, env=environment)) for _ in range(rounds + 1)]
    return times[1:]  # the first one compiles


# check() ------------------------------------------------------------------------------------------------------------


def shell_with(text: str) -> InteractiveShell:
    InteractiveShell.clear_instance()
    shell = InteractiveShell.instance()
    shell.run_cell(f"from autograder import check\n{text}", silent=True)
    return shell


def checked(shell: InteractiveShell, name: str) -> float:
    with capture_output():
        return timed(lambda: shell.run_cell(f"check({name!r})"))


def live(catalogue, right: dict[str, str], rounds: int) -> list[float]:
    times = []
    for assignment, text in right.items():
        shell = shell_with(text)
        names = [f.name for f in catalogue.functions(assignment)]
        for name in names:
            checked(shell, name)
            times += [checked(shell, name) for _ in range(max(1, rounds // 5))]
    return times


def live_mistaken(catalogue, rounds: int) -> list[float]:
    times = []
    for assignment in ASSIGNMENTS:
        for exercise, function, misconception in all_mistakes(catalogue, assignment):
            answers = mistaken(exercise, function, misconception)
            shell = shell_with("import numpy as np\n" + "\n".join(answers.values()))
            checked(shell, function.name)
            times.append(checked(shell, function.name))
    return times


# The judge ----------------------------------------------------------------------------------------------------------


def judge_times(text: str, name: str, rounds: int) -> list[float]:
    namespace: dict = {}
    exec(compile(text, "<string>", "exec"), namespace)
    key = key_of(name, read_keys(ROOT))
    session = LocalSession(namespace, [f.name for f in key.functions])
    report_on(key, session)
    seen = observe(key, session)
    return [timed(lambda: diagnose(key, judge(key, seen))) for _ in range(rounds)]


def judged(catalogue, right: dict[str, str], rounds: int) -> list[float]:
    return [
        seconds
        for assignment, text in right.items()
        for f in catalogue.functions(assignment)
        for seconds in judge_times(text, f.name, max(1, rounds // 5))
    ]


def judged_mistaken(catalogue) -> list[float]:
    return [
        seconds
        for assignment in ASSIGNMENTS
        for exercise, function, misconception in all_mistakes(catalogue, assignment)
        for seconds in judge_times(
            "import numpy as np\n" + "\n".join(mistaken(exercise, function, misconception).values()), function.name, 1
        )
    ]


# On the command line ------------------------------------------------------------------------------------------------


def watched(right: str, rounds: int, environment: dict) -> list[float]:
    """Saves right and wrong work in turn, at odd moments, and waits for what only the new report says."""
    wrong = right.replace("axis=0", "axis=1")
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "work.py"
        file.write_text(right)
        master, slave = pty.openpty()
        command = [sys.executable, "-m", "autograder", "watch", "work.py"]
        with subprocess.Popen(
            command, cwd=folder, env=environment, stdin=slave, stdout=slave, stderr=slave, start_new_session=True
        ) as process:
            os.close(slave)
            times = []
            seen_on_screen(master, "6 of 6")
            for at in range(rounds):
                for text, sign in ((wrong, "5 of 6"), (right, "6 of 6")):
                    time.sleep(0.2 + 0.007 * at)
                    file.write_text(text)
                    times.append(timed(lambda sign=sign: seen_on_screen(master, sign)))
            process.terminate()
        os.close(master)
    return times


def seen_on_screen(master: int, text: str) -> None:
    output = b""
    while text.encode() not in output:
        if not select.select([master], [], [], 30)[0]:
            raise SystemExit(f"never on the screen: {text}")
        output += os.read(master, 65536)


def command(right: str, rounds: int, environment: dict) -> list[float]:
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "work.py").write_text(right)
        run = [sys.executable, "-m", "autograder", "check", "work.py"]
        once = lambda: subprocess.run(run, cwd=folder, env=environment, check=True, stdout=subprocess.DEVNULL)  # noqa: E731
        once()
        return [timed(once) for _ in range(rounds)]


if __name__ == "__main__":
    main()
