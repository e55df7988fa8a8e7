"""``fer-bench ensemble``: the mean of stored predictions on the board."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import click

from ..errors import InputError
from . import values
from .command import Command
from .options import (
    CLASSES_OPTION,
    DATA_VARIABLE,
    OLD_NAMES,
    PLUGIN_OPTION,
    RESULTS_OPTION,
    board_options,
    data_under,
    load_plugins,
    results_folder,
    stored_runs,
    wanted_board,
)
from .say import note

if TYPE_CHECKING:
    from ..data.splits import Split
    from ..records.record import RunRecord
    from ..records.store import StoredRun


@click.command(
    cls=Command,
    old=OLD_NAMES | {"--weights": "--weighting"},
    epilog="Example: fer-bench ensemble svm mini-xception:tuned --name mean-of-two --weighting validation",
)
@click.argument("runs", nargs=-1, required=True, type=values.SYSTEM)
@click.option(
    "--name", required=True, help="What it is called on the board: lower-case letters, digits, '.', '_' and '-'."
)
@click.option("--choose", is_flag=True, help="Choose the members among RUNS, greedily, by validation accuracy.")
@click.option(
    "--weighting",
    "weights",
    type=click.Choice(["equal", "validation"]),
    default="equal",
    show_default=True,
    help="How much each member counts; validation: as much as gives the lowest validation log loss.",
)
@click.option(
    "--with-tta",
    "tta",
    is_flag=True,
    help="Average the predictions with test-time augmentation, too, and choose by them.",
)
@board_options
@RESULTS_OPTION
@click.option(
    "--data", type=values.FILE, envvar=DATA_VARIABLE, help="The data of the runs, for the accuracy on unseen images."
)
@CLASSES_OPTION
@PLUGIN_OPTION
@click.option("--dry-run", is_flag=True, help="Average and score, and keep nothing.")
@click.option("--force", is_flag=True, help="Replace another ensemble of the same name, and make the same one again.")
@click.option("--json", "as_json", is_flag=True, help="Print the record as JSON.")
def ensemble_command(
    runs: tuple[str, ...],
    name: str,
    choose: bool,
    weights: Literal["equal", "validation"],
    tta: bool,
    results: str,
    data: str | None,
    classes: str | None,
    plugins: tuple[str, ...],
    dry_run: bool,
    force: bool,
    as_json: bool,
    **board: Any,
) -> None:
    """Average the stored predictions of RUNS, score the mean, and put it on the board.

    RUNS are runners (svm), with a recipe where they ran with several (svm:tuned), each with all its seeds; or single
    runs: the first digits of a job's key, or a run's folder. Whatever is chosen, members or weights, is chosen on the
    validation part alone. --data, where it is the data of the runs, is for the accuracy on unseen images.

    Exit codes: 0 all went well, 1 a record can't be read, 2 wrong input.
    """
    root = results_folder(results)
    import json

    from ..board.select import select
    from ..entries.ensemble import average
    from ..entries.named import check_name, commit
    from ..records.record import ENSEMBLE
    from ..records.store import Store
    from .tables import print_results

    load_plugins(plugins)
    store = Store(root)
    stored, wanted = stored_runs(store), wanted_board(**board)
    check_name(name, stored, ENSEMBLE)
    candidates = [run for given in runs for run in select(stored, given, **wanted).runs]
    if len(candidates) == 1:
        raise InputError(f"{candidates[0].record.job.runner} is one run, which is no ensemble; name two or more")
    at_hand, lacking = split_at_hand(candidates[0], data, classes)
    made = average(candidates, name, chosen=choose, weights=weights, tta=tta, split=at_hand)
    record, there = made.record, store.find(made.record.job)
    more = at_hand is not None and there is not None and there.scores and there.scores.accuracy_unseen is None
    if dry_run:
        note(f"{name} is not kept")
        click.echo(json.dumps([record.model_dump()], indent=1) if as_json else members_text(record))
        return
    if there is not None and not force and not more:
        note(f"{name} is on the board already, of the same runs; --force makes it again")
        record = there
    else:
        taken = "is on the board as another ensemble ({}), of other runs or weights; --force replaces it"
        commit(record, made.arrays, store, force, taken)
        if lacking:
            note(f"no accuracy on unseen images: {lacking}")
    if not as_json:
        click.echo(members_text(record))
    print_results([record], store, record.job.dataset_digest, [record.job.split], as_json)


def split_at_hand(run: StoredRun, data: str | None, classes: str | None) -> tuple[Split | None, str]:
    """The split that a run was scored on, where the data at hand is that of the run; else None, and what is missing."""
    from ..data.dataset import is_embedded
    from ..data.load import load_dataset
    from ..data.splits import make_split

    job = run.record.job
    dataset = load_dataset(data, classes=classes)
    if not dataset.embedded or is_embedded(job.dataset):
        dataset = data_under(dataset, job.classes)
    if dataset.digest == job.dataset_digest:
        split = make_split(dataset, job.split)
        if split.digest == job.split_digest:
            return split, ""
    if dataset.embedded:
        return None, f"the same command with --data, which names {job.dataset}, adds it"
    return (
        None,
        (
            f"{dataset.source} is not the data of these runs, {job.dataset} ({dataset.digest[:8]}, not "
            f"{job.dataset_digest[:8]}); --data names that"
        ),
    )


def members_text(record: RunRecord) -> str:
    """For a terminal: what is averaged, and how well that did on the validation part."""
    from tabulate import tabulate

    assert record.ensemble is not None  # it is one's
    rows = [
        [member.runner, member.recipe, member.seed, member.key[:8], f"{member.weight:.3f}"]
        for member in record.ensemble.members
    ]
    align = ["left", "left", "right", "left", "right"]
    table = tabulate(rows, ["member", "recipe", "seed", "key", "weight"], disable_numparse=True, colalign=align)
    held = (record.tta or record).validation_scores
    if held is None:
        return table
    return f"{table}\nvalidation accuracy {100 * held.accuracy:.1f} %, log loss {held.log_loss:.3f}"
