"""Mistakes that no single layer owns: for any pair of forward and backward, what such a mistake computes."""

from __future__ import annotations

import numpy as np

from autograder.exercise import Misconception, Pair


def upstream_forgotten(pair: Pair) -> Misconception:
    """The local derivative alone, as if dout were all ones."""

    def wrong(dout, *args):
        _, cache = pair.forward.reference(*args)
        return _named(pair, pair.backward.reference(np.ones_like(dout), cache))

    return Misconception(
        id="upstream-forgotten",
        sentence="Your {array} {is} what you get when the upstream gradient dout is left out.",
        hints=(
            "Which rule joins a local derivative to the gradient that arrives from above?",
            "If the loss did not depend on out at all, dout would be 0. What would your {array} be?",
        ),
        wrong=(wrong,),
    )


def derivative_skipped(pair: Pair) -> Misconception:
    """dout handed on as it came."""

    def wrong(dout, *args):
        return {
            name: np.array(dout)
            for name, arg in zip(pair.backward.returns, args, strict=False)
            if np.shape(arg) == np.shape(dout)
        }

    return Misconception(
        id="derivative-skipped",
        sentence="Your {array} {is} dout itself; the layer's own slope is not in it.",
        hints=(
            "If x moves a little, does out move by just as much?",
            "What does the chain rule multiply dout with?",
        ),
        wrong=(wrong,),
    )


def sign_flipped(pair: Pair) -> Misconception:
    """The negated gradient."""

    def wrong(dout, *args):
        _, cache = pair.forward.reference(*args)
        right = _named(pair, pair.backward.reference(dout, cache))
        return {name: -value for name, value in right.items()}

    return Misconception(
        id="sign-flipped",
        sentence="Your {array} {is} the gradient with its sign turned round.",
        hints=(
            "If x grows a little, does out grow or shrink?",
            "Derive the slope again and watch each minus sign; updating with a minus is the optimiser's business.",
        ),
        wrong=(wrong,),
    )


def zero_gradient(pair: Pair) -> Misconception:
    """Zeros of the right shape."""

    def wrong(dout, *args):
        return {name: np.zeros(np.shape(arg)) for name, arg in zip(pair.backward.returns, args, strict=False)}

    return Misconception(
        id="zero-gradient",
        sentence="Your {array} {is} 0 everywhere.",
        hints=(
            "Does the loss really not change when this input does?",
            "Is the array that you return ever written to after it was made?",
        ),
        wrong=(wrong,),
    )


def _named(pair: Pair, gradients) -> dict:
    values = gradients if isinstance(gradients, tuple | list) else (gradients,)
    return dict(zip(pair.backward.returns, values, strict=True))


def general_misconceptions(pair: Pair) -> tuple[Misconception, ...]:
    """The general mistakes for this layer, in the order in which they are claimed, after the layer's own.

    Left out: those that the layer describes itself, and dout handed on where it has the shape of no argument.
    """
    own = {m.id for m in pair.backward.misconceptions}
    made = [make(pair) for make in GENERAL if pair.elementwise or make is not derivative_skipped]
    return tuple(m for m in made if m.id not in own)


GENERAL = (upstream_forgotten, derivative_skipped, sign_flipped, zero_gradient)
