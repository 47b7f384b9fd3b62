"""`planner export`: what runs the locked answer."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from planner.cli.plan import Loaded, load_plan, locked, report, unreadable
from planner.cli.screen import say, tell
from planner.language.copies import block_of

if TYPE_CHECKING:
    from planner.diagnostics import Span
    from planner.export.forms import Target


def _complete(incomplete: str) -> list[str]:
    from planner.export.forms import FORMS

    return [form.name for form in FORMS if form.name.startswith(incomplete)]


def export(
    plan: str = typer.Argument(..., help="The plan file; its lock lies beside it."),
    workload: str | None = typer.Argument(None, help="One workload of it."),
    to: str = typer.Option("", "--to", metavar="FORM", help="What to write; without it the forms are listed.",
                           autocompletion=_complete),
    folder: str = typer.Option("", "--output", "-o", metavar="DIR", help="Write a file for each workload in a folder."),
    check: bool = typer.Option(False, "--check", help="Write nothing; say which files in DIR no longer follow."),
) -> None:  # fmt: skip
    """Write what runs the locked answer: commands, manifests and configurations, every setting in them."""
    from planner.export.export import export as files_of
    from planner.export.forms import BY_NAME, FORMS
    from planner.solve.copies import ordered

    form = BY_NAME.get(to)
    if form is None:
        known = "\n".join(f"  {item.name:<13} {item.doc} ({', '.join(item.programs)})" for item in FORMS)
        tell(f"error[E0301]: unknown form `{to}`" if to else "error[E0301]: no form is named; add --to FORM")
        say(f"available:\n{known}", err=True)
        raise typer.Exit(2)
    if check and not folder:
        raise typer.BadParameter("it compares the files of a folder: add -o DIR", param_hint="--check")
    loaded = load_plan(plan)
    if loaded.problem is None:
        report(loaded.findings, loaded.texts)
        raise typer.Exit(2 if unreadable(loaded) else 1)
    names = list(dict.fromkeys(block_of(item.name) for item in loaded.problem.workloads))
    if workload is not None and workload not in names:
        tell(f"error[E0301]: unknown workload `{workload}`; available: {', '.join(names)}")
        raise typer.Exit(2)
    if workload is None and len(names) > 1 and not folder:
        tell(f"error[E0301]: {plan} has several workloads; name one of {', '.join(names)}, or a folder with -o DIR")
        raise typer.Exit(2)
    lock, loaded = locked(plan, loaded)
    asked = [workload] if workload is not None else _of(loaded, form)
    answered = [name for block in asked or names for name in ordered(lock.workloads) if block_of(name) == block]
    if len(answered) > 1 and not folder:
        tell(f"error[E0301]: the copies of `{answered[0]}` have several choices; name a folder with -o DIR")
        raise typer.Exit(2)
    texts, findings = files_of(
        lock,
        plan,
        answered,
        form,
        _places(loaded),
        lambda *item: _published(loaded, *item),
        lambda name: _limit(loaded, name),
    )
    report(findings, loaded.texts)
    if findings:
        raise typer.Exit(1)
    if check:
        raise typer.Exit(_stale(Path(folder), texts))
    if folder:
        _write(Path(folder), texts)
    else:
        for text in texts.values():
            say(text, end=False)


def _of(loaded: Loaded, form: Target) -> list[str]:
    workloads = loaded.problem.workloads if loaded.problem is not None else ()
    return list(dict.fromkeys(block_of(item.name) for item in workloads if form.of(item.kind)))


def _published(loaded: Loaded, name: str, weights: str) -> list[str]:
    """Return the checkpoints of a workload's model in a format, or in a variant of it; those that were read first."""
    assert loaded.problem is not None
    model = next(item.model for item in loaded.problem.workloads if item.name == block_of(name))
    rows = [
        row
        for row in loaded.catalog.checkpoints.values()
        if row.of == (model.of or model.id) and f"{row.native_format}_".startswith(f"{weights}_")
    ]
    return [row.id for row in sorted(rows, key=lambda row: (row.layout != "read", row.id))]


def _limit(loaded: Loaded, name: str) -> tuple[str, int | None]:
    """Return the engine of a workload and the longest context of its model, where it starts with no longer one."""
    assert loaded.problem is not None
    workload = next(item for item in loaded.problem.workloads if item.name == block_of(name))
    if workload.kind != "inference":
        return "", None
    id = str(workload.given["engine"])
    engine = loaded.problem.engines.get(id) or loaded.catalog.engines[id]
    return engine.name.partition(" (")[0], workload.model.max_context if engine.refuses_longer else None


def _places(loaded: Loaded) -> dict[str, Span]:
    from planner.report.nothing_fits import spans

    assert loaded.problem is not None
    return {item.name: item.span for item in loaded.problem.workloads} | spans(loaded.problem)


def _write(folder: Path, texts: dict[str, str]) -> None:
    """Write all files into a folder, each whole or not at all."""
    from planner.syntax.files import write

    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in texts.items():
            write(folder / name, text)
            tell(f"wrote {folder / name}")
    except OSError as reason:
        tell(f"error[E0005]: {reason.filename or folder} cannot be written: {reason.strerror}")
        raise typer.Exit(2) from None


def _stale(folder: Path, texts: dict[str, str]) -> int:
    """Say which files of a folder are missing or are not what the lock gives now; return 1 where there are any."""
    stale = 0
    for name, text in texts.items():
        path = folder / name
        try:
            same = path.read_bytes().replace(b"\r\n", b"\n") == text.encode()
        except FileNotFoundError:
            tell(f"{path} is missing")
            stale = 1
            continue
        except OSError as reason:
            tell(f"error[E0004]: {path} cannot be read: {reason.strerror}")
            raise typer.Exit(2) from None
        if not same:
            tell(f"{path} is out of date: it does not follow from the lock")
            stale = 1
    return stale
