"""Class balance: weights as scikit-learn's, gaps filled and never overfilled."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.utils.class_weight import compute_class_weight

from fer_bench.data.balance import balanced, check_fill, fill
from fer_bench.data.dataset import EMOTIONS, Dataset
from fer_bench.data.match import labels_in
from fer_bench.errors import InputError

LABELS = st.lists(st.integers(0, 6), min_size=1, max_size=60).map(lambda labels: np.array(labels, np.int8))


@given(LABELS)
def test_weights_are_those_of_scikit_learn(labels: np.ndarray) -> None:
    rows, weights = balanced(labels, 7, "weights", 0)
    assert weights is not None
    assert weights.dtype == np.float32
    np.testing.assert_array_equal(rows, np.arange(len(labels)))
    present = np.unique(labels)
    expected = dict(zip(present, compute_class_weight("balanced", classes=present, y=labels), strict=True))
    np.testing.assert_allclose(weights, [expected[label] for label in labels], rtol=1e-6)


@given(LABELS, st.integers(0, 3))
def test_oversampling_makes_all_classes_as_large_as_the_largest(labels: np.ndarray, seed: int) -> None:
    rows, weights = balanced(labels, 7, "oversample", seed)
    assert weights is None
    np.testing.assert_array_equal(rows[: len(labels)], np.arange(len(labels)))
    largest = np.bincount(labels).max()
    for label in range(7):
        times = np.bincount(rows, minlength=len(labels))[labels == label]
        if len(times):
            assert times.sum() == largest
            assert times.max() - times.min() <= 1
    np.testing.assert_array_equal(rows, balanced(labels, 7, "oversample", seed)[0])


def test_oversampling_draws_by_its_seed() -> None:
    labels = np.array([0] * 50 + [1] * 30)
    assert not np.array_equal(balanced(labels, 2, "oversample", 1)[0], balanced(labels, 2, "oversample", 2)[0])


def test_no_balance_changes_nothing() -> None:
    rows, weights = balanced(np.array([0, 0, 1]), 2, "none", 0)
    assert (rows.tolist(), weights) == ([0, 1, 2], None)
    with pytest.raises(InputError, match="oversample"):
        balanced(np.array([0]), 1, "double", 0)  # type: ignore[arg-type]


def other(labels: list[int], usage: list[int] | None = None, classes: tuple[str, ...] = EMOTIONS) -> Dataset:
    images = np.zeros((len(labels), 48, 48), np.uint8)
    images[:, 0, 0] = np.arange(len(labels))
    codes = None if usage is None else np.array(usage, np.int8)
    return Dataset(images, np.array(labels, np.int8), codes, classes, "other", "other")


@settings(max_examples=50, deadline=None)
@given(LABELS, st.lists(st.integers(0, 6), max_size=40))
def test_fill_goes_up_to_the_largest_class_as_far_as_it_has_rows(labels: np.ndarray, foreign: list[int]) -> None:
    if not foreign:
        return
    data = other(foreign)
    rows = fill(labels, data, EMOTIONS, 0)
    assert len(set(rows.tolist())) == len(rows)
    before = np.bincount(labels, minlength=7)
    there = np.bincount(foreign, minlength=7)
    added = np.bincount(data.labels[rows], minlength=7)
    np.testing.assert_array_equal(added, np.minimum(before.max() - before, there))


def test_fill_takes_training_rows_only_and_nothing_to_be_avoided() -> None:
    data = other([1, 1, 1, 1], usage=[0, 1, 2, 0])
    labels = np.array([0] * 10)
    assert fill(labels, data, EMOTIONS, 0).tolist() == [0, 3]
    assert fill(labels, data, EMOTIONS, 0, avoid=data.images[3:]).tolist() == [0]


def test_classes_of_the_other_set_are_mapped_by_name() -> None:
    classes = ("anger", "sadness+neutral", "surprise")
    data = other([0, 1, 2, 3], classes=("neutral", "fear", "surprise", "sadness"))
    assert labels_in(classes, data).tolist() == [1, -1, 2, 1]
    assert fill(np.array([0, 0, 0, 0]), data, classes, 0).tolist() == [0, 2, 3]
    merged = other([0], classes=("sadness+neutral", "fear"))
    assert labels_in(EMOTIONS, merged).tolist() == [-1]
    with pytest.raises(InputError, match="can't fill"):
        fill(np.array([0]), merged, EMOTIONS, 0)


@pytest.mark.parametrize(
    ("train", "foreign", "usage", "reason"),
    [
        ([0, 0, 1], [1, 1], [1, 2], "it has no images of a training part"),
        ([0, 1], [0, 1], None, "all classes of the training part have as many"),
        ([0, 0, 1], [0, 0], None, "the classes that lack images are none of its"),
    ],
)
def test_a_fill_of_nothing_is_refused(
    train: list[int], foreign: list[int], usage: list[int] | None, reason: str
) -> None:
    with pytest.raises(InputError, match=f"--fill other: fills nothing, because {reason}"):
        check_fill(np.array(train), other(foreign, usage), EMOTIONS[:2])
    check_fill(np.array([0, 0, 1]), other([1, 1], [0, 2]), EMOTIONS[:2])
