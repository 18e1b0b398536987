"""The sweeps and walks of the first notebook as students get them wrong, every mistake here in three hands.

A cell's title is `ids @ function: how it is written`.
"""

# %% given
import numpy as np


# %% paths-counted @ sum_over_paths: the count twice
def sum_over_paths(n_nodes, edges, local, source, target):
    def ways(node):
        return 1 if node == target else sum(ways(v) for u, v in edges if u == node)

    return float(ways(source)), ways(source)


# %% paths-counted @ sum_over_paths: products of ones
def sum_over_paths(n_nodes, edges, local, source, target):
    total, count, todo = 0.0, 0, [(source, 1.0)]
    while todo:
        node, product = todo.pop()
        if node == target:
            total, count = total + product, count + 1
            continue
        todo += [(v, product * 1.0) for u, v in edges if u == node]
    return total, count


# %% paths-counted @ sum_over_paths: slopes read and dropped
def sum_over_paths(n_nodes, edges, local, source, target):
    def walk(node):
        if node == target:
            return 1.0, 1
        d, c = 0.0, 0
        for (u, v), slope in zip(edges, local):
            if u == node:
                dd, cc = walk(v)
                d, c = d + dd, c + cc
        return d, c

    return walk(source)


# %% slopes-added @ sum_over_paths: a running sum
def sum_over_paths(n_nodes, edges, local, source, target):
    total, count, todo = 0.0, 0, [(source, 0.0)]
    while todo:
        node, so_far = todo.pop()
        if node == target:
            total += so_far
            count += 1
            continue
        todo += [(v, so_far + s) for (u, v), s in zip(edges, local) if u == node]
    return total, count


# %% slopes-added @ sum_over_paths: paths listed
def sum_over_paths(n_nodes, edges, local, source, target):
    def paths(node):
        if node == target:
            yield []
            return
        for e in np.flatnonzero(edges[:, 0] == node):
            for rest in paths(edges[e, 1]):
                yield [e, *rest]

    found = list(paths(source))
    return float(sum(local[e] for path in found for e in path)), len(found)


# %% slopes-added @ sum_over_paths: recursion
def sum_over_paths(n_nodes, edges, local, source, target):
    found = []

    def walk(node, length):
        if node == target:
            found.append(length)
        else:
            for k in range(len(edges)):
                if edges[k, 0] == node:
                    walk(edges[k, 1], length + local[k])

    walk(source, 0.0)
    return float(np.sum(found)), len(found)


# %% last-edge-wins @ forward_mode: an equals sign
def forward_mode(n_nodes, edges, local, tangent):
    out = tangent.copy()
    for e in range(len(edges)):
        u, v = edges[e]
        out[v] = local[e] * out[u]
    return out


# %% last-edge-wins @ forward_mode: a list
def forward_mode(n_nodes, edges, local, tangent):
    out = list(tangent)
    for (u, v), s in zip(edges.tolist(), local):
        out[v] = out[u] * s
    return np.array(out)


# %% last-edge-wins @ forward_mode: a dictionary
def forward_mode(n_nodes, edges, local, tangent):
    out = dict(enumerate(tangent))
    for (u, v), s in zip(edges.tolist(), local):
        out.update({v: s * out[u]})
    return np.array([out[i] for i in range(n_nodes)])


# %% last-edge-wins @ reverse_mode: an equals sign
def reverse_mode(n_nodes, edges, local, cotangent):
    out = cotangent.copy()
    for e in reversed(range(len(edges))):
        u, v = edges[e]
        out[u] = local[e] * out[v]
    return out


# %% last-edge-wins @ reverse_mode: a list, from the end
def reverse_mode(n_nodes, edges, local, cotangent):
    out = list(cotangent)
    for (u, v), s in list(zip(edges.tolist(), local))[::-1]:
        out[u] = out[v] * s
    return np.array(out)


