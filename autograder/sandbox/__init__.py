"""Runs a submission's code in a process that can read, reach and outlive nothing; see docs/security.md."""

from ..calls import Limits
from .box import Sandbox
from .supervisor import SandboxError

__all__ = ["Limits", "Sandbox", "SandboxError"]
