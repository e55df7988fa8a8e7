"""What Python does while an input is read: nothing that leaves a trace, starts a program, or unpickles."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_FORBIDDEN = (
    "os.", "shutil.", "subprocess.", "socket.connect", "socket.getaddrinfo", "pickle.find_class", "ctypes.dlopen", "urllib.", "tempfile.",
)  # fmt: skip
_HARMLESS = frozenset({"os.listdir", "os.scandir", "os.walk", "os.fwalk", "os.listxattr", "os.getxattr"})
_seen: list[str] | None = None


def _hook(event: str, arguments: tuple[Any, ...]) -> None:
    if _seen is None:
        return
    writes = event == "open" and (set(arguments[1] or "") & set("wax+") or (arguments[2] or 0) & _WRITES)
    if writes or (event.startswith(_FORBIDDEN) and event not in _HARMLESS):
        _seen.append(f"{event} {str(arguments)[:200]}")


sys.addaudithook(_hook)


@contextmanager
def watched() -> Iterator[list[str]]:
    """Gives a list that fills with whatever happens inside and should not."""
    global _seen
    _seen = found = []
    try:
        yield found
    finally:
        _seen = None


def peak_bytes() -> int:
    """The most memory that this process has had."""
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
