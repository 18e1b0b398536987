"""Everything around the layers that it takes to train a network: data, two losses, gradient descent, the loop.

The layers themselves are passed in, so that a network is trained by the functions that you wrote.
A network here is a list of weights and a list of biases: affine, activation, affine, activation, ..., affine.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from itertools import pairwise
from typing import NamedTuple

import numpy as np


class Layer(NamedTuple):
    """A forward function and its backward, as notebook 2 defines them."""

    forward: Callable
    backward: Callable


class Digits(NamedTuple):
    """Images as rows of 64 numbers from 0 to 1, and which digit each one shows."""

    train_x: np.ndarray
    train_labels: np.ndarray
    test_x: np.ndarray
    test_labels: np.ndarray


def load_digits(seed=0):
    """The 1,797 handwritten digits of scikit-learn, 8 by 8 pixels, shuffled: 1,437 to train on, 360 to test on."""
    from sklearn.datasets import load_digits as bundled  # comes with scikit-learn, nothing is downloaded

    x, labels = bundled(return_X_y=True)
    order = np.random.default_rng(seed).permutation(len(x))
    x, labels = x[order] / 16, labels[order]  # pixels come as 0 ... 16
    return Digits(x[:1437], labels[:1437], x[1437:], labels[1437:])


def softmax_cross_entropy(scores, labels):
    """The mean over the batch of -log(softmax(scores)[label]), and its gradient with respect to the scores.

    Args:
        scores: shape (N, C), any numbers; labels: shape (N,), the right class of each example.

    Returns:
        loss, a float; dscores, shape (N, C). The 1/N of the mean is in dscores; no layer divides again.
    """
    shifted = scores - scores.max(axis=1, keepdims=True)  # the same softmax, and no exponential overflows
    log_p = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    rows = np.arange(len(labels))
    dscores = np.exp(log_p)
    dscores[rows, labels] -= 1
    return -log_p[rows, labels].mean(), dscores / len(labels)


def squared_error(outputs, labels):
    """The mean over the batch of half the squared distance to a target of zeros and a single one; its gradient."""
    targets = np.eye(outputs.shape[1])[labels]
    difference = outputs - targets
    return 0.5 * (difference**2).sum(axis=1).mean(), difference / len(labels)


def network_forward(x, weights, biases, affine, activation, last=None):
    """Run a batch through the network.

    Args:
        x: shape (N, D); weights, biases: lists, one entry a layer.
        affine, activation: a `Layer` each; the activation follows every affine layer but the last.
        last: a `Layer` to apply to the scores, or None to leave them as they are.

    Returns:
        the scores; a list of (layer, cache) in the order in which they were used; the activations of each hidden layer.
    """
    trail, hidden = [], []
    for depth, (w, b) in enumerate(zip(weights, biases, strict=True)):
        x, cache = affine.forward(x, w, b)
        trail.append((affine, cache))
        squash = activation if depth < len(weights) - 1 else last
        if squash is not None:
            x, cache = squash.forward(x)
            trail.append((squash, cache))
        if depth < len(weights) - 1:
            hidden.append(x)
    return x, trail, hidden


def network_backward(dscores, trail, affine):
    """Run the trail backwards: each layer's own backward with its own cache, the last layer first.

    Returns:
        dweights, dbiases: lists, one entry a layer, the first layer first.
    """
    upstream, dweights, dbiases = dscores, [], []
    for layer, cache in reversed(trail):
        if layer is affine:
            upstream, dw, db = affine.backward(upstream, cache)
            dweights.append(dw)
            dbiases.append(db)
        else:
            upstream = layer.backward(upstream, cache)
    return dweights[::-1], dbiases[::-1]


def new_network(sizes, init, rng):
    """Weights from `init(noise)`, where noise is standard normal of shape (D, M), and biases of 0.

    sizes: how many numbers each layer passes on, [64, 64, 10] for one hidden layer of 64.
    """
    weights = [init(rng.standard_normal(shape)) for shape in pairwise(sizes)]
    return weights, [np.zeros(m) for m in sizes[1:]]


def sgd_step(arrays, gradients, rate):
    """One step of gradient descent: every array moves against its gradient."""
    return [a - rate * g for a, g in zip(arrays, gradients, strict=True)]


def accuracy(scores, labels):
    """The share of examples whose highest score is at the right class."""
    return float((scores.argmax(axis=1) == labels).mean())


def one_thread(function):
    """Run a function with one thread a product: matrices as small as these are not worth the second one."""

    @wraps(function)
    def run(*args, **kwargs):
        try:
            from threadpoolctl import threadpool_limits  # comes with scikit-learn

            one = threadpool_limits(limits=1)
        except (ImportError, OSError):  # not there, or, where files are closed, it cannot see which libraries run
            return function(*args, **kwargs)
        with one:
            return function(*args, **kwargs)

    return run


@one_thread
def train(
    weights,
    biases,
    data,
    affine,
    activation,
    *,
    rate,
    epochs,
    rng,
    batch=32,
    loss=softmax_cross_entropy,
    last=None,
    progress=None,
):
    """Train by gradient descent on small batches.

    Returns:
        weights, biases: the trained ones.
        history: "loss" over the training set and "accuracy" over the test set, each a list with
            one entry before training and one after each epoch.
    """

    def run(x):
        return network_forward(x, weights, biases, affine, activation, last)

    history = {"loss": [], "accuracy": []}
    for epoch in range(epochs + 1):
        if epoch > 0:
            order = rng.permutation(len(data.train_x))
            for rows in np.split(order, range(batch, len(order), batch)):
                scores, trail, _ = run(data.train_x[rows])
                _, dscores = loss(scores, data.train_labels[rows])
                dweights, dbiases = network_backward(dscores, trail, affine)
                weights = sgd_step(weights, dweights, rate)
                biases = sgd_step(biases, dbiases, rate)
        history["loss"].append(float(loss(run(data.train_x)[0], data.train_labels)[0]))
        history["accuracy"].append(accuracy(run(data.test_x)[0], data.test_labels))
        if progress is not None:
            progress(epoch, history)
    return weights, biases, history


class Progress:
    """One line under a cell, written over as the training goes on: `progress = Progress()`, then a name a run."""

    def __init__(self):
        from IPython.display import display

        self.name = ""
        self.line = display({"text/plain": "starting"}, raw=True, display_id=True)

    def __call__(self, epoch, history):
        loss, share = history["loss"][-1], history["accuracy"][-1]
        if self.line is not None:
            text = f"{self.name}: epoch {epoch}, loss {loss:.3f}, accuracy {share:.1%}"
            self.line.update({"text/plain": text}, raw=True)
