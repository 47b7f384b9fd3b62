"""Diagnostics as GitHub Actions workflow commands, which annotate a pull request."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from planner.diagnostics.diagnostic import Diagnostic
from planner.diagnostics.places import end, relative


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")


def _one(item: Diagnostic, texts: Mapping[str, str]) -> str:
    properties = {"title": f"planner {item.code}"}
    if item.span:
        properties |= {"file": relative(item.span.path), "line": str(item.span.line), "col": str(item.span.column)}
        behind = end(item.span, texts)
        if behind:
            properties["endLine"] = str(behind[0])
            if behind[0] == item.span.line:  # GitHub knows columns only within one line
                properties["endColumn"] = str(behind[1])
    words = ",".join(f"{name}={_property(value)}" for name, value in properties.items())
    help = f"\nhelp: {item.help}" if item.help else ""
    return f"::{item.severity} {words}::{_data(item.message + help)}"


def render(diagnostics: Iterable[Diagnostic], texts: Mapping[str, str]) -> str:
    """Return one command a line: `::error title=planner E0301,file=a.mem,line=3,col=5::message`.

    Escapes follow https://docs.github.com/actions/reference/workflow-commands-for-github-actions.
    """
    return "\n".join(_one(item, texts) for item in diagnostics)
