"""``fer-bench data``: what the data is, what is wrong with it, where it comes from, and as folders of pictures."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from . import values
from .command import Group
from .options import JSON_OPTION, data_options, given_data, numbers_told
from .say import loudness, note, reading

if TYPE_CHECKING:
    from ..data.audit import Audit
    from ..data.dataset import Dataset


@click.group(cls=Group, epilog="Example: fer-bench data audit --data fer2013.csv")
def data_command() -> None:
    """Look at the data, audit it, download it, export it."""


@data_command.command(epilog="Example: fer-bench data info --data fer2013.csv --json")
@data_options
@JSON_OPTION
def info(data: str | None, classes: str | None, labels: str, merge: tuple[str, ...], as_json: bool) -> None:
    """Show what the data is and which splits it can give."""
    import json

    from ..data.audit import class_counts
    from ..data.load import load_dataset
    from ..data.orders import order_of, told
    from ..errors import visible

    dataset = load_dataset(data, scheme=labels, merge=merge, classes=classes)
    counts, splits = class_counts(dataset), _splits(dataset)
    if as_json:
        facts = {
            "name": dataset.name,
            "source": dataset.source,
            "images": len(dataset),
            "classes": list(dataset.classes),
            "counts": counts,
            "digest": dataset.digest,
            "left_out": list(dataset.left_out),
            "notes": list(dataset.notes),
            "splits": splits,
            "numbers": dict(order_of(dataset.order).names) if dataset.order else None,
            "numbers_by": dataset.order or None,
        }
        click.echo(json.dumps(facts, indent=1))
        return
    click.echo(f"{dataset.name}: {dataset.source}\n{len(dataset):,} images, digest {dataset.digest}")
    lines = [*([told(dataset.order)] if dataset.order else []), *reading(dataset)]
    click.echo("\n".join([*map(visible, lines), ""]))
    if classes and not dataset.order:
        note(f"data: {dataset.source}{numbers_told(dataset, classes)}")
    click.echo(_count_table(counts, list(dataset.classes)))
    click.echo("\nSplits")
    width = max(map(len, splits))
    for name, sizes in splits.items():
        if isinstance(sizes, str):
            click.echo(f"  {name:{width}} no: {sizes}")
        else:
            parts = " / ".join(f"{size:,}" for size in (sizes["train"], sizes["validation"], sizes["test"]))
            click.echo(
                f"  {name:{width}} {parts} (train / validation / test); {sizes['test_seen']:,} test images also in"
                " train"
            )


def _splits(dataset: Dataset) -> dict[str, dict[str, int] | str]:
    """Split -> its sizes (of a k-fold, those of its first fold), or why this data can't give it."""
    from ..data.splits import NAMES, expand, make_split
    from ..errors import InputError

    found: dict[str, dict[str, int] | str] = {}
    for name in NAMES:
        try:
            split = make_split(dataset, expand(name, dataset)[0])
        except InputError as error:
            found[name] = str(error)
            continue
        found[name] = {
            "train": len(split.train),
            "validation": len(split.validation),
            "test": len(split.test),
            "test_seen": int(split.test_seen.sum()),
        }
    return found


def _count_table(counts: dict[str, dict[str, int]], classes: list[str]) -> str:
    """Emotions down, usages across, sums at both ends."""
    from tabulate import tabulate

    columns = {**counts}
    if len(counts) > 1:
        columns["sum"] = {emotion: sum(of[emotion] for of in counts.values()) for emotion in classes}
    rows: list[list[str | int]] = [[emotion, *(of[emotion] for of in columns.values())] for emotion in classes]
    rows.append(["sum", *(sum(of.values()) for of in columns.values())])
    return tabulate(rows, ["emotion", *columns], intfmt=",")


