"""Where a study is kept: a journal file, which several machines may share over NFS, or a database."""

from __future__ import annotations

import errno
import importlib.util
import json
import os
from pathlib import Path
from typing import Any

from ..errors import InputError, brief

JOURNAL = "journal.log"
#: A journal has a line of some hundred bytes for each epoch of each trial.
MOST_BYTES = 1 << 30
#: No line of one is longer: it has the values of a trial, or what a study was asked to do.
MOST_LINE = 1 << 20
#: Seconds that a database may take to answer for the first time.
PATIENCE = 10


def check_optuna() -> None:
    """Raises InputError where the package that searches is not installed; imports nothing."""
    if importlib.util.find_spec("optuna") is None:
        raise InputError(
            "fer-bench tune needs the package optuna, which is not installed: pip install 'fer-bench[tune]'"
        )


def is_url(place: str) -> bool:
    """Whether a word for a storage is a database's URL, not a file's path."""
    return "://" in place


def open_storage(place: str) -> Any:
    """The storage of Optuna that a path or a URL names, made where it is not there yet.

    A journal is locked by a file beside it that is made exclusively, which NFS from version 3 on can do.

    Raises:
        InputError: it can't be written, is no journal, or no database of that URL answers.
    """
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    return _database(place) if is_url(place) else _journal(Path(place))


def shown(place: str) -> str:
    """A storage as it can be told to anybody: a URL without its password."""
    if not is_url(place):
        return place
    head, at, host = place.rpartition("@")
    scheme, _, user = head.partition("://")
    return f"{scheme}://{user.partition(':')[0]}@{host}" if at else place


def _journal(path: Path) -> Any:
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock

    what, lock = f"--storage {path}", JournalFileOpenLock(str(path))
    if path.is_dir():
        raise InputError(f"{what} is a folder; name a file in it, such as {path / JOURNAL}")
    if path.exists() and not path.is_file():
        raise InputError(f"{what} is no plain file; name another")
    try:
        if path.exists() and path.stat().st_size > MOST_BYTES:
            raise InputError(f"{what} has more than {MOST_BYTES:,} bytes, and is no journal of a study; name another")
        with path.open("ab"):
            pass
        if not os.access(path.parent, os.W_OK | os.X_OK):  # the lock lies there
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        _mend(path, lock)
        return JournalStorage(JournalFileBackend(str(path), lock_obj=lock))
    except OSError as error:
        raise InputError(f"{what} can't be written ({error.strerror or error}); choose another") from None
    except (ValueError, KeyError, TypeError, AssertionError, AttributeError) as error:  # a file of other lines
        reason = brief(" ".join(str(error).split()) or type(error).__name__, 80)
        raise InputError(f"{what} is no journal of Optuna ({reason}); name another") from None


def _mend(path: Path, lock: Any) -> None:
    """Cuts off a last line that a power cut has left unfinished: the next one would be written into it.

    Raises ValueError, and leaves the file alone, where it is no journal.
    """
    with path.open("rb") as file:
        first = file.readline(MOST_LINE)
    if first and "op_code" not in json.loads(first):
        raise ValueError("its first line is none of a journal")
    lock.acquire()
    try:
        with path.open("r+b") as file:
            content = file.read()
            if not content.endswith(b"\n"):
                file.truncate(content.rfind(b"\n") + 1)
    finally:
        lock.release()


def _database(url: str) -> Any:
    from optuna.storages import RDBStorage

    connection = {"connect_args": {"connect_timeout": PATIENCE}} if not url.startswith("sqlite") else {}
    try:
        return RDBStorage(url, engine_kwargs={"pool_pre_ping": True} | connection)
    except Exception as error:  # of SQLAlchemy and of any driver under it
        reason = brief(" ".join(str(error).split()).replace(url, shown(url)), 160)
        raise InputError(f"--storage {shown(url)}: no database that can be used ({reason})") from None
