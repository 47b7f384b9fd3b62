"""One way to train a model: its recipe, layout and recomputation, its memory by moment, its time; plain functions.

The formulas stand in planner/physics; here they meet what a workload says. Time takes numbers and arrays alike.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import field
from fractions import Fraction
from typing import Any

from planner.catalog.records import Gpu, Model
from planner.language.defaults import STATED
from planner.language.problem import Problem, Workload
from planner.physics import rule_of_thumb, training, training_time
from planner.physics.training.deepspeed import DEFAULTS, Sizes, automatic
from planner.physics.training.moments import PARTS
from planner.record import dataclass
from planner.solve.defaults import SIZES
from planner.solve.serving import counts, number
from planner.solve.structure import Layout, batch_faults, checkpointing_faults, layers_of, training_faults

GPUS_UNSAID = (1, 2, 4, 8, 16, 32, 64, 128)
"""The numbers of GPUs that are tried where the plan does not say `gpus`: whole nodes of eight, doubled."""
TENSORS = (1, 2, 4, 8)
PIPELINES = (1, 2, 4, 8)
CONTEXTS = (1,)
MICRO_BATCHES = (1, 2, 4, 8, 16, 32, 64)


@dataclass(frozen=True, slots=True)
class Recipe:
    """What is trained, in which formats, by which optimizer."""

    method: str
    precision: str
    optimizer: str


@dataclass(slots=True)
class Run:
    """A training workload with what its framework fills in; `known` keeps what was computed."""

    workload: Workload
    model: Model
    framework: str
    sequence: int
    global_batch: int
    tokens: int
    confidence: Fraction
    known: dict[tuple[object, ...], Any] = field(default_factory=dict)


def run_of(problem: Problem, workload: Workload) -> Run:
    """Return a workload with its framework and what follows from what it says."""
    confidence = workload.given["confidence"]
    assert isinstance(confidence, Fraction)
    return Run(
        workload,
        workload.model,
        str(workload.given["framework"]),
        number(workload, "sequence", 1),
        number(workload, "global_batch", 0),
        number(workload, "tokens", 0),
        confidence,
    )


def words(workload: Workload, name: str, default: tuple[str, ...] = ()) -> list[str]:
    """Return the words a plan offers for a decision, in alphabetical order; its stated default where it offers none."""
    return sorted(str(value) for value in workload.domains.get(name) or default or (STATED[workload.kind][name],))


def recipes(this: Run) -> list[Recipe]:
    """Return what the plan offers of methods, precisions and optimizers."""
    item = this.workload
    return [
        Recipe(method, precision, optimizer)
        for method in words(item, "method")
        for precision in words(item, "precision")
        for optimizer in words(item, "optimizer")
    ]


def pipelines(workload: Workload) -> tuple[int, ...]:
    """Return the pipelines that are tried where the plan does not say: for the Trainer of transformers none, whose
    sizes are those of accelerate's ParallelismConfig (1.15.0): copies, shards, tensor and context parallelism."""
    return (1,) if workload.given["framework"] == "transformers" else PIPELINES


def layouts(this: Run, fixed: bool) -> list[Layout]:
    """Return the ways a step may lie on GPUs; with `fixed`, all of a plan's GPUs see different data."""
    return [item for item in every_layout(this, fixed) if not any(training_faults(this.model, this.framework, item))]


def every_layout(this: Run, fixed: bool) -> Iterator[Layout]:
    """Yield what a plan leaves of layouts, whether they can be or not."""
    item = this.workload
    allowed = counts(item, "gpus")
    totals = allowed or list((1,) if fixed else GPUS_UNSAID)
    experts = counts(item, "expert_parallel") or [1]
    offloads = words(item, "offload")
    said = counts(item, "data_parallel")
    for total in totals:
        for tp in counts(item, "tensor_parallel") or ((1,) if fixed else TENSORS):
            for pp in counts(item, "pipeline_parallel") or ((1,) if fixed else pipelines(item)):
                for cp in counts(item, "context_parallel") or CONTEXTS:
                    dp, rest = divmod(total, tp * pp * cp)
                    if rest or (said is not None and dp not in said):
                        continue
                    for ep in experts:
                        for zero in counts(item, "zero") or ((0,) if fixed or dp == 1 else (0, 1, 2, 3)):
                            for copies in counts(item, "shard_replicas") or [1]:
                                yield from (Layout(dp, tp, pp, cp, ep, zero, offload, copies) for offload in offloads)


