"""Measured steps of one rank of sharded training, and what the memory model says of them.

training_ranks.jsonl: DeepSpeed 0.19.8 (ZeRO 0 to 3), torch 2.13's FullyShardedDataParallel (fsdp1), fully_shard (fsdp2)
and DistributedDataParallel (ddp), set up as accelerate 1.15 and the Trainer of transformers 5.24 do, on Llama and Qwen2
models on fake CUDA tensors and PyTorch's `fake` process group, or (`gloo`) on real CPU tensors and real ranks, whose
bytes are not rounded. `peak` and `phases` (forward, backward, optimizer) are bytes of the device in a step after the
first, `standing` those between steps, `host` and `host_peak` those of one rank in host memory. `units` are what FSDP
wraps, `reduce` is the type its gradients are reduced in; where `sync_each_batch` is false all micro-batches but the
last run as accelerate's `no_sync` has them. Bucket sizes are the Trainer's `auto` values where they are
stated and DeepSpeed's defaults where they are not. The models stand in training_ranks_models.jsonl.
"""

import json
from functools import cache

import training_options as options
from trainers import products

from planner.catalog.build import build_architecture
from planner.catalog.records import Architecture
from planner.physics import training
from planner.physics.architecture import parameters
from planner.physics.training.deepspeed_bytes import DEFAULTS, Sizes

PHASES = {"forward": "fwd", "optimizer": "opt"}
HELD_OUT = 3
"""Every third row, by the order of ids, is kept out of what the formulas were compared with while they were written."""


@cache
def architectures() -> dict[str, Architecture]:
    lines = (options.TRUTH / "training_ranks_models.jsonl").read_text(encoding="utf-8").splitlines()
    return {row.pop("id"): build_architecture(row) for row in map(json.loads, lines)}


@cache
def measured() -> dict[str, dict]:
    lines = (options.TRUTH / "training_ranks.jsonl").read_text(encoding="utf-8").splitlines()
    return {row["id"]: row for row in map(json.loads, lines)}


def held_out(name: str) -> bool:
    """Whether a row is one of the third that was kept out; of those with `sync_each_batch` none was."""
    first = sorted(key for key, row in measured().items() if row.get("sync_each_batch", True))
    return name in first and first.index(name) % HELD_OUT == HELD_OUT - 1


def framework(row: dict) -> str:
    """Who shards as the physics has it: torchtitan's wrap has layers and the rest, accelerate's more units."""
    if row["library"] == "fsdp2" and row["units"] == "layers, root":
        return "fsdp"
    return {"deepspeed": "deepspeed", "ddp": "transformers"}.get(row["library"], "accelerate")


def sizes(row: dict) -> Sizes:
    """DeepSpeed's sizes: the row's where it states them, else the release's."""
    known = (
        "reduce_bucket_size",
        "sub_group_size",
        "stage3_max_live_parameters",
        "stage3_max_reuse_distance",
        "stage3_prefetch_bucket_size",
    )
    return Sizes(*(row.get(name, value) for name, value in zip(known, DEFAULTS, strict=True)))


def choices(row: dict) -> tuple[training.StateChoice, training.ActivationChoice]:
    said = {
        "method": row["method"],
        "precision": row["precision"],
        "products": products(framework(row), row["precision"]),
        "framework": framework(row),
        "rank": row.get("lora", {}).get("rank", 16),
        "adapter_precision": row.get("lora", {}).get("adapters", "fp32"),
        "targets": row.get("lora", {}).get("targets", "all_linear"),
    }
    states = training.StateChoice(
        **said,
        kernel=row["kernel"],
        zero=row["zero"],
        dp=row["ranks"],
        replicas=row.get("replicas", 1),
        fsdp=1 if row["library"] == "fsdp1" else 2,
        sizes=sizes(row),
        overlap=row.get("overlap", False),
        offload=row["offload"],
        accumulate=row.get("accumulate", 1) > 1,
        synced=row.get("sync_each_batch", True),
        gradient_precision=row.get("gradient_precision") or row.get("reduce") or "",
    )
    active = training.ActivationChoice(
        row["sequence"],
        row["micro_batch"],
        **said,
        attention=row["attention"],
        checkpointing=row["checkpointing"],
    )
    return states, active


@cache
def predicted(name: str) -> training.TrainingMemory:
    row = measured()[name]
    arch = architectures()[row["model"]]
    states, active = choices(row)
    again = 0 if row["checkpointing"] == "none" else arch.layers
    params = sum(parameters(arch).values())
    return training.combine(training.states(arch, params, states), training.points(arch, active, again))


def phases(name: str) -> dict[str, int]:
    """The largest of the predicted moments of each phase."""
    out: dict[str, int] = {}
    for moment, size in predicted(name).moments.items():
        phase = PHASES.get(moment, "bwd")
        out[phase] = max(out.get(phase, 0), size)
    return out


def error(name: str) -> float:
    """The predicted peak over the measured one, less one."""
    return predicted(name).total / measured()[name]["peak"] - 1


def group(row: dict) -> str:
    """What a row is one of: library, stage and offloading."""
    kind = f"{row['library']} {row['zero']}"
    if row["library"] == "fsdp1" and row["method"] == "lora" and "peft" not in row["units"]:
        return f"{kind} adapters in layers"  # not what the Trainer sets up, and not modelled
    if not row.get("sync_each_batch", True):
        return f"{row['library']} no_sync"
    return kind + ("" if row["offload"] == "none" else f" offload {row['offload']}")
