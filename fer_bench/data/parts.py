"""Which part of a split the names of files and folders tell: train, validation or test."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from ..errors import InputError
from .names import usage_code

_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")


def part_in(name: str) -> int | None:
    """The usage that a name says, by itself or as a word in it: "train", "FER2013Train", "fer_test", "valset-2".

    None where no word does, or words of several parts do ("train_test_split").
    """
    whole = usage_code(name)
    if whole is not None:
        return whole
    text = " ".join(_WORDS.findall(name)).lower()
    words = re.sub(r"\b(public|private) test", r"\1test", text).split()
    codes = {usage_code(word.removesuffix("set")) for word in words} - {None}
    return codes.pop() if len(codes) == 1 else None


def parts_told(names: Sequence[Sequence[str]], where: str) -> list[int | None]:
    """The usage of each path, given as its names from the outermost in, by what tells the paths apart.

    Names that all of them begin with say nothing: a folder called "test" above all parts is none of them. A name that
    is the word itself counts more than one that holds it.

    Raises:
        InputError: a path of which two names say different parts.
    """
    level = zip(*names, strict=False)
    common = next((n for n, alike in enumerate(level) if len(set(alike)) > 1), min(map(len, names)))
    known: dict[tuple[str, ...], int | None] = {}
    return [_told(tuple(each[common:]), known, where) for each in names]


def parts_of_files(paths: Sequence[Path], root: Path) -> list[int | None]:
    """The usage of each file below ``root``: train-00000-of-00001.parquet, train/0000.parquet, fer_train.parquet.

    Names and folders tell it by what tells the files apart; where they don't, by the first word of the name, or else by
    the folder's name.

    Raises:
        InputError: names that say different parts.
    """
    names = [(*path.relative_to(root).parent.parts, path.stem) for path in paths]
    told = parts_told(names, str(root))
    return [
        _nearest(folders, stem, str(root)) if part is None else part
        for part, (*folders, stem) in zip(told, names, strict=True)
    ]


def _nearest(folders: Sequence[str], stem: str, where: str) -> int | None:
    """The usage that a file's name begins with, or else that its folder is named after."""
    codes = [usage_code(re.split("[^A-Za-z]", stem)[0]), *(usage_code(name) for name in folders[-1:])]
    found = list(dict.fromkeys(code for code in codes if code is not None))
    if len(found) > 1:
        raise InputError(f"{where}: {folders[-1][:80]} and {stem[:80]} in it name different splits; rename one")
    return found[0] if found else None


def _told(names: tuple[str, ...], known: dict[tuple[str, ...], int | None], where: str) -> int | None:
    if names not in known:
        codes = {usage_code(name) for name in names} - {None} or {part_in(name) for name in names} - {None}
        if len(codes) > 1:
            raise InputError(
                f"{where}: {'/'.join(names)[:160]} says two parts at once; one of train, validation and test"
            )
        known[names] = next(iter(codes), None)
    return known[names]
