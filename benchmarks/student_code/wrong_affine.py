"""Fully connected layers as students get them wrong: every known mistake in at least three hands.

A cell's title is `ids @ function: how it is written`. What a cell does not define is taken from the first.
"""

# %% given
import math

import numpy as np


def affine_forward(x, w, b):
    out = x.reshape(x.shape[0], -1).dot(w) + b
    cache = (x, w, b)
    return out, cache


def affine_backward(dout, cache):
    x, w, b = cache
    N = x.shape[0]
    dx = dout.dot(w.T).reshape(x.shape)
    dw = x.reshape(N, -1).T.dot(dout)
    db = np.sum(dout, axis=0)
    return dx, dw, db


# %% elementwise-for-matmul @ affine_forward: a star
def affine_forward(x, w, b):
    out = x * w + b
    return out, (x, w, b)


# %% elementwise-for-matmul @ affine_forward: np.multiply on rows
def affine_forward(x, w, b):
    N = x.shape[0]
    rows = np.reshape(x, (N, -1))
    scores = np.multiply(rows, w)
    return scores + b, (x, w, b)


# %% elementwise-for-matmul @ affine_forward: a star in a loop
def affine_forward(x, w, b):
    out = []
    for example in x:
        out.append(example.flatten() * w + b)
    return np.array(out), (x, w, b)


# %% bias-forgotten @ affine_forward: the product alone
def affine_forward(x, w, b):
    return x.reshape(len(x), -1) @ w, (x, w, b)


# %% bias-forgotten @ affine_forward: einsum
def affine_forward(x, w, b):
    X = x.reshape(x.shape[0], w.shape[0])
    z = np.einsum("ij,jk->ik", X, w)
    return z, (x, w, b)


# %% bias-forgotten @ affine_forward: loops
def affine_forward(x, w, b):
    n, m = len(x), w.shape[1]
    z = np.zeros((n, m))
    for i in range(n):
        for j in range(m):
            for k, value in enumerate(x[i].ravel()):
                z[i, j] += value * w[k, j]
    bias = z + b
    return z, (x, w, b)


# %% input-not-flattened @ affine_forward: matmul
def affine_forward(x, w, b):
    return np.matmul(x, w) + b, (x, w, b)


# %% input-not-flattened @ affine_forward: dot
def affine_forward(x, w, b):
    out = np.dot(x, w)
    out = out + b
    return out, (x, w, b)


# %% input-not-flattened @ affine_forward: einsum with two letters
def affine_forward(x, w, b):
    return np.einsum("nd,dm->nm", x, w) + b, (x, w, b)


# %% input-not-flattened @ affine_forward: the shape taken apart
def affine_forward(x, w, b):
    N, D = x.shape
    M = b.shape[0]
    out = np.zeros((N, M))
    for n in range(N):
        for m in range(M):
            out[n, m] = b[m] + sum(x[n, d] * w[d, m] for d in range(D))
    return out, (x, w, b)


# %% averaged-over-batch @ affine_backward: divided at the end
def affine_backward(dout, cache):
    x, w, b = cache
    N = dout.shape[0]
    dx = np.dot(dout, w.T).reshape(x.shape)
    dw = np.dot(x.reshape(N, -1).T, dout) / N
    db = np.sum(dout, axis=0) / N
    return dx, dw, db


# %% averaged-over-batch @ affine_backward: mean for the bias alone
def affine_backward(dout, cache):
    X, W, _ = cache
    grad_b = np.mean(dout, axis=0)
    grad_W = X.reshape(len(X), -1).T @ dout
    grad_X = (dout @ W.T).reshape(X.shape)
    return grad_X, grad_W, grad_b


# %% averaged-over-batch @ affine_backward: running mean over examples
def affine_backward(dout, cache):
    x, w, b = cache
    dw = np.zeros_like(w)
    db = np.zeros_like(b)
    dx = np.zeros(x.shape)
    for i in range(len(x)):
        dw = dw + (np.outer(x[i].ravel(), dout[i]) - dw) / (i + 1)
        db += dout[i]
        dx[i] = w.dot(dout[i]).reshape(x[i].shape)
    return dx, dw, db


# %% averaged-over-batch @ affine_backward: dout divided first
def affine_backward(dout, cache):
    x, w, b = cache
    m = x.shape[0]
    g = dout / m
    return (g @ w.T).reshape(x.shape), x.reshape(m, -1).T @ g, g.sum(0)


