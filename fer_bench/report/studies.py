"""The pages of the studies in a results folder, from their accounts; nothing here needs Optuna."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..board.board import file_name
from ..errors import InputError
from ..search.studies import BEST, STUDIES, StudyTold, TrialTold, found, read_account
from . import markdown, study_plots

PAGE = "README.md"
#: Trials of a study that its page shows: the best ones.
MOST_ROWS = 200


def accounts(root: Path) -> tuple[dict[str, StudyTold], list[str]]:
    """The studies of a results folder by their folders' names, and a line for each that can't be read."""
    told: dict[str, StudyTold] = {}
    problems: list[str] = []
    for folder in found(root):
        try:
            told[folder.name] = read_account(folder)
        except InputError as error:
            problems.append(str(error))
    return told, problems


def overview(studies: dict[str, StudyTold]) -> str:
    """A table of all studies, each with a link to its page; "" where there is none."""
    rows = []
    for name, study in studies.items():
        said = study.statement
        cells = [str(said.get("runner")), _budget(study), str(said.get("split")).partition(" ")[0]]
        cells += [str(sum(study.counts.get(state, 0) for state in ("complete", "pruned", "failed")))]
        cells += [f"{study_plots.objective(study)} {_figure(study.best)}", _figure(study.base)]
        rows.append([name, *cells])
    if not rows:
        return ""
    header = ["Study", "Runner", "Budget of a trial", "Split", "Trials", "Best", "Recipe as it was"]
    lines = markdown.table(header, rows, left=(0, 1, 2, 3)).splitlines()
    linked = [_linked(line, name) for line, name in zip(lines[2:], studies, strict=True)]
    return "\n".join([*lines[:2], *linked])


def _linked(line: str, name: str) -> str:
    """A line of the table with its first cell as a link; a folder whose name is none of ours has none."""
    if file_name(name) != name:
        return line
    _, _, rest = line.removeprefix("| ").partition(" | ")
    return f"| [{markdown.escape(name)}]({STUDIES}/{name}/{PAGE}) | {rest}"


def context(name: str, study: StudyTold, pictures: dict[str, bytes], plots: str) -> dict[str, Any]:
    """What the template of a study's page needs; its pictures are added to ``pictures``, under their paths.

    Args:
        name: of the study's folder.
        study: its account.
        pictures: of the report.
        plots: the folder of pictures below the results folder.
    """
    title = f"study {name}"
    drawn = {
        "history": study_plots.history_plot(study, title),
        "importance": study_plots.importance_plot(study, title),
        "slices": study_plots.slice_plot(study, title),
    }
    paths = dict.fromkeys(drawn, "")
    for kind, picture in drawn.items():
        if picture is not None:
            path = f"{plots}/study-{file_name(name)}-{kind}.png"
            pictures[path], paths[kind] = picture, f"../../{path}"
    counts, said = study.counts, study.statement
    return {
        "name": markdown.escape(name),
        "runner": markdown.code(str(said.get("runner"))),
        "recipe": markdown.escape(str(said.get("recipe"))),
        "trials": f"{sum(counts.get(state, 0) for state in ('complete', 'pruned', 'failed')):,}",
        "counts": ", ".join(f"{counts.get(state, 0):,} {state}" for state in ("complete", "pruned", "failed")),
        "objective": markdown.escape(study_plots.objective(study)),
        "train": f"{study.train_images:,}",
        "validation": f"{study.validation_images:,}",
        "data": markdown.escape(str(said.get("data"))),
        "split": markdown.escape(str(said.get("split"))),
        "budget": markdown.escape(_budget(study)),
        "seed": markdown.escape(str(said.get("seed"))),
        "sampler": markdown.escape(str(study.sampler.get("name"))),
        "random": markdown.escape(str(study.sampler.get("random_trials"))),
        "pruner": _pruner(study),
        "best": _figure(study.best),
        "base": _figure(study.base),
        "is_base": study.best is not None and study.best.base,
        "best_number": study.best.number if study.best else "",
        "file": BEST,
        "space": _space(study),
        "table": _trials(study),
        "failures": [
            markdown.escape(f"trial {one.number}: {(one.failure or {}).get('message', '')}"[:300])
            for one in study.trials
            if one.state == "failed"
        ][:MOST_ROWS],
        "pictures": paths,
    }


def _budget(study: StudyTold) -> str:
    """What a trial had of epochs and images: "10 epochs, 400 images an emotion"."""
    said = study.statement
    words = [f"{study.epochs} epochs at most"] if study.epochs else []
    words += [f"{said['limit']} images an emotion"] if said.get("limit") is not None else ["all images"]
    return ", ".join(words)


def _pruner(study: StudyTold) -> str:
    if study.pruner is None:
        return ""
    return markdown.escape(
        f"{study.pruner.get('name')}, from epoch {study.pruner.get('epochs_before')} on, once"
        f" {study.pruner.get('trials_before')} trials have come to their end"
    )


def _space(study: StudyTold) -> str:
    """What was searched: each field with its range, what the recipe had, and what the best trial has."""
    rows = [
        [field.name, field.type, field.range, _cell(field.was), _param(study.best, field.name)]
        for field in study.searched
    ]
    return markdown.table(["Field", "Type", "Range", "As it was", "Best"], rows, left=(0, 1, 2))


def _trials(study: StudyTold) -> str:
    """The trials, the best first, then those without a value in their order."""
    sign = -1 if study.upwards else 1
    shown = [one for one in study.trials if one.state not in ("gone", "waiting")]
    shown.sort(key=lambda one: (one.value is None, sign * (one.value or 0), one.number))
    rows = []
    for one in shown[:MOST_ROWS]:
        state = f"{one.state} in epoch {max(one.curve)}" if one.state == "pruned" and one.curve else one.state
        seconds = f"{one.seconds:.0f}" if one.seconds is not None else ""
        values = [_param(one, name) for name in study.fields]
        rows.append([str(one.number), state, _figure(one), *values, seconds])
    return markdown.table(["Trial", "State", "Value", *study.fields, "Seconds"], rows, left=(1,))


def _param(trial: TrialTold | None, name: str) -> str:
    return _cell(trial.params.get(name) if trial is not None else None)


def _cell(value: object) -> str:
    return "" if value is None else f"{value:.4g}" if isinstance(value, float) else str(value)


def _figure(trial: TrialTold | None) -> str:
    return "-" if trial is None or trial.value is None else f"{trial.value:.4f}"
