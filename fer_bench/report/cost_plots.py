"""Accuracy against what it costs, on one hardware: which system to take at which latency, or in which time to train."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..board.board import Board
from ..board.row import Row
from .plot_labels import place_labels
from .plots import DPI, png, star_key, starred

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: The costs that are drawn, each a figure of records.Cost: in a word, and in those of its axis.
COSTS = {
    "latency_p50_ms": ("latency", "latency: median time for one image, in ms"),
    "fit_seconds": ("fit-time", "time to fit, in s"),
}
#: Boxes that labels keep clear of are so much larger than what is drawn, in pixels on each side.
MARKER, LINE = 6.0, 2.0
#: Points of a label's letters, its margin (2,) in pixels, and from how many pixels on a line leads from it to its
#: point.
FONT, PADDING, FAR = 8, np.array([2.0, 1.0]), 14.0


def pareto(costs: Sequence[float | None], accuracies: Sequence[float | None]) -> np.ndarray:
    """The Pareto front, (N,) bool: entries than which no other is at once as cheap and as accurate, and better in one.

    Equal entries stand or fall together. An entry whose cost or accuracy is None or NaN is out, and beats nothing.
    """
    cost, accuracy = (np.array(values, float) for values in (costs, accuracies))
    no_worse = (cost[:, None] <= cost) & (accuracy[:, None] >= accuracy)
    better = (cost[:, None] < cost) | (accuracy[:, None] > accuracy)
    return ~np.isnan(cost + accuracy) & ~(no_worse & better).any(axis=0)


def cost_plot(board: Board, cost: str, hardware: str, colors: Mapping[str, str]) -> bytes | None:
    """Draws accuracy with its 95 % interval against ``cost``, one of COSTS, on a logarithmic axis, as a PNG.

    board: the rows that ran on ``hardware``. colors: the colour of each family. The Pareto front is marked. None where
    fewer than two rows have such a cost.
    """
    from matplotlib.figure import Figure

    rows = [row for row in board.rows if (row.cost(cost) or 0) > 0]
    if len(rows) < 2:
        return None
    costs = np.array([row.cost(cost) for row in rows], float)
    accuracy = 100 * np.array([row.mean("accuracy") for row in rows], float)
    low, high = 100 * np.array([row.interval("accuracy") for row in rows], float).T
    front = pareto(costs.tolist(), accuracy.tolist())
    figure = Figure(figsize=(8, 5 + 0.06 * max(0, len(rows) - 10)), dpi=DPI, layout="constrained")
    axes = figure.subplots()
    for i, row in enumerate(rows):
        color = colors[row.family]
        axes.errorbar(
            costs[i], accuracy[i], [[accuracy[i] - low[i]], [high[i] - accuracy[i]]], color=color, linewidth=1
        )
        axes.plot(costs[i], accuracy[i], "o", color=color, markersize=7, markerfacecolor=color if front[i] else "white")
    _scale(axes, cost)
    steps = _front_line(costs[front], accuracy[front], axes.get_xlim()[1])
    axes.plot(*steps.T, color="gray", linestyle="--", linewidth=1, zorder=1)
    axes.set_xlabel(f"{COSTS[cost][1]} (logarithmic)\n{hardware}{star_key(rows)}", fontsize=9)
    axes.set_ylabel("test accuracy in %, with 95 % interval", fontsize=9)
    axes.set_title(board.title, fontsize=10)
    _legend(figure, axes, {row.family for row in rows}, colors)
    bars = np.stack([np.stack([costs, low], axis=1), np.stack([costs, high], axis=1)], axis=1)
    _label(figure, axes, rows, np.stack([costs, accuracy], axis=1), [*bars, *np.stack([steps[:-1], steps[1:]], axis=1)])
    return png(figure)


def _scale(axes: Axes, cost: str) -> None:
    """A logarithmic axis with plain numbers at 1, 2, 5, 10, ..., and room for labels at its sides."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    axes.set_xscale("log")
    axes.margins(x=0.14, y=0.1)
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.10g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_xlim(*axes.get_xlim())
    axes.set_ylim(*axes.get_ylim())


def _front_line(costs: np.ndarray, accuracy: np.ndarray, end: float) -> np.ndarray:
    """(2K, 2) corners of the best accuracy that can be had up to each cost, on to ``end``."""
    order = np.lexsort([accuracy, costs])
    x, y = np.append(costs[order], end), accuracy[order]
    return np.stack([np.repeat(x, 2)[1:-1], np.repeat(y, 2)], axis=1)


def _legend(figure: Figure, axes: Axes, families: set[str], colors: Mapping[str, str]) -> None:
    marks: list[Any] = [
        axes.plot([], [], "o", color=colors[family], markersize=7, label=family or "other")[0]
        for family in sorted(families)
    ]
    marks += axes.plot([], [], "o--", color="gray", linewidth=1, label="Pareto front: none is cheaper and as accurate")
    marks += axes.plot([], [], "o", color="gray", markerfacecolor="white", label="beaten by one of them")
    figure.legend(handles=marks, loc="outside lower center", ncols=len(marks), fontsize=8, frameon=False)


def _label(figure: Figure, axes: Axes, rows: Sequence[Row], points: np.ndarray, lines: Sequence[np.ndarray]) -> None:
    """Writes runner and recipe beside each of ``points``, clear of them and of ``lines``, both in the data's units."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    renderer = FigureCanvasAgg(figure).get_renderer()
    figure.draw_without_rendering()  # lays the axes out; only then do pixels mean anything
    words = starred(rows)
    sizes = np.array([_size(axes, text, renderer) for text in words])
    pixels = axes.transData.transform(points)
    drawn = [axes.transData.transform(line) for line in lines]
    obstacles = [np.concatenate([line.min(axis=0) - LINE, line.max(axis=0) + LINE]) for line in drawn]
    obstacles += [np.concatenate([pixel - MARKER, pixel + MARKER]) for pixel in pixels]
    corners = place_labels(pixels, sizes, np.array(obstacles), np.array(axes.bbox.extents))
    for text, point, pixel, corner, size in zip(words, points, pixels, corners, sizes, strict=True):
        gap = np.linalg.norm(np.maximum(np.maximum(corner - pixel, pixel - corner - size), 0))
        axes.annotate(
            text,
            point,
            corner + PADDING - pixel,
            textcoords="offset pixels",
            fontsize=FONT,
            va="bottom",
            in_layout=False,
            arrowprops={"arrowstyle": "-", "color": "gray", "linewidth": 0.6, "shrinkB": 4} if gap > FAR else None,
        )


def _size(axes: Axes, text: str, renderer: Any) -> np.ndarray:
    """(2,) width and height of a label in pixels, with some air."""
    drawn = axes.text(0, 0, text, fontsize=FONT)
    extent = drawn.get_window_extent(renderer)
    drawn.remove()
    return np.array(extent.size) + 2 * PADDING
