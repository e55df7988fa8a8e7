"""Locks between processes, which the system releases when their holder dies.

A lock is a file that stays when it is free: whoever waits on a file that is removed waits on nothing. Over NFS it holds
between machines where the server has locks (NFSv4 always does).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..errors import InputError

#: Seconds between two looks at a lock that somebody else has.
POLL = 0.2


@contextmanager
def attempt(path: Path, *, wait: bool = False) -> Iterator[bool]:
    """Whether the block has the lock: not where somebody else has it, unless told to ``wait`` for that one.

    Raises InputError where there can be no lock.
    """
    from filelock import FileLock, Timeout

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(path)
        lock.acquire(timeout=-1 if wait else 0, poll_interval=POLL)
    except Timeout:
        yield False
        return
    except OSError as error:
        reason = error.strerror or error
        raise InputError(
            f"{path} can't be locked ({reason}): it must be yours to write, on a disk with locks"
        ) from None
    try:
        yield True
    finally:
        lock.release()


def taken(path: Path) -> bool:
    """Whether somebody has the lock now. Raises InputError where there can be no lock."""
    if not path.exists():
        return False
    with attempt(path) as free:
        return not free
