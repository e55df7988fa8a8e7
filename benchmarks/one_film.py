"""python -m benchmarks.one_film FILM CSV: fer-bench predict on a video, in a fresh process on one core, and what that
took: {"seconds", "frames", "faces", "peak_bytes"} as JSON. Imports and loading the model are counted.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

from .one_read import peak_bytes


def main(film: str, rows: str) -> dict[str, Any]:
    start = time.perf_counter()
    from fer_bench.cli import main

    main(["predict", film, "--csv", rows, "--force", "--threads", "1", "--quiet"], standalone_mode=False)
    lines = Path(rows).read_text(encoding="utf-8").splitlines()[1:]
    return {
        "seconds": time.perf_counter() - start,
        "frames": len({line.split(",")[1] for line in lines}),
        "faces": sum(not line.endswith("no face") for line in lines),
        "peak_bytes": peak_bytes(),
    }


if __name__ == "__main__":
    print(json.dumps(main(*sys.argv[1:])))
