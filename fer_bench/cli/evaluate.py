"""``fer-bench evaluate``: a trained model on another data set."""

from __future__ import annotations

import signal
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Event
from typing import TYPE_CHECKING, Any

import click

from ..errors import RunError
from . import values
from .checks import check_device
from .command import Command
from .options import (
    BACKEND_OPTION,
    CLASSES_OPTION,
    DEVICE_OPTION,
    PLUGIN_OPTION,
    RESULTS_OPTION,
    board_options,
    executor_options,
    load_plugins,
    made,
    numbers_told,
    results_folder,
    stored_runs,
    wanted_board,
)
from .say import note, say, say_reading

if TYPE_CHECKING:
    import numpy as np

    from ..board.select import System
    from ..data.dataset import Dataset
    from ..engine.executors import Executor, Words
    from ..engine.job import Options
    from ..records.evaluation import Evaluation
    from ..records.store import Store, StoredRun
    from ..scores.foreign import View


@click.command(
    cls=Command,
    old={"--dataset": "--board"},
    epilog="Example: fer-bench evaluate mini-xception:tuned --data CK+48 --subject folder",
)
@click.argument("run", type=values.SYSTEM)
@click.option(
    "--data", type=values.FILE, required=True, help="The other set: image folder, CSV, zip, tar.gz, npz or parquet."
)
@CLASSES_OPTION
@click.option(
    "--subject",
    default="",
    metavar="COLUMN|folder",
    help="What names the subject: a column, or EMOTION/SUBJECT/ folders.",
)
@click.option(
    "--keep-training-images",
    is_flag=True,
    help="Score images that the model was trained on, too; they are left out else.",
)
@board_options
@RESULTS_OPTION
@DEVICE_OPTION
@BACKEND_OPTION
@executor_options
@click.option("--threads", type=click.IntRange(1), help="CPU threads. [default: all cores]")
@PLUGIN_OPTION
@click.option("--dry-run", is_flag=True, help="Say which models would be evaluated on how many images, and stop.")
@click.option("--json", "as_json", is_flag=True, help="Print the evaluations, one for each seed, as JSON.")
def evaluate_command(
    run: str,
    data: str,
    classes: str | None,
    subject: str,
    keep_training_images: bool,
    results: str,
    device: str,
    backend: str,
    words: Words,
    threads: int | None,
    plugins: tuple[str, ...],
    dry_run: bool,
    as_json: bool,
    **board: Any,
) -> None:
    """Score the model of a run on another data set than the one it was trained on.

    RUN is a runner (svm), with a recipe where it ran with several (mlp:tuned), a run's key or its folder. Emotions are
    matched by name. Those that the model does not know are dropped; where the set lacks some of the model's, scores are
    given with all outputs, and with only those outputs that the set can confirm. Intervals resample images, and whole
    subjects where --subject says whom an image shows. Images that the model was trained on, to the pixel, are counted
    and left out.

    Exit codes: 0 all went well, 1 a model did not predict, 2 wrong input.
    """
    import json

    from ..api import registry
    from ..board.select import select
    from ..data.load import load_foreign
    from ..engine.job import Options
    from ..engine.stored_model import check_model
    from ..records.store import Store

    store = Store(results_folder(results))
    load_plugins(plugins)
    options = Options(device=device, backend=backend, threads=threads, plugins=plugins)
    check_device(options, words)
    system = select(stored_runs(store), run, **wanted_board(**board))
    spec = system.row.label
    for one in system.runs:
        check_model(one, spec)
    registry.get(system.row.runner)
    foreign, subjects = load_foreign(data, subject, classes)
    note(f"{len(foreign):,} images of {foreign.source}{numbers_told(foreign, classes)}")
    say_reading(foreign)
    if dry_run:
        print_plan(system, foreign, as_json)
        return
    store.prepare()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that it ends what predicts, too
    with made(words) as executor:
        found = evaluated(system.runs, store, spec, foreign, subjects, options, keep_training_images, executor)
    if as_json:
        click.echo(json.dumps([evaluation.model_dump(mode="json") for evaluation in found], indent=1))
    else:
        click.echo("\n\n".join(text(evaluation) for evaluation in found))
    if len(found) < len(system.runs):
        sys.exit(1)


def evaluated(
    runs: Sequence[StoredRun],
    store: Store,
    spec: str,
    foreign: Dataset,
    subjects: np.ndarray | None,
    options: Options,
    keep: bool,
    executor: Executor,
) -> list[Evaluation]:
    """The evaluations of those runs whose models predicted; what became of each of the others is said in a line."""
    from ..engine.evaluate import evaluate
    from ..engine.executors import Gone

    stop, found = Event(), []

    def one(run: StoredRun) -> Evaluation | RunError:
        given = (run, spec, foreign, subjects, store, options)
        try:
            return evaluate(*given, keep_training_images=keep, executor=executor, stop=stop)
        except Gone:
            raise
        except RunError as error:  # the model of another seed may do better
            return error

    for run in runs:
        if store.claimed(run.record.job):
            say(f"waiting for another process, which is at {spec}")
    with ThreadPoolExecutor(max(1, executor.slots)) as pool:
        try:
            for done in pool.map(one, runs):
                if isinstance(done, RunError):
                    say(str(done))
                else:
                    found.append(done)
        finally:
            stop.set()
    return found


