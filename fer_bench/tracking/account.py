"""A record as every tracker understands it: parameters, figures, epochs, tags and small files."""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, Protocol

from ..errors import InputError
from ..files import inside
from ..records.evaluation import Evaluation, read_evaluations
from ..records.record import RunRecord
from ..records.run_files import read_history
from ..records.store import HISTORY, PREDICTIONS, RECORD, StoredRun
from ..scores.metrics import Scores

#: What is sent along of the files beside a record; a larger one is left out. Models stay where they are.
FILES = (RECORD, HISTORY, PREDICTIONS)
LARGEST_FILE = 8 << 20
#: The fields of a job that are parameters: what decided the result, beside the recipe.
JOB_FIELDS = ("runner", "recipe", "seed", "dataset", "split", "epochs", "limit", "weights", "balance", "checkpoint")

Value = str | int | float | bool
#: What became of a record: logged; logged in the place of what it was before; there already, and nothing done.
Outcome = Literal["new", "changed", "there"]


@dataclass(frozen=True)
class Epoch:
    """The figures of an epoch, or a round of boosting; ``time`` in seconds since 1970, as far as it is known."""

    step: int
    time: float
    figures: Mapping[str, float]


@dataclass(frozen=True)
class Account:
    """What a tracker is told of a run. ``id`` is that of the run, ``digest`` that of all that is told of it.

    ``parameters`` have the recipe's fields by their paths, as "recipe.augmentation.flip". ``figures`` are fractions,
    seconds, bytes or counts, by part and name, as "test/accuracy". ``began`` and ``ended`` are in seconds since 1970.
    ``left_out`` names the files that are too large.
    """

    id: str
    digest: str
    key: str
    name: str
    began: float
    ended: float
    status: str
    parameters: Mapping[str, Value]
    figures: Mapping[str, float]
    epochs: tuple[Epoch, ...]
    tags: Mapping[str, str]
    files: Mapping[str, bytes]
    left_out: tuple[str, ...]


class Tracker(Protocol):
    """Where accounts are logged to. ``place`` and ``look``: where that is, and what to type to look at it."""

    place: str
    look: str

    def log(self, account: Account) -> Outcome:
        """Logs an account whole; one that is there already, unchanged, is left as it is. Raises InputError."""

    def close(self) -> None:
        """Ends what was started."""


def account_of(run: StoredRun) -> Account:
    """The account of a stored run. Raises InputError where a file beside its record can't be read."""
    record, job = run.record, run.record.job
    evaluations, problems = read_evaluations(run.folder)
    if problems:
        raise InputError(problems[0])
    files, left_out = _files(run, evaluations)
    began = _seconds(record.started)
    spec = job.runner + (f"[{','.join(f'{k}={v}' for k, v in sorted(job.params.items()))}]" if job.params else "")
    content = hashlib.sha256(record.model_dump_json().encode())
    for name in sorted(files):
        content.update(name.encode() + b"\0" + files[name])
    return Account(
        id=f"{job.key[:16]}-{hashlib.sha256(record.started.encode()).hexdigest()[:8]}",
        digest=content.hexdigest(),
        key=job.key,
        name=f"{spec}:{job.recipe} s{job.seed}",
        began=began,
        ended=began + record.seconds,
        status=record.status,
        parameters=dict(_parameters(record)),
        figures=dict(_figures(record, evaluations)),
        epochs=tuple(_epochs(run, began)),
        tags=_tags(record),
        files=files,
        left_out=left_out,
    )


def _seconds(started: str) -> float:
    try:
        return datetime.fromisoformat(started).timestamp()
    except ValueError:
        raise InputError(f"the record says that it was started {started[:40]!r}, which is no time") from None


def _files(run: StoredRun, evaluations: list[Evaluation]) -> tuple[dict[str, bytes], tuple[str, ...]]:
    """The small files by name, and the names of those that are too large."""
    found: dict[str, bytes] = {}
    left_out: list[str] = []
    for name in FILES:
        path = run.folder / name
        if inside.check(run.folder, path) != inside.FILE:
            continue
        if path.stat().st_size > LARGEST_FILE:
            left_out.append(name)
        else:
            found[name] = inside.read(run.folder, path, LARGEST_FILE)
    for evaluation in evaluations:
        found[f"{_plain(evaluation.slug)}.json"] = evaluation.model_dump_json(indent=1).encode()
    return found, tuple(left_out)


