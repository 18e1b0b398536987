"""The picture of which entries are wrong, and the same in words."""

from __future__ import annotations

import numpy as np
import pytest

from autograder.rendering.picture import LARGEST, picture_of

RIGHT = np.arange(1.0, 16.0).reshape(5, 3)


def picture(yours, expected=RIGHT, symbols=("D", "M")):
    with np.errstate(all="ignore"):
        wrong = ~(np.abs(yours - expected) <= 1e-9)
    return picture_of("dw", yours, expected, wrong, symbols)


def changed(where, value):
    yours = RIGHT.copy()
    yours[where] = value
    return yours


@pytest.mark.parametrize(
    ("yours", "words"),
    [
        (changed(np.s_[2], 9.5), "dw is wrong in row 2 (along D)."),
        (changed(np.s_[:, 1], 0), "dw is wrongly 0 in column 1 (along M)."),
        (changed(np.s_[:, 1:], np.nan), "dw is nan or inf everywhere but in column 0 (along M)."),
        (changed(np.s_[[0, 4]], -1), "dw is wrong in rows 0 and 4 (along D)."),
        (changed((1, 2), -1), "dw is wrong in 1 of 15 entries."),
        (RIGHT / 5, "Every entry of dw is 0.2 times what it should be."),
        (RIGHT * [2, 3, 4], "Each column of dw (along M) is off by a factor of its own: 2, 3, 4."),
        (RIGHT * [[2], [3], [4], [5], [6]], "Each row of dw (along D) is off by a factor of its own: 2, 3, 4, 5, ...."),
    ],
)
def test_patterns_are_said_in_words(yours, words):
    """Rows, columns, what remains, and factors."""
    assert picture(yours).words == words


def test_only_the_diagonal_is_right():
    """As where an elementwise product stands for a matrix one."""
    square = np.arange(1.0, 10.0).reshape(3, 3)
    yours = np.diag(np.diag(square))
    assert picture(yours, square).words == "dw is wrongly 0 everywhere but on the diagonal."


def test_marks_and_heat():
    """Right, wrong, wrongly 0 and nan have marks of their own; the largest error is the hottest."""
    yours = RIGHT.copy()
    yours[0] = [0, 7, np.nan]
    drawn = picture(yours)
    assert drawn.marks == ("0x?", "...", "...", "...", "...")
    assert drawn.heat[0] == (0.2, 1.0, 1.0)
    assert set(drawn.heat[1]) == {0.0}
    assert drawn.axes == ("D", "M")


def test_no_picture_where_it_says_nothing():
    """A single number; an array that is wrong everywhere and in no pattern."""
    assert picture_of("total", np.array(1.0), np.array(2.0), np.array(True)) is None
    assert picture(np.cos(RIGHT)) is None


def test_a_large_array_is_drawn_in_blocks():
    """One wrong entry among thousands is still seen."""
    right = np.ones((300, 400))
    yours = right.copy()
    yours[299, 399] = 2
    drawn = picture(yours, right)
    assert drawn.block == (25, 14)
    assert len(drawn.marks) <= LARGEST[0]
    assert len(drawn.marks[0]) <= LARGEST[1]
    assert drawn.marks[-1][-1] == "x"
    assert "".join(drawn.marks).count("x") == 1


def test_more_than_two_axes():
    """The first axis makes the rows."""
    right = np.ones((3, 2, 4))
    yours = right.copy()
    yours[1] = 0
    drawn = picture(yours, right, ("N", "d_1", "...", "d_k"))
    assert drawn.marks == ("........", "00000000", "........")
    assert drawn.axes == ("N", "d_1 x d_2")
