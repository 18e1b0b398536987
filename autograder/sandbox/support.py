"""Where submissions can be confined at all, and what is said where they cannot."""

from __future__ import annotations

import platform
import sys

WEAK = (
    "a submission could read every file that you can read (solutions, other students' work, keys), "
    "change and delete files, use the network, and reach other programs of yours"
)
WAY_OUT = (
    "Grade on Linux, in WSL2, in CI, or in the container that the repository describes (Dockerfile); "
    "--accept-weak-sandbox grades here all the same"
)


def refusal(reason: str) -> str:
    """Why grading is refused, what a submission could do, and the way out, in one line."""
    return f"This machine cannot confine a submission: {reason}; {WEAK}. {WAY_OUT}."


def unsupported() -> str:
    """Why this system has no sandbox at all; empty on Linux with a known architecture."""
    if sys.platform != "linux":
        name = {"darwin": "macOS", "win32": "Windows"}.get(sys.platform, sys.platform)
        return refusal(f"{name} has nothing equal to the system-call filter of Linux")
    if platform.machine() not in ("x86_64", "aarch64"):
        return refusal(f"there is no system-call filter for {platform.machine()}")
    return ""
