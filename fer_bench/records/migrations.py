"""Records of earlier versions, brought forward as they are read; the files stay as they were written."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ..errors import InputError
from .record import SCHEMA_VERSION

#: What a record.json holds, before it is a RunRecord.
Fields = Mapping[str, Any]


def count_interruptions(record: Fields) -> Fields:
    """1 -> 2: a training says how often it was broken off before. Until then each started anew."""
    training = record.get("training")
    return {**record, "training": {**training, "interruptions": 0}} if isinstance(training, dict) else record


def name_what_came(record: Fields) -> Fields:
    """2 -> 3: a record can have scores with test-time augmentation, and be an ensemble's. Until then none did."""
    return {**record, "tta": None, "ensemble": None}


def score_training(record: Fields) -> Fields:
    """3 -> 4: a record can have scores of the training part, and an emotion the mean probability of the true label.

    Until then nobody predicted the training part. Of the emotions that field stays empty, and is None when they are
    read.
    """
    return {**record, "train_scores": None}


def know_predictions(record: Fields) -> Fields:
    """4 -> 5: a record has the digest of its predictions. Until then nobody noted it."""
    return {**record, "predictions_digest": None}


#: Version -> what makes a record of it one of the next.
MIGRATIONS: dict[int, Callable[[Fields], Fields]] = {
    1: count_interruptions,
    2: name_what_came,
    3: score_training,
    4: know_predictions,
}


def migrated(record: Any) -> dict[str, Any]:
    """A record of any version as one of SCHEMA_VERSION, as far as it is a record: its fields are not checked here.

    Raises InputError where it has no version, or one that this program does not know.
    """
    version = record.get("schema_version") if isinstance(record, dict) else None
    if type(version) is not int or version < 1:
        raise InputError(f"not a record: schema_version {repr(version)[:40]}; move it away and run again")
    if version > SCHEMA_VERSION:
        raise InputError(
            f"schema_version {str(version)[:40]} is of a later fer-bench, this one knows {SCHEMA_VERSION}; upgrade it"
        )
    for step in range(version, SCHEMA_VERSION):
        record = MIGRATIONS[step](record)
    return {**record, "schema_version": SCHEMA_VERSION}
