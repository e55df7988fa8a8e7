"""fer-bench: facial-emotion-recognition numbers that can be compared.

The names below are the public API; each is imported when first used, so that ``import fer_bench`` costs nothing.
"""

from __future__ import annotations

import importlib
from typing import Any

__version__ = "0.1.0"

_HOMES = {
    "Dataset": "data.dataset",
    "load_dataset": "data",
    "make_split": "splits",
    "Augmentation": "runners.recipe",
    "Recipe": "runners.recipe",
    "Context": "runners.base",
    "FitSummary": "runners.base",
    "Part": "runners.base",
    "Runner": "runners.base",
    "RunnerInfo": "runners.base",
    "SklearnRunner": "runners.sklearn",
    "KerasRunner": "runners.keras",
    "register": "registry",
    "run": "engine",
    "boards": "leaderboard",
    "ranked": "ranking",
    "leaderboards": "ranking",
    "compare": "comparison",
    "Store": "store",
}
__all__ = ["__version__", *_HOMES]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'fer_bench' has no attribute {name!r}")
    return getattr(importlib.import_module(f".{_HOMES[name]}", __name__), name)


def __dir__() -> list[str]:
    return sorted(__all__)
