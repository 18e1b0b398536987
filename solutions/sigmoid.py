"""The sigmoid layer: squashes every number into (0, 1)."""

# %%
import numpy as np


# %%
def sigmoid_forward(x):
    """Apply the sigmoid to every entry.

        out = 1 / (1 + exp(-x))

    Args:
        x: inputs, any shape, float64 or float32; every finite value, however large.

    Returns:
        out: shape of x, same dtype, between 0 and 1; never nan, never an overflow that changes a value.
        cache: whatever your sigmoid_backward will need; it is yours.

    Source: CS231n's notes on activation functions; the stable form is the classical one of numerical libraries.
    """
    ### BEGIN SOLUTION
    # exp of a number <= 0 cannot overflow; each sign of x has a form that needs only that.
    decay = np.exp(-np.abs(x))
    out = np.where(x >= 0, 1 / (1 + decay), decay / (1 + decay))
    return out, out
    ### END SOLUTION


# %%
def sigmoid_backward(dout, cache):
    """Send the upstream gradient back through the sigmoid.

        dx = dout * (the sigmoid's derivative at x), entry by entry

    Args:
        dout: gradient of the loss with respect to out, shape of x.
        cache: what sigmoid_forward returned beside out.

    Returns:
        dx: gradient of the loss with respect to x, shape of x.

    Source: derive it. Hint: the derivative can be written with the sigmoid's own output and nothing else.
    """
    ### BEGIN SOLUTION
    out = cache
    return dout * out * (1 - out)
    ### END SOLUTION


# %% tags=["grading"]
from autograder.exercise import Function, Misconception, Pair
from autograder.inputs import elementwise_cases


# The mistakes that students make here, as code. Each returns the arrays that it changes.
def sign_slip(x):
    return {"out": 1 / (1 + np.exp(x))}


def without_the_minus(x):
    return {"out": np.exp(x) / (1 + np.exp(x))}


def one_minus_upstream(dout, x):
    return {"dx": dout * (1 - dout)}


def sigmoid_of_upstream(dout, x):
    s = 1 / (1 + np.exp(-dout))
    return {"dx": s * (1 - s)}


def sigmoid_of_upstream_joined(dout, x):
    s = 1 / (1 + np.exp(-dout))
    return {"dx": dout * s * (1 - s)}


def formula_at_input(dout, x):
    return {"dx": dout * x * (1 - x)}


def sigmoid_of_output(dout, x):
    out = 1 / (1 + np.exp(-x))
    s = 1 / (1 + np.exp(-out))
    return {"dx": dout * s * (1 - s)}


def one_plus(dout, x):
    out = 1 / (1 + np.exp(-x))
    return {"dx": dout * out * (1 + out)}


def output_alone(dout, x):
    out = 1 / (1 + np.exp(-x))
    return {"dx": dout * out}


def one_minus_output(dout, x):
    out = 1 / (1 + np.exp(-x))
    return {"dx": dout * (1 - out)}


def slope_of_tanh(dout, x):
    out = 1 / (1 + np.exp(-x))
    return {"dx": dout * (1 - out**2)}


def exponentials_of_both_signs(dout, x):
    return {"dx": dout * np.exp(-x) / (1 + np.exp(-x)) ** 2}


EXERCISES = (
    Pair(
        name="sigmoid",
        assignment="02_layers",
        elementwise=True,
        forward=Function(
            reference=sigmoid_forward,
            points=2,
            returns=("out",),
            misconceptions=(
                Misconception(
                    id="sigmoid-sign",
                    sentence="Your out falls where the sigmoid rises: it is the sigmoid of -x.",
                    hints=(
                        "What should out be for a large positive x, and what is yours?",
                        "Look at the sign inside the exponential.",
                    ),
                    wrong=(sign_slip,),
                ),
                Misconception(
                    id="overflow-at-large-inputs",
                    sentence="Your out is nan where x is large: the exponential overflows and inf / inf is nan.",
                    hints=(
                        "How large may x grow before exp(x) leaves the range of float64? Try 710.",
                        "Can you write the same value so that exp only ever sees numbers that are not positive?",
                    ),
                    wrong=(without_the_minus,),
                    extreme=True,
                ),
            ),
        ),
        backward=Function(
            reference=sigmoid_backward,
            points=2,
            returns=("dx",),
            misconceptions=(
                Misconception(
                    id="formula-on-upstream",
                    sentence="Your dx applies the derivative's formula to dout, the gradient from above.",
                    hints=(
                        "Where is the sigmoid's slope to be taken: at the gradient, or at the layer's own value?",
                        "Two things meet here, the slope and dout. Which of them comes out of the cache?",
                    ),
                    wrong=(one_minus_upstream, sigmoid_of_upstream, sigmoid_of_upstream_joined),
                ),
                Misconception(
                    id="derivative-at-input",
                    sentence="Your dx puts x where the derivative's formula wants the sigmoid's output.",
                    hints=(
                        "The short formula for the slope is written in terms of z = sigmoid(x). What is in your cache?",
                        "Try x = 0 by hand: the slope there is one quarter.",
                    ),
                    wrong=(formula_at_input,),
                ),
                Misconception(
                    id="activation-twice",
                    sentence="Your dx applies the sigmoid to a value that has already been through it.",
                    hints=(
                        "Is what you cached x or sigmoid(x)? How many sigmoids does your backward apply to it?",
                        "Follow one number from x through your forward and backward, and count the exponentials.",
                    ),
                    wrong=(sigmoid_of_output,),
                ),
                Misconception(
                    id="wrong-derivative",
                    sentence="Your dx joins dout with a slope that is not the sigmoid's.",
                    hints=(
                        "What is the slope at x = 0, and far out on either side? Compare with a numerical slope.",
                        "Derive it again from 1 / (1 + exp(-x)): two factors come out, and they add up to 1.",
                    ),
                    wrong=(one_plus, output_alone, one_minus_output, slope_of_tanh),
                ),
                Misconception(
                    id="overflow-at-large-inputs",
                    sentence="Your dx is nan where x is very negative: an exponential overflows before it is divided.",
                    hints=(
                        "What does exp(-x) give at x = -710, and what its square?",
                        "The slope can be written from the output alone, which never overflows.",
                    ),
                    wrong=(exponentials_of_both_signs,),
                    extreme=True,
                ),
            ),
        ),
        cases=elementwise_cases(contract="2.0", section="2.5", overflow="2.5"),
    ),
)
