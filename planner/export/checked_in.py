"""Exports that lie in a repository: which of them no longer follow from the locks of their plans."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from planner.diagnostics import Diagnostic, Span
from planner.diagnostics.diagnostic import error
from planner.export.export import export
from planner.export.forms import BY_NAME, FORMS
from planner.lock.lock import path_for
from planner.lock.read import Lock, read

HEAD = re.compile(r'^(?:# | *")(\S+) of (.+?), written by `planner export --to ([a-z-]+)`', re.MULTILINE)
"""The line at the head of an export: its workload, its plan and its form."""
BEGIN = 4096
"""Bytes of a file in which that line is looked for."""


def stale(folder: str, plans: Iterable[str]) -> Iterator[Diagnostic]:
    """Yield an E0810 for each export in a folder, and in those below it, that is not what the lock of its plan gives.

    Files of other plans than these, and those of a plan whose lock cannot be read, which is a finding of its own, are
    left alone. Raise OSError where the folder or a file cannot be read.
    """
    locks: dict[str, dict[str, Lock]] = {}
    for plan in plans:
        if path_for(plan).exists():
            lock, _ = read(path_for(plan), plan)
            if lock is not None:
                locks.setdefault(Path(plan).name, {})[plan] = lock
    endings = tuple(form.suffix for form in FORMS)
    for path in sorted(path for path in _files(folder) if path.name.endswith(endings)):
        text = path.read_bytes().decode("utf-8", "replace").replace("\r\n", "\n")
        head = HEAD.search(text[:BEGIN])
        if head is not None and head[2] in locks:
            yield from _judged(path, text, head, locks[head[2]])


def _files(folder: str) -> Iterator[Path]:
    for where, folders, names in os.walk(folder, onerror=_refused):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        yield from (Path(where) / name for name in names)


def _refused(reason: OSError) -> None:
    raise reason


def _judged(path: Path, text: str, head: re.Match[str], locks: Mapping[str, Lock]) -> Iterator[Diagnostic]:
    """Yield that a file follows from none of the locks of plans called as its own."""
    name, form, plan = head[1], BY_NAME.get(head[3]), next(iter(locks))
    if form is None:
        reason, help = f"is of no form that there is: {head[3]}", "remove it"
    elif not any(name in lock.workloads for lock in locks.values()):
        reason, help = f"is of `{name}`, which {plan} does not have", "remove it"
    elif any(text in _texts(lock, plan, name, head[3]) for plan, lock in locks.items()):
        return
    else:
        reason = f"does not follow from {path_for(plan)}"
        help = f"run `planner export {plan} --to {head[3]} -o {path.parent}`"
    yield error("E0810", f"{path} {reason}", Span(str(path), 0, 0, 1, 1), help=help)


def _texts(lock: Lock, plan: str, name: str, form: str) -> Iterable[str]:
    return export(lock, plan, [name] if name in lock.workloads else [], BY_NAME[form], {})[0].values()
