"""Ready-made graders for other places: Gradescope's zip, and folders for PrairieLearn, Classroom 50, GitHub and GitLab.

Where only the instructor can look (Gradescope, a PrairieLearn course, a private repository) a bundle carries the
solutions; where it also needs the course secret and has no safe for it, that too, so it is to be kept like the secret.
Classroom 50 publishes its graders and runs them in students' repositories: that one holds the public keys alone.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from autograder.catalogue import Catalogue
from autograder.errors import BadInput
from autograder.handing_out.generated import Change, refuse_repository, replace_bytes, write_folder
from autograder.handing_out.wheel import FILE, archive, package_wheel
from autograder.harness import SECRET_FILE, SETTINGS
from autograder.templates import TEMPLATES, filled

MARKER_FILE = ".autograder-ci"
SCRIPTS = ("setup.sh", "run_autograder", "tests/run.sh")


@dataclass(frozen=True)
class Course:
    """What a bundle is made of; `weak` where the instructor accepts a machine that cannot confine a submission."""

    catalogue: Catalogue
    assignment: str
    secret: bytes
    weak: bool = False

    def __post_init__(self):
        if self.assignment not in self.catalogue.assignments:
            known = ", ".join(self.catalogue.assignments)
            raise BadInput(f"there is no assignment {self.assignment!r}; there are {known}")

    @property
    def solutions(self) -> dict[str, bytes]:
        """The solutions folder as it is, without what Python or an editor left in it."""
        folder = self.catalogue.folder
        return {f"solutions/{path.name}": path.read_bytes() for path in sorted(folder.glob("*.py"))}

    @property
    def wheel(self) -> dict[str, bytes]:
        return {f"wheels/{FILE}": package_wheel()}

    @property
    def harness(self) -> dict[str, bytes]:
        """What `autograder.harness` reads."""
        settings = {"assignment": self.assignment, "accept_weak_sandbox": self.weak}
        return {
            **self.solutions,
            **self.wheel,
            SETTINGS: (json.dumps(settings, indent=1) + "\n").encode(),
            SECRET_FILE: (self.secret.hex() + "\n").encode(),
        }

    def template(self, name: str, **more: str) -> bytes:
        values = {"ASSIGNMENT": self.assignment, "TITLE": self.assignment, "WHEEL": FILE}
        return filled(TEMPLATES / name, {**values, **more}).encode()


def gradescope_zip(course: Course) -> bytes:
    """What Gradescope takes as an autograder: `setup.sh` and `run_autograder` at its root, the solutions inside."""
    scripts = {name: course.template(f"gradescope/{name}") for name in ("setup.sh", "run_autograder")}
    return archive({**scripts, **course.harness}, executable=SCRIPTS, private=(SECRET_FILE,))


def write_gradescope(course: Course, out: Path) -> None:
    """Writes the zip whole or not at all, for its owner alone.

    Raises:
        BadInput: it cannot be written there, or could be committed there by mistake.
    """
    if out.suffix != ".zip":
        raise BadInput(f"Gradescope takes a zip; call it {out.name}.zip")
    refuse_repository(out.resolve(), course.catalogue.folder.resolve(), what="zip")
    data = gradescope_zip(course)
    try:
        replace_bytes(out, data, mode=0o600)
    except OSError as error:
        raise BadInput(f"cannot write {out}: {error.strerror or error}") from error


def prairielearn(course: Course) -> dict[str, bytes]:
    """A question's folder."""
    # The same course and assignment are the same question each time; PrairieLearn wants a number that is nobody else's.
    number = uuid.uuid5(uuid.NAMESPACE_URL, f"{course.catalogue.digest}/{course.assignment}")
    return {
        "info.json": course.template("prairielearn/info.json", UUID=str(number)),
        "question.html": course.template("prairielearn/question.html"),
        "tests/run.sh": course.template("prairielearn/run.sh"),
        **{f"tests/{name}": data for name, data in course.harness.items()},
    }


def classroom50(course: Course) -> dict[str, bytes]:
    """What goes to `CLASSROOM/autograders/ASSIGNMENT/`: students can read all of it."""
    return {"autograder.py": course.template("classroom50/autograder.py"), FILE: package_wheel()}


def github(course: Course) -> dict[str, bytes]:
    """A private repository that grades the students' repositories."""
    return {".github/workflows/grade.yml": course.template("github/grade.yml"), **_fetching(course)}


def gitlab(course: Course) -> dict[str, bytes]:
    """A private project that grades the students' projects."""
    return {".gitlab-ci.yml": course.template("gitlab/gitlab-ci.yml"), **_fetching(course)}


def _fetching(course: Course) -> dict[str, bytes]:
    ignored = b"submitted/\nresults/\n.autograder_secret\n__pycache__/\n"
    return {**course.solutions, **course.wheel, "students.csv": b"student,repository\n", ".gitignore": ignored}


KINDS: Mapping[str, Callable[[Course], dict[str, bytes]]] = {
    "classroom50": classroom50,
    "github": github,
    "gitlab": gitlab,
    "prairielearn": prairielearn,
}


def write_bundle(kind: str, course: Course, folder: Path) -> Change:
    """Makes the folder, or refreshes it; `students.csv` and whatever else was changed stays."""
    folder = folder.resolve()
    refuse_repository(folder, course.catalogue.folder.resolve(), what="grader")
    return write_folder(
        folder,
        KINDS[kind](course),
        marker=MARKER_FILE,
        command="autograder ci",
        holds=f"the {kind} grader of {course.assignment}",
        executable=SCRIPTS,
    )
