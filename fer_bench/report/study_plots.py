"""The pictures of a study: how it went, what was important, and each field beside the value."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..search.studies import StudyTold, TrialTold
from .plots import png

#: Panels of a picture of slices in a row, and in all; of more fields the first are drawn.
ACROSS, MOST_SLICES = 3, 24


def history_plot(study: StudyTold, title: str) -> bytes:
    """Draws the value of each trial in its order, and the best so far; beside it what the pruner saw of each, if
    anything.
    """
    from matplotlib.figure import Figure

    curves = [one for one in study.trials if len(one.curve) > 1]
    figure = Figure(figsize=(9 if curves else 5, 3.4), layout="constrained")
    panels = figure.subplots(1, 2 if curves else 1, squeeze=False)[0]
    _values(panels[0], study)
    if curves:
        _epochs(panels[1], curves, study)
    for axes in panels:
        axes.grid(alpha=0.3)
        axes.xaxis.get_major_locator().set_params(integer=True)
    figure.suptitle(title, fontsize=10)
    return png(figure)


def _values(axes: Any, study: StudyTold) -> None:
    """The trials that came to an end by their values, and marks below for the others."""
    whole = completed(study)
    numbers, values = [one.number for one in whole], np.array([_value(one) for one in whole])
    axes.plot(numbers, values, "o", markersize=4, label="trial")
    if len(values):
        so_far = np.maximum.accumulate(values) if study.upwards else np.minimum.accumulate(values)
        axes.step(numbers, so_far, where="post", linewidth=1, label="best so far")
    if study.base is not None and study.base.value is not None:
        axes.axhline(study.base.value, color="gray", linestyle="--", linewidth=1, label="the recipe as it was")
    for one in study.trials:
        if one.state in ("failed", "pruned"):
            mark = {"failed": "x", "pruned": "|"}[one.state]
            axes.plot(one.number, 0.02, mark, color="C3", markersize=6, transform=axes.get_xaxis_transform())
    axes.set_xlabel("trial (below: | pruned, x failed)")
    axes.set_title(objective(study), fontsize=10)
    axes.legend(fontsize=8)


def _epochs(axes: Any, trials: Sequence[TrialTold], study: StudyTold) -> None:
    """What the pruner saw of each trial, the best one above the others."""
    for one in trials:
        best = study.best is not None and one.number == study.best.number
        style = {"color": "C1", "linewidth": 2, "zorder": 3} if best else {"color": "C0", "alpha": 0.4}
        epochs = sorted(one.curve)
        end = "|" if one.state == "pruned" else ""
        axes.plot(epochs, [one.curve[epoch] for epoch in epochs], marker=end, markevery=[-1], **style)
    axes.set_xlabel("epoch (orange: the best trial; | pruned)")
    axes.set_title("validation accuracy" if study.upwards else "validation error", fontsize=10)


def importance_plot(study: StudyTold, title: str) -> bytes | None:
    """Draws how much each field had to do with the value; None where the study can't tell."""
    from matplotlib.figure import Figure

    shares = sorted((study.importance or {}).items(), key=lambda item: item[1])
    if not shares:
        return None
    figure = Figure(figsize=(7, 1.2 + 0.32 * len(shares)), layout="constrained")
    axes = figure.subplots()
    axes.barh(range(len(shares)), [100 * share for _, share in shares], alpha=0.55)
    axes.set_yticks(range(len(shares)), [name for name, _ in shares], fontsize=9)
    axes.set_xlabel("importance in % (PED-ANOVA)")
    axes.set_title(title, fontsize=10)
    axes.spines[["top", "right"]].set_visible(False)
    return png(figure)


def slice_plot(study: StudyTold, title: str) -> bytes | None:
    """Draws the value of each trial beside each field's; the best one is marked. None where no trial came to an end."""
    from matplotlib.figure import Figure

    whole = completed(study)
    names = [name for name in study.fields if any(name in one.params for one in whole)][:MOST_SLICES]
    if not names:
        return None
    across = min(ACROSS, len(names))
    rows = math.ceil(len(names) / across)
    figure = Figure(figsize=(3 * across, 0.6 + 2.3 * rows), layout="constrained")
    panels = figure.subplots(rows, across, sharey=True, squeeze=False).ravel()
    for axes, name in zip(panels, names, strict=False):
        _slice(axes, [one for one in whole if name in one.params], name, study)
    for axes in panels[len(names) :]:
        axes.set_visible(False)
    figure.suptitle(f"{title}: {objective(study)} beside each field", fontsize=10)
    return png(figure)


def _slice(axes: Any, trials: Sequence[TrialTold], name: str, study: StudyTold) -> None:
    """One field's panel: numbers along a line, words and yes or no each at a place of its own."""
    given = [one.params[name] for one in trials]
    numbers = all(isinstance(value, int | float) and not isinstance(value, bool) for value in given)
    places = sorted({str(value) for value in given})
    where = given if numbers else [places.index(str(value)) for value in given]
    axes.scatter(where, [_value(one) for one in trials], s=14, alpha=0.7)
    for x, one in zip(where, trials, strict=True):
        if study.best is not None and one.number == study.best.number:
            axes.scatter([x], [_value(one)], s=40, color="C1", zorder=3)
    if not numbers:
        axes.set_xticks(range(len(places)), places, fontsize=8)
    elif _by_ratio(study, name) and min(map(float, given)) > 0:
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
        axes.xaxis.set_minor_formatter(lambda _, __: "")
    axes.set_xlabel(name, fontsize=9)
    axes.tick_params(labelsize=8)
    axes.grid(alpha=0.3)


def _by_ratio(study: StudyTold, name: str) -> bool:
    """Whether equal ratios of a field are equally likely, not equal differences."""
    return any(field.log for field in study.searched if field.name == name)


def completed(study: StudyTold) -> list[TrialTold]:
    """The trials that came to an end of their own and have a value, in their order."""
    return [one for one in study.trials if one.state == "complete" and one.value is not None]


def objective(study: StudyTold) -> str:
    """What decided, in words: "validation accuracy"."""
    return f"validation {str(study.statement.get('objective', 'value')).replace('-', ' ')}"


def _value(trial: TrialTold) -> float:
    return float("nan") if trial.value is None else trial.value
