"""JUnit XML: one suite a submission, one case a function, for GitLab, GitHub's reporters and CodeGrade.

JUnit knows no points, so they stand in the text. GitLab reads a failure's body and not its message, and knows a case by
class and name: the body says all, and the pair is unique.
"""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from collections.abc import Sequence

from autograder import calls
from autograder.formats.reading import failed, headline, is_public, not_begun, student_text, xml_text


def text(records: Sequence[dict]) -> str:
    """The cases of all records."""
    root = ElementTree.Element("testsuites", name="autograder")
    for record in records:
        for submission in record["submissions"]:
            root.append(_suite(record, submission))
    for what in ("tests", "failures", "errors", "skipped"):
        root.set(what, str(sum(int(suite.get(what)) for suite in root)))
    ElementTree.indent(root)
    return '<?xml version="1.0" encoding="utf-8"?>\n' + ElementTree.tostring(root, encoding="unicode") + "\n"


def _suite(record: dict, submission: dict) -> ElementTree.Element:
    name = record["assignment"]
    if not is_public(record):
        name = f"{name}.{submission['student']}"
    skip = is_public(record) and not_begun(record)
    cases = [_case(record, submission, exercise, name, skip) for exercise in submission["exercises"]]
    counts = {
        "tests": len(cases),
        "failures": sum(case.find("failure") is not None for case in cases),
        "errors": sum(case.find("error") is not None for case in cases),
        "skipped": sum(case.find("skipped") is not None for case in cases),
    }
    suite = ElementTree.Element(
        "testsuite",
        name=xml_text(name),
        time=f"{submission['seconds']:.3f}",
        timestamp=record["created"],
        **{what: str(count) for what, count in counts.items()},
    )
    suite.extend(cases)
    return suite


def _case(record: dict, submission: dict, exercise: dict, suite: str, skip: bool) -> ElementTree.Element:
    seconds = exercise.get("seconds", submission["seconds"] / len(submission["exercises"]))
    case = ElementTree.Element("testcase", classname=xml_text(suite), name=exercise["name"], time=f"{seconds:.3f}")
    if "file" in exercise:
        case.set("file", xml_text(exercise["file"]))
        case.set("line", str(exercise["line"]))
    if skip:
        ElementTree.SubElement(case, "skipped", message="not begun")
    elif failed(exercise):
        kind = "error" if exercise["status"] == calls.GRADER_ERROR else "failure"
        problem = ElementTree.SubElement(case, kind, message=xml_text(headline(exercise)), type=exercise["status"])
        problem.text = xml_text(student_text(record, exercise))
    return case
