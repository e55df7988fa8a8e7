"""The epochs of a run, as its worker wrote them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import InputError
from ..store import HISTORY

if TYPE_CHECKING:
    import pandas as pd

#: A run has at most thousands of epochs, of ten figures each.
MOST_BYTES = 16 << 20


def read_history(path: Path) -> pd.DataFrame:
    """A line for each epoch, every column of it numbers. Raises InputError where it is anything else."""
    import pandas as pd

    try:
        if path.stat().st_size > MOST_BYTES:
            raise ValueError(f"more than {MOST_BYTES:,} bytes")
        return pd.read_csv(path, encoding="utf-8", compression=None).astype("float64")
    except (OSError, ValueError, OverflowError) as error:
        reason = " ".join(str(error).split())[:120]
        raise InputError(f"{path}: not a readable history of epochs ({reason}); run it again") from None


def load_history(folder: Path) -> pd.DataFrame | None:
    """The epochs of a run, or None where it has none or a single one, which makes no curve."""
    path = folder / HISTORY
    if not path.exists():
        return None
    history = read_history(path)
    return history if len(history) > 1 else None
