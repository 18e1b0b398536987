"""The other checkers of gradients, each made to check the same numpy forward and backward.

Each checker is `check(layer, args, seed) -> bool`. torch, jax and autograd are optional; `absent()` names those that
cannot be imported.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from importlib.util import find_spec

import numpy as np

from autograder.gradients import check_vjp, numerical_gradient, relative_error

PEERS = ("torch", "jax", "autograd")


def absent() -> list[str]:
    return [name for name in PEERS if find_spec(name) is None]


def checkers() -> dict[str, Callable]:
    """Every checker that is installed, by name; each call of a maker imports what it needs."""
    found = {"ours": ours, "element loop": element_loop}
    if find_spec("torch"):
        found["torch fast"] = torch_checker(fast=True)
        found["torch slow"] = torch_checker(fast=False)
    if find_spec("jax"):
        found["jax"] = jax_checker()
    if find_spec("autograd"):
        found["autograd"] = autograd_checker(every_argument=True)
        found["autograd, 1st argument"] = autograd_checker(every_argument=False)
    return found


def ours(forward, backward, args, seed):
    return check_vjp(forward, backward, args, seed=seed).ok is True


def ours_verdict_only(forward, backward, args, seed):
    """What the others do too: a verdict, without a search for what is wrong."""
    return check_vjp(forward, backward, args, seed=seed, locate=False).ok is True


def element_loop(forward, backward, args, seed):
    """The course's loop over all entries, and its usual threshold, 1e-7 of relative error."""
    out, cache = forward(*args)
    dout = np.random.default_rng((seed, 1)).normal(size=out.shape)  # not the numbers that args were drawn from
    gradients = backward(dout, cache)
    gradients = gradients if isinstance(gradients, tuple) else (gradients,)
    right = True
    for i, gradient in enumerate(gradients):

        def loss(x, i=i):
            return np.sum(forward(*args[:i], x, *args[i + 1 :])[0] * dout)

        error = relative_error(gradient, numerical_gradient(loss, args[i]))
        right = right and bool(error <= 1e-7)
    return right


def torch_checker(*, fast):
    import torch

    def check(forward, backward, args, seed):
        class Layer(torch.autograd.Function):
            @staticmethod
            def forward(ctx, *tensors):
                out, ctx.cache = forward(*(t.detach().numpy() for t in tensors))
                return torch.from_numpy(np.array(out))

            @staticmethod
            def backward(ctx, dout):
                gradients = backward(dout.numpy(), ctx.cache)
                gradients = gradients if isinstance(gradients, tuple) else (gradients,)
                return tuple(torch.from_numpy(np.array(g)) for g in gradients)

        torch.manual_seed(seed)
        tensors = tuple(torch.from_numpy(np.array(a)).requires_grad_() for a in args)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return torch.autograd.gradcheck(Layer.apply, tensors, fast_mode=fast, raise_exception=False)

    return check


def jax_checker():
    import jax
    from jax.test_util import check_grads

    jax.config.update("jax_enable_x64", True)

    def check(forward, backward, args, seed):
        shape = jax.ShapeDtypeStruct(forward(*args)[0].shape, np.float64)
        shapes = tuple(jax.ShapeDtypeStruct(a.shape, np.float64) for a in args)

        def run(*arrays):
            return np.asarray(forward(*map(np.asarray, arrays))[0])

        def run_backward(dout, *arrays):
            gradients = backward(np.asarray(dout), forward(*map(np.asarray, arrays))[1])
            return gradients if isinstance(gradients, tuple) else (gradients,)

        @jax.custom_vjp
        def layer(*arrays):
            return jax.pure_callback(run, shape, *arrays)

        layer.defvjp(
            lambda *arrays: (layer(*arrays), arrays),
            lambda arrays, dout: jax.pure_callback(run_backward, shapes, dout, *arrays),
        )
        try:
            check_grads(layer, args, order=1, modes=("rev",))
        except AssertionError:
            return False
        return True

    return check


def autograd_checker(*, every_argument):
    from autograd.extend import defvjp, primitive
    from autograd.test_util import check_grads

    def check(forward, backward, args, seed):
        # The cache of the last forward: autograd evaluates a vjp right after its forward.
        kept = {}

        def run(*arrays):
            out, kept["cache"] = forward(*arrays)
            return out

        layer = primitive(run)

        def vjp(i):
            def maker(out, *arrays):
                cache = kept["cache"]

                def pull(dout):
                    gradients = backward(dout, cache)
                    return gradients[i] if isinstance(gradients, tuple) else gradients

                return pull

            return maker

        defvjp(layer, *(vjp(i) for i in range(len(args))))
        np.random.seed(seed)
        which = tuple(range(len(args))) if every_argument and len(args) > 1 else 0
        try:
            check_grads(layer, which, modes=["rev"], order=1)(*args)
        except AssertionError:
            return False
        return True

    return check
