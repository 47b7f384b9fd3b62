"""All lints, in the order of their codes."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from planner.diagnostics.diagnostic import Diagnostic
from planner.lint.answer import spot
from planner.lint.assumed import assumed
from planner.lint.encoders import encoders
from planner.lint.names import edition, names, spelling
from planner.lint.rules import drafts, prompts, quality, rules
from planner.lint.source import Source
from planner.lint.units import units

Lint = Callable[[Source], Iterator[Diagnostic]]
LINTS: tuple[Lint, ...] = (quality, units, rules, prompts, names, spot, edition, spelling, encoders, assumed, drafts)
"""What `check` runs on every plan; the lints of an answer run where there is a lock."""


def lint(source: Source) -> list[Diagnostic]:
    """Return what the lints find in a plan's own text, in the order of the text."""
    findings = [item for one in LINTS for item in one(source)]
    return sorted(findings, key=lambda item: (item.span.start if item.span else 0, item.code))
