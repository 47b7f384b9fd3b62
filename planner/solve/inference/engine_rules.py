"""What engines cannot split: the rules of structure of a replica, for the search and for `check` alike."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

from planner.catalog.records import Model
from planner.solve.needs import need
from planner.solve.parallelism import Fault, Split, common_faults


def service_faults(
    model: Model, split: Split, one_host: bool = False, unstaged: str = "", expert_ranks: str = "some"
) -> Iterator[Fault]:
    """Yield the rules that a replica's split breaks, but for the heads' (`divides`), which a table of candidates keeps
    as a rule of its own.

    Experts are split over the ranks of tensor parallelism (vLLM's `enable_expert_parallel`, SGLang's `ep_size`). Hosts
    have whole stages, or stages whole hosts; an engine of `one_host` is one process. Of the ranks of
    tensor parallelism `some`, `all` or but `one` hold whole experts (`expert_ranks`): vLLM spreads them over all
    (docs.vllm.ai/en/latest/serving/expert_parallel_deployment), llama.cpp has no expert parallelism. A
    class that is `unstaged` has no pipelines.
    """
    yield from common_faults(model, split.pipeline, split.expert)
    if unstaged and split.pipeline > 1:
        yield Fault("pipeline_parallel", need("unstaged", unstaged), Fraction(split.pipeline))
    if one_host and split.nodes > 1:
        yield Fault("nodes", need("one_process"), Fraction(split.nodes))
    elif split.gpus % split.nodes:
        yield Fault("nodes", need("divisor_of_replica", split.gpus), Fraction(split.nodes))
    elif split.per_node % split.tensor and split.tensor % split.per_node:
        needs = need("multiple_or_divisor", "pipeline_parallel", split.pipeline)
        yield Fault("nodes", needs, Fraction(split.nodes))
    if split.tensor % split.expert:
        yield Fault("expert_parallel", need("divisor", "tensor_parallel", split.tensor), Fraction(split.expert))
    elif expert_ranks != "some" and split.expert not in ((1, split.tensor) if expert_ranks == "all" else (1,)):
        needs = need("experts_of_all", split.tensor) if expert_ranks == "all" else need("experts_of_none")
        yield Fault("expert_parallel", needs, Fraction(split.expert))
