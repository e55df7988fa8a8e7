"""The data: found, read, cached, brought under a label scheme, split."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .load import load_dataset

__all__ = ["load_dataset"]


def __getattr__(name: str) -> Any:
    """Imports ``load_dataset`` when it is first asked for, so that the modules of this room cost no more than they
    need.
    """
    if name == "load_dataset":
        from .load import load_dataset

        return load_dataset
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
