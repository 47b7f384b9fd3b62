"""The command line: one verb a file, and only the verb that is called is imported."""

from __future__ import annotations

import errno
import gc
import io
import os
import signal
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from importlib import import_module
from typing import Any, NoReturn

import typer
from typer.core import TyperCommand, TyperGroup, TyperOption

from planner.cli import interrupts
from planner.cli.screen import tell
from planner.diagnostics.shown import lines, shown
from planner.version import __version__

VERBS = ("solve", "why", "check", "export", "verify", "fmt", "diff", "compare", "fix", "test", "estimate", "explain",
         "init", "catalog", "lsp", "mcp", "version", "help")  # fmt: skip
"""The verbs as help lists them; each is a module of planner/cli/verbs with a function or a group of that name."""


def _version(wanted: bool) -> None:
    if wanted:
        tell(f"planner {__version__}", err=False)
        raise typer.Exit()


def _root(
    version: bool = typer.Option(False, "--version", callback=_version, is_eager=True, help="Show the version."),
    debug: bool = typer.Option(False, "--debug", help="Show the traceback of an internal error."),
) -> None:
    """Plan GPU memory: solve, check and explain plans."""
    if debug:
        os.environ["PLANNER_DEBUG"] = "1"


class Commands(TyperGroup):
    """The verbs; what a mistake in the words of the command line quotes is shown, not sent."""

    def make_context(self, *words: Any, **more: Any) -> Any:
        """Read the words before the verb."""
        with _quoted():
            return super().make_context(*words, **more)

    def invoke(self, ctx: Any) -> Any:
        """Read the words of the verb, and run it."""
        with _quoted():
            return super().invoke(ctx)


class Verb(TyperCommand):
    """A verb: one that prints in several forms also takes `--json`, and `-o FILE` for what it prints."""

    def __init__(self, *words: Any, **more: Any) -> None:
        """Add both options to a verb with a `--format`."""
        super().__init__(*words, **more)
        if any(item.name == "format" for item in self.params):
            shorter = TyperOption(
                param_decls=["--json"], is_flag=True, default=False, help="The same as --format json.", required=False
            )
            target = TyperOption(param_decls=["--output", "-o"], metavar="FILE", help="Write the answer to a file.")
            self.params += [shorter, target]

    def invoke(self, ctx: Any) -> Any:
        """Run the verb, with its answer in a file where that is asked for."""
        if ctx.params.pop("json", False):
            form = next(item for item in self.params if item.name == "format")
            if ctx.params["format"] not in ("json", form.default):
                raise typer.BadParameter(f"it contradicts `--format {ctx.params['format']}`", param_hint="--json")
            ctx.params["format"] = "json"
        output = ctx.params.pop("output", None)
        if output is None:
            return super().invoke(ctx)
        with _written(output):
            return super().invoke(ctx)


@contextmanager
def _written(path: str) -> Iterator[None]:
    """Write what is printed on stdout inside to a file, whole or not at all; exit where it cannot be written."""
    from contextlib import redirect_stdout

    from planner.syntax.files import write

    held = io.TextIOWrapper(io.BytesIO(), encoding="utf-8", errors="backslashreplace", write_through=True)
    try:
        with redirect_stdout(held):
            yield
    finally:
        text = held.buffer.getvalue().decode("utf-8")
        if text:
            try:
                write(path, text)
            except OSError as reason:
                tell(f"error[E0005]: {path} cannot be written: {reason.strerror}; it stays as it is")
                raise typer.Exit(FAILED) from None


@contextmanager
def _quoted() -> Iterator[None]:
    try:
        yield
    except Exception as problem:
        if isinstance(getattr(problem, "message", None), str) and hasattr(problem, "format_message"):
            problem.message = lines(shown(problem.message))  # type: ignore[attr-defined]  # a mistake that typer prints
        raise


def command_line(verbs: Iterable[str] = VERBS) -> typer.Typer:
    """Return the command line with some of its verbs."""
    app = typer.Typer(
        name="planner",
        cls=Commands,
        help="The cheapest hardware a model provably fits on.",
        no_args_is_help=True,
        context_settings={"help_option_names": ["-h", "--help"]},
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
    )
    app.callback()(_root)
    for verb in verbs:
        module = import_module(f"planner.cli.verbs.{verb}")
        if verb == "catalog":
            app.add_typer(module.app, name=verb, help="List, show and check the catalogs.")
        else:
            app.command(verb, cls=Verb)(getattr(module, verb))
    return app


def __getattr__(name: str) -> typer.Typer:
    """Return `app`, the whole command line, when it is asked for."""
    if name == "app":
        return command_line()
    raise AttributeError(name)


FAILED = 2
"""The exit code where what was asked could not be done; 1 would say that it is false."""


def main() -> None:
    """Run the command line; a broken pipe is not a mistake, and a name that is not a text is shown escaped.

    A fault of the program itself is one line with what to report, and exit code 2.
    """
    gc.set_threshold(100_000)  # a command is short: collecting what its imports made costs more than it frees
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # no matrix is multiplied; threads only delay numpy's import
    signal.signal(signal.SIGINT, interrupts.interrupted)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    if sys.stdout is None:  # started with a closed standard output
        sys.stdout = os.fdopen(os.open(os.devnull, os.O_WRONLY), "w", encoding="utf-8")
    if sys.stderr is None:
        sys.stderr = os.fdopen(os.open(os.devnull, os.O_WRONLY), "w", encoding="utf-8")
    try:
        try:
            _run(sys.argv[1:])
        finally:
            sys.stdout.flush()
    except BrokenPipeError:
        _unread()
    except SystemExit as left:
        if isinstance(left.__context__, BrokenPipeError):  # typer makes it an exit with code 1
            _unread()
        if isinstance(left.__context__, typer.Abort) and isinstance(left.__context__.__cause__, EOFError):
            _fault(left.__context__.__cause__)  # typer takes it for the end of what somebody types
        raise
    except Exception as problem:
        if interrupts.came:
            sys.exit(interrupts.INTERRUPTED)
        if isinstance(problem, OSError) and problem.filename is None and problem.errno in UNWRITTEN:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            tell(f"the answer cannot be written: {problem.strerror}")
            sys.exit(FAILED)
        _fault(problem)


UNWRITTEN = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EBADF})
"""What keeps a stream from being written."""


def _run(words: Sequence[str]) -> None:
    """Run the command line with the verb that is called, or with all of them."""
    called = words[0] if words else ""
    completing = any(name.endswith("_COMPLETE") for name in os.environ)
    command_line([called] if called in VERBS and not completing else VERBS)()


def _unread() -> NoReturn:
    """End quietly where nobody reads the answer to its end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.exit(0)


def _fault(problem: BaseException) -> NoReturn:
    """Report a fault of the program itself and exit; what is printed already stays, what is not is dropped."""
    from planner.cli.fault import report

    with suppress(OSError):
        report(problem, sys.argv[1:])
    sys.exit(FAILED)
