"""What a service with `traffic` may say beside it: what cannot be combined with it is refused by name."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from planner.diagnostics import Span
from planner.language.block import Block
from planner.language.choices import spoken
from planner.language.problem import FleetBound, Goal, Preference, Rule, Workload
from planner.language.schema import BY_KIND
from planner.language.scope import Scope

INSTEAD = {
    "demand": "the rates of the file are the demand",
    "prompt": "the file has the length of every prompt",
    "output": "the file has the length of every output",
    "total_concurrency": "state `concurrency`, or leave the sequences of each replica to the solver",
    "copies": "put the requests of all copies in the file",
    "offloaded_weights": "replicas of a mix keep all of their weights on GPUs",
    "offloaded_cache": "replicas of a mix keep no cache in host memory",
    "shared_prefix": "count it in the prompts of the file",
    "gpus": "bound the GPUs of a replica with `tensor_parallel` and `pipeline_parallel`",
    "replicas": "their number follows from the traffic",
    "nodes": "each replica is on one host",
}
"""What a block with traffic cannot say, and why or what to say instead."""
BOUNDED = frozenset(("memory", "headroom", "kv_tokens", "max_concurrency", "quality", "tpot"))
"""The outcomes that are bounded for every request size on every configuration that serves it."""
FIRST = ("ttft", "ttft_p95")
CAPPED = frozenset((*FIRST, "load", "cost"))
"""The outcomes that have an upper bound alone: of each configuration, and the cost of them all."""


def check_traffic(block: Block) -> None:
    """Hold what a block says of traffic against the rest of it."""
    scope = block.env.scope
    if not block.traffic:
        if "mix" in block.spans and "traffic" not in block.spans:
            help = 'traffic = csv("trace.csv")'
            scope.error("E0404", "`mix` without `traffic` says nothing", block.spans["mix"], help=help)
        return
    traffic = block.spans["traffic"]
    for name, way in INSTEAD.items():
        if name in block.spans:
            _refuse(scope, f"`{name}` cannot be combined with `traffic`", block.spans[name], traffic, way)
    for name in sorted(block.per_layer):
        way = f"{name} in {{bf16, fp8}}"
        _refuse(scope, "formats per layer cannot be combined with `traffic`", block.spans[name], traffic, way)
    if block.given.get("task", "generate") != "generate":
        _refuse(scope, "`traffic` is of a service that generates text", block.spans["task"], traffic, "task = generate")
    if block.model is not None and block.model.architecture is None:
        way = "name a model of the catalog, or one from its config.json"
        _refuse(scope, f"the speed of `{block.model.id}` is unknown", block.spans["model"], traffic, way)
    for bound in block.bounds:
        if bound.quantity in CAPPED and bound.operator in ("<=", "<"):
            continue
        decided = BY_KIND[block.kind][bound.quantity].role == "decision"  # of each configuration
        if bound.quantity not in BOUNDED and not decided:
            way = f"it has bounds on {', '.join(sorted(BOUNDED))}, and upper ones on {', '.join(sorted(CAPPED))}"
            message = f"a bound on `{bound.quantity}` cannot be combined with `traffic`"
            if bound.quantity in CAPPED:
                message = f"`{bound.quantity}` of a service with traffic has an upper bound alone"
                way = f"{bound.quantity} <= …"
            _refuse(scope, message, bound.span, traffic, way)
    first = next((item for item in block.bounds if item.quantity in FIRST), None)
    if first is not None and not any(
        item.quantity == "load" and isinstance(item.value, Fraction) and item.value < 1 for item in block.bounds
    ):
        message = f"a bound on `{first.quantity}` needs one on `load`: at full load requests wait without end"
        _refuse(scope, message, first.span, traffic, "load <= 80%")
    _fits_context(block)


def _fits_context(block: Block) -> None:
    """Report requests that are longer than the context."""
    context, longest = block.given.get("context"), max(item.context for item in block.traffic)
    if isinstance(context, Fraction) and longest > context:
        block.env.scope.error(
            "E0403",
            f"the longest request of the traffic has {spoken(Fraction(longest), 'tokens')}",
            block.spans["traffic"],
            secondary=((block.spans["context"], f"the context is {spoken(context, 'tokens')}"),),
            help="raise `context`, or leave longer requests out of the file",
        )


def _refuse(scope: Scope, message: str, span: Span, traffic: Span, way: str) -> None:
    scope.error("E0405", message, span, secondary=((traffic, "the traffic"),), help=way)


def check_company(
    workloads: Sequence[Workload],
    fleet: Sequence[FleetBound],
    rules: Sequence[Rule],
    wishes: Sequence[Preference],
    goals: Sequence[Goal],
    scope: Scope,
) -> None:
    """Report what of a plan cannot stand beside a service with traffic."""
    mixed = next((item for item in workloads if item.traffic), None)
    if mixed is None:
        return
    traffic = mixed.spans["traffic"]
    alone = "a service with traffic is planned in a file of its own"
    for item in workloads:
        if item is not mixed:
            _refuse(
                scope, f"`{item.name}` cannot be combined with the traffic of `{mixed.name}`", item.span, traffic, alone
            )
    for bound in fleet:
        way = f"state it in `{mixed.name}`: cost <= $40/h"
        _refuse(scope, f"`{bound.rule}` cannot be combined with `traffic`", bound.span, traffic, way)
    for rule in rules:
        way = f"bound what `{mixed.name}` has in its block"
        _refuse(scope, f"`require {rule.name}` cannot be combined with `traffic`", rule.span, traffic, way)
    for wish in wishes:
        way = f"offer in `{mixed.name}` only what is preferred"
        _refuse(scope, f"`prefer {wish.name}` cannot be combined with `traffic`", wish.span, traffic, way)
    if [(goal.quantity.rpartition(".")[2], goal.direction) for goal in goals] != [("cost", "minimize")]:
        place = next((goal.span for goal in goals if goal.span is not None), mixed.span)
        _refuse(scope, "a service with traffic minimizes `cost` alone", place, traffic, "minimize cost")
