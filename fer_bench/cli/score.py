"""``fer-bench score``: a system from outside on the board, from its predictions alone."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..errors import InputError
from .data import data_options

if TYPE_CHECKING:
    from ..metrics import Scores


@click.command(epilog="Example: fer-bench score predictions.csv --name my-net --data fer2013.csv")
@click.argument("predictions", type=click.Path(path_type=Path))
@click.option("--name", help="What the system is called on the board: lower-case letters, digits, '.', '_' and '-'.")
@data_options
@click.option("--split", default="official", show_default=True, help="The split whose test part was predicted.")
@click.option("--results", envvar="FER_BENCH_RESULTS", default="results", show_default=True, help="Results folder.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Which of several trainings it is.")
@click.option("--note", default="", help="A line about the system, for the table.")
@click.option("--plugin", "plugins", multiple=True, metavar="MODULE|FILE.py", help="A module that registers runners.")
@click.option("--force", is_flag=True, help="Replace other predictions of the same name and seed.")
@click.option("--dry-run", is_flag=True, help="Check and score the file, and keep no record; needs no --name.")
@click.option("--json", "as_json", is_flag=True, help="Print the record as JSON (with --dry-run, the scores).")
def score_command(
    predictions: Path,
    name: str | None,
    data: str | None,
    labels: str,
    merge: tuple[str, ...],
    split: str,
    results: str,
    seed: int,
    note: str,
    plugins: tuple[str, ...],
    force: bool,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Score the predictions of a system that ran elsewhere, and put it on the board, marked external.

    PREDICTIONS is a .csv, .csv.gz or .parquet with the column `row` (the row of the data's file, from 0: for FER-2013's
    PrivateTest 32298 to 35886), each row of the test part once, in any order; and a column of probabilities for each
    emotion (anger or angry, disgust, ...), or one column `predicted` with an emotion's name or FER-2013's number. A
    column `emotion` with the truth is checked. Or a predictions.npz as runs write it, or a run's folder.

    Exit codes: 0 all went well, 2 wrong input.
    """
    import json

    from .. import registry
    from ..data import load_dataset
    from ..data.schemes import rows_kept
    from ..external import commit, score_file
    from ..named import check_name
    from ..records import EXTERNAL
    from ..splits import expand, make_split
    from ..store import Store
    from .tables import print_results

    if name is None and not dry_run:
        raise InputError("a --name is wanted, for the system's row on the board; --dry-run only scores")
    for warning in registry.load_plugins(plugins):
        click.echo(f"fer-bench: warning: {warning}", err=True)
    store = Store(Path(results))
    if name is not None:
        check_name(name, store.scan()[0], EXTERNAL)
    dataset = load_dataset(data, scheme=labels, merge=merge)
    click.echo(f"fer-bench: data: {dataset.source}", err=True)
    if len(folds := expand(split)) > 1:
        raise InputError(f"split {split} has {len(folds)} test parts; score them one by one, as {folds[0]}")
    # A run's files count the rows under its label scheme, other people's those of the file.
    own = predictions.is_dir() or predictions.suffix.lower() == ".npz"
    numbers = None if own or labels == "seven" else rows_kept(load_dataset(data), labels)
    parts = make_split(dataset, split)
    scored = score_file(predictions, dataset, parts, name=name or "", seed=seed, note=note, numbers=numbers)
    if not dry_run:
        commit(scored, store, force)
        print_results([scored.record], store, dataset.digest, [split], as_json)
        return
    scores = scored.record.scores
    assert scores is not None  # its record is ok
    click.echo(json.dumps(scores.model_dump(), indent=1) if as_json else scores_text(scores))


def scores_text(scores: Scores) -> str:
    """All scores of one set of predictions for a terminal: fractions in percent, then emotion by emotion."""
    from tabulate import tabulate

    from ..columns import percent

    fractions = {
        "accuracy": f"{percent(scores.accuracy)} [{percent(scores.accuracy_low)}, {percent(scores.accuracy_high)}]",
        "unseen": percent(scores.accuracy_unseen),
        "weighted F1": percent(scores.weighted_f1),
        "macro F1": percent(scores.macro_f1),
        "balanced": percent(scores.balanced_accuracy),
        "top-2": percent(scores.top2_accuracy),
        "log loss": "" if scores.log_loss is None else f"{scores.log_loss:.3f}",
        "ECE": "" if scores.calibration_error is None else f"{scores.calibration_error:.3f}",
    }
    line = ", ".join(f"{name} {value}" for name, value in fractions.items() if value)
    rows = [
        [name, of.images, percent(of.recall), percent(of.precision), percent(of.f1)]
        for name, of in scores.emotions.items()
    ]
    headers, align = ["emotion", "images", "accuracy", "precision", "F1"], ["left", *["right"] * 4]
    table = tabulate(rows, headers, disable_numparse=True, colalign=align)
    return f"{scores.images:,} images: {line}\n\n{table}"
