"""python -m benchmarks.one_read WAY PATH: reads a data file once, in a fresh process, and prints seconds and memory."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

from . import notebook

WAYS = ("split", "rows", "csv", "cache")


def main(way: str, path: Path) -> dict[str, Any]:
    """{"seconds", "peak_bytes"}; a notebook's imports are done before the clock starts, ours are within."""
    if way in ("split", "rows"):
        import pandas  # noqa: F401

        read = notebook.read_split if way == "split" else notebook.read_rows
        start = time.perf_counter()
        pixels, labels = read(path)
        assert len(pixels) == len(labels)
    else:
        from fer_bench import load_dataset

        start = time.perf_counter()
        dataset = load_dataset(path, cache=way == "cache")
        assert dataset.images.shape[1:] == (48, 48)
    return {"seconds": time.perf_counter() - start, "peak_bytes": peak_bytes()}


def peak_bytes() -> int:
    """Most memory that this process has held: VmHWM, or where there is no /proc, getrusage's figure."""
    status = Path("/proc/self/status")
    if status.exists():
        return 1024 * int(status.read_text().partition("VmHWM:")[2].split()[0])
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1], Path(sys.argv[2]))))
