"""``fer-bench evaluate``: a trained model on another data set."""

from __future__ import annotations

import signal
from pathlib import Path

import click

from ..errors import InputError


@click.command(epilog="Example: fer-bench evaluate mini-xception:tuned --data CK+48 --subject folder")
@click.argument("run")
@click.option("--data", required=True, help="The other set: image folder, CSV, zip, tar.gz, npz or parquet.")
@click.option(
    "--subject",
    default="",
    metavar="COLUMN|folder",
    help="What names the subject: a column, or EMOTION/SUBJECT/ folders.",
)
@click.option("--dataset", help="Where RUN is ambiguous: the data that it was trained on, as the board calls it.")
@click.option("--split", help="Where RUN is ambiguous: the split that it was trained on.")
@click.option("--results", envvar="FER_BENCH_RESULTS", default="results", show_default=True, help="Results folder.")
@click.option("--device", default="auto", show_default=True, help="auto, cpu, gpu or gpu:N.")
@click.option("--backend", type=click.Choice(["auto", "tensorflow", "jax", "torch"]), default="auto", show_default=True)
@click.option("--threads", type=click.IntRange(1), help="CPU threads. [default: all cores]")
@click.option("--plugin", "plugins", multiple=True, metavar="MODULE|FILE.py", help="A module that registers runners.")
@click.option("--json", "as_json", is_flag=True, help="Print the evaluations, one for each seed, as JSON.")
def evaluate_command(
    run: str,
    data: str,
    subject: str,
    dataset: str | None,
    split: str | None,
    results: str,
    device: str,
    backend: str,
    threads: int | None,
    plugins: tuple[str, ...],
    as_json: bool,
) -> None:
    """Score the model of a run on another data set than the one it was trained on.

    RUN is a runner (svm), with a recipe where it ran with several (mlp:tuned), a run's key or its folder. Emotions are
    matched by name. Those that the model does not know are dropped; where the set lacks some of the model's, scores are
    given with all outputs, and with only those outputs that the set can confirm. Intervals resample images, and whole
    subjects where --subject says whom an image shows.

    Exit codes: 0 all went well, 2 wrong input.
    """
    import json

    from .. import registry
    from ..data import load_foreign
    from ..engine.evaluate import check_model, evaluate
    from ..engine.job import Options
    from ..report.evaluations import text
    from ..select import select
    from ..store import Store
    from ..training.device import choose_backend, choose_device

    root = Path(results)
    if not root.is_dir():
        raise InputError(f"no results folder {root}; `fer-bench run` makes one, --results names another")
    for warning in registry.load_plugins(plugins):
        click.echo(f"fer-bench: warning: {warning}", err=True)
    choose_backend(backend, choose_device(device))
    store = Store(root)
    stored, problems = store.scan()
    for problem in problems:
        click.echo(f"fer-bench: warning: {problem}", err=True)
    system = select(stored, run, dataset=dataset, split=split)
    spec = system.row.label
    for one in system.runs:
        check_model(one, spec)
    registry.get(system.row.runner)
    foreign, subjects = load_foreign(data, subject)
    click.echo(f"fer-bench: {len(foreign):,} images of {foreign.source}", err=True)
    store.prepare()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that it ends what predicts, too
    options = Options(device=device, backend=backend, threads=threads, plugins=plugins)
    for one in system.runs:
        if store.claimed(one.record.job):
            click.echo(f"fer-bench: waiting for another process, which is at {spec}", err=True)
    found = [evaluate(one, spec, foreign, subjects, store, options) for one in system.runs]
    if as_json:
        click.echo(json.dumps([evaluation.model_dump(mode="json") for evaluation in found], indent=1))
    else:
        click.echo("\n\n".join(text(evaluation) for evaluation in found))
