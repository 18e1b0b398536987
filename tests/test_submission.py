"""What is read from a notebook, a file, a folder or an archive, and what is said of what cannot be."""

from __future__ import annotations

import io
import json
import os
import zipfile
from pathlib import Path

import pytest

from autograder.submission import (
    find_submissions,
    guess_assignment,
    meant_otherwise,
    read_notebook_bytes,
    read_submission,
)

STUB = "def f(x):\n    raise NotImplementedError('Need to implement f')\n"
ANSWER = "def f(x):\n    return x\n"


def notebook(*cells, **content) -> bytes:
    """A notebook's bytes; a cell is its text, or (text, grade_id)."""
    made = []
    for cell in cells:
        text, grade_id = cell if isinstance(cell, tuple) else (cell, None)
        metadata = {"nbgrader": {"grade_id": grade_id}} if grade_id else {}
        made.append({"cell_type": "code", "source": text.splitlines(True), "metadata": metadata, "outputs": []})
    return json.dumps({"cells": made, "metadata": {}, "nbformat": 4, "nbformat_minor": 5} | content).encode()


def test_the_answer_cell_is_known_by_its_grade_id():
    """A cell whose grade_id is a function's name is that function's answer cell; labels count all cells."""
    submission = read_notebook_bytes(notebook("import numpy", (ANSWER, "f"), ("x", "not-a-name")), stubs={"f": STUB})
    assert [(s.label, s.answers, s.untouched) for s in submission.sources] == [
        ("cell 1", (), False),
        ("cell 2", ("f",), False),
        ("cell 3", (), False),
    ]


def test_an_untouched_stub_is_known_whatever_its_whitespace():
    """An answer cell equal to the stub but for whitespace is untouched."""
    submission = read_notebook_bytes(notebook((STUB.replace("    ", "\t") + "\n\n", "f")), stubs={"f": STUB})
    assert submission.sources[0].untouched


def test_lost_metadata_is_made_up_for_by_the_definition():
    """Without grade ids the last cell that defines the function and is not the stub is its answer cell."""
    submission = read_notebook_bytes(notebook(STUB, ANSWER, ANSWER, STUB), stubs={"f": STUB})
    assert [source.answers for source in submission.sources] == [(), (), ("f",), ()]


def test_a_copied_answer_cell_is_said(tmp_path):
    """An answer cell that occurs twice keeps its id in both, and a remark says which counts."""
    submission = read_notebook_bytes(notebook((STUB, "f"), (ANSWER, "f")), stubs={"f": STUB})
    assert [(s.answers, s.untouched) for s in submission.sources] == [(("f",), True), (("f",), False)]
    assert submission.remarks == ("the answer cell of f occurs 2 times; the first that was filled in counts",)


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"", "this file is not a notebook: it is empty"),
        (b"{", "this file is not a notebook: it is not JSON (Expecting property name enclosed in double quotes: "
               "line 1 column 2 (char 1))"),
        (b"[]", "this file is not a notebook: it has no cells"),
        (b'{"cells": 7}', "this file is not a notebook: it has no cells"),
        (b'{"cells": [' * 100_000, "this file is not a notebook: it is nested too deep"),
        (b'{"cells": [' + b"[]," * 4_000_000 + b"[]]}", "this file is not a notebook: it holds too many values"),
        (b'"' + b'\\"' * (1 << 20), None),  # a string that never ends
        (b'{"cells": ' + b"1" * 5000 + b"}", None),
        (b"\x7fELF\x00\x01", None),
    ],
)  # fmt: skip
def test_what_is_not_a_notebook_says_so(data, problem):
    """A file that is no notebook has a problem, no sources, and never raises."""
    submission = read_notebook_bytes(data)
    assert submission.sources == ()
    assert submission.problem == problem or (problem is None and submission.problem.startswith("this file is not"))


@pytest.mark.parametrize(
    ("change", "remark"),
    [
        (lambda data: b"\xef\xbb\xbf" + data, None),
        (lambda data: data.decode().encode("utf-16"), "the notebook: it was read as UTF-16"),
        (lambda data: data.replace(b'"return', b'"# \xe9\\n", "return'), None),
        (lambda data: data.replace(b'"metadata": {}, "nbformat"', b'"metadata": {"x": NaN}, "nbformat"'), None),
        (lambda data: data.replace(b'"metadata": {}, "nbformat"', b'"metadata": 7, "nbformat"'), None),
        (lambda data: data.replace(b'"outputs": []', b'"outputs": "' + b"x" * 10_000_000 + b'"'), None),
        (lambda data: data.replace(b'"cells": [', b'"cells": [7, null, {"cell_type": "code"}, '), None),
        (lambda data: json.dumps({"worksheets": [{"cells": json.loads(data)["cells"]}]}).encode(), None),
    ],
)
def test_a_damaged_notebook_is_repaired_where_that_is_harmless(change, remark):
    """Marks, other encodings, nan, odd metadata, huge outputs, cells that are no cells and version 3 are read."""
    submission = read_notebook_bytes(change(notebook((ANSWER, "f"))), stubs={"f": STUB})
    assert submission.problem == ""
    assert [source.text for source in submission.sources if source.answers] == [ANSWER]
    assert submission.remarks == (() if remark is None else (remark,))