# %% last-edge-wins @ reverse_mode: np.flip
def reverse_mode(n_nodes, edges, local, cotangent):
    grad = np.array(cotangent)
    for (u, v), s in zip(np.flip(edges, 0), np.flip(local)):
        grad[u] = s * grad[v]
    return grad


# %% sweep-order @ forward_mode: backwards
def forward_mode(n_nodes, edges, local, tangent):
    out = tangent.copy()
    for e in range(len(edges) - 1, -1, -1):
        out[edges[e, 1]] += local[e] * out[edges[e, 0]]
    return out


# %% sweep-order @ forward_mode: popped from the end
def forward_mode(n_nodes, edges, local, tangent):
    out, todo = tangent.copy(), list(zip(edges.tolist(), local.tolist()))
    while todo:
        (u, v), s = todo.pop()
        out[v] += s * out[u]
    return out


# %% sweep-order @ forward_mode: reversed
def forward_mode(n_nodes, edges, local, tangent):
    out = 1.0 * tangent
    for (u, v), s in reversed(list(zip(edges, local))):
        out[v] = out[v] + s * out[u]
    return out


# %% sweep-order @ reverse_mode: forwards
def reverse_mode(n_nodes, edges, local, cotangent):
    out = cotangent.copy()
    for (u, v), s in zip(edges, local):
        out[u] += s * out[v]
    return out


# %% sweep-order @ reverse_mode: an index from 0
def reverse_mode(n_nodes, edges, local, cotangent):
    out, e = np.array(cotangent), 0
    while e < len(edges):
        u, v = edges[e]
        out[u] = out[u] + local[e] * out[v]
        e += 1
    return out


# %% sweep-order @ reverse_mode: reversed twice
def reverse_mode(n_nodes, edges, local, cotangent):
    out = cotangent.tolist()
    for (u, v), s in zip(edges[::-1][::-1].tolist(), local):
        out[u] += s * out[v]
    return np.array(out)


# %% direction-swapped @ forward_mode: the ends swapped
def forward_mode(n_nodes, edges, local, tangent):
    out = tangent.copy()
    for (u, v), s in zip(edges[::-1], local[::-1]):
        out[u] += s * out[v]
    return out


# %% direction-swapped @ forward_mode: a transposed system
def forward_mode(n_nodes, edges, local, tangent):
    matrix = np.eye(n_nodes)
    for (u, v), s in zip(edges, local):
        matrix[u, v] -= s
    return np.linalg.solve(matrix, tangent)


# %% direction-swapped @ forward_mode: recursion over what leaves
def forward_mode(n_nodes, edges, local, tangent):
    known = {}

    def speed(node):
        if node not in known:
            known[node] = tangent[node] + sum(s * speed(v) for (u, v), s in zip(edges.tolist(), local) if u == node)
        return known[node]

    return np.array([speed(i) for i in range(n_nodes)])


# %% direction-swapped @ reverse_mode: the other sweep
def reverse_mode(n_nodes, edges, local, cotangent):
    out = cotangent.copy()
    for (u, v), s in zip(edges, local):
        out[v] += s * out[u]
    return out


# %% direction-swapped @ reverse_mode: a system
def reverse_mode(n_nodes, edges, local, cotangent):
    matrix = np.eye(n_nodes)
    np.subtract.at(matrix, (edges[:, 1], edges[:, 0]), local)
    return np.linalg.inv(matrix) @ cotangent


# %% direction-swapped @ reverse_mode: recursion over what arrives
def reverse_mode(n_nodes, edges, local, cotangent):
    known = {}

    def answer(node):
        if node not in known:
            known[node] = cotangent[node] + sum(s * answer(u) for (u, v), s in zip(edges.tolist(), local) if v == node)
        return known[node]

    return np.array([answer(i) for i in range(n_nodes)])


# %% slopes-added @ forward_mode: plus
def forward_mode(n_nodes, edges, local, tangent):
    out = tangent.copy()
    for (u, v), s in zip(edges, local):
        out[v] += s + out[u]
    return out


