"""TRL's SFTConfig as YAML: `HfArgumentParser(SFTConfig).parse_yaml_file` (TRL 1.16 on transformers 5.24)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from planner.export.documents import yaml_text
from planner.export.faults import Fault
from planner.export.said import Said
from planner.export.trainers import run
from planner.export.trainers.accelerate import sharded

OPTIMIZERS = {
    ("adamw", "fused"): "adamw_torch_fused",
    ("adamw", "foreach"): "adamw_torch",
    ("adamw_8bit", "fused"): "adamw_8bit",
    ("paged_adamw_8bit", "fused"): "paged_adamw_8bit",
    ("adafactor", "fused"): "adafactor",
}
"""`optim` by optimizer and kernel (transformers/training_args.py, OptimizerNames)."""
# Under FSDP mixed precision makes fp32 copies of 16-bit parameters (accelerate/accelerator.py, "Upcasted low precision
# parameters"): pure bf16 is sharded without it.
DTYPES = {"fp32": "float32", "bf16": "bfloat16", "bf16_mixed": "float32", "fp16_mixed": "float32"}
"""What the checkpoint is loaded in: mixed precision is autocast over fp32 weights."""
ATTENTION = {"sdpa": "sdpa", "flash": "flash_attention_2", "eager": "eager"}


def faults(this: Said) -> Iterator[Fault]:
    """Yield what of an answer SFTConfig cannot say."""
    name = "TRL's SFTConfig"
    yield from run.whole_shapes(this, name)
    yield from run.only(this, name, "method", ("full",))
    yield from run.only(this, name, "precision", DTYPES)
    yield from run.only(this, name, "preference", ("none",))
    yield from run.only(this, name, "offload", ("none",))
    yield from run.only(this, name, "loss", ("standard", "fused"))
    yield from run.all_or_none(this, name)
    if (this.word("optimizer"), this.word("optimizer_kernel")) not in OPTIMIZERS:
        reason = f"{name} has no `optim` for {this.word('optimizer')} with kernel {this.word('optimizer_kernel')}"
        yield Fault("optimizer", reason, "set optimizer = adamw and optimizer_kernel = fused")
    if this.word("frozen"):
        yield Fault(
            "frozen", f"{name} has no setting for frozen parts", "leave `frozen` out, or freeze them in the script"
        )


def render(this: Said) -> str:
    """Return the file."""
    precision = this.word("precision")
    document: dict[str, Any] = {
        "per_device_train_batch_size": this.count("micro_batch"),
        "gradient_accumulation_steps": run.accumulation(this),
        "accelerator_config": {"gradient_accumulation_kwargs": {"sync_each_batch": this.flag("sync_each_batch")}},
        "max_length": this.count("sequence"),
        "packing": this.flag("packing"),
        "optim": OPTIMIZERS[this.word("optimizer"), this.word("optimizer_kernel")],
        "bf16": precision == "bf16_mixed" or (precision == "bf16" and not sharded(this)),
        "fp16": precision == "fp16_mixed",
        "model_init_kwargs": {
            "dtype": DTYPES[precision],
            "attn_implementation": ATTENTION[this.word("attention")],
        },
        "activation_checkpointing": this.word("checkpointing") == "full" and not sharded(this),  # else FSDP's own does
        "activation_offloading": this.flag("offload_activations"),
        "use_liger_kernel": this.word("loss") == "fused",
    }
    found = run.steps(this)
    if found is not None:
        document["max_steps"] = found
    return yaml_text([document])
