"""The command line: one verb a file."""

from __future__ import annotations

import io
import signal
import sys
from types import FrameType

import typer

from planner import __version__
from planner.cli import catalog, check, diff, estimate, explain, fix, fmt, init, solve, test, why

app = typer.Typer(
    name="planner",
    help="The cheapest hardware a model provably fits on.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"planner {__version__}")
        raise typer.Exit()


@app.callback()
def _root(
    version: bool = typer.Option(False, "--version", callback=_version, is_eager=True, help="Show the version."),
) -> None:
    """Plan GPU memory: solve, check and explain plans."""


app.command("solve")(solve.solve)
app.command("why")(why.why)
app.command("check")(check.check)
app.command("fmt")(fmt.fmt)
app.command("diff")(diff.diff)
app.command("fix")(fix.fix)
app.command("test")(test.test)
app.command("estimate")(estimate.estimate)
app.command("explain")(explain.explain)
app.command("init")(init.init)
app.add_typer(catalog.app, name="catalog", help="List, show and check the catalogs.")


INTERRUPTED = 130
"""The exit code of a command that Ctrl-C ends, as shells have it."""


def _interrupted(number: int, frame: FrameType | None) -> None:
    sys.exit(INTERRUPTED)


def main() -> None:
    """Run the command line; a broken pipe is no mistake, and a name that is no text is shown escaped."""
    signal.signal(signal.SIGINT, _interrupted)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        app()
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(0)
