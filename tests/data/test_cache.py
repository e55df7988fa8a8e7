"""The cache: right after a change, after damage, after a kill, and between processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fer_bench.data import cache
from fer_bench.data.dataset import EMOTIONS, Dataset
from fer_bench.data.load import load_dataset
from fer_bench.errors import InputError


@pytest.fixture(autouse=True)
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FER_BENCH_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return write(tmp_path / "faces.npz", 1)


def write(path: Path, seed: int) -> Path:
    images = np.random.default_rng(seed).integers(0, 256, (21, 48, 48), np.uint8)
    np.savez(path, images=images, labels=np.arange(21) % 7, usage=np.arange(21) % 3)
    return path


def entry(store: Path) -> Path:
    (found,) = (store / "datasets").iterdir()
    return found


def test_the_second_load_maps_what_the_first_read(source: Path, store: Path) -> None:
    fresh = load_dataset(source, cache=False)
    first, second = load_dataset(source), load_dataset(source)
    for cached in (first, second):
        assert isinstance(cached.images, np.memmap)
        assert not cached.images.flags.writeable
        np.testing.assert_array_equal(cached.images, fresh.images)
        np.testing.assert_array_equal(cached.labels, fresh.labels)
        np.testing.assert_array_equal(cached.usage, fresh.usage)
        assert (cached.digest, cached.classes, cached.name) == (fresh.digest, fresh.classes, fresh.name)
        assert cached.source == fresh.source == "faces.npz (21 images)"
    assert cache.images_file(second) == entry(store) / "images.npy"


def test_a_changed_file_is_read_again(source: Path) -> None:
    before = load_dataset(source).digest
    time.sleep(0.01)
    write(source, 2)
    assert load_dataset(source).digest == load_dataset(source, cache=False).digest != before


def test_a_changed_folder_is_read_again(tmp_path: Path) -> None:
    from PIL import Image

    for name in ("happy", "sad"):
        (tmp_path / "tree" / name).mkdir(parents=True)
        Image.new("L", (48, 48), 9).save(tmp_path / "tree" / name / "1.png")
    assert len(load_dataset(tmp_path / "tree")) == 2
    Image.new("L", (48, 48), 7).save(tmp_path / "tree" / "sad" / "2.png")
    assert len(load_dataset(tmp_path / "tree")) == 3


@pytest.mark.parametrize("name", ["images.npy", "labels.npy", "usage.npy", "meta.json"])
@pytest.mark.parametrize("damage", ["gone", "cut", "garbage", "empty"])
def test_a_damaged_entry_is_rebuilt(
    source: Path, store: Path, name: str, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    good = load_dataset(source, cache=False)
    load_dataset(source)
    file = entry(store) / name
    content = file.read_bytes()
    if damage == "gone":
        file.unlink()
    else:
        file.write_bytes({"cut": content[: len(content) // 2], "garbage": b"\x00garbage" * 20, "empty": b""}[damage])
    again = load_dataset(source)
    np.testing.assert_array_equal(again.images, good.images)
    np.testing.assert_array_equal(again.labels, good.labels)
    assert again.digest == good.digest
    assert "damaged" in caplog.text
    caplog.clear()
    load_dataset(source)
    assert not caplog.text
    assert [path.name for path in (store / "datasets").iterdir()] == [entry(store).name]


def test_a_killed_writer_leaves_nothing_half_written(source: Path, store: Path) -> None:
    """The process is killed at the moment the first array is on disk; the next one knows nothing of it."""
    code = """
import os, signal, sys
import numpy as np
save = np.save
def save_and_die(file, array):
    save(file, array)
    os.kill(os.getpid(), signal.SIGKILL)
