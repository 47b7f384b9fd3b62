"""What the terminal is like, and answers shown on it in the form that was asked for."""

from __future__ import annotations

import os
import shutil
import sys
from typing import IO, TYPE_CHECKING

import typer

from planner.diagnostics.shown import lines, shown

if TYPE_CHECKING:
    from collections.abc import Sequence

    from planner.diagnostics import Diagnostic
    from planner.language.problem import Problem
    from planner.solve.answer import Answer

FORMATS = ("table", "json", "markdown", "html", "csv")
"""The forms of an answer; `planner.report.answer` renders them."""
PAPER = 100
"""The columns of a table that is printed elsewhere than on a terminal."""


def say(text: str, *, err: bool = False, styled: bool = False, commands: bool = False, end: bool = True) -> None:
    """Print what is made of lines on stdout, or on stderr where `err`: nothing in it acts on a terminal or a CI runner.

    Only what is `styled` has colours, and only `commands` has lines that a runner obeys. Without `end` the text ends
    its last line itself.
    """
    typer.echo(lines(text, styled, commands), err=err, nl=end, color=styled or None)


def tell(text: str, *, err: bool = True) -> None:
    """Print one line on stderr, or on stdout where not `err`; line ends in what it quotes are shown."""
    typer.echo(lines(shown(text)), err=err)


def known_format(form: str, *without: str) -> None:
    """Raise typer.BadParameter where an answer has no such form, or the verb none that is named."""
    known = [name for name in FORMATS if name not in without]
    if form not in known:
        raise typer.BadParameter(f"unknown format `{form}`; choose from {', '.join(known)}")


def complete_format(incomplete: str) -> list[str]:
    """Return the forms that begin so, for the shell's completion."""
    return [form for form in FORMATS if form.startswith(incomplete)]


def colourful(stream: IO[str]) -> bool:
    """Return whether colour may be written: a terminal that can, and no NO_COLOR (no-color.org)."""
    if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb" or not stream.isatty():
        return False
    return (getattr(stream, "encoding", "") or "").lower().replace("-", "") == "utf8"


def width(stream: IO[str]) -> int:
    """Return the columns of a terminal, or of what COLUMNS says, or 100 on paper."""
    if stream.isatty() or os.environ.get("COLUMNS", "").isdigit():
        return shutil.get_terminal_size((PAPER, 24)).columns
    return PAPER


def show(
    form: str,
    answer: Answer,
    problem: Problem | None,
    findings: Sequence[Diagnostic],
    title: str,
    traded: Sequence[str] = (),
    held: list[str] | None = None,
) -> None:
    """Print an answer on stdout; `traded` names the quantities of its front.

    `held` are the answers of other plans before it: what is to be one document waits there for `show_held`, the rest is
    separated by an empty line.
    """
    from planner.report.answer import WHOLE, render

    columns, colour = width(sys.stdout), colourful(sys.stdout)
    text = render(form, answer, problem, findings, title=title, traded=traded, width=columns, colour=colour)
    if held is not None and form in WHOLE:
        held.append(text)
        return
    say(f"\n{text}" if held else text, styled=colour)
    if held is not None:
        held.append(text)


def show_values(answer: Answer, problem: Problem) -> None:
    """Print where each value of the decisions stands that were looked at: none where that was not asked for."""
    from planner.report import by_value, phrases

    tables = by_value.values(answer, phrases.operators(problem))
    if tables:
        colour = colourful(sys.stdout)
        say("\n" + by_value.render(tables, width=width(sys.stdout), colour=colour), styled=colour)


def show_held(form: str, held: Sequence[str]) -> None:
    """Print the answers of several plans that are to be one document."""
    from planner.report.answer import WHOLE, joined

    text = joined(form, held) if form in WHOLE else ""
    if text:
        say(text)
