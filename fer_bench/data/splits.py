"""Splits: which rows train, which pick the checkpoint, which are scored; each with a digest."""

from __future__ import annotations

import difflib
import hashlib
import math
import re
from dataclasses import dataclass, replace

import numpy as np

from ..errors import InputError, brief
from .dataset import USAGES, Dataset

#: What to offer; ``kfold-K`` works for any number of folds K, and stands for all of kfold-K-0 to kfold-K-(K-1).
NAMES = ("official", "holdout-20", "holdout-20-shuffled", "notebook", "notebook-90-10", "kfold-5")
#: The seed of the notebook's 80-20 split, used wherever we draw the line ourselves.
SEED = 111
_HOLDOUTS = ("holdout-20", "holdout-20-shuffled")
#: Of a split whose data nobody has named yet.
MOST_FOLDS = 1000
#: One spelling for each split: ASCII digits, no leading zero; of nine digits at most, for no data has more images.
_FOLDS = re.compile(r"kfold-([1-9][0-9]{0,8})(?:-(0|[1-9][0-9]{0,8}))?")


@dataclass(frozen=True, eq=False)
class Split:
    """Row numbers into a Dataset, int64, disjoint; ``validation`` may be empty.

    ``test_seen`` is a (len(test),) bool mask of test images whose exact pixels also stand in train.
    ``digest`` is the sha256 of name and indices.
    """

    name: str
    train: np.ndarray
    validation: np.ndarray
    test: np.ndarray
    test_seen: np.ndarray
    digest: str


def make_split(dataset: Dataset, name: str = "official") -> Split:
    """One split of the data, always the same for the same data and name.

    - ``official``: the Usage column, Training / PublicTest (validation) / PrivateTest (test), as in the Kaggle
    challenge.
      Data without PublicTest rows has a stratified tenth of Training (seed 111) for validation.
    - ``holdout-20``: the last fifth of the Training rows, rounded up, is validation, the rows before it train,
    PrivateTest
      is test; PublicTest is in no part. So ``transfer-learning-log`` held out its validation images (22,967 / 5,742).
    - ``holdout-20-shuffled``: the same sizes, the Training rows shuffled first (seed 111, not stratified). So
      ``emotional-ai`` did, whose shuffle had no seed: ``np.random.shuffle``, then ``ceil(N / 5)`` rows for validation.
    - ``notebook``: the split of ``emotion-detection-notebook``. Rows equal in emotion, pixels and Usage are dropped but
      for the first; a stratified fifth is test (seed 111), a stratified tenth of the rest validation (same seed).
    - ``notebook-90-10``: the same rows, a stratified tenth is test (seed 42), no validation part. (The source picked
    its
      checkpoint on the test part; nothing here does.)
    - ``kfold-K-I``: fold I of K, counted from 0, stratified and shuffled with seed 111; the test parts of the K folds
      share out all rows. A stratified tenth of the rest is validation (seed 111).

    Raises:
        InputError: an unknown name, or data that the split can't be made from.

    >>> from fer_bench import load_dataset, make_split
    >>> split = make_split(load_dataset("synthetic"), "official")
    >>> len(split.train), len(split.validation), len(split.test), int(split.test_seen.sum())
    (672, 144, 144, 3)
    """
    fold = _FOLDS.fullmatch(name)
    if name == "official":
        train, validation, test = _official(dataset)
    elif name in _HOLDOUTS:
        train, validation, test = _holdout_20(dataset, name)
    elif name in ("notebook", "notebook-90-10"):
        rows = _distinct_rows(dataset)
        if name == "notebook":
            rest, test = _hold_out(dataset, rows, 0.2, SEED)
            train, validation = _hold_out(dataset, rest, 0.1, SEED)
        else:
            train, test = _hold_out(dataset, rows, 0.1, 42)
            validation = np.empty(0, np.int64)
    elif fold and fold[2]:
        train, validation, test = _fold(dataset, int(fold[1]), int(fold[2]))
    else:
        close = difflib.get_close_matches(name, [*NAMES, "kfold-5-0"], 1)
        hint = f", did you mean {close[0]}?" if close else ";"
        raise InputError(f"unknown split {brief(name)}{hint} this data can be split as {', '.join(available(dataset))}")
    seen = _seen(dataset, train, test)
    return Split(name, train, validation, test, seen, _digest(name, train, validation, test))


def expand(name: str, dataset: Dataset | None = None) -> list[str]:
    """``kfold-5`` -> its five folds; any other name stands for itself.

    Raises InputError for more folds than the smallest class of ``dataset`` has images, or than 1,000 where there is
    none.
    """
    folds = _FOLDS.fullmatch(name)
    if not folds or folds[2]:
        return [name]
    if dataset is not None:
        _check_folds(dataset, name, int(folds[1]))
    elif int(folds[1]) > MOST_FOLDS:
        raise InputError(f"split {name}: more than {MOST_FOLDS:,} folds; use fewer")
    return [f"{name}-{fold}" for fold in range(int(folds[1]))]


def available(dataset: Dataset) -> list[str]:
    """The names in ``NAMES`` that work with this data: official and the holdouts need usages Training and PrivateTest,
    and each fold an image of every class."""
    fewest = min(filter(None, dataset.counts().values()), default=0)
    without = set(("official", *_HOLDOUTS) if _lacking(dataset) else ()) | ({"kfold-5"} if fewest < 5 else set())
    return [name for name in NAMES if name not in without]


