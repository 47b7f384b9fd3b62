"""Training memory of one GPU: what PyTorch with Hugging Face models holds at the worst moment of a step.

The formulas are those of MEMORY.md (training), found by measuring real training steps on fake CUDA tensors
(torch 2.13, transformers 5.23). They hold for decoders with RMSNorm, SwiGLU, GQA and RoPE; another kind
is estimated with the same formula and its active width, and `TrainingMemory.approximate` says so.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from math import ceil
from typing import Final

from planner.catalog.records import Architecture, Layers
from planner.physics.architecture import (
    attention_widths,
    kind,
    layer_parameters,
    outside_parameters,
    parameters,
)

MOMENTS: Final = (
    "forward",
    "loss",
    "backward_last_layer",
    "backward_first_layer",
    "backward_end",
    "optimizer",
)
# States of one parameter: how many of them stand in the parameter's own type, and bytes besides.
_STATES: Final[dict[str, tuple[int, Fraction]]] = {
    "sgd": (0, Fraction(0)),
    "sgd_momentum": (1, Fraction(0)),
    "adam": (2, Fraction(0)),
    "adamw": (2, Fraction(0)),
    "adamw_8bit": (0, 2 + Fraction(8, 256)),
    "paged_adamw_8bit": (0, Fraction(0)),
    "paged_adamw": (0, Fraction(0)),
    "adafactor": (0, Fraction(0)),
    "lion": (1, Fraction(0)),
    "muon": (1, Fraction(0)),
}
_AUTOCAST: Final = ("amp", "bf16_mixed", "fp16_mixed", "fp8_mixed", "int8")
NF4_BYTES: Final = Fraction(1, 2) + Fraction(1, 64) + Fraction(4, 64 * 256)


@dataclass(frozen=True, slots=True)
class TrainingMemory:
    """`parts` are live at the peak and add up to it; `sizes` is each part's whole size, whenever it lives."""

    parts: dict[str, int]
    sizes: dict[str, int]
    peak_moment: str
    moments: dict[str, int] = field(default_factory=dict)
    approximate: tuple[str, ...] = ()

    @property
    def total(self) -> int:
        """Bytes at the peak."""
        return sum(self.parts.values())


@dataclass(frozen=True, slots=True)
class Widths:
    """What one layer's kept activations depend on."""

    hidden: int
    inter: int
    query: int
    key: int
    heads: int
    kv_heads: int
    head_norms: bool


def _feed_forward_width(group: Layers) -> int:
    ffn = group.ffn or {}
    if kind(ffn) == "none":
        return 0
    if kind(ffn) == "mlp":
        return int(ffn["inter"])
    return int(ffn["topk"]) * int(ffn["inter"]) + int(ffn.get("shared_inter") or 0) + int(ffn.get("plus_dense") or 0)


def widths(arch: Architecture, group: Layers) -> Widths:
    """The widths of a layer; mixers without heads count their inner width as the query's."""
    mixer, inter = group.mixer, _feed_forward_width(group)
    match kind(mixer):
        case "gqa" | "cross":
            query, key, _ = attention_widths(mixer)
            heads, kv_heads = int(mixer["heads"]), int(mixer["kv_heads"])
            return Widths(arch.hidden, inter, query, key, heads, kv_heads, bool(mixer.get("qk_norm")))
        case "mla":
            heads = int(mixer["heads"])
            query = heads * (int(mixer["nope"]) + int(mixer["rope"]))
            return Widths(arch.hidden, inter, query, query, heads, heads, False)
        case "gdn":
            heads, keys = int(mixer["v_heads"]), int(mixer["k_heads"]) * int(mixer["k_dim"])
            return Widths(arch.hidden, inter, heads * int(mixer["v_dim"]), keys, heads, heads, False)
        case "mamba1" | "mamba2":
            inner = int(mixer["d_inner"])
            return Widths(arch.hidden, inter, inner, inner, int(mixer.get("heads") or 0), 0, False)
        case "lightning":
            heads = int(mixer["heads"])
            width = heads * int(mixer["head_dim"])
            return Widths(arch.hidden, inter, width, width, heads, heads, False)
        case "shortconv":
            return Widths(arch.hidden, inter, arch.hidden, arch.hidden, 0, 0, False)
    return Widths(arch.hidden, inter, 0, 0, 0, 0, False)


