"""Replacing a run's folder by two renames, where the file system can't exchange two folders in one step."""

from __future__ import annotations

import os
from pathlib import Path

from ..errors import InputError
from ..files import durable, inside

#: In a folder of scratch, what is being replaced, and where that belongs.
OLD, PLACE = "old", "place"
#: Of a run's folder below the results folder.
DEPTH = 4
#: The small files of a results folder have some hundred bytes.
MOST_BYTES = 1 << 20


def replace_by_renames(fresh: Path, final: Path, root: Path) -> None:
    """Puts ``fresh``, in a folder of scratch, in the place of ``final``; first it is written down where that
    belongs.
    """
    old, place = fresh.parent / OLD, fresh.parent / PLACE
    durable.write(place, str(final.relative_to(root)).encode(), fresh.parent)
    final.rename(old)
    try:
        fresh.rename(final)
    except OSError:
        old.rename(final)
        raise
    durable.sync(final.parent)
    place.unlink()


def put_back(scratch: Path, root: Path) -> None:
    """Undoes a ``replace_by_renames`` that was killed between its renames.

    Raises InputError where what stands in its files is nothing that this program writes; all is left as it is then.
    """
    old, place = scratch / OLD, scratch / PLACE
    if not os.access(scratch, os.R_OK | os.X_OK):
        return  # somebody else's, who alone can see to it
    if inside.check(root, old) != inside.FOLDER or not inside.check(root, place):
        return
    try:
        final = root / inside.read(root, place, MOST_BYTES).decode()
        known = len(final.relative_to(root).parts) >= DEPTH
        free = known and not inside.check(root, final)
    except (OSError, ValueError):
        known = False
    if not known:
        raise InputError(f"{place}: does not say where {old} belongs; look at that, and take {scratch} away")
    if free:
        inside.make(root, final.parent)
        old.rename(final)
        durable.sync(final.parent)
