"""Saturation: first weights, a stack of sigmoid layers, how much of it is dead, and what bounds its gradient."""

# %%
import numpy as np


# %%
def glorot_init(noise, gain=1.0):
    """Scale standard normal noise to weights with which a layer can start.

        w = gain * noise, scaled so that its standard deviation is gain * sqrt(2 / (D + M))

    Args:
        noise: standard normal numbers, shape (D, M), float64: D inputs, M outputs.
        gain: a number; 1 where the activation's slope at 0 is 1, larger where it is smaller.

    Returns:
        w: weights, shape (D, M).

    Source: Xavier Glorot and Yoshua Bengio, "Understanding the difficulty of training deep
    feedforward neural networks" (2010), who state the variance, 2 / (D + M).
    """
    ### BEGIN SOLUTION
    n_in, n_out = noise.shape
    return gain * noise * np.sqrt(2 / (n_in + n_out))
    ### END SOLUTION


# %%
def sigmoid_stack_forward(x, w, b):
    """Run a batch through L fully connected layers of the same width, each followed by a sigmoid.

        h_0 = x,   h_{l+1} = sigmoid(h_l @ w[l] + b[l]),   out = h_L

    Args:
        x: inputs, shape (N, D), float64.
        w: weights, shape (L, D, D); w[l] belongs to layer l, and w[0] meets x.
        b: biases, shape (L, D).

    Returns:
        out: shape (N, D).
        cache: whatever your sigmoid_stack_backward will need; it is yours.

    Source: notebook 2, sections 2.1 and 2.5, in a loop.
    """
    ### BEGIN SOLUTION
    activations = [x]
    for weights, bias in zip(w, b, strict=True):
        total = activations[-1] @ weights + bias
        decay = np.exp(-np.abs(total))
        activations.append(np.where(total >= 0, 1, decay) / (1 + decay))
    return activations[-1], (activations, w)
    ### END SOLUTION


# %%
def sigmoid_stack_backward(dout, cache):
    """Send the upstream gradient back through all layers, and note its size on the way.

        norms[l] = Frobenius norm of the gradient with respect to h_l, the input of layer l

    Args:
        dout: gradient of the loss with respect to out, shape (N, D).
        cache: what sigmoid_stack_forward returned beside out.

    Returns, in this order:
        dx: gradient with respect to x, shape (N, D).
        dw: gradient with respect to w, one array of shape (L, D, D).
        db: gradient with respect to b, one array of shape (L, D).
        norms: an array of shape (L + 1,); norms[0] belongs to x, and norms[L] is the norm of dout.

    Source: derive it; each layer is one step of notebook 2, and the last layer comes first.
    """
    ### BEGIN SOLUTION
    activations, w = cache
    n_layers = len(w)
    dw, db, norms = np.zeros_like(w), np.zeros(w.shape[:2]), np.zeros(n_layers + 1)
    upstream = dout
    norms[n_layers] = np.linalg.norm(upstream)
    for layer in reversed(range(n_layers)):
        out = activations[layer + 1]
        dtotal = upstream * out * (1 - out)
        dw[layer] = activations[layer].T @ dtotal
        db[layer] = dtotal.sum(axis=0)
        upstream = dtotal @ w[layer].T
        norms[layer] = np.linalg.norm(upstream)
    return upstream, dw, db, norms
    ### END SOLUTION


# %%
def saturated_fraction(slope, max_slope, tol=0.01):
    """Say which share of the units is saturated: with a slope far below the largest possible one.

        share of the entries of slope that are less than tol * max_slope

    Args:
        slope: slopes of an activation function at some units, any shape, float64.
        max_slope: the largest slope that this activation can have, 1/4 for the sigmoid, 1 for tanh.
        tol: which part of it counts as dead; an entry of exactly tol * max_slope is alive.

    Returns:
        a float from 0 to 1.

    Source: the check that Andrej Karpathy, "Yes you should understand backprop" (2016), asks for in words.
    """
    ### BEGIN SOLUTION
    return float(np.mean(slope < tol * max_slope))
    ### END SOLUTION


# %%
def gradient_bound(w):
    """Bound the factor by which a stack of sigmoid layers can change the norm of a gradient.

        norms[0] <= bound * norms[L],   bound = product over the layers of (||w[l]||_2 / 4)

    Args:
        w: weights, shape (L, D, D), float64.

    Returns:
        the bound, a float. ||.||_2 is the spectral norm: the most by which a matrix can stretch a vector.

    Source: the norm of a product is at most the product of the norms, and every slope of a sigmoid is at most 1/4.
    """
    ### BEGIN SOLUTION
    stretch = np.linalg.norm(w, ord=2, axis=(1, 2))
    return float(np.prod(stretch / 4))
    ### END SOLUTION


