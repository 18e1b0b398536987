"""What students are told holds no line of a reference: not as written, not with other names, not piece by piece."""

from __future__ import annotations

import ast
import io
import json
import keyword
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

from autograder.answer_key import full_key
from autograder.catalogue import load_catalogue
from autograder.diagnosis import exception_help, named, relation_shapes, relations
from autograder.exercise import Function
from autograder.public_keys import public_key
from autograder.rendering import stopped
from demo.classroom import reference_source
from tests.conftest import ROOT

CATALOGUE = load_catalogue(ROOT / "solutions")
EXERCISES = CATALOGUE.exercises()

# Shorter pieces are words that any explanation needs: `1 - out`, `x.shape`, `w.T`.
SHORTEST = 3


def normalised(code: str) -> str:
    """Code by its tokens alone: no spaces, no parentheses around, variables numbered by first appearance.

    `dx = dout * s * (1 - s)` and `g=up*out*(1-out)` are one; what follows a dot and what is called keeps its name.
    """
    tokens: list[str] = []
    try:
        for token in tokenize.generate_tokens(io.StringIO(code).readline):
            if token.type in (tokenize.NAME, tokenize.NUMBER, tokenize.OP, tokenize.STRING):
                tokens.append(token.string)
    except (tokenize.TokenError, IndentationError):
        pass  # prose; what was read of it counts
    numbers: dict[str, str] = {}
    out = []
    for i, token in enumerate(tokens):
        attribute = i > 0 and tokens[i - 1] == "."
        called = i + 1 < len(tokens) and tokens[i + 1] in ("(", ".")
        if token.isidentifier() and not keyword.iskeyword(token) and not attribute and not (called and token == "np"):
            token = numbers.setdefault(token, f"v{len(numbers)}")
        out.append(token)
    return " ".join(out)


def pieces(function: Function) -> Iterator[str]:
    """The statements of a reference, and the expressions in them, of which each gives something away."""
    for node in ast.walk(ast.parse(reference_source(function))):
        if isinstance(node, ast.Assign | ast.AugAssign | ast.Return) or (
            isinstance(node, ast.BinOp | ast.Call) and not isinstance(node.op if hasattr(node, "op") else None, ast.Mod)
        ):
            yield ast.unparse(node)


def telling(piece: str) -> bool:
    """Whether a piece is long enough to say something: that many names and numbers, and more than unpacking."""
    names_only = re.fullmatch(r"[\w, ()]+ = cache|return [\w, ()]+", piece)
    return len(re.findall(r"\w+", piece)) >= SHORTEST and not names_only


SECRETS = {
    f.name: sorted({normalised(p) for p in pieces(f) if telling(p)})
    for exercise in EXERCISES
    for f in exercise.functions
}


def code_in(text: str) -> Iterator[str]:
    """The stretches of a sentence that could be code: what is quoted, what stands between words, and the whole."""
    yield text
    yield from re.findall(r"`([^`]+)`", text)
    yield from re.split(r"[:;?!]|\.(?:\s|$)|,\s", text)


def given_away(text: str, secrets: list[str]) -> list[str]:
    """The secrets that a text holds, whatever its variables are called."""
    stretches = list(code_in(text))
    # Names are numbered by first appearance, so code inside a sentence is compared from every word of it on.
    starts = [s[m.start() :] for s in stretches for m in re.finditer(r"[\w(\[-]+", s)]
    forms = [normalised(s) for s in starts]
    return [secret for secret in secrets if any(form.startswith(secret) for form in forms)]


def told(exercise) -> Iterator[tuple[str, str]]:
    """(the function it is about, a sentence) for all that a key says: every misconception's, every case's."""
    key = full_key(exercise, b"seed")
    for function in key.functions:
        for mistake in function.mistakes:
            for text in (mistake.sentence, *mistake.hints):
                yield function.name, text
    for question in key.questions:
        yield key.functions[-1].name, question.reason


def strings(value) -> Iterator[str]:
    """All strings of some JSON, but for arrays' bytes."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        yield from (s for k, v in value.items() if k != "data" for s in strings(v))
    elif isinstance(value, list):
        yield from (s for v in value for s in strings(v))


@pytest.mark.parametrize("exercise", EXERCISES, ids=lambda e: e.name)
def test_no_hint_holds_a_line_of_the_reference(exercise):
    """No sentence, first hint, further hint or reason gives a statement or an expression away, under any names."""
    texts = list(told(exercise))
    assert len(texts) >= 10
    assert {text: found for name, text in texts if (found := given_away(text, SECRETS[name]))} == {}


@pytest.mark.parametrize("exercise", EXERCISES, ids=lambda e: e.name)
def test_no_text_of_a_public_key_holds_a_line_of_the_reference(exercise):
    """The same for every string of the file that students get; and none of it is code of the mistakes either."""
    texts = list(strings(json.loads(json.dumps(public_key(exercise)))))
    secrets = [s for f in exercise.functions for s in SECRETS[f.name]]
    assert len(texts) >= 20
    assert {text: found for text in texts if (found := given_away(text, secrets))} == {}
    assert not any("def " in text or "lambda" in text or "import " in text for text in texts)


@pytest.mark.parametrize(
    "module", [named, relations, relation_shapes, stopped, exception_help], ids=lambda m: m.__name__
)
def test_no_general_sentence_holds_a_line_of_a_reference(module):
    """The engine's own sentences, for all layers, give no layer's line away."""
    tree = ast.parse(Path(module.__file__).read_text(encoding="utf-8"))
    texts = [n.value for n in ast.walk(tree) if isinstance(n, ast.Constant) and isinstance(n.value, str)]
    secrets = [s for several in SECRETS.values() for s in several]
    assert len(texts) >= 10
    assert {text: found for text in texts if (found := given_away(text, secrets))} == {}


@pytest.mark.parametrize(
    ("function", "hint"),
    [
        ("sigmoid_backward", "Try dout * out * (1 - out) and see."),
        ("sigmoid_backward", "Try this: dx = dout*s*(1-s)."),
        ("sigmoid_backward", "What is up*z*(1 - z)?"),
        ("tanh_backward", "Is it `dout * (1 - t**2)`?"),
        ("tanh_backward", "The slope is 1 - t ** 2."),
        ("affine_backward", "Sum it: db = dout.sum(axis=0)."),
        ("affine_backward", "Perhaps g.sum(axis=0) would do?"),
        ("affine_backward", "dw is rows.T @ dout, of course"),
        ("affine_backward", "Give (dout @ w.T).reshape(x.shape) back."),
        ("affine_forward", "out is flat @ weights + bias"),
        ("glorot_init", "w = g * z * np.sqrt(2 / (a + b))"),
        ("reverse_mode", "out[u] += s * out[v]"),
    ],
)
def test_a_hint_that_gives_a_line_away_is_found(function, hint):
    """The search finds a line or its essential piece in a sentence, whatever its variables and its spaces."""
    assert given_away(hint, SECRETS[function]) != []


@pytest.mark.parametrize("hint", ["What is the slope at x = 0?", "Which axis of dout counts examples?", "Is it 1 - x?"])
def test_an_honest_hint_is_not_accused(hint):
    """Words, single names and a difference are no line of a solution."""
    assert [s for several in SECRETS.values() for s in several if given_away(hint, [s])] == []
