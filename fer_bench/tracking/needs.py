"""What a tracker needs to be installed."""

from __future__ import annotations

import importlib.util

from ..errors import InputError


def check_installed(module: str, extra: str) -> None:
    """Raises InputError where a tracker's package is not there; imports nothing."""
    if importlib.util.find_spec(module) is None:
        raise InputError(f"--to {extra} needs the package {module}: pip install 'fer-bench[{extra}]'")
