"""How values are chosen, and which trials end early: Optuna's TPE and its median pruner, seeded by trial."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

from .ranges import Range

#: Trials drawn at random before TPE has enough to learn from; and trials that ran to their end before any is pruned.
STARTUP, BEFORE_PRUNING = 6, 4
#: Of a training's epochs, the share before which none is pruned: what learns fast at first is not always the best.
WARM_UP = 1 / 3


def distribution(one: Range) -> BaseDistribution:
    """A range as Optuna has it."""
    if one.kind == "float":
        return FloatDistribution(one.low, one.high, log=one.log)
    if one.kind == "int":
        low, high = int(one.low), int(one.high)
        return IntDistribution(low, high - (high - low) % one.step, log=one.log, step=one.step)
    return CategoricalDistribution(one.values)


class SeededTPE(optuna.samplers.BaseSampler):
    """Tree-structured Parzen estimators, whose draws for a trial depend on the seed, its number and the trials before.

    So do two processes that share a study, and one that takes it up again, draw what one would have drawn, and none
    draws what another did. (Bergstra et al. 2011; multivariate: Falkner et al. 2018. What runs at the moment counts as
    bad, so that no second trial is put beside it.)
    """

    def __init__(self, seed: int, space: Mapping[str, BaseDistribution]) -> None:
        self.seed, self.space = seed, dict(space)

    def infer_relative_search_space(self, study: Any, trial: Any) -> dict[str, BaseDistribution]:
        """All of the space, whatever earlier trials had: the first one may have values outside it."""
        return {name: found for name, found in self.space.items() if not found.single()}

    def sample_relative(self, study: Any, trial: Any, search_space: dict[str, BaseDistribution]) -> dict[str, Any]:
        return self._drawing(trial.number).sample_relative(study, trial, search_space)

    def sample_independent(self, study: Any, trial: Any, param_name: str, param_distribution: BaseDistribution) -> Any:
        drawing = self._drawing(trial.number, param_name)
        return drawing.sample_independent(study, trial, param_name, param_distribution)

    def _drawing(self, number: int, name: str = "") -> Any:
        told = hashlib.sha256(f"{self.seed}/{number}/{name}".encode()).digest()
        seed = int.from_bytes(told[:4], "big")
        return optuna.samplers.TPESampler(seed=seed, n_startup_trials=STARTUP, multivariate=True, constant_liar=True)


def sampler_told() -> dict[str, Any]:
    """What a study says of its sampler."""
    return {"name": "TPE, multivariate", "random_trials": STARTUP, "optuna": optuna.__version__}


def pruner_told(epochs: int | None) -> dict[str, Any] | None:
    """What a study says of its pruner; None where nothing is trained in epochs.

    Args:
        epochs: that a trial trains at most.
    """
    if epochs is None:
        return None
    return {"name": "median", "trials_before": BEFORE_PRUNING, "epochs_before": max(1, round(WARM_UP * epochs))}


def pruner(told: Mapping[str, Any] | None) -> Any:
    """The pruner that ``pruner_told`` speaks of: a trial ends whose best epoch so far is worse than the median of what
    the others had at that epoch.
    """
    if told is None:
        return optuna.pruners.NopPruner()
    return optuna.pruners.MedianPruner(told["trials_before"], told["epochs_before"])
