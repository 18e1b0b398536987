"""Memory of a process that does the same again and again."""

from __future__ import annotations

import contextlib
import ctypes

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # mallopt(3)


def keep_freed(kept: int = 4 << 20, largest: int = 1 << 20) -> None:
    """Has the C library keep up to `kept` bytes that were freed, pieces of up to `largest` among them, for what is
    needed next: a quarter of a megabyte that is given back and asked for again with every submission costs two hundred
    page faults. Where the library is not glibc, nothing happens."""
    with contextlib.suppress(OSError, TypeError, AttributeError):
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(M_MMAP_THRESHOLD, largest)
        mallopt(M_TRIM_THRESHOLD, kept)
