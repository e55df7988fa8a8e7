"""Kept epochs: the weights of each epoch that was the best so far, as files that a run keeps beside its model.

    <folder>/epoch-018.weights.h5    Keras's, of the whole model; 18 is the epoch's number in history.csv

Only epochs of the last stage are kept, and of several trainings those of the last: the scored model's is one of them.
"""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

from ..files import inside

#: Below a run's model folder, and below the folder that its training's state is in.
EPOCHS = "epochs"
_NAME = re.compile(r"epoch-(\d{3,6})\.weights\.h5")


def epoch_file(folder: Path, epoch: int) -> Path:
    """Where the weights of an epoch are, counted from 1."""
    return folder / f"epoch-{epoch:03d}.weights.h5"


def kept_epochs(folder: Path) -> list[int]:
    """The epochs whose weights are in a folder, ascending; none where there is no such folder.

    Raises InputError where a link stands in its place.
    """
    return sorted(
        int(match[1]) for name in inside.entries(folder.parent, folder).files if (match := _NAME.fullmatch(name))
    )


def forget(folder: Path, after: int) -> None:
    """Deletes the weights of all epochs after that one: the training goes on from there, or begins with 0."""
    for epoch in kept_epochs(folder):
        if epoch > after:
            epoch_file(folder, epoch).unlink()


def hand_over(folder: Path, target: Path) -> None:
    """Gives ``target``, which is not there yet, the kept epochs of ``folder``, which keeps them.

    They are the same files under two names where the file system can do that, and copies where it can't.
    """
    for epoch in kept_epochs(folder):
        target.mkdir(exist_ok=True)
        one, other = epoch_file(folder, epoch), epoch_file(target, epoch)
        try:
            os.link(one, other)
        except OSError:
            shutil.copyfile(one, other)
