"""Training memory of one GPU: what lives at each of the six moments of a step, and the largest of them.

Two separable functions, and one that puts them together:

- `states(arch, params, StateChoice) -> States`: weights, master weights, gradients, optimizer states, and what a
  framework gathers or buffers. They do not depend on the micro-batch or on checkpointing.
- `points(arch, ActivationChoice, checkpointed_layers) -> tuple[Point, ...]`: activations and logits at every place of
  the step where the peak can be. Each region (a layer of each group, the head with its loss) is traced once on a small
  autograd (tape.py, operations.py, low_precision.py, attention.py, layers.py, head.py) and is linear in the
  micro-batch from there.
- `combine(states, points, overhead, margin) -> TrainingMemory`: the peak, its parts, and all moments; with
  `spare(framework, confidence)` the margin is the allocator's reserve at that confidence.

`table` does the same for many choices at once with numpy. `memory` is all of it for one choice.

Measured against PyTorch 2.13 with transformers 5.23 (docs/accuracy.md).
"""

from __future__ import annotations

from planner.catalog.records import Architecture
from planner.physics.training.activations import MOMENTS, Parts, Point, points, precision_and_split, traces
from planner.physics.training.choice import ActivationChoice, StateChoice
from planner.physics.training.families import family
from planner.physics.training.host import host, stashed, stashes
from planner.physics.training.moments import TrainingMemory, combine
from planner.physics.training.optimizer_bytes import adapter_parameters
from planner.physics.training.overheads import overhead, spare
from planner.physics.training.pipeline import stage_runs
from planner.physics.training.recurrent import MEASURED
from planner.physics.training.shards import States
from planner.physics.training.states import gradient_format, states, wholes

__all__ = [
    "MOMENTS",
    "ActivationChoice",
    "Parts",
    "Point",
    "StateChoice",
    "States",
    "TrainingMemory",
    "adapter_parameters",
    "approximations",
    "combine",
    "gradient_format",
    "host",
    "memory",
    "overhead",
    "points",
    "precision_and_split",
    "spare",
    "stage_runs",
    "stashed",
    "stashes",
    "states",
    "traces",
    "wholes",
]


def approximations(arch: Architecture) -> tuple[tuple[str, ...], ...]:
    """Why the figures are estimates for this architecture: kinds of notes, and what each is of; empty where its
    modelling code was followed."""
    reasons: list[tuple[str, ...]] = [] if family(arch).known else [("unknown_code", arch.family)]
    reasons += [("unmeasured_mixer", group.mixer.kind) for group in arch.groups if group.mixer.kind not in MEASURED]
    if arch.opaque_params:
        reasons.append(("opaque_parts",))
    return tuple(dict.fromkeys(reasons))


def memory(
    arch: Architecture,
    params: int,
    *,
    micro_batch: int,
    sequence: int,
    recipe: str = "bf16",
    attention: str = "sdpa",
    checkpointing: str = "none",
    checkpointed_layers: int | None = None,
    optimizer: str = "adamw",
    kernel: str = "foreach",
    method: str = "full",
    rank: int = 16,
    targets: tuple[str, ...] | str = "attention",
    dropout: bool = False,
    zero: int = 0,
    dp: int = 1,
    tp: int = 1,
    pp: int = 1,
    framework: str = "transformers",
    offload_optimizer: bool = False,
    overhead: int = 0,
    margin: int = 0,
) -> TrainingMemory:
    """The largest of the six moments of a training step, part by part, for one choice."""
    precision = "bf16_mixed" if recipe == "amp" else recipe
    state = StateChoice(
        method=method,
        precision=precision,
        optimizer=optimizer,
        kernel=kernel,
        framework=framework,
        zero=zero,
        dp=dp,
        tp=tp,
        pp=pp,
        rank=rank,
        targets=targets,
        offload="optimizer" if offload_optimizer else "none",
    )
    active = ActivationChoice(
        sequence=sequence,
        micro_batch=micro_batch,
        precision=precision,
        method=method,
        attention=attention,
        framework=framework,
        checkpointing=checkpointing,
        rank=rank,
        targets=targets,
        dropout=dropout,
        tp=tp,
        pp=pp,
    )
    layers = {"none": 0, "selective": arch.layers, "full": arch.layers}[checkpointing]
    if checkpointed_layers is not None and checkpointing != "none":
        layers = min(arch.layers, checkpointed_layers)
    return combine(states(arch, params, state), points(arch, active, layers), overhead, margin, approximations(arch))
