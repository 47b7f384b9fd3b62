"""Opening files that somebody named: regular files alone, for a pipe, a device or a socket may never end."""

from __future__ import annotations

import os
import stat
from errno import EINVAL
from pathlib import Path
from typing import BinaryIO

KINDS = (
    (stat.S_ISDIR, "it is a folder, not a file"),
    (stat.S_ISFIFO, "it is a pipe, not a regular file"),
    (stat.S_ISSOCK, "it is a socket, not a regular file"),
    (stat.S_ISCHR, "it is a device, not a regular file"),
    (stat.S_ISBLK, "it is a device, not a regular file"),
)


class NotRegularError(OSError):
    """The name leads to something else than a regular file; `strerror` says to what."""


def opened(path: str | Path) -> BinaryIO:
    """Open a regular file for reading, links followed; raise OSError, or ValueError for a name that cannot be one.

    Nothing is opened before its kind is known, nothing waits, and what was opened is looked at once more: it may have
    been exchanged between.
    """
    _refuse_other(path, os.stat(path).st_mode)
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOCTTY", 0) | getattr(os, "O_BINARY", 0)
    handle = os.open(path, flags)
    try:
        _refuse_other(path, os.fstat(handle).st_mode)
        return os.fdopen(handle, "rb")
    except BaseException:
        os.close(handle)
        raise


def read_bytes(path: str | Path, most: int) -> bytes:
    """Return at most so many bytes of a regular file and one more; raise OSError or ValueError.

    A longer answer says that the file is too large. No size is believed: files of /proc have none and go on.
    """
    with opened(path) as file:
        data = file.read(most + 1)
    if data is None:  # nothing can be read without waiting
        raise NotRegularError(EINVAL, "it cannot be read to its end", str(path))
    return data


def _refuse_other(path: str | Path, mode: int) -> None:
    if not stat.S_ISREG(mode):
        reason = next((words for is_kind, words in KINDS if is_kind(mode)), "it is not a regular file")
        raise NotRegularError(EINVAL, reason, str(path))
