"""``fer-bench show``: everything of one record."""

from __future__ import annotations

import click

from . import values
from .command import Command, tell_unreadable
from .options import JSON_OPTION, PLUGIN_OPTION, RESULTS_OPTION, load_plugins, results_folder, stored_runs
from .runs import one_of


@click.command(cls=Command, epilog="Example: fer-bench show svm:tuned")
@click.argument("key", type=values.SYSTEM)
@click.option("--board", "dataset", type=values.BOARD, help="The record of the data set with this name.")
@click.option("--split", type=values.SPLIT, help="The record of this split. [default: official, else the first]")
@RESULTS_OPTION
@PLUGIN_OPTION
@JSON_OPTION
def show_command(
    key: str, dataset: str | None, split: str | None, results: str, plugins: tuple[str, ...], as_json: bool
) -> None:
    """Show everything of one record: job, training, scores, cost, where it ran, why it failed, and its files.

    KEY is the first six or more digits of a record's key (fer-bench runs lists them), a run's folder, or a runner
    (svm), with its recipe where it ran with several (svm:tuned). With --json, it is the record itself.

    Exit codes: 0 all went well, 1 a record can't be read, 2 wrong input.
    """
    from ..api import registry
    from ..board.listing import entries
    from ..records.store import Store
    from .record_shown import as_text

    load_plugins(plugins)
    stored = stored_runs(Store(results_folder(results)))
    one = one_of(stored, key, dataset, split)
    if as_json:
        click.echo(one.record.model_dump_json(indent=1))
        return
    listed, problems = entries(stored, registry.infos(), [one])
    tell_unreadable(problems)
    click.echo(as_text(listed))
