"""Scores against scikit-learn, against hand-made cases, and properties that hold for every input."""

from __future__ import annotations

import numpy as np
import pytest
import sklearn.metrics as sk
from hypothesis import given, settings
from hypothesis import strategies as st

from fer_bench.data.dataset import EMOTIONS
from fer_bench.errors import InputError
from fer_bench.scores.metrics import LOG_LOSS_EPS, binary_scores, score


def random_case(seed: int, images: int = 300, classes: int = 7) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, classes, images)
    logits = rng.normal(size=(images, classes)) + 1.5 * np.eye(classes)[labels] * rng.random((images, 1))
    probabilities = np.exp(logits)
    return labels, (probabilities / probabilities.sum(axis=1, keepdims=True)).astype(np.float16)


@pytest.mark.parametrize("seed", range(3))
def test_agrees_with_scikit_learn(seed):
    labels, stored = random_case(seed)
    p = stored.astype(np.float64)
    p /= p.sum(axis=1, keepdims=True)
    predicted = p.argmax(axis=1)
    ours = score(labels, stored, EMOTIONS)
    report = sk.classification_report(labels, predicted, target_names=EMOTIONS, output_dict=True)
    assert ours.accuracy == pytest.approx(report["accuracy"])
    assert ours.weighted_f1 == pytest.approx(report["weighted avg"]["f1-score"])
    assert ours.macro_f1 == pytest.approx(report["macro avg"]["f1-score"])
    assert ours.balanced_accuracy == pytest.approx(sk.balanced_accuracy_score(labels, predicted))
    assert ours.top2_accuracy == pytest.approx(sk.top_k_accuracy_score(labels, p, k=2))
    assert ours.log_loss == pytest.approx(sk.log_loss(labels, p))
    assert ours.confusion == sk.confusion_matrix(labels, predicted).tolist()
    for i, name in enumerate(EMOTIONS):
        emotion = ours.emotions[name]
        assert (emotion.precision, emotion.recall, emotion.f1, emotion.images) == pytest.approx(
            tuple(report[name][k] for k in ("precision", "recall", "f1-score", "support"))
        )
        assert emotion.confidence == pytest.approx(p[labels == i].max(axis=1).mean())
        assert emotion.true_confidence == pytest.approx(p[labels == i, i].mean())
        assert emotion.distribution == np.bincount(predicted[labels == i], minlength=7).tolist()


def test_binary_accuracy_is_that_of_keras_and_rewards_saying_nothing():
    labels = np.arange(7)
    nothing = score(labels, np.full((7, 7), 1 / 7), EMOTIONS)
    assert nothing.binary_accuracy == pytest.approx(6 / 7)
    assert nothing.accuracy == pytest.approx(1 / 7)
    # exactly one half is not above the threshold, so each image has one cell wrong
    half = np.eye(7)[labels] / 2 + np.eye(7)[(labels + 1) % 7] / 2
    assert score(labels, half, EMOTIONS).binary_accuracy == pytest.approx(6 / 7)


def test_hand_made_case():
    classes = ("a", "b", "c")
    p = np.array([[0.6, 0.3, 0.1], [0.2, 0.5, 0.3], [0.4, 0.4, 0.2], [0.1, 0.2, 0.7]])
    ours = score(np.array([0, 2, 1, 2]), p, classes, seen=np.array([True, False, False, True]))
    assert ours.accuracy == 0.5  # the tie of row 2 goes to the first class
    assert (ours.images_unseen, ours.accuracy_unseen) == (2, 0.0)
    assert ours.top2_accuracy == 1.0
    assert ours.log_loss == pytest.approx(-np.log([0.6, 0.3, 0.4, 0.7]).mean())
    # bins of width 1/15 hold one confidence each: .6 right, .5 wrong, .4 wrong, .7 right
    assert ours.calibration_error == pytest.approx((0.4 + 0.5 + 0.4 + 0.3) / 4)
    assert ours.confusion == [[1, 0, 0], [1, 0, 0], [0, 1, 1]]
    assert ours.emotions["c"].recall == 0.5
    # of the two images of c: .5 for b, which was predicted, and .7 for c; and c itself got .3 and .7
    assert ours.emotions["c"].confidence == pytest.approx((0.5 + 0.7) / 2)
    assert ours.emotions["c"].true_confidence == pytest.approx((0.3 + 0.7) / 2)
    assert (ours.emotions["b"].confidence, ours.emotions["b"].true_confidence) == pytest.approx((0.4, 0.4))
    # Wilson's interval of 2 in 4, from the formula
    z, n = 1.959963984540054, 4
    half = z / (1 + z * z / n) * np.sqrt(0.25 / n + z * z / (4 * n * n))
    assert (ours.accuracy_low, ours.accuracy_high) == pytest.approx((0.5 - half, 0.5 + half))


def test_errors_inside_a_calibration_bin_cancel():
    p = np.array([[0.75, 0.25]] * 4)
    assert score(np.array([0, 0, 0, 1]), p, ("a", "b")).calibration_error == pytest.approx(0.0)


def test_a_class_without_images_costs_nothing_and_has_zeros():
    labels, p = random_case(5)
    p[:, 1] = 0.0
    p /= p.sum(axis=1, keepdims=True)
    keep = labels != 1
    ours = score(labels[keep], p[keep], EMOTIONS)
    predicted = p[keep].argmax(axis=1)
    assert ours.macro_f1 == pytest.approx(sk.f1_score(labels[keep], predicted, average="macro"))
    assert ours.emotions["disgust"].model_dump() == {
        "images": 0, "precision": 0.0, "recall": 0.0, "f1": 0.0, "confidence": 0.0, "true_confidence": 0.0,
        "distribution": [0] * 7,
    }  # fmt: skip


