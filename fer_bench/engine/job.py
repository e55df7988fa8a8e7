"""Jobs: the frozen plan of what to run, made before anything runs."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, cast

import numpy as np

from ..api import registry
from ..api.recipe_file import ByHand
from ..api.runner import Runner, RunnerInfo
from ..data.balance import Balance, balanced, check_fill, fill
from ..data.dataset import Dataset
from ..data.match import labels_in
from ..data.splits import Split, expand, limit_rows, make_split
from ..errors import InputError, encodable
from ..records.record import JobInfo
from ..training.network import check_weights
from ..training.weights import is_path
from .job_info import by_hand_fields, check_recordable, fields_of, info_of, key_of
from .on_train import CHOICES, TrainScores, asked_for
from .ranges import check_count, check_ranges, check_seeds
from .tta import WINDOWS

Tta = Literal["none", "flip", "ten-crop"]


@dataclass(frozen=True)
class Options:
    """What a user can say about all the runs of one plan; the fields are the options of ``fer-bench run``.

    ``recipe`` "all" takes every recipe of a runner, a path that ends in .toml that of a file; ``changes`` are made in
    it, each "field=value" (see ``api.recipe_file``). ``seeds`` takes so many, from 0 on; ``seed`` exactly those that
    it names, instead. ``epochs`` caps a recipe's epochs (of each stage), ``limit`` the
    rows per class of the training and validation parts; the test part is always whole. ``timeout`` (None or 0: no
    limit) is in seconds an attempt, and counts the worker's own time; ``stall`` is how many seconds it may neither
    report progress nor use the processor (None or 0: as long as it likes); ``retries`` is how often what can pass is
    tried again. ``checkpoint`` "test" lets the test part pick the epoch, to measure what that is worth; such runs are
    never ranked. ``train_scores`` "on" adds the scores of the training part, "auto" does so for recipes named
    "published". ``keep_epochs`` keeps the weights of each epoch that was the best so far, for ``fer-bench score RUN
    --epoch N``; it is no part of a job's key. ``tta`` "flip" or "ten-crop" adds the scores with test-time
    augmentation to those without.
    """

    recipe: str = "published"
    changes: tuple[str, ...] = ()
    seeds: int = 1
    seed: tuple[int, ...] = ()
    epochs: int | None = None
    limit: int | None = None
    weights: str = "auto"
    balance: Balance = "none"
    checkpoint: Literal["validation", "test"] = "validation"
    tta: Tta = "none"
    train_scores: TrainScores = "auto"
    device: str = "auto"
    backend: str = "auto"
    threads: int | None = None
    timeout: float | None = None
    stall: float | None = 1800.0
    retries: int = 0
    tensorboard: str | None = None
    keep_epochs: bool = False
    plugins: tuple[str, ...] = ()
    models: bool = True

    def __post_init__(self) -> None:
        check_ranges(vars(self))
        check_seeds(self.seeds, self.seed)

    @property
    def wanted_seeds(self) -> Sequence[int]:
        """The seeds that a plan takes, in order and each once."""
        return sorted({*self.seed}) or range(self.seeds)


@dataclass(frozen=True, eq=False)
class Job:
    """One training to be run and scored: what the record says of it, and the rows it works on.

    ``tta`` and ``train_scores`` are no part of ``info``, and so of neither key nor seeds: the training is the same with
    them and without.
    """

    info: JobInfo
    spec: str
    dataset: Dataset
    split: Split
    fill_from: Dataset | None = None
    tta: Tta = "none"
    train_scores: bool = False

    @property
    def recipe_fields(self) -> dict[str, Any] | None:
        """The fields of a recipe that is none of the runner's own; None of one that is."""
        return by_hand_fields(self.info)

    @property
    def title(self) -> str:
        """Runner, recipe, seed and split in a line."""
        on_test = ", checkpoint picked on test" if self.info.checkpoint == "test" else ""
        return f"{self.spec} ({self.info.recipe}, seed {self.info.seed}, {self.info.split}{on_test})"

    @property
    def watched(self) -> np.ndarray:
        """The rows that pick the epoch: the validation part; the test part where the job says so, and only there."""
        return self.split.test if self.info.checkpoint == "test" else self.split.validation


def seed_key(info: JobInfo) -> str:
    """What the seeds of a run derive from: the key of the job whose checkpoint validation picks, whichever part does.

    Two runs that differ in that alone then start from the same weights and see the same batches; what they differ in is
    what the watched part decides: the epoch, and where the recipe says so when to stop and to lower the learning rate.
    """
    return info.key if info.checkpoint == "validation" else key_of(info.model_dump() | {"checkpoint": "validation"})


def picks_epoch(runner: type[Runner]) -> bool:
    """Whether a runner trains in epochs (or rounds), of which one is kept."""
    return "epochs" in runner.uses


def keeps_epochs(runner: type[Runner]) -> bool:
    """Whether weights of a runner's epochs can be kept."""
    return runner.keeps_epochs


