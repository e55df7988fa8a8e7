"""The data and the machine of a benchmark run: FER_BENCH_DATA where it is set, else faces drawn by code."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fer_bench.data.dataset import USAGES, Dataset
from fer_bench.hardware import device

from .measure import scale

#: Rows of Kaggle's file.
FER2013 = 35_887
#: Faces drawn where there is no FER-2013: as many as the largest suite but the CSV takes.
DRAWN = 10_240

# Baseline and ours, here and in the processes that are started here, run under what a worker's environment would be.
os.environ |= device.process_variables(device.Target("cpu", "tensorflow"))
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
_load = os.getloadavg()[0] if hasattr(os, "getloadavg") else None
_data = "embedded faces"


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> None:
    os.environ["FER_BENCH_CACHE"] = str(tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="session")
def dataset(_own_cache: None) -> Dataset:
    """FER-2013 as FER_BENCH_DATA names it, or embedded faces; a copy in memory."""
    global _data
    if os.environ.get("FER_BENCH_DATA"):
        from fer_bench import load_dataset

        found = load_dataset()
        _data = f"{Path(os.environ['FER_BENCH_DATA']).name}, {len(found):,} images"
        return found
    from fer_bench.data.synthetic import synthetic

    return synthetic(DRAWN)


@pytest.fixture(scope="session")
def faces(dataset: Dataset) -> Callable[[int], tuple[np.ndarray, np.ndarray]]:
    """n -> the first n images (n, 48, 48) uint8 and labels (n,) int8 of a fixed shuffle; repeated if there are
    fewer.
    """
    order = np.random.default_rng(0).permutation(len(dataset))

    def first(n: int) -> tuple[np.ndarray, np.ndarray]:
        rows = np.resize(order, n)
        return np.asarray(dataset.images[rows]), np.asarray(dataset.labels[rows])

    return first


@pytest.fixture(scope="session")
def faces_file(faces: Callable[[int], tuple[np.ndarray, np.ndarray]], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """10,240 of ``faces`` as .npz, for other processes."""
    path = tmp_path_factory.mktemp("faces") / "faces.npz"
    images, labels = faces(DRAWN)
    np.savez(path, images=images, labels=labels)
    return path


@pytest.fixture(scope="session")
def csv_file(dataset: Dataset, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, int]:
    """A CSV of Kaggle's layout and its rows: FER_BENCH_DATA itself if it is one, else written from ``dataset``."""
    given = Path(os.environ.get("FER_BENCH_DATA", ""))
    if given.suffix == ".csv" and scale() == 1:
        return given, len(dataset)
    rows = round(FER2013 * scale())
    path = tmp_path_factory.mktemp("csv") / "fer2013.csv"
    usage = np.zeros(len(dataset), np.int8) if dataset.usage is None else dataset.usage
    with path.open("w") as file:
        file.write("emotion,pixels,Usage\n")
        for row in np.resize(np.arange(len(dataset)), rows):
            pixels = " ".join(map(str, dataset.images[row].ravel().tolist()))
            file.write(f"{dataset.labels[row]},{pixels},{USAGES[usage[row]]}\n")
    return path, rows


def pytest_benchmark_update_machine_info(config: pytest.Config, machine_info: dict[str, Any]) -> None:
    """What table.py says of a run: machine, versions, revision, date, load at its start, data."""
    from fer_bench.records.provenance import environment

    machine_info["fer_bench"] = {
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "load": _load,
        "data": _data,
        "scale": scale(),
        **environment("cpu", "tensorflow").model_dump(),
    }
