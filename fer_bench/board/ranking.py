"""Ranks: the rows of a board compared on the same test images, from the predictions of their runs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import combinations

import numpy as np

from ..api.runner import RunnerInfo
from ..records.answers import Answers, answers
from ..records.predictions import Held, Predictions, held
from ..records.store import StoredRun
from ..scores.stats import Resampled, holm, paired_p, ranks, resample
from .board import Board, Pair
from .build import boards
from .row import Row

NO_PREDICTIONS = "no predictions on the test images of this board"
INTERVALS = ("accuracy", "macro_f1")


def ranked(board: Board, predictions: Mapping[str, Predictions]) -> Board:
    """The board with ranks, with the intervals of its rows, and with every pair of ranked rows compared.

    A rank is 1 + the number of rows that are significantly more accurate (McNemar's test, Holm-adjusted over all pairs,
    at 5 %), so that rows which nothing sets apart share one. Rows without predictions, those of an older version, and
    those whose checkpoint the test part picked have none, and are compared with nothing.

    board: from ``boards``. predictions: by job key, such as ``predictions.stored_predictions`` reads.

    >>> from pathlib import Path
    >>> from fer_bench import Store, boards, ranked
    >>> from fer_bench.records.predictions import stored_predictions
    >>> runs, _ = Store(Path("results")).scan()
    >>> (board,) = boards(run.record for run in runs)
    >>> tuple(row.rank for row in ranked(board, stored_predictions(runs)).rows)
    (1, 2)
    """
    given = {place: _answers(row, board, predictions) for place, row in enumerate(board.rows) if row.runs}
    found = _most_common({place: one for place, one in given.items() if one is not None})
    rows = [
        replace(row, unranked=NO_PREDICTIONS) if place in given and place not in found else row
        for place, row in enumerate(board.rows)
    ]
    if not found:
        return replace(board, rows=tuple(rows))
    labels = next(iter(found.values())).labels
    drawn = resample(labels, [one.predicted for one in found.values()], board.classes)
    systems = {place: system for system, place in enumerate(found)}
    for place, system in systems.items():
        ends = {name: drawn.estimate(system, name) for name in INTERVALS}
        rows[place] = replace(rows[place], intervals={name: (end.low, end.high) for name, end in ends.items()})
    taking_part = {place: system for place, system in systems.items() if rows[place].rankable}
    p, adjusted = _tests([found[place].right for place in taking_part])
    accuracy = drawn.values[list(taking_part.values()), drawn.names.index("accuracy")]
    for place, rank in zip(taking_part, ranks(accuracy, adjusted), strict=True):
        rows[place] = replace(rows[place], rank=rank)
    pairs = [
        _pair(rows, drawn, one, other, p[i, j], adjusted[i, j])
        for (i, one), (j, other) in combinations(enumerate(taking_part.items()), 2)
    ]
    return replace(board, rows=tuple(rows), pairs=tuple(pairs))


def leaderboards(runs: Sequence[StoredRun], expected: Iterable[RunnerInfo] = ()) -> list[Board]:
    """The boards of stored runs, ranked by their predictions; see ``boards`` and ``ranked``.

    Runs whose records contradict their predictions are left out; ``records.predictions.held`` says which those are.

    >>> from pathlib import Path
    >>> from fer_bench import Store, leaderboards
    >>> (board,) = leaderboards(Store(Path("results")).scan()[0])
    >>> tuple((row.rank, row.runner) for row in board.rows)
    ((1, 'hog-svm'), (2, 'svm'))
    """
    return leaderboards_of(held(runs), expected)


def leaderboards_of(found: Held, expected: Iterable[RunnerInfo] = ()) -> list[Board]:
    """The same of runs whose predictions are read already."""
    return [ranked(board, found.predictions) for board in boards((run.record for run in found.runs), expected)]


def _answers(row: Row, board: Board, predictions: Mapping[str, Predictions]) -> Answers | None:
    """What a row's runs answered, or None where one of them has no predictions that fit the board."""
    of_runs = [predictions.get(run.job.key) for run in row.runs]
    shape = board.test_images, len(board.classes)
    fitting = [one for one in of_runs if one is not None and one.probabilities.shape == shape]
    return answers(fitting) if len(fitting) == len(of_runs) else None


def _most_common(given: Mapping[int, Answers]) -> dict[int, Answers]:
    """Those about the images that most of them are about; of equally many, those of the first."""
    images = {place: (one.rows.tobytes(), one.labels.tobytes()) for place, one in given.items()}
    most = [which for which, _ in Counter(images.values()).most_common(1)]
    return {place: one for place, one in given.items() if images[place] in most}


def _tests(right: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """(K, K) p of every pair of systems, and the same adjusted; 1 on the diagonal."""
    p, adjusted = np.ones((2, len(right), len(right)))
    upper = np.triu_indices(len(right), 1)
    found = [paired_p(right[i], right[j]) for i, j in zip(*upper, strict=True)]
    for matrix, values in ((p, found), (adjusted, holm(found))):
        matrix[upper] = matrix.T[upper] = values
    return p, adjusted


def _pair(
    rows: list[Row], drawn: Resampled, first: tuple[int, int], second: tuple[int, int], p: float, adjusted: float
) -> Pair:
    """Two of the rows, each given by its place among them and its number among what was drawn."""
    accuracy, macro_f1 = (drawn.difference(first[1], second[1], name) for name in INTERVALS)
    return Pair(rows[first[0]], rows[second[0]], accuracy, macro_f1, float(p), float(adjusted))
