"""Measured training steps of options beyond a plain fine-tune, and what the memory model says of them.

training_options.jsonl: one step each on fake CUDA tensors, as in training_pytorch.jsonl (torch 2.13, transformers
5.23), of models cut to three or four layers (training_options_models.jsonl). fp8: torchao 0.18's `Float8Linear`,
one scale a tensor. qat: torchao's `Int8DynamicActivationIntxWeightConfig`, int4 in groups of 32, scales that are there
from the step before. muon: torch.optim.Muon for the layers' matrices, AdamW for the rest. lion: lion-pytorch 0.2.5.
chunked: torchtune 0.6's loss, the head on eight pieces. dpo: trl's loss on log-probabilities sequence by sequence, with
a reference model. packed: a boolean mask between documents. offload: `torch.autograd.graph.save_on_cpu`. frozen:
parameters without gradients. accumulate: the second of two micro-batches. `layer` is what a layer in the middle keeps.
"""

import json
from functools import cache
from pathlib import Path
from typing import Any

from trainers import products

from planner.catalog.build import build_architecture
from planner.catalog.records import Architecture
from planner.physics import training
from planner.physics.architecture import parameters
from planner.physics.training import ActivationChoice, StateChoice

TRUTH = Path(__file__).parent / "truth"


def _rows(name: str) -> list[dict]:
    return [json.loads(line) for line in (TRUTH / name).read_text(encoding="utf-8").splitlines()]


@cache
def architectures() -> dict[str, Architecture]:
    return {row.pop("id"): build_architecture(row) for row in _rows("training_options_models.jsonl")}


@cache
def measured() -> dict[str, dict]:
    return {row["id"]: row for row in _rows("training_options.jsonl")}


def option(name: str) -> str:
    """What a row measures: `fp8`, `qat`, `frozen`."""
    return name.split("-cut-")[1].split("-")[0]


def choices(row: dict) -> tuple[StateChoice, ActivationChoice, int]:
    said: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value for name, value in row.items()}
    states = {name: value for name, value in said.items() if name in StateChoice.__dataclass_fields__}
    active = {name: value for name, value in said.items() if name in ActivationChoice.__dataclass_fields__}
    active["offload"] = bool(said.get("offload_activations"))
    for one in (states, active):
        one["products"] = products(one.get("framework", "transformers"), row["precision"])
    layers = architectures()[row["model"]].layers if row["checkpointing"] == "full" else 0
    return StateChoice(**states), ActivationChoice(**active), layers


def standing(name: str) -> training.States:
    row = measured()[name]
    arch = architectures()[row["model"]]
    return training.states(arch, sum(parameters(arch).values()), choices(row)[0])


@cache
def predicted(name: str) -> training.TrainingMemory:
    row = measured()[name]
    _, active, layers = choices(row)
    return training.combine(standing(name), training.points(architectures()[row["model"]], active, layers))
