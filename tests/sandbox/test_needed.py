"""Of a notebook only what the graded functions need is run; whatever could matter to them is needed."""

import ast
import re
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autograder.calls import Call, Limits, Source
from autograder.sandbox import Sandbox
from autograder.sandbox.cells import parse
from autograder.sandbox.needed import INDIRECT, SIGNS, STEMS, _free, _may_bind, needs, normal, suspects
from autograder.sandbox.plain import plain
from autograder.sandbox.program import WHOLE, Program


def left_out(*cells: str, names=("f",)) -> list[str]:
    """The statements that are not run, as text."""
    parsed = {at: ast.parse(cell).body for at, cell in enumerate(cells)}
    found = needs(parsed, names)
    return [] if found is None else [ast.unparse(parsed[at][number]) for at, number in sorted(found.left_out)]


EXPERIMENTS = [
    "plot(f(x))",
    "w = f(x)",  # w is a local name of f, another one here
    "for epoch in range(10**9):\n    w = f(w)",
    "assert f(1) == 2",
    "np.random.seed(0)",
    "def unused():\n    return f(1)",
    "print(np.pi)",
]


@pytest.mark.parametrize("statement", EXPERIMENTS)
def test_experiments_are_left_out(statement):
    """What uses the function, without being used by it, is not run."""
    function = "import numpy as np\ndef f(x):\n    w = np.sum(x)\n    return w\n"
    assert left_out(function, statement) == [ast.unparse(ast.parse(statement))]


NEEDED = [
    "table = {}",
    "table['a'] = 1",
    "table.update(a=1)",
    "fill(table)",
    "for i in range(3):\n    table[i] = i",
    "table += [1]",
    "with open('x') as table:\n    pass",
    "from tables import table",
    "from tables import *",
    "import tables as table",
    "def table():\n    return 1",
    "class table:\n    pass",
    "(table := 3)",
    "match [1, 2]:\n    case [1, *table]:\n        pass",
    "match 3:\n    case int() as table:\n        pass",
    "match {'a': 1}:\n    case {**table}:\n        pass",
    "def unused(a=(table := 3)):\n    pass",
    "def unused(*, a, b=[table := 3]):\n    pass",
    "@mark(table := 3)\ndef unused():\n    pass",
    "class Unused:\n    table.append(3)",
    "fill(place=table)",
    "y = np.multiply(2, 3, out=table)",
    "first = next(table)",
    "if table:\n    table = None",
    "try:\n    import table\nexcept ImportError:\n    table = None",
]


@pytest.mark.parametrize("statement", NEEDED)
def test_what_a_function_reaches_for_is_run(statement):
    """A name that the function uses is bound, and every statement that may change what it stands for is run."""
    assert left_out("def f(x):\n    return table", statement) == []


# each binds or changes f, np or mark where a reader of words could overlook it
HIDDEN = [
    "for np in (1,): pass",
    "(f) = 1",
    "f: int = 3",
    "def   f(x): return 0",
    "async def f(x): return 0",
    "def \\\n  mark(g): return g",
    "def" + " " * 200 + "f(x): return 0",
    "class np: pass",
    "class mark(object): pass",
    "del f",
    "x, np = 1, 2",
    "with open('x') as np: pass",
    "try: pass\nexcept ValueError as mark: pass",
    "[f := 1]",
    "if x:\n    def f(x): return 0",
    "\uff46 = 1",  # a wide f, the same name to Python
    "match x:\n    case [np]: pass",
    "print(f'{(np := 3)}')",
    "%time f = 3",
]
USES = ["np.sum(f(3))", "x = f(np.pi)", 'print("f", f[0])', "y = [mark(g) for g in (1,)]", "np.table[0] = 1"]


