"""The time of a training step: its work, what is recomputed, and the outcomes of time."""

from __future__ import annotations

from fractions import Fraction
from functools import lru_cache
from typing import TYPE_CHECKING

from planner.physics import training, training_time
from planner.physics.confidence import interpolated
from planner.record import dataclass
from planner.solve.candidate import EXPECTED
from planner.solve.columns.steps import Floats, Ints
from planner.solve.parallelism import Layout, experts_of
from planner.solve.training.workload import (
    TrainingRecipe,
    TrainingWorkload,
    choice_of,
    lora_rank,
    selective,
    synced,
    targets,
)

if TYPE_CHECKING:
    from planner.solve.columns.table import Column


@dataclass(frozen=True, slots=True)
class Pace:
    """What a step's time depends on: work, card, and the shares of forward that run again; numbers or arrays."""

    work: training_time.Work
    card: training_time.GpuSpeeds
    again: Floats
    attention_again: Floats


def work(
    run: TrainingWorkload, recipe: TrainingRecipe, layout: Layout, micro_batch: int, mode: str
) -> training_time.Work:
    """Return what one GPU does in an optimizer step."""
    choice = choice_of(run, recipe, layout, micro_batch, mode)
    return work_of(run, choice, layout.data, layout.zero, offload=layout.offload)


def work_of(
    run: TrainingWorkload,
    choice: training.ActivationChoice,
    data: Ints,
    zero: Ints,
    kept: Floats = None,
    offload: str | Column = "none",
) -> training_time.Work:
    """Return what one GPU does in an optimizer step; numbers or arrays (training_time.work)."""
    arch = run.model.architecture
    assert arch is not None
    adapters = choice.method in ("lora", "qlora")
    return training_time.work(
        arch,
        run.model.active_params,
        choice,
        dp=data,
        zero=zero,
        global_batch=run.global_batch,
        trained_params=training.adapter_parameters(arch, lora_rank(run), targets(run), dora=choice.dora)
        if adapters
        else 0,
        kept=kept,
        offload=offload,
        overlap=run.workload.given["expert_overlap"] is True,
        synced=synced(run),
        params=run.model.params,
    )


def recomputed(run: TrainingWorkload, mode: str, part: Floats) -> tuple[Floats, Floats]:
    """Return the shares of forward's products and scores that run again where a `part` of the layers recompute."""
    choice = training.ActivationChoice(run.sequence, checkpointing=mode, selective=selective(run))
    return training_time.recomputed(choice, part)


def outcome_numbers(run: TrainingWorkload, pace: Pace, cost: Floats) -> dict[str, Floats]:
    """Return the outcomes of time in canonical units, at the safe end and expected; `cost` in micro-dollars an hour."""
    step = training_time.step(pace.work, pace.card, pace.again, pace.attention_again)
    confidence = run.workload.given["time_confidence"]
    assert isinstance(confidence, Fraction)
    out: dict[str, Floats] = {}
    for ending, wide in (("", _wide(confidence, _mixed(run))), (EXPECTED, 1.0)):
        rate = step.throughput / wide
        out |= {f"step_time{ending}": step.seconds * wide, f"throughput{ending}": rate, f"mfu{ending}": step.mfu / wide}
        if run.tokens:
            duration = run.tokens / rate / run.uninterrupted
            out[f"duration{ending}"] = duration
            out[f"total_cost{ending}"] = duration / 3600 * cost / 1_000_000
    return out


def _mixed(run: TrainingWorkload) -> bool:
    """Return whether a mixture of experts is trained by another than Megatron-LM."""
    return run.framework.trainer != "megatron" and bool(experts_of(run.model))


@lru_cache(maxsize=16)
def _wide(confidence: Fraction, mixed: bool) -> float:
    """Return how many times the expected time measured steps take at most, in so many of all cases."""
    margins = training_time.MIXED_MARGINS if mixed else training_time.MARGINS
    return 1 + interpolated(margins, confidence) / 1e6
