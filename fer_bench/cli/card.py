"""``fer-bench card``: the model card of a run, and both to the Hugging Face Hub."""

from __future__ import annotations

import signal
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..errors import InputError
from . import values
from .command import Command
from .export import checked, only_run, trained_on, wanted_of
from .options import (
    CLASSES_OPTION,
    DATA_VARIABLE,
    PLUGIN_OPTION,
    RESULTS_OPTION,
    board_options,
    load_plugins,
    results_folder,
    stored_runs,
    wanted_board,
)
from .say import note

if TYPE_CHECKING:
    from ..api.runner import RunnerInfo
    from ..export.export import Exported, Wanted
    from ..records.store import StoredRun


@click.command(cls=Command, epilog="Example: fer-bench card fer-net --output README.md")
@click.argument("run", type=values.SYSTEM)
@click.option("--output", type=values.FILE, help="The file. [default: print it]")
@click.option(
    "--push",
    metavar="USER/NAME",
    help="Upload the card, and the model as ONNX, to that repository of the Hugging Face Hub.",
)
@click.option(
    "--quantize",
    type=click.Choice(["none", "float16", "int8"]),
    default="none",
    show_default=True,
    help="How the uploaded model's weights are stored, as for export.",
)
@click.option(
    "--data",
    type=values.FILE,
    envvar=DATA_VARIABLE,
    help="The data that the run was trained on, for --push. [default: the download, else the embedded set]",
)
@CLASSES_OPTION
@board_options
@RESULTS_OPTION
@click.option("--threads", type=click.IntRange(1), help="CPU threads. [default: all cores]")
@PLUGIN_OPTION
@click.option("--force", is_flag=True, help="Replace a file that is there.")
@click.option("--dry-run", is_flag=True, help="Print the card, and neither write nor upload anything.")
@click.option("--json", "as_json", is_flag=True, help="Print what was written, or the card, as JSON.")
def card_command(
    run: str,
    output: str | None,
    push: str | None,
    quantize: str,
    data: str | None,
    classes: str | None,
    results: str,
    threads: int | None,
    plugins: tuple[str, ...],
    force: bool,
    dry_run: bool,
    as_json: bool,
    **board: Any,
) -> None:
    """Write the model card of a run: what it is, how it scored, how it was trained, and what it is not for.

    RUN is a runner (svm), with a recipe where it ran with several (mlp:tuned), a run's key or its folder. The card is
    Markdown under a header that the Hugging Face Hub reads. With --push the model is exported as ONNX, checked as
    `fer-bench export` does, and uploaded with the card; for that you need a token (`hf auth login`, or HF_TOKEN).

    Exit codes: 0 all went well, 1 the model could not be exported, or the Hub failed, 2 wrong input.
    """
    from ..board.select import select
    from ..export import hub
    from ..export.card import card
    from ..files import durable
    from ..records.store import Store

    hub.check_installed("a card")
    load_plugins(plugins)
    system = select(stored_runs(Store(results_folder(results))), run, **wanted_board(**board))
    one, wanted = only_run(run, system), wanted_of(system, "onnx", quantize)
    text = card(one.record, wanted.name, info_of(one))
    path = None if output is None else Path(output)
    if path is not None and path.exists() and not force:
        raise InputError(f"{path} is there; --force replaces it, --output names another")
    if path is not None and not path.parent.is_dir():
        raise InputError(f"--output {path}: no folder {path.parent}; make it first")
    if push is not None:
        hub.check(push)
    told: dict[str, Any] = {}
    if path is not None and not dry_run:
        durable.write(path, text.encode())
        told["file"] = str(path)
        note(f"card written to {path}")
    if push is not None and not dry_run:
        with tempfile.TemporaryDirectory(prefix="fer-bench-") as folder:
            model = checked(one, wanted, f"{folder}/model.onnx", force=False)
            exported = exported_to(model, one, wanted, data, classes, threads, plugins)
            files: dict[str, Path | bytes] = {"README.md": text.encode(), model.name: model}
            told["address"] = hub.push(push, "model", files, f"{wanted.name}, made by fer-bench")
        told |= {"sha256": exported.sha256, "parity": exported.parity.to_json()}
    show(text, told, as_json)


def info_of(run: StoredRun) -> RunnerInfo | None:
    """What the runner of a run says of itself; None where it is not here any more."""
    from ..api import registry

    try:
        return registry.get(run.record.job.runner).info
    except InputError:
        return None


def exported_to(
    model: Path,
    run: StoredRun,
    wanted: Wanted,
    data: str | None,
    classes: str | None,
    threads: int | None,
    plugins: tuple[str, ...],
) -> Exported:
    """The run's model, exported to a file."""
    from ..engine.job import Options
    from ..export.export import export

    dataset, split = trained_on(run, data, classes)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that it ends what exports, too
    return export(run, wanted, dataset, split, model, Options(threads=threads, plugins=plugins))


def show(text: str, told: dict[str, Any], as_json: bool) -> None:
    """Prints what was written and where, or the card where it was not."""
    import json

    if as_json:
        click.echo(json.dumps(told or {"card": text}, indent=1))
    elif not told:
        click.echo(text, nl=False)
    elif "address" in told:
        click.echo(f"uploaded to {told['address']}")
