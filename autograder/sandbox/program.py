"""Runs a submission's sources, statement by statement, and finds its graded functions.

Runs in the submission's process; `autograder.local` runs it in a student's own. Results are plain tuples, as on
the wire: a problem is (type, message, frames), a frame (label, line, function, text).
"""

from __future__ import annotations
import __future__

import ast
import contextlib
import importlib.machinery
import linecache
import sys
import types

from .cells import Parsed, defines, parse
from .needed import may_matter, needs, normal, suspects
from .plain import Plain, plain
from .problems import describe_error, one_line

_FUTURES = 0
for _name in __future__.all_feature_names:
    _FUTURES |= getattr(__future__, _name).compiler_flag
MAX_REMARKS = 20
MAX_ROUNDS = 8  # of looking for what else could matter; then all of it does
WHOLE = -1  # in the place of a statement's number: the source as a whole


def only_defines(statement: ast.stmt) -> bool:
    """Whether a statement can run no code of the submission's: an import does, but then reports its own progress."""
    if isinstance(statement, ast.FunctionDef):
        arguments = statement.args
        return not (statement.decorator_list or arguments.defaults or arguments.kw_defaults)
    return isinstance(statement, ast.Import | ast.ImportFrom)


def is_stub(value) -> bool:
    """Whether a function is the stub as it was handed out: it names nothing but the exception that it raises."""
    code = getattr(value, "__code__", None)
    return (
        isinstance(code, types.CodeType)
        and code.co_names == ("NotImplementedError",)
        and code.co_nlocals == code.co_argcount
        and not code.co_cellvars
    )


