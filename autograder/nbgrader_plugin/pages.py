"""Markdown and code that a student wrote, as HTML that cannot act: for feedback pages and for formgrader.

nbconvert passes HTML in markdown through as it is, scripts included, and nbgrader's templates do not clean it. Its
parsers take the square of the time for some texts: what is very long is shown as it was written.
"""

from __future__ import annotations

import html
import re

import bleach
from jinja2 import pass_context
from nbconvert.filters.highlight import Highlight2HTML
from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath

TAGS = frozenset((
    "a", "abbr", "b", "blockquote", "br", "caption", "code", "dd", "del", "details", "div", "dl", "dt", "em",
    "figcaption", "figure", "h1", "h2", "h3", "h4", "h5", "h6", "hr", "i", "img", "ins", "kbd", "li", "mark", "ol", "p",
    "pre", "s", "samp", "small", "span", "strong", "sub", "summary", "sup", "table", "tbody", "td", "tfoot", "th",
    "thead", "tr", "u", "ul", "var",
))  # fmt: skip
PLAIN = frozenset(("alt", "class", "colspan", "height", "id", "rowspan", "scope", "start", "title", "width"))
LINK = re.compile(r"(https?://|mailto:|#|[^:]*$)")
# A picture beside the notebook or inside it; one from elsewhere would tell its host who reads the page, and when.
PICTURE = re.compile(r"(data:image/(png|jpeg|gif);base64,[A-Za-z0-9+/=\s]*$|(?!//)[^:]*$)")

PASTED = re.compile(r"data:image/(?:png|jpeg|gif);base64,[A-Za-z0-9+/=]+")  # a picture in the text itself
LONG = 10_000  # characters of a cell, beside pictures
BLANK = 200  # blank lines, each of which the lexer may look through anew


@pass_context
def safe_markdown(context, source: str) -> str:
    """The filter `markdown2html` of nbconvert's HTML exporter, with everything left out that could act."""
    if _takes_long(PASTED.sub("", source)):
        return f"<pre>{html.escape(source)}</pre>"
    attachments = context.get("cell", {}).get("attachments", {})
    renderer = IPythonRenderer(escape=False, attachments=attachments, exclude_anchor_links=True)
    page = MarkdownWithMath(renderer=renderer).render(source)
    page = bleach.clean(page, tags=TAGS, attributes=_allowed, protocols={"http", "https", "mailto", "data"})
    return page.replace("<table>", '<table class="table">')  # the pages' own style sets columns apart only in these


def plain_code(source: str, language: str | None = None, metadata=None) -> str:
    """The filter `highlight_code`: a cell's code in colours, as Python, whatever language the notebook says."""
    if _takes_long(source):
        return f'<div class="highlight hl-ipython3"><pre>{html.escape(source)}</pre></div>'
    return Highlight2HTML(pygments_lexer="python3")(source, language="python3")


def _takes_long(source: str) -> bool:
    return len(source) > LONG or sum(not line.strip() for line in source.split("\n")) > BLANK


def _allowed(tag: str, name: str, value: str) -> bool:
    if (tag, name) == ("a", "href"):
        return LINK.match(value.strip()) is not None
    if (tag, name) == ("img", "src"):
        return PICTURE.match(value.strip()) is not None
    return name in PLAIN