# %% slopes-added @ forward_mode: the slopes alone
def forward_mode(n_nodes, edges, local, tangent):
    return tangent + np.bincount(edges[:, 1], weights=local, minlength=n_nodes)


# %% slopes-added @ forward_mode: np.add.at
def forward_mode(n_nodes, edges, local, tangent):
    out = np.array(tangent)
    np.add.at(out, edges[:, 1], local)
    return out


# %% paths-counted @ forward_mode: no slope
def forward_mode(n_nodes, edges, local, tangent):
    out = tangent.copy()
    for u, v in edges:
        out[v] += out[u]
    return out


# %% paths-counted @ forward_mode: ones for slopes
def forward_mode(n_nodes, edges, local, tangent):
    out = tangent * 1.0
    for (u, v), s in zip(edges.tolist(), np.ones_like(local)):
        out[v] = out[v] + s * out[u]
    return out


# %% paths-counted @ forward_mode: an adjacency matrix
def forward_mode(n_nodes, edges, local, tangent):
    matrix = np.eye(n_nodes)
    for u, v in edges:
        matrix[v, u] -= 1
    return np.linalg.solve(matrix, tangent)


# %% own-value-on-edge @ local_derivatives: the own factor
def local_derivatives(op, left, right, inputs):
    values, edges, local = list(inputs), [], []
    for o, a, b in zip(op, left, right):
        node, x, y = len(values), values[a], values[b]
        edges += [(a, node), (b, node)]
        local += [x, y] if o else [1.0, 1.0]
        values.append(x * y if o else x + y)
    return np.array(values), np.array(edges), np.array(local)


# %% own-value-on-edge @ local_derivatives: whole arrays
def local_derivatives(op, left, right, inputs):
    n, k = len(inputs), len(op)
    v = np.append(inputs, np.zeros(k))
    for i in range(k):
        v[n + i] = v[left[i]] * v[right[i]] if op[i] == 1 else v[left[i]] + v[right[i]]
    to = np.arange(n, n + k)
    edges = np.column_stack([left, to, right, to]).reshape(-1, 2)
    local = np.where(np.repeat(op, 2) == 1, v[edges[:, 0]], 1.0)
    return v, edges, local


# %% own-value-on-edge @ local_derivatives: two branches
def local_derivatives(op, left, right, inputs):
    n = len(inputs)
    values = np.concatenate([inputs, np.zeros(len(op))])
    edges, local = np.zeros((2 * len(op), 2), int), np.zeros(2 * len(op))
    for k in range(len(op)):
        edges[2 * k], edges[2 * k + 1] = [left[k], n + k], [right[k], n + k]
        if op[k] == 1:
            values[n + k] = values[left[k]] * values[right[k]]
            local[2 * k], local[2 * k + 1] = values[left[k]], values[right[k]]
        else:
            values[n + k] = values[left[k]] + values[right[k]]
            local[2 * k] = local[2 * k + 1] = 1
    return values, edges, local


# %% sums-like-products @ local_derivatives: no question asked
def local_derivatives(op, left, right, inputs):
    values, edges, local = list(inputs), [], []
    for o, a, b in zip(op, left, right):
        edges += [(a, len(values)), (b, len(values))]
        local += [values[b], values[a]]
        values.append(values[a] * values[b] if o else values[a] + values[b])
    return np.array(values), np.array(edges), np.array(local)


# %% sums-like-products @ local_derivatives: whole arrays
def local_derivatives(op, left, right, inputs):
    n, k = len(inputs), len(op)
    v = np.append(inputs, np.zeros(k))
    for i in range(k):
        pair = v[[left[i], right[i]]]
        v[n + i] = [np.sum, np.prod][op[i]](pair)
    to = np.arange(n, n + k)
    edges = np.column_stack([left, to, right, to]).reshape(-1, 2)
    return v, edges, np.column_stack([v[right], v[left]]).ravel()