def plan(
    dataset: Dataset,
    specs: Sequence[str],
    splits: Sequence[str] = ("official",),
    options: Options | None = None,
    *,
    fill_from: Dataset | None = None,
    explicit: bool = True,
) -> list[Job]:
    """Runner names x recipes x splits x seeds -> jobs, in that order of loops: splits, runners, recipes, seeds.

    Raises InputError for an unknown runner, recipe, parameter or split, and for a weights file of another network than
    a runner's backbone, before anything runs.
    """
    options = options or Options()
    _check_options(options)
    weights = _weights_named(options.weights)
    by_hand = ByHand.of(options.recipe, options.changes)
    jobs: dict[str, Job] = {}
    filled: set[tuple[str, int | None]] = set()  # what the second data set was seen to fill
    for split_name in [name for wanted in splits for name in expand(wanted, dataset)]:
        whole = make_split(dataset, split_name)
        if options.keep_epochs and options.checkpoint == "validation" and not len(whole.validation):
            raise InputError(
                f"split {split_name} has no validation part that could call an epoch the best so far: --keep-epochs "
                "has nothing to keep there; --checkpoint test lets the test part do so"
            )
        for spec in specs:
            asked = registry.parse(spec)
            name, params = asked.runner, asked.params
            runner_class = registry.get(name)
            if options.checkpoint == "test" and not picks_epoch(runner_class):
                if explicit:
                    raise InputError(f"runner {name} picks no epoch: --checkpoint test has nothing to choose there")
                continue
            if options.keep_epochs and explicit and not keeps_epochs(runner_class):
                raise InputError(f"runner {name} is no Keras model: --keep-epochs has nothing to keep there")
            budget = _budget(runner_class.info, dataset, options)
            split = whole if budget.limit is None else limit_rows(whole, dataset, budget.limit, seed=0)
            if fill_from is not None and (split_name, budget.limit) not in filled:
                held_out = dataset.images[np.concatenate([split.validation, split.test])]
                check_fill(dataset.labels[split.train], fill_from, dataset.classes, avoid=held_out)
                filled.add((split_name, budget.limit))
            for own in registry.recipes_of(asked, by_hand.wanted(options.recipe, asked), explicit):
                recipe, origin = by_hand.recipe(runner_class, own)
                runner = runner_class(recipe, **params)
                on_train = asked_for(options.train_scores, runner.recipe_name)
                _check_weights(runner, options.weights)
                fields = fields_of(runner, dataset, split, replace(budget, weights=weights), fill_from, origin)
                check_recordable(spec, fields)
                check_count(len(jobs) + len(options.wanted_seeds))
                for seed in options.wanted_seeds:
                    info = info_of(fields, seed)
                    jobs.setdefault(info.key, Job(info, asked.model, dataset, split, fill_from, options.tta, on_train))
    if not jobs:
        what = " and picks an epoch" if options.checkpoint == "test" else ""
        raise InputError(f"no runner has a recipe {options.recipe!r}{what}; `fer-bench list` shows what each has")
    return list(jobs.values())


def _check_options(options: Options) -> None:
    """Raises InputError for words that are none of an option's, and for two options that contradict each other."""
    if options.tta not in ("none", *WINDOWS):
        raise InputError(f"no test-time augmentation {options.tta!r}; there are none, {', '.join(WINDOWS)}")
    if options.train_scores not in CHOICES:
        raise InputError(f"train_scores {options.train_scores!r} is none of {', '.join(CHOICES)}")
    if options.keep_epochs and not options.models:
        raise InputError("--keep-epochs keeps models, and --no-models does not: leave one of them out")


def _weights_named(weights: str) -> str:
    """What of ``--weights`` decides a result: its word, or a file's name and content, wherever the file lies."""
    if not is_path(weights):
        return weights
    path = Path(weights)
    try:
        with path.open("rb") as file:
            return f"{encodable(path.name)}@{hashlib.file_digest(file, 'sha256').hexdigest()[:12]}"
    except OSError as error:
        reason = error.strerror or error
        raise InputError(f"--weights {weights}: {reason}; give a weights file, or auto, imagenet or random") from None


def _check_weights(runner: Runner, weights: str) -> None:
    """Raises InputError for a weights file that can't be the runner's, as far as that shows without its model."""
    if runner.application and is_path(weights):
        check_weights(weights, runner.application, runner.info.name)


def _budget(info: RunnerInfo, dataset: Dataset, options: Options) -> Options:
    """The options with, on the embedded set, the runner's own small budget where the user gave none."""
    if not dataset.embedded:
        return options
    limit = options.limit if options.limit or options.epochs else info.demo_limit
    return replace(options, epochs=options.epochs or info.demo_epochs, limit=limit)


def training_rows(job: Job) -> dict[str, np.ndarray]:
    """The arrays that a worker gets: which rows of the images make each part, and the labels of train and validation.

    Of the test part it gets rows alone, never labels, but for the one exception that the user asks for and the record
    tells: under ``checkpoint`` "test" the test part, labels and all, stands in the place of the validation part.

    ``train_rows`` are followed by ``fill_rows``, rows of ``job.fill_from``, if there is one; ``train_labels`` are those
    of both, and ``train_order`` says in which order, and how often, they are trained on.
    """
    labels, split = job.dataset.labels, job.split
    train_labels = labels[split.train]
    arrays = {}
    if job.fill_from is not None:
        held_out = job.dataset.images[np.concatenate([split.validation, split.test])]
        classes = job.dataset.classes
        extra = fill(train_labels, job.fill_from, classes, seed=job.info.seed, avoid=held_out)
        arrays["fill_rows"] = extra
        train_labels = np.concatenate([train_labels, labels_in(classes, job.fill_from)[extra]])
    order, weights = balanced(
        train_labels, len(job.dataset.classes), cast(Balance, job.info.balance), seed=job.info.seed
    )
    arrays |= {
        "train_rows": split.train.astype(np.int64),
        "train_order": order.astype(np.int64),
        "train_labels": train_labels.astype(np.int8),
        "val_rows": job.watched.astype(np.int64),
        "val_labels": labels[job.watched].astype(np.int8),
        "test_rows": split.test.astype(np.int64),
    }
    if weights is not None:
        arrays["train_weights"] = weights.astype(np.float32)
    return arrays
