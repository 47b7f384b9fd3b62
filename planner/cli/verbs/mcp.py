"""`planner mcp`: the verbs as tools, for agents."""

from __future__ import annotations

from importlib.util import find_spec

import typer

from planner.cli.screen import tell


def mcp() -> None:
    """Serve an agent over standard input and output: solve, estimate, check, why, explain and export as tools."""
    if find_spec("mcp") is None:
        tell("error: the tools need the MCP SDK; install it with: pip install 'mem-planner[mcp]'")
        raise typer.Exit(2)
    from planner.mcp.server import start

    start()
