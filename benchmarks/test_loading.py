"""From FER-2013's CSV to arrays: seconds and peak memory, each reading in a fresh process."""

from __future__ import annotations

import pytest

from .measure import describe, elsewhere, told

LINES = {
    "split": ("pandas `str.split(expand=True)`", "baseline", 1),
    "rows": ("pandas, `np.array(row.split())`", "other", 1),
    "csv": ("`load_dataset`, no cache", "ours", 3),
    "cache": ("`load_dataset`, from the cache", "ours", 5),
}


@pytest.mark.benchmark(group="loading", timer=told)
@pytest.mark.parametrize("way", LINES)
def test_loading(benchmark, csv_file, way):
    path, rows = csv_file
    line, role, rounds = LINES[way]
    if way == "cache":
        elsewhere("one_read", way, path)
    reads = [elsewhere("one_read", way, path) for _ in range(rounds)]
    peak = min(read["peak_bytes"] for read in reads)
    describe(benchmark, "CSV to arrays", line, role=role, unit="s", peak_bytes=peak, note=f"{rows:,} rows")
    told.report(benchmark, [read["seconds"] for read in reads])
