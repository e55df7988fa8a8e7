"""What a record says of its job: the fields that are planned, and the key over those that can change the result."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from ..api.runner import Runner
from ..data.dataset import Dataset
from ..data.splits import Split
from ..errors import InputError, brief
from ..records.form import content_of, record_of
from ..records.record import JobInfo, RunRecord

if TYPE_CHECKING:
    from .job import Options

#: Fields of a job that its key leaves out: other fields say the same, or they change no result.
_NO_PART = ("key", "family", "recipe_fields", "recipe_origin", "dataset", "classes", "split")
#: Of a name in UTF-8: file systems take 255, and some of ours have seed and key behind them.
LONGEST_NAME = 220


def key_of(info: Mapping[str, object]) -> str:
    """sha256 (hex) over everything that can change the result, and nothing else.

    A field that came later counts where it says something, so that older records keep their keys.
    """
    axes = {k: v for k, v in info.items() if k not in _NO_PART}
    if axes.get("checkpoint") == "validation":
        del axes["checkpoint"]
    return hashlib.sha256(json.dumps(axes, sort_keys=True).encode()).hexdigest()


def info_of(fields: Mapping[str, object], seed: int) -> JobInfo:
    """The job of a seed, whose other fields are those of ``fields_of``."""
    whole = {**fields, "seed": seed}
    return JobInfo.model_validate({"key": key_of(whole), **whole})


def check_recordable(spec: str, fields: Mapping[str, object]) -> None:
    """Raises InputError where a job of these fields could be run, and no record of it be read back."""
    try:
        job = info_of(fields, 0)
        long = next((n for n in (job.dataset, job.split, job.runner, job.recipe) if len(n.encode()) > LONGEST_NAME), "")
        if long:
            raise InputError(f"{brief(long)} has more than {LONGEST_NAME} bytes, and would be a folder's name")
        if record_of(content_of(RunRecord(status="skipped", command="", started="", seconds=0, job=job))).job != job:
            raise InputError("a value that JSON does not have: NaN, infinity or a control character")
    except (InputError, ValueError) as error:  # pydantic's and those of half characters are ValueErrors
        reason = " ".join(str(error).split())
        raise InputError(f"runner {brief(spec)}: no record could be kept of it ({brief(reason, 200)})") from None


def fields_of(
    runner: Runner,
    dataset: Dataset,
    split: Split,
    options: Options,
    fill_from: Dataset | None,
    origin: Mapping[str, object] | None = None,
) -> dict[str, object]:
    """What the record says of a job, but for its key and seed; ``origin`` is that of a recipe by hand."""
    return {
        "runner": runner.info.name,
        "params": {k: v for k, v in runner.params.items() if v != runner.parameters[k]},
        "runner_version": runner.info.version,
        "family": runner.info.family,
        "recipe": runner.recipe_name,
        "recipe_digest": runner.recipe.digest(),
        "recipe_fields": _recipe_fields(runner, whole=origin is not None),
        "recipe_origin": origin,
        "dataset": dataset.name,
        "dataset_digest": dataset.digest,
        "classes": list(dataset.classes),
        "split": split.name,
        "split_digest": split.digest,
        "train_images": len(split.train),
        "validation_images": len(split.validation),
        "test_images": len(split.test),
        "epochs": options.epochs if "epochs" in runner.uses else None,
        "limit": options.limit,
        "weights": options.weights if "weights" in runner.uses else "auto",
        "balance": options.balance,
        "fill_digest": fill_from.digest if fill_from else None,
        "checkpoint": options.checkpoint,
    }


def by_hand_fields(job: JobInfo) -> dict[str, Any] | None:
    """The fields of a job's recipe where that is none of its runner's own; None where it is."""
    return job.recipe_fields if job.recipe_origin else None


def _recipe_fields(runner: Runner, whole: bool) -> dict[str, object]:
    """The recipe as the record shows it: every field, or only its options where the runner has no epochs to train.

    ``whole``: every field in any case, of a recipe that stands nowhere else.
    """
    fields: dict[str, object] = json.loads(json.dumps(asdict(runner.recipe)))
    return fields if whole or "epochs" in runner.uses else {"options": fields["options"]}
