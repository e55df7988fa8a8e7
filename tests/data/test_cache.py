"""The cache: right after a change, after damage, after a kill, and between processes."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
import zlib
from collections.abc import Callable
from dataclasses import fields
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from fer_bench.data import cache, fer2013
from fer_bench.data.dataset import EMOTIONS, Dataset, digest_of
from fer_bench.data.load import load_dataset, load_foreign
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
        assert {f.name: getattr(cached, f.name) for f in fields(Dataset)[3:]} == {
            f.name: getattr(fresh, f.name) for f in fields(Dataset)[3:]
        }
        assert cached.source == fresh.source == "faces.npz (21 images)"
    assert second.images.filename == entry(store) / "images.npy"


def test_a_changed_file_is_read_again(source: Path) -> None:
    before = load_dataset(source).digest
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


def labelled(path: Path, label: int) -> None:
    """A set of which only the last label differs: its size is the same whatever that is."""
    images = np.random.default_rng(1).integers(0, 256, (7, 48, 48), np.uint8)
    np.savez(path, images=images, labels=np.array([0, 1, 2, 3, 4, 5, label]))


def in_place(path: Path, corrected: Path) -> None:
    path.write_bytes(corrected.read_bytes())


def by_rename(path: Path, corrected: Path) -> None:
    corrected.replace(path)


def of_the_same_inode_once_more(path: Path, corrected: Path) -> None:
    path.unlink()  # file systems often give the next file its inode
    path.write_bytes(corrected.read_bytes())


@pytest.mark.parametrize("correct", [in_place, by_rename, of_the_same_inode_once_more])
def test_a_corrected_label_is_read_whatever_size_and_time_the_file_keeps(
    tmp_path: Path, correct: Callable[[Path, Path], None]
) -> None:
    """As cp -p, rsync and archives leave it."""
    path, corrected = tmp_path / "faces.npz", tmp_path / "corrected.npz"
    labelled(path, 5)
    labelled(corrected, 6)
    assert load_dataset(path).labels[-1] == 5
    before = path.stat()
    correct(path, corrected)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert (path.stat().st_size, path.stat().st_mtime_ns) == (before.st_size, before.st_mtime_ns)
    assert load_dataset(path).labels[-1] == 6
    assert load_dataset(path).digest == load_dataset(path, cache=False).digest


def test_an_image_of_a_folder_that_keeps_size_and_time_is_read_again(tmp_path: Path) -> None:
    from PIL import Image

    for name in ("happy", "sad"):
        (tmp_path / "tree" / name).mkdir(parents=True)
        Image.new("L", (48, 48), 9).save(tmp_path / "tree" / name / "1.bmp")
    before = load_dataset(tmp_path / "tree")
    path = tmp_path / "tree" / "sad" / "1.bmp"
    times = path.stat()
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    after = load_dataset(tmp_path / "tree")
    assert after.digest == load_dataset(tmp_path / "tree", cache=False).digest != before.digest


def test_a_link_that_leads_elsewhere_now_is_read_again_and_names_the_data(tmp_path: Path) -> None:
    one, other, link = write(tmp_path / "one.npz", 1), write(tmp_path / "two.npz", 2), tmp_path / "link.npz"
    link.symlink_to(one)
    assert (load_dataset(one).name, load_dataset(link).name) == ("one", "link")
    link.unlink()
    link.symlink_to(other)
    assert load_dataset(link).digest == load_dataset(other).digest


def test_a_folder_with_links_to_folders_is_read_again_when_those_change(tmp_path: Path) -> None:
    """And one to the folder itself is no way without an end."""
    from PIL import Image

    tree, elsewhere = tmp_path / "tree", tmp_path / "elsewhere"
    for place in (tree / "happy", elsewhere):
        place.mkdir(parents=True)
        Image.new("L", (48, 48), 9).save(place / "1.png")
    (tree / "sad").symlink_to(elsewhere)
    (tree / "nothing").symlink_to(tmp_path / "gone")
    (tree / "itself").symlink_to(tree)
    before = cache.state_of(tree)
    assert [Path(file.path).relative_to(tree).as_posix() for file in before] == ["happy/1.png", "nothing", "sad/1.png"]
    Image.new("L", (48, 48), 7).save(elsewhere / "1.png")
    assert cache.state_of(tree) != before


def test_the_entry_of_changed_data_takes_the_place_of_the_old_one(source: Path, store: Path, tmp_path: Path) -> None:
    write(tmp_path / "other.npz", 3)
    load_dataset(tmp_path / "other.npz")
    for seed in (1, 2, 1):
        write(source, seed)
        load_dataset(source)
        assert len(list((store / "datasets").iterdir())) == 2


def test_a_file_that_grows_while_it_is_read_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether what was there could be read so far, or not: the cause is the same."""
    rows = [f"{label},{' '.join(['7'] * 2304)}\n" for label in range(7)]
    path = tmp_path / "faces.csv"
    pixels = fer2013.parse_pixels

    def parse_and_grow(texts: list[str]) -> np.ndarray:
        with path.open("a") as file:
            file.write(rest)
        return pixels(texts)

    monkeypatch.setattr(fer2013, "parse_pixels", parse_and_grow)
    for begun in (rows[:6], [*rows[:5], rows[5][:100]]):
        rest = "".join(rows)[len("".join(begun)) :]
        for load in (load_dataset, partial(load_dataset, cache=False), load_foreign):
            path.write_text("emotion,pixels\n" + "".join(begun))
            with pytest.raises(InputError, match="changed while it was read"):
                load(path)
    monkeypatch.setattr(fer2013, "parse_pixels", pixels)
    assert len(load_dataset(path)) == 7


