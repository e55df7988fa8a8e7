"""A model on a foreign set: classes by name, masking by hand, intervals against independent calculations."""

from __future__ import annotations

import numpy as np
import pytest
import sklearn.metrics as sk

from fer_bench.data.dataset import EMOTIONS, Dataset
from fer_bench.data.match import match
from fer_bench.errors import InputError
from fer_bench.scores.foreign import intervals, views

OTHER = ("happiness", "contempt", "sadness", "anger")


def foreign(labels: list[int], classes: tuple[str, ...] = OTHER) -> Dataset:
    images = np.zeros((len(labels), 48, 48), np.uint8)
    return Dataset(images, np.array(labels, np.int8), None, classes, "other", "other.npz")


def test_classes_are_matched_by_name():
    labels, dropped, missing = match(EMOTIONS, foreign([0, 1, 2, 3, 1]))
    assert labels.tolist() == [3, -1, 4, 0, -1]
    assert dropped == {"contempt": 2}
    assert missing == ["disgust", "fear", "surprise", "neutral"]
    merged, _, lacking = match(("anger", "sadness+neutral"), foreign([0, 1, 2, 3]))
    assert merged.tolist() == [-1, -1, 1, 0]
    assert lacking == []


def test_no_class_in_common_is_said():
    with pytest.raises(InputError, match=r"no class in common: other.npz has contempt; the model knows anger"):
        match(EMOTIONS, foreign([1, 1]))


def predictions(seed: int = 0, images: int = 300) -> tuple[np.ndarray, np.ndarray]:
    """Of four of the seven emotions, probabilities over all seven."""
    rng = np.random.default_rng(seed)
    labels = rng.choice([0, 3, 4, 5], images)
    p = np.exp(rng.normal(size=(images, 7)) + 1.2 * np.eye(7)[labels])
    return labels, (p / p.sum(axis=1, keepdims=True)).astype(np.float32)


def test_masking_renormalises_over_the_classes_that_occur():
    labels, p = predictions()
    whole, masked = views(labels, p, EMOTIONS)
    kept = [0, 3, 4, 5]
    ours = p[:, kept].astype(float)
    ours /= ours.sum(axis=1, keepdims=True)
    answers = np.array(kept)[ours.argmax(axis=1)]
    assert (
        masked.scores.accuracy == (answers == labels).mean() > whole.scores.accuracy == (p.argmax(1) == labels).mean()
    )
    assert masked.scores.log_loss == pytest.approx(sk.log_loss(labels, ours, labels=kept), rel=1e-6)
    assert masked.scores.macro_f1 == pytest.approx(sk.f1_score(labels, answers, average="macro"))
    assert list(masked.scores.emotions) == ["anger", "happiness", "sadness", "surprise"]
    # answers of a class that can't be right cost recall, and are no class of their own in the mean
    assert whole.scores.macro_f1 == pytest.approx(sk.f1_score(labels, p.argmax(1), labels=kept, average="macro"))


def test_an_image_with_nothing_on_the_shared_classes_is_undecided_between_them():
    p = np.array([[1, 0, 0], [0, 0, 1], [0, 1, 0]], np.float32)
    _, masked = views(np.array([0, 0, 1]), p, ("a", "b", "c"))
    assert masked.scores.log_loss == pytest.approx(np.log(2) / 3, abs=1e-6)


def test_nothing_is_masked_where_nothing_is_missing_or_one_class_is_left():
    labels = np.arange(70) % 7
    assert views(labels, np.eye(7)[labels], EMOTIONS)[1] is None
    assert views(np.zeros(70, int), np.eye(7)[labels], EMOTIONS)[1] is None


def cells(right: np.ndarray) -> np.ndarray:
    """Confusions of two classes, one image each: of class 0, told right or as class 1."""
    return np.eye(4)[np.where(right, 0, 1)]


def test_the_interval_over_images_is_that_of_a_binomial_share():
    from scipy.stats import binom

    found = intervals(cells(np.arange(400) < 280))
    exact = binom.ppf([0.025, 0.975], 400, 0.7) / 400
    assert found.accuracy == pytest.approx(exact, abs=0.008)
    assert found == intervals(cells(np.arange(400) < 280))


def test_over_subjects_who_differ_the_interval_is_wider_and_as_wide_as_that_of_their_means():
    """40 subjects of 20 images, each all right or all wrong: 40 observations, not 800."""
    right = np.repeat(np.arange(40) < 24, 20)
    subjects = np.repeat([f"S{number:02}" for number in range(40)], 20)
    view, _ = views(np.zeros(800, int), np.eye(2)[np.where(right, 0, 1)], ("a", "b"), subjects)
    (low, high), (image_low, image_high) = view.over_subjects.accuracy, view.over_images.accuracy
    assert (low, high) == pytest.approx(intervals(cells(right[::20])).accuracy)
    assert (high - low) / (image_high - image_low) == pytest.approx(20**0.5, rel=0.15)


def test_over_subjects_of_one_image_each_the_intervals_are_equal():
    labels, p = predictions()
    view, _ = views(labels, p, EMOTIONS, np.arange(len(labels)))
    assert view.over_subjects == view.over_images


def test_the_macro_f1_of_a_resample_is_scikit_learns():
    """Against a bootstrap written out, with other random numbers."""
    labels, p = predictions(images=120)
    view, _ = views(labels, p, EMOTIONS)
    rng, answers = np.random.default_rng(5), p.argmax(axis=1)
    draws = [rng.integers(0, 120, 120) for _ in range(400)]
    values = [sk.f1_score(labels[d], answers[d], labels=np.unique(labels[d]), average="macro") for d in draws]
    assert view.over_images.macro_f1 == pytest.approx(np.quantile(values, [0.025, 0.975]), abs=0.025)


def test_one_subject_has_no_interval():
    labels, p = predictions(images=20)
    assert views(labels, p, EMOTIONS, np.zeros(20))[0].over_subjects is None