class Program:
    """The sources of one submission, (label, text, module, answers, untouched, runs) each, and what they defined."""

    def __init__(self, sources, names, standins, skip=frozenset(), progress=lambda source, statement: None):
        self.sources, self.names, self.skip, self.progress = sources, names, skip, progress
        self.labels = {source[0] for source in sources}
        self.main = types.ModuleType("__main__")
        self.main.__dict__.update(display=lambda *args, **kwargs: None, get_ipython=lambda: standins.thing("IPython"))
        self.files = {source[2]: at for at, source in enumerate(sources) if source[2] is not None}
        self.started: dict[int, types.ModuleType] = {}
        self.answers = {name: [at for at, source in enumerate(sources) if name in source[3]] for name in names}
        self.bound: dict[str, list[tuple[int, object]]] = {name: [] for name in names}
        self.problems: dict[int, tuple] = {}
        self.broken: dict[str, tuple] = {}  # name -> the syntax error in the piece that would define it
        self.remarks: list[str] = []
        self.parsed: dict[int, Parsed] = {}
        self.plain: dict[int, Plain] = {}

    # importing a submission's own files, from memory

    def find_spec(self, name, path=None, target=None):
        if self._file(name) is not None or any(file.startswith(name + ".") for file in self.files):
            return importlib.machinery.ModuleSpec(name, self, is_package=True)
        return None

    def _file(self, name: str) -> int | None:
        """The source that is imported as `name`: of that name, or the only one that ends in it (a neighbour)."""
        if name in self.files:
            return self.files[name]
        ending = [at for file, at in self.files.items() if file.endswith("." + name)]
        return ending[0] if len(ending) == 1 and "." not in name else None

    def create_module(self, spec):
        module = types.ModuleType(spec.name)
        module.__dict__["__path__"] = []
        return module

    def exec_module(self, module):
        at = self._file(module.__name__)
        if at is None:
            return
        if at in self.started:  # by its other name
            module.__dict__.update(self.started[at].__dict__)
            return
        self.started[at] = module
        module.__file__ = self.sources[at][0]
        self._run_source(at, module.__dict__)

    # running

    def run(self) -> None:
        """Runs every file, and of a notebook what its graded functions need; an import runs a file earlier."""
        self._look_ahead()
        for at, (_, _, module, _, _, runs) in enumerate(self.sources):
            if not runs or (module is None and (at, WHOLE) in self.skip):
                continue
            if module is None:
                before = {name: self.main.__dict__.get(name) for name in self.names}
                self._run_source(at, self.main.__dict__)
                self._note_bindings(at, self.main.__dict__, before)
            else:
                self._note_bindings(at, self._run_file(at, module).__dict__, {})

    def _look_ahead(self) -> None:
        """Parses of the notebook's cells what could matter, and leaves out what no graded function needs."""
        cells = [at for at, source in enumerate(self.sources) if source[2] is None and source[5]]
        waiting = {at: normal(self.sources[at][1]) for at in cells if (at, WHOLE) not in self.skip}
        suspicious = suspects(waiting)
        answers = set().union(*self.answers.values())
        chosen = [at for at, text in waiting.items() if at in answers or "import" in text or at in suspicious]
        with contextlib.suppress(RecursionError):  # nested too deep to look through: all of it runs
            for _ in range(MAX_ROUNDS):
                self._parse(waiting, chosen, suspicious)
                statements = {at: self.parsed[at].statements for at in cells if at in self.parsed}
                if not waiting and all(only_defines(statement) for body in statements.values() for statement in body):
                    return
                needed = needs(statements, self.names, suspicious, self.plain)
                if needed is None:
                    break
                chosen = [at for at, text in waiting.items() if may_matter(text, needed)]
                if not chosen:
                    self.skip = frozenset(self.skip) | needed.left_out | {(at, WHOLE) for at in waiting}
                    return
        self._parse(waiting, list(waiting), suspicious)

    def _parse(self, waiting: dict[int, str], chosen: list[int], suspicious: list[int]) -> None:
        for at in chosen:
            del waiting[at]
            self.progress(at, WHOLE)
            label, text = self.sources[at][:2]
            cell = plain(text, label) if at not in suspicious else None
            if cell is not None:
                self.plain[at] = cell
            else:
                self.parsed[at] = parse(text, label)

    def _run_file(self, at: int, name: str) -> types.ModuleType:
        """The module of a file, run now unless another source imported it."""
        if at not in self.started:
            if name not in sys.modules:
                try:
                    __import__(name)
                except BaseException as error:
                    self.remark(f"{self.sources[at][0]}: {one_line(error)}")
            if at not in self.started:  # its name is taken, by numpy or the standard library
                self.exec_module(types.ModuleType(name))
            if at not in self.started:
                self.started[at] = types.ModuleType(name)
                self._run_source(at, self.started[at].__dict__)
        return self.started[at]

    def _note_bindings(self, at, namespace, before) -> None:
        for name in self.names:
            value = namespace.get(name)
            if value is not None and value is not before.get(name):
                self.bound[name].append((at, value))

    def _run_source(self, at, namespace) -> None:
        label, text = self.sources[at][:2]
        if (at, WHOLE) in self.skip:
            return
        linecache.cache[label] = (len(text), None, text.splitlines(True), label)
        self.progress(at, WHOLE)
        if at in self.plain:
            if any((at, number) not in self.skip for number in range(len(self.plain[at].functions))):
                exec(self.plain[at].code, namespace)
            return
        parsed = self.parsed[at] if at in self.parsed else parse(text, label)
        if parsed.other_language:
            self.remark(f"{label}: skipped, it starts with {parsed.other_language}")
        elif parsed.magics:
            self.remark(f"{label}: {parsed.magics} line{'s' * (parsed.magics > 1)} of magics or shell commands skipped")
        for piece, error in parsed.broken:
            problem = describe_error(error, self.labels)
            self.problems.setdefault(at, problem)
            for name in self.names:
                if defines(piece, name):
                    self.broken[name] = problem
            where = label if error.lineno is None else f"{label}, line {error.lineno}"  # a NUL is in no line
            self.remark(f"{where}: {one_line(error)}")
        flags = 0
        for number, statement in enumerate(parsed.statements):
            if (at, number) in self.skip:
                continue
            if not only_defines(statement):
                self.progress(at, number)
            try:
                code = compile(ast.Module([statement], []), label, "exec", flags, True)
                flags |= code.co_flags & _FUTURES
                exec(code, namespace)
            except BaseException as error:
                problem = describe_error(error, self.labels)
                self.problems.setdefault(at, problem)
                line = problem[2][-1][1] if problem[2] else statement.lineno
                self.remark(f"{label}, line {line}: {one_line(error)}")

    def remark(self, text: str) -> None:
        if len(self.remarks) < MAX_REMARKS:
            self.remarks.append(text)
        elif len(self.remarks) == MAX_REMARKS:
            self.remarks.append("more remarks were left out")

    # finding the graded functions

    def find(self, name: str):
        """(function or None, label, problem or None, untouched) for a graded name."""
        answers, bound = self.answers[name], self.bound[name]
        untouched = {at for at, value in bound if at in answers and is_stub(value)}
        touched = [at for at in answers if not self.sources[at][4] and at not in untouched]
        stubs = [at for at in answers if self.sources[at][4] or at in untouched]
        own = [entry for entry in bound if entry[0] in touched]
        others = [entry for entry in bound if entry[0] not in answers and not self._comes_from(entry[1], stubs)]
        cells = [entry for entry in others if self.sources[entry[0]][2] is None]
        files = [entry for entry in others if self.sources[entry[0]][2] is not None]
        stub = [entry for entry in bound if entry[0] in stubs]
        chosen = own[:1] or cells[-1:] or files[-1:] or stub[-1:]
        if chosen and callable(chosen[0][1]):
            at, value = chosen[0]
            return value, self.sources[at][0], None, at in stubs or is_stub(value)
        problem = next((self.problems[at] for at in touched if at in self.problems), None) or self.broken.get(name)
        if problem is None:
            for at, source in enumerate(self.sources):
                if at in self.problems and defines(source[1], name):
                    problem = self.problems[at]
        if chosen:
            at, value = chosen[0]
            problem = ("TypeError", f"{name} is not a function but of type {type(value).__name__[:80]}", ())
            return None, self.sources[at][0], problem, False
        where = self.sources[answers[0]][0] if answers else ""
        return None, where, problem, False

    def _comes_from(self, value, sources) -> bool:
        return type(value) is types.FunctionType and value.__code__.co_filename in [
            self.sources[at][0] for at in sources
        ]


@contextlib.contextmanager
def world(program: Program, standins, refusal, *, own_imports=()):
    """Makes `import` see the submission's files and the stand-ins, and `__main__` its notebook, while it lasts."""
    hidden = {}
    if own_imports:
        hidden = {name: sys.modules.pop(name) for name in list(sys.modules) if name.partition(".")[0] in own_imports}
    hidden["__main__"] = sys.modules["__main__"]
    sys.modules["__main__"] = program.main
    sys.meta_path[:0] = [program, standins]
    sys.meta_path.append(refusal)
    try:
        yield
    finally:
        for finder in (program, standins, refusal):
            if finder in sys.meta_path:
                sys.meta_path.remove(finder)
        sys.modules.update(hidden)
