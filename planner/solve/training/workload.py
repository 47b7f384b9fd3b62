"""One way to train a model: its recipe, layout and recomputation, its memory by moment, its time; plain functions.

The formulas stand in planner/physics; here they meet what a workload says. Time takes numbers and arrays alike.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from fractions import Fraction
from typing import Any

from planner.catalog.programs.frameworks import Framework, resolved
from planner.catalog.records import Gpu, Model
from planner.language.problem import Problem, Value, Workload
from planner.language.schema import grouped
from planner.physics import rule_of_thumb, training
from planner.physics.training.deepspeed_bytes import DEFAULTS, Sizes, automatic
from planner.physics.training.moments import PARTS
from planner.record import dataclass
from planner.solve.parallelism import Layout
from planner.solve.stated import counts, number


@dataclass(frozen=True, slots=True)
class TrainingRecipe:
    """What is trained, in which formats, by which optimizer."""

    method: str
    precision: str
    optimizer: str


def recipe_of(choice: Mapping[str, Value]) -> TrainingRecipe:
    """Return the recipe of a choice."""
    return TrainingRecipe(*(str(choice[name]) for name in RECIPE))


RECIPE = ("method", "precision", "optimizer")
"""The decisions that are a recipe, in the order of its fields."""


@dataclass(slots=True)
class TrainingWorkload:
    """A training workload with what its framework fills in; `known` keeps what was computed."""

    workload: Workload
    model: Model
    framework: Framework
    sequence: int
    global_batch: int
    tokens: int
    confidence: Fraction
    known: dict[tuple[object, ...], Any] = field(default_factory=dict)

    @property
    def uninterrupted(self) -> float:
        """The share of the time that interruptions leave: each loses its time, whatever hour of the run it falls in."""
        given = self.workload.given
        often, lost = given.get("interruptions"), given.get("lost_per_interruption")
        if not isinstance(often, Fraction) or not isinstance(lost, Fraction):
            return 1.0
        return float(1 - often * lost / 86_400)


def run_of(problem: Problem, workload: Workload) -> TrainingWorkload:
    """Return a workload with its framework and what follows from what it says."""
    confidence = workload.given["confidence"]
    assert isinstance(confidence, Fraction)
    return TrainingWorkload(
        workload,
        workload.model,
        resolved(problem.frameworks, str(workload.given["framework"])),
        number(workload, "sequence", 1),
        number(workload, "global_batch", 0),
        number(workload, "tokens", 0),
        confidence,
    )


def accumulation(run: TrainingWorkload, layout: Layout, micro_batch: int) -> int:
    """Return how many micro-batches a GPU runs before the optimizer steps."""
    return max(1, run.global_batch // (layout.data * micro_batch)) if run.global_batch else 1


def in_flight(run: TrainingWorkload, layout: Layout, micro_batch: int) -> int:
    """Return the micro-batches of a step as far as they matter to a stage: 1F1B never holds more than its stages."""
    rounds = accumulation(run, layout, micro_batch)
    most = {"one_f_one_b": layout.pipeline, "interleaved": 2 * layout.pipeline}
    return min(rounds, most.get(str(run.workload.given["schedule"]), rounds))


def selective(run: TrainingWorkload) -> str:
    """Return what selective checkpointing keeps or makes again: what the plan says, or the framework means by it."""
    return str(run.workload.given.get("selective", run.framework.selective))


def lora_rank(run: TrainingWorkload) -> int:
    """Return the rank of LoRA's adapters."""
    return number(run.workload, "lora_rank")


def targets(run: TrainingWorkload) -> tuple[str, ...] | str:
    """Return what LoRA adapts: one of the two groups, or projections by name."""
    said = str(run.workload.given["lora_targets"])
    return said if said in ("all_linear", "attention") else tuple(part.strip() for part in said.split(","))


def frozen(run: TrainingWorkload) -> tuple[str, ...]:
    """Return the parts of the model that are not trained."""
    said = str(run.workload.given["frozen"])
    return tuple(sorted(part.strip() for part in said.split(",") if part.strip()))


