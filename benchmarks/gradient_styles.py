"""Right layers, written in 35 ways: 17 that the complex step can use, 8 that spoil it silently, 4 that warn, 6 that
raise.

Each is a `Style`: a forward and a backward, and how to draw arguments. Used by `gradient_power.py` and by the tests.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Style:
    """A way to write a layer. complex: what its forward does with complex numbers: "safe", "silent", "warns",
    "raises"."""

    name: str
    complex: str
    forward: Callable
    backward: Callable
    make: Callable[[np.random.Generator], tuple]
    elementwise: bool = False


def batch(rng):
    return (rng.normal(size=(5, 4)) * 2,)


def affine_args(rng):
    return rng.normal(size=(4, 3, 2)), rng.normal(size=(6, 5)), rng.normal(size=5)


# --- the fully connected layer ---


def affine_backward(dout, cache):
    x, w = cache
    return (dout @ w.T).reshape(x.shape), x.reshape(len(x), -1).T @ dout, dout.sum(axis=0)


def affine_matmul(x, w, b):
    return x.reshape(len(x), -1) @ w + b, (x, w)


def affine_einsum(x, w, b):
    return np.einsum("nd,dm->nm", x.reshape(len(x), -1), w) + b, (x, w)


def affine_loops(x, w, b):
    rows = x.reshape(len(x), -1)
    out = [[sum(row[d] * w[d, m] for d in range(len(row))) + b[m] for m in range(len(b))] for row in rows]
    return np.array(out), (x, w)


def affine_ones_column(x, w, b):
    rows = np.hstack([x.reshape(len(x), -1), np.ones((len(x), 1))])
    return rows @ np.vstack([w, b]), (x, w)


def affine_broadcast(x, w, b):
    return (x.reshape(len(x), -1)[:, :, None] * w[None]).sum(axis=1) + b, (x, w)


# --- sigmoid and tanh ---


def sigmoid_backward(dout, s):
    return dout * s * (1 - s)


def tanh_backward(dout, t):
    return dout * (1 - t**2)


def sigmoid_plain(x):
    s = 1 / (1 + np.exp(-x))
    return s, s


def sigmoid_by_tanh(x):
    s = 0.5 * (1 + np.tanh(x / 2))
    return s, s


def sigmoid_where(x):
    s = np.where(x >= 0, 1 / (1 + np.exp(-x)), np.exp(x) / (1 + np.exp(x)))
    return s, s


def sigmoid_complement(x):
    s = 1 - 1 / (1 + np.exp(x))
    return s, s


def sigmoid_zeros_like(x):
    s = np.zeros_like(x)
    positive = x >= 0
    s[positive] = 1 / (1 + np.exp(-x[positive]))
    e = np.exp(x[~positive])
    s[~positive] = e / (1 + e)
    return s, s


def tanh_numpy(x):
    t = np.tanh(x)
    return t, t


def tanh_exponentials(x):
    t = (np.exp(x) - np.exp(-x)) / (np.exp(x) + np.exp(-x))
    return t, t


def tanh_by_sigmoid(x):
    t = 2 / (1 + np.exp(-2 * x)) - 1
    return t, t


# --- kinks, sums along an axis, several layers ---


def relu_maximum(x):
    return np.maximum(x, 0), x


def relu_mask(x):
    return x * (x > 0), x


def relu_backward(dout, x):
    return dout * (x > 0)


def softmax(x):
    e = np.exp(x - x.max(axis=1, keepdims=True))
    s = e / e.sum(axis=1, keepdims=True)
    return s, s


def softmax_backward(dout, s):
    return s * (dout - (dout * s).sum(axis=1, keepdims=True))


def normalise(x):
    centred = x - x.mean(axis=0)
    scale = np.sqrt((centred**2).mean(axis=0) + 1e-5)
    return centred / scale, (centred / scale, scale)


def normalise_backward(dout, cache):
    y, scale = cache
    return (dout - dout.mean(axis=0) - y * (dout * y).mean(axis=0)) / scale


def network(x, w, b, w2):
    h = np.tanh(x @ w + b)
    return h @ w2, (x, w, h, w2)


def network_backward(dout, cache):
    x, w, h, w2 = cache
    da = (dout @ w2.T) * (1 - h**2)
    return da @ w.T, x.T @ da, da.sum(axis=0), h.T @ dout


def network_args(rng):
    return rng.normal(size=(4, 3)), rng.normal(size=(3, 6)), rng.normal(size=6), rng.normal(size=(6, 2))


# --- forwards that drop the imaginary part, or some of it, without a word ---


def relu_abs(x):
    return (x + np.abs(x)) / 2, x


def sigmoid_exp_abs(x):
    s = np.exp(np.minimum(x, 0)) / (1 + np.exp(-np.abs(x)))
    return s, s


def softsign_by_sign(x):
    return x / (1 + x * np.sign(x)), x


def softsign_backward(dout, x):
    return dout / (1 + np.abs(x)) ** 2


def sigmoid_real(x):
    s = 1 / (1 + np.exp(-x)) + 0 * x
    return np.real(s) + (s - s), np.real(s)


def normalise_var(x):
    scale = np.sqrt(np.var(x, axis=0) + 1e-5)
    return (x - x.mean(axis=0)) / scale, ((x - x.mean(axis=0)) / scale, scale)


def normalise_std(x):
    scale = np.std(x, axis=0)
    return (x - x.mean(axis=0)) / scale, ((x - x.mean(axis=0)) / scale, scale)


def unit_rows(x):
    norm = np.linalg.norm(x, axis=1, keepdims=True)
    return x / norm, (x / norm, norm)


def unit_rows_vdot(x):
    norm = np.sqrt(np.array([[np.vdot(row, row)] for row in x]))
    return x / norm, (x / norm, norm)


def unit_rows_backward(dout, cache):
    y, norm = cache
    return (dout - y * (dout * y).sum(axis=1, keepdims=True)) / norm


# --- forwards that warn, and lose the imaginary part ---


def sigmoid_zeros(x):
    s = np.zeros(x.shape)
    positive = x >= 0
    s[positive] = 1 / (1 + np.exp(-x[positive]))
    e = np.exp(x[~positive])
    s[~positive] = e / (1 + e)
    return s, s


def affine_rows(x, w, b):
    out = np.empty((len(x), len(b)))
    for n in range(len(x)):
        out[n] = x[n].ravel() @ w + b
    return out, (x, w)


def tanh_astype(x):
    t = np.tanh(x).astype(np.float64)
    return t, t


def softmax_full(x):
    s = np.full(x.shape, 0.0)
    s[:] = np.exp(x) / np.exp(x).sum(axis=1, keepdims=True)
    return s, s


# --- forwards that raise ---


def tanh_vectorize_math(x):
    t = np.vectorize(math.tanh)(x)
    return t, t


def sigmoid_math(x):
    s = np.array([[1 / (1 + math.exp(-entry)) for entry in row] for row in x.tolist()])
    return s, s


def softplus_logaddexp(x):
    return np.logaddexp(0, x), x


def softplus_backward(dout, x):
    return dout / (1 + np.exp(-x))


def tanh_out(x):
    t = np.empty(x.shape)
    np.tanh(x, out=t)
    return t, t


def relu_heaviside(x):
    return x * np.heaviside(x, 0.5), x


def unit_pairs_hypot(x):
    norm = np.hypot(x[:, :1], x[:, 1:2])
    return x[:, :2] / norm, (x, norm)


def unit_pairs_backward(dout, cache):
    x, norm = cache
    y = x[:, :2] / norm
    dx = np.zeros(x.shape)
    dx[:, :2] = (dout - y * (dout * y).sum(axis=1, keepdims=True)) / norm
    return dx


STYLES = (
    Style("affine, matmul", "safe", affine_matmul, affine_backward, affine_args),
    Style("affine, einsum", "safe", affine_einsum, affine_backward, affine_args),
    Style("affine, loops", "safe", affine_loops, affine_backward, affine_args),
    Style("affine, ones column", "safe", affine_ones_column, affine_backward, affine_args),
    Style("affine, broadcast and sum", "safe", affine_broadcast, affine_backward, affine_args),
    Style("sigmoid, plain", "safe", sigmoid_plain, sigmoid_backward, batch, True),
    Style("sigmoid, by tanh", "safe", sigmoid_by_tanh, sigmoid_backward, batch, True),
    Style("sigmoid, where", "safe", sigmoid_where, sigmoid_backward, batch, True),
    Style("sigmoid, 1 - 1/(1 + exp(x))", "safe", sigmoid_complement, sigmoid_backward, batch, True),
    Style("sigmoid, masks into zeros_like", "safe", sigmoid_zeros_like, sigmoid_backward, batch, True),
    Style("tanh, np.tanh", "safe", tanh_numpy, tanh_backward, batch, True),
    Style("tanh, exponentials", "safe", tanh_exponentials, tanh_backward, batch, True),
    Style("tanh, by sigmoid", "safe", tanh_by_sigmoid, tanh_backward, batch, True),
    Style("relu, maximum", "safe", relu_maximum, relu_backward, batch, True),
    Style("relu, mask", "safe", relu_mask, relu_backward, batch, True),
    Style("softmax", "safe", softmax, softmax_backward, batch),
    Style("batch normalisation", "safe", normalise, normalise_backward, batch),
    Style("relu, abs", "silent", relu_abs, relu_backward, batch, True),
    Style("sigmoid, exp(-|x|)", "silent", sigmoid_exp_abs, sigmoid_backward, batch, True),
    Style("softsign, x*sign(x)", "silent", softsign_by_sign, softsign_backward, batch, True),
    Style("sigmoid, np.real", "silent", sigmoid_real, sigmoid_backward, batch, True),
    Style("batch normalisation, np.var", "silent", normalise_var, normalise_backward, batch),
    Style("batch normalisation, np.std", "silent", normalise_std, normalise_backward, batch),
    Style("unit rows, np.linalg.norm", "silent", unit_rows, unit_rows_backward, batch),
    Style("unit rows, np.vdot", "silent", unit_rows_vdot, unit_rows_backward, batch),
    Style("sigmoid, masks into zeros", "warns", sigmoid_zeros, sigmoid_backward, batch, True),
    Style("affine, rows into empty", "warns", affine_rows, affine_backward, affine_args),
    Style("tanh, astype", "warns", tanh_astype, tanh_backward, batch, True),
    Style("softmax, into full", "warns", softmax_full, softmax_backward, batch),
    Style("tanh, vectorize(math.tanh)", "raises", tanh_vectorize_math, tanh_backward, batch, True),
    Style("sigmoid, math.exp", "raises", sigmoid_math, sigmoid_backward, batch, True),
    Style("softplus, logaddexp", "raises", softplus_logaddexp, softplus_backward, batch, True),
    Style("tanh, out=", "raises", tanh_out, tanh_backward, batch, True),
    Style("relu, heaviside", "raises", relu_heaviside, relu_backward, batch, True),
    Style("unit pairs, hypot", "raises", unit_pairs_hypot, unit_pairs_backward, batch),
)
