"""How long the catalogs take to load: cold (parsed and checked) and warm (from the cache). Bars: 1.5 s and 15 ms."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile

PROGRAM = """
import time
from planner.catalog.catalog import KINDS
from planner.catalog.load import load
start = time.perf_counter()
catalog, missing = load()
for kind in KINDS:
    catalog.table(kind)
loaded = time.perf_counter()
for kind in KINDS:
    list(catalog.table(kind).values())
print((loaded - start) * 1000, (time.perf_counter() - loaded) * 1000)
"""


def measure(runs: int = 7) -> None:
    """Print the cold time and the median of the warm ones, and what building every record adds."""
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, "XDG_CACHE_HOME": folder}
        times = []
        for _ in range(runs + 1):
            done = subprocess.run(
                [sys.executable, "-c", PROGRAM], env=environment, capture_output=True, text=True, check=True
            )
            times.append(tuple(map(float, done.stdout.split())))
    (cold, _), *warm = times
    middle = sorted(warm)[len(warm) // 2]
    print(f"cold  {cold:7.1f} ms  (bar 1500)")
    print(f"warm  {middle[0]:7.1f} ms  (bar 15)")
    print(f"every record built: {middle[1]:.1f} ms more")


if __name__ == "__main__":
    measure()
