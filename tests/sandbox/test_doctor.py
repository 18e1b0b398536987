"""The doctor believes nothing: what it says holds was tried just now, and it notices what does not."""

from __future__ import annotations

import errno
import platform
import subprocess
import sys

import pytest

from autograder.sandbox import Sandbox, SandboxError, support
from autograder.sandbox.doctor import examine
from autograder.sandbox.seccomp import PR_SET_SECCOMP


def test_a_confined_machine_passes_every_probe():
    """On Linux every claim that grading rests on holds, and the last line says what protects it."""
    examination = examine()
    assert len(examination.probes) == 21
    assert [probe.claim for probe in examination.probes if probe.needed and not probe.holds] == []
    assert examination.sound
    assert examination.lines()[-1] == f"Submissions are confined here: {examination.level}."
    assert examination.level.startswith("seccomp+")


def test_without_confinement_the_probes_fail():
    """With the filter off the same probes succeed in what they try, and the examination says what that means."""
    examination = examine("none")
    failed = {probe.claim for probe in examination.probes if not probe.holds}
    assert {
        "no file can be read",
        "there is no network",
        "no process can be started",
        "no program can be run",
    } <= failed
    assert not examination.sound
    assert "a submission could read every file that you can read" in examination.lines()[-1]


@pytest.mark.parametrize(("system", "name"), [("darwin", "macOS"), ("win32", "Windows")])
def test_other_systems_are_refused_with_the_way_out(monkeypatch, system, name):
    """macOS and Windows refuse to grade, in one line that says what could happen and what to do instead."""
    monkeypatch.setattr(sys, "platform", system)
    assert examine().refusal == support.unsupported()
    with pytest.raises(SandboxError) as refused, Sandbox():
        pass
    assert str(refused.value) == (
        f"This machine cannot confine a submission: {name} has nothing equal to the system-call filter of Linux; "
        "a submission could read every file that you can read (solutions, other students' work, keys), change and "
        "delete files, use the network, and reach other programs of yours. Grade on Linux, in WSL2, in CI, or in the "
        "container that the repository describes (Dockerfile); --accept-weak-sandbox grades here all the same."
    )


# A process that first takes a system call away from itself and its children, as another kernel or container would.
_OLDER_KERNEL = """
import ctypes, sys
from autograder.sandbox import seccomp
from autograder.sandbox.doctor import examine

number, option, error = (int(word) for word in sys.argv[1:])
seccomp.program = lambda machine, reading: [
    (seccomp.LOAD, 0, 0, seccomp.NUMBER),
    (seccomp.JEQ, 0, 3, number),
    (seccomp.LOAD, 0, 0, seccomp.ARGUMENTS),
    (seccomp.JEQ if option >= 0 else seccomp.JGE, 0, 1, max(option, 0)),
    (seccomp.RETURN, 0, 0, seccomp.ERRNO | error),
    (seccomp.RETURN, 0, 0, seccomp.ALLOW),
]
libc = ctypes.CDLL(None, use_errno=True)
libc.prctl(38, 1, 0, 0, 0)
seccomp.Filter().install(libc)
examination = examine()
print(examination.level, examination.sound)
print(examination.refusal)
"""
PRCTL = {"x86_64": 157, "aarch64": 167}[platform.machine()]
LANDLOCK_CREATE_RULESET = 444


def on_a_kernel_without(number: int, option: int, error: int) -> list[str]:
    command = [sys.executable, "-c", _OLDER_KERNEL, str(number), str(option), str(error)]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout.splitlines()


def test_without_a_filter_nothing_is_graded():
    """Where the kernel refuses the filter, no sandbox starts, and the reason says so."""
    level, refusal = on_a_kernel_without(PRCTL, PR_SET_SECCOMP, errno.EINVAL)
    assert level == "none False"
    assert "the kernel refused the system-call filter: EINVAL; a submission could read every file" in refusal


def test_without_landlock_the_filter_stands_alone():
    """A kernel without Landlock is no reason to refuse; the level says what holds."""
    level, _ = on_a_kernel_without(LANDLOCK_CREATE_RULESET, -1, errno.ENOSYS)
    assert level.split()[0].startswith("seccomp+rlimits")
    assert level.endswith("True")


def test_the_package_imports_where_unix_modules_are_missing():
    """Windows has no resource and no fcntl: what a student's own check needs imports without them."""
    script = """
import sys
for name in ("resource", "fcntl", "pwd", "grp", "termios"):
    sys.modules[name] = None
import autograder.local, autograder.sandbox, autograder.sandbox.doctor, autograder.submission
"""
    subprocess.run([sys.executable, "-c", script], check=True, timeout=60)


def test_root_without_another_user_is_no_reason_to_refuse():
    """In a user namespace with one user, as in rootless containers, the filter stands without a change of user."""
    script = "from autograder.sandbox.doctor import examine\nfound = examine()\nprint(found.level, found.sound)"
    command = ["unshare", "--user", "--map-root-user", sys.executable, "-c", script]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    if done.returncode and "unshare" in done.stderr:
        pytest.skip("no user namespaces here")
    assert done.stdout.split() in (["seccomp+landlock+rlimits", "True"], ["seccomp+rlimits", "True"])