np.save = save_and_die
from fer_bench.data.load import load_dataset
load_dataset(sys.argv[1])
"""
    died = subprocess.run([sys.executable, "-c", code, str(source)], check=False)
    assert died.returncode == -signal.SIGKILL
    assert [path.name[:4] for path in (store / "datasets").iterdir()] == ["tmp-"]
    assert load_dataset(source).digest == load_dataset(source, cache=False).digest


def test_what_a_killed_writer_left_is_swept_after_a_day(source: Path, store: Path) -> None:
    for name, age in (("tmp-old", 90_000), ("tmp-new", 60)):
        (store / "datasets" / name).mkdir(parents=True)
        os.utime(store / "datasets" / name, (time.time() - age,) * 2)
    load_dataset(source)
    left = {path.name for path in (store / "datasets").iterdir()}
    assert "tmp-new" in left
    assert "tmp-old" not in left


def test_processes_may_race(source: Path, store: Path) -> None:
    code = "import sys; from fer_bench.data.load import load_dataset; print(load_dataset(sys.argv[1]).digest)"
    running = [
        subprocess.Popen([sys.executable, "-c", code, str(source)], stdout=subprocess.PIPE, text=True) for _ in range(4)
    ]
    digests = {process.communicate()[0].strip() for process in running}
    assert digests == {load_dataset(source, cache=False).digest}
    assert all(process.returncode == 0 for process in running)
    entry(store)


def test_a_writer_that_comes_second_keeps_the_first_ones_entry(source: Path, store: Path) -> None:
    mapped = load_dataset(source)
    before = (entry(store) / "images.npy").stat().st_ino
    cache.store(entry(store).name, load_dataset(source, cache=False))
    assert (entry(store) / "images.npy").stat().st_ino == before
    assert cache.images_file(mapped).stat().st_ino == before


def test_a_cache_that_cant_be_written(source: Path, store: Path, caplog: pytest.LogCaptureFixture) -> None:
    store.write_text("a file where the folder should be")
    data = load_dataset(source)
    assert data.digest == load_dataset(source, cache=False).digest
    assert "FER_BENCH_CACHE" in caplog.text
    with pytest.raises(InputError, match="FER_BENCH_CACHE"):
        cache.images_file(data)


def parts(data: Dataset) -> dict[str, Dataset]:
    """Data that is not, or not quite, the file that its images are mapped from."""
    rows = np.arange(len(data))[::-1].copy()
    return {
        "in memory": replace(data, images=np.array(data.images), digest=""),
        "some rows": Dataset(data.images[3:9], data.labels[3:9], None, EMOTIONS, "", ""),
        "rows drawn": Dataset(data.images[rows], data.labels[rows], None, EMOTIONS, "", ""),
        "backwards": Dataset(data.images[::-1], data.labels[::-1], None, EMOTIONS, "", ""),
        "merged": replace(data, classes=(*EMOTIONS[:6], "calm"), digest=""),
    }


@pytest.mark.parametrize("part", ["in memory", "some rows", "rows drawn", "backwards", "merged"])
def test_the_images_file_holds_exactly_the_images(source: Path, part: str) -> None:
    data = parts(load_dataset(source))[part]
    file = cache.images_file(data)
    np.testing.assert_array_equal(np.load(file), data.images)
    changed = file.stat().st_mtime_ns
    assert cache.images_file(data) == file
    assert file.stat().st_mtime_ns == changed
    file.unlink()  # and not written over: ``data`` may be mapped from it
    file.write_bytes(b"damaged")
    np.testing.assert_array_equal(np.load(cache.images_file(parts(load_dataset(source))[part])), data.images)


def test_the_source_says_where_the_data_was_found(source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FER_BENCH_DATA", str(source))
    assert load_dataset().source == load_dataset(source).source == "faces.npz (21 images, from FER_BENCH_DATA)"
    assert load_dataset("synthetic").name == "synthetic"
    monkeypatch.delenv("FER_BENCH_DATA")
    assert load_dataset().name == "synthetic"
    (Path(os.environ["FER_BENCH_CACHE"]) / "downloaded.txt").write_text(f"{source}\n")
    assert load_dataset().source == "faces.npz (21 images, downloaded)"


def test_the_real_data_comes_from_the_cache_without_heavy_imports(fer2013: Path) -> None:
    first = load_dataset(fer2013)
    code = """
import sys
from fer_bench.data.load import load_dataset
d = load_dataset(sys.argv[1])
print(d.digest, *[m for m in sys.modules if m in ("pandas", "pyarrow", "sklearn", "keras")])
"""
    done = subprocess.run([sys.executable, "-c", code, str(fer2013)], capture_output=True, text=True, check=True)
    digest, *heavy = done.stdout.split()
    assert (digest, heavy) == (first.digest, [])
