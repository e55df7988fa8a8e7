"""Trained models on foreign sets, as a table."""

from __future__ import annotations

from collections.abc import Iterable

from ..board.columns import percent
from ..records.evaluation import Evaluation
from ..scores.foreign import Intervals, View
from .markdown import table


def interval_text(intervals: Intervals | None, name: str) -> str:
    """Writes the interval of "accuracy" or "macro_f1" in percent: "[61.2, 64.8]"; "" where there is none."""
    if intervals is None:
        return ""
    low, high = getattr(intervals, name)
    return f"[{percent(low)}, {percent(high)}]"


def cross_dataset_table(evaluations: Iterable[Evaluation]) -> str:
    """A Markdown table of trained models on foreign sets, the most accurate of each set first; "" without any."""
    lines = []
    for e in sorted(evaluations, key=lambda e: (e.slug, -e.whole.scores.accuracy, e.runner, e.recipe, e.seed, e.key)):
        counts = dict(e.dropped)
        if e.training_images:
            counts["its training images, scored" if e.kept else "its training images"] = e.training_images
        dropped = ", ".join(f"{name} ({count:,})" for name, count in counts.items())
        lines.append([
            e.slug, e.runner, e.recipe, str(e.seed), f"{e.trained_on}, {e.split}", f"{e.scored:,}",
            "" if e.subjects is None else f"{e.subjects:,}",
            *_view_cells(e.whole), *_view_cells(e.masked), ", ".join(e.missing), dropped,
        ])  # fmt: skip
    headers = ["Data", "Runner", "Recipe", "Seed", "Trained on", "Images", "Subjects"]
    headers += ["Accuracy [95 %]", "F1 macro", "Masked accuracy", "Masked F1", "Missing", "Dropped"]
    return table(headers, lines, left=(0, 1, 2, 4, 11, 12)) if lines else ""


def _view_cells(view: View | None) -> tuple[str, str]:
    """Accuracy with its interval, over subjects where there are some, and macro F1."""
    if view is None:
        return "", ""
    accuracy = f"{percent(view.scores.accuracy)} {interval_text(view.over_subjects or view.over_images, 'accuracy')}"
    return accuracy, percent(view.scores.macro_f1)
