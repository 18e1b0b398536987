"""The gradient checker: right for right, wrong for wrong, and never an exception."""

import numpy as np
import pytest

from autograder.gradients import check_vjp


def affine_forward(x, w, b):
    return x.reshape(len(x), -1) @ w + b, (x, w, b)


def affine_backward(dout, cache):
    x, w, _b = cache
    return (dout @ w.T).reshape(x.shape), x.reshape(len(x), -1).T @ dout, dout.sum(axis=0)


@pytest.fixture
def affine_args():
    rng = np.random.default_rng(0)
    return rng.normal(size=(2, 3, 2)), rng.normal(size=(6, 3)), rng.normal(size=3)


def test_a_right_backward_passes(affine_args):
    """A right affine backward is called right, with five evaluations."""
    check = check_vjp(affine_forward, affine_backward, affine_args)
    assert check.ok is True, str(check)
    assert check.evaluations == 5


def test_a_wrong_gradient_is_found_and_located(affine_args):
    """A dw averaged over the batch is wrong; dx and db stay right; the entries are shown."""

    def averaged(dout, cache):
        dx, dw, db = affine_backward(dout, cache)
        return dx, dw / len(dout), db

    check = check_vjp(affine_forward, averaged, affine_args)
    assert check.ok is False
    assert [(a.name, a.ok) for a in check.arguments] == [("x", True), ("w", False), ("b", True)]
    assert check.where.entries[0].yours == pytest.approx(check.where.entries[0].numerical / 2)
