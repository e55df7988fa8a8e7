"""The audit against an independent count with pandas, and against the known figures of FER-2013."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from fer_bench.data.audit import audit
from fer_bench.data.audit_plots import draw_classes, draw_samples
from fer_bench.data.dataset import EMOTIONS, Dataset
from fer_bench.data.load import load_dataset


def made(usage: bool = True) -> Dataset:
    """300 images in which a random third repeats another one, with label and usage drawn anew; some of them flat."""
    rng = np.random.default_rng(3)
    images = rng.integers(0, 256, (300, 48, 48), dtype=np.uint8)
    for row in rng.choice(300, 100, replace=False):
        images[row] = images[rng.integers(300)]
    images[[4, 77]] = 0
    images[150] = 200
    images[201] = rng.integers(120, 127, (48, 48))
    images[202] = rng.integers(120, 150, (48, 48))
    labels = rng.integers(0, 3, 300).astype(np.int8)
    usages = rng.integers(0, 3, 300).astype(np.int8)
    return Dataset(images, labels, usages if usage else None, EMOTIONS, "made", "a test")


def frame_of(dataset: Dataset) -> pd.DataFrame:
    """The set as the notebook had it: one text of pixels a row."""
    pixels = [" ".join(map(str, image.ravel())) for image in dataset.images]
    usage = dataset.usage if dataset.usage is not None else 0
    return pd.DataFrame({"emotion": dataset.labels, "pixels": pixels, "usage": usage})


@pytest.mark.parametrize("usage", [True, False])
def test_counts_as_pandas_does(usage):
    dataset = made(usage)
    frame = frame_of(dataset)
    found = audit(dataset)

    assert found.images == 300
    assert found.duplicate_rows == frame.duplicated().sum() > 0
    assert found.repeated_images == frame.duplicated("pixels").sum() > found.duplicate_rows
    kinds = frame.groupby("pixels").emotion.nunique()
    groups = frame[frame.pixels.isin(kinds[kinds > 1].index)].groupby("pixels")
    expected = {tuple(rows.index): sorted({EMOTIONS[label] for label in rows.emotion}) for _, rows in groups}
    assert {tuple(conflict.rows): sorted(conflict.emotions) for conflict in found.conflicts} == expected
    assert found.conflict_images == sum(map(len, expected)) > 0
    assert found.blank_rows == [4, 77, 150, 201]


def test_counts_test_images_that_stand_in_training():
    dataset = made()
    frame = frame_of(dataset)
    training = set(frame.pixels[frame.usage == 0])
    found = audit(dataset)
    assert found.in_training == {
        "PublicTest": frame.pixels[frame.usage == 1].isin(training).sum(),
        "PrivateTest": frame.pixels[frame.usage == 2].isin(training).sum(),
    }
    assert min(found.in_training.values()) > 0
    for code, counts in enumerate(found.counts.values()):
        assert counts["fear"] == ((frame.usage == code) & (frame.emotion == 2)).sum()


def test_a_set_without_usages_has_one_column_and_no_leak():
    found = audit(made(usage=False))
    assert list(found.counts) == ["all"]
    assert sum(found.counts["all"].values()) == 300
    assert found.in_training == {}


def test_pictures_show_every_emotion(tmp_path):
    dataset = made()  # four emotions have no image at all
    with (tmp_path / "classes.png").open("wb") as classes, (tmp_path / "samples.png").open("wb") as samples:
        draw_classes(audit(dataset), classes)
        draw_samples(dataset, samples)
    assert Image.open(tmp_path / "classes.png").size == (1200, 675)
    width, height = Image.open(tmp_path / "samples.png").size
    assert width > 7 * 100
    assert height == 7 * 150


def test_figures_of_fer2013(fer2013):
    found = audit(load_dataset(fer2013))
    assert found.images == 35_887
    assert found.duplicate_rows == 1_236
    assert found.in_training == {"PublicTest": 280, "PrivateTest": 288}
    assert len(found.conflicts) == 57
    assert len(found.blank_rows) == 13
    assert {usage: list(counts.values()) for usage, counts in found.counts.items()} == {
        "Training": [3995, 436, 4097, 7215, 4830, 3171, 4965],
        "PublicTest": [467, 56, 496, 895, 653, 415, 607],
        "PrivateTest": [491, 55, 528, 879, 594, 416, 626],
    }
