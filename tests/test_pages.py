"""What a student wrote, on its way to a feedback page: nothing acts there, and no text keeps the pages waiting."""

from __future__ import annotations

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("nbgrader", reason="nbgrader is not installed")

from autograder.nbgrader_plugin.intake import ALL_SHOWN, SHOWN, read_plain
from autograder.nbgrader_plugin.pages import BLANK, LONG, plain_code, safe_markdown
from autograder.nbgrader_plugin.running import OVERWRITTEN, plain_text

SCRIPT = "<script>alert(1)</script>"
PICTURE = "![a plot](data:image/png;base64,iVBORw0KGgo=)"


def page_of(text: str) -> str:
    return safe_markdown({}, text)


@pytest.mark.parametrize("text", ["<div>\n", "\\begin{a}", "|a|b|\n|-|-|\n", "<b>", "```\n \n", "> ", "- [", "\n\n"])
@pytest.mark.usefixtures("in_time")
def test_no_markdown_keeps_the_pages_waiting(text):
    """A hundred thousand characters, of which the parser would take the square, are shown as they were written."""
    page = page_of(text * (SHOWN // len(text)))
    assert page.startswith("<pre>")
    assert "<div>" not in page


@pytest.mark.parametrize("text", [" \n", "x\n\n", "...", "a.", "'%(", "f'{", '"""', "(", "@a\n", "?a", "!ls "])
@pytest.mark.usefixtures("in_time")
def test_no_code_keeps_the_pages_waiting(text):
    """Neither all that a page shows of a cell nor the longest that is still coloured."""
    for length in (SHOWN, LONG):
        page = plain_code(f"x = 1\n{text * (length // len(text) - 9)}\nx")
        assert "<pre>" in page


@pytest.mark.parametrize("times", [1, LONG, BLANK + 1])
def test_nothing_acts_however_long_it_is(times):
    """Neither what is rendered nor what is shown as it was written."""
    for text in (SCRIPT, f"{SCRIPT}\n\n"):
        assert "<script" not in page_of(text * times)
        assert "<script" not in plain_code(text * times)


def test_what_is_no_longer_than_people_write_is_rendered():
    """A derivation with a picture pasted into its text; a cell of code."""
    picture = PICTURE.replace("iVBORw0KGgo=", "iVBORw0KGgo=" * LONG)
    page = page_of(f"## Why\n\n*Because* $x^2$.\n\n{picture}")
    assert "<em>Because</em>" in page
    assert "<img" in page
    assert '<span class="k">def</span>' in plain_code("def f(x):\n    return x", "ipython3", {})


@pytest.mark.parametrize("kind", ["code", "markdown"])
def test_a_page_holds_so_much(tmp_path, kind):
    """Beyond that a cell says that it is not shown; those of the other kind are."""
    cells = [{"cell_type": kind, "source": "x" * SHOWN} for _ in range(ALL_SHOWN // SHOWN + 2)]
    other = {"cell_type": "markdown" if kind == "code" else "code", "source": "y"}
    path = tmp_path / "a.ipynb"
    path.write_text(json.dumps({"cells": [*cells, other]}))
    *shown, last = read_plain(path).cells
    assert [len(cell.source) == SHOWN for cell in shown] == [True] * (ALL_SHOWN // SHOWN) + [False] * 2
    assert "not shown" in shown[-1].source
    assert last.source == "y"


def test_pasted_pictures_take_no_room(tmp_path):
    """A notebook of photographs of derivations on paper is shown."""
    picture = PICTURE.replace("iVBORw0KGgo=", "iVBORw0KGgo=" * 7000)
    path = tmp_path / "a.ipynb"
    path.write_text(json.dumps({"cells": [{"cell_type": "markdown", "source": picture}] * 20}))
    assert [cell.source for cell in read_plain(path).cells] == [picture] * 20


@pytest.mark.usefixtures("in_time")
@pytest.mark.parametrize("text", ['{"cells":[' + "[]," * 4_000_000 + "[]]}", '"' + '\\"' * (1 << 20)])
def test_what_is_no_notebook_is_an_empty_page(tmp_path, text):
    """Millions of values, which would take gigabytes; a string that never ends."""
    path = tmp_path / "a.ipynb"
    path.write_text(text)
    assert read_plain(path).cells == []


@pytest.mark.usefixtures("in_time")
@pytest.mark.parametrize("text", ["b", "\x1b[", "\x1b]", "\x1b[0", "\r\n", "\rb", "\x1b"])
def test_no_output_keeps_the_pages_waiting(text):
    """A line of millions of characters."""
    assert "\x1b" not in plain_text(text * (4_000_000 // len(text)))


@given(st.text("ab\r\n", max_size=12))
def test_what_was_written_over_is_left_out(text):
    """From wherever a line begins to each return but the one that ends it, as if tried at every character."""
    assert OVERWRITTEN.sub("", text) == re.sub(r"[^\n\r]*\r(?=[^\n])", "", text)
