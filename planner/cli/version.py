"""`planner version`: which release this is."""

from __future__ import annotations

from planner import __version__
from planner.cli.screen import tell


def version() -> None:
    """Show the version."""
    tell(f"planner {__version__}", err=False)