# %% bias-not-summed @ affine_backward: handed on
def affine_backward(dout, cache):
    x, w, b = cache
    return (dout @ w.T).reshape(x.shape), x.reshape(len(x), -1).T @ dout, dout


# %% bias-not-summed @ affine_backward: times ones
def affine_backward(dout, cache):
    x, w, b = cache
    dx = (dout @ w.T).reshape(x.shape)
    dw = np.tensordot(x.reshape(len(x), -1), dout, axes=(0, 0))
    db = dout * np.ones_like(b)
    return dx, dw, db


# %% bias-not-summed @ affine_backward: collected
def affine_backward(dout, cache):
    x, w, b = cache
    dx, dw, db = np.zeros_like(x), np.zeros_like(w), []
    for n, row in enumerate(dout):
        dx[n] = (w @ row).reshape(x[n].shape)
        dw += np.outer(x[n], row)
        db.append(1.0 * row)
    return dx, dw, np.array(db)


# %% bias-shape @ affine_backward: keepdims
def affine_backward(dout, cache):
    x, w, b = cache
    db = np.sum(dout, axis=0, keepdims=True)
    return (dout @ w.T).reshape(x.shape), x.reshape(len(x), -1).T @ dout, db


# %% bias-shape @ affine_backward: a column of ones on the left
def affine_backward(dout, cache):
    x, w, b = cache
    ones = np.ones((1, dout.shape[0]))
    db = ones @ dout
    return (dout @ w.T).reshape(x.shape), x.reshape(len(x), -1).T @ dout, db


# %% bias-shape @ affine_backward: reshaped to a column
def affine_backward(dout, cache):
    x, w, b = cache
    db = dout.sum(axis=0).reshape(-1, 1)
    return (dout @ w.T).reshape(x.shape), x.reshape(len(x), -1).T @ dout, db


# %% bias-shape @ affine_backward: added to a matrix of zeros
def affine_backward(dout, cache):
    x, w, b = cache
    db = np.zeros((len(b), len(b)))
    for row in dout:
        db += row
    return (dout @ w.T).reshape(x.shape), x.reshape(len(x), -1).T @ dout, db


# %% bias-wrong-axis @ affine_backward: axis 1
def affine_backward(dout, cache):
    x, w, b = cache
    db = np.sum(dout, axis=1)
    return (dout @ w.T).reshape(x.shape), x.reshape(len(x), -1).T @ dout, db


# %% bias-wrong-axis @ affine_backward: einsum keeps the wrong letter
def affine_backward(dout, cache):
    x, w, b = cache
    db = np.einsum("nm->n", dout)
    return (dout @ w.T).reshape(x.shape), x.reshape(len(x), -1).T @ dout, db


# %% bias-wrong-axis @ affine_backward: a sum for each row
def affine_backward(dout, cache):
    x, w, b = cache
    db = np.array([sum(row) for row in dout])
    return (dout @ w.T).reshape(x.shape), x.reshape(len(x), -1).T @ dout, db


# %% bias-scalar @ affine_backward: sum without an axis
def affine_backward(dout, cache):
    x, w, b = cache
    return (dout @ w.T).reshape(x.shape), x.reshape(len(x), -1).T @ dout, np.sum(dout)


# %% bias-scalar @ affine_backward: a total in a loop
def affine_backward(dout, cache):
    x, w, b = cache
    total = 0
    for row in dout:
        for value in row:
            total += value
    return (dout @ w.T).reshape(x.shape), x.reshape(len(x), -1).T @ dout, total


# %% bias-scalar @ affine_backward: math.fsum
def affine_backward(dout, cache):
    x, w, b = cache
    return (dout @ w.T).reshape(x.shape), x.reshape(len(x), -1).T @ dout, math.fsum(dout.ravel())


# %% gradient-order @ affine_backward: dw first
def affine_backward(dout, cache):
    x, w, b = cache
    dx = (dout @ w.T).reshape(x.shape)
    dw = x.reshape(len(x), -1).T @ dout
    db = dout.sum(0)
    return dw, dx, db


# %% gradient-order @ affine_backward: as they are computed
def affine_backward(dout, cache):
    x, w, b = cache
    grads = []
    grads.append(dout.sum(0))
    grads.append(x.reshape(len(x), -1).T @ dout)
    grads.append((dout @ w.T).reshape(x.shape))
    return tuple(grads)


