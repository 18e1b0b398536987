"""Computational graphs: local derivatives, the sum over paths, and the two sweeps that do without the paths."""

# %%
import numpy as np


# %%
def local_derivatives(op, left, right, inputs):
    """Evaluate a graph of additions and multiplications, and put a local derivative on every edge.

        node n + k = node left[k] + node right[k]   where op[k] is 0
        node n + k = node left[k] * node right[k]   where op[k] is 1

    Args:
        op: what each operation does, shape (K,), int64; 0 adds, 1 multiplies.
        left: the first operand of each operation, shape (K,), int64; always an earlier node.
        right: the second operand, shape (K,), int64; may be the same node as left (x * x).
        inputs: values of the n input nodes, shape (n,), float64; input i is node i, operation k is
            node n + k.

    Returns, in this order:
        values: the value of every node, an array of shape (n + K,), float64.
        edges: (from, to) for every edge, an array of shape (2K, 2), int64; row 2k comes from left[k],
            row 2k + 1 from right[k].
        local: how fast an edge's end moves with its start, along this edge alone, an array of shape
            (2K,), float64.

    Source: Christopher Olah, "Calculus on Computational Graphs: Backpropagation" (2015).
    """
    ### BEGIN SOLUTION
    n, n_operations = len(inputs), len(op)
    values = np.concatenate([inputs, np.zeros(n_operations)])
    edges = np.zeros((2 * n_operations, 2), dtype=np.int64)
    local = np.ones(2 * n_operations)
    for k in range(n_operations):
        first, second = values[left[k]], values[right[k]]
        edges[2 * k : 2 * k + 2] = (left[k], n + k), (right[k], n + k)
        if op[k] == 0:
            values[n + k] = first + second
        else:
            values[n + k] = first * second
            local[2 * k : 2 * k + 2] = second, first
    return values, edges, local
    ### END SOLUTION


# %%
def sum_over_paths(n_nodes, edges, local, source, target):
    """Walk every path from one node to another, and add up what the paths contribute.

        total = sum over all paths from source to target of the product of local derivatives along the path

    Args:
        n_nodes: how many nodes there are, an int; they are called 0 ... n_nodes - 1, in any order.
        edges: (from, to) for every edge, shape (E, 2), int64; two edges may join the same nodes, and
            both count.
        local: the local derivative along each edge, shape (E,), float64.
        source: the node where the paths begin.
        target: the node where they end; there are at most 729 paths.

    Returns, in this order:
        total: the derivative of target with respect to source, a float.
        n_paths: how many paths there are, an int. A node has one path to itself, of no edges: (1.0, 1).
            Where no path leads to target: (0.0, 0).

    Source: the multivariable chain rule; Olah (2015) tells it as a sum over paths.
    """

    ### BEGIN SOLUTION
    def walk(node):
        if node == target:
            return 1.0, 1
        derivative, ways = 0.0, 0
        for e in np.flatnonzero(edges[:, 0] == node):
            rest, ways_on = walk(edges[e, 1])
            derivative += local[e] * rest
            ways += ways_on
        return float(derivative), ways

    return walk(source)
    ### END SOLUTION


# %%
def forward_mode(n_nodes, edges, local, tangent):
    """Sweep once from the inputs to the outputs, and apply the derivative to every node.

        out[v] = tangent[v] + sum over the edges u -> v of local * out[u]

    Args:
        n_nodes: how many nodes there are, an int; they are called 0 ... n_nodes - 1, in any order.
        edges: (from, to) for every edge, shape (E, 2), int64, in topological order: every edge into
            a node comes before every edge out of it. Two edges may join the same nodes; both count.
        local: the local derivative along each edge, shape (E,), float64.
        tangent: how fast each node is moved from outside, shape (n_nodes,), float64; 1 at one input
            and 0 elsewhere gives the derivative of every node with respect to that input.

    Returns:
        out: how fast each node moves in the end, shape (n_nodes,).

    Source: Olah (2015), "forward-mode differentiation". Touch every edge once: some graphs have 2**40 paths.
    """
    ### BEGIN SOLUTION
    out = np.array(tangent, dtype=float)
    for (tail, head), slope in zip(edges, local, strict=True):
        out[head] += slope * out[tail]
    return out
    ### END SOLUTION


# %%
def reverse_mode(n_nodes, edges, local, cotangent):
    """Sweep once from the outputs to the inputs, and apply the derivative of the outputs to every node.

        out[u] = cotangent[u] + sum over the edges u -> v of local * out[v]

    Args:
        n_nodes: how many nodes there are, an int; they are called 0 ... n_nodes - 1, in any order.
        edges: (from, to) for every edge, shape (E, 2), int64, in topological order: every edge into
            a node comes before every edge out of it. Two edges may join the same nodes; both count.
        local: the local derivative along each edge, shape (E,), float64.
        cotangent: how much the result counts each node by itself, shape (n_nodes,), float64; 1 at one
            output and 0 elsewhere gives the derivative of that output with respect to every node.

    Returns:
        out: the derivative of the result with respect to each node, shape (n_nodes,).

    Source: Olah (2015), "reverse-mode differentiation". Touch every edge once: some graphs have 2**40 paths.
    """
    ### BEGIN SOLUTION
    out = np.array(cotangent, dtype=float)
    for (tail, head), slope in zip(edges[::-1], local[::-1], strict=True):
        out[tail] += slope * out[head]
    return out
    ### END SOLUTION


