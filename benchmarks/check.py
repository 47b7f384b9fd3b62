"""How long `planner check` takes for a thousand plans with their locks in one process: `python benchmarks/check.py`.

Copies of the examples with a lock, each with a comment of its own so that no two texts are the same. Prints CPU and
wall seconds; the aim is under 20 s for a thousand on two cores.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
PLANS = 1000


def main() -> None:
    """Write the plans, check them once, print the figures."""
    locked = [
        path for path in sorted((ROOT / "examples").glob("*.mem")) if path.with_name(f"{path.name}.lock").exists()
    ]
    with tempfile.TemporaryDirectory() as folder:
        for number in range(PLANS):
            plan = locked[number % len(locked)]
            copy = Path(folder) / f"{plan.stem}-{number:04}.mem"
            copy.write_text(f"{plan.read_text()}\n# copy {number}\n")
            copy.with_name(f"{copy.name}.lock").write_bytes(plan.with_name(f"{plan.name}.lock").read_bytes())
        start = time.perf_counter()
        done = subprocess.run(
            [sys.executable, "-m", "planner", "check", "--locked", "--format", "concise", folder],
            env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True,
        )  # fmt: skip
        wall = time.perf_counter() - start
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    print(done.stderr.strip().splitlines()[-1])
    print(f"{PLANS} plans: {used.ru_utime + used.ru_stime:.1f} s CPU, {wall:.1f} s wall")


if __name__ == "__main__":
    main()
