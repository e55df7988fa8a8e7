"""Trained models on foreign sets: one for a terminal, all of them for the report."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ..columns import percent
from ..evaluation import Evaluation, Intervals, View
from .markdown import table


def text(evaluation: Evaluation) -> str:
    """For a terminal: what was scored, the scores with their intervals, and emotion by emotion."""
    from tabulate import tabulate

    e = evaluation
    subjects = f", of {e.subjects:,} subjects" if e.subjects else ""
    lines = [
        f"{e.runner} ({e.recipe}, seed {e.seed}, trained on {e.trained_on}, split {e.split}) on {e.data}: "
        f"{e.scored:,} of {e.images:,} images scored{subjects}"
    ]
    if e.dropped:
        counts = ", ".join(f"{name} ({count:,})" for name, count in e.dropped.items())
        lines.append(f"dropped, as the model does not know them: {counts}")
    if e.missing:
        masked = "; masked leaves these outputs out" if e.masked else ""
        lines.append(f"without an image in {e.data}: {', '.join(e.missing)}{masked}")
    views = {"all outputs": e.whole} | ({"masked": e.masked} if e.masked else {})
    scores = tabulate(_score_rows(list(views.values())), ["in %", *views], disable_numparse=True)
    headers = ["emotion", "images", "accuracy", "precision", "F1"]
    headers += [f"{header}, masked" for header in headers[2:] if e.masked]
    align = ["left", *["right"] * (len(headers) - 1)]
    emotions = tabulate(_emotion_rows(list(views.values())), headers, disable_numparse=True, colalign=align)
    return "\n".join([*lines, "", scores, "", emotions])


def _score_rows(views: Sequence[View]) -> list[list[str]]:
    """Each score of each view with its 95 % interval over images, and below it that over subjects, if there are any."""
    rows = []
    for name, title in (("accuracy", "accuracy"), ("macro_f1", "macro F1")):
        cells = [f"{percent(getattr(view.scores, name))} {_interval(view.over_images, name)}" for view in views]
        over_subjects = [_interval(view.over_subjects, name) for view in views]
        rows.append([title, *cells])
        if any(over_subjects):
            rows.append([f"{title} over subjects", *over_subjects])
    return rows


def _interval(intervals: Intervals | None, name: str) -> str:
    if intervals is None:
        return ""
    low, high = getattr(intervals, name)
    return f"[{percent(low)}, {percent(high)}]"


def _emotion_rows(views: Sequence[View]) -> list[list[str]]:
    """The emotions of which there are images, in percent."""
    return [
        [name, f"{scores.images:,}"]
        + [percent(getattr(v.scores.emotions[name], field)) for v in views for field in ("recall", "precision", "f1")]
        for name, scores in views[0].scores.emotions.items()
        if scores.images
    ]


def cross_dataset_table(evaluations: Iterable[Evaluation]) -> str:
    """Trained models on foreign sets, the most accurate of each set first; empty where there is none."""
    lines = []
    for e in sorted(evaluations, key=lambda e: (e.slug, -e.whole.scores.accuracy, e.runner, e.recipe, e.seed, e.key)):
        dropped = ", ".join(f"{name} ({count:,})" for name, count in e.dropped.items())
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
    accuracy = f"{percent(view.scores.accuracy)} {_interval(view.over_subjects or view.over_images, 'accuracy')}"
    return accuracy, percent(view.scores.macro_f1)