# %% tags=["grading"]
from autograder.exercise import Case, Function, Misconception, Pair
from autograder.inputs import normal, strided


def stack_inputs(n, depth, d, std=1.0):
    """Draws (x, w, b) for N examples, L layers and width D."""

    def make(rng):
        return normal(rng, (n, d)), std * normal(rng, (depth, d, d)), normal(rng, (depth, d))

    return make


def strided_stack(rng):
    return strided(rng, (3, 5)), strided(rng, (2, 5, 5)), strided(rng, (2, 5))


def slopes(shape, spread, squash="sigmoid"):
    """Draws the slopes of a sigmoid or a tanh whose inputs have the given standard deviation."""

    def make(rng):
        out = np.tanh(spread * normal(rng, shape) / (2 if squash == "sigmoid" else 1))
        return (1 - out**2) / 4 if squash == "sigmoid" else 1 - out**2

    return make


def with_ties(rng):
    """Slopes of which some lie exactly on the line: 1/8 of 1/4 is 1/32, without rounding."""
    return rng.permutation(np.repeat([0.0, 1 / 64, 1 / 32, 3 / 64, 1 / 4], [2, 3, 5, 4, 2])).reshape(4, 4), 0.25, 0.125


def more_ties(rng):
    return rng.permutation(np.repeat([1 / 16, 1 / 8, 1 / 4, 1.0], [2, 3, 4, 1])), 1.0, 0.125


def other_ties(rng):
    return rng.permutation(np.repeat([0.0, 1 / 16, 1 / 8, 1 / 4], [1, 4, 3, 4])).reshape(3, 4), 0.25, 0.5


# The mistakes that students make here, as code. Each returns the arrays that it changes.
def variance_for_deviation(noise, gain):
    return {"w": gain * noise * 2 / (noise.shape[0] + noise.shape[1])}


def fan_in_alone(noise, gain):
    return {"w": gain * noise / np.sqrt(noise.shape[0])}


def fan_out_alone(noise, gain):
    return {"w": gain * noise / np.sqrt(noise.shape[1])}


def made_for_relu(noise, gain):
    return {"w": gain * noise * np.sqrt(2 / noise.shape[0])}


def one_for_two(noise, gain):
    return {"w": gain * noise * np.sqrt(1 / (noise.shape[0] + noise.shape[1]))}


def limits_of_uniform(noise, gain):
    return {"w": gain * noise * np.sqrt(6 / (noise.shape[0] + noise.shape[1]))}


def gain_squared(noise, gain):
    return {"w": gain**2 * noise * np.sqrt(2 / (noise.shape[0] + noise.shape[1]))}


def gain_under_the_root(noise, gain):
    return {"w": noise * np.sqrt(2 * gain / (noise.shape[0] + noise.shape[1]))}


def gain_forgotten(noise, gain):
    return {"w": noise * np.sqrt(2 / (noise.shape[0] + noise.shape[1]))}


def last_layer_linear(x, w, b):
    h = x
    for i in range(len(w)):
        h = h @ w[i] + b[i]
        if i < len(w) - 1:
            h = 1 / (1 + np.exp(-h))
    return {"out": h}


def bias_left_out(x, w, b):
    h = x
    for i in range(len(w)):
        h = 1 / (1 + np.exp(-(h @ w[i])))
    return {"out": h}


def sign_slip(x, w, b):
    h = x
    for i in range(len(w)):
        h = 1 / (1 + np.exp(h @ w[i] + b[i]))
    return {"out": h}


def tanh_for_sigmoid(x, w, b):
    h = x
    for i in range(len(w)):
        h = np.tanh(h @ w[i] + b[i])
    return {"out": h}


def bias_subtracted(x, w, b):
    h = x
    for i in range(len(w)):
        h = 1 / (1 + np.exp(-(h @ w[i] - b[i])))
    return {"out": h}


def every_layer_reads_x(x, w, b):
    for i in range(len(w)):
        h = 1 / (1 + np.exp(-(x @ w[i] + b[i])))
    return {"out": h}


def layers_backwards(x, w, b):
    h = x
    for i in reversed(range(len(w))):
        h = 1 / (1 + np.exp(-(h @ w[i] + b[i])))
    return {"out": h}


def weights_turned(x, w, b):
    h = x
    for i in range(len(w)):
        h = 1 / (1 + np.exp(-(h @ w[i].T + b[i])))
    return {"out": h}


