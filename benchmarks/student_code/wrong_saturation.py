"""The functions of the third notebook as students get them wrong, every mistake here in three hands.

A cell's title is `ids @ function: how it is written`.
"""

# %% given
import math

import numpy as np


def sigmoid(z):
    return (1 + np.tanh(z / 2)) / 2


def sigmoid_stack_forward(x, w, b):
    hs = [x]
    for l in range(len(w)):
        hs.append(sigmoid(hs[-1] @ w[l] + b[l]))
    return hs[-1], (hs, w, b)


def sigmoid_stack_backward(dout, cache):
    raise NotImplementedError("Need to implement sigmoid_stack_backward")


# %% variance-for-deviation @ glorot_init: a quotient
def glorot_init(noise, gain=1.0):
    D, M = noise.shape
    return gain * noise * (2 / (D + M))


# %% variance-for-deviation @ glorot_init: named so
def glorot_init(noise, gain=1.0):
    variance = 2.0 / sum(noise.shape)
    return noise * variance * gain


# %% variance-for-deviation @ glorot_init: one over the mean
def glorot_init(noise, gain=1.0):
    fan = (noise.shape[0] + noise.shape[1]) / 2
    w = noise / fan
    w *= gain
    return w


# %% one-side-only @ glorot_init: inputs
def glorot_init(noise, gain=1.0):
    return gain * noise / math.sqrt(len(noise))


# %% one-side-only @ glorot_init: outputs
def glorot_init(noise, gain=1.0):
    return noise * np.sqrt(1 / noise.shape[1]) * gain


# %% one-side-only @ glorot_init: made for relu
def glorot_init(noise, gain=1.0):
    fan_in, fan_out = noise.shape
    std = (2 / fan_in) ** 0.5
    return gain * std * noise


# %% gain-misused @ glorot_init: inside the root
def glorot_init(noise, gain=1.0):
    return noise * np.sqrt(2 * gain / sum(noise.shape))


# %% gain-misused @ glorot_init: squared
def glorot_init(noise, gain=1.0):
    scale = math.sqrt(2 / (noise.shape[0] + noise.shape[1]))
    return gain * (gain * scale * noise)


# %% gain-misused @ glorot_init: its root taken
def glorot_init(noise, gain=1.0):
    return math.sqrt(gain) * math.sqrt(2 / sum(noise.shape)) * noise


# %% gain-ignored @ glorot_init: not there
def glorot_init(noise, gain=1.0):
    return noise * np.sqrt(2 / sum(noise.shape))


# %% gain-ignored @ glorot_init: overwritten
def glorot_init(noise, gain=1.0):
    gain = 1.0
    return gain * noise * np.sqrt(2 / (noise.shape[0] + noise.shape[1]))


# %% gain-ignored @ glorot_init: a loop
def glorot_init(noise, gain=1.0):
    std = (2 / sum(noise.shape)) ** 0.5
    return np.array([[std * v for v in row] for row in noise])


# %% other-constant @ glorot_init: one
def glorot_init(noise, gain=1.0):
    return gain * noise / np.sqrt(sum(noise.shape))


# %% other-constant @ glorot_init: six, as for limits
def glorot_init(noise, gain=1.0):
    limit = np.sqrt(6 / sum(noise.shape))
    return gain * limit * noise


# %% other-constant @ glorot_init: six, taken apart
def glorot_init(noise, gain=1.0):
    D, M = noise.shape
    return noise * gain * math.sqrt(6) / math.sqrt(D + M)


# %% line-included @ saturated_fraction: at most
def saturated_fraction(slope, max_slope, tol=0.01):
    return float(np.mean(slope <= tol * max_slope))


# %% line-included @ saturated_fraction: counted
def saturated_fraction(slope, max_slope, tol=0.01):
    return sum(s <= max_slope * tol for s in slope.ravel()) / slope.size


# %% line-included @ saturated_fraction: one minus above
def saturated_fraction(slope, max_slope, tol=0.01):
    return 1 - np.count_nonzero(slope > tol * max_slope) / slope.size


# %% not-relative @ saturated_fraction: tol alone
def saturated_fraction(slope, max_slope, tol=0.01):
    return np.mean(slope < tol)


# %% not-relative @ saturated_fraction: counted
def saturated_fraction(slope, max_slope, tol=0.01):
    dead = [s for s in slope.flat if s < tol]
    return len(dead) / slope.size


