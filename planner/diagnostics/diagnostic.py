"""A mistake or a warning: a code, a place, a reason and a way out."""

from __future__ import annotations

from typing import Literal

from planner.record import dataclass

Severity = Literal["error", "warning"]


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """A stretch of a file: character offsets, and the 1-based line and column where it starts."""

    path: str
    start: int
    end: int
    line: int
    column: int


@dataclass(frozen=True, slots=True)
class Fix:
    """Edits that mend a finding: spans and what stands there then. `safe` where what the plan means stays the same."""

    title: str
    edits: tuple[tuple[Span, str], ...]
    safe: bool


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One finding. `secondary` carries the other half of a conflict; `help` is the way out, `fix` does it."""

    code: str
    severity: Severity
    message: str
    span: Span | None = None
    label: str = ""
    secondary: tuple[tuple[Span, str], ...] = ()
    help: str | None = None
    fix: Fix | None = None

    @property
    def is_error(self) -> bool:
        """Whether this finding makes the file wrong."""
        return self.severity == "error"


def error(code: str, message: str, span: Span | None = None, **more: object) -> Diagnostic:
    """Return an error; keywords are the fields of Diagnostic."""
    return Diagnostic(code, "error", message, span, **more)  # type: ignore[arg-type]


def warning(code: str, message: str, span: Span | None = None, **more: object) -> Diagnostic:
    """Return a warning; keywords are the fields of Diagnostic."""
    return Diagnostic(code, "warning", message, span, **more)  # type: ignore[arg-type]
