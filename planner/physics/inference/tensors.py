"""The weight tensors one GPU holds, with the shapes serving engines give them.

Shapes and what tensor and expert parallelism split or replicate: vLLM's model definitions (QKVParallelLinear,
MergedColumnParallelLinear, RowParallelLinear, FusedMoE, ReplicatedLinear), which SGLang shares. The counts add up to
`planner.physics.architecture.layer_parameters`; what has no matrix of its own here (biases, convolutions, norms) is
the rest of its class.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from planner.catalog.records import Architecture, ExpertKernel, Layers
from planner.physics.architecture import kind, layer_parameters, outside_parameters
from planner.record import dataclass

VOCABULARY_MULTIPLE = 64
"""Rows of embedding and head come in this multiple (vLLM, vocab_parallel_embedding.py)."""


@dataclass(frozen=True, slots=True)
class Tensor:
    """`count` alike matrices of `rows` outputs by `columns` inputs; those of one `fused` name share an allocation.

    `padding` columns beside them hold no weights.
    """

    name: str
    role: str
    rows: int
    columns: int
    count: int = 1
    fused: str = ""
    padding: int = 0

    @property
    def kind(self) -> str:
        """The class by which a checkpoint keeps formats apart: finer than the role."""
        if self.role == "mlp":
            start = self.name.partition("_")[0]
            return {"experts": "experts", "shared": "shared_expert"}.get(start, "dense")
        if self.role != "attention" or self.name.startswith("attn"):
            return self.role
        if self.name in ("compressor", "indexer_compressor", "indexer_weights"):
            return "compressor"
        if self.name == "in_proj_ba":
            return "gates"
        return "indexer" if self.name.startswith("indexer") else "recurrent"

    @property
    def elements(self) -> int:
        """All weights in it."""
        return self.rows * self.columns * self.count

    @property
    def stored(self) -> int:
        """All numbers it is stored in."""
        return self.rows * (self.columns + self.padding) * self.count


def _share(size: int, ranks: int) -> int:
    return -(-size // ranks)


def _up(size: int, multiple: int) -> int:
    return -(-size // multiple) * multiple


def _indexer(mixer: Mapping[str, Any], hidden: int, rank: int) -> Iterator[Tensor]:
    """The indexer of sparse attention, whole on every rank (vLLM, deepseek_v2.py, Indexer: ReplicatedLinear)."""
    width, scorers = int(mixer.get("index_dim") or 0), int(mixer.get("index_heads") or 0)
    if not width:
        return
    yield Tensor("indexer_q_b", "attention", scorers * width, rank)
    if kind(mixer) == "mla":
        yield Tensor("indexer_k", "attention", width, hidden)
    yield Tensor("indexer_weights", "attention", scorers, hidden)


def _compressed(mixer: Mapping[str, Any], hidden: int, tp: int) -> Iterator[Tensor]:
    """DeepSeek-V4's attention: query and output heads are split, what all heads share is whole on every rank."""
    size, rank = int(mixer["head_dim"]), int(mixer["q_lora_rank"])
    heads, groups = _share(int(mixer["heads"]), tp), _share(int(mixer["o_groups"]), tp)
    out, inside = int(mixer["o_lora_rank"]), int(mixer["heads"]) * size // int(mixer["o_groups"])
    yield Tensor("attn_q_a", "attention", rank, hidden)
    yield Tensor("attn_q_b", "attention", heads * size, rank)
    yield Tensor("attn_kv", "attention", size, hidden)
    yield Tensor("attn_output_a", "attention", groups * out, inside)
    yield Tensor("attn_output_b", "attention", hidden, groups * out)
    index = int(mixer.get("index_dim") or 0)
    if mixer.get("rate"):
        overlap = 2 if index else 1
        yield Tensor("compressor", "attention", 2 * overlap * size, hidden)
        if index:
            yield Tensor("indexer_compressor", "attention", 2 * overlap * index, hidden)
    yield from _indexer(mixer, hidden, rank)


