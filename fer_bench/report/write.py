"""The report: README.md, index.html, published.md, leaderboard.csv and plots/, from the records and their files."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from ..api.runner import RunnerInfo
from ..board.board import Board, file_name
from ..board.ranking import leaderboards
from ..board.row import Row
from ..errors import InputError
from ..files import durable, inside
from ..files.cells import plain_cell
from ..records.evaluation import Evaluation, read_evaluations
from ..records.run_files import RunFiles
from ..records.store import SHEETS, WORK, Store, StoredRun
from ..search.studies import STUDIES
from . import cost_plots, html, markdown, mistake_plots, mistakes, plots, published_page, studies
from .evaluations import cross_dataset_table
from .measured import real
from .published import comparisons
from .spare import spared
from .test_picked import selections

if TYPE_CHECKING:
    import pandas as pd

    from ..data.dataset import Dataset

README = "README.md"
PAGE = "index.html"
PUBLISHED = "published.md"
CSV = "leaderboard.csv"
PLOTS = "plots"
#: What pictures are called, and how those from before they were marked are known: plots by their type, sheets by a
#: text.
_PICTURE = re.compile(
    rf"({'|'.join(short for short, _ in cost_plots.COSTS.values())}|leaderboard|confusion|curves|calibration|mistakes)-"
)
_PALETTE, _DRAWN = b"\3", b"tEXtSoftware\0Matplotlib"


class Written(NamedTuple):
    """A report: the paths of its files, its boards, and a line for each record or file that it had to leave out."""

    paths: list[Path]
    boards: Sequence[Board]
    problems: list[str]


@plots.literal_texts()
def write_report(
    root: Path,
    runs: Sequence[StoredRun],
    expected: Iterable[RunnerInfo] = (),
    datasets: Mapping[str, Dataset] | None = None,
    found: Sequence[Board] | None = None,
) -> Written:
    """Writes README.md, index.html, published.md, leaderboard.csv and pictures into ``root``, each whole or not at all.

    Each of ``expected`` has a row on every board, run or not, and its published figures beside ours. ``datasets`` are
    the data at hand, by digest: the best model's mistakes on them are drawn in ``sheets/``, which git is told to
    ignore, as faces of a data set are not ours to publish; and the table of mistakes says which images are blank.
    ``found`` are the ranked boards of the runs, where they are made already. The same records and data give the same
    bytes. Pictures of an earlier report that are not part of this one are removed.

    Raises InputError where there is nothing to report, or ``root`` can't be written, or a link stands in the place of a
    file of the report.
    """
    if not runs:
        raise InputError(f"no records in {root}; `fer-bench run` makes some")
    for name in (README, PAGE, PUBLISHED, CSV, PLOTS, SHEETS, STUDIES, WORK):
        inside.check(root, root / name)  # before all the work
    known = {info.name: info for info in expected}

    def work(some: Sequence[StoredRun]) -> tuple[Sequence[Board], dict[str, bytes], list[str]]:
        whole = len(some) == len(runs)
        ranked = found if whole and found is not None else leaderboards(some, known.values())
        return ranked, *_files(root, some, ranked, known, datasets or {})

    (ranked, files, problems), _, unforeseen = spared(runs, work)
    try:
        publish(root, files)
    except OSError as error:
        raise InputError(
            f"the report can't be written to {root} ({error.strerror or error}); --dry-run prints the leaderboards"
            " alone"
        ) from None
    return Written([root / name for name in files], ranked, [*unforeseen, *problems])


def _files(
    root: Path,
    runs: Sequence[StoredRun],
    found: Sequence[Board],
    known: Mapping[str, RunnerInfo],
    datasets: Mapping[str, Dataset],
) -> tuple[dict[str, bytes], list[str]]:
    """The files of a report by their paths below ``root``, and a line for each file beside a record that can't be
    read.
    """
    files = RunFiles(runs)
    pictures: dict[str, bytes] = {}
    sections = [_section(board, files, pictures, datasets) for board in found]
    worth = selections(real(found), files)
    compared = comparisons(found, known, files, worth)
    evaluations: list[Evaluation] = []
    for run in runs:
        of_run, unread = read_evaluations(run.folder)
        evaluations += of_run
        files.problems += unread
    told, unread = studies.accounts(root)
    files.problems += unread
    readme = _page(found, sections, evaluations) | {"studies": studies.overview(told)}
    searched = {
        f"{STUDIES}/{name}/{studies.PAGE}": _render("study.md.j2", **studies.context(name, study, pictures, PLOTS))
        for name, study in told.items()
    }
    pages = {
        CSV: csv_of(frame(found)).encode(),
        README: _render("results.md.j2", **readme, published=published_page.short_table(compared)),
        PUBLISHED: _render("published.md.j2", **published_page.context(found, known, files, compared, worth)),
        PAGE: html.page(found, files, root, [asdict(one) for one in compared]).encode(),
    }
    return pages | searched | pictures, files.problems


def publish(root: Path, files: Mapping[str, bytes]) -> None:
    """Puts the files of a report in their places, and takes away the pictures of an earlier one.

    Raises OSError where that can't be written, InputError where a link stands in the way.
    """
    root.mkdir(parents=True, exist_ok=True)
    for name in (*files, PLOTS, SHEETS):
        inside.check(root, root / name)  # before anything is written
    with Store(root).alone("report") as scratch:
        Store(root).ignore()
        for name, data in files.items():
            durable.write(root / name, data, scratch)
        for folder in (PLOTS, SHEETS):
            for name in inside.entries(root, root / folder).files:
                if f"{folder}/{name}" not in files and _is_ours(root, root / folder / name):
                    (root / folder / name).unlink()


def _is_ours(root: Path, path: Path) -> bool:
    """Whether a file is a picture that a report drew; of those from before pictures said so, by what they are
    called.
    """
    if path.suffix != ".png":
        return False
    with inside.opened(root, path) as file:
        head = file.read(4096)
    return plots.MARK in head or (bool(_PICTURE.match(path.name)) and (head[25:26] == _PALETTE or _DRAWN in head))


def frame(found: Sequence[Board]) -> pd.DataFrame:
    """The frames of all boards below one another; see ``Board.frame``."""
    import pandas as pd

    return pd.concat([board.frame() for board in found], ignore_index=True)


def csv_of(table: pd.DataFrame) -> str:
    """A frame as CSV; no text in it is a formula to a spreadsheet, see ``plain_cell``."""
    texts = {name: table[name].map(plain_cell, na_action="ignore") for name in table.select_dtypes("string")}
    return str(table.assign(**texts).to_csv(index=False, lineterminator="\n"))


def _render(template: str, **context: Any) -> bytes:
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader(__package__), undefined=jinja2.StrictUndefined, autoescape=False
    )
    return (environment.get_template(template).render(context).rstrip("\n") + "\n").encode()


def _page(found: Sequence[Board], sections: list[dict[str, Any]], evaluations: Iterable[Evaluation]) -> dict[str, Any]:
    """What the template of README.md needs beside the published figures."""
    runs = [run for board in found for row in board.rows for run in row.records]
    return {
        "runs": len(runs),
        "failed": sum(len(row.failed) for board in found for row in board.rows),
        "hardware": markdown.hardware(runs),
        "nothing": f"{600 / 7:.1f}",
        "boards": sections,
        "cross_dataset": cross_dataset_table(evaluations),
    }


def _section(
    board: Board, files: RunFiles, pictures: dict[str, bytes], datasets: Mapping[str, Dataset]
) -> dict[str, Any]:
    """What the template needs of one board; its pictures are added to ``pictures``, under their paths."""
    good = [row for row in board.rows if row.runs]
    chart = f"leaderboard-{board.slug}.png"
    if good:
        pictures[f"{PLOTS}/{chart}"] = plots.leaderboard_plot(board)
    # The matrix is drawn for a runner's first row only; every row has its table.
    drawn = {row.runner: row for row in reversed(good) if not row.superseded}
    best = mistakes.of_best(board, files)
    return {
        "title": markdown.escape(board.title),
        "name": markdown.escape(f"{board.dataset}, {board.split}"),
        "picture": f"{PLOTS}/{chart}" if good else "",
        "table": markdown.board_table(board, "report"),
        "pairs": markdown.pair_table(board),
        "dataset_digest": markdown.code(board.dataset_digest),
        "split_digest": markdown.code(board.split_digest),
        "commands": markdown.commands(run for row in board.rows for run in row.records),
        "emotions": markdown.emotion_overview(board) if good else "",
        "mistakes": _mistakes(best, pictures, datasets.get(board.dataset_digest)) if best else None,
        "costs": [_cost(board, place, part, pictures) for place, part in board.by_hardware()],
        "rows": [_row(board, row, drawn.get(row.runner) is row, files, pictures) for row in good],
    }


def _cost(board: Board, place: str, part: Board, pictures: dict[str, bytes]) -> dict[str, Any]:
    """What the rows of a board cost on one hardware; ``part`` has their runs there."""
    drawn: list[tuple[str, str]] = []
    for cost, (short, _) in cost_plots.COSTS.items():
        picture = cost_plots.cost_plot(part, cost, place, plots.family_colors(board))
        if picture is not None:
            name = f"{short}-{board.slug}-{file_name(place)}.png"
            pictures[f"{PLOTS}/{name}"] = picture
            drawn.append((f"accuracy against {short} on {place}", name))
    return {
        "hardware": markdown.escape(place),
        "table": markdown.board_table(part, "cost"),
        "pictures": _links(drawn),
    }


def _links(drawn: Iterable[tuple[str, str]]) -> list[dict[str, str]]:
    """Pictures as the template shows them, from what they show and their names."""
    return [{"title": markdown.escape(words), "path": f"{PLOTS}/{name}"} for words, name in drawn]


def _mistakes(best: mistakes.Mistakes, pictures: dict[str, bytes], dataset: Dataset | None) -> dict[str, Any]:
    """What the best model gets wrong; with its pictures, the sheet of faces where the data is at hand."""
    name = f"calibration-{best.board.slug}.png"
    pictures[f"{PLOTS}/{name}"] = mistake_plots.calibration_plot(best)
    if dataset is not None and len(best.wrong):
        pictures[f"{SHEETS}/mistakes-{best.board.slug}.png"] = mistake_plots.mistake_sheet(best, dataset)
    return {
        "title": markdown.escape(best.title),
        "wrong": f"{len(best.wrong):,}",
        "images": f"{len(best.rows):,}",
        "pairs": mistakes.pair_table(best) if len(best.wrong) else "",
        "table": mistakes.mistake_table(best, dataset),
        "calibration": mistakes.calibration_text(best),
        "pictures": _links([(f"calibration of {best.title}", name)]),
    }


def _row(board: Board, row: Row, matrix: bool, files: RunFiles, pictures: dict[str, bytes]) -> dict[str, Any]:
    title = row.title
    drawn: list[tuple[str, str]] = []
    if matrix:
        name = file_name(f"confusion-{board.slug}-{row.runner}.png")
        pictures[f"{PLOTS}/{name}"] = plots.confusion_plot(row.confusion().tolist(), board.classes, f"{title}, in %")
        drawn.append((f"confusion matrix of {title}", name))
    for run in row.runs:
        history = files.curve(run)
        if history is not None:
            whose = f"{row.runner}-{row.recipe}-s{run.job.seed}-{run.job.key[:8]}"
            name = file_name(f"curves-{board.slug}-{whose}.png")
            words = f"{title}, seed {run.job.seed}"
            watched = "test part" if run.training.checkpoint == "test" else "validation"
            pictures[f"{PLOTS}/{name}"] = plots.curves_plot(history, words, run.training.best_epoch, watched)
            drawn.append((f"loss and accuracy of {words}", name))
    return {
        "title": markdown.escape(f"{title}: {row.note()}" if row.note() else title),
        "seeds": f", over {len(row.runs)} seeds" if len(row.runs) > 1 else "",
        "table": markdown.emotion_table(row, board.classes),
        "confusions": markdown.escape(markdown.confusions(row, board.classes)),
        "pictures": _links(drawn),
    }
