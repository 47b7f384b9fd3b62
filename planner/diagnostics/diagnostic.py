"""A mistake or a warning: a code, a place, a reason and a way out."""

from __future__ import annotations

from typing import Any, Literal

from planner.diagnostics.shown import shown
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
    """One finding. `secondary` carries the other half of a conflict; `help` is the way out, `fix` does it.

    Made by `error` and `warning`, so that none of its texts holds more than one line or anything a terminal acts on;
    the paths of its spans are as the file system has them.
    """

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


def error(code: str, message: str, span: Span | None = None, **more: Any) -> Diagnostic:
    """Return an error; keywords are the fields of Diagnostic. What its texts quote is shown, not sent."""
    return _made(code, "error", message, span, **more)


def warning(code: str, message: str, span: Span | None = None, **more: Any) -> Diagnostic:
    """Return a warning; keywords are the fields of Diagnostic. What its texts quote is shown, not sent."""
    return _made(code, "warning", message, span, **more)


def _made(
    code: str,
    severity: Severity,
    message: str,
    span: Span | None,
    label: str = "",
    secondary: tuple[tuple[Span, str], ...] = (),
    help: str | None = None,
    fix: Fix | None = None,
) -> Diagnostic:
    others = tuple((place, shown(words)) for place, words in secondary)
    if fix is not None:
        fix = Fix(shown(fix.title), fix.edits, fix.safe)
    return Diagnostic(
        code=code,
        severity=severity,
        message=shown(message),
        span=span,
        label=shown(label),
        secondary=others,
        help=None if help is None else shown(help),
        fix=fix,
    )