def _mixer(mixer: Mapping[str, Any], hidden: int, tp: int) -> Iterator[Tensor]:
    def part(name: str, rows: int, columns: int, fused: str = "") -> Tensor:
        return Tensor(name, "attention", rows, columns, 1, fused)

    match kind(mixer):
        case "gqa" | "cross":
            head = int(mixer["head_dim"])
            value = int(mixer.get("v_head_dim") or head)
            heads, kv_heads = _share(int(mixer["heads"]), tp), max(1, _share(int(mixer["kv_heads"]), tp))
            yield part("attn_q", heads * head * (2 if mixer.get("q_gate") else 1), hidden, "qkv")
            if not mixer.get("kv_shared"):
                yield part("attn_k", kv_heads * head, hidden, "qkv")
                if not mixer.get("k_eq_v"):
                    yield part("attn_v", kv_heads * value, hidden, "qkv")
            if mixer.get("index_dim"):
                width = int(mixer["index_dim"])
                yield part("indexer_qk", (int(mixer["index_heads"]) + 1) * width, hidden)
            yield part("attn_output", hidden, heads * value)
        case "mla":
            heads = _share(int(mixer["heads"]), tp)
            query, latent = int(mixer["nope"]) + int(mixer["rope"]), int(mixer["kv_lora_rank"])
            rank, value = int(mixer.get("q_lora_rank") or 0), int(mixer["v_head_dim"])
            if rank:
                yield part("attn_q_a", rank, hidden)
                yield part("attn_q_b", heads * query, rank)
                yield from _indexer(mixer, hidden, rank)
            else:
                yield part("attn_q", heads * query, hidden)
            yield part("attn_kv_a", latent + int(mixer["rope"]), hidden)
            yield part("attn_kv_b", heads * (int(mixer["nope"]) + value), latent)
            yield part("attn_output", hidden, heads * value)
        case "compressed":
            yield from _compressed(mixer, hidden, tp)
        case "gdn":
            keys, values = int(mixer["k_heads"]) * int(mixer["k_dim"]), int(mixer["v_heads"]) * int(mixer["v_dim"])
            yield part("in_proj", _share(2 * keys + 2 * values, tp), hidden)
            yield part("in_proj_ba", _share(2 * int(mixer["v_heads"]), tp), hidden)
            yield part("out_proj", hidden, _share(values, tp))
        case "mamba1":
            inner, states, rank = (int(mixer[name]) for name in ("d_inner", "d_state", "dt_rank"))
            yield part("in_proj", _share(2 * inner, tp), hidden)
            yield part("x_proj", rank + 2 * states, _share(inner, tp))
            yield part("dt_proj", _share(inner, tp), rank)
            yield part("out_proj", hidden, _share(inner, tp))
        case "mamba2":
            inner, states = int(mixer["d_inner"]), 2 * int(mixer["groups"]) * int(mixer["d_state"])
            yield part("in_proj", _share(2 * inner + int(mixer["heads"]), tp) + max(states // tp, 1), hidden)
            yield part("out_proj", hidden, _share(inner, tp))
        case "lightning":
            width = int(mixer["heads"]) * int(mixer["head_dim"])
            yield part("qkv", _share(3 * width, tp), hidden)
            yield part("gate", _share(width, tp), hidden)
            yield part("out_proj", hidden, _share(width, tp))
        case "shortconv":
            yield part("in_proj", _share(3 * hidden, tp), hidden)
            yield part("out_proj", hidden, _share(hidden, tp))


def _dense(prefix: str, hidden: int, inter: int, gated: bool) -> Iterator[Tensor]:
    if gated:
        yield Tensor(f"{prefix}_gate", "mlp", inter, hidden, 1, f"{prefix}_gate_up")
    yield Tensor(f"{prefix}_up", "mlp", inter, hidden, 1, f"{prefix}_gate_up")
    yield Tensor(f"{prefix}_down", "mlp", hidden, inter)


def _feed_forward(
    ffn: Mapping[str, Any], hidden: int, tp: int, ep: int, multiple: int, kernel: ExpertKernel | None = None
) -> Iterator[Tensor]:
    gated = bool(ffn.get("gated", True))
    if kind(ffn) == "mlp":
        yield from _dense("ffn", hidden, _share(int(ffn["inter"]), tp), gated)
    elif kind(ffn) == "moe":
        latent = int(ffn.get("latent") or 0)
        experts, inter = _share(int(ffn["experts"]), ep), _share(int(ffn["inter"]), max(1, tp // ep))
        width = latent or hidden
        if kernel is not None:  # stores both matrices in its own widths, scales too
            inter, width, multiple = _up(inter, kernel.inner), _up(width, kernel.hidden), 1
        yield Tensor("experts_gate_up", "mlp", (2 if gated else 1) * inter, width, experts, "", -width % multiple)
        yield Tensor("experts_down", "mlp", width, inter, experts, "", -inter % multiple)
        if latent:
            yield Tensor("latent_down", "mlp", latent, hidden)
            yield Tensor("latent_up", "mlp", hidden, latent)
        if ffn.get("shared_inter"):
            yield from _dense("shared", hidden, _share(int(ffn["shared_inter"]), tp), gated)
        if ffn.get("plus_dense"):
            yield from _dense("ffn", hidden, _share(int(ffn["plus_dense"]), tp), True)


def layer_tensors(
    arch: Architecture,
    index: int,
    tp: int = 1,
    ep: int = 1,
    attention_tp: int | None = None,
    multiple: int = 1,
    kernel: ExpertKernel | None = None,
) -> tuple[list[Tensor], dict[str, int]]:
    """The matrices of one layer of group `index` on one of `tp` ranks, and the numbers left over by tensor class.

    `ep` of the `tp` ranks hold whole experts; `attention_tp` is 1 where attention is data parallel. `multiple` is
    what the format's kernels pad an expert's inputs to, unless an engine's `kernel` says how it stores both widths.
    """
    group = arch.groups[index]
    heads = tp if attention_tp is None else attention_tp
    found = [*_mixer(group.mixer, arch.hidden, heads), *_feed_forward(group.ffn, arch.hidden, tp, ep, multiple, kernel)]
    return found, _rest(arch, group, tp)


def _rest(arch: Architecture, group: Layers, tp: int) -> dict[str, int]:
    whole = [*_mixer(group.mixer, arch.hidden, 1), *_feed_forward(group.ffn, arch.hidden, 1, 1, 1)]
    left = dict(layer_parameters(arch, group))
    for tensor in whole:
        left[tensor.role] -= tensor.elements
    for name in ("attention", "mlp"):
        left[name] = _share(left[name], tp)
    return left


def outside_tensors(arch: Architecture, params: int, known: int, tp: int = 1) -> tuple[list[Tensor], dict[str, int]]:
    """Embedding and head on one of `tp` ranks, and the numbers of the other classes outside the layers.

    `params` less `known` is what the published count has and the architecture does not; it counts as `other`, which
    like the towers of multimodal models is split (Qwen2.5-VL at tp 4 in a vLLM log: 4.03 GiB a GPU).
    """
    counts = dict(outside_parameters(arch))
    width = arch.embed_dim or arch.hidden
    padded = -(-arch.vocab // VOCABULARY_MULTIPLE) * VOCABULARY_MULTIPLE
    rows = _share(padded, tp) if tp > 1 else arch.vocab
    found = [Tensor("token_embd", "embedding", rows + _share(arch.embed_extra_rows, tp), width)]
    counts["embedding"] -= (arch.vocab + arch.embed_extra_rows) * width
    if not arch.tied:
        found.append(Tensor("output", "head", rows, width))
        counts["head"] -= arch.vocab * width
    counts["other"] = _share(counts["other"] + params - known, tp)
    return found, counts
