"""A record that no check foresaw does not bring a report down: it is found, named and left out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Generic, NamedTuple, TypeVar

from ..errors import InputError
from ..records.store import RECORD, StoredRun

T = TypeVar("T")


class Spared(NamedTuple, Generic[T]):
    """What was made of ``runs``, and a line for each of the others, of which nothing could be made."""

    result: T
    runs: list[StoredRun]
    problems: list[str]


def spared(runs: Sequence[StoredRun], work: Callable[[Sequence[StoredRun]], T]) -> Spared[T]:
    """What ``work`` makes of runs, or where it fails what it makes of those that it does not fail with.

    Raises InputError as ``work`` does; and what else it raises where no single run is the cause.
    """
    try:
        return Spared(work(runs), list(runs), [])
    except InputError:
        raise
    except Exception:
        if not (failed := _failing(runs, work)):
            raise
    problems = [
        f"{run.folder / RECORD}: left out, nothing can be made of it ({type(error).__name__}: {error}); move it away"
        for run, error in failed
    ]
    folders = {run.folder for run, _ in failed}
    rest = [run for run in runs if run.folder not in folders]
    return Spared(work(rest), rest, problems)


def _failing(
    runs: Sequence[StoredRun], work: Callable[[Sequence[StoredRun]], object]
) -> list[tuple[StoredRun, Exception]]:
    """The runs with which ``work`` fails even when alone, found by halves."""
    try:
        work(runs)
    except InputError:
        raise
    except Exception as error:
        if len(runs) == 1:
            return [(runs[0], error)]
        half = len(runs) // 2
        return _failing(runs[:half], work) + _failing(runs[half:], work) if runs else []
    return []
