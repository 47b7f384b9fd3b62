"""The weight tensors one GPU holds, with the shapes serving engines give them.

Shapes and what tensor and expert parallelism split or replicate: vLLM's model definitions (QKVParallelLinear,
MergedColumnParallelLinear, RowParallelLinear, FusedMoE, ReplicatedLinear), which SGLang shares. The counts add up to
`planner.physics.architecture.layer_parameters`; what has no matrix of its own here (biases, convolutions, norms) is
the rest of its class.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import assert_never

from planner.catalog.architecture import (
    Attention,
    CompressedAttention,
    Experts,
    FeedForward,
    GatedDeltaNet,
    LatentAttention,
    LayerFeedForward,
    LightningAttention,
    Mamba1,
    Mamba2,
    Mixer,
    NoPart,
    Recurrent,
    ShortConvolution,
)
from planner.catalog.programs.engines import ExpertKernel
from planner.catalog.records import Architecture, Layers
from planner.physics.architecture import layer_parameters, outside_parameters
from planner.record import dataclass

VOCABULARY_MULTIPLE = 64
"""Rows of embedding and head come in this multiple (vLLM, vocab_parallel_embedding.py)."""


@dataclass(frozen=True, slots=True)
class WeightMatrix:
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


def _indexer(mixer: LatentAttention | CompressedAttention, hidden: int, rank: int) -> Iterator[WeightMatrix]:
    """The indexer of sparse attention, whole on every rank (vLLM, deepseek_v2.py, Indexer: ReplicatedLinear)."""
    width, scorers = mixer.index_dim, mixer.index_heads
    if not width:
        return
    yield WeightMatrix("indexer_q_b", "attention", scorers * width, rank)
    if isinstance(mixer, LatentAttention):
        yield WeightMatrix("indexer_k", "attention", width, hidden)
    yield WeightMatrix("indexer_weights", "attention", scorers, hidden)


def _grouped(mixer: Attention, hidden: int, tp: int) -> Iterator[WeightMatrix]:
    """Grouped-query attention: heads are split, KV heads replicated where there are fewer than ranks."""
    head, value = mixer.head_dim, mixer.value_dim
    heads, kv_heads = _share(mixer.heads, tp), max(1, _share(mixer.kv_heads, tp))
    yield WeightMatrix("attn_q", "attention", heads * head * (2 if mixer.q_gate else 1), hidden, fused="qkv")
    if not mixer.kv_shared:
        yield WeightMatrix("attn_k", "attention", kv_heads * head, hidden, fused="qkv")
        if not mixer.k_eq_v:
            yield WeightMatrix("attn_v", "attention", kv_heads * value, hidden, fused="qkv")
    if mixer.index_dim:
        yield WeightMatrix("indexer_qk", "attention", (mixer.index_heads + 1) * mixer.index_dim, hidden)
    yield WeightMatrix("attn_output", "attention", hidden, heads * value)


def _latent(mixer: LatentAttention, hidden: int, tp: int) -> Iterator[WeightMatrix]:
    """Latent attention: heads are split, latents are whole on every rank."""
    heads, latent, rank, value = _share(mixer.heads, tp), mixer.kv_lora_rank, mixer.q_lora_rank, mixer.v_head_dim
    if rank:
        yield WeightMatrix("attn_q_a", "attention", rank, hidden)
        yield WeightMatrix("attn_q_b", "attention", heads * mixer.query, rank)
        yield from _indexer(mixer, hidden, rank)
    else:
        yield WeightMatrix("attn_q", "attention", heads * mixer.query, hidden)
    yield WeightMatrix("attn_kv_a", "attention", latent + mixer.rope, hidden)
    yield WeightMatrix("attn_kv_b", "attention", heads * (mixer.nope + value), latent)
    yield WeightMatrix("attn_output", "attention", hidden, heads * value)


def _compressed(mixer: CompressedAttention, hidden: int, tp: int) -> Iterator[WeightMatrix]:
    """DeepSeek-V4's attention: query and output heads are split, what all heads share is whole on every rank."""
    size, rank, index = mixer.head_dim, mixer.q_lora_rank, mixer.index_dim
    heads, groups = _share(mixer.heads, tp), _share(mixer.o_groups, tp)
    out, inside = mixer.o_lora_rank, mixer.heads * size // mixer.o_groups
    yield WeightMatrix("attn_q_a", "attention", rank, hidden)
    yield WeightMatrix("attn_q_b", "attention", heads * size, rank)
    yield WeightMatrix("attn_kv", "attention", size, hidden)
    yield WeightMatrix("attn_output_a", "attention", groups * out, inside)
    yield WeightMatrix("attn_output_b", "attention", hidden, groups * out)
    if mixer.rate:
        yield WeightMatrix("compressor", "attention", 2 * mixer.overlap * size, hidden)
        if index:
            yield WeightMatrix("indexer_compressor", "attention", 2 * mixer.overlap * index, hidden)
    yield from _indexer(mixer, hidden, rank)