def kept(width: Widths, sequence: int, recipe: str = "bf16", attention: str = "flash", tp: int = 1) -> int:
    """Bytes one layer keeps for each token (MEMORY.md: A), by precision recipe and attention kernel."""
    h, i, q, k = width.hidden, width.inter, width.query, width.key
    heads, kv_heads = width.heads, width.kv_heads
    if recipe == "fp32":
        # no flash kernel: with GQA the math kernel keeps the scores and repeats k and v
        split = 16 * i + 16 * q + 4 * heads * (sequence if attention == "eager" or k < q else 1)
        base = 24 * h + 8
    else:
        base = (26 if recipe in _AUTOCAST else 16) * h + 8
        if attention == "eager":
            split = 8 * i + 8 * q + 6 * heads * sequence
        else:
            split = 8 * i + 4 * q + 4 * k + 4 * heads
    if width.head_norms:
        split += 6 * (q + k) + 4 * (heads + kv_heads)
    return base + -(-split // tp)


def approximations(arch: Architecture) -> tuple[str, ...]:
    """Why the formulas are estimates for this architecture; empty for a llama-style decoder."""
    found = []
    if arch.norm != "rms":
        found.append(f"norm {arch.norm}")
    for group in arch.groups:
        if kind(group.mixer) != "gqa":
            found.append(f"mixer {kind(group.mixer)}")
        elif group.mixer.get("window"):
            found.append("sliding window")
        ffn = group.ffn or {}
        if kind(ffn) != "mlp" or not ffn.get("gated", True):
            found.append(f"feed-forward {kind(ffn)}")
        if group.norms != 2:
            found.append(f"{group.norms} norms in a layer")
    return tuple(dict.fromkeys(found))


def _targets(width: Widths, targets: str, gated: bool = True) -> list[tuple[int, int]]:
    h, q, k, i = width.hidden, width.query, width.key, width.inter
    found = [(h, q), (h, k), (h, k), (q, h)]
    if targets == "all_linear" and i:
        found += [(h, i)] * (2 if gated else 1) + [(i, h)]
    return found


def lora_parameters(arch: Architecture, rank: int, targets: str = "attention") -> int:
    """Adapter parameters: rank × (inputs + outputs) of each adapted linear (LoRA, arXiv 2106.09685)."""
    total = 0
    for group in arch.groups:
        gated = bool((group.ffn or {}).get("gated", True))
        pairs = _targets(widths(arch, group), targets, gated)
        total += group.count * rank * sum(inside + outside for inside, outside in pairs)
    return total


def _factored(arch: Architecture) -> int:
    """Adafactor's rows and columns: a number for each row and column of a matrix, and norms whole."""
    total = arch.hidden + (arch.vocab + arch.hidden) * (1 if arch.tied else 2)
    for group in arch.groups:
        pairs = _targets(widths(arch, group), "all_linear")
        total += group.count * (sum(a + b for a, b in pairs) + group.norms * arch.hidden)
    return total


def memory(
    arch: Architecture,
    params: int,
    *,
    micro_batch: int,
    sequence: int,
    recipe: str = "bf16",
    attention: str = "flash",
    checkpointing: str = "none",
    checkpointed_layers: int | None = None,
    optimizer: str = "adamw",
    kernel: str = "foreach",
    method: str = "full",
    rank: int = 16,
    targets: str = "attention",
    dropout: bool = False,
    zero: int = 0,
    dp: int = 1,
    tp: int = 1,
    pp: int = 1,
    framework: str = "transformers",
    offload_optimizer: bool = False,
    overhead: int = 0,
    margin: int = 0,
) -> TrainingMemory:
    """The largest of the six moments of a training step, part by part (MEMORY.md)."""
    if recipe == "amp":
        recipe = "bf16_mixed"
    notes = list(approximations(arch))
    if recipe in ("fp8_mixed", "int8"):
        notes.append(f"{recipe} counted as bf16_mixed")
    tokens = micro_batch * sequence
    hidden, vocab, layers = arch.hidden, -(-arch.vocab // tp), arch.layers
    master_framework = framework in ("megatron", "deepspeed") and recipe in _AUTOCAST
    adapters = method in ("lora", "qlora")
    autocast_adapters = adapters and recipe in _AUTOCAST
    if autocast_adapters:
        master_framework = False
    mixed = recipe in _AUTOCAST and not master_framework and not adapters
    act_recipe = "bf16" if master_framework or adapters else recipe
    width_bytes = 4 if recipe == "fp32" or mixed else 2

    counts = parameters(arch)
    counts["other"] += max(0, params - sum(counts.values()))
    outside = outside_parameters(arch)
    table = -(-outside["embedding"] // tp)
    head = -(-outside["head"] // tp)
    per_layer = [layer_parameters(arch, group) for group in arch.groups]
    replicated = counts["norm"] + counts["router"] + counts["other"]
    split = sum(counts.values()) - replicated
    local = -(-split // tp) + replicated
    stage_layers = -(-layers // pp)
    if pp > 1:
        body = local - table - head
        local = -(-body * stage_layers // layers) + max(table, head or table)
    linear = -(-(counts["attention"] + counts["mlp"]) // tp // pp) + (head or table)

    trained = -(-lora_parameters(arch, rank, targets) // (tp * pp)) if adapters else local
    if method == "qlora":
        frozen = table + head + counts["norm"]
        weights = ceil(NF4_BYTES * max(0, local - frozen)) + 2 * frozen + 4 * trained
        notes.append("qlora: nf4 base, activations as lora")
    elif adapters:
        weights = width_bytes * local + 4 * trained
    else:
        weights = width_bytes * local
    if method == "qat":
        notes.append("qat counted as full fine-tuning with a fake-quantised copy of the widest layer")
    grad_bytes = 4 if adapters or (framework == "megatron" and master_framework) else width_bytes
    gradients = grad_bytes * trained
    state_bytes = 4 if adapters or master_framework else width_bytes
    own, besides = _STATES[optimizer]
    states = ceil(trained * (own * state_bytes + besides))
    if optimizer == "adafactor":
        states = state_bytes * (2 * trained // 64 if adapters else -(-_factored(arch) // (tp * pp)))
    master = 4 * trained if master_framework else 0
    if zero >= 1:
        states, master = -(-states // dp), -(-master // dp)
    if zero >= 2:
        gradients = -(-gradients // dp)
    gathered = 0
    if zero >= 3:
        gathered = 2 * width_bytes * max(sum(layer.values()) for layer in per_layer) // tp
        weights = -(-weights // dp) + gathered
    if offload_optimizer:
        states, master = 0, 0

    full: list[int] = []
    light: list[int] = []
    thin = 4 * hidden if mixed or recipe == "fp32" else 2 * hidden
    inter = 0
    for group in arch.groups:
        width = widths(arch, group)
        bytes_kept = kept(width, sequence, act_recipe, attention, tp)
        limit = group.mixer.get("window")
        if limit and sequence >= int(limit) and attention != "eager":
            # a mask selects another kernel: a 16-bit bias (b, 1, s, s), and k and v repeated to all heads
            bytes_kept += 2 * sequence + 4 * (width.query - width.key) // tp
        if adapters:
            for inside, _ in _targets(width, targets):
                # the adapter's input and its inner product, fp32 or in autocast's type; dropout a mask
                bytes_kept += (2 if autocast_adapters else 4) * (inside + rank) + (inside if dropout else 0)
            # frozen norms keep neither normalised input nor output, a frozen down projection not its input
            bytes_kept -= 8 * width.hidden + 2 * -(-width.inter // tp)
        full += [bytes_kept] * group.count
        window = kept(width, sequence, act_recipe, "flash", tp) if attention == "eager" else bytes_kept
        light += [window] * group.count
        inter = max(inter, -(-width.inter // tp))
    chosen = {"none": 0, "selective": 0, "full": layers}[checkpointing]
    if checkpointed_layers is not None and checkpointing != "selective":
        chosen = min(layers, checkpointed_layers)
    if checkpointing == "selective":
        full, biggest = light, max(full)
    else:
        biggest = max(full)
    # The checkpointed layers are the first ones, so that the last ones' backward needs no second forward.
    keeps = [thin] * chosen + full[chosen:]
    flight = pp
    kept_all = -(-sum(keeps) * flight // pp) if pp > 1 else sum(keeps)
    again_last = biggest if chosen == layers or checkpointing == "selective" else 0
    again_first = biggest if chosen or checkpointing == "selective" else 0
    tail = (10 if mixed or recipe == "fp32" else 8) * hidden + 4
    element = 4 if recipe == "fp32" else 2
    loss_logits = tokens * 12 * vocab
    per_vocab = element * vocab * hidden
    casts_all = 2 * linear if mixed else 2 * trained if autocast_adapters else 0
    layer_linear = max(layer["attention"] + layer["mlp"] for layer in per_layer) // tp
    casts_head = per_vocab if mixed else 0
    casts_layer = 2 * layer_linear if mixed else 0
    casts_loss = casts_all if chosen == 0 else casts_head + casts_layer * (layers - chosen)
    casts_last = max(0, casts_all - casts_head) if chosen == 0 else casts_layer * max(1, layers - chosen)
    scratch = tokens * (4 * inter + 2 * hidden) * (element // 2)
    if attention == "eager":
        most = max(widths(arch, group).heads for group in arch.groups)
        scratch = max(scratch, tokens * 8 * -(-most // tp) * sequence)

    share = Fraction(gradients, max(1, grad_bytes * trained))
    if adapters:
        grad_last, grad_first = 0, ceil(gradients * Fraction(max(0, layers - 1), layers))
    else:
        closing = head or table
        grad_last = ceil(share * grad_bytes * closing)
        first_layer = sum(per_layer[0].values()) // tp
        grad_first = ceil(share * grad_bytes * max(0, trained - (table if head else 0) - first_layer))
    spare = 0 if adapters or arch.embed_dim or not arch.tied else 2 * grad_bytes * table
    step = 0
    largest = max(table, max(layer["mlp"] for layer in per_layer) // tp)
    if optimizer == "adafactor":
        step = 0 if adapters else (16 if width_bytes == 2 else 8) * largest
    elif kernel == "foreach" and optimizer in ("adam", "adamw"):
        step = gradients if not master_framework else 0
    elif optimizer in ("adam", "adamw") and kernel == "for_loop":
        step = 0 if adapters else 2 * state_bytes * largest

    # moment -> gradients, activations, logits, scratch of the optimizer
    moment: dict[str, tuple[int, int, int, int]] = {
        "forward": (0, tokens * (kept_all + tail) + casts_loss, tokens * 10 * vocab, 0),
        "loss": (0, tokens * (kept_all + tail) + casts_loss, loss_logits, 0),
        "backward_last_layer": (
            grad_last,
            tokens * (kept_all + again_last) + scratch + casts_last,
            0,
            0,
        ),
        "backward_first_layer": (
            grad_first,
            tokens * (keeps[0] + again_first) + scratch + casts_layer,
            0,
            0,
        ),
        "backward_end": (gradients, tokens * 2 * hidden * (element // 2), spare, 0),
        "optimizer": (gradients, 0, 0, step),
    }
    if adapters:
        moment["backward_end"] = (gradients, tokens * 2 * hidden, 0, 0)
    totals = {name: sum(values) for name, values in moment.items()}
    peak = max(MOMENTS, key=lambda name: totals[name])
    grads, activations, logits, scratch_step = moment[peak]
    quantised = 2 * layer_linear if method == "qat" else 0
    fixed = weights + master + states + overhead + margin + quantised
    parts = {
        "weights": weights + quantised,
        "master_weights": master,
        "gradients": grads,
        "optimizer": states + scratch_step,
        "activations": activations,
        "logits": logits,
        "overhead": overhead,
        "margin": margin,
    }
    sizes = {
        **parts,
        "gradients": gradients,
        "optimizer": states + step,
        "activations": max(values[1] for values in moment.values()),
        "logits": max(values[2] for values in moment.values()),
    }
    moments = {name: fixed + value for name, value in totals.items()}
    return TrainingMemory(parts, sizes, peak, moments, tuple(notes))
