"""This very package as a wheel, made of the files that are running: what a release and a grader's bundle carry.

So a course can be handed out whether or not the package is on an index, and students and graders run one version. The
same files make the same wheel, byte by byte.

Source: the binary distribution format of Python packages (PEP 427).
"""

from __future__ import annotations

import base64
import functools
import hashlib
import io
import zipfile
from importlib import metadata
from pathlib import Path

from autograder import __version__
from autograder.errors import BadInput

DISTRIBUTION = "backprop-by-hand"
STEM = f"{DISTRIBUTION.replace('-', '_')}-{__version__}"
FILE = f"{STEM}-py3-none-any.whl"
EPOCH = (1980, 1, 1, 0, 0, 0)
WHEEL = "Wheel-Version: 1.0\nGenerator: autograder\nRoot-Is-Purelib: true\nTag: py3-none-any\n"


@functools.cache
def package_wheel() -> bytes:
    """The bytes of the wheel, to be called `FILE`.

    Raises:
        BadInput: the package runs from loose files that were never installed, so nothing says what it needs.
    """
    try:
        installed = metadata.distribution(DISTRIBUTION)
    except metadata.PackageNotFoundError:
        raise BadInput(f"{DISTRIBUTION} is not installed here, only run from its files: pip install it first") from None
    root = Path(__file__).resolve().parents[1]
    files = {
        f"{root.name}/{path.relative_to(root).as_posix()}": path.read_bytes()
        for path in sorted(root.rglob("*"))
        if path.is_file() and "__pycache__" not in path.parts
    }
    info = f"{STEM}.dist-info"
    files[f"{info}/METADATA"] = (installed.read_text("METADATA") or "").encode()
    files[f"{info}/WHEEL"] = WHEEL.encode()
    files[f"{info}/entry_points.txt"] = (installed.read_text("entry_points.txt") or "").encode()
    files[f"{info}/RECORD"] = _record(files, f"{info}/RECORD")
    return archive(files)


def _record(files: dict[str, bytes], own: str) -> bytes:
    """Each file with its digest and size, as an installer checks them."""
    lines = []
    for name, data in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
        lines.append(f"{name},sha256={digest},{len(data)}\n")
    return "".join([*lines, f"{own},,\n"]).encode()


def archive(files: dict[str, bytes], executable: tuple[str, ...] = (), private: tuple[str, ...] = ()) -> bytes:
    """A zip archive of these files, the same bytes for the same files.

    Args:
        executable, private: the names of those that are to be programs, and of those for their owner's eyes alone.
    """
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as out:
        for name, data in files.items():
            member = zipfile.ZipInfo(name, EPOCH)
            member.create_system = 3  # Unix, whatever this is made on: the mode counts
            mode = 0o755 if name in executable else 0o600 if name in private else 0o644
            member.external_attr = (0o100000 | mode) << 16
            member.compress_type = zipfile.ZIP_DEFLATED
            out.writestr(member, data)
    return buffer.getvalue()
