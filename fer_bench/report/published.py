"""What sources published beside what is measured here: the figure, its protocol and trap, ours, and why they differ.

All of it follows from the runners' ``Published`` figures and from the records; nothing is said that they don't hold.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..api.published import Published
from ..api.runner import RunnerInfo
from ..board.board import Board
from ..board.columns import percent
from ..board.row import NOT_RUN, Row, counted
from ..data.dataset import EMOTIONS
from ..records.run_files import RunFiles
from ..scores.metrics import BinaryScores, binary_scores
from .measured import Ours, differences, ours, real
from .test_picked import Selection

EMPTY = "–"


@dataclass(frozen=True)
class Comparison:
    """One published figure beside ours: texts for a table, and ours also as fractions, None where there is none.

    ``same_protocol`` is ours as the source measured (its metric, part, split and emotions, or the nearest of them
    here), ``official`` ours on the challenge's test part. Where a runner ran with several recipes, the text has them
    all, the fraction is of the first.
    """

    runner: str
    published: str
    split: str
    protocol: str
    trap: str
    same_protocol: str
    official: str
    explanation: str
    same_protocol_value: float | None = None
    official_value: float | None = None


def comparisons(
    boards: Sequence[Board], runners: Mapping[str, RunnerInfo], files: RunFiles, worth: Sequence[Selection] = ()
) -> list[Comparison]:
    """Every published figure of ``runners``, in their order, beside ours.

    A runner whose source has no figure stands there with ours. files: those of the runs, which have the accuracies of
    their trainings. worth: what picking the checkpoint on the test part was worth, from ``test_picked.selections``.
    """
    boards = real(boards)
    found = []
    for info in runners.values():
        found += [_compare(boards, info, figure, files, worth) for figure in info.published]
        if info.source and not info.published:
            found.append(_unpublished(boards, info.name, files))
    return found


def constant(classes: int) -> BinaryScores:
    """The binary scores of a system that gives every emotion the same probability: "none of them", whatever it sees."""
    return binary_scores(np.arange(classes), np.full((classes, classes), 1 / classes))


def _compare(
    boards: Sequence[Board], info: RunnerInfo, figure: Published, files: RunFiles, worth: Iterable[Selection]
) -> Comparison:
    runner = info.name
    same, official = ours(boards, runner, figure, files), ours(boards, runner, _on_official(figure), files)
    own_split = figure.split != "official" and figure.part == "test" and not figure.nearest
    traps = [figure.trap, "a split of its own, not the challenge's test images" if own_split else ""]
    return Comparison(
        runner=runner,
        published=_numbers(figure.accuracy, figure.weighted_f1, figure.metric),
        split=figure.split,
        protocol=figure.protocol,
        trap="; ".join(filter(None, traps)),
        same_protocol=_cell(boards, runner, same, figure),
        official=_cell(boards, runner, official, _on_official(figure)),
        explanation=_explanation(info, figure, same[:1], official[:1], worth),
        same_protocol_value=same[0].accuracy if same else None,
        official_value=official[0].accuracy if official else None,
    )


def _unpublished(boards: Sequence[Board], runner: str, files: RunFiles) -> Comparison:
    wanted = Published(None, None, "official", "", recipe="tuned")
    found = ours(boards, runner, wanted, files)
    return Comparison(
        runner,
        *(EMPTY, EMPTY, EMPTY, "", EMPTY),
        official=_cell(boards, runner, found, wanted),
        explanation=". ".join(["No source published a figure", *_on_the_test_part(found[:1])]),
        official_value=found[0].accuracy if found else None,
    )


def _on_official(figure: Published) -> Published:
    """What the honest figure would be of: the challenge's test part, seven emotions, the checkpoint picked
    elsewhere.
    """
    picked = "validation" if figure.checkpoint in ("test", "train") else figure.checkpoint
    honest = replace(figure, split="official", nearest="", part="test", metric="accuracy", checkpoint=picked)
    return replace(honest, classes=len(EMOTIONS))


def _numbers(accuracy: float | None, weighted_f1: float | None, metric: str) -> str:
    if accuracy is None:
        return EMPTY
    f1 = "" if weighted_f1 is None else f" / {percent(weighted_f1)}"
    return f"{percent(accuracy)}{f1}{' binary' if metric == 'binary' else ''}"


def _cell(boards: Iterable[Board], runner: str, found: Iterable[Ours], figure: Published) -> str:
    """For each recipe the row most like the figure, as "accuracy / weighted F1 (recipe, whatever sets it apart)"."""
    cells: dict[tuple[str | None, bool], str] = {}
    for one in found:
        row = one.row
        inside = [row.recipe or "", row.label.removeprefix(runner), row.note()]
        inside += [one.board.dataset] if one.board.dataset != "fer2013" else []
        numbers = _numbers(one.accuracy, one.weighted_f1, figure.metric)
        cells.setdefault((row.recipe, row.test_selected), f"{numbers} ({', '.join(filter(None, inside))})")
    return "; ".join(cells.values()) or _why_not(boards, runner, figure)


def _why_not(boards: Iterable[Board], runner: str, figure: Published) -> str:
    """What became of the runs on a figure's split, where none went well."""
    tried = [
        f"{row.status} ({row.recipe})"
        for board in boards
        if board.split == figure.our_split and len(board.classes) == figure.classes
        for row in board.rows
        if row.runner == runner and row.failed and not row.runs
    ]
    return "; ".join(tried) or NOT_RUN