@pytest.mark.parametrize("statement", [*EXPERIMENTS, *NEEDED, *HIDDEN, *USES])
def test_what_is_not_parsed_is_not_needed(statement):
    """A cell is passed over by its words alone only where its syntax tree would say the same."""
    function = "import numpy as np\ndef mark(g):\n    return g\n@mark\ndef f(x):\n    return np.sum(table)"
    cells = [function, statement, "table = 1", "f = f", "def g(x): return f(x)"]
    sources = [(f"cell {n}", text, None, ("f",) if n == 0 else (), False, True) for n, text in enumerate(cells)]
    quick = Program(sources, ("f",), SimpleNamespace())
    quick._look_ahead()
    parsed = {at: parse(text, "").statements for at, text in enumerate(cells)}
    found = needs(parsed, ("f",))
    everything = {(at, i) for at, body in parsed.items() for i in range(len(body))}
    skipped = {(at, i) for at, i in everything if (at, i) in quick.skip or (at, WHOLE) in quick.skip}
    assert skipped == set(found.left_out)


@pytest.mark.parametrize("statement", USES)
def test_a_cell_that_only_uses_the_functions_is_not_parsed(statement):
    """Which is what makes a notebook of forty cells as quick to load as its six functions."""
    function = "import numpy as np\ndef mark(g):\n    return g\ndef f(x):\n    return np.sum(mark(x))"
    sources = [("cell 1", function, None, ("f",), False, True), ("cell 2", statement, None, (), False, True)]
    program = Program(sources, ("f",), SimpleNamespace())
    program._look_ahead()
    assert set(program.parsed) == {0}


PLAIN = [
    "def f(x):\n    return np.sum(x) + table\n",
    "# a comment\n\ndef f(\n    x,\n):\n    'says what it does'\n    def g(y):\n        return x + y\n    return g\n",
    "def f(x):\n\ty = [a for a in x if a in table]\n\treturn lambda b: np.exp(b) + y\n",
    "def f(x): return x; x = 1\n\n\ndef g(x):\n    import math\n    return math.exp(f(x))\n",
]


@pytest.mark.parametrize("text", PLAIN)
def test_a_plain_cell_takes_what_its_syntax_tree_takes(text):
    """Its functions by name, and for each what it takes from around it."""
    statements = ast.parse(text).body
    expected = tuple((statement.name, frozenset(_free(statement))) for statement in statements)
    assert plain(text, "cell").functions == expected


def functions_of_this_repository():
    root = Path(__file__).parents[2]
    for path in sorted(
        file for name in ("autograder", "solutions", "tests", "benchmarks") for file in (root / name).rglob("*.py")
    ):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef):
                yield path, node


def test_of_all_functions_of_this_repository_the_code_says_what_the_tree_says():
    """But for the annotations of local names, which are never evaluated."""
    seen = 0
    for path, function in functions_of_this_repository():
        cell = plain(ast.unparse(function), "cell")
        if cell is None:
            continue
        annotations = [node.annotation for node in ast.walk(function) if isinstance(node, ast.AnnAssign)]
        unread = {node.id for a in annotations for node in ast.walk(a) if isinstance(node, ast.Name)}
        ((name, taken),) = cell.functions
        assert name == function.name
        assert taken <= set(_free(function)) <= taken | unread, f"{path}: {name}"
        seen += 1
    assert seen > 1000


NOT_PLAIN = {
    "a default is evaluated": "def f(x, y=[1] * 10**9):\n    return x",
    "a default calls": "def f(x, y=g()):\n    return x",
    "an annotation is evaluated": "def f(x: g()):\n    return x",
    "a decorator": "@g\ndef f(x):\n    return x",
    "another statement": "def f(x):\n    return x\nx = f(1)",
    "a loop without end": "def f(x):\n    return x\nwhile True: pass",
    "a form feed starts the line anew": "def f(x):\n    return x\n  \fprint(1)",
    "a carriage return ends the line": "def f(x):\n    return x\r(print(1))",
    "a class": "class f:\n    pass",
    "a class in a function": "def f(x):\n    class A:\n        y = table\n    return A",
    "an async function": "async def f(x):\n    return x",
    "an import": "import g\ndef f(x):\n    return x",
    "two of one name": "def f(x):\n    return x\ndef f(x):\n    return 2 * x",
    "nothing": "# only words",
    "a magic": "%matplotlib inline\ndef f(x):\n    return x",
    "another language": "%%bash\ndef f(x):\n    return x",
    "a broken line": "def f(x):\n    return x +",
    "a null byte": "def f(x):\n    return x\0",
    "nested too deep": "def f(x):\n    return " + "(" * 5000 + "x" + ")" * 5000,
    "a bracket too many": "def f(x): pass\n)",
    "names beyond the first 128": "def f():\n    return " + " + ".join(f"a{n}" for n in range(300)),
    "a text over the margin": 'def f(x):\n    return """\nwide"""',
}