# %% gradient-order @ affine_backward: weights and biases, then the input
def affine_backward(dout, cache):
    inputs, weights, bias = cache
    flat = inputs.reshape(inputs.shape[0], -1)
    return flat.T @ dout, dout.sum(axis=0), np.dot(dout, weights.T).reshape(inputs.shape)


# %% upstream-forgotten @ affine_backward: x is the slope of w
def affine_backward(dout, cache):
    x, w, b = cache
    flat = x.reshape(x.shape[0], -1)
    dw = flat.T @ np.ones((x.shape[0], w.shape[1]))
    return (dout @ w.T).reshape(x.shape), dw, dout.sum(0)


# %% upstream-forgotten @ affine_backward: ones for dout throughout
def affine_backward(dout, cache):
    x, w, b = cache
    ones = np.ones(dout.shape)
    dx = (ones @ w.T).reshape(x.shape)
    dw = x.reshape(len(x), -1).T @ ones
    db = np.full(b.shape, float(len(x)))
    return dx, dw, db


# %% upstream-forgotten @ affine_backward: sums repeated
def affine_backward(dout, cache):
    x, w, b = cache
    column = x.reshape(len(x), -1).sum(axis=0)
    dw = np.stack([column] * w.shape[1], axis=1)
    return (dout @ w.T).reshape(x.shape), dw, dout.sum(0)


# %% input-not-reshaped @ affine_backward: left as rows
def affine_backward(dout, cache):
    x, w, b = cache
    return dout @ w.T, x.reshape(len(x), -1).T @ dout, dout.sum(0)


# %% input-not-reshaped @ affine_backward: einsum
def affine_backward(dout, cache):
    x, w, b = cache
    rows = x.reshape(len(x), -1)
    dx = np.einsum("nm,dm->nd", dout, w)
    return dx, np.einsum("nd,nm->dm", rows, dout), dout.sum(0)


# %% input-not-reshaped @ affine_backward: the rows are what was cached
def affine_forward(x, w, b):
    rows = x.reshape(len(x), -1)
    return rows @ w + b, (rows, w)


def affine_backward(dout, cache):
    x, w = cache
    dx = np.zeros(x.shape)
    for n in range(len(x)):
        dx[n] = w @ dout[n]
    return dx, x.T @ dout, dout.sum(0)


# %% updated-too-early @ affine_backward: a step in between
def affine_backward(dout, cache):
    x, w, b = cache
    dw = x.reshape(len(x), -1).T @ dout
    db = dout.sum(0)
    w = w - 0.01 * dw
    b = b - 0.01 * db
    dx = (dout @ w.T).reshape(x.shape)
    return dx, dw, db


# %% updated-too-early @ affine_backward: in place
def affine_backward(dout, cache):
    x, w, b = cache
    learning_rate = 1e-3
    dw = x.reshape(len(x), -1).T.dot(dout)
    w -= learning_rate * dw
    dx = dout.dot(w.T).reshape(x.shape)
    return dx, dw, np.sum(dout, axis=0)


# %% updated-too-early @ affine_backward: with the averaged gradient
def affine_backward(dout, cache):
    x, w, b = cache
    n = len(x)
    dw = x.reshape(n, -1).T @ dout
    new_w = w - 0.1 / n * dw
    return (dout @ new_w.T).reshape(x.shape), dw, dout.sum(0)


# %% regulariser-inside @ affine_backward: reg * w
def affine_backward(dout, cache):
    x, w, b = cache
    reg = 0.05
    dw = x.reshape(len(x), -1).T @ dout + reg * w
    return (dout @ w.T).reshape(x.shape), dw, dout.sum(0)


# %% regulariser-inside @ affine_backward: weight decay, later
def affine_backward(dout, cache):
    x, w, b = cache
    dx = (dout @ w.T).reshape(x.shape)
    dw = x.reshape(len(x), -1).T @ dout
    dw += 2 * 1e-4 * w
    return dx, dw, dout.sum(0)


# %% regulariser-inside @ affine_backward: with the wrong sign
def affine_backward(dout, cache):
    x, w, b = cache
    dw = -0.5 * w
    for n in range(len(x)):
        dw = dw + np.outer(x[n], dout[n])
    return (dout @ w.T).reshape(x.shape), dw, dout.sum(0)


