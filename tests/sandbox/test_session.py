"""What a submission's functions are, what a call of one gives back, and what a failure of one does to the others."""

from __future__ import annotations

import numpy as np
import pytest

from autograder.calls import CRASHED, MISSING, RAISED, RETURNED, TIMEOUT, Call, Limits, Opaque, Source
from autograder.local import LocalSession
from autograder.sandbox import Sandbox
from autograder.sandbox.converse import Failure

X = np.linspace(-1.0, 1.0, 6).reshape(2, 3)


@pytest.fixture(scope="module")
def box():
    with Sandbox(Limits(definitions=3.0, call=0.5, call_wall=1.0, total_wall=20.0), confine="full") as sandbox:
        yield sandbox


def ask(box, text: str, *calls: Call, names=("f", "g", "h")):
    with box.open([Source("cell 1", text)], names) as session:
        return session.run(calls)


def test_a_forward_and_its_backward_are_called_with_a_fresh_cache(box):
    """A backward gets the cache of a fresh call of its own forward; of the forward only `out` comes back."""
    text = "def f(x):\n    return x * x, x\ndef g(dout, cache):\n    return 2 * cache * dout"
    out, dx = ask(box, text, Call("f", (X,), pair=True), Call("g", (X,), forward="f", dout=X))
    np.testing.assert_array_equal(out.value, X * X)
    np.testing.assert_array_equal(dx.value, 2 * X * X)


def test_one_bad_function_leaves_the_others_their_points(box):
    """A hang, an exit and an exception each end one call; the calls after them are answered as if nothing had been."""
    text = "import os\ndef f(x):\n    while True: pass\ndef g(x):\n    os._exit(0)\ndef h(x):\n    return x + 1"
    calls = [Call("f", (X,)), Call("g", (X,)), Call("h", (X,)), Call("h", ("x",)), Call("h", (X,))]
    replies = ask(box, text, *calls)
    assert [reply.status for reply in replies] == [TIMEOUT, CRASHED, RETURNED, RAISED, RETURNED]
    assert replies[0].problem.message == "stopped after 0.5 s of CPU time"
    assert replies[1].problem.message == "the process ended itself (exit code 0)"
    np.testing.assert_array_equal(replies[4].value, X + 1)


def test_a_function_that_hangs_is_not_called_for_ever(box):
    """After two hangs a function's further calls are answered without being made."""
    replies = ask(box, "def f(x):\n    while True: pass", *[Call("f", (X,))] * 20)
    assert {reply.status for reply in replies} == {TIMEOUT}
    assert replies[2].problem.message == "stopped after 0.5 s of CPU time; it was not called again"


def test_a_backward_whose_forward_hangs_says_so(box):
    """A backward that cannot run because its forward hangs names the forward as the place."""
    text = "def f(x):\n    while True: pass\ndef g(dout, cache):\n    return dout"
    (reply,) = ask(box, text, Call("g", (X,), forward="f", dout=X))
    assert (reply.status, reply.where) == (TIMEOUT, "forward")


def test_missing_is_the_stub_or_no_function_at_all(box):
    """NotImplementedError in the function's own frame means "missing"; from deeper it is an error like any other."""
    text = "def f(x):\n    raise NotImplementedError('Need to implement f')\ndef h(x):\n    return f(x)"
    assert [r.status for r in ask(box, text, Call("f", (X,)), Call("g", (X,)), Call("h", (X,)))] == [
        MISSING,
        MISSING,
        RAISED,
    ]


def test_a_problem_shows_the_students_own_lines_only(box):
    """The traceback of an exception holds the submission's frames with their text, and none of the grader's."""
    (reply,) = ask(box, "def f(x):\n    return h(x)\ndef h(x):\n    return x @ x", Call("f", (X,)))
    assert reply.problem.type == "ValueError"
    assert [(frame.label, frame.line, frame.text) for frame in reply.problem.frames] == [
        ("cell 1", 2, "return h(x)"),
        ("cell 1", 4, "return x @ x"),
    ]


