"""What is left of a large notebook's bytes: everything but the outputs of its cells."""

import io
import json
import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autograder.intake import outputs
from autograder.intake.files import SMALL, read_code
from autograder.intake.outputs import without_outputs
from autograder.intake.problem import BrokenSubmission

LIMIT = 1 << 20

# Names that look like the key, quotes, backslashes and brackets: whatever could be taken for something else.
TEXTS = st.text(st.sampled_from('"\\[]{}:, \noutputs')) | st.sampled_from(["outputs", '"outputs": [', "\\", "output"])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=20,
)


def expected(value):
    """The same value, read by Python's own parser, with every list of outputs emptied."""
    if isinstance(value, list):
        return [expected(item) for item in value]
    if isinstance(value, dict):
        return {k: [] if k == "outputs" and isinstance(v, list) else expected(v) for k, v in value.items()}
    return value


def pieces(data, size):
    return [data[at : at + size] for at in range(0, len(data), size)]


@settings(max_examples=300, deadline=None)
@given(st.dictionaries(TEXTS, VALUES, max_size=4), st.sampled_from([None, 1]), st.integers(1, 30))
def test_only_lists_of_outputs_are_emptied(value, indent, size):
    """Whatever the JSON holds, however it is spaced, wherever it is cut into pieces."""
    data = json.dumps(value, indent=indent).encode()
    assert expected(value) == json.loads(without_outputs(pieces(data, size), LIMIT, "x"))


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=60) | TEXTS.map(str.encode), st.integers(1, 30))
def test_what_is_no_json_is_not_mended(data, size):
    """Bytes of any kind pass without an error; without the key they pass as they are."""
    left = without_outputs(pieces(data, size), LIMIT, "x")
    if b'"outputs"' not in data:
        assert data == left


def test_a_hundred_megabytes_of_output_cost_no_memory():
    """What is held at once is a piece of the file and the code of its cells."""
    cell = {"cell_type": "code", "source": "x = 1", "outputs": [{"text": "x" * (100 << 20)}]}
    file = io.BytesIO(json.dumps({"cells": [cell]}).encode())
    tracemalloc.start()
    data = read_code(file, "mine.ipynb")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert json.loads(data) == {"cells": [cell | {"outputs": []}]}
    assert peak < 8 << 20


def test_small_notebooks_are_left_alone():
    """Up to a megabyte the bytes are the file's own."""
    data = json.dumps({"cells": [{"outputs": ["kept"]}]}).encode()
    assert data == read_code(io.BytesIO(data), "mine.ipynb")
    assert len(data) < SMALL


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b'{"cells": "' + b"x" * (2 << 20), "larger than 1 MB"),
        (b'"",' * 10_001, "too many values"),
        (b'{"outputs": ' + b"[" * 10_001, "too many values"),
    ],
)
def test_what_cannot_be_held_is_refused(data, reason, monkeypatch):
    """Too much that is no output, or too much to look at."""
    monkeypatch.setattr(outputs, "MAX_STEPS", 10_000)
    with pytest.raises(BrokenSubmission, match=reason):
        without_outputs(pieces(data, 1 << 20), LIMIT, "x")


@pytest.mark.parametrize("size", [0, 1, 1000, SMALL])
@pytest.mark.parametrize("there", [0, 1, 999, 1000, 1001, SMALL])
def test_a_file_is_read_whole_whatever_its_size_was_said_to_be(size, there):
    """It may have grown or shrunk since it was looked at."""
    data = b"x" * there
    assert read_code(io.BytesIO(data), "mine.py", size) == data
    assert read_code(io.BytesIO(data), "mine.ipynb", size) == data
