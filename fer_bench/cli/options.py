"""Options that several commands have, and what their values stand for."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..errors import InputError
from . import values
from .command import tell_unreadable
from .say import note, say_reading, warn

if TYPE_CHECKING:
    from ..data.dataset import Dataset
    from ..engine.executors import Executor, Words
    from ..records.store import Store, StoredRun

DATA_VARIABLE = "FER_BENCH_DATA"
RESULTS_OPTION = click.option(
    "--results",
    envvar="FER_BENCH_RESULTS",
    type=values.FOLDER,
    default="results",
    show_default=True,
    help="Results folder.",
)
PLUGIN_OPTION = click.option(
    "--plugin",
    "plugins",
    type=values.Plugin(),
    multiple=True,
    metavar="MODULE|FILE.py",
    help="A module that registers runners.",
)
JSON_OPTION = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
BALANCE_OPTION = click.option(
    "--balance",
    type=click.Choice(["none", "weights", "oversample"]),
    default="none",
    show_default=True,
    help="weights: rare emotions count more; oversample: their images are repeated.",
)
STALL_OPTION = click.option(
    "--stall",
    type=values.SECONDS,
    default=1800,
    show_default=True,
    help="Seconds that a training may neither report progress nor use the processor before it is ended; 0: no limit.",
)
RETRIES_OPTION = click.option(
    "--retries",
    type=click.IntRange(0),
    default=0,
    show_default=True,
    help="Try again so often what crashed or was killed, and with half the batch what ran out of memory.",
)
DEVICE_OPTION = click.option(
    "--device", type=values.DEVICE, default="auto", show_default=True, help="auto, cpu, gpu or gpu:N."
)
BACKEND_OPTION = click.option(
    "--backend",
    type=click.Choice(["auto", "tensorflow", "jax", "torch"]),
    default="auto",
    show_default=True,
    help="The library that computes under Keras.",
)
CLASSES_OPTION = click.option(
    "--classes",
    metavar="NAME|LIST",
    help=(
        "What label numbers mean: raf-db, affectnet, ferplus, expw, alphabetical, fer2013, or emotions in their order: "
        "anger,disgust,... from 0 on, 1=surprise,fear,... from 1 on. [default: what the data says, else fer2013]"
    ),
)
#: A seed: what numpy, scikit-learn and Keras all take.
SEED = click.IntRange(0, 2**31 - 1)
#: Names that options had before they meant one thing each.
OLD_NAMES = {"--dataset": "--board", "--tta": "--with-tta"}


def data_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options that say which data: --data, --classes, --labels and --merge."""
    for option in (
        click.option("--merge", multiple=True, metavar="A+B", help="Join emotions into one label: sadness+neutral."),
        click.option(
            "--labels",
            type=click.Choice(["seven", "six"]),
            default="seven",
            show_default=True,
            help="Which emotions are told apart; six: without fear.",
        ),
        CLASSES_OPTION,
        click.option(
            "--data",
            type=values.FILE,
            envvar=DATA_VARIABLE,
            help="CSV, zip, tar.gz, npz, parquet or image folder. [default: the download, else the embedded set]",
        ),
    ):
        command = option(command)
    return command


def given_data(data: str | None, classes: str | None, labels: str, merge: Sequence[str]) -> Dataset:
    """What the options of ``data_options`` name; says which data that is, and how it was read."""
    from ..data.load import load_dataset

    dataset = load_dataset(data, scheme=labels, merge=merge, classes=classes)
    note(f"data: {dataset.source}{numbers_told(dataset, classes)}")
    say_reading(dataset)
    return dataset


def numbers_told(dataset: Dataset, classes: str | None) -> str:
    """What label numbers were taken to mean, to be added to a line; "" for those of FER-2013, all of it, and for
    names.
    """
    from ..data.orders import FER2013, told

    if dataset.order and (classes or dataset.order != FER2013):
        return f"; {told(dataset.order)}"
    return (
        f"; --classes {classes} is not needed, as the data names its emotions" if classes and not dataset.order else ""
    )


