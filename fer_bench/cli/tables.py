"""What ``fer-bench run`` and its kin print: the plan, and the leaderboards that their records belong to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from .command import tell_unreadable
from .options import stored_runs
from .say import note

if TYPE_CHECKING:
    from ..engine import Step
    from ..records.record import RunRecord
    from ..records.store import Store, StoredRun


def print_plan(steps: Sequence[Step], store: Store, as_json: bool) -> None:
    """The jobs, with what the store already has, and what another process runs at the moment."""
    import json

    running = {step.job.info.key for step in steps if store.claimed(step.job.info)}
    if as_json:
        plan = [
            {
                **s.job.info.model_dump(),
                "status": state_of(s) if s.record or s.problem else None,
                "run": s.pending,
                "tta": s.job.tta,
                "running": s.job.info.key in running,
            }
            for s in steps
        ]
        click.echo(json.dumps(plan, indent=1))
        return
    from tabulate import tabulate

    header = ["runner", "recipe", "split", "seed", "train", "epochs", "key", "state", "to do"]
    rows = []
    for step in steps:
        info = step.job.info
        state = "running" if info.key in running else state_of(step)
        epochs = info.epochs or info.recipe_fields.get("epochs", "-")
        cells = [step.job.spec, info.recipe, info.split, info.seed, info.train_images, epochs, info.key[:8], state]
        anew = "train again" if step.retrained else "run"
        to_do = "wait" if info.key in running else "predict" if step.adds_tta else anew
        rows.append([*cells, to_do if step.pending else "-"])
    click.echo(tabulate(rows, header))
    click.echo(f"{sum(s.pending for s in steps)} of {len(steps)} jobs to run")


def state_of(step: Step) -> str:
    """What the store has of a job."""
    if step.problem:
        return "unreadable"
    return step.record.status if step.record else "not run"


def print_results(
    records: Sequence[RunRecord],
    store: Store,
    dataset_digest: str,
    splits: Sequence[str],
    as_json: bool,
) -> None:
    """The leaderboards that these runs belong to, from all records of the store."""
    import json

    if as_json:
        click.echo(json.dumps([record.model_dump() for record in records], indent=1))
        return
    from ..api import registry
    from ..board.build import boards
    from ..board.ranking import ranked
    from ..records.predictions import held

    def belongs(run: StoredRun) -> bool:
        return run.record.job.dataset_digest == dataset_digest and run.record.job.split in splits

    runs = stored_runs(store)
    here = held(run for run in runs if belongs(run))
    tell_unreadable(here.problems)
    standing = [*here.runs, *(run for run in runs if not belongs(run))]
    for board in boards([run.record for run in standing], registry.infos()):
        if board.dataset_digest == dataset_digest and board.split in splits:
            click.echo(f"\n{ranked(board, here.predictions).text()}")
    note(f"records in {store.root}; `fer-bench report` writes tables and pictures")