def slopes_left_out(dout, x, w, b):
    hs = [x]
    for i in range(len(w)):
        hs.append(1 / (1 + np.exp(-(hs[-1] @ w[i] + b[i]))))
    g, dw, db, norms = dout, np.zeros(w.shape), np.zeros(b.shape), [np.linalg.norm(dout)]
    for i in reversed(range(len(w))):
        dw[i], db[i] = hs[i].T @ g, np.sum(g, 0)
        g = g @ w[i].T
        norms.append(np.linalg.norm(g))
    return {"dx": g, "dw": dw, "db": db, "norms": np.array(norms[::-1])}


def slope_of_the_input(dout, x, w, b):
    hs = [x]
    for i in range(len(w)):
        hs.append(1 / (1 + np.exp(-(hs[-1] @ w[i] + b[i]))))
    g, dw, db, norms = dout, np.zeros(w.shape), np.zeros(b.shape), [np.linalg.norm(dout)]
    for i in reversed(range(len(w))):
        d = g * hs[i] * (1 - hs[i])
        dw[i], db[i] = hs[i].T @ d, np.sum(d, 0)
        g = d @ w[i].T
        norms.append(np.linalg.norm(g))
    return {"dx": g, "dw": dw, "db": db, "norms": np.array(norms[::-1])}


def back_without_turning(dout, x, w, b):
    hs = [x]
    for i in range(len(w)):
        hs.append(1 / (1 + np.exp(-(hs[-1] @ w[i] + b[i]))))
    g, dw, db, norms = dout, np.zeros(w.shape), np.zeros(b.shape), [np.linalg.norm(dout)]
    for i in reversed(range(len(w))):
        d = g * hs[i + 1] * (1 - hs[i + 1])
        dw[i], db[i] = hs[i].T @ d, np.sum(d, 0)
        g = d @ w[i]
        norms.append(np.linalg.norm(g))
    return {"dx": g, "dw": dw, "db": db, "norms": np.array(norms[::-1])}


def dw_turned(dout, x, w, b):
    hs = [x]
    for i in range(len(w)):
        hs.append(1 / (1 + np.exp(-(hs[-1] @ w[i] + b[i]))))
    g, dw = dout, np.zeros(w.shape)
    for i in reversed(range(len(w))):
        d = g * hs[i + 1] * (1 - hs[i + 1])
        dw[i] = d.T @ hs[i]
        g = d @ w[i].T
    return {"dw": dw}


def dw_from_the_output(dout, x, w, b):
    hs = [x]
    for i in range(len(w)):
        hs.append(1 / (1 + np.exp(-(hs[-1] @ w[i] + b[i]))))
    g, dw = dout, np.zeros(w.shape)
    for i in reversed(range(len(w))):
        d = g * hs[i + 1] * (1 - hs[i + 1])
        dw[i] = hs[i + 1].T @ d
        g = d @ w[i].T
    return {"dw": dw}


def parameters_averaged(dout, x, w, b):
    hs = [x]
    for i in range(len(w)):
        hs.append(1 / (1 + np.exp(-(hs[-1] @ w[i] + b[i]))))
    g, dw, db = dout, np.zeros(w.shape), np.zeros(b.shape)
    for i in reversed(range(len(w))):
        d = g * hs[i + 1] * (1 - hs[i + 1])
        dw[i], db[i] = hs[i].T @ d / len(x), np.mean(d, 0)
        g = d @ w[i].T
    return {"dw": dw, "db": db}


def layers_stored_in_order_of_visit(dout, x, w, b):
    hs = [x]
    for i in range(len(w)):
        hs.append(1 / (1 + np.exp(-(hs[-1] @ w[i] + b[i]))))
    g, dw, db, norms = dout, [], [], [np.linalg.norm(dout)]
    for i in reversed(range(len(w))):
        d = g * hs[i + 1] * (1 - hs[i + 1])
        dw.append(hs[i].T @ d)
        db.append(np.sum(d, 0))
        g = d @ w[i].T
        norms.append(np.linalg.norm(g))
    return {"dw": np.array(dw), "db": np.array(db), "norms": np.array(norms)}


def norms_in_order_of_visit(dout, x, w, b):
    hs = [x]
    for i in range(len(w)):
        hs.append(1 / (1 + np.exp(-(hs[-1] @ w[i] + b[i]))))
    g, norms = dout, [np.linalg.norm(dout)]
    for i in reversed(range(len(w))):
        g = (g * hs[i + 1] * (1 - hs[i + 1])) @ w[i].T
        norms.append(np.linalg.norm(g))
    return {"norms": np.array(norms)}


