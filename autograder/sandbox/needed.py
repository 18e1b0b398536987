"""Which statements of a notebook its graded functions need; the rest is not run in grading.

A notebook is half experiments: plots, checks, a training loop that takes a minute. None of them decides what a function
returns. A statement is needed if it binds a name that a needed statement uses, or changes what such a name stands for;
the graded names come first. Imports are always run: what is not to be had is said. Where a notebook reaches for names
by other means (exec, globals(), global), all of it is run. A cell whose words rule out that it matters is not parsed.

Runs in the submission's process, like everything that looks at its code.
"""

from __future__ import annotations

import ast
import builtins
import functools
import re
import unicodedata
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import NamedTuple

from .plain import Plain

# names and attributes with which code can use a name without naming it
INDIRECT = {"exec", "eval", "compile", "globals", "locals", "vars", "setattr", "delattr", "__import__", "import_module"}
INDIRECT |= {"__dict__", "__globals__", "__builtins__", "__code__", "__defaults__", "__closure__"}
FUNCTIONS = ast.FunctionDef | ast.AsyncFunctionDef
SCOPES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
NAMED = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.ExceptHandler, ast.MatchAs, ast.MatchStar)
IMPORTS = ast.Import | ast.ImportFrom
SIGNS = ("global", *INDIRECT)
WORDS = re.compile(rf"\b(?:{'|'.join(SIGNS)})\b")
STEMS = ("exec", "eval", "compile", "global", "locals", "vars", "attr", "import_", "__")  # one of them is in each sign
# a line that could be a magic, a shell command or a question, or the start of a cell in another language
MAGIC = re.compile(r"^[\w.,\[\] \t=]*[%!?]|\?\s*$", re.MULTILINE)
USED = (".", "(", "[", '"', "'")  # what may follow a name that is only used
FAR = 64  # characters between `def` and a name; if there are more, it could be anything
BUILTINS = frozenset(dir(builtins))


# fields that hold no node below, or none that matters
LEAVES = {"ctx", "op", "ops", "id", "attr", "kind", "type_comment"}


@dataclass(frozen=True)
class Needs:
    """What the graded functions need.

    wanted: the names that they use, their own included; fixed: names of modules and functions: `np.x = 1` and `f(x)`
        leave what these stand for as it is, and so it is with builtins.
    left_out: the statements, as (cell, number), that they can do without.
    """

    wanted: frozenset[str]
    fixed: frozenset[str]
    left_out: frozenset[tuple[int, int]]

    def is_fixed(self, name: str) -> bool:
        return name in self.fixed or name in BUILTINS


def normal(text: str) -> str:
    """The text with its names as Python reads them, in normal form (NFKC)."""
    return text if text.isascii() else unicodedata.normalize("NFKC", text)


def suspects(texts: Mapping[int, str]) -> list[int]:
    """Those of several cells that could reach names by other means, by their words alone; in normal form."""
    together = "\n".join(texts.values())
    stems = [stem for stem in STEMS if stem in together]
    return [at for at, text in texts.items() if any(stem in text for stem in stems) and WORDS.search(text)]


def may_matter(text: str, needs: Needs) -> bool:
    """Whether a cell could be needed too, or the student is to be told of it, by its words alone: it may bind a name
    that is wanted, change what that stands for, or have a magic or shell line. The text is in normal form."""
    if ("%" in text or "!" in text or "?" in text) and MAGIC.search(text):
        return True
    return any(name in text and (not needs.is_fixed(name) or _may_bind(text, name)) for name in needs.wanted)


def _may_bind(text: str, name: str) -> bool:
    """Whether the name of a module or a function stands where it could be bound: a dot, a bracket or a quote mark after
    it says that it is only used, unless it follows `def` or `class`."""
    if text.count(name) == text.count(f"{name}."):  # as nearly always
        return False
    at = text.find(name)
    while at >= 0:
        end = at + len(name)
        after = text[end : end + 1]
        if after != "." and not (_in_word(after) or _in_word(text[at - 1 : at])):
            if after not in USED:
                return True
            if after in "([":
                words = text[max(0, at - FAR) : at].replace("\\", " ").split()
                if not words or words[-1] in ("def", "class"):
                    return True
        at = text.find(name, end)
    return False


def _in_word(character: str) -> bool:
    return character.isalnum() or character == "_"


def needs(
    cells: Mapping[int, Sequence[ast.stmt]],
    names: Sequence[str],
    suspicious: Collection[int] | None = None,
    plain: Mapping[int, Plain] | None = None,
) -> Needs | None:
    """What the functions `names` need of these cells; None if that cannot be told.

    suspicious: those of `cells` that are `suspects`; None for all.
    plain: the cells that hold functions and nothing else.
    """
    looked_at = cells if suspicious is None else suspicious
    if any(_is_indirect(statement) for at in looked_at for statement in cells[at]):
        return None
    facts = [_fact((at, i), statement) for at, body in cells.items() for i, statement in enumerate(body)]
    for at, cell in (plain or {}).items():
        for i, (name, taken) in enumerate(cell.functions):
            facts.append(_Fact((at, i), {name}, functools.partial(iter, taken), fixed=True))
    fixed = set().union(*(fact.binds for fact in facts if fact.fixed))
    wanted, waiting, grown = set(names), facts, True
    while grown:
        grown, rest = False, []
        for fact in waiting:
            if fact.always or fact.binds & wanted or (fact.changes - fixed - BUILTINS) & wanted:
                wanted.update(fact.uses())
                grown = True
            else:
                rest.append(fact)
        waiting = rest
    return Needs(frozenset(wanted), frozenset(fixed), frozenset(fact.place for fact in waiting))


