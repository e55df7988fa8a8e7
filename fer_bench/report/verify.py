"""Every score of every record computed again, from the predictions beside it and, where it is here, the data."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np

from ..data.dataset import Dataset
from ..data.splits import Split, make_split
from ..errors import InputError
from ..files import inside
from ..files.npz import load_npz
from ..records.evaluation import EVALUATION, EVALUATIONS, read_evaluations
from ..records.predictions import Contradiction, Predictions, predictions_of
from ..records.record import RunRecord
from ..records.store import MOST_PREDICTIONS, PREDICTIONS, RECORD, StoredRun
from ..scores.foreign import views
from ..scores.metrics import Scores, score, score_answers

#: Two machines compute one figure with less difference.
CLOSE = 1e-7
#: What takes the split to be known: which test images also stand in the training part.
_OF_SPLIT = ("images_unseen", "accuracy_unseen")


def verify(runs: Iterable[StoredRun], datasets: Mapping[str, Dataset]) -> tuple[int, list[str]]:
    """How many runs have scores, and a line for each figure that differs, its own evaluations' included.

    Args:
        runs: any.
        datasets: the data at hand, by digest: predictions must have its labels, and the scores on unseen images are
            computed, too.
    """
    checked, lines = 0, []
    splits: dict[tuple[str, str], Split | None] = {}
    for run in runs:
        job = run.record.job
        dataset, place = datasets.get(job.dataset_digest), (job.dataset_digest, job.split)
        if dataset is not None and place not in splits:
            splits[place] = _split(run.record, dataset)
        if run.record.scores is not None:
            checked += 1
            lines += [*_differences(run, dataset, splits.get(place)), *_of_evaluations(run)]
    return checked, lines


def _differences(run: StoredRun, dataset: Dataset | None, split: Split | None) -> Iterator[str]:
    """A line for each score of a run that its predictions do not give, or that can't be computed again."""
    record, where = run.record, run.folder / RECORD
    for name, part, tta, said in _said(record):
        try:
            found = predictions_of(run, part, tta=tta)
        except Contradiction as error:
            yield f"{name}: {error}"
            continue
        except InputError as error:
            yield f"{where}: {name} can't be computed again: {error}"
            continue
        if dataset is not None and (wrong := _mislabelled(found, dataset)):
            yield f"{run.folder}: {name}: {wrong}"
        known_unseen = split is not None and said.images_unseen is not None
        seen = np.isin(found.rows, split.test[split.test_seen]) if split is not None and known_unseen else None
        again = _again(found, said, record.job.classes, seen)
        known = said.model_dump(exclude=set(_OF_SPLIT) if seen is None else None)
        yield from (f"{where}: {line}" for line in _unequal(known, again.model_dump(), name))


def _of_evaluations(run: StoredRun) -> Iterator[str]:
    """The same of the evaluations of a run's model on foreign sets."""
    found, problems = read_evaluations(run.folder)
    yield from problems
    for evaluation in found:
        folder = run.folder / EVALUATIONS / evaluation.slug
        path = folder / PREDICTIONS
        try:
            arrays = load_npz(path, content=inside.read(run.folder, path, MOST_PREDICTIONS))
            again = views(arrays["labels"], arrays["probabilities"], run.record.job.classes, arrays.get("subjects"))
        except (OSError, InputError, KeyError, ValueError, IndexError) as error:
            yield f"{path}: the evaluation can't be computed again: {error}"
            continue
        for name, said, counted in zip(("whole", "masked"), (evaluation.whole, evaluation.masked), again, strict=True):
            dumped = [None if view is None else view.model_dump() for view in (said, counted)]
            yield from (f"{folder / EVALUATION}: {line}" for line in _unequal(dumped[0], dumped[1], name))


def _said(record: RunRecord) -> Iterator[tuple[str, str, bool, Scores]]:
    """The scores of a record that have predictions: their name, part, whether with test-time augmentation,
    themselves.
    """
    holders = (("", False, record), ("tta.", True, record.tta))
    for prefix, tta, holder in holders:
        if holder is not None:
            for name, part in (("scores", "test"), ("validation_scores", "validation")):
                scores = getattr(holder, name)
                if scores is not None:
                    yield prefix + name, part, tta, scores


def _split(record: RunRecord, dataset: Dataset) -> Split | None:
    """The split of a record; None where this program makes another one of its name."""
    try:
        split = make_split(dataset, record.job.split)
    except InputError:
        return None
    return split if split.digest == record.job.split_digest else None


def _mislabelled(found: Predictions, dataset: Dataset) -> str:
    """What labels of predictions are not the data's; "" for none."""
    if len(found.rows) and not 0 <= found.rows.min() <= found.rows.max() < len(dataset):
        return f"row {found.rows.max()} is not in the data, which has {len(dataset):,}"
    wrong = np.flatnonzero(dataset.labels[found.rows] != found.labels)
    if not len(wrong):
        return ""
    row, label = int(found.rows[wrong[0]]), int(found.labels[wrong[0]])
    true = dataset.classes[dataset.labels[row]]
    return f"row {row} is {dataset.classes[label]} in the predictions, {true} in the data; {len(wrong):,} are like that"


def _again(found: Predictions, said: Scores, classes: list[str], seen: np.ndarray | None) -> Scores:
    if said.log_loss is None:  # of answers alone
        return score_answers(found.labels, found.probabilities.argmax(axis=1), classes, seen)
    return score(found.labels, found.probabilities, classes, seen)


def _unequal(said: Any, counted: Any, name: str) -> Iterator[str]:
    """Each field that differs, with both values; one that a record does not have, being from before it, does not."""
    if isinstance(said, Mapping) and isinstance(counted, Mapping):
        for inner, value in said.items():
            yield from _unequal(value, counted.get(inner), f"{name}.{inner}")
    elif isinstance(said, tuple) and isinstance(counted, tuple) and len(said) == len(counted):
        for place, value in enumerate(said):
            yield from _unequal(value, counted[place], f"{name}[{place}]")
    elif said is None and name.endswith("true_confidence"):
        return
    elif isinstance(said, float) and isinstance(counted, float):
        if abs(said - counted) > CLOSE:
            yield f"{name} is {said!r}, computed again {counted!r}"
    elif said != counted:
        yield f"{name} is {str(said)[:60]}, computed again {str(counted)[:60]}"