def norms_before_the_weights(dout, x, w, b):
    hs = [x]
    for i in range(len(w)):
        hs.append(1 / (1 + np.exp(-(hs[-1] @ w[i] + b[i]))))
    g, norms = dout, np.full(len(w) + 1, np.linalg.norm(dout))
    for i in reversed(range(len(w))):
        d = g * hs[i + 1] * (1 - hs[i + 1])
        norms[i] = np.linalg.norm(d)
        g = d @ w[i].T
    return {"norms": norms}


def norms_one_too_few(dout, x, w, b):
    hs = [x]
    for i in range(len(w)):
        hs.append(1 / (1 + np.exp(-(hs[-1] @ w[i] + b[i]))))
    g, norms = dout, np.zeros(len(w))
    for i in reversed(range(len(w))):
        g = (g * hs[i + 1] * (1 - hs[i + 1])) @ w[i].T
        norms[i] = np.linalg.norm(g)
    return {"norms": norms}


def norms_without_the_input(dout, x, w, b):
    hs = [x]
    for i in range(len(w)):
        hs.append(1 / (1 + np.exp(-(hs[-1] @ w[i] + b[i]))))
    g, norms = dout, np.zeros(len(w))
    for i in reversed(range(len(w))):
        norms[i] = np.linalg.norm(g)
        g = (g * hs[i + 1] * (1 - hs[i + 1])) @ w[i].T
    return {"norms": norms}


def norms_at_the_outputs(dout, x, w, b):
    hs = [x]
    for i in range(len(w)):
        hs.append(1 / (1 + np.exp(-(hs[-1] @ w[i] + b[i]))))
    g, norms = dout, np.zeros(len(w) + 1)
    for i in reversed(range(len(w))):
        norms[i] = np.linalg.norm(g)
        g = (g * hs[i + 1] * (1 - hs[i + 1])) @ w[i].T
    return {"norms": norms}


def norms_squared(dout, x, w, b):
    hs = [x]
    for i in range(len(w)):
        hs.append(1 / (1 + np.exp(-(hs[-1] @ w[i] + b[i]))))
    g, norms = dout, [np.sum(dout**2)]
    for i in reversed(range(len(w))):
        g = (g * hs[i + 1] * (1 - hs[i + 1])) @ w[i].T
        norms.append(np.sum(g**2))
    return {"norms": np.array(norms[::-1])}


def norms_spectral(dout, x, w, b):
    hs = [x]
    for i in range(len(w)):
        hs.append(1 / (1 + np.exp(-(hs[-1] @ w[i] + b[i]))))
    g, norms = dout, [np.linalg.norm(dout, 2)]
    for i in reversed(range(len(w))):
        g = (g * hs[i + 1] * (1 - hs[i + 1])) @ w[i].T
        norms.append(np.linalg.norm(g, 2))
    return {"norms": np.array(norms[::-1])}


def line_included(slope, max_slope, tol):
    return {"fraction": np.mean(slope <= tol * max_slope)}


def not_relative(slope, max_slope, tol):
    return {"fraction": np.mean(slope < tol)}


def tolerance_left_out(slope, max_slope, tol):
    return {"fraction": np.mean(slope < max_slope)}


def tolerance_ignored(slope, max_slope, tol):
    return {"fraction": np.mean(slope < 0.01 * max_slope)}


def counted(slope, max_slope, tol):
    return {"fraction": np.sum(slope < tol * max_slope)}


def in_percent(slope, max_slope, tol):
    return {"fraction": 100 * np.mean(slope < tol * max_slope)}


def share_alive(slope, max_slope, tol):
    return {"fraction": np.mean(slope >= tol * max_slope)}


def share_above_the_line(slope, max_slope, tol):
    return {"fraction": np.mean(slope > tol * max_slope)}


def share_of_the_first_axis(slope, max_slope, tol):
    return {"fraction": np.sum(slope < tol * max_slope) / len(slope)}


def exactly_zero(slope, max_slope, tol):
    return {"fraction": np.mean(slope == 0)}


def frobenius(w):
    return {"bound": np.prod([np.sqrt(np.sum(m**2)) / 4 for m in w])}


def quarter_left_out(w):
    return {"bound": np.prod([np.linalg.norm(m, 2) for m in w])}


def one_quarter_for_all(w):
    return {"bound": np.prod([np.linalg.norm(m, 2) for m in w]) / 4}


def quarters_alone(w):
    return {"bound": 0.25 ** len(w)}


def largest_entry(w):
    return {"bound": np.prod([np.max(np.abs(m)) / 4 for m in w])}


