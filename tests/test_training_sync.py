"""Gradients of several micro-batches: what FSDP holds and sends of them, and what a plan and an answer say of it."""

from __future__ import annotations

import pytest

from planner.catalog.load import load
from planner.plan import load_plan
from planner.report.phrases import hint, in_words
from planner.solve import solve
from planner.solve.answer import Answer
from planner.solve.candidate import Candidate
from planner.solve.pipeline import estimate

PLAN = """edition 2026
offer node { gpu = h100_sxm; gpus = 8; price = $16/h }
training big {
  model = "Qwen/Qwen3-32B"
  sequence = 2Ki tokens
  global_batch = 64
  tokens = 10M tokens
  gpu = h100_sxm
  gpus = 8
  offer = node
  zero = 3
  tensor_parallel = 1
  pipeline_parallel = 1
  micro_batch = 1
  checkpointing = full
  checkpointed_layers = 64
  loss = fused
  optimizer = adamw_8bit
%s}
"""
GRADIENTS = 2 * 32_762_123_264
"""Bytes of all gradients in bf16."""


def text(*lines: str) -> str:
    """Return the plan with more lines."""
    return PLAN % "".join(f"  {line}\n" for line in lines)


def solved(plan: str) -> Answer:
    """Return the answer of a plan."""
    problem = load_plan("big.mem", text=plan).problem
    assert problem is not None
    return solve(problem, load()[0])


def held(plan: str) -> Candidate:
    """Return the one candidate of a plan, whether it fits or not."""
    problem = load_plan("big.mem", text=plan).problem
    assert problem is not None
    return estimate(problem, load()[0]).workloads[0].chosen


def test_the_trainer_keeps_whole_gradients() -> None:
    """Qwen3-32B on eight H100 ran out of memory: its whole gradients alone take 61 GiB of 79."""
    found = held(text())
    assert found.sizes["gradients"] >= GRADIENTS
    assert found.total > found.usable
    one = text().replace("global_batch = 64", "global_batch = 8")
    for other in (held(text("sync_each_batch = true")), held(one)):
        assert other.total < found.total - GRADIENTS / 2
        assert other.total < other.usable


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ((), False),
        (("framework = fsdp",), True),
        (("framework = fsdp", "fsdp_version = 1"), False),
        (("framework = fsdp", "sync_each_batch = false"), False),
        (("framework = deepspeed",), True),
    ],
)
def test_the_default_is_the_framework_s_own(lines: tuple[str, ...], expected: bool) -> None:
    found = held(text(*lines))
    assert found.given["sync_each_batch"] is expected
    assert (found.sizes["gradients"] >= GRADIENTS) is not expected


def test_what_does_not_fit_says_the_way_out() -> None:
    found = solved(text())
    assert found.outcome == "infeasible"
    assert "sync_each_batch = true" in [hint(item) for rule in found.conflict for item in rule.hints]


def test_it_costs_time() -> None:
    ones, every = held(text()), held(text("sync_each_batch = true"))
    assert ones.outcomes["step_time"] is not None and every.outcomes["step_time"] is not None
    assert every.outcomes["step_time"] >= ones.outcomes["step_time"]


def test_fsdp_1_that_offloads_adds_nothing_up() -> None:
    """torch's FSDP1 replaces the gradients on the host by the newly reduced ones outside `no_sync`."""
    found = solved(text("offload = parameters", "fsdp_version = 1", "sync_each_batch = true"))
    assert found.conflict[0].rule == "big.micro_batch"
    assert "adds no gradients up" in str(in_words(found.conflict[0].has))
