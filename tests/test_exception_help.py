"""One sentence of help for each error that everybody meets, by running code that makes it."""

from __future__ import annotations

import numpy as np
import pytest

from autograder.calls import Call, Problem
from autograder.diagnosis.exception_help import Setting, help_for
from autograder.local import LocalSession

X, W = np.ones((4, 5)), np.ones((5, 3))
SETTING = Setting("f_backward", ("dout", "cache"), "f_forward", ("x", "w"), {"N": 4, "D": 5, "M": 3})

# What stands in a function of x (4, 5) and w (5, 3), and a part of the sentence.
MISTAKES = {
    "x @ x": "the left has 5 (D), the right 4 (N).",
    "np.dot(x, x)": "the two arrays are (N, D) = (4, 5) and (N, D) = (4, 5).",
    "x @ 3.0": "one of these is a single number",
    "np.tensordot(x, x, axes=1)": "over which a product adds up must be equally long",
    "x + w": "these are (N, D) = (4, 5) and (D, M) = (5, 3).",
    "np.ones(5).__iadd__(x)": "keeps the shape on its left, (D,) = (5,)",
    "x.__setitem__(0, w)": "the place it is written to has shape (D,) = (5,)",
    "x.reshape(7, 2)": "20 entries do not fill the shape",
    "x.sum(axis=2)": "this array has 2: there is no axis 2.",
    "np.transpose(x, (0, 1, 2))": "transpose takes each axis",
    "np.concatenate([x, w])": "Arrays that are joined",
    "np.einsum('ij,ij->i', x, w)": "einsum's letters",
    "np.einsum('ijk->i', x)": "einsum's letters",
    "np.array([[1.0, 2.0], [3.0]])": "One entry of an array holds one number",
    "1 if x > 0 else 0": "ask for one yes or no",
    "[a for a, b, c in [(1, 2)]]": "3 names stand on the left, and there are only 2",
    "[a for a, b in [(1, 2, 3)]]": "2 names stand on the left, and more came",
    "[a for a, b in [None]]": "None is being taken apart",
    "[a for a, b in [1.0]]": "A single value is being taken apart",
    "None * x": "Something in this line is None",
    "None[0]": "Something in this line is None",
    "(x, w).shape": "This is a tuple, not an array",
    "-(x, w)": "take out the array first",
    "(x, w) * 0.5": "take out the array first",
    "(x, w)['x']": "Tuples and lists are indexed by position",
    "(1, 2)(3, 4)": "A tuple is being called",
    "x(0)": "Round brackets after an array",
    "(1, 2).__class__ and exec('t = (1, 2); t[0] = 3')": "A tuple cannot be changed",
    "{'w': w}['x']": "The dict has no entry 'x'",
    "__import__('math').exp(x)": "The functions of math take one number",
    "(lambda a: a)(1, 2)": "is called with other arguments than its def line lists",
    "np.exp('one')": "not an array of numbers",
    "np.ones(3, int).__iadd__(0.5)": "An array made for integers",
    "np.sigmoid(x)": "numpy has nothing called sigmoid",
    "x.exp()": "An array has no exp",
    "x[4]": "along an axis of length 4 (N) the last index",
    "x[0, 0, 0]": "The array has 2 axes and is indexed along 3",
    "x.shape[2]": "The tuple is shorter than that",
    "x[w > 0]": "A mask must have the shape",
    "__import__('math').exp(1000)": "passes its end at about 710",
    "1 / 0": "Something is divided by 0",
    "(lambda f: f(f))(lambda f: f(f))": "never stops",
    "np.ones((10**7, 10**7))": "An array became far too large",
    "exec('assert False')": "An assert in your own code",
    "nothing": "Nothing called nothing exists here",
    "torch.tanh(x)": "no framework that differentiates",
}


@pytest.mark.parametrize("expression", MISTAKES)
def test_every_sentence_by_the_error_it_is_for(expression):
    """What numpy and Python really say is recognised, and shapes are told by their letters."""
    namespace = {"np": np}
    exec(compile(f"def f(x, w):\n    return {expression}\n", "<string>", "exec"), namespace)
    (reply,) = LocalSession(namespace, ["f"]).run([Call("f", (X, W))])
    assert reply.problem is not None, "it raised nothing"
    assert MISTAKES[expression] in help_for(reply.problem, SETTING), reply.problem


SYNTAX = {
    "def f(x)\n    return x\n": "ends in a colon",
    "def f(x):\nreturn x\n": "start further to the right",
    "def f(x):\n    y = 1\n      return x\n": "further to the right than the one above",
    "def f(x):\n        y = 1\n    return x\n": "at a depth where no earlier line",
    "def f(x):\n    y = (1 + 2\n    return x\n": "bracket is opened here",
    "def f(x):\n    return (x]\n": "closing bracket",
    "def f(x):\n    return 'x\n": "quotation marks",
    "return 1\n": "stands outside the function",
    "def f(x):\n    if x = 1:\n        return x\n": "One equals sign",
    "def f(x):\n    return x − 1\n": "not Python's",
    "def f(x):\n    return x x\n": "look at brackets, colons and commas",
    "def f(x):\n\tif x:\n        return x\n": "Tabs and spaces",
}


@pytest.mark.parametrize("text", SYNTAX)
def test_text_that_is_no_python(text):
    """Indentation, brackets, quotes: each has its sentence."""
    with pytest.raises(SyntaxError) as caught:
        compile(text, "<string>", "exec")
    problem = Problem(type(caught.value).__name__, caught.value.msg)
    assert SYNTAX[text] in help_for(problem, SETTING), problem


def test_what_belongs_to_the_forward():
    """An argument of the forward, unknown in the backward: the sentence speaks of the cache."""
    namespace = {"np": np}
    exec(compile("def f_backward(dout, cache):\n    return dout * x\n", "<string>", "exec"), namespace)
    (reply,) = LocalSession(namespace, ["f_backward"]).run([Call("f_backward", (X, W))])
    told = help_for(reply.problem, SETTING)
    assert (
        told
        == "x belongs to f_forward; what f_backward needs of it travels in the cache, and has to be taken out there."
    )


def test_a_def_line_that_is_not_the_contracts():
    """The grader's own call does not fit: the sentence says how the function is called."""
    namespace: dict = {}
    exec(compile("def f_backward(dout):\n    return dout\n", "<string>", "exec"), namespace)
    (reply,) = LocalSession(namespace, ["f_backward"]).run([Call("f_backward", (X, W))])
    assert "called with 2 arguments, dout and cache" in help_for(reply.problem, SETTING)


def test_what_nobody_can_help_with():
    """An exception of a kind that is not known gets no sentence rather than a wrong one."""
    assert help_for(Problem("MyError", "something of mine"), SETTING) == ""


def test_hostile_messages_do_no_harm():
    """Braces, patterns and length in a message neither raise nor are obeyed."""
    for message in ("{0} {x!r}", "size (9999999999999999999999) (((", "name '" + "x" * 400 + "' is not defined", ""):
        for kind in ("ValueError", "NameError", "TypeError", "KeyError", "UnboundLocalError"):
            assert isinstance(help_for(Problem(kind, message), SETTING), str)
