"""What a record must be beyond its types, so that whatever is made of it can rely on that."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ..errors import brief
from ..scores.metrics import Scores
from .record import Ensemble, JobInfo, RunRecord

#: Names become folders, files and cells of tables: no separators of paths, no formulas of a spreadsheet.
NAME = re.compile(r"[A-Za-z0-9_][^/\\\n\t]{0,199}")
DIGEST = re.compile(r"[A-Za-z0-9._-]{0,128}")
#: More classes, or longer words of a table or a picture, are none of a benchmark of emotions.
MOST_CLASSES, LONGEST_TEXT = 100, 500


def fault(record: RunRecord) -> str:
    """The first thing wrong with a record, in a few words; "" where nothing is."""
    return next(_faults(record), "")


def _faults(record: RunRecord) -> Iterator[str]:
    job = record.job
    yield from _job_faults(job)
    for name, text in _texts(record):
        if len(text) > LONGEST_TEXT or "\n" in text:
            yield f"{name}: more than {LONGEST_TEXT} characters, or several lines"
    if (record.status == "ok") != (record.scores is not None):
        yield f"status {record.status} {'with' if record.scores else 'without'} scores"
    for name, figure in _counts(record):
        if figure is not None and figure < 0:
            yield f"{name}: {brief(figure)}, a negative figure"
    if record.training.batch_divisor < 1:
        yield f"training.batch_divisor: {brief(record.training.batch_divisor)}, 1 is the least"
    parts = ("scores", "validation_scores", "train_scores")
    given = {name: getattr(record, name) for name in parts}
    if record.tta is not None:
        given |= {"tta.scores": record.tta.scores, "tta.validation_scores": record.tta.validation_scores}
    for name, scores in given.items():
        if scores is not None:
            yield from (f"{name}: {words}" for words in _score_faults(scores, job.classes))
    if record.ensemble is not None:
        yield from _member_faults(record.ensemble)


def _job_faults(job: JobInfo) -> Iterator[str]:
    for field in ("key", "runner", "recipe", "dataset", "split"):
        if not NAME.fullmatch(getattr(job, field)):
            yield (
                f"job.{field}: {brief(getattr(job, field))} is no name: that begins with a letter, a digit or _, has at most "
                "200 characters, and neither / nor \\"
            )
    for field in ("dataset_digest", "split_digest", "recipe_digest"):
        if not DIGEST.fullmatch(getattr(job, field)):
            yield f"job.{field}: {brief(getattr(job, field))} is no digest"
    if not 1 <= len(job.classes) <= MOST_CLASSES or len(set(job.classes)) < len(job.classes):
        yield f"job.classes: {len(job.classes)} classes, 1 to {MOST_CLASSES} different ones are possible"
    stages = job.recipe_fields.get("stages") or []
    if not isinstance(stages, list) or not all(isinstance(stage, dict) for stage in stages):
        yield f"job.recipe_fields.stages: {brief(stages)} is no list of stages"
        return
    for number, part in enumerate([job.recipe_fields, *stages]):
        for field in ("batch", "epochs"):
            if field in part and not (type(part[field]) is int and part[field] >= 1):
                where = f"stages.{number - 1}.{field}" if number else field
                yield f"job.recipe_fields.{where}: {brief(part[field])}, a whole number from 1 on is wanted"


def _texts(record: RunRecord) -> Iterator[tuple[str, str]]:
    """The texts that become cells of tables and words in pictures, each with its place in the record."""
    job = record.job
    yield from (("job.classes", name) for name in job.classes)
    yield from (("job.params", text) for name, value in job.params.items() for text in (name, str(value)))
    yield from (("job.family", job.family), ("job.balance", job.balance), ("job.weights", job.weights))
    yield from (("started", record.started), ("training.init", record.training.init))
    yield from (("training.checkpoint", record.training.checkpoint), ("training.stopped", record.training.stopped))
    machines = {"environment": record.environment, "tta.environment": record.tta.environment if record.tta else None}
    for name, machine in machines.items():
        if machine is not None:
            yield from ((f"{name}.{field}", getattr(machine, field)) for field in ("device", "backend", "cpu", "os"))
    for member in record.ensemble.members if record.ensemble else ():
        yield from (("ensemble.members", text) for text in (member.runner, member.recipe, member.started))


def _counts(record: RunRecord) -> Iterator[tuple[str, float | None]]:
    """The figures that can't be below zero, each with its place in the record."""
    job, training, where = record.job, record.training, record.environment
    yield from (
        ("seconds", record.seconds),
        ("environment.cores", where.cores),
        ("environment.ram_bytes", where.ram_bytes),
    )
    for field in ("train_images", "validation_images", "test_images", "seed", "epochs", "limit"):
        yield f"job.{field}", getattr(job, field)
    for field in ("epochs_run", "epochs_planned", "best_epoch", "interruptions"):
        yield f"training.{field}", getattr(training, field)
    yield from ((f"cost.{name}", value) for name, value in record.cost if name != "phases")
    yield from ((f"cost.phases.{name[:40]}", value) for name, value in record.cost.phases.items())
    if record.tta is not None:
        for field in ("predict_images_per_second", "latency_p50_ms", "latency_p95_ms"):
            yield f"tta.{field}", getattr(record.tta, field)


def _member_faults(ensemble: Ensemble) -> Iterator[str]:
    members = ensemble.members
    if abs(sum(member.weight for member in members) - 1) > 1e-3:
        yield "ensemble: weights that do not sum to one"
    keys = {member.key for member in members}
    if len(keys) < len(members) or not keys <= {*ensemble.candidates}:
        yield "ensemble: a member twice, or one that was no candidate"


def _score_faults(scores: Scores, classes: list[str]) -> Iterator[str]:
    fractions = [value for name, value in scores if name not in {"log_loss", "images", "images_unseen"}]
    each = [value for emotion in scores.emotions.values() for _, value in emotion]
    values = [value for value in [*fractions, *each] if isinstance(value, float)]
    if not all(-1e-9 <= value <= 1 + 1e-9 for value in values) or (scores.log_loss or 0) < 0:
        yield "a figure outside 0 to 1"
    if not scores.accuracy_low - 1e-9 <= scores.accuracy <= scores.accuracy_high + 1e-9:
        yield "an accuracy outside its interval"
    if list(scores.emotions) != classes:
        yield "other emotions than the job's classes"
    rows = [*scores.confusion, *(emotion.distribution for emotion in scores.emotions.values())]
    if len(scores.confusion) != len(classes) or any(len(row) != len(classes) for row in rows):
        yield f"a confusion matrix that is not {len(classes)} x {len(classes)}"
    counts = [scores.images, scores.images_unseen or 0, *(count for row in rows for count in row)]
    if min(counts) < 0 or sum(map(sum, scores.confusion)) != scores.images:
        yield "images that the confusion matrix does not have"
