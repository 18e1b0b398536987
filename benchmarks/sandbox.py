"""What the sandbox costs, beside the other ways to run a student's code: `python benchmarks/sandbox.py`.

Every way does the same: a fresh process, a notebook of six functions, one call of each. All are measured in turn, round
after round, so that a busy machine is busy for all; the table shows medians and their ratio to a fresh numpy process.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import statistics
import subprocess
import sys
import time
from collections.abc import Callable

import numpy as np

from autograder.calls import Call, Source
from autograder.sandbox import Sandbox

NOTEBOOK = """
import numpy as np

def affine_forward(x, w, b):
    return x.reshape(x.shape[0], -1) @ w + b, (x, w, b)

def affine_backward(dout, cache):
    x, w, b = cache
    return (dout @ w.T).reshape(x.shape), x.reshape(x.shape[0], -1).T @ dout, dout.sum(axis=0)

def sigmoid_forward(x):
    out = np.exp(-np.logaddexp(0, -x))
    return out, out

def sigmoid_backward(dout, cache):
    return dout * cache * (1 - cache)

def tanh_forward(x):
    out = np.tanh(x)
    return out, out

def tanh_backward(dout, cache):
    return dout * (1 - cache) * (1 + cache)
"""
NAMES = [f"{layer}_{way}" for layer in ("affine", "sigmoid", "tanh") for way in ("forward", "backward")]
SOURCES = [Source("cell 1", NOTEBOOK)]
X, W, B = np.ones((4, 6)), np.ones((6, 3)), np.ones(3)


def calls(times: int) -> list[Call]:
    made = []
    for layer, args, out in (("affine", (X, W, B), X[:, :3]), ("sigmoid", (X,), X), ("tanh", (X,), X)):
        made.append(Call(f"{layer}_forward", args, pair=True))
        made.append(Call(f"{layer}_backward", args, forward=f"{layer}_forward", dout=out))
    return made * times


def fresh_numpy() -> None:
    """The floor of every way that starts a process: Python and numpy, nothing run."""
    subprocess.run([sys.executable, "-c", "import numpy"], check=True)


def in_child(sender) -> None:
    namespace: dict = {}
    exec(NOTEBOOK, namespace)
    results = []
    for call in calls(1):
        if call.forward:
            _, cache = namespace[call.forward](*call.args)
            results.append(namespace[call.function](call.dout, cache))
        else:
            results.append(namespace[call.function](*call.args)[0])
    sender.send(results)


def forkserver(context) -> Callable[[], None]:
    def run() -> None:
        receiver, sender = context.Pipe(False)
        process = context.Process(target=in_child, args=(sender,))
        process.start()
        receiver.recv()
        process.join()

    return run


def fresh_kernel() -> None:
    """As nbgrader runs it: nbclient and a kernel of its own."""
    import nbformat
    from nbclient import NotebookClient

    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(NOTEBOOK)])
    quiet = ["--log-level=ERROR"]
    NotebookClient(book, timeout=60, kernel_name="python3", extra_arguments=quiet).execute()


def sandbox(box: Sandbox, times: int = 1) -> Callable[[], None]:
    wanted = calls(times)

    def run() -> None:
        with box.open(SOURCES, NAMES) as session:
            assert all(reply.status == "returned" for reply in session.run(wanted))

    return run


def direct() -> None:
    """No protection at all: the same notebook and calls in this process."""

    class Nowhere:
        send = staticmethod(lambda value: None)

    in_child(Nowhere)


def timed(run: Callable[[], None]) -> float:
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--json", action="store_true", help="the medians in seconds, as JSON")
    arguments = parser.parse_args()
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["numpy"])
    with Sandbox() as box:
        ways = {
            "fresh python -c 'import numpy'": fresh_numpy,
            "nbclient, fresh kernel": fresh_kernel,
            "multiprocessing forkserver, numpy preloaded": forkserver(context),
            "this sandbox": sandbox(box),
            "this sandbox, 20 times the calls": sandbox(box, 20),
            "the same work in this process": direct,
        }
        seconds: dict[str, list[float]] = {name: [] for name in ways}
        for number in range(arguments.rounds + 1):
            for name, run in ways.items():
                for _ in range(1 if name.startswith(("nbclient", "fresh")) else 10):
                    taken = timed(run)
                    if number:  # the first round warms up
                        seconds[name].append(taken)
    medians = {name: statistics.median(taken) for name, taken in seconds.items()}
    floor = medians["fresh python -c 'import numpy'"]
    further = (medians["this sandbox, 20 times the calls"] - medians["this sandbox"]) / len(calls(19))
    if arguments.json:
        print(json.dumps({**medians, "a further call": further}))
        return
    print(f"{'':46}{'median':>11}{'best':>11}{'ratio':>8}")
    for name, taken in seconds.items():
        print(f"{name:46}{medians[name] * 1e3:8.2f} ms{min(taken) * 1e3:8.2f} ms{medians[name] / floor:8.3f}")
    overhead = medians["this sandbox"] - medians["the same work in this process"]
    print(f"sandbox overhead: {overhead * 1e3:.2f} ms a submission, {further * 1e3:.3f} ms a further small call")


if __name__ == "__main__":
    main()