def micro_batches(this: Run, layout: Layout, fixed: bool) -> list[int]:
    """Return the micro-batches that divide the global batch, where there is one."""
    sizes = counts(this.workload, "micro_batch") or list((1,) if fixed else MICRO_BATCHES)
    if not this.global_batch:
        return sizes
    return [size for size in sizes if not any(batch_faults(this.global_batch, layout, size))]


def accumulation(this: Run, layout: Layout, micro_batch: int) -> int:
    """Return how many micro-batches a GPU runs before the optimizer steps."""
    return max(1, this.global_batch // (layout.data * micro_batch)) if this.global_batch else 1


def in_flight(this: Run, layout: Layout, micro_batch: int) -> int:
    """Return the micro-batches of a step as far as they matter to a stage: 1F1B never holds more than its stages."""
    rounds = accumulation(this, layout, micro_batch)
    most = {"one_f_one_b": layout.pipeline, "interleaved": 2 * layout.pipeline}
    return min(rounds, most.get(str(this.workload.given["schedule"]), rounds))


def modes(this: Run, fixed: bool) -> Iterator[tuple[str, list[int]]]:
    """Yield each way of checkpointing with the numbers of layers that it may recompute.

    By the rule of thumb none of them changes anything, so that only what the plan says is tried.
    """
    layers = layers_of(this.model)
    said = counts(this.workload, "checkpointed_layers")
    default: tuple[str, ...] = ("none", "selective", "full")
    if fixed or layers is None:
        default = ("full",) if said and (max(said) > 0 if fixed else min(said) > 0) else ("none",)
    for mode in words(this.workload, "checkpointing", default):
        if said is not None:
            again = said
        elif mode == "none":
            again = [0]
        elif mode == "selective" or fixed or layers is None:
            again = [layers or 1]
        else:
            again = list(range(1, layers + 1))
        again = [count for count in again if not any(checkpointing_faults(this.model, mode, count))]
        if again:
            yield mode, again


def selective(this: Run) -> str:
    """Return what selective checkpointing keeps or makes again: what the plan says, or the framework means by it."""
    return str(this.workload.given.get("selective", training.SELECTIVE.get(this.framework, "products")))


def lora_rank(this: Run) -> int:
    """Return the rank of LoRA's adapters."""
    return number(this.workload, "lora_rank", 0)


def targets(this: Run) -> tuple[str, ...] | str:
    """Return what LoRA adapts: one of the two groups, or projections by name."""
    said = str(this.workload.given["lora_targets"])
    return said if said in ("all_linear", "attention") else tuple(part.strip() for part in said.split(","))


def frozen(this: Run) -> tuple[str, ...]:
    """Return the parts of the model that are not trained."""
    said = str(this.workload.given["frozen"])
    return tuple(sorted(part.strip() for part in said.split(",") if part.strip()))


def states(this: Run, recipe: Recipe, layout: Layout, accumulate: bool) -> training.States:
    """Return weights, gradients and optimizer states of one GPU."""
    key = ("states", recipe, layout, accumulate)
    if key not in this.known:
        arch = this.model.architecture
        assert arch is not None
        this.known[key] = training.states(arch, this.model.params, state_choice(this, recipe, layout, accumulate))
    found: training.States = this.known[key]
    return found


def sharder(this: Run, layout: Layout) -> str:
    """Return who shards: the Trainer of transformers trains by DDP, and from ZeRO 2 on by accelerate's FSDP; FSDP1 is
    known as accelerate sets it up."""
    if this.framework == "transformers" and layout.sharded:
        return "accelerate"
    if this.framework == "fsdp" and fsdp_version(this) == 1 and layout.data * layout.context > 1:
        return "accelerate"
    return this.framework


def fsdp_version(this: Run) -> int:
    """Return which FSDP shards: what the plan says; else 1 in transformers, which is accelerate's own default (1.15,
    utils/dataclasses.py) and holds more, and 2 in fsdp (torchtitan)."""
    return number(this.workload, "fsdp_version", 1 if this.framework == "transformers" else 2)


def sizes(this: Run) -> Sizes:
    """Return DeepSpeed's sizes: what the plan says, else the release's defaults or the Trainer's `auto` values."""
    known = DEFAULTS
    if this.workload.given["deepspeed_sizes"] == "auto" and this.model.architecture is not None:
        known = automatic(this.model.architecture.hidden)
    return Sizes(*(number(this.workload, name, size) for name, size in zip(SIZES, known, strict=True)))


def state_choice(this: Run, recipe: Recipe, layout: Layout, accumulate: bool) -> training.StateChoice:
    """Return what the states depend on."""
    given = this.workload.given
    return training.StateChoice(
        method=recipe.method,
        precision=recipe.precision,
        optimizer=recipe.optimizer,
        kernel=str(given["optimizer_kernel"]),
        framework=sharder(this, layout),
        zero=layout.zero,
        dp=layout.data * layout.context,
        tp=layout.tensor,
        pp=layout.pipeline,
        ep=layout.expert,
        rank=lora_rank(this),
        targets=targets(this),
        adapter_precision=str(given["lora_precision"]),
        frozen=frozen(this),
        dpo=given["preference"] == "dpo",
        offload=layout.offload,
        accumulate=accumulate,
        gradient_precision=str(given.get("gradient_precision", "")),
        replicas=layout.replicas,
        fsdp=fsdp_version(this),
        sizes=sizes(this),
        overlap=bool(given["overlap_comm"]),
    )


def choice_of(this: Run, recipe: Recipe, layout: Layout, micro_batch: int, mode: str) -> training.ActivationChoice:
    """Return what the activations depend on."""
    given = this.workload.given
    return training.ActivationChoice(
        sequence=this.sequence,
        micro_batch=micro_batch,
        precision=recipe.precision,
        method=recipe.method,
        attention=str(given["attention"]),
        framework=sharder(this, layout),
        checkpointing=mode,
        selective=selective(this),
        loss=str(given["loss"]),
        loss_precision=str(given["loss_precision"]),
        rank=lora_rank(this),
        targets=targets(this),
        dropout=given["lora_dropout"] != 0,
        adapter_precision=str(given["lora_precision"]),
        frozen=frozen(this),
        dpo=given["preference"] == "dpo",
        packed=bool(given["packing"]),
        tp=layout.tensor,
        pp=layout.pipeline,
        cp=layout.context,
        ep=layout.expert,
        schedule=str(given["schedule"]),
        micro_batches=in_flight(this, layout, micro_batch) if layout.pipeline > 1 else 0,
        offload=bool(given["offload_activations"]),
    )


def points(this: Run, choice: training.ActivationChoice, again: int) -> tuple[training.Point, ...]:
    """Return the places of a step among which its peak is."""
    key = ("points", choice, again)
    if key not in this.known:
        arch = this.model.architecture
        assert arch is not None
        this.known[key] = training.points(arch, choice, again)
    found: tuple[training.Point, ...] = this.known[key]
    return found


def overhead(this: Run, gpu: Gpu, gpus: int) -> int:
    """Return what no tensor of the program accounts for."""
    return training.overhead(gpu, this.framework, gpus)


def memory(
    this: Run, gpu: Gpu, recipe: Recipe, layout: Layout, micro_batch: int, mode: str, again: int
) -> training.TrainingMemory:
    """Return the memory of the fullest GPU at each moment of a step, by part."""
    model = this.model
    if model.architecture is None:
        found = rule_of_thumb.training(model.params, Fraction(4 if recipe.precision == "fp32" else 2), recipe.optimizer)
        share = layout.tensor * layout.pipeline
        parts = dict.fromkeys(PARTS, 0) | {name: -(-size // share) for name, size in found.items()}
        return training.TrainingMemory(parts, parts, "backward_end", {}, ("rule of thumb",))
    own = states(this, recipe, layout, accumulation(this, layout, micro_batch) > 1)
    places = points(this, choice_of(this, recipe, layout, micro_batch, mode), again)
    above = overhead(this, gpu, layout.gpus)
    spare = training.spare(this.framework, this.confidence)
    return training.combine(own, places, above, 0, training.approximations(model.architecture), spare)


VENDORS = ("nvidia", "amd")
"""Whose GPUs the frameworks' memory is known for: PyTorch is built for CUDA and ROCm (pytorch.org/get-started), and so
are Megatron-LM (rocm.docs.amd.com/projects/primus) and bitsandbytes (its installation guide, 0.50). PyTorch on Intel's
GPUs (docs.pytorch.org, get_start_xpu) and others is left out: nothing here is measured on it."""


FLASH_ON = ("gfx90a", "gfx942", "gfx950")
"""AMD's compute capabilities that FlashAttention-2 is built for; NVIDIA's are Ampere's, 8.0, and newer, which older
GPUs are refused for (Dao-AILab/flash-attention README.md and #720). What is not stated is given the benefit of the
doubt. `sdpa` falls back on what the GPU has."""


def refusal(this: Run, gpu: Gpu, method: str, precision: str) -> tuple[str, str, str] | None:
    """Return what keeps a recipe from running on a GPU, None where nothing does: the quantity of the plan that is
    refused, what is needed, and who has it not."""
    if this.framework == "megatron" and method == "qlora":  # Megatron-Bridge, training/peft: LoRA and DoRA
        return "method", "a framework that trains qlora", this.framework
    if gpu.vendor not in VENDORS:
        return "gpu", f"a framework that runs on {gpu.vendor}", this.framework
    if this.workload.given["attention"] == "flash" and not _flashes(gpu):
        return "attention", "hardware for flash attention", gpu.id
    return None if computes(gpu, precision) else ("precision", f"hardware for {precision}", gpu.id)


def _flashes(gpu: Gpu) -> bool:
    if gpu.compute_capability is None:
        return True
    if gpu.vendor == "nvidia":
        return int(gpu.compute_capability.partition(".")[0]) >= 8
    return gpu.compute_capability in FLASH_ON


def computes(gpu: Gpu, precision: str) -> int:
    """Return the dense peak of what a recipe computes in, 0 where the GPU has none or PyTorch does not run on it."""
    if gpu.vendor not in VENDORS:
        return 0
    wanted = {"fp32": "fp32", "fp8_mixed": "fp8_e4m3", "int8": "int8", "fp16_mixed": "fp16"}.get(precision, "bf16")
    return gpu.flops.get(wanted) or 0


def quality(recipe: Recipe) -> Fraction | None:
    """Return 1 where nothing of the model's arithmetic is given up; None where nobody measured what is."""
    kept = recipe.method == "full" and recipe.precision in ("fp32", "bf16_mixed", "fp16_mixed")
    return Fraction(1) if kept else None


@dataclass(frozen=True, slots=True)
class Pace:
    """What a step's time depends on: work, card, and the shares of forward that run again; numbers or arrays."""

    work: training_time.Work
    card: training_time.Card
    again: Any
    attention_again: Any


def work(this: Run, recipe: Recipe, layout: Layout, micro_batch: int, mode: str) -> training_time.Work:
    """Return what one GPU does in an optimizer step."""
    choice = choice_of(this, recipe, layout, micro_batch, mode)
    return work_of(this, choice, layout.data, layout.zero, offload=layout.offload)


def work_of(
    this: Run, choice: training.ActivationChoice, data: Any, zero: Any, kept: Any = None, offload: Any = "none"
) -> training_time.Work:
    """Return what one GPU does in an optimizer step; numbers or arrays (training_time.work)."""
    arch = this.model.architecture
    assert arch is not None
    adapters = choice.method in ("lora", "qlora")
    return training_time.work(
        arch,
        this.model.active_params,
        choice,
        dp=data,
        zero=zero,
        global_batch=this.global_batch,
        trained_params=training.adapter_parameters(arch, lora_rank(this), targets(this)) if adapters else 0,
        kept=kept,
        offload=offload,
    )


def recomputed(this: Run, mode: str, part: Any) -> tuple[Any, Any]:
    """Return the shares of forward's products and scores that run again where a `part` of the layers recompute."""
    choice = training.ActivationChoice(this.sequence, checkpointing=mode, selective=selective(this))
    return training_time.recomputed(choice, part)


def outcome_numbers(this: Run, pace: Pace, cost: Any) -> dict[str, Any]:
    """Return the outcomes of time in canonical units; `cost` in micro-dollars per hour."""
    step = training_time.step(pace.work, pace.card, pace.again, pace.attention_again)
    out = {"step_time": step.seconds, "throughput": step.throughput, "mfu": step.mfu}
    if this.tokens:
        duration = this.tokens / step.throughput
        out |= {"duration": duration, "total_cost": duration / 3600 * cost / 1_000_000}
    return out
