"""``fer-bench run``: the main job."""

from __future__ import annotations

import signal
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from . import announce, values
from .checks import check_device, check_words
from .command import Command
from .options import (
    BACKEND_OPTION,
    BALANCE_OPTION,
    DEVICE_OPTION,
    PLUGIN_OPTION,
    RESULTS_OPTION,
    RETRIES_OPTION,
    SEED,
    STALL_OPTION,
    data_options,
    executor_options,
    given_data,
    load_plugins,
    made,
    numbers_told,
)
from .say import note, say, say_pending, say_reading
from .tables import print_plan, print_results

if TYPE_CHECKING:
    from ..data.dataset import Dataset
    from ..engine import Step
    from ..engine.executors import Words
    from ..engine.job import Options
    from ..records.record import RunRecord
    from ..records.store import Store

#: Runs at a time on the embedded set, at most: each takes about a gigabyte.
DEMO_JOBS = 4


@click.command(
    cls=Command,
    epilog="Example: fer-bench run svm mlp 'stacked-cnn[n=3]' --data fer2013.csv --split official --seeds 3",
)
@click.argument("names", nargs=-1, type=values.RUNNER)
@click.option("--all", "everything", is_flag=True, help="Every runner, plugins included.")
@data_options
@RESULTS_OPTION
@click.option(
    "--split",
    "splits",
    type=values.SPLIT,
    multiple=True,
    default=("official",),
    show_default=True,
    help="official, holdout-20, notebook, notebook-90-10, kfold-5 (all its folds), kfold-5-0, ...",
)
@click.option(
    "--recipe",
    type=values.RECIPE,
    default="published",
    show_default=True,
    help="published, tuned, another one, or all; NAME:RECIPE says it for one runner; a .toml file is one by hand.",
)
@click.option(
    "--set",
    "changes",
    type=values.FIELD,
    multiple=True,
    metavar="FIELD=VALUE",
    help="Change a field of the recipe: learning_rate=3e-4, augmentation.flip=false, options.C=5.",
)
@BALANCE_OPTION
@click.option("--fill", type=values.FILE, help="A second data set that fills the smaller classes of the training part.")
@click.option(
    "--seeds", type=click.IntRange(1), default=1, show_default=True, help="How many seeds a runner: 0, 1, ..."
)
@click.option("--seed", type=SEED, multiple=True, help="Exactly this seed, instead of --seeds; can be repeated.")
@click.option("--epochs", type=click.IntRange(1), help="At most so many epochs (of each stage; rounds for boosting).")
@click.option("--limit", type=click.IntRange(1), help="Rows per class of train and validation, for a quick look.")
@click.option(
    "--weights",
    type=values.WEIGHTS,
    default="auto",
    show_default=True,
    help="What a training starts from: auto, imagenet, random, or a weights file.",
)
@click.option(
    "--checkpoint",
    type=click.Choice(["validation", "test"]),
    default="validation",
    show_default=True,
    help="What picks the epoch. test: to measure what that is worth; such a run is marked and never ranked.",
)
@click.option(
    "--tta",
    type=click.Choice(["none", "flip", "ten-crop"]),
    envvar="FER_BENCH_TTA",
    default="none",
    show_default=True,
    help="Test-time augmentation, scored beside: mirrored, or centre and corners and their mirrors. No new training.",
)
@click.option(
    "--train-scores",
    type=click.Choice(["auto", "on", "off"]),
    default="auto",
    show_default=True,
    help="Score the training part too, after the fit; auto: recipe published. What is done is not done again for it.",
)
@DEVICE_OPTION
@BACKEND_OPTION
@executor_options
@click.option("--threads", type=click.IntRange(1), help="CPU threads of a run. [default: all cores]")
@click.option(
    "--jobs",
    "-j",
    type=click.IntRange(1),
    help="Runs at a time, the cores divided among them. [default: 1; embedded set: 4]",
)
@click.option("--timeout", type=values.SECONDS, help="Seconds that a run may take; 0, the default: no limit.")
@STALL_OPTION
@RETRIES_OPTION
@click.option(
    "--tensorboard",
    type=values.FOLDER,
    metavar="DIR",
    help="Write TensorBoard logs there; needs the extra `tensorboard`.",
)
@click.option(
    "--keep-epochs",
    is_flag=True,
    help="Keep the weights of each epoch that was the best so far, for `fer-bench score RUN --epoch N`.",
)
@click.option("--models/--no-models", default=True, show_default=True, help="Keep the trained models.")
@PLUGIN_OPTION
@click.option("--force", is_flag=True, help="Run again what is done, from the beginning.")
@click.option(
    "--rerun",
    type=click.Choice(["failed"]),
    help="Run again what failed; a training goes on from its last saved epoch.",
)
@click.option("--fail-fast", is_flag=True, help="Stop after the first failure.")
@click.option("--dry-run", is_flag=True, help="Print the plan and stop.")
@click.option("--json", "as_json", is_flag=True, help="Print the records (or the plan) as JSON.")
def run_command(
    names: tuple[str, ...],
    everything: bool,
    data: str | None,
    classes: str | None,
    results: str,
    splits: tuple[str, ...],
    labels: str,
    merge: tuple[str, ...],
    fill: str | None,
    force: bool,
    rerun: str | None,
    words: Words,
    jobs: int | None,
    fail_fast: bool,
    dry_run: bool,
    as_json: bool,
    **options: Any,
) -> None:
    """Train runners, score them, keep a record of each, print the leaderboard.

    NAMES are runners (fer-bench list), with parameters and a recipe where wanted: 'stacked-cnn[n=3]:tuned'. What is
    done already is not done again. Without --data, FER_BENCH_DATA or `fer-bench data download`, runs on the embedded
    synthetic set with few epochs.

    Exit codes: 0 all went well, 1 a run failed, 2 wrong input, 130 interrupted.
    """
    from ..api import registry
    from ..engine import survey
    from ..engine.job import Options, plan
    from ..engine.ranges import check_ranges
    from ..records.store import Store

    chosen = Options(**options)
    check_ranges({"jobs": jobs})
    load_plugins(chosen.plugins)
    check_words(names, everything, chosen)
    words = replace(words, jobs=jobs)
    device = check_device(chosen, words)
    dataset = given_data(data, classes, labels, merge)
    other = filling(fill)
    planned = plan(dataset, names or registry.specs(), splits, chosen, fill_from=other, explicit=bool(names))
    say_pending()
    announce.demo(dataset, chosen)
    announce.left_out(planned, names, chosen)
    store = Store(Path(results))
    if not dry_run:
        store.prepare()
    steps = survey(planned, store, "all" if force else "failed" if rerun else "none")
    announce.nothing_kept(steps, store, chosen)
    announce.unreadable(steps)
    if dry_run:
        print_plan(steps, store, as_json)
        return
    announce.retrained(steps, chosen)
    announce.done(steps)
    words = replace(words, usual=default_jobs(dataset, device))
    records, interrupted = go(steps, store, chosen, words, fail_fast)
    print_results(records, store, dataset.digest, sorted({step.job.info.split for step in steps}), as_json)
    leave(steps, records, interrupted)


