"""The benchmarks' table: ratios in the right direction, goals judged, rows of earlier runs kept."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

# At the end, so that the package under test stays the installed one.
sys.path.append(str(Path(__file__).resolve().parents[2]))
table = pytest.importorskip("benchmarks.table")

NOTHING = {"runs": [], "rows": []}
ENVIRONMENT = {
    "date": "2026-01-01 00:00 UTC",
    "load": 0.1,
    "data": "embedded faces",
    "scale": 1.0,
    "cpu": "a processor",
    "cores": 2,
    "ram_bytes": 2**34,
    "os": "an OS",
    "python": "3.11",
    "packages": {"keras": "3"},
    "git_revision": "0123456789",
    "git_dirty": False,
}


def timed(suite, line, role, seconds, **extra):
    """An entry of pytest-benchmark's JSON."""
    stats = {"min": min(seconds), "median": sorted(seconds)[len(seconds) // 2], "rounds": len(seconds)}
    subject = {"loading": "CSV to arrays", "training": "vgg19-full"}[suite]
    return {
        "group": suite,
        "stats": stats,
        "extra_info": {"subject": subject, "line": line, "role": role, "unit": "s", **extra},
    }


def run(*benchmarks, **about):
    return {"machine_info": {"fer_bench": ENVIRONMENT | about}, "benchmarks": list(benchmarks)}


def training(baseline, tuned):
    images = {"unit": "images/s", "images": 100}
    return (
        timed("training", "notebook", "baseline", baseline, **images),
        timed("training", "tuned", "ours", tuned, **images),
    )


def test_a_ratio_above_one_is_in_our_favour_whatever_the_unit():
    loading = (
        timed("loading", "pandas", "baseline", [60.0], peak_bytes=8e9),
        timed("loading", "`load_dataset`, no cache", "ours", [3.0, 2.0], peak_bytes=5e8),
    )
    rows = table.rows_of(run(*loading, *training([20.0, 10.0], [5.0, 4.0, 6.0])))
    assert [(row["unit"], row["value"], row["ratio"]) for row in rows] == [
        ("s", 2, 30),
        ("MB", 500, 16),
        ("images/s", 25, 2.5),
    ]


@pytest.mark.parametrize(
    ("seconds", "scale", "verdict"), [(6.0, 1, "met"), (7.0, 1, "missed"), (6.0, 0.1, "not judged")]
)
def test_a_goal_is_judged_by_a_whole_run_only(seconds, scale, verdict):
    page = table.page(table.merge(NOTHING, run(*training([10.0], [seconds]), scale=scale)), [])
    (row,) = [line for line in page.splitlines() if "| tuned " in line]
    assert verdict in row.replace("*", "")


def test_a_part_measured_again_leaves_the_other_rows_with_their_run():
    loading = timed("loading", "pandas", "baseline", [60.0]), timed("loading", "ours", "ours", [2.0])
    first = table.merge(NOTHING, run(*loading, *training([10.0], [5.0])))
    second = table.merge(first, run(*training([10.0], [4.0]), date="2026-02-02 00:00 UTC"))
    assert [(row["suite"], row["run"], row["ratio"]) for row in second["rows"]] == [
        ("loading", 1, 30),
        ("training", 2, 2.5),
    ]
    assert ["2026-01" in table.page(second, []), "2026-02" in table.page(second, [])] == [True, True]
    # A run of which nothing is left is no longer named.
    third = table.merge(second, run(*loading, date="2026-03-03 00:00 UTC"))
    assert [known["run"] for known in third["runs"]] == [2, 3]


def test_a_line_without_its_baseline_replaces_nothing(capsys):
    first = table.merge(NOTHING, run(*training([10.0], [5.0])))
    second = table.merge(first, run(training([10.0], [1.0])[1]))
    assert second == first
    assert "vgg19-full, tuned: its baseline was not measured" in capsys.readouterr().err
