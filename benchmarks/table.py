"""python -m benchmarks.table RUN.json: pytest-benchmark's JSON -> results.json (kept from run to run) and README.md.

A row is one line against its baseline, both from one run. A run that measures a part of the suites replaces that part's
rows; the others stay, with the run they came from.
"""

from __future__ import annotations

import json
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

from tabulate import tabulate

from . import equal_epochs
from .goals import GOALS

HERE = Path(__file__).resolve().parent
RESULTS, README = HERE / "results.json", HERE / "README.md"

Row = dict[str, Any]

SUITES = (
    ("loading", "Loading", "Each reading in a fresh process; memory is its peak (VmHWM)."),
    (
        "augmentation",
        "Augmentation",
        "Rotation 15, shifts .15, shear .15, zoom .15, flip; TensorFlow, all lines in turn.",
    ),
    (
        "training",
        "Training",
        "One epoch, after one that takes the compilation (*set-up*: building, compiling, features; baseline / this line). "
        "The baseline is the published model and recipe in float32, built of stock Keras layers (mini-xception with our "
        "way around a fault of TensorFlow's strided 1x1 gradient), fed by ImageDataGenerator where the recipe augments; "
        "*published* and *tuned* are the recipes in our own loop. Published recipes with stages: the first. Where the "
        "published recipe freezes a backbone that the tuned one trains, tuned stands against a baseline that trains the "
        "same layers, and *backbone frozen* is the recipe as published.",
    ),
    (
        "normalisation",
        "Batch normalisation",
        "With the ReLU after it, forwards and backwards, as in fer-net's first stage; both lines in turn.",
    ),
    ("svm", "SVM", "Fit on 8,000 rows, predict 2,000 others."),
    (
        "predict: latency of one image",
        "Latency of one image",
        "Median (p50). The baseline is the published model, float32, on a float image prepared beforehand; ours start "
        "from uint8.",
    ),
    ("predict: throughput", "Prediction, images/s", "As above, 512 images."),
    ("start-up", "Start-up", ""),
    (
        "predict: first answer",
        "First answer",
        "The whole process, from a photograph with one face; the median of five.",
    ),
    (
        "predict: a video",
        "A video",
        "On one core. Of the package `fer` the reading and asking alone is counted, of ours the whole process.",
    ),
)

EQUAL = """\
Accuracy in percent on PublicTest, mean ± standard deviation over seeds, of nets that learnt from the same images for the
same number of epochs, the notebook's way (ImageDataGenerator + fit, float32, published batch) and by recipe *tuned*, from
random weights; nothing picked a checkpoint. `python -m benchmarks.equal_epochs` measures it."""

INTRO = """\
# Benchmarks

Speed, each line beside its baseline in the same run: **read the ratios**; the absolute figures are this machine's.

```sh
tox -e bench                                    # all, about 35 minutes on two quiet cores, and writes this page
tox -e bench -- -k "training and mini-xception" # a part; the other rows stay as they are
FER_BENCH_DATA=fer2013.csv tox -e bench         # on the real data; else on faces drawn by code, where only speed counts
FER_BENCH_BENCH_SCALE=0.1 tox -e bench          # a tenth of the images, to see that all runs: judged against no goal
```

A figure is the best of its repetitions (latency: the median), as other work on a machine only ever adds time. A ratio
above 1 is in our favour, whatever the unit. Goals are in [goals.py](goals.py).
"""


def rows_of(run: dict[str, Any]) -> list[Row]:
    """One row for each line and unit that has a baseline in ``run``, pytest-benchmark's JSON; says which have none."""
    lines = [line for benchmark in run["benchmarks"] for line in _lines(benchmark)]
    baselines = {(line["suite"], line["subject"], line["unit"]): line for line in lines if line["role"] == "baseline"}
    rows = []
    for line in lines:
        baseline = baselines.get((line["suite"], line["subject"], line["unit"]))
        if baseline is None:
            print(f"no row for {line['subject']}, {line['line']}: its baseline was not measured", file=sys.stderr)
        elif baseline is not line:
            better, worse = (line, baseline) if line["unit"] == "images/s" else (baseline, line)
            base = {name: baseline[name] for name in ("line", "value", "repetitions", "note")}
            rows.append({**line, "baseline": base, "ratio": _rounded(better["value"] / worse["value"])})
    return rows


def _lines(benchmark: dict[str, Any]) -> list[Row]:
    """What was measured: time, or images per time; and peak memory where that was too."""
    extra = benchmark["extra_info"]
    seconds = benchmark["stats"][extra.get("statistic", "min")]
    value = {"images/s": extra.get("images", 0) / seconds, "ms": 1000 * seconds, "s": seconds}[extra["unit"]]
    row = {
        "suite": benchmark["group"],
        **{name: extra.get(name, "") for name in ("subject", "line", "role", "unit", "note")},
        "value": _rounded(value),
        "repetitions": benchmark["stats"]["rounds"],
    }
    return (
        [row, {**row, "unit": "MB", "value": _rounded(extra["peak_bytes"] / 1e6)}] if "peak_bytes" in extra else [row]
    )


