"""Mutants of the references: one small mechanical change each, made on the syntax tree.

Operators, constants (axes among them), comparisons, names, argument order, the order of what is returned, terms, calls,
transposes and statements dropped. `diagnosis_inputs.py` says which of them compute something else.
"""

from __future__ import annotations

import ast
import builtins
import copy
import itertools
import random
from collections.abc import Iterator
from dataclasses import dataclass

from autograder.exercise import Exercise, Function
from demo.classroom import reference_source

OTHER_OPERATORS = {
    ast.Add: (ast.Sub, ast.Mult),
    ast.Sub: (ast.Add, ast.Mult),
    ast.Mult: (ast.Add, ast.Sub, ast.Div),
    ast.Div: (ast.Mult, ast.Add, ast.Sub),
    ast.Pow: (ast.Mult, ast.Add),
    ast.MatMult: (ast.Mult,),
}
OTHER_COMPARISONS = {
    ast.Lt: (ast.LtE, ast.Gt, ast.Eq),
    ast.LtE: (ast.Lt, ast.GtE),
    ast.Gt: (ast.GtE, ast.Lt),
    ast.GtE: (ast.Gt, ast.Lt, ast.Eq),
    ast.Eq: (ast.NotEq, ast.GtE, ast.LtE),
    ast.NotEq: (ast.Eq,),
}
OTHER_FUNCTIONS = {
    "sum": ("mean", "max", "prod"),
    "mean": ("sum", "max"),
    "prod": ("sum", "mean", "max"),
    "exp": ("log", "tanh", "expm1"),
    "tanh": ("sin", "sinh", "exp", "arctan"),
    "sqrt": ("square", "cbrt"),
    "zeros": ("ones",),
    "ones": ("zeros",),
    "zeros_like": ("ones_like",),
}
NAMES_EACH = 3  # other names that take a name's place, drawn by chance


@dataclass(frozen=True)
class Mutant:
    """One changed function. kind: what was done; change: the code before and after; text: the whole function."""

    function: str
    kind: str
    change: str
    text: str


def mutants_of(exercise: Exercise) -> list[Mutant]:
    """All mutants of an exercise's references, each text once."""
    found: dict[str, Mutant] = {}
    for function in exercise.functions:
        original = ast.unparse(ast.parse(reference_source(function)))
        for mutant in _mutants(function):
            if mutant.text != original:
                found.setdefault(mutant.text, mutant)
    return list(found.values())


def _mutants(function: Function) -> Iterator[Mutant]:
    tree = ast.parse(reference_source(function))
    for number, node in enumerate(ast.walk(tree)):
        node.number = number
    names = _local_names(tree)
    rng = random.Random(function.name)
    for node in ast.walk(tree):
        for kind, new in _changes(node, names, rng):
            changed = _Replace(node.number, new).visit(copy.deepcopy(tree))
            before, after = ast.unparse(node), ast.unparse(ast.fix_missing_locations(new))
            change = f"{before.splitlines()[0]} → {after.splitlines()[0]}"
            yield Mutant(function.name, kind, change, ast.unparse(ast.fix_missing_locations(changed)))


class _Replace(ast.NodeTransformer):
    def __init__(self, number: int, new: ast.AST):
        self.number, self.new = number, new

    def visit(self, node: ast.AST) -> ast.AST:
        return self.new if getattr(node, "number", None) == self.number else self.generic_visit(node)


def _local_names(tree: ast.AST) -> list[str]:
    arguments = {a.arg for a in ast.walk(tree) if isinstance(a, ast.arg)}
    assigned = {n.id for n in ast.walk(tree) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
    return sorted(arguments | assigned)


def _with(node: ast.AST, **fields) -> ast.AST:
    """A copy of the node with some fields replaced."""
    new = copy.deepcopy(node)
    del new.number
    for name, value in fields.items():
        setattr(new, name, value)
    return new


def _changes(node: ast.AST, names: list[str], rng: random.Random) -> Iterator[tuple[str, ast.AST]]:
    for kind, change in CHANGES.items():
        if isinstance(node, kind):
            yield from change(node)
    if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load) and node.id in names:
        others = [n for n in names if n != node.id and not hasattr(builtins, n)]
        for other in rng.sample(others, min(NAMES_EACH, len(others))):
            yield "another name", _with(node, id=other)


