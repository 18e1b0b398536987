"""Sigmoids and tanhs as students get them wrong: every known mistake in at least three hands.

A cell's title is `ids @ function: how it is written`. What a cell does not define is taken from the first.
"""

# %% given
import math

import numpy as np


def sigmoid_forward(x):
    out = np.where(x >= 0, 1 / (1 + np.exp(-np.abs(x))), np.exp(-np.abs(x)) / (1 + np.exp(-np.abs(x))))
    return out, out


def sigmoid_backward(dout, cache):
    return dout * cache * (1 - cache)


def tanh_forward(x):
    out = np.tanh(x)
    return out, out


def tanh_backward(dout, cache):
    return dout * (1 - cache * cache)


# %% sigmoid-sign @ sigmoid_forward: the minus left out
def sigmoid_forward(x):
    out = 1.0 / (1.0 + np.exp(x))
    return out, out


# %% sigmoid-sign @ sigmoid_forward: math.exp in a loop
def sigmoid_forward(x):
    out = np.zeros(x.shape)
    for i in np.ndindex(x.shape):
        out[i] = 1 / (1 + math.exp(min(x[i], 700)))
    return out, out


# %% sigmoid-sign @ sigmoid_forward: one minus the right one
def sigmoid_forward(x):
    s = (1 + np.tanh(x / 2)) / 2
    return 1 - s, s


# %% overflow-at-large-inputs @ sigmoid_forward: exponentials above and below
def sigmoid_forward(x):
    e = np.exp(x)
    out = e / (e + 1)
    return out, out


# %% overflow-at-large-inputs @ sigmoid_forward: the quotient, divided out the wrong way
def sigmoid_forward(x):
    out = np.exp(x / 2) / (np.exp(x / 2) + np.exp(-x / 2))
    return out, out


# %% overflow-at-large-inputs @ sigmoid_forward: a power of e
def sigmoid_forward(x):
    z = np.power(np.e, x)
    out = np.divide(z, 1 + z)
    return out, out


# %% formula-on-upstream @ sigmoid_backward: one minus dout
def sigmoid_backward(dout, cache):
    return dout * (1 - dout)


# %% formula-on-upstream @ sigmoid_backward: the sigmoid of dout
def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def sigmoid_backward(dout, cache):
    ds = sigmoid(dout)
    return ds - ds**2


# %% formula-on-upstream @ sigmoid_backward: through the forward
def sigmoid_backward(dout, cache):
    s, _ = sigmoid_forward(dout)
    dx = np.zeros_like(dout)
    dx += dout * s * (1.0 - s)
    return dx


# %% derivative-at-input @ sigmoid_backward: x cached
def sigmoid_forward(x):
    out = 1 / (1 + np.exp(-x))
    return out, x


def sigmoid_backward(dout, cache):
    x = cache
    return dout * x * (1 - x)


# %% derivative-at-input @ sigmoid_backward: both cached, the wrong one taken
def sigmoid_forward(x):
    out = 1 / (1 + np.exp(-x))
    return out, (x, out)


def sigmoid_backward(dout, cache):
    s, out = cache
    local = s - np.square(s)
    return np.multiply(local, dout)


# %% derivative-at-input @ sigmoid_backward: a dictionary
def sigmoid_forward(x):
    out = 1 / (1 + np.exp(-x))
    return out, {"z": x, "a": out}


def sigmoid_backward(dout, cache):
    z = cache["z"]
    return (1 - z) * z * dout


# %% activation-twice @ sigmoid_backward: the output cached, squashed again
def sigmoid_forward(x):
    out = 1 / (1 + np.exp(-x))
    return out, out


def sigmoid_backward(dout, cache):
    sig = 1 / (1 + np.exp(-cache))
    return dout * sig * (1 - sig)


# %% activation-twice @ sigmoid_backward: by the forward itself
def sigmoid_backward(dout, cache):
    s = sigmoid_forward(cache)[0]
    return (s - s * s) * dout


