"""The course secret, from which every student's hidden inputs are derived.

    seed(student, exercise) = HMAC-SHA256(secret, student, exercise)

The secret never leaves the grader: processes and machines that help with grading get derived seeds only, and results
carry its fingerprint, which does not give it away.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import re
import secrets
from pathlib import Path

from autograder.errors import BadInput

FILE = ".autograder_secret"
VARIABLE = "AUTOGRADER_SECRET"


class BadSecret(BadInput):
    """A secret that cannot be used."""


def secret_path(solutions: Path | str) -> Path:
    """The secret's file: beside the solutions folder."""
    return Path(solutions).resolve().parent / FILE


def course_secret(solutions: Path | str) -> bytes:
    """The course secret: the environment's, else the file beside `solutions`, made on first use.

    Raises:
        BadSecret: what stands there is not a secret, or it cannot be read or made.
    """
    text = os.environ.get(VARIABLE)
    if text is not None:
        return _parse(text, f"the environment variable {VARIABLE}")
    path = secret_path(solutions)
    try:
        return _parse(path.read_text(encoding="ascii"), str(path))
    except FileNotFoundError:
        return write_secret(path, secrets.token_bytes(32))
    except (OSError, UnicodeError) as error:
        raise BadSecret(f"cannot read the course secret {path}: {error}") from error


def write_secret(path: Path, secret: bytes, *, replace: bool = False) -> bytes:
    """Writes the secret for its owner alone; where another got there first, theirs holds and is returned."""
    temporary = path.with_name(f"{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    try:
        handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w", encoding="ascii") as file:
            file.write(secret.hex() + "\n")
        if replace:
            os.replace(temporary, path)
            return secret
        try:
            os.link(temporary, path)  # fails where the file exists: two graders may start at once
        except FileExistsError:
            return _parse(path.read_text(encoding="ascii"), str(path))
        finally:
            os.unlink(temporary)
    except OSError as error:
        raise BadSecret(
            f"cannot keep the course secret at {path} ({error.strerror}); set {VARIABLE} to 64 hexadecimal digits"
        ) from error
    return secret


def fingerprint(secret: bytes) -> str:
    """Tells two secrets apart without telling either: 12 hexadecimal digits of a hash."""
    return hashlib.sha256(b"autograder secret fingerprint\0" + secret).hexdigest()[:12]


def seed_for(secret: bytes, student: str, exercise: str) -> bytes:
    """HMAC-SHA256(secret, student, exercise): the student's name is length-prefixed, so that no two pairs meet."""
    name = student.encode("utf-8", "surrogatepass")
    message = len(name).to_bytes(8, "big") + name + exercise.encode()
    return hmac.new(secret, message, hashlib.sha256).digest()


def _parse(text: str, where: str) -> bytes:
    text = text.strip()
    if not re.fullmatch(r"[0-9a-fA-F]{64}", text):
        raise BadSecret(f"{where} does not hold a course secret: 64 hexadecimal digits are expected")
    return bytes.fromhex(text)


def parse_secret(text: str) -> bytes:
    """Reads what `autograder secret export` printed."""
    return _parse(text, "the input")
