"""Which plans a verb is asked about: files as named, folders walked in order, hidden ones left out."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path


def plans(paths: Iterable[str], suffix: str = ".mem") -> list[str]:
    """Return the files named, and every plan below the folders named; each once, in a stable order."""
    out: dict[str, None] = {}
    for path in paths:
        if not os.path.isdir(path):
            out[path] = None
            continue
        found = []
        for folder, inner, names in os.walk(path):
            inner[:] = [name for name in inner if not name.startswith(".")]
            found += [str(Path(folder) / name) for name in names if name.endswith(suffix) and not name.startswith(".")]
        out |= dict.fromkeys(sorted(found))
    return list(out)