# %% activation-twice @ sigmoid_backward: by exponentials
def sigmoid_backward(dout, cache):
    e = np.exp(-cache)
    return dout * e / (1 + e) ** 2


# %% wrong-derivative @ sigmoid_backward: one plus
def sigmoid_backward(dout, cache):
    return dout * cache * (1 + cache)


# %% wrong-derivative @ sigmoid_backward: the second factor lost
def sigmoid_backward(dout, cache):
    s = cache
    ds = s
    return np.multiply(dout, ds)


# %% wrong-derivative @ sigmoid_backward: that of tanh
def sigmoid_backward(dout, cache):
    local = 1 - np.power(cache, 2)
    return local * dout


# %% wrong-derivative @ sigmoid_backward: the first factor lost, entry by entry
def sigmoid_backward(dout, cache):
    dx = np.empty(dout.shape)
    for i in np.ndindex(dout.shape):
        dx[i] = dout[i] * (1 - cache[i])
    return dx


# %% overflow-at-large-inputs @ sigmoid_backward: exponentials squared
def sigmoid_forward(x):
    return 1 / (1 + np.exp(-x)), x


def sigmoid_backward(dout, cache):
    x = cache
    return dout * np.exp(-x) / (1 + np.exp(-x)) ** 2


# %% overflow-at-large-inputs @ sigmoid_backward: the other way up
def sigmoid_forward(x):
    return 1 / (1 + np.exp(-x)), x


def sigmoid_backward(dout, cache):
    e = np.exp(cache)
    return dout * (e / np.square(1 + e))


# %% overflow-at-large-inputs @ sigmoid_backward: the output made again
def sigmoid_forward(x):
    return 1 / (1 + np.exp(-x)), x


def sigmoid_backward(dout, cache):
    s = np.exp(cache) / (1 + np.exp(cache))
    return dout * s * (1 - s)


# %% upstream-forgotten @ sigmoid_backward: the slope alone
def sigmoid_backward(dout, cache):
    return cache * (1 - cache)


# %% upstream-forgotten @ sigmoid_backward: a helper's result
def slope(s):
    return s - s**2


def sigmoid_backward(dout, cache):
    dx = slope(cache)
    return dx


# %% upstream-forgotten @ sigmoid_backward: from x
def sigmoid_forward(x):
    return 1 / (1 + np.exp(-x)), x


def sigmoid_backward(dout, cache):
    s = 1 / (1 + np.exp(-cache))
    dx = np.zeros(dout.shape)
    dx[...] = s * (1 - s)
    return dx


# %% derivative-skipped @ sigmoid_backward: handed on
def sigmoid_backward(dout, cache):
    return dout


# %% derivative-skipped @ sigmoid_backward: a copy
def sigmoid_backward(dout, cache):
    dx = np.array(dout, copy=True)
    return dx


# %% derivative-skipped @ sigmoid_backward: times ones
def sigmoid_backward(dout, cache):
    return np.ones_like(cache) * dout


# %% sign-flipped @ sigmoid_backward: a minus in front
def sigmoid_backward(dout, cache):
    return -dout * cache * (1 - cache)


# %% sign-flipped @ sigmoid_backward: the factors of 1 - s turned
def sigmoid_backward(dout, cache):
    return dout * cache * (cache - 1)


# %% sign-flipped @ sigmoid_backward: squared minus plain
def sigmoid_backward(dout, cache):
    return (cache**2 - cache) * dout


# %% scaled @ sigmoid_backward: a 2
def sigmoid_backward(dout, cache):
    return 2 * dout * cache * (1 - cache)


# %% scaled @ sigmoid_backward: a learning rate
def sigmoid_backward(dout, cache):
    return 0.1 * (dout * cache * (1 - cache))