# %% tags=["grading"]
from autograder.exercise import Case, Function, Misconception

# e = (a + b) * (b + 1) at a = 2, b = 1: nodes a, b, one, c, d, e.
EXAMPLE = (
    6,
    np.array([[0, 3], [1, 3], [1, 4], [2, 4], [3, 5], [4, 5]]),
    np.array([1.0, 1.0, 1.0, 1.0, 2.0, 3.0]),
)


def eighths(rng, size, sign=True):
    """Slopes that are whole eighths from 5/8 to 15/8: sums and products of a few come out exactly, in any order."""
    slopes = rng.integers(5, 16, size) / 8
    return slopes * rng.choice((-1.0, 1.0), size) if sign else slopes


def scrambled(rng, n_nodes, edges, local, spare=0):
    """The same graph with other numbers for its nodes, and `spare` nodes without an edge."""
    names = rng.permutation(n_nodes + spare)
    while spare + n_nodes > 2 and (np.diff(names[:n_nodes]) > 0).all():
        names = rng.permutation(n_nodes + spare)
    return n_nodes + spare, names[edges], local, names


def tangle(rng, n_nodes, n_edges):
    """A random graph in which every node but the first has a parent, node 0 reaches the last, and edges are doubled."""
    pairs = [(int(rng.integers(0, v)), v) for v in range(1, n_nodes)]
    while len(pairs) < n_edges - 2:
        u, v = sorted(int(i) for i in rng.choice(n_nodes, 2, replace=False))
        pairs.append((u, v))
    pairs += [pairs[int(rng.integers(len(pairs)))], pairs[n_nodes - 2]]
    order = rng.permutation(len(pairs))
    edges = np.array([pairs[i] for i in order], dtype=np.int64)
    edges = edges[np.argsort(edges[:, int(rng.integers(2))], kind="stable")]  # by start or by end: both are topological
    return n_nodes, edges, eighths(rng, len(edges))


def chain(rng, length, parallel, sign=True):
    """Nodes in a row, each joined to the next by parallel edges: parallel ** length paths."""
    edges = np.repeat(np.stack([np.arange(length), np.arange(1, length + 1)], axis=1), parallel, axis=0)
    return length + 1, edges.astype(np.int64), eighths(rng, len(edges), sign)


def ladder(rng, diamonds):
    """Diamonds in a row, 2 ** diamonds paths; positive slopes that keep the product of a long ladder near 1."""
    step = np.array([[0, 1], [0, 2], [1, 3], [2, 3]])
    edges = np.concatenate([step + 3 * k for k in range(diamonds)])
    return 3 * diamonds + 1, edges.astype(np.int64), rng.uniform(0.6, 0.8, len(edges))


def seeds(rng, n_nodes, where=None):
    """A vector that is not zero at all nodes but one, or at the ones named."""
    chosen = np.zeros(n_nodes)
    at = rng.permutation(n_nodes)[1:] if where is None else where
    chosen[at] = eighths(rng, len(at))
    return chosen


def expression(rng, n, n_operations, squares=()):
    """A random expression of n inputs; one factor of a product is an input, so that values stay small."""
    op = rng.integers(0, 2, n_operations)
    op[:2] = rng.permutation(2)
    left, right = np.zeros(n_operations, np.int64), np.zeros(n_operations, np.int64)
    for k in range(n_operations):
        a, b = rng.integers(0, n + k), rng.integers(0, n if op[k] else n + k)
        left[k], right[k] = (a, b) if rng.integers(2) else (b, a)
    for k in squares:
        op[k], left[k], right[k] = 1, rng.integers(0, n), 0
        right[k] = left[k]
    inputs = rng.choice((-1.0, 1.0), n) * rng.uniform(1.1, 1.9, n)
    return op.astype(np.int64), left, right, inputs


def whole_graph(rng):
    """The example e = (a + b)(b + 1) as an expression."""
    return np.array([0, 0, 1]), np.array([0, 1, 3]), np.array([1, 2, 4]), np.array([2.0, 1.0, 1.0])


def power(rng):
    """x * x, then its square, then times x: every operation has parallel edges or uses a node again."""
    return np.array([1, 1, 1]), np.array([0, 1, 2]), np.array([0, 1, 0]), rng.uniform(1.1, 1.5, 1)


def between(make, spare=0):
    """Cases of sum_over_paths: the ends of a graph under new numbers."""

    def draw(rng):
        n_nodes = (graph := make(rng))[0]
        n_all, edges, local, names = scrambled(rng, *graph, spare)
        return n_all, edges, local, int(names[0]), int(names[n_nodes - 1])

    return draw


