"""The report's pictures, drawn without a display: PNG bytes, the same for the same input."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from io import BytesIO
from typing import TYPE_CHECKING

import numpy as np

from ..board.board import Board
from ..board.row import Row

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

DPI = 100
#: What a picture says that it was made by, and how that stands in its bytes.
SOFTWARE, MARK = "fer-bench", b"tEXtSoftware\0fer-bench"


@contextmanager
def literal_texts() -> Iterator[None]:
    """Lets names be drawn as they are inside: matplotlib would take what stands between two dollars for mathematics."""
    import matplotlib

    with matplotlib.rc_context({"text.parse_math": False}):
        yield


def leaderboard_plot(board: Board) -> bytes:
    """Draws the accuracy of every row that has one, with its 95 % interval, beside that of naming the largest class."""
    from matplotlib.figure import Figure

    rows = [row for row in board.rows if row.runs][::-1]
    accuracy = 100 * np.array([row.mean("accuracy") for row in rows])
    low, high = 100 * np.array([row.interval("accuracy") for row in rows], float).T
    figure = Figure(figsize=(8, 1.5 + 0.34 * len(rows)), layout="constrained")
    axes = figure.subplots()
    colors = family_colors(board)
    for position, row in enumerate(rows):
        axes.barh(position, accuracy[position], color=colors[row.family], alpha=0.55, height=0.7)
    ends = [np.maximum(accuracy - low, 0), np.maximum(high - accuracy, 0)]
    axes.errorbar(accuracy, range(len(rows)), xerr=ends, fmt="none", color="black", capsize=2.5, linewidth=1)
    for position, (value, end) in enumerate(zip(accuracy, high, strict=True)):
        axes.text(end + 0.8, position, f"{value:.1f}", va="center", fontsize=9)
    largest = 100 * rows[0].confusion().sum(axis=1).max() / rows[0].confusion().sum()
    axes.axvline(largest, color="gray", linestyle="--", linewidth=1, label=f"always the largest class: {largest:.1f}")
    for family, color in colors.items():
        axes.barh(0, 0, color=color, alpha=0.55, label=family or "other")
    axes.set_yticks(range(len(rows)), starred(rows), fontsize=9)
    axes.set_xlim(0, min(108, max(*high, largest) * 1.12))
    axes.set_xlabel(f"test accuracy in %, with 95 % interval{star_key(rows)}")
    axes.set_title(board.title, fontsize=10)
    axes.spines[["top", "right"]].set_visible(False)
    figure.legend(loc="outside lower center", ncols=1 + len(colors), fontsize=8, frameon=False)
    return png(figure)


def family_colors(board: Board) -> dict[str, str]:
    """The colour of each family that has results on the board, the same in all its pictures."""
    return {family: f"C{i}" for i, family in enumerate(sorted({row.family for row in board.rows if row.runs}))}


def starred(rows: Iterable[Row]) -> list[str]:
    """The titles of the rows as pictures show them: with a star where a row has a note."""
    return [f"{row.title} *" if row.note() else row.title for row in rows]


def star_key(rows: Iterable[Row]) -> str:
    """What a picture says of its stars, to follow other words; "" where no row has a note."""
    return "; * see its note" if any(row.note() for row in rows) else ""


def confusion_plot(confusion: Sequence[Sequence[int]], classes: Sequence[str], title: str) -> bytes:
    """Draws a confusion matrix (C, C), true by predicted, each row in percent of the images of its emotion."""
    from matplotlib.figure import Figure

    counts = np.asarray(confusion, dtype=float)
    images = counts.sum(axis=1)
    shares = 100 * counts / np.maximum(images, 1)[:, None]
    size = 2.6 + 0.5 * len(classes)
    figure = Figure(figsize=(size + 0.5, size - 0.4), layout="constrained")
    axes = figure.subplots()
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=100)
    for (i, j), share in np.ndenumerate(shares):
        color = "white" if share > 55 else "black"
        axes.text(j, i, f"{share:.0f}", ha="center", va="center", color=color, fontsize=9)
    ticks = range(len(classes))
    axes.set_xticks(ticks, classes, rotation=40, ha="right", rotation_mode="anchor")
    axes.set_yticks(ticks, [f"{name} ({n:,.0f})" for name, n in zip(classes, images, strict=True)])
    axes.set_xlabel("predicted")
    axes.set_ylabel("true (images)")
    axes.set_title(title, fontsize=10)
    return png(figure)


def curves_plot(history: pd.DataFrame, title: str, best_epoch: int | None = None, watched: str = "validation") -> bytes:
    """Draws loss and accuracy of the training and the validation part, epoch by epoch over all stages.

    history: columns loss, accuracy, val_loss, val_accuracy and stage, as far as there are any. best_epoch: the epoch,
        from
    1, whose weights were kept. watched: what stood in the place of the validation part.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3.4), layout="constrained")
    epochs = np.arange(1, len(history) + 1)
    marker = "o" if len(history) < 12 else None
    for axes, name in zip(figure.subplots(1, 2), ("loss", "accuracy"), strict=True):
        for column, label in ((name, "training"), (f"val_{name}", watched)):
            if column in history and history[column].notna().any():
                axes.plot(epochs, history[column], marker=marker, markersize=3, label=label)
        if "stage" in history:
            for start in np.flatnonzero(np.diff(history["stage"])):
                axes.axvline(start + 1.5, color="gray", linestyle=":", linewidth=1)
        if best_epoch is not None:
            axes.axvline(best_epoch, color="black", linestyle="--", linewidth=1, label=f"kept: epoch {best_epoch}")
        axes.set_xlabel("epoch")
        axes.set_title(name, fontsize=10)
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.grid(alpha=0.3)
        if axes.get_legend_handles_labels()[0]:
            axes.legend(fontsize=8)
    figure.suptitle(title, fontsize=10)
    return png(figure)


def png(figure: Figure) -> bytes:
    """A figure as a PNG with a palette of 64 colours, which has a third of the size and looks the same."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from PIL import Image
    from PIL.PngImagePlugin import PngInfo

    canvas = FigureCanvasAgg(figure)
    figure.set_dpi(DPI)
    canvas.draw()
    pixels = np.asarray(canvas.buffer_rgba())[:, :, :3]
    buffer = BytesIO()
    said = PngInfo()
    said.add_text("Software", SOFTWARE)
    Image.fromarray(pixels).quantize(64, dither=Image.Dither.NONE).save(buffer, "PNG", optimize=True, pnginfo=said)
    return buffer.getvalue()