# %% scaled @ sigmoid_backward: the mean over all entries
def sigmoid_backward(dout, cache):
    return dout * cache * (1 - cache) / dout.size


# %% zero-gradient @ sigmoid_backward: zeros
def sigmoid_backward(dout, cache):
    return np.zeros_like(dout)


# %% zero-gradient @ sigmoid_backward: out minus out
def sigmoid_backward(dout, cache):
    return dout * (cache - cache)


# %% zero-gradient @ sigmoid_backward: a local name filled
def sigmoid_backward(dout, cache):
    dx = np.zeros(dout.shape)
    for row in dx:
        row = row + 1
    return dx


# %% nothing-returned @ sigmoid_backward: no return
def sigmoid_backward(dout, cache):
    dx = dout * cache * (1 - cache)


# %% nothing-returned @ sigmoid_backward: None
def sigmoid_backward(dout, cache):
    dx = None
    ds = dout * cache * (1 - cache)
    return dx


# %% nothing-returned @ sigmoid_backward: printed
def sigmoid_backward(dout, cache):
    return print(dout * cache * (1 - cache))


# %% nothing-returned @ sigmoid_forward: no return
def sigmoid_forward(x):
    out = 1 / (1 + np.exp(-x))


# %% nothing-returned @ sigmoid_forward: pass
def sigmoid_forward(x):
    pass


# %% nothing-returned @ sigmoid_forward: stored on the function
def sigmoid_forward(x):
    sigmoid_forward.out = 1 / (1 + np.exp(-x))


# %% in-place-damage @ sigmoid_backward: out is x
def sigmoid_forward(x):
    cache = x
    np.negative(x, out=x)
    np.exp(x, out=x)
    x += 1
    np.reciprocal(x, out=x)
    return x, cache


def sigmoid_backward(dout, cache):
    s = 1 / (1 + np.exp(-cache))
    return dout * s * (1 - s)


# %% in-place-damage @ sigmoid_backward: filled entry by entry
def sigmoid_forward(x):
    for i in np.ndindex(x.shape):
        x[i] = 0.5 + 0.5 * math.tanh(x[i] / 2)
    return x, (x, x.shape)


def sigmoid_backward(dout, cache):
    x, shape = cache
    s, _ = sigmoid_forward(x.copy())
    return (dout * s * (1 - s)).reshape(shape)


# %% in-place-damage @ sigmoid_backward: a slice assigned
def sigmoid_forward(x):
    memory = {"x": x}
    x[:] = 1 / (1 + np.exp(-x))
    return memory["x"], memory


def sigmoid_backward(dout, cache):
    z = 1 / (1 + np.exp(-cache["x"]))
    return dout * (z - z**2)


# %% overflow-at-large-inputs @ tanh_forward: the definition
def tanh_forward(x):
    out = (np.exp(x) - np.exp(-x)) / (np.exp(x) + np.exp(-x))
    return out, out


# %% overflow-at-large-inputs @ tanh_forward: sinh over cosh
def tanh_forward(x):
    out = np.sinh(x) / np.cosh(x)
    return out, out


# %% overflow-at-large-inputs @ tanh_forward: with exp(2x)
def tanh_forward(x):
    e2 = np.exp(2 * x)
    out = (e2 - 1) / (e2 + 1)
    return out, out


# %% formula-on-upstream @ tanh_backward: the square of dout
def tanh_backward(dout, cache):
    return 1 - dout**2


# %% formula-on-upstream @ tanh_backward: tanh of dout
def tanh_backward(dout, cache):
    return 1 - np.square(np.tanh(dout))


# %% formula-on-upstream @ tanh_backward: through the forward, joined
def tanh_backward(dout, cache):
    t = tanh_forward(dout)[0]
    return np.multiply(dout, 1 - np.multiply(t, t))


# %% derivative-at-input @ tanh_backward: x cached
def tanh_forward(x):
    return np.tanh(x), x