# %% sums-like-products @ local_derivatives: an index table
def local_derivatives(op, left, right, inputs):
    n = len(inputs)
    values = np.concatenate([inputs, np.zeros(len(op))])
    edges, local = np.zeros((2 * len(op), 2), int), np.zeros(2 * len(op))
    for k in range(len(op)):
        a, b = values[left[k]], values[right[k]]
        values[n + k] = a + b if op[k] == 0 else a * b
        for j, (start, slope) in enumerate(((left[k], b), (right[k], a))):
            edges[2 * k + j] = start, n + k
            local[2 * k + j] = slope
    return values, edges, local


# %% edges-backwards @ local_derivatives: the node first
def local_derivatives(op, left, right, inputs):
    values, edges, local = list(inputs), [], []
    for o, a, b in zip(op, left, right):
        node, x, y = len(values), values[a], values[b]
        edges += [(node, a), (node, b)]
        local += [y, x] if o else [1.0, 1.0]
        values.append(x * y if o else x + y)
    return np.array(values), np.array(edges), np.array(local)


# %% edges-backwards @ local_derivatives: columns swapped at the end
def local_derivatives(op, left, right, inputs):
    n, k = len(inputs), len(op)
    v = np.append(inputs, np.zeros(k))
    for i in range(k):
        v[n + i] = v[left[i]] * v[right[i]] if op[i] == 1 else v[left[i]] + v[right[i]]
    to = np.arange(n, n + k)
    edges = np.column_stack([to, left, to, right]).reshape(-1, 2)
    local = np.where(np.repeat(op, 2) == 1, np.column_stack([v[right], v[left]]).ravel(), 1.0)
    return v, edges, local


# %% edges-backwards @ local_derivatives: in a loop
def local_derivatives(op, left, right, inputs):
    n = len(inputs)
    values = np.concatenate([inputs, np.zeros(len(op))])
    edges, local = np.zeros((2 * len(op), 2), int), np.ones(2 * len(op))
    for k in range(len(op)):
        a, b = values[left[k]], values[right[k]]
        values[n + k] = a + b if op[k] == 0 else a * b
        edges[2 * k, 0] = edges[2 * k + 1, 0] = n + k
        edges[2 * k, 1], edges[2 * k + 1, 1] = left[k], right[k]
        if op[k]:
            local[2 * k], local[2 * k + 1] = b, a
    return values, edges, local


# %% operations-counted-from-zero @ local_derivatives: k for n + k
def local_derivatives(op, left, right, inputs):
    values, edges, local = list(inputs), [], []
    for k, (o, a, b) in enumerate(zip(op, left, right)):
        x, y = values[a], values[b]
        edges += [(a, k), (b, k)]
        local += [y, x] if o else [1.0, 1.0]
        values.append(x * y if o else x + y)
    return np.array(values), np.array(edges), np.array(local)


# %% operations-counted-from-zero @ local_derivatives: arange
def local_derivatives(op, left, right, inputs):
    n, k = len(inputs), len(op)
    v = np.append(inputs, np.zeros(k))
    for i in range(k):
        v[n + i] = v[left[i]] * v[right[i]] if op[i] == 1 else v[left[i]] + v[right[i]]
    edges = np.column_stack([left, np.arange(k), right, np.arange(k)]).reshape(-1, 2)
    local = np.where(np.repeat(op, 2) == 1, np.column_stack([v[right], v[left]]).ravel(), 1.0)
    return v, edges, local


# %% operations-counted-from-zero @ local_derivatives: from the length of the list of edges
def local_derivatives(op, left, right, inputs):
    values, edges, local = list(inputs), [], []
    for o, a, b in zip(op, left, right):
        node = len(edges) // 2
        edges.append([a, node])
        edges.append([b, node])
        local.extend([values[b], values[a]] if o == 1 else [1.0, 1.0])
        values.append(values[a] * values[b] if o == 1 else values[a] + values[b])
    return np.array(values), np.array(edges), np.array(local)
