"""Right answers that look nothing like the reference, and ways to hand in something broken, as source text.

Each entry replaces the answer cells of the functions it names; the others keep the reference.
"""

IMPORT = "import numpy as np\n"

RIGHT = {
    "einsum": {
        "affine_forward": """
def affine_forward(x, w, b):
    flat = x.reshape(len(x), -1)
    return np.einsum("nd,dm->nm", flat, w) + b, {"flat": flat, "weights": w, "shape": x.shape}
""",
        "affine_backward": """
def affine_backward(dout, cache):
    return [
        np.einsum("nm,dm->nd", dout, cache["weights"]).reshape(cache["shape"]),
        np.einsum("nd,nm->dm", cache["flat"], dout),
        np.einsum("nm->m", dout),
    ]
""",
    },
    "loops": {
        "affine_forward": """
def affine_forward(x, w, b):
    N, M = x.shape[0], w.shape[1]
    out = np.zeros((N, M))
    for n in range(N):
        row = x[n].ravel()
        for m in range(M):
            out[n, m] = sum(row[d] * w[d, m] for d in range(len(row))) + b[m]
    return out, (x, w, b)
""",
        "affine_backward": """
def affine_backward(dout, cache):
    x, w, b = cache
    dx, dw, db = np.zeros(x.shape), np.zeros(w.shape), np.zeros(b.shape)
    for n in range(dout.shape[0]):
        for m in range(dout.shape[1]):
            dx[n] += (dout[n, m] * w[:, m]).reshape(x.shape[1:])
            dw[:, m] += dout[n, m] * x[n].ravel()
            db[m] += dout[n, m]
    return dx, dw, db
""",
        "tanh_forward": """
import math

def tanh_forward(x):
    out = np.vectorize(math.tanh)(x)
    return out, out
""",
    },
    "outer-products": {
        "affine_forward": """
class Memory:
    pass

def affine_forward(x, w, b):
    memory = Memory()
    memory.x, memory.w = x, w
    ones = np.ones((len(x), 1))
    return np.hstack([x.reshape(len(x), -1), ones]) @ np.vstack([w, b]), memory
""",
        "affine_backward": """
def affine_backward(dout, cache):
    rows = cache.x.reshape(len(cache.x), -1)
    dw = (rows[:, :, None] * dout[:, None, :]).sum(axis=0)
    dx = np.tensordot(dout, cache.w, axes=([1], [1])).reshape(cache.x.shape)
    return dx, dw, np.ones(len(dout)) @ dout
""",
    },
    "masks": {
        "sigmoid_forward": """
def sigmoid_forward(x):
    out = np.empty(x.shape)
    up = x >= 0
    out[up] = 1 / (1 + np.exp(-x[up]))
    e = np.exp(x[~up])
    out[~up] = e / (e + 1)
    return out, (x, out)
""",
        "sigmoid_backward": """
def sigmoid_backward(dout, cache):
    x, s = cache
    return (s - s**2) * dout
""",
        "tanh_backward": """
def tanh_backward(dout, cache):
    return (1 - cache) * (1 + cache) * dout
""",
    },
    "one-from-the-other": {
        "sigmoid_forward": """
def sigmoid_forward(x):
    out = 0.5 * (1 + np.tanh(x / 2))
    return out, out
""",
        "tanh_forward": """
def helper(z):
    return 1 / (1 + np.exp(-np.clip(z, -500, 500)))

def tanh_forward(x):
    print("working")
    out = 2 * helper(2 * x) - 1
    return out, out
""",
    },
    "overflow-warnings": {
        "sigmoid_forward": """
def sigmoid_forward(x):
    print("sigmoid of", x.shape)
    out = 1 / (1 + np.exp(-x))
    return out, out
""",
        "sigmoid_backward": """
def sigmoid_backward(dout, cache):
    dout *= cache * (1 - cache)
    return dout
""",
    },
}

# What each of these may earn is for the grader to say; that they stop nothing is the point.
BROKEN = {
    "raises": {"affine_backward": "\ndef affine_backward(dout, cache):\n    return dout @ cache[1]\n"},
    "loops-forever": {"sigmoid_forward": "\ndef sigmoid_forward(x):\n    while True:\n        pass\n"},
    "process-exits": {"tanh_backward": "\nimport os\n\ndef tanh_backward(dout, cache):\n    os._exit(0)\n"},
    "syntax-error": {"affine_forward": "\ndef affine_forward(x, w, b)\n    return x @ w + b, None\n"},
}
