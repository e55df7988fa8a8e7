"""Image folders: ``train|test|validation/<emotion>/*`` or plain ``<emotion>/*``, on disk or inside an archive."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import NamedTuple

import numpy as np

from ..errors import InputError, brief
from .beside import check_beside
from .dataset import EMOTIONS, USAGES
from .decoding import MAX_IMAGE_BYTES
from .fer2013 import STRICT, Faces, Reading
from .labels import folder_number, folder_word
from .names import MOST_CLASSES, check_names, emotion, merged_classes, subject_names, usage_code
from .parts import part_in, parts_told
from .pictures import Pictures
from .tree import Tree, counted

#: What names the subject in an image folder: a folder of its own inside that of the emotion.
FOLDER = "folder"
#: A file name that tells an emotion: the word, and a number.
_LABELLED = re.compile(r"([A-Za-z]+)[ _.()-]*[0-9]+\)?")


class _Place(NamedTuple):
    """Where an image stands in its tree; sorts by usage, class and name."""

    usage: int
    label: int
    name: str


def read_images(
    tree: Tree, paths: list[PurePosixPath], tables: Sequence[PurePosixPath] = (), how: Reading = STRICT
) -> Faces:
    """Images whose label is the name of their folder, and whose usage is told by a folder around or inside that one.

    In a test folder, a file name such as ``PrivateTest_123.jpg`` tells the usage better than the folder does. Without
    folders for the parts, file names tell none: they may be older than the split that the images now have.
    Where all file names are different numbers, as our own export writes them, rows come in that order (so that the
    digest equals that of the file exported from), else sorted by usage, class and name. Any size and mode is turned
    into 48x48 gray.

    Where the subject is a "folder", it is one between an emotion's and its images: happy/S001/1.png.

    ``tables`` are those that lie beside the images; see ``check_beside``.

    Raises:
        InputError: an unknown emotion, folders that aren't one tree, names or tables that contradict the folders, an
            unreadable image.
    """
    where = str(tree.path)
    if how.subject not in ("", FOLDER):
        raise InputError(f"{where}: image folders have no column {how.subject!r}; --subject {FOLDER} is for them")
    homes, around = _homes(paths, where, how)
    labels, classes = _labels(paths, homes, where, how)
    _check_file_names(paths, [classes[label] for label in labels], where)
    usages = _usages(paths, around, where)
    told = {path: (classes[label], usage) for path, label, usage in zip(paths, labels, usages, strict=True)}
    check_beside(tree, tables, told, how.order)
    places = [
        _Place(-1 if usage is None else usage, label, path.name)
        for path, label, usage in zip(paths, labels, usages, strict=True)
    ]
    stems = [path.stem for path in paths]
    numbered = all(stem.isascii() and stem.isdigit() for stem in stems) and len({int(stem) for stem in stems}) == len(
        stems
    )
    order = sorted(
        range(len(paths)), key=lambda n: int(stems[n]) if numbered else (places[n], paths[n].parent.parts, stems[n])
    )
    row_of = np.argsort(order)
    pictures = Pictures(len(paths), where)
    for path, row in () if how.listing else zip(paths, row_of.tolist(), strict=True):
        with tree.open(path, MAX_IMAGE_BYTES) as stream:
            pictures.put(row, stream.read(), f"{where}: {brief(path, 120)}")
    images, notes = pictures.done()
    return Faces(
        images,
        np.array(labels, np.int8)[order],
        np.array(usages, np.int8)[order] if usages[0] is not None else None,
        classes,
        subject_names([path.parent.name for path in paths], where)[order] if how.subject else None,
        how.order.name if how.order and any(folder_number(home.name) is not None for home in homes) else "",
        notes=(*notes, *_unused_names(paths, usages)),
        files=tuple(str(paths[row]) for row in order),
    )


def _homes(paths: list[PurePosixPath], where: str, how: Reading) -> tuple[list[PurePosixPath], list[tuple[str, ...]]]:
    """The folder of the emotion of each image, and the names of the folders around it, or inside: happy/train/1.png."""
    folders = [path.parent.parent if how.subject else path.parent for path in paths]
    inside = any(usage_code(folder.name) is not None and emotion(folder.parent.name) for folder in folders)
    homes, around = [], []
    for path, folder in zip(paths, folders, strict=True):
        turned = inside and usage_code(folder.name) is not None
        home = folder.parent if turned else folder
        if not home.name or usage_code(home.name) is not None:
            if how.subject:
                raise InputError(
                    f"{where}: {brief(path, 120)} has no folder for its subject; happy/S001/1.png is wanted"
                )
            raise InputError(
                f"{where}: {brief(path, 120)} stands in no folder of an emotion; happy/1.png or train/happy/1.png is "
                "wanted: labels in file names or in a table beside are not read"
            )
        homes.append(home)
        around.append((*home.parent.parts, folder.name) if turned else home.parent.parts)
    return homes, around


def _labels(
    paths: list[PurePosixPath], homes: list[PurePosixPath], where: str, how: Reading
) -> tuple[list[int], tuple[str, ...]]:
    """The label of each image, from the name of its emotion's folder (one of ``homes``), and the classes."""
    words = [folder_word(home.name, how.order) for home in homes]
    names = [emotion(word) or "" for word in words]
    known = set(names) - {""}
    if "" in names:
        _check_others(
            [(path, home) for path, home, name in zip(paths, homes, names, strict=True) if not name], where, how
        )
        names = [name or word.strip().lower() for name, word in zip(names, words, strict=True)]
    if how.foreign and not known:
        found = ", ".join(sorted({home.name for home in homes})[:4])
        raise InputError(
            f"{where}: no folder has the name of an emotion, only {brief(found, 120)}; happy/1.png is wanted: labels in"
            " file names or in a table beside are not read"
        )
    try:
        merged = merged_classes(EMOTIONS, sorted(name for name in known if "+" in name))
        classes = (*merged, *sorted(set(names) - known))
        labels = [classes.index(name) for name in names]
    except ValueError:
        raise InputError(f"{where}: an emotion stands both merged and by itself, or in two merged folders") from None
    if len(classes) > MOST_CLASSES:
        raise InputError(f"{where}: {len(classes)} folders; one for each emotion is wanted")
    check_names(classes, where)
    return labels, classes


