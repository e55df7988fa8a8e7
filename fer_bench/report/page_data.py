"""Boards and their runs -> what the page shows of them, as JSON; every figure is a Column's, none is the page's."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import numpy as np

from ..board.board import Board, file_name
from ..board.columns import COLUMNS, percent
from ..board.row import Row
from ..records.record import RunRecord
from ..records.run_files import RunFiles
from ..scores.metrics import Scores
from . import markdown
from .cost_plots import pareto
from .emotions import FIGURES, emotion_lines

if TYPE_CHECKING:
    import pandas as pd

#: What accuracy is drawn against, in the words of its axis.
COSTS = {
    "latency_p50_ms": "Latency: median time for one image, in ms",
    "fit_seconds": "Time to fit, in s",
    "parameters": "Parameters",
    "macs": "Multiply-accumulates (MACs) for one image",
}
#: A first click on the header of one of these puts the lowest on top; of any other number the highest.
LOWEST_FIRST = frozenset({"rank", "log_loss", "calibration_error"})
#: As many epochs of a run are drawn, evenly chosen where there are more.
EPOCHS = 200

BY_NAME = {column.name: column for column in COLUMNS}
SCORES = [column for column in COLUMNS if column.tables and column.name in Scores.model_fields]
COST = [column for column in COLUMNS if "cost" in column.tables and column.dtype != "string" and column not in SCORES]

Figures = dict[str, Any]


def page_data(boards: Sequence[Board], files: RunFiles, root: Path, published: Sequence[Mapping[str, Any]]) -> Figures:
    """All that the script of index.html gets, as JSON knows it; for the arguments see ``html.page``."""
    return {
        "columns": {column.name: _column(column.name) for column in COLUMNS},
        "costs": COSTS,
        "measures": {name: header for header, name in FIGURES.items()},
        "boards": [_board(board, files, root) for board in boards],
        "published": [dict(line) for line in published],
    }


def _column(name: str) -> Figures:
    column = BY_NAME[name]
    low = name in LOWEST_FIRST or (column in COST and not name.endswith("_per_second"))
    return {"header": column.header, "numeric": column.dtype != "string", "low": low}


def _board(board: Board, files: RunFiles, root: Path) -> Figures:
    families = sorted({row.family for row in board.rows})
    return {
        "id": board.slug,
        "dataset": board.dataset,
        "split": board.split,
        "title": board.title,
        "classes": board.classes,
        "families": families,
        "summary": _summary(board),
        "short": [column.name for column in board.table("short")[0]],
        "all": [column.name for column in board.table("report")[0]],
        "rows": [_row(board, row, files, root) for row in board.rows],
        "hardware": _hardware(board),
        "digests": [["Data set", board.dataset_digest], ["Split", board.split_digest]],
        "commands": markdown.commands(run for row in board.rows for run in row.records),
    }


def _summary(board: Board) -> list[dict[str, str]]:
    """What to know of a board before its table."""
    measured = [row for row in board.rows if row.runs]
    failed = sum(bool(row.failed) for row in board.rows)
    waiting = sum(not row.records for row in board.rows)
    rest = ", ".join(
        f"{count} {word}" for count, word in ((failed, "with failed runs"), (waiting, "not run yet")) if count
    )
    tiles = [("Systems measured", str(len(measured)), rest or "none failed, none is missing")]
    first = [row for row in measured if row.rank == 1]
    if first:
        best = first[0]
        low, high = (percent(BY_NAME[f"accuracy_{end}"].value(best)) for end in ("low", "high"))
        shared = f", rank shared by {len(first)}" if len(first) > 1 else ""
        words = f"{best.title}; 95 % interval {low} to {high}{shared}"
        tiles.insert(0, ("Best accuracy", f"{percent(best.mean('accuracy'))} %", words))
    if measured:
        images = measured[0].confusion().sum(axis=1)
        largest = int(images.argmax())
        words = f"of a system that always says {board.classes[largest]}, the most frequent emotion"
        tiles.append(("Accuracy to beat", f"{percent(images[largest] / images.sum())} %", words))
    scores = [run.scores for row in measured for run in row.runs if run.scores]
    unseen = {score.images_unseen for score in scores if score.images_unseen is not None}
    seen = f"; {board.test_images - min(unseen):,} of them also stand in Training" if len(unseen) == 1 else ""
    tiles.append(("Test images", f"{board.test_images:,}", f"{len(board.classes)} emotions{seen}"))
    return [dict(zip(("label", "value", "detail"), tile, strict=True)) for tile in tiles]


def anchor(row: Row) -> str:
    """The name of a row in the address of index.html, of letters that mean nothing there."""
    return file_name("-".join(filter(None, [row.label, row.recipe, *(run.job.key[:8] for run in row.records[:1])])))


def _row(board: Board, row: Row, files: RunFiles, root: Path) -> Figures:
    data = {
        "id": anchor(row),
        "name": row.label,
        "recipe": row.recipe or "",
        "family": row.family,
        "devices": sorted({run.environment.device for run in row.records if run.environment.device}),
        "note": row.note(),
        "runs": [_run(run, files, root) for run in row.records],
        **_figures(row),
    }
    if row.runs:
        data["emotions"] = {
            name: [percent(row.emotion_mean(emotion, name)) for emotion in board.classes] for name in FIGURES.values()
        }
        data["confusion"] = _confusion(board, row)
        # The page has the counts of each label in its confusion matrix.
        headers, lines = emotion_lines(row, board.classes)
        data["by_emotion"] = [line[: -len(board.classes)] for line in (headers, *lines)]
    return data


def _figures(row: Row) -> Figures:
    """Every column's text, where it has one, and what to sort by or to draw where it is a number."""
    texts = {column.name: column.text(row) for column in COLUMNS if column.tables}
    values = {column.name: column.value(row) for column in COLUMNS if column.dtype != "string"}
    return {
        "cells": {name: text for name, text in texts.items() if text},
        "values": {name: value for name, value in values.items() if value is not None and math.isfinite(value)},
    }


