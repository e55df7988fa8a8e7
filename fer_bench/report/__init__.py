"""The report: results/README.md, leaderboard.csv and plots/, from the records and the files beside them."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..columns import Row
from ..errors import InputError
from ..evaluation import Evaluation, read_evaluations
from ..leaderboard import Board, boards, file_name
from ..runners.base import RunnerInfo
from ..store import HISTORY, StoredRun
from . import cost_plots, markdown, plots
from .evaluations import cross_dataset_table

if TYPE_CHECKING:
    import pandas as pd

README = "README.md"
CSV = "leaderboard.csv"
PLOTS = "plots"


def write_report(root: Path, runs: Sequence[StoredRun], expected: Iterable[RunnerInfo] = ()) -> list[Path]:
    """Writes README.md, leaderboard.csv and the pictures into ``root``, each whole or not at all; returns their paths.

    Each of ``expected`` has a row on every board, run or not, and its published figures beside ours. The same records give
    the same bytes. Pictures of an earlier report that are not part of this one are removed.

    Raises InputError where there is nothing to report, or ``root`` can't be written.
    """
    if not runs:
        raise InputError(f"no records in {root}; `fer-bench run` makes some")
    known = {info.name: info for info in expected}
    found = boards((run.record for run in runs), known.values())
    folders = {(run.record.job.key, run.record.started): run.folder for run in runs}
    pictures: dict[str, bytes] = {}
    sections = [_section(board, folders, pictures) for board in found]
    files = {CSV: frame(found).to_csv(index=False, lineterminator="\n").encode(), README: b""}
    evaluations = [evaluation for run in runs for evaluation in read_evaluations(run.folder)]
    files[README] = _render(found, sections, known, evaluations).encode()
    files |= {f"{PLOTS}/{name}": data for name, data in pictures.items()}
    try:
        (root / PLOTS).mkdir(parents=True, exist_ok=True)
        for name, data in files.items():
            _write(root / name, data)
        for old in (root / PLOTS).glob("*.png"):
            if old.name not in pictures:
                old.unlink()
    except OSError as error:
        raise InputError(f"the report can't be written to {root} ({error.strerror or error})") from None
    return [root / name for name in files]


def frame(found: Sequence[Board]) -> pd.DataFrame:
    """All boards below one another, every column."""
    import pandas as pd

    return pd.concat([board.frame() for board in found], ignore_index=True)


def _render(
    found: Sequence[Board],
    sections: list[dict[str, Any]],
    runners: Mapping[str, RunnerInfo],
    evaluations: Iterable[Evaluation],
) -> str:
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader(__package__), undefined=jinja2.StrictUndefined, autoescape=False
    )
    runs = [run for board in found for row in board.rows for run in row.records]
    return environment.get_template("results.md.j2").render(
        runs=len(runs),
        failed=sum(len(row.failed) for board in found for row in board.rows),
        hardware=markdown.hardware(runs),
        nothing=f"{600 / 7:.1f}",
        boards=sections,
        cross_dataset=cross_dataset_table(evaluations),
        published=markdown.published_table(found, runners),
    )


def _section(board: Board, folders: Mapping[tuple[str, str], Path], pictures: dict[str, bytes]) -> dict[str, Any]:
    """What the template needs of one board; its pictures are added to ``pictures``."""
    good = [row for row in board.rows if row.runs]
    chart = f"leaderboard-{board.slug}.png"
    if good:
        pictures[chart] = plots.leaderboard_plot(board)
    # The matrix is drawn for a runner's first row only; every row has its table.
    drawn = {row.runner: row for row in reversed(good) if not row.superseded}
    return {
        "title": markdown.escape(board.title),
        "name": markdown.escape(f"{board.dataset}, {board.split}"),
        "picture": f"{PLOTS}/{chart}" if good else "",
        "table": markdown.board_table(board, "report"),
        "dataset_digest": board.dataset_digest,
        "split_digest": board.split_digest,
        "commands": markdown.commands(run for row in board.rows for run in row.records),
        "emotions": markdown.emotion_overview(board) if good else "",
        "costs": [_cost(board, place, part, pictures) for place, part in board.by_hardware()],
        "rows": [_row(board, row, drawn.get(row.runner) is row, folders, pictures) for row in good],
    }


def _cost(board: Board, place: str, part: Board, pictures: dict[str, bytes]) -> dict[str, Any]:
    """What the rows of a board cost on one hardware; ``part`` has their runs there."""
    drawn: list[tuple[str, str]] = []
    for cost, (short, _) in cost_plots.COSTS.items():
        picture = cost_plots.cost_plot(part, cost, place, plots.family_colors(board))
        if picture is not None:
            name = f"{short}-{board.slug}-{file_name(place)}.png"
            pictures[name] = picture
            drawn.append((f"accuracy against {short} on {place}", name))
    return {
        "hardware": markdown.escape(place),
        "table": markdown.board_table(part, "cost"),
        "pictures": _links(drawn),
    }


def _links(drawn: Iterable[tuple[str, str]]) -> list[dict[str, str]]:
    """Pictures as the template shows them, from what they show and their names."""
    return [{"title": markdown.escape(words), "path": f"{PLOTS}/{name}"} for words, name in drawn]


def _row(
    board: Board, row: Row, matrix: bool, folders: Mapping[tuple[str, str], Path], pictures: dict[str, bytes]
) -> dict[str, Any]:
    title = f"{row.label} ({row.recipe})"
    drawn: list[tuple[str, str]] = []
    if matrix:
        name = f"confusion-{board.slug}-{row.runner}.png"
        pictures[name] = plots.confusion_plot(row.confusion().tolist(), board.classes, f"{title}, in %")
        drawn.append((f"confusion matrix of {title}", name))
    for run in row.runs:
        history = _history(folders[run.job.key, run.started])
        if history is not None:
            name = f"curves-{board.slug}-{row.runner}-{row.recipe}-s{run.job.seed}-{run.job.key[:8]}.png"
            words = f"{title}, seed {run.job.seed}"
            pictures[name] = plots.curves_plot(history, words, run.training.best_epoch)
            drawn.append((f"loss and accuracy of {words}", name))
    return {
        "title": markdown.escape(f"{title}: {row.note()}" if row.note() else title),
        "seeds": f", over {len(row.runs)} seeds" if len(row.runs) > 1 else "",
        "table": markdown.emotion_table(row, board.classes),
        "confusions": markdown.confusions(row, board.classes),
        "pictures": _links(drawn),
    }


def _history(folder: Path) -> pd.DataFrame | None:
    """The epochs of a run, or None where it has none or a single one, which makes no curve."""
    import pandas as pd

    path = folder / HISTORY
    if not path.exists():
        return None
    history = pd.read_csv(path)
    return history if len(history) > 1 else None


def _write(path: Path, data: bytes) -> None:
    temporary = path.with_name(f".{path.name}-{uuid.uuid4().hex[:8]}")
    try:
        temporary.write_bytes(data)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
