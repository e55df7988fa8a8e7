"""``fer-bench score``: a system from outside on the board, from its predictions alone; and a run's kept epoch."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..errors import InputError
from . import values
from .command import Command
from .options import PLUGIN_OPTION, RESULTS_OPTION, SEED, data_options, given_data, load_plugins, stored_runs
from .say import note as tell

if TYPE_CHECKING:
    import numpy as np

    from ..data.dataset import Dataset
    from ..data.splits import Split
    from ..entries.external import Scored
    from ..records.store import StoredRun
    from ..scores.metrics import Scores


@click.command(cls=Command, epilog="Example: fer-bench score predictions.csv --name my-net --data fer2013.csv")
@click.argument("predictions", type=click.Path(path_type=Path))
@click.option("--name", help="What the system is called on the board: lower-case letters, digits, '.', '_' and '-'.")
@data_options
@click.option(
    "--split",
    type=values.SPLIT,
    help="The split whose test part was predicted. [default: official; with --epoch the run's]",
)
@click.option(
    "--epoch",
    type=click.IntRange(1),
    metavar="N",
    help="PREDICTIONS names a run made with --keep-epochs, or its folder: load and score that epoch of it.",
)
@RESULTS_OPTION
@click.option("--seed", type=SEED, help="Which of several trainings it is. [default: 0; with --epoch the run's]")
@click.option("--note", default="", help="A line about the system, for the table.")
@PLUGIN_OPTION
@click.option("--force", is_flag=True, help="Replace other predictions of the same name and seed.")
@click.option("--dry-run", is_flag=True, help="Check and score the file, and keep no record; needs no --name.")
@click.option("--json", "as_json", is_flag=True, help="Print the record as JSON (with --dry-run, the scores).")
def score_command(
    predictions: Path,
    name: str | None,
    data: str | None,
    classes: str | None,
    labels: str,
    merge: tuple[str, ...],
    split: str | None,
    epoch: int | None,
    results: str,
    seed: int | None,
    note: str,
    plugins: tuple[str, ...],
    force: bool,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Score the predictions of a system that ran elsewhere, and put it on the board, marked external.

    PREDICTIONS is a .csv, .csv.gz or .parquet with the column `row` (the row of the data's file, from 0: for FER-2013's
    PrivateTest 32298 to 35886) or, for a folder of images, `file` (its path below --data), each image of the test part
    once, in any order; and a column of probabilities for each emotion (anger or angry, disgust, ...), or one column
    `predicted` with an emotion's name or FER-2013's number. A column `emotion` with the truth is checked. Or a
    predictions.npz as runs write it, or a run's folder.

    With --epoch the run's model predicts the test part with the weights of that epoch. Its row says which epoch of what
    it is, chosen by hand, and has no rank: whoever chose it may have seen test figures. Without --name it is only
    scored.

    Exit codes: 0 all went well, 1 a record can't be read, 2 wrong input.
    """
    from ..entries.by_hand import kept_run
    from ..entries.external import commit
    from ..entries.named import check_name
    from ..records.record import EXTERNAL
    from ..records.store import Store
    from .tables import print_results

    run = None if epoch is None else kept_run(run_folder(predictions, Path(results)), epoch)
    split = split or (run.record.job.split if run else "official")
    dry_run = dry_run or (run is not None and name is None)
    if name is None and not dry_run:
        raise InputError("a --name is wanted, for the system's row on the board; --dry-run only scores")
    load_plugins(plugins)
    store = Store(Path(results))
    if name is not None:
        check_name(name, stored_runs(store), EXTERNAL)
    dataset = given_data(data, classes, labels, merge)
    parts = one_split(dataset, split)
    if run is None or epoch is None:
        scored = outside(predictions, data, labels, classes, dataset, parts, name=name or "", seed=seed or 0, note=note)
    else:
        scored = kept_epoch(run, epoch, dataset, parts, plugins, name=name or "", seed=seed, note=note)
    if not dry_run:
        commit(scored, store, force)
        print_results([scored.record], store, dataset.digest, [split], as_json)
        return
    scores = scored.record.scores
    assert scores is not None  # its record is ok
    click.echo(scores.model_dump_json(indent=1) if as_json else scores_text(scores))


def outside(
    predictions: Path,
    data: str | None,
    labels: str,
    classes: str | None,
    dataset: Dataset,
    split: Split,
    **about: Any,
) -> Scored:
    """The scores of a file of predictions, what is to be said of it said; ``about`` are name, seed and note of its
    row.
    """
    from ..data.load import row_files
    from ..entries.external import score_file

    numbers = row_numbers(predictions, data, labels, classes)
    scored = score_file(
        predictions, dataset, split, **about, numbers=numbers, files=row_files(data, classes), order=classes
    )
    for line in scored.notes:
        tell(line)
    return scored


def run_folder(given: Path, results: Path) -> Path:
    """The folder of a run, which may be named as ``board.select.select`` understands it."""
    from ..board.select import select
    from ..records.store import Store

    if given.exists() or len(given.parts) > 1:
        return given
    runs = select(stored_runs(Store(results)), str(given)).runs
    if len(runs) > 1:
        keys = ", ".join(run.record.job.key[:8] for run in runs)
        raise InputError(f"{given} has {len(runs)} seeds; name one of them by its key: {keys}")
    return runs[0].folder


def kept_epoch(
    run: StoredRun, epoch: int, dataset: Dataset, split: Split, plugins: tuple[str, ...], **about: Any
) -> Scored:
    """The scores of a run's kept epoch; ``about`` are name, seed and note of its row."""
    from ..engine.job import Options
    from ..entries.by_hand import score_epoch

    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that it ends what predicts, too
    return score_epoch(run, epoch, dataset, split, Options(plugins=plugins), **about)


def row_numbers(predictions: Path, data: str | None, labels: str, classes: str | None) -> np.ndarray | None:
    """How a file of predictions counts the rows of the data, (N,) int64; None where it counts them as they are.

    A run's own files count the rows under their label scheme, other people's those of the data's file.
    """
    from ..data.load import load_dataset
    from ..data.schemes import rows_kept

    own = predictions.is_dir() or predictions.suffix.lower() == ".npz"
    return None if own or labels == "seven" else rows_kept(load_dataset(data, classes=classes), labels)


def one_split(dataset: Dataset, name: str) -> Split:
    """The split of that name. Raises InputError where it stands for several, such as kfold-5 for its folds."""
    from ..data.splits import expand, make_split

    if len(folds := expand(name, dataset)) > 1:
        raise InputError(f"split {name} has {len(folds)} test parts; score them one by one, as {folds[0]}")
    return make_split(dataset, name)


def scores_text(scores: Scores) -> str:
    """All scores of one set of predictions for a terminal: fractions in percent, then emotion by emotion."""
    from tabulate import tabulate

    from ..board.columns import percent

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
    headers = ["emotion", "images", "accuracy", "precision", "F1", "confidence: predicted", "true"]
    rows = [
        [name, of.images, *map(percent, (of.recall, of.precision, of.f1, of.confidence, of.true_confidence))]
        for name, of in scores.emotions.items()
    ]
    if scores.log_loss is None:  # answers alone have no confidence
        headers, rows = headers[:-2], [row[:-2] for row in rows]
    table = tabulate(rows, headers, disable_numparse=True, colalign=["left", *["right"] * (len(headers) - 1)])
    return f"{scores.images:,} images: {line}\n\n{table}"
