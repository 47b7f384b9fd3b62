"""How long a company's plan takes: hundreds of coupled services on two owned racks and the clouds, under one budget.

`python benchmarks/company.py` solves the cases below, each in a process of its own, beside `python -c "import lark,
typer"` in the same run, and prints a table; `--write` puts it into docs/performance.md. `--plan 300` prints a plan.
"""

from __future__ import annotations

import argparse
import os
import random
import re
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

MODELS = (
    ("meta-llama/Llama-3.1-8B", 1),
    ("Qwen/Qwen2.5-7B", 1),
    ("mistralai/Mistral-7B-v0.1", 1),
    ("Qwen/Qwen2.5-14B", 2),
    ("Qwen/Qwen2.5-32B", 3),
    ("meta-llama/Llama-3.1-70B", 6),
)
CONTEXTS = (2, 4, 6, 8, 12, 16, 24, 32)
CONCURRENCIES = (4, 8, 12, 16, 24, 32, 48, 64)


def service(chance: random.Random, name: str, copies: int = 1) -> str:
    """Return a block: what it serves is drawn, what may run it is the same for all."""
    model, _ = chance.choice(MODELS)
    context, concurrency = chance.choice(CONTEXTS), chance.choice(CONCURRENCIES)
    more = f"; copies = {copies}" if copies > 1 else ""
    return f'''inference {name} {{
  model = "{model}"; context = {context * 1024 - chance.randrange(0, 512, 16)}; concurrency = {concurrency}
  gpus in 1..8; weights in {{bf16, fp8, int4}}; kv_cache in {{bf16, fp8}}; quality >= 97%{more}
}}
'''


def plan(workloads: int, classes: int | None = None, copies: bool = False, seed: int = 0) -> str:
    """Return a plan of so many services; of `classes` different ones where that is said, as blocks or by `copies`."""
    chance = random.Random(seed)
    out = [
        "edition 2026\n",
        f"offer rack_a {{ gpu = h100_sxm; gpus = 8; price = $6/h; available = {max(2, workloads // 50)} }}\n",
        f"offer rack_b {{ gpu = l40s; gpus = 4; price = $1/h; available = {max(2, workloads // 25)} }}\n",
        f"fleet {{ cost <= ${workloads * 40}/h }}\n",
    ]
    if classes is None:
        out += [service(chance, f"w{place:05d}") for place in range(workloads)]
    elif copies:
        out += [service(chance, f"w{place:05d}", workloads // classes) for place in range(classes)]
    else:
        blocks = [service(chance, "NAME") for _ in range(classes)]
        out += [blocks[place % classes].replace("NAME", f"w{place:05d}") for place in range(workloads)]
    return "".join(out)


ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs/performance.md"
MARKS = "<!-- company -->\n", "<!-- /company -->\n"
CASES = (
    ("100 different services", (100, None, False)),
    ("300 different services", (300, None, False)),
    ("1,000 different services", (1000, None, False)),
    ("1,000 blocks in 20 classes", (1000, 20, False)),
    ("100,000 in 200 classes, by `copies`", (100_000, 200, True)),
)
LIMIT = 280


def measured(words: Sequence[str]) -> tuple[float, float, int, str]:
    """Return the wall seconds, CPU seconds, peak KiB and output of a process."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "100"}
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    start = time.perf_counter()
    code = (
        "import resource, subprocess, sys\n"
        "done = subprocess.run(sys.argv[1:], capture_output=True, text=True)\n"
        "print(done.stdout[-3000:])\n"
        "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, sys.executable, *words],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    wall = time.perf_counter() - start
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    text, _, peak = done.stdout.rstrip().rpartition("\n")
    return wall, used, int(peak), text


def proof(text: str) -> str:
    """Return what an answer says of its first goal."""
    found = re.search(r"minimize cost: (\S+) \(([^)]*)\)", text)
    return f"{found[1]}, {found[2]}" if found else "no answer"


def rows(cases: Sequence[tuple[str, tuple[int, int | None, bool]]]) -> list[str]:
    """Return the table of cases, as Markdown."""
    base = min(measured(["-c", "import lark, typer"])[1] for _ in range(5))
    out = [
        f"| plan | seconds of CPU | times `import lark, typer` ({base:.2f} s) | wall | peak | cost and proof |",
        "|---|---|---|---|---|---|",
    ]
    with tempfile.TemporaryDirectory() as folder:
        for name, (workloads, classes, copies) in cases:
            path = Path(folder) / "company.mem"
            path.write_text(plan(workloads, classes, copies))
            words = ["-m", "planner", "solve", "--no-lock", "--time-limit", f"{LIMIT}s", str(path)]
            wall, used, peak, text = measured(words)
            out.append(
                f"| {name} | {used:.1f} | {used / base:.0f} | {wall:.0f} s | {peak / 1024:.0f} MiB | {proof(text)} |"
            )
            print(out[-1], flush=True)
    return out


def main() -> None:
    """Print or write the table, or print a plan."""
    reader = argparse.ArgumentParser(description=__doc__)
    reader.add_argument("--plan", type=int, metavar="WORKLOADS", help="print a plan of so many services")
    reader.add_argument("--classes", type=int, help="of so many different ones")
    reader.add_argument("--copies", action="store_true", help="each a block with `copies`")
    reader.add_argument("--write", action="store_true", help="put the table into docs/performance.md")
    reader.add_argument("--first", type=int, default=len(CASES), help="only so many cases")
    said = reader.parse_args()
    if said.plan is not None:
        print(plan(said.plan, said.classes, said.copies))
        return
    table = rows(CASES[: said.first])
    if said.write:
        before, rest = PAGE.read_text(encoding="utf-8").split(MARKS[0])
        after = rest.split(MARKS[1])[1]
        PAGE.write_text(f"{before}{MARKS[0]}{chr(10).join(table)}\n{MARKS[1]}{after}", encoding="utf-8")


if __name__ == "__main__":
    main()
