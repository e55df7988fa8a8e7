"""A row emotion by emotion, as a source printed it: images, accuracy, both confidences, and what they were taken
for.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..board.columns import percent
from ..board.row import Row, average

#: Header and name of each figure: one of EmotionScores, and what it comes to over all images.
FIGURES = {
    "Accuracy": "recall",
    "Precision": "precision",
    "F1": "f1",
    "Confidence (predicted)": "confidence",
    "Confidence (true)": "true_confidence",
}
TOTAL = "total"


def emotion_lines(row: Row, classes: Sequence[str]) -> tuple[list[str], list[list[str]]]:
    """Headers, and a line of texts for each emotion and for all images together; the row has runs that went well.

    A line has the number of images, FIGURES in percent, and how many of the images were predicted as each class, with
    the percentage in brackets: "339 (44.0)". Of several seeds these are means. Empty where a record does not tell.
    """
    confusion = row.confusion() / len(row.runs)
    images = confusion.sum(axis=1)
    lines = []
    for i, name in enumerate(classes):
        figures = [percent(row.emotion_mean(name, figure)) for figure in FIGURES.values()]
        lines.append([name, _count(images[i]), *figures, *(_part(count, images[i]) for count in confusion[i])])
    totals = [percent(overall(row, figure)) for figure in FIGURES.values()]
    predicted = (_part(count, images.sum()) for count in confusion.sum(axis=0))
    lines.append([TOTAL, _count(images.sum()), *totals, *predicted])
    return ["Emotion", "Images", *FIGURES, *(f"→ {name}" for name in classes)], lines


def overall(row: Row, name: str) -> float | None:
    """The mean of one of the EmotionScores over the emotions, weighted by their images; and over seeds.

    So recall becomes the accuracy, precision and F1 the weighted ones, and a confidence that over all images. None
    where no record tells.
    """
    values = []
    for run in row.runs:
        assert run.scores is not None  # it went well
        emotions = [emotion for emotion in run.scores.emotions.values() if emotion.images]
        known = [(getattr(emotion, name), emotion.images) for emotion in emotions]
        if known and all(value is not None for value, _ in known):
            values.append(sum(value * images for value, images in known) / sum(images for _, images in known))
    return average(values)


def _count(images: float) -> str:
    """A mean number of images, with a digit after the point where it is no whole one."""
    return f"{images:,.0f}" if float(images).is_integer() else f"{images:,.1f}"


def _part(count: float, images: float) -> str:
    return f"{_count(count)} ({percent(count / images if images else 0.0)})"