def test_arguments_keep_their_memory_order_and_writes_are_reported(box):
    """Fortran-ordered and strided arrays arrive as such; writing into an argument is reported by its position."""
    text = (
        "import numpy as np\n"
        "def f(a, b, c):\n    a[0] = 9\n"
        "    return np.array([v.flags.c_contiguous + 2 * v.flags.f_contiguous for v in (a, b, c)])"
    )
    (reply,) = ask(box, text, Call("f", (X, np.asfortranarray(X), np.zeros((2, 6))[:, ::2])))
    assert list(reply.value) == [1, 2, 0]
    assert reply.mutated == ("0",)


@pytest.mark.parametrize(
    ("returned", "expected"),
    [
        ("None", None),
        ("'text'", Opaque("str")),
        ("np.array(['a'], object)", Opaque("array of dtype object")),
        ("np.float16(1)", Opaque("array of dtype float16")),
        ("{1: 2}", Opaque("dict")),
        ("10**30", Opaque("int too large for 64 bits")),
    ],
)
def test_what_is_no_array_comes_back_by_its_name(box, returned, expected):
    """A value that no exercise asks for arrives as its kind, never as an object."""
    (reply,) = ask(box, f"import numpy as np\ndef f(x):\n    return {returned}", Call("f", (X,)))
    assert reply.value == expected


def test_scalars_and_lists_come_back_as_arrays_and_tuples(box):
    """A list is a tuple, a number a 0-d array, float32 stays float32, other integers become int64."""
    text = "import numpy as np\ndef f(x):\n    return [1.5, (np.float32(2), np.int8([3])), np.matrix([[1.0]])]"
    (reply,) = ask(box, text, Call("f", (X,)))
    one, (two, three), four = reply.value
    assert [a.dtype.name for a in (one, two, three, four)] == ["float64", "float32", "int64", "float64"]
    assert [a.shape for a in (one, two, three, four)] == [(), (), (1,), (1, 1)]
    assert type(four) is np.ndarray


def test_warnings_are_collected_once_each(box):
    """A function that warns gives its warnings as text, each once."""
    text = "import numpy as np\ndef f(x):\n    return np.exp(x * 1e4) + np.exp(x * 1e4)"
    (reply,) = ask(box, text, Call("f", (X,)))
    assert reply.warnings == ("RuntimeWarning: overflow encountered in exp",)


def test_a_cell_that_hangs_is_left_out(box):
    """A statement that never ends costs nothing but itself: functions before and after it are found."""
    text = "def f(x):\n    return x\nwhile True: pass\ndef g(x):\n    return f(x)"
    with box.open([Source("work.py", text, module="work")], ("f", "g")) as session:
        assert [reply.status for reply in session.run([Call("g", (X,))])] == [RETURNED]
        assert session.remarks == ("work.py: stopped after 3 s of CPU time; this statement was left out",)


def test_the_answer_cell_counts_though_a_later_cell_defines_it_again(box):
    """A graded name comes from its answer cell; from another only where the answer cell is the untouched stub."""
    stub = Source("cell 1", "def f(x):\n    raise NotImplementedError()", answers=("f",), untouched=True)
    answer = Source("cell 1", "def f(x):\n    return 1.0", answers=("f",))
    later = Source("cell 2", "def f(x):\n    return 2.0")
    for first, where, value in ((answer, "cell 1", 1.0), (stub, "cell 2", 2.0)):
        with box.open([first, later], ("f",)) as session:
            assert session.definitions["f"].where == where
            assert session.run([Call("f", (X,))])[0].value == value


