"""``fer-bench export``: the model of a run as a file for elsewhere."""

from __future__ import annotations

import signal
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..errors import InputError
from . import values
from .command import Command
from .options import (
    CLASSES_OPTION,
    DATA_VARIABLE,
    PLUGIN_OPTION,
    RESULTS_OPTION,
    board_options,
    data_under,
    given_data,
    load_plugins,
    results_folder,
    stored_runs,
    wanted_board,
)

if TYPE_CHECKING:
    from ..board.select import System
    from ..data.dataset import Dataset
    from ..data.splits import Split
    from ..export.export import Exported, Wanted
    from ..records.record import RunRecord
    from ..records.store import StoredRun


@click.command(cls=Command, epilog="Example: fer-bench export fer-net --format onnx --quantize float16")
@click.argument("run", type=values.SYSTEM)
@click.option(
    "--format",
    "form",
    type=click.Choice(["onnx", "litert", "keras"]),
    default="onnx",
    show_default=True,
    help="onnx for onnxruntime, litert (.tflite) for phones, keras for Keras.",
)
@click.option("--output", type=values.FILE, help="The file. [default: RUNNER-RECIPE-sSEED and the format's suffix]")
@click.option(
    "--quantize",
    type=click.Choice(["none", "float16", "int8"]),
    default="none",
    show_default=True,
    help="Smaller weights: half as large, or a quarter and computed with in int8.",
)
@click.option(
    "--data",
    type=values.FILE,
    envvar=DATA_VARIABLE,
    help="The data that the run was trained on. [default: the download, else the embedded set]",
)
@CLASSES_OPTION
@board_options
@RESULTS_OPTION
@click.option("--row", metavar="NAME", help="Also score the file on the test part, as a row of that name on the board.")
@click.option("--threads", type=click.IntRange(1), help="CPU threads. [default: all cores]")
@PLUGIN_OPTION
@click.option("--force", is_flag=True, help="Replace a file, or a row, that is there.")
@click.option("--dry-run", is_flag=True, help="Say what would be written, and stop.")
@click.option("--json", "as_json", is_flag=True, help="Print the file, its digest and its parity as JSON.")
def export_command(
    run: str,
    form: str,
    output: str | None,
    quantize: str,
    data: str | None,
    classes: str | None,
    results: str,
    row: str | None,
    threads: int | None,
    plugins: tuple[str, ...],
    force: bool,
    dry_run: bool,
    as_json: bool,
    **board: Any,
) -> None:
    """Write the trained model of a run to a file that works without this program.

    RUN is a runner (svm), with a recipe where it ran with several (mlp:tuned), a run's key or its folder. The file
    takes faces of 48x48 gray pixels, (N, 48, 48) uint8, and gives probabilities: all preprocessing is inside. It also
    holds the classes' names, the run's figures and its recipe. Before it is kept, its answers on the validation part
    are compared with those of the run's own model, and what is printed says how far they differ.

    Exit codes: 0 all went well, 1 the file would not answer as the run does and was not kept, 2 wrong input.
    """
    from ..board.select import select
    from ..engine.job import Options
    from ..entries.external import commit
    from ..entries.named import Start, check_name
    from ..export.export import check_same_data, export
    from ..export.row import scored
    from ..records.record import EXTERNAL
    from ..records.store import Store

    load_plugins(plugins)
    store, start = Store(results_folder(results)), Start.now()
    stored = stored_runs(store)
    system = select(stored, run, **wanted_board(**board))
    one, wanted = only_run(run, system), wanted_of(system, form, quantize)
    path = checked(one, wanted, output, force)
    if row is not None:
        check_name(row, stored, EXTERNAL, option="--row")
        check_free(row, one, stored, force)
    dataset, split = trained_on(one, data, classes)
    check_same_data(one, dataset, split)
    if dry_run:
        click.echo(f"would write {path}: {wanted.name} as {form}, weights: {quantize}")
        return
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that it ends what exports, too
    options = Options(threads=threads, plugins=plugins)
    exported = export(one, wanted, dataset, split, path, options, on_test=row is not None)
    record = None
    if row is not None:
        found = scored(exported, one, wanted, dataset, split, row, start)
        commit(found, store, force)
        record = found.record
    tell(exported, wanted, record, as_json)


