"""The fully connected (affine) layer: every output is a weighted sum of every input, plus a bias."""

# %%
import numpy as np


# %%
def affine_forward(x, w, b):
    """Multiply each example by the weights and add the bias.

        out = X @ w + b,   X = x with every example laid out as one row of length D = d_1 * ... * d_k

    Args:
        x: inputs, shape (N, d_1, ..., d_k), float64 or float32; row n is example n.
        w: weights, shape (D, M).
        b: biases, shape (M,).

    Returns:
        out: shape (N, M).
        cache: whatever your affine_backward will need; it is yours.

    Source: CS231n, assignment 1, where the layer has the same name and signature.
    """
    ### BEGIN SOLUTION
    rows = x.reshape(x.shape[0], -1)
    return rows @ w + b, (x, w)
    ### END SOLUTION


# %%
def affine_backward(dout, cache):
    """Send the upstream gradient back through the fully connected layer.

        each gradient answers: if this number moved a little, how much would the loss move?

    Args:
        dout: gradient of the loss with respect to out, shape (N, M).
        cache: what affine_forward returned beside out.

    Returns, in this order:
        dx: gradient with respect to x, shape of x: (N, d_1, ..., d_k).
        dw: gradient with respect to w, shape (D, M).
        db: gradient with respect to b, shape (M,).

    Source: derive it; every weight is used once for each example, so its gradient is a sum over the examples.
    """
    ### BEGIN SOLUTION
    x, w = cache
    rows = x.reshape(x.shape[0], -1)
    dx = (dout @ w.T).reshape(x.shape)
    dw = rows.T @ dout
    db = dout.sum(axis=0)
    return dx, dw, db
    ### END SOLUTION


# %% tags=["grading"]
from autograder.exercise import Case, Function, Misconception, Pair, Plus
from autograder.inputs import normal, strided, uniform


def affine_inputs(*shape, m, draw=normal):
    """Draws (x, w, b) with x of the given shape and M = m."""

    def make(rng):
        d = int(np.prod(shape[1:]))
        return draw(rng, shape), draw(rng, (d, m)), draw(rng, (m,))

    return make


def strided_inputs(rng):
    return strided(rng, (4, 6)), np.asfortranarray(normal(rng, (6, 3))), strided(rng, (3,))


def float32_inputs(rng):
    return tuple(a.astype(np.float32) for a in affine_inputs(5, 7, m=3)(rng))


# The mistakes that students make here, as code. Each returns the arrays that it changes.
def star_for_matmul(x, w, b):
    return {"out": x * w + b}


def star_for_matmul_of_rows(x, w, b):
    return {"out": x.reshape(len(x), -1) * w + b}


def star_for_matmul_in_a_loop(x, w, b):
    return {"out": np.array([row.ravel() * w + b for row in x])}


def bias_forgotten(x, w, b):
    return {"out": x.reshape(len(x), -1) @ w}


def not_flattened(x, w, b):
    return {"out": x @ w + b}


def not_flattened_dot(x, w, b):
    return {"out": x.dot(w) + b}


def everything_averaged(dout, x, w, b):
    n = len(x)
    rows = x.reshape(n, -1)
    return {"dx": (dout @ w.T).reshape(x.shape) / n, "dw": rows.T @ dout / n, "db": dout.sum(axis=0) / n}


def parameters_averaged(dout, x, w, b):
    rows = x.reshape(len(x), -1)
    return {"dw": rows.T @ dout / len(x), "db": dout.mean(axis=0)}


def bias_averaged(dout, x, w, b):
    return {"db": dout.mean(axis=0)}


def upstream_of_ones(dout, x, w, b):
    rows = x.reshape(len(x), -1)
    ones = np.ones_like(dout)
    return {"dx": (ones @ w.T).reshape(x.shape), "dw": rows.T @ ones, "db": ones.sum(axis=0)}


def weights_for_gradients(dout, x, w, b):
    return {"dw": x.reshape(len(x), -1).T @ np.ones_like(dout)}


def bias_is_upstream(dout, x, w, b):
    return {"db": dout}


def bias_row(dout, x, w, b):
    return {"db": dout.sum(axis=0, keepdims=True)}


def bias_column(dout, x, w, b):
    return {"db": dout.sum(axis=0)[:, None]}


