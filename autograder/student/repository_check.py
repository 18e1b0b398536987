"""`autograder check` for a whole repository of a student: every assignment that it holds, with the public keys.

It is what the workflows of a released repository run. What comes out is the same record as a grader's results.json,
marked as public, so that every format can be written of it.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from autograder import __version__
from autograder.answer_key import Key
from autograder.assess import report_on
from autograder.calls import RAISED
from autograder.errors import BadInput
from autograder.formats.reading import failed, is_public, not_begun
from autograder.intake.locate import located
from autograder.public_keys import read_keys
from autograder.publish import Wanted, publish
from autograder.rendering.shown import points_text, to_dict
from autograder.rendering.text import to_text
from autograder.report import PASSED, Finding, FunctionReport, SubmissionReport
from autograder.results import SCHEMA, write_text
from autograder.student.own_session import OwnSessions
from autograder.submission import guess_assignment, read_submission

MARKER_FILE = ".autograder-release"


def is_repository(folder: Path) -> bool:
    """Whether `autograder release` made this folder, or it is a clone of one."""
    return (folder / MARKER_FILE).is_file()


def check_repository(path: Path, *, assignment: str | None = None) -> list[tuple[dict, tuple[FunctionReport, ...]]]:
    """The record and the reports of each assignment at a path; of a repository, of each folder of an assignment.

    Args:
        assignment: this one only.
    Raises:
        BadInput: there is nothing there to check.
    """
    if not path.exists():
        raise BadInput(f"there is nothing at {path}")
    if assignment is None:
        places = _places(path)
    elif is_repository(path):
        places = {name: place for name, place in _places(path).items() if name == assignment}
    else:
        places = {assignment: path}
    if not places:
        raise BadInput(f"there is no {assignment} at {path}; there are {', '.join(_places(path))}")
    return [_check(name, place) for name, place in places.items()]


def _places(path: Path) -> Mapping[str, Path]:
    """Where the work for each assignment lies."""
    keys = _by_assignment(path)
    if is_repository(path):
        folders = {name: path / name for name in sorted(keys) if (path / name).is_dir()}
        folders |= {p.parent.name: p.parent for p in path.glob("[!.]*/keys") if p.is_dir()}
        if folders:
            return dict(sorted(folders.items()))
    names = {name: [f.name for key in found for f in key.functions] for name, found in keys.items()}
    try:
        return {guess_assignment([path], names): path}
    except (ValueError, OSError) as error:
        raise BadInput(error) from error


def _by_assignment(path: Path) -> dict[str, list[Key]]:
    try:
        keys = read_keys(path if path.is_dir() else path.parent)
    except ValueError as error:
        raise BadInput(error) from error
    found: dict[str, list[Key]] = {}
    for key in keys.values():
        found.setdefault(key.assignment, []).append(key)
    return found


def _check(assignment: str, path: Path) -> tuple[dict, tuple[FunctionReport, ...]]:
    keys = _by_assignment(path).get(assignment, [])
    if not keys:
        raise BadInput(f"{path}: there is no public answer key for {assignment}; fetch the course again")
    start = time.perf_counter()
    submission = read_submission(path, student="you", assignment=assignment)
    if submission.problem:
        reports, remarks = _unreadable(keys, submission.problem), submission.remarks
    else:
        names = [f.name for key in keys for f in key.functions]
        with OwnSessions() as sessions, sessions.open(submission.sources, names) as session:
            reports = tuple(report for key in keys for report in report_on(key, session, submission))
            remarks = (*submission.remarks, *session.remarks)
    report = SubmissionReport(
        student="you",
        path=path.as_posix(),
        digest=submission.digest,
        assignment=assignment,
        functions=reports,
        remarks=tuple(dict.fromkeys(remarks)),
        seconds=time.perf_counter() - start,
    )
    record = {
        "schema": SCHEMA,
        "assignment": assignment,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "grader": {"version": __version__, "key": "public", "sandbox": "none", "secret": ""},
        "submissions": [to_dict(report)],
    }
    return record, reports


def _unreadable(keys: Sequence[Key], problem: str) -> tuple[FunctionReport, ...]:
    """Work that cannot be read is wrong, not absent: every function of it fails for that reason."""
    finding = Finding(case="", array="", passed=False, kind=RAISED, headline=problem)
    return tuple(FunctionReport(f.name, RAISED, 0.0, f.points, (finding,)) for key in keys for f in key.functions)


def check_and_write(
    path: Path, *, assignment: str | None, out: Path | None, asked: Wanted, hints: int, tell: Callable[[str], object]
) -> list[dict]:
    """Checks, tells what is found, and writes the records and their formats into `out`.

    Raises:
        BadInput: there is nothing to check, or nowhere to write.
    """
    if asked.formats and out is None:
        raise BadInput("--format writes files: say where with --out DIR")
    found = check_repository(path, assignment=assignment)
    asked.told(tell)("\n\n".join(text(record, reports, hints) for record, reports in found))
    records = [located(record) for record, _ in found]
    if out is not None:
        try:
            for record in records:
                (out / record["assignment"]).mkdir(parents=True, exist_ok=True)
                as_json = json.dumps(record, indent=1, ensure_ascii=True, allow_nan=False) + "\n"
                write_text(out / record["assignment"] / "results.json", as_json)
        except OSError as error:
            raise BadInput(f"cannot write to {out}: {error.strerror or error}") from error
        publish(records, out, asked, tell)
    return records


def passed(records: Sequence[dict], *, all_begun: bool = False) -> bool:
    """Whether nothing that was begun fails; with `all_begun`, whether nothing fails at all."""
    return not any(
        failed(exercise)
        for record in records
        if all_begun or not (is_public(record) and not_begun(record))
        for exercise in record["submissions"][0]["exercises"]
    )


def text(record: dict, reports: Sequence[FunctionReport], hints: int = 1) -> str:
    """What is found about one assignment, for a terminal."""
    if not_begun(record):
        return f"{record['assignment']}: not begun."
    good = [r for r in reports if r.status == PASSED]
    submission = record["submissions"][0]
    points = f"{points_text(submission['score'])} of {points_text(submission['max_score'])} points"
    parts = [
        f"{record['assignment']}: {len(good)} of {len(reports)} functions pass the public checks, "
        f"{points} if the hidden checks agree."
    ]
    parts += [to_text(r, hints=hints, public=True) for r in reports if r not in good or r.flagged]
    return "\n\n".join([*parts, *(f"Remark: {remark}" for remark in submission["remarks"])])
