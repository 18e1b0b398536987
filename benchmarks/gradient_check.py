"""How long does a check of gradients take? Ours beside its peers, on the same numpy functions, interleaved in one
process.

    python benchmarks/gradient_check.py [--quick] [--threads N] [--markdown FILE] [--plot FILE]

Prints medians of processor time in milliseconds and ratios to ours, for right layers and for wrong ones. There ours is
measured twice: with the search for what is wrong, and for a verdict only, as the others give it. Peers that are not
installed are named. A checker that would need minutes for one check is left out of that row.
"""

from __future__ import annotations

import argparse
import os
import sys

options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
options.add_argument("--quick", action="store_true", help="fewer repetitions, without the two largest layers")
options.add_argument("--threads", default="1", help="threads of BLAS (default 1: cores may be shared)")
options.add_argument("--markdown", help="also write the tables to this file")
options.add_argument("--plot", help="write time against number of parameters to this file (.svg or .png)")
OPTIONS = options.parse_args()
for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(name, OPTIONS.threads)  # read when numpy is first imported

import statistics  # noqa: E402
import time  # noqa: E402
import tracemalloc  # noqa: E402
from collections.abc import Callable  # noqa: E402
from dataclasses import dataclass, field  # noqa: E402

import gradient_peers as peers  # noqa: E402
import numpy as np  # noqa: E402
from gradient_styles import (  # noqa: E402
    affine_backward,
    affine_matmul,
    sigmoid_backward,
    sigmoid_plain,
    tanh_backward,
    tanh_numpy,
)

from autograder.gradients import check_vjp  # noqa: E402

# Seconds a checker may take for all its repetitions on a layer, and for a single one.
BUDGET, LONGEST = 8.0, 90.0
FEWEST, MOST = 5, 101
JACOBIAN = 2e7  # entries
BURST = 0.005

OURS, VERDICT_ONLY = "ours", "ours, verdict only"

# Layers whose own arrays take less, in bytes: there, memory of a fixed size is most of the peak.
LARGE = 5e4


@dataclass
class Layer:
    name: str
    forward: Callable
    backward: Callable
    args: tuple
    times: dict[str, list[float]] = field(default_factory=dict)
    answers: dict[str, set] = field(default_factory=dict)

    @property
    def parameters(self) -> int:
        return sum(a.size for a in self.args)

    def median(self, checker: str) -> float | None:
        return statistics.median(self.times[checker]) if self.times.get(checker) else None


def layers(quick: bool) -> list[Layer]:
    rng = np.random.default_rng(0)
    found = []
    for n, d, m in ((2, 6, 3), (8, 96, 32), (16, 384, 64), (64, 3072, 256), (128, 3072, 512))[: 3 if quick else 5]:
        args = (rng.normal(size=(n, d)), rng.normal(size=(d, m)), rng.normal(size=m))
        found.append(Layer(f"affine ({n}, {d}, {m})", affine_matmul, affine_backward, args))
    for shape in ((16, 384), (128, 3072))[: 1 if quick else 2]:
        x = (rng.normal(size=shape),)
        found.append(Layer(f"sigmoid {shape}", sigmoid_plain, sigmoid_backward, x))
        found.append(Layer(f"tanh {shape}", tanh_numpy, tanh_backward, x))
    return found


def spoiled(layer: Layer) -> Layer:
    """The same layer with a per mille too much in its first gradient."""

    def backward(dout, cache):
        gradients = layer.backward(dout, cache)
        if isinstance(gradients, tuple):
            return (gradients[0] * 1.001, *gradients[1:])
        return gradients * 1.001

    return Layer(layer.name, layer.forward, backward, layer.args)


def can_wait(checker: str, layer: Layer) -> bool:
    """Whether one check takes less than LONGEST, judged by one forward and the number of them."""
    start = time.perf_counter()
    out, _ = layer.forward(*layer.args)
    forward = time.perf_counter() - start
    if checker == "element loop":
        return 2 * layer.parameters * forward < LONGEST
    if checker == "torch slow":  # parameters × outputs, some 30 bytes an entry, and a backward an output
        return layer.parameters * out.size < JACOBIAN
    return True


def measure(several: list[Layer], checkers: dict[str, Callable], quick: bool) -> None:
    """Repeat all checkers in turn, so that whatever else the machine does hits them alike."""
    for layer in several:
        spent = dict.fromkeys((name for name in checkers if can_wait(name, layer)), 0.0)
        for seed in range(21 if quick else MOST):
            for name in list(spent):
                elapsed, answers = burst(checkers[name], layer, seed)
                if seed or elapsed[0] > LONGEST / 4:  # the first time warms up
                    layer.times.setdefault(name, []).append(statistics.mean(elapsed))
                layer.answers.setdefault(name, set()).update(answers)
                spent[name] += sum(elapsed)
                if (spent[name] > BUDGET and seed >= FEWEST) or spent[name] > LONGEST:
                    del spent[name]
        print(".", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)


def burst(checker: Callable, layer: Layer, seed: int) -> tuple[list[float], list[bool]]:
    """Checks in a row, for BURST seconds or at least one: a turn, after one that is not counted. What others left in
    the caches of the processor would otherwise be most of a turn of 0.2 ms.

    Processor time of all threads: on a machine whose cores are shared, the clock would measure the others."""
    elapsed, answers = [], []
    while sum(elapsed) < BURST or not elapsed:
        start = time.process_time()
        answers.append(checker(layer.forward, layer.backward, layer.args, seed + len(elapsed)))
        elapsed.append(time.process_time() - start)
    return (elapsed[1:] or elapsed), answers