def upstream_of(make):
    """Cases of sum_over_paths without a path: from the end of a graph to its beginning."""

    def draw(rng):
        n_all, edges, local, source, target = between(make, 1)(rng)
        return n_all, edges, local, target, source

    return draw


def to_itself(make):
    def draw(rng):
        n_all, edges, local, source, _ = between(make)(rng)
        return n_all, edges, local, source, source

    return draw


def swept(make, spare=0, end=None):
    """Cases of the two sweeps: a graph under new numbers, seeds at one end or anywhere."""

    def draw(rng):
        n_nodes = (graph := make(rng))[0]
        n_all, edges, local, names = scrambled(rng, *graph, spare)
        return n_all, edges, local, seeds(rng, n_all, None if end is None else names[[end % n_nodes]])

    return draw


def sweep_cases(first, first_reason, seed, end, lesson):
    """The cases of forward_mode (seeds at the inputs) or reverse_mode (at the output)."""
    return (
        Case(first, first_reason, lambda rng: (*EXAMPLE, np.eye(6)[seed])),
        Case(
            "several seeds",
            "numbers at several nodes at once, some of them in the middle of the graph",
            lambda rng: (*EXAMPLE, seeds(rng, 6, [0, 1, 3, 4, 5])),
        ),
        Case(
            "three by three",
            "three edges join X to Y and three join Y to Z: nine paths, six edges",
            lambda rng: (*chain(rng, 2, 3), np.eye(3)[end]),
        ),
        Case(
            "other numbers",
            "the nodes are numbered in no special order; only the edges come in order",
            swept(lambda rng: tangle(rng, 6, 10), end=end),
        ),
        Case(
            "other numbers, several seeds",
            "nodes in no special order, and numbers at several of them",
            swept(lambda rng: tangle(rng, 9, 18)),
        ),
        Case(
            "a tangle",
            "a larger graph with parallel edges, and seeds anywhere",
            swept(lambda rng: tangle(rng, 9, 18)),
            hidden=True,
            similar="3, np.array([[2, 0], [2, 0], [0, 1], [2, 1]]), np.array([2.0, 3.0, 5.0, 7.0]), "
            "np.array([0.5, 0.0, 1.0])",
            lesson=lesson,
        ),
        Case(
            "unreachable nodes",
            "some nodes have no edge, others cannot be reached from the seed",
            swept(lambda rng: tangle(rng, 7, 12), spare=3, end=3),
            hidden=True,
            similar="5, np.array([[3, 1], [1, 0]]), np.array([2.0, 3.0]), np.array([0.0, 1.0, 0.0, 0.0, 0.0])",
            lesson=lesson,
        ),
        Case(
            "a ladder of 40 diamonds",
            "121 nodes and 160 edges, but 2**40 paths: a sweep is done at once, a walk along every path never",
            swept(lambda rng: ladder(rng, 40), end=end),
            hidden=True,
            cpu_limit=0.5,
            similar="121, np.array([[3 * k + i, 3 * k + j] for k in range(40) for i, j in "
            f"((0, 1), (0, 2), (1, 3), (2, 3))]), np.full(160, 0.7), np.eye(121)[{end}]",
            lesson="1.2",
        ),
    )


# The mistakes that students make here, as code. Each returns the arrays that it changes.
def own_value_on_edge(op, left, right, inputs):
    values = list(inputs)
    local = []
    for o, a, b in zip(op, left, right, strict=True):
        local += [values[a], values[b]] if o == 1 else [1.0, 1.0]
        values.append(values[a] * values[b] if o == 1 else values[a] + values[b])
    return {"local": np.array(local)}


def sums_like_products(op, left, right, inputs):
    values = list(inputs)
    local = []
    for o, a, b in zip(op, left, right, strict=True):
        local += [values[b], values[a]]
        values.append(values[a] * values[b] if o == 1 else values[a] + values[b])
    return {"local": np.array(local)}


def codes_swapped(op, left, right, inputs):
    values = list(inputs)
    local = []
    for o, a, b in zip(op, left, right, strict=True):
        local += [values[b], values[a]] if o == 0 else [1.0, 1.0]
        values.append(values[a] * values[b] if o == 0 else values[a] + values[b])
    return {"values": np.array(values), "local": np.array(local)}


def always_adds(op, left, right, inputs):
    values = list(inputs)
    for a, b in zip(left, right, strict=True):
        values.append(values[a] + values[b])
    return {"values": np.array(values), "local": np.ones(2 * len(op))}


def always_multiplies(op, left, right, inputs):
    values = list(inputs)
    local = []
    for a, b in zip(left, right, strict=True):
        local += [values[b], values[a]]
        values.append(values[a] * values[b])
    return {"values": np.array(values), "local": np.array(local)}


def square_rule_on_each_edge(op, left, right, inputs):
    values = list(inputs)
    local = []
    for o, a, b in zip(op, left, right, strict=True):
        factor = 2.0 if a == b else 1.0
        local += [factor * values[b], factor * values[a]] if o == 1 else [factor, factor]
        values.append(values[a] * values[b] if o == 1 else values[a] + values[b])
    return {"local": np.array(local)}


