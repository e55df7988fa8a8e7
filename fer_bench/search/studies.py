"""Studies in a results folder, by their accounts, for who has no Optuna: where they lie and what they say."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..errors import InputError
from ..files import inside
from ..files.json_file import read_json

#: Folder of all studies below the results folder, and of the records of a study's trials below its own.
STUDIES, RECORDS = "studies", "trials"
#: The account of a study, its best recipe, and what all of it is called.
ACCOUNT, BEST = "study.json", "best.toml"
VERSION = 1
#: The account of a study, as JSON has it; see ``search.account.account_of``.
Account = dict[str, Any]


def study_folder(results: Path, name: str) -> Path:
    """Where a study lies below a results folder."""
    return results / STUDIES / name


def found(results: Path) -> list[Path]:
    """The folders of the studies in a results folder that have an account, in the order of their names."""
    studies = results / STUDIES
    if not studies.is_dir() or inside.kind(studies) == inside.LINK:
        return []
    names = inside.entries(results, studies).folders
    return [studies / name for name in sorted(names) if (studies / name / ACCOUNT).is_file()]


def read_account(folder: Path) -> Account:
    """The account of a study. Raises InputError where it can't be read, or is of a later version."""
    path = folder / ACCOUNT
    try:
        told = read_json(path)
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    if not isinstance(told, dict) or told.get("version") != VERSION:
        raise InputError(f"{path}: no account of a study that this version knows; run `fer-bench tune` again")
    return told
