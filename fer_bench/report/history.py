"""The epochs of a run, as its worker wrote them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ..store import HISTORY

if TYPE_CHECKING:
    import pandas as pd


def load_history(folder: Path) -> pd.DataFrame | None:
    """The epochs of a run, or None where it has none or a single one, which makes no curve."""
    import pandas as pd

    path = folder / HISTORY
    if not path.exists():
        return None
    history = pd.read_csv(path)
    return history if len(history) > 1 else None
