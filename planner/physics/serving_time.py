"""How long a forward pass of a service takes: operation by operation, for one token of each sequence or for prompts.

Each operation has a time that every call takes, and a share of the bandwidth and of the dense peak that its kernel
reaches on a GPU in a format (the `kernels` of catalogs/engines.yaml). What stands between the kernels (norms, launches,
scheduling, sampling) is fitted end to end, by engine. All of it is plain arithmetic, so that the fields may be numbers
or arrays of numpy, with the same results.
"""

from __future__ import annotations

from typing import Any, NamedTuple, assert_never

from planner.catalog.architecture import CompressedAttention, Experts, FeedForward, LatentAttention, NoPart
from planner.catalog.programs.engines import Engine
from planner.catalog.records import Architecture
from planner.physics.time import Reading, larger, routed_params


class Kernel(NamedTuple):
    """An operation on a GPU: seconds of every call, and the bytes/s and FLOP/s that it reaches."""

    fixed: Any
    bandwidth: Any
    peak: Any


class KernelSpeeds(NamedTuple):
    """What a GPU reaches under an engine: products of dense weights and of experts, attention that reads a cache and
    over a prompt, and sums among ranks (seconds of each, bytes/s)."""

    dense: Kernel
    experts: Kernel
    cache: Kernel
    scores: Kernel
    collective: Any
    link: Any


class Between(NamedTuple):
    """What stands between kernels: seconds of a layer, of a pass and of each running sequence in it. A first token
    takes the seconds of a `request`, `steps` of the others' tokens, its prompt `factor` times as long as alone, and
    `waiting` times that for each of the other sequences."""

    layer: Any
    step: Any
    sequence: Any
    request: Any
    factor: Any
    steps: Any
    waiting: Any


class Calls(NamedTuple):
    """How many kernels one pass through a model launches: products, expert layers, attention; and its layers."""

    dense: int
    experts: int
    attention: int
    layers: int


class Part(NamedTuple):
    """What one GPU has of a model: bytes of weights that every token passes and of experts, `held` experts a layer of
    which a token chooses `chosen`; operations of a token in both; ranks that sum, and the hidden width."""

    dense: Any
    experts: Any
    held: Any
    chosen: Any
    dense_flops: Any
    expert_flops: Any
    ranks: Any
    hidden: Any


CHUNK = 8192
"""Tokens of a prompt that one pass takes: the kernels' shares hold from far fewer on, so that engines that take less at
once differ little."""


def part(arch: Architecture, active_params: float, read: Reading, ranks: Any, stages: Any, weights: Any) -> Part:
    """Return what a GPU has of a model whose fullest GPU holds so many bytes of `weights`."""
    experts = sum(size for size, _, _ in read.experts)
    held, chosen = max(((count, topk) for _, count, topk in read.experts), default=(1, 1))
    routed = routed_params(arch) * chosen / held
    return Part(
        dense=weights * (read.dense / read.total),
        experts=weights * (experts / read.total),
        held=held,
        chosen=chosen,
        dense_flops=2 * (active_params - routed) / (ranks * stages),
        expert_flops=2 * routed / (ranks * stages),
        ranks=ranks,
        hidden=arch.hidden,
    )


def calls(arch: Architecture) -> Calls:
    """Return the kernels that a pass launches.

    Projections in and out of attention are two products (latent attention five: both factors of the queries, the
    latents, their absorbed half, and the output), a feed-forward part two, experts one fused call beside their router
    and shared experts; the head is one (vLLM, vllm/model_executor/models/llama.py and deepseek_v2.py).
    """
    dense, experts, attention = 1, 0, 0
    for group in arch.groups:
        mixer, ffn = group.mixer, group.ffn
        if not isinstance(mixer, NoPart):
            dense += group.count * (5 if isinstance(mixer, LatentAttention | CompressedAttention) else 2)
            attention += group.count
        match ffn:
            case Experts():
                experts += group.count
                dense += group.count * (3 if ffn.shared_inter else 1)
            case FeedForward():
                dense += group.count * 2
            case NoPart():
                pass
            case _:
                assert_never(ffn)
    return Calls(dense, experts, attention, arch.layers)


def between(engine: Engine) -> Between:
    """Return an engine's figures from the catalog."""
    return Between(
        engine.layer_us / 1e6,
        engine.step_us / 1e6,
        engine.sequence_us / 1e6,
        engine.request_us / 1e6,
        engine.prompt_factor,
        engine.prompt_steps,
        engine.prompt_waiting,
    )


def first_token(between: Between, concurrency: Any, prefill: Any, tpot: Any) -> Any:
    """Return the mean seconds to the first token where `concurrency` sequences are served all the time, a prompt alone
    takes `prefill` and a step, in which each sequence gets a token or more, `tpot`."""
    waits = 1 + between.waiting * (concurrency - 1)
    return between.request + between.steps * tpot + between.factor * prefill * waits


def touched(held: Any, chosen: Any, tokens: Any) -> Any:
    """Return the share of experts that at least one of `tokens` is routed to, when each chooses evenly."""
    return 1 - (1 - chosen / held) ** tokens


def passing(
    card: KernelSpeeds, between: Between, calls_made: Calls, part: Part, tokens: Any, cache: Any, scores: Any
) -> Any:
    """Return the seconds of a pass of `tokens` on one GPU that reads `cache` bytes and computes `scores` operations of
    attention within prompts, without what an engine does once a pass."""
    dense = larger(part.dense / card.dense.bandwidth, tokens * part.dense_flops / card.dense.peak)
    experts = larger(
        part.experts * touched(part.held, part.chosen, tokens) / card.experts.bandwidth,
        tokens * part.expert_flops / card.experts.peak,
    )
    fixed = (
        calls_made.dense * card.dense.fixed
        + calls_made.experts * card.experts.fixed
        + calls_made.attention * card.cache.fixed
        + calls_made.layers * between.layer
    )
    split = (part.ranks > 1) * 1
    # two all-reduces of 16-bit activations a layer, each 2 (p - 1) / p of the tensor (arXiv 1909.08053)
    bytes_ = 2 * (part.ranks - 1) / part.ranks * 2 * part.hidden * tokens
    talk = 2 * calls_made.layers * split * (card.collective + bytes_ / card.link)
    return dense + experts + fixed + cache / card.cache.bandwidth + scores / card.scores.peak + talk