def alter(path: Path, array: np.ndarray) -> None:
    array = array.copy()
    array.flat[3] ^= 1
    np.save(path, array)


@pytest.mark.parametrize("name", ["images", "labels", "usage"])
def test_what_was_altered_in_the_cache_is_not_used(
    source: Path, store: Path, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    good = load_dataset(source)
    digest, path = good.digest, entry(store) / f"{name}.npy"
    times = path.stat()
    alter(path, np.load(path))
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    again = load_dataset(source)
    assert digest_of(again.images, again.labels, again.usage, again.classes) == again.digest == digest
    assert f"{name}.npy was altered" in caplog.text


def test_facts_that_were_altered_in_the_cache_are_not_used(source: Path, store: Path) -> None:
    load_dataset(source)
    path = entry(store) / "meta.json"
    path.write_text(path.read_text().replace('"anger"', '"ANGER"'))
    assert load_dataset(source).classes == EMOTIONS


def test_an_entry_under_the_name_of_another_is_not_used(source: Path, store: Path, tmp_path: Path) -> None:
    load_dataset(source)
    one = entry(store)
    load_dataset(write(tmp_path / "other.npz", 2))
    (other,) = set((store / "datasets").iterdir()) - {one}
    one.rename(tmp_path / "one")
    other.rename(one)
    assert load_dataset(source).digest == load_dataset(source, cache=False).digest


def test_whatever_byte_is_altered_the_data_is_the_same(source: Path, store: Path) -> None:
    good, rng = load_dataset(source, cache=False), np.random.default_rng(0)
    for _ in range(15):
        load_dataset(source)
        for name in ("images.npy", "labels.npy", "usage.npy", "meta.json", "sums.json"):
            content = bytearray((entry(store) / name).read_bytes())
            content[rng.integers(min(len(content), 300))] = rng.integers(256)
            (entry(store) / name).write_bytes(content)
            found = load_dataset(source)
            assert (found.digest, found.classes, found.name) == (good.digest, good.classes, good.name)
            assert digest_of(found.images, found.labels, found.usage, found.classes) == good.digest


def seal(place: Path, name: str) -> None:
    """Sums that fit what is there, as somebody would write them who knows how: what is there must still be a
    dataset.
    """
    contents = {path.name: path.read_bytes() for path in place.iterdir() if path.name != "sums.json"}
    sums = {name: [len(content), f"{zlib.crc32(content):08x}"] for name, content in contents.items()}
    (place / "sums.json").write_text(json.dumps({"entry": name, "files": sums}))


def facts(place: Path, **changes: object) -> None:
    path = place / "meta.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def many_classes(place: Path) -> None:
    facts(place, classes=[f"emotion {number}" for number in range(200)])


NO_DATASETS: dict[str, Callable[[Path], object]] = {
    "images in two dimensions": lambda p: np.save(p / "images.npy", np.zeros((21, 2304), np.uint8)),
    "images of floats": lambda p: np.save(p / "images.npy", np.zeros((21, 48, 48))),
    "another number of images": lambda p: np.save(p / "images.npy", np.zeros((20, 48, 48), np.uint8)),
    "labels in two dimensions": lambda p: np.save(p / "labels.npy", np.zeros((21, 1), np.int8)),
    "a label alone": lambda p: np.save(p / "labels.npy", np.int8(3)),
    "labels of floats": lambda p: np.save(p / "labels.npy", np.zeros(21)),
    "labels of truth values": lambda p: np.save(p / "labels.npy", np.zeros(21, bool)),
    "labels as texts": lambda p: np.save(p / "labels.npy", np.array(["3"] * 21)),
    "a label below 0": lambda p: np.save(p / "labels.npy", np.full(21, -1, np.int8)),
    "a label beyond the classes": lambda p: np.save(p / "labels.npy", np.full(21, 7, np.int8)),
    "a usage that there is not": lambda p: np.save(p / "usage.npy", np.full(21, 3, np.int8)),
    "usages of other rows": lambda p: np.save(p / "usage.npy", np.zeros(20, np.int8)),
    "no labels": lambda p: (p / "labels.npy").unlink(),
    "an array too many": lambda p: np.save(p / "more.npy", np.zeros(21)),
    "objects": lambda p: np.save(p / "labels.npy", np.array([None] * 21), allow_pickle=True),
    "a header that is none": lambda p: (p / "labels.npy").write_bytes(b"\x93NUMPY\x01\x00\x10\x00((((((((((((((((\n"),
    "200 classes": many_classes,
    "a class twice": lambda p: facts(p, classes=[*EMOTIONS[:6], "anger"]),
    "classes without names": lambda p: facts(p, classes=[""] * 7),
    "classes that are numbers": lambda p: facts(p, classes=list(range(7))),
    "a long name of a class": lambda p: facts(p, classes=[*EMOTIONS[:6], "x" * 300]),
    "a fact missing": lambda p: (p / "meta.json").write_text("{}"),
    "a fact too many": lambda p: facts(p, more=1),
    "no facts": lambda p: (p / "meta.json").write_text("[]"),
    "deep facts": lambda p: (p / "meta.json").write_text("[" * 100_000 + "]" * 100_000),
    "long facts": lambda p: (p / "meta.json").write_text('"' + "x" * (17 << 20) + '"'),
}


@pytest.mark.parametrize("name", NO_DATASETS)
def test_an_entry_that_is_no_dataset_is_not_used(
    source: Path, store: Path, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    good = load_dataset(source)
    place = entry(store)
    # Apart, and renamed: ``good`` may be mapped from what is there.
    shutil.copytree(place, store / "copy")
    place.rename(store / "old")
    NO_DATASETS[name](store / "copy")
    seal(store / "copy", place.name)
    (store / "copy").rename(place)
    again = load_dataset(source)
    assert (again.digest, again.classes) == (good.digest, good.classes)
    np.testing.assert_array_equal(again.images, good.images)
    assert "damaged" in caplog.text
    assert "altered" not in caplog.text


@pytest.mark.parametrize("name", ["sums.json", "meta.json", "labels.npy", "images.npy"])
def test_nothing_but_plain_files_of_an_entry_are_opened(
    source: Path, store: Path, name: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    digest = load_dataset(source).digest
    file = entry(store) / name
    for put in (os.mkfifo, lambda path: path.symlink_to("/dev/zero"), Path.mkdir):
        file.unlink()
        put(file)
        caplog.clear()
        assert load_dataset(source).digest == digest
        assert "another kind" in caplog.text
    place = entry(store)
    for put in (Path.touch, os.mkfifo, lambda path: path.symlink_to(tmp_path / "moved")):
        shutil.rmtree(tmp_path / "moved", ignore_errors=True)
        place.rename(tmp_path / "moved")
        put(place)
        assert load_dataset(source).digest == digest
        assert not place.is_symlink()


@pytest.mark.parametrize("name", [".", "labels.npy", "sums.json"])
def test_an_entry_that_others_may_write_to_is_not_used(
    source: Path, store: Path, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    old = os.umask(0o002)
    try:
        load_dataset(source)
    finally:
        os.umask(old)
    load_dataset(source)
    assert not caplog.text
    file = entry(store) / name
    file.chmod(file.stat().st_mode | 0o020)
    load_dataset(source)
    assert "others may write to it" in caplog.text
    caplog.clear()
    load_dataset(source)
    assert not caplog.text


@pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="only root can give a file away")
def test_the_entry_of_another_user_is_not_used(source: Path, store: Path, caplog: pytest.LogCaptureFixture) -> None:
    load_dataset(source)
    os.chown(entry(store) / "labels.npy", 12_345, -1)
    load_dataset(source)
    assert "belongs to another user" in caplog.text


@pytest.mark.parametrize("name", ["images.npy", "labels.npy", "usage.npy", "meta.json", "sums.json"])
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
    assert Path(mapped.images.filename).stat().st_ino == before


def test_a_cache_that_cant_be_written(source: Path, store: Path, caplog: pytest.LogCaptureFixture) -> None:
    store.write_text("a file where the folder should be")
    data = load_dataset(source)
    assert data.digest == load_dataset(source, cache=False).digest
    assert "FER_BENCH_CACHE" in caplog.text


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
