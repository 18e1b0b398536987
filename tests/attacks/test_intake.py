"""What is handed in is hostile before any of it runs: folders, archives and notebooks that are traps for their reader.

All are graded in one run, each followed by a good submission in the same grader.
"""

from __future__ import annotations

import gzip
import io
import json
import lzma
import os
import socket
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from attack import CALLED, HONEST

from autograder.calls import Limits
from autograder.catalogue import load_catalogue
from autograder.rendering.shown import to_dict
from autograder.whole_class.batch import grade_all, jobs_for
from demo.classroom import reference_source

ROOT = Path(__file__).resolve().parents[2]
SOLUTION = ROOT / "solutions" / "sigmoid.py"
LIMITS = Limits(definitions=2.0, call=0.5, call_wall=3.0, total_wall=20.0, memory=256 << 20)
GOOD = HONEST  # the layer done right; what stands beside it must add nothing and take nothing away
BOMB = "raise SystemExit('imported')\n"

TRAPS: dict[str, tuple[Callable[[Path], None], str | None]] = {}


def trap(problem: str | None = None):
    """Registers a submission to build; `problem` is why it earns nothing, None where its honest part counts."""

    def register(build: Callable[[Path], None]) -> Callable[[Path], None]:
        TRAPS[build.__name__] = (build, problem)
        return build

    return register


def folder(build):
    def made(path: Path) -> None:
        path.mkdir()
        (path / "layers").mkdir()
        (path / "layers" / "tanh.py").write_text(GOOD)
        build(path)

    made.__name__ = build.__name__
    return made


# folders: the honest layer stands in layers/tanh.py


@trap()
@folder
def symlink_to_the_solution(path):
    (path / "layers" / "sigmoid.py").symlink_to(SOLUTION)


@trap()
@folder
def symlinked_folder(path):
    (path / "more").symlink_to(SOLUTION.parent)


@trap()
@folder
def symlink_loop(path):
    (path / "loop.py").symlink_to(path / "loop.py")
    (path / "up").symlink_to(path)


@trap()
@folder
def symlink_to_a_device(path):
    (path / "zero.py").symlink_to("/dev/zero")


@trap()
@folder
def fifo(path):
    os.mkfifo(path / "wait.py")
    os.mkfifo(path / "02_layers.ipynb")


@trap()
@folder
def unix_socket(path):
    here = os.getcwd()
    os.chdir(path)
    try:
        socket.socket(socket.AF_UNIX).bind("sock.py")
    finally:
        os.chdir(here)


@trap()
@folder
def device(path):
    try:
        os.mknod(path / "zero.py", stat.S_IFCHR | 0o666, os.makedev(1, 5))
    except PermissionError:
        (path / "zero.py").symlink_to("/dev/zero")


@trap()
@folder
def hard_link_to_somebody_elses_file(path):
    try:
        os.link(SOLUTION, path / "layers" / "sigmoid.py")
    except OSError:  # another file system, or a kernel that forbids it
        (path / "layers" / "sigmoid.py").symlink_to(SOLUTION)
    if os.geteuid() == 0:
        os.chown(path / "layers", 12345, 12345)


@trap()
@folder
def closed_file(path):
    (path / "closed.py").write_text(BOMB)
    (path / "closed.py").chmod(0)
    (path / "closed").mkdir()
    (path / "closed").chmod(0)


@trap()
@folder
def names_that_are_not_text(path):
    (Path(os.fsdecode(bytes(path) + b"/\xff\xfe\x1b[31m.py"))).write_text("x = 1\n")
    (path / "<script>alert(1)<.py").write_text("x = 1\n")


@trap()
@folder
def deep_folders(path):
    inner = path
    for _ in range(100):
        inner = inner / "d"
    inner.mkdir(parents=True)
    (inner / "deep.py").write_text(BOMB)


@trap("more than 200 code files")
@folder
def a_thousand_files(path):
    for number in range(1000):
        (path / f"f{number}.py").write_text("x = 1\n")


@trap("more than 20000 entries")
@folder
def too_many_entries(path):
    (path / "many").mkdir()
    for number in range(21_000):
        (path / "many" / str(number)).touch()


@trap()
@folder
def a_huge_file(path):
    with open(path / "huge.py", "wb") as file:
        file.truncate(1 << 40)


@trap()
@folder
def modules_that_shadow(path):
    for name in (
        "numpy",
        "sys",
        "os",
        "json",
        "random",
        "warnings",
        "sitecustomize",
        "usercustomize",
        "conftest",
        "_grading",
    ):
        (path / f"{name}.py").write_text(BOMB)
    for name in ("autograder", "solutions", "numpy_"):
        (path / name).mkdir()
        (path / name / "__init__.py").write_text(BOMB)
    (path / "evil.pth").write_text("import os; os._exit(0)\n")
    (path / "pyproject.toml").write_text("[tool.pytest.ini_options]\naddopts = '--version'\n")
    (path / "results.json").write_text('{"score": 100}')


