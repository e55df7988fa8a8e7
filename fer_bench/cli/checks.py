"""What ``fer-bench run`` is told, held against itself and this machine before any data is read."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click
from click.core import ParameterSource

from ..errors import InputError
from .say import note

if TYPE_CHECKING:
    from ..api.spec import Spec
    from ..engine.executors import Words
    from ..engine.job import Options


def check_words(names: Sequence[str], everything: bool, options: Options) -> None:
    """Raises InputError where the words can't be meant so: no runner or more than all of them, a word that is no
    runner, two statements of one recipe, a weights file that is not there, no TensorBoard.
    """
    from ..api import registry
    from ..api.recipe_file import is_file
    from ..training.tensorboard import check_tensorboard
    from .mistakes import check_recipe, check_runners, is_runner

    context = click.get_current_context()
    if options.seed and context.get_parameter_source("seeds") is not ParameterSource.DEFAULT:
        raise InputError(f"--seeds {options.seeds} and --seed say two things: leave one of them out")
    if everything and names:
        raise InputError(f"--all already means every runner: leave it out, or {' '.join(names)}")
    if not everything and not names and is_runner(context.params.get("data") or ""):
        data = context.params["data"]
        raise InputError(f"--data {data}: that is a runner, and no data; type: fer-bench run {data} --data PATH")
    if not everything and not names:
        raise InputError("name some runners, or --all; `fer-bench list` shows them")
    check_runners(names, {option for param in context.command.params for option in param.opts})
    if everything and is_file(options.recipe):
        raise InputError(f"--recipe {options.recipe}: name the runners that are to be trained so, instead of --all")
    specs = [registry.parse(name) for name in names]
    for spec in specs:
        registry.make(spec.model, spec.recipe)
        said = context.get_parameter_source("recipe") is ParameterSource.COMMANDLINE
        if spec.recipe and said and spec.recipe != options.recipe:
            raise InputError(
                f"{spec.model}:{spec.recipe} names a recipe, and --recipe {options.recipe} another; leave one of"
                " them out"
            )
    check_recipe(options.recipe, [spec.model for spec in specs if not spec.recipe])
    check_by_hand([*specs] or [registry.parse(name) for name in registry.specs()], options, bool(names))
    if options.weights not in ("auto", "imagenet", "random") and not Path(options.weights).is_file():
        raise InputError(f"--weights {options.weights}: no such file; or give auto, imagenet or random")
    if options.tensorboard:
        check_tensorboard()


def check_by_hand(specs: Sequence[Spec], options: Options, explicit: bool) -> None:
    """Raises InputError where a recipe by hand can't be read, or is none for one of these runners; says where one is a
    runner's own.
    """
    from ..api import registry
    from ..api.recipe_file import ByHand

    by_hand = ByHand.of(options.recipe, options.changes)
    for spec in specs if by_hand.file or by_hand.changes else ():
        for own in registry.recipes_of(spec, by_hand.wanted(options.recipe, spec), explicit):
            recipe, origin = by_hand.recipe(registry.get(spec.runner), own)
            if origin is None:
                note(f"{by_hand.words}: that is {spec.model}'s own recipe {recipe}")


def check_device(options: Options, words: Words) -> str:
    """The device of the runs, "cpu" or "gpu:N", which is looked for before any data is read; on a cluster, what was
    said.

    Raises InputError where device or backend can't be used, several runs at a time would share a GPU, or what was said
    of an executor contradicts itself.
    """
    from ..engine.executors import check
    from ..hardware.device import choose

    check(words)
    if words.executor == "slurm" or words.scheduler:
        return options.device
    device = choose(options.device, options.backend).device
    if words.executor == "local" and words.jobs and words.jobs > 1 and device != "cpu":
        raise InputError(f"--jobs {words.jobs}: runs share no GPU; leave it out, or take --device cpu")
    return device