def largest_column_sum(w):
    return {"bound": np.prod([np.abs(m).sum(axis=0).max() / 4 for m in w])}


def largest_row_sum(w):
    return {"bound": np.prod([np.abs(m).sum(axis=1).max() / 4 for m in w])}


def mean_over_layers(w):
    return {"bound": np.mean([np.linalg.norm(m, 2) / 4 for m in w])}


def largest_layer(w):
    return {"bound": np.max([np.linalg.norm(m, 2) / 4 for m in w])}


def largest_eigenvalue(w):
    return {"bound": np.prod([np.max(np.abs(np.linalg.eigvals(m))) / 4 for m in w])}


def norms_added(w):
    return {"bound": np.sum([np.linalg.norm(m, 2) / 4 for m in w])}


def norm_of_the_product(w):
    product = np.eye(w.shape[1])
    for m in w:
        product = product @ m / 4
    return {"bound": np.linalg.norm(product, 2)}


def all_at_once(w):
    return {"bound": (np.linalg.norm(w.reshape(-1, w.shape[2]), 2) / 4) ** len(w)}


STACK_CASES = (
    Case("three layers", "several examples; N, L and D all differ", stack_inputs(4, 3, 5)),
    Case("one layer", "L = 1 must work too", stack_inputs(3, 1, 4)),
    Case("one example", "N = 1 must work too", stack_inputs(1, 2, 3)),
    Case(
        "six layers",
        "a deeper stack, with numbers that you have not seen",
        stack_inputs(5, 6, 4),
        hidden=True,
        similar="np.random.randn(5, 4), np.random.randn(6, 4, 4), np.random.randn(6, 4)",
        lesson="3.3",
    ),
    Case(
        "large weights",
        "weights of standard deviation 3, with which many slopes are small",
        stack_inputs(6, 3, 4, std=3.0),
        hidden=True,
        similar="np.random.randn(6, 4), 3 * np.random.randn(3, 4, 4), np.random.randn(3, 4)",
        lesson="3.4",
    ),
    Case(
        "not contiguous",
        "the arrays are views with gaps, as slices are",
        strided_stack,
        hidden=True,
        similar="np.random.randn(6, 10)[::2, ::2], np.random.randn(4, 10, 10)[::2, ::2, ::2], "
        "np.random.randn(4, 10)[::2, ::2]",
        lesson="3.3",
    ),
    Case(
        "a wide stack",
        "four layers of width 40: a backward that is derived is quick here, one that tries every weight is not",
        stack_inputs(3, 4, 40, std=0.2),
        hidden=True,
        cpu_limit=0.3,
        similar="np.random.randn(3, 40), 0.2 * np.random.randn(4, 40, 40), np.random.randn(4, 40)",
        lesson="3.3",
    ),
)


