"""``fer-bench ensemble``: the mean of stored predictions on the board."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import click

from ..errors import InputError
from .options import RESULTS_OPTION, data_options, load_plugins, results_folder
from .say import say

if TYPE_CHECKING:
    from ..data.splits import Split
    from ..records.record import RunRecord
    from ..records.store import StoredRun


@click.command(epilog="Example: fer-bench ensemble svm mini-xception:tuned --name mean-of-two --weights validation")
@click.argument("runs", nargs=-1, required=True)
@click.option("--name", required=True, help="What it is called on the board: lower-case letters, digits, '.', '_' and '-'.")  # fmt: skip
@click.option("--choose", is_flag=True, help="Choose the members among RUNS, greedily, by validation accuracy.")
@click.option(
    "--weights",
    type=click.Choice(["equal", "validation"]),
    default="equal",
    show_default=True,
    help="validation: those with the lowest validation log loss.",
)
@click.option("--tta", is_flag=True, help="Average the predictions with test-time augmentation, too, and choose by them.")  # fmt: skip
@click.option("--dataset", help="The board to take RUNS from, by its data set. [default: the first that has them]")
@click.option("--split", help="The board to take RUNS from, by its split. [default: official, else the first]")
@RESULTS_OPTION
@data_options
@click.option("--force", is_flag=True, help="Replace another ensemble of the same name, and make the same one again.")
@click.option("--json", "as_json", is_flag=True, help="Print the record as JSON.")
def ensemble_command(
    runs: tuple[str, ...],
    name: str,
    choose: bool,
    weights: Literal["equal", "validation"],
    tta: bool,
    dataset: str | None,
    split: str | None,
    results: str,
    data: str | None,
    classes: str | None,
    labels: str,
    merge: tuple[str, ...],
    force: bool,
    as_json: bool,
) -> None:
    """Average the stored predictions of RUNS, score the mean, and put it on the board.

    RUNS are runners (svm), with a recipe where they ran with several (svm:tuned), each with all its seeds; or single runs:
    the first digits of a job's key, or a run's folder. Whatever is chosen, members or weights, is chosen on the validation
    part alone. --data, where it is the data of the runs, is for the accuracy on unseen images.

    Exit codes: 0 all went well, 2 wrong input.
    """
    root = results_folder(results)
    from ..board.select import select
    from ..entries.ensemble import average
    from ..entries.named import check_name, commit
    from ..records.record import ENSEMBLE
    from ..records.store import Store
    from .tables import print_results

    load_plugins()
    store = Store(root)
    stored, _ = store.scan()  # of what can't be read, print_results tells
    check_name(name, stored, ENSEMBLE)
    candidates = [run for given in runs for run in select(stored, given, dataset=dataset, split=split).runs]
    if len(candidates) == 1:
        raise InputError(f"{candidates[0].record.job.runner} is one run, which is no ensemble; name two or more")
    at_hand, lacking = split_at_hand(candidates[0], data, classes, labels, merge)
    made = average(candidates, name, chosen=choose, weights=weights, tta=tta, split=at_hand)
    record, there = made.record, store.find(made.record.job)
    more = at_hand is not None and there is not None and there.scores and there.scores.accuracy_unseen is None
    if there is not None and not force and not more:
        say(f"{name} is on the board already, of the same runs; --force makes it again")
        record = there
    else:
        taken = "is on the board as another ensemble ({}), of other runs or weights; --force replaces it"
        commit(record, made.arrays, store, force, taken)
        if lacking:
            say(f"no accuracy on unseen images: {lacking}")
    if not as_json:
        click.echo(members_text(record))
    print_results([record], store, record.job.dataset_digest, [record.job.split], as_json)


def split_at_hand(
    run: StoredRun, data: str | None, classes: str | None, labels: str, merge: tuple[str, ...]
) -> tuple[Split | None, str]:
    """The split that a run was scored on, where the data at hand is that of the run; else None, and what is missing."""
    from ..data.load import load_dataset
    from ..data.splits import make_split

    job = run.record.job
    dataset = load_dataset(data, scheme=labels, merge=merge, classes=classes)
    if dataset.digest == job.dataset_digest:
        split = make_split(dataset, job.split)
        if split.digest == job.split_digest:
            return split, ""
    if dataset.embedded:
        return None, f"the same command with --data, which names {job.dataset}, adds it"
    return None, (
        f"{dataset.source} is not the data of these runs, {job.dataset} ({dataset.digest[:8]}, not "
        f"{job.dataset_digest[:8]}); --data, --labels and --merge name that"
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