def tanh_backward(dout, cache):
    return dout * (1 - cache**2)


# %% derivative-at-input @ tanh_backward: factored
def tanh_forward(x):
    return np.tanh(x), (x,)


def tanh_backward(dout, cache):
    (x,) = cache
    return (1 - x) * (1 + x) * dout


# %% derivative-at-input @ tanh_backward: a class remembers x
class Memory:
    pass


def tanh_forward(x):
    memory = Memory()
    memory.value = x
    return np.tanh(x), memory


def tanh_backward(dout, cache):
    square = cache.value * cache.value
    return dout - dout * square


# %% activation-twice @ tanh_backward: the output cached
def tanh_backward(dout, cache):
    return dout * (1 - np.tanh(cache) ** 2)


# %% activation-twice @ tanh_backward: by the forward
def tanh_backward(dout, cache):
    t, _ = tanh_forward(cache)
    return (1 - t) * (1 + t) * dout


# %% activation-twice @ tanh_backward: by cosh
def tanh_backward(dout, cache):
    return dout / np.cosh(cache) ** 2


# %% wrong-derivative @ tanh_backward: one plus
def tanh_backward(dout, cache):
    return dout * (1 + cache**2)


# %% wrong-derivative @ tanh_backward: that of the sigmoid
def tanh_backward(dout, cache):
    t = cache
    return dout * t * (1 - t)


# %% wrong-derivative @ tanh_backward: the 1 lost
def tanh_backward(dout, cache):
    return -(cache**2) * dout


# %% wrong-derivative @ tanh_backward: not squared
def tanh_backward(dout, cache):
    dx = dout.copy()
    dx *= 1 - cache
    return dx


# %% overflow-at-large-inputs @ tanh_backward: exponentials made again
def tanh_forward(x):
    return np.tanh(x), x


def tanh_backward(dout, cache):
    x = cache
    t = (np.exp(x) - np.exp(-x)) / (np.exp(x) + np.exp(-x))
    return dout * (1 - t**2)


# %% overflow-at-large-inputs @ tanh_backward: four over
def tanh_forward(x):
    return np.tanh(x), x


def tanh_backward(dout, cache):
    e = np.exp(2 * cache)
    return dout * 4 * e / (e + 1) ** 2


# %% overflow-at-large-inputs @ tanh_backward: sinh and cosh
def tanh_forward(x):
    return np.tanh(x), x


def tanh_backward(dout, cache):
    return dout * (1 - (np.sinh(cache) / np.cosh(cache)) ** 2)


# %% upstream-forgotten @ tanh_backward: the slope alone
def tanh_backward(dout, cache):
    return 1 - cache**2


# %% upstream-forgotten @ tanh_backward: entry by entry
def tanh_backward(dout, cache):
    dx = np.ones(dout.shape)
    for i in np.ndindex(dx.shape):
        dx[i] -= cache[i] * cache[i]
    return dx


# %% upstream-forgotten @ tanh_backward: factored
def tanh_backward(dout, cache):
    return (1 + cache) * (1 - cache)


# %% derivative-skipped @ tanh_backward: handed on
def tanh_backward(dout, cache):
    dx = dout
    return dx


# %% derivative-skipped @ tanh_backward: plus nothing
def tanh_backward(dout, cache):
    return dout + 0 * cache


# %% derivative-skipped @ tanh_backward: the derivative computed and dropped
def tanh_backward(dout, cache):
    derivative = 1 - cache**2
    return 1.0 * dout


# %% sign-flipped @ tanh_backward: the square minus 1
def tanh_backward(dout, cache):
    return dout * (cache**2 - 1)


# %% sign-flipped @ tanh_backward: a minus
def tanh_backward(dout, cache):
    return -(dout * (1 - cache**2))


# %% sign-flipped @ tanh_backward: np.negative
def tanh_backward(dout, cache):
    return np.negative(dout) * (1 - cache) * (1 + cache)


