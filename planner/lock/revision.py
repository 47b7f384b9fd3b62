"""A plan and what it names as they were at a revision of git."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path, PurePosixPath

from planner.syntax import tree
from planner.syntax.files import LIMIT
from planner.syntax.parse import parse

MOST = 1000
"""Files one plan may name; a plan that names more is not a plan."""


class NoRevision(OSError):
    """Git is missing, the plan lies in no repository, or there is no such revision."""


def _git(folder: Path, *words: str) -> subprocess.CompletedProcess[bytes]:
    try:
        return subprocess.run(
            ["git", "-C", str(folder), *words], capture_output=True, check=False, stdin=subprocess.DEVNULL
        )
    except OSError as problem:
        raise NoRevision(f"git cannot be run: {problem.strerror}") from problem


def _line(done: subprocess.CompletedProcess[bytes]) -> str:
    return done.stdout.decode("utf-8", "replace").strip()


def extract(plan: str, revision: str, folder: Path) -> Path | None:
    """Write the plan as it was, and every file it names, below `folder`; return its path, None where it was not there.

    Raise NoRevision. Only files of the repository are read; a missing one stays missing and is a finding later.
    """
    here = Path(os.path.realpath(plan)).parent
    root = _git(here, "rev-parse", "--show-toplevel")
    if root.returncode:
        raise NoRevision(f"{plan} lies in no git repository")
    top = Path(os.path.realpath(_line(root)))
    commit = _git(top, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}")
    if commit.returncode:
        raise NoRevision(f"git knows no revision `{revision}`")
    start = PurePosixPath(Path(os.path.realpath(plan)).relative_to(top).as_posix())
    pending, seen = [start], {start}
    while pending:
        name = pending.pop()
        data = _blob(top, _line(commit), name)
        if data is None:
            if name == start:
                return None
            continue
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)
        if name.suffix == ".mem":
            text = data.decode("utf-8", "replace")
            for other in _named(text, name.parent):
                if other not in seen and len(seen) < MOST:
                    seen.add(other)
                    pending.append(other)
    return folder / start


def _blob(top: Path, commit: str, name: PurePosixPath) -> bytes | None:
    size = _git(top, "cat-file", "-s", f"{commit}:{name}")
    if size.returncode or int(_line(size)) > LIMIT:
        return None
    done = _git(top, "cat-file", "blob", f"{commit}:{name}")
    return None if done.returncode else done.stdout


def _named(text: str, folder: PurePosixPath) -> list[PurePosixPath]:
    """Return the files a plan imports or reads, those inside the repository."""
    file, _ = parse(text, "")
    words = [item.path for item in file.items if isinstance(item, tree.Import)]
    for item in file.items:
        if isinstance(item, tree.Declaration) and isinstance(item.value, tree.Call):
            words += [word.text for word in item.value.arguments if isinstance(word, tree.String)]
    out = []
    for word in words:
        path = os.path.normpath(str(folder / word.replace("\\", "/")))
        if not os.path.isabs(path) and not path.startswith("..") and "\0" not in path:
            out.append(PurePosixPath(path))
    return out