@trap()
@folder
def a_compiled_module(path):
    (path / "layers" / "__pycache__").mkdir()
    (path / "layers" / "__pycache__" / "sigmoid.cpython-311.pyc").write_bytes(b"\xa7\r\r\n" + bytes(64))
    (path / "layers" / "sigmoid.so").write_bytes(b"\x7fELF")


@trap()
@folder
def a_source_in_another_encoding(path):
    (path / "latin.py").write_bytes(b"# -*- coding: rot13 -*-\nx = '\xe9'\n")


@trap()
@folder
def null_bytes_in_a_source(path):
    (path / "null.py").write_bytes(b"x = 1\0\n" + BOMB.encode())


@trap()
@folder
def a_source_that_breaks_the_parser(path):
    (path / "bomb.py").write_text("x = " + "-" * 100_000 + "1\n")


@trap()
@folder
def a_source_of_one_long_sum(path):
    (path / "sum.py").write_text("x = " + "+".join(["1"] * 300_000) + "\n")


@trap("no notebook and no .py file")
def an_empty_folder(path):
    path.mkdir()


# archives


def packed(path: Path, *members: tuple, mode: str = "w") -> None:
    with zipfile.ZipFile(path, mode, zipfile.ZIP_DEFLATED) as archive:
        for name, data in members:
            archive.writestr(name, data)


def zipped(build):
    def made(path: Path) -> None:
        build(path.with_name(path.name + ".zip"))

    made.__name__ = build.__name__
    return made


def tarred(build):
    def made(path: Path) -> None:
        build(path.with_name(path.name + ".tar"))

    made.__name__ = build.__name__
    return made


def tar_of(path: Path, *members: tarfile.TarInfo | tuple) -> None:
    with tarfile.open(path, "w") as archive:
        for member in (("layers/tanh.py", GOOD), *members):
            if isinstance(member, tuple):
                info = tarfile.TarInfo(member[0])
                info.size = len(member[1].encode())
                archive.addfile(info, io.BytesIO(member[1].encode()))
            else:
                archive.addfile(member)


@trap("leads out of it")
@zipped
def zip_slip(path):
    packed(path, ("layers/tanh.py", GOOD), ("../../escaped.py", BOMB))


@trap("leads out of it")
@zipped
def zip_absolute(path):
    packed(path, ("layers/tanh.py", GOOD), ("/tmp/escaped.py", BOMB))


@trap("leads out of it")
@zipped
def zip_backslashes(path):
    packed(path, ("layers/tanh.py", GOOD), ("..\\..\\escaped.py", BOMB))


@trap("leads out of it")
@zipped
def zip_drive(path):
    packed(path, ("layers/tanh.py", GOOD), ("C:/escaped.py", BOMB))


@trap()
@zipped
def zip_symlink(path):
    packed(path, ("layers/tanh.py", GOOD))
    with zipfile.ZipFile(path, "a") as archive:
        info = zipfile.ZipInfo("layers/sigmoid.py")
        info.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(info, str(SOLUTION))


@trap("unpacks to more than a submission needs")
@zipped
def zip_bomb(path):
    packed(path, ("layers/tanh.py", GOOD), *[(f"b{n}.py", bytes(30 << 20)) for n in range(5)])


@trap("cannot be read")
@zipped
def zip_bomb_that_lies(path):
    packed(path, ("layers/tanh.py", GOOD), ("b.py", bytes(70 << 20)))
    data = path.read_bytes()
    path.write_bytes(data.replace(struct.pack("<I", 70 << 20), struct.pack("<I", 10)))


@trap("cannot be read")
@zipped
def zip_with_a_wrong_checksum(path):
    packed(path, ("layers/tanh.py", GOOD))
    data = bytearray(path.read_bytes())
    at = data.index(b"PK\x01\x02") + 16
    data[at : at + 4] = b"\0\0\0\0"
    path.write_bytes(data)


@trap("twice")
@zipped
def zip_duplicates(path):
    with pytest.warns(UserWarning, match="Duplicate name"):
        packed(path, ("layers/tanh.py", GOOD), ("layers/tanh.py", BOMB))


@trap("more than 5000 members")
@zipped
def zip_of_thousands(path):
    packed(path, ("layers/tanh.py", GOOD), *[(f"n{n}.txt", "") for n in range(6000)])


@trap("more than 200 code files")
@zipped
def zip_of_too_many_files(path):
    packed(path, ("layers/tanh.py", GOOD), *[(f"n{n}.py", "") for n in range(300)])


