"""What each consumer accepts, as JSON schemas written from its documentation, and what GitHub's runner obeys.

Sources: Gradescope, "Output format"; PrairieLearn, "Grading results"; Classroom 50, schemas/result-v1.schema.json;
GitLab, "Code Quality report format"; GitHub's runner, ActionCommand.
"""

import re

POINTS = {"type": "number", "minimum": 0}
TEXT_FORMATS = {"enum": ["text", "html", "simple_format", "md", "ansi"]}
VISIBILITY = {"enum": ["hidden", "after_due_date", "after_published", "visible"]}

GRADESCOPE = {
    "type": "object",
    "additionalProperties": False,
    "required": ["tests"],
    "properties": {
        "score": {"type": "number"},
        "execution_time": {"type": "number"},
        "output": {"type": "string"},
        "output_format": TEXT_FORMATS,
        "test_output_format": TEXT_FORMATS,
        "test_name_format": TEXT_FORMATS,
        "visibility": VISIBILITY,
        "stdout_visibility": VISIBILITY,
        "extra_data": {"type": "object"},
        "leaderboard": {"type": "array"},
        "tests": {
            "type": "array",
            "items": {
                "type": "object",
                "additionalProperties": False,
                "required": ["name", "score", "max_score"],
                "properties": {
                    "score": {"type": "number"},
                    "max_score": {"type": "number"},
                    "status": {"enum": ["passed", "failed"]},
                    "name": {"type": "string"},
                    "name_format": TEXT_FORMATS,
                    "number": {"type": "string"},
                    "output": {"type": "string"},
                    "output_format": TEXT_FORMATS,
                    "tags": {"type": "array", "items": {"type": "string"}},
                    "visibility": VISIBILITY,
                    "extra_data": {"type": "object"},
                },
            },
        },
    },
}

STRINGS = {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]}
PRAIRIELEARN = {
    "type": "object",
    "properties": {
        "gradable": {"type": "boolean"},
        "score": {"type": "number", "minimum": 0, "maximum": 1},
        "format_errors": STRINGS,
        "message": {"type": "string"},
        "output": {"type": "string"},
        "images": {"type": "array"},
        "tests": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["name", "points", "max_points"],
                "properties": {
                    "name": {"type": "string"},
                    "description": {"type": "string"},
                    "points": POINTS,
                    "max_points": POINTS,
                    "message": {"type": "string"},
                    "output": {"type": "string"},
                },
            },
        },
    },
    "if": {"properties": {"gradable": {"const": False}}, "required": ["gradable"]},
    "then": {"required": ["format_errors"]},
    "else": {"required": ["score"]},
}

WHOLE = {"type": "integer", "minimum": 0}
NAMED = {"type": "string", "minLength": 1}
CLASSROOM50 = {
    "type": "object",
    "additionalProperties": False,
    "required": [
        "schema", "classroom", "assignment", "assignment_type", "owner", "submission", "commit", "release", "review",
        "datetime", "score", "max-score", "tests",
    ],
    "properties": {
        "schema": {"const": "classroom50/result/v1"},
        "classroom": NAMED,
        "assignment": NAMED,
        "assignment_type": {"enum": ["individual", "group"]},
        "owner": NAMED,
        "submission": {"type": "string", "pattern": "^submit/"},
        "commit": NAMED,
        "release": NAMED,
        "review": NAMED,
        "datetime": {"type": "string", "pattern": r"^\d{4}-\d{2}-\d{2}T([01]\d|2[0-3]):[0-5]\d:[0-5]\dZ$"},
        "score": WHOLE,
        "max-score": WHOLE,
        "tests": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["test-name", "passed", "score", "max-score"],
                "properties": {
                    "test-name": NAMED,
                    "passed": {"type": "boolean"},
                    "score": WHOLE,
                    "max-score": WHOLE,
                },
            },
        },
    },
}  # fmt: skip

CODE_QUALITY = {
    "type": "array",
    "items": {
        "type": "object",
        "required": ["description", "check_name", "fingerprint", "severity", "location"],
        "properties": {
            "description": NAMED,
            "check_name": NAMED,
            "fingerprint": NAMED,
            "severity": {"enum": ["info", "minor", "major", "critical", "blocker"]},
            "location": {
                "type": "object",
                "required": ["path", "lines"],
                "properties": {
                    "path": {"type": "string", "pattern": r"^[^/\\]"},
                    "lines": {"type": "object", "required": ["begin"], "properties": {"begin": {"type": "integer"}}},
                },
            },
        },
    },
}


def commands_obeyed(output: str) -> list[tuple[str, dict, str]]:
    """(name, properties, message) of every workflow command that GitHub's runner would obey in a step's output.

    As in its ActionCommand: a line that begins with "::" after white space, else "##[" anywhere in a line; nothing
    between stop-commands and its token.
    """
    obeyed, token = [], None
    for line in re.split(r"\r\n|\r|\n", output):
        match = re.match(r"\s*::([\w-]+)(?: ([^:]*))?::(.*)", line) or re.search(
            r"##\[([\w-]+)(?: ([^\]]*))?\](.*)", line
        )
        if token is not None:
            token = None if match and match[1] == token else token
            continue
        if match and match[1] == "stop-commands":
            token = match[3]
        elif match:
            properties = dict(p.split("=", 1) for p in (match[2] or "").split(",") if p)
            obeyed.append((match[1], {k: _read(v) for k, v in properties.items()}, _read(match[3])))
    return obeyed


def _read(text: str) -> str:
    for written, read in (("%0D", "\r"), ("%0A", "\n"), ("%3A", ":"), ("%2C", ","), ("%25", "%")):
        text = text.replace(written, read)
    return text
