"""What a framework cannot be told is offered by no search, and a plan that states it hears what to state."""

from __future__ import annotations

import pytest

from planner.catalog.load import load
from planner.plan import load_plan
from planner.report.phrases import in_words
from planner.solve import solve
from planner.solve.answer import Answer

NODE = "offer node { provider = here; gpu = h100_sxm; gpus = 8; price = $16/h }\n"
RUN = 'model = "Qwen/Qwen2.5-0.5B"; sequence = 1Ki tokens; global_batch = 16; offer = node; gpus = 8'


def answered(more: str) -> Answer:
    """Return the answer of a training with more lines."""
    problem = load_plan("t.mem", text=f"edition 2026\n{NODE}training t {{ {RUN}; {more} }}\n").problem
    assert problem is not None
    return solve(problem, load()[0])


@pytest.mark.parametrize(
    ("line", "rule", "needs"),
    [
        ("checkpointing = full; checkpointed_layers = 18", "checkpointed_layers", "recomputes all layers or none"),
        ("checkpointing = selective", "checkpointing", "full or none"),
        ("zero = 1; data_parallel = 8", "zero", "0 or 2 or 3"),
        ("tensor_parallel = 2; zero = 3", "tensor_parallel", "fsdp_version = 2"),
        ("tensor_parallel = 2; zero = 0", "tensor_parallel", "without FSDP"),
        ("pipeline_parallel = 2", "pipeline_parallel", "no pipelines"),
        (
            "framework = megatron; checkpointing = selective; selective = products",
            "checkpointing",
            "selective = attention",
        ),
    ],
)
def test_what_a_framework_cannot_be_told_is_refused(line: str, rule: str, needs: str) -> None:
    found = answered(line)
    assert found.outcome == "infeasible"
    assert found.conflict[0].rule == f"t.{rule}"
    assert needs in str(in_words(found.conflict[0].has))


@pytest.mark.parametrize(
    "line",
    [
        "tensor_parallel = 2; zero = 3; fsdp_version = 2",
        "framework = fsdp; checkpointing = full; checkpointed_layers = 18",
        "framework = fsdp; checkpointing = selective; selective = operations",
        "framework = deepspeed; zero = 1",
        "framework = megatron; checkpointing = full; checkpointed_layers = 12",
    ],
)
def test_what_it_can_be_told_is_answered(line: str) -> None:
    assert answered(line).outcome == "optimal"


def test_the_search_offers_what_the_trainer_can_be_told() -> None:
    chosen = answered("checkpointing in {none, selective, full}; memory <= 6 GiB").workloads[0].chosen.choice
    layers = 24
    assert (chosen["checkpointing"], chosen["checkpointed_layers"]) in (("none", 0), ("full", layers))
