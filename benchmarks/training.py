"""How long a fine-tune takes that leaves everything open: `python benchmarks/training.py`.

All GPUs, numbers of GPUs, splits, ZeRO stages, micro-batches and numbers of recomputed layers; then all methods,
precisions and optimizers too, by cost, by what the whole run costs, and with a deadline. Each plan is solved in a
process of its own, several times, and the quickest is shown in CPU seconds (traces are made anew each time), beside
that of `import numpy`: on a busy machine the ratio is what holds. The aim is under 0.5 s on two cores.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
TIMES = 5
GIVEN = 'model = "meta-llama/Llama-3.1-8B"; sequence = 4Ki tokens; global_batch = 128; tokens = 100M tokens'
OPEN = f"{GIVEN}; method in any; precision in any; optimizer in any"
PLANS = {
    "one recipe, by total cost": f"training tune {{ {GIVEN} }}\nminimize total_cost\n",
    "everything open, by cost": f"training tune {{ {OPEN} }}\nminimize cost\n",
    "everything open, by total cost": f"training tune {{ {OPEN} }}\nminimize total_cost\n",
    "everything open, within 2 days": f"training tune {{ {OPEN}; duration <= 2 day }}\nminimize cost\n",
}
ONE = """
import sys, tempfile, time
start = time.process_time()
import numpy
loaded = time.process_time() - start
from planner.catalog.load import load
from planner.plan import load_plan
from planner.physics.training import activations
from planner.solve import solve
catalog, _ = load()
with tempfile.NamedTemporaryFile("w", suffix=".mem") as file:
    file.write("edition 2026\\n" + sys.stdin.read())
    file.flush()
    problem = load_plan(file.name).problem
activations._TRACES.clear()
start = time.process_time()
answer = solve(problem, catalog)
assert answer.outcome == "optimal"
print(answer.considered, time.process_time() - start, loaded)
"""


def measure(plan: str) -> tuple[int, float, float]:
    """Return the candidates of a plan, and CPU seconds of solving it and of importing numpy: the best of several."""
    runs = [
        subprocess.run([sys.executable, "-c", ONE], input=plan, cwd=ROOT, capture_output=True, text=True, check=True)
        for _ in range(TIMES)
    ]
    rows = [tuple(map(float, run.stdout.split())) for run in runs]
    return int(rows[0][0]), min(row[1] for row in rows), min(row[2] for row in rows)


def main() -> None:
    """Solve each plan, print candidates, seconds and the ratio."""
    for name, plan in PLANS.items():
        candidates, seconds, numpy = measure(plan)
        speed = f"{seconds:.2f} s  {seconds / numpy:.1f} × numpy  {seconds / candidates * 1e9:.1f} ns each"
        print(f"{name:32} {candidates:>12_} candidates  {speed}")


if __name__ == "__main__":
    main()
