"""Commands as a POSIX shell reads them: quoted, an option a line."""

from __future__ import annotations

import shlex
from collections.abc import Iterable

from planner.export.engines.program import Option, Program


def quoted(word: str) -> str:
    """Return a word as a shell takes it for one; a variable that an exporter wrote, `"${NAME:?}"`, stays one."""
    return word if word.startswith('"$') else shlex.quote(word)


def command(program: Program, more: Iterable[str] = ()) -> list[str]:
    """Return the lines of a server's command; `more` are options as the shell is to read them."""
    first = " ".join(map(quoted, (*program.entry, *program.words)))
    lines = [first, *options(program.options), *more]
    return " \\\n  ".join(lines).split("\n")


def options(more: Iterable[Option]) -> list[str]:
    """Return options as a shell reads them."""
    return [quoted(name) if value is None else f"{quoted(name)} {quoted(value)}" for name, value in more]


def exports(program: Program) -> list[str]:
    """Return the lines that set what of the environment the server reads."""
    return [f"export {name}={quoted(value)}" for name, value in program.environment]