# %% not-relative @ saturated_fraction: a mask
def saturated_fraction(slope, max_slope, tol=0.01):
    mask = np.zeros(slope.shape)
    mask[slope < tol] = 1
    return mask.mean()


# %% tolerance-ignored @ saturated_fraction: one hundredth
def saturated_fraction(slope, max_slope, tol=0.01):
    return (slope < 0.01 * max_slope).mean()


# %% tolerance-ignored @ saturated_fraction: divided by 100
def saturated_fraction(slope, max_slope, tol=0.01):
    return np.sum(slope < max_slope / 100) / slope.size


# %% tolerance-ignored @ saturated_fraction: left out
def saturated_fraction(slope, max_slope, tol=0.01):
    return np.average(slope < max_slope)


# %% count-for-share @ saturated_fraction: a count
def saturated_fraction(slope, max_slope, tol=0.01):
    return float(np.count_nonzero(slope < tol * max_slope))


# %% count-for-share @ saturated_fraction: per cent
def saturated_fraction(slope, max_slope, tol=0.01):
    return np.mean(slope < tol * max_slope) * 100


# %% count-for-share @ saturated_fraction: divided by the rows
def saturated_fraction(slope, max_slope, tol=0.01):
    return np.sum(slope < tol * max_slope) / slope.shape[0]


# %% share-alive @ saturated_fraction: at least
def saturated_fraction(slope, max_slope, tol=0.01):
    return float((slope >= tol * max_slope).mean())


# %% share-alive @ saturated_fraction: one minus the dead
def saturated_fraction(slope, max_slope, tol=0.01):
    dead = np.mean(slope < tol * max_slope)
    return 1 - dead


# %% share-alive @ saturated_fraction: the arguments of less swapped
def saturated_fraction(slope, max_slope, tol=0.01):
    return np.mean(np.less(tol * max_slope, slope))


# %% exactly-zero-only @ saturated_fraction: equal
def saturated_fraction(slope, max_slope, tol=0.01):
    return np.mean(slope == 0)


# %% exactly-zero-only @ saturated_fraction: not nonzero
def saturated_fraction(slope, max_slope, tol=0.01):
    return 1 - np.count_nonzero(slope) / slope.size


# %% exactly-zero-only @ saturated_fraction: no truth in it
def saturated_fraction(slope, max_slope, tol=0.01):
    return sum(not s for s in slope.ravel()) / slope.size


# %% another-norm @ gradient_bound: Frobenius
def gradient_bound(w):
    return float(np.prod([np.linalg.norm(W) / 4 for W in w]))


# %% another-norm @ gradient_bound: the largest entry
def gradient_bound(w):
    bound = 1
    for W in w:
        bound *= np.abs(W).max() / 4
    return bound


# %% another-norm @ gradient_bound: order 1
def gradient_bound(w):
    return np.prod(np.linalg.norm(w, ord=1, axis=(1, 2)) / 4)


# %% another-norm @ gradient_bound: eigenvalues
def gradient_bound(w):
    return math.prod(max(abs(np.linalg.eigvals(W))) / 4 for W in w)


# %% quarter-missing @ gradient_bound: none
def gradient_bound(w):
    return np.prod(np.linalg.norm(w, ord=2, axis=(1, 2)))


# %% quarter-missing @ gradient_bound: one for all
def gradient_bound(w):
    return 0.25 * math.prod(np.linalg.svd(W)[1][0] for W in w)


# %% quarter-missing @ gradient_bound: forgotten in the loop
def gradient_bound(w):
    bound = 1.0
    for W in w:
        bound = bound * np.linalg.norm(W, 2)
    return bound


# %% quarters-alone @ gradient_bound: a power
def gradient_bound(w):
    return (1 / 4) ** len(w)


# %% quarters-alone @ gradient_bound: a loop
def gradient_bound(w):
    bound = 1.0
    for _ in w:
        bound /= 4
    return bound


# %% quarters-alone @ gradient_bound: np.prod
def gradient_bound(w):
    return np.prod(np.full(w.shape[0], 0.25))


# %% norms-added @ gradient_bound: sum
def gradient_bound(w):
    return sum(np.linalg.norm(W, 2) for W in w) / 4


# %% norms-added @ gradient_bound: in a loop
def gradient_bound(w):
    total = 0
    for W in w:
        total += np.linalg.norm(W, ord=2) / 4
    return total