def _check_others(others: list[tuple[PurePosixPath, PurePosixPath]], where: str, how: Reading) -> None:
    """Raises InputError where images, each with its folder that is none of our emotions', are in none of another
    one.
    """
    for path, home in others:
        number = folder_number(home.name)
        if (
            number is not None
            and not emotion(home.parent.name)
            and (how.order is None or number not in how.order.names)
        ):
            raise InputError(
                f"{where}: folder of {brief(path, 120)} is a number, which means nothing"
                f" {'in the order of --classes' if how.order else 'by itself'}; give --classes raf-db, affectnet, ..."
                " or the emotions in the order of their numbers"
            )
    if not how.foreign:
        known = ", ".join(EMOTIONS)
        raise InputError(
            f"{where}: folder of {brief(others[0][0], 120)} is no emotion; known are {known}, angry, happy, ..."
        )
    for path, home in others:
        if how.subject and (not home.name or usage_code(home.name) is not None):
            raise InputError(f"{where}: {brief(path, 120)} has no folder for its subject; happy/S001/1.png is wanted")
        if not how.subject and emotion(home.parent.name):
            raise InputError(
                f"{where}: {brief(path, 120)} stands below the emotion's folder; if in a subject's, --subject {FOLDER}"
            )


def _check_file_names(paths: list[PurePosixPath], labels: list[str], where: str) -> None:
    """Raises InputError where a file is named after another emotion than its folder: sad/happy_01.png."""
    words = [{emotion(word) for word in re.findall("[A-Za-z]+", path.stem)} - {None} for path in paths]
    all_do = all(len(said) == 1 for said in words)  # S001_happy_03.png: no word that stands there by chance
    wrong = [
        (path, label, *said)
        for path, label, said in zip(paths, labels, words, strict=True)
        if len(said) == 1 and not said & {*label.split("+")} and (all_do or _LABELLED.fullmatch(path.stem))
    ]
    if wrong:
        path, label, said = wrong[0]
        raise InputError(
            f"{where}: {brief(path, 120)}: its folder says {label}, its name {said} ({len(wrong):,} of {len(paths):,} "
            "images contradict so); move it, or give it another name"
        )


def _usages(paths: list[PurePosixPath], around: list[tuple[str, ...]], where: str) -> list[int | None]:
    """The usage of each image, or None for all; InputError where the folders don't make one tree."""
    usages = [usage_code(names[-1]) if names else None for names in around]
    roots = {names if usage is None else names[:-1] for names, usage in zip(around, usages, strict=True)}
    if None in usages:
        told = parts_told(around, where)
        if None not in told:  # parts named by a word, or further out
            usages, roots = told, {()}
            homes = {(usage, names) for usage, names in zip(told, around, strict=True)}
            if len(homes) > len(set(told)):
                roots = {names for _, names in homes}
    if len(roots) > 1 or (None in usages and set(usages) != {None}):
        found = ", ".join(sorted({"/".join(names) or "." for names in around})[:4])
        raise InputError(
            f"{where}: images stand below {brief(found, 160)}; one tree of train, validation and test is wanted"
        )
    return _told_by_names(paths, usages, around, where)


def _told_by_names(
    paths: list[PurePosixPath], usages: list[int | None], around: list[tuple[str, ...]], where: str
) -> list[int | None]:
    """The usages, told better by file names; those of Kaggle's (PublicTest_1.jpg) may contradict no folder."""
    if None in usages:
        return usages
    words = [path.stem.split("_")[0] for path in paths]
    named = [USAGES.index(word) if word in USAGES else None for word in words]
    wrong = [
        (path, names, said)
        for path, usage, said, names in zip(paths, usages, named, around, strict=True)
        if said is not None and said != usage and not (usage == 2 and said == 1 and _is_any_test(names))
    ]
    if wrong:
        path, names, said = wrong[0]
        raise InputError(
            f"{where}: {brief(path, 120)}: its folder says {'/'.join(names)[:80]}, its name {USAGES[said]}"
            f" ({len(wrong):,} of {len(paths):,} images contradict so); where the folders are right, rename the files,"
            " to numbers for example"
        )
    return [usage if said is None else said for usage, said in zip(usages, named, strict=True)]


def _unused_names(paths: list[PurePosixPath], usages: list[int | None]) -> tuple[str, ...]:
    """That file names tell parts which no folder does, or other ones than the folders."""
    words = [usage_code(re.split("[^A-Za-z]", path.stem)[0]) for path in paths]
    told = [path for path, word, usage in zip(paths, words, usages, strict=True) if word is not None and word != usage]
    if not told:
        return ()
    if None in usages:
        how = "no folder does. Parts are taken from folders called train, validation and test, and not from file names"
    else:
        how = "the folders name others: the folders count"
    return (f"{counted('file name', told)}; these name a part of a split, and {how}",)


def _is_any_test(names: Sequence[str]) -> bool:
    """Whether folders say "test" alone, which holds both of Kaggle's."""
    return not any("private" in name.lower() for name in names if part_in(name) == 2)
