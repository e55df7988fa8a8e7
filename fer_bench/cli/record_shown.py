"""A record for people, as ``fer-bench show`` prints it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ..board.columns import percent, quantity
from ..errors import visible

if TYPE_CHECKING:
    from ..board.listing import Entry
    from ..records.evaluation import Evaluation
    from ..records.record import Environment, RunRecord
    from ..records.store import StoredRun
    from ..scores.metrics import Scores

#: The scores below accuracy: field, title, and whether it is a fraction.
SCORES = (
    ("accuracy_unseen", "accuracy, unseen", True),
    ("weighted_f1", "weighted F1", True),
    ("macro_f1", "macro F1", True),
    ("balanced_accuracy", "balanced accuracy", True),
    ("top2_accuracy", "top-2 accuracy", True),
    ("binary_accuracy", "binary accuracy", True),
    ("log_loss", "log loss", False),
    ("calibration_error", "calibration error", False),
)
#: Wide enough for the longest label of a line.
LABEL = 18


def as_text(listed: Sequence[Entry]) -> str:
    """A record, the first of the entries, with the evaluations of its model, which are the others."""
    entry = listed[0]
    run = entry.run
    record = run.record
    title = f"{entry.system}, seed {record.job.seed}, on {record.job.dataset}, split {record.job.split}: {entry.status}"
    sections = {
        "": _lines({"key": record.job.key, "folder": run.folder, "note": entry.note}),
        "failure": list(_failure(record)),
        "job": _lines(_job(record)),
        "training": _lines(_training(record)),
        "scores": _scores(record),
        "emotions": [_emotions(record.scores)] if record.scores else [],
        "ensemble": _members(record),
        "other data": [_evaluated(one.evaluation) for one in listed if one.evaluation],
        "cost": _lines(_cost(record)),
        "environment": _lines(_environment(record.environment)),
        "files": _files(run),
    }
    text = [title]
    for name, lines in sections.items():
        if lines:
            text += ["", name] if name else [""]
            text += lines
    return "\n".join(visible(line) for line in text)


def _lines(facts: Mapping[str, Any]) -> list[str]:
    """A line for each fact that there is."""
    return [f"  {label:<{LABEL}}{value}" for label, value in facts.items() if value not in (None, "", {}, [])]


def _failure(record: RunRecord) -> Iterator[str]:
    if record.failure is None:
        return
    yield f"  {record.failure.message}"
    if record.failure.hint:
        yield f"  hint: {record.failure.hint}"
    if record.failure.log_tail:
        yield "  the end of its log:"
        yield from (f"    {line}" for line in record.failure.log_tail)


def _job(record: RunRecord) -> dict[str, Any]:
    job = record.job
    parts = {"train": job.train_images, "validation": job.validation_images, "test": job.test_images}
    return {
        "runner": f"{job.runner}, version {job.runner_version}, {job.family}",
        "parameters": _pairs(job.params),
        "recipe": job.recipe + (f" ({job.recipe_digest[:8]})" if job.recipe_digest else ""),
        "by hand": job.recipe_origin and job.recipe_origin.words,
        "its fields": _pairs(_told(job.recipe_fields)),
        "data": f"{job.dataset} ({job.dataset_digest[:8]})",
        "split": f"{job.split} ({job.split_digest[:8]})",
        "images": ", ".join(f"{count:,} {part}" for part, count in parts.items() if count is not None),
        "emotions": ", ".join(job.classes),
        "seed": job.seed,
        "epochs at most": job.epochs,
        "images a class": job.limit,
        "weights": "" if job.weights == "auto" else job.weights,
        "balance": "" if job.balance == "none" else job.balance,
        "filled from": job.fill_digest,
        "checkpoint": "" if job.checkpoint == "validation" else f"picked on the {job.checkpoint} part",
        "command": record.command,
        "started": f"{record.started}, {_seconds(record.seconds)} in all",
        "attempts before": "; ".join(record.attempts),
    }


def _told(fields: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a recipe that say something."""
    return {name: value for name, value in fields.items() if value not in (None, "", {}, [], 0, False)}


def _pairs(values: Mapping[str, Any]) -> str:
    """ "a=1, b=2", with the pairs of an inner table in brackets."""
    told = {name: f"({_pairs(_told(v))})" if isinstance(v, dict) else v for name, v in values.items()}
    return ", ".join(f"{name}={value}" for name, value in told.items() if value != "()")


def _training(record: RunRecord) -> dict[str, Any]:
    training = record.training
    planned = f" of {training.epochs_planned}" if training.epochs_planned else ""
    best = f", the best was {training.best_epoch}" if training.best_epoch else ""
    return {
        "began from": training.init,
        "checkpoint": f"picked by {training.checkpoint}" if training.checkpoint not in ("none", "") else "",
        "epochs": f"{training.epochs_run}{planned}{best}" if training.epochs_run is not None else "",
        "stopped": training.stopped,
        "interruptions": training.interruptions or "",
        "batch divided by": training.batch_divisor if training.batch_divisor > 1 else "",
        "besides": _pairs(training.extra),
    }