def board_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options that say on which leaderboard a system is looked for: --board, --split, --labels and --merge."""
    for option in (
        click.option("--merge", multiple=True, metavar="A+B", help="The leaderboard with these emotions joined."),
        click.option(
            "--labels",
            type=click.Choice(["seven", "six"]),
            help="The leaderboard with these emotions; six: without fear. [default: the first that has it]",
        ),
        click.option(
            "--split",
            type=values.SPLIT,
            help="The leaderboard of this split. [default: official, else the first that has it]",
        ),
        click.option(
            "--board",
            "dataset",
            type=values.BOARD,
            help="The leaderboard of this data set, by its name there. [default: the first that has it]",
        ),
    ):
        command = option(command)
    return command


def wanted_board(dataset: str | None, split: str | None, labels: str | None, merge: Sequence[str]) -> dict[str, Any]:
    """What ``board.select.select`` is to look for, of the values of ``board_options``.

    Raises InputError for a merge of what are no emotions of the labels.
    """
    if not labels and not merge:
        return {"dataset": dataset, "split": split}
    import numpy as np

    from ..data.dataset import EMOTIONS, Dataset
    from ..data.schemes import apply_scheme

    none = Dataset(
        np.empty((0, 48, 48), np.uint8), np.empty(0, np.int8), None, EMOTIONS, "none", "the benchmark", "none"
    )  # no images, but the classes that a run with these options has
    return {"dataset": dataset, "split": split, "classes": apply_scheme(none, labels or "seven", merge).classes}


def data_under(dataset: Dataset, classes: Sequence[str]) -> Dataset:
    """The data under the labels of a leaderboard. Raises InputError where it lacks some of them."""
    from ..data.schemes import SCHEMES, apply_scheme

    if tuple(dataset.classes) == tuple(classes):
        return dataset
    merges = [name for name in classes if "+" in name]
    emotions = {part for name in classes for part in name.split("+")}
    return apply_scheme(dataset, "six" if emotions == set(SCHEMES["six"]) else "seven", merges)


def executor_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options that say what runs the jobs: --executor, --scheduler and --executor-config.

    The command gets all three as one value, ``words``, which ``engine.executors.make`` takes.
    """

    @functools.wraps(command)
    def with_words(*args: Any, executor: str, scheduler: str | None, executor_config: str | None, **rest: Any) -> Any:
        from ..engine.executors import Words

        return command(*args, words=Words(executor, scheduler, executor_config), **rest)

    given: Callable[..., Any] = with_words
    for option in (
        click.option(
            "--executor-config",
            envvar="FER_BENCH_EXECUTOR_CONFIG",
            type=values.FILE,
            metavar="FILE.toml",
            help="Settings of the SLURM cluster: partition, time, gres and others.",
        ),
        click.option(
            "--scheduler",
            envvar="FER_BENCH_SCHEDULER",
            type=values.SCHEDULER,
            help="Address of a running Dask scheduler. [default: workers of its own, on this machine]",
        ),
        click.option(
            "--executor",
            envvar="FER_BENCH_EXECUTOR",
            type=click.Choice(["local", "dask", "slurm"]),
            default="local",
            show_default=True,
            help="What runs the jobs: this machine, a Dask cluster, or a SLURM cluster.",
        ),
    ):
        given = option(given)
    return given


def made(words: Words) -> Executor:
    """The executor that the values of ``executor_options`` mean; says what there is to be said of it."""
    from ..engine.executors import make

    executor = make(words)
    for line in executor.said:
        note(line)
    return executor


def results_folder(results: str) -> Path:
    """The folder that --results names. Raises InputError where there is none."""
    root = Path(results)
    if not root.is_dir():
        raise InputError(f"no results folder {root}; `fer-bench run` makes one, --results names another")
    return root


def stored_runs(store: Store) -> list[StoredRun]:
    """The runs of a results folder; of each record that can't be read one line says why, and the exit code will be
    1.
    """
    runs, problems = store.scan()
    tell_unreadable(problems)
    return runs


def load_plugins(plugins: Sequence[str] = ()) -> None:
    """Loads the installed plugins and those given; each installed one that fails is one line on stderr.

    Raises InputError where one that was given can't be used.
    """
    from ..api import registry

    warn(registry.know_plugins(plugins))
