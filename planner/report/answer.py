"""An answer in one of the forms it can be shown in."""

from __future__ import annotations

from collections.abc import Sequence

from planner.diagnostics import Diagnostic
from planner.language.problem import Problem
from planner.solve.candidate import Answer

FORMATS = ("table", "json", "markdown", "html")


def render(
    form: str,
    answer: Answer,
    problem: Problem | None = None,
    diagnostics: Sequence[Diagnostic] = (),
    *,
    title: str = "The plan",
    traded: Sequence[str] = (),
    width: int = 100,
    colour: bool = False,
) -> str:
    """Return the answer in one of FORMATS; `traded` names the quantities of its front.

    `width` and `colour` are for the table alone.
    """
    if form == "json":
        from planner.report import json_

        return json_.render(answer, diagnostics)
    from planner.report.sheet import sheet

    view = sheet(answer, problem, diagnostics, traded)
    match form:
        case "markdown":
            from planner.report import markdown

            return markdown.render(view, title)
        case "html":
            from planner.report import html

            return html.render(view, title)
        case _:
            from planner.report import table

            return table.render(view, width=width, colour=colour)