def only_run(given: str, system: System) -> StoredRun:
    """The run of a system. Raises InputError where it has several seeds."""
    if len(system.runs) > 1:
        keys = ", ".join(run.record.job.key[:8] for run in system.runs)
        raise InputError(f"{given} has {len(system.runs)} seeds; name one of them by its key: {keys}")
    return system.runs[0]


def wanted_of(system: System, form: str, quantize: str) -> Wanted:
    """What is to be made of the run of a system."""
    from ..export.export import Wanted

    label = system.row.label
    return Wanted(spec=label, name=f"{label}:{system.row.recipe}", format=form, quantize=quantize)


def checked(run: StoredRun, wanted: Wanted, output: str | None, force: bool) -> Path:
    """Where the file goes. Raises InputError where there can be no such file, before anything runs."""
    from ..api import registry
    from ..engine.job import keeps_epochs
    from ..engine.stored_model import check_model
    from ..export import formats

    job = run.record.job
    check_model(run, wanted.spec)
    formats.check(job.runner, keeps_epochs(registry.get(job.runner)), wanted.format, wanted.quantize)
    path = Path(output or f"{job.runner}-{job.recipe}-s{job.seed}{formats.SUFFIXES[wanted.format]}")
    formats.check_output(path, wanted.format, force)
    return path


def check_free(row: str, run: StoredRun, stored: Sequence[StoredRun], force: bool) -> None:
    """Raises InputError where a row of that name is on the board of the run already, unless it is to be replaced."""
    place = (row, run.record.job.dataset_digest, run.record.job.split, run.record.job.seed)
    for other in [] if force else stored:
        job = other.record.job
        if (job.runner, job.dataset_digest, job.split, job.seed) == place:
            raise InputError(f"--row {row}: that row is there ({other.folder}); --force replaces it")


def trained_on(run: StoredRun, data: str | None, classes: str | None) -> tuple[Dataset, Split]:
    """The data that --data names, under the labels of a run, and the run's split of it."""
    from ..data.splits import make_split

    dataset = data_under(given_data(data, classes, "seven", ()), run.record.job.classes)
    return dataset, make_split(dataset, run.record.job.split)


def tell(exported: Exported, wanted: Wanted, row: RunRecord | None, as_json: bool) -> None:
    """Prints what was written, its parity, and how its row scored."""
    import json

    from ..board.columns import percent

    parity = exported.parity
    if as_json:
        told = {
            "file": str(exported.path),
            "model": wanted.name,
            "format": wanted.format,
            "bytes": exported.bytes,
            "sha256": exported.sha256,
            "known": exported.known,
            "parity": parity.to_json(),
            "row": row and row.model_dump(mode="json"),
        }
        click.echo(json.dumps(told, indent=1))
        return
    click.echo(
        f"{exported.path}: {wanted.name} as {wanted.format}, weights: {wanted.quantize}, {exported.bytes:,} bytes\n"
        f"sha256 {exported.sha256}\n"
        f"accuracy on {parity.images:,} {parity.part} images: {percent(parity.accuracy_file)} %, of the run's own model"
        f" {percent(parity.accuracy_run)} %; the same answer for {percent(parity.same)} %\n"
        f"probabilities differ by at most {parity.largest:.2g}, {parity.mean:.2g} on average"
    )
    if exported.known:
        click.echo(exported.known)
    if parity.largest_float32 is not None:
        click.echo(
            "the run's own model computes in less than float32, as the file does; from what it says in float32 the"
            f" file differs by at most {parity.largest_float32:.2g}"
        )
    if row is not None and row.scores is not None:
        click.echo(
            f"on the board as {row.job.runner}: {percent(row.scores.accuracy)} % of {row.scores.images:,} test images"
        )
