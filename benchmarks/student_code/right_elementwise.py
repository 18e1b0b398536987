"""Right sigmoids and tanhs in as many styles as we could think of.

A cell's title is `right: how it is written`. What a cell does not define is taken from the first.
"""

# %% given
import math

import numpy as np


def sigmoid_forward(x):
    e = np.exp(-np.abs(x))
    out = np.where(x >= 0, 1 / (1 + e), e / (1 + e))
    return out, out


def sigmoid_backward(dout, cache):
    return dout * cache * (1 - cache)


def tanh_forward(x):
    out = np.tanh(x)
    return out, out


def tanh_backward(dout, cache):
    return dout * (1 - cache * cache)


# %% right: the plain formula, which warns
def sigmoid_forward(x):
    out = 1 / (1 + np.exp(-x))
    return out, out


# %% right: masks
def sigmoid_forward(x):
    out = np.zeros_like(x)
    positive = x >= 0
    out[positive] = 1 / (1 + np.exp(-x[positive]))
    z = np.exp(x[~positive])
    out[~positive] = z / (1 + z)
    return out, (x, out)


def sigmoid_backward(dout, cache):
    _, s = cache
    return (s - s**2) * dout


# %% right: by tanh
def sigmoid_forward(x):
    out = 0.5 * (1 + np.tanh(0.5 * x))
    return out, {"sigmoid": out}


def sigmoid_backward(dout, cache):
    s = cache["sigmoid"]
    return dout * (s * (1 - s))


# %% right: clipped
def sigmoid_forward(x):
    out = 1.0 / (1.0 + np.exp(-np.clip(x, -500, 500)))
    return out, out


# %% right: logaddexp
def sigmoid_forward(x):
    out = np.exp(-np.logaddexp(0, -x))
    return out, out


# %% right: np.where on both exponentials
def sigmoid_forward(x):
    with np.errstate(over="ignore", invalid="ignore"):
        out = np.where(x > 0, 1 / (1 + np.exp(-x)), np.exp(np.minimum(x, 0)) / (1 + np.exp(np.minimum(x, 0))))
    return out, out


# %% right: math.exp, entry by entry
def one(v):
    return 1 / (1 + math.exp(-v)) if v >= 0 else math.exp(v) / (1 + math.exp(v))


def sigmoid_forward(x):
    out = np.array([one(float(v)) for v in x.ravel()]).reshape(x.shape)
    return out, out


# %% right: vectorize
stable = np.vectorize(lambda v: 1 / (1 + math.exp(-v)) if v > 0 else 1 - 1 / (1 + math.exp(v)), otypes=[float])


def sigmoid_forward(x):
    out = stable(x)
    return out, out


# %% right: x cached, the sigmoid again in the backward
def sigma(z):
    return (1 + np.tanh(z / 2)) / 2


def sigmoid_forward(x):
    return sigma(x), x


def sigmoid_backward(dout, cache):
    return dout * sigma(cache) * sigma(-cache)


# %% right: the derivative cached
def sigmoid_forward(x):
    s = (1 + np.tanh(x / 2)) / 2
    return s, s * (1 - s)


def sigmoid_backward(dout, cache):
    return cache * dout


# %% right: the slope by a square
def sigmoid_backward(dout, cache):
    return dout * (0.25 - (cache - 0.5) ** 2)


# %% right: by cosh
def sigmoid_forward(x):
    return (1 + np.tanh(x / 2)) / 2, np.clip(x, -700, 700)


def sigmoid_backward(dout, cache):
    return dout / (4 * np.cosh(cache / 2) ** 2)


# %% right: in place on dout
def sigmoid_backward(dout, cache):
    dout *= cache
    dout *= 1 - cache
    return dout


# %% right: loops for the backward
def sigmoid_backward(dout, cache):
    dx = np.zeros(dout.shape)
    for index, upstream in np.ndenumerate(dout):
        dx[index] = upstream * cache[index] * (1 - cache[index])
    return dx


# %% right: a tuple of one
def sigmoid_forward(x):
    out = (1 + np.tanh(x / 2)) / 2
    return [out, (out,)]


def sigmoid_backward(dout, cache):
    (s,) = cache
    return (dout * s * (1 - s),)


