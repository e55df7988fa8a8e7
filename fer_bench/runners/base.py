"""What a runner is: the contract that built-in and third-party runners share."""

from __future__ import annotations

import hashlib
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Literal, NamedTuple

import numpy as np

from ..errors import InputError
from .recipe import Recipe


@dataclass(frozen=True)
class Published:
    """A figure that a source published, and what it is worth.

    ``split`` and ``protocol`` say how it was obtained; ``trap`` why it can't be compared as it stands (empty: nothing
    known). All figures are fractions; None where the source gives none. The other fields are for programs: they say
    what of ours is put beside it.
    """

    accuracy: float | None
    weighted_f1: float | None
    split: str
    protocol: str
    trap: str = ""
    #: "binary" is one-vs-rest accuracy over all outputs, as metrics.Scores.binary_accuracy.
    metric: Literal["accuracy", "binary"] = "accuracy"
    #: The images that it is of: a part of the split, or validation and test together.
    part: Literal["train", "validation", "test", "validation+test"] = "test"
    #: The data that picked its epoch: "validation", "test", "train", "last" (none did), "none" (no epochs) or "unknown".
    checkpoint: str = "unknown"
    #: The split of this suite that has its images, or comes nearest, where ``split`` is none of them.
    nearest: str = ""
    #: How many emotions it tells apart.
    classes: int = 7
    #: Our recipe that follows it; "" where none does.
    recipe: str = "published"
    #: F1 of each emotion, in the order of the classes.
    emotion_f1: tuple[float, ...] = ()
    #: At threshold 0.5 over all outputs, as Keras counts them beside binary accuracy; and the area under the ROC curve.
    precision: float | None = None
    recall: float | None = None
    auc: float | None = None

    @property
    def our_split(self) -> str:
        """The split of this suite that ours is measured on."""
        return self.nearest or self.split

    @property
    def same_images(self) -> bool:
        """Whether that split has the very images: validation and test together are all that is not Training."""
        return not self.nearest or self.part == "validation+test"


@dataclass(frozen=True)
class RunnerInfo:
    """What ``fer-bench list`` and the report say of a runner. A change of ``version`` makes old results stale."""

    name: str = ""
    family: str = ""
    summary: str = ""
    source: str = ""
    needs: tuple[str, ...] = ()
    version: int = 1
    #: Epochs on the embedded set, where a look at the whole matters more than the last point of accuracy.
    demo_epochs: int | None = None
    #: Training images per class there; the test part stays whole.
    demo_limit: int | None = None
    published: tuple[Published, ...] = ()
    #: Where the published recipe departs from good practice, or ours from the source; one sentence each.
    notes: tuple[str, ...] = ()
    #: (name, digest) of each recipe, by which a board knows results of an older one; ``registry.infos`` fills it in.
    recipe_digests: tuple[tuple[str, str], ...] = ()


class Part(NamedTuple):
    """A labelled part of a split: images (N, 48, 48) uint8, labels (N,) int8, sample weights (N,) float32 or None."""

    images: np.ndarray
    labels: np.ndarray
    weights: np.ndarray | None = None


