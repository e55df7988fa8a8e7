"""A sheet of small pictures, each with its true emotion and what was answered."""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO
from typing import NamedTuple

import numpy as np

from .plots import SOFTWARE

COLUMNS = 7
#: Dark enough to be read on white, and told apart by every eye; right answers have a check mark besides.
RIGHT, WRONG = "#00664A", "#A33F00"


class Picture(NamedTuple):
    """An image (48, 48) uint8, what stands above it, and the answers below it, each with whether it is right."""

    image: np.ndarray
    title: str
    answers: tuple[tuple[str, bool], ...]


def picture_sheet(pictures: Sequence[Picture], title: str) -> bytes:
    """Draws the pictures, of which there must be one at least, in rows of ``COLUMNS``; as a PNG."""
    from matplotlib.figure import Figure

    columns = min(COLUMNS, len(pictures))
    rows = -(-len(pictures) // columns)
    figure = Figure(figsize=(max(1.5 * columns, 5), 1.95 * rows + 0.6), layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False)
    for axes in grid.flat:
        axes.set_axis_off()
    for axes, picture in zip(grid.flat, pictures, strict=False):
        axes.imshow(picture.image, cmap="gray", vmin=0, vmax=255)
        axes.set_title(picture.title, fontsize=8, pad=2)
        for line, (answer, right) in enumerate(picture.answers):
            axes.annotate(
                f"{answer} ✓" if right else answer,
                (0.5, 0),
                xycoords="axes fraction",
                xytext=(0, -2 - 9 * line),
                textcoords="offset points",
                ha="center",
                va="top",
                fontsize=7,
                color=RIGHT if right else WRONG,
            )
    figure.suptitle(title, fontsize=9)
    buffer = BytesIO()
    figure.savefig(buffer, dpi=150, format="png", metadata={"Software": SOFTWARE})
    return buffer.getvalue()
