"""`planner version`: which release this is."""

from __future__ import annotations

from planner.cli.screen import tell
from planner.version import __version__


def version() -> None:
    """Show the version."""
    tell(f"planner {__version__}", err=False)
