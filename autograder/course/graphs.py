"""Small graphs of numbers: a fully connected layer taken apart into its single additions and multiplications."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class ScalarGraph:
    """A graph in which every node is one number.

    names: what each node is called.
    positions: where it is drawn.
    values: its number.
    edges: (from, to), shape (E, 2).
    local: the local derivative along each edge, shape (E,).
    made_by: ("*" or "+", left, right) for each node, None for an input.
    """

    names: tuple[str, ...]
    positions: np.ndarray
    values: np.ndarray
    edges: np.ndarray
    local: np.ndarray
    made_by: tuple[tuple[str, int, int] | None, ...]

    def node(self, name: str) -> int:
        return self.names.index(name)

    @property
    def labels(self) -> tuple[str, ...]:
        """What to write into the circles: an input's name, an operation's sign."""
        signs = {"*": "×", "+": "+"}
        return tuple(
            name if recipe is None else signs[recipe[0]] for name, recipe in zip(self.names, self.made_by, strict=True)
        )

    def evaluate(self, nudged: int, by: float) -> np.ndarray:
        """All values when one node is moved by a little and what follows it is computed again."""
        numbers = []
        for node, recipe in enumerate(self.made_by):
            if recipe is None:
                number = self.values[node]
            else:
                kind, a, b = recipe
                number = numbers[a] * numbers[b] if kind == "*" else numbers[a] + numbers[b]
            numbers.append(number + by if node == nudged else number)
        return np.array(numbers)


class _Builder:
    """Collects nodes and edges, one operation after another."""

    def __init__(self):
        self.names, self.positions, self.values, self.edges, self.local, self.made_by = [], [], [], [], [], []

    def put(self, name, value, position, recipe=None):
        self.names.append(name)
        self.values.append(float(value))
        self.positions.append(position)
        self.made_by.append(recipe)
        return len(self.names) - 1

    def times(self, name, a, b, position):
        u, v = self.values[a], self.values[b]
        node = self.put(name, u * v, position, ("*", a, b))
        self.edges += [(a, node), (b, node)]
        self.local += [v, u]
        return node

    def plus(self, name, a, b, position):
        node = self.put(name, self.values[a] + self.values[b], position, ("+", a, b))
        self.edges += [(a, node), (b, node)]
        self.local += [1.0, 1.0]
        return node

    def done(self):
        return ScalarGraph(
            names=tuple(self.names),
            positions=np.array(self.positions, float),
            values=np.array(self.values),
            edges=np.array(self.edges),
            local=np.array(self.local),
            made_by=tuple(self.made_by),
        )


def affine_graph(x, w, b) -> ScalarGraph:
    """The layer out = x @ w + b as single additions and multiplications, for N examples of two inputs, two outputs.

    x has shape (N, 2), w (2, 2), b (2,). The nodes are called x00, w01, b1, out00, ... where the first digit of x
    and out is the example. Between them stand p (a product; example, input, output) and s (a sum of two products).
    The positions are made for a picture with N = 1; every further example is drawn below the one before.
    """
    g = _Builder()
    shared = {}
    for row, name in enumerate(("b0", "w00", "w10", None, None, "w01", "w11", "b1")):
        if name is not None:
            array = w if name[0] == "w" else b
            shared[name] = g.put(name, array[tuple(int(digit) for digit in name[1:])], (0, -row))
    for n in range(len(x)):
        down = 8 * n
        inputs = [g.put(f"x{n}{i}", x[n, i], (0, -3 - i - down)) for i in range(2)]
        for j in range(2):
            heights = (-1 - 4 * j - down, -2 - 4 * j - down)
            products = [g.times(f"p{n}{i}{j}", inputs[i], shared[f"w{i}{j}"], (2.6, heights[i])) for i in range(2)]
            total = g.plus(f"s{n}{j}", *products, (4.6, sum(heights) / 2))
            g.plus(f"out{n}{j}", total, shared[f"b{j}"], (6.6, sum(heights) / 2 + 0.7 - 1.4 * j))
    return g.done()


def nudge_every_node(graph: ScalarGraph, cotangent, h=1e-6):
    """The derivative of sum(cotangent * values) with respect to every node, by nudging each one and looking.

    Slow and honest: two runs through the whole graph for every node, one with the node a little higher, one lower.
    """
    return np.array(
        [
            np.dot(cotangent, graph.evaluate(node, h) - graph.evaluate(node, -h)) / (2 * h)
            for node in range(len(graph.names))
        ]
    )