@pytest.mark.parametrize("why", NOT_PLAIN)
def test_a_cell_that_is_not_plain_is_parsed(why):
    """What could run, raise or be left half done goes by its statements."""
    assert plain(NOT_PLAIN[why], "cell") is None


def test_a_plain_cell_that_is_not_needed_is_not_run():
    """A helper's helper is needed; what only uses the functions is left out, plain cells as well as statements."""
    cells = ["def f(x):\n    return g(x)\n", "def g(x):\n    return x\n", "def unused():\n    return f(1)\n"]
    cells.append("def h(x):\n    return x\n\n\ndef mark(x):\n    return g(x)\n")
    sources = [(f"cell {n}", text, None, ("f",) if n == 0 else (), False, True) for n, text in enumerate(cells)]
    sources.append(("cell 4", "importance = 1", None, (), False, True))
    program = Program(sources, ("f", "mark"), SimpleNamespace())
    program.run()
    assert {"f", "g", "mark", "h"} <= set(vars(program.main))  # of a cell that is needed, everything
    assert not {"unused", "importance"} & set(vars(program.main))
    assert program.find("f")[0](3) == 3
    assert program.find("f")[0].__code__.co_filename == "cell 0"


@pytest.mark.parametrize("name", ["sum", "np", "len"])
def test_an_own_function_in_the_place_of_a_builtin_or_a_module_is_the_one_that_is_called(name):
    """As in the notebook: whoever defines `sum` anew, for good or ill, is graded with it."""
    cells = ["import numpy as np\n", f"def f(x):\n    return {name}(x)\n", f"def {name}(x):\n    return x + 41\n"]
    sources = [Source(f"cell {n}", text, answers=("f",) if n == 1 else ()) for n, text in enumerate(cells)]
    with Sandbox() as box, box.open(sources, ("f",)) as session:
        assert session.run([Call("f", (np.ones(2),))])[0].value.tolist() == [42.0, 42.0]


HOSTILE = {
    "minus signs": "def f(x):\n    return " + "-" * 300_000 + "x",
    "nots": "def f(x):\n    return " + "not " * 200_000 + "x",
    "lambdas": "def f(x):\n    return " + "lambda: " * 50_000 + "x",
    "attributes": "def f(x):\n    return x" + ".a" * 300_000,
    "choices": "def f(x):\n    return " + "x if x else " * 30_000 + "x",
    "functions": "\n".join(f"def f{n or ''}(x): return x" for n in range(20_000)),
}


@pytest.mark.parametrize("made_of", HOSTILE)
def test_a_text_made_to_break_the_compiler_costs_its_own_function_alone(made_of):
    """Compiled as a plain cell and, where that fails, parsed: neither reaches the cell beside it."""
    sources = [
        Source("cell 1", "def g(x):\n    return x + 1\n", answers=("g",)),
        Source("cell 2", HOSTILE[made_of], answers=("f",)),
    ]
    with Sandbox() as box, box.open(sources, ("f", "g")) as session:
        f, g = session.run([Call("f", (np.ones(2),)), Call("g", (np.ones(2),))])
    assert g.status == "returned"
    assert f.status == ("returned" if made_of == "functions" else "missing")


def test_every_sign_has_one_of_the_stems():
    """So that a text without any of the stems has none of the signs; and no builtin is overlooked."""
    assert all(any(stem in sign for stem in STEMS) for sign in SIGNS)
    assert needs({0: ast.parse("print.x = 1").body}, ("print",)).is_fixed("print")


def test_imports_are_always_run():
    """What cannot be imported is remarked on, whether or not a function needs it."""
    assert left_out("def f(x):\n    return x", "import torch", "from scipy import special") == []


