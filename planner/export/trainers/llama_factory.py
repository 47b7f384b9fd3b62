"""LLaMA-Factory's arguments, YAML (LLaMA-Factory 0.9.5, hparams): for `llamafactory-cli train`.

`dataset`, `template` and the learning rate are no part of a plan and are added by hand.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from planner.export.documents import yaml_text
from planner.export.faults import Unsayable
from planner.export.locked import LockedWorkload
from planner.export.trainers import options, run

NAME = "LLaMA-Factory"
ATTENTION = {"sdpa": "sdpa", "flash": "fa2", "eager": "disabled"}
"""`flash_attn` (extras/constants.py, AttentionFunction)."""


def faults(answer: LockedWorkload) -> Iterator[Unsayable]:
    """Yield what of an answer LLaMA-Factory's arguments cannot say."""
    yield from run.whole_shapes(answer, NAME)
    yield from run.only(answer, NAME, "method", ("full", *run.ADAPTERS))
    yield from run.only(answer, NAME, "precision", ("fp32", "bf16", "bf16_mixed", "fp16_mixed"))
    yield from run.only(answer, NAME, "preference", ("none",))
    yield from run.only(answer, NAME, "offload", ("none",))
    yield from run.only(answer, NAME, "loss", ("standard", "fused"))
    yield from run.all_or_none(answer, NAME)
    yield from run.plain_loss(answer, NAME)
    yield from run.gradients(answer, NAME)
    yield from options.faults(answer, NAME)
    yield from options.wide_adapters(answer)
    if answer.count("zero", 0) == 1 and run.sharded(answer):
        yield Unsayable("zero", "FSDP has no sharding of optimizer states alone", "set zero = 0, 2 or 3")
    if answer.flag("offload_activations"):
        reason = f"{NAME} keeps activations on the GPU"
        yield Unsayable("offload_activations", reason, "leave `offload_activations` out")
    if answer.word("method") in run.ADAPTERS and answer.word("precision") == "fp32":
        yield Unsayable("precision", f"{NAME} has a base in 16 bits or less beside adapters", "set precision = bf16")


def render(answer: LockedWorkload) -> str:
    """Return the file; `faults` must be empty."""
    precision, method = answer.word("precision"), answer.word("method")
    document: dict[str, Any] = {
        **({"model_name_or_path": answer.repository} if answer.repository else {}),
        "stage": "sft",
        "do_train": True,
        "finetuning_type": "full" if method == "full" else "lora",
        "cutoff_len": answer.count("sequence"),
        **options.batches(answer),
        "gradient_accumulation_steps": run.accumulation(answer),
        "accelerator_config": options.accelerator(answer),
        "packing": answer.flag("packing"),
        "neat_packing": answer.flag("packing"),  # a mask keeps the documents of a sequence apart
        "optim": options.optimizer(answer),
        "bf16": precision == "bf16_mixed",
        "fp16": precision == "fp16_mixed",
        "pure_bf16": precision == "bf16",
        "flash_attn": ATTENTION[answer.word("attention")],
        "disable_gradient_checkpointing": answer.word("checkpointing") != "full" or run.sharded(answer),
        "use_reentrant_gc": False,
        "enable_liger_kernel": answer.word("loss") == "fused",
        "upcast_layernorm": False,
        "upcast_lmhead_output": False,
    }
    steps = run.steps(answer)
    if steps is not None:
        document["max_steps"] = steps
    if method != "full":
        document |= {
            "lora_rank": answer.count("lora_rank"),
            "lora_dropout": float(answer.share("lora_dropout") or 0),
            "lora_target": ",".join(options.targets(answer, "all")),
            **({"use_dora": True} if answer.flag("use_dora") else {}),
        }
    if method == "qlora":
        document |= {
            "quantization_bit": 4,
            "quantization_method": "bnb",
            "quantization_type": "nf4",
            "double_quantization": True,
        }
    return yaml_text([document])
