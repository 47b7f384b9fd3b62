"""`planner fmt`: the one layout of plans."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import typer

from planner.cli.files import plans
from planner.cli.plan import report
from planner.cli.screen import say, tell

if TYPE_CHECKING:
    from planner.diagnostics import Diagnostic


def fmt(
    paths: list[str] = typer.Argument(..., metavar="PATH...", help="Plans, folders of them, or - for stdin to stdout."),
    check: bool = typer.Option(False, "--check", help="Write nothing; exit 1 where a plan is not laid out."),
    diff: bool = typer.Option(False, "--diff", help="Write nothing; print what would change, exit 1 where it would."),
) -> None:
    """Lay plans out in the one layout; comments stay in place, and what a plan says never changes."""
    if "-" in paths and len(paths) > 1:
        raise typer.BadParameter("`-` stands alone")
    files = paths if paths == ["-"] else plans(paths)
    codes, changed = [], 0
    for path in files:
        code = _one(path, check, diff)
        codes.append(code)
        changed += code == -1
    if paths != ["-"]:
        tell(_summary(len(files), changed, check or diff, sum(code > 0 for code in codes)))
    worst = max([code for code in codes if code > 0], default=0)
    raise typer.Exit(worst or int(bool(changed) and (check or diff)))


def _one(path: str, check: bool, diff: bool) -> int:
    """Return 0 where a plan is laid out, -1 where it was (or would be) changed, else the exit code."""
    from planner.syntax.files import read, write
    from planner.syntax.format import format_text

    name = "<stdin>" if path == "-" else path
    text, problem = _typed(name) if path == "-" else read(path)
    if text is None:
        report((problem,) if problem else (), {})
        return 2
    shown, findings = format_text(text, name)
    if shown is None:
        report(findings, {name: text})
        return 1
    if diff and shown != text:
        say(difference(text, shown, name, "laid out"), end=False)
    elif path == "-" and not check and not diff:
        if sys.stdout.isatty():
            say(shown, end=False)
        else:
            sys.stdout.write(shown)  # a filter: what is read of it is the plan itself
        return 0
    if shown == text:
        return 0
    if check and not diff:
        tell(f"{name} is not laid out", err=False)
    elif not diff:
        try:
            write(path, shown)
        except OSError as reason:
            tell(f"error[E0005]: {path} cannot be written: {reason.strerror}; it stays as it is")
            return 2
    return -1


def _typed(name: str) -> tuple[str | None, Diagnostic | None]:
    """Return the text on standard input, or why there is none."""
    from planner.diagnostics.diagnostic import error
    from planner.syntax.files import LIMIT, decode

    if sys.stdin is None:
        return None, error("E0004", "standard input is closed", help="name a file, or pipe a plan in")
    return decode(sys.stdin.buffer.read(LIMIT + 1), name)


def difference(old: str, new: str, name: str, how: str) -> str:
    """Return a unified diff of a plan before and after; `how` says what the second is."""
    from difflib import unified_diff
    from io import StringIO

    from planner.diagnostics.shown import shown

    before, after = (list(StringIO(text, newline="\n")) for text in (old, new))
    rows = unified_diff(before, after, shown(name), f"{shown(name)} ({how})")
    return "".join(row if row.endswith("\n") else f"{row}\n\\ no line end at the end of the file\n" for row in rows)


def _summary(total: int, changed: int, dry: bool, failed: int) -> str:
    parts = [f"{changed} plan{'s' * (changed != 1)} {'to lay out' if dry else 'laid out'}"] if changed else []
    left = total - changed - failed
    parts += [f"{left} unchanged"] if left or not parts else []
    parts += [f"{failed} failed"] if failed else []
    return ", ".join(parts)
