"""``fer-bench demo``: a page in the browser that shows what a model sees in faces."""

from __future__ import annotations

import importlib.util
import signal
from contextlib import ExitStack

import click

from ..errors import InputError
from . import values
from .command import Command
from .options import BACKEND_OPTION, DEVICE_OPTION, PLUGIN_OPTION, RESULTS_OPTION
from .predict import opened
from .say import note, warn


@click.command(cls=Command, epilog="Example: fer-bench demo --model mlp:tuned --port 8000")
@click.option(
    "--model",
    "names",
    type=values.SYSTEM,
    multiple=True,
    metavar="FILE.onnx|RUN",
    help="An exported file, or a trained run as evaluate names it, to choose besides the model that comes with "
    "fer-bench.",
)
@click.option(
    "--faces",
    type=click.Choice(["auto", "all", "largest", "none"]),
    default="auto",
    show_default=True,
    help="Which faces count at first; the page can choose others.",
)
@click.option(
    "--detector", type=click.Choice(["haar", "yunet"]), default="haar", show_default=True, help="What finds faces."
)
@click.option("--host", type=values.HOST, default="127.0.0.1", show_default=True, help="The address to listen at.")
@click.option(
    "--port", type=click.IntRange(0, 65535), default=7860, show_default=True, help="The port; 0: any that is free."
)
@click.option("--no-browser", is_flag=True, help="Do not open the page in a browser.")
@RESULTS_OPTION
@DEVICE_OPTION
@BACKEND_OPTION
@click.option("--threads", type=click.IntRange(1), help="CPU threads. [default: 2 for a file, all cores for a run]")
@PLUGIN_OPTION
@click.option("--json", "as_json", is_flag=True, help="Print the page's address and its models as JSON.")
def demo_command(
    names: tuple[str, ...],
    faces: str,
    detector: str,
    host: str,
    port: int,
    no_browser: bool,
    results: str,
    device: str,
    backend: str,
    threads: int | None,
    plugins: tuple[str, ...],
    as_json: bool,
) -> None:
    """Open a page in the browser that shows which emotions a model sees in faces.

    It takes pictures, snapshots and the live picture of a webcam. The page is for this computer alone, unless --host
    says otherwise; nothing leaves it, and nothing is kept. Ctrl-C ends it.

    Exit codes: 2 wrong input, 130 ended by Ctrl-C.
    """
    import json

    if importlib.util.find_spec("gradio") is None:
        raise InputError("the page needs gradio: pip install 'fer-bench[demo]'")
    from ..demo.look import Looker
    from ..demo.serve import free_port, is_here, serve
    from ..inference.model import open_model

    port = free_port(host, port)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that it ends the models' processes, too
    with ExitStack() as stack:
        models, _ = opened(stack, names, results, plugins, threads, device, backend)
        if names:
            try:
                models.append(open_model(threads=threads))
            except InputError as error:  # those that are named can be shown without it
                warn([str(error)])

        looker = Looker(models, detector)

        def ready(address: str) -> None:
            told = {"address": address, "models": list(looker.models)}
            click.echo(json.dumps(told) if as_json else f"the page is at {address}")
            if not is_here(host):
                warn([f"it listens at {host}: whoever reaches this computer can use it"])
            note("Ctrl-C ends it")

        serve(looker, faces=faces, host=host, port=port, browser=not no_browser, ready=ready)
