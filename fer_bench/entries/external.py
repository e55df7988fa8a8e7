"""Systems from outside: their predictions, checked row by row against the data, become a record like any other."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ..data.dataset import USAGES, Dataset
from ..data.match import place_of
from ..data.orders import ASSUMED, ORDERS, better_order, order_of, told
from ..data.splits import Split
from ..errors import InputError, brief, encodable
from ..records.predictions import Predictions
from ..records.record import EXTERNAL, JobInfo, RunRecord, Training
from ..records.store import Store
from ..scores.metrics import score, score_answers
from . import named
from .external_file import Outside, read_outside

#: For whom row ids of a folder of images went wrong.
FILES_HINT = " A column 'file' in their place names the images"


class Scored(NamedTuple):
    """A record, the predictions that it scores, in the order of the test part, and what is to be said of their file."""

    record: RunRecord
    predictions: Predictions
    notes: tuple[str, ...] = ()


def score_file(
    path: Path,
    dataset: Dataset,
    split: Split,
    *,
    name: str,
    seed: int = 0,
    note: str = "",
    numbers: np.ndarray | None = None,
    files: Sequence[str] | None = None,
    order: str | None = None,
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
        files: the image file of each row that is so counted, where the data is a folder of them; ``load.row_files``.
        order: what numbers of emotions mean there, as ``orders.order_of`` reads it; FER-2013's where None.

    Raises:
        InputError: whatever is wrong with the file (see ``read_outside``) or with its rows (see ``matched``), or
            numbers that agree with the truth far better in another order than FER-2013's.
    """
    start = named.Start.now()
    meant = order_of(order)
    outside = read_outside(path, dataset.classes, files, meant)
    of_row = matched(outside, dataset, split, np.arange(len(dataset)) if numbers is None else numbers, files)
    labels, probabilities = dataset.labels[split.test], outside.probabilities[of_row]
    if outside.answer_numbers and meant.name == ASSUMED:
        _check_order(outside, labels, probabilities.argmax(axis=1), dataset.classes)
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
    notes = [told(meant.name)] if outside.answer_numbers or outside.truth_numbers is not None else []
    if outside.unread:
        notes.append(f"columns that were not read: {brief(', '.join(outside.unread), 200)}")
    return Scored(record, Predictions(split.test.astype(np.int32), labels, probabilities), tuple(notes))


def job_of(name: str, dataset: Dataset, split: Split, seed: int, probabilities: np.ndarray) -> JobInfo:
    """The job of a system whose test predictions, (N, C), were made outside a run; its key covers them, name and
    seed.
    """
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


def matched(
    outside: Outside, dataset: Dataset, split: Split, numbers: np.ndarray, files: Sequence[str] | None = None
) -> np.ndarray:
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
            f"{places.at(again)}: {outside.image(again)} again, first on {places.within(first[back[again]])}; "
            f"{len(rows) - len(first):,} of {len(rows):,} entries repeat a row"
        )
    stray = ~np.isin(rows, wanted)
    if stray.any():
        raise InputError(_strayed(outside, stray, dataset, split, numbers))
    lacking = np.setdiff1d(wanted, rows)
    if len(lacking):
        raise InputError(
            f"{places.path}: {len(lacking):,} of the {len(wanted):,} rows of the test part are missing, the first is"
            f" row {lacking[0]}{f', {brief(files[lacking[0]], 120)}' if files else ''}"
        )
    by_row = np.argsort(rows)
    order = by_row[np.searchsorted(rows[by_row], wanted)]
    _check_truth(outside, order, dataset, split, FILES_HINT if files and not outside.names else "")
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
    where, row, image = outside.places.at(place), rows[place], outside.image(place)
    end = f"{test} of split {split.name} is what is scored"
    held = {name: int(np.isin(rows, numbers[parts[name]]).sum()) for name in others}
    most = max(others, key=lambda name: held[name])
    if held[most] > len(rows) / 2:
        return f"{where}: these are rows of the {most}, {held[most]:,} of {len(rows):,}; the {end}"
    if not outside.names and np.array_equal(np.sort(rows), np.sort(numbers[split.test]) + 1):
        return f"{where}: the rows count from 1; take one off each, the first row of the data is row 0"
    here = next((name for name in others if row in numbers[parts[name]]), "")
    if here:
        what = f"is of the {here}"
    elif row <= numbers[-1]:
        what = f"is in no part of split {split.name} under these labels"
    else:
        what = (
            f"is not in the data, whose last is row {numbers[-1]} (is it the data that was predicted? --data names it)"
        )
    return f"{where}: {image} {what}; the {end}; {stray.sum():,} of {len(rows):,} rows are not of it"


def _check_truth(outside: Outside, order: np.ndarray, dataset: Dataset, split: Split, hint: str) -> None:
    """The emotions that the file says are true, against the data's; ``hint`` ends the message where they differ."""
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
    says = f"{outside.places.at(first)}: {outside.image(first)} is {classes[outside.truth[first]]} here"
    if other := _fitting(outside.truth_numbers, labels, classes):
        raise InputError(
            f"{says}, but {classes[labels[first]]} in the data: the numbers of the truth fit all {len(labels):,} rows"
            f" in the order {other}, {order_of(other).text()}; write the emotions' names, there and in a column"
            " 'predicted'"
        )
    for name, rows in _parts(dataset, split):
        if rows is not split.test and counts(outside.truth) == counts(dataset.labels[rows]) != counts(labels):
            raise InputError(
                f"{says}, and the counts of the emotions are those of the {name}: its predictions stand under the row "
                "ids of the test part"
            )
    raise InputError(
        f"{says}, but {classes[labels[first]]} in the data; {len(differ):,} of {len(labels):,} rows differ; are the "
        f"{'right files named' if outside.names else 'row ids right'}?{hint}"
    )


def _fitting(numbers: np.ndarray | None, labels: np.ndarray, classes: Sequence[str]) -> str:
    """The name of the order of emotions in which all numbers are those of the labels, (n,) both; "" for none."""
    if numbers is None:
        return ""
    for name, meant in ORDERS.items():
        of_number = {number: place_of(word, classes) for number, word in meant.items()}
        if all(
            of_number.get(number) == label for number, label in set(zip(numbers.tolist(), labels.tolist(), strict=True))
        ):
            return name
    return ""


def _check_order(outside: Outside, labels: np.ndarray, answers: np.ndarray, classes: tuple[str, ...]) -> None:
    """Raises InputError where answers, read as FER-2013's numbers, agree with the truth far better in another order."""
    if found := better_order(answers, labels, classes):
        other, own, better = found
        raise InputError(
            f"{outside.places.path}: read as FER-2013's numbers, the answers agree with {own:.1%} of the truth; as"
            f" those of the order {other}, {order_of(other).text()}, with {better:.1%}: write the emotions' names in"
            " column 'predicted'"
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
