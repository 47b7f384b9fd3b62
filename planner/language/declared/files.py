"""Models read from files that a plan names: a Hugging Face config.json, a checkpoint."""

from __future__ import annotations

import importlib
from dataclasses import replace
from pathlib import Path

from planner.catalog.records import Model
from planner.diagnostics import Span
from planner.language.compose import PLACE, quoted
from planner.language.scope import Scope
from planner.syntax import tree


def read_model(name: str, function: str, path: tree.String, what: str, scope: Scope, guess: bool) -> Model | None:
    """Return the model of a file, its path relative to the plan's; None after an E0204 that says why not.

    With `guess`, a config of a kind that is not known exactly is read as the largest dense decoder of its sizes.
    """
    place = Path(path.span.path).parent / path.text
    reason = ""
    secondary: tuple[tuple[Span, str], ...] = ()
    way = f"name {what}"
    try:
        huggingface = importlib.import_module("planner.catalog.huggingface")
        reader = getattr(huggingface, f"read_{function}")
    except (ImportError, AttributeError):
        scope.error("E0204", f"this version does not read {what}", path.span, help="declare its fields")
        return None
    try:
        if not place.exists():
            reason = "there is no such file"
        else:
            model = reader(place, approximate=True) if guess else reader(place)
            assert isinstance(model, Model)
            return replace(model, id=name, source=f"{function}: {path.text}")
    except OSError as problem:
        reason = problem.strerror or str(problem)
    except ValueError as problem:
        where = getattr(problem, "span", None)
        reason = str(problem)
        secondary = ((where, getattr(problem, "reason", "")),) if where is not None else ()
        if getattr(problem, "approximable", False):
            typed = "--approximate" if path.span.path == PLACE else f"{function}({quoted(path.text)}, approximate)"
            way = f"{typed} accepts an approximate description, and says what it assumes"
    message = f'"{path.text}" describes no model: {reason}'
    scope.error("E0204", message, path.span, help=way, secondary=secondary)
    return None
