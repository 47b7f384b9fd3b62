"""Reading plan files from disk without ever raising."""

from __future__ import annotations

from pathlib import Path

from planner.diagnostics.diagnostic import Diagnostic, error

LIMIT = 10 * 1024 * 1024


def read(path: str | Path) -> tuple[str | None, Diagnostic | None]:
    """Return the text of a file, or why it cannot be read (E0001 to E0004)."""
    try:
        place = Path(path)
        if place.is_dir():
            return None, error("E0004", f"`{path}` is a folder, not a file", help="name a file in it")
        with place.open("rb") as stream:
            data = stream.read(LIMIT + 1)
    except FileNotFoundError:
        return None, error("E0001", f"there is no file `{path}`")
    except (OSError, ValueError) as problem:
        reason = getattr(problem, "strerror", None) or str(problem)
        return None, error("E0004", f"`{path}` cannot be read: {reason}")
    if len(data) > LIMIT:
        return None, error("E0003", f"`{path}` is larger than 10 MiB")
    if b"\0" in data:
        return None, error("E0002", f"`{path}` is a binary file, not a plan")
    try:
        return data.decode("utf-8-sig"), None
    except UnicodeDecodeError as problem:
        return None, error("E0002", f"`{path}` is not UTF-8 (byte {problem.start})", help="save it as UTF-8")