def print_plan(system: System, foreign: Dataset, as_json: bool) -> None:
    """Which models would predict which images at most (less those that they were trained on), and what they do not
    know.
    """
    import json

    from ..data.match import match

    plans: list[dict[str, Any]] = []
    for one in system.runs:
        labels, dropped, missing = match(one.record.job.classes, foreign)
        plans.append(
            {
                "key": one.record.job.key,
                "runner": system.row.label,
                "recipe": one.record.job.recipe,
                "seed": one.record.job.seed,
                "data": foreign.name,
                "data_digest": foreign.digest,
                "images": len(foreign),
                "scored": int((labels >= 0).sum()),
                "dropped": dropped,
                "missing": missing,
            }
        )
    if as_json:
        click.echo(json.dumps(plans, indent=1))
        return
    for plan in plans:
        left_out = f"; dropped: {', '.join(plan['dropped'])}" if plan["dropped"] else ""
        click.echo(
            f"{plan['runner']} ({plan['recipe']}, seed {plan['seed']}, key {plan['key'][:8]}) would score at most "
            f"{plan['scored']:,} of {plan['images']:,} images of {plan['data']}{left_out}"
        )


def text(evaluation: Evaluation) -> str:
    """For a terminal: what was scored, the scores with their intervals, and emotion by emotion."""
    from tabulate import tabulate

    e = evaluation
    subjects = f", of {e.subjects:,} subjects" if e.subjects else ""
    lines = [
        f"{e.runner} ({e.recipe}, seed {e.seed}, trained on {e.trained_on}, split {e.split}) on {e.data}: "
        f"{e.scored:,} of {e.images:,} images scored{subjects}"
    ]
    if e.dropped:
        counts = ", ".join(f"{name} ({count:,})" for name, count in e.dropped.items())
        lines.append(f"dropped, as the model does not know them: {counts}")
    lines += _seen_lines(e)
    if e.missing:
        masked = "; masked leaves these outputs out" if e.masked else ""
        lines.append(f"without an image in {e.data}: {', '.join(e.missing)}{masked}")
    views = {"all outputs": e.whole} | ({"masked": e.masked} if e.masked else {})
    scores = tabulate(_score_rows(list(views.values())), ["in %", *views], disable_numparse=True)
    headers = ["emotion", "images", "accuracy", "precision", "F1"]
    headers += [f"{header}, masked" for header in headers[2:] if e.masked]
    align = ["left", *["right"] * (len(headers) - 1)]
    emotions = tabulate(_emotion_rows(list(views.values())), headers, disable_numparse=True, colalign=align)
    return "\n".join([*lines, "", scores, "", emotions])


def _seen_lines(e: Evaluation) -> list[str]:
    """What the model had seen of the set, and what could not be told."""
    lines = []
    where = f"{e.trained_on}, split {e.split}"
    if e.training_images:
        what = "scored with the others" if e.kept else "left out; --keep-training-images scores them, too"
        lines.append(f"{e.training_images:,} images are of those that it was trained on ({where}): {what}")
    if e.watched_images:
        lines.append(f"{e.watched_images:,} images are of the part by which its epoch was chosen; they are scored")
    if e.unchecked:
        lines.append(f"could not be checked for images that it was trained on: {e.unchecked}")
    return lines


def _score_rows(views: Sequence[View]) -> list[list[str]]:
    """Each score of each view with its 95 % interval over images, and below it that over subjects, if there are any."""
    from ..board.columns import percent
    from ..report.evaluations import interval_text

    rows = []
    for name, title in (("accuracy", "accuracy"), ("macro_f1", "macro F1")):
        cells = [f"{percent(getattr(view.scores, name))} {interval_text(view.over_images, name)}" for view in views]
        over_subjects = [interval_text(view.over_subjects, name) for view in views]
        rows.append([title, *cells])
        if any(over_subjects):
            rows.append([f"{title} over subjects", *over_subjects])
    return rows


def _emotion_rows(views: Sequence[View]) -> list[list[str]]:
    """The emotions of which there are images, in percent."""
    from ..board.columns import percent

    return [
        [name, f"{scores.images:,}"]
        + [percent(getattr(v.scores.emotions[name], field)) for v in views for field in ("recall", "precision", "f1")]
        for name, scores in views[0].scores.emotions.items()
        if scores.images
    ]
