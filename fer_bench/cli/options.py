"""Options that several commands have, and what their values stand for."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..errors import InputError
from .say import say, say_reading, warn

if TYPE_CHECKING:
    from ..data.dataset import Dataset

RESULTS_OPTION = click.option(
    "--results", envvar="FER_BENCH_RESULTS", default="results", show_default=True, help="Results folder."
)
PLUGIN_OPTION = click.option(
    "--plugin", "plugins", multiple=True, metavar="MODULE|FILE.py", help="A module that registers runners."
)
JSON_OPTION = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
DEVICE_OPTION = click.option("--device", default="auto", show_default=True, help="auto, cpu, gpu or gpu:N.")
BACKEND_OPTION = click.option(
    "--backend", type=click.Choice(["auto", "tensorflow", "jax", "torch"]), default="auto", show_default=True
)
CLASSES_OPTION = click.option(
    "--classes",
    metavar="NAME|LIST",
    help="What label numbers mean: raf-db, affectnet, ferplus, expw, alphabetical, fer2013, or emotions in their order: "
    "anger,disgust,... from 0 on, 1=surprise,fear,... from 1 on. [default: what the data says, else fer2013]",
)


class Seconds(click.FloatRange):
    """A finite number of seconds, 0 meaning no limit."""

    name = "seconds"

    def __init__(self) -> None:
        super().__init__(0, 1e9)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        seconds = super().convert(value, param, ctx)
        if math.isnan(seconds):
            self.fail(f"{value!r} is no number of seconds; 0 means no limit.", param, ctx)
        return seconds


#: A seed: what numpy, scikit-learn and Keras all take.
SEED = click.IntRange(0, 2**31 - 1)


def data_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options that say which data: --data, --classes, --labels and --merge."""
    for option in (
        click.option("--merge", multiple=True, metavar="A+B", help="Join emotions into one label: sadness+neutral."),
        click.option("--labels", type=click.Choice(["seven", "six"]), default="seven", show_default=True),
        CLASSES_OPTION,
        click.option(
            "--data",
            envvar="FER_BENCH_DATA",
            help="CSV, zip, tar.gz, npz, parquet or image folder. [default: the download, else the embedded set]",
        ),
    ):
        command = option(command)
    return command


def given_data(data: str | None, classes: str | None, labels: str, merge: Sequence[str]) -> Dataset:
    """What the options of ``data_options`` name; says which data that is, and how it was read."""
    from ..data.load import load_dataset

    dataset = load_dataset(data, scheme=labels, merge=merge, classes=classes)
    say(f"data: {dataset.source}{numbers_told(dataset, classes)}")
    say_reading(dataset)
    return dataset


def numbers_told(dataset: Dataset, classes: str | None) -> str:
    """What label numbers were taken to mean, to be added to a line; "" for those of FER-2013, all of it, and for names."""
    from ..data.orders import FER2013, told

    if dataset.order and (classes or dataset.order != FER2013):
        return f"; {told(dataset.order)}"
    return (
        f"; --classes {classes} is not needed, as the data names its emotions" if classes and not dataset.order else ""
    )


def results_folder(results: str) -> Path:
    """The folder that --results names. Raises InputError where there is none."""
    root = Path(results)
    if not root.is_dir():
        raise InputError(f"no results folder {root}; `fer-bench run` makes one, --results names another")
    return root


def load_plugins(plugins: Sequence[str] = ()) -> None:
    """Loads the installed plugins and those given; each installed one that fails is one line on stderr.

    Raises InputError where one that was given can't be used.
    """
    from ..api import registry

    warn(registry.load_plugins(plugins))