# %% norms-added @ gradient_bound: singular values
def gradient_bound(w):
    return np.sum(np.linalg.svd(w, compute_uv=False)[:, 0] / 4)


# %% layers-not-multiplied @ gradient_bound: the mean
def gradient_bound(w):
    return np.mean(np.linalg.norm(w, ord=2, axis=(1, 2))) / 4


# %% layers-not-multiplied @ gradient_bound: the worst
def gradient_bound(w):
    return max(np.linalg.norm(W, 2) for W in w) / 4


# %% layers-not-multiplied @ gradient_bound: the average, in a loop
def gradient_bound(w):
    total = 0.0
    for W in w:
        total += np.linalg.svd(W, compute_uv=False).max()
    return total / len(w) / 4


# %% norm-of-the-product @ gradient_bound: multiplied first
def gradient_bound(w):
    product = w[0]
    for W in w[1:]:
        product = product @ W
    return np.linalg.norm(product, 2) / 4 ** len(w)


# %% norm-of-the-product @ gradient_bound: multi_dot
def gradient_bound(w):
    whole = np.linalg.multi_dot(w) if len(w) > 1 else w[0]
    return np.linalg.norm(whole, ord=2) * 0.25 ** len(w)


# %% norm-of-the-product @ gradient_bound: all at once
def gradient_bound(w):
    L, D, _ = w.shape
    tall = w.reshape(L * D, D)
    return (np.linalg.svd(tall, compute_uv=False)[0] / 4) ** L


# %% last-layer-linear @ sigmoid_stack_forward: a scoring layer at the end
def sigmoid_stack_forward(x, w, b):
    for W, c in zip(w[:-1], b[:-1]):
        x = 1 / (1 + np.exp(-(x @ W + c)))
    return x @ w[-1] + b[-1], None


# %% last-layer-linear @ sigmoid_stack_forward: squashed before the product
def sigmoid_stack_forward(x, w, b):
    h = x @ w[0] + b[0]
    for l in range(1, len(w)):
        h = (1 + np.tanh(h / 2)) / 2 @ w[l] + b[l]
    return h, None


# %% last-layer-linear @ sigmoid_stack_forward: the sum returned
def sigmoid_stack_forward(x, w, b):
    h, totals = x, []
    for l in range(len(w)):
        totals.append(np.einsum("nd,de->ne", h, w[l]) + b[l])
        h = 1 / (1 + np.exp(-totals[-1]))
    return totals[-1], None


# %% bias-forgotten @ sigmoid_stack_forward: the product alone
def sigmoid_stack_forward(x, w, b):
    for W in w:
        x = 1 / (1 + np.exp(-x @ W))
    return x, None


# %% bias-forgotten @ sigmoid_stack_forward: tanh
def sigmoid_stack_forward(x, w, b):
    h = x
    for l in range(w.shape[0]):
        h = 0.5 + 0.5 * np.tanh(np.dot(h, w[l]) / 2)
    return h, None


# %% bias-forgotten @ sigmoid_stack_forward: added to what is not used
def sigmoid_stack_forward(x, w, b):
    h = x
    for W, c in zip(w, b):
        z = h @ W
        shifted = z + c
        h = 1 / (1 + np.exp(-z))
    return h, shifted


# %% layers-backwards @ sigmoid_stack_forward: reversed
def sigmoid_stack_forward(x, w, b):
    for W, c in zip(w[::-1], b[::-1]):
        x = 1 / (1 + np.exp(-(x @ W + c)))
    return x, None


# %% layers-backwards @ sigmoid_stack_forward: popped
def sigmoid_stack_forward(x, w, b):
    layers = list(zip(w, b))
    while layers:
        W, c = layers.pop()
        x = (1 + np.tanh((x @ W + c) / 2)) / 2
    return x, None


# %% layers-backwards @ sigmoid_stack_forward: negative indices
def sigmoid_stack_forward(x, w, b):
    for l in range(1, len(w) + 1):
        x = 1 / (1 + np.exp(-(x @ w[-l] + b[-l])))
    return x, None


# %% transposed @ sigmoid_stack_forward: W.T
def sigmoid_stack_forward(x, w, b):
    for W, c in zip(w, b):
        x = 1 / (1 + np.exp(-(x @ W.T + c)))
    return x, None


# %% transposed @ sigmoid_stack_forward: letters swapped
def sigmoid_stack_forward(x, w, b):
    for W, c in zip(w, b):
        x = 1 / (1 + np.exp(-(np.einsum("nd,ed->ne", x, W) + c)))
    return x, None


