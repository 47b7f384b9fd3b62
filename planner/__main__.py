"""The command `planner`, also as `python -m planner`: it ends quietly when interrupted, from the first import on."""

from __future__ import annotations

import os
import signal
import sys
from types import FrameType
from typing import NoReturn


def _interrupted(number: int, frame: FrameType | None) -> None:
    os._exit(130)  # nothing is begun that would have to be left in order; planner.cli.main minds what comes later


def main() -> None:
    """Run the command line."""
    signal.signal(signal.SIGINT, _interrupted)
    from planner.cli.main import main as run

    try:
        run()
    except SystemExit as left:
        if isinstance(left.code, int) and not (sys.flags.interactive or sys.gettrace() or sys.getprofile()):
            _leave(left.code)
        raise


def _leave(code: int) -> NoReturn:
    """End the process at once, with all that it printed.

    To take its modules down in order costs an eighth of a short solve, and the operating system frees the same.
    """
    import atexit

    atexit._run_exitfuncs()
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(code)


if __name__ == "__main__":
    main()