def test_a_stored_zero_costs_a_finite_known_amount():
    assert score(np.array([1]), np.array([[1.0, 0.0]]), ("a", "b")).log_loss == pytest.approx(-np.log(LOG_LOSS_EPS))


def test_unseen_is_none_where_every_image_was_seen():
    labels, p = random_case(1, 5)
    ours = score(labels, p, EMOTIONS, seen=np.ones(5, bool))
    assert (ours.images_unseen, ours.accuracy_unseen) == (0, None)
    assert score(labels, p, EMOTIONS).images_unseen is None


@pytest.mark.parametrize(
    ("labels", "probabilities", "words"),
    [
        ([], np.empty((0, 2)), "empty"),
        ([0], np.ones((1, 3)), "shape"),
        ([0, 2], np.ones((2, 2)), "label 2 of row 1"),
        ([0, 1], np.array([[0.5, 0.5], [np.nan, 1]]), "row 1"),
        ([0, 1], np.array([[0.0, 0.0], [0.5, 0.5]]), "row 0"),
        ([0, 1], np.array([[-0.5, 1.5], [0.5, 0.5]]), "row 0"),
        ([0, 1], np.array([[0.5, 0.5], [3.0, 3.0]]), "row 1 .* its sum is 6, not 1; 1 of 2"),
    ],
)
def test_nonsense_is_named(labels, probabilities, words):
    with pytest.raises(InputError, match=words):
        score(np.array(labels, int), probabilities, ("a", "b"))


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10**6), images=st.integers(1, 40), classes=st.integers(2, 7))
def test_bounds_and_order_of_images(seed, images, classes):
    labels, p = random_case(seed, images, classes)
    names = EMOTIONS[:classes]
    rng = np.random.default_rng(seed)
    seen, order = rng.random(images) < 0.3, rng.permutation(images)
    ours = score(labels, p, names, seen)
    again = score(labels[order], p[order], names, seen[order])
    for name, value in ours.model_dump(exclude={"emotions", "confusion"}).items():
        assert getattr(again, name) == pytest.approx(value)
        if isinstance(value, float) and name != "log_loss":
            assert 0 <= value <= 1
    assert again.confusion == ours.confusion
    assert ours.log_loss >= 0
    assert ours.accuracy_low <= ours.accuracy <= ours.accuracy_high
    assert ours.accuracy <= ours.top2_accuracy
    assert np.sum(ours.confusion) == images == sum(e.images for e in ours.emotions.values())


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_names_of_classes_can_be_permuted(seed):
    labels = random_case(seed, 60)[0]
    p = np.random.default_rng(seed).dirichlet(np.ones(7), 60)  # no ties: those go to the first class, whichever it is
    order = np.random.default_rng(seed).permutation(7)
    place = np.argsort(order)  # class i moves to place[i]
    a, b = score(labels, p, EMOTIONS), score(place[labels], p[:, order], [EMOTIONS[i] for i in order])
    assert (b.accuracy, b.weighted_f1, b.macro_f1) == pytest.approx((a.accuracy, a.weighted_f1, a.macro_f1))
    assert b.emotions["fear"].f1 == pytest.approx(a.emotions["fear"].f1)


def test_a_scale_on_the_rows_that_rounding_can_make_changes_nothing():
    labels, p = random_case(3)
    a, b = score(labels, p, EMOTIONS), score(labels, p.astype(np.float64) * 1.04, EMOTIONS)
    assert b.log_loss == pytest.approx(a.log_loss)
    assert b.binary_accuracy == pytest.approx(a.binary_accuracy)


@pytest.mark.parametrize("seed", range(2))
def test_precision_and_recall_are_those_that_keras_counts(seed):
    """Counted cell by cell: how often p > 0.5 is said, how often rightly, and how many labels there are."""
    labels, stored = random_case(seed)
    p = stored.astype(np.float64)
    p /= p.sum(axis=1, keepdims=True)
    ours = binary_scores(labels, stored)
    said = [(i, j) for i in range(len(p)) for j in range(7) if p[i, j] > 0.5]
    hits = sum(labels[i] == j for i, j in said)
    assert ours.precision == pytest.approx(hits / len(said))
    assert ours.recall == pytest.approx(hits / len(labels))
    assert ours.accuracy == pytest.approx(score(labels, stored, EMOTIONS).binary_accuracy)
    misses = len(labels) - hits
    assert ours.accuracy == pytest.approx(1 - (misses + len(said) - hits) / p.size)


def test_the_area_under_the_curve_is_the_chance_to_tell_a_right_cell_from_a_wrong_one():
    labels, p = random_case(5, 40)
    right = p[np.arange(40), labels].astype(float) / p.astype(float).sum(axis=1)
    truth = labels[:, None] == np.arange(7)
    wrong = (p.astype(float) / p.astype(float).sum(axis=1, keepdims=True))[~truth]
    wins = (right[:, None] > wrong).mean() + 0.5 * (right[:, None] == wrong).mean()
    assert binary_scores(labels, p).auc == pytest.approx(wins)


def test_saying_nothing_has_six_sevenths_of_binary_accuracy_and_no_recall():
    labels = np.random.default_rng(0).integers(0, 7, 500)
    nothing = np.full((500, 7), 1 / 7)
    ours = binary_scores(labels, nothing)
    assert score(labels, nothing, EMOTIONS).binary_accuracy == pytest.approx(6 / 7)
    assert (ours.accuracy, ours.precision, ours.recall, ours.auc) == (pytest.approx(6 / 7), None, 0, 0.5)