def bias_square(dout, x, w, b):
    return {"db": np.tile(dout.sum(axis=0), (len(b), 1))}


def bias_over_features(dout, x, w, b):
    return {"db": dout.sum(axis=1)}


def bias_over_everything(dout, x, w, b):
    return {"db": dout.sum()}


def left_flat(dout, x, w, b):
    return {"dx": dout @ w.T}


def weights_moved_first(dout, x, w, b):
    dw = x.reshape(len(x), -1).T @ dout
    return {"dx": Plus((dout @ w.T).reshape(x.shape), (dout @ dw.T).reshape(x.shape))}


def decay_inside(dout, x, w, b):
    return {"dw": Plus(x.reshape(len(x), -1).T @ dout, w)}


def transposed(dout, x, w, b):
    return {"dw": dout.T @ x.reshape(len(x), -1)}


def star_for_dx(dout, x, w, b):
    return {"dx": dout * w.T}


def star_for_dw(dout, x, w, b):
    return {"dw": x.reshape(len(x), -1).T * dout}


EXERCISES = (
    Pair(
        name="affine",
        assignment="02_layers",
        forward=Function(
            reference=affine_forward,
            points=2,
            returns=("out",),
            misconceptions=(
                Misconception(
                    id="elementwise-for-matmul",
                    sentence="Your out multiplies entry by entry where every output needs a sum over all inputs.",
                    hints=(
                        "How many products go into one entry of out? How many does yours add up?",
                        "Which operator of numpy multiplies matrices, and which multiplies entries?",
                    ),
                    wrong=(star_for_matmul, star_for_matmul_of_rows, star_for_matmul_in_a_loop),
                ),
                Misconception(
                    id="bias-forgotten",
                    sentence="Your out is the product with the weights alone; the bias is not in it.",
                    hints=(
                        "What should out be when every entry of x is 0?",
                        "Read the formula again from the right end.",
                    ),
                    wrong=(bias_forgotten,),
                ),
                Misconception(
                    id="input-not-flattened",
                    sentence="Your out is right for x of shape (N, D), but an x with more dimensions is not laid out "
                    "in rows first.",
                    hints=(
                        "What is the shape of x when every example is a small image, and what shape does w expect?",
                        "Section 2.1 lays every example out as one row. Where would that go?",
                    ),
                    wrong=(not_flattened, not_flattened_dot),
                ),
            ),
        ),
        backward=Function(
            reference=affine_backward,
            points=3,
            returns=("dx", "dw", "db"),
            misconceptions=(
                Misconception(
                    id="bias-not-summed",
                    sentence="Your db is dout itself, one row for each example.",
                    hints=(
                        "b was added to every example. How many paths lead from one entry of b to the loss?",
                        "db must have the shape of b. Which axis of dout has to go, and how?",
                    ),
                    wrong=(bias_is_upstream,),
                ),
                Misconception(
                    id="bias-shape",
                    sentence="Your db holds the right numbers in the wrong shape.",
                    hints=(
                        "Which shape does b have, and which does your db have?",
                        "Look for an axis that was kept, added or repeated.",
                    ),
                    wrong=(bias_row, bias_column, bias_square),
                ),
                Misconception(
                    id="bias-wrong-axis",
                    sentence="Your db is summed over the outputs, so that it has one entry for each example.",
                    hints=(
                        "Which axis of dout counts examples, and which counts outputs?",
                        "db has one entry for each bias. The other axis is the one to sum over.",
                    ),
                    wrong=(bias_over_features,),
                ),
                Misconception(
                    id="bias-scalar",
                    sentence="Your db is one number: dout summed over everything.",
                    hints=(
                        "How many biases are there, and can they all have the same gradient?",
                        "A sum without an axis adds up all entries.",
                    ),
                    wrong=(bias_over_everything,),
                ),
                Misconception(
                    id="averaged-over-batch",
                    sentence="Your {array} {is} averaged over the batch where the gradient is a sum.",
                    hints=(
                        "Two examples share the same weights: are their contributions to the loss's slope added or "
                        "averaged?",
                        "If the loss is a mean, its 1/N is already inside dout. Where does yours come in?",
                    ),
                    wrong=(everything_averaged, parameters_averaged, bias_averaged),
                ),
                Misconception(
                    id="upstream-forgotten",
                    sentence="Your {array} {is} what you get when the upstream gradient dout is left out.",
                    hints=(
                        "Which rule joins a local derivative to the gradient that arrives from above?",
                        "If the loss did not depend on out at all, dout would be 0. What would your {array} be?",
                    ),
                    wrong=(upstream_of_ones, weights_for_gradients),
                ),
                Misconception(
                    id="input-not-reshaped",
                    sentence="Your dx is right as rows of length D, but does not have the shape of x again.",
                    hints=(
                        "Which shape must the gradient of x have, whatever x looks like?",
                        "The forward laid every example out as a row. What undoes that?",
                    ),
                    wrong=(left_flat,),
                ),
                Misconception(
                    id="updated-too-early",
                    sentence="Your dx is computed with weights that have already been changed by dw.",
                    hints=(
                        "With which weights was out computed? With which is your dx computed?",
                        "A backward pass only reports gradients. Who moves the weights, and when?",
                    ),
                    wrong=(weights_moved_first,),
                ),
                Misconception(
                    id="regulariser-inside",
                    sentence="Your dw has a multiple of w added to it, as weight decay would.",
                    hints=(
                        "Does the layer's own output contain the size of the weights as a penalty?",
                        "Regularisation is a second term of the loss; its gradient belongs where that loss is made.",
                    ),
                    wrong=(decay_inside,),
                ),
                Misconception(
                    id="elementwise-for-matmul",
                    sentence="Your gradients multiply entry by entry where the sums of a matrix product belong.",
                    hints=(
                        "How many examples use the weight w[0, 0]? How many products are in dw[0, 0]?",
                        "Which operator of numpy multiplies and sums at once?",
                    ),
                    wrong=(star_for_dx, star_for_dw),
                ),
                Misconception(
                    id="transposed",
                    sentence="Your dw is the transpose of the gradient: shape (M, D) where w has (D, M).",
                    hints=(
                        "Which shape does w have, and which index comes first?",
                        "Write the entry dw[i, j] as a sum, then look at which factor carries i.",
                    ),
                    wrong=(transposed,),
                ),
            ),
        ),
        cases=(
            Case(
                "a batch",
                "several examples at once; N, D and M all differ, so that a swapped axis shows",
                affine_inputs(4, 5, m=3),
            ),
            Case(
                "images",
                "x has more than two dimensions, as images do",
                affine_inputs(3, 2, 4, m=5),
            ),
            Case("colour images", "x has four dimensions", affine_inputs(2, 3, 2, 2, m=5)),
            Case("one example", "N = 1 must work too", affine_inputs(1, 4, m=3)),
            Case(
                "another batch",
                "a batch of another size, with numbers that you have not seen",
                affine_inputs(6, 3, m=4),
                hidden=True,
                similar="np.random.randn(6, 3), np.random.randn(3, 4), np.random.randn(4)",
                lesson="2.1",
            ),
            Case(
                "other images",
                "x has more than two dimensions, with other sizes",
                affine_inputs(3, 2, 2, 3, m=4),
                hidden=True,
                similar="np.random.randn(3, 2, 2, 3), np.random.randn(12, 4), np.random.randn(4)",
                lesson="2.1",
            ),
            Case(
                "not contiguous",
                "the arrays are views with gaps, as slices and transposes are",
                strided_inputs,
                hidden=True,
                similar="np.random.randn(8, 12)[::2, ::2], np.random.randn(3, 6).T, np.random.randn(6)[::2]",
                lesson="2.0",
            ),
            Case(
                "float32",
                "the arrays are float32",
                float32_inputs,
                hidden=True,
                similar='[a.astype("float32") for a in '
                "(np.random.randn(5, 7), np.random.randn(7, 3), np.random.randn(3))]",
                lesson="2.0",
            ),
            Case(
                "many inputs",
                "4,096 inputs: a backward that is derived is quick here, one that tries every weight is not",
                affine_inputs(3, 4096, m=4, draw=uniform),
                hidden=True,
                cpu_limit=0.3,
                similar="np.random.randn(3, 4096), np.random.randn(4096, 4), np.random.randn(4)",
                lesson="2.4",
            ),
        ),
    ),
)