def edges_backwards(op, left, right, inputs):
    rows = []
    for k in range(len(op)):
        rows += [(len(inputs) + k, left[k]), (len(inputs) + k, right[k])]
    return {"edges": np.array(rows, dtype=np.int64)}


def left_edges_first(op, left, right, inputs):
    values = list(inputs)
    to_left, to_right = [], []
    for o, a, b in zip(op, left, right, strict=True):
        to_left.append(values[b] if o == 1 else 1.0)
        to_right.append(values[a] if o == 1 else 1.0)
        values.append(values[a] * values[b] if o == 1 else values[a] + values[b])
    nodes = len(inputs) + np.arange(len(op))
    starts = np.concatenate([left, right])
    return {
        "edges": np.stack([starts, np.concatenate([nodes, nodes])], axis=1),
        "local": np.array(to_left + to_right),
    }


def operations_counted_from_zero(op, left, right, inputs):
    rows = []
    for k in range(len(op)):
        rows += [(left[k], k), (right[k], k)]
    return {"edges": np.array(rows, dtype=np.int64)}


def operations_alone(op, left, right, inputs):
    values = list(inputs)
    for o, a, b in zip(op, left, right, strict=True):
        values.append(values[a] * values[b] if o == 1 else values[a] + values[b])
    return {"values": np.array(values[len(inputs) :])}


def paths_counted(n_nodes, edges, local, source, target):
    def ways(node):
        return 1 if node == target else sum(ways(v) for u, v in edges.tolist() if u == node)

    return {"total": float(ways(source))}


def slopes_added(n_nodes, edges, local, source, target):
    def walk(node, so_far):
        if node == target:
            return so_far
        return sum(
            walk(v, so_far + slope) for (u, v), slope in zip(edges.tolist(), local.tolist(), strict=True) if u == node
        )

    return {"total": float(walk(source, 0.0))}


def largest_path(n_nodes, edges, local, source, target):
    def products(node, so_far):
        if node == target:
            return [so_far]
        found = []
        for (u, v), slope in zip(edges.tolist(), local.tolist(), strict=True):
            if u == node:
                found += products(v, so_far * slope)
        return found

    return {"total": max(products(source, 1.0), default=0.0)}


def largest_path_by_size(n_nodes, edges, local, source, target):
    def products(node, so_far):
        if node == target:
            return [so_far]
        found = []
        for (u, v), slope in zip(edges.tolist(), local.tolist(), strict=True):
            if u == node:
                found += products(v, so_far * slope)
        return found

    return {"total": max(products(source, 1.0), key=abs, default=0.0)}


def first_path_alone(n_nodes, edges, local, source, target):
    def first(node):
        if node == target:
            return 1.0
        for (u, v), slope in zip(edges.tolist(), local.tolist(), strict=True):
            if u == node:
                rest = first(v)
                if rest is not None:
                    return slope * rest
        return None

    product = first(source)
    return {"total": 0.0 if product is None else product, "n_paths": 0 if product is None else 1}


def average_over_paths(n_nodes, edges, local, source, target):
    def products(node, so_far):
        if node == target:
            return [so_far]
        found = []
        for (u, v), slope in zip(edges.tolist(), local.tolist(), strict=True):
            if u == node:
                found += products(v, so_far * slope)
        return found

    found = products(source, 1.0)
    return {"total": sum(found) / max(len(found), 1)}


def dict_of_slopes(n_nodes, edges, local, source, target):
    slopes = {(u, v): slope for (u, v), slope in zip(edges.tolist(), local.tolist(), strict=True)}

    def walk(node):
        if node == target:
            return 1.0, 1
        parts = [(slope, walk(v)) for (u, v), slope in slopes.items() if u == node]
        return sum(s * t for s, (t, _) in parts), sum(c for _, (_, c) in parts)

    total, ways = walk(source)
    return {"total": float(total), "n_paths": ways}


def no_empty_path(n_nodes, edges, local, source, target):
    def walk(node):
        if node == target:
            return 1.0, 1
        parts = [(slope, walk(v)) for (u, v), slope in zip(edges.tolist(), local.tolist(), strict=True) if u == node]
        return sum(s * t for s, (t, _) in parts), sum(c for _, (_, c) in parts)

    total, ways = (0.0, 0) if source == target else walk(source)
    return {"total": float(total), "n_paths": ways}


def edges_counted(n_nodes, edges, local, source, target):
    def reached(node):
        return {node}.union(*(reached(v) for u, v in edges.tolist() if u == node))

    useful = [v for u, v in edges.tolist() if u in reached(source) and target in reached(v)]
    return {"n_paths": len(useful)}


def forward_last_edge_wins(n_nodes, edges, local, tangent):
    out = tangent.copy()
    for (u, v), slope in zip(edges, local, strict=True):
        out[v] = slope * out[u]
    return {"out": out}


def forward_strongest_edge(n_nodes, edges, local, tangent):
    out = tangent.copy()
    best = tangent.copy()
    for (u, v), slope in zip(edges, local, strict=True):
        best[v] = max(best[v], slope * out[u], key=abs)
        out[v] = best[v]
    return {"out": out}


