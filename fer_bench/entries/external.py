"""Systems from outside: their predictions, checked row by row against the data, become a record like any other."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ..data.dataset import USAGES, Dataset
from ..data.splits import Split
from ..errors import InputError, encodable
from ..records.predictions import Predictions
from ..records.record import EXTERNAL, JobInfo, RunRecord, Training
from ..records.store import Store
from ..scores.metrics import score, score_answers
from . import named
from .external_file import Outside, read_outside


class Scored(NamedTuple):
    """A record, and the predictions that it scores, in the order of the test part."""

    record: RunRecord
    predictions: Predictions


def score_file(
    path: Path,
    dataset: Dataset,
    split: Split,
    *,
    name: str,
    seed: int = 0,
    note: str = "",
    numbers: np.ndarray | None = None,
) -> Scored:
    """Scores a file of predictions of a split's test part, as the scores of a run are computed.

    Args:
        path: what ``external_file.read_outside`` reads.
        dataset: the data, under its label scheme.
        split: the split whose test part was predicted.
        name: of the system, for its row.
        seed: tells several trainings of one system apart.
        note: a line about the system, for the table.
        numbers: (N,) int, how the file counts the rows of ``dataset``; 0, 1, ... where None.

    Raises:
        InputError: whatever is wrong with the file (see ``read_outside``) or with its rows (see ``matched``).
    """
    start = named.Start.now()
    outside = read_outside(path, dataset.classes)
    order = matched(outside, dataset, split, np.arange(len(dataset)) if numbers is None else numbers)
    labels, probabilities = dataset.labels[split.test], outside.probabilities[order]
    if outside.answers:
        scores = score_answers(labels, probabilities.argmax(axis=1), dataset.classes, split.test_seen)
    else:
        scores = score(labels, probabilities, dataset.classes, split.test_seen)
    record = named.record(
        job_of(name, dataset, split, seed, probabilities),
        start,
        {"device": EXTERNAL},
        training=Training(
            init="unknown", checkpoint="unknown", extra={"file": encodable(path.name), "note": encodable(note)}
        ),
        scores=scores,
    )
    return Scored(record, Predictions(split.test.astype(np.int32), labels, probabilities))


def job_of(name: str, dataset: Dataset, split: Split, seed: int, probabilities: np.ndarray) -> JobInfo:
    """The job of a system whose test predictions, (N, C), were made outside a run; its key covers them, name and seed."""
    axes = {
        "seed": seed,
        "predictions": hashlib.sha256(np.ascontiguousarray(probabilities).tobytes()).hexdigest(),
        "dataset_digest": dataset.digest,
        "split_digest": split.digest,
    }
    return named.job(
        name,
        EXTERNAL,
        axes,
        dataset=dataset.name,
        dataset_digest=dataset.digest,
        classes=list(dataset.classes),
        split=split.name,
        split_digest=split.digest,
        train_images=None,
        validation_images=None,
        test_images=len(split.test),
        seed=seed,
    )


def matched(outside: Outside, dataset: Dataset, split: Split, numbers: np.ndarray) -> np.ndarray:
    """(len(test),) indices into the entries of ``outside``: which one is about each row of the test part.

    Raises:
        InputError: a row twice, rows that are not of the test part or that are lacking, a truth that is not the data's.
    """
    rows, wanted, places = outside.rows, numbers[split.test], outside.places
    _, first, back, counts = np.unique(rows, return_index=True, return_inverse=True, return_counts=True)
    repeated = np.flatnonzero((counts[back] > 1) & (first[back] != np.arange(len(rows))))
    if len(repeated):
        again = int(repeated[0])
        raise InputError(
            f"{places.at(again)}: row {rows[again]} again, first on {places.within(first[back[again]])}; "
            f"{len(rows) - len(first):,} of {len(rows):,} entries repeat a row"
        )
    stray = ~np.isin(rows, wanted)
    if stray.any():
        raise InputError(_strayed(outside, stray, dataset, split, numbers))
    lacking = np.setdiff1d(wanted, rows)
    if len(lacking):
        raise InputError(
            f"{places.path}: {len(lacking):,} of the {len(wanted):,} rows of the test part are missing, the first is row "
            f"{lacking[0]}"
        )
    by_row = np.argsort(rows)
    order = by_row[np.searchsorted(rows[by_row], wanted)]
    _check_truth(outside, order, dataset, split)
    return order


def _parts(dataset: Dataset, split: Split) -> Iterator[tuple[str, np.ndarray]]:
    """The parts of the split by their names, with the usage that their rows share, if they do."""
    for name, rows in (("training", split.train), ("validation", split.validation), ("test", split.test)):
        usages = np.empty(0) if dataset.usage is None else np.unique(dataset.usage[rows])
        yield f"{name} part{f' ({USAGES[usages[0]]})' if len(usages) == 1 else ''}", rows


def _strayed(outside: Outside, stray: np.ndarray, dataset: Dataset, split: Split, numbers: np.ndarray) -> str:
    """Whose rows those are that are not of the test part."""
    rows, parts, place = outside.rows, dict(_parts(dataset, split)), int(stray.argmax())
    *others, test = parts
    where, row = outside.places.at(place), rows[place]
    end = f"{test} of split {split.name} is what is scored"
    held = {name: int(np.isin(rows, numbers[parts[name]]).sum()) for name in others}
    most = max(others, key=lambda name: held[name])
    if held[most] > len(rows) / 2:
        return f"{where}: these are rows of the {most}, {held[most]:,} of {len(rows):,}; the {end}"
    if np.array_equal(np.sort(rows), np.sort(numbers[split.test]) + 1):
        return f"{where}: the rows count from 1; take one off each, the first row of the data is row 0"
    here = next((name for name in others if row in numbers[parts[name]]), "")
    if here:
        what = f"is of the {here}"
    elif row <= numbers[-1]:
        what = f"is in no part of split {split.name} under these labels"
    else:
        what = f"is not in the data, whose last is row {numbers[-1]}"
    return f"{where}: row {row} {what}; the {end}; {stray.sum():,} of {len(rows):,} rows are not of it"


def _check_truth(outside: Outside, order: np.ndarray, dataset: Dataset, split: Split) -> None:
    """The emotions that the file says are true, against the data's."""
    if outside.truth is None:
        return
    labels = np.empty(len(order), np.int64)
    labels[order] = dataset.labels[split.test]
    differ = np.flatnonzero(outside.truth != labels)
    if not len(differ):
        return

    def counts(of: np.ndarray) -> list[int]:
        return np.bincount(of, minlength=len(dataset.classes)).tolist()

    first, classes = int(differ[0]), dataset.classes
    says = f"{outside.places.at(first)}: row {outside.rows[first]} is {classes[outside.truth[first]]} here"
    for name, rows in _parts(dataset, split):
        if rows is not split.test and counts(outside.truth) == counts(dataset.labels[rows]) != counts(labels):
            raise InputError(
                f"{says}, and the counts of the emotions are those of the {name}: its predictions stand under the row "
                "ids of the test part"
            )
    raise InputError(
        f"{says}, but {classes[labels[first]]} in the data; {len(differ):,} of {len(labels):,} rows differ; are the row "
        "ids right?"
    )


def commit(scored: Scored, store: Store, force: bool = False) -> Path:
    """Stores a record with its predictions; returns its folder.

    Raises:
        InputError: the name has other predictions for the same split and seed, unless ``force`` replaces them.
    """
    return named.commit(
        scored.record,
        scored.predictions._asdict(),
        store,
        force,
        taken="is on the board with other predictions ({}); --force replaces them, --seed N adds those of another seed",
    )