def test_an_honest_notebook_defines_its_functions(box):
    """Magics, shell lines, plots, missing modules and a cell that raises leave the functions defined, with remarks."""
    cells = [
        "%matplotlib inline\n!pip install numpy\nimport numpy as np\nimport matplotlib.pyplot as plt\nimport torch",
        "from autograder import check\nfrom scipy.special import expit\ndef f(x):\n    return np.tanh(x)\ncheck('f')",
        "%%time\nfig, (a, b) = plt.subplots(1, 2)\na.plot(f(np.ones(3)))\nundefined + 1",
        "%%bash\nls",
        "def g(x):\n    return expit(x)",
    ]
    with box.open([Source(f"cell {n}", text) for n, text in enumerate(cells, 1)], ("f", "g")) as session:
        tanh, sigmoid = session.run([Call("f", (X,)), Call("g", (X,))])
        assert session.remarks == (
            "cell 1: 2 lines of magics or shell commands skipped",
            "cell 1, line 5: ModuleNotFoundError: torch is not available here: gradients are written by hand, "
            "with numpy alone",
            "cell 3: 1 line of magics or shell commands skipped",
            "cell 4: skipped, it starts with %%bash",
        )
    np.testing.assert_array_equal(tanh.value, np.tanh(X))
    assert sigmoid.problem.message == "scipy is not available here; use numpy alone (scipy.special.expit)"


def test_files_import_each_other_from_memory(box):
    """A cell imports a file, a file its neighbour; a file that only helps is not run unless it is imported."""
    sources = [
        Source("cell 1", "from layers.sigmoid import f as g"),
        Source("layers/sigmoid.py", "from layers import tools\ndef f(x):\n    return tools.twice(x)", "layers.sigmoid"),
        Source("layers/tools.py", "def twice(x):\n    return 2 * x", "layers.tools", runs=False),
        Source("test_all.py", "raise SystemExit", "test_all", runs=False),
    ]
    with box.open(sources, ("f", "g")) as session:
        assert session.definitions["f"].where == "layers/sigmoid.py"
        assert session.remarks == ()
        for reply in session.run([Call("f", (X,)), Call("g", (X,))]):
            np.testing.assert_array_equal(reply.value, 2 * X)


def test_a_syntax_error_costs_its_own_function_only(box):
    """In a file that does not parse, the functions that do are found; the broken one says where it breaks."""
    source = Source("a.py", "import math\ndef f(x):\n    return (x\n\ndef g(x):\n    return x\n", "a")
    with box.open([source], ("f", "g")) as session:
        assert session.definitions["g"].found
        problem = session.definitions["f"].problem
        assert (problem.type, problem.frames[0].line) == ("SyntaxError", 3)


def test_a_file_named_like_a_module_changes_nothing_and_is_read(box):
    """`numpy.py` beside a submission does not shadow numpy; its functions count like any file's."""
    sources = [
        Source("numpy.py", "def f(x):\n    return 'shadow'", "numpy"),
        Source("b.py", "import numpy\ng = numpy.tanh", "b"),
    ]
    with box.open(sources, ("f", "g")) as session:
        shadow, tanh = session.run([Call("f", (X,)), Call("g", (X,))])
        assert shadow.value == Opaque("str")
        np.testing.assert_array_equal(tanh.value, np.tanh(X))


def test_the_live_namespace_answers_like_the_sandbox(box, capfd):
    """`LocalSession` gives the same replies, and lets nothing of what a function prints or warns through."""
    text = "import numpy as np\ndef f(x):\n    print('noise')\n    x[0] = 1\n    return np.exp(1e4 * x), x"
    namespace: dict = {}
    exec(text, namespace)
    call = Call("f", (X,), pair=True)
    (sandboxed,) = ask(box, text, call)
    (live,) = LocalSession(namespace).run([call])
    (loaded,) = LocalSession.load([Source("cell 1", text)], ("f",)).run([call])
    for reply in (live, loaded):
        np.testing.assert_array_equal(reply.value, sandboxed.value)
        assert (reply.mutated, reply.warnings) == (sandboxed.mutated, sandboxed.warnings)
    assert capfd.readouterr() == ("", "")


def test_what_only_an_attack_does_is_remarked_on(box):
    """A forbidden system call and bytes on the grader's line set their flags and leave a sentence each."""
    text = "import os\ndef f():\n    os.chroot('/')\ndef g():\n    os.write(3, bytes(64))\ndef h():\n    return 1.0"
    with box.open([Source("cell 1", text)], ("f", "g", "h")) as session:
        assert (session.forbidden, session.protocol, session.remarks) == (False, False, ())
        statuses = [reply.status for reply in session.run([Call("f", ()), Call("g", ()), Call("h", ())])]
        assert statuses == ["forbidden", "protocol", RETURNED]
        assert (session.forbidden, session.protocol) == (True, True)
        assert session.remarks == (
            "The code asked the operating system for something that no exercise needs, and was ended.",
            "The code wrote to the line on which the grader is answered, and was ended.",
        )