def forward_dict_of_slopes(n_nodes, edges, local, tangent):
    slopes = {(u, v): slope for (u, v), slope in zip(edges.tolist(), local.tolist(), strict=True)}
    out = tangent.copy()
    for (u, v), slope in slopes.items():
        out[v] += slope * out[u]
    return {"out": out}


def forward_by_number(n_nodes, edges, local, tangent):
    out = tangent.copy()
    for node in range(n_nodes):
        for (u, v), slope in zip(edges.tolist(), local.tolist(), strict=True):
            if u == node:
                out[v] += slope * out[u]
    return {"out": out}


def forward_unit_seeds(n_nodes, edges, local, tangent):
    out = (tangent != 0).astype(float)
    for (u, v), slope in zip(edges, local, strict=True):
        out[v] += slope * out[u]
    return {"out": out}


def forward_one_seed(n_nodes, edges, local, tangent):
    out = np.zeros(n_nodes)
    out[np.argmax(np.abs(tangent))] = 1.0
    for (u, v), slope in zip(edges, local, strict=True):
        out[v] += slope * out[u]
    return {"out": out}


def forward_seeds_replaced(n_nodes, edges, local, tangent):
    out = tangent.copy()
    out[np.unique(edges[:, 1])] = 0.0
    for (u, v), slope in zip(edges, local, strict=True):
        out[v] += slope * out[u]
    return {"out": out}


def forward_against_the_order(n_nodes, edges, local, tangent):
    out = tangent.copy()
    for (u, v), slope in zip(edges[::-1], local[::-1], strict=True):
        out[v] += slope * out[u]
    return {"out": out}


def forward_is_reverse(n_nodes, edges, local, tangent):
    out = tangent.copy()
    for (u, v), slope in zip(edges[::-1], local[::-1], strict=True):
        out[u] += slope * out[v]
    return {"out": out}


def forward_paths_counted(n_nodes, edges, local, tangent):
    out = tangent.copy()
    for u, v in edges:
        out[v] += out[u]
    return {"out": out}


def forward_slopes_added(n_nodes, edges, local, tangent):
    out = tangent.copy()
    for (u, v), slope in zip(edges, local, strict=True):
        out[v] += slope + out[u]
    return {"out": out}


def forward_slopes_alone(n_nodes, edges, local, tangent):
    out = tangent.copy()
    for (_, v), slope in zip(edges, local, strict=True):
        out[v] += slope
    return {"out": out}


def reverse_last_edge_wins(n_nodes, edges, local, cotangent):
    out = cotangent.copy()
    for (u, v), slope in zip(edges[::-1], local[::-1], strict=True):
        out[u] = slope * out[v]
    return {"out": out}


def reverse_strongest_edge(n_nodes, edges, local, cotangent):
    out = cotangent.copy()
    for (u, v), slope in zip(edges[::-1], local[::-1], strict=True):
        out[u] = max(out[u], slope * out[v], key=abs)
    return {"out": out}


def reverse_dict_of_slopes(n_nodes, edges, local, cotangent):
    slopes = {(u, v): slope for (u, v), slope in zip(edges.tolist(), local.tolist(), strict=True)}
    out = cotangent.copy()
    for (u, v), slope in reversed(slopes.items()):
        out[u] += slope * out[v]
    return {"out": out}


def reverse_by_number(n_nodes, edges, local, cotangent):
    out = cotangent.copy()
    for node in reversed(range(n_nodes)):
        for (u, v), slope in zip(edges.tolist(), local.tolist(), strict=True):
            if v == node:
                out[u] += slope * out[v]
    return {"out": out}


def reverse_unit_seeds(n_nodes, edges, local, cotangent):
    out = (cotangent != 0).astype(float)
    for (u, v), slope in zip(edges[::-1], local[::-1], strict=True):
        out[u] += slope * out[v]
    return {"out": out}


def reverse_one_seed(n_nodes, edges, local, cotangent):
    out = np.zeros(n_nodes)
    out[np.argmax(np.abs(cotangent))] = 1.0
    for (u, v), slope in zip(edges[::-1], local[::-1], strict=True):
        out[u] += slope * out[v]
    return {"out": out}


def reverse_seeds_replaced(n_nodes, edges, local, cotangent):
    out = cotangent.copy()
    out[np.unique(edges[:, 0])] = 0.0
    for (u, v), slope in zip(edges[::-1], local[::-1], strict=True):
        out[u] += slope * out[v]
    return {"out": out}


def reverse_in_forward_order(n_nodes, edges, local, cotangent):
    out = cotangent.copy()
    for (u, v), slope in zip(edges, local, strict=True):
        out[u] += slope * out[v]
    return {"out": out}


def reverse_is_forward(n_nodes, edges, local, cotangent):
    out = cotangent.copy()
    for (u, v), slope in zip(edges, local, strict=True):
        out[v] += slope * out[u]
    return {"out": out}


def reverse_paths_counted(n_nodes, edges, local, cotangent):
    out = cotangent.copy()
    for u, v in edges[::-1]:
        out[u] += out[v]
    return {"out": out}


