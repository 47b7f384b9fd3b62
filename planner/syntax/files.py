"""Reading plan files from disk without ever raising, and writing a file whole or not at all."""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path

from planner.diagnostics.diagnostic import Diagnostic, error
from planner.regular_files import NotRegularError, read_bytes

LIMIT = 10 * 1024 * 1024


STDIN = ("-", "/dev/stdin")
"""The names of a plan that need not be a regular file: what is typed or piped in."""


def read(path: str | Path, typed: bool = False) -> tuple[str | None, Diagnostic | None]:
    """Return the text of a regular file, or why it cannot be read (E0001 to E0004); with `typed`, also of `STDIN`."""
    try:
        if Path(path).is_dir():
            return None, error("E0004", f"`{path}` is a folder, not a file", help="name a file in it")
        if typed and str(path) == "-":
            if sys.stdin is None:
                return None, error("E0004", "standard input is closed", help="name a file, or pipe a plan in")
            data = sys.stdin.buffer.read(LIMIT + 1)
        elif typed and str(path) in STDIN:
            with Path(path).open("rb") as stream:
                data = stream.read(LIMIT + 1)
        else:
            data = read_bytes(path, LIMIT)
    except FileNotFoundError:
        return None, error("E0001", f"there is no file `{path}`")
    except NotRegularError as problem:
        return None, error("E0004", f"`{path}` cannot be read: {problem.strerror}", help="save it as a file first")
    except (OSError, ValueError) as problem:
        reason = getattr(problem, "strerror", None) or str(problem)
        return None, error("E0004", f"`{path}` cannot be read: {reason}")
    return decode(data, path)


def decode(data: bytes, path: str | Path) -> tuple[str | None, Diagnostic | None]:
    """Return the text of a file's bytes, or why they are none (E0002, E0003)."""
    if len(data) > LIMIT:
        return None, error("E0003", f"`{path}` is larger than 10 MiB")
    if b"\0" in data:
        return None, error("E0002", f"`{path}` is a binary file, not a plan")
    try:
        return data.decode("utf-8-sig"), None
    except UnicodeDecodeError as problem:
        return None, error("E0002", f"`{path}` is not UTF-8 (byte {problem.start})", help="save it as UTF-8")


def write(path: str | Path, text: str) -> None:
    """Write a file beside its place and rename it, so that the old one or the new one is whole; raise OSError.

    A link is followed, and a file that was there keeps its permissions.
    """
    import tempfile  # brings random, which reading does without

    place = Path(os.path.realpath(path))
    handle, name = tempfile.mkstemp(dir=place.parent, prefix=f".{place.name}.", suffix=".tmp")
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        os.chmod(name, _mode(place))
        os.replace(name, place)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(name)
        raise
    with contextlib.suppress(OSError):  # the rename itself reaches the disk, where a folder can be synced
        folder = os.open(place.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def _mode(place: Path) -> int:
    try:
        return place.stat().st_mode & 0o7777
    except OSError:
        mask = os.umask(0)
        os.umask(mask)
        return 0o666 & ~mask
