"""Every score of the suite, from labels and probabilities alone; the same code for every runner."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from pydantic import BaseModel

from ..errors import InputError
from .probabilities import NoProbabilitiesError, distributions


class EmotionScores(BaseModel):
    """One emotion of a part of the data. Its ``recall`` is what the field calls the accuracy of an emotion.

    There are two confidences, both means over this emotion's images: ``confidence`` is the probability that the
    predicted label got, whichever that was, ``true_confidence`` the one that this emotion got. They are None where
    there are no probabilities, the second one also in records from before it was counted. ``distribution`` is the
    number of its images predicted as each class, in class order.
    """

    images: int
    precision: float
    recall: float
    f1: float
    confidence: float | None
    true_confidence: float | None = None
    distribution: list[int]


class Scores(BaseModel):
    """All scores of one set of predictions; fractions in [0, 1] unless said otherwise.

    Those that take probabilities are None for answers alone; see ``score_answers``.
    """

    images: int
    accuracy: float
    accuracy_low: float
    accuracy_high: float
    images_unseen: int | None
    accuracy_unseen: float | None
    weighted_f1: float
    macro_f1: float
    balanced_accuracy: float
    top2_accuracy: float | None
    binary_accuracy: float
    log_loss: float | None
    calibration_error: float | None
    confusion: list[list[int]]
    emotions: dict[str, EmotionScores]


#: The smallest positive float16; a probability stored as zero was below half of it. No image costs more than 16.6 nats.
LOG_LOSS_EPS = 2.0**-24
CALIBRATION_BINS = 15


def score(
    labels: np.ndarray, probabilities: np.ndarray, classes: Sequence[str], seen: np.ndarray | None = None
) -> Scores:
    """Scores predictions against the truth.

    labels: (N,) int, indices into ``classes``. probabilities: (N, C) float that ``distributions`` accepts; taken as
    float64 with each row divided by its sum. seen: (N,) bool, images also in the training part; None: nobody knows.

    The prediction is the most probable class, the first of equals. Accuracy has a 95 % Wilson interval. Macro F1 and
    balanced accuracy leave out classes that do not occur, as scikit-learn does; a precision, recall or F1 without a
    denominator is 0. Log loss (nats) clips probabilities at ``LOG_LOSS_EPS``. ``binary_accuracy`` is what Keras reports
    for one-hot labels under ``BinaryAccuracy``: the share of the N x C cells where (p > 0.5) equals the label; always
    "none" gets (C - 1) / C.

    Raises InputError where shapes, labels or probabilities make no sense.
    """
    from sklearn.metrics import confusion_matrix, f1_score, precision_recall_fscore_support
    from statsmodels.stats.proportion import proportion_confint

    labels, probabilities = _checked(labels, probabilities, len(classes))
    images, ids = len(labels), np.arange(len(classes))
    predicted, confidence = probabilities.argmax(axis=1), probabilities.max(axis=1)
    right = predicted == labels
    low, high = proportion_confint(int(right.sum()), images, alpha=0.05, method="wilson")
    unseen = None if seen is None else right[~np.asarray(seen, dtype=bool)]
    of_label = probabilities[np.arange(images), labels]
    top2 = np.argsort(-probabilities, axis=1, kind="stable")[:, :2]
    one_hot = labels[:, None] == ids
    confusion = confusion_matrix(labels, predicted, labels=ids)
    by_emotion = precision_recall_fscore_support(labels, predicted, labels=ids, average=None, zero_division=0)
    return Scores(
        images=images,
        accuracy=float(right.mean()),
        accuracy_low=float(low),
        accuracy_high=float(high),
        images_unseen=None if unseen is None else len(unseen),
        accuracy_unseen=None if unseen is None or not len(unseen) else float(unseen.mean()),
        weighted_f1=float(f1_score(labels, predicted, average="weighted", zero_division=0)),
        macro_f1=float(f1_score(labels, predicted, average="macro", zero_division=0)),
        balanced_accuracy=float(by_emotion[1][by_emotion[3] > 0].mean()),
        top2_accuracy=float((top2 == labels[:, None]).any(axis=1).mean()),
        binary_accuracy=float(((probabilities > 0.5) == one_hot).mean()),
        log_loss=float(-np.log(np.maximum(of_label, LOG_LOSS_EPS)).mean()),
        calibration_error=calibration_error(confidence, right),
        confusion=confusion.tolist(),
        emotions={
            name: EmotionScores(
                images=int(count),
                precision=float(precision),
                recall=float(recall),
                f1=float(f1),
                confidence=float(confidence[labels == i].mean()) if count else 0.0,
                true_confidence=float(of_label[labels == i].mean()) if count else 0.0,
                distribution=confusion[i].tolist(),
            )
            for i, (name, (precision, recall, f1, count)) in enumerate(
                zip(classes, zip(*by_emotion, strict=True), strict=True)
            )
        },
    )


def score_answers(
    labels: np.ndarray, answers: np.ndarray, classes: Sequence[str], seen: np.ndarray | None = None
) -> Scores:
    """Scores answers without probabilities: (N,) int indices into ``classes``; labels and seen as for ``score``.

    Top-2 accuracy, log loss, calibration error and confidences would be those of an answer that is always sure of
    itself: they are None. ``binary_accuracy`` takes the answers as one-hot outputs.

    Raises InputError where shapes or labels make no sense.
    """
    scores = score(labels, np.eye(len(classes))[answers], classes, seen)
    unsure = {"confidence": None, "true_confidence": None}
    emotions = {name: emotion.model_copy(update=unsure) for name, emotion in scores.emotions.items()}
    nothing = dict.fromkeys(("top2_accuracy", "log_loss", "calibration_error"))
    return scores.model_copy(update={"emotions": emotions, **nothing})


def calibration_error(confidence: np.ndarray, right: np.ndarray) -> float:
    """Expected calibration error of (N,) top confidences over 15 equal-width bins, each open below and closed above.

    Guo, Pleiss, Sun, Weinberger: On Calibration of Modern Neural Networks, ICML 2017, equation 3.
    """
    surplus = np.bincount(calibration_bins(confidence), weights=confidence - right, minlength=CALIBRATION_BINS)
    return float(np.abs(surplus).sum() / len(confidence))


def calibration_bins(confidence: np.ndarray) -> np.ndarray:
    """(N,) top confidences -> (N,) the bin of each, 0 to CALIBRATION_BINS - 1."""
    return np.clip(np.ceil(confidence * CALIBRATION_BINS).astype(int) - 1, 0, CALIBRATION_BINS - 1)


@dataclass(frozen=True)
class BinaryScores:
    """What Keras reports where each output is taken for a question of its own, over all N x C cells; fractions.

    ``precision`` is None where no probability is above one half.
    """

    accuracy: float
    precision: float | None
    recall: float
    auc: float


def binary_scores(labels: np.ndarray, probabilities: np.ndarray) -> BinaryScores:
    """``BinaryAccuracy``, ``Precision``, ``Recall`` and ``AUC`` of Keras for one-hot labels and a softmax.

    labels: (N,) int. probabilities: (N, C) float; each row is divided by its sum. The area under the ROC curve is the
    exact one; Keras's differs from it in the third digit, as it takes 200 thresholds.

    Raises InputError where shapes, labels or probabilities make no sense.
    """
    from sklearn.metrics import accuracy_score, precision_score, recall_score, roc_auc_score

    labels, probabilities = _checked(labels, probabilities, np.asarray(probabilities).shape[-1])
    truth = (labels[:, None] == np.arange(probabilities.shape[1])).ravel()
    said = (probabilities > 0.5).ravel()
    return BinaryScores(
        accuracy=float(accuracy_score(truth, said)),
        precision=float(precision_score(truth, said)) if said.any() else None,
        recall=float(recall_score(truth, said)),
        auc=float(roc_auc_score(truth, probabilities.ravel())),
    )


def _checked(labels: np.ndarray, probabilities: np.ndarray, classes: int) -> tuple[np.ndarray, np.ndarray]:
    """Labels as int64, probabilities as float64 rows that sum to one."""
    labels = np.asarray(labels).astype(np.int64)
    probabilities = np.asarray(probabilities)
    if not len(labels):
        raise InputError("no predictions to score: the test part is empty")
    if probabilities.shape != (len(labels), classes):
        raise InputError(
            f"probabilities of shape {probabilities.shape} do not fit {len(labels)} labels and {classes} classes"
        )
    if labels.min() < 0 or labels.max() >= classes:
        row = int(np.flatnonzero((labels < 0) | (labels >= classes))[0])
        raise InputError(f"label {labels[row]} of row {row} is not one of the {classes} classes (0 to {classes - 1})")
    try:
        values = distributions(probabilities, classes).astype(np.float64)
    except NoProbabilitiesError as error:
        raise InputError(f"the predictions can't be scored: {error}") from None
    return labels, values / values.sum(axis=1, keepdims=True)
