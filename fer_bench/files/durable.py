"""Files and folders that survive a kill and a power cut: made whole elsewhere, synced, then put in place by one
rename.
"""

from __future__ import annotations

import ctypes
import errno
import os
import sys
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import IO

from . import inside

#: The flag of renameat2(2) and, by luck the same number, of macOS's renamex_np(2) that swaps two names.
_EXCHANGE = 2
_AT_FDCWD = -100
#: What a system or a file system (NFS, some FUSE) says of a call that it does not have.
_MISSING = (errno.EINVAL, errno.ENOSYS, errno.ENOTSUP)


def write(path: Path, content: bytes | Callable[[IO[bytes]], object], scratch: Path | None = None) -> None:
    """Writes a file whole or not at all, replacing what stood there.

    Args:
        path: the file.
        content: bytes, or what writes them to the file that it is given.
        scratch: a folder on the same file system in which it is made, and where a kill leaves it unfinished; folders
            above ``path`` are then made too. None: the folder of ``path``, which must be there.

    Raises:
        OSError: it can't be written; what stood there still does.
    """
    temporary = (scratch or path.parent) / f"{path.name}-{uuid.uuid4().hex[:8]}"
    try:
        with temporary.open("wb") as file:
            if isinstance(content, bytes):
                file.write(content)
            else:
                content(file)
        sync(temporary)
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    sync(path.parent)


def sync(path: Path) -> None:
    """Returns once a file's content, or which names a folder holds, is on the disk."""
    folder = path.is_dir()
    if folder and os.name == "nt":
        return  # Windows opens no folders
    descriptor = os.open(path, os.O_RDWR if os.name == "nt" else os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if not (folder and error.errno in _MISSING):
            raise
    finally:
        os.close(descriptor)


def sync_tree(folder: Path) -> None:
    """Returns once a folder, and the contents of all plain files and folders below it, are on the disk."""
    for path in inside.walk(folder, folder):
        if inside.kind(path) in (inside.FILE, inside.FOLDER):  # a FIFO would never be open
            sync(path)
    sync(folder)


def exchange(one: Path, other: Path) -> bool:
    """Swaps two names in one step; False, and nothing done, where the system or the file system can't.

    Linux has renameat2 for it, macOS renamex_np.
    """
    if sys.platform not in ("linux", "darwin"):
        return False
    libc = ctypes.CDLL(None, use_errno=True)
    names = os.fsencode(one), os.fsencode(other)
    if sys.platform == "darwin":
        failed = libc.renamex_np(*names, _EXCHANGE)
    elif hasattr(libc, "renameat2"):
        failed = libc.renameat2(_AT_FDCWD, names[0], _AT_FDCWD, names[1], _EXCHANGE)
    else:
        return False
    if failed:
        code = ctypes.get_errno()
        if code in _MISSING:
            return False
        raise OSError(code, os.strerror(code), str(one), None, str(other))
    return True