def reverse_slopes_added(n_nodes, edges, local, cotangent):
    out = cotangent.copy()
    for (u, v), slope in zip(edges[::-1], local[::-1], strict=True):
        out[u] += slope + out[v]
    return {"out": out}


def reverse_slopes_alone(n_nodes, edges, local, cotangent):
    out = cotangent.copy()
    for (u, _), slope in zip(edges[::-1], local[::-1], strict=True):
        out[u] += slope
    return {"out": out}


def sweep_misconceptions(swap, order, **wrong):
    """What goes wrong in either sweep; `wrong` has the code for this one, `swap` and `order` what differs in words."""
    return (
        Misconception(
            id="last-edge-wins",
            sentence="Your out keeps what the last edge brought to a node and forgets the edges before it.",
            hints=(
                "What should happen at a node where two edges meet?",
                "Look at the assignment inside your loop: does it add to what is there, or replace it?",
            ),
            wrong=(wrong["last_edge_wins"],),
        ),
        Misconception(
            id="largest-path-only",
            sentence="Your out keeps the strongest edge at a node where a sum belongs.",
            hints=(
                "Two paths carry 2 and 3. How fast does the node move?",
                "Derivatives along different ways do not compete: they add up.",
            ),
            wrong=(wrong["strongest_edge"],),
        ),
        Misconception(
            id="parallel-edges-lost",
            sentence="Your out counts only one of several edges between the same two nodes.",
            hints=(
                "How many edges does x * x have between x and the product?",
                "Are your edges in a dictionary or a matrix with the two nodes as the key? What is stored there twice?",
            ),
            wrong=(wrong["dict_of_slopes"],),
        ),
        Misconception(
            id="order-by-node-number",
            sentence="Your out visits the nodes in the order of their numbers, which says nothing about who comes "
            "first.",
            hints=(
                "Must a node's number be larger than those of the nodes that it is computed from?",
                "The contract promises an order for one of the arguments. Which one?",
            ),
            wrong=(wrong["by_number"],),
        ),
        Misconception(
            id="seeds-ignored",
            sentence="Your out does not use the numbers that it is started with: it puts ones in their place.",
            hints=(
                "If every seed is doubled, what happens to the true result, and what to yours?",
                "The seed is a vector of numbers, not a choice of nodes.",
            ),
            wrong=(wrong["unit_seeds"], wrong["one_seed"]),
        ),
        Misconception(
            id="seeds-replaced",
            sentence="Your out loses the seed of every node that an edge also brings something to.",
            hints=(
                "A node in the middle may have a seed of its own. Where is it in your result?",
                "Read the formula again: the sum over edges has a term before it.",
            ),
            wrong=(wrong["seeds_replaced"],),
        ),
        Misconception(
            id="sweep-order",
            sentence=f"Your out runs through the edges {order}, so that nodes pass on what they have not yet received.",
            hints=(
                "When may a node pass its number on: before or after all its contributions have arrived?",
                "Follow the second edge of a chain of three nodes. Has its start got its number by then?",
            ),
            wrong=(wrong["sweep_order"],),
        ),
        Misconception(
            id="direction-swapped",
            sentence=f"Your out is the other sweep: {swap}.",
            hints=(
                "Which end of an edge gives here, and which receives?",
                "Start with a single 1 and see in which direction it spreads.",
            ),
            wrong=(wrong["direction"],),
        ),
        Misconception(
            id="paths-counted",
            sentence="Your out counts paths: the local derivatives along the edges are not in it.",
            hints=(
                "If every local derivative is doubled, what happens to your result?",
                "What has to be done with the number on an edge when something passes along it?",
            ),
            wrong=(wrong["paths_counted"],),
        ),
        Misconception(
            id="slopes-added",
            sentence="Your out adds a local derivative at every edge where it belongs multiplied with what arrives.",
            hints=(
                "a moves b three times as fast, b moves c twice as fast. How fast does a move c?",
                "What should an edge hand on when nothing arrives at its start?",
            ),
            wrong=(wrong["slopes_added"], wrong["slopes_alone"]),
        ),
    )


