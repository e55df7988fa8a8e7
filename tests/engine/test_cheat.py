"""A plugin that cheats: what a run is given leads it to no test labels."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from fer_bench.engine import run
from fer_bench.engine.process import surroundings

PLUGINS = tuple(str(Path(__file__).with_name(name)) for name in ("cheat.py", "faulty.py"))


@pytest.fixture
def world(tiny_npz: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with data, cache, results and a download, all named in the environment, as a careful user would."""
    for folder in ("data", "cache", "kaggle/datasets"):
        (tmp_path / folder).mkdir(parents=True)
        shutil.copy(tiny_npz, tmp_path / folder)
    (tmp_path / "cache" / "downloaded.txt").write_text(str(tmp_path / "kaggle" / "datasets" / tiny_npz.name))
    for name, place in {
        "FER_BENCH_DATA": tmp_path / "data" / tiny_npz.name,
        "FER_BENCH_RUN_FILL": tmp_path / "data" / tiny_npz.name,
        "FER_BENCH_RESULTS": tmp_path / "results",
        "FER_BENCH_CACHE": tmp_path / "cache",
        "KAGGLEHUB_CACHE": tmp_path / "kaggle",
        "FER_BENCH_TEST_WORLD": tmp_path,
    }.items():
        monkeypatch.setenv(name, str(place))
    return tmp_path


def test_no_labels_are_below_or_beside_what_a_run_is_given(world: Path) -> None:
    _, record = run(["good", "cheat"], results=world / "results", plugins=PLUGINS)
    assert list(world.glob("cache/datasets/*/labels.npy"))  # there, to be found
    assert record.training.extra["looked_at"] > 2
    assert record.training.extra["found"] == 0
    assert record.scores.accuracy == pytest.approx(1 / 7)


def test_the_cheat_finds_labels_where_it_is_led_to_them(world: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Were one path more in the environment, it would have them all: the test above is not vain."""
    monkeypatch.setenv("FER_BENCH_TEST_HINT", str(world / "cache" / "datasets"))
    (record,) = run(["cheat"], results=world / "results", plugins=PLUGINS)
    assert record.training.extra["found"] > 0
    assert record.scores.accuracy == 1


def test_no_labels_are_below_or_beside_the_model_that_predicts(world: Path) -> None:
    """Predictions with the labels of the test part lie beside the stored model itself."""
    run(["cheat"], results=world / "results", plugins=PLUGINS)
    (record,) = run(["cheat"], results=world / "results", plugins=PLUGINS, tta="flip")
    looked = json.loads((world / "looked.json").read_text())
    assert record.tta is not None
    assert looked["files"] > 0
    assert looked["labels"] == []


def test_what_a_worker_is_told_of_the_surroundings(world: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KERAS_HOME", str(world / "keras"))
    told = {name: value for name, value in surroundings().items() if str(world) in value}
    assert told == {
        "FER_BENCH_CACHE": str(world / "cache" / "workers" / "shared"),
        "FER_BENCH_TEST_WORLD": str(world),
        "KERAS_HOME": str(world / "keras"),
    }
    (world / "cache" / "downloaded.txt").unlink()
    assert surroundings()["KAGGLEHUB_CACHE"] == str(world / "kaggle")  # then it holds other things