# %% transposed @ sigmoid_stack_forward: the weights on the left
def sigmoid_stack_forward(x, w, b):
    for W, c in zip(w, b):
        x = (1 + np.tanh(((W @ x.T).T + c) / 2)) / 2
    return x, None


# %% slopes-left-out @ sigmoid_stack_backward: an index from the end
def sigmoid_stack_backward(dout, cache):
    hs, w, b = cache
    L = len(w)
    dw, db, norms = np.zeros(w.shape), np.zeros(b.shape), np.zeros(L + 1)
    g = dout
    norms[L] = np.linalg.norm(g)
    for l in range(L - 1, -1, -1):
        d = g
        dw[l] = hs[l].T @ d
        db[l] = d.sum(axis=0)
        g = d @ w[l].T
        norms[l] = np.linalg.norm(g)
    return g, dw, db, norms


# %% slopes-left-out @ sigmoid_stack_backward: lists that grow at the front
def sigmoid_stack_backward(dout, cache):
    hs, w, b = cache
    dws, dbs, norms, up = [], [], [np.sqrt(np.sum(dout**2))], dout
    for W, below, above in zip(w[::-1], hs[-2::-1], hs[:0:-1]):
        delta = up
        dws.insert(0, np.einsum("nd,ne->de", below, delta))
        dbs.insert(0, np.einsum("ne->e", delta))
        up = np.einsum("ne,de->nd", delta, W)
        norms.insert(0, np.sqrt(np.sum(up**2)))
    return up, np.array(dws), np.array(dbs), np.array(norms)


# %% slopes-left-out @ sigmoid_stack_backward: a step of its own
def step_back(upstream, below, above, W):
    delta = upstream
    return np.dot(delta, W.T), np.dot(below.T, delta), np.ones(len(delta)) @ delta


def sigmoid_stack_backward(dout, cache):
    hs, w, b = cache
    gradients, dws, dbs = [dout], [], []
    for l in reversed(range(len(w))):
        dx, dW, dc = step_back(gradients[-1], hs[l], hs[l + 1], w[l])
        gradients.append(dx)
        dws.append(dW)
        dbs.append(dc)
    norms = [math.sqrt((g * g).sum()) for g in gradients[::-1]]
    return gradients[-1], np.stack(dws[::-1]), np.stack(dbs[::-1]), np.array(norms)


# %% slope-of-the-layer-below @ sigmoid_stack_backward: an index from the end
def sigmoid_stack_backward(dout, cache):
    hs, w, b = cache
    L = len(w)
    dw, db, norms = np.zeros(w.shape), np.zeros(b.shape), np.zeros(L + 1)
    g = dout
    norms[L] = np.linalg.norm(g)
    for l in range(L - 1, -1, -1):
        d = g * hs[l] * (1 - hs[l])
        dw[l] = hs[l].T @ d
        db[l] = d.sum(axis=0)
        g = d @ w[l].T
        norms[l] = np.linalg.norm(g)
    return g, dw, db, norms


# %% slope-of-the-layer-below @ sigmoid_stack_backward: lists that grow at the front
def sigmoid_stack_backward(dout, cache):
    hs, w, b = cache
    dws, dbs, norms, up = [], [], [np.sqrt(np.sum(dout**2))], dout
    for W, below, above in zip(w[::-1], hs[-2::-1], hs[:0:-1]):
        delta = up * (below - below**2)
        dws.insert(0, np.einsum("nd,ne->de", below, delta))
        dbs.insert(0, np.einsum("ne->e", delta))
        up = np.einsum("ne,de->nd", delta, W)
        norms.insert(0, np.sqrt(np.sum(up**2)))
    return up, np.array(dws), np.array(dbs), np.array(norms)


# %% slope-of-the-layer-below @ sigmoid_stack_backward: a step of its own
def step_back(upstream, below, above, W):
    delta = upstream * below * (1 - below)
    return np.dot(delta, W.T), np.dot(below.T, delta), np.ones(len(delta)) @ delta


def sigmoid_stack_backward(dout, cache):
    hs, w, b = cache
    gradients, dws, dbs = [dout], [], []
    for l in reversed(range(len(w))):
        dx, dW, dc = step_back(gradients[-1], hs[l], hs[l + 1], w[l])
        gradients.append(dx)
        dws.append(dW)
        dbs.append(dc)
    norms = [math.sqrt((g * g).sum()) for g in gradients[::-1]]
    return gradients[-1], np.stack(dws[::-1]), np.stack(dbs[::-1]), np.array(norms)