def _confusion(board: Board, row: Row) -> Figures:
    """Counts over all seeds, and each in percent of its emotion's images."""
    counts = row.confusion()
    shares = 100 * counts / np.maximum(counts.sum(axis=1), 1)[:, None]
    return {
        "counts": counts.tolist(),
        "images": counts.sum(axis=1).tolist(),
        "shares": [[f"{share:.0f}" for share in line] for line in shares],
        "worst": markdown.confusions(row, board.classes),
    }


def _hardware(board: Board) -> list[Figures]:
    """For each hardware the rows that ran there, with what they cost there, and whether any other is better and
    cheaper.
    """
    parts = []
    for place, part in board.by_hardware():
        rows = [(anchor(row), row.on(place)) for row in board.rows]
        rows = [(name, row) for name, row in rows if row.runs]
        ranked = [None if row.rank is None else row.mean("accuracy") for _, row in rows]
        front = {cost: pareto([BY_NAME[cost].value(row) or None for _, row in rows], ranked) for cost in COSTS}
        parts.append({
            "place": place,
            "columns": [column.name for column in part.table("cost")[0]],
            "rows": [
                {"id": name, "front": [cost for cost in COSTS if front[cost][i]], **_figures(row)}
                for i, (name, row) in enumerate(rows)
            ],
        })  # fmt: skip
    return parts


def _run(run: RunRecord, files: RunFiles, root: Path) -> Figures:
    """One record: its command, and whatever else it says in pairs of a name and a text."""
    history = files.curve(run)
    return {
        "seed": run.job.seed,
        "status": run.status,
        "failure": " ".join(f"{run.failure.message} {run.failure.hint}".split()) if run.failure else "",
        "command": markdown.portable(run.command),
        "folder": quote(Path(os.path.relpath(files.folder(run), root)).as_posix()) + "/",
        "facts": {title: [pair for pair in pairs if pair[1]] for title, pairs in _facts(run).items()},
        "history": None if history is None else _curves(history, run.training.best_epoch),
    }


