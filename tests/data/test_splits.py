"""Splits: disjoint, stratified, reproducible, and of the published sizes on the real data."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.model_selection import train_test_split

from fer_bench.data.dataset import EMOTIONS, USAGES, Dataset
from fer_bench.data.load import load_dataset
from fer_bench.data.splits import Split, available, expand, limit_rows, make_split
from fer_bench.errors import InputError

ALL = ("official", "notebook", "notebook-90-10", "kfold-5-0", "kfold-3-2")


@pytest.fixture(scope="module")
def data() -> Dataset:
    """700 rows, the last 60 of which repeat earlier pixels: some as exact duplicates, some under another label or
    usage.
    """
    rng = np.random.default_rng(1)
    images = rng.integers(0, 256, (700, 48, 48), np.uint8)
    labels = rng.choice(7, 700, p=[0.14, 0.05, 0.14, 0.25, 0.16, 0.11, 0.15]).astype(np.int8)
    usage = rng.choice(3, 700, p=[0.8, 0.1, 0.1]).astype(np.int8)
    images[640:] = images[:60]
    labels[640:690] = labels[:50]
    usage[640:680] = usage[:40]
    return Dataset(images, labels, usage, EMOTIONS, "made", "made")


def parts(split: Split) -> list[np.ndarray]:
    return [split.train, split.validation, split.test]


@pytest.mark.parametrize("name", ALL)
def test_parts_are_disjoint_stratified_and_the_same_every_time(data: Dataset, name: str) -> None:
    split, again = make_split(data, name), make_split(data, name)
    rows = np.concatenate(parts(split))
    assert rows.dtype == np.int64
    assert len(np.unique(rows)) == len(rows)
    for one, other in zip(parts(split), parts(again), strict=True):
        np.testing.assert_array_equal(one, other)
    assert split.digest == again.digest
    if name != "official":
        overall = np.bincount(data.labels[rows], minlength=7) / len(rows)
        for part in parts(split):
            if len(part):
                assert (
                    np.abs(np.bincount(data.labels[part], minlength=7) / len(part) - overall).max()
                    < 2 / len(part) + 0.01
                )


def test_digests_tell_splits_apart(data: Dataset) -> None:
    assert len({make_split(data, name).digest for name in ALL}) == len(ALL)


@pytest.mark.parametrize("name", ALL)
def test_the_mask_marks_the_test_images_that_stand_in_train(data: Dataset, name: str) -> None:
    split = make_split(data, name)
    equal = (data.images[split.test][:, None] == data.images[split.train][None]).all(axis=(2, 3)).any(axis=1)
    np.testing.assert_array_equal(split.test_seen, equal)
    assert equal.any()


def test_official_is_the_usage_column(data: Dataset) -> None:
    for code, rows in enumerate(parts(make_split(data, "official"))):
        np.testing.assert_array_equal(rows, np.flatnonzero(data.usage == code))


def test_official_without_public_test_holds_out_a_tenth_of_training(data: Dataset) -> None:
    assert data.usage is not None
    two = replace(data, usage=np.where(data.usage == 1, 0, data.usage).astype(np.int8), digest="")
    split = make_split(two, "official")
    training = np.flatnonzero(two.usage == 0)
    np.testing.assert_array_equal(np.sort(np.concatenate([split.train, split.validation])), training)
    assert len(split.validation) == np.ceil(len(training) / 10)


def test_notebook_is_what_the_notebook_did(data: Dataset) -> None:
    """The source's own steps, with pandas and scikit-learn."""
    frame = pd.DataFrame(
        {
            "emotion": data.labels,
            "pixels": [" ".join(map(str, image.ravel())) for image in data.images],
            "Usage": np.array(USAGES)[data.usage],
        }
    )
    frame = frame.drop_duplicates(keep="first")
    assert 640 <= len(frame) <= 660  # 40 rows repeat another in everything, 20 by chance or not at all
    rest, test = train_test_split(frame, test_size=0.2, stratify=frame["emotion"], random_state=111)
    train, validation = train_test_split(rest, test_size=0.1, stratify=rest["emotion"], random_state=111)
    for rows, expected in zip(parts(make_split(data, "notebook")), (train, validation, test), strict=True):
        np.testing.assert_array_equal(rows, expected.index)
    train, test = train_test_split(frame, test_size=0.1, stratify=frame["emotion"], random_state=42)
    for rows, expected in zip(parts(make_split(data, "notebook-90-10")), (train, frame[:0], test), strict=True):
        np.testing.assert_array_equal(rows, expected.index)


def test_the_test_parts_of_the_folds_share_out_all_rows(data: Dataset) -> None:
    names = expand("kfold-4", data)
    assert names == ["kfold-4-0", "kfold-4-1", "kfold-4-2", "kfold-4-3"]
    splits = [make_split(data, name) for name in names]
    np.testing.assert_array_equal(np.sort(np.concatenate([split.test for split in splits])), np.arange(len(data)))
    for split in splits:
        assert sum(map(len, parts(split))) == len(data)
        assert len(split.validation) == np.ceil((len(data) - len(split.test)) / 10)
    assert expand("official", data) == ["official"]
    assert expand("kfold-5-1", data) == ["kfold-5-1"]