# %% averaged-over-batch @ sigmoid_stack_backward: an index from the end
def sigmoid_stack_backward(dout, cache):
    hs, w, b = cache
    L = len(w)
    dw, db, norms = np.zeros(w.shape), np.zeros(b.shape), np.zeros(L + 1)
    g = dout
    norms[L] = np.linalg.norm(g)
    for l in range(L - 1, -1, -1):
        d = g * hs[l + 1] * (1 - hs[l + 1])
        dw[l] = hs[l].T @ d / len(dout)
        db[l] = d.mean(axis=0)
        g = d @ w[l].T
        norms[l] = np.linalg.norm(g)
    return g, dw, db, norms


# %% averaged-over-batch @ sigmoid_stack_backward: lists that grow at the front
def sigmoid_stack_backward(dout, cache):
    hs, w, b = cache
    dws, dbs, norms, up = [], [], [np.sqrt(np.sum(dout**2))], dout
    for W, below, above in zip(w[::-1], hs[-2::-1], hs[:0:-1]):
        delta = up * (above - above**2)
        dws.insert(0, np.einsum("nd,ne->de", below, delta))
        dbs.insert(0, np.mean(delta, axis=0))
        up = np.einsum("ne,de->nd", delta, W)
        norms.insert(0, np.sqrt(np.sum(up**2)))
    return up, np.array(dws), np.array(dbs), np.array(norms)


# %% averaged-over-batch @ sigmoid_stack_backward: a step of its own
def step_back(upstream, below, above, W):
    delta = upstream * above * (1 - above)
    return np.dot(delta, W.T), np.dot(below.T, delta) / delta.shape[0], np.ones(len(delta)) @ delta


def sigmoid_stack_backward(dout, cache):
    hs, w, b = cache
    gradients, dws, dbs = [dout], [], []
    for l in reversed(range(len(w))):
        dx, dW, dc = step_back(gradients[-1], hs[l], hs[l + 1], w[l])
        gradients.append(dx)
        dws.append(dW)
        dbs.append(dc)
    norms = [math.sqrt((g * g).sum()) for g in gradients[::-1]]
    return gradients[-1], np.stack(dws[::-1]), np.stack(dbs[::-1]), np.array(norms)


# %% order-of-layers @ sigmoid_stack_backward: an index from the end
def sigmoid_stack_backward(dout, cache):
    hs, w, b = cache
    L = len(w)
    dw, db, norms = np.zeros(w.shape), np.zeros(b.shape), np.zeros(L + 1)
    g = dout
    norms[L] = np.linalg.norm(g)
    for l in range(L - 1, -1, -1):
        d = g * hs[l + 1] * (1 - hs[l + 1])
        dw[l] = hs[l].T @ d
        db[l] = d.sum(axis=0)
        g = d @ w[l].T
        norms[l] = np.linalg.norm(g)
    return g, dw[::-1], db[::-1], norms[::-1]


# %% order-of-layers @ sigmoid_stack_backward: lists that grow at the front
def sigmoid_stack_backward(dout, cache):
    hs, w, b = cache
    dws, dbs, norms, up = [], [], [np.sqrt(np.sum(dout**2))], dout
    for W, below, above in zip(w[::-1], hs[-2::-1], hs[:0:-1]):
        delta = up * (above - above**2)
        dws.append(np.einsum("nd,ne->de", below, delta))
        dbs.append(np.einsum("ne->e", delta))
        up = np.einsum("ne,de->nd", delta, W)
        norms.insert(0, np.sqrt(np.sum(up**2)))
    return up, np.array(dws), np.array(dbs), np.array(norms)


# %% order-of-layers @ sigmoid_stack_backward: a step of its own
def step_back(upstream, below, above, W):
    delta = upstream * above * (1 - above)
    return np.dot(delta, W.T), np.dot(below.T, delta), np.ones(len(delta)) @ delta


def sigmoid_stack_backward(dout, cache):
    hs, w, b = cache
    gradients, dws, dbs = [dout], [], []
    for l in reversed(range(len(w))):
        dx, dW, dc = step_back(gradients[-1], hs[l], hs[l + 1], w[l])
        gradients.append(dx)
        dws.append(dW)
        dbs.append(dc)
    norms = [math.sqrt((g * g).sum()) for g in gradients[::-1]]
    return gradients[-1], np.stack(dws), np.stack(dbs), np.array(norms)