EXERCISES = (
    Function(
        reference=glorot_init,
        assignment="03_saturation",
        points=1,
        returns=("w",),
        misconceptions=(
            Misconception(
                id="variance-for-deviation",
                sentence="Your w is scaled by the variance where the standard deviation belongs.",
                hints=(
                    "If noise has standard deviation 1, which standard deviation has 3 * noise, and which variance?",
                    "The paper states a variance. What has to be done with it before it can multiply the noise?",
                ),
                wrong=(variance_for_deviation,),
            ),
            Misconception(
                id="one-side-only",
                sentence="Your w is scaled by the number of inputs alone, or of outputs alone; both belong into it.",
                hints=(
                    "The forward pass adds up over inputs. Over what does the backward pass add up?",
                    "The rule is a compromise between the two passes: which two numbers does it average?",
                ),
                wrong=(fan_in_alone, fan_out_alone, made_for_relu),
            ),
            Misconception(
                id="gain-misused",
                sentence="Your w does not grow in proportion to the gain.",
                hints=(
                    "What should happen to w when the gain is doubled? What does yours do?",
                    "Is the gain a factor of the standard deviation or of the variance?",
                ),
                wrong=(gain_squared, gain_under_the_root),
            ),
            Misconception(
                id="gain-ignored",
                sentence="Your w does not depend on the gain.",
                hints=("Call it with two gains and compare.", "Which of your arguments is never used?"),
                wrong=(gain_forgotten,),
            ),
            Misconception(
                id="other-constant",
                sentence="Your w has another constant under the root than Glorot and Bengio's rule for normal noise.",
                hints=(
                    "What is the standard deviation of your w for D = M = 50? It should be near 0.14.",
                    "A uniform distribution is described by its limits, a normal one by its standard deviation. "
                    "Which one is the noise?",
                ),
                wrong=(one_for_two, limits_of_uniform),
            ),
        ),
        cases=(
            Case("a wide layer", "more outputs than inputs, gain 1", lambda rng: (normal(rng, (4, 6)), 1.0)),
            Case("gain 4", "the gain that makes up for a slope of one quarter", lambda rng: (normal(rng, (5, 3)), 4.0)),
            Case("a small gain", "a gain below 1", lambda rng: (normal(rng, (2, 5)), 0.5)),
            Case(
                "a narrow layer",
                "more inputs than outputs, gain 1",
                lambda rng: (normal(rng, (10, 3)), 1.0),
                hidden=True,
                similar="np.random.randn(10, 3), 1.0",
                lesson="3.2",
            ),
            Case(
                "another gain",
                "some gain between 1.5 and 3",
                lambda rng: (normal(rng, (3, 8)), float(rng.uniform(1.5, 3))),
                hidden=True,
                similar="np.random.randn(3, 8), 1.7",
                lesson="3.2",
            ),
        ),
    ),
    Pair(
        name="sigmoid_stack",
        assignment="03_saturation",
        forward=Function(
            reference=sigmoid_stack_forward,
            points=2,
            returns=("out",),
            misconceptions=(
                Misconception(
                    id="last-layer-linear",
                    sentence="Your out has not been through the last layer's sigmoid.",
                    hints=(
                        "Between which two numbers must every entry of out lie?",
                        "How many sigmoids does a stack of one layer have?",
                    ),
                    wrong=(last_layer_linear,),
                ),
                Misconception(
                    id="bias-forgotten",
                    sentence="Your out does not use the biases.",
                    hints=(
                        "What should out be when x and w are all 0, and what is yours?",
                        "Read the formula of one layer again from the right end.",
                    ),
                    wrong=(bias_left_out,),
                ),
                Misconception(
                    id="sigmoid-sign",
                    sentence="Your out falls where a sigmoid rises: every layer is the sigmoid of the negated sum.",
                    hints=(
                        "What should a layer give for a large positive sum, and what does yours give?",
                        "Look at the sign inside the exponential.",
                    ),
                    wrong=(sign_slip,),
                ),
                Misconception(
                    id="another-activation",
                    sentence="Your out has been through tanh in every layer where the sigmoid belongs.",
                    hints=(
                        "Between which two numbers must every entry of out lie?",
                        "Which function does the formula name?",
                    ),
                    wrong=(tanh_for_sigmoid,),
                ),
                Misconception(
                    id="bias-subtracted",
                    sentence="Your out is what comes out when every bias is taken away where it should be added.",
                    hints=(
                        "Which sign does b have in the formula of one layer?",
                        "A minus before a sum turns the sign of each of its terms.",
                    ),
                    wrong=(bias_subtracted,),
                ),
                Misconception(
                    id="layers-not-chained",
                    sentence="Your out is that of a single layer: every layer reads x instead of the one before it.",
                    hints=(
                        "What is the input of layer 1?",
                        "If w[0] changes, does your out change?",
                    ),
                    wrong=(every_layer_reads_x,),
                ),
                Misconception(
                    id="layers-backwards",
                    sentence="Your out runs through the layers from the last to the first.",
                    hints=("Which w does x meet first?", "Which entry of w has the index 0?"),
                    wrong=(layers_backwards,),
                ),
                Misconception(
                    id="transposed",
                    sentence="Your out uses the transpose of every w[l]; as the layers are square, no shape complains.",
                    hints=(
                        "Which index of w[l] counts the inputs of the layer?",
                        "Write one entry of the product as a sum and see which index of w[l] it runs over.",
                    ),
                    wrong=(weights_turned,),
                ),
            ),
        ),
        backward=Function(
            reference=sigmoid_stack_backward,
            points=4,
            returns=("dx", "dw", "db", "norms"),
            misconceptions=(
                Misconception(
                    id="slopes-left-out",
                    sentence="In your {array} the way back leads through the weights alone; the sigmoids' slopes are "
                    "missing.",
                    hints=(
                        "Which two steps does one layer have in the forward pass? Which have you undone?",
                        "What would your result be if there were no sigmoids at all?",
                    ),
                    wrong=(slopes_left_out,),
                ),
                Misconception(
                    id="slope-of-the-layer-below",
                    sentence="In your {array} each sigmoid's slope is taken at the layer's input where its output "
                    "belongs.",
                    hints=(
                        "The short formula for the slope wants the sigmoid's own output. Which of your activations is "
                        "that?",
                        "There are L + 1 activations for L layers. Write their indices beside the layers.",
                    ),
                    wrong=(slope_of_the_input,),
                ),
                Misconception(
                    id="transposed",
                    sentence="Your {array} {has} a matrix the wrong way round; since the layers are square, no shape "
                    "complains.",
                    hints=(
                        "The forward pass multiplies by w[l]. What undoes the direction on the way back?",
                        "Try a layer with two units by hand, or write one entry as a sum.",
                    ),
                    wrong=(back_without_turning, dw_turned),
                ),
                Misconception(
                    id="input-off-by-one",
                    sentence="Your dw joins each layer's gradient with that layer's output where its input belongs.",
                    hints=(
                        "What does w[l] multiply in the forward pass?",
                        "There are L + 1 activations for L layers. Which one entered layer 0?",
                    ),
                    wrong=(dw_from_the_output,),
                ),
                Misconception(
                    id="averaged-over-batch",
                    sentence="Your {array} {is} averaged over the batch where the gradient is a sum.",
                    hints=(
                        "Two examples share the same weights: are their contributions added or averaged?",
                        "If the loss is a mean, its 1/N is already inside dout. Where does yours come in?",
                    ),
                    wrong=(parameters_averaged,),
                ),
                Misconception(
                    id="order-of-layers",
                    sentence="Your {array} {is} in the order of your visit, the last layer first.",
                    hints=(
                        "Which layer does the entry 0 belong to, by contract, and by your code?",
                        "You walk from the top down. Where does what you find first have to go?",
                    ),
                    wrong=(layers_stored_in_order_of_visit, norms_in_order_of_visit),
                ),
                Misconception(
                    id="norms-off-by-one",
                    sentence="Your norms are measured at other places than at the layers' inputs and the output.",
                    hints=(
                        "A stack of L layers has L + 1 places between layers. Which norm belongs above the last one?",
                        "norms[l] is to be measured when the gradient has come all the way through layer l.",
                    ),
                    wrong=(
                        norms_before_the_weights,
                        norms_one_too_few,
                        norms_without_the_input,
                        norms_at_the_outputs,
                    ),
                ),
                Misconception(
                    id="another-norm",
                    sentence="Your norms are not Frobenius norms of the whole gradient.",
                    hints=(
                        "What is the Frobenius norm of a matrix of ones, 3 by 3? What is yours?",
                        "Square, add up over all entries, and then one more step.",
                    ),
                    wrong=(norms_squared, norms_spectral),
                ),
            ),
        ),
        cases=STACK_CASES,
    ),
    Function(
        reference=saturated_fraction,
        assignment="03_saturation",
        points=1,
        returns=("fraction",),
        misconceptions=(
            Misconception(
                id="line-included",
                sentence="Your fraction also counts the slopes that lie exactly on the line.",
                hints=(
                    "Is a unit whose slope is exactly tol * max_slope dead or alive? Read the contract.",
                    "Less than, or at most?",
                ),
                wrong=(line_included,),
            ),
            Misconception(
                id="not-relative",
                sentence="Your fraction compares with tol itself; max_slope is not in it.",
                hints=(
                    "A slope of 0.009: is it nearly dead for a sigmoid? And for a function whose slope reaches 100?",
                    "Which part of which number is the line?",
                ),
                wrong=(not_relative,),
            ),
            Misconception(
                id="tolerance-ignored",
                sentence="Your fraction does not depend on tol.",
                hints=("Call it with tol = 1. What should come out?", "Which of your arguments is never used?"),
                wrong=(tolerance_ignored, tolerance_left_out),
            ),
            Misconception(
                id="count-for-share",
                sentence="Your fraction is not a share of all entries: it is a count, a percentage, or per row.",
                hints=(
                    "Between which two numbers must a share lie?",
                    "Divide by how many? Think of a slope array with more than one axis.",
                ),
                wrong=(counted, in_percent, share_of_the_first_axis),
            ),
            Misconception(
                id="share-alive",
                sentence="Your fraction is the share of units that are alive.",
                hints=("What should come out when every slope is 0?", "Look at the direction of the comparison."),
                wrong=(share_alive, share_above_the_line),
            ),
            Misconception(
                id="exactly-zero-only",
                sentence="Your fraction counts only slopes that are exactly 0.",
                hints=(
                    "A slope of 1e-12 is not 0. Does a gradient get through?",
                    "In floating point most dead slopes are tiny, not 0. Which line does the contract draw?",
                ),
                wrong=(exactly_zero,),
            ),
        ),
        cases=(
            Case(
                "a sigmoid layer",
                "slopes of a sigmoid whose inputs are large",
                lambda rng: (slopes((8, 5), 6)(rng), 0.25, 0.01),
            ),
            Case(
                "a tanh layer",
                "the largest slope of tanh is 1",
                lambda rng: (slopes((6, 7), 3, "tanh")(rng), 1.0, 0.01),
            ),
            Case("on the line", "another tolerance, and slopes that lie exactly on the line", with_ties),
            Case("on the line of tanh", "the same for a largest slope of 1, in one dimension", more_ties),
            Case(
                "three axes",
                "slopes of several layers at once",
                lambda rng: (slopes((3, 4, 5), 6)(rng), 0.25, 0.01),
                hidden=True,
                similar="np.random.uniform(0, 0.25, (3, 4, 5)) ** 4, 0.25, 0.01",
                lesson="3.5",
            ),
            Case(
                "another tolerance",
                "half of the largest slope counts as dead",
                lambda rng: (slopes((30,), 2)(rng), 0.25, 0.5),
                hidden=True,
                similar="np.random.uniform(0, 0.25, 30), 0.25, 0.5",
                lesson="3.5",
            ),
            Case(
                "on the line again",
                "other slopes that lie exactly on the line",
                other_ties,
                hidden=True,
                similar="np.array([[0.0, 0.0625], [0.125, 0.25]]), 0.25, 0.5",
                lesson="3.5",
            ),
        ),
    ),
    Function(
        reference=gradient_bound,
        assignment="03_saturation",
        points=2,
        returns=("bound",),
        misconceptions=(
            Misconception(
                id="another-norm",
                sentence="Your bound does not measure a matrix by the most that it can stretch a vector.",
                hints=(
                    "What is the spectral norm of the identity? What does yours say?",
                    "Two norms of a matrix are often confused; one adds up squares, the other looks for the largest "
                    "singular value.",
                ),
                wrong=(frobenius, largest_entry, largest_eigenvalue, largest_column_sum, largest_row_sum),
            ),
            Misconception(
                id="quarter-missing",
                sentence="Your bound has too few quarters: every layer brings one.",
                hints=(
                    "How many sigmoids does the gradient pass on its way through L layers?",
                    "What should the bound be when every weight matrix is the identity?",
                ),
                wrong=(quarter_left_out, one_quarter_for_all),
            ),
            Misconception(
                id="quarters-alone",
                sentence="Your bound is (1/4)^L: it bounds the slopes, but the weights scale the gradient too.",
                hints=(
                    "If every weight is doubled, does the gradient change? Does your bound?",
                    "A layer does two things to a gradient. You have the one; what about the other?",
                ),
                wrong=(quarters_alone,),
            ),
            Misconception(
                id="norms-added",
                sentence="Your bound adds up the layers' factors where they belong multiplied.",
                hints=(
                    "One layer halves a vector and the next halves it again. What do both together do?",
                    "Factors that act one after another.",
                ),
                wrong=(norms_added,),
            ),
            Misconception(
                id="layers-not-multiplied",
                sentence="Your bound is that of one layer, the average one or the worst; the gradient passes them all.",
                hints=(
                    "Two layers, each of which halves a vector: what do both together do?",
                    "Does your bound shrink when a layer that halves everything is added?",
                ),
                wrong=(mean_over_layers, largest_layer),
            ),
            Misconception(
                id="norm-of-the-product",
                sentence="Your bound multiplies the matrices first and takes a norm of the result, or of all at once.",
                hints=(
                    "Between two matrices stands a sigmoid with slopes that differ from unit to unit. May it be "
                    "skipped?",
                    "Which comes first in the contract: the norm or the product?",
                ),
                wrong=(norm_of_the_product, all_at_once),
            ),
        ),
        cases=(
            Case("three layers", "three matrices of width 4", lambda rng: (normal(rng, (3, 4, 4)),)),
            Case("one layer", "L = 1 must work too", lambda rng: (normal(rng, (1, 5, 5)),)),
            Case("two layers", "two matrices of width 2, easy to check by hand", lambda rng: (normal(rng, (2, 2, 2)),)),
            Case(
                "seven layers",
                "a deeper stack",
                lambda rng: (normal(rng, (7, 3, 3)),),
                hidden=True,
                similar="np.random.randn(7, 3, 3)",
                lesson="3.4",
            ),
            Case(
                "large weights",
                "weights of standard deviation 20",
                lambda rng: (20 * normal(rng, (4, 6, 6)),),
                hidden=True,
                similar="20 * np.random.randn(4, 6, 6)",
                lesson="3.4",
            ),
        ),
    ),
)
