"""What a runner is: the contract that built-in and third-party runners share."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from ..errors import InputError
from .context import Context, FitSummary, Part
from .published import Published
from .recipe import NamedRecipe, Recipe


@dataclass(frozen=True)
class RunnerInfo:
    """What ``fer-bench list`` and the report say of a runner.

    ``register`` fills in a plugin's ``name``, and ``family`` and ``summary`` where they are empty. ``needs`` names the
    modules that must be installed for it. A change of ``version`` makes old results stale. It is raised where the
    runner, or the training that it shares with others, computes something else than before, and no field of its recipe
    says so.
    """

    name: str = ""
    family: str = ""
    summary: str = ""
    source: str = ""
    needs: tuple[str, ...] = ()
    version: int = 1
    #: Epochs on the embedded set, where a look at the whole matters more than the last point of accuracy.
    demo_epochs: int | None = None
    #: Training images per class on the embedded set; the test part stays whole.
    demo_limit: int | None = None
    published: tuple[Published, ...] = ()
    #: Where the published recipe departs from good practice, or ours from the source; one sentence each.
    notes: tuple[str, ...] = ()
    #: Name and digest of each recipe, by which a board knows results of an older one; ``registry.infos`` fills it in.
    recipe_digests: tuple[tuple[str, str], ...] = ()
    #: Whether ``run --all`` runs it, so that a board without it lacks something; ``registry.infos`` fills it in.
    in_all: bool = True


class Runner(ABC):
    """A system that can be trained on faces and asked for probabilities.

    A subclass sets ``recipes`` (name -> Recipe, "published" first if there is a source) and may set ``parameters``
    (name -> default), which a user changes as ``name[parameter=value]``. An ``info`` without a family has that of the
    base class. SklearnRunner and KerasRunner implement all but one method; this is the whole contract:

    >>> import numpy as np
    >>> from fer_bench import Runner, register
    >>> @register("prior")
    ... class Prior(Runner):
    ...     "The emotions' shares of the training part, whatever the image."
    ...
    ...     def fit(self, train, validation, context):
    ...         counts = np.bincount(train.labels, minlength=len(context.classes))
    ...         self.shares = (counts / counts.sum()).astype("float32")
    ...
    ...     def predict_proba(self, images):
    ...         return np.tile(self.shares, (len(images), 1))
    ...
    ...     def save(self, directory):
    ...         np.save(directory / "shares.npy", self.shares)
    ...
    ...     def load(self, directory):
    ...         self.shares = np.load(directory / "shares.npy")

    Args:
        recipe: name of one of ``recipes``, "" for the first one; or a NamedRecipe that is none of them.
        params: values for some of ``parameters``, of the default's type or as text.

    Attributes:
        recipe: the chosen Recipe, and ``recipe_name`` its name.
        params: every parameter's value.

    Raises:
        InputError: there is no such recipe or parameter, or a value has another type than the default.
    """

    info: ClassVar[RunnerInfo] = RunnerInfo()
    recipes: ClassVar[Mapping[str, Recipe]] = {"default": Recipe()}
    parameters: ClassVar[Mapping[str, Any]] = {}
    #: The sets of parameters that run where all runners do, each a row of its own; none: it runs where it is named.
    variants: ClassVar[Sequence[Mapping[str, Any]]] = ({},)
    #: Which of the options "epochs" and "weights" mean something here; the others stay out of a job's key. Where
    #: "batch" is among them, a run that was out of memory is tried again with half the recipe's batch.
    uses: ClassVar[frozenset[str]] = frozenset({"epochs", "weights"})
    #: What ``fer-bench tune`` searches: a field of the recipe, dotted where it is a part's -> its range, as in a space
    #: file: {"options.C": {"type": "float", "low": 0.1, "high": 100.0, "log": True}}.
    space: ClassVar[Mapping[str, Mapping[str, Any]]] = {}
    #: Whether weights of single epochs can be kept.
    keeps_epochs: ClassVar[bool] = False
    #: The network of keras.applications that a weights file is to fill, where it is known before it is built; a file of
    #: another one is refused before anything runs.
    application: str = ""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "info" in vars(cls) and not cls.info.family:
            families = [base.info.family for base in cls.__mro__ if issubclass(base, Runner)]
            cls.info = replace(cls.info, family=next(filter(None, families), ""))

    def __init__(self, recipe: str | NamedRecipe = "", **params: Any) -> None:
        if isinstance(recipe, NamedRecipe):
            self.recipe_name, self.recipe = recipe.name, recipe.recipe
        else:
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
        """Learns from ``train``; ``validation``, if there is any, picks checkpoint and stopping time.

        Args:
            train: images (N, 48, 48) uint8, labels (N,) int8, and weights (N,) float32 or None.
            validation: a part of the same form, or None.
            context: what is known of the run; all randomness comes from ``context.seed``.

        Returns:
            What the record should say of the training, or None for nothing.

        Raises:
            InputError: the run can't be done as it is asked for; the message is shown without a traceback.
            MemoryError: the device's memory does not suffice; the record's status is then "oom".
        """

    @abstractmethod
    def predict_proba(self, images: np.ndarray) -> np.ndarray:
        """Probabilities (N, classes) float32 of images (N, 48, 48) uint8; each row sums to one."""

    @abstractmethod
    def save(self, directory: Path) -> None:
        """Writes the fitted model into ``directory``, which exists and is empty."""

    @abstractmethod
    def load(self, directory: Path) -> None:
        """Reads back what ``save`` wrote into this runner, which was made with the same recipe and parameters.

        Raises:
            InputError: a file is missing or can't be read. Nothing in a file may be run as code.
        """

    def count_parameters(self, classes: int = 7) -> dict[str, int] | None:
        """The number of parameters, {"total": ..., "trainable": ...}, or None where that means nothing.

        It is asked for before a fit, too; ``classes`` is the number of emotions that the model would then tell apart.
        """
        return None

    def count_macs(self, classes: int = 7) -> int | None:
        """Multiply-accumulates of one forward pass on one image, or None where they can't be told.

        ``classes`` is the number of emotions where the model is not fitted yet.
        """
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