def _operator(node: ast.BinOp) -> Iterator[tuple[str, ast.AST]]:
    for other in OTHER_OPERATORS.get(type(node.op), ()):
        yield "another operator", _with(node, op=other())
    yield "a term dropped", copy.deepcopy(node.left)
    yield "a term dropped", copy.deepcopy(node.right)
    if isinstance(node.op, ast.Sub | ast.Div | ast.MatMult | ast.Pow):
        yield "operands swapped", _with(node, left=node.right, right=node.left)
    yield "a sign", ast.UnaryOp(ast.USub(), copy.deepcopy(node))


def _sign(node: ast.UnaryOp) -> Iterator[tuple[str, ast.AST]]:
    yield "a sign", copy.deepcopy(node.operand)


def _constant(node: ast.Constant) -> Iterator[tuple[str, ast.AST]]:
    if isinstance(node.value, int | float) and not isinstance(node.value, bool):
        for value in (node.value + 1, node.value - 1, 2 * node.value):
            yield "another constant", _with(node, value=value)
        if node.value in (0, 1):
            yield "another constant", _with(node, value=None)  # an axis left out


def _comparison(node: ast.Compare) -> Iterator[tuple[str, ast.AST]]:
    for other in OTHER_COMPARISONS.get(type(node.ops[0]), ()):
        yield "another comparison", _with(node, ops=[other()])


def _call(node: ast.Call) -> Iterator[tuple[str, ast.AST]]:
    if isinstance(node.func, ast.Attribute):
        for other in OTHER_FUNCTIONS.get(node.func.attr, ()):
            yield "another function", _with(node, func=_with(node.func, attr=other))
        if not (isinstance(node.func.value, ast.Name) and node.func.value.id == "np"):
            yield "a call dropped", copy.deepcopy(node.func.value)
    for argument in node.args[:3]:
        yield "a call dropped", copy.deepcopy(argument)
    for i, j in itertools.combinations(range(len(node.args)), 2):
        arguments = list(node.args)
        arguments[i], arguments[j] = arguments[j], arguments[i]
        yield "arguments swapped", _with(node, args=arguments)
    for i in range(len(node.keywords)):
        yield "an argument dropped", _with(node, keywords=node.keywords[:i] + node.keywords[i + 1 :])


def _attribute(node: ast.Attribute) -> Iterator[tuple[str, ast.AST]]:
    if node.attr == "T":
        yield "a transpose dropped", copy.deepcopy(node.value)


def _subscript(node: ast.Subscript) -> Iterator[tuple[str, ast.AST]]:
    if isinstance(node.ctx, ast.Load):
        yield "an index dropped", copy.deepcopy(node.value)


def _tuple(node: ast.Tuple) -> Iterator[tuple[str, ast.AST]]:
    if isinstance(node.ctx, ast.Load):
        for i, j in itertools.permutations(range(len(node.elts)), 2):
            elements = list(node.elts)
            if i < j:
                elements[i], elements[j] = elements[j], elements[i]
                yield "values swapped", _with(node, elts=elements)
            else:
                elements[i] = elements[j]
                yield "a value twice", _with(node, elts=elements)


def _added(node: ast.AugAssign) -> Iterator[tuple[str, ast.AST]]:
    yield "another operator", _with(node, op=ast.Sub() if isinstance(node.op, ast.Add) else ast.Add())
    yield "another operator", ast.Assign([copy.deepcopy(node.target)], copy.deepcopy(node.value))
    yield "a statement dropped", ast.Pass()


def _assigned(node: ast.Assign) -> Iterator[tuple[str, ast.AST]]:
    yield "a statement dropped", ast.Pass()
    if isinstance(node.targets[0], ast.Subscript):
        yield "another operator", ast.AugAssign(node.targets[0], ast.Add(), node.value)


def _branch(node: ast.If) -> Iterator[tuple[str, ast.AST]]:
    yield "a branch always taken", _with(node, test=ast.Constant(True))
    yield "a branch never taken", _with(node, test=ast.Constant(False))


CHANGES = {
    ast.BinOp: _operator,
    ast.UnaryOp: _sign,
    ast.Constant: _constant,
    ast.Compare: _comparison,
    ast.Call: _call,
    ast.Attribute: _attribute,
    ast.Subscript: _subscript,
    ast.Tuple: _tuple,
    ast.AugAssign: _added,
    ast.Assign: _assigned,
    ast.If: _branch,
}