def limit_rows(split: Split, dataset: Dataset, per_class: int, seed: int = 0) -> Split:
    """At most ``per_class`` rows of each class in train and in validation, drawn by ``seed``; test stays whole.

    ``test_seen`` stays that of the full train part, so that scores on unseen images are over the same images for every
    limit. Name and digest stay too, since a digest tells what scores can be compared; the job says the limit.
    """
    if per_class < 1:
        raise InputError(f"a limit of {per_class} rows per class leaves nothing to train on; 1 is the least")
    rng = np.random.default_rng(seed)

    def some(rows: np.ndarray) -> np.ndarray:
        drawn = rng.permutation(rows)
        labels = dataset.labels[drawn]
        return np.sort(np.concatenate([drawn[labels == label][:per_class] for label in range(len(dataset.classes))]))

    return replace(split, train=some(split.train), validation=some(split.validation))


def _holdout_20(dataset: Dataset, name: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    _check_usage(dataset, name)
    training, _, test = (np.flatnonzero(dataset.usage == code) for code in range(len(USAGES)))
    if len(training) < 2:
        raise InputError(
            f"split {name}: {dataset.source} has {len(training)} Training row, which leaves none to train on"
        )
    if name == "holdout-20-shuffled":
        training = np.random.default_rng(SEED).permutation(training)
    held = math.ceil(len(training) / 5)
    return training[:-held], training[-held:], test


def _official(dataset: Dataset) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    _check_usage(dataset, "official")
    train, validation, test = (np.flatnonzero(dataset.usage == code) for code in range(len(USAGES)))
    if len(validation) == 0:
        train, validation = _hold_out(dataset, train, 0.1, SEED)
    return train, validation, test


def _check_usage(dataset: Dataset, name: str) -> None:
    """Raises InputError where the split called ``name`` needs a usage that the data has no rows of."""
    if lacking := _lacking(dataset):
        others = ", ".join(available(dataset))
        raise InputError(f"split {name} needs a Usage: {dataset.source} has no {lacking} rows; these work: {others}")


def _lacking(dataset: Dataset) -> str:
    """The first usage that ``official`` and the holdouts need and the data has no rows of, or ""."""
    here = set() if dataset.usage is None else set(np.unique(dataset.usage).tolist())
    return next((name for code, name in enumerate(USAGES) if name != "PublicTest" and code not in here), "")


def _fold(dataset: Dataset, folds: int, fold: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    from sklearn.model_selection import StratifiedKFold

    _check_folds(dataset, f"kfold-{folds}-{fold}", folds, fold)
    parts = StratifiedKFold(folds, shuffle=True, random_state=SEED).split(np.empty(len(dataset)), dataset.labels)
    rest, test = list(parts)[fold]
    train, validation = _hold_out(dataset, rest, 0.1, SEED)
    return train, validation, test.astype(np.int64)


def _check_folds(dataset: Dataset, name: str, folds: int, fold: int = 0) -> None:
    """Raises InputError where the split called ``name`` has too few folds, or more than the data has images for."""
    if folds < 2:
        raise InputError(f"split {name}: at least 2 folds are wanted, as in kfold-5")
    if fold >= folds:
        raise InputError(f"split {name}: the {folds} folds are kfold-{folds}-0 to kfold-{folds}-{folds - 1}")
    smallest, count = min(((label, n) for label, n in dataset.counts().items() if n), key=lambda item: item[1])
    if count < folds:
        raise InputError(f"split {name}: {smallest} has only {count} images in {dataset.source}; use fewer folds")


def _hold_out(dataset: Dataset, rows: np.ndarray, share: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """``rows`` without a stratified ``share`` of them, and that share, in the order that scikit-learn draws."""
    from sklearn.model_selection import train_test_split

    try:
        rest, held = train_test_split(rows, test_size=share, stratify=dataset.labels[rows], random_state=seed)
    except ValueError as error:  # a class with a single image, or too few rows for one of each class
        raise InputError(
            f"{dataset.source} is too small to hold out {share:.0%} of {len(rows):,} rows: {error}"
        ) from None
    return rest.astype(np.int64), held.astype(np.int64)


def _distinct_rows(dataset: Dataset) -> np.ndarray:
    """Rows that are the first with their emotion, pixels and usage, as pandas' ``drop_duplicates`` keeps them."""
    usages = np.zeros(len(dataset), np.int8) if dataset.usage is None else dataset.usage
    first: dict[tuple[int, int, bytes], int] = {}
    for row, key in enumerate(zip(dataset.labels.tolist(), usages.tolist(), _pixels(dataset.images), strict=True)):
        first.setdefault(key, row)
    return np.array(list(first.values()), np.int64)


def _seen(dataset: Dataset, train: np.ndarray, test: np.ndarray) -> np.ndarray:
    known = set(_pixels(dataset.images[train]))
    return np.array([pixels in known for pixels in _pixels(dataset.images[test])], bool)


def _pixels(images: np.ndarray) -> list[bytes]:
    return [image.tobytes() for image in images]


def _digest(name: str, *parts: np.ndarray) -> str:
    sha = hashlib.sha256(name.encode())
    for rows in parts:
        sha.update(f"\n{len(rows)}\n".encode())
        sha.update(np.ascontiguousarray(rows, dtype="<i8").tobytes())
    return sha.hexdigest()
