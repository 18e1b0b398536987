"""The rules of comparison."""

import numpy as np

from autograder.tolerances import linear, same_value, wrong_entries


def test_nan_is_wrong_unless_expected():
    """nan for a number is wrong; nan for nan is right; an infinity is right only for the same one."""
    value, expected = np.array([np.nan, np.nan, np.inf, 1.0, -np.inf]), np.array([1.0, np.nan, np.inf, np.inf, np.inf])
    assert wrong_entries(value, expected).tolist() == [True, False, False, True, True]


def test_same_value_tells_another_answer():
    """Another number is another answer; nan is the same as nan."""
    assert same_value((np.array([1.0, np.nan]), None), (np.array([1.0, np.nan]), None))
    assert not same_value(np.array([1.0]), np.array([1.0 + 1e-9]))


def test_linear_marks_what_is_not_doubled():
    """Twice the upstream gradient gives twice the gradient, entry by entry."""
    g = np.array([1.0, 0.3])
    assert linear(g, 2 * g).tolist() == [False, False]
    assert linear(g, np.array([2.0, 0.3])).tolist() == [False, True]
