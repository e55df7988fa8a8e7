"""What ``fer-bench run`` says of a plan before it runs anything, on stderr."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from .command import tell_unreadable
from .say import note, say

if TYPE_CHECKING:
    from ..data.dataset import Dataset
    from ..engine import Step
    from ..engine.job import Job, Options
    from ..records.store import Store


def demo(dataset: Dataset, options: Options) -> None:
    """That the embedded set is for a look, and what to bring for figures that mean something."""
    if dataset.embedded and options.epochs is None:
        note(
            "the embedded set shows the suite at work, with a few epochs a runner; for figures that mean "
            "something, bring FER-2013: --data fer2013.csv"
        )


def left_out(planned: Sequence[Job], names: Sequence[str], options: Options) -> None:
    """Under --all, which runners have no epoch that the test part could pick."""
    from ..api import registry

    if options.checkpoint == "test" and not names:
        there = {job.info.runner for job in planned}
        others = ", ".join(name for name in registry.names() if name not in there)
        say(f"--checkpoint test leaves out what picks no epoch: {others}")


def nothing_kept(steps: Sequence[Step], store: Store, options: Options) -> None:
    """Under --keep-epochs, which runners have no epochs to keep, and how many jobs went well without keeping theirs."""
    from ..api import registry
    from ..engine.job import keeps_epochs
    from ..records.store import MODEL
    from ..training.kept import EPOCHS, kept_epochs

    if not options.keep_epochs:
        return
    keeping = {step.job.info.runner: keeps_epochs(registry.get(step.job.info.runner)) for step in steps}
    if others := [name for name, keeps in keeping.items() if not keeps]:
        say(f"--keep-epochs has nothing to keep of {', '.join(others)}: no Keras models")
    settled = [step for step in steps if keeping[step.job.info.runner] and (step.adds_tta or not step.pending)]
    went_well = [step.job.info for step in settled if step.record and step.record.status == "ok"]
    if lacking := [info for info in went_well if not kept_epochs(store.folder(info) / MODEL / EPOCHS)]:
        say(
            f"{len(lacking)} of {len(steps)} jobs went well without --keep-epochs and are not trained again for it; "
            "--force does that"
        )


def unreadable(steps: Sequence[Step]) -> None:
    """Which jobs are not run because what stands in their record's place can't be read."""
    for step in steps:
        if step.problem:
            tell_unreadable([step.problem], f"{step.job.title} is not run: ")


def retrained(steps: Sequence[Step], options: Options) -> None:
    """How many jobs that went well are trained again, having no model to predict with test-time augmentation."""
    if untrained := sum(step.retrained for step in steps):
        say(
            f"{untrained} of {len(steps)} jobs went well without --tta {options.tta} and kept no model here: they are "
            "trained again"
        )


def done(steps: Sequence[Step]) -> None:
    """Which jobs are not run because of what is on record."""
    from ..engine.execute import is_failure

    known = [step.record.status for step in steps if step.record and not step.pending]
    failed = sum(is_failure(status) for status in known)
    how = f", {failed} of which failed: --rerun failed tries those, --force all" if failed else "; --force runs them"
    if known:
        note(f"{len(known)} of {len(steps)} jobs are on record already{how} again")
