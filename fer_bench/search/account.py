"""The account of a study: its trials as plain JSON, read without Optuna by a report, and its best recipe as a file."""

from __future__ import annotations

import json
import math
import warnings
from typing import TYPE_CHECKING, Any

from optuna.trial import TrialState

from ..api import registry
from ..api.recipe_file import RecipeFile, to_toml
from ..files import durable
from ..records.store import Store
from .fields import value_of, with_values
from .sampler import pruner_told, sampler_told
from .storage import is_url, shown
from .studies import ACCOUNT, BEST, VERSION, Account
from .trials import AGAIN, BASE, FAILURE, is_trial

if TYPE_CHECKING:
    from .trials import Trials

#: Fewer trials say nothing of what is important.
FEWEST = 4
_STATES = {
    TrialState.COMPLETE: "complete",
    TrialState.PRUNED: "pruned",
    TrialState.RUNNING: "running",
    TrialState.FAIL: "failed",
    TrialState.WAITING: "waiting",
}


def write_account(trials: Trials, most: int, store: Store) -> Account:
    """Writes the account and, where a trial went well, the best recipe into the study's folder; returns the account."""
    account = account_of(trials, most)
    folder = trials.folder
    text = json.dumps(account, indent=1, allow_nan=False) + "\n"
    durable.write(folder / ACCOUNT, text.encode(), store.root)
    if account["best"] is not None:
        durable.write(folder / BEST, best_recipe(trials, account).encode(), store.root)
    return account


def account_of(trials: Trials, most: int) -> Account:
    """All that a study has to say, as JSON can have it.

    ``trials`` has one item for each, in their order; what a process did not bring to an end is "gone" and was done once
    more, as ``again`` of the later one says. ``best`` and ``base`` are items of it, or None: the best one, and the one
    of the recipe as it was. ``importance`` says how much each field had to do with the value (PED-ANOVA, in sum 1), or
    is None where there are too few trials.
    """
    plan = trials.plan
    told = [_told(trial) for trial in trials.all()]
    whole = [one for one in told if one["state"] == "complete"]
    sign = -1 if plan.upwards else 1
    best = min(whole, key=lambda one: (sign * one["value"], one["number"]), default=None)
    counted = [one for one in told if one["state"] not in ("gone", "waiting")]
    return {
        "version": VERSION,
        "name": plan.name,
        "statement": plan.statement,
        "epochs": plan.epochs,
        "space_from": plan.space.origin,
        "searched": [
            {
                "name": one.name,
                "type": one.kind,
                "range": one.words,
                "log": one.log,
                "was": value_of(plan.base, one.name),
            }
            for one in plan.space.ranges
        ],
        "storage": shown(trials.place) if is_url(trials.place) else "journal",
        "sampler": sampler_told(),
        "pruner": pruner_told(plan.epochs),
        "most": most,
        "counts": {state: sum(one["state"] == state for one in counted) for state in _STATES.values()},
        "train_images": len(plan.parts.train),
        "validation_images": len(plan.parts.validation),
        "upwards": plan.upwards,
        "best": best,
        "base": next((one for one in reversed(told) if one["base"] and one["state"] != "gone"), None),
        "importance": _importance(trials) if len(whole) >= FEWEST else None,
        "trials": told,
    }


def best_recipe(trials: Trials, account: Account) -> str:
    """The recipe file of the best trial, TOML, which says of itself how it was found."""
    plan, best, base = trials.plan, account["best"], account["base"]
    recipe = plan.base if best["base"] else with_values(plan.base, best["params"])
    counts, statement = account["counts"], plan.statement
    search = {
        "study": plan.name,
        "sampler": account["sampler"]["name"],
        "pruner": account["pruner"]["name"] if account["pruner"] else "none",
        "seed": plan.seed,
        "trials": sum(counts[state] for state in ("complete", "pruned", "failed")),
        "trials_complete": counts["complete"],
        "trials_pruned": counts["pruned"],
        "trials_failed": counts["failed"],
        "trial": best["number"],
        "chosen_on": "validation",
        "objective": plan.objective,
        "value": best["value"],
        "base_recipe": plan.space.base,
        "data": statement["data"],
        "data_digest": plan.data_digest,
        "split": statement["split"],
        "split_digest": plan.split_digest,
    }
    search |= {word: statement[word] for word in ("epochs", "limit") if statement[word] is not None}
    if base is not None and base["value"] is not None:
        search["base_value"] = base["value"]
    runner = registry.parse(plan.model).runner
    only_options = "epochs" not in registry.get(runner).uses
    return to_toml(RecipeFile("best", recipe, runner, search), only_options=only_options)


def _told(trial: Any) -> dict[str, Any]:
    """A trial of Optuna's as JSON can have it."""
    state = _STATES[trial.state]
    if trial.state == TrialState.FAIL and not is_trial(trial):
        state = "gone"
    said = trial.user_attrs
    value = trial.value if trial.state == TrialState.COMPLETE else None
    curve = {str(epoch): found for epoch, found in sorted(trial.intermediate_values.items()) if math.isfinite(found)}
    fixed = trial.system_attrs.get("fixed_params", {}) if state == "waiting" else {}
    return {
        "number": trial.number,
        "state": state,
        "value": value,
        "params": dict(trial.params) or dict(fixed),
        "base": bool(said.get(BASE)),
        "again": said.get(AGAIN),
        "started": trial.datetime_start.isoformat(timespec="seconds") if trial.datetime_start else None,
        "seconds": said.get("seconds"),
        "best_epoch": said.get("best_epoch"),
        "curve": curve,
        "failure": said.get(FAILURE),
    }


def _importance(trials: Trials) -> dict[str, float] | None:
    """By PED-ANOVA (Watanabe et al. 2023) of the trials that ran to their end; None where it can't tell."""
    from optuna.importance import PedAnovaImportanceEvaluator, get_param_importances

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = get_param_importances(trials.study, evaluator=PedAnovaImportanceEvaluator())
    except (ValueError, RuntimeError, ZeroDivisionError):
        return None
    return {name: float(share) for name, share in found.items() if math.isfinite(share)} or None
