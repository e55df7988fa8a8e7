"""The ranges of the numbers that a user can give, held before anything runs."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from ..errors import InputError, brief

#: Option -> the least and the most. Beyond these a plan never begins, or a number fits no array and no record.
RANGES = {
    "seeds": (1, 1_000),
    "epochs": (1, 1_000_000),
    "limit": (1, 1_000_000_000),
    "threads": (1, 10_000),
    "retries": (0, 1_000),
    "jobs": (1, 1_000),
}
#: What numpy, scikit-learn and Keras all take for a seed.
MOST_SEED = 2**31 - 1
#: Options in seconds: 0 or None is no limit.
SECONDS = ("timeout", "stall")
MOST_SECONDS = 1e9
#: Trainings in one plan; each takes seconds at least.
MOST_JOBS = 10_000


def check_ranges(options: Mapping[str, Any]) -> None:
    """Raises InputError for an option, by its name, that is no number of its range; None is none given."""
    for name, value in options.items():
        if value is None:
            continue
        if name in RANGES:
            least, most = RANGES[name]
            if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
                raise InputError(f"--{name} {brief(value)}: a whole number from {least:,} to {most:,} is wanted")
        if name in SECONDS and not (
            isinstance(value, int | float) and math.isfinite(value) and 0 <= value <= MOST_SECONDS
        ):
            raise InputError(
                f"--{name} {brief(value)}: seconds from 0 to {MOST_SECONDS:,.0f} are wanted; 0 means no limit"
            )


def check_seeds(count: int, seeds: Sequence[int]) -> None:
    """Raises InputError for a seed that is none, and where seeds are both counted and named."""
    if not isinstance(seeds, Sequence) or isinstance(seeds, str):
        raise InputError(f"seed {brief(seeds)}: a tuple of seeds is wanted, as (5,)")
    for seed in seeds:
        if isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed <= MOST_SEED:
            raise InputError(f"--seed {brief(seed)}: a whole number from 0 to {MOST_SEED:,} is wanted")
    if seeds and count != 1:
        raise InputError(f"--seeds {count} means 0 to {count - 1}, and --seed names others: leave one of them out")


def check_count(jobs: int) -> None:
    """Raises InputError for a plan of more jobs than anybody runs."""
    if jobs > MOST_JOBS:
        raise InputError(f"{jobs:,} runs: a plan has {MOST_JOBS:,} at most; take fewer seeds, folds or runners")