class _Fact(NamedTuple):
    """Of a statement: the names that it binds, and those whose values it may change, at the level of the notebook.

    uses() -> the names that it uses there. fixed: whether it binds modules or functions. always: whether it runs in any
    case.
    """

    place: tuple[int, int]
    binds: set[str]
    uses: Callable[[], Iterable[str]]
    changes: Set[str] = frozenset()
    fixed: bool = False
    always: bool = False


def _fact(place: tuple[int, int], statement: ast.stmt) -> _Fact:
    if isinstance(statement, IMPORTS):
        return _Fact(place, _imported(statement), tuple, fixed=True, always=True)
    uses = functools.partial(_free, statement)
    if isinstance(statement, FUNCTIONS):
        outside = [*statement.decorator_list, *statement.args.defaults, *filter(None, statement.args.kw_defaults)]
        nodes = [node for expression in outside for node in _here(expression)]
        return _Fact(place, {statement.name, *_bound(nodes)}, uses, set(_changed(nodes)), fixed=True)
    nodes = _here(statement)
    return _Fact(place, _bound(nodes), uses, set(_changed(nodes)))


def _imported(statement: ast.Import | ast.ImportFrom) -> set[str]:
    return {(alias.asname or alias.name).split(".")[0] for alias in statement.names}


def _bound(nodes: Sequence[ast.AST]) -> set[str]:
    """The names that nodes outside of functions bind."""
    binds = set()
    for node in nodes:
        kind = type(node)
        if kind is ast.Name:
            if type(node.ctx) is not ast.Load:
                binds.add(node.id)
        elif kind in NAMED:
            if node.name:
                binds.add(node.name)
        elif kind in (ast.Import, ast.ImportFrom):
            binds |= _imported(node)
        elif kind is ast.MatchMapping and node.rest:
            binds.add(node.rest)
    return binds


def _changed(nodes: Sequence[ast.AST]) -> Iterator[str]:
    """The names of x in x[i] = ..., x.a = ..., x.f(...), f(out=x), next(x), and of the arguments of a call made for its
    effect."""
    for node in nodes:
        kind = type(node)
        if kind in (ast.Subscript, ast.Attribute):
            if type(node.ctx) is not ast.Load:
                yield from _base(node)
        elif kind is ast.Call:
            if type(node.func) is ast.Attribute:
                yield from _base(node.func)
            elif type(node.func) is ast.Name and node.func.id == "next" and node.args:
                yield from _base(node.args[0])
            for keyword in node.keywords:
                if keyword.arg == "out":
                    yield from _base(keyword.value)
        elif kind is ast.Expr and type(node.value) is ast.Call:
            for argument in (*node.value.args, *(keyword.value for keyword in node.value.keywords)):
                yield from _base(argument)


def _base(node: ast.AST) -> Iterator[str]:
    while isinstance(node, ast.Subscript | ast.Attribute | ast.Starred):
        node = node.value
    if isinstance(node, ast.Name):
        yield node.id


def _children(node: ast.AST) -> list[ast.AST]:
    """The nodes below, one level: as `ast.iter_child_nodes`, in a third of its time and without the leaves."""
    found: list[ast.AST] = []
    for field in node._fields:
        if field not in LEAVES:
            value = getattr(node, field, None)
            if type(value) is list:
                found += [item for item in value if isinstance(item, ast.AST)]
            elif isinstance(value, ast.AST):
                found.append(value)
    return found


def _here(statement: ast.AST) -> list[ast.AST]:
    """The nodes of a statement outside the bodies of functions in it."""
    nodes = [statement]
    for node in nodes:  # which grows
        if node is statement or type(node) not in SCOPES:
            nodes += _children(node)
    return nodes


def _free(node: ast.AST) -> Iterator[str]:
    """The names that a node takes from around it: of a function, what it uses less what is its own."""
    if isinstance(node, SCOPES):
        arguments = node.args
        given = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs, arguments.vararg, arguments.kwarg]
        body = node.body if isinstance(node.body, list) else [node.body]
        own = {a.arg for a in given if a is not None}
        for statement in body:
            own |= _bound(_here(statement))
        for statement in body:
            yield from (name for name in _free(statement) if name not in own)
        outside = [*getattr(node, "decorator_list", []), *arguments.defaults, *arguments.kw_defaults]
        for expression in (*outside, *(a.annotation for a in given if a is not None), getattr(node, "returns", None)):
            if expression is not None:
                yield from _free(expression)
        return
    if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
        yield node.id
    elif isinstance(node, ast.AugAssign) and isinstance(node.target, ast.Name):
        yield node.target.id
    for child in _children(node):
        yield from _free(child)


def _is_indirect(statement: ast.stmt) -> bool:
    return any(
        isinstance(node, ast.Global)
        or (isinstance(node, ast.Name) and node.id in INDIRECT)
        or (isinstance(node, ast.Attribute) and node.attr in INDIRECT)
        for node in ast.walk(statement)
    )
