"""results/published.md: the comparisons as a table, and what binary accuracy and picking on the test part are worth."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from ..api.published import Published
from ..api.runner import RunnerInfo
from ..board.board import Board
from ..board.columns import percent
from ..board.row import NOT_RUN, average
from ..data.dataset import EMOTIONS
from ..records.record import RunRecord
from ..records.run_files import RunFiles
from ..scores.metrics import BinaryScores, binary_scores
from . import markdown
from .measured import ours, real
from .published import EMPTY, Comparison, constant, what_ran
from .test_picked import Selection

#: Enough for every explanation; a page is not a terminal.
LONGEST = 1200


def context(
    boards: Sequence[Board],
    runners: Mapping[str, RunnerInfo],
    files: RunFiles,
    found: Iterable[Comparison],
    worth: Iterable[Selection],
) -> dict[str, Any]:
    """What the template of published.md needs; ``found`` and ``worth`` are the comparisons and the selections."""
    boards = real(boards)
    figures = [(info.name, figure) for info in runners.values() for figure in info.published]
    return {
        "table": full_table(found),
        "nothing": percent(constant(len(EMOTIONS)).accuracy),
        "binary": [_binary(boards, *pair, files) for pair in figures if pair[1].recall is not None],
        "emotions": [_emotions(boards, *pair, files) for pair in figures if pair[1].emotion_f1],
        "notes": [
            {"runner": markdown.escape(info.name), "text": markdown.escape(note)}
            for info in runners.values()
            if info.published
            for note in info.notes
        ],
        "selections": selection_table(worth),
    }


def full_table(found: Iterable[Comparison]) -> str:
    """A table of every comparison with its protocol, trap and explanation; "" where there is none."""
    headers = [
        "Runner",
        "Published",
        "Its protocol",
        "Its trap",
        "Ours, its protocol",
        "Ours, official",
        "The difference",
    ]
    lines = [
        [c.runner, c.published, _protocol(c), c.trap or EMPTY, c.same_protocol, c.official, c.explanation]
        for c in found
    ]
    return markdown.table(headers, lines, range(len(headers)), LONGEST) if lines else ""


def _protocol(comparison: Comparison) -> str:
    parts = (comparison.split, comparison.protocol)
    return EMPTY if EMPTY in parts else ": ".join(parts)


def short_table(found: Iterable[Comparison]) -> str:
    """A table of the figures of every comparison alone, for results/README.md; "" where there is none."""
    lines = [[c.runner, c.published, c.trap or EMPTY, c.same_protocol, c.official] for c in found]
    headers = ["Runner", "Published", "Its trap", "Ours, its protocol", "Ours, official"]
    return markdown.table(headers, lines, range(len(headers))) if lines else ""


def selection_table(found: Iterable[Selection]) -> str:
    """A table of what picking the checkpoint on the test part was worth to each system; "" where there is none."""
    lines = [
        [
            one.row.label,
            one.row.recipe or "",
            f"{one.board.dataset}, {one.board.split}",
            ", ".join(map(str, one.seeds)),
            one.row.runs[0].training.checkpoint,
            percent(one.accuracy),
            percent(one.accuracy_picked),
            markdown.difference_text(one.worth),
            one.row.note(),
        ]
        for one in found
    ]
    headers = ["Runner", "Recipe", "Split", "Seeds"]
    headers += ["Fair checkpoint", "Fair", "Picked on test", "Worth [95 %]", "Note"]
    return markdown.table(headers, lines, (0, 1, 2, 3, 4, 8)) if lines else ""


def _emotions(boards: Sequence[Board], runner: str, figure: Published, files: RunFiles) -> dict[str, str]:
    """A published F1 of each emotion, and under it that of ours under the same protocol."""
    found = ours(boards, runner, figure, files)
    classes = found[0].board.classes if found else EMOTIONS
    lines = [["published", *map(percent, figure.emotion_f1)]]
    for one in found[:1]:
        measured = [percent(one.row.emotion_mean(name, "f1")) for name in classes]
        lines.append([f"ours ({what_ran(one.row)})", *measured])
    if not found:
        lines.append([f"ours: {NOT_RUN}", *[""] * len(classes)])
    return {
        "runner": markdown.escape(runner),
        "split": markdown.escape(figure.split),
        "table": markdown.table(["F1", *classes], lines),
    }


def _binary(boards: Sequence[Board], runner: str, figure: Published, files: RunFiles) -> dict[str, str]:
    """A published binary accuracy between that of answering nothing and ours, with what it hides."""
    sources = (("always 'none of them'", constant(figure.classes)), ("published", figure))
    lines = [[name, EMPTY, *map(_known, (of.accuracy, of.precision, of.recall, of.auc))] for name, of in sources]
    found = ours(boards, runner, figure, files)
    for one in found[:1]:
        scored = [scores for run in one.row.runs if (scores := binary_of(run, figure.part, files))]
        means = [average(getattr(scores, name) for scores in scored) for name in ("precision", "recall", "auc")]
        figures = percent(one.row.mean("accuracy")), _known(one.accuracy), *map(_known, means)
        lines.append([f"ours ({what_ran(one.row)})", *figures])
    if not found:
        lines.append([f"ours: {NOT_RUN}", *[EMPTY] * 5])
    headers = ["", "Accuracy", "Binary accuracy", "Precision", "Recall", "AUC"]
    return {"runner": markdown.escape(runner), "table": markdown.table(headers, lines)}


def binary_of(run: RunRecord, part: str, files: RunFiles) -> BinaryScores | None:
    """What Keras would report of a run's predictions on a part, or parts joined by "+"; None where some are missing."""
    saved = [files.predictions(run, name) for name in part.split("+")]
    there = [one for one in saved if one is not None]
    if len(there) < len(saved):
        return None
    return binary_scores(
        np.concatenate([one.labels for one in there]), np.concatenate([one.probabilities for one in there])
    )


def _known(value: float | None) -> str:
    return EMPTY if value is None else percent(value)
