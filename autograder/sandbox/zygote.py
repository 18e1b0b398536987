"""The warm process from which every submission's process is forked: numpy imported once, no secret ever held.

Run by file as `python -I -S -B zygote.py CONTROL MEMORY KIND PLACES`: KIND says what its children run (`KINDS`), and
PLACES, in JSON, what that needs to know of this machine. Each request on the control socket is one byte and a fixed
structure: F forks a child on the descriptor that comes with it and answers with its pid, which stays its own until the
child is ended; W ends one and answers with its wait status; D ends one and answers nothing. The end of the control
socket ends everything.
"""

import ctypes
import gc
import importlib
import json
import os
import socket
import struct
import sys
import types

REQUEST = struct.Struct("<cqq")  # kind; for F: CPU seconds, confine; for W and D: pid, grace in milliseconds
ANSWER = struct.Struct("<cqq")
DESCRIPTOR = struct.Struct("i")
PASSED = socket.CMSG_SPACE(DESCRIPTOR.size)
WIRE = 3
LINUX = sys.platform == "linux"  # elsewhere there are processes and rlimits, for a student's own check
# what a child frees it uses again: to get a page anew costs more than most calls do
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, KEPT = -1, -3, 32 << 20
PR_SET_DUMPABLE, PR_SET_CHILD_SUBREAPER = 4, 36


# what warms up the zygote, and whose Server a child runs: graded functions, or a notebook's cells for their plots
KINDS = {"functions": ("warm", "child"), "cells": ("cells_warm", "cells_child")}


def neighbours(kind: str, places: dict):
    """This folder's modules that a child runs, as a package of their own; returns four of them: the Server's, confine,
    nursery and layout.

    For graded functions, the package `autograder` itself is never imported: a submission that imports it gets a
    stand-in; and nothing is found on a path any more.
    """
    warm, server = KINDS[kind]
    here = os.path.dirname(os.path.abspath(__file__))
    sys.path[:] = [path for path in sys.path if path not in ("", here) and "-packages" not in path]
    package = types.ModuleType("_grading")
    package.__path__ = [here]
    sys.modules["_grading"] = package
    # threading, random and logging each want to do something in every fork; of a process with one thread and no lock
    # held there is nothing to mend, and what they would touch is two hundred pages to copy
    register = os.register_at_fork
    if kind == "functions":
        os.register_at_fork = lambda **functions: None
    layout = importlib.import_module("_grading.layout")
    held = layout.side_by_side()
    importlib.import_module(f"_grading.{warm}").warm_up(**places)
    del held
    os.register_at_fork = register
    modules = [importlib.import_module(f"_grading.{name}") for name in (server, "confine", "nursery", "layout")]
    package.__path__ = []
    if kind == "functions":
        sys.path[:] = []
        sys.path_importer_cache.clear()
    return modules


class Zygote:
    def __init__(self, control: socket.socket, memory: int, kind: str, places: dict):
        self.control = control
        self.pid = os.getpid()
        child, confine, nursery, layout = neighbours(kind, places)
        self.nursery = nursery.Nursery()
        if LINUX:
            libc = ctypes.CDLL(None, use_errno=True)
            libc.prctl(PR_SET_DUMPABLE, 0)
            libc.prctl(PR_SET_CHILD_SUBREAPER, 1)
            for option in (M_MMAP_THRESHOLD, M_TRIM_THRESHOLD):
                libc.mallopt(option, KEPT)
        confine.set_rlimits(layout.mapped() + memory if LINUX else None)
        self.confinement = confine.Confinement(places.get("readable", ()))
        self.server = child.Server(WIRE)
        os.chdir(places.get("folder", "/"))
        null = os.open("/dev/null", os.O_RDWR)
        for descriptor in (0, 1, 2):
            os.dup2(null, descriptor)
        os.close(null)
        gc.collect()
        self.filling = layout.fill_holes()
        if LINUX:
            self.filling += layout.fill_pools()
            layout.fill_heap(libc)
            layout.on_huge_pages(libc)
        gc.freeze()

    def serve(self) -> None:
        """Answers requests until the grader hangs up."""
        self.control.sendall(ANSWER.pack(b"R", self.pid, 0))
        while True:
            request, passed, _, _ = self.control.recvmsg(REQUEST.size, PASSED)
            if len(request) < REQUEST.size:
                return
            kind, first, second = REQUEST.unpack(request)
            if kind == b"F":
                self.fork(DESCRIPTOR.unpack(passed[0][2])[0], first, bool(second))
            elif kind == b"D":
                self.nursery.dismiss(first)
            else:
                self.control.sendall(ANSWER.pack(b"W", first, self.nursery.end(first, second / 1000)))

    def fork(self, descriptor: int, cpu: int, confined: bool) -> None:
        pid = os.fork()
        if not pid:
            self.become_child(descriptor, cpu, confined)
        os.close(descriptor)
        self.control.sendall(ANSWER.pack(b"F", pid, 0))
        self.nursery.born(pid, confined)

    def become_child(self, descriptor: int, cpu: int, confined: bool) -> None:
        try:
            os.dup2(descriptor, WIRE)
            close_all_but(WIRE, *self.confinement.descriptors())
            os.setsid()
            try:
                layers = self.confinement.apply(self.pid, cpu, confined)
            except BaseException as error:
                self.server.refuse(error)
            else:
                self.server.serve(layers)
        finally:
            os._exit(70)


def close_all_but(*kept: int) -> None:
    """Closes every descriptor above the standard three but these."""
    start = 3
    for descriptor in sorted(kept):
        os.closerange(start, descriptor)
        start = descriptor + 1
    os.closerange(start, 1 << 16)


if __name__ == "__main__":
    Zygote(socket.socket(fileno=int(sys.argv[1])), int(sys.argv[2]), sys.argv[3], json.loads(sys.argv[4])).serve()
    os._exit(0)
