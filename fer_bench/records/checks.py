"""What a record must be beyond its types, so that whatever is made of it can rely on that."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ..scores.metrics import Scores
from .record import Ensemble, RunRecord

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
    for field in ("key", "runner", "recipe", "dataset", "split"):
        if not NAME.fullmatch(getattr(job, field)):
            yield f"job.{field}: {getattr(job, field)[:40]!r} is no name"
    for field in ("dataset_digest", "split_digest", "recipe_digest"):
        if not DIGEST.fullmatch(getattr(job, field)):
            yield f"job.{field}: {getattr(job, field)[:40]!r} is no digest"
    if not 1 <= len(job.classes) <= MOST_CLASSES or len(set(job.classes)) < len(job.classes):
        yield f"job.classes: {len(job.classes)} classes, 1 to {MOST_CLASSES} different ones are possible"
    texts = [*job.classes, *job.params, *map(str, job.params.values()), job.family, job.balance, record.started]
    texts += [record.training.init, record.training.checkpoint]
    later = record.tta.environment if record.tta else None
    for machine in filter(None, (record.environment, later)):
        texts += [machine.device, machine.backend, machine.cpu, machine.os]
    if record.ensemble is not None:
        texts += [text for member in record.ensemble.members for text in (member.runner, member.recipe, member.started)]
    if any(len(text) > LONGEST_TEXT or "\n" in text for text in texts):
        yield f"a name of more than {LONGEST_TEXT} characters or several lines"
    if (record.status == "ok") != (record.scores is not None):
        yield f"status {record.status} {'with' if record.scores else 'without'} scores"
    if job.test_images < 0 or record.seconds < 0:
        yield "a negative number of images or seconds"
    if any(value is not None and value < 0 for name, value in record.cost if name != "phases"):
        yield "cost: a negative figure"
    parts = ("scores", "validation_scores", "train_scores")
    given = {name: getattr(record, name) for name in parts}
    if record.tta is not None:
        given |= {"tta.scores": record.tta.scores, "tta.validation_scores": record.tta.validation_scores}
        speeds = (record.tta.predict_images_per_second, record.tta.latency_p50_ms, record.tta.latency_p95_ms)
        if any(speed is not None and speed < 0 for speed in speeds):
            yield "tta: a negative figure"
    for name, scores in given.items():
        if scores is not None:
            yield from (f"{name}: {words}" for words in _score_faults(scores, job.classes))
    if record.ensemble is not None:
        yield from _member_faults(record.ensemble)


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
    if list(scores.emotions) != classes:
        yield "other emotions than the job's classes"
    rows = [*scores.confusion, *(emotion.distribution for emotion in scores.emotions.values())]
    if len(scores.confusion) != len(classes) or any(len(row) != len(classes) for row in rows):
        yield f"a confusion matrix that is not {len(classes)} x {len(classes)}"
    counts = [scores.images, scores.images_unseen or 0, *(count for row in rows for count in row)]
    if min(counts) < 0 or sum(map(sum, scores.confusion)) != scores.images:
        yield "images that the confusion matrix does not have"
