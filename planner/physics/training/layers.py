"""A decoder's layer as operations on a tape: what it keeps and what its backward needs.

Layer by layer from mixer and feed-forward kind, written as the modelling code of Hugging Face transformers 5.23 writes
them (models/llama, gemma2, gpt2, opt, gpt_neox, falcon, phi3, mixtral, qwen3_moe, deepseek_v3; integrations/moe.py).
Tensor parallelism divides the widths inside a layer; sequence parallelism (`Recipe.fused`, Megatron's) its outside too.
"""

from __future__ import annotations

from typing import NamedTuple, assert_never

from planner.catalog.architecture import (
    Attention,
    CompressedAttention,
    Experts,
    FeedForward,
    GatedDeltaNet,
    LatentAttention,
    LightningAttention,
    Mamba1,
    Mamba2,
    NoPart,
    ShortConvolution,
)
from planner.catalog.records import Architecture, Layers
from planner.physics.training import operations as op
from planner.physics.training.attention import Heads, attend
from planner.physics.training.families import Family, family
from planner.physics.training.recipe import Recipe, norm, opened, product, project, share
from planner.physics.training.recurrent import recurrent
from planner.physics.training.tape import Bytes, Tape, Tensor, dominant


class How(NamedTuple):
    """How attention runs: the kernel asked for, one sequence, a mask between documents, scores recomputed."""

    attention: str
    single: bool
    packed: bool
    recompute: bool


class Region(NamedTuple):
    """`kept` after forward (without the input, whose bytes are `input`; `keeps_input` says whether it is needed),
    the heaviest moments of backward, `kept` and the region's own gradients included; all its gradients, and how many
    tensors they are; what selective checkpointing keeps beside the input, by its policy; autocast's cache (of `kept`);
    moments of forward that hold more than what it keeps; the bytes of each weight's gradient; and what forward moves of
    matrices that it makes anew."""

    kept: Bytes
    input: int
    keeps_input: bool
    events: tuple[Bytes, ...]
    gradients: int
    tensors: int
    kernel: str = ""
    products: tuple[int, int] = (0, 0)
    cached: int = 0
    forward: tuple[Bytes, ...] = ()
    weights: tuple[int, ...] = ()
    moved: int = 0


def layer(
    arch: Architecture,
    group: Layers,
    recipe: Recipe,
    tokens: int,
    attention: str = "sdpa",
    *,
    first: bool = False,
    single: bool = False,
    packed: bool = False,
    recompute: str = "",
) -> Region:
    """One layer of a group on sequences of `tokens`.

    `first`: its input needs no gradient. `single`: a micro-batch of one sequence. `packed`: a mask keeps the documents
    of a sequence apart. `recompute`: "attention" makes the scores again (Megatron's selective checkpointing).
    """
    traits = family(arch)
    recipe = traits.linears(recipe)
    t = Tape(tokens, recipe.autocast)
    x = t.given(recipe.outer(arch.hidden), recipe.hidden, not first)
    if attention == "sdpa" and not traits.sdpa:
        attention = "eager"
    how = How(attention, single, packed, recompute == "attention")
    mixed, kernel = _branch_mixer(t, arch, group, traits, recipe, x, how)
    y = mixed
    if traits.branches == "serial":
        y = _feed_forward_branch(t, arch, group, traits, recipe, mixed)
    size = x.width * x.item * tokens
    kept, products = t.activations_kept(), _saved_products(t)
    events, forward, weights = t.backward(y), dominant(t.forward), t.weights()
    keeps = x.storage in t.saved
    inside = (sum(weights), t.trained, kernel, products, t.cached, forward, weights, t.moved)
    return Region(kept, size, keeps, events, *inside)


def _saved_products(t: Tape) -> tuple[int, int]:
    """What selective checkpointing keeps beside a layer's input: the output of attention's kernel and of every matrix
    product (PyTorch's `create_selective_checkpoint_contexts` with a list of them), or of every second `aten.mm`, which
    those of experts, with a bias and inside eager attention are not (torchtitan, models/llama3/infra/parallelize.py:
    `_save_list`, `meta["forward_mm_count"] % 2`)."""
    products = [size for kind_, size in t.outputs if kind_ == "product"]
    attention = sum(size for kind_, size in t.outputs if kind_ == "attention")
    return sum(size for _, size in t.outputs), attention + sum(products[0::2])


