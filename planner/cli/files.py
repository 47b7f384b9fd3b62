"""Which plans a verb is asked about: files as named, folders walked in order, hidden ones left out."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path


def plans(paths: Iterable[str], suffix: str = ".mem") -> list[str]:
    """Return the files named, and every plan below the folders named; each once, in a stable order.

    A lock stands for its plan: git and hooks name both.
    """
    out: dict[str, None] = {}
    for path in paths:
        path = path.removesuffix(".lock") if path.endswith(f"{suffix}.lock") else path
        if not os.path.isdir(path):
            out[path] = None
            continue
        plan_paths = []
        for folder, inner, names in os.walk(path):
            inner[:] = [name for name in inner if not name.startswith(".")]
            plan_paths += [
                str(Path(folder) / name) for name in names if name.endswith(suffix) and not name.startswith(".")
            ]
        out |= dict.fromkeys(sorted(plan_paths))
    return list(out)


def orphans(paths: Iterable[str], suffix: str = ".mem") -> list[str]:
    """Return the locks below the folders named whose plan is gone."""
    out = []
    for top in paths:
        for folder, inner, names in os.walk(top):
            inner[:] = [name for name in inner if not name.startswith(".")]
            locks = (name for name in names if name.endswith(f"{suffix}.lock") and not name.startswith("."))
            out += [str(Path(folder) / name) for name in locks if name.removesuffix(".lock") not in names]
    return sorted(dict.fromkeys(out))