def digits(number: float) -> str:
    """Three digits, and large numbers written out: 0.219, 54.8, 1,310."""
    return f"{float(f'{number:.3g}'):,.0f}" if number >= 999.5 else f"{number:.3g}"


def table(several: list[Layer], names: list[str], right: bool, unit: str = OURS) -> list[list[str]]:
    """Medians, and ratios to that of `unit`."""
    rows = [["layer", "entries", *names]]
    for layer in several:
        row, ours = [layer.name, f"{layer.parameters:,}"], layer.median(unit)
        for name in names:
            median = layer.median(name)
            if median is None:
                row.append("–")
                continue
            cell = f"{digits(1e3 * median)} ms"
            if name != unit:
                cell += f" ({digits(median / ours)}×)"
            if layer.answers[name] != {right}:
                cell += " ✗" if (not right) in layer.answers[name] else ""
            row.append(cell)
        rows.append(row)
    return rows


def memory(several: list[Layer]) -> list[list[str]]:
    """The peak of a check beyond what was there before, over arguments, gradients, out and dout."""
    rows = [["layer", "accepts", "refuses"]]
    for layer in several:
        own = 2 * sum(a.nbytes for a in layer.args) + 2 * layer.forward(*layer.args)[0].nbytes
        row = [layer.name]
        for backward in (layer.backward, spoiled(layer).backward):
            check_vjp(layer.forward, backward, layer.args)  # what is imported or cached once is not a check's
            tracemalloc.start()
            check_vjp(layer.forward, backward, layer.args)
            peak = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
            row.append(f"{peak / own:.1f}×" if own > LARGE else f"{peak / 1e3:.0f} kB")
        rows.append(row)
    return rows


def summary(several: list[Layer], unit: str = OURS) -> list[str]:
    def ratio(layer: Layer, name: str) -> float | None:
        median = layer.median(name)
        return None if median is None else median / layer.median(unit)

    lines = []
    for layer in several[:3]:
        if (times := ratio(layer, "element loop")) is not None:
            lines.append(f"element loop, {layer.parameters:,} entries: ours is {digits(times)} times as fast")
    for name in ("torch fast", "jax", "autograd", "autograd, 1st argument"):
        ratios = {layer.name: r for layer in several if (r := ratio(layer, name)) is not None}
        if ratios:
            worst = min(ratios, key=ratios.get)
            lines.append(
                f"{name}: takes {digits(statistics.median(ratios.values()))} times our time in the median over layers, "
                f"{digits(ratios[worst])} times at worst ({worst})"
            )
    return lines


def markdown(rows: list[list[str]]) -> str:
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    lines.insert(1, "| --- |" + " ---: |" * (len(rows[0]) - 1))
    return "\n".join(lines)


def plot(several: list[Layer], names: list[str], path: str) -> None:
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    plt.rcParams["svg.hashsalt"] = "gradient-check"
    figure, axes = plt.subplots(figsize=(8, 4.5), layout="constrained")
    chosen = sorted((layer for layer in several if layer.name.startswith("affine")), key=lambda layer: layer.parameters)
    for name in names:
        points = [(layer.parameters, 1e3 * m) for layer in chosen if (m := layer.median(name)) is not None]
        axes.loglog(*zip(*points, strict=True), marker="o", linewidth=2.5 if name == OURS else 1.2, label=name)
    axes.set_xlabel("entries of x, w and b together")
    axes.set_ylabel("processor time of one check [ms]")
    axes.set_title("Checking the gradients of a right affine layer")
    axes.grid(which="both", alpha=0.25)
    figure.legend(*axes.get_legend_handles_labels(), loc="outside right upper")
    figure.savefig(path, metadata={"Date": None} if path.endswith(".svg") else None)


def main() -> None:
    print("absent:", ", ".join(peers.absent()) or "none", file=sys.stderr)
    checkers = peers.checkers()
    names = list(checkers)
    right = layers(OPTIONS.quick)
    wrong = [spoiled(layer) for layer in right]
    measure(right, checkers, OPTIONS.quick)
    refusing = {OURS: checkers[OURS], VERDICT_ONLY: peers.ours_verdict_only}
    refusing |= {name: c for name, c in checkers.items() if name not in (OURS, "element loop", "torch slow")}
    measure(wrong, refusing, OPTIONS.quick)
    parts = [
        "Right layers (✗: accused at least once; –: left out, see below)",
        markdown(table(right, names, True)),
        "\n".join(f"- {line}" for line in summary(right)),
        f"Left out: loops of more than {LONGEST:.0f} s, and torch's slow mode where its Jacobian has more than "
        f"{JACOBIAN:.0e} entries (in larger layers it takes 10 GB and more).",
        "Wrong layers, the first gradient × 1.001 (✗: accepted at least once); in brackets: how many times the time of "
        "ours for a verdict only",
        markdown(table(wrong, list(refusing), False, VERDICT_ONLY)),
        "\n".join(f"- {line}" for line in summary(wrong, VERDICT_ONLY)),
        "Peak memory of our check, over the layer's own arrays",
        markdown(memory(right)),
    ]
    text = "\n\n".join(parts) + "\n"
    print(text)
    if OPTIONS.markdown:
        with open(OPTIONS.markdown, "w", encoding="utf-8") as file:
            file.write(text)
    if OPTIONS.plot:
        plot(right, names, OPTIONS.plot)


if __name__ == "__main__":
    main()
