"""What a runner is told about the run it is in, what it is given, and what it has to say afterwards."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np


class Part(NamedTuple):
    """A labelled part of a split.

    Attributes:
        images: (N, 48, 48) uint8, gray.
        labels: (N,) int8, indices into ``Context.classes``.
        weights: (N,) float32, what each image counts in training, or None where all count the same.

    >>> from fer_bench import Part, load_dataset, make_split
    >>> data = load_dataset("synthetic")
    >>> rows = make_split(data).train
    >>> Part(data.images[rows], data.labels[rows]).labels.shape
    (672,)
    """

    images: np.ndarray
    labels: np.ndarray
    weights: np.ndarray | None = None


@dataclass
class FitSummary:
    """What a fit has to say for the record.

    Attributes:
        init: where the first weights came from: "random", "imagenet", "file:<name>", or "none" where there are none.
        checkpoint: "validation" where validation data picked the epoch, "last" where the last one stands, "none" where
            nothing is iterated. (Where the validation part was the test part, the worker knows that and writes it.)
        epochs_run: epochs trained, over all stages; None where nothing is iterated.
        epochs_planned: the recipe's number, whatever budget the run had.
        best_epoch: the epoch, counted from 1 over all stages, whose weights the model has; None as above.
        stopped: why fewer epochs ran than planned, such as "early"; "" where all ran.
        history: one mapping an epoch: epoch, loss, accuracy, val_loss, val_accuracy, learning_rate, seconds.
        extra: whatever else the record should have, as JSON can hold it.
    """

    init: str = "none"
    checkpoint: str = "none"
    epochs_run: int | None = None
    epochs_planned: int | None = None
    best_epoch: int | None = None
    stopped: str = ""
    history: list[dict[str, float]] = field(default_factory=list)
    extra: dict[str, Any] = field(default_factory=dict)


@dataclass
class Context:
    """What a runner is told about the run it is in.

    Attributes:
        classes: names of the emotions in label order; the model has one output for each.
        key: the job's key; every seed derives from it.
        workdir: the job's own scratch folder, which outlives a crash and is there for the next attempt; see
            ``training.resume``. None: nothing is kept.
        epochs: at most so many epochs (of each stage), or None for the recipe's own number.
        weights: "auto", "imagenet", "random" or the path of a weights file.
        device: "cpu" or "gpu:N".
        tensorboard: folder for TensorBoard logs, or None.
        kept: folder that gets the weights of each epoch that was the best so far, see ``training.kept``, or None.
        epochs_before: epochs of the run's other trainings before this one.
        report: takes a mapping for the progress display (epoch, epochs, accuracy, val_accuracy, ...; or a note). An
            event without ``step`` is the end of its epoch, by whose val_accuracy a search prunes; one with ``step``
            says in ``validated`` which epoch's val_accuracy it has.
        seconds: time spent in each phase, filled by ``phase``.
        begun: reading of time.perf_counter when fit began, less what earlier attempts spent on what is not lost.

    >>> from fer_bench import Context
    >>> context = Context(classes=("happiness", "sadness"), key="any", epochs=1)
    >>> context.seed("init") == context.seed("init") != context.seed("shuffle")
    True
    """

    classes: tuple[str, ...]
    key: str = ""
    workdir: Path | None = None
    epochs: int | None = None
    weights: str = "auto"
    device: str = "cpu"
    tensorboard: Path | None = None
    kept: Path | None = None
    epochs_before: int = 0
    report: Callable[[Mapping[str, Any]], None] = lambda _: None
    seconds: dict[str, float] = field(default_factory=dict)
    begun: float = field(default_factory=time.perf_counter)
    _running: dict[str, float] = field(default_factory=dict)

    def seed(self, axis: str) -> int:
        """A seed from 0 to 2**31 - 1 for one named source of randomness, such as "init"; the same for the same job."""
        return int.from_bytes(hashlib.sha256(f"{self.key}/{axis}".encode()).digest()[:4], "big") >> 1

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Adds the time inside to ``seconds[name]``; names in use: load, compile, train, validate."""
        self._running[name] = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[name] = self.spent()[name]
            del self._running[name]

    def spent(self) -> dict[str, float]:
        """The seconds spent in each phase, with what the phases that are running have taken so far."""
        spent = dict(self.seconds)
        for name, start in self._running.items():
            spent[name] = spent.get(name, 0.0) + time.perf_counter() - start
        return spent
