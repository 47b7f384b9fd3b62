"""Time and memory under a limit: plans that are slow on purpose, each verb in a process of its own.

`python benchmarks/limits.py [SECONDS]` prints, of each plan and verb, the seconds beyond the limit and the peak memory
of the process (`ru_maxrss`), and exits 1 where one of them takes more than a second beyond its limit or 1.5 GiB. The
second is of a machine that is otherwise idle: what `planner check` of the same plan takes is taken off first, since
the limit is that of solving.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

LIMIT = 5.0
"""Seconds that each command may take, unless the command line says otherwise."""
GRACE = 1.0
"""Seconds that it may take beyond."""
MEMORY = 1536
"""MiB that it may take."""
LARGE = 'model = "meta-llama/Llama-3.1-405B"'
SMALL = 'model = "meta-llama/Llama-3.1-8B"'
OPEN = "precision in any; optimizer in any; method in any; gpus in 1..512; checkpointed_layers in any; offload in any"


def services(count: int, extra: str = "") -> str:
    return "".join(
        f"inference s{number:03} {{ {SMALL}; context = 4096; concurrency = {8 + number}; gpus in 1..4{extra} }}\n"
        for number in range(count)
    )


def trainings(count: int, extra: str = "") -> str:
    return "".join(
        f"training t{number} {{ {SMALL}; sequence = {4096 + 512 * number}; tokens = 10B; {OPEN}{extra} }}\n"
        for number in range(count)
    )


def nested_ifs() -> str:
    out = "s000.gpus >= 1"
    for number in range(64):
        out = (
            f"if s{number % 4:03}.gpus + s{(number + 1) % 4:03}.gpus > {1 + number % 7} then {out} else s001.gpus <= 3"
        )
    return f"require deep: {out}\n"


def loops(depth: int) -> str:
    names = [f"w{step}" for step in range(depth)]
    opened = "".join(f"count({name} for {name} in workloads where " for name in names)
    return f"require few: {opened}{' + '.join(f'{name}.gpus' for name in names)} > 7{') >= 2' * (depth - 1)}) <= 3\n"


TESTS = 'test "one" {{ {0}.gpu = h100_sxm; expect {0}.gpus >= 1 }}\ntest "two" {{ {0}.gpu = t4; expect infeasible }}\n'
SOLVE, WHY, DIFF, TEST, CHECK, PARETO = "solve --no-lock", "why", "diff", "test", "check", "solve --no-lock --pareto"
PLANS: dict[str, tuple[str, tuple[str, ...]]] = {
    "squared lets": (
        "let n_0 = 1\n"
        + "".join(f"let n_{step + 1} = n_{step} * n_{step} + n_{step}\n" for step in range(60))
        + services(1),
        (CHECK, SOLVE),
    ),
    "loops in loops": (services(6) + loops(4), (CHECK, SOLVE, WHY)),
    "deep loops": (services(9) + loops(7), (CHECK, SOLVE)),
    "formats per layer": (
        f"inference w {{ {LARGE}; context = 4096; concurrency = 8; gpus in 1..64; weights in any per layer; "
        "kv_cache in any; quality >= 90% }\nminimize cost then maximize quality\n" + TESTS.format("w"),
        (SOLVE, WHY, DIFF, TEST),
    ),
    "mixed layers": (
        'inference w { model = "Qwen/Qwen3-Next-80B-A3B-Instruct"; context = 4096; concurrency = 8; gpus in 1..8; '
        "weights in any per layer; quality >= 99% }\n",
        (SOLVE, WHY),
    ),
    "open training": (
        f"training t {{ {LARGE}; sequence = 8192; tokens = 1T; {OPEN} }}\n" + TESTS.format("t"),
        (SOLVE, WHY, TEST, DIFF, f"{PARETO} cost,step_time"),
    ),
    "impossible training": (
        f"training t {{ {LARGE}; sequence = 8192; tokens = 1T; {OPEN}; duration <= 1 s }}\n",
        (SOLVE, WHY, DIFF),
    ),
    "impossible memory": (
        f"training t {{ {LARGE}; sequence = 8192; tokens = 1T; {OPEN}; headroom >= 99%; throughput >= 100 tok/s }}\n",
        (SOLVE, WHY),
    ),
    "open trainings": (
        trainings(4) + "fleet { cost <= $500/h; gpus <= 64 }\n" + TESTS.format("t0"),
        (SOLVE, WHY, TEST),
    ),
    "impossible trainings": (trainings(3) + "fleet { cost <= $1/h }\n", (SOLVE, WHY)),
    "impossible fleet": (services(30) + "fleet { cost <= $1/h }\n", (SOLVE, WHY, DIFF)),
    "fleet in pairs": (
        services(24) + "require pairs: count(a for a in workloads where count(b for b in workloads where "
        "a.gpus + b.gpus > 3 and a.tpot < b.tpot) >= 2) <= 5\n",
        (SOLVE, WHY),
    ),
    "products": (
        services(4)
        + "require product: s000.tpot * s001.gpus + s002.tpot * s003.gpus <= s001.tpot * s002.cost / $1/h\n",
        (SOLVE, WHY),
    ),
    "thousand rules": (
        services(10)
        + "".join(
            f"require r{n}: sum(w.gpus for w in workloads) + s{n % 10:03}.gpus >= 3 + {n} / 1000\n" for n in range(1000)
        ),
        (SOLVE, WHY),
    ),
    "nested ifs": (services(4) + nested_ifs(), (SOLVE, WHY)),
    "thousand services": (services(1000) + "fleet { gpus <= 4000 }\n", (SOLVE,)),
    "one by one": (
        f"inference w {{ {LARGE}; context = 4096; concurrency = 8; prompt = 1000; output = 100; demand = 500 req/s; "
        "gpus in 1..512; replicas in 1..1000; weights in any; kv_cache in any }\n",
        (SOLVE, WHY),
    ),
    "fixed": (
        f"training t {{ {LARGE}; sequence = 8192; tokens = 1T; gpu = h100_sxm; gpus = 512 }}\n",
        ("estimate", WHY),
    ),
    "unknown names": (
        "".join(f"let name_{n} = nmae_{n} + 1\n" for n in range(3000)) + services(1),
        (CHECK,),
    ),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Run:
    """One command: its exit code, seconds, and MiB at its peak."""

    code: int
    seconds: float
    memory: int


def run(words: list[str], most: float) -> Run:
    """Run a command; what goes on for longer than `most` seconds is ended."""
    start = time.monotonic()
    child = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while True:
        done, status, usage = os.wait4(child.pid, os.WNOHANG)
        if done:
            child.returncode = os.waitstatus_to_exitcode(status)
            return Run(child.returncode, time.monotonic() - start, usage.ru_maxrss // 1024)
        if time.monotonic() - start > most:
            child.kill()
        time.sleep(0.01)


def runs(folder: Path, limit: float, only: str) -> Iterator[tuple[str, str, Run, float]]:
    planner = [sys.executable, "-m", "planner"]
    for name, (text, verbs) in PLANS.items():
        if only not in name:
            continue
        plan = folder / f"{name.replace(' ', '_')}.mem"
        plan.write_text(f"edition 2026\n{text}")
        read = run([*planner, "check", str(plan)], 60)
        for verb in verbs:
            bounded = () if verb == CHECK else ("--time-limit", f"{limit:g}s")
            first, *options = verb.split()
            found = run([*planner, first, *options, str(plan), *bounded], 4 * limit + 60)
            allowed = 1.0 if verb == CHECK else limit
            yield name, verb, found, found.seconds - allowed - (0 if verb == CHECK else read.seconds)


def main() -> None:
    words = sys.argv[1:]
    limit = next((float(word) for word in words if word.replace(".", "", 1).isdigit()), LIMIT)
    only = next((word for word in words if not word.replace(".", "", 1).isdigit()), "")
    worst = 0
    print(f"{'plan':22} {'verb':28} {'exit':>4} {'seconds':>8} {'beyond':>7} {'MiB':>6}")
    with tempfile.TemporaryDirectory(prefix="planner-") as folder:
        for name, verb, found, beyond in runs(Path(folder), limit, only):
            bad = beyond > GRACE or found.memory > MEMORY or found.code not in (0, 1, 2)
            worst |= bad
            mark = "  <--" if bad else ""
            line = f"{name:22} {verb:28} {found.code:4} {found.seconds:8.1f} {max(0.0, beyond):7.1f} {found.memory:6}"
            print(line + mark, flush=True)
    raise SystemExit(int(worst))


if __name__ == "__main__":
    main()
