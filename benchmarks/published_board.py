"""Where the queue of the published table stands: what of it is done, what is left, and how long that takes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import click
from tabulate import tabulate

from fer_bench import load_dataset
from fer_bench.cli.main import main as fer_bench
from fer_bench.cli.run import run_command
from fer_bench.data.dataset import Dataset
from fer_bench.engine import Step, survey
from fer_bench.engine.job import Job, Options, plan
from fer_bench.errors import InputError
from fer_bench.records.record import RunRecord
from fer_bench.records.store import WORK, Store

from .estimates import Begun, begun, estimate
from .published_queue import Entry


@dataclass(frozen=True)
class Item:
    """An entry with its command and its jobs; ``problem`` says why this program can't run it, ``skip`` which pattern of
    ``--skip`` it fits."""

    entry: Entry
    arguments: list[str]
    jobs: tuple[Job, ...] = ()
    problem: str = ""
    skip: str = ""

    @property
    def wanted(self) -> bool:
        return not (self.problem or self.skip)


def items(entries: Sequence[Entry], files: dict[str, str], shared: list[str], epochs: int | None) -> list[Item]:
    """Entries with their jobs, planned as ``fer-bench run`` plans them from the same arguments.

    An option, recipe or split that this version does not know makes an entry's problem, and no error.
    """
    data = cache(load_dataset)
    made = []
    for entry in entries:
        arguments = [*entry.arguments(files, epochs), *shared]
        try:
            made.append(Item(entry, arguments, tuple(planned(arguments, data))))
        except click.UsageError as error:
            made.append(Item(entry, arguments, problem=error.format_message()))
        except InputError as error:
            made.append(Item(entry, arguments, problem=str(error)))
    return made


def parsed(arguments: Sequence[str]) -> dict[str, Any]:
    """The options of a command "run ...", as its function would get them. Raises click.UsageError."""
    above = click.Context(fer_bench, info_name="fer-bench", auto_envvar_prefix="FER_BENCH")
    return run_command.make_context("run", list(arguments[1:]), parent=above).params


def planned(arguments: Sequence[str], load: Any) -> list[Job]:
    """The jobs of a command "run ...", on data that ``load`` loads. Raises InputError or click.UsageError."""
    given = parsed(arguments)
    dataset: Dataset = load(given["data"], scheme=given["labels"], merge=given["merge"])
    chosen = Options(**{name: given[name] for name in Options.__dataclass_fields__ if name in given})
    return plan(dataset, given["names"], given["splits"], chosen)


class Board:
    """What the store has of each entry, read anew with each look."""

    def __init__(self, items: Sequence[Item], store: Store, hardware: str) -> None:
        self.items, self.store, self.hardware = items, store, hardware

    def steps(self, item: Item) -> list[Step]:
        return survey(item.jobs, self.store, "failed")

    def left(self, item: Item) -> bool:
        """Whether something of an entry that is wanted is still to be run, or can't be."""
        return item.wanted and any(step.pending or step.problem for step in self.steps(item))

    def state(self, item: Item) -> str:
        """In words: done, left, failed and why, where it goes on."""
        if item.skip:
            return f"skipped by --skip {item.skip}"
        if item.problem:
            return f"not known to this version: {item.problem.partition(';')[0]}"
        steps = self.steps(item)
        done = sum(not step.pending and not step.problem for step in steps)
        if done == len(steps):
            return "done"
        words = [f"{done} of {len(steps)} done"] if done else []
        words += dict.fromkeys(filter(None, map(self._words, steps)))
        return "; ".join(words)

    def seconds(self, item: Item, records: Sequence[RunRecord], counted: set[str]) -> float | None:
        """An estimate of what is left of an entry, less the jobs ``counted`` in entries before it; None: nobody
        knows.
        """
        left = [step.job.info for step in self.steps(item) if step.pending and step.job.info.key not in counted]
        counted |= {info.key for info in left}
        each = [estimate(info, records, self.hardware, self._begun(info.key)) for info in left]
        return None if None in each else sum(filter(None, each))

    def _words(self, step: Step) -> str:
        state, record = self._begun(step.job.info.key), step.record
        if step.problem:
            return f"unreadable: {step.problem}"
        if not step.pending:
            return ""
        if self.store.claimed(step.job.info):
            return "running"
        status = record.status if record else "interrupted" if state else "left"
        if status == "ok":
            return "done but for its views" if step.adds_tta else "left"
        where = f" at {state.place}" if state else ""
        why = f": {record.failure.message}" if record and record.failure and status != "interrupted" else ""
        return f"{'failed' if status in ('error', 'oom') else status}{where}{why}"

    def _begun(self, key: str) -> Begun | None:
        return begun(self.store.root / WORK / f"resume-{key[:16]}")


def listing(board: Board) -> str:
    """Every entry with its state and what is left of it, and sums."""
    records = [run.record for run in board.store.scan()[0]] if board.store.root.is_dir() else []
    counted: set[str] = set()
    rows, total, unknown = [], 0.0, 0
    for number, item in enumerate(board.items, 1):
        seconds = board.seconds(item, records, counted) if board.left(item) else 0.0
        total, unknown = total + (seconds or 0.0), unknown + (seconds is None)
        cell = "?" if seconds is None else duration(seconds) if seconds else "-"
        rows.append([number, item.entry.title, item.entry.goal, cell, board.state(item)])
    left = sum(board.left(item) for item in board.items)
    table = tabulate(rows, ["", "entry", "goal", "time left", "state"], disable_numparse=True)
    times = [f"{duration(total)} by records of {board.hardware}"] if total else []
    times += [f"{unknown} of unknown time on {board.hardware}"] if unknown else []
    sums = ": ".join(filter(None, [f"{left} of {len(board.items)} entries are left", ", and ".join(times)]))
    return "\n".join([table, *notes(board), sums])


def notes(board: Board) -> list[str]:
    """One line for each entry that is left, starts from ImageNet's weights and was given no file of them."""
    lines = []
    for item in filter(board.left, board.items):
        job = item.jobs[0].info
        if job.weights == "auto" and job.recipe_fields.get("weights") == "imagenet":
            option = f"; --weights-{item.entry.weights} names a file" if item.entry.weights else ""
            lines.append(
                f"{item.entry.title}: --weights auto, ImageNet's where they can be downloaded, else random{option}"
            )
    return lines


def duration(seconds: float) -> str:
    """ "2 h 05 min", "3 min", "40 s"."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes // 60} h {minutes % 60:02d} min" if minutes >= 60 else f"{minutes} min"
