"""Right fully connected layers in as many styles as we could think of.

A cell's title is `right: how it is written`. What a cell does not define is taken from the first.
"""

# %% given
import math

import numpy as np


def affine_forward(x, w, b):
    return x.reshape(len(x), -1) @ w + b, (x, w, b)


def affine_backward(dout, cache):
    x, w, b = cache
    return (dout @ w.T).reshape(x.shape), x.reshape(len(x), -1).T @ dout, dout.sum(axis=0)


# %% right: CS231n
def affine_forward(x, w, b):
    out = None
    N = x.shape[0]
    out = np.dot(np.reshape(x, (N, -1)), w) + b
    cache = (x, w, b)
    return out, cache


def affine_backward(dout, cache):
    x, w, b = cache
    dx, dw, db = None, None, None
    dx = np.dot(dout, w.T).reshape(x.shape)
    dw = np.dot(x.reshape(x.shape[0], -1).T, dout)
    db = np.sum(dout, axis=0)
    return dx, dw, db


# %% right: loops all the way
def affine_forward(x, w, b):
    N, (D, M) = x.shape[0], w.shape
    out = np.zeros((N, M))
    for n in range(N):
        row = x[n].flatten()
        for m in range(M):
            total = 0.0
            for d in range(D):
                total += row[d] * w[d, m]
            out[n, m] = total + b[m]
    return out, (x, w)


def affine_backward(dout, cache):
    x, w = cache
    D, M = w.shape
    N = len(x)
    rows = x.reshape(N, D)
    dx, dw, db = np.zeros((N, D)), np.zeros((D, M)), np.zeros(M)
    for n in range(N):
        for m in range(M):
            db[m] += dout[n, m]
            for d in range(D):
                dx[n, d] += dout[n, m] * w[d, m]
                dw[d, m] += dout[n, m] * rows[n, d]
    return dx.reshape(x.shape), dw, db


# %% right: einsum, a dictionary for a cache
def affine_forward(x, w, b):
    flat = x.reshape(len(x), w.shape[0])
    return np.einsum("nd,dm->nm", flat, w) + b[None, :], {"flat": flat, "w": w, "shape": x.shape}


def affine_backward(dout, cache):
    dx = np.einsum("nm,dm->nd", dout, cache["w"]).reshape(cache["shape"])
    dw = np.einsum("nd,nm->dm", cache["flat"], dout)
    return dx, dw, np.einsum("nm->m", dout)


# %% right: an appended column of ones
def affine_forward(x, w, b):
    rows = np.hstack([x.reshape(len(x), -1), np.ones((len(x), 1))])
    theta = np.vstack([w, b])
    return rows @ theta, (rows, theta, x.shape)


def affine_backward(dout, cache):
    rows, theta, shape = cache
    dtheta = rows.T @ dout
    drows = dout @ theta.T
    return drows[:, :-1].reshape(shape), dtheta[:-1], dtheta[-1]


# %% right: outer products, broadcast and summed
def affine_backward(dout, cache):
    x, w, b = cache
    rows = x.reshape(len(x), -1)
    dw = (rows[:, :, np.newaxis] * dout[:, np.newaxis, :]).sum(axis=0)
    dx = (dout[:, np.newaxis, :] * w[np.newaxis, :, :]).sum(axis=2).reshape(x.shape)
    return dx, dw, dout.sum(0)


# %% right: one outer product an example
def affine_backward(dout, cache):
    x, w, b = cache
    dw = sum(np.outer(example, upstream) for example, upstream in zip(x.reshape(len(x), -1), dout))
    dx = np.stack([(w @ upstream).reshape(x.shape[1:]) for upstream in dout])
    db = sum(dout)
    return dx, dw, db


# %% right: tensordot
def affine_forward(x, w, b):
    rows = x.reshape(x.shape[0], -1)
    return np.add(np.tensordot(rows, w, axes=1), b), (rows, w, x.shape)


def affine_backward(dout, cache):
    rows, w, shape = cache
    dx = np.tensordot(dout, w, axes=([1], [1]))
    return np.reshape(dx, shape), np.tensordot(rows, dout, axes=([0], [0])), np.add.reduce(dout)


# %% right: a list is returned
def affine_backward(dout, cache):
    x, w, b = cache
    grads = [None] * 3
    grads[2] = np.ones(len(dout)) @ dout
    grads[1] = x.reshape(len(x), -1).T @ dout
    grads[0] = (w @ dout.T).T.reshape(x.shape)
    return grads


# %% right: a class remembers
class Affine:
    def __init__(self, x, w):
        self.x, self.w = x, w

    def backward(self, dout):
        rows = self.x.reshape(self.x.shape[0], -1)
        return (dout @ self.w.T).reshape(self.x.shape), rows.T @ dout, dout.sum(axis=0)


def affine_forward(x, w, b):
    return x.reshape(x.shape[0], -1) @ w + b, Affine(x, w)


def affine_backward(dout, cache):
    return cache.backward(dout)


# %% right: a closure is the cache
def affine_forward(x, w, b):
    rows = x.reshape(len(x), -1)

    def pull_back(dout):
        return (dout @ w.T).reshape(x.shape), rows.T @ dout, dout.sum(0)

    return rows @ w + b, pull_back


