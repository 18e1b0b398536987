"""Which mistakes does a checker of gradients find, and which right layers does it accuse? Ours beside its peers.

    python benchmarks/gradient_power.py [--quick] [--markdown FILE]

Right layers: 35 ways of writing a forward, and inputs that are large, tiny, saturated, at kinks, far from their mean.
Wrong ones: eleven mistakes planted in right layers. A run is one layer, one draw of inputs, one seed of the checker.
Peers are slower and get fewer runs; those not installed are named.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import gradient_peers as peers
import gradient_styles as styles
import numpy as np
from gradient_styles import STYLES, Style

from autograder.gradients import check_vjp


def drawn(scale: float, shape: tuple[int, ...], mean: float = 0.0) -> Callable[[np.random.Generator], tuple]:
    return lambda rng: (mean + scale * rng.normal(size=shape),)


def sized(n: int, d: int, m: int) -> Callable[[np.random.Generator], tuple]:
    return lambda rng: (rng.normal(size=(n, d)), rng.normal(size=(d, m)), rng.normal(size=m))


def scaled_affine(x: float, w: float, b: float) -> Callable[[np.random.Generator], tuple]:
    return lambda rng: (x * rng.normal(size=(5, 7)), w * rng.normal(size=(7, 3)), b * rng.normal(size=3))


def single(value: float) -> Callable[[np.random.Generator], tuple]:
    return lambda rng: (np.array([[value * rng.choice([-1.0, 1.0]) * rng.uniform(0.9, 1.1)]]),)


def kinks(distances: tuple[float, ...]) -> Callable[[np.random.Generator], tuple]:
    """Normal entries, some of which sit on 0 or at these distances from it."""

    def make(rng: np.random.Generator) -> tuple:
        x = rng.normal(size=(6, 5))
        x.flat[: len(distances)] = np.array(distances) * rng.choice([-1.0, 1.0], len(distances))
        return (x,)

    return make


def relu_layer(x, w, b):
    """A layer whose outputs mix: relu of an affine map."""
    a = x @ w + b
    return np.maximum(a, 0) @ w.T, (x, w, a)


def relu_layer_backward(dout, cache):
    x, w, a = cache
    da = (dout @ w) * (a > 0)
    return da @ w.T, x.T @ da + dout.T @ np.maximum(a, 0), da.sum(axis=0)


def relu_layer_args(kinked: bool) -> Callable[[np.random.Generator], tuple]:
    def make(rng: np.random.Generator) -> tuple:
        x, w, b = rng.normal(size=(5, 4)), rng.normal(size=(4, 6)), rng.normal(size=6)
        if kinked:  # one unit of one row within 1e-9 of its kink
            b[2] = 1e-9 - x[1] @ w[:, 2]
        return x, w, b

    return make


BY_NAME = {style.name: style for style in STYLES}
SIGMOIDS = [s for s in STYLES if s.backward is styles.sigmoid_backward]
TANHS = [s for s in STYLES if s.backward is styles.tanh_backward]
STABLE = (
    "plain",
    "by tanh",
    "masks into zeros_like",
    "exp(-|x|)",
    "masks into zeros",
    "np.tanh",
    "by sigmoid",
    "astype",
    "out=",
)
RELUS = [s for s in STYLES if s.backward is styles.relu_backward]


def with_args(style: Style, make: Callable, note: str) -> Style:
    return Style(f"{style.name} ({note})", style.complex, style.forward, style.backward, make, style.elementwise)


def stable(several: list[Style]) -> Iterator[Style]:
    """Those that do not overflow where x is large."""
    return (s for s in several if s.name.split(", ", 1)[1] in STABLE)


def hard_inputs() -> list[Style]:
    """Right layers at inputs that are large, tiny, saturated, at kinks, far from their mean."""
    found = []
    for style in [*stable(SIGMOIDS), *stable(TANHS)]:
        for scale in (10.0, 30.0, 100.0):
            found.append(with_args(style, drawn(scale, (6, 5)), f"x ~ {scale:g}"))
        for value in (20.0, 38.0, 300.0, 700.0):
            found.append(with_args(style, single(value), f"one entry near ±{value:g}"))
        for scale in (1e-4, 1e-8, 1e-12, 1e-100):
            found.append(with_args(style, drawn(scale, (6, 5)), f"x ~ {scale:g}"))
    for style in RELUS:
        for distances in ((0.0,), (1e-6, 1e-7, 1e-9), (0.0, 1e-12, 1e-300), (3e-6, 1e-4, 1e-3)):
            if style.name != "relu, heaviside" or 0.0 not in distances:
                found.append(with_args(style, kinks(distances), f"kinks at {distances}"))
        for scale in (1e-8, 1e3, 1e8):
            found.append(with_args(style, drawn(scale, (6, 5)), f"x ~ {scale:g}"))
    for name in ("batch normalisation", "batch normalisation, np.var", "batch normalisation, np.std"):
        for mean in (1e2, 1e4, 1e6):
            found.append(with_args(BY_NAME[name], drawn(1.0, (6, 5), mean), f"mean {mean:g}"))
    for name in ("softmax", "softmax, into full"):
        for scale in (1e-8, 10.0, 50.0):
            found.append(with_args(BY_NAME[name], drawn(scale, (6, 5)), f"x ~ {scale:g}"))
    for name in ("affine, matmul", "affine, rows into empty"):
        for scales in (
            (1e6, 1.0, 1.0),
            (1e-8, 1.0, 1.0),
            (1.0, 1e-8, 1.0),
            (1.0, 1.0, 1e6),
            (1e-100, 1.0, 1.0),
            (1e8, 1e8, 1.0),
        ):
            found.append(with_args(BY_NAME[name], scaled_affine(*scales), f"x, w, b ~ {scales}"))
    for kinked in (False, True):
        layer = Style("relu between matrices", "safe", relu_layer, relu_layer_backward, relu_layer_args(kinked))
        found.append(with_args(layer, layer.make, "a unit at its kink" if kinked else "no kink"))
    return found


# --- mistakes ---


def as_list(gradients) -> list[np.ndarray]:
    return [np.array(g, order="C") for g in (gradients if isinstance(gradients, tuple) else (gradients,))]


def one_entry(change: Callable, style: Style, rng: np.random.Generator) -> Callable:
    """A backward that changes one entry of one gradient, always the same one: when it is first called, not smaller than
    1e-3 of the largest."""
    pick = rng.integers(2**31)
    chosen = []

    def backward(dout, cache):
        gradients = as_list(style.backward(dout, cache))
        inner = np.random.default_rng(pick)
        flat = gradients[inner.integers(len(gradients))].reshape(-1)
        if not chosen:
            chosen.append(inner.choice(np.flatnonzero(np.abs(flat) >= 1e-3 * np.abs(flat).max())))
        change(flat, chosen[0], np.random.default_rng(pick))
        return tuple(gradients) if len(gradients) > 1 else gradients[0]

    return backward


def zeroed(flat, k, rng):
    flat[k] = 0.0


def off_by(factor, flat, k, rng):
    flat[k] *= 1 + factor * rng.choice([-1.0, 1.0])


def swapped(flat, k, rng):
    far = np.abs(flat - flat[k]) >= 1e-3 * np.abs(flat).max()
    order = rng.permutation(flat.size)
    other = order[np.argmax(far[order])]
    flat[[k, other]] = flat[[other, k]]


def every(change: Callable, style: Style, rng: np.random.Generator) -> Callable:
    """A backward that changes one whole gradient: change(gradient, dout)."""
    pick = rng.integers(2**31)

    def backward(dout, cache):
        gradients = as_list(style.backward(dout, cache))
        i = pick % len(gradients)
        gradients[i] = change(gradients[i], dout)
        return tuple(gradients) if len(gradients) > 1 else gradients[0]

    return backward


def upstream(change: Callable, style: Style, rng: np.random.Generator) -> Callable:
    return lambda dout, cache: style.backward(change(dout), cache)


def bias(change: Callable, style: Style, rng: np.random.Generator) -> Callable:
    return lambda dout, cache: (*style.backward(dout, cache)[:2], change(dout))


def transposed(style: Style, rng: np.random.Generator) -> Callable:
    def backward(dout, cache):
        dx, dw, db = style.backward(dout, cache)
        return dx, dw.T.copy(), db

    return backward


@dataclass(frozen=True)
class Bug:
    name: str
    plant: Callable[[Style, np.random.Generator], Callable]
    layers: tuple[Style, ...]


AFFINE = BY_NAME["affine, matmul"]
LAYERS = (
    with_args(AFFINE, sized(2, 6, 3), "33 entries"),
    with_args(AFFINE, sized(8, 96, 32), "3,900 entries"),
    with_args(AFFINE, sized(16, 384, 64), "31,000 entries"),
    BY_NAME["affine, rows into empty"],
    with_args(BY_NAME["sigmoid, plain"], drawn(1.0, (16, 384)), "16, 384"),
    BY_NAME["sigmoid, exp(-|x|)"],
    with_args(BY_NAME["tanh, np.tanh"], drawn(1.0, (16, 384)), "16, 384"),
    BY_NAME["tanh, vectorize(math.tanh)"],
    BY_NAME["softmax"],
    BY_NAME["batch normalisation"],
    BY_NAME["batch normalisation, np.var"],
    Style("two layers", "safe", styles.network, styles.network_backward, styles.network_args),
)
AFFINES = LAYERS[:4]
SQUARE = (with_args(AFFINE, sized(8, 24, 24), "square"),)
BUGS = (
    Bug("one entry × (1 ± 1e-6)", partial(one_entry, partial(off_by, 1e-6)), LAYERS),
    Bug("one entry × (1 ± 1e-3)", partial(one_entry, partial(off_by, 1e-3)), LAYERS),
    Bug("one entry zeroed", partial(one_entry, zeroed), LAYERS),
    Bug("two entries swapped", partial(one_entry, swapped), LAYERS),
    Bug("a whole gradient × (1 + 1e-9)", partial(every, lambda g, dout: g * (1 + 1e-9)), LAYERS),
    Bug("a sign", partial(every, lambda g, dout: -g), LAYERS),
    Bug("1/N", partial(every, lambda g, dout: g / len(dout)), LAYERS),
    Bug("dout ignored", partial(upstream, np.ones_like), LAYERS),
    Bug("dout²", partial(upstream, np.square), LAYERS),
    Bug("db without the sum", partial(bias, np.copy), AFFINES),
    Bug("db a mean", partial(bias, lambda dout: dout.mean(axis=0)), AFFINES),
    Bug("dw transposed, square", transposed, SQUARE),
)


# --- the table ---


@dataclass
class Count:
    runs: int = 0
    accepted: int = 0
    undecided: int = 0


def verdict(checker: str, run: Callable, style: Style, backward: Callable, seed: int) -> bool | None:
    args = style.make(np.random.default_rng(seed))
    try:
        if checker == "ours":
            return check_vjp(style.forward, backward, args, seed=seed).ok
        return run(style.forward, backward, args, seed)
    except Exception:  # a peer that cannot cope with a wrong shape has noticed it
        if checker == "ours":
            raise
        return False


def count(checker: str, run: Callable, several: list[tuple[Style, Callable]], runs: int) -> Count:
    """At least so many runs, in equal shares over the layers."""
    found = Count()
    share = -(-runs // len(several))
    for style, plant in several:
        for seed in range(share):
            ok = verdict(checker, run, style, plant(style, np.random.default_rng(seed + 10**6)), seed)
            found.runs += 1
            found.accepted += ok is True
            found.undecided += ok is None
    return found


def right(style: Style, rng: np.random.Generator) -> Callable:
    return style.backward


def table(runs: int, peer_runs: int) -> list[list[str]]:
    checkers = {"ours": None, **peers.checkers()}
    checkers.pop("torch slow", None)
    rows = [["", *checkers]]
    groups = [("35 styles, ordinary inputs", list(STYLES), 4 * runs), ("hard inputs", hard_inputs(), 2 * runs)]
    for name, several, wanted in groups:
        row = [f"right layers accused: {name}"]
        for checker, run in checkers.items():
            found = count(checker, run, [(s, right) for s in several], wanted if checker == "ours" else len(several))
            wrong = found.runs - found.accepted - found.undecided
            row.append(f"{wrong} of {found.runs}" + (f" ({found.undecided} undecided)" if found.undecided else ""))
        rows.append(row)
        print(" | ".join(row), flush=True)
    for i, bug in enumerate(BUGS):
        row = [f"missed: {bug.name}"]
        for checker, run in checkers.items():
            layers = bug.layers
            if checker != "ours":  # the large one would take them hours
                layers = tuple(s for s in layers if "31,000" not in s.name)
            wanted = peer_runs if checker != "ours" else 5 * runs if i == 0 else runs
            found = count(checker, run, [(s, bug.plant) for s in layers], wanted)
            missed = found.accepted
            row.append(f"{missed} of {found.runs}" + (f" ({found.undecided} undecided)" if found.undecided else ""))
        rows.append(row)
        print(" | ".join(row), flush=True)
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a tenth of the runs")
    parser.add_argument("--markdown", help="also write the table to this file")
    options = parser.parse_args()
    print("absent:", ", ".join(peers.absent()) or "none", file=sys.stderr)
    rows = table(*(100, 11) if options.quick else (1000, 44))
    if options.markdown:
        lines = ["| " + " | ".join(row) + " |" for row in rows]
        lines.insert(1, "|" + " --- |" * len(rows[0]))
        with open(options.markdown, "w", encoding="utf-8") as file:
            file.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