def _branch_mixer(
    t: Tape, arch: Architecture, group: Layers, traits: Family, r: Recipe, x: Tensor, how: How
) -> tuple[Tensor, str]:
    post = group.norms >= 4 and traits.norm != "cohere"
    inner = opened(t, r, x if traits.after_only else norm(t, r, x, arch.norm, traits.norm), arch.hidden)
    if isinstance(group.mixer, NoPart):
        out, kernel = inner, ""
    else:
        out, kernel = mixer(t, arch, group, traits, r, inner, how)
    out = op.dropout(t, out, traits.hidden_dropout)
    if traits.branches != "serial":
        second = opened(t, r, norm(t, r, x, arch.norm, traits.norm), arch.hidden) if traits.branches == "two" else inner
        fed = feed_forward(t, arch, group, traits, r, second)
        fed = op.dropout(t, fed, traits.hidden_dropout)
        return op.add(t, op.add(t, fed, out), x), kernel
    if post or traits.after_only:
        out = norm(t, r, out, arch.norm, traits.norm)
    return op.add(t, x, out), kernel


def _feed_forward_branch(t: Tape, arch: Architecture, group: Layers, traits: Family, r: Recipe, x: Tensor) -> Tensor:
    if isinstance(group.ffn, NoPart):
        return x
    inner = opened(t, r, x if traits.after_only else norm(t, r, x, arch.norm, traits.norm), arch.hidden)
    out = feed_forward(t, arch, group, traits, r, inner)
    out = op.dropout(t, out, traits.hidden_dropout)
    if traits.after_only or (group.norms >= 4 and traits.norm != "cohere"):
        out = norm(t, r, out, arch.norm, traits.norm)
    return op.add(t, x, out)


def mixer(
    t: Tape, arch: Architecture, group: Layers, traits: Family, r: Recipe, x: Tensor, how: How
) -> tuple[Tensor, str]:
    """The token mixer of a layer."""
    part = group.mixer
    match part:
        case Attention():
            return _grouped_query(t, arch, part, traits, r, x, how)
        case LatentAttention():
            return _latent(t, arch, part, traits, r, x, how)
        case GatedDeltaNet() | Mamba1() | Mamba2() | LightningAttention() | ShortConvolution():
            return _project_out(t, arch, r, recurrent(t, arch, part, traits, r, x), "o"), "scan"
        case CompressedAttention() | NoPart():
            raise ValueError(f"nobody has described how {part.kind} layers are trained")
        case _:
            assert_never(part)


def _grouped_query(
    t: Tape, arch: Architecture, part: Attention, traits: Family, r: Recipe, x: Tensor, how: How
) -> tuple[Tensor, str]:
    size, value_size = part.head_dim, part.value_dim
    heads, kv_heads = share(part.heads, r.tp), share(part.kv_heads, r.tp)
    query, key, value = heads * size, kv_heads * size, kv_heads * value_size
    bias = part.qkv_bias
    if traits.fused_qkv or (r.fused and not r.adapters and not part.q_gate):
        # Megatron-LM has one product; values, a view of it, keep it whole
        fused = project(t, r, x, query + key + value, "qkv", inside=arch.hidden, bias=bias)
        q, k, v = op.split(t, fused, query, key, value)
    else:
        q = project(t, r, x, query * (2 if part.q_gate else 1), "q", inside=arch.hidden, bias=bias)
        k = project(t, r, x, key, "k", inside=arch.hidden, bias=bias)
        v = project(t, r, x, value, "v", inside=arch.hidden, bias=bias)
    gate = None
    if part.q_gate and not traits.fused_qkv:
        q, gate = op.split(t, q, query, query)
    if part.qk_norm:
        whole = part.qk_norm == "full"
        q = norm(t, r, q, "rms", traits.norm, groups=1 if whole else heads, width=query if whole else size)
        k = norm(t, r, k, "rms", traits.norm, groups=1 if whole else kv_heads, width=key if whole else size)
    if traits.query_scaled:
        q = op.unary(t, q)
    if traits.plain_attention:
        k, v = op.copy(t, k, k.width), op.copy(t, v, v.width)
    if traits.rotary:
        q = op.rotate(t, q, int(query * traits.rotary))
        k = op.rotate(t, k, int(key * traits.rotary))
    shape = Heads(heads, kv_heads, size, value_size)
    y, kernel = attend(
        t,
        q,
        k,
        v,
        shape,
        how=how.attention,
        window=1 if how.packed else part.window or part.chunk,
        softcap=traits.softcap,
        drop=traits.attention_dropout,
        plain=traits.plain_attention,
        keep_type=traits.plain_softmax,
        joined=traits.joins or 0 < traits.rotary < 1,
        single=how.single,
        recompute=how.recompute,
    )
    if gate is not None:
        y = op.multiply(t, y, op.unary(t, gate, keep="output"))
    return _project_out(t, arch, r, y, "o", part.o_bias), kernel


