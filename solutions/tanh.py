"""The tanh layer: squashes every number into (-1, 1), symmetric about 0."""

# %%
import numpy as np


# %%
def tanh_forward(x):
    """Apply the hyperbolic tangent to every entry.

        out = (exp(x) - exp(-x)) / (exp(x) + exp(-x))

    Args:
        x: inputs, any shape, float64 or float32; every finite value, however large.

    Returns:
        out: shape of x, same dtype, between -1 and 1; never nan.
        cache: whatever your tanh_backward will need; it is yours.

    Source: the definition; numpy's own function is allowed.
    """
    ### BEGIN SOLUTION
    out = np.tanh(x)
    return out, out
    ### END SOLUTION


# %%
def tanh_backward(dout, cache):
    """Send the upstream gradient back through the tanh.

        dx = dout * (the derivative of tanh at x), entry by entry

    Args:
        dout: gradient of the loss with respect to out, shape of x.
        cache: what tanh_forward returned beside out.

    Returns:
        dx: gradient of the loss with respect to x, shape of x.

    Source: derive it; as for the sigmoid, the output alone is enough.
    """
    ### BEGIN SOLUTION
    t = cache
    return dout * (1 - t**2)
    ### END SOLUTION


# %% tags=["grading"]
from autograder.exercise import Function, Misconception, Pair
from autograder.inputs import elementwise_cases


# The mistakes that students make here, as code. Each returns the arrays that it changes.
def quotient_of_exponentials(x):
    return {"out": (np.exp(x) - np.exp(-x)) / (np.exp(x) + np.exp(-x))}


def square_of_upstream(dout, x):
    return {"dx": 1 - dout**2}


def tanh_of_upstream(dout, x):
    return {"dx": 1 - np.tanh(dout) ** 2}


def tanh_of_upstream_joined(dout, x):
    return {"dx": dout * (1 - np.tanh(dout) ** 2)}


def formula_at_input(dout, x):
    return {"dx": dout * (1 - x**2)}


def tanh_of_output(dout, x):
    return {"dx": dout * (1 - np.tanh(np.tanh(x)) ** 2)}


def one_plus_square(dout, x):
    return {"dx": dout * (1 + np.tanh(x) ** 2)}


def one_forgotten(dout, x):
    return {"dx": -dout * np.tanh(x) ** 2}


def not_squared(dout, x):
    return {"dx": dout * (1 - np.tanh(x))}


def slope_of_sigmoid(dout, x):
    t = np.tanh(x)
    return {"dx": dout * t * (1 - t)}


def exponentials_of_both_signs(dout, x):
    t = (np.exp(x) - np.exp(-x)) / (np.exp(x) + np.exp(-x))
    return {"dx": dout * (1 - t**2)}


EXERCISES = (
    Pair(
        name="tanh",
        assignment="02_layers",
        elementwise=True,
        forward=Function(
            reference=tanh_forward,
            points=1,
            returns=("out",),
            misconceptions=(
                Misconception(
                    id="overflow-at-large-inputs",
                    sentence="Your out is nan where |x| is large: both exponentials grow to inf, and inf / inf is nan.",
                    hints=(
                        "What does your quotient become at x = 710?",
                        "numpy has this function, or: can you multiply both halves of the fraction by a small number?",
                    ),
                    wrong=(quotient_of_exponentials,),
                    extreme=True,
                ),
            ),
        ),
        backward=Function(
            reference=tanh_backward,
            points=2,
            returns=("dx",),
            misconceptions=(
                Misconception(
                    id="formula-on-upstream",
                    sentence="Your dx applies the derivative's formula to dout, the gradient from above.",
                    hints=(
                        "Where is the slope of tanh to be taken: at the gradient, or at the layer's own value?",
                        "Two things meet here, the slope and dout. Which of them comes out of the cache?",
                    ),
                    wrong=(square_of_upstream, tanh_of_upstream, tanh_of_upstream_joined),
                ),
                Misconception(
                    id="derivative-at-input",
                    sentence="Your dx puts x where the derivative's formula wants tanh(x).",
                    hints=(
                        "The short formula for the slope is written in terms of t = tanh(x). What is in your cache?",
                        "Try x = 3 by hand: can the slope of tanh be -8 there?",
                    ),
                    wrong=(formula_at_input,),
                ),
                Misconception(
                    id="activation-twice",
                    sentence="Your dx applies tanh to a value that has already been through it.",
                    hints=(
                        "Is what you cached x or tanh(x)? How many times does your backward apply tanh to it?",
                        "Follow one number from x through your forward and backward, and count the calls of tanh.",
                    ),
                    wrong=(tanh_of_output,),
                ),
                Misconception(
                    id="wrong-derivative",
                    sentence="Your dx joins dout with a slope that is not that of tanh.",
                    hints=(
                        "What is the slope of tanh at 0, and far out on either side? Compare with a numerical slope.",
                        "Derive it again with the quotient rule: which power of tanh is left, and with which sign?",
                    ),
                    wrong=(one_plus_square, one_forgotten, not_squared, slope_of_sigmoid),
                ),
                Misconception(
                    id="overflow-at-large-inputs",
                    sentence="Your dx is nan where |x| is large: it is made from exponentials that overflow.",
                    hints=(
                        "What does exp(x) give at x = 710, and what inf / inf?",
                        "The slope can be written from the output alone, which never overflows.",
                    ),
                    wrong=(exponentials_of_both_signs,),
                    extreme=True,
                ),
            ),
        ),
        cases=elementwise_cases(contract="2.0", section="2.6", overflow="2.5"),
    ),
)