def _parameters(record: RunRecord) -> Iterator[tuple[str, Value]]:
    job = record.job
    yield from ((name, value) for name in JOB_FIELDS if (value := getattr(job, name)) is not None)
    yield from (_flat("params", job.params))
    yield from (_flat("recipe", job.recipe_fields))


def _flat(path: str, value: Any) -> Iterator[tuple[str, Value]]:
    """What is in dicts and lists, by its path; nothing for None."""
    if isinstance(value, Mapping):
        for name, inner in value.items():
            yield from _flat(f"{path}.{_plain(str(name))}", inner)
    elif isinstance(value, list | tuple):
        for number, inner in enumerate(value):
            yield from _flat(f"{path}.{number}", inner)
    elif value is not None:
        yield path, value if isinstance(value, str | int | float | bool) else str(value)


def _figures(record: RunRecord, evaluations: list[Evaluation]) -> Iterator[tuple[str, float]]:
    parts = {"test": record.scores, "validation": record.validation_scores, "train": record.train_scores}
    if record.tta is not None:
        parts |= {f"test {record.tta.method}": record.tta.scores}
        parts |= {f"validation {record.tta.method}": record.tta.validation_scores}
    for evaluation in evaluations:
        parts[evaluation.slug] = evaluation.whole.scores
        parts[f"{evaluation.slug} masked"] = evaluation.masked.scores if evaluation.masked else None
    for part, scores in parts.items():
        if scores is not None:
            yield from ((f"{_plain(part)}/{name}", value) for name, value in _scores(scores))
    yield "seconds", record.seconds
    yield from ((f"cost/{name}", value) for name, value in record.cost if isinstance(value, int | float))
    yield from ((f"cost/{_plain(name)}_seconds", value) for name, value in record.cost.phases.items())
    for name in ("epochs_run", "epochs_planned", "best_epoch", "interruptions"):
        if (value := getattr(record.training, name)) is not None:
            yield f"training/{name}", value


def _scores(scores: Scores) -> Iterator[tuple[str, float]]:
    """Every figure of some scores, those of each emotion behind its name."""
    yield from ((name, value) for name, value in scores if isinstance(value, int | float))
    for emotion, of_emotion in scores.emotions.items():
        yield from ((f"{_plain(emotion)}/{name}", v) for name, v in of_emotion if isinstance(v, int | float))


def _epochs(run: StoredRun, began: float) -> Iterator[Epoch]:
    """The lines of a history. A cell without a number, and one that is no finite number, is no figure of its epoch."""
    if inside.check(run.folder, run.folder / HISTORY) != inside.FILE:
        return
    time = began
    for step, line in enumerate(read_history(run.folder / HISTORY).to_dict("records"), 1):
        figures = {f"epoch/{_plain(str(name))}": value for name, value in line.items() if math.isfinite(value)}
        time += max(0.0, figures.get("epoch/seconds", 0.0))
        yield Epoch(step, time, figures)


def _tags(record: RunRecord) -> dict[str, str]:
    job, where = record.job, record.environment
    told = {
        "key": job.key,
        "status": record.status,
        "family": job.family,
        "dataset_digest": job.dataset_digest,
        "split_digest": job.split_digest,
        "recipe_digest": job.recipe_digest,
        "runner_version": str(job.runner_version),
        "classes": ", ".join(job.classes),
        "command": record.command,
        "started": record.started,
        "checkpoint_picked_by": record.training.checkpoint,
        "init": record.training.init,
        "host": where.host,
        "executor": where.executor,
        "hardware": where.hardware,
        "backend": where.backend,
        "python": where.python,
        "revision": f"{where.git_revision}{'+dirty' if where.git_dirty else ''}" if where.git_revision else "",
        "failure": record.failure.message if record.failure else "",
    }
    return {name: value for name, value in told.items() if value}


def _plain(name: str) -> str:
    """A name of letters, digits and what all trackers take in one: MLflow refuses a "+"."""
    return re.sub(r"[^A-Za-z0-9_.: -]", "_", name)
