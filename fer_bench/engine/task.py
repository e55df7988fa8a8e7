"""What a worker is told to do, and the files through which it is told and tells what came of it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

TASK, INPUT, PROGRESS = "task.json", "input.npz", "progress.jsonl"
IMAGES, FILL_IMAGES, PROBABILITIES = "images.npy", "fill_images.npy", "probabilities.npy"
OUTCOME, LOG, OUT = "outcome.json", "log.txt", "out"

#: Takes the events of a run: a phase or a note, and numbers by name.
Report = Callable[[Mapping[str, Any]], None]


@dataclass(frozen=True, kw_only=True)
class Task:
    """What every worker is told; paths are text, and absolute, for a worker need not start in the same folder.

    ``spec`` is the runner with parameters as ``registry.parse`` reads them, ``recipe`` the name of one of its recipes,
    or what a recipe by hand is called, whose fields are ``recipe_fields``. ``classes`` are the emotions, of which the
    model has one output each. ``device`` is "cpu" or "gpu:N", ``plugins`` are modules or files that register runners,
    ``tta`` is "none" or a key of ``tta.WINDOWS``.
    """

    spec: str
    recipe: str
    recipe_fields: Mapping[str, Any] | None
    classes: tuple[str, ...]
    device: str
    plugins: tuple[str, ...]
    tta: str

    def to_json(self) -> str:
        """The task as a JSON object with one member for each field."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Self:
        """The task that ``to_json`` wrote.

        Raises:
            TypeError: a field is missing, or one is not known.
            ValueError: ``text`` is no JSON.
        """
        given: dict[str, Any] = json.loads(text)
        return cls(**given | {name: tuple(value) for name, value in given.items() if isinstance(value, list)})


@dataclass(frozen=True, kw_only=True)
class TrainTask(Task):
    """A training, to be scored, of the images in ``images.npy``, (N, 48, 48) uint8, beside it.

    ``fill_images.npy`` has those of the second data set where there is one; ``input.npz`` says which rows make each
    part.

    ``key`` is what the seeds derive from, ``checkpoint`` the part that picks the epoch: "validation" or "test".
    ``epochs`` caps the recipe's (of each stage), ``batch_divisor`` divides its batches, ``weights`` is "auto",
    "imagenet", "random" or a file's path. ``train_scores`` has the training part predicted, too. ``workdir`` is the
    folder of the training's state, ``tensorboard`` one for its logs, ``kept`` one for the weights of each epoch that
    was the best so far.
    """

    key: str
    checkpoint: str
    epochs: int | None
    batch_divisor: int
    weights: str
    train_scores: bool
    workdir: str
    tensorboard: str | None
    kept: str | None


@dataclass(frozen=True, kw_only=True)
class PredictTask(Task):
    """Predictions of a stored model for the images in ``images.npy``, (N, 48, 48) uint8, beside it.

    ``model`` is the model's folder, ``epoch`` the weights file of a kept epoch that it gets first; None: its own
    weights.
    """

    model: str
    epoch: str | None