@dataclass
class FitSummary:
    """What a fit has to say for the record.

    ``checkpoint`` is "validation" where validation data picked the epoch, "last" where the last one stands, "none" where
    nothing is iterated. (That the "validation" part was the test part, the worker knows and writes.) ``history`` holds one mapping an epoch: epoch, loss, accuracy, val_loss, val_accuracy,
    learning_rate, seconds. ``epochs_planned`` is the recipe's number, whatever budget the run had.
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
        classes: names of the emotions; the model has one output for each.
        key: the job's key; every seed derives from it.
        workdir: the job's own scratch folder, which outlives a crash and is there for the next attempt; see
            ``training.resume``. None: nothing is kept.
        epochs: at most so many epochs (of each stage), or None for the recipe's own number.
        weights: "auto", "imagenet", "random" or the path of a weights file.
        device: "cpu" or "gpu:N".
        tensorboard: folder for TensorBoard logs, or None.
        report: takes a mapping for the progress display (epoch, epochs, accuracy, val_accuracy, ...; or a note).
        seconds: time spent in each phase, filled by ``phase``.
        begun: reading of time.perf_counter when fit began, less what earlier attempts spent on what is not lost.
    """

    classes: tuple[str, ...]
    key: str = ""
    workdir: Path | None = None
    epochs: int | None = None
    weights: str = "auto"
    device: str = "cpu"
    tensorboard: Path | None = None
    report: Callable[[Mapping[str, Any]], None] = lambda _: None
    seconds: dict[str, float] = field(default_factory=dict)
    begun: float = field(default_factory=time.perf_counter)
    _running: dict[str, float] = field(default_factory=dict)

    def seed(self, axis: str) -> int:
        """A seed below 2**31 for one named source of randomness, the same for the same job."""
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
        """``seconds`` with what the phases that are running have taken so far."""
        spent = dict(self.seconds)
        for name, start in self._running.items():
            spent[name] = spent.get(name, 0.0) + time.perf_counter() - start
        return spent


class Runner(ABC):
    """A system that can be trained on faces and asked for probabilities.

    A subclass sets ``recipes`` (name -> Recipe, "published" first if there is a source) and may set ``parameters``
    (name -> default), which a user changes as ``name[parameter=value]``.
    """

    info: ClassVar[RunnerInfo] = RunnerInfo()
    recipes: ClassVar[Mapping[str, Recipe]] = {"default": Recipe()}
    parameters: ClassVar[Mapping[str, Any]] = {}
    #: Which of the options "epochs" and "weights" mean something here; the others stay out of a job's key. With "batch",
    #: too, a run that was out of memory is tried again with half the recipe's batch.
    uses: ClassVar[frozenset[str]] = frozenset({"epochs", "weights"})

    def __init__(self, recipe: str = "", **params: Any) -> None:
        self.recipe_name = recipe or next(iter(self.recipes))
        if self.recipe_name not in self.recipes:
            known = ", ".join(self.recipes)
            raise InputError(f"runner {self.info.name} has no recipe {self.recipe_name!r}; it has {known}")
        self.recipe = self.recipes[self.recipe_name]
        self.params = dict(self.parameters)
        for name, value in params.items():
            if name not in self.parameters:
                known = ", ".join(self.parameters) or "none"
                raise InputError(f"runner {self.info.name} has no parameter {name!r}; it has {known}")
            try:
                self.params[name] = _like(self.parameters[name], value)
            except ValueError as error:
                raise InputError(f"runner {self.info.name}, parameter {name}={value}: {error}") from None

    @abstractmethod
    def fit(self, train: Part, validation: Part | None, context: Context) -> FitSummary | None:
        """Learns from ``train``; ``validation``, if any, picks checkpoint and stopping time."""

    @abstractmethod
    def predict_proba(self, images: np.ndarray) -> np.ndarray:
        """(N, 48, 48) uint8 -> (N, classes) float32, each row summing to one."""

    @abstractmethod
    def save(self, directory: Path) -> None:
        """Writes the fitted model into ``directory``, which exists."""

    @abstractmethod
    def load(self, directory: Path) -> None:
        """Reads back what ``save`` wrote, into this runner (made with the same recipe and parameters)."""

    def count_parameters(self, classes: int = 7) -> dict[str, int] | None:
        """{"total": ..., "trainable": ...} of the untrained model, or None where that means nothing."""
        return None

    def count_macs(self, classes: int = 7) -> int | None:
        """Multiply-accumulates of one forward pass on one image, or None where they can't be told."""
        return None


def _like(default: Any, value: Any) -> Any:
    """``value``, often text from the command line, as the type of ``default``."""
    if not isinstance(value, str) or isinstance(default, str):
        return value
    if isinstance(default, bool):
        words = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}
        if value.lower() not in words:
            raise ValueError("write true or false")
        return words[value.lower()]
    try:
        return type(default)(value)
    except ValueError:
        raise ValueError(f"a number is wanted, like {default}") from None