# %% input-off-by-one @ sigmoid_stack_backward: an index from the end
def sigmoid_stack_backward(dout, cache):
    hs, w, b = cache
    L = len(w)
    dw, db, norms = np.zeros(w.shape), np.zeros(b.shape), np.zeros(L + 1)
    g = dout
    norms[L] = np.linalg.norm(g)
    for l in range(L - 1, -1, -1):
        d = g * hs[l + 1] * (1 - hs[l + 1])
        dw[l] = hs[l + 1].T @ d
        db[l] = d.sum(axis=0)
        g = d @ w[l].T
        norms[l] = np.linalg.norm(g)
    return g, dw, db, norms


# %% input-off-by-one @ sigmoid_stack_backward: lists that grow at the front
def sigmoid_stack_backward(dout, cache):
    hs, w, b = cache
    dws, dbs, norms, up = [], [], [np.sqrt(np.sum(dout**2))], dout
    for W, below, above in zip(w[::-1], hs[-2::-1], hs[:0:-1]):
        delta = up * (above - above**2)
        dws.insert(0, np.einsum("nd,ne->de", above, delta))
        dbs.insert(0, np.einsum("ne->e", delta))
        up = np.einsum("ne,de->nd", delta, W)
        norms.insert(0, np.sqrt(np.sum(up**2)))
    return up, np.array(dws), np.array(dbs), np.array(norms)


# %% input-off-by-one @ sigmoid_stack_backward: a step of its own
def step_back(upstream, below, above, W):
    delta = upstream * above * (1 - above)
    return np.dot(delta, W.T), np.dot(above.T, delta), np.ones(len(delta)) @ delta


def sigmoid_stack_backward(dout, cache):
    hs, w, b = cache
    gradients, dws, dbs = [dout], [], []
    for l in reversed(range(len(w))):
        dx, dW, dc = step_back(gradients[-1], hs[l], hs[l + 1], w[l])
        gradients.append(dx)
        dws.append(dW)
        dbs.append(dc)
    norms = [math.sqrt((g * g).sum()) for g in gradients[::-1]]
    return gradients[-1], np.stack(dws[::-1]), np.stack(dbs[::-1]), np.array(norms)


# %% transposed @ sigmoid_stack_backward: an index from the end
def sigmoid_stack_backward(dout, cache):
    hs, w, b = cache
    L = len(w)
    dw, db, norms = np.zeros(w.shape), np.zeros(b.shape), np.zeros(L + 1)
    g = dout
    norms[L] = np.linalg.norm(g)
    for l in range(L - 1, -1, -1):
        d = g * hs[l + 1] * (1 - hs[l + 1])
        dw[l] = hs[l].T @ d
        db[l] = d.sum(axis=0)
        g = d @ w[l]
        norms[l] = np.linalg.norm(g)
    return g, dw, db, norms


# %% transposed @ sigmoid_stack_backward: lists that grow at the front
def sigmoid_stack_backward(dout, cache):
    hs, w, b = cache
    dws, dbs, norms, up = [], [], [np.sqrt(np.sum(dout**2))], dout
    for W, below, above in zip(w[::-1], hs[-2::-1], hs[:0:-1]):
        delta = up * (above - above**2)
        dws.insert(0, np.einsum("nd,ne->ed", below, delta))
        dbs.insert(0, np.einsum("ne->e", delta))
        up = np.einsum("ne,de->nd", delta, W)
        norms.insert(0, np.sqrt(np.sum(up**2)))
    return up, np.array(dws), np.array(dbs), np.array(norms)


# %% transposed @ sigmoid_stack_backward: a step of its own
def step_back(upstream, below, above, W):
    delta = upstream * above * (1 - above)
    return np.dot(delta, W), np.dot(below.T, delta), np.ones(len(delta)) @ delta


def sigmoid_stack_backward(dout, cache):
    hs, w, b = cache
    gradients, dws, dbs = [dout], [], []
    for l in reversed(range(len(w))):
        dx, dW, dc = step_back(gradients[-1], hs[l], hs[l + 1], w[l])
        gradients.append(dx)
        dws.append(dW)
        dbs.append(dc)
    norms = [math.sqrt((g * g).sum()) for g in gradients[::-1]]
    return gradients[-1], np.stack(dws[::-1]), np.stack(dbs[::-1]), np.array(norms)


