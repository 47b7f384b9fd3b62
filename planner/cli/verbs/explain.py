"""`planner explain`: what anything with a name is."""

from __future__ import annotations

import typer

from planner.cli.screen import say, tell
from planner.diagnostics.shown import shown


def explain(
    what: str = typer.Argument(
        ..., help="A code, kind, quantity, word, unit, format, GPU, engine, model, offer, provider or region."
    ),
) -> None:
    """Explain a code, a quantity or what it can be, a unit, a word of the language, or a row of the catalogs."""
    from planner.catalog.load import load
    from planner.report.explain import lines_for, near

    catalog = load()[0]
    lines = lines_for(what, catalog)
    if lines:
        say("\n".join(map(shown, lines)))
        return
    close = near(what, catalog)
    tell(f"unknown name `{what}`" + (f"; did you mean `{close}`?" if close else ""))
    raise typer.Exit(2)