def states(run: TrainingWorkload, recipe: TrainingRecipe, layout: Layout, accumulate: bool) -> training.States:
    """Return weights, gradients and optimizer states of one GPU."""
    key = ("states", recipe, layout, accumulate)
    if key not in run.known:
        arch = run.model.architecture
        assert arch is not None
        run.known[key] = training.states(arch, run.model.params, state_choice(run, recipe, layout, accumulate))
    cached: training.States = run.known[key]
    return cached


def sharder(run: TrainingWorkload, layout: Layout) -> str:
    """Return who shards: the Trainer of transformers trains by DDP, and from ZeRO 2 on by accelerate's FSDP; FSDP1 is
    known as accelerate sets it up."""
    trainer = run.framework.trainer
    if trainer == "transformers" and layout.sharded:
        return "accelerate"
    if trainer == "fsdp" and fsdp_version(run) == 1 and layout.data * layout.context > 1:
        return "accelerate"
    return trainer


def fsdp_version(run: TrainingWorkload) -> int:
    """Return which FSDP shards: what the plan says, else the framework's own default."""
    return number(run.workload, "fsdp_version", run.framework.fsdp_version)


def virtual_stages(run: TrainingWorkload) -> int:
    """Return how many parts of the model are on a stage: 1 but in interleaved pipelines."""
    return number(run.workload, "virtual_stages") if run.workload.given["schedule"] == "interleaved" else 1


def spare_of(run: TrainingWorkload) -> int:
    """Return what the allocator holds in reserve at the safe end, in thousandths of what comes and goes."""
    exchanged = max(counts(run.workload, "expert_parallel") or [1]) > 1
    return training.spare(run.framework.trainer, run.confidence, exchanged)


def synced(run: TrainingWorkload) -> bool:
    """Return whether every micro-batch reduces its gradients: what the plan says; else what the framework does.

    FSDP1 is known as accelerate sets it up, which enters `no_sync` before the last micro-batch.
    """
    own = run.framework.sync_each_batch and not (run.framework.trainer == "fsdp" and fsdp_version(run) == 1)
    return bool(run.workload.given.get("sync_each_batch", own))


def adds_up(run: TrainingWorkload, layout: Layout) -> bool:
    """Return whether gradients of several micro-batches add up: FSDP1 that offloads replaces what it has by what it
    reduced (torch 2.13, FullyShardedDataParallel: no accumulation outside `no_sync` with CPU offloading)."""
    own = layout.offload == "parameters" and sharder(run, layout) == "accelerate" and fsdp_version(run) == 1
    return not (own and synced(run))


def sizes(run: TrainingWorkload) -> Sizes:
    """Return DeepSpeed's sizes: what the plan says, else the release's defaults or the Trainer's `auto` values."""
    known = DEFAULTS
    if run.workload.given["deepspeed_sizes"] == "auto" and run.model.architecture is not None:
        known = automatic(run.model.architecture.hidden)
    return Sizes(*(number(run.workload, name, size) for name, size in zip(SIZES, known, strict=True)))


def state_choice(
    run: TrainingWorkload, recipe: TrainingRecipe, layout: Layout, accumulate: bool
) -> training.StateChoice:
    """Return what the states depend on."""
    given = run.workload.given
    return training.StateChoice(
        method=recipe.method,
        precision=recipe.precision,
        optimizer=recipe.optimizer,
        kernel=str(given["optimizer_kernel"]),
        framework=sharder(run, layout),
        products=run.framework.products.get(recipe.precision, ""),
        zero=layout.zero,
        dp=layout.data * layout.context,
        tp=layout.tensor,
        pp=layout.pipeline,
        ep=layout.expert,
        rank=lora_rank(run),
        targets=targets(run),
        adapter_precision=str(given["lora_precision"]),
        dora=given["use_dora"] is True,
        frozen=frozen(run),
        dpo=given["preference"] == "dpo",
        offload=layout.offload,
        accumulate=accumulate,
        gradient_precision=str(given.get("gradient_precision", "")),
        replicas=layout.replicas,
        fsdp=fsdp_version(run),
        synced=synced(run),
        sizes=sizes(run),
        overlap=bool(given["overlap_comm"]),
    )


