"""Files that were sent to this machine, kept in its cache by their digests: data sets, weights, models.

An entry that nothing has used for a week goes when another one comes.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import InputError
from ...files import cache

_UNUSED_SECONDS = 7 * 86_400.0


def lacking(digests: list[str]) -> list[str]:
    """Those files that are not here, or damaged, by their sha256 (hex)."""
    return [digest for digest in digests if _find(digest) is None]


def take(digest: str, content: bytes) -> None:
    """Keeps a file. Raises InputError where it is another one, or the cache can't be written."""
    if hashlib.sha256(content).hexdigest() != digest:
        raise InputError(f"a file of {len(content):,} bytes arrived damaged")
    try:
        forget_unused(_folder(), _UNUSED_SECONDS)
        cache.keep(_place(digest), {"content": np.frombuffer(content, np.uint8)}, {"bytes": len(content)}, _build)
    except OSError as error:
        raise InputError(f"{_folder()} can't be written ({error.strerror or error})") from None


def put(digest: str, path: Path) -> None:
    """Writes a copy of a file that is here. Raises InputError where it is not."""
    found = _find(digest)
    if found is None:
        raise InputError(f"a file that was sent here is gone from {_folder()}")
    with suppress(OSError):
        os.utime(_place(digest))
    path.parent.mkdir(parents=True, exist_ok=True)
    found.tofile(path)


def _folder() -> Path:
    return cache.cache_dir() / "carried"


def _place(digest: str) -> Path:
    return _folder() / digest


def _find(digest: str) -> np.ndarray | None:
    return cache.find(_place(digest), _build)


def _build(arrays: dict[str, np.ndarray], facts: Any) -> np.ndarray:
    content = arrays["content"]
    if content.dtype != np.uint8 or content.shape != (facts["bytes"],):
        raise ValueError("it holds something else")
    return content


def forget_unused(folder: Path, seconds: float) -> None:
    """Takes away the folders in one that nothing has changed, or used, for so long."""
    for place in folder.glob("*"):
        with suppress(OSError):
            if place.is_dir() and time.time() - place.stat().st_mtime > seconds:
                shutil.rmtree(place, ignore_errors=True)