def test_lone_surrogates_do_not_reach_anyone():
    """A surrogate that JSON can spell and no file can hold is replaced."""
    submission = read_notebook_bytes(notebook().replace(b"[]", b'[{"cell_type": "code", "source": "x = \'\\ud800\'"}]'))
    assert submission.sources[0].text == "x = '?'"


def folder_of(tmp_path: Path, **files: bytes | str) -> Path:
    for name, data in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data if isinstance(data, bytes) else data.encode())
    return tmp_path


def test_a_folder_is_its_notebook_and_its_files(tmp_path):
    """Cells first, then the files by the names that they are imported by; tests and hidden folders do not run."""
    folder_of(
        tmp_path,
        **{
            "02_layers.ipynb": notebook(ANSWER),
            "draft.ipynb": notebook("draft"),
            "layers/sigmoid.py": ANSWER,
            "layers/__init__.py": "",
            "tests/test_mine.py": "assert False",
            ".ipynb_checkpoints/02_layers.ipynb": notebook("old"),
            "notes.txt": "no code",
        },
    )
    submission = read_submission(tmp_path, assignment="02_layers", student="ada")
    assert [(s.label, s.module, s.runs) for s in submission.sources] == [
        ("cell 1", None, True),
        ("layers/__init__.py", "layers", True),
        ("layers/sigmoid.py", "layers.sigmoid", True),
        ("tests/test_mine.py", "tests.test_mine", False),
    ]
    assert submission.remarks == ("2 notebooks were handed in; 02_layers.ipynb was graded",)
    assert submission.student == "ada"


def test_files_are_imported_from_where_the_notebook_lies(tmp_path):
    """In a subfolder the notebook's own folder is where its imports start, as in a kernel."""
    folder_of(tmp_path, **{"02_layers/02_layers.ipynb": notebook(ANSWER), "02_layers/layers/tanh.py": ANSWER})
    assert [source.module for source in read_submission(tmp_path).sources] == [None, "layers.tanh"]


def test_the_digest_changes_with_what_matters_alone(tmp_path):
    """Notes beside the code leave the digest as it is; a changed line of code does not."""
    folder_of(tmp_path, **{"a.py": ANSWER})
    before = read_submission(tmp_path).digest
    folder_of(tmp_path, **{"notes.txt": "x"})
    assert read_submission(tmp_path).digest == before
    folder_of(tmp_path, **{"a.py": ANSWER + "\n"})
    assert read_submission(tmp_path).digest != before


def test_an_archive_is_read_like_the_folder_in_it(tmp_path):
    """A zip of a student's folder is the submission that the folder would be."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("ada/layers/sigmoid.py", ANSWER)
        archive.writestr("__MACOSX/ada/layers/._sigmoid.py", "x")
    (tmp_path / "ada.zip").write_bytes(packed.getvalue())
    submission = read_submission(tmp_path / "ada.zip")
    assert [(s.label, s.module) for s in submission.sources] == [("layers/sigmoid.py", "layers.sigmoid")]
    assert submission.student == "ada"


def test_a_notebook_by_another_name_is_read(tmp_path):
    """A file without a known ending that holds a notebook is a notebook; anything else says what it is not."""
    (tmp_path / "a.json").write_bytes(notebook(ANSWER))
    (tmp_path / "a.docx").write_bytes(b"PK\x03\x04")
    assert read_submission(tmp_path / "a.json").sources[0].text == ANSWER
    assert read_submission(tmp_path / "a.docx").problem == (
        "a.docx is neither a notebook (.ipynb), a .py file nor an archive"
    )


def test_what_was_left_out_is_said_where_nothing_else_is_there(tmp_path):
    """A submission of which nothing is left says why of each file, and is another one when the reason is another."""
    (tmp_path / "02_layers.ipynb").symlink_to("/etc/passwd")
    os.mkfifo(tmp_path / "a.py")
    (tmp_path / "b.py").write_bytes(b"#" * ((1 << 20) + 1))
    submission = read_submission(tmp_path)
    assert submission.problem == (
        "there is no notebook and no .py file here, since 02_layers.ipynb was left out: it is a symbolic link; "
        "a.py was left out: it is not a regular file; b.py was left out: it is larger than 1 MB"
    )
    (tmp_path / "b.py").unlink()
    assert read_submission(tmp_path).digest != submission.digest


def test_a_path_that_is_not_there_is_bad_input(tmp_path):
    """A missing path raises, with a sentence for the command line."""
    with pytest.raises(FileNotFoundError, match=r"no such file or folder: .*nowhere"):
        read_submission(tmp_path / "nowhere")
    with pytest.raises(FileNotFoundError, match="no such file or folder"):
        find_submissions(tmp_path / "nowhere", assignment="a")


def test_submissions_are_found_wherever_they_lie(tmp_path):
    """One file, one folder, a class of folders and archives, nbgrader's folders, sorted by student."""
    folder_of(
        tmp_path,
        **{
            "class/bob/a.py": ANSWER,
            "class/ada/layers/sigmoid.py": ANSWER,
            "class/cyd.zip": b"",
            "class/.git/config": "",
            "submitted/eve/02_layers/02_layers.ipynb": notebook(ANSWER),
            "submitted/eve/01_graphs/01_graphs.ipynb": notebook(ANSWER),
            "empty/readme.txt": "",
        },
    )

    def found(path, **more):
        return [
            (s, str(p.relative_to(tmp_path)))
            for s, p in find_submissions(tmp_path / path, assignment="02_layers", **more)
        ]

    assert found("class/bob/a.py") == [("a", "class/bob/a.py")]
    assert found("class/bob/a.py", student="bob") == [("bob", "class/bob/a.py")]
    assert found("class/ada") == [("ada", "class/ada")]
    assert found("class") == [("ada", "class/ada"), ("bob", "class/bob"), ("cyd", "class/cyd.zip")]
    assert found("submitted") == [("eve", "submitted/eve/02_layers")]
    with pytest.raises(FileNotFoundError, match=r"no notebook, \.py file, layers/, archive or folder of a student"):
        find_submissions(tmp_path / "empty", assignment="02_layers")
    assert found("class/ada", student="eve") == [("eve", "class/ada")]
    with pytest.raises(FileNotFoundError, match=r"^no submission of dan in .*class$"):
        found("class", student="dan")