def choice_of(
    run: TrainingWorkload, recipe: TrainingRecipe, layout: Layout, micro_batch: int, mode: str
) -> training.ActivationChoice:
    """Return what the activations depend on."""
    given = run.workload.given
    return training.ActivationChoice(
        sequence=run.sequence,
        micro_batch=micro_batch,
        precision=recipe.precision,
        method=recipe.method,
        attention=str(given["attention"]),
        framework=sharder(run, layout),
        products=run.framework.products.get(recipe.precision, ""),
        checkpointing=mode,
        selective=selective(run),
        loss=str(given["loss"]),
        loss_precision=str(given["loss_precision"]),
        rank=lora_rank(run),
        targets=targets(run),
        dropout=given["lora_dropout"] != 0,
        adapter_precision=str(given["lora_precision"]),
        dora=given["use_dora"] is True,
        frozen=frozen(run),
        dpo=given["preference"] == "dpo",
        packed=bool(given["packing"]),
        tp=layout.tensor,
        pp=layout.pipeline,
        cp=layout.context,
        ep=layout.expert,
        schedule=str(given["schedule"]),
        chunks=virtual_stages(run),
        micro_batches=in_flight(run, layout, micro_batch) if layout.pipeline > 1 else 0,
        offload=bool(given["offload_activations"]),
    )


def points(run: TrainingWorkload, choice: training.ActivationChoice, again: int) -> tuple[training.Point, ...]:
    """Return the places of a step among which its peak is."""
    key = ("points", choice, again)
    if key not in run.known:
        arch = run.model.architecture
        assert arch is not None
        run.known[key] = training.points(arch, choice, again)
    cached: tuple[training.Point, ...] = run.known[key]
    return cached


def overhead(run: TrainingWorkload, gpu: Gpu, gpus: int) -> int:
    """Return what no tensor of the program accounts for."""
    return training.overhead(gpu, run.framework.trainer, gpus)


def memory(
    run: TrainingWorkload, gpu: Gpu, recipe: TrainingRecipe, layout: Layout, micro_batch: int, mode: str, again: int
) -> training.TrainingMemory:
    """Return the memory of the fullest GPU at each moment of a step, by part."""
    model = run.model
    if model.architecture is None:
        by_part = rule_of_thumb.training(
            model.params, Fraction(4 if recipe.precision == "fp32" else 2), recipe.optimizer
        )
        share = layout.tensor * layout.pipeline
        parts = dict.fromkeys(PARTS, 0) | {name: -(-size // share) for name, size in by_part.items()}
        return training.TrainingMemory(parts, parts, "backward_end", {}, (("thumb_training",),))
    own = states(run, recipe, layout, accumulation(run, layout, micro_batch) > 1)
    places = points(run, choice_of(run, recipe, layout, micro_batch, mode), again)
    above = overhead(run, gpu, layout.gpus)
    spare = spare_of(run)
    notes = training.approximations(model.architecture)
    if run.workload.given["offload_activations"]:
        # trl keeps up to five tensors on the GPU until they are copied, and copies beside the computation (1.16,
        # models/activation_offloading.py, `max_fwd_stash_size`, `use_streams`); neither was measured
        notes += (("stashing",),)
    return training.combine(own, places, above, 0, notes, spare)


def quality(recipe: TrainingRecipe) -> Fraction | None:
    """Return 1 where nothing of the model's arithmetic is given up; None where that is unmeasured."""
    kept = recipe.method == "full" and recipe.precision in ("fp32", "bf16_mixed", "fp16_mixed")
    return Fraction(1) if kept else None


SIZES = grouped("deepspeed_sizes")
"""The sizes of DeepSpeed's configuration, as it names them, in the order of physics.training.deepspeed.Sizes."""
