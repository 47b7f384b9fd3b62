"""The one diagnostic value every pass collects."""

from planner.diagnostics.diagnostic import Diagnostic, Severity, Span

__all__ = ["Diagnostic", "Severity", "Span"]
