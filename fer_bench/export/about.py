"""What an exported file says of itself."""

from __future__ import annotations

import json
from typing import Any

from .. import __version__
from ..records import provenance
from ..records.record import RunRecord
from ..scores.metrics import Scores

SCHEMA = 1


def about(record: RunRecord, name: str, quantize: str) -> str:
    """A JSON object: whose model a file holds, its classes in the order of the outputs, and how it scored.

    ``figures`` are those of the run on the test part of its split, as its record has them: fractions in [0, 1], log
    loss in nats. Those of the file differ by what its parity check said.

    Args:
        record: of a run that went well.
        name: what the model is called, such as "fer-net:cpu".
        quantize: how the file's weights are stored.
    """
    job = record.job
    assert record.scores is not None  # it went well
    told: dict[str, Any] = {
        "schema": SCHEMA,
        "name": name,
        "classes": job.classes,
        "runner": job.runner,
        "params": job.params,
        "recipe": job.recipe,
        "recipe_fields": job.recipe_fields,
        "key": job.key,
        "data": job.dataset,
        "data_digest": job.dataset_digest,
        "split": job.split,
        "split_digest": job.split_digest,
        "seed": job.seed,
        "figures": figures(record.scores),
        "weights": "float32" if quantize == "none" else quantize,
        "trained_by": record.command,
        "command": provenance.command_line(),
        "made_by": f"fer-bench {__version__}",
    }
    return json.dumps(told, ensure_ascii=True)


def figures(scores: Scores) -> dict[str, Any]:
    """The scores that an exported file carries, with those of each emotion and the confusion matrix."""
    names = (
        "images", "accuracy", "accuracy_low", "accuracy_high", "accuracy_unseen", "weighted_f1", "macro_f1", "log_loss",
        "calibration_error", "confusion",
    )  # fmt: skip
    emotions = {
        name: {key: getattr(of, key) for key in ("recall", "precision", "f1", "images")}
        for name, of in scores.emotions.items()
    }
    return {name: getattr(scores, name) for name in names} | {"emotions": emotions}
