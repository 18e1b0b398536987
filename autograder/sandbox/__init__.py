"""Runs a submission's code in a process that can read, reach and outlive nothing; see docs/security.md.

What needs a system with processes that fork is imported when first used: a student's own `check()` shares the rest, on
any system.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..calls import Limits

if TYPE_CHECKING:
    from .box import Sandbox
    from .supervisor import SandboxError

_HOMES = {"Sandbox": "box", "SandboxError": "supervisor"}
__all__ = ["Limits", "Sandbox", "SandboxError"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
