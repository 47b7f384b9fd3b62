"""Measured steps of one of many GPUs and of selective checkpointing, and what the memory model says of them.

training_sharded.jsonl: one step each of Hugging Face models on fake CUDA tensors (torch 2.13, transformers 5.23), rank
0 of `dp` in PyTorch's `fake` process group: collectives move nothing, and every buffer they take is counted, as are
storages that FSDP resizes. `fully_shard` wraps each layer and the whole; zero 3 is `reshard_after_forward=True`, zero 2
False; bf16_mixed is `MixedPrecisionPolicy(bf16, reduce_dtype=float32)` on fp32 weights, bf16 reduced under
`gradient_precision`. Sharded weights, gradients and states are one rank's; `phases` are the peaks of forward, backward
and the optimizer's step. Selective checkpointing is PyTorch's `create_selective_checkpoint_contexts`: `products` with a
list of aten.mm, addmm, bmm, _grouped_mm and the attention kernels, `operations` with torchtitan's policy of every
second aten.mm and these kernels; `every_second_layer` checkpoints the second, fourth, … layer. `tensor` is a
llama-style decoder under torch.distributed.tensor.parallel as torchtitan splits it (norms by sequence, column- and
row-wise products, the embedding by rows, the loss parallel). `int8` swaps the layers' products for torchao 0.18's
`Int8MixedPrecisionTrainingLinear` (the product itself an empty tensor of its size). The models stand in
training_options_models.jsonl and training_sharded_models.jsonl.
"""

import json
from functools import cache

import training_options as options

from planner.catalog.build import build_architecture
from planner.catalog.records import Architecture
from planner.physics import training
from planner.physics.architecture import parameters

PHASES = {"forward": "fwd", "optimizer": "opt"}


@cache
def architectures() -> dict[str, Architecture]:
    lines = (options.TRUTH / "training_sharded_models.jsonl").read_text(encoding="utf-8").splitlines()
    more = {row.pop("id"): build_architecture(row) for row in map(json.loads, lines)}
    return options.architectures() | more


@cache
def measured() -> dict[str, dict]:
    lines = (options.TRUTH / "training_sharded.jsonl").read_text(encoding="utf-8").splitlines()
    return {row["id"]: row for row in map(json.loads, lines)}


def standing(name: str) -> training.States:
    row = measured()[name]
    arch = architectures()[row["model"]]
    return training.states(arch, sum(parameters(arch).values()), options.choices(row | {"model": "llama-cut"})[0])


@cache
def predicted(name: str) -> training.TrainingMemory:
    row = measured()[name]
    arch = architectures()[row["model"]]
    _, active, _ = options.choices(row | {"model": "llama-cut"})
    again = 0 if row["checkpointing"] == "none" else arch.layers
    return training.combine(standing(name), training.points(arch, active, again))


def error(name: str) -> float:
    """The predicted peak over the measured one, less one."""
    return predicted(name).total / measured()[name]["peak"] - 1
