"""The images that a run's model has seen in training: kept with the model, or found again in the data of the run."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ..data.dataset import Dataset, is_embedded
from ..data.load import load_dataset
from ..data.schemes import SCHEMES, apply_scheme
from ..data.splits import Split, limit_rows, make_split
from ..errors import InputError
from ..records.record import JobInfo
from ..records.store import MODEL, StoredRun
from ..records.training_images import TrainingImages, image_hashes, read_training_images, write_training_images
from .job import Job, training_rows


def keep_training_images(job: Job, model: Path) -> None:
    """Writes into a model's folder which images a job has shown it; a folder that a runner left empty holds no
    model.
    """
    if not (model.is_dir() and any(model.iterdir())):
        return
    rows = training_rows(job)
    trained = image_hashes(job.dataset.images[rows["train_rows"]])
    if job.fill_from is not None:
        trained = np.concatenate([trained, image_hashes(job.fill_from.images[rows["fill_rows"]])])
    watched = image_hashes(job.dataset.images[rows["val_rows"]])
    write_training_images(model, TrainingImages(np.unique(trained), np.unique(watched)))


def training_images(run: StoredRun) -> tuple[TrainingImages | None, str]:
    """What a run's model has seen, None where nobody knows any more; and why some or all of it is not known.

    A run from before models had that file has it from its data, where ``run`` would find that without being told and it
    still is what the record says.

    Raises:
        InputError: the file is there and can't be read.
    """
    kept = read_training_images(run.folder / MODEL)
    if kept is not None:
        return kept, ""
    job = run.record.job
    try:
        dataset, split = _data_of(job)
    except InputError as error:
        return None, str(error)
    watched = split.test if job.checkpoint == "test" else split.validation
    found = TrainingImages(image_hashes(dataset.images[split.train]), image_hashes(dataset.images[watched]))
    return found, "nobody knows which images filled up its classes" if job.fill_digest else ""


def _data_of(job: JobInfo) -> tuple[Dataset, Split]:
    """The data and the split of a job. Raises InputError where what is at hand is another one, or nothing is."""
    dataset = load_dataset("synthetic" if is_embedded(job.dataset) else None)
    merges = [name for name in job.classes if "+" in name]
    emotions = {part for name in job.classes for part in name.split("+")}
    if dataset.digest != job.dataset_digest:
        dataset = apply_scheme(dataset, "six" if emotions == set(SCHEMES["six"]) else "seven", merges)
    if dataset.digest != job.dataset_digest:
        raise InputError(f"it was trained on {job.dataset}, which {dataset.source} is not; FER_BENCH_DATA can name it")
    split = make_split(dataset, job.split)
    if split.digest != job.split_digest:
        raise InputError(f"split {job.split} was another one when it was trained")
    return dataset, split if job.limit is None else limit_rows(split, dataset, job.limit, seed=0)
