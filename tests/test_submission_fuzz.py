"""Whatever bytes are handed in, reading them ends in a submission with sources or a problem, never in an exception."""

from __future__ import annotations

import io
import json
import tarfile
import zipfile

from hypothesis import given, settings
from hypothesis import strategies as st

from autograder.intake.archives import read_archive
from autograder.submission import BrokenSubmission, read_notebook_bytes

EXAMPLES = settings(max_examples=300, deadline=None)

NOTEBOOK = json.dumps(
    {"cells": [{"cell_type": "code", "source": ["def f(x):\n"], "metadata": {"nbgrader": {"grade_id": "f"}}}]}
).encode()
json_values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.floats(), st.integers(), st.text(max_size=5)),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=10,
)
cells = st.fixed_dictionaries(
    {}, optional={"cell_type": st.just("code") | json_values, "source": json_values, "metadata": json_values}
)


def archive(kind: str) -> bytes:
    packed = io.BytesIO()
    if kind == "zip":
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as made:
            made.writestr("layers/a.py", "x = 1\n" * 20)
            made.writestr("b.ipynb", NOTEBOOK)
    else:
        with tarfile.open(fileobj=packed, mode="w:gz" if kind == "tgz" else "w") as made:
            info = tarfile.TarInfo("layers/a.py")
            info.size = 6
            made.addfile(info, io.BytesIO(b"x = 1\n"))
    return packed.getvalue()


ARCHIVES = {kind: archive(kind) for kind in ("zip", "tar", "tgz")}


def damaged(data: bytes, changes: list[tuple[int, int]], cut: int) -> bytes:
    body = bytearray(data)
    for at, byte in changes:
        body[at % len(body)] = byte
    return bytes(body[: len(body) - cut % len(body)] if cut else body)


changes = st.lists(st.tuples(st.integers(0, 1 << 20), st.integers(0, 255)), min_size=1, max_size=6)


def check_notebook(data: bytes) -> None:
    submission = read_notebook_bytes(data, stubs={"f": "def f(x): ..."})
    assert bool(submission.problem) == (not submission.sources) or submission.sources == ()
    for source in submission.sources:
        source.text.encode()


@EXAMPLES
@given(st.binary(max_size=300))
def test_any_bytes_are_a_submission(data):
    """Random bytes are no notebook, and say so."""
    check_notebook(data)


@EXAMPLES
@given(changes, st.integers(0, 400))
def test_a_damaged_notebook_is_a_submission(changes, cut):
    """A notebook with bytes changed or cut off is read or has a problem."""
    check_notebook(damaged(NOTEBOOK, changes, cut))


@EXAMPLES
@given(st.fixed_dictionaries({"cells": st.lists(cells, max_size=5) | json_values}))
def test_any_json_is_a_submission(content):
    """JSON of any shape where a notebook belongs is read or has a problem."""
    check_notebook(json.dumps(content).encode())


@EXAMPLES
@given(st.sampled_from(sorted(ARCHIVES)), changes, st.integers(0, 2000))
def test_a_damaged_archive_is_read_or_refused(kind, changes, cut):
    """An archive with bytes changed or cut off gives files, or BrokenSubmission, and nothing else."""
    try:
        files = read_archive(damaged(ARCHIVES[kind], changes, cut), f"a.{kind}")
    except BrokenSubmission:
        return
    assert all(".." not in name and not name.startswith("/") for name in files)
