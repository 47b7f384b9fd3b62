"""A fault of the program itself: one line on stderr with what to report, exit code 2, and the traceback on request."""

from __future__ import annotations

import os
import platform
import sys
import traceback
from collections.abc import Sequence

from planner.diagnostics.shown import lines
from planner.version import __version__

DEBUG = "PLANNER_DEBUG"
"""The environment variable that asks for tracebacks, as `--debug` does: set, and neither empty nor 0."""
LONGEST = 300
"""Characters of a fault's own message that are shown."""
_REASONS = {
    MemoryError: "out of memory",
    RecursionError: "nested too deeply for this program",
}


def line(problem: BaseException, words: Sequence[str]) -> str:
    """Return what is said of a fault in one line: what and where it is, and what to report.

    `words` are those of the command line; what is not a printable character is escaped.
    """
    what = next((reason for kind, reason in _REASONS.items() if isinstance(problem, kind)), "")
    said = str(problem)
    said = said if len(said) <= LONGEST else f"{said[:LONGEST]}…"
    detail = ": ".join(part for part in (what, type(problem).__name__, said) if part)
    command = " ".join(("planner", *words))
    text = (
        f"error[E9901]: internal error: {detail}{_place(problem)}; please report this line with the plan and its "
        f"imports (planner {__version__}, Python {platform.python_version()}, command `{command}`); "
        "`planner --debug …` shows the traceback"
    )
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in text)


def report(problem: BaseException, words: Sequence[str]) -> None:
    """Print a fault on stderr, behind its traceback where that is asked for."""
    shown = line(problem, words)
    if asked():
        print(lines("".join(traceback.format_exception(problem))), file=sys.stderr, end="")
    print(shown, file=sys.stderr, flush=True)


def asked() -> bool:
    """Return whether tracebacks are asked for."""
    return os.environ.get(DEBUG, "") not in ("", "0")


def _place(problem: BaseException) -> str:
    """Return the innermost place of a fault in this package, as ` at planner/cli/fault.py:1`."""
    root = os.path.dirname(os.path.dirname(os.path.dirname(__file__)))
    at = ""
    step = problem.__traceback__
    while step is not None:
        file = step.tb_frame.f_code.co_filename
        if file.startswith(os.path.join(root, "planner", "")):
            at = f" at {os.path.relpath(file, root)}:{step.tb_lineno}"
        step = step.tb_next
    return at
