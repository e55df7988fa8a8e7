"""What a study is asked to do: runner and space, the data without test, the budget; and the jobs of its trials."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ..api import registry
from ..api.recipe import NamedRecipe, Recipe
from ..api.recipe_fields import in_order
from ..api.recipe_file import ByHand
from ..data.dataset import Dataset
from ..data.splits import Split, expand
from ..engine.job import Job, Options, plan
from ..engine.job_info import check_recordable, fields_of, info_of
from ..errors import InputError
from .parts import without_test
from .space import Space, space_of

#: Objective -> the score of the validation part that it is, and whether more of it is better.
OBJECTIVES = {
    "accuracy": ("accuracy", True),
    "balanced-accuracy": ("balanced_accuracy", True),
    "macro-f1": ("macro_f1", True),
    "weighted-f1": ("weighted_f1", True),
    "log-loss": ("log_loss", False),
}
#: What the recipe of a trial is called in its job: nothing of its own, so that equal recipes are one job.
TRIAL = "trial"
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,99}")


@dataclass(frozen=True, eq=False)
class Plan:
    """A study before it runs.

    Attributes:
        name: of the study, and its folder.
        model: the runner with its parameters.
        space: what is varied.
        base: the recipe that is varied.
        objective: a key of ``OBJECTIVES``.
        data, parts: the images and labels of training and validation, and their split; no test image is in them.
        data_digest, split_digest: of the whole data and the whole split.
        options: of all trials, with the budget that the data asks for.
        seed: what the choice of values and the trainings draw from.
        epochs: that a trial trains at most, None where nothing is trained in epochs.
        statement: what two commands that share the study must say alike, as JSON can have it.
    """

    name: str
    model: str
    space: Space
    base: Recipe
    objective: str
    data: Dataset
    parts: Split
    data_digest: str
    split_digest: str
    options: Options
    seed: int
    epochs: int | None
    statement: dict[str, Any]

    @property
    def score(self) -> str:
        """The field of the validation part's scores that is the value of a trial."""
        return OBJECTIVES[self.objective][0]

    @property
    def upwards(self) -> bool:
        """Whether a higher value is better."""
        return OBJECTIVES[self.objective][1]

    def job(self, recipe: Recipe) -> Job:
        """The training of a recipe on the training part, to be scored on the validation part alone.

        Raises InputError where no record could be kept of it.
        """
        runner = registry.make(self.model, TRIAL, in_order(recipe))
        named = replace(self.options, weights=self.statement["weights"])  # a file by its name and content
        fields = fields_of(runner, self.data, self.parts, named, None, {"base": self.space.base})
        check_recordable(self.model, fields)
        return Job(info_of(fields, self.seed), self.model, self.data, self.parts)


def plan_study(
    dataset: Dataset,
    spec: str,
    split: str,
    options: Options,
    *,
    objective: str = "accuracy",
    seed: int = 0,
    space: Path | None = None,
    name: str = "",
) -> Plan:
    """What a study of a runner is to do.

    Args:
        dataset: all of it; its test part is left here.
        spec: the runner, with parameters and the recipe that is varied where wanted.
        split: name of one split.
        options: of the trials; ``recipe`` is the one that is varied, or a file's path, "" for the space's own.
        objective: a key of ``OBJECTIVES``.
        seed: what the choice of values and the trainings draw from.
        space: file of the user's own; None takes what comes with the runner.
        name: of the study; "" for the runner's.

    Raises:
        InputError: something given is wrong, before anything runs.
    """
    asked = registry.parse(spec)
    chosen = space_of(asked.runner, _one_recipe(spec, options.recipe), space)
    if len(expand(split, dataset)) > 1:
        raise InputError(f"split {split} is several, and a study has one; name a fold, such as {split}-0")
    if objective not in OBJECTIVES:
        raise InputError(f"--objective {objective} is none of {', '.join(OBJECTIVES)}")
    name = name or re.sub(r"[^A-Za-z0-9._]+", "-", asked.model).strip("-")
    if not _NAME.fullmatch(name):
        raise InputError(f"--study {name!r}: letters, digits, '.', '_' and '-' make a study's name, 100 at most")
    recipe = options.recipe or chosen.base
    plain = replace(options, recipe=recipe, seeds=1, train_scores="off", models=False)
    (job,) = plan(dataset, [asked.model], [split], plain)
    data, parts = without_test(dataset, job.split)
    runner, info, base = registry.get(asked.runner), job.info, chosen.recipe
    settled = replace(plain, epochs=info.epochs, limit=info.limit)
    return Plan(
        name=name,
        model=asked.model,
        space=chosen,
        base=base,
        objective=objective,
        data=data,
        parts=parts,
        data_digest=dataset.digest,
        split_digest=info.split_digest,
        options=settled,
        seed=seed,
        epochs=_epochs(base, info.epochs) if "epochs" in runner.uses else None,
        statement=_statement(job, chosen, base, objective, seed),
    )


def _statement(job: Job, space: Space, base: Recipe, objective: str, seed: int) -> dict[str, Any]:
    """What two commands that share a study must say alike."""
    info = job.info
    return {
        "runner": job.spec,
        "runner version": info.runner_version,
        "recipe": f"{space.base} ({base.digest()[:12]})",
        "space": space.told(),
        "data": f"{info.dataset} ({info.dataset_digest[:12]})",
        "classes": list(info.classes),
        "split": f"{info.split} ({info.split_digest[:12]})",
        "objective": objective,
        **{word: getattr(info, word) for word in ("epochs", "limit", "weights", "balance")},
        "seed": seed,
    }


def _one_recipe(spec: str, recipe: str) -> str | NamedRecipe:
    """The recipe that a study varies, of a file where ``recipe`` is one. Raises InputError where two are named."""
    asked, by_hand = registry.parse(spec), ByHand.of(recipe, ())
    if asked.recipe and recipe and asked.recipe != recipe:
        raise InputError(f"{spec} names a recipe, and --recipe {recipe} another; leave one of them out")
    return by_hand.recipe(registry.get(asked.runner), asked.recipe or recipe)[0]


def _epochs(recipe: Recipe, cap: int | None) -> int:
    """Epochs of all stages, at most ``cap`` in each."""
    return sum(min(stage.epochs, cap or stage.epochs) for stage in recipe.plan())
