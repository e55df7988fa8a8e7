"""``fer-bench compare``: two systems on the same test images."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..errors import InputError
from . import values
from .command import Command
from .options import (
    CLASSES_OPTION,
    DATA_VARIABLE,
    JSON_OPTION,
    OLD_NAMES,
    PLUGIN_OPTION,
    RESULTS_OPTION,
    board_options,
    data_under,
    load_plugins,
    results_folder,
    stored_runs,
    wanted_board,
)
from .say import note, say

if TYPE_CHECKING:
    from ..board.comparison import Comparison, Contrast
    from ..board.select import System
    from ..data.dataset import Dataset

#: Disagreements that are printed; --json and --sheet have more.
PRINTED = 5
#: Accuracies are sums of 1 / images, and may be off by their rounding.
ROUNDING = 1e-9


@click.command(cls=Command, old=OLD_NAMES, epilog="Example: fer-bench compare svm hog-svm:tuned --fail-if-worse 0.01")
@click.argument("a", type=values.SYSTEM)
@click.argument("b", type=values.SYSTEM)
@RESULTS_OPTION
@board_options
@click.option(
    "--with-tta", "tta", is_flag=True, help="Compare the predictions with test-time augmentation, which both must have."
)
@click.option(
    "--fail-if-worse",
    type=click.FloatRange(0, 1),
    metavar="SHARE",
    help="Exit code 1 where B's accuracy is lower by more: 0.01 is a point.",
)
@click.option(
    "--sheet",
    type=values.FILE,
    metavar="FILE.png",
    help="Draw the images on which they disagree most confidently; needs --data.",
)
@click.option("--data", type=values.FILE, envvar=DATA_VARIABLE, help="The data of the runs, for --sheet.")
@CLASSES_OPTION
@PLUGIN_OPTION
@JSON_OPTION
def compare_command(
    a: str,
    b: str,
    results: str,
    tta: bool,
    fail_if_worse: float | None,
    sheet: str | None,
    data: str | None,
    classes: str | None,
    plugins: tuple[str, ...],
    as_json: bool,
    **board: Any,
) -> None:
    """Show what system B gains over system A on the same test images, with 95 % intervals and p, and emotion by
    emotion.

    A and B are runners (svm), with a recipe where they ran with several (svm:tuned), or single runs: the first digits
    of a job's key, or a run's folder. Runs without predictions can't be compared.

    Exit codes: 0 all went well, 1 B is worse by more than --fail-if-worse allows or a record can't be read, 2 wrong
    input.
    """
    root = results_folder(results)
    if sheet and Path(sheet).suffix.lower() != ".png":
        raise InputError(f"--sheet {sheet}: the sheet is a PNG; name a file that ends in .png")
    import json
    from dataclasses import asdict

    from ..board.comparison import compare
    from ..board.select import select
    from ..records.store import Store

    load_plugins(plugins)
    stored, wanted = stored_runs(Store(root)), wanted_board(**board)
    first, second = (select(stored, name, **wanted) for name in (a, b))
    found = compare(first, second, tta=tta)
    if sheet:
        draw(found, _dataset_of(first, data, classes), Path(sheet))
    click.echo(json.dumps(asdict(found), indent=1) if as_json else text(found))
    loss = -found.accuracy.difference.value
    if fail_if_worse is not None and loss > fail_if_worse + ROUNDING:
        say(
            f"{found.b} is {100 * loss:.2f} points less accurate than {found.a}, "
            f"more than --fail-if-worse {fail_if_worse:g} allows"
        )
        sys.exit(1)


def _dataset_of(system: System, data: str | None, classes: str | None) -> Dataset:
    """The data set that the system was measured on, under its labels. Raises InputError where it is another."""
    from ..data.load import load_dataset

    given = data_under(load_dataset(data, classes=classes), system.board.classes)
    if given.digest != system.board.dataset_digest:
        raise InputError(
            f"--sheet: {given.source} is not the data set of these runs, {system.board.dataset} "
            f"({given.digest[:8]}, not {system.board.dataset_digest[:8]}); name that one with --data"
        )
    return given


def draw(found: Comparison, dataset: Dataset, path: Path) -> None:
    """Writes the sheet, whole or not at all. Raises InputError where ``path`` can't be written."""
    from ..files import durable
    from ..report.sheet import Picture, picture_sheet

    if not found.disagreements:
        note(f"{found.a} and {found.b} agree on every image; no sheet written")
        return
    pictures = [
        Picture(
            dataset.images[one.row],
            f"{one.emotion} ({one.row})",
            tuple(
                (f"{letter}: {said} {100 * sure:.0f} %", said == one.emotion)
                for letter, said, sure in (("A", one.a, one.a_confidence), ("B", one.b, one.b_confidence))
            ),
        )
        for one in found.disagreements
    ]
    title = f"A: {found.a}    B: {found.b}\nmost confident of {found.disagreed:,} disagreements: true emotion (row)"
    drawn = picture_sheet(pictures, title)
    try:
        durable.write(path, drawn)
    except OSError as error:
        raise InputError(f"--sheet {path} can't be written ({error.strerror or error}); choose another file") from None
    note(f"{len(pictures)} of {found.disagreed:,} disagreements drawn in {path}")


