"""The files that a worker has left: looked at before they are kept, for a runner may write whatever it likes."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from ..errors import InputError
from ..files import inside
from ..records.run_files import read_history
from ..records.store import HISTORY, MODEL
from ..records.training_images import TRAINING_IMAGES
from .outcome import Outcome, one_line

HINT = "a runner saves plain files, and has a number for each name of an epoch"


def with_sound_files(outcome: Outcome, out: Path) -> Outcome:
    """An outcome; an error instead of an ok one where what was left below ``out`` can't be kept. That is removed."""
    try:
        inside.check(out.parent.parent, out)  # else what is there is not the run's, and nothing of it is touched
    except InputError as error:
        return outcome if outcome.status != "ok" else Outcome(status="error", message=one_line(str(error)), hint=HINT)
    faults = []
    for path in strange(out):
        path.unlink()
        faults.append(f"{path.name!r}, which is neither a plain file nor a folder")
    if (out / HISTORY).exists():
        try:
            read_history(out / HISTORY)
        except InputError as error:
            remove(out / HISTORY)
            faults.append(str(error).removeprefix(f"{out}{os.sep}").removesuffix("; run it again"))
    if (out / MODEL / TRAINING_IMAGES).exists():
        remove(out / MODEL / TRAINING_IMAGES)
        faults.append(f"{TRAINING_IMAGES!r}, whose name is taken")
    if outcome.status != "ok" or not faults:
        return outcome
    return Outcome(status="error", message=one_line(f"the run left {faults[0]}"), hint=HINT)


def remove(path: Path) -> None:
    """Takes away a file or a folder."""
    inside.remove(path.parent, path)


def strange(folder: Path) -> list[Path]:
    """What lies below a folder and is neither a plain file nor a folder: a link leads elsewhere, a pipe never ends."""
    found = [Path(name) / entry for name, folders, files in os.walk(folder) for entry in (*folders, *files)]
    return [path for path in found if not (stat.S_ISREG(mode := path.lstat().st_mode) or stat.S_ISDIR(mode))]
