"""A model on the command line: what is wrong with the words about it ends the command."""

from __future__ import annotations

from pathlib import Path

import typer

from planner import by_name
from planner.by_name import MistakenWord, is_model
from planner.cli.plan import Loaded, load_plan, report
from planner.cli.screen import tell
from planner.language.compose import PLACE, Words

__all__ = ["composed", "is_model", "load_composed", "sized"]


def sized(words: Words) -> tuple[Words, str]:
    """Return the words and the declaration of a GPU that is given by its memory alone, saying what else it has."""
    words, declaration, note = by_name.sized(words)
    if note:
        tell(f"warning: {note}")
    return words, declaration


def composed(words: Words, *, name: str, objective: bool = True, seen_from: Path = Path(), more: str = "") -> str:
    """Return the plan that the words of a command line mean; exit with what is wrong with them."""
    try:
        return by_name.composed(words, name=name, objective=objective, seen_from=seen_from, more=more)
    except MistakenWord as mistake:
        if mistake.option:
            raise typer.BadParameter(str(mistake), param_hint=mistake.option) from None
        tell(f"error[{mistake.code}]: {mistake}")
        raise typer.Exit(2) from None


def load_composed(text: str) -> Loaded:
    """Return a composed plan as it was read; exit where an option says what there is not."""
    loaded = load_plan(PLACE, text=text)
    if loaded.problem is None:
        report(loaded.findings, loaded.texts)
        raise typer.Exit(2)
    return loaded
