"""The pictures of an audit: how many images each emotion has, and what they look like."""

from __future__ import annotations

from typing import IO

import numpy as np

from .audit import Audit
from .dataset import Dataset

#: Blue, orange and green of Okabe and Ito's palette, told apart by every eye.
_COLOURS = ("#0072B2", "#E69F00", "#009E73")
SAMPLES = 7


def draw_classes(audit: Audit, file: IO[bytes]) -> None:
    """Writes a PNG with a bar for each emotion, stacked by usage, with its total and share."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 4.5), layout="constrained")
    axes = figure.add_subplot()
    base = np.zeros(len(audit.classes), int)
    for (usage, counts), colour in zip(audit.counts.items(), _COLOURS, strict=False):
        heights = np.array([counts[emotion] for emotion in audit.classes])
        axes.bar(audit.classes, heights, bottom=base, label=usage, color=colour)
        base += heights
    for position, total in enumerate(base):
        axes.annotate(
            f"{total:,}\n{total / max(audit.images, 1):.1%}",
            (position, total),
            ha="center",
            va="bottom",
            fontsize=9,
            xytext=(0, 2),
            textcoords="offset points",
        )
    axes.set(title=f"{audit.name}: {audit.images:,} images", ylabel="images", ylim=(0, max(base.max() * 1.15, 1)))
    axes.spines[["top", "right"]].set_visible(False)
    if len(audit.counts) > 1:
        axes.legend(frameon=False)
    figure.savefig(file, format="png", dpi=150)


def draw_samples(dataset: Dataset, file: IO[bytes], *, seed: int = 0) -> None:
    """Writes a PNG with a row for each emotion: ``SAMPLES`` of its images, drawn at random."""
    from matplotlib.figure import Figure

    classes = dataset.classes
    rng = np.random.default_rng(seed)
    figure = Figure(figsize=(SAMPLES + 1.2, len(classes)), layout="constrained")
    grid = figure.subplots(len(classes), SAMPLES, squeeze=False)
    for label, emotion in enumerate(classes):
        rows = np.flatnonzero(dataset.labels == label)
        chosen = np.sort(rng.choice(rows, min(SAMPLES, len(rows)), replace=False))
        for place, axes in enumerate(grid[label]):
            axes.set(xticks=[], yticks=[])
            axes.spines[:].set_visible(False)
            if place < len(chosen):
                axes.imshow(dataset.images[chosen[place]], cmap="gray", vmin=0, vmax=255)
        grid[label][0].set_ylabel(emotion.replace("+", "+\n"), rotation=0, ha="right", va="center")
    figure.savefig(file, format="png", dpi=150)
