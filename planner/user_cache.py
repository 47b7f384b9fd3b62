"""What the program keeps for its next start, in a folder of the user's own; nothing there is run, and little believed.

Entries are data that their readers could make again. One is used only where the cache folder and the file are the
user's and nobody else may write there, and where the entry carries a code made with the user's secret key, which lies
apart from the cache: a folder that was restored, copied or filled by somebody else has no say. Everything else is as if
it were not there.
"""

from __future__ import annotations

import contextlib
import hmac
import os
import stat
from functools import lru_cache
from pathlib import Path

FORM = b"planner.kept/1\n"
MOST_BYTES = 64 * 2**20
MOST = 300
"""So many entries are kept; beyond, the oldest half goes."""
_KEY = 32
_CODE = 32
_SAFE = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)


def _home(variable: str, default: str) -> Path:
    base = os.environ.get(variable)
    home = Path(base) if base else Path("~", *default.split("/")).expanduser()
    return home / "planner"


def folder() -> Path:
    """Return where entries are: `$XDG_CACHE_HOME/planner`, else `~/.cache/planner`."""
    return _home("XDG_CACHE_HOME", ".cache")


def key_path() -> Path:
    """Return where the secret is: `$XDG_STATE_HOME/planner/key`, else `~/.local/state/planner/key`."""
    return _home("XDG_STATE_HOME", ".local/state") / "key"


def read(name: str) -> bytes | None:
    """Return the entry of a name, None where there is none that can be trusted."""
    try:
        place = folder()
        if not _own_folder(place):
            return None
        data = _read(place / name)
        secret = None if data is None else _secret()
        if data is None or secret is None or not data.startswith(FORM):
            return None
        start = len(FORM)
        body = memoryview(data)[start + _CODE :]
        return bytes(body) if hmac.compare_digest(data[start : start + _CODE], _code(secret, name, body)) else None
    except (OSError, ValueError, RuntimeError):
        return None


def write(name: str, body: bytes) -> None:
    """Keep an entry, whole or not at all; where there is no folder or key of the user's own, nothing is kept."""
    import tempfile

    temporary = None
    try:
        place = folder()
        if not _own_folder(place, make=True):
            return
        secret = _secret() or _new_secret()
        if secret is None:
            return
        handle, temporary = tempfile.mkstemp(dir=place, suffix=".tmp")  # readable and writable by the user alone
        with os.fdopen(handle, "wb") as file:
            file.write(FORM + _code(secret, name, body) + body)
        os.replace(temporary, place / name)
        temporary = None
        _prune(place)
    except (OSError, ValueError, RuntimeError):
        pass
    finally:
        if temporary is not None:
            with contextlib.suppress(OSError):
                os.unlink(temporary)


def _code(secret: bytes, name: str, body: bytes | memoryview) -> bytes:
    code = hmac.new(secret, name.encode() + b"\n", "sha256")
    code.update(body)
    return code.digest()


def _own_folder(place: Path, make: bool = False) -> bool:
    """Return whether a folder is the user's, and nobody else may write to it or, by its parent, put another there."""
    if make:
        place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with contextlib.suppress(FileExistsError):
            place.mkdir(mode=0o700)
    own, above = os.lstat(place), os.stat(place.parent)
    if not stat.S_ISDIR(own.st_mode) or not hasattr(os, "geteuid"):
        return stat.S_ISDIR(own.st_mode)
    return _own(own) and above.st_uid in (0, os.geteuid()) and not above.st_mode & stat.S_IWOTH


def _own(status: os.stat_result) -> bool:
    return status.st_uid == os.geteuid() and not status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)


def _read(path: Path) -> bytes | None:
    """Return the bytes of a regular file of the user's own that is not a link; raise OSError where there is none."""
    handle = os.open(path, _SAFE)
    with os.fdopen(handle, "rb") as file:
        status = os.fstat(handle)
        if not stat.S_ISREG(status.st_mode) or status.st_size > MOST_BYTES:
            return None
        if hasattr(os, "geteuid") and not _own(status):
            return None
        return file.read(MOST_BYTES)


@lru_cache(maxsize=1)
def _known(path: Path) -> bytes | None:
    if not _own_folder(path.parent):
        return None
    secret = _read(path)
    return secret if secret is not None and len(secret) == _KEY else None


def _secret() -> bytes | None:
    with contextlib.suppress(OSError):
        return _known(key_path())
    return None


def _new_secret() -> bytes | None:
    """Make the user's key, where none is there; of two programs at once, one makes it and the other begins anew."""
    import tempfile

    path = key_path()
    if not _own_folder(path.parent, make=True):
        return None
    if os.path.lexists(path):
        secret = _read(path)
        if secret is None or len(secret) == _KEY:
            return None  # not the user's alone, or made just now; one that was cut off is made anew
    handle, temporary = tempfile.mkstemp(dir=path.parent, suffix=".tmp")
    with os.fdopen(handle, "wb") as file:
        file.write(os.urandom(_KEY))
    os.replace(temporary, path)
    _known.cache_clear()
    return _secret()


def _prune(place: Path) -> None:
    with os.scandir(place) as entries:
        files = [entry for entry in entries if entry.is_file(follow_symlinks=False)]
    if len(files) > MOST:
        oldest = sorted(files, key=lambda entry: entry.stat(follow_symlinks=False).st_mtime)
        for entry in oldest[: len(oldest) // 2]:
            with contextlib.suppress(OSError):
                os.unlink(entry.path)
