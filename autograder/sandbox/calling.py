"""Makes one call of a student's function on fresh copies and says what became of it, as a plain tuple.

A reply is (status, value, paired, problem, where, mutated, warnings, seconds); see `autograder.calls.Reply`.
"""

from __future__ import annotations

import io
import time
import types
import warnings

import numpy as np

from .problems import clean, describe_error
from .wire import CODES, MAX_DEPTH, MAX_ITEMS, MAX_RANK, Odd, fresh

RETURNED, MISSING, RAISED = "returned", "missing", "error"
MAX_WARNINGS, MAX_WARNING = 5, 300

# bound early: a submission may patch the modules they come from
_cpu_time = time.thread_time  # the process's own clock moves by ticks while a limit on CPU time is set
_view = np.ndarray.view
_array = np.ndarray
_words, _numbers = np.dtype(np.int64), np.dtype(np.float64)
LARGE = 1 << 14  # bytes of an array that is not copied to be looked at


class Sink(io.TextIOBase):
    """Swallows what a submission prints."""

    encoding = "utf-8"
    errors = "replace"

    def writable(self):
        return True

    def write(self, text):
        return len(text) if isinstance(text, str) else 0

    def fileno(self):
        raise io.UnsupportedOperation("fileno")

    @property
    def buffer(self):
        return _ByteSink()


class _ByteSink(io.RawIOBase):
    def writable(self):
        return True

    def write(self, data):
        return len(data)


class Warnings:
    """Collects the first few warnings, each once; put in the place of `warnings.showwarning`."""

    def __init__(self):
        self.texts: list[str] = []

    def __call__(self, message, category, filename, lineno, file=None, line=None):
        if len(self.texts) < MAX_WARNINGS:
            text = clean(f"{category.__name__}: {message}", MAX_WARNING)
            if text not in self.texts:
                self.texts.append(text)

    def take(self) -> tuple[str, ...]:
        texts = tuple(self.texts)
        self.texts.clear()
        return texts

    def listen(self) -> None:
        warnings.simplefilter("always")
        warnings.showwarning = self


class Caller:
    """Calls the functions of a loaded submission. `functions` maps a name to (function or None, problem or None).

    keeps: whether a backward may have the cache of the call before it, where that was its forward's with the very same
        arguments: what that one returned must be on its way by then, since a backward may write into its cache.
    """

    def __init__(self, functions, labels, collector, standins=types.SimpleNamespace(grading=False), keeps=False):  # noqa: B008
        self.functions, self.labels, self.collector, self.standins = functions, labels, collector, standins
        self.keeps, self.kept = keeps, (None, None, None)
        self.since = 0.0  # when the call before ended

    def begin(self) -> None:
        """Before the first of several calls: the time of each is told from the end of the one before it."""
        self.since = _cpu_time()

    def call(self, function, args, forward=None, dout=None, pair=False, max_bytes=1 << 20):
        self.collector.texts.clear()
        self.standins.grading = True
        try:
            status, value, paired, problem, where, mutated = self._call(function, args, forward, dout, pair, max_bytes)
        except MemoryError:
            status, value, paired, where, mutated = RAISED, None, True, "", ()
            problem = ("MemoryError", "ran out of memory", ())
        finally:
            self.standins.grading = False
        now = _cpu_time()
        took, self.since = now - self.since, now
        return status, value, paired, problem, where, mutated, self.collector.take(), took

    def _call(self, name, args, forward, dout, pair, max_bytes):
        target, problem = self._function(name)
        if target is None:
            return MISSING, None, True, problem, "", ()
        kept, self.kept = self.kept, (None, None, None)
        if forward is not None:
            cache = kept[2:] if kept[0] == forward and kept[1] is args else None  # in a tuple: a cache may be None
            del kept  # a cache may be large: there are never two of them
            return self._backward(target, args, forward, dout, max_bytes, cache)
        del kept
        copies = fresh(args)
        try:
            value = target(*copies)
        except BaseException as error:
            return self._raised(error, target, "")
        mutated = changed(args, copies)
        paired = True
        if pair:
            paired = isinstance(value, (tuple, list)) and len(value) == 2
            if paired and self.keeps:
                self.kept = name, args, value[1]
            value = value[0] if paired else value
        return RETURNED, tidy(value, max_bytes), paired, None, "", mutated

    def _backward(self, target, args, forward, dout, max_bytes, kept):
        if kept is not None:
            (cache,) = kept
        else:
            first, problem = self._function(forward)
            if first is None:
                return MISSING, None, True, problem, "forward", ()
            copies = fresh(args)
            try:
                result = first(*copies)
            except BaseException as error:
                return self._raised(error, first, "forward")
            if not (isinstance(result, (tuple, list)) and len(result) == 2):
                text = f"{forward} returned {kind_of(result)} where (out, cache) was expected"
                return RAISED, None, True, ("TypeError", text, ()), "forward", ()
            cache = result[1]
        upstream = fresh(dout)
        try:
            value = target(upstream, cache)
        except BaseException as error:
            return self._raised(error, target, "")
        mutated = ("dout",) if differs(dout, upstream) else ()
        return RETURNED, tidy(value, max_bytes), True, None, "", mutated

    def _function(self, name):
        return self.functions.get(name) or (None, None)

    def _raised(self, error, function, where):
        problem = describe_error(error, self.labels)
        status = MISSING if isinstance(error, NotImplementedError) and raised_in(error, function) else RAISED
        return status, None, True, problem, where, ()