# %% scaled @ tanh_backward: half
def tanh_backward(dout, cache):
    return 0.5 * dout * (1 - cache**2)


# %% scaled @ tanh_backward: a rate
def tanh_backward(dout, cache):
    rate = 1e-2
    return rate * dout * (1 - cache**2)


# %% scaled @ tanh_backward: four times
def tanh_backward(dout, cache):
    return 4 * (1 - cache * cache) * dout


# %% zero-gradient @ tanh_backward: zeros
def tanh_backward(dout, cache):
    return np.zeros(dout.shape)


# %% zero-gradient @ tanh_backward: the integer part
def tanh_backward(dout, cache):
    return np.floor(np.abs(cache)) * 0.0 * dout


# %% zero-gradient @ tanh_backward: never added
def tanh_backward(dout, cache):
    dx = np.zeros_like(cache)
    slope = dout * (1 - cache**2)
    return dx


# %% nothing-returned @ tanh_backward: no return
def tanh_backward(dout, cache):
    dout *= 1 - cache**2


# %% nothing-returned @ tanh_backward: pass
def tanh_backward(dout, cache):
    pass


# %% nothing-returned @ tanh_backward: the result of a method that gives none
def tanh_backward(dout, cache):
    grads = []
    return grads.append(dout * (1 - cache**2))


# %% in-place-damage @ tanh_backward: np.tanh with out
def tanh_forward(x):
    np.tanh(x, out=x)
    return x, x


def tanh_backward(dout, cache):
    return dout * (1 - np.tanh(cache) ** 2)


# %% in-place-damage @ tanh_backward: a slice assigned
def tanh_forward(x):
    x[...] = np.tanh(x)
    return x.copy(), x


def tanh_backward(dout, cache):
    t = np.tanh(cache)
    return dout - dout * t * t


# %% in-place-damage @ tanh_backward: in a loop
def tanh_forward(x):
    for i in np.ndindex(x.shape):
        x[i] = math.tanh(x[i])
    return x, [x]


def tanh_backward(dout, cache):
    return dout / np.cosh(cache[0]) ** 2


# %% upstream-forgotten + sign-flipped @ sigmoid_backward: minus the slope
def sigmoid_backward(dout, cache):
    return cache * (cache - 1)


# %% upstream-forgotten + sign-flipped @ tanh_backward: the square minus 1, alone
def tanh_backward(dout, cache):
    return cache**2 - 1


# %% activation-twice + upstream-forgotten @ sigmoid_backward: neither dout nor the right place
def sigmoid_backward(dout, cache):
    s = 1 / (1 + np.exp(-cache))
    return s * (1 - s)


# %% activation-twice + upstream-forgotten @ tanh_backward: neither dout nor the right place
def tanh_backward(dout, cache):
    return 1 - np.tanh(cache) ** 2


# %% derivative-at-input + upstream-forgotten @ sigmoid_backward: x(1-x)
def sigmoid_forward(x):
    return 1 / (1 + np.exp(-x)), x


def sigmoid_backward(dout, cache):
    return cache * (1 - cache)


# %% derivative-at-input + upstream-forgotten @ tanh_backward: 1 - x²
def tanh_forward(x):
    return np.tanh(x), x


def tanh_backward(dout, cache):
    return 1 - cache**2


# %% wrong-derivative + upstream-forgotten @ tanh_backward: 1 + t², alone
def tanh_backward(dout, cache):
    return 1 + cache**2


# %% derivative-at-input + sign-flipped @ tanh_backward: x² - 1
def tanh_forward(x):
    return np.tanh(x), x


def tanh_backward(dout, cache):
    return dout * (cache**2 - 1)


# %% activation-twice + scaled @ sigmoid_backward: and a 2
def sigmoid_backward(dout, cache):
    s = 1 / (1 + np.exp(-cache))
    return 2 * dout * s * (1 - s)