def test_a_limit_bounds_train_and_validation_and_leaves_test(data: Dataset) -> None:
    full = make_split(data, "official")
    split = limit_rows(full, data, 4, seed=1)
    for part, whole in ((split.train, full.train), (split.validation, full.validation)):
        assert set(part) <= set(whole)
        expected = np.minimum(np.bincount(data.labels[whole], minlength=7), 4)
        np.testing.assert_array_equal(np.bincount(data.labels[part], minlength=7), expected)
    np.testing.assert_array_equal(split.test, full.test)
    np.testing.assert_array_equal(split.test_seen, full.test_seen)
    assert (split.train == limit_rows(full, data, 4, seed=1).train).all()
    assert split.digest == full.digest
    with pytest.raises(InputError, match="1 is the least"):
        limit_rows(full, data, 0, seed=1)


def test_holdout_20_is_the_last_fifth_of_training_rounded_up(data: Dataset) -> None:
    training = [row for row in range(700) if USAGES[data.usage[row]] == "Training"]  # type: ignore[index]
    held = -(-len(training) // 5)
    plain, shuffled = make_split(data, "holdout-20"), make_split(data, "holdout-20-shuffled")
    assert plain.train.tolist() == training[:-held]
    assert plain.validation.tolist() == training[-held:]
    assert sorted([*shuffled.train, *shuffled.validation]) == training
    assert len(shuffled.validation) == held
    assert sorted(shuffled.validation) != training[-held:]
    for split in (plain, shuffled):
        np.testing.assert_array_equal(split.test, make_split(data, "official").test)
    one_row = replace(data, usage=np.where(np.arange(700) == 3, 0, 2).astype(np.int8), digest="")
    with pytest.raises(InputError, match="1 Training row, which leaves none to train on"):
        make_split(one_row, "holdout-20")


def test_without_usage_the_message_names_the_splits_that_work(data: Dataset) -> None:
    plain = replace(data, usage=None, digest="")
    assert available(plain) == ["notebook", "notebook-90-10", "kfold-5"]
    holdouts = ["holdout-20", "holdout-20-shuffled"]
    assert available(data) == ["official", *holdouts, "notebook", "notebook-90-10", "kfold-5"]
    with pytest.raises(InputError, match="no Training rows; these work: notebook, notebook-90-10, kfold-5"):
        make_split(plain, "official")
    with pytest.raises(InputError, match="split holdout-20 needs a Usage: made has no Training rows"):
        make_split(plain, "holdout-20")
    for name in available(plain)[:2]:
        make_split(plain, name)
    few = replace(plain, images=plain.images[:8], labels=np.arange(8, dtype=np.int8) % 7, digest="")
    assert available(few) == ["notebook", "notebook-90-10"]


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("oficial", "did you mean official?"),
        ("kfold-5-5", "the 5 folds are kfold-5-0 to kfold-5-4"),
        ("kfold-1-0", "at least 2 folds"),
        ("kfold-1", "unknown split"),
        ("kfold-200-0", "disgust has only"),
        ("", "official, holdout-20"),
    ],
)
def test_bad_names(data: Dataset, name: str, wanted: str) -> None:
    with pytest.raises(InputError) as caught:
        make_split(data, name)
    assert wanted in str(caught.value)


def test_too_little_data_to_split() -> None:
    few = Dataset(
        np.zeros((7, 48, 48), np.uint8) + np.arange(7, dtype=np.uint8)[:, None, None],
        np.arange(7, dtype=np.int8),
        None,
        EMOTIONS,
        "",
        "few",
    )
    with pytest.raises(InputError, match="too small to hold out 20%"):
        make_split(few, "notebook")


def test_the_real_data_gives_the_known_figures(fer2013: Path) -> None:
    real = load_dataset(fer2013)
    official, notebook, most = (make_split(real, name) for name in ("official", "notebook", "notebook-90-10"))
    assert list(map(len, parts(official))) == [28_709, 3_589, 3_589]
    assert official.test_seen.sum() == 288
    known = {image.tobytes() for image in real.images[official.train]}
    assert sum(image.tobytes() in known for image in real.images[official.validation]) == 280
    for name in ("holdout-20", "holdout-20-shuffled"):  # the sizes in the logs of both sources
        assert list(map(len, parts(make_split(real, name)))) == [22_967, 5_742, 3_589]
    distinct = sum(map(len, parts(notebook)))
    assert len(real) - distinct == 1_236
    assert len(notebook.test) == 6_931
    assert abs(len(notebook.train) - 24_949) <= 2
    assert abs(len(notebook.validation) - 2_773) <= 2
    assert abs(len(most.train) - 31_187) <= 2
    assert len(most.test) == 3_466


@pytest.mark.parametrize(
    "name",
    [
        "kfold-\u0663",
        "kfold-05",
        "kfold-+5",
        "kfold-5-00",
        "kfold-5-\u0660",
        "kfold-0",
        "kfold-1",
        "kfold-5-5",
        "kfold-²",
    ],
)
def test_a_k_fold_split_has_one_spelling(data: Dataset, name: str) -> None:
    with pytest.raises(InputError, match="split"):
        [make_split(data, one) for one in expand(name, data)]


@pytest.mark.parametrize("folds", ["999", "99999999999999999999", "9" * 5000])
def test_more_folds_than_images_are_refused_before_any_is_named(data: Dataset, folds: str) -> None:
    for name in (f"kfold-{folds}", f"kfold-{folds}-0"):
        with pytest.raises(InputError, match="split") as refused:
            [make_split(data, one) for one in expand(name, data)]
        assert len(str(refused.value)) < 300
    with pytest.raises(InputError, match="split"):
        [make_split(data, one) for one in expand("kfold-99999999")]
