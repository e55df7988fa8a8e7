"""Where plugins are imported to be described (``python -m fer_bench.api.plugin_process``).

It reads what it is asked as JSON from its standard input, and writes the answer, as JSON, to its standard output: the
runners of all plugins, or what one of them says once it is made. Whatever a plugin prints goes nowhere.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from contextlib import suppress
from dataclasses import asdict
from typing import Any

from ..errors import InputError
from . import registry
from .recipe import NamedRecipe
from .recipe_fields import from_fields
from .stand_in import describe


def main() -> None:
    """Answers what standard input asks, and ends, whatever threads a plugin has begun."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C is told by who asked
    request = sys.stdin.read()
    if not request:  # who asked was ended before it could
        os._exit(1)
    asked = json.loads(request)
    answer = os.dup(1)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    try:
        told = tell(asked["plugins"], asked["made"])
    except InputError as error:
        told = {"refused": str(error)}
    with suppress(OSError), os.fdopen(answer, "w", encoding="utf-8") as file:  # who asked may be gone
        file.write(json.dumps(told, default=str))
    os._exit(0)


def tell(plugins: list[str], made: dict[str, Any] | None) -> dict[str, Any]:
    """Warnings, the plugins that were loaded and their runners; or what the runner says that is to be ``made``."""
    warnings = registry.load_plugins(plugins)
    if made is not None:
        return tell_of(made)
    runners = [
        describe(registry.get(name), registry.origin(name))
        for name in registry.names()
        if name not in registry.BUILTINS
    ]
    return {"warnings": warnings, "loaded": registry.loaded(), "runners": runners}


def tell_of(made: dict[str, Any]) -> dict[str, Any]:
    """Of the runner with a name, recipe and parameters: what they come to, or its counts.

    Raises:
        InputError: it can't be made so, or its own code fails.
    """
    cls = registry.get(made["name"])
    try:
        by_hand = made["by_hand"]
        recipe = NamedRecipe(made["recipe"], from_fields(by_hand, made["recipe"])) if by_hand else made["recipe"]
        runner = cls(recipe, **made["params"])
        if made["what"] == "count":
            return {"parameters": runner.count_parameters(made["classes"]), "macs": runner.count_macs(made["classes"])}
        return {
            "recipe_name": runner.recipe_name,
            "recipe": asdict(runner.recipe),
            "digest": runner.recipe.digest(),
            "params": runner.params,
        }
    except InputError:
        raise
    except (Exception, SystemExit) as error:  # whatever the plugin's code does not catch
        reason = " ".join(str(error).split())
        raise InputError(f"runner {made['name']}: {type(error).__name__}: {reason}") from error


if __name__ == "__main__":
    main()
