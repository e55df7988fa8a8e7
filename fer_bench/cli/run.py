"""``fer-bench run``: the main job."""

from __future__ import annotations

import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..errors import InputError
from .tables import print_plan, print_results

if TYPE_CHECKING:
    from ..data.dataset import Dataset
    from ..engine import Step
    from ..engine.job import Job

#: Runs at a time on the embedded set, at most: each takes about a gigabyte.
DEMO_JOBS = 4


def _complete_runner(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[str]:
    from .. import registry

    registry.load_plugins()
    return [name for name in registry.names() if name.startswith(incomplete)]


@click.command(epilog="Example: fer-bench run svm mlp 'stacked-cnn[n=3]' --data fer2013.csv --split official --seeds 3")
@click.argument("names", nargs=-1, shell_complete=_complete_runner)
@click.option("--all", "everything", is_flag=True, help="Every runner, plugins included.")
@click.option(
    "--data",
    envvar="FER_BENCH_DATA",
    help="CSV, zip, tar.gz, npz, parquet or image folder. [default: the embedded set]",
)
@click.option("--results", envvar="FER_BENCH_RESULTS", default="results", show_default=True, help="Results folder.")
@click.option(
    "--split",
    "splits",
    multiple=True,
    default=("official",),
    show_default=True,
    help="official, notebook, notebook-90-10, kfold-5 (all its folds), kfold-5-0.",
)
@click.option("--recipe", default="published", show_default=True, help="published, tuned, another one, or all.")
@click.option("--labels", type=click.Choice(["seven", "six"]), default="seven", show_default=True)
@click.option("--merge", multiple=True, metavar="A+B", help="Join emotions into one label: sadness+neutral.")
@click.option("--balance", type=click.Choice(["none", "weights", "oversample"]), default="none", show_default=True)
@click.option("--fill", metavar="PATH", help="A second data set that fills the smaller classes of the training part.")
@click.option(
    "--seeds", type=click.IntRange(1), default=1, show_default=True, help="How many seeds a runner: 0, 1, ..."
)
@click.option("--epochs", type=click.IntRange(1), help="At most so many epochs (of each stage; rounds for boosting).")
@click.option("--limit", type=click.IntRange(1), help="Rows per class of train and validation, for a quick look.")
@click.option("--weights", default="auto", show_default=True, help="auto, imagenet, random, or a weights file.")
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
@click.option("--device", default="auto", show_default=True, help="auto, cpu, gpu or gpu:N.")
@click.option("--backend", type=click.Choice(["auto", "tensorflow", "jax", "torch"]), default="auto", show_default=True)
@click.option("--threads", type=click.IntRange(1), help="CPU threads of a run. [default: all cores]")
@click.option(
    "--jobs", type=click.IntRange(1), help="Runs at a time, the cores divided among them. [default: 1; embedded set: 4]"
)
@click.option("--timeout", type=click.FloatRange(1), help="Seconds that a run may take.")
@click.option(
    "--stall",
    type=click.FloatRange(0),
    default=1800,
    show_default=True,
    help="Seconds that a run may neither report progress nor use the processor before it is ended; 0: for ever.",
)
@click.option(
    "--retries",
    type=click.IntRange(0),
    default=0,
    show_default=True,
    help="Try again so often what crashed or was killed, and with half the batch what ran out of memory.",
)
@click.option("--tensorboard", metavar="DIR", help="Write TensorBoard logs there.")
@click.option("--models/--no-models", default=True, show_default=True, help="Keep the trained models.")
@click.option("--plugin", "plugins", multiple=True, metavar="MODULE|FILE.py", help="A module that registers runners.")
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
    results: str,
    splits: tuple[str, ...],
    labels: str,
    merge: tuple[str, ...],
    fill: str | None,
    force: bool,
    rerun: str | None,
    jobs: int | None,
    fail_fast: bool,
    dry_run: bool,
    as_json: bool,
    **options: Any,
) -> None:
    """Train runners, score them, keep a record of each, print the leaderboard.

    NAMES are runners (fer-bench list), with parameters where wanted: 'stacked-cnn[n=3]'. What is done already is not done
    again. Without --data, FER_BENCH_DATA or `fer-bench data download`, runs on the embedded synthetic set with few epochs.

    Exit codes: 0 all went well, 1 a run failed, 2 wrong input, 130 interrupted.
    """
    if everything and names:
        raise InputError(f"--all already means every runner: leave it out, or {' '.join(names)}")
    if not everything and not names:
        raise InputError("name some runners, or --all; `fer-bench list` shows them")
    if options["weights"] not in ("auto", "imagenet", "random") and not Path(options["weights"]).is_file():
        raise InputError(f"--weights {options['weights']}: no such file; or give auto, imagenet or random")
    from .. import registry
    from ..data import load_dataset
    from ..engine import Interrupted, survey, sweep
    from ..engine.execute import is_failure
    from ..engine.job import Options, plan
    from ..store import Store
    from ..training.device import choose_backend, choose_device
    from .progress import observer

    chosen = Options(**options)
    for warning in registry.load_plugins(chosen.plugins):
        click.echo(f"fer-bench: warning: {warning}", err=True)
    device = choose_device(chosen.device)
    choose_backend(chosen.backend, device)  # a wrong device should fail before data is read
    if jobs and jobs > 1 and device != "cpu":
        raise InputError(f"--jobs {jobs}: runs share no GPU; leave it out, or take --device cpu")
    for name in names:
        registry.get(registry.parse(name)[0])
    dataset = load_dataset(data, scheme=labels, merge=merge)
    other = load_dataset(fill) if fill else None
    click.echo(f"fer-bench: data: {dataset.source}", err=True)
    planned = plan(dataset, names or registry.names(), splits, chosen, fill_from=other, explicit=bool(names))
    announce_demo(dataset, chosen)
    announce_left_out(planned, names, chosen)
    jobs = jobs or default_jobs(dataset, device)
    store = Store(Path(results))
    if not dry_run:
        store.prepare()
    steps = survey(planned, store, "all" if force else "failed" if rerun else "none")
    unreadable = [step for step in steps if step.problem]
    for step in unreadable:
        click.echo(f"fer-bench: {step.job.title} is not run: {step.problem}", err=True)
    if dry_run:
        print_plan(steps, store, as_json)
        return
    if untrained := sum(step.retrained for step in steps):
        click.echo(
            f"fer-bench: {untrained} of {len(steps)} jobs went well without --tta {chosen.tta} and kept no model here: they "
            "are trained again",
            err=True,
        )
    announce_done(steps)
    stop_on_signals()
    interrupted = False
    with observer() as watcher:
        try:
            records = sweep(steps, store, chosen, watcher, fail_fast=fail_fast, jobs=jobs)
        except Interrupted as stop:
            records, interrupted = stop.records, True
    known = [step.problem for step in unreadable]
    print_results(records, store, dataset.digest, sorted({step.job.info.split for step in steps}), as_json, known)
    if interrupted:
        click.echo("fer-bench: interrupted; the same command goes on", err=True)
        sys.exit(130)
    failed = [f"{record.job.runner} ({record.status})" for record in records if is_failure(record.status)]
    again = "; --rerun failed tries again" if failed else ""
    failed += [f"{step.job.info.runner} (unreadable record)" for step in unreadable]
    if failed:
        click.echo(f"fer-bench: {len(failed)} of {len(steps)} runs failed: {', '.join(failed)}{again}", err=True)
        sys.exit(1)