@data_command.command(epilog="Example: fer-bench data audit --data fer2013.csv --out audit")
@data_options
@click.option(
    "--out",
    type=values.FOLDER,
    metavar="DIR",
    help="Folder for audit.json, classes.png, samples.png. [default: audit-<name>]",
)
@click.option("--dry-run", is_flag=True, help="Print the findings, and write nothing.")
@JSON_OPTION
def audit(
    data: str | None,
    classes: str | None,
    labels: str,
    merge: tuple[str, ...],
    out: str | None,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Count classes, duplicates, test images in train, contradicting labels, blank images; draw chart and samples.

    Rows are counted from 0, as read. Writes audit.json (with the rows of every finding), classes.png, and samples.png.
    """
    from ..data.audit import audit as examine
    from ..data.audit_plots import draw_classes, draw_samples
    from ..errors import InputError
    from ..files import durable

    dataset = given_data(data, classes, labels, merge)
    found = examine(dataset)
    if dry_run:
        click.echo(found.model_dump_json(indent=1) if as_json else _audit_text(found))
        return
    folder = Path(out or f"audit-{dataset.name}")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        durable.write(folder / "audit.json", found.model_dump_json(indent=1).encode() + b"\n")
        durable.write(folder / "classes.png", lambda file: draw_classes(found, file))
        durable.write(folder / "samples.png", lambda file: draw_samples(dataset, file))
    except OSError as error:
        raise InputError(f"--out {folder}: can't be written ({error.strerror}); name another folder") from None
    click.echo(found.model_dump_json(indent=1) if as_json else _audit_text(found))
    note(f"audit.json, classes.png and samples.png are in {folder}")


def _audit_text(found: Audit) -> str:
    from tabulate import tabulate

    test = [
        [f"{usage} images that are, pixel for pixel, also in Training", count]
        for usage, count in found.in_training.items()
    ]
    findings = [
        ["images", found.images],
        ["exact duplicate rows (pixels, emotion and usage of an earlier row)", found.duplicate_rows],
        ["images whose pixels occur in an earlier row", found.repeated_images],
        *test,
        ["groups of equal images with different labels", len(found.conflicts)],
        ["images in those groups", found.conflict_images],
        ["blank images", len(found.blank_rows)],
    ]
    return "\n".join(
        [
            f"{found.name}: {found.source}\ndigest {found.digest}\n",
            _count_table(found.counts, found.classes),
            "",
            tabulate(findings, tablefmt="plain", intfmt=","),
        ]
    )


@data_command.command(epilog="Example: fer-bench data download && fer-bench run svm")
@JSON_OPTION
def download(as_json: bool) -> None:
    """Fetch FER-2013 from Kaggle (about 300 MB); later commands then use it where no --data is given.

    Needs kagglehub: pip install "fer-bench[download]".
    """
    import json

    from ..data.download import download as fetch

    path = fetch()
    click.echo(json.dumps({"path": str(path)}) if as_json else path)
    note("used from now on where no --data is given")


@data_command.command(epilog="Example: fer-bench data export --data fer2013.csv --out fer2013-folders")
@data_options
@click.option("--out", type=values.FOLDER, required=True, metavar="DIR", help="A folder that is new or empty.")
@click.option(
    "--format",
    "picture",
    type=click.Choice(["png", "jpg"]),
    default="png",
    show_default=True,
    help="png keeps every pixel; jpg changes them, so that duplicates and scores change too.",
)
@click.option("--dry-run", is_flag=True, help="Say how many images would be written, and write nothing.")
@JSON_OPTION
def export(
    data: str | None,
    classes: str | None,
    labels: str,
    merge: tuple[str, ...],
    out: str,
    picture: Any,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Write the images as DIR/train|validation|test/EMOTION/ROW.png; without usages, as DIR/EMOTION/ROW.png.

    The folder can be given as --data again, and PNG then gives the same digest.
    """
    import json
    import sys

    from ..data.export import export as write

    dataset = given_data(data, classes, labels, merge)
    if not dry_run:
        hidden = loudness() < 0
        with click.progressbar(
            length=len(dataset), label="images", file=sys.stderr, update_min_steps=500, hidden=hidden
        ) as bar:
            write(dataset, Path(out), format=picture, progress=bar.update)
    facts = {"folder": out, "format": picture, "images": len(dataset), "digest": dataset.digest}
    click.echo(
        json.dumps(facts, indent=1)
        if as_json
        else f"{len(dataset):,} images in {out}{' (not written)' if dry_run else ''}"
    )
