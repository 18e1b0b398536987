"""The files that releases and bundles are made of, as they will lie there, with @NAMES@ where a text is filled in."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

TEMPLATES = Path(__file__).resolve().parent


def filled(template: Path, values: Mapping[str, str]) -> str:
    """The text of a template with each @NAME@ replaced; a name that is not given is left as it is."""
    text = template.read_text(encoding="utf-8")
    return re.sub(r"@([A-Z]+[0-9]*)@", lambda m: values.get(m[1], m[0]), text)
