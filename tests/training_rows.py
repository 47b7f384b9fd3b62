"""The measured training steps under tests/truth, and what the memory model says of them.

training_pytorch.jsonl: one step each of Hugging Face models on fake CUDA tensors (nothing is allocated, every storage
is counted as the CUDA allocator rounds it): torch 2.13, transformers 5.23, peft 0.21. `layer` is what a layer in the
middle keeps after forward, autocast's copies included. Rows named `4-layers` are other families, cut to 4 layers.
training_models.jsonl: the architectures of those models, in the form of the catalog.
"""

import json
from functools import cache
from pathlib import Path

from planner.catalog.build import build_architecture
from planner.catalog.records import Architecture
from planner.physics import training
from planner.physics.architecture import parameters
from planner.physics.training import ActivationChoice, StateChoice

TRUTH = Path(__file__).parent / "truth"
LLAMA_STYLE = ("llama", "qwen2", "qwen3", "mistral")


def _rows(name: str) -> list[dict]:
    return [json.loads(line) for line in (TRUTH / name).read_text(encoding="utf-8").splitlines()]


@cache
def architectures() -> dict[str, Architecture]:
    return {row.pop("id"): build_architecture(row) for row in _rows("training_models.jsonl")}


@cache
def measured() -> list[dict]:
    return _rows("training_pytorch.jsonl")


def exact(row: dict) -> bool:
    """Full AdamW in bf16 or autocast of the llama style, but Mistral beyond its window: the strictest tolerance."""
    arch = architectures()[row["model"]]
    plain = row["method"] == "full" and row["optimizer"] == "adamw" and row["precision"] != "fp32"
    beyond = row["model"].startswith("mistral") and row["sequence"] >= 4096
    return plain and arch.family in LLAMA_STYLE and not beyond


def choices(row: dict) -> tuple[StateChoice, ActivationChoice, int]:
    arch = architectures()[row["model"]]
    shared = {key: row[key] for key in ("precision", "method", "rank", "targets") if key in row}
    states = StateChoice(optimizer=row["optimizer"], kernel=row["kernel"], **shared)
    rest = {key: row[key] for key in ("sequence", "micro_batch", "attention", "checkpointing")}
    layers = arch.layers if row["checkpointing"] == "full" else 0
    return states, ActivationChoice(dropout=bool(row.get("dropout")), **rest, **shared), layers


def standing(index: int) -> training.States:
    row = measured()[index]
    arch = architectures()[row["model"]]
    return training.states(arch, sum(parameters(arch).values()), choices(row)[0])


@cache
def predicted(index: int) -> training.TrainingMemory:
    row = measured()[index]
    _, activations, layers = choices(row)
    return training.combine(standing(index), training.points(architectures()[row["model"]], activations, layers))
