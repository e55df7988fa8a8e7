"""A plugin that looks for the test labels wherever what it is given leads, and predicts those that it finds."""

from __future__ import annotations

import dataclasses
import json
import os
import sys
from pathlib import Path

import numpy as np

from fer_bench import FitSummary, Runner, register

HERE = Path(sys.argv[-1])  # the worker's folder
#: Nothing above this is looked at: it is the test's own world.
WORLD = "FER_BENCH_TEST_WORLD"


def strings(value):
    """All texts in a value, however deep, the names of files that arrays are mapped from among them."""
    if isinstance(value, np.ndarray):
        return [str(getattr(value, "filename", "")), *strings(value.base)]
    if isinstance(value, dict):
        return [text for inside in value.values() for text in strings(inside)]
    if isinstance(value, list | tuple):
        return [text for inside in value for text in strings(inside)]
    return str(value).split(os.pathsep) if isinstance(value, str | Path) else []


def given_to(train, validation, context):
    """Every path that the run is told: task, context, images, environment, and its own folder."""
    environment = {name: value for name, value in os.environ.items() if name != WORLD}
    told = [json.loads((HERE / "task.json").read_text()), str(HERE), environment, list(train), list(validation)]
    told += [getattr(context, field.name) for field in dataclasses.fields(context)]
    world = Path(os.environ[WORLD])
    return {path for path in map(Path, strings(told)) if world in path.parents and path.exists()}


def labels_in(path, rows):
    """The labels of ``rows`` in a file of arrays, or None."""
    if path.suffix not in (".npy", ".npz") or path.name == "input.npz":
        return None
    loaded = np.load(path)
    arrays = {path.stem: loaded} if path.suffix == ".npy" else dict(loaded)
    if "rows" in arrays and set(rows) <= set(arrays["rows"]):
        of_row = dict(zip(arrays["rows"], arrays["labels"], strict=True))
        return np.array([of_row[row] for row in rows])
    labels = next((array for name, array in arrays.items() if "label" in name), np.empty(0))
    return labels[rows] if len(labels) > max(rows) else None


@register("cheat")
class Cheat(Runner):
    """Below each path, and beside it."""

    def fit(self, train, validation, context):
        rows = np.load(HERE / "input.npz")["test_rows"]
        places = {folder for path in given_to(train, validation, context) for folder in (path, path.parent)}
        files = {file for place in places for file in [place, *place.rglob("*")] if file.is_file()}
        found = [labels for file in files if (labels := labels_in(file, rows)) is not None]
        self.labels = found[0] if found else np.zeros(len(rows), int)
        return FitSummary(extra={"looked_at": len(files), "found": len(found)})

    def predict_proba(self, images):
        chosen = np.resize(self.labels, len(images))
        return np.eye(7, dtype=np.float32)[chosen]

    def save(self, folder):
        (folder / "model").touch()

    def load(self, folder):
        """Notes each file with labels below and beside what a process that predicts is given."""
        places = {place for path in (HERE, Path(folder)) for place in (path, path.parent)}
        files = {file for place in places for file in place.rglob("*.np[yz]")}
        held = [str(file) for file in files if labels_in(file, [0]) is not None]
        Path(os.environ[WORLD], "looked.json").write_text(json.dumps({"files": len(files), "labels": held}))
        self.labels = np.zeros(1, int)