def raised_in(error: BaseException, function) -> bool:
    """Whether the exception was raised in the function's own frame, not deeper."""
    trace = error.__traceback__
    while trace.tb_next is not None:
        trace = trace.tb_next
    return trace.tb_frame.f_code is getattr(function, "__code__", None)


def differs(before, after) -> bool:
    """Whether a copy was written into; compares bytes, so that nan equals itself and -0.0 is not 0.0."""
    if type(before) is np.ndarray:
        if before.shape != after.shape or before.dtype != after.dtype:
            return True
        if before.nbytes >= LARGE and before.flags.c_contiguous and after.flags.c_contiguous and before.itemsize == 8:
            one, two = before.ravel().view(_words), after.ravel().view(_words)
            return bool((one != two).any())  # in an eighth of the memory
        return before.tobytes() != after.tobytes()
    if type(before) is tuple or type(before) is list:
        return len(before) != len(after) or any(differs(one, two) for one, two in zip(before, after, strict=True))
    return False


def changed(args, copies) -> tuple[str, ...]:
    return tuple(str(at) for at, arg in enumerate(args) if differs(arg, copies[at]))


def kind_of(value) -> str:
    if value is None:
        return "None"
    if isinstance(value, (tuple, list)):
        return f"a {'tuple' if isinstance(value, tuple) else 'list'} of {len(value)}"
    if isinstance(value, np.ndarray):
        return "one array"
    return f"a value of type {type_name_of(value)}"


def type_name_of(value) -> str:
    return clean(type.__getattribute__(type(value), "__name__"), 100)


def tidy(value, max_bytes: int):
    """What a student returned as what the wire carries; nearly always it is that already."""
    if type(value) is _array and value.dtype is _numbers and value.nbytes <= max_bytes and value.ndim <= MAX_RANK:
        return value
    return Tidy(max_bytes).value(value)


class Tidy:
    """Turns what a student returned into what the wire carries, without calling methods that it may have overridden."""

    def __init__(self, max_bytes: int):
        self.left = max_bytes

    def value(self, value, depth=0):
        kind = type(value)
        if isinstance(value, np.ndarray):
            return self.array(value)
        if isinstance(value, np.generic):
            return self.array(np.asarray(value))
        if value is None or kind is bool or kind is float or kind is complex:
            return value
        if kind is int:
            return value if -(1 << 63) <= value < 1 << 63 else Odd("int too large for 64 bits")
        if isinstance(value, (tuple, list)):
            base = tuple if isinstance(value, tuple) else list
            items = list(base.__iter__(value))
            if len(items) > MAX_ITEMS or depth >= MAX_DEPTH:
                return Odd(f"{base.__name__} of {len(items)}, nested {depth} deep")
            return tuple([self.value(item, depth + 1) for item in items])
        return Odd(type_name_of(value))

    def array(self, value):
        array = value if type(value) is np.ndarray else _view(value, _array)
        dtype = array.dtype
        if array.ndim > MAX_RANK:
            return Odd(f"array of rank {array.ndim}")
        if array.nbytes > self.left:
            return Odd(f"array of shape {array.shape}, too large to compare")
        if dtype not in CODES:
            if dtype.kind in "iu":
                array = array.astype(np.int64)
            elif dtype.kind in "fc" and dtype.newbyteorder("=") in CODES:
                array = array.astype(dtype.newbyteorder("="))
            else:
                return Odd(f"array of dtype {clean(str(dtype), 60)}")
        elif not dtype.isnative:
            array = array.astype(dtype.newbyteorder("="))
        self.left -= array.nbytes
        return array