# %% norms-off-by-one @ sigmoid_stack_backward: an index from the end
def sigmoid_stack_backward(dout, cache):
    hs, w, b = cache
    L = len(w)
    dw, db, norms = np.zeros(w.shape), np.zeros(b.shape), np.zeros(L + 1)
    g = dout
    norms[L] = np.linalg.norm(g)
    for l in range(L - 1, -1, -1):
        d = g * hs[l + 1] * (1 - hs[l + 1])
        dw[l] = hs[l].T @ d
        db[l] = d.sum(axis=0)
        norms[l] = np.linalg.norm(d)
        g = d @ w[l].T
    return g, dw, db, norms


# %% norms-off-by-one @ sigmoid_stack_backward: lists that grow at the front
def sigmoid_stack_backward(dout, cache):
    hs, w, b = cache
    dws, dbs, norms, up = [], [], [], dout
    for W, below, above in zip(w[::-1], hs[-2::-1], hs[:0:-1]):
        delta = up * (above - above**2)
        dws.insert(0, np.einsum("nd,ne->de", below, delta))
        dbs.insert(0, np.einsum("ne->e", delta))
        up = np.einsum("ne,de->nd", delta, W)
        norms.insert(0, np.sqrt(np.sum(up**2)))
    return up, np.array(dws), np.array(dbs), np.array(norms)


# %% norms-off-by-one @ sigmoid_stack_backward: a step of its own
def step_back(upstream, below, above, W):
    delta = upstream * above * (1 - above)
    return np.dot(delta, W.T), np.dot(below.T, delta), np.ones(len(delta)) @ delta


def sigmoid_stack_backward(dout, cache):
    hs, w, b = cache
    gradients, dws, dbs = [dout], [], []
    for l in reversed(range(len(w))):
        dx, dW, dc = step_back(gradients[-1], hs[l], hs[l + 1], w[l])
        gradients.append(dx)
        dws.append(dW)
        dbs.append(dc)
    norms = [math.sqrt((g * g).sum()) for g in gradients[-2::-1]]
    return gradients[-1], np.stack(dws[::-1]), np.stack(dbs[::-1]), np.array(norms)


# %% another-norm @ sigmoid_stack_backward: an index from the end
def sigmoid_stack_backward(dout, cache):
    hs, w, b = cache
    L = len(w)
    dw, db, norms = np.zeros(w.shape), np.zeros(b.shape), np.zeros(L + 1)
    g = dout
    norms[L] = np.linalg.norm(g, 2)
    for l in range(L - 1, -1, -1):
        d = g * hs[l + 1] * (1 - hs[l + 1])
        dw[l] = hs[l].T @ d
        db[l] = d.sum(axis=0)
        g = d @ w[l].T
        norms[l] = np.linalg.norm(g, 2)
    return g, dw, db, norms


# %% another-norm @ sigmoid_stack_backward: lists that grow at the front
def sigmoid_stack_backward(dout, cache):
    hs, w, b = cache
    dws, dbs, norms, up = [], [], [np.sum(dout**2)], dout
    for W, below, above in zip(w[::-1], hs[-2::-1], hs[:0:-1]):
        delta = up * (above - above**2)
        dws.insert(0, np.einsum("nd,ne->de", below, delta))
        dbs.insert(0, np.einsum("ne->e", delta))
        up = np.einsum("ne,de->nd", delta, W)
        norms.insert(0, np.sum(up**2))
    return up, np.array(dws), np.array(dbs), np.array(norms)


# %% another-norm @ sigmoid_stack_backward: a step of its own
def step_back(upstream, below, above, W):
    delta = upstream * above * (1 - above)
    return np.dot(delta, W.T), np.dot(below.T, delta), np.ones(len(delta)) @ delta


def sigmoid_stack_backward(dout, cache):
    hs, w, b = cache
    gradients, dws, dbs = [dout], [], []
    for l in reversed(range(len(w))):
        dx, dW, dc = step_back(gradients[-1], hs[l], hs[l + 1], w[l])
        gradients.append(dx)
        dws.append(dW)
        dbs.append(dc)
    norms = [(g * g).sum() for g in gradients[::-1]]
    return gradients[-1], np.stack(dws[::-1]), np.stack(dbs[::-1]), np.array(norms)
