"""From the text of a cell or file to statements that can run one by one: magics dropped, broken pieces set aside.

Runs in the submission's process only: parsing a hostile text can itself crash an interpreter.
"""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass, field

# a cell in another language, or one that IPython would not run as this notebook's Python
OTHER_LANGUAGE = re.compile(
    r"%%(bash|sh|script|cmd|html|HTML|javascript|js|latex|markdown|svg|SVG|writefile|file|perl|ruby|cython|R|sql|system|sx|!)\b"
)
LINE_MAGIC = re.compile(r"^\s*(?:[\w.,\[\] ]+=\s*)?[%!]|\?\??\s*$|^\s*\?")
TIME_MAGIC = re.compile(r"^(\s*)%time\s+(?=\S)")
DEFINES = r"^[ \t]*(?:async[ \t]+)?def[ \t]+{}[ \t]*\("
# a line that starts a piece of its own when a text does not parse as a whole
STARTS_PIECE = re.compile(r"^(?=(?:@|def\b|class\b|async\b))", re.MULTILINE)


@dataclass
class Parsed:
    """A source's statements, what was skipped, and the pieces that do not parse: (text, SyntaxError)."""

    statements: list[ast.stmt] = field(default_factory=list)
    magics: int = 0
    other_language: str = ""
    broken: list[tuple[str, SyntaxError]] = field(default_factory=list)


def defines(text: str, name: str) -> bool:
    """Whether `def name(` occurs in the text, whether or not it parses."""
    return re.search(DEFINES.format(re.escape(name)), text, re.MULTILINE) is not None


def parse(text: str, label: str) -> Parsed:
    """The statements of a source, line numbers as in `text`; where it does not parse, those of the pieces that do."""
    parsed = Parsed()
    text = text.replace("\r\n", "\n").replace("\r", "\n").lstrip("\ufeff")
    head = text.lstrip()
    if head.startswith("%%"):
        language = OTHER_LANGUAGE.match(head)
        if language:
            parsed.other_language = language.group()
            return parsed
        first = text[: len(text) - len(head)].count("\n")  # %%time, %%capture and the like: the rest is Python
        lines = text.split("\n")
        lines[first] = ""
        text = "\n".join(lines)
        parsed.magics += 1
    try:
        parsed.statements = _parse(text, label, parsed)
        return parsed
    except SyntaxError as error:
        whole = error
    if "\0" in text:
        parsed.broken.append((text, whole))
        return parsed
    parsed.magics = 0
    for line, piece in _pieces(text):
        try:
            parsed.statements += _parse("\n" * line + piece, label, parsed)
        except SyntaxError as error:
            parsed.broken.append((piece, error))
    return parsed


def _parse(text: str, label: str, parsed: Parsed) -> list[ast.stmt]:
    """Parses; where that fails at a line that looks like a magic or a shell line, blanks the line and tries again."""
    lines: list[str] | None = None
    while True:
        try:
            return ast.parse(text, label).body
        except SyntaxError as error:
            lines = text.split("\n") if lines is None else lines
            number = (error.lineno or 0) - 1
            if not (0 <= number < len(lines) and LINE_MAGIC.search(lines[number])):
                raise
            timed = TIME_MAGIC.match(lines[number])
            indent = lines[number][: len(lines[number]) - len(lines[number].lstrip())]
            lines[number] = TIME_MAGIC.sub(r"\1", lines[number]) if timed else indent + ("pass" if indent else "")
            parsed.magics += 1
            text = "\n".join(lines)
        except (ValueError, RecursionError, MemoryError) as error:  # null bytes; nested too deep
            raise SyntaxError(str(error) or "too deeply nested", (label, 1, 0, "")) from None


def _pieces(text: str) -> list[tuple[int, str]]:
    """The text cut before each def, class and decorator at the left margin, with the line where each piece starts."""
    cuts = [match.start() for match in STARTS_PIECE.finditer(text)]
    pieces, line = [], 0
    for start, end in zip([0, *cuts], [*cuts, len(text)], strict=True):
        piece = text[start:end]
        joins = pieces and re.fullmatch(r"(@[^\n]*\n\s*)+", pieces[-1][1])  # a decorator belongs to what follows
        if joins:
            pieces[-1] = (pieces[-1][0], pieces[-1][1] + piece)
        elif piece:
            pieces.append((line, piece))
        line += piece.count("\n")
    return pieces
