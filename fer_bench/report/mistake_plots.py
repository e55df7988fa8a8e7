"""The pictures of a model's mistakes: its calibration, and the sheet of its most confident ones."""

from __future__ import annotations

import numpy as np

from ..data.audit import blank
from ..data.dataset import Dataset
from ..scores.metrics import CALIBRATION_BINS, calibration_bins, calibration_error
from .mistakes import Mistakes
from .plots import png
from .sheet import Picture, picture_sheet

#: How many faces the sheet has, at most.
SHEET = 49


def calibration_plot(found: Mistakes) -> bytes:
    """Draws a reliability diagram: accuracy by confidence in the bins of the calibration error, and the images in each.

    Niculescu-Mizil and Caruana: Predicting Good Probabilities with Supervised Learning, ICML 2005.
    """
    from matplotlib.figure import Figure

    bins = reliability(found.confidence, found.right)
    used = bins[2] > 0
    confidence, accuracy, images = 100 * bins[0][used], 100 * bins[1][used], bins[2][used]
    edges = 100 * (np.flatnonzero(used) + 0.5) / CALIBRATION_BINS
    width = 94 / CALIBRATION_BINS
    figure = Figure(figsize=(5.2, 5.6), layout="constrained")
    top, bottom = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    top.bar(edges, accuracy, width, color="C0", alpha=0.55, label="right, of the images in a bin")
    top.plot([0, 100], [0, 100], color="gray", linestyle="--", linewidth=1, label="as sure as right")
    top.plot(confidence, accuracy, "o", color="black", markersize=4, label="mean confidence of a bin")
    top.set(xlim=(0, 100), ylim=(0, 100), ylabel="accuracy in %")
    top.legend(fontsize=8, loc="upper left", frameon=False)
    error = 100 * calibration_error(found.confidence, found.right)
    top.set_title(f"{found.title}\nexpected calibration error {error:.1f} %", fontsize=10)
    bottom.bar(edges, images, width, color="C0", alpha=0.55)
    bottom.set(xlabel="confidence: probability of the predicted emotion, in %", ylabel="images")
    for axes in (top, bottom):
        axes.spines[["top", "right"]].set_visible(False)
    return png(figure)


def reliability(confidence: np.ndarray, right: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The mean confidence, accuracy and number of images of each bin, (CALIBRATION_BINS,); 0 where it is empty."""
    bins = calibration_bins(confidence)
    images = np.bincount(bins, minlength=CALIBRATION_BINS)
    sums = (np.bincount(bins, weights=values, minlength=CALIBRATION_BINS) for values in (confidence, right))
    mean_confidence, accuracy = (total / np.maximum(images, 1) for total in sums)
    return mean_confidence, accuracy, images


def mistake_sheet(found: Mistakes, dataset: Dataset) -> bytes:
    """A PNG of the faces of the most confident mistakes, 49 at most, each with its emotion and what it was taken for.

    There must be one mistake at least.
    """
    classes, worst = found.board.classes, found.wrong[:SHEET]
    images = dataset.images[found.rows[worst]]
    pictures = [
        Picture(
            image,
            f"{classes[found.labels[i]]} ({found.rows[i]}{', blank' if nothing else ''})",
            ((f"{classes[found.predicted[i]]} {100 * found.confidence[i]:.0f} %", False),),
        )
        for i, image, nothing in zip(worst, images, blank(images), strict=True)
    ]
    return picture_sheet(
        pictures, f"{found.title}: most confident mistakes on {found.board.title}\ntrue emotion (row), and the answer"
    )
