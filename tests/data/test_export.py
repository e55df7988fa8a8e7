"""Export and read back; and no folder that is half-written."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fer_bench.data.export import export
from fer_bench.data.load import load_dataset
from fer_bench.data.synthetic import synthetic
from fer_bench.errors import InputError


@pytest.fixture(scope="module")
def faces():
    return synthetic(140, seed=9)


@pytest.mark.parametrize("usage", [True, False])
def test_reads_back_with_the_same_digest(faces, tmp_path, usage):
    dataset = faces if usage else replace(faces, usage=None, digest="")
    export(dataset, tmp_path / "new" / "folders")
    again = load_dataset(tmp_path / "new" / "folders")
    assert again.digest == dataset.digest
    np.testing.assert_array_equal(again.images, dataset.images)


def test_reads_back_merged_classes(faces, tmp_path):
    merged = load_dataset("synthetic", merge=("sadness+neutral",))
    export(merged, tmp_path / "merged")
    assert load_dataset(tmp_path / "merged").digest == merged.digest


def test_puts_each_image_under_its_part_and_emotion(faces, tmp_path):
    export(faces, tmp_path / "out")
    paths = sorted(path.relative_to(tmp_path / "out") for path in (tmp_path / "out").rglob("*.png"))
    assert len(paths) == len(faces)
    for path in paths:
        part, emotion, name = path.parts
        row = int(Path(name).stem)
        assert ("train", "validation", "test").index(part) == faces.usage[row]
        assert emotion == faces.classes[faces.labels[row]]


def test_jpeg_is_near_but_not_the_same(faces, tmp_path):
    export(faces, tmp_path / "jpg", format="jpg")
    again = load_dataset(tmp_path / "jpg")
    difference = np.abs(again.images.astype(int) - faces.images)
    assert 0 < difference.mean() < 6
    assert Image.open(next((tmp_path / "jpg").rglob("*.jpg"))).mode == "L"


def test_refuses_a_folder_in_use_and_leaves_it_alone(faces, tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(InputError, match="not an empty folder"):
        export(faces, tmp_path)
    with pytest.raises(InputError, match=r"mine\.txt"):
        export(faces, tmp_path / "mine.txt")
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_takes_an_empty_folder(faces, tmp_path):
    (tmp_path / "empty").mkdir()
    export(faces, tmp_path / "empty")
    assert len(list((tmp_path / "empty").rglob("*.png"))) == len(faces)


def test_leaves_nothing_behind_when_it_is_interrupted(faces, tmp_path):
    def interrupt(_written: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        export(faces, tmp_path / "out", progress=interrupt)
    assert list(tmp_path.iterdir()) == []


def test_says_where_it_cannot_write(faces, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="can't be written"):
        export(faces, tmp_path / "file" / "out")