# %% elementwise-for-matmul @ affine_backward: a star for dx
def affine_backward(dout, cache):
    x, w, b = cache
    dx = dout * w.T
    return dx.reshape(x.shape), x.reshape(len(x), -1).T @ dout, dout.sum(0)


# %% elementwise-for-matmul @ affine_backward: a star for dw
def affine_backward(dout, cache):
    x, w, b = cache
    rows = x.reshape(len(x), -1)
    dw = rows.T * dout
    return (dout @ w.T).reshape(x.shape), dw, dout.sum(0)


# %% elementwise-for-matmul @ affine_backward: np.multiply for both
def affine_backward(dout, cache):
    x, w, b = cache
    dx = np.multiply(dout, w.T).reshape(x.shape)
    dw = np.multiply(x.reshape(len(x), -1).T, dout)
    return dx, dw, dout.sum(0)


# %% transposed @ affine_backward: factors swapped
def affine_backward(dout, cache):
    x, w, b = cache
    return (dout @ w.T).reshape(x.shape), dout.T @ x.reshape(len(x), -1), dout.sum(0)


# %% transposed @ affine_backward: einsum with the letters swapped
def affine_backward(dout, cache):
    x, w, b = cache
    dw = np.einsum("nd,nm->md", x.reshape(len(x), -1), dout)
    return (dout @ w.T).reshape(x.shape), dw, dout.sum(0)


# %% transposed @ affine_backward: outer products the other way round
def affine_backward(dout, cache):
    x, w, b = cache
    dw = 0
    for n in range(len(x)):
        dw = dw + np.outer(dout[n], x[n])
    return (dout @ w.T).reshape(x.shape), dw, dout.sum(0)


# %% sign-flipped @ affine_backward: for the update
def affine_backward(dout, cache):
    x, w, b = cache
    dw = -x.reshape(len(x), -1).T @ dout
    db = -dout.sum(0)
    return (dout @ w.T).reshape(x.shape), dw, db


# %% sign-flipped @ affine_backward: subtracted in a loop
def affine_backward(dout, cache):
    x, w, b = cache
    dw, db = np.zeros(w.shape), np.zeros(b.shape)
    for n in range(len(x)):
        dw -= np.outer(x[n], dout[n])
        db -= dout[n]
    dx = 0 - dout @ w.T
    return dx.reshape(x.shape), dw, db


# %% sign-flipped @ affine_backward: everything, at the end
def affine_backward(dout, cache):
    x, w, b = cache
    grads = ((dout @ w.T).reshape(x.shape), x.reshape(len(x), -1).T @ dout, dout.sum(0))
    return tuple(-1 * g for g in grads)


# %% scaled @ affine_backward: a 2 from a square
def affine_backward(dout, cache):
    x, w, b = cache
    dx = 2 * (dout @ w.T).reshape(x.shape)
    dw = 2 * x.reshape(len(x), -1).T @ dout
    return dx, dw, 2 * dout.sum(0)


# %% scaled @ affine_backward: a learning rate inside
def affine_backward(dout, cache):
    x, w, b = cache
    lr = 0.01
    dw = lr * np.dot(x.reshape(len(x), -1).T, dout)
    db = lr * dout.sum(0)
    return (dout @ w.T).reshape(x.shape), dw, db


# %% scaled @ affine_backward: divided by the outputs
def affine_backward(dout, cache):
    x, w, b = cache
    dout = dout / w.shape[1]
    return (dout @ w.T).reshape(x.shape), x.reshape(len(x), -1).T @ dout, dout.sum(0)


# %% zero-gradient @ affine_backward: never filled
def affine_backward(dout, cache):
    x, w, b = cache
    dx, dw, db = np.zeros_like(x), np.zeros_like(w), np.zeros_like(b)
    return dx, dw, db


# %% zero-gradient @ affine_backward: a loop over nothing
def affine_backward(dout, cache):
    x, w, b = cache
    dw = np.zeros(w.shape)
    for n in range(0):
        dw += np.outer(x[n], dout[n])
    return (dout @ w.T).reshape(x.shape), dw, dout.sum(0)


# %% zero-gradient @ affine_backward: the sum goes elsewhere
def affine_backward(dout, cache):
    x, w, b = cache
    db = np.zeros(b.shape)
    for row in dout:
        total = db + row
    return (dout @ w.T).reshape(x.shape), x.reshape(len(x), -1).T @ dout, 0 * total


