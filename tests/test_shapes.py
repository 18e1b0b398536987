"""Shapes are told as the contract writes them."""

from __future__ import annotations

import pytest

from autograder.rendering.shapes import as_expected, in_symbols, sizes_of, spelled_out, symbols_in

DOCSTRING = """Do something.

        out = x @ w: a formula, shape nothing

    Args:
        x: inputs, shape (N, d_1, ..., d_k), float64; row n is example n.
        w: weights, shape (D, M).
        edges: (from, to) for every edge, an array of shape
            (2K, 2), int64.
        op: what each does, any shape.

    Returns, in this order:
        dx: gradient with respect to x, shape of x: (N, d_1, ..., d_k).
        dop: gradient, shape of op.
    """
AXES = {"N": 4, "D": 5, "M": 3}


def test_symbols_come_from_the_docstring():
    """Each array's symbols, over line ends and by "shape of"; none where the docstring gives none."""
    assert symbols_in(DOCSTRING) == {
        "x": ("N", "d_1", "...", "d_k"),
        "w": ("D", "M"),
        "edges": ("2K", "2"),
        "dx": ("N", "d_1", "...", "d_k"),
    }


@pytest.mark.parametrize(
    ("rank", "expected"), [(1, None), (2, ("N", "D")), (3, ("N", "d_1", "d_2")), (4, ("N", "d_1", "d_2", "d_3"))]
)
def test_dots_are_spelled_out(rank, expected):
    """(N, d_1, ..., d_k) is (N, D) for a matrix, and has a symbol for each axis of images."""
    assert spelled_out(("N", "d_1", "...", "d_k"), rank) == expected


def test_sizes_are_read_off_the_arguments(rng_arrays):
    """What N, D and M stand for in one call; an array of another rank than the contract's says nothing."""
    x, w = rng_arrays((4, 5), (5, 3))
    shapes = symbols_in(DOCSTRING)
    assert sizes_of(shapes, ("x", "w"), (x, w)) == AXES
    assert sizes_of(shapes, ("w",), (x.ravel(),)) == {}
    assert sizes_of(shapes, ("edges",), (x,)) == {}  # "2K" is no symbol to stand for something


@pytest.mark.parametrize(
    ("shape", "own", "text"),
    [
        ((3, 5), ("D", "M"), "(M, D) = (3, 5)"),
        ((1, 3), ("M",), "(1, M) = (1, 3)"),
        ((3,), (), "(M,) = (3,)"),
        ((), (), "()"),
        ((1, 1), (), "(1, 1)"),
        ((3, 7), (), "(3, 7)"),
    ],
)
def test_a_students_shape_in_symbols(shape, own, text):
    """A transposed or kept axis is told by name; a size that no symbol has leaves the numbers alone."""
    assert in_symbols(shape, AXES, own) == text


def test_of_two_symbols_of_one_size_the_arrays_own_is_meant():
    """Where d_2 and M are both 3, the shape of dw speaks of M; where neither is its own, of numbers."""
    sizes = {"N": 4, "d_2": 3, "M": 3}
    assert in_symbols((4, 3), sizes, ("N", "M")) == "(N, M) = (4, 3)"
    assert in_symbols((4, 3), sizes, ()) == "(4, 3)"


def test_the_expected_shape():
    """In the contract's own symbols, expressions too."""
    assert as_expected(("n + K",), (6,)) == "(n + K,) = (6,)"
    assert as_expected(("D", "M"), (5, 3)) == "(D, M) = (5, 3)"
    assert as_expected((), (5, 3)) == "(5, 3)"
    assert as_expected(("D",), (5, 3)) == "(5, 3)"
