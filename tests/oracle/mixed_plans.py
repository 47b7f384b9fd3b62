"""Random plans of a service with traffic: whatever is answered keeps its own audit, and `check` finds nothing in its
lock; a mix costs no more than one configuration."""

from __future__ import annotations

import random
import tempfile
from pathlib import Path

from planner.lock import read as reading
from planner.lock.lock import document, sealed
from planner.lock.verify import verify
from planner.plan import Loaded, load_plan
from planner.solve import solve
from planner.solve.answer import Answer

from .asking import shipped

MODELS = ("meta-llama/Llama-3.1-8B", "Qwen/Qwen2.5-14B", "Qwen/Qwen3-30B-A3B", "meta-llama/Llama-3.1-70B")
RATES = (0.01, 0.3, 2, 9, 40)
GPUS = ("l4", "l40s", "a10g", "t4", "h100_sxm", "h200_sxm", "a100_sxm_80gb", "b200", "mi300x", "rtx_4090")


def sizes(chance: random.Random) -> str:
    """Return a file of request sizes and their rates."""
    rows = [
        f"{chance.randint(1, 12_000)},{chance.randint(1, 900)},{chance.choice(RATES) * chance.random():.4f}"
        for _ in range(chance.randint(1, 6))
    ]
    return "\n".join(("prompt,output,rate", *rows, "10,10,0.1\n"))


def plan(chance: random.Random) -> str:
    """Return a plan but for whether it may mix."""
    gpus = chance.sample(GPUS, chance.randint(1, 3))
    lines = [
        f'model = "{chance.choice(MODELS)}"; context = 16Ki tokens; traffic = csv("sizes.csv")',
        f"gpu in {{{', '.join(gpus)}}}; weights in {{{chance.choice(('bf16', 'bf16, fp8', 'fp8, int4'))}}}",
    ]
    maybe = {
        f"concurrency = {chance.choice((4, 16, 48))}": 0.5,
        f"tpot <= {chance.choice((20, 50, 120))} ms": 0.5,
        f"load <= {chance.choice((60, 80))}%": 0.5,
        f"load <= 70%; ttft_p95 <= {chance.choice((1, 4, 10))} s": 0.3,
        "market = spot": 0.2,
        "tensor_parallel in {1, 2, 3, 4, 8}": 0.2,
        f"cost <= ${chance.choice((3, 20))}/h": 0.15,
        f"engine = {chance.choice(('sglang', 'tensorrt_llm'))}": 0.2,
    }
    lines += [line for line, share in maybe.items() if chance.random() < share]
    own = [
        f"offer o{number} {{ gpu = {chance.choice(gpus)}; gpus = {chance.choice((1, 2, 4, 8))}; "
        f"price = ${chance.choice((0, 1, 3, 9))}/h; available = {chance.randint(1, 6)} }}"
        for number in range(chance.choice((0, 1, 3)))
    ]
    if own and chance.random() < 0.6:
        lines.append(f"offer in {{{', '.join(f'o{number}' for number in range(len(own)))}}}")
    return "\n".join((*own, "inference chat {", *lines, "}\n"))


def faulty(seed: int) -> str:
    """Return what is wrong with the answers to a random plan; empty where nothing is."""
    chance = random.Random(seed)
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "sizes.csv").write_text(sizes(chance), encoding="utf-8")
        text = plan(chance)
        answers = []
        for mix in ("true", "false"):
            whole = text.replace("; traffic", f"; mix = {mix}; traffic")
            loaded = load_plan(str(Path(folder, "a.mem")), shipped=shipped(), text=whole)
            if loaded.problem is None:
                return "" if all(item.code.startswith("E") for item in loaded.findings) else f"unread\n{text}"
            answers.append(solve(loaded.problem, loaded.catalog, top=0, time_limit=60))
            found = _said(loaded, answers[-1])
            if found:
                return f"{found}\n{whole}"
    both, alone = answers
    if alone.cost is not None and (both.cost is None or both.cost > alone.cost):
        return f"a mix costs more than one configuration\n{text}"
    return ""


def _said(loaded: Loaded, answer: Answer) -> str:
    assert loaded.problem is not None
    if not answer.workloads:
        return "" if answer.conflict and answer.outcome == "infeasible" else f"{answer.outcome}, and nothing is named"
    lock, broken = reading.parse(
        sealed(document(answer, loaded.problem, loaded.catalog, loaded.texts)), "a.mem.lock", "again"
    )
    if lock is None or broken is not None or not answer.reproducible:
        return f"{answer.outcome}: {broken}"
    return "; ".join(item.message for item in verify(loaded.problem, loaded.catalog, loaded.texts, lock)[0])