# %% right: a class with call
class Sigmoid:
    def __call__(self, x):
        self.out = np.exp(-np.logaddexp(0, -x))
        return self.out

    def slope(self):
        return self.out * (1 - self.out)


def sigmoid_forward(x):
    layer = Sigmoid()
    return layer(x), layer


def sigmoid_backward(dout, cache):
    return dout * cache.slope()


# %% right: converted to float64
def sigmoid_forward(x):
    x = np.array(x, dtype=np.float64)
    out = np.reciprocal(1 + np.exp(-np.maximum(x, -700)))
    return out, out


# %% right: expm1
def sigmoid_forward(x):
    e = np.exp(-np.abs(x))
    small = e / (1 + e)
    out = np.where(x < 0, small, 1 - small)
    return out, out


# %% right: piecewise
def sigmoid_forward(x):
    x = np.asarray(x)
    out = np.piecewise(
        x.astype(float), [x >= 0], [lambda v: 1 / (1 + np.exp(-v)), lambda v: np.exp(v) / (1 + np.exp(v))]
    )
    return out, out


# %% right: np.tanh, (1-t)(1+t)
def tanh_backward(dout, cache):
    return (1 - cache) * (1 + cache) * dout


# %% right: by the sigmoid
def squash(z):
    return 1 / (1 + np.exp(-np.clip(z, -500, 500)))


def tanh_forward(x):
    out = 2 * squash(2 * x) - 1
    return out, out


# %% right: vectorize(math.tanh)
def tanh_forward(x):
    out = np.vectorize(math.tanh)(x)
    return out, out


# %% right: exp(-2|x|) and the sign
def tanh_forward(x):
    e = np.exp(-2 * np.abs(x))
    out = np.sign(x) * (1 - e) / (1 + e)
    return out, out


# %% right: expm1, stable
def tanh_forward(x):
    e = np.expm1(-2 * np.abs(x))
    out = np.copysign(-e / (e + 2), x)
    return out, [out, "tanh"]


def tanh_backward(dout, cache):
    t = cache[0]
    return np.multiply(dout, np.subtract(1, np.square(t)))


# %% right: clipped exponentials
def tanh_forward(x):
    z = np.clip(x, -20, 20)
    out = (np.exp(z) - np.exp(-z)) / (np.exp(z) + np.exp(-z))
    return out, out


# %% right: a loop over the flat array
def tanh_forward(x):
    out = np.empty(x.size)
    for i, v in enumerate(x.flat):
        out[i] = math.tanh(v)
    return out.reshape(x.shape), out.reshape(x.shape)


def tanh_backward(dout, cache):
    dx = [g * (1 - t * t) for g, t in zip(dout.flat, cache.flat)]
    return np.array(dx).reshape(dout.shape)


# %% right: in place
def tanh_forward(x):
    out = x.copy()
    np.tanh(out, out=out)
    return out, out


def tanh_backward(dout, cache):
    slope = np.square(cache)
    np.subtract(1, slope, out=slope)
    slope *= dout
    return slope


# %% right: dout minus dout times the square
def tanh_backward(dout, cache):
    return dout - dout * cache**2


# %% right: x cached
def tanh_forward(x):
    return np.tanh(x), x


def tanh_backward(dout, cache):
    return dout * (1 - np.power(np.tanh(cache), 2))


# %% right: the forward is asked again
def tanh_forward(x):
    return np.tanh(x), (x,)


def tanh_backward(dout, cache):
    t = tanh_forward(cache[0])[0]
    return dout * (1 - t) * (t + 1)


# %% right: a named tuple
from collections import namedtuple

Cache = namedtuple("Cache", "x out")


def tanh_forward(x):
    out = np.tanh(x)
    return out, Cache(x, out)


def tanh_backward(dout, cache):
    return dout * (1 - cache.out**2)


# %% right: a generator remembers
def tanh_forward(x):
    out = np.tanh(x)
    return out, iter([out])


def tanh_backward(dout, cache):
    return (1 - next(cache) ** 2) * dout


# %% right: the slope by cosh
def tanh_forward(x):
    return np.tanh(x), np.clip(x, -350, 350)


def tanh_backward(dout, cache):
    return dout * np.cosh(cache) ** -2.0


# %% right: complex numbers on the way
def tanh_forward(x):
    out = (-1j * np.tan(1j * np.clip(x, -300, 300))).real
    return out, out
