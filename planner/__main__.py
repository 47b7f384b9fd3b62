"""The command `planner`, also as `python -m planner`: it ends quietly when interrupted, from the first import on."""

from __future__ import annotations

import os
import signal
from types import FrameType


def _interrupted(number: int, frame: FrameType | None) -> None:
    os._exit(130)  # nothing is begun that would have to be left in order; planner.cli.main minds what comes later


def main() -> None:
    """Run the command line."""
    signal.signal(signal.SIGINT, _interrupted)
    from planner.cli.main import main as run

    run()


if __name__ == "__main__":
    main()
