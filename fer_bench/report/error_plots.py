"""The pictures of a model's errors: its calibration, and the sheet of its most confident mistakes."""

from __future__ import annotations

from io import BytesIO

import numpy as np

from ..data.dataset import Dataset
from ..metrics import CALIBRATION_BINS, calibration_bins, calibration_error
from .errors import Errors, blanks
from .plots import DPI, png

#: Rows and columns of the sheet.
SHEET = 7


def calibration_plot(errors: Errors) -> bytes:
    """A reliability diagram: accuracy by confidence in the bins of the expected calibration error, and the images in each.

    Niculescu-Mizil and Caruana: Predicting Good Probabilities with Supervised Learning, ICML 2005.
    """
    from matplotlib.figure import Figure

    bins = reliability(errors.confidence, errors.right)
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
    error = 100 * calibration_error(errors.confidence, errors.right)
    top.set_title(f"{errors.title}\nexpected calibration error {error:.1f} %", fontsize=10)
    bottom.bar(edges, images, width, color="C0", alpha=0.55)
    bottom.set(xlabel="confidence: probability of the predicted emotion, in %", ylabel="images")
    for axes in (top, bottom):
        axes.spines[["top", "right"]].set_visible(False)
    return png(figure)


def reliability(confidence: np.ndarray, right: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(N,) confidences and bools -> mean confidence, accuracy and images of each bin, (CALIBRATION_BINS,); 0 where empty."""
    bins = calibration_bins(confidence)
    images = np.bincount(bins, minlength=CALIBRATION_BINS)
    sums = (np.bincount(bins, weights=values, minlength=CALIBRATION_BINS) for values in (confidence, right))
    mean_confidence, accuracy = (total / np.maximum(images, 1) for total in sums)
    return mean_confidence, accuracy, images


def mistake_sheet(errors: Errors, dataset: Dataset) -> bytes:
    """The faces of the most confident mistakes, 7 x 7 at most, each with what it is, what it was taken for, how surely."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    worst = errors.mistakes[: SHEET * SHEET]
    blank = blanks(dataset, errors.rows[worst])
    height = max(1, -(-len(worst) // SHEET))
    figure = Figure(figsize=(SHEET * 1.45, 0.6 + height * 1.75), dpi=DPI, layout="constrained")
    grid = figure.subplots(height, SHEET, squeeze=False)
    classes = errors.board.classes
    for place, axes in enumerate(grid.flat):
        axes.set_axis_off()
        if place < len(worst):
            i = worst[place]
            axes.imshow(dataset.images[errors.rows[i]], cmap="gray", vmin=0, vmax=255)
            words = f"{classes[errors.labels[i]]}\n→ {classes[errors.predicted[i]]} {100 * errors.confidence[i]:.0f} %"
            remark = ", blank" if blank[place] else ""
            axes.set_title(f"{words}\nrow {errors.rows[i]}{remark}", fontsize=7, pad=2)
    figure.suptitle(f"{errors.title}: most confident mistakes on {errors.board.title}", fontsize=9)
    FigureCanvasAgg(figure)
    buffer = BytesIO()
    figure.savefig(buffer, format="png")
    return buffer.getvalue()