@trap("cannot be read")
@zipped
def zip_truncated(path):
    packed(path, ("layers/tanh.py", GOOD))
    path.write_bytes(path.read_bytes()[:-30])


@trap("cannot be read")
@zipped
def zip_of_garbage(path):
    path.write_bytes(b"PK\x03\x04" + os.urandom(1000))


@trap("locked with a password")
@zipped
def zip_locked(path):
    packed(path, ("layers/tanh.py", GOOD))
    data = bytearray(path.read_bytes())
    data[data.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(data)


@trap("packed in an unusual way")
@zipped
def zip_with_a_huge_dictionary(path):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_LZMA) as archive:
        archive.writestr("layers/tanh.py", GOOD)


@trap("no notebook and no .py file")
@zipped
def zip_in_a_zip(path):
    inner = io.BytesIO()
    with zipfile.ZipFile(inner, "w") as archive:
        archive.writestr("layers/tanh.py", GOOD)
    packed(path, ("inner.zip", inner.getvalue()))


@trap()
@tarred
def tar_links_and_devices(path):
    made = []
    for name, kind in (("a", tarfile.SYMTYPE), ("b", tarfile.LNKTYPE), ("c", tarfile.CHRTYPE), ("d", tarfile.FIFOTYPE)):
        info = tarfile.TarInfo(f"layers/{name}.py")
        info.type, info.linkname = kind, str(SOLUTION)
        made.append(info)
    tar_of(path, *made)


@trap("leads out of it")
@tarred
def tar_slip(path):
    tar_of(path, ("../escaped.py", BOMB))


@trap("unusual headers")
@tarred
def tar_with_long_headers(path):
    info = tarfile.TarInfo("layers/x.py")
    info.pax_headers = {"comment": "1" * 100_000}
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as archive:
        archive.addfile(info)


@trap("unusual headers")
@tarred
def tar_that_moves_its_headers(path):
    info = tarfile.TarInfo("layers/x.py")
    info.pax_headers = {"size": "1000000000000"}
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as archive:
        archive.addfile(info)


def compressed(ending: str, compress: Callable[[bytes], bytes]):
    def register(build):
        def made(path: Path) -> None:
            plain = io.BytesIO()
            with tarfile.open(fileobj=plain, mode="w") as archive:
                info = tarfile.TarInfo("layers/x.py")
                info.size = 150 << 20
                archive.addfile(info, io.BytesIO(bytes(150 << 20)))
            path.with_name(path.name + ending).write_bytes(compress(plain.getvalue()))

        made.__name__ = build.__name__
        return made

    return register


@trap("unpacks to more than a submission needs")
@compressed(".tar.gz", lambda data: gzip.compress(data, 1))
def tar_gzip_bomb(path): ...


@trap("cannot be read: Memory usage limit exceeded")
@tarred
def tar_with_a_huge_dictionary(path):
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w") as archive:
        info = tarfile.TarInfo("layers/tanh.py")
        info.size = len(GOOD)
        archive.addfile(info, io.BytesIO(GOOD.encode()))
    data = bytearray(lzma.compress(plain.getvalue()))
    head = 12 + 4 * (data[12] + 1)  # the end of the first block's header
    data[data.index(b"\x21\x01", 12) + 2] = 40  # its claim: a dictionary of 4 GB
    data[head - 4 : head] = struct.pack("<I", zlib.crc32(data[12 : head - 4]))
    path.with_suffix(".tar.xz").write_bytes(data)


# notebooks