def _rounded(value: float) -> float:
    """To five digits, so that the committed file stays small."""
    return float(f"{value:.5g}")


def merge(kept: dict[str, Any], run: dict[str, Any]) -> dict[str, Any]:
    """``kept`` ({"runs", "rows"}) with the rows of ``run`` in place of its own for the same line and unit."""
    about = run["machine_info"]["fer_bench"]
    number = max((known["run"] for known in kept["runs"]), default=0) + 1
    rows = {_key(row): row for row in kept["rows"]} | {_key(row): {**row, "run": number} for row in rows_of(run)}
    used = {row["run"] for row in rows.values()}
    runs = [known for known in [*kept["runs"], {"run": number, **about}] if known["run"] in used]
    return {"runs": runs, "rows": list(rows.values())}


def _key(row: Row) -> tuple[str, str, str, str]:
    return row["suite"], row["subject"], row["line"], row["unit"]


def page(results: dict[str, Any], equal: list[Row]) -> str:
    """README.md, whole; ``equal`` has the rows of equal_epochs."""
    runs = {run["run"]: run for run in results["runs"]}
    parts = [INTRO, "## Runs\n", "\n".join(_about(run) for run in runs.values()) + "\n"]
    suites = defaultdict(list)
    for row in results["rows"]:
        suites[row["suite"]].append(row)
    for suite, title, text in SUITES:
        if suites[suite]:
            cells = [_cells(row, runs[row["run"]]) for row in sorted(suites[suite], key=_order)]
            table = tabulate(cells, HEADER, "pipe", colalign=ALIGN, disable_numparse=True)
            parts += [f"## {title}\n", *([f"{text}\n"] if text else []), f"{table}\n"]
    if equal:
        parts += ["## Accuracy after equal epochs\n", f"{EQUAL}\n", f"{equal_epochs.section(equal)}\n"]
    return "\n".join(parts)


HEADER = ("what", "line", "baseline", "base", "this", "unit", "ratio", "goal", "repetitions", "notes", "run")
ALIGN = ("left", "left", "left", "right", "right", "left", "right", "left", "right", "left", "right")


def _order(row: Row) -> int:
    """Rows with a goal first, then as they were measured."""
    return 0 if _key(row) in GOALS else 1


def _cells(row: Row, run: dict[str, Any]) -> list[str]:
    baseline, goal = row["baseline"], GOALS.get(_key(row))
    verdict = ""
    if goal is not None:
        judged = "**met**" if goal.met(row["value"], row["ratio"]) else "**missed**"
        verdict = f"{goal}: {judged if run['scale'] == 1 else 'not judged'}"
    notes = dict.fromkeys(note for note in (baseline["note"], row["note"]) if note)
    figures = [_figure(baseline["value"]), _figure(row["value"])]
    repetitions = f"{baseline['repetitions']} / {row['repetitions']}"
    ratio = f"{row['ratio']:.1f} x" if row["ratio"] < 100 else f"{row['ratio']:,.0f} x"
    return [
        *(row["subject"], row["line"], baseline["line"], *figures, row["unit"], ratio, verdict, repetitions),
        *(" / ".join(notes), str(row["run"])),
    ]


def _figure(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _about(run: dict[str, Any]) -> str:
    load = "unknown" if run["load"] is None else f"{run['load']:.1f}"
    packages = ", ".join(f"{name} {version}" for name, version in run["packages"].items())
    revision = f"{(run['git_revision'] or 'unknown')[:8]}{' with changes' if run['git_dirty'] else ''}"
    scaled = "" if run["scale"] == 1 else f", scaled to {run['scale']:g} of the images"
    return (
        f"{run['run']}. {run['date']}: {run['cpu']}, {run['cores']} cores, {run['ram_bytes'] / 2**30:.0f} GiB, {run['os']}; "
        f"load {load} at the start; {run['data']}{scaled}; revision {revision}; Python {run['python']}, {packages}"
    )


def main(path: Path) -> None:
    if not path.is_file() or not path.stat().st_size:
        sys.exit(f"{path}: no results; did any benchmark run?")
    kept = json.loads(RESULTS.read_text()) if RESULTS.exists() else {"runs": [], "rows": []}
    results = merge(kept, json.loads(path.read_text()))
    RESULTS.write_text(json.dumps(results, indent=1) + "\n")
    write()


def write() -> None:
    """README.md, from the results that are kept."""
    kept = json.loads(RESULTS.read_text()) if RESULTS.exists() else {"runs": [], "rows": []}
    equal = json.loads(equal_epochs.RESULTS.read_text()) if equal_epochs.RESULTS.exists() else []
    README.write_text(page(kept, equal))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
