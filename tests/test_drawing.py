"""The numbers that are drawn from a digest: the same next year, on any machine, and others for another digest."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest

from autograder.drawing import generator, hashed_again

DIGEST = bytes(range(32))


@pytest.mark.parametrize("draw", [generator, hashed_again])
def test_a_digest_gives_the_same_numbers_again(draw):
    one, two = (draw(DIGEST).standard_normal(50) for _ in range(2))
    assert one.tobytes() == two.tobytes()


def test_the_numbers_are_those_of_every_machine():
    """An appeal in another term draws them anew."""
    assert generator(DIGEST).random(3).tolist() == [0.7662380825373337, 0.5776276110565073, 0.92333030008068]
    assert hashed_again(DIGEST).random(2).tolist() == [0.5034353565286293, 0.09919243508443154]


def test_every_bit_of_a_digest_counts():
    """All but one: a PCG64 makes its increment odd, and the highest bit of what it is given is shifted out by that."""
    numbers = {
        generator((int.from_bytes(DIGEST, "little") ^ 1 << bit).to_bytes(32, "little")).random(2).tobytes()
        for bit in range(256)
    }
    assert len(numbers) >= 255


def test_numbers_of_many_digests_look_random():
    """Of one draw for each of 4,000 digests: mean and spread are those of independent numbers, to five sigma."""
    drawn = np.array([generator(hashlib.sha256(b"%d" % n).digest()).standard_normal() for n in range(4000)])
    assert abs(drawn.mean()) < 5 / np.sqrt(4000)
    assert abs(drawn.var() - 1) < 5 * np.sqrt(2 / 4000)
    assert abs(np.corrcoef(drawn[:-1], drawn[1:])[0, 1]) < 5 / np.sqrt(4000)
