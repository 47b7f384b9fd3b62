"""How long the commands take to start, beside what they cannot do without: `python benchmarks/startup.py`.

Prints, for each command, the best wall time of some runs with warm caches, and its ratio to `python -c "import lark,
typer"` in the same run. Seconds differ between machines; the ratios are what is held: at most 1.8 for `check`, at most
4.2 for `solve`.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
RUNS = 9
MAIN = "from planner.__main__ import main; main()"
COMMANDS = {
    "import lark, typer": ["-c", "import lark, typer"],
    "planner --version": ["-c", MAIN, "--version"],
    "planner check examples/chat.mem": ["-c", MAIN, "check", "examples/chat.mem"],
    "planner estimate 13B": ["-c", MAIN, "estimate", "13B"],
    "planner solve --no-lock examples/chat.mem": ["-c", MAIN, "solve", "--no-lock", "examples/chat.mem"],
    "planner solve --no-lock examples/fleet.mem": ["-c", MAIN, "solve", "--no-lock", "examples/fleet.mem"],
}
AIMS = {"planner check examples/chat.mem": 1.8, "planner solve --no-lock examples/chat.mem": 4.2}


def seconds(words: list[str]) -> float:
    """Return the wall seconds of one run."""
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    environment = {**kept, "PYTHONPATH": str(ROOT)}
    start = time.perf_counter()
    subprocess.run(
        [sys.executable, *words],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        check=True,
    )
    return time.perf_counter() - start


def main() -> None:
    """Run each command in turn, so that a busy moment meets all of them; print the best of each."""
    best = {name: seconds(words) for name, words in COMMANDS.items()}
    for _ in range(RUNS):
        for name, words in COMMANDS.items():
            best[name] = min(best[name], seconds(words))
    base = next(iter(best.values()))
    for name, value in best.items():
        aim = f"  at most {AIMS[name]}" if name in AIMS else ""
        print(f"{name:<46}{value * 1000:>8.0f} ms{value / base:>8.2f}{aim}")


if __name__ == "__main__":
    main()
