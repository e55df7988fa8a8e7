"""``fer-bench tune``: a search over a runner's recipe."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..errors import RunError
from . import values
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
)
from .say import note, say, say_pending

if TYPE_CHECKING:
    from ..engine.executors import Words
    from ..search.plan import Plan
    from ..search.studies import Account

#: What can be asked for; ``search.plan.OBJECTIVES`` says which scores these are.
OBJECTIVES = ("accuracy", "balanced-accuracy", "macro-f1", "weighted-f1", "log-loss")


@click.command(
    cls=Command,
    epilog="Example: fer-bench tune mini-xception --trials 12 --epochs 10 --limit 400 --data fer2013.csv",
)
@click.argument("runner", type=values.RUNNER)
@click.option(
    "--space", type=values.FILE, help="A TOML file that says what is searched. [default: what comes with the runner]"
)
@click.option(
    "--recipe",
    type=values.RECIPE,
    default="",
    help="The recipe that is varied. [default: the one that the space names]",
)
@click.option(
    "--trials",
    type=click.IntRange(1, 10_000),
    default=20,
    show_default=True,
    help="How many in all: a study that is taken up again does the rest of them.",
)
@click.option("--timeout", type=values.SECONDS, help="Seconds after which no trial begins; 0, the default: no limit.")
@click.option("--study", type=values.STUDY, default="", help="The study's name, and its folder. [default: the runner]")
@click.option(
    "--storage",
    type=values.FILE,
    help="A journal file, or a database's URL. [default: a journal in the study's folder]",
)
@click.option(
    "--objective",
    type=click.Choice(OBJECTIVES),
    default="accuracy",
    show_default=True,
    help="The score of the validation part that decides.",
)
@data_options
@RESULTS_OPTION
@click.option(
    "--split", type=values.SPLIT, default="official", show_default=True, help="Whose training and validation part."
)
@click.option("--epochs", type=click.IntRange(1), help="At most so many epochs a trial (of each stage).")
@click.option("--limit", type=click.IntRange(1), help="Rows per class of training and validation part.")
@click.option(
    "--weights",
    type=values.WEIGHTS,
    default="auto",
    show_default=True,
    help="What a training starts from: auto, imagenet, random, or a weights file.",
)
@BALANCE_OPTION
@click.option(
    "--seed", type=SEED, default=0, show_default=True, help="What the choice of values and the trainings draw from."
)
@DEVICE_OPTION
@BACKEND_OPTION
@click.option("--threads", type=click.IntRange(1), help="CPU threads of a trial. [default: all cores]")
@click.option("--jobs", "-j", type=click.IntRange(1), help="Trials at a time, sharing the cores. [default: 1]")
@executor_options
@click.option("--trial-timeout", type=values.SECONDS, help="Seconds that a trial may take; 0, the default: no limit.")
@STALL_OPTION
@RETRIES_OPTION
@PLUGIN_OPTION
@click.option("--dry-run", is_flag=True, help="Say what would be searched, and stop.")
@click.option("--json", "as_json", is_flag=True, help="Print the account of the study as JSON.")
def tune_command(
    runner: str,
    space: str | None,
    trials: int,
    timeout: float | None,
    study: str,
    storage: str | None,
    objective: str,
    data: str | None,
    classes: str | None,
    labels: str,
    merge: tuple[str, ...],
    results: str,
    split: str,
    seed: int,
    jobs: int | None,
    words: Words,
    trial_timeout: float | None,
    dry_run: bool,
    as_json: bool,
    **options: Any,
) -> None:
    """Search for a better recipe of a runner, by the validation part alone.

    RUNNER is one of fer-bench list, with parameters and a recipe where wanted. The first trial is that recipe as it is;
    the others change what the search space names. No trial is given an image, a row or a label of the test part. Each
    trains in a process of its own; one that the median of the others beats is ended early; one that fails is a trial.
    The best recipe stands in studies/NAME/best.toml below the results folder: fer-bench run RUNNER --recipe FILE.

    The same command goes on with a study that was interrupted or killed; several at a time share it.

    Exit codes: 0 a recipe was found, 1 all trials failed, 2 wrong input, 130 interrupted.
    """
    from ..engine.job import Options
    from ..engine.ranges import check_ranges
    from ..search.plan import plan_study
    from ..search.storage import check_optuna
    from .checks import check_device
    from .mistakes import check_runners

    check_optuna()
    chosen, words = Options(**options, timeout=trial_timeout), replace(words, jobs=jobs)
    check_ranges({"jobs": jobs})
    load_plugins(chosen.plugins)
    check_runners([runner], {option for one in click.get_current_context().command.params for option in one.opts})
    check_device(chosen, words)
    dataset = given_data(data, classes, labels, merge)
    asked = Path(space) if space else None
    plan = plan_study(dataset, runner, split, chosen, objective=objective, seed=seed, space=asked, name=study)
    say_pending()
    if dry_run:
        print_plan(plan, trials, Path(results), as_json)
        return
    account, interrupted = go(plan, Path(results), storage, trials, timeout, words)
    print_account(account, plan, Path(results), as_json)
    leave(account, interrupted)


def go(
    plan: Plan, results: Path, storage: str | None, trials: int, timeout: float | None, words: Words
) -> tuple[Account, bool]:
    """Runs the study, showing how it goes on stderr; its account, and whether the user stopped it."""
    from ..engine.executors import make
    from ..search.tune import tune
    from .run import stop_on_signals
    from .tune_progress import observer

    stop_on_signals()
    note(
        f"study {plan.name}: {trials} trials of {plan.model}, {len(plan.parts.train):,} images to train on,"
        f" {len(plan.parts.validation):,} to choose by"
    )
    with make(words) as executor, observer(plan.objective) as watcher:
        for line in executor.said:
            note(line)
        return tune(
            plan,
            results,
            trials=trials,
            storage=storage,
            seconds=timeout,
            executor=executor,
            jobs=words.jobs or 1,
            observer=watcher,
        )


def print_plan(plan: Plan, trials: int, results: Path, as_json: bool) -> None:
    """What would be searched, and with what budget."""
    import json

    from tabulate import tabulate

    from ..search.fields import value_of
    from ..search.studies import study_folder

    folder = study_folder(results, plan.name)
    if as_json:
        told = {"name": plan.name, "folder": str(folder), "trials": trials, "statement": plan.statement}
        click.echo(json.dumps(told, indent=1))
        return
    rows = [[one.name, one.words, value_of(plan.base, one.name)] for one in plan.space.ranges]
    click.echo(tabulate(rows, ["field", "values", f"in {plan.space.base}"], disable_numparse=True))
    said = plan.statement
    budget = ", ".join(f"{word} {said[word]}" for word in ("epochs", "limit") if said[word] is not None)
    click.echo(
        f"{trials} trials of {plan.model} in {folder}, by {plan.objective} on {len(plan.parts.validation):,} validation"
        f" images of split {said['split']}{f'; {budget}' if budget else ''}"
    )


def print_account(account: Account, plan: Plan, results: Path, as_json: bool) -> None:
    """What the study found."""
    import json
    import shlex

    from tabulate import tabulate

    from ..search.fields import value_of
    from ..search.studies import BEST, study_folder
    from .tune_progress import cell, value_words

    if as_json:
        click.echo(json.dumps(account, indent=1))
        return
    best, base = account["best"], account["base"]
    if best is None:
        return
    objective = plan.objective
    if best["params"]:
        rows = [[name, cell(value), cell(value_of(plan.base, name))] for name, value in best["params"].items()]
        click.echo(tabulate(rows, ["field", "best", plan.space.base], disable_numparse=True))
    click.echo(f"trial {best['number']}: validation {value_words(objective, best['value'])}")
    if base and base["value"] is not None:
        same = "no trial was better than it" if best["base"] else f"trial {base['number']}"
        click.echo(f"the recipe as it was: {value_words(objective, base['value'])} ({same})")
    path = study_folder(results, plan.name) / BEST
    click.echo(f"fer-bench run {shlex.quote(plan.model)} --recipe {shlex.quote(str(path))}")


def leave(account: Account, interrupted: bool) -> None:
    """Says what went wrong, and leaves with the exit code for that; returns where a recipe was found."""
    if interrupted:
        say("interrupted; the same command goes on")
        sys.exit(130)
    counts = account["counts"]
    if counts["failed"] and account["best"] is None:
        first = next(one["failure"] for one in account["trials"] if one["state"] == "failed")
        raise RunError(f"all {counts['failed']} trials failed, the first: {first.get('message', first['status'])}")