# %% nothing-returned @ affine_backward: no return
def affine_backward(dout, cache):
    x, w, b = cache
    dx = (dout @ w.T).reshape(x.shape)
    dw = x.reshape(len(x), -1).T @ dout
    db = dout.sum(0)


# %% nothing-returned @ affine_backward: None left in place
def affine_backward(dout, cache):
    dx, dw, db = None, None, None
    x, w, b = cache
    dx = (dout @ w.T).reshape(x.shape)
    return dx, dw, db


# %% nothing-returned @ affine_backward: printed
def affine_backward(dout, cache):
    x, w, b = cache
    print((dout @ w.T).reshape(x.shape), x.reshape(len(x), -1).T @ dout, dout.sum(0))
    return


# %% nothing-returned @ affine_forward: no return
def affine_forward(x, w, b):
    out = x.reshape(len(x), -1) @ w + b
    cache = (x, w, b)


# %% nothing-returned @ affine_forward: a return in a branch that is never taken
def affine_forward(x, w, b):
    out = x.reshape(len(x), -1) @ w + b
    if out is None:
        return out, (x, w, b)


# %% nothing-returned @ affine_forward: a lambda that is not called
def affine_forward(x, w, b):
    result = lambda: (x.reshape(len(x), -1) @ w + b, (x, w, b))


# %% averaged-over-batch + gradient-order @ affine_backward: mean, and parameters first
def affine_backward(dout, cache):
    x, w, b = cache
    n = len(x)
    dw = x.reshape(n, -1).T @ dout / n
    db = dout.mean(axis=0)
    dx = (dout @ w.T).reshape(x.shape)
    return dw, db, dx


# %% averaged-over-batch + gradient-order @ affine_backward: two swapped, all averaged
def affine_backward(dout, cache):
    x, w, b = cache
    g = dout / dout.shape[0]
    return x.reshape(len(x), -1).T @ g, (g @ w.T).reshape(x.shape), np.sum(g, 0)


# %% averaged-over-batch + transposed @ affine_backward: dw both ways wrong
def affine_backward(dout, cache):
    x, w, b = cache
    dw = np.dot(dout.T, x.reshape(len(x), -1)) / len(x)
    return (dout @ w.T).reshape(x.shape), dw, dout.sum(0)


# %% averaged-over-batch + bias-shape @ affine_backward: mean with keepdims
def affine_backward(dout, cache):
    x, w, b = cache
    db = np.mean(dout, axis=0, keepdims=True)
    return (dout @ w.T).reshape(x.shape), x.reshape(len(x), -1).T @ dout, db


# %% sign-flipped + averaged-over-batch @ affine_backward: minus the mean
def affine_backward(dout, cache):
    x, w, b = cache
    dw = -(x.reshape(len(x), -1).T @ dout) / len(x)
    return (dout @ w.T).reshape(x.shape), dw, dout.sum(0)


# %% upstream-forgotten + sign-flipped @ affine_backward: minus the local slope
def affine_backward(dout, cache):
    x, w, b = cache
    dw = -x.reshape(len(x), -1).T @ np.ones_like(dout)
    return (dout @ w.T).reshape(x.shape), dw, dout.sum(0)


# %% regulariser-inside + averaged-over-batch @ affine_backward: both in one line
def affine_backward(dout, cache):
    x, w, b = cache
    dw = x.reshape(len(x), -1).T @ dout / len(x) + 0.1 * w
    return (dout @ w.T).reshape(x.shape), dw, dout.sum(0)


# %% input-not-reshaped + averaged-over-batch @ affine_backward: rows, averaged
def affine_backward(dout, cache):
    x, w, b = cache
    return dout @ w.T / len(x), x.reshape(len(x), -1).T @ dout, dout.sum(0)


# %% upstream-forgotten + bias-shape @ affine_backward: a row of counts
def affine_backward(dout, cache):
    x, w, b = cache
    db = np.ones((1, len(x))) @ np.ones_like(dout)
    return (dout @ w.T).reshape(x.shape), x.reshape(len(x), -1).T @ dout, db


# %% transposed + sign-flipped @ affine_backward: dw turned in both senses
def affine_backward(dout, cache):
    x, w, b = cache
    dw = -np.einsum("nm,nd->md", dout, x.reshape(len(x), -1))
    return (dout @ w.T).reshape(x.shape), dw, dout.sum(0)
