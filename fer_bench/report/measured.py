"""Ours, measured as a source measured: the rows that a published figure is put beside, and what sets them apart from
it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any, Final

from ..api.published import Counted, Published
from ..board.board import Board
from ..board.row import Row, average
from ..data.dataset import is_embedded
from ..records.record import RunRecord
from ..records.run_files import RunFiles
from ..scores.metrics import Scores

WHILE: Final = "while training"
#: Which epoch is scored, by what picks it.
PICKED = {
    "validation": "picked by validation data",
    "test": "picked on the test part",
    "train": "picked by training accuracy",
    "last": "the last epoch",
    "none": "no epochs",
}


@dataclass(frozen=True)
class Ours:
    """A row as a published figure would have it: fractions, means over seeds; None where the records don't tell.

    ``accuracy`` is binary where the figure is. ``low`` and ``high`` are its 95 % interval. ``counted`` says of a
    training accuracy when it was counted, as ``Published.counted`` does.
    """

    board: Board
    row: Row
    accuracy: float | None
    weighted_f1: float | None = None
    low: float | None = None
    high: float | None = None
    counted: Counted = "after"


def real(boards: Iterable[Board]) -> list[Board]:
    """The boards of real faces: synthetic ones have nothing to say about published figures."""
    return [board for board in boards if not is_embedded(board.dataset)]


def ours(boards: Iterable[Board], runner: str, figure: Published, files: RunFiles) -> list[Ours]:
    """A runner's rows on the split of a figure, or the nearest one, with its emotions; those most like it first.

    Rows whose checkpoint the test part picked are among them only where the source's was, too.
    """
    places = [
        (board, row)
        for board in boards
        if board.split == figure.our_split and len(board.classes) == figure.classes
        for row in board.rows
        if row.runner == runner and row.runs and not row.superseded
        if figure.checkpoint == "test" or not row.test_selected
    ]
    places.sort(key=lambda place: _unlikeness(figure, *place))
    return [_measure(board, row, figure, files) for board, row in places]


def _unlikeness(figure: Published, board: Board, row: Row) -> tuple[Any, ...]:
    other_recipe = row.recipe != (figure.recipe or "published")
    other_picker = row.test_selected != (figure.checkpoint == "test")
    known = len(differences(figure, board, row))
    return row.quick_look, bool(row.stale), other_recipe, other_picker, known, -len(row.runs), row.label, row.note()


def _measure(board: Board, row: Row, figure: Published, files: RunFiles) -> Ours:
    if figure.part == "train" and (figure.counted == WHILE or not any(run.train_scores for run in row.runs)):
        best = average(files.training_accuracy(run) for run in row.runs)
        return Ours(board, row, best, counted=WHILE)
    runs = [parts for run in row.runs if (parts := _parts(run, figure.part))]
    if not runs:
        return Ours(board, row, None)
    if figure.metric == "binary" or figure.part == "validation+test":
        name = "binary_accuracy" if figure.metric == "binary" else "accuracy"
        return Ours(board, row, fmean(_pooled(parts, name) for parts in runs))
    accuracy, weighted_f1, low, high = (
        fmean(getattr(parts[0], name) for parts in runs)
        for name in ("accuracy", "weighted_f1", "accuracy_low", "accuracy_high")
    )
    interval = row.interval("accuracy") if figure.part == "test" else None
    return Ours(board, row, accuracy, weighted_f1, *(interval or (low, high)))


def _parts(run: RunRecord, part: str) -> list[Scores]:
    """The scores of a run on a part of the split; empty where it lacks any of them."""
    scores = {"train": run.train_scores, "validation": run.validation_scores, "test": run.scores}
    found = [scores[name] for name in part.split("+")]
    return [one for one in found if one is not None] if None not in found else []


def _pooled(parts: Sequence[Scores], name: str) -> float:
    """A share of images, or of their outputs, over several parts together."""
    total: float = sum(part.images * getattr(part, name) for part in parts)
    return total / sum(part.images for part in parts)


def differences(figure: Published, board: Board, row: Row) -> list[str]:
    """What is known to set a row apart from the published run, in words, from its records alone."""
    job, training = row.runs[0].job, row.runs[0].training
    inside = row.label.removeprefix(row.runner)
    epochs = _epochs(job.recipe_fields)
    capped = [min(count, job.epochs or count) for count in epochs]
    early = sorted(filter(None, (_stopped_early(run, sum(capped) or job.epochs) for run in row.runs)))
    picked = " and ".join(sorted({PICKED.get(run.training.checkpoint, "not told") for run in row.runs}))
    there = PICKED.get(figure.checkpoint, "not told")
    told = {
        f"{row.recipe} recipe (there: not told)": not figure.recipe,
        f"{row.recipe} recipe": figure.recipe not in ("", row.recipe),
        f"parameters {inside}": bool(inside),
        f"{sum(capped)} of {sum(epochs)} epochs at most": capped != epochs and not early,
        f"{job.epochs} epochs at most": job.epochs is not None and not job.recipe_fields and not early,
        **dict.fromkeys(early, bool(job.epochs)),
        "random weights where the recipe has ImageNet's": (
            training.init == "random" and job.recipe_fields.get("weights") == "imagenet"
        ),
        f"at most {job.limit} training images a class": job.limit is not None,
        f"balance {job.balance}": job.balance != "none",
        f"filled from data set {str(job.fill_digest)[:8]}": job.fill_digest is not None,
        f"checkpoint {picked} (there: {there})": picked != there,
        f"the {figure.part} part of {board.split} (there: {figure.split})": not figure.same_images,
    }
    return [words for words, holds in told.items() if holds]


def _stopped_early(run: RunRecord, planned: int | None) -> str:
    """Of a training that ended before the last of its ``planned`` epochs, when; "" where none of that is on record."""
    training = run.training
    if training.stopped != "early" or not training.epochs_run or not planned:
        return ""
    best = f", the best of them the {_ordinal(training.best_epoch)}" if training.best_epoch else ""
    return f"stopped early, after {training.epochs_run} of {planned} epochs{best}"


def _ordinal(number: int) -> str:
    """ "1st", "2nd", "11th" """
    last = "th" if number % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{last}"


def _epochs(recipe: Mapping[str, Any]) -> list[int]:
    """Epochs that a recipe plans, stage by stage; none where nothing is iterated."""
    stages = recipe.get("stages") or ([recipe] if "epochs" in recipe else [])
    return [int(stage["epochs"]) for stage in stages]
