"""The command line: one verb a file, and only the verb that is called is imported."""

from __future__ import annotations

import gc
import io
import os
import signal
import sys
from collections.abc import Iterable
from importlib import import_module
from types import FrameType

import typer

from planner import __version__

VERBS = ("solve", "why", "check", "fmt", "diff", "fix", "test", "estimate", "explain", "init", "catalog")
"""The verbs as help lists them; each is a module beside this one with a function or a group of that name."""


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"planner {__version__}")
        raise typer.Exit()


def _root(
    version: bool = typer.Option(False, "--version", callback=_version, is_eager=True, help="Show the version."),
) -> None:
    """Plan GPU memory: solve, check and explain plans."""


def command_line(verbs: Iterable[str] = VERBS) -> typer.Typer:
    """Return the command line with some of its verbs."""
    app = typer.Typer(
        name="planner",
        help="The cheapest hardware a model provably fits on.",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
    )
    app.callback()(_root)
    for verb in verbs:
        module = import_module(f"planner.cli.{verb}")
        if verb == "catalog":
            app.add_typer(module.app, name=verb, help="List, show and check the catalogs.")
        else:
            app.command(verb)(getattr(module, verb))
    return app


def __getattr__(name: str) -> typer.Typer:
    """Return `app`, the whole command line, when it is asked for."""
    if name == "app":
        return command_line()
    raise AttributeError(name)


INTERRUPTED = 130
"""The exit code of a command that Ctrl-C ends, as shells have it."""


interrupts: list[int] = []
"""The signals that came: an exit that one raises inside an import can come out of it as another error."""


def _interrupted(number: int, frame: FrameType | None) -> None:
    interrupts.append(number)
    sys.exit(INTERRUPTED)


def main() -> None:
    """Run the command line; a broken pipe is no mistake, and a name that is no text is shown escaped."""
    gc.set_threshold(100_000)  # a command is short: collecting what its imports made costs more than it frees
    signal.signal(signal.SIGINT, _interrupted)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    called = sys.argv[1] if len(sys.argv) > 1 else ""
    completing = any(name.endswith("_COMPLETE") for name in os.environ)
    if sys.stdout is None:  # started with a closed standard output
        sys.stdout = os.fdopen(os.open(os.devnull, os.O_WRONLY), "w", encoding="utf-8")
    try:
        try:
            command_line([called] if called in VERBS and not completing else VERBS)()
        finally:
            sys.stdout.flush()
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(0)
    except Exception as problem:
        if interrupts:
            sys.exit(INTERRUPTED)
        if not isinstance(problem, OSError):
            raise
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        typer.echo(f"the answer cannot be written: {problem.strerror}", err=True)
        sys.exit(2)