def _latent(
    t: Tape, arch: Architecture, part: LatentAttention, traits: Family, r: Recipe, x: Tensor, how: How
) -> tuple[Tensor, str]:
    """Multi-head latent attention: latents are whole on each GPU, heads are split."""
    heads = share(part.heads, r.tp)
    nope, rope, value = part.nope, part.rope, part.v_head_dim
    latent, rank = part.kv_lora_rank, part.q_lora_rank or 0
    if rank:
        low = norm(t, r, project(t, r, x, rank, "q_a", inside=arch.hidden), "rms", "llama")
        q = project(t, r, low, heads * (nope + rope), "q_b")
    else:
        q = project(t, r, x, heads * (nope + rope), "q", inside=arch.hidden)
    plain, turned = op.split(t, q, heads * nope, heads * rope)
    both = project(t, r, x, latent + rope, "kv_a", inside=arch.hidden)
    compressed, key = op.split(t, both, latent, rope)
    compressed = norm(t, r, compressed, "rms", "llama")
    turned, key = op.rotate(t, turned), op.rotate(t, key)
    q = op.join(t, plain, turned)
    opened = project(t, r, compressed, heads * (nope + value), "kv_b")
    k, v = op.split(t, opened, heads * nope, heads * value)
    k = op.join(t, op.copy(t, k), op.copy(t, key, heads * rope))
    y, kernel = attend(t, q, k, v, Heads(heads, heads, nope + rope, value), how=how.attention, recompute=how.recompute)
    return _project_out(t, arch, r, y, "o"), kernel


def _project_out(t: Tape, arch: Architecture, r: Recipe, x: Tensor, name: str, bias: bool = False) -> Tensor:
    """The linear layer back to the residual stream, which sequence parallelism scatters."""
    y = project(t, r, x, arch.hidden, name, bias=bias)
    if not r.sequence_parallel:
        return y
    z = t.tensor(r.outer(arch.hidden), y.item, y.grad)
    t.record((z,), ((y, True),))
    return z


def feed_forward(t: Tape, arch: Architecture, group: Layers, traits: Family, r: Recipe, x: Tensor) -> Tensor:
    """The feed-forward part of a layer."""
    part = group.ffn
    match part:
        case FeedForward():
            return _dense(t, arch, traits, r, x, part.inter, part.gated, part.bias)
        case Experts():
            y = _experts(t, arch, part, traits, r, x)
            shared = part.shared_inter + part.plus_dense
            if shared:
                beside = _dense(t, arch, traits, r, x, shared, part.gated, False)
                if part.shared_gate:
                    score = op.unary(t, op.linear(t, x, 1, r.weight(arch.hidden, "router")), keep="output")
                    beside = op.multiply(t, beside, score)
                y = op.add(t, y, beside)
            return y
        case NoPart():
            raise ValueError("nobody has described how layers with one branch alone are trained in parallel branches")
        case _:
            assert_never(part)


