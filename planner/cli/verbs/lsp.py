"""`planner lsp`: the language server, for editors."""

from __future__ import annotations

from importlib.util import find_spec

import typer

from planner.cli.screen import tell


def lsp(
    stdio: bool = typer.Option(True, "--stdio", help="Over standard input and output: the one way there is."),
) -> None:
    """Serve an editor: diagnostics while a plan is typed, hover, completion, definitions, formatting and fixes."""
    if find_spec("pygls") is None:
        tell("error: the language server needs pygls; install it with: pip install 'mem-planner[lsp]'")
        raise typer.Exit(2)
    from planner.lsp.server import start

    start()
