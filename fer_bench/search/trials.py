"""The trials of a study, which several processes may share: each takes the next one, and none is lost or done twice.

Who takes a trial holds the study's lock for that moment, and a lock of its own as long as it lives. So a trial that
runs where nobody holds the lock of who took it is a dead process's, and is tried again with the same values.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import optuna
from optuna.trial import TrialState

from ..api.recipe import Recipe
from ..errors import InputError, brief
from ..files import locks
from .fields import with_values
from .plan import Plan
from .ranges import Range
from .sampler import SeededTPE, distribution, pruner, pruner_told
from .storage import open_storage, shown

#: Where a study keeps what it was asked to do.
STATEMENT = "statement"
#: What a trial says of itself: who runs it; that it is the recipe as it was; why it failed; which it is once more.
OWNER, BASE, FAILURE, AGAIN = "owner", "base", "failure", "again"
#: Seconds after which a running trial that nobody has signed is nobody's.
UNSIGNED = 60.0


@dataclass(frozen=True, eq=False)
class Taken:
    """A trial that this process is to run: Optuna's own, its number, its values, and the recipe that they make.

    ``reported`` is the last epoch that is known of it already, from a process that died.
    """

    trial: Any
    number: int
    values: dict[str, Any]
    recipe: Recipe
    reported: int = 0

    @property
    def is_base(self) -> bool:
        """Whether it is the recipe as it was."""
        return bool(self.trial.user_attrs.get(BASE))


class Trials:
    """The trials of one study, for this process.

    Args:
        plan: what the study is to do.
        place: path or URL of its storage.
        folder: of the study, which all that share it share.

    Raises:
        InputError: the storage can't be used, or the study that is there was begun with something else.
    """

    def __init__(self, plan: Plan, place: str, folder: Path) -> None:
        self.plan, self.place, self.folder = plan, place, folder
        self.owner = uuid.uuid4().hex
        self.base_values = plan.space.base_values
        with self._alone():
            self.study = self._open()

    def _open(self) -> Any:
        plan = self.plan
        ranges = {one.name: distribution(one) for one in plan.space.ranges}
        try:
            study = optuna.create_study(
                storage=open_storage(self.place),
                study_name=plan.name,
                sampler=SeededTPE(plan.seed, ranges),
                pruner=pruner(pruner_told(plan.epochs)),
                direction="maximize" if plan.upwards else "minimize",
                load_if_exists=True,
            )
        except (ValueError, KeyError, TypeError) as error:
            reason = brief(" ".join(str(error).split()), 120)
            raise InputError(f"--storage {shown(self.place)}: no study can be kept there ({reason})") from None
        earlier = study.user_attrs.get(STATEMENT)
        if earlier is None and study.get_trials(deepcopy=False):
            raise InputError(f"study {plan.name} in {shown(self.place)} is none of fer-bench's; take another --study")
        if earlier is None:
            study.set_user_attr(STATEMENT, plan.statement)
        elif difference := contradiction(earlier, plan.statement):
            raise InputError(
                f"study {plan.name} in {shown(self.place)} was begun with {difference}; say the same to go on, or take"
                " another --study"
            )
        if not study.get_trials(deepcopy=False):
            study.enqueue_trial(self.base_values or {}, user_attrs={BASE: True})
        return study

    @contextmanager
    def signed(self) -> Iterator[None]:
        """While it lasts, others know that this process lives."""
        path = self._signature(self.owner)
        with locks.attempt(path):
            yield
        path.unlink(missing_ok=True)

    def take(self, most: int) -> Taken | None:
        """The next trial of ``most`` in all, or None where all are begun."""
        with self._alone():
            self._take_over()
            if self._begun() >= most:
                return None
            trial = self.study.ask()
            trial.set_user_attr(OWNER, self.owner)
            if self._begun(before=trial.number) >= most:  # in another folder somebody was quicker
                self.study.tell(trial, state=TrialState.FAIL)
                return None
            known = self._inherit(trial)
            if trial.user_attrs.get(BASE):
                values = self._suggested(trial) if self.base_values else {}
                return Taken(trial, trial.number, values, self.plan.base, known)
            values = self._suggested(trial)
            return Taken(trial, trial.number, values, with_values(self.plan.base, values), known)

    def give_back(self, taken: Taken) -> None:
        """A trial that this process could not bring to an end is tried again later, with the same values."""
        with self._alone():
            self._again(self.frozen(taken.number))

    def complete(self, taken: Taken, value: float) -> None:
        self.study.tell(taken.trial, value)

    def prune(self, taken: Taken) -> None:
        self.study.tell(taken.trial, state=TrialState.PRUNED)

    def fail(self, taken: Taken, why: Mapping[str, str]) -> None:
        """A trial that failed by itself is over; ``why`` has its status, message and hint."""
        taken.trial.set_user_attr(FAILURE, dict(why))
        self.study.tell(taken.trial, state=TrialState.FAIL)

    def all(self) -> Sequence[Any]:
        """All that there were, those that a process did not bring to an end included, as Optuna keeps them."""
        trials: Sequence[Any] = self.study.get_trials(deepcopy=False)
        return trials

    def frozen(self, number: int) -> Any:
        """One of them."""
        return next(trial for trial in self.all() if trial.number == number)

    def others_at_work(self) -> bool:
        """Whether another living process runs a trial; one in another folder can't be told from a dead one."""
        running = [trial for trial in self.all() if trial.state == TrialState.RUNNING]
        owners = {trial.user_attrs.get(OWNER) for trial in running} - {None, self.owner}
        return any(locks.taken(self._signature(owner)) for owner in owners)

    def _begun(self, before: float = float("inf")) -> int:
        return sum(is_trial(trial) for trial in self.all() if trial.number < before)

    def _inherit(self, trial: Any) -> int:
        """Notes in a trial that is done once more what is known of its epochs, as its training goes on from its state;
        returns the last of them, or 0.
        """
        earlier = trial.user_attrs.get(AGAIN)
        known = {} if earlier is None else self.frozen(earlier).intermediate_values
        for epoch, value in known.items():
            trial.report(value, epoch)
        return max(known, default=0)

    def _suggested(self, trial: Any) -> dict[str, Any]:
        return {one.name: _suggest(trial, one) for one in self.plan.space.ranges}

    def _take_over(self) -> None:
        """Puts the trials of dead processes back into the queue."""
        for trial in self.all():
            if trial.state == TrialState.RUNNING and self._is_dead(trial):
                self._again(trial)

    def _is_dead(self, trial: Any) -> bool:
        owner = trial.user_attrs.get(OWNER)
        if owner is None:
            return trial.datetime_start is None or _seconds_since(trial.datetime_start) > UNSIGNED
        path = self._signature(owner)
        return owner != self.owner and path.exists() and not locks.taken(path)

    def _again(self, trial: Any) -> None:
        """Ends a trial that counts for nothing, and puts one of the same values into the queue."""
        try:
            self.study.tell(trial.number, state=TrialState.FAIL)
        except (ValueError, RuntimeError):  # it is over: somebody else was quicker
            return
        said = {BASE: True} if trial.user_attrs.get(BASE) else {}
        self.study.enqueue_trial(dict(trial.params), user_attrs=said | {AGAIN: trial.number})

    def _signature(self, owner: str) -> Path:
        return self.folder / "locks" / f"{owner}.lock"

    @contextmanager
    def _alone(self) -> Iterator[None]:
        with locks.attempt(self.folder / "locks" / "study.lock", wait=True):
            yield


def is_trial(trial: Any) -> bool:
    """Whether one of Optuna's trials counts: it runs, or came to an end of its own; not where its process died."""
    if trial.state == TrialState.FAIL:
        return FAILURE in trial.user_attrs
    return trial.state != TrialState.WAITING


def contradiction(earlier: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """The first thing that two statements say otherwise, in words; "" where there is none."""
    for name in {**earlier, **now}:
        if earlier.get(name) != now.get(name):
            if name == "space":
                return "another space"
            return f"{name} {brief(earlier.get(name))}, and {brief(now.get(name))} is asked for"
    return ""


def _suggest(trial: Any, one: Range) -> Any:
    """The value of a range in a trial; it is noted there."""
    if one.kind == "float":
        return trial.suggest_float(one.name, one.low, one.high, log=one.log)
    if one.kind == "int":
        found = distribution(one)
        return trial.suggest_int(one.name, found.low, found.high, step=one.step, log=one.log)
    return trial.suggest_categorical(one.name, one.values)


def _seconds_since(moment: datetime) -> float:
    """Since a moment that may be in local time without saying so."""
    now = datetime.now(UTC) if moment.tzinfo else datetime.now()
    return (now - moment).total_seconds()