def _dense(
    t: Tape, arch: Architecture, traits: Family, r: Recipe, x: Tensor, inter: int, gated: bool, bias: bool
) -> Tensor:
    inter = share(inter, r.tp)
    if not gated:
        y = op.activation(t, project(t, r, x, inter, "up", inside=arch.hidden, bias=bias), traits.act)
    elif r.fused:
        both = project(t, r, x, 2 * inter, "gate", inside=arch.hidden, bias=bias)
        y = t.tensor(inter, both.item, both.grad)
        t.record((y,), ((both, True),), (both.storage,))
    elif traits.fused_gate:
        gate, up = op.split(t, project(t, r, x, 2 * inter, "gate_up", inside=arch.hidden, bias=bias), inter, inter)
        y = op.multiply(t, up, op.activation(t, gate, traits.act))
    else:
        gate = op.activation(t, project(t, r, x, inter, "gate", inside=arch.hidden, bias=bias), traits.act)
        y = op.multiply(t, gate, project(t, r, x, inter, "up", inside=arch.hidden, bias=bias))
    return _project_out(t, arch, r, y, "down", bias)


def _experts(t: Tape, arch: Architecture, part: Experts, traits: Family, r: Recipe, x: Tensor) -> Tensor:
    """Routed experts through grouped matrix products: the bytes do not depend on how tokens are routed."""
    experts, topk, inter, gated = part.experts, part.topk, share(part.inter, r.tp), part.gated
    local = share(experts, r.ep)
    if traits.router == "sigmoid":
        wide = op.cast(t, x, 4)
        copy = t.cast_weight(arch.hidden * experts, 4)
        logits = op.linear(t, wide, experts, r.weight(arch.hidden * experts, "router", 4))
        if r.item == 2 and t.nodes and t.nodes[-1].weights:
            t.nodes[-1].saved += (copy,)
            t.saved[copy] = 1
            t.nodes[-1].weights = ((arch.hidden * experts * r.item, arch.hidden * experts * 4),)
    else:
        logits = op.cast(t, op.linear(t, x, experts, r.weight(arch.hidden * experts, "router")), 4)
    scores = op.unary(t, logits, keep="output")
    index = t.tensor(topk, 8, False)
    chosen = t.tensor(topk, 4, scores.grad)
    t.record((chosen,), ((scores, True),), (index.storage,))
    chosen = op.unary(t, chosen, keep="output")
    if traits.router == "softmax":
        chosen = op.cast(t, chosen, x.item if not t.autocast else 2)
    order = t.tensor(topk, 8, False)
    sorted_scores = t.tensor(topk, chosen.item, chosen.grad)
    places, sums = t.tensor(2 * topk, 8, False), t.tensor(1, 4, False)
    t.record((sorted_scores,), ((chosen, True),), (places.storage, sums.storage))
    gathered = t.tensor(topk * arch.hidden, x.item, x.grad)
    t.record((gathered,), ((x, True),), (order.storage,))
    up = 2 if gated else 1
    both = product(t, r, gathered, topk * up * inter, "experts", r.weight(local * arch.hidden * up * inter, "mlp"))
    t.outputs[-1] = ("experts", t.outputs[-1][1])
    if gated:
        gate, side = op.split(t, both, topk * inter, topk * inter)
        inner = op.multiply(t, op.activation(t, gate, traits.act), side)
    else:
        inner = op.activation(t, both, traits.act)
    out = product(t, r, inner, topk * arch.hidden, "experts", r.weight(local * arch.hidden * inter, "mlp"))
    t.outputs[-1] = ("experts", t.outputs[-1][1])
    weighted = op.multiply(t, out, sorted_scores)
    restored = t.tensor(weighted.width, weighted.item, weighted.grad)
    t.record((restored,), ((weighted, True),), (order.storage,))
    total = t.tensor(arch.hidden, restored.item, restored.grad)
    t.record((total,), ((restored, False),))
    return op.cast(t, total, x.item)