FORGED = """
import os, struct, sys
def f(x):
    frame = sys._getframe(1)
    while "sequence" not in frame.f_locals:
        frame = frame.f_back
    body = struct.pack("<BB??d", 0, 0, True, False, 0.0) + b"a" + struct.pack("<BcB", 0, b"C", 0) + bytes(8)
    os.write(3, struct.pack("<BxxxIQ", 7, frame.f_locals["sequence"], len(body)) + body)
def h(x):
    return x
"""


@pytest.mark.parametrize("before", [0, 1, 3])
@pytest.mark.parametrize("after", [0, 1, 2])
def test_a_reply_of_its_own_is_found_out_wherever_it_stands(box, before, after):
    """An exchange ends when the child says so: a reply too many is seen in it, not in the next one or never."""
    for name, pause in (("f", ""), ("f", "    import time; time.sleep(0.01)\n")):
        calls = [*[Call("h", (X,))] * before, Call(name, (X,)), *[Call("h", (X,))] * after]
        with box.open([Source("cell 1", FORGED + pause)], ("f", "h")) as session:
            found = [reply.status for reply in session.run(calls)]
            assert session.protocol
        assert found == [*[RETURNED] * before, "protocol", *[RETURNED] * after]


def test_a_function_that_forges_every_reply_gets_none(box):
    """Also where the call that is awaited when the line breaks is the same function's."""
    found = ask(box, FORGED, *[Call("f", (X,))] * 5, Call("h", (X,)), names=("f", "h"))
    assert [reply.status for reply in found] == ["protocol"] * 5 + [RETURNED]


def test_what_ends_the_process_after_the_last_reply_was_the_last_call(box):
    """The end of an exchange is awaited like a reply: a call that leaves it impossible fails itself."""
    text = """
import os, sys
def f(x):
    frame = sys._getframe(1)
    while "self" not in frame.f_locals or not hasattr(frame.f_locals["self"], "pipe"):
        frame = frame.f_back
    frame.f_locals["self"].pipe.send = lambda *anything: os._exit(3)
    return x
def h(x):
    return x
"""
    found = ask(box, text, Call("h", (X,)), Call("f", (X,)), names=("f", "h"))
    assert [reply.status for reply in found] == [RETURNED, CRASHED]


def test_a_backward_has_the_cache_of_the_forward_before_it_once(box):
    """A forward of the same arguments just before saves one; the next backward gets a fresh one all the same."""
    text = """
made = []
def f(x):
    out = x + 1
    made.append(out)
    return out, out
def g(dout, cache):
    cache *= dout
    return cache
def h(x):
    return len(made)
"""
    dout, args, others = np.full((2, 3), 2.0), (X,), (X + 1,)
    forward, backward = Call("f", args, pair=True), Call("g", args, forward="f", dout=dout)
    calls = [forward, backward, backward, Call("h", args), forward, Call("g", others, forward="f", dout=dout)]
    found = [reply.value for reply in ask(box, text, *calls, Call("h", args))]
    for value, expected in zip(found[:3], (X + 1, 2 * (X + 1), 2 * (X + 1)), strict=True):
        np.testing.assert_array_equal(value, expected)
    assert found[3] == 2
    np.testing.assert_array_equal(found[4], X + 1)
    np.testing.assert_array_equal(found[5], 2 * (X + 2))
    assert found[6] == 4


def test_calls_of_one_question_are_measured_together_and_alone_if_it_was_too_long(box):
    """Both calls of a question whose cost counts go out together; only the one that is too slow is late."""
    text = """
import time
def f(x):
    end = time.process_time() + 0.07
    while time.process_time() < end: pass
    return x, x
def g(dout, cache):
    return f(dout)[0]
"""
    shared = (X,)
    calls = [Call("f", shared, pair=True, cpu_limit=0.1), Call("g", shared, forward="f", dout=X, cpu_limit=0.1)]
    found = ask(box, text, *calls, names=("f", "g"))
    assert [reply.status for reply in found] == [RETURNED, TIMEOUT]
    quick = ask(box, text.replace("0.07", "0.01"), *calls, names=("f", "g"))
    assert [reply.status for reply in quick] == [RETURNED, RETURNED]