def _scores(record: RunRecord) -> list[str]:
    """The scores of each part that has some, side by side."""
    from tabulate import tabulate

    tta = record.tta
    parts = {
        "test": record.scores,
        "validation": record.validation_scores,
        "train": record.train_scores,
        f"test, {tta.method if tta else ''}": tta.scores if tta else None,
    }
    there = {name: scores for name, scores in parts.items() if scores is not None}
    if not there:
        return []
    every = list(there.values())
    rows = [
        ["images", *(f"{s.images:,}" for s in every)],
        [
            "accuracy",
            *(f"{percent(s.accuracy)} [{percent(s.accuracy_low)}, {percent(s.accuracy_high)}]" for s in every),
        ],
    ]
    for field, title, fraction in SCORES:
        found = [getattr(s, field) for s in every]
        if any(value is not None for value in found):
            rows.append([title, *(_figure(value, fraction) for value in found)])
    text = tabulate(rows, ["in %", *there], disable_numparse=True, colalign=["left", *["right"] * len(there)])
    return [f"  {line}" for line in text.splitlines()]


def _figure(value: float | None, fraction: bool) -> str:
    return percent(value) if fraction else "" if value is None else f"{value:.3f}"


def _emotions(scores: Scores) -> str:
    """Emotion by emotion, and what was taken for what: true by predicted."""
    from tabulate import tabulate

    rows = [
        [name, f"{e.images:,}", percent(e.recall), percent(e.precision), percent(e.f1), *map(str, e.distribution)]
        for name, e in scores.emotions.items()
    ]
    headers = ["", "images", "recall", "precision", "F1", *(f"as {name}" for name in scores.emotions)]
    text = tabulate(rows, headers, disable_numparse=True, colalign=["left", *["right"] * (len(headers) - 1)])
    return "\n".join(f"  {line}" for line in text.splitlines())


def _members(record: RunRecord) -> list[str]:
    if record.ensemble is None:
        return []
    return [
        f"  {member.weight:.3f}  {member.runner}:{member.recipe}, seed {member.seed}, key {member.key[:8]}"
        for member in record.ensemble.members
    ]


def _evaluated(evaluation: Evaluation) -> str:
    scores = evaluation.whole.scores
    masked = f", {percent(evaluation.masked.scores.accuracy)} masked" if evaluation.masked else ""
    return (
        f"  {evaluation.slug}: accuracy {percent(scores.accuracy)} %{masked}, of {evaluation.scored:,} images"
        f" ({evaluation.started})"
    )


def _cost(record: RunRecord) -> dict[str, Any]:
    cost = record.cost
    phases = ", ".join(f"{name} {_seconds(value)}" for name, value in cost.phases.items())
    latency = f"{cost.latency_p50_ms:.2f} ms" if cost.latency_p50_ms is not None else ""
    if cost.latency_p95_ms is not None:
        latency += f", p95 {cost.latency_p95_ms:.2f} ms"
    trainable = f", {cost.parameters_trainable:,} trainable" if cost.parameters_trainable is not None else ""
    return {
        "parameters": f"{cost.parameters:,}{trainable}" if cost.parameters is not None else "",
        "MACs an image": quantity(cost.macs),
        "model": _bytes(cost.model_bytes),
        "fit": "" if cost.fit_seconds is None else _seconds(cost.fit_seconds) + (f" ({phases})" if phases else ""),
        "trained": _rate(cost.train_images_per_second),
        "predicted": _rate(cost.predict_images_per_second),
        "latency": latency,
        "peak RAM": _bytes(cost.peak_ram_bytes),
        "peak GPU memory": _bytes(cost.peak_gpu_bytes),
    }


def _environment(where: Environment) -> dict[str, Any]:
    dirty = "+dirty" if where.git_dirty else ""
    return {
        "host": where.host + (f", run by {where.executor}" if where.executor else ""),
        "hardware": where.hardware,
        "memory": _bytes(where.ram_bytes or None),
        "backend": where.backend,
        "threads": _pairs(where.threads),
        "system": where.os,
        "python": where.python,
        "revision": f"{where.git_revision[:12]}{dirty}" if where.git_revision else "",
        "packages": ", ".join(f"{name} {version}" for name, version in where.packages.items()),
    }


def _files(run: StoredRun) -> list[str]:
    """The files beside the record, with their sizes; of a folder, what it holds in all."""
    from ..files import inside

    sizes: dict[str, list[int]] = {}
    for path in inside.walk(run.folder, run.folder):
        if inside.kind(path) == inside.FILE:
            name, *rest = path.relative_to(run.folder).parts
            sizes.setdefault(f"{name}/" if rest else name, []).append(path.stat().st_size)
    return [
        f"  {name:<{LABEL}}{_bytes(sum(found))}" + (f" in {len(found)} files" if len(found) > 1 else "")
        for name, found in sorted(sizes.items())
    ]


def _seconds(value: float) -> str:
    return f"{value:,.1f} s"


def _rate(value: float | None) -> str:
    return "" if value is None else f"{value:,.0f} images/s" if value >= 10 else f"{value:.2f} images/s"


def _bytes(value: int | None) -> str:
    if value is None:
        return ""
    return f"{value / 2**20:,.1f} MiB" if value >= 2**20 / 10 else f"{value:,} bytes"
