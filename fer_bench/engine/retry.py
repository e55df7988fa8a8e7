"""Trying again what can pass: out of memory with half the batch, what was killed or crashed as it was."""

from __future__ import annotations

from ..api import registry
from ..records.record import smaller_batch
from .job import Job
from .outcome import Outcome, one_line


class Retries:
    """The attempts at one job.

    Attributes:
        batch_divisor: by which the next attempt divides the recipe's batches.
        failed: what became of each attempt that was followed by another.
    """

    def __init__(self, job: Job, allowed: int) -> None:
        self.job, self.allowed = job, allowed
        self.batch_divisor = 1
        self.failed: list[str] = []

    def again(self, outcome: Outcome) -> bool:
        """Whether there is to be another attempt; takes note of it."""
        if not outcome.transient or len(self.failed) == self.allowed:
            return False
        self.failed.append(one_line(f"{outcome.status}: {outcome.message}"))
        has_batch = "batch" in registry.get(self.job.info.runner).uses
        if outcome.status == "oom" and has_batch and max(self.job.info.batches, default=1) >= 2 * self.batch_divisor:
            self.batch_divisor *= 2
        return True

    @property
    def words(self) -> str:
        """The next attempt, and the one before: "attempt 2 with batch 64 instead of 128, after oom: out of memory"."""
        smaller = smaller_batch(self.job.info, self.batch_divisor)
        how = f" with {smaller}" if smaller else ""
        return f"attempt {len(self.failed) + 1}{how}, after {self.failed[-1]}"