AS_ONE = "and is taken for one submission; to grade each by itself: autograder grade"


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (["ann.ipynb", "bob.ipynb"], f"{{0}} holds 2 notebooks {AS_ONE} {{0}}/*"),
        (
            ["conftest.py", "setup.py", "ann/02_layers.ipynb", "bob/layers/tanh.py", "images/a.png"],
            f"{{0}} holds setup.py beside 2 folders of submissions {AS_ONE} {{0}}/*/",
        ),
        (
            ["a.ipynb", "ann/02_layers/02_layers.ipynb", "bob/02_layers/02_layers.ipynb"],
            f"{{0}} holds a.ipynb beside 2 folders of submissions {AS_ONE} {{0}}/*/",
        ),
        (["ann.ipynb"], ""),
        (["ann/a.py", "bob/a.py", "cyd.zip"], ""),
        (["layers/sigmoid.py", "layers/tanh.py", "train.py", "old/a.ipynb", "older/a.ipynb"], ""),
        (["02_layers.ipynb", "02_layers-Copy1.ipynb", "layers/tanh.py", "images/a.png"], ""),
        (["sigmoid.py", "tanh.py", "helpers/a.py", "tests/test_a.py"], ""),
        (["main.py", "01_graphs/01_graphs.ipynb", "02_layers/02_layers.ipynb", "03_more/03_more.ipynb"], ""),
    ],
)
def test_a_class_that_is_taken_for_one_submission_is_said(tmp_path, names, said):
    """Notebooks of several, or a stray file beside students' folders, are said; what one student has is not."""
    folder_of(tmp_path, **dict.fromkeys(names, ""))
    assert meant_otherwise(tmp_path, assignment="02_layers") == said.format(tmp_path)


def test_students_who_are_symbolic_links_are_named(tmp_path):
    """A student's folder or archive that is a link is left out of the class, and said; a link to a note is not."""
    folder_of(tmp_path, **{"class/ann/a.py": ANSWER, "bob/a.py": ANSWER, "note.txt": ""})
    for name, target in (("bob", "bob"), ("note.txt", "note.txt"), ("cyd.zip", "note.txt"), ("dangling", "nowhere")):
        (tmp_path / "class" / name).symlink_to(tmp_path / target)
    left_out = "left out, symbolic links: bob, cyd.zip, dangling"
    assert meant_otherwise(tmp_path / "class", assignment="02_layers") == left_out
    (tmp_path / "class" / "ann" / "a.py").unlink()
    (tmp_path / "class" / "ann").rmdir()
    with pytest.raises(FileNotFoundError, match=left_out):
        find_submissions(tmp_path / "class", assignment="02_layers")


NAMES = {"01": ("g", "h"), "02": ("f", "k")}


def test_the_assignment_is_guessed_from_what_is_defined(tmp_path):
    """The assignment most of whose functions occur as `def name(`; a tie and a blank are errors in one line."""
    folder_of(
        tmp_path, **{"class/ada/a.py": ANSWER, "class/bob/a.py": "def k(x): pass", "b.py": "def f(x):\ndef g(x):"}
    )
    assert guess_assignment([tmp_path / "class"], NAMES) == "02"
    with pytest.raises(ValueError, match="it could be 01 or 02; say which with --assignment"):
        guess_assignment([tmp_path / "b.py"], NAMES)
    folder_of(tmp_path, **{"c.py": "f = 1"})
    with pytest.raises(ValueError, match=r"no function of any assignment is defined there; .*\(01, 02\)"):
        guess_assignment([tmp_path / "c.py"], NAMES)