def announce_done(steps: Sequence[Step]) -> None:
    """Which jobs are not run because of what is on record."""
    from ..engine.execute import is_failure

    known = [step.record.status for step in steps if step.record and not step.pending]
    failed = sum(is_failure(status) for status in known)
    how = f", {failed} of which failed: --rerun failed tries those, --force all" if failed else "; --force runs them"
    if known:
        click.echo(f"fer-bench: {len(known)} of {len(steps)} jobs are on record already{how} again", err=True)


def stop_on_signals() -> None:
    """Ctrl-C, a request to end and a terminal that goes away stop a sweep alike: its runs end, each with a record."""
    for sign in (signal.SIGINT, signal.SIGTERM):  # SIGINT too: a shell's background jobs are born ignoring it
        signal.signal(sign, signal.default_int_handler)
    if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:  # which nohup sets
        signal.signal(signal.SIGHUP, signal.default_int_handler)


def default_jobs(dataset: Dataset, device: str) -> int:
    """One run at a time, so that times mean something; on the embedded set, whose don't, one for each core."""
    from ..provenance import cores

    return min(cores(), DEMO_JOBS) if dataset.name.startswith("synthetic") and device == "cpu" else 1


def announce_demo(dataset: Dataset, options: Any) -> None:
    if dataset.name.startswith("synthetic") and options.epochs is None:
        click.echo(
            "fer-bench: the embedded set shows the suite at work, with a few epochs a runner; for figures that mean "
            "something, bring FER-2013: --data fer2013.csv",
            err=True,
        )


def announce_left_out(planned: Sequence[Job], names: Sequence[str], options: Any) -> None:
    """Under --all, which runners have no epoch that the test part could pick."""
    from .. import registry

    if options.checkpoint == "test" and not names:
        there = {job.info.runner for job in planned}
        left_out = ", ".join(name for name in registry.names() if name not in there)
        click.echo(f"fer-bench: --checkpoint test leaves out what picks no epoch: {left_out}", err=True)
