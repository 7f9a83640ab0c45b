"""Memory that is freed is kept for the next operation, instead of being given back to the system each time.

On a CPU a step allocates and frees the same blocks of megabytes again and again. By default glibc gives large ones
back at once, and the system hands them out again, cleared page by page.
"""

from __future__ import annotations

import ctypes
import os
import platform

M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_MAX = -1, -2, -4  # mallopt(3)
SETTINGS = {M_MMAP_MAX: 0, M_TRIM_THRESHOLD: 2**31 - 1, M_TOP_PAD: 64 * 2**20}
OWN_CHOICE = ("MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_THRESHOLD_", "MALLOC_MMAP_MAX_", "MALLOC_TOP_PAD_", "LD_PRELOAD")


def keep_freed_memory() -> bool:
    """Set glibc's malloc so; returns whether it was done.

    Nothing is done with another C library, or where the environment says how memory is allocated: one of glibc's
    own variables, or a preloaded allocator.
    """
    if platform.libc_ver()[0] != "glibc" or any(os.environ.get(name) for name in OWN_CHOICE):
        return False
    mallopt = ctypes.CDLL(None).mallopt
    taken = [mallopt(name, value) == 1 for name, value in SETTINGS.items()]
    return all(taken)
