"""What to say of a call that did not return: what happened, the student's own lines, a sentence of help."""

from __future__ import annotations

from dataclasses import dataclass

from autograder import calls
from autograder.calls import Frame, Problem, Reply
from autograder.diagnosis.exception_help import Setting, help_for

# Lines of a traceback that are shown: where the function was entered, and the innermost.
SHOWN = 3

_HAPPENED = {
    calls.MISSING: "is not written yet",
    calls.TIMEOUT: "did not finish",
    calls.CRASHED: "ended the process it ran in",
    calls.FORBIDDEN: "did something that is not allowed here",
    calls.PROTOCOL: "sent something that is no answer",
    calls.GRADER_ERROR: "could not be run: the autograder broke, not your code",
}
_HELP = {
    calls.MISSING: "Your code takes the place of the line that raises NotImplementedError.",
    calls.TIMEOUT: "Is there a loop whose end is never reached, or a call that waits for something?",
    calls.CRASHED: "Python itself ended here, as by an exit or a recursion without end; no exercise needs either.",
    calls.FORBIDDEN: "All that it takes is in the arguments and in numpy: no files, no network, no other programs.",
    calls.PROTOCOL: "Give back what you computed with return; the autograder's own connection is not for writing.",
    calls.GRADER_ERROR: "Nothing here is held against you. Please show this to whoever runs the course.",
}
_TOO_SLOW = "On large inputs this costs too much: is something computed once for every single number?"


@dataclass(frozen=True)
class Stop:
    """A call that gave no value, in words.

    evidence: what happened, in one line; raised: the exception, trace: the student's own lines, the innermost last.
    """

    headline: str
    evidence: str = ""
    raised: str = ""
    trace: tuple[tuple[str, str], ...] = ()
    help: str = ""


def stopped(setting: Setting, reply: Reply, *, costly: bool = False) -> Stop:
    """What became of a call of `setting.function`, whose own forward may be what stopped it.

    costly: the call was asked for because of what it costs.
    """
    problem = reply.problem
    slow = reply.status == calls.TIMEOUT and costly
    raised = f"raised {problem.type}" if problem and problem.type else "raised an exception"
    what = "takes too long" if slow else _HAPPENED.get(reply.status, raised)
    if reply.where == "forward":
        headline = f"{setting.function} needs your {setting.forward}, which {what}."
        help = f"Look at {setting.forward} first; once it returns, {setting.function} is checked too."
        return Stop(headline, evidence_of(problem, reply.status), help=help)
    headline = f"{setting.function} {what}."
    if reply.status != calls.RAISED:
        help = _TOO_SLOW if slow else _HELP.get(reply.status, "")
        return Stop(headline, evidence_of(problem, reply.status), help=help)
    if problem is None:
        return Stop(headline)
    return _raised(headline, problem, help_for(problem, setting))


def _raised(headline: str, problem: Problem, help: str) -> Stop:
    raised = f"{problem.type}: {problem.message.strip()}".strip(": ")
    return Stop(headline, evidence_of(problem, calls.RAISED), raised, trace_of(problem), help)


def undefined(name: str, problem: Problem | None, where: str, untouched: bool) -> Stop:
    """Why there is no function to call: an untouched stub, no definition, or a cell that did not get that far."""
    if untouched:
        return Stop(f"{name} is not written yet.", help=_HELP[calls.MISSING])
    if problem is not None and not problem.type:
        return Stop(f"{name} could not be defined.", evidence_of(problem, calls.RAISED))
    if problem is not None:
        return _raised(f"{name} could not be defined: {problem.type}.", problem, help_for(problem, Setting(name)))
    if where == calls.LIVE:
        help = "Has the cell that defines it been run since the notebook was opened, and did it run without an error?"
        return Stop(f"{name} is not defined in this notebook yet.", help=help)
    help = "Is the name in the def line spelt as the exercise has it?"
    if where:
        return Stop(f"{name} is not defined: its own place, {where}, holds no such function.", help=help)
    return Stop(f"{name} is not defined: no cell and no file holds it.", help=help)


def evidence_of(problem: Problem | None, status: str) -> str:
    """An exception's message and the student's own line that it came from, in one line."""
    if problem is None or status == calls.MISSING:
        return ""
    parts = [problem.message.strip()]
    if problem.frames:
        last = problem.frames[-1]
        parts.append(f"{last.label}, line {last.line}: {last.text.strip()}")
    return "   ".join(part for part in parts if part)


def trace_of(problem: Problem) -> tuple[tuple[str, str], ...]:
    """The student's own lines: all of a short traceback, of a long one the outermost and the innermost."""
    frames = problem.frames
    if len(frames) > SHOWN:
        left_out = len(frames) - SHOWN
        return (
            _line(frames[0]),
            (f"{left_out} more call{'s' * (left_out > 1)}", ""),
            *(_line(frame) for frame in frames[-SHOWN + 1 :]),
        )
    return tuple(_line(frame) for frame in frames)


def _line(frame: Frame) -> tuple[str, str]:
    inside = f", in {frame.function}" if frame.function not in ("", "<module>") else ""
    return f"{frame.label}, line {frame.line}{inside}", frame.text.strip()
