"""Ten thousand submissions through one sandbox: is anything left behind? `python benchmarks/soak.py [--count N]`.

Nine in ten are honest; the others crash, exit, raise, flood the wire or hang. Descriptors, memory and processes of this
process and of the zygote are printed as they go, and the run fails if they grow.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path

from sandbox import NAMES, SOURCES, calls

from autograder.calls import Call, Limits, Source
from autograder.sandbox import Sandbox

LIMITS = Limits(definitions=2.0, call=0.1, call_wall=1.0, total_wall=10.0, memory=256 << 20)
BAD = {
    "exits": "import os\ndef f():\n    os._exit(0)",
    "crashes": "import ctypes\ndef f():\n    ctypes.string_at(0)",
    "raises": "def f():\n    raise ValueError",
    "forges": "import os\ndef f():\n    os.write(3, bytes(64))",
    "attacks": "import os\ndef f():\n    os.chroot('/')",
    "allocates": "import numpy as np\ndef f():\n    return np.ones(1 << 40)",
    "is no Python": "def f(:",
    "hangs": "def f():\n    while True: pass",
}


def state(pid: int) -> dict[str, int]:
    """What a process holds: descriptors, resident memory in KiB, living and dead children."""
    status = Path(f"/proc/{pid}/status").read_text()
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return {
        "descriptors": len(os.listdir(f"/proc/{pid}/fd")),
        "memory": int(status.split("VmRSS:")[1].split()[0]),
        "children": len(children),
    }


def one(box: Sandbox, number: int) -> None:
    bad = list(BAD.values())[number // 10 % len(BAD)] if number % 10 == 9 else None
    if bad is None:
        with box.open(SOURCES, NAMES) as session:
            assert all(reply.status == "returned" for reply in session.run(calls(4)))
        return
    with box.open([Source("cell 1", bad)], ["f"]) as session:
        session.run([Call("f", ())])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=10_000)
    count = parser.parse_args().count
    ticks = [max(1, count * tenth // 10) for tenth in range(1, 11)]
    seen = []
    print(f"{'submissions':>12}{'seconds':>9}  {'grader':46}{'zygote':46}")
    with Sandbox(LIMITS) as box:
        start = time.perf_counter()
        for number in range(count):
            one(box, number)
            if number + 1 in ticks:
                box._spawn().end(0)  # so that the zygote has reaped the last one
                states = [state(os.getpid()), state(box._zygote.pid)]
                seen.append(states)
                told = ("  ".join(f"{name} {value}" for name, value in one_state.items()) for one_state in states)
                seconds = time.perf_counter() - start
                print(f"{number + 1:12}{seconds:9.1f}  " + "".join(f"{text:46}" for text in told), flush=True)
    first, last = seen[0], seen[-1]
    grown = [
        f"{name} of the {who} went from {one[name]} to {two[name]}"
        for who, one, two in zip(("grader", "zygote"), first, last, strict=True)
        for name in one
        if two[name] > one[name] + (4096 if name == "memory" else 0)
    ]
    print("; ".join(grown) or "nothing grew")
    return bool(grown)


if __name__ == "__main__":
    sys.exit(main())
