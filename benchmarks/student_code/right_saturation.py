"""Right answers to the third notebook in as many styles as we could think of.

A cell's title is `right: how it is written`. What a cell does not define is taken from the first.
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
    hs, w, b = cache
    dw, db, norms = np.zeros(w.shape), np.zeros(b.shape), np.zeros(len(w) + 1)
    g = dout
    norms[-1] = np.linalg.norm(g)
    for l in range(len(w) - 1, -1, -1):
        g = g * hs[l + 1] * (1 - hs[l + 1])
        dw[l], db[l] = hs[l].T @ g, g.sum(axis=0)
        g = g @ w[l].T
        norms[l] = np.linalg.norm(g)
    return g, dw, db, norms


# %% right: the root of a quotient
def glorot_init(noise, gain=1.0):
    D, M = noise.shape
    return noise * (gain * math.sqrt(2.0 / (D + M)))


# %% right: a variance, then a deviation
def glorot_init(noise, gain=1.0):
    variance = 2 / sum(noise.shape)
    std = gain * variance**0.5
    return std * noise


# %% right: row by row
def glorot_init(noise, gain=1.0):
    w = np.empty_like(noise)
    for i in range(noise.shape[0]):
        for j in range(noise.shape[1]):
            w[i, j] = gain * noise[i, j] / np.sqrt((noise.shape[0] + noise.shape[1]) / 2)
    return w


# %% right: lists, stacked at the end
def sigmoid_stack_backward(dout, cache):
    hs, w, b = cache
    dw, db, norms, g = [], [], [np.sqrt((dout**2).sum())], dout
    for W, below, above in zip(w[::-1], hs[-2::-1], hs[:0:-1]):
        d = g * above * (1 - above)
        dw.insert(0, below.T @ d)
        db.insert(0, d.sum(0))
        g = d @ W.T
        norms.insert(0, np.sqrt((g**2).sum()))
    return g, np.array(dw), np.array(db), np.array(norms)


# %% right: a step for each layer, composed
def step(h, W, c):
    out = sigmoid(h @ W + c)
    return out, (h, W, out)


def step_back(g, memory):
    h, W, out = memory
    d = g * out * (1 - out)
    return d @ W.T, h.T @ d, d.sum(axis=0)


def sigmoid_stack_forward(x, w, b):
    memories = []
    for W, c in zip(w, b):
        x, memory = step(x, W, c)
        memories.append(memory)
    return x, memories


def sigmoid_stack_backward(dout, cache):
    g, dws, dbs, norms = dout, [], [], [np.linalg.norm(dout)]
    for memory in reversed(cache):
        g, dW, dc = step_back(g, memory)
        dws.append(dW)
        dbs.append(dc)
        norms.append(np.linalg.norm(g))
    return g, np.stack(dws[::-1]), np.stack(dbs[::-1]), np.array(norms[::-1])


# %% right: einsum and an array of activations
def sigmoid_stack_forward(x, w, b):
    L, D, _ = w.shape
    h = np.zeros((L + 1, len(x), D))
    h[0] = x
    for l in range(L):
        h[l + 1] = 1 / (1 + np.exp(-(np.einsum("nd,de->ne", h[l], w[l]) + b[l])))
    return h[L].copy(), (h, w, b)


def sigmoid_stack_backward(dout, cache):
    h, w, b = cache
    L = len(w)
    grads = np.zeros_like(h)
    grads[L] = dout
    dw, db = np.zeros_like(w), np.zeros_like(b)
    for l in reversed(range(L)):
        delta = grads[l + 1] * h[l + 1] * (1 - h[l + 1])
        dw[l] = np.einsum("nd,ne->de", h[l], delta)
        db[l] = np.einsum("ne->e", delta)
        grads[l] = np.einsum("ne,de->nd", delta, w[l])
    return grads[0], dw, db, np.sqrt(np.einsum("lnd,lnd->l", grads, grads))


# %% right: recursion
def sigmoid_stack_forward(x, w, b):
    if len(w) == 0:
        return x, []
    h = sigmoid(x @ w[0] + b[0])
    out, rest = sigmoid_stack_forward(h, w[1:], b[1:])
    return out, [(x, w[0], h), *rest]


def sigmoid_stack_backward(dout, cache):
    if not cache:
        return dout, np.zeros((0, *[dout.shape[1]] * 2)), np.zeros((0, dout.shape[1])), np.array([np.linalg.norm(dout)])
    x, W, h = cache[0]
    g, dw, db, norms = sigmoid_stack_backward(dout, cache[1:])
    d = g * h * (1 - h)
    dx = d @ W.T
    return dx, np.concatenate([[x.T @ d], dw]), np.concatenate([[d.sum(0)], db]), np.append(np.linalg.norm(dx), norms)


# %% right: counted by hand
def saturated_fraction(slope, max_slope, tol=0.01):
    dead = 0
    for s in slope.ravel():
        if s < tol * max_slope:
            dead += 1
    return dead / slope.size


# %% right: count_nonzero
def saturated_fraction(slope, max_slope, tol=0.01):
    return np.count_nonzero(slope < tol * max_slope) / np.size(slope)


# %% right: one minus the living
def saturated_fraction(slope, max_slope, tol=0.01):
    alive = (slope >= max_slope * tol).astype(float)
    return 1 - alive.mean()


# %% right: singular values
def gradient_bound(w):
    bound = 1.0
    for W in w:
        bound *= np.linalg.svd(W, compute_uv=False)[0] / 4
    return bound


# %% right: the largest eigenvalue of W'W
def gradient_bound(w):
    return np.prod([np.sqrt(np.linalg.eigvalsh(W.T @ W)[-1]) for W in w]) * 0.25 ** len(w)


# %% right: logarithms
def gradient_bound(w):
    return math.exp(sum(math.log(np.linalg.norm(W, 2)) - math.log(4) for W in w))
