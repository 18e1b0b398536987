"""Live probes of what protects this machine: a submission of our own tries what an attack would try, in the sandbox.

`examine()` runs at the start of every grading run and behind `autograder doctor`. It believes no version number and no
configuration: each line is something that was tried just now.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..calls import CRASHED, FORBIDDEN, RAISED, RETURNED, TIMEOUT, Call, Limits, Reply, Source
from .box import Sandbox
from .supervisor import ENVIRONMENT, SandboxError
from .support import refusal, unsupported


@dataclass(frozen=True)
class Probe:
    """One thing that was tried. claim: what should hold. holds: whether it did. finding: what was seen."""

    claim: str
    holds: bool
    finding: str
    needed: bool = True


@dataclass(frozen=True)
class Examination:
    """What protects this machine. sound: every claim that grading relies on holds."""

    level: str
    probes: tuple[Probe, ...]
    refusal: str = ""

    @property
    def sound(self) -> bool:
        return not self.refusal and all(probe.holds for probe in self.probes if probe.needed)

    def lines(self) -> list[str]:
        """For a terminal: one line a probe, then what it means."""
        marks = {True: "ok  ", False: "FAIL"}
        told = [f"{marks[probe.holds]}  {probe.claim} ({probe.finding})" for probe in self.probes]
        if self.sound:
            return [*told, f"Submissions are confined here: {self.level}."]
        return [*told, self.refusal or refusal("a probe failed")]


# Each function tries one thing and returns normally only if it succeeded.
_TRIES = """
import ctypes, mmap, os, signal, socket, sys, threading
import numpy as np

def read_file():
    os.close(os.open("/etc/passwd", os.O_RDONLY))

def list_folder():
    os.listdir("/")

def read_grader():
    os.close(os.open("/proc/%d/environ" % os.getppid(), os.O_RDONLY))

def write_file():
    os.close(os.open("/tmp", os.O_WRONLY | os.O_TMPFILE))

def open_internet():
    socket.socket(socket.AF_INET).close()

def open_unix():
    socket.socket(socket.AF_UNIX).close()

def fork():
    if os.fork() == 0:
        os._exit(0)

def start_thread():
    thread = threading.Thread(target=int)
    thread.start()
    thread.join()

def run_program():
    os.execv("/bin/true", ["true"])

def signal_grader():
    os.kill(os.getppid(), 0)

def executable_memory():
    mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)

def raise_limit():
    import resource
    resource.setrlimit(resource.RLIMIT_CPU, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))

def be_root():
    assert 0 in (os.getuid(), os.geteuid(), os.getgid(), os.getegid())

def read_secrets():
    assert [name for name in os.environ if name not in ENVIRONMENT]

def inherited_descriptors():
    open_ones = []
    for descriptor in range(4, 64):
        try:
            os.read(descriptor, 0)
            open_ones.append(descriptor)
        except OSError as error:
            if error.errno != 9:
                open_ones.append(descriptor)
    assert open_ones

def take_memory(size):
    np.ones(int(size) // 8)

def trace_grader():
    ctypes.CDLL(None).process_vm_readv(os.getppid(), None, 0, None, 0, 0)

def end_process():
    os._exit(0)

def run_for_ever():
    while True:
        pass
"""

# function: (what holds where it fails, the statuses that mean that it failed)
_CLAIMS = {
    "read_file": ("no file can be read", (RAISED,)),
    "list_folder": ("no folder can be listed", (RAISED,)),
    "read_grader": ("the grader's process cannot be looked into", (RAISED,)),
    "write_file": ("no file can be written", (RAISED,)),
    "open_internet": ("there is no network", (RAISED,)),
    "open_unix": ("there are no local sockets", (RAISED,)),
    "fork": ("no process can be started", (RAISED,)),
    "start_thread": ("no thread can be started", (RAISED,)),
    "run_program": ("no program can be run", (RAISED,)),
    "signal_grader": ("no other process can be signalled", (RAISED,)),
    "executable_memory": ("no memory can be made executable", (RAISED,)),
    "raise_limit": ("no limit can be raised", (RAISED,)),
    "be_root": ("it is not root", (RAISED,)),
    "read_secrets": ("its environment holds nothing of yours", (RAISED,)),
    "inherited_descriptors": ("no descriptor is inherited", (RAISED,)),
    "take_memory": ("memory is limited", (RAISED, CRASHED)),
    "trace_grader": ("an attack on another process ends it", (FORBIDDEN,)),
    "end_process": ("a process that ends is noticed", (CRASHED,)),
    "run_for_ever": ("a loop without end is stopped", (TIMEOUT,)),
}
_LIMITS = Limits(definitions=5.0, call=0.2, call_wall=5.0, total_wall=30.0, memory=256 << 20)


def examine(confine: str = "full") -> Examination:
    """Tries everything once. Never raises for what it finds: a sandbox that does not start is a finding."""
    if confine == "full" and (reason := unsupported()):
        return Examination("none", (), reason)
    calls = [Call(name, (2.0 * _LIMITS.memory,) if name == "take_memory" else ()) for name in _CLAIMS]
    try:
        source = Source("doctor", f"ENVIRONMENT = {sorted(ENVIRONMENT)}\n{_TRIES}")
        with Sandbox(_LIMITS, confine) as box, box.open([source], list(_CLAIMS)) as session:
            level, clock = box.level, session.sees_cpu
            replies = session.run(calls)
    except SandboxError as error:
        return Examination("none", (), refusal(str(error)))
    probes = [_probe(name, reply) for name, reply in zip(_CLAIMS, replies, strict=True)]
    probes.append(Probe("CPU time is measured from outside", clock, "by the kernel's clock of the process"))
    landlock = "landlock" in level
    probes.append(
        Probe("a second wall, Landlock", landlock, "in this kernel" if landlock else "not here", needed=False)
    )
    return Examination(level, tuple(probes))


def _probe(name: str, reply: Reply) -> Probe:
    claim, statuses = _CLAIMS[name]
    if reply.status == RETURNED:
        return Probe(claim, False, "it succeeded", needed=name != "be_root")  # a namespace without other users
    if reply.status == RAISED and reply.problem.type == "AssertionError":
        return Probe(claim, RAISED in statuses, "none was seen")
    said = reply.problem.message if reply.problem else reply.status
    return Probe(claim, reply.status in statuses, said.splitlines()[0] if said else reply.status)