def notebook(**change) -> bytes:
    cells = [{"cell_type": "code", "source": GOOD, "metadata": {}, "outputs": [], "execution_count": None}]
    return json.dumps({"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5} | change).encode()


def book(build: Callable[[], bytes]):
    def made(path: Path) -> None:
        path.with_name(path.name + ".ipynb").write_bytes(build())

    made.__name__ = build.__name__
    return made


@trap("it is empty")
@book
def nothing_at_all():
    return b""


@trap("it is not JSON")
@book
def half_a_notebook():
    return notebook()[:-20]


@trap("it is not JSON")
@book
def a_program():
    return b"\x7fELF" + bytes(1000)


@trap("nested too deep")
@book
def deep_json():
    return b'{"cells": ' + b"[" * 200_000 + b"]" * 200_000 + b"}"


@trap("too many values")
@book
def wide_json():
    return b'{"cells": [' + b"[]," * 5_000_000 + b"[]]}"


@trap("it is not JSON")
@book
def a_number_without_end():
    return b'{"cells": ' + b"1" * 100_000 + b"}"


@trap()
@book
def utf16():
    return notebook().decode().encode("utf-16")


@trap()
@book
def not_numbers():
    return notebook(metadata={"x": float("nan"), "y": float("inf")})


@trap()
@book
def surrogates():
    return notebook(metadata={"x": "\ud800"}).replace(b"import numpy", b"# \\udc80 \\ud800\\nimport numpy")


@trap()
@book
def sixty_megabytes_of_output():
    data = json.loads(notebook())
    data["cells"][0]["outputs"] = [{"output_type": "stream", "name": "stdout", "text": "x, " * 20_000_000}]
    return json.dumps(data).encode()


@trap()
@book
def a_hundred_megabytes_of_output():
    data = json.loads(notebook())
    data["cells"][0]["outputs"] = [{"output_type": "stream", "name": "stdout", "text": ["one more line\n"] * 5_500_000}]
    return json.dumps(data).encode()


@trap("holds too many values")
@book
def outputs_nested_without_end():
    return b'{"cells": [{"cell_type": "code", "source": "", "outputs": ' + b"[" * 5_100_000


@trap("larger than 64 MB without its outputs")
@book
def a_hundred_megabytes_of_nothing():
    return b" " * (100 << 20)


@trap("more than 2000 code cells")
@book
def ten_thousand_cells():
    return notebook(cells=[{"cell_type": "code", "source": "x"}] * 10_000)


@trap("more code than")
@book
def too_much_code():
    return notebook(cells=[{"cell_type": "code", "source": "x = 1\n" * 1_000_000}])


@trap()
@book
def cells_of_every_kind():
    good = json.loads(notebook())["cells"]
    odd = [7, None, [], {}, {"cell_type": "code"}, {"cell_type": ["code"]}, {"cell_type": "code", "source": 7}]
    return notebook(cells=[*odd, {"cell_type": "code", "source": ["x = ", 7, None, "1"], "metadata": []}, *good])


@trap()
@book
def metadata_that_lies():
    data = json.loads(notebook())
    data["cells"][0]["metadata"] = {
        "nbgrader": {"grade_id": "sigmoid_forward", "points": 1e9, "grade": True, "solution": False, "locked": True},
        "tags": ["skip-execution"],
    }
    return json.dumps(data).encode()


@pytest.fixture(scope="module")
def graded(tmp_path_factory) -> dict[str, dict]:
    """results.json's entry of every trap, and of the good submission after it."""
    place = tmp_path_factory.mktemp("traps")
    catalogue = load_catalogue(ROOT / "solutions")
    good = "import numpy as np\n" + "\n".join(reference_source(f) for f in catalogue.functions("02_layers"))
    entries = []
    for name, (build, _) in TRAPS.items():
        build(place / name)
        (path,) = [path for path in place.iterdir() if path.name == name or path.name.startswith(f"{name}.")]
        (place / f"{name}-after.py").write_text(good)
        entries += [(name, path), (f"{name}-after", place / f"{name}-after.py")]
    jobs = jobs_for(entries, catalogue, "02_layers", bytes(32))
    reports = grade_all(jobs, catalogue, "02_layers", limits=LIMITS)
    record = json.loads(json.dumps([to_dict(report) for report in reports], allow_nan=False))
    yield {entry["student"]: entry for entry in record}
    for path in place.rglob("closed*"):
        path.chmod(0o700)


def test_the_traps_are_whole():
    """None is lost on the way."""
    assert len(TRAPS) == 60
    assert "attack()" in CALLED


@pytest.mark.parametrize("name", TRAPS)
def test_a_trap_catches_nobody(graded, name):
    """What can be read is graded for what it is, what cannot be has its reason; the next student has all points."""
    entry, problem = graded[name], TRAPS[name][1]
    found = {exercise["name"]: exercise for exercise in entry["exercises"]}
    if problem is None:
        assert [found[f]["status"] for f in ("tanh_forward", "tanh_backward")] == ["passed", "passed"], entry["remarks"]
        assert found["sigmoid_forward"]["status"] == "missing"
    else:
        assert {exercise["status"] for exercise in entry["exercises"]} == {"missing"}
        assert problem in found["tanh_forward"]["findings"][0]["headline"]
    after = graded[f"{name}-after"]
    assert after["score"] == after["max_score"]
    assert entry["seconds"] < 30


def test_a_submission_that_is_gone_stops_nobody(tmp_path):
    """A path that is gone when its turn comes gets its reason; the next is graded."""
    (tmp_path / "good.py").write_text(GOOD)
    catalogue = load_catalogue(ROOT / "solutions")
    entries = [("gone", tmp_path / "gone.py"), ("good", tmp_path / "good.py")]
    gone, good = grade_all(jobs_for(entries, catalogue, "02_layers", bytes(32)), catalogue, "02_layers", limits=LIMITS)
    assert {f.status for f in gone.functions} == {"missing"}
    assert "no such file or folder" in gone.functions[0].findings[0].headline
    assert {f.name: f.status for f in good.functions}["tanh_backward"] == "passed"
