"""Mixtures of experts whose layers differ by lists: Laguna, Hy3, Trinity (AFMoE) and Mellum, one row each.

Defaults and shapes are those of transformers 5.24 (`models/*/configuration_*.py`, `modeling_*.py`).
"""

from __future__ import annotations

from typing import Any

from planner.catalog.architecture import FeedForward
from planner.catalog.huggingface.config import Config
from planner.catalog.huggingface.dense import defaults
from planner.catalog.huggingface.experts import experts_of
from planner.catalog.huggingface.layers import ATTENTION, One, every, gqa, head_dim, kv_heads, moe, run_length
from planner.catalog.records import Architecture
from planner.record import dataclass


@dataclass(frozen=True, slots=True)
class Mixture:
    """How one `model_type` departs from attention with normed queries and keys, and experts of one width.

    `period` is that of the layers that see everything where no list says which, `shared` the field of the width of the
    shared expert or of how many of them there are, `dense` the field of how many layers come first without experts
    (without one: how many by default).
    """

    defaults: dict[str, Any]
    norms: int = 2
    gate: bool = False
    heads_listed: bool = False
    router_bias: bool = False
    shared_width: str = ""
    shared_count: str = ""
    dense_field: str = ""
    dense: int = 0
    period: str = ""


MIXTURES: dict[str, Mixture] = {
    "laguna": Mixture(
        defaults(
            100352, 2048, 8192, 40, 48, 8, 131072, False, head_dim=128, sliding_window=512, moe_intermediate_size=512,
            shared_expert_intermediate_size=512, num_experts=256, num_experts_per_tok=8, gating=True,
        ),
        heads_listed=True, router_bias=True, shared_width="shared_expert_intermediate_size", dense=1,
    ),
    "hy_v3": Mixture(
        defaults(
            120832, 4096, 13312, 80, 64, 8, 131072, False, head_dim=128, moe_intermediate_size=1536, num_experts=192,
            num_experts_per_tok=8, num_shared_experts=1, first_k_dense_replace=1,
        ),
        shared_count="num_shared_experts", dense_field="first_k_dense_replace",
    ),
    "afmoe": Mixture(
        defaults(
            200192, 2048, 6144, 32, 16, None, 16384, False, head_dim=128, sliding_window=1024,
            moe_intermediate_size=1408, num_experts=64, num_experts_per_tok=6, num_shared_experts=2,
            num_dense_layers=1, global_attn_every_n_layers=4,
        ),
        norms=4, gate=True, router_bias=True, shared_count="num_shared_experts", dense_field="num_dense_layers",
        period="global_attn_every_n_layers",
    ),
    "mellum": Mixture(
        defaults(
            98304, 2304, 7168, 28, 32, 4, 131072, False, head_dim=128, sliding_window=1024, moe_intermediate_size=896,
            num_experts=64, num_experts_per_tok=8,
        ),
    ),
}  # fmt: skip
"""What the library fills in and builds, by `model_type`."""


def _heads(config: Config, rule: Mixture, count: int) -> list[int]:
    """Return the query heads of each layer."""
    listed = config.items("num_attention_heads_per_layer", count) if rule.heads_listed else None
    if listed is None:
        return [config.some("num_attention_heads")] * count
    return [config.at({"num_attention_heads_per_layer": item}, {}).some("num_attention_heads_per_layer")
            for item in listed]  # fmt: skip


def _gates(config: Config, rule: Mixture) -> dict[str, bool]:
    """Return the gate on the outputs of attention: of each head, of each of their elements, or none."""
    if not rule.heads_listed:
        return {"q_gate": rule.gate}
    gating = config.value("gating")
    said = "per_element" if gating == "per-element" else "per_head"
    types = config.items("gating_types") or []
    if gating not in (True, "per-head", "per-element") or any(one != said for one in types):
        config.doubt("gating_types" if types else "gating", "is neither per head nor per element in all layers")
    return {"head_gate": gating != "per-element", "q_gate": gating == "per-element"}


def _sparse(config: Config, rule: Mixture, count: int) -> list[bool]:
    """Return which layers have experts: as listed, else all but those that come first."""
    words, dense = config.words("mlp_layer_types", ("dense", "sparse"), count), config.items("mlp_only_layers")
    if words is not None:
        return [word == "sparse" for word in words]
    first = config.whole(rule.dense_field) if rule.dense_field else rule.dense
    return [index not in dense if dense is not None else index >= first for index in range(count)]


def listed(config: Config, rule: Mixture) -> Architecture:
    """Return a mixture whose layers are listed: windows, heads and experts may differ from layer to layer."""
    hidden, count, bias = config.some("hidden_size"), config.layers(), config.flag("attention_bias")
    for field in ("mlp_bias", "qkv_bias"):
        if config.flag(field):
            config.doubt(field, "is true: such biases are not described")
    heads = _heads(config, rule, count)
    gates, kv = _gates(config, rule), [kv_heads(config, one) for one in heads]
    if bias and gates["q_gate"]:
        config.doubt("attention_bias", "is true: a bias beside the gate is not described")
    size = head_dim(config, config.some("num_attention_heads"), hidden)
    period = config.some(rule.period) if rule.period else None
    windowed = every(count, config.words("layer_types", ATTENTION, count), period)
    window = config.maybe("sliding_window") if any(windowed) else None
    experts, used = experts_of(config)
    inter = config.some("moe_intermediate_size", "expert_hidden_dim")
    shared = config.maybe(rule.shared_width) or 0 if rule.shared_width else 0
    if rule.shared_count:
        shared = (config.maybe(rule.shared_count) or 0) * inter
    mixture = moe(experts, used, inter, shared_inter=shared, router_bias=rule.router_bias)
    dense = FeedForward(config.some("intermediate_size"))
    layers: list[One] = [
        (
            gqa(
                one, key, size, qkv_bias=bias, o_bias=bias, qk_norm="head", window=window if own else None, **gates
            ),
            mixture if sparse else dense,
            rule.norms,
            0,
        )
        for one, key, own, sparse in zip(heads, kv, windowed, _sparse(config, rule, count), strict=True)
    ]  # fmt: skip
    return Architecture(
        hidden=hidden,
        vocab=config.some("vocab_size"),
        tied=config.flag("tie_word_embeddings"),
        norm="rms",
        groups=run_length(layers),
    )
