"""python -m benchmarks.equal_epochs: is what trains faster as accurate? Writes equal_epochs.json and README.md.

The nets whose speed has a goal learn from the same images for the same number of epochs, the notebook's way and ours,
and are scored on PublicTest; nothing picks a checkpoint. Needs FER_BENCH_DATA, and about an hour on two cores.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import numpy as np
from tabulate import tabulate

from .measure import elsewhere
from .notebook import FREEZING

HERE = Path(__file__).resolve().parent
RESULTS = HERE / "equal_epochs.json"
#: Training images of each net: what two cores get through in minutes. A shuffle of Training decides which.
IMAGES = {"mini-xception": 10_240, "custom-cnn": 3_072, "vgg19-full": 2_560, "inception-v3": 3_072}
EPOCHS = 4
SEEDS = 2

Row = dict[str, Any]


def faces_file(folder: Path) -> Path:
    """Shuffled rows of Training, and those of PublicTest to be scored on, as one_training takes them."""
    from fer_bench import load_dataset, make_split

    dataset = load_dataset()
    split = make_split(dataset, "official")
    rows = np.random.default_rng(0).permutation(split.train)[: max(IMAGES.values())]
    held = split.validation
    path = folder / "faces.npz"
    np.savez(
        path,
        images=dataset.images[rows],
        labels=dataset.labels[rows],
        held_images=dataset.images[held],
        held_labels=dataset.labels[held],
    )
    return path


def measure(faces: Path) -> list[Row]:
    """One row for each net: accuracies of both ways, a figure a seed."""
    rows = []
    for name, images in IMAGES.items():
        lines = {"notebook": "notebook-whole" if name in FREEZING else "notebook", "tuned": "tuned"}
        found: dict[str, list[float]] = {way: [] for way in lines}
        for seed in range(SEEDS):
            for way, line in lines.items():
                result = elsewhere("one_training", name, line, faces, images, EPOCHS, seed)
                found[way].append(result["accuracy"])
                print(f"{name} {way} seed {seed}: {result['accuracy']:.4f}", file=sys.stderr)
        rows.append({"runner": name, "images": images, "epochs": EPOCHS, **found})
    return rows


def section(rows: list[Row]) -> str:
    """The table, as README.md shows it."""
    cells = [
        [row["runner"], f"{row['images']:,}", str(row["epochs"]), *(_figure(row[way]) for way in ("notebook", "tuned"))]
        for row in rows
    ]
    header = ("net", "images", "epochs", "notebook", "tuned")
    return tabulate(cells, header, "pipe", colalign=("left", *["right"] * 4), disable_numparse=True)


def _figure(accuracies: list[float]) -> str:
    """Mean and standard deviation over seeds, in percent."""
    spread = f" ± {100 * stdev(accuracies):.1f}" if len(accuracies) > 1 else ""
    return f"{100 * mean(accuracies):.1f}{spread}"


def main() -> None:
    if not os.environ.get("FER_BENCH_DATA"):
        sys.exit("FER_BENCH_DATA is not set: accuracy needs the real FER-2013")
    from . import table

    with tempfile.TemporaryDirectory() as folder:
        rows = measure(faces_file(Path(folder)))
    RESULTS.write_text(json.dumps(rows, indent=1) + "\n")
    table.write()


if __name__ == "__main__":
    main()
