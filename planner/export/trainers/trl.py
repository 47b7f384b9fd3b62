"""TRL's SFTConfig as YAML: `HfArgumentParser(SFTConfig).parse_yaml_file` (TRL 1.16 on transformers 5.24).

With adapters it is a file for `trl sft --config`: what TRL's ModelConfig says of LoRA and of a base in 4 bits as well.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from planner.export.documents import yaml_text
from planner.export.faults import Unsayable
from planner.export.locked import LockedWorkload
from planner.export.trainers import options, run

# Under FSDP mixed precision makes fp32 copies of 16-bit parameters (accelerate/accelerator.py, "Upcasted low precision
# parameters"): pure bf16 is sharded without it.
DTYPES = {"fp32": "float32", "bf16": "bfloat16", "bf16_mixed": "float32", "fp16_mixed": "float32"}
"""What the checkpoint is loaded in: mixed precision is autocast over fp32 weights."""


def faults(answer: LockedWorkload) -> Iterator[Unsayable]:
    """Yield what of an answer SFTConfig cannot say."""
    name = "TRL's SFTConfig"
    yield from run.whole_shapes(answer, name)
    yield from run.only(answer, name, "method", ("full", *run.ADAPTERS))
    yield from _adapters(answer, name)
    yield from run.only(answer, name, "precision", DTYPES)
    yield from run.only(answer, name, "preference", ("none",))
    yield from run.only(answer, name, "offload", ("none",))
    yield from _loss(answer, name)
    yield from run.plain_loss(answer, name)
    yield from run.gradients(answer, name)
    if run.sharded(answer) and answer.count("zero", 0) == 1:
        yield Unsayable("zero", "FSDP has no sharding of optimizer states alone", "set zero = 0, 2 or 3")
    yield from run.all_or_none(answer, name)
    yield from options.faults(answer, name)


TILE = 4096, 32768 * 2
"""Tokens, and bytes of each, of the tile of logits that TRL's loss works on (trl/kernels/chunked_logprob.py)."""
WIDEST = 16384
"""The width that a hidden state is taken to have at most: Llama 3.1 405B's."""


def _loss(answer: LockedWorkload, name: str) -> Iterator[Unsayable]:
    """Yield that TRL's loss may hold more than was counted.

    In 1.16 SFTTrainer computes every loss in tiles of its own and leaves Liger's out (trainer/sft_trainer.py): beside a
    tile, fp32 gradients of the hidden states and of the head. That is less than whole logits and their gradients;
    beside another loss it has to fit in what the answer leaves free.
    """
    tokens = answer.count("micro_batch") * answer.count("sequence")
    wide = answer.word("method") not in run.ADAPTERS and answer.word("precision") == "bf16"
    if answer.word("loss") == "standard":
        fits = not wide or tokens >= WIDEST // 2  # logits of so many tokens outweigh the head's gradient in fp32
    else:
        fits = not wide and min(tokens, TILE[0]) * TILE[1] + 6 * tokens * WIDEST <= answer.spare
    if not fits:
        reason = f"{name} computes the loss in tiles of its own, which may hold more than loss = {answer.word('loss')}"
        yield Unsayable("loss", reason, "set loss = standard and precision = bf16_mixed")


def _adapters(answer: LockedWorkload, name: str) -> Iterator[Unsayable]:
    """Yield what of adapters TRL does otherwise: peft makes them fp32, and TRL 16 bits on a base in 4 bits."""
    yield from options.wide_adapters(answer)
    if answer.word("method") in run.ADAPTERS and answer.word("precision") == "fp32":
        yield Unsayable("precision", f"{name} has a base in 16 bits or less beside adapters", "set precision = bf16")


def render(answer: LockedWorkload) -> str:
    """Return the file."""
    precision, adapters = answer.word("precision"), answer.word("method") in run.ADAPTERS
    sharded = run.sharded(answer)
    dtype = run.sixteen(answer) if adapters else DTYPES[precision]
    document: dict[str, Any] = {
        **options.batches(answer),
        "gradient_accumulation_steps": run.accumulation(answer),
        "accelerator_config": options.accelerator(answer),
        "max_length": answer.count("sequence"),
        "packing": answer.flag("packing"),
        "optim": options.optimizer(answer),
        "bf16": precision == "bf16_mixed" or (precision == "bf16" and not sharded and not adapters),
        "fp16": precision == "fp16_mixed",
        "model_init_kwargs": {
            "dtype": dtype,
            "attn_implementation": options.ATTENTION[answer.word("attention")],
        },
        "activation_checkpointing": answer.word("checkpointing") == "full" and not sharded,  # else FSDP's own does
        "activation_offloading": answer.flag("offload_activations"),
        "loss_type": "nll",
        "use_liger_kernel": False,
    }
    steps = run.steps(answer)
    if steps is not None:
        document["max_steps"] = steps
    return yaml_text([{**document, **(_model(answer, dtype) if adapters else {})}])


def _model(answer: LockedWorkload, dtype: str) -> dict[str, Any]:
    """Return what ModelConfig says of adapters and their base; its `dtype` is what a base in 4 bits is computed in."""
    document: dict[str, Any] = {
        **({"model_name_or_path": answer.repository} if answer.repository else {}),
        "dtype": dtype,
        "use_peft": True,
        "lora_r": answer.count("lora_rank"),
        "lora_dropout": float(answer.share("lora_dropout") or 0),
        "lora_target_modules": options.targets(answer, "all-linear"),
        **({"use_dora": True} if answer.flag("use_dora") else {}),
    }
    if answer.word("method") == "qlora":
        known = run.quantization(answer)
        document |= {name: known[name] for name in ("load_in_4bit", "bnb_4bit_quant_type", "bnb_4bit_quant_storage")}
        document["use_bnb_nested_quant"] = known["bnb_4bit_use_double_quant"]
    return document
