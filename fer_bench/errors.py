"""The one exception that stands for a user's mistake, and how a full disk is known."""

from __future__ import annotations

import errno
import os


class InputError(Exception):
    """Bad input from outside: the command line prints its message as one line and exits with code 2.

    The message says what is wrong, where (file, row, column, value) and what to do about it.
    """


#: No space on a device, no quota left, a file larger than its limit.
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
#: How libraries that lose the number on the way say so: HDF5 with its text, ``ndarray.tofile`` with counts.
_FULL_WORDS = (os.strerror(errno.ENOSPC), os.strerror(errno.EFBIG), "requested and")


def is_disk_full(error: BaseException) -> bool:
    """Whether an exception says that nothing more can be written: no space, no quota, a limit on the size of files."""
    return isinstance(error, OSError) and (error.errno in _FULL or any(words in str(error) for words in _FULL_WORDS))
