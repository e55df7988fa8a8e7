"""The account of a job: a record that can be read back, whatever a runner said or befell it."""

from __future__ import annotations

import errno
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from ..errors import InputError, encodable, is_disk_full
from ..records import provenance
from ..records.form import content_of, record_of
from ..records.record import Cost, Environment, Failure, RunRecord, Training
from ..records.store import Store
from ..training.resume import goes_on_at
from .job import Job
from .outcome import DISK_FULL, LOG_LINES, LOG_WIDTH, Outcome, one_line, printable, raised

#: Of a failure whose predictions are in order.
KEPT = "its predictions are kept beside the record, and `fer-bench score` takes that folder"


class Start(NamedTuple):
    """When a job was begun: ISO 8601 in UTC, and by the clock that ``time.perf_counter`` reads, in seconds."""

    started: str
    clock: float

    @classmethod
    def now(cls) -> Start:
        return cls(datetime.now(UTC).isoformat(timespec="seconds"), time.perf_counter())

    @property
    def seconds(self) -> float:
        """Since then."""
        return round(time.perf_counter() - self.clock, 3)


def settled(record: RunRecord, planned: Environment) -> RunRecord:
    """A record as it will be read back; where it could not be, that of an error, without what the runner said.

    Args:
        record: of a run.
        planned: where it was to run, which is not the runner's word.
    """
    try:
        return record_of(content_of(record))
    except InputError as error:
        message = f"what the run says of itself can't be put on record: {one_line(str(error))}"
    hint = "the runner's FitSummary, counts or device are wrong"
    if record.scores is not None:
        hint = f"{hint}; {KEPT}"
    divided = Training(batch_divisor=record.training.batch_divisor)
    plain = {
        "status": "error",
        "training": divided,
        "cost": Cost(),
        "environment": planned,
        "failure": Failure(message=message, hint=hint),
        **dict.fromkeys(("scores", "validation_scores", "train_scores", "tta")),
    }
    return record_of(content_of(record.model_copy(update=plain)))


def broken(error: BaseException) -> Outcome:
    """The outcome of an exception that was raised here, not in the worker."""
    outcome = raised(error)
    if isinstance(error, InputError):
        return outcome
    return outcome.model_copy(update={"hint": "not the runner's fault: log_tail in its record says where it came up"})


def trace(error: BaseException) -> list[str]:
    """The last lines of an exception's traceback, as a record keeps those of a log."""
    lines = "".join(traceback.format_exception(error)).splitlines()
    return [printable(line)[:LOG_WIDTH] for line in lines[-LOG_LINES:]]


def failed(job: Job, begun: Start, error: BaseException) -> RunRecord:
    """The record of a job that an exception ended here."""
    outcome = broken(error)
    return RunRecord(
        status=outcome.status,
        command=provenance.command_line(),
        started=begun.started,
        seconds=begun.seconds,
        job=job.info,
        failure=Failure(message=outcome.message, hint=outcome.hint, log_tail=trace(error)),
    )


def store_failure(record: RunRecord, store: Store) -> RunRecord:
    """Stores the record of a failure, unless it would replace a success or what can't be read; the caller has the
    claim.

    Returns the record, which says so where it is not stored. Raises OSError where the disk is full.
    """
    try:
        earlier = store.find(record.job)
        if earlier is None or earlier.status != "ok":
            store.commit(record, None)
        return record
    except (InputError, OSError) as error:
        if is_disk_full(error):
            raise
        return unstored(record, error)


def unstored(record: RunRecord, error: BaseException) -> RunRecord:
    """The record of a failure, with why it is not in the store."""
    assert record.failure is not None
    said = record.failure.message
    why = one_line(str(error))
    message = said if why in said else f"{said}; and its record can't be stored: {why}"
    told = {"message": encodable(message), "hint": ""}  # that is of a record which is there
    return record.model_copy(update={"failure": record.failure.model_copy(update=told)})


def with_way_on(outcome: Outcome, state: Path, scored: bool) -> Outcome:
    """The outcome with where the next attempt goes on, if the training left a state to go on from, and what is kept."""
    where = goes_on_at(state)
    how = "the next run" if outcome.status == "interrupted" else "--rerun failed"
    hints = [outcome.hint, f"{how} goes on at {where}" if where else "", KEPT if scored else ""]
    return outcome.model_copy(update={"hint": "; ".join(filter(None, hints))})


@contextmanager
def naming_full_disk(folder: Path) -> Iterator[None]:
    """Where the disk is full inside, the OSError names ``folder``; what ran out of space had often no name."""
    try:
        yield
    except OSError as error:
        if not is_disk_full(error):
            raise
        raise OSError(errno.ENOSPC, DISK_FULL, str(folder)) from error
