"""Options that several commands have, and what their values stand for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click

from ..errors import InputError
from .say import warn

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


def data_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options that say which data: --data, --labels and --merge."""
    for option in (
        click.option("--merge", multiple=True, metavar="A+B", help="Join emotions into one label: sadness+neutral."),
        click.option("--labels", type=click.Choice(["seven", "six"]), default="seven", show_default=True),
        click.option(
            "--data",
            envvar="FER_BENCH_DATA",
            help="CSV, zip, tar.gz, npz, parquet or image folder. [default: the download, else the embedded set]",
        ),
    ):
        command = option(command)
    return command


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

    warn(registry.know_plugins(plugins))