def test_needs_go_on_from_helper_to_helper():
    """A helper's helper is needed, and so are defaults, decorators and the names inside a lambda."""
    cells = (
        "a = 1\nb = 2\nc = 3\nd = 4\ne = 5",
        "g = lambda x: a + x",
        "def h(x, y=b):\n    return g(x)",
        "def mark(fn):\n    return fn if c else None",
        "@mark\ndef f(x):\n    return [h(i) + d for i in x]",
    )
    assert left_out(*cells) == ["e = 5"]


@pytest.mark.parametrize(
    "way", ["exec('table = 1')", "globals()['table'] = 1", "def g():\n    global table\n    table = 1"]
)
def test_where_names_are_reached_indirectly_everything_runs(way):
    """exec, globals() and global statements can bind any name: nothing is left out."""
    assert left_out("def f(x):\n    return table", way, "unrelated = 1") == []


def test_a_cell_that_never_ends_costs_nothing_where_it_is_not_needed():
    """A training loop without end beside a right function: the function is called, and nothing is remarked on."""
    sources = [
        Source("cell 1", "import numpy as np\ndef f(x):\n    return np.sin(x)\n", answers=("f",)),
        Source("cell 2", "while True:\n    f(np.ones(3))\n"),
    ]
    with Sandbox(Limits(definitions=1.0)) as box, box.open(sources, ["f"]) as session:
        (reply,) = session.run([Call("f", (np.ones(3),))])
    assert (reply.status, session.remarks) == ("returned", ())
    np.testing.assert_array_equal(np.sin(np.ones(3)), reply.value)


def test_a_file_runs_as_a_whole():
    """What is said of cells is not said of files: a file's statements all run."""
    sources = [Source("work.py", "def f(x):\n    return x\n\n1 / 0\n", module="work")]
    with Sandbox() as box, box.open(sources, ["f"]) as session:
        assert session.definitions["f"].found
        assert any("ZeroDivisionError" in remark for remark in session.remarks)


@pytest.mark.parametrize("word", sorted(INDIRECT | {"global"}))
def test_no_word_with_which_names_are_reached_is_overlooked(word):
    """Found by its letters before anything is parsed, in whatever form Python takes for the same letters."""
    texts = {3: "x = 1", 5: f"x = 1\n{word} y\n# σ", 8: "executed"}
    assert suspects(texts) == [5]
    wide = "".join(chr(ord(letter) + 0xFEE0) if letter.isalpha() else letter for letter in word)
    assert wide.isascii() is False
    assert suspects({0: normal(f"{wide} y")}) == [0]
    assert suspects({0: normal("def σ(x):\n    return executed, globally\n")}) == []


@settings(max_examples=300, deadline=None)
@given(st.text("na. =(", max_size=14), st.sampled_from(["n", "na", "nn", "nan"]))
def test_the_quick_look_for_a_binding_finds_what_a_look_at_every_place_finds(text, name):
    """A name that is only ever followed by a dot is not bound; one that overlaps itself is no exception."""
    places = [match.start() for match in re.finditer(rf"\b{name}\b", text)]
    assert _may_bind(text, name) or not any(text[at + len(name) :][:1] in ("", " ", "=") for at in places)


def test_a_function_that_another_cell_puts_together_is_found():
    """Where a cell writes code, all cells run: what it needs cannot be seen."""
    cells = ["text = 'def f(x):'", "text += ' return x + 1'", "exec(text)"]
    sources = [Source(f"cell {n}", text) for n, text in enumerate(cells)]
    with Sandbox(Limits(call=1, call_wall=2)) as box, box.open(sources, ("f",)) as session:
        assert session.run([Call("f", (np.ones(2),))])[0].value.tolist() == [2.0, 2.0]


@pytest.mark.parametrize("line", ["!pip install torch", "%matplotlib inline", "files = !ls", "plot?"])
def test_a_skipped_magic_is_told_of(line):
    """A cell that no function needs is looked at all the same where a line of it is none of Python's."""
    sources = [
        ("cell 1", "def f(x):\n    return x", None, ("f",), False, True),
        ("cell 2", line, None, (), False, True),
    ]
    program = Program(sources, ("f",), SimpleNamespace())
    program._look_ahead()
    program._run_source(1, {})
    assert program.remarks == ["cell 2: 1 line of magics or shell commands skipped"]