def test_a_reply_that_says_what_the_last_one_said_is_the_same_one(box):
    """What is asked twice is read once, if it came twice; a difference anywhere makes it another reply."""
    text = "n = [0]\ndef f(x):\n    return x\ndef g(x):\n    n[0] += 1\n    return x + n[0]"
    args = (X,)
    one, two, three, four = ask(box, text, *[Call("f", args)] * 2, *[Call("g", args)] * 2, names=("f", "g"))
    assert one is two
    assert three is not four
    np.testing.assert_array_equal(four.value, three.value + 1)


BOTH_FORGED = FORGED.replace(
    'os.write(3, struct.pack("<BxxxIQ", 7, frame.f_locals["sequence"], len(body)) + body)',
    """number = frame.f_locals["sequence"]
    reply = struct.pack("<BxxxIQ", 7, number, len(body)) + body
    os.write(3, reply + struct.pack("<BxxxIQ", 8, number + 1, 0))""",
)


@pytest.mark.parametrize("names", ["f", "hf", "khfhfk", "hfk", "ff", "khf"])
def test_a_forged_end_costs_nobody_else_anything(box, names):
    """Not even a reply with the end of the exchange behind it: what comes after it is found on the line."""
    assert '"<BxxxIQ", 8' in BOTH_FORGED
    text = BOTH_FORGED + "def k(x):\n    return x\n"
    for _ in range(3):
        with box.open([Source("cell 1", text)], ("f", "h", "k")) as session:
            found = [reply.status for reply in session.run([Call(name, (X,)) for name in names])]
            assert session.protocol
        assert found == ["protocol" if name == "f" else RETURNED for name in names]


@pytest.mark.parametrize("names", ["fgf", "fgh", "hgfgh", "gfgkgf"])
def test_a_forged_end_is_found_out_where_each_call_goes_out_alone(box, names):
    """As they do beside a function that is not there (g): what is left is seen one frame later, and still f's."""
    text = BOTH_FORGED.replace("number + 1, 0))", "number + 1, 0))\n    import time; time.sleep(0.005)")
    text += "def k(x):\n    return x\n"
    for _ in range(3):
        with box.open([Source("cell 1", text)], ("f", "g", "h", "k")) as session:
            found = [reply.status for reply in session.run([Call(name, (X,)) for name in names])]
            assert session.protocol
        assert found == [{"f": "protocol", "g": MISSING}.get(name, RETURNED) for name in names]


def test_what_was_answered_before_a_crash_counts(box):
    """The functions before one that ends the process are not called again for it, nor those after it one by one."""
    text = """
import os
made = []
def h(x):
    import time
    time.sleep(0.01)  # so that what was said before is not held any more
    return x
def f(x):
    os._exit(0)
"""
    calls = [*[Call("h", (X,))] * 5, Call("f", (X,)), *[Call("h", (X,))] * 5]
    with box.open([Source("cell 1", text)], ("f", "h")) as session:
        exchanges = []
        exchange = session._exchange
        session._exchange = lambda segment, replies: (exchanges.append(len(segment)), exchange(segment, replies))
        assert [reply.status for reply in session.run(calls)] == [RETURNED] * 5 + [CRASHED] + [RETURNED] * 5
    assert exchanges[0] == 11
    assert exchanges[-1] == 5
    assert sum(exchanges[1:-1]) <= 2  # the last before it, which may have been on its way, and itself


