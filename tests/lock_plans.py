"""Random plans that mostly have an answer: both kinds of workloads, fleets that share, own offers, rules."""

from __future__ import annotations

import random

SERVED = ("meta-llama/Llama-3.2-1B", "meta-llama/Llama-3.1-8B", "Qwen/Qwen2.5-7B", "google/gemma-2-2b")
SPARSE = ("mistralai/Mixtral-8x7B-v0.1", "deepseek-ai/DeepSeek-V2-Lite")
TRAINED = ("meta-llama/Llama-3.2-1B", "Qwen/Qwen2.5-0.5B", "mistralai/Mixtral-8x7B-v0.1")
CARDS = ("t4", "l4", "a10g", "l40s", "a100_sxm_80gb", "h100_sxm", "rtx_4090")


def some(draw: random.Random, values: tuple[str, ...], least: int = 1) -> str:
    chosen = draw.sample(values, draw.randint(least, min(3, len(values))))
    return f"in {{{', '.join(chosen)}}}" if len(chosen) > 1 else f"= {chosen[0]}"


def maybe(draw: random.Random, chance: float, *lines: str) -> list[str]:
    return [draw.choice(lines)] if draw.random() < chance else []


def service(draw: random.Random, name: str, thumb: bool) -> list[str]:
    model = "thumb" if thumb else f'"{draw.choice(SERVED if draw.random() < 0.8 else SPARSE)}"'
    out = [
        f"model = {model}",
        f"context = {draw.choice((1, 2, 4, 8))}Ki tokens",
        f"concurrency = {draw.choice((1, 4, 9))}",
    ]
    out += maybe(draw, 0.8, f"gpu {some(draw, CARDS)}")
    out += maybe(draw, 0.6, "gpus in 1..4", "gpus in {1, 2, 3, 8}", "gpus = 2")
    out += maybe(draw, 0.4, "weights in {bf16, fp8}", "weights in {fp8, int4}", "weights = int8")
    if "weights = int8" not in out and not thumb and draw.random() < 0.15:
        out = [line for line in out if not line.startswith("weights")] + ["weights in {bf16, int4} per layer"]
    out += maybe(draw, 0.3, "kv_cache in {bf16, fp8}", "kv_cache = fp8")
    out += maybe(draw, 0.2, "replicas in {1, 2, 4}", "replicas = 3")
    out += maybe(draw, 0.2, "output = 100 tokens; demand = 3 req/s", "output = 64 tokens; tpot <= 60 ms")
    out += maybe(
        draw, 0.2, "market in {on_demand, spot}", "tensor_parallel in {1, 2}", "headroom >= 5%", "quality >= 95%"
    )
    out += maybe(
        draw, 0.2, "engine = sglang", "gpu_memory_utilization = 0.8", "max_sequences = 64", "engine = llama_cpp"
    )
    return out


def training(draw: random.Random, name: str, thumb: bool) -> list[str]:
    model = "thumb" if thumb else f'"{draw.choice(TRAINED)}"'
    out = [
        f"model = {model}",
        f"sequence = {draw.choice((256, 1024))} tokens",
        f"global_batch = {draw.choice((6, 8, 16))}",
    ]
    out += maybe(draw, 0.8, f"gpu {some(draw, CARDS, 2)}")
    out += maybe(draw, 0.7, "gpus in {1, 2, 4}", "gpus in 1..3", "gpus = 8")
    out += maybe(
        draw, 0.4, "method = lora", "method in {full, qlora}", "optimizer in {adamw, adamw_8bit}", "optimizer = lion"
    )
    out += maybe(draw, 0.3, "precision = bf16", "precision in {bf16, bf16_mixed}")
    out += maybe(draw, 0.4, "framework = megatron", "framework = deepspeed", "framework = fsdp")
    out += maybe(draw, 0.3, "zero in 0..3", "zero = 3", "micro_batch in {1, 2}", "pipeline_parallel in {1, 2}")
    out += maybe(
        draw, 0.3, "checkpointing = full", "checkpointed_layers in {2, 40}", "checkpointing in {none, selective}"
    )
    out += maybe(draw, 0.3, "tokens = 10M", "expert_parallel in {1, 2}", "offload in {none, optimizer}")
    return out


def plan(draw: random.Random) -> str:
    """Return the text of a random plan."""
    names = draw.sample(("chat", "code", "tune", "w"), draw.choice((1, 1, 1, 2, 2, 3)))
    out = ["edition 2026", "model thumb { parameters = 3B }"]
    offers = draw.choice((0, 0, 1, 2))
    for index in range(offers):
        gpu, gpus = draw.choice(CARDS), draw.choice((1, 2, 4, 8))
        limit = maybe(draw, 0.5, f"available = {draw.choice((1, 2))}")
        more = maybe(draw, 0.3, 'provider = "aws"; region = "us-east-1"') + limit
        price = draw.choice(("$0/h", "$0.5/h", "$1.25/h", "$7/h"))
        out.append(
            f"offer own_{index} {{ {'; '.join([f'gpu = {gpu}', f'gpus = {gpus}', f'price = {price}', *more])} }}"
        )
    own = draw.random() < 0.2
    out += ["format mine like int8 { quality = 99.1% }"] if own else []
    kinds = {}
    for name in names:
        kinds[name] = draw.choice(("inference", "inference", "training"))
        make = service if kinds[name] == "inference" else training
        lines = make(draw, name, draw.random() < 0.2)
        if own and kinds[name] == "inference":
            lines = [line for line in lines if not line.startswith("weights")] + ["weights in {mine, bf16}"]
        out += [f"{kinds[name]} {name} {{", *(f"  {line}" for line in lines), "}"]
    out += maybe(draw, 0.2, "fleet { cost <= $60/h }", "fleet { gpus <= 16 }")
    one = names[0]
    out += maybe(
        draw,
        0.3,
        f"prefer a: {one}.market == spot worth $40/month",
        f"prefer b: {one}.gpus >= 2 worth $200/month",
        f"prefer c: {one}.gpus + {names[-1]}.gpus >= 3 worth $99/month",
        f"require d: {one}.gpus <= {names[-1]}.gpus",
        f"require e: {one}.cost <= $50/h" if len(names) == 1 else "",
        f"prefer f: {one}.gpu == l4 or {names[-1]}.gpu == l40s worth $99/month",
    )
    goals = ["cost", "fleet.cost", "cost then maximize headroom", "gpus then minimize cost"]
    goals += ["power", f"{one}.gpus then maximize quality"] + (["memory", f"{one}.cost"] if len(names) == 1 else [])
    out.append(f"minimize {draw.choice(goals)}" if draw.random() < 0.9 else "maximize headroom then minimize cost")
    return "\n".join(out) + "\n"
