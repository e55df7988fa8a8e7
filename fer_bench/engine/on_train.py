"""Scores of the training part: the worker predicts its images after the fit, the parent scores that and drops it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from ..scores.metrics import Scores, score
from ..scores.probabilities import distributions
from .task import IMAGES, INPUT

if TYPE_CHECKING:
    from .job import Job

TrainScores = Literal["auto", "on", "off"]
CHOICES: tuple[TrainScores, ...] = ("auto", "on", "off")
#: The worker's probabilities (N, classes) float16, in the folder of the attempt, which goes when it has been scored.
TRAIN_PROBABILITIES = "train_probabilities.npy"


def asked_for(choice: TrainScores, recipe: str) -> bool:
    """Whether a run by a recipe gets scores of the training part; "auto": if it is published, as sources print some."""
    return choice == "on" or (choice == "auto" and recipe == "published")


def training_images(folder: Path) -> np.ndarray:
    """(N, 48, 48) uint8: the split's own training images, each once, in its order; nothing filled in or repeated.

    ``folder`` is the worker's.
    """
    with np.load(folder / INPUT, allow_pickle=False) as arrays:
        rows = arrays["train_rows"]
    images: np.ndarray = np.load(folder / IMAGES, mmap_mode="r", allow_pickle=False)[rows]
    return images


def training_probabilities(job: Job, work: Path) -> np.ndarray | None:
    """The worker's predictions for the training part, (N, classes) float16; None where the job asks for none.

    Raises OSError, EOFError or ValueError where it can't be read, is no probabilities, or not of the job's training
    part.
    """
    if not job.train_scores:
        return None
    found: np.ndarray = np.load(work / TRAIN_PROBABILITIES, allow_pickle=False)
    shape = (len(job.split.train), len(job.info.classes))
    if found.shape != shape:
        raise ValueError(f"predictions of the training part of shape {found.shape}, wanted {shape}")
    return distributions(found, len(job.info.classes))


def score_training(job: Job, work: Path) -> Scores | None:
    """The scores of the training part; None where the job asks for none. Raises as ``training_probabilities``."""
    found = training_probabilities(job, work)
    return None if found is None else score(job.dataset.labels[job.split.train], found, job.dataset.classes)
