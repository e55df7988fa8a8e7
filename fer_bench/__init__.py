"""fer-bench: facial-emotion-recognition numbers that can be compared.

The names below are the public API; each is imported when first used, so that ``import fer_bench`` costs nothing.
"""

from __future__ import annotations

import importlib
import os
from typing import Any

__version__ = "0.1.0"

# Since 1.29, onnxruntime tells its makers of each process, and keeps an identifier of the computer, from the moment
# that it is imported. Its function for that comes too late; nothing is to leave this computer.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"

_HOMES = {
    "Dataset": "data.dataset",
    "load_dataset": "data.load",
    "make_split": "data.splits",
    "Augmentation": "api.recipe",
    "Recipe": "api.recipe",
    "Context": "api.context",
    "FitSummary": "api.context",
    "Part": "api.context",
    "Runner": "api.runner",
    "RunnerInfo": "api.runner",
    "SklearnRunner": "runners.sklearn",
    "KerasRunner": "runners.keras",
    "register": "api.registry",
    "run": "engine.run",
    "boards": "board.build",
    "ranked": "board.ranking",
    "leaderboards": "board.ranking",
    "compare": "board.comparison",
    "Store": "records.store",
    "predict": "inference.predict",
    "open_model": "inference.model",
    "Row": "inference.face",
    "Box": "inference.face",
}
#: Names that stand for modules.
_MODULES = {"registry": "api.registry", "select": "board.select"}
__all__ = ["__version__", *_HOMES, *_MODULES]


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return importlib.import_module(f".{_MODULES[name]}", __name__)
    if name not in _HOMES:
        raise AttributeError(f"module 'fer_bench' has no attribute {name!r}")
    return getattr(importlib.import_module(f".{_HOMES[name]}", __name__), name)


def __dir__() -> list[str]:
    return sorted(__all__)