def test_a_late_question_leaves_no_debts(box):
    """What a question that was too slow left on the line is not put down to the function before it."""
    text = (
        FORGED
        + """
def slow(x):
    import time
    end = time.process_time() + 0.08
    while time.process_time() < end: pass
    f(x)
    return x
"""
    )
    shared = (X,)
    calls = [Call("h", (X,)), *[Call("slow", shared, cpu_limit=0.1)] * 2, Call("h", (X,))]
    for _ in range(3):
        found = [reply.status for reply in ask(box, text, *calls, names=("slow", "h"))]
        assert (found[0], found[3]) == (RETURNED, RETURNED)
        assert "protocol" in found[1:3]


def test_time_that_is_up_when_all_is_answered_takes_nothing_away(box, monkeypatch):
    """The last look at the line is for bytes left on it; whatever else it meets, the answers are there."""
    with box.open([Source("cell 1", "def h(x):\n    return x")], ("h",)) as session:

        def late():
            raise Failure(TIMEOUT, "stopped: the time for the whole submission is used up")

        monkeypatch.setattr(session, "_ping", late)
        assert [reply.status for reply in session.run([Call("h", (X,))] * 3)] == [RETURNED] * 3


LEAVES_BYTES_AMONG_MANY = """
import os, sys
def f(x):
    frame = sys._getframe(1)
    while "body" not in frame.f_locals:
        frame = frame.f_back
    if len(frame.f_locals["body"]) > 400:
        os.write(3, bytes(64))
    return x
def h(x):
    return x
"""


def test_who_behaves_when_alone_is_found_out_all_the_same(box):
    """Bytes that are left only where many calls go out together: all are made alone then, and a person is told."""
    calls = [Call(name, (X + i,)) for i, name in enumerate("hfhf" * 5)]
    with box.open([Source("cell 1", LEAVES_BYTES_AMONG_MANY)], ("f", "h")) as session:
        for _ in range(3):
            assert [reply.status for reply in session.run(calls)] == [RETURNED] * len(calls)
        assert session.protocol


@pytest.mark.parametrize("ends", ["os._exit(1)", "os.write(3, bytes(64))"])
def test_two_who_take_turns_at_breaking_the_line_do_not_keep_it_busy(box, ends):
    """One spoils what goes out together, the other what goes out alone: each turn costs the other a strike."""
    text = LEAVES_BYTES_AMONG_MANY + f"def k(x):\n    {ends}\n"
    calls = [Call(name, (X + i,)) for i, name in enumerate("hfkf" * 5)]
    with box.open([Source("cell 1", text)], ("f", "h", "k")) as session:
        for _ in range(2):
            found = [reply.status for reply in session.run(calls)]
            expected = CRASHED if "exit" in ends else "protocol"
            assert found == [expected if call.function == "k" else RETURNED for call in calls]
        assert session.protocol


def test_who_stops_listening_costs_no_later_call_anything(box):
    """A process that hears nothing any more is ended when the line is looked at; the next run has another."""
    text = """
import sys, time
def f(x):
    frame = sys._getframe(1)
    while "self" not in frame.f_locals or not hasattr(frame.f_locals["self"], "pipe"):
        frame = frame.f_back
    frame.f_locals["self"].pipe.receive = lambda: time.sleep(60)
    return x
def h(x):
    return x
"""
    with box.open([Source("cell 1", text)], ("f", "h")) as session:
        assert [reply.status for reply in session.run([Call("f", (X,)), Call("h", (X,))])] == [RETURNED] * 2
        assert [reply.status for reply in session.run([Call("h", (X,))] * 2)] == [RETURNED] * 2


def test_a_file_of_a_stand_ins_name_is_the_submissions_own(box):
    """The rehearsal before the fork imports a stand-in for `autograder`; nothing of it is left."""
    sources = [
        Source("autograder.py", "def helper(x):\n    return x + 1\n", module="autograder", runs=False),
        Source("cell 1", "from autograder import helper\n\ndef f(x):\n    return helper(x)\n"),
        Source(
            "cell 2",
            "import sys\n\ndef g(x):\n    return float(sum(name.startswith('rehearsal') for name in sys.modules))\n",
        ),
    ]
    with box.open(sources, ("f", "g")) as session:
        out, left = session.run([Call("f", (X,)), Call("g", (X,))])
    assert out.value.tolist() == (X + 1).tolist()
    assert left.value == 0.0
