"""How long a company's plan takes: hundreds of coupled services on two owned racks and the clouds, under one budget."""

from __future__ import annotations

import argparse
import random

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


if __name__ == "__main__":
    reader = argparse.ArgumentParser()
    reader.add_argument("workloads", type=int)
    reader.add_argument("classes", type=int, nargs="?")
    reader.add_argument("--copies", action="store_true")
    said = reader.parse_args()
    print(plan(said.workloads, said.classes, said.copies))