def affine_backward(dout, cache):
    return cache(dout)


# %% right: helpers
def as_rows(x):
    return x.reshape(x.shape[0], -1)


def affine_forward(x, w, b):
    return as_rows(x) @ w + b, (x, w)


def affine_backward(dout, cache):
    x, w = cache
    return (dout @ w.T).reshape(x.shape), as_rows(x).T @ dout, dout.sum(0)


# %% right: copies, and work in place on them
def affine_forward(x, w, b):
    x, w, b = x.copy(), w.copy(), b.copy()
    out = np.empty((x.shape[0], w.shape[1]))
    np.matmul(x.reshape(len(x), -1), w, out=out)
    out += b
    return out, [x, w, b]


def affine_backward(dout, cache):
    x, w, b = cache
    dx, dw, db = np.empty(dout.shape[:1] + w.shape[:1], dout.dtype), np.empty_like(w), np.zeros_like(b)
    np.dot(dout, w.T, out=dx)
    np.dot(np.ascontiguousarray(x.reshape(len(x), -1).T), dout, out=dw)
    for row in dout:
        db += row
    return dx.reshape(x.shape), dw, db


# %% right: everything in float64
def affine_forward(x, w, b):
    x, w, b = (np.asarray(a, dtype=float) for a in (x, w, b))
    return x.reshape(len(x), -1) @ w + b, (x, w, b)


# %% right: transposed and back
def affine_forward(x, w, b):
    columns = x.reshape(len(x), -1).T
    return (w.T @ columns + b.reshape(-1, 1)).T, (columns, w, x.shape)


def affine_backward(dout, cache):
    columns, w, shape = cache
    upstream = dout.T
    dw = columns @ upstream.T
    db = upstream.sum(axis=1)
    return (w @ upstream).T.reshape(shape), dw, db


# %% right: shapes by numpy's functions
def affine_forward(x, w, b):
    n = np.shape(x)[0]
    d = np.prod(np.shape(x)[1:])
    rows = np.reshape(x, [n, d])
    return np.matmul(rows, w) + np.tile(b, (n, 1)), (x, w, b)


# %% right: Python's lists and sums
def affine_forward(x, w, b):
    rows = x.reshape(len(x), -1).tolist()
    columns = w.T.tolist()
    out = [
        [math.fsum(p * q for p, q in zip(row, column)) + c for column, c in zip(columns, b.tolist())] for row in rows
    ]
    return np.array(out), (x, w)


def affine_backward(dout, cache):
    x, w = cache
    db = np.array([math.fsum(column) for column in dout.T.tolist()])
    return (dout @ w.T).reshape(x.shape), x.reshape(len(x), -1).T @ dout, db


# %% right: mean times N
def affine_backward(dout, cache):
    x, w, b = cache
    n = dout.shape[0]
    db = dout.mean(axis=0) * n
    dw = n * (x.reshape(n, -1).T @ (dout / n))
    return np.dot(dout, np.transpose(w)).reshape(x.shape), dw, db


# %% right: keepdims, squeezed again
def affine_backward(dout, cache):
    x, w, b = cache
    db = dout.sum(axis=0, keepdims=True).reshape(b.shape)
    return (dout @ w.T).reshape(*x.shape), x.reshape(len(x), -1).T @ dout, db


# %% right: cumulative sums
def affine_backward(dout, cache):
    x, w, b = cache
    return (dout @ w.T).reshape(x.shape), x.reshape(len(x), -1).T @ dout, np.cumsum(dout, axis=0)[-1]


# %% right: it prints and asserts
def affine_forward(x, w, b):
    print("x", x.shape, "w", w.shape)
    out = x.reshape(len(x), -1) @ w + b
    assert out.shape == (x.shape[0], w.shape[1])
    return out, (x, w, b)


# %% right: a module-level import that is not needed
import scipy


def affine_forward(x, w, b):
    return x.reshape(len(x), -1) @ w + b, (x, w, b)


# %% right: type hints and a docstring
def affine_forward(x: np.ndarray, w: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, tuple]:
    """Compute the scores."""
    scores: np.ndarray = x.reshape(len(x), -1) @ w + b
    return scores, (x, w, b)


# %% right: default arguments and star arguments
def affine_forward(x, w, b=0.0, *more, **options):
    return x.reshape(len(x), -1) @ w + b, (x, w, b)


def affine_backward(dout, cache, *ignored):
    x, w, *_ = cache
    return (dout @ w.T).reshape(x.shape), x.reshape(len(x), -1).T @ dout, dout.sum(0)


# %% right: a decorated function
import functools


def logged(function):
    @functools.wraps(function)
    def inner(*args):
        return function(*args)

    return inner


@logged
def affine_forward(x, w, b):
    return x.reshape(len(x), -1) @ w + b, (x, w, b)


@logged
def affine_backward(dout, cache):
    x, w, b = cache
    return (dout @ w.T).reshape(x.shape), x.reshape(len(x), -1).T @ dout, dout.sum(0)
