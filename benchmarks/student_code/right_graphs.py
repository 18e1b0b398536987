"""Right walks over graphs in as many styles as we could think of.

A cell's title is `right: how it is written`.
"""

# %% given
from collections import defaultdict, deque

import numpy as np


# %% right: lists that grow
def local_derivatives(op, left, right, inputs):
    values, edges, local = list(inputs), [], []
    for o, a, b in zip(op, left, right):
        node = len(values)
        edges += [[a, node], [b, node]]
        if o == 1:
            local += [values[b], values[a]]
            values.append(values[a] * values[b])
        else:
            local += [1.0, 1.0]
            values.append(values[a] + values[b])
    return np.array(values), np.array(edges), np.array(local)


# %% right: whole arrays for the edges
def local_derivatives(op, left, right, inputs):
    n, k = inputs.size, op.size
    values = np.append(inputs, np.zeros(k))
    for i in range(k):
        pair = values[[left[i], right[i]]]
        values[n + i] = pair.prod() if op[i] else pair.sum()
    nodes = np.arange(n, n + k)
    edges = np.stack([np.stack([left, nodes], 1), np.stack([right, nodes], 1)], 1).reshape(-1, 2)
    local = np.where(op[:, None] == 1, np.stack([values[right], values[left]], 1), 1.0).ravel()
    return values, edges, local


# %% right: a table of functions
RULES = {0: lambda a, b: (a + b, 1.0, 1.0), 1: lambda a, b: (a * b, b, a)}


def local_derivatives(op, left, right, inputs):
    n, k = len(inputs), len(op)
    values = np.concatenate((inputs, np.empty(k)))
    edges = np.empty((2 * k, 2), dtype=int)
    local = np.empty(2 * k)
    for i in range(k):
        values[n + i], local[2 * i], local[2 * i + 1] = RULES[int(op[i])](values[left[i]], values[right[i]])
        edges[2 * i], edges[2 * i + 1] = (left[i], n + i), (right[i], n + i)
    return [values, edges, local]


# %% right: recursion over successors
def sum_over_paths(n_nodes, edges, local, source, target):
    leaving = defaultdict(list)
    for (u, v), s in zip(edges.tolist(), local.tolist()):
        leaving[u].append((v, s))

    def walk(node):
        if node == target:
            return 1.0, 1
        parts = [(s, *walk(v)) for v, s in leaving[node]]
        return sum(s * d for s, d, _ in parts), sum(c for *_, c in parts)

    total, count = walk(source)
    return float(total), count


# %% right: a stack of unfinished paths
def sum_over_paths(n_nodes, edges, local, source, target):
    total, count, stack = 0.0, 0, [(source, 1.0)]
    while stack:
        node, product = stack.pop()
        if node == target:
            total += product
            count += 1
            continue
        for e in range(len(edges)):
            if edges[e][0] == node:
                stack.append((edges[e][1], product * local[e]))
    return total, count


# %% right: powers of the adjacency matrix
def sum_over_paths(n_nodes, edges, local, source, target):
    slopes, ways = np.zeros((n_nodes, n_nodes)), np.zeros((n_nodes, n_nodes), dtype=int)
    for (u, v), s in zip(edges, local):
        slopes[u, v] += s
        ways[u, v] += 1
    total, count = np.eye(n_nodes), np.eye(n_nodes, dtype=int)
    step, counted = np.eye(n_nodes), np.eye(n_nodes, dtype=int)
    for _ in range(n_nodes):
        step, counted = step @ slopes, counted @ ways
        total, count = total + step, count + counted
    return total[source, target], count[source, target]


# %% right: a generator of paths
def paths(edges, node, target):
    if node == target:
        yield []
        return
    for e, (u, v) in enumerate(edges):
        if u == node:
            for rest in paths(edges, v, target):
                yield [e, *rest]


def sum_over_paths(n_nodes, edges, local, source, target):
    found = list(paths(edges.tolist(), source, target))
    return float(sum(np.prod(local[path]) if path else 1.0 for path in found)), len(found)


# %% right: in place on a copy
def forward_mode(n_nodes, edges, local, tangent):
    out = tangent.copy()
    for e in range(len(local)):
        u, v = edges[e]
        out[v] += local[e] * out[u]
    return out


# %% right: on the argument itself
def forward_mode(n_nodes, edges, local, tangent):
    for (u, v), slope in zip(edges, local):
        tangent[v] = tangent[v] + slope * tangent[u]
    return tangent


# %% right: Python's lists
def forward_mode(n_nodes, edges, local, tangent):
    speed = tangent.tolist()
    for (u, v), slope in zip(edges.tolist(), local.tolist()):
        speed[v] += slope * speed[u]
    return np.array(speed)


# %% right: Kahn's order
def forward_mode(n_nodes, edges, local, tangent):
    waiting, leaving = [0] * n_nodes, defaultdict(list)
    for (u, v), s in zip(edges.tolist(), local):
        waiting[v] += 1
        leaving[u].append((v, s))
    out = np.array(tangent, dtype=float)
    ready = deque(i for i in range(n_nodes) if not waiting[i])
    while ready:
        u = ready.popleft()
        for v, s in leaving[u]:
            out[v] += s * out[u]
            waiting[v] -= 1
            if not waiting[v]:
                ready.append(v)
    return out


# %% right: a linear system
def forward_mode(n_nodes, edges, local, tangent):
    matrix = np.eye(n_nodes)
    np.subtract.at(matrix, (edges[:, 1], edges[:, 0]), local)
    return np.linalg.solve(matrix, tangent)


# %% right: reversed
def reverse_mode(n_nodes, edges, local, cotangent):
    out = cotangent.copy()
    for e in reversed(range(len(edges))):
        u, v = edges[e]
        out[u] += out[v] * local[e]
    return out


# %% right: a while loop
def reverse_mode(n_nodes, edges, local, cotangent):
    grad, e = cotangent * 1.0, len(edges) - 1
    while e >= 0:
        grad[edges[e, 0]] += local[e] * grad[edges[e, 1]]
        e -= 1
    return grad


# %% right: memory of each node's answer
def reverse_mode(n_nodes, edges, local, cotangent):
    leaving, known = defaultdict(list), {}
    for (u, v), s in zip(edges.tolist(), local.tolist()):
        leaving[u].append((v, s))

    def answer(node):
        if node not in known:
            known[node] = cotangent[node] + sum(s * answer(v) for v, s in leaving[node])
        return known[node]

    return np.array([answer(i) for i in range(n_nodes)])


# %% right: np.flip
def reverse_mode(n_nodes, edges, local, cotangent):
    out = np.zeros(n_nodes)
    out += cotangent
    for (u, v), s in zip(np.flip(edges, axis=0), np.flip(local)):
        out[u] = out[u] + s * out[v]
    return out
