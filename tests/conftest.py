"""Shared by all tests: a tiny labelled set, and a cache and results folder of their own."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

# Of several processes each keeps to a core, with all that it starts, before a library counts the cores: the threads of
# two runs that wait for each other on the same cores would take ten times as long.
if (process := os.environ.get("PYTEST_XDIST_WORKER", "")[2:]) and hasattr(os, "sched_setaffinity"):
    cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {cores[int(process) % len(cores)]})

import numpy as np
import pytest
from eagerly import eagerly

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


def pytest_configure(config: pytest.Config) -> None:
    """Under xdist files begin in the order of their names; those of the fewest tests, which it would begin last, are
    the longest.
    """
    config.option.loadscopereorder = False


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> None:
    """No test reads or writes the user's cache, or takes their results folder for the default."""
    os.environ["FER_BENCH_CACHE"] = str(tmp_path_factory.mktemp("cache"))
    os.environ.pop("FER_BENCH_RESULTS", None)


@pytest.fixture
def eager() -> Iterator[None]:
    """A test whose training is not compiled."""
    with eagerly():
        yield


@pytest.fixture(scope="session")
def fer2013() -> Path:
    """The real FER-2013 CSV, where the environment names one."""
    path = os.environ.get("FER_BENCH_DATA_FOR_TESTS")
    if not path:
        pytest.skip("FER_BENCH_DATA is not set: needs the real FER-2013")
    return Path(path)


@pytest.fixture(scope="session")
def tiny_npz(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """70 training, 21 validation and 28 test images whose brightness tells the class, as far as noise lets it."""
    rng = np.random.default_rng(7)
    counts = {"Training": 70, "PublicTest": 21, "PrivateTest": 28}
    usage = np.repeat(list(counts), list(counts.values()))
    labels = np.concatenate([np.arange(n) % 7 for n in counts.values()]).astype(np.int8)
    noise = rng.normal(0, 25, (len(labels), 48, 48))
    images = np.clip(30.0 + 30.0 * labels[:, None, None] + noise, 0, 255).astype(np.uint8)
    path = tmp_path_factory.mktemp("data") / "tiny.npz"
    np.savez(path, images=images, labels=labels, usage=usage)
    return path


# The tests say themselves what data they use; the suite's own default would otherwise find the real set everywhere.
if "FER_BENCH_DATA" in os.environ:
    os.environ["FER_BENCH_DATA_FOR_TESTS"] = os.environ.pop("FER_BENCH_DATA")
