"""A limit on this process's memory, for what reads files that nobody vouches for."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

#: What may come on top of what a process has: so much, or half of the machine's memory where that is more.
LEAST = 8 << 30


@contextmanager
def limited(more: int | None = None, gpu: bool = True) -> Iterator[None]:
    """Inside, this process can take ``more`` bytes beside what it has; what asks for more gets a MemoryError, or
    aborts.

    The limit is on private, writable memory (RLIMIT_DATA), which Linux alone keeps to. Nothing is limited elsewhere,
    and in a process that may use a GPU, whose drivers reserve memory that nobody can foresee.

    Args:
        more: None for ``allowance()``.
        gpu: False where nothing inside uses one, whatever the process may.

    Raises:
        MemoryError: raised inside; its message names the limit.
    """
    # What ``device.process_variables`` says to a worker on the processor.
    if not sys.platform.startswith("linux") or (gpu and os.environ.get("CUDA_VISIBLE_DEVICES") != "-1"):
        yield
        return
    import resource

    more = allowance() if more is None else more
    before = resource.getrlimit(resource.RLIMIT_DATA)
    known = [limit for limit in before if limit != resource.RLIM_INFINITY]
    resource.setrlimit(resource.RLIMIT_DATA, (min([_data() + more, *known]), before[1]))
    try:
        yield
    except MemoryError as error:
        text = " ".join(str(error).split())
        raise MemoryError(
            f"{text or 'no more memory'}; a model from a file may take {more / (1 << 30):.1f} GiB"
        ) from error
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, before)


def allowance() -> int:
    """The bytes that a model from a file may take, with all that is computed with it."""
    return max(LEAST, _total() // 2)


def _total() -> int:
    """Bytes of the machine's memory. Where the system tells them itself, nothing is imported, which would take time."""
    if hasattr(os, "sysconf") and {"SC_PHYS_PAGES", "SC_PAGE_SIZE"} <= os.sysconf_names.keys():
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    import psutil

    return int(psutil.virtual_memory().total)


def _data() -> int:
    """Bytes of private, writable memory that this process has."""
    found = re.search(r"^VmData:\s*(\d+) kB", Path("/proc/self/status").read_text(encoding="ascii"), re.MULTILINE)
    return 1024 * int(found[1]) if found else 0