def _facts(run: RunRecord) -> dict[str, list[tuple[str, str]]]:
    job, training, machine = run.job, run.training, run.environment
    row = Row(job.runner, job.family, job.recipe, (run,))
    ok = run.status == "ok" and run.scores is not None
    revision = (machine.git_revision or "")[:12] + (" with uncommitted changes" if machine.git_dirty else "")
    return {
        "Scores": [(column.header, column.text(row)) for column in SCORES] if ok else [],
        "Training": [
            ("Training images", _plain(job.train_images)),
            ("Validation images", _plain(job.validation_images)),
            ("Init", training.init),
            ("Checkpoint chosen by", training.checkpoint),
            ("Epochs run, of those planned", BY_NAME["epochs_run"].text(row)),
            ("Epoch kept", _plain(training.best_epoch)),
            ("Stopped", training.stopped),
            ("Interruptions", _plain(training.interruptions or None)),
            ("Balance", job.balance),
            *((name.replace("_", " "), _plain(value)) for name, value in training.extra.items()),
        ],
        "Earlier attempts": [(str(i), " ".join(line.split())) for i, line in enumerate(run.attempts, 1)],
        "Training part": _scored(run, run.train_scores, "accuracy", "weighted_f1", "macro_f1", "log_loss"),
        "Test-time augmentation": _tta_facts(run),
        "Ensemble": _members(run),
        "Cost": [(column.header, column.text(row)) for column in COST] if ok else [],
        "Recipe": [(name.replace("_", " "), _plain(value)) for name, value in job.recipe_fields.items()],
        "Environment": [
            ("Host, executor", ", ".join(filter(None, (machine.host, machine.executor)))),
            ("Device", machine.device),
            ("Backend", machine.backend),
            ("CPU", machine.cpu),
            ("Cores", _plain(machine.cores or None)),
            ("Threads", _plain(machine.threads)),
            ("RAM", f"{machine.ram_bytes / 2**30:.1f} GiB" if machine.ram_bytes else ""),
            ("System", machine.os),
            ("Python", machine.python),
            ("Packages", _plain(machine.packages)),
            ("Git revision", revision),
            ("Started", run.started.replace("T", " ").replace("+00:00", " UTC")),
            ("Job key", job.key),
        ],
    }


def _scored(run: RunRecord, scores: Scores | None, *names: str) -> list[tuple[str, str]]:
    """Other scores of a run than those of the test part, as the columns write them; none where there are none."""
    if scores is None:
        return []
    row = Row(run.job.runner, run.job.family, run.job.recipe, (run.model_copy(update={"scores": scores}),))
    return [(BY_NAME[name].header, BY_NAME[name].text(row)) for name in names]


def _tta_facts(run: RunRecord) -> list[tuple[str, str]]:
    if run.tta is None:
        return []
    return [
        ("Method", run.tta.method),
        *_scored(run, run.tta.scores, "accuracy", "accuracy_unseen", "weighted_f1", "macro_f1", "log_loss"),
        ("Images/s", _plain(run.tta.predict_images_per_second)),
        ("Latency p50 ms", _plain(run.tta.latency_p50_ms)),
        ("Added on", run.tta.hardware),
        ("Added by", markdown.portable(run.tta.command)),
    ]


def _members(run: RunRecord) -> list[tuple[str, str]]:
    """What an ensemble averages, with the weights."""
    if run.ensemble is None:
        return []
    return [
        (f"{member.runner} ({member.recipe}, seed {member.seed}, {member.key[:8]})", f"{member.weight:.4g}")
        for member in run.ensemble.members
    ]


def _plain(value: Any) -> str:
    """A field of a record as a person reads it; nothing where there is nothing."""
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {_plain(inside)}" for name, inside in sorted(value.items()))
    if isinstance(value, list | tuple):
        return ", ".join(_plain(inside) for inside in value)
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    return "" if value is None else str(value)


def _curves(history: pd.DataFrame, kept: int | None) -> Figures:
    """Loss and accuracy over the epochs, counted from 1 over all stages; with four digits, which is more than can be
    seen.
    """
    chosen = {*np.linspace(0, len(history) - 1, min(len(history), EPOCHS)).astype(int).tolist()}
    chosen |= {kept - 1} if kept and kept <= len(history) else set()
    rows = sorted(chosen)
    names = [name for name in ("loss", "val_loss", "accuracy", "val_accuracy") if name in history]
    stages = np.flatnonzero(np.diff(history["stage"])) + 2 if "stage" in history else np.array([], int)
    return {
        "epochs": [row + 1 for row in rows],
        "kept": kept,
        "stages": stages.tolist(),
        **{name: [_rounded(value) for value in history[name].iloc[rows]] for name in names},
    }


def _rounded(value: Any) -> float | None:
    number = float(f"{float(value):.4g}")
    return number if math.isfinite(number) else None
