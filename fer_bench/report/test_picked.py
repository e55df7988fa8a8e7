"""What picking the checkpoint on the test part is worth: the same training with and without it, on the same images."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ..board.board import Board
from ..board.row import Row
from ..records.answers import answers
from ..records.record import JobInfo
from ..records.run_files import RunFiles
from ..scores.stats import Estimate, resample


@dataclass(frozen=True)
class Selection:
    """One system on one board, its checkpoint picked by the test part and not; accuracies are means over ``seeds``.

    ``row`` is that of the fair runs. ``worth`` is test-picked minus fair, with its 95 % bootstrap interval over test
    images. All fractions.
    """

    board: Board
    row: Row
    seeds: tuple[int, ...]
    accuracy: float
    accuracy_picked: float
    worth: Estimate


def selections(boards: Iterable[Board], files: RunFiles) -> list[Selection]:
    """Every system that ran both ways on one split with one seed at least, where the predictions are there."""
    found = []
    for board in boards:
        fair = [row for row in board.rows if row.runs and not row.test_selected]
        for picked in (row for row in board.rows if row.runs and row.test_selected):
            found += [_selection(board, row, picked, files) for row in fair if _same_but_for_checkpoint(row, picked)]
    return [selection for selection in found if selection]


def _same_but_for_checkpoint(fair: Row, picked: Row) -> bool:
    one, other = fair.runs[0], picked.runs[0]
    return one.training.init == other.training.init and _what_ran(one.job) == _what_ran(other.job)


def _what_ran(job: JobInfo) -> JobInfo:
    """A job without what tells its seeds and its two ways of picking apart."""
    return job.model_copy(update={"key": "", "seed": 0, "checkpoint": "validation", "recipe_fields": {}})


def _selection(board: Board, fair: Row, picked: Row, files: RunFiles) -> Selection | None:
    pairs = [(one, other) for one in fair.runs for other in picked.runs if one.job.seed == other.job.seed]
    saved = {one.job.seed: (files.predictions(one), files.predictions(other)) for one, other in pairs}
    both = {seed: (one, other) for seed, (one, other) in saved.items() if one and other}
    if not both:
        return None
    first, second = (answers(of_runs) for of_runs in zip(*both.values(), strict=True))
    if first is None or second is None or not first.same_images(second):
        return None
    drawn = resample(first.labels, [first.predicted, second.predicted], board.classes)
    return Selection(
        board=board,
        row=fair,
        seeds=tuple(sorted(both)),
        accuracy=drawn.estimate(0, "accuracy").value,
        accuracy_picked=drawn.estimate(1, "accuracy").value,
        worth=drawn.difference(1, 0, "accuracy"),
    )