def text(found: Comparison) -> str:
    """The comparison for a terminal, in percent and points."""
    from tabulate import tabulate

    from ..report.markdown import difference_text, p_text

    seeds = [f" (mean of {n} seeds)" if n > 1 else "" for n in (found.seeds_a, found.seeds_b)]
    head = f"{found.board}\nA: {found.a}{seeds[0]}\nB: {found.b}{seeds[1]}"
    overall = [
        [name, *_ends(contrast), difference_text(contrast.difference), p_text(contrast.p)]
        for name, contrast in (
            ("accuracy", found.accuracy),
            ("macro F1", found.macro_f1),
            ("weighted F1", found.weighted_f1),
        )
    ]
    emotions = []
    for name, images in found.emotion_images.items():
        cells = [name, f"{images:,}"]
        for contrast in (found.recall[name], found.f1[name]):
            cells += [*_plain(contrast), difference_text(contrast.difference)]
        emotions.append(cells)
    headers = ["", "A [95 %]", "B [95 %]", "B - A [95 %]", "p"]
    by_emotion = ["Emotion", "Images", "Recall A", "B", "B - A [95 %]", "F1 A", "B", "B - A [95 %]"]
    tables = [
        tabulate(rows, names, disable_numparse=True, colalign=["left", *["right"] * (len(names) - 1)])
        for rows, names in ((overall, headers), (emotions, by_emotion))
    ]
    notes = (
        "In percent and points. Intervals: paired bootstrap over test images; p: McNemar's test for the accuracy, the "
        "bootstrap\nfor the F1s. Those of the emotions are not corrected for there being several."
    )
    return "\n\n".join([head, *tables, notes, _agreement(found)])


def _ends(contrast: Contrast) -> list[str]:
    return [f"{100 * e.value:.1f} [{100 * e.low:.1f}, {100 * e.high:.1f}]" for e in (contrast.a, contrast.b)]


def _plain(contrast: Contrast) -> list[str]:
    return [f"{100 * estimate.value:.1f}" for estimate in (contrast.a, contrast.b)]


def _agreement(found: Comparison) -> str:
    counts = found.agreement
    shares = (("both", counts.both), ("only A", counts.only_a), ("only B", counts.only_b), ("neither", counts.neither))
    words = ", ".join(f"{name} {count:,.6g} ({100 * count / found.images:.1f} %)" for name, count in shares)
    lines = [f"Right: {words}.", f"Different answers to {found.disagreed:,} images."]
    if found.disagreements:
        lines[1] += " The most confident:"
    for one in found.disagreements[:PRINTED]:
        said = f"A {one.a} {100 * one.a_confidence:.0f} %, B {one.b} {100 * one.b_confidence:.0f} %"
        lines.append(f"  row {one.row}, {one.emotion}: {said}")
    return "\n".join(lines)