def _recurrent(mixer: Recurrent, hidden: int, tp: int) -> Iterator[tuple[str, int, int]]:
    """(name, rows, columns) of the matrices of a mixer with states."""
    match mixer:
        case GatedDeltaNet(keys=keys, values=values):
            yield "in_proj", _share(2 * keys + 2 * values, tp), hidden
            yield "in_proj_ba", _share(2 * mixer.v_heads, tp), hidden
            yield "out_proj", hidden, _share(values, tp)
        case Mamba1(d_inner=inner, d_state=states, dt_rank=rank):
            yield "in_proj", _share(2 * inner, tp), hidden
            yield "x_proj", rank + 2 * states, _share(inner, tp)
            yield "dt_proj", _share(inner, tp), rank
            yield "out_proj", hidden, _share(inner, tp)
        case Mamba2(d_inner=inner, heads=heads):
            states = 2 * mixer.groups * mixer.d_state
            yield "in_proj", _share(2 * inner + heads, tp) + max(states // tp, 1), hidden
            yield "out_proj", hidden, _share(inner, tp)
        case LightningAttention(width=width):
            yield "qkv", _share(3 * width, tp), hidden
            yield "gate", _share(width, tp), hidden
            yield "out_proj", hidden, _share(width, tp)
        case ShortConvolution():
            yield "in_proj", _share(3 * hidden, tp), hidden
            yield "out_proj", hidden, _share(hidden, tp)
        case _:
            assert_never(mixer)


def _mixer(mixer: Mixer, hidden: int, tp: int) -> Iterator[WeightMatrix]:
    match mixer:
        case Attention():
            yield from _grouped(mixer, hidden, tp)
        case LatentAttention():
            yield from _latent(mixer, hidden, tp)
        case CompressedAttention():
            yield from _compressed(mixer, hidden, tp)
        case GatedDeltaNet() | Mamba1() | Mamba2() | LightningAttention() | ShortConvolution():
            for name, rows, columns in _recurrent(mixer, hidden, tp):
                yield WeightMatrix(name, "attention", rows, columns)
        case NoPart():
            return
        case _:
            assert_never(mixer)


def _dense(prefix: str, hidden: int, inter: int, gated: bool) -> Iterator[WeightMatrix]:
    if gated:
        yield WeightMatrix(f"{prefix}_gate", "mlp", inter, hidden, 1, f"{prefix}_gate_up")
    yield WeightMatrix(f"{prefix}_up", "mlp", inter, hidden, 1, f"{prefix}_gate_up")
    yield WeightMatrix(f"{prefix}_down", "mlp", hidden, inter)


def _feed_forward(
    ffn: LayerFeedForward, hidden: int, tp: int, ep: int, multiple: int, kernel: ExpertKernel | None = None
) -> Iterator[WeightMatrix]:
    match ffn:
        case FeedForward():
            yield from _dense("ffn", hidden, _share(ffn.inter, tp), ffn.gated)
        case Experts():
            experts, inter = _share(ffn.experts, ep), _share(ffn.inter, max(1, tp // ep))
            width = ffn.latent or hidden
            if kernel is not None:  # stores both matrices in its own widths, scales too
                inter, width, multiple = _up(inter, kernel.inner), _up(width, kernel.hidden), 1
            rows = (2 if ffn.gated else 1) * inter
            yield WeightMatrix("experts_gate_up", "mlp", rows, width, experts, "", -width % multiple)
            yield WeightMatrix("experts_down", "mlp", width, inter, experts, "", -inter % multiple)
            if ffn.latent:
                yield WeightMatrix("latent_down", "mlp", ffn.latent, hidden)
                yield WeightMatrix("latent_up", "mlp", hidden, ffn.latent)
            if ffn.shared_inter:
                yield from _dense("shared", hidden, _share(ffn.shared_inter, tp), ffn.gated)
            if ffn.plus_dense:
                yield from _dense("ffn", hidden, _share(ffn.plus_dense, tp), True)
        case NoPart():
            return
        case _:
            assert_never(ffn)


def layer_tensors(
    arch: Architecture,
    index: int,
    tp: int = 1,
    ep: int = 1,
    attention_tp: int | None = None,
    multiple: int = 1,
    kernel: ExpertKernel | None = None,
) -> tuple[list[WeightMatrix], dict[str, int]]:
    """The matrices of one layer of group `index` on one of `tp` ranks, and the numbers left over by tensor class.

    `ep` of the `tp` ranks hold whole experts; `attention_tp` is 1 where attention is data parallel. `multiple` is
    what the format's kernels pad an expert's inputs to, unless an engine's `kernel` says how it stores both widths.
    """
    group = arch.groups[index]
    heads = tp if attention_tp is None else attention_tp
    matrices = [
        *_mixer(group.mixer, arch.hidden, heads),
        *_feed_forward(group.ffn, arch.hidden, tp, ep, multiple, kernel),
    ]
    return matrices, _rest(arch, group, tp)


def _rest(arch: Architecture, group: Layers, tp: int) -> dict[str, int]:
    whole = [*_mixer(group.mixer, arch.hidden, 1), *_feed_forward(group.ffn, arch.hidden, 1, 1, 1)]
    left = dict(layer_parameters(arch, group))
    for tensor in whole:
        left[tensor.role] -= tensor.elements
    for name in ("attention", "mlp"):
        left[name] = _share(left[name], tp)
    return left


def outside_tensors(
    arch: Architecture, params: int, counted: int, tp: int = 1
) -> tuple[list[WeightMatrix], dict[str, int]]:
    """Embedding and head on one of `tp` ranks, and the numbers of the other classes outside the layers.

    `params` less `counted` is what the published count has and the architecture does not; it counts as `other`, which
    like the towers of multimodal models is split (Qwen2.5-VL at tp 4 in a vLLM log: 4.03 GiB a GPU).
    """
    counts = dict(outside_parameters(arch))
    width = arch.embed_dim or arch.hidden
    padded = -(-arch.vocab // VOCABULARY_MULTIPLE) * VOCABULARY_MULTIPLE
    rows = _share(padded, tp) if tp > 1 else arch.vocab
    matrices = [WeightMatrix("token_embd", "embedding", rows + _share(arch.embed_extra_rows, tp), width)]
    counts["embedding"] -= (arch.vocab + arch.embed_extra_rows) * width
    if not arch.tied:
        matrices.append(WeightMatrix("output", "head", rows, width))
        counts["head"] -= arch.vocab * width
    counts["other"] = _share(counts["other"] + params - counted, tp)
    return matrices, counts
