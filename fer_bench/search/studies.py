"""Studies in a results folder, by their accounts, for who has no Optuna: where they lie and what they say."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, Field, ValidationError

from ..errors import InputError, brief
from ..files import inside
from ..files.json_file import read_json

#: Folder of all studies below the results folder, and of the records of a study's trials below its own.
STUDIES, RECORDS = "studies", "trials"
#: The account of a study, its best recipe, and what all of it is called.
ACCOUNT, BEST = "study.json", "best.toml"
VERSION = 1
#: The account of a study, as JSON has it; see ``search.account.account_of``.
Account = dict[str, Any]


Value = bool | int | float | str


class TrialTold(BaseModel, extra="forbid"):
    """A trial, as the account of its study has it.

    ``state`` "gone" is what a process did not bring to an end; it was done once more, as ``again`` of the later one
    says. ``curve`` has what the pruner saw, by epoch. ``failure`` has status, message and hint.
    """

    number: int = Field(ge=0)
    state: Literal["complete", "pruned", "failed", "running", "waiting", "gone"]
    value: float | None
    params: dict[str, Value]
    base: bool
    again: int | None
    started: str | None
    seconds: float | None
    best_epoch: int | None
    curve: dict[int, float]
    failure: dict[str, str] | None


class FieldTold(BaseModel, extra="forbid"):
    """A field that is searched: its type, its range in words, whether that is by ratio, and what it was."""

    name: str
    type: str
    range: str
    log: bool
    was: Value | None


class StudyTold(BaseModel, extra="forbid"):
    """The account of a study, as it is read; ``search.account.account_of`` says what stands in it."""

    version: Literal[1]
    name: str
    statement: dict[str, Any]
    epochs: int | None
    space_from: str
    searched: list[FieldTold]
    storage: str
    sampler: dict[str, Any]
    pruner: dict[str, Any] | None
    most: int
    counts: dict[str, int]
    train_images: int
    validation_images: int
    upwards: bool
    best: TrialTold | None
    base: TrialTold | None
    importance: dict[str, float] | None
    trials: list[TrialTold] = Field(max_length=100_000)

    @property
    def fields(self) -> list[str]:
        """The names of what is searched."""
        return [field.name for field in self.searched]


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


def read_account(folder: Path) -> StudyTold:
    """The account of a study. Raises InputError where it can't be read, or says what no account says."""
    path = folder / ACCOUNT
    try:
        told = read_json(path)
        return StudyTold.model_validate(told)
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except ValidationError as error:
        first = error.errors()[0]
        why = brief(f"{'.'.join(map(str, first['loc']))}: {first['msg']}", 120)
        raise InputError(f"{path}: no account of a study ({why}); `fer-bench tune` writes it anew") from None
