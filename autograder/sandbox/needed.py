"""Which statements of a notebook its graded functions need; the rest is not run in grading.

A notebook is half experiments: plots, checks, a training loop that takes a minute. None of them decides what a function
returns. A statement is needed if it binds a name that a needed statement uses, or changes what such a name stands for;
the graded names come first. Imports are always run: what is not to be had is said. Where a notebook reaches for names
by other means (exec, globals(), global), all of it is run.

Runs in the submission's process, like everything that looks at its code.
"""

from __future__ import annotations

import ast
import builtins
from collections.abc import Iterator, Sequence

# names and attributes with which code can use a name without naming it
INDIRECT = {"exec", "eval", "compile", "globals", "locals", "vars", "setattr", "delattr", "__import__", "import_module"}
INDIRECT |= {"__dict__", "__globals__", "__builtins__", "__code__", "__defaults__", "__closure__"}
FUNCTIONS = ast.FunctionDef | ast.AsyncFunctionDef
SCOPES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
IMPORTS = ast.Import | ast.ImportFrom


def unneeded(cells: dict[int, Sequence[ast.stmt]], names: Sequence[str]) -> set[tuple[int, int]]:
    """The statements, as (cell, number), that the functions `names` can do without."""
    facts = [((at, i), statement, *_facts(statement)) for at, body in cells.items() for i, statement in enumerate(body)]
    if any(_is_indirect(statement) for _, statement, *_ in facts):
        return set()
    modules = {name for _, statement, binds, *_ in facts if isinstance(statement, IMPORTS) for name in binds}
    fixed = modules | {s.name for _, s, *_ in facts if isinstance(s, FUNCTIONS)} | set(dir(builtins))
    wanted, waiting, grown = set(names), facts, True
    while grown:
        grown, rest = False, []
        for fact in waiting:
            _, statement, binds, uses, changes = fact
            if isinstance(statement, IMPORTS) or binds & wanted or (changes - fixed) & wanted:
                wanted |= uses
                grown = True
            else:
                rest.append(fact)
        waiting = rest
    return {place for place, *_ in waiting}


def _facts(statement: ast.stmt) -> tuple[set[str], set[str], set[str]]:
    """(names it binds, names it uses, names whose values it may change) at the level of the notebook."""
    if isinstance(statement, IMPORTS):
        return {(alias.asname or alias.name).split(".")[0] for alias in statement.names}, set(), set()
    uses = set(_free(statement))
    if isinstance(statement, FUNCTIONS | ast.ClassDef):
        return {statement.name}, uses, set()
    nodes = list(_here(statement))
    binds = {n.id for n in nodes if isinstance(n, ast.Name) and not isinstance(n.ctx, ast.Load)}
    binds |= {n.name for n in nodes if isinstance(n, FUNCTIONS | ast.ClassDef | ast.ExceptHandler) and n.name}
    for node in nodes:
        if isinstance(node, IMPORTS):
            binds |= {(alias.asname or alias.name).split(".")[0] for alias in node.names}
    return binds, uses, set(_changed(nodes))


def _changed(nodes: Sequence[ast.AST]) -> Iterator[str]:
    """The names of x in x[i] = ..., x.a = ..., x.f(...), and of the arguments of a call made for its effect."""
    for node in nodes:
        if isinstance(node, ast.Subscript | ast.Attribute) and not isinstance(node.ctx, ast.Load):
            yield from _base(node)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            yield from _base(node.func)
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
            for argument in node.value.args:
                yield from _base(argument)


def _base(node: ast.AST) -> Iterator[str]:
    while isinstance(node, ast.Subscript | ast.Attribute | ast.Starred):
        node = node.value
    if isinstance(node, ast.Name):
        yield node.id


def _here(statement: ast.AST) -> Iterator[ast.AST]:
    """The nodes of a statement outside the bodies of functions in it."""
    yield statement
    for child in ast.iter_child_nodes(statement):
        if isinstance(child, SCOPES):
            yield child
        else:
            yield from _here(child)


def _free(node: ast.AST) -> Iterator[str]:
    """The names that a node takes from around it: of a function, what it uses less what is its own."""
    if isinstance(node, SCOPES):
        arguments = node.args
        given = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs, arguments.vararg, arguments.kwarg]
        body = node.body if isinstance(node.body, list) else [node.body]
        own = {a.arg for a in given if a is not None}
        for statement in body:
            for inner in _here(statement):
                if isinstance(inner, ast.Name) and not isinstance(inner.ctx, ast.Load):
                    own.add(inner.id)
                elif isinstance(inner, FUNCTIONS | ast.ClassDef):
                    own.add(inner.name)
                elif isinstance(inner, IMPORTS):
                    own |= {(alias.asname or alias.name).split(".")[0] for alias in inner.names}
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
    for child in ast.iter_child_nodes(node):
        yield from _free(child)


def _is_indirect(statement: ast.stmt) -> bool:
    return any(
        isinstance(node, ast.Global)
        or (isinstance(node, ast.Name) and node.id in INDIRECT)
        or (isinstance(node, ast.Attribute) and node.attr in INDIRECT)
        for node in ast.walk(statement)
    )