def _explanation(
    info: RunnerInfo, figure: Published, same: Sequence[Ours], official: Sequence[Ours], worth: Iterable[Selection]
) -> str:
    """The difference between the published figure and ours in a line."""
    sentences = [_gap(info, figure, one) for one in same] or [f"Not run so yet: {_command(info.name, figure)}"]
    if figure.metric == "binary":
        nothing = percent(constant(figure.classes).accuracy)
        sentences.append(f"Binary accuracy counts every output: always answering none of them has {nothing}")
    if figure.checkpoint == "test":
        sentences += [
            worth_text(one) for one in worth if (one.row.runner, one.board.split) == (info.name, figure.split)
        ]
    return ". ".join([*sentences, *_on_the_test_part(official)])


def _gap(info: RunnerInfo, figure: Published, one: Ours) -> str:
    """Ours against the published figure, whether chance may explain it, and what else is known to differ."""
    protocol = "its protocol" if figure.same_images and figure.recipe else "the nearest protocol"
    if one.accuracy is None or figure.accuracy is None:
        kept = "training accuracy" if figure.part == "train" else "score of that part"
        # Records from before there were such scores; what is done is not done again for want of them.
        again = figure.part == "train" and figure.counted == "after" and figure.accuracy is not None
        how = f": {_command(info.name, figure)} --force counts one" if again else ""
        return f"Our records have no {kept} to put beside it{how}"
    words = f"{points(one.accuracy - figure.accuracy)} under {protocol}"
    within = None
    if one.low is not None and one.high is not None:
        within = one.low <= figure.accuracy <= one.high
        words += f", {'within' if within else 'outside'} our 95 % interval [{percent(one.low)}, {percent(one.high)}]"
    known = differences(figure, one.board, one.row)
    if one.counted != figure.counted and figure.part == "train":
        known.append("counted while it trains (there: after it)")
    if known:
        return f"{words}; ours: {', '.join(known)}"
    if within:
        return words
    seeds = f"{counted(len(one.row.runs), 'seed')} of ours"
    notes = f"; what the source leaves open: fer-bench info {info.name}" if info.notes else ""
    return f"{words}; nothing on record sets the two apart ({seeds}{notes})"


def _on_the_test_part(official: Sequence[Ours]) -> list[str]:
    """Our accuracy on the challenge's test images, and how much of it is owed to images that stand in Training."""
    if not official or official[0].accuracy is None:
        return []
    row = official[0].row
    words = f"Ours on official has {percent(official[0].accuracy)} ({what_ran(row)})"
    share, unseen = _seen_share(row), row.mean("accuracy_unseen")
    if share and unseen is not None:
        words += f"; {percent(unseen)} without the {percent(share)} % of the test images that stand in Training, too"
    return [words]


def what_ran(row: Row) -> str:
    """The recipe of a row and its note, if it has one: "tuned, epochs capped at 7"."""
    return ", ".join(filter(None, (row.recipe, row.note())))


def _seen_share(row: Row) -> float:
    images, unseen = row.mean("images"), row.mean("images_unseen")
    return 0.0 if not images or unseen is None else 1 - unseen / images


def worth_text(one: Selection) -> str:
    """Says "Picking the checkpoint on the test part was worth +0.9 points [+0.2, +1.6] (tuned recipe)"."""
    worth = f"{points(one.worth.value)} [{100 * one.worth.low:+.1f}, {100 * one.worth.high:+.1f}]"
    return f"Picking the checkpoint on the test part was worth {worth} ({one.row.recipe} recipe)"


def points(value: float) -> str:
    """Writes a difference of fractions in percentage points: "+0.9 points"."""
    return f"{100 * value:+.1f} points"


def _command(runner: str, figure: Published) -> str:
    """What to type to measure a figure under its protocol, or the nearest."""
    options = {
        f"--split {figure.our_split}": figure.our_split != "official",
        "--labels six": figure.classes == 6,
        "--checkpoint test": figure.checkpoint == "test",
    }
    return " ".join(["fer-bench run", runner, *(option for option, needed in options.items() if needed)])
