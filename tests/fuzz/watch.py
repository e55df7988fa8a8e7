"""What Python does while an input is read: nothing that leaves a trace, starts a program, or unpickles."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_FORBIDDEN = (
    "os.", "shutil.", "subprocess.", "socket.connect", "socket.getaddrinfo", "pickle.find_class", "ctypes.dlopen", "urllib.", "tempfile.",
)  # fmt: skip
_HARMLESS = frozenset({"os.listdir", "os.scandir", "os.walk", "os.fwalk", "os.listxattr", "os.getxattr"})
#: As proc(5) has it, "5" written here sets the peak back to what is resident now.
_RESET = Path("/proc/self/clear_refs")
_seen: list[str] | None = None


def _hook(event: str, arguments: tuple[Any, ...]) -> None:
    if _seen is None or _in_own_folder(event, arguments):
        return
    writes = event == "open" and (set(arguments[1] or "") & set("wax+") or (arguments[2] or 0) & _WRITES)
    if writes or (event.startswith(_FORBIDDEN) and event not in _HARMLESS):
        _seen.append(f"{event} {str(arguments)[:200]}")


def _in_own_folder(event: str, arguments: tuple[Any, ...]) -> bool:
    """Whether it happens in a temporary folder of this program's, which a reader may have and has to leave no trace of.

    What is removed there is named relative to an open folder; that nothing else is missing, the tree of files shows.
    """
    place = str(arguments[0]) if arguments else ""
    removed = event in ("os.remove", "os.rmdir") and arguments[-1] != -1
    return removed or (event != "os.rename" and place.startswith(f"{tempfile.gettempdir()}/fer-bench-"))


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


def resident_bytes() -> int:
    """The memory that this process has now; from here on, ``peak_bytes`` tells the most since."""
    _RESET.write_text("5", encoding="ascii")
    return _status("VmRSS")


def peak_bytes() -> int:
    """The most memory that this process has had since ``resident_bytes`` was asked."""
    return _status("VmHWM")


def _status(name: str) -> int:
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{name}:")) * 1024