EXERCISES = (
    Function(
        reference=local_derivatives,
        assignment="01_computational_graphs",
        points=3,
        returns=("values", "edges", "local"),
        misconceptions=(
            Misconception(
                id="own-value-on-edge",
                sentence="Your local puts each factor of a product on its own edge.",
                hints=(
                    "If a grows by a little, by how much does a * b grow?",
                    "At a = 3, b = 2, what stands on the edge from a? Nudge a and see.",
                ),
                wrong=(own_value_on_edge,),
            ),
            Misconception(
                id="sums-like-products",
                sentence="Your local treats a sum like a product: its edges carry the other operand's value.",
                hints=(
                    "If a grows by 0.1, by how much does a + b grow? Does that depend on b?",
                    "The two operations need two rules. Does your local ask which one it is?",
                ),
                wrong=(sums_like_products,),
            ),
            Misconception(
                id="operations-swapped",
                sentence="In your {array} the two operations are swapped: added where op says multiply, multiplied "
                "where it says add.",
                hints=(
                    "Which code stands for which operation?",
                    "Try the smallest graph: one operation with op = 0 on the inputs 3 and 4.",
                ),
                wrong=(codes_swapped,),
            ),
            Misconception(
                id="one-operation-only",
                sentence="Your {array} {is} what comes out when one operation does for all, whatever op says.",
                hints=(
                    "Which of your arguments is never asked?",
                    "What is 3 * 4, and what is 3 + 4? Try a graph of one operation, then the other.",
                ),
                wrong=(always_adds, always_multiplies),
            ),
            Misconception(
                id="square-counted-twice",
                sentence="Your local gives each of two parallel edges what the two carry together.",
                hints=(
                    "x * x has two edges from x. What should the sum of their numbers be?",
                    "The derivative along one edge alone pretends that the other operand stands still.",
                ),
                wrong=(square_rule_on_each_edge,),
            ),
            Misconception(
                id="edges-backwards",
                sentence="Your edges point from the result to its operands.",
                hints=(
                    "In which direction do the values flow?",
                    "The first column is where an edge starts, the second where it ends.",
                ),
                wrong=(edges_backwards,),
            ),
            Misconception(
                id="edges-in-other-order",
                sentence="Your {array} {has} all left operands first and then all right ones.",
                hints=(
                    "Which two rows belong to operation k?",
                    "The two edges of one operation stand together, the left one first.",
                ),
                wrong=(left_edges_first,),
            ),
            Misconception(
                id="operations-counted-from-zero",
                sentence="Your edges number the operations from 0, which is where the inputs are.",
                hints=(
                    "Which number has the first operation when there are three inputs?",
                    "Inputs and operations share one numbering. Which of them come first?",
                ),
                wrong=(operations_counted_from_zero,),
            ),
            Misconception(
                id="inputs-left-out",
                sentence="Your values hold the operations alone; the inputs are nodes too.",
                hints=(
                    "How many nodes does the graph have?",
                    "What is the value of node 0?",
                ),
                wrong=(operations_alone,),
            ),
        ),
        cases=(
            Case("the example", "(a + b)(b + 1) at a = 2, b = 1", whole_graph),
            Case("powers", "x * x has two edges between the same two nodes, and so has its square", power),
            Case("five operations", "sums and products of three inputs", lambda rng: expression(rng, 3, 5)),
            Case(
                "twelve operations",
                "a longer expression, in which a node may be used often or never",
                lambda rng: expression(rng, 4, 12),
                hidden=True,
                similar="np.array([1, 0, 1]), np.array([0, 2, 3]), np.array([1, 2, 0]), np.array([1.5, -2.0])",
                lesson="1.1",
            ),
            Case(
                "more squares",
                "products of a node with itself inside a longer expression",
                lambda rng: expression(rng, 2, 7, squares=(1, 4)),
                hidden=True,
                similar="np.array([0, 1, 1]), np.array([0, 2, 3]), np.array([1, 2, 0]), np.array([1.5, -2.0])",
                lesson="1.1",
            ),
            Case(
                "one operation",
                "the smallest graph with a product",
                lambda rng: (np.array([1]), np.array([1]), np.array([0]), rng.uniform(2, 3, 2)),
                hidden=True,
                similar="np.array([1]), np.array([0]), np.array([1]), np.array([3.0, 4.0])",
                lesson="1.1",
            ),
        ),
    ),
    Function(
        reference=sum_over_paths,
        assignment="01_computational_graphs",
        points=2,
        returns=("total", "n_paths"),
        misconceptions=(
            Misconception(
                id="paths-counted",
                sentence="Your total is the number of paths; the local derivatives are not in it.",
                hints=(
                    "If every local derivative is doubled, what happens to your total?",
                    "What does one path contribute?",
                ),
                wrong=(paths_counted,),
            ),
            Misconception(
                id="slopes-added",
                sentence="Your total adds up the local derivatives along a path where they belong multiplied.",
                hints=(
                    "a moves b three times as fast, b moves c twice as fast. How fast does a move c?",
                    "The chain rule is about one path. Which operation does it use?",
                ),
                wrong=(slopes_added,),
            ),
            Misconception(
                id="largest-path-only",
                sentence="Your total is the largest path's product; the other paths are not in it.",
                hints=(
                    "Two paths carry 2 and 3. How fast does the end move?",
                    "Paths do not compete: what comes along each of them arrives.",
                ),
                wrong=(largest_path, largest_path_by_size),
            ),
            Misconception(
                id="first-path-only",
                sentence="Your {array} {is} what the first path found gives; the walk stops there.",
                hints=(
                    "How many paths lead from b to e in the example?",
                    "Where in your walk does a return end the search before the other edges were tried?",
                ),
                wrong=(first_path_alone,),
            ),
            Misconception(
                id="averaged-over-paths",
                sentence="Your total is the average over the paths where a sum belongs.",
                hints=(
                    "If a second path of the same strength is opened, does the end move faster or not?",
                    "What is divided by the number of paths in your code, and which rule asks for that?",
                ),
                wrong=(average_over_paths,),
            ),
            Misconception(
                id="parallel-edges-lost",
                sentence="In your {array} only one of several edges between the same two nodes counts.",
                hints=(
                    "How many paths has X to Z when three edges join X to Y and three join Y to Z?",
                    "Are your edges in a dictionary or a matrix with the two nodes as the key? What is stored there "
                    "twice?",
                ),
                wrong=(dict_of_slopes,),
            ),
            Misconception(
                id="empty-path-forgotten",
                sentence="Your {array} {has} no path from a node to itself.",
                hints=(
                    "What is the derivative of a node with respect to itself?",
                    "A path may have no edges. What is a product of no factors?",
                ),
                wrong=(no_empty_path,),
            ),
            Misconception(
                id="edges-counted",
                sentence="Your n_paths counts edges, not paths.",
                hints=(
                    "Draw three edges from X to Y and three from Y to Z. How many different ways lead through?",
                    "Where ways branch one after another, are their numbers added or multiplied?",
                ),
                wrong=(edges_counted,),
            ),
        ),
        cases=(
            Case("the example", "from b to e two paths lead: 2 + 3", lambda rng: (*EXAMPLE, 1, 5)),
            Case(
                "three by three",
                "three edges join X to Y and three join Y to Z: nine paths",
                lambda rng: (*chain(rng, 2, 3), 0, 2),
            ),
            Case("no path", "the edges lead the other way only", upstream_of(lambda rng: tangle(rng, 4, 6))),
            Case("to itself", "a node has one path to itself, of no edges", to_itself(lambda rng: tangle(rng, 4, 6))),
            Case(
                "a detour",
                "one edge leads straight to the end, two others over a third node, whose number is the largest",
                lambda rng: (3, np.array([[0, 2], [0, 1], [2, 1]]), eighths(rng, 3), 0, 1),
            ),
            Case(
                "a tangle",
                "a graph with parallel edges and nodes in no special order",
                between(lambda rng: tangle(rng, 6, 12)),
                hidden=True,
                similar="3, np.array([[2, 0], [2, 0], [0, 1], [2, 1]]), np.array([2.0, 3.0, 5.0, 7.0]), 2, 1",
                lesson="1.2",
            ),
            Case(
                "729 paths",
                "six steps of three parallel edges each",
                between(lambda rng: chain(rng, 6, 3)),
                hidden=True,
                similar="3, np.array([[2, 0], [2, 0], [2, 0], [0, 1], [0, 1], [0, 1]]), np.ones(6), 2, 1",
                lesson="1.2",
            ),
            Case(
                "unreachable nodes",
                "the end stands alone, without an edge",
                lambda rng: (7, tangle(rng, 6, 10)[1], eighths(rng, 10), 0, 6),
                hidden=True,
                similar="3, np.array([[0, 1]]), np.array([2.0]), 0, 2",
                lesson="1.2",
            ),
            Case(
                "another to itself",
                "a node has one path to itself, in the middle of a graph too",
                lambda rng: (*tangle(rng, 6, 10), 3, 3),
                hidden=True,
                similar="3, np.array([[0, 1], [1, 2]]), np.array([2.0, 3.0]), 1, 1",
                lesson="1.2",
            ),
        ),
    ),
    Function(
        reference=forward_mode,
        assignment="01_computational_graphs",
        points=2,
        returns=("out",),
        misconceptions=sweep_misconceptions(
            swap="numbers flow from the outputs to the inputs",
            order="from the last to the first",
            last_edge_wins=forward_last_edge_wins,
            strongest_edge=forward_strongest_edge,
            dict_of_slopes=forward_dict_of_slopes,
            by_number=forward_by_number,
            unit_seeds=forward_unit_seeds,
            one_seed=forward_one_seed,
            seeds_replaced=forward_seeds_replaced,
            sweep_order=forward_against_the_order,
            direction=forward_is_reverse,
            paths_counted=forward_paths_counted,
            slopes_added=forward_slopes_added,
            slopes_alone=forward_slopes_alone,
        ),
        cases=sweep_cases("the example, from b", "the derivative of every node with respect to b", 1, 0, "1.3"),
    ),
    Function(
        reference=reverse_mode,
        assignment="01_computational_graphs",
        points=3,
        returns=("out",),
        misconceptions=sweep_misconceptions(
            swap="numbers flow from the inputs to the outputs",
            order="from the first to the last",
            last_edge_wins=reverse_last_edge_wins,
            strongest_edge=reverse_strongest_edge,
            dict_of_slopes=reverse_dict_of_slopes,
            by_number=reverse_by_number,
            unit_seeds=reverse_unit_seeds,
            one_seed=reverse_one_seed,
            seeds_replaced=reverse_seeds_replaced,
            sweep_order=reverse_in_forward_order,
            direction=reverse_is_forward,
            paths_counted=reverse_paths_counted,
            slopes_added=reverse_slopes_added,
            slopes_alone=reverse_slopes_alone,
        ),
        cases=sweep_cases("the example, from e", "the derivative of e with respect to every node", 5, -1, "1.4"),
    ),
)
