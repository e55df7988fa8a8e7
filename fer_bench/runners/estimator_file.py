"""Fitted scikit-learn estimators as files that hold no code: skops' format, in place of a pickle.

A pickle runs whatever its author wrote as soon as it is loaded. A skops file names the types of its objects, and only
those that are trusted are made: scikit-learn's and numpy's, and what the runner itself builds its estimator from.
"""

from __future__ import annotations

import zipfile
from collections.abc import Collection
from pathlib import Path
from typing import Any

from ..errors import InputError
from ..files.zips import check_zip

FILE = "model.skops"
#: What versions before wrote.
PICKLE = "model.joblib"
#: A forest has some members for each of its trees. The pixel SVM of all Training faces takes 0.3 GB.
MOST_MEMBERS, MOST_BYTES = 200_000, 8 << 30


def trusted_types(estimator: Any) -> set[str]:
    """The full names of the classes that an untrained estimator is made of, scikit-learn's own included."""
    parts = [estimator, *estimator.get_params(deep=True).values()]
    return {f"{type(part).__module__}.{type(part).__qualname__}" for part in parts if hasattr(part, "get_params")}


def save(state: dict[str, Any], directory: Path, trusted: Collection[str], name: str) -> None:
    """Writes ``model.skops``.

    Args:
        state: numbers, texts and a fitted estimator.
        directory: where; it exists.
        trusted: the types that ``load`` will be told to trust.
        name: of the runner, for the message.

    Raises:
        InputError: there is something in the estimator that ``load`` would refuse, or that has no form but a pickle.
    """
    from skops import io
    from skops.io.exceptions import UnsupportedTypeException

    path = directory / FILE
    try:
        io.dump(state, path)
    except (UnsupportedTypeException, TypeError) as error:
        path.unlink(missing_ok=True)
        raise InputError(f"runner {name}: its fitted model can't be saved without code ({_line(error)})") from error
    strange = sorted(set(io.get_untrusted_types(file=path)) - set(trusted))
    if strange:
        path.unlink()
        raise InputError(
            f"runner {name}: its fitted model holds {', '.join(strange)[:200]}; if loading these is safe, name them in"
            " the runner's attribute `trusted`"
        )


def load(directory: Path, trusted: Collection[str], name: str) -> dict[str, Any]:
    """What ``save`` wrote.

    Raises:
        InputError: no such file, a pickle of an older version, a file that is damaged or too large, or one with types
            that are not trusted.
    """
    from skops import io

    path = directory / FILE
    if not path.exists() and (directory / PICKLE).exists():
        raise InputError(
            f"{directory / PICKLE} is a pickle of an older version, which could run code when it is loaded; train"
            f" {name} again"
        )
    try:
        with zipfile.ZipFile(path) as archive:
            check_zip(path, archive.infolist(), MOST_MEMBERS, MOST_BYTES)
        strange = sorted(set(io.get_untrusted_types(file=path)) - set(trusted))
        if strange:
            raise InputError(
                f"{path}: holds {', '.join(strange)[:200]}, which a model of {name} has no use for; not loaded"
            )
        state = io.load(path, trusted=sorted(trusted))
    except InputError:
        raise
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except Exception as error:
        # skops trusts the form of the file: whatever is missing or wrong in it surfaces as any of a dozen types.
        raise InputError(f"{path}: not a readable model ({type(error).__name__}: {_line(error)})") from error
    return check_state(state, path)


def check_state(state: Any, path: Path) -> dict[str, Any]:
    """``state``, where it is one that a runner saved: the estimator, the number of outputs and the temperature."""
    fits = (
        isinstance(state, dict)
        and hasattr(state.get("estimator"), "classes_")
        and isinstance(state.get("outputs"), int)
        and isinstance(state.get("temperature"), float)
    )
    if not fits:
        raise InputError(f"{path}: not a model that fer-bench saved")
    return state


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:200]
