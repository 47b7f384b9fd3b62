"""An answer in one of the forms it can be shown in."""

from __future__ import annotations

from collections.abc import Sequence

from planner.diagnostics import Diagnostic
from planner.diagnostics.shown import cleaned, shown
from planner.language.problem import Problem
from planner.solve.answer import Answer

FORMATS = ("table", "json", "markdown", "html", "csv")
UNTITLED = "The plan"
WHOLE = frozenset({"json", "html", "csv"})
"""Forms of which several answers are joined to one document."""


def render(
    form: str,
    answer: Answer,
    problem: Problem | None = None,
    diagnostics: Sequence[Diagnostic] = (),
    *,
    title: str | None = None,
    traded: Sequence[str] = (),
    width: int = 100,
    colour: bool = False,
) -> str:
    """Return the answer in one of FORMATS; `title` is the plan's path, `traded` names the quantities of its front.

    `width` and `colour` are for the table alone.
    """
    if form == "json":
        from planner.report import json_

        return json_.render(answer, diagnostics, title)
    if form == "csv":
        from planner.report import csv_

        return csv_.render(answer, title)
    from planner.report.sheet import sheet

    view = cleaned(sheet(answer, problem, diagnostics, traded))
    title = shown(title or UNTITLED)
    match form:
        case "markdown":
            from planner.report import markdown

            return markdown.render(view, title)
        case "html":
            from planner.report.page import html

            return html.render(view, title)
        case _:
            from planner.report import table

            return table.render(view, width=width, colour=colour)


def joined(form: str, texts: Sequence[str]) -> str:
    """Return the answers of several plans in one of WHOLE as one document: a list as JSON, one page as HTML,
    one table as CSV."""
    if form == "json":
        from planner.report import json_

        return json_.joined(texts)
    if form == "csv":
        from planner.report import csv_

        return csv_.joined(texts)
    from planner.report.page import html

    return html.joined(texts) if texts else ""
