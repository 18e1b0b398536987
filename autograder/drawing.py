"""Random numbers from a digest: the same numbers wherever the digest is the same."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.random.bit_generator import ISeedSequence


class _Digest(ISeedSequence):
    """A digest as a seed: it is hashed well already, and need not be hashed again, which takes longer than drawing."""

    def __init__(self, digest: bytes):
        self.digest = digest

    def generate_state(self, n_words: int, dtype: Any = np.uint32) -> np.ndarray:
        little_endian = np.dtype(dtype).newbyteorder("<")
        return np.frombuffer(self.digest, little_endian, n_words).astype(dtype, copy=False)


def generator(digest: bytes) -> np.random.Generator:
    """A generator whose state is the digest.

    Args:
        digest: 32 bytes, a SHA-256.
    """
    return np.random.Generator(np.random.PCG64(_Digest(digest)))


def hashed_again(digest: bytes) -> np.random.Generator:
    """numpy's own way from the digest's number to a state: for public inputs, which are in keys and in books."""
    return np.random.default_rng(np.frombuffer(digest[::-1], "<u4"))
