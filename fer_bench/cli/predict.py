"""``fer-bench predict``: what emotions the faces in pictures, videos and before a camera show."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

import click

from ..errors import InputError
from . import values
from .command import Command, tell_unreadable
from .options import BACKEND_OPTION, DEVICE_OPTION, PLUGIN_OPTION, RESULTS_OPTION, load_plugins
from .say import note

if TYPE_CHECKING:
    from ..inference.model import Model


@click.command(cls=Command, epilog="Example: fer-bench predict holiday.jpg --annotate holiday-faces.jpg")
@click.argument("sources", metavar="[SOURCE]...", type=values.FILE, nargs=-1)
@click.option("--camera", type=click.IntRange(0), metavar="N", help="Watch a camera, 0 for the first, until Ctrl-C.")
@click.option(
    "--model",
    "models",
    type=values.SYSTEM,
    multiple=True,
    metavar="FILE.onnx|RUN",
    help="An exported file, or a trained run as evaluate names it; several are asked side by side. [default: the "
    "model that comes with fer-bench]",
)
@click.option(
    "--faces",
    type=click.Choice(["auto", "all", "largest", "none"]),
    default="auto",
    show_default=True,
    help="Which faces count; none: the picture is the face; auto: none where it is 48 x 48 or a face by itself, else "
    "all.",
)
@click.option(
    "--detector", type=click.Choice(["haar", "yunet"]), default="haar", show_default=True, help="What finds faces."
)
@click.option("--every", type=click.IntRange(1), default=1, show_default=True, help="Of a video, one frame of so many.")
@click.option(
    "--smooth",
    type=click.IntRange(2),
    metavar="N",
    help="Of a video, the mean over the last N frames that showed a face.",
)
@click.option("--csv", "csv_path", type=values.FILE, help="Write rows into this file, line by line, not to stdout.")
@click.option(
    "--annotate",
    type=values.FILE,
    help="Write the picture or video with boxes and labels; a folder for those of several sources.",
)
@click.option("--explain", type=values.FILE, help="Write a PNG that shows by which parts of a face a model decided.")
@RESULTS_OPTION
@DEVICE_OPTION
@BACKEND_OPTION
@click.option("--threads", type=click.IntRange(1), help="CPU threads. [default: 2 for a file, all cores for a run]")
@PLUGIN_OPTION
@click.option("--force", is_flag=True, help="Replace files that are there.")
@click.option("--json", "as_json", is_flag=True, help="Print rows as JSON.")
def predict_command(
    sources: tuple[str, ...],
    camera: int | None,
    models: tuple[str, ...],
    faces: str,
    detector: str,
    every: int,
    smooth: int | None,
    csv_path: str | None,
    annotate: str | None,
    explain: str | None,
    results: str,
    device: str,
    backend: str,
    threads: int | None,
    plugins: tuple[str, ...],
    force: bool,
    as_json: bool,
) -> None:
    """Say which emotions the faces in pictures show.

    SOURCE is an image, a video, a folder of them, or an address (https://...). Each face gets a row with the
    probability of each emotion. A picture without a face is a row that says so.

    Nothing leaves this machine, and nothing is kept but the files that you name.

    Exit codes: 0 all went well, 1 a model's process failed, 2 wrong input, or a source that could not be read.
    """
    from ..inference.faces import FaceFinder
    from ..inference.predict import BATCH, answers
    from ..inference.sources import open_sources
    from .answers_kept import Outputs

    check_words(sources, camera, csv_path, annotate, explain, force)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that what is written is closed, too
    finder = FaceFinder(faces, detector)
    pictures = open_sources(sources, camera=camera, every=every, note=note)
    with ExitStack() as stack:
        asked, names = opened(stack, models, results, plugins, threads, device, backend)
        outputs = Outputs(stack, asked, names, csv_path, annotate, explain, force, as_json)
        found = answers(pictures, asked, finder, batch=BATCH if camera is None else 1)
        if smooth:
            from ..inference.smooth import smoothed

            found = smoothed(found, smooth)
        for answer in found:
            with uninterrupted():  # so that no row is half printed, or in one file alone
                outputs.take(answer)
    if outputs.unread:
        sys.exit(2)


def check_words(
    sources: Sequence[str],
    camera: int | None,
    csv_path: str | None,
    annotate: str | None,
    explain: str | None,
    force: bool,
) -> None:
    """Raises InputError for what can't be meant so, before anything is opened."""
    from ..inference.annotate import PICTURES, VIDEOS
    from ..inference.csv_file import check_place

    if not sources and camera is None:
        raise InputError("nothing to look at: name pictures, videos, folders or addresses, or a --camera")
    if explain is not None:
        if not explain.lower().endswith(".png"):
            raise InputError(f"--explain {explain}: a picture is written; name a file ending in .png")
        check_place(Path(explain), force)
    if csv_path is not None:
        check_place(Path(csv_path), force)
    several = len(sources) + (camera is not None) > 1 or any(Path(source).is_dir() for source in sources)
    if annotate is not None and Path(annotate).suffix.lower() in (*PICTURES, *VIDEOS) and several:
        raise InputError(f"--annotate {annotate}: one file, and several sources; name a folder")
    given = [Path(path).resolve() for path in (csv_path, annotate, explain) if path is not None]
    read = [Path(source).resolve() for source in sources]
    if len(set(given)) < len(given) or (both := set(given) & set(read)):
        raise InputError(
            f"{next(iter(both))}: is read, and would be written" if len(set(given)) == len(given) else
            "--csv, --annotate and --explain name one file; each wants its own"
        )  # fmt: skip
    if annotate is not None and (over := drawn_over(Path(annotate).resolve(), read)):
        raise InputError(f"--annotate {annotate}: {over} is read, and would be written over; name another folder")


def drawn_over(folder: Path, read: Sequence[Path]) -> Path | None:
    """What is read, and may be replaced by what is drawn into a folder; None where that can't be."""
    if not folder.is_dir() or not any(folder.iterdir()):
        return None
    for path in read:
        if path.is_dir() and folder.is_relative_to(path):
            return folder
        if path.parent == folder and path.suffix.lower() in (".png", ".mp4"):
            return path
    return None


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Puts Ctrl-C and SIGTERM off until what stands inside is done; the second one is not put off."""
    came: list[int] = []

    def later(sign: int, frame: FrameType | None) -> None:
        came.append(sign)
        if len(came) > 1:
            raise KeyboardInterrupt

    before = {sign: signal.signal(sign, later) for sign in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for sign, handler in before.items():
            signal.signal(sign, handler)
    if came:
        raise KeyboardInterrupt


def opened(
    stack: ExitStack,
    given: Sequence[str],
    results: str,
    plugins: tuple[str, ...],
    threads: int | None,
    device: str,
    backend: str,
) -> tuple[list[Model], list[str]]:
    """The models, each closed with ``stack``, and their names, each once."""
    from ..inference.model import open_model, told_apart

    if any(not name.lower().endswith(".onnx") for name in given):
        load_plugins(plugins)
    elif plugins:
        raise InputError("--plugin: registers runners, and no --model names a run")
    elif device.startswith("gpu") or backend != "auto":
        option = f"--device {device}" if device.startswith("gpu") else f"--backend {backend}"
        raise InputError(f"{option}: is for runs, and no --model names one; files are computed on the processor")
    tell: Callable[[str], None] = lambda line: tell_unreadable([line])  # noqa: E731
    models: list[Model] = []
    for name in given or (None,):
        model = open_model(
            name, results=results, plugins=plugins, threads=threads, device=device, backend=backend, tell=tell
        )
        if name is not None:
            stack.enter_context(closing(model))
        models.append(model)
    return models, told_apart(models)
