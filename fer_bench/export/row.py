"""A board's row of an exported file: its answers on the test part, scored as a run's are."""

from __future__ import annotations

import numpy as np

from ..data.dataset import Dataset
from ..data.splits import Split
from ..entries import named
from ..entries.external import Scored, job_of
from ..errors import encodable
from ..records.predictions import Predictions
from ..records.record import EXTERNAL, Training
from ..records.store import StoredRun
from ..scores.metrics import score
from .export import Exported, Wanted

#: What of the run's job decided its training, and so the file's.
BUDGET = ("train_images", "validation_images", "epochs", "limit", "weights", "balance", "fill_digest", "checkpoint")


def scored(
    exported: Exported, run: StoredRun, wanted: Wanted, dataset: Dataset, split: Split, name: str, start: named.Start
) -> Scored:
    """The record of a file that predicted the test part, and its predictions; not stored yet.

    Args:
        exported: what ``export`` wrote with ``on_test``.
        run: whose model that is.
        wanted: what was made of it.
        dataset: the data that it was trained on, under its label scheme.
        split: its split.
        name: of the row.
        start: when the work on it began.
    """
    assert exported.test is not None
    job, training = run.record.job, run.record.training
    labels, probabilities = dataset.labels[split.test], exported.test.astype(np.float16)  # as a run stores them
    own = job_of(name, dataset, split, job.seed, probabilities)
    kept = "" if wanted.quantize == "none" else f", weights in {wanted.quantize}"
    record = named.record(
        own.model_copy(update={field: getattr(job, field) for field in BUDGET}),
        start,
        {"device": EXTERNAL},
        training=Training(
            init=training.init,
            checkpoint=training.checkpoint,
            epochs_run=training.epochs_run,
            epochs_planned=training.epochs_planned,
            best_epoch=training.best_epoch,
            extra={
                "file": encodable(exported.path.name),
                "sha256": exported.sha256,
                "bytes": exported.bytes,
                "run": f"{job.runner}/{run.folder.resolve().name}",
                "key": job.key,
                "note": f"{wanted.format} file of {wanted.name}, key {job.key[:8]}{kept}",
            },
        ),
        scores=score(labels, probabilities, dataset.classes, split.test_seen),
    )
    return Scored(record, Predictions(split.test.astype(np.int32), labels, probabilities))
