"""What a record must be beyond its types, so that whatever is made of it can rely on that."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from ..errors import brief
from ..scores.metrics import Scores
from .record import Ensemble, JobInfo, RunRecord

#: Names become folders, files and cells of tables: no separators of paths, no formulas of a spreadsheet.
NAME = re.compile(r"[A-Za-z0-9_][^/\\\n\t]{0,199}")
DIGEST = re.compile(r"[A-Za-z0-9._-]{0,128}")
#: More classes, or longer words of a table or a picture, are none of a benchmark of emotions.
MOST_CLASSES, LONGEST_TEXT = 100, 500
#: Two ways to compute one fraction differ by less.
CLOSE = 1e-9


def fault(record: RunRecord) -> str:
    """The first thing wrong with a record, in a few words; "" where nothing is."""
    return next(_faults(record), "")


def _faults(record: RunRecord) -> Iterator[str]:
    job = record.job
    yield from _job_faults(job)
    for name, text in _texts(record):
        yield from (f"{name}: {words}" for words in text_faults([text]))
    # A trial of a search has no test part; ``Store.scan`` keeps it from the boards.
    if (record.status == "ok" and job.test_images > 0) != (record.scores is not None):
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
            yield from (f"{name}: {words}" for words in score_faults(scores, job.classes))
    if record.scores is not None and record.scores.images != job.test_images:
        yield f"scores: {record.scores.images} images, {job.test_images} in the test part"
    if record.ensemble is not None:
        yield from _member_faults(record.ensemble)


def text_faults(texts: Iterable[str]) -> Iterator[str]:
    """That a text is too long, or of several lines, for a table or a picture."""
    if any(len(text) > LONGEST_TEXT or "\n" in text for text in texts):
        yield f"a name of more than {LONGEST_TEXT} characters or several lines"


def _job_faults(job: JobInfo) -> Iterator[str]:
    for field in ("key", "runner", "recipe", "dataset", "split"):
        if not NAME.fullmatch(getattr(job, field)):
            yield (
                f"job.{field}: {brief(getattr(job, field))} is no name: that begins with a letter, a digit or _, has at"
                " most 200 characters, and neither / nor \\"
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
            fields = ("device", "backend", "cpu", "os", "host", "executor")
            yield from ((f"{name}.{field}", getattr(machine, field)) for field in fields)
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


def score_faults(scores: Scores, classes: list[str], *, macro: bool = True) -> Iterator[str]:
    """What scores can't say of so many classes, or say against their own confusion matrix.

    Args:
        scores: any that were read.
        classes: the names of what is scored.
        macro: whether macro F1 is that of all classes that occur.
    """
    fractions = [value for name, value in scores if name not in {"log_loss", "images", "images_unseen"}]
    each = [value for emotion in scores.emotions.values() for _, value in emotion]
    values = [value for value in [*fractions, *each] if isinstance(value, float)]
    if not all(-1e-9 <= value <= 1 + 1e-9 for value in values) or (scores.log_loss or 0) < 0:
        yield "a figure outside 0 to 1"
    if not scores.accuracy_low - CLOSE <= scores.accuracy <= scores.accuracy_high + CLOSE:
        yield f"accuracy {scores.accuracy:.6g} outside its interval"
    if list(scores.emotions) != classes:
        yield "other emotions than the job's classes"
        return
    rows = [*scores.confusion, *(emotion.distribution for emotion in scores.emotions.values())]
    if len(scores.confusion) != len(classes) or any(len(row) != len(classes) for row in rows):
        yield f"a confusion matrix that is not {len(classes)} x {len(classes)}"
        return
    counts = [scores.images, scores.images_unseen or 0, *(count for row in rows for count in row)]
    if min(counts) < 0 or not scores.images or sum(map(sum, scores.confusion)) != scores.images:
        yield "images that the confusion matrix does not have"
        return
    if (scores.images_unseen or 0) > scores.images or bool(scores.images_unseen) != (
        scores.accuracy_unseen is not None
    ):
        yield "an accuracy on unseen images that does not fit their number"
    for name, said, counted in _counted(scores):
        if abs(said - counted) > CLOSE and (macro or name != "macro_f1"):
            yield f"{name} {said:.6g}, {counted:.6g} by its confusion matrix"


def _counted(scores: Scores) -> Iterator[tuple[str, float, float]]:
    """What the confusion matrix decides: the name of each score, what it is said to be, and what it is."""
    matrix, predicted = scores.confusion, [sum(column) for column in zip(*scores.confusion, strict=True)]
    f1s, recalls, weighted = [], [], 0.0
    for place, (name, emotion) in enumerate(scores.emotions.items()):
        right, images = matrix[place][place], sum(matrix[place])
        recall, f1 = right / (images or 1), 2 * right / (images + predicted[place] or 1)
        yield f"{name}: images", emotion.images, images
        yield f"{name}: distribution", float(emotion.distribution != matrix[place]), 0.0
        yield f"{name}: precision", emotion.precision, right / (predicted[place] or 1)
        yield f"{name}: recall", emotion.recall, recall
        yield f"{name}: F1", emotion.f1, f1
        weighted += images * f1 / scores.images
        f1s += [f1] if images + predicted[place] else []
        recalls += [recall] if images else []
    yield "accuracy", scores.accuracy, sum(row[place] for place, row in enumerate(matrix)) / scores.images
    yield "weighted_f1", scores.weighted_f1, weighted
    yield "macro_f1", scores.macro_f1, sum(f1s) / len(f1s)
    yield "balanced_accuracy", scores.balanced_accuracy, sum(recalls) / len(recalls)
