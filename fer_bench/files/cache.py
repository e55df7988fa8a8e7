"""What can be made again, kept in the user's cache folder, where it becomes visible whole, by one rename."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from . import durable

_STALE_SECONDS = 86_400.0


def cache_dir() -> Path:
    """The folder of all that can be made again: ``FER_BENCH_CACHE``, else the user's cache folder."""
    from platformdirs import user_cache_path

    return Path(os.environ.get("FER_BENCH_CACHE") or user_cache_path("fer-bench", appauthor=False))


@contextmanager
def scratch(root: Path) -> Iterator[Path]:
    """An empty folder in ``root``, to make things in that a rename then puts in place; it is gone after the block.

    Removes those of processes that were killed long ago. Raises OSError where ``root`` can't be made or written.
    """
    root.mkdir(parents=True, exist_ok=True)
    for left in root.glob("tmp-*"):
        if time.time() - left.stat().st_mtime > _STALE_SECONDS:
            shutil.rmtree(left, ignore_errors=True) if left.is_dir() else left.unlink(missing_ok=True)
    with tempfile.TemporaryDirectory(prefix="tmp-", dir=root, ignore_cleanup_errors=True) as folder:
        yield Path(folder)


def write_array(target: Path, array: np.ndarray) -> None:
    """Writes ``array`` as the ``.npy`` file ``target``, in place of what is there. Raises OSError where it can't."""
    with scratch(target.parent) as folder:
        durable.write(target, lambda file: np.save(file, array), folder)