def filling(fill: str | None) -> Dataset | None:
    """The second data set that fills gaps of the training part; says which that is, and how it was read."""
    from ..data.load import load_dataset

    if not fill:
        return None
    dataset = load_dataset(fill)
    note(f"fill: {dataset.source}{numbers_told(dataset, None)}")
    say_reading(dataset)
    return dataset


def go(
    steps: Sequence[Step], store: Store, options: Options, words: Words, fail_fast: bool
) -> tuple[list[RunRecord], bool]:
    """Runs the steps, showing how it goes on stderr; their records, and whether the user stopped it."""
    from ..engine import Interrupted, sweep
    from ..engine.executors import Local
    from .progress import observer

    stop_on_signals()
    # Where nothing is to be run, no cluster has to be there.
    with made(words) if any(step.pending for step in steps) else Local() as executor, observer() as watcher:
        try:
            return sweep(steps, store, options, watcher, fail_fast=fail_fast, executor=executor), False
        except Interrupted as stop:
            return stop.records, True


def leave(steps: Sequence[Step], records: Sequence[RunRecord], interrupted: bool) -> None:
    """Says what went wrong, and leaves with the exit code for that; returns where nothing did."""
    from ..engine.execute import is_failure

    if interrupted:
        say("interrupted; the same command goes on")
        sys.exit(130)
    failed = [f"{record.job.runner} ({record.status})" for record in records if is_failure(record.status)]
    again = "; --rerun failed tries again" if failed else ""
    failed += [f"{step.job.info.runner} (unreadable record)" for step in steps if step.problem]
    if failed:
        say(f"{len(failed)} of {len(steps)} runs failed: {', '.join(failed)}{again}")
        sys.exit(1)


def stop_on_signals() -> None:
    """Ctrl-C, a request to end and a terminal that goes away stop a sweep alike: its runs end, each with a record."""
    for sign in (signal.SIGINT, signal.SIGTERM):  # SIGINT too: a shell's background jobs are born ignoring it
        signal.signal(sign, signal.default_int_handler)
    if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:  # which nohup sets
        signal.signal(signal.SIGHUP, signal.default_int_handler)


def default_jobs(dataset: Dataset, device: str) -> int:
    """One run at a time, so that times mean something; on the embedded set, whose don't, one for each core."""
    from ..hardware.host import cores

    return min(cores(), DEMO_JOBS) if dataset.embedded and device == "cpu" else 1
