"""axolotl's configuration, YAML (axolotl 0.19, utils/schemas): the Trainer's settings by axolotl's names.

`datasets` and `learning_rate`, which it requires, are no part of a plan and are added by hand.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from planner.export.documents import yaml_text
from planner.export.faults import Unsayable
from planner.export.locked import LockedWorkload
from planner.export.trainers import options, run
from planner.physics.training.head import CHUNKS

NAME = "axolotl's configuration"
LIGER = "axolotl.integrations.liger.LigerPlugin"
KERNELS = ("lora_mlp_kernel", "lora_qkv_kernel", "lora_o_kernel", "lora_embedding_kernel")
"""Kernels of its own for adapters, which it turns on by itself where it can: other activations than were counted."""


def faults(answer: LockedWorkload) -> Iterator[Unsayable]:
    """Yield what of an answer axolotl's configuration cannot say."""
    yield from run.whole_shapes(answer, NAME)
    yield from run.only(answer, NAME, "method", ("full", "lora"))
    yield from run.only(answer, NAME, "precision", ("fp32", "bf16_mixed"))
    yield from run.only(answer, NAME, "preference", ("none",))
    yield from run.only(answer, NAME, "offload", ("none", "parameters"))
    yield from run.all_or_none(answer, NAME)
    yield from run.plain_loss(answer, NAME)
    yield from run.gradients(answer, NAME)
    yield from options.faults(answer, NAME)
    yield from options.wide_adapters(answer)
    if answer.count("zero", 0) == 1:
        yield Unsayable("zero", "FSDP has no sharding of optimizer states alone", "set zero = 0, 2 or 3")
    if run.sharded(answer) and answer.count("fsdp_version") == 1:
        yield Unsayable("fsdp_version", f"{NAME} shards by FSDP2 alone here", "set fsdp_version = 2")
    if answer.word("method") == "lora" and answer.word("precision") == "fp32":
        yield Unsayable("precision", f"{NAME} has a base in 16 bits beside adapters", "set precision = bf16_mixed")
    if not run.sharded(answer) and answer.word("offload") != "none":
        yield Unsayable("offload", f"{NAME} offloads what FSDP shards alone", "set offload = none, or zero = 3")


def render(answer: LockedWorkload) -> str:
    """Return the file; `faults` must be empty."""
    mixed, full = answer.word("precision") == "bf16_mixed", answer.word("checkpointing") == "full"
    sharded = run.sharded(answer)
    document: dict[str, Any] = {
        **({"base_model": answer.repository} if answer.repository else {}),
        "sequence_len": answer.count("sequence"),
        "micro_batch_size": answer.count("micro_batch"),
        "gradient_accumulation_steps": run.accumulation(answer),
        "accelerator_config": options.accelerator(answer),
        "sample_packing": answer.flag("packing"),
        "optimizer": options.optimizer(answer),
        "bf16": mixed,
        "fp16": False,
        "attn_implementation": options.ATTENTION[answer.word("attention")],
        "gradient_checkpointing": full and not sharded,  # else FSDP's own does
        "activation_offloading": answer.flag("offload_activations"),
        "embeddings_skip_upcast": True,
        **_loss(answer.word("loss")),
    }
    steps = run.steps(answer)
    if steps is not None:
        document["max_steps"] = steps
    if answer.word("method") == "lora":
        document |= {
            "adapter": "lora",
            "lora_r": answer.count("lora_rank"),
            "lora_dropout": float(answer.share("lora_dropout") or 0),
            **_targets(answer),
            **({"peft_use_dora": True} if answer.flag("use_dora") else {}),
            "peft_autocast_adapter_dtype": True,
            **dict.fromkeys(KERNELS, False),
        }
    if sharded:
        document |= {"fsdp_version": 2, "fsdp_config": _fsdp(answer, full)}
    return yaml_text([document])


def _targets(answer: LockedWorkload) -> dict[str, Any]:
    if answer.word("lora_targets") == "all_linear":
        return {"lora_target_linear": True}
    return {"lora_target_modules": options.targets(answer, "")}


def _loss(loss: str) -> dict[str, Any]:
    """Return what makes the loss: Liger's fused with the head and no other of its kernels, or in pieces of logits."""
    if loss == "fused":
        others = ("rope", "rms_norm", "glu_activation", "layer_norm", "cross_entropy")
        return {
            "plugins": [LIGER],
            "liger_fused_linear_cross_entropy": True,
            **{f"liger_{name}": False for name in others},
        }
    if loss == "chunked":
        return {"chunked_cross_entropy": True, "chunked_cross_entropy_num_chunks": CHUNKS}
    return {}


def _fsdp(answer: LockedWorkload, full: bool) -> dict[str, Any]:
    return {
        "reshard_after_forward": answer.count("zero", 0) == 3,
        "auto_wrap_policy": "TRANSFORMER_BASED_WRAP",
        "offload_params": answer.word("offload") == "parameters",
        "activation_checkpointing": full,
        "state_dict_type": "SHARDED_STATE_DICT",
    }
