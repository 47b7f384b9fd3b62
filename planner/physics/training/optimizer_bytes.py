"""Bytes of an optimizer's states, what it needs in a step, and how much of a model is trained.

What each keeps for a parameter stands in planner/physics/optimizers.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple, assert_never

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
    Mixer,
    NoPart,
    ShortConvolution,
)
from planner.catalog.records import Architecture
from planner.physics.architecture import layer_parameters
from planner.physics.optimizers import OPTIMIZERS
from planner.physics.training import bnb_bytes
from planner.physics.training.families import family
from planner.physics.training.layers import layer
from planner.physics.training.pipeline import stage_runs
from planner.physics.training.recipe import recipe_for, share

if TYPE_CHECKING:
    from planner.physics.training.choice import StateChoice

SMALLEST: Final = 512
"""The least the CUDA allocator gives (c10/cuda/CUDACachingAllocator.h, kMinBlockSize)."""
IN_PLACE: Final = ("sgd", "sgd_momentum", *bnb_bytes.OPTIMIZERS)
"""The optimizers whose step needs nothing beside the states."""
LIMIT: Final = 1024
"""Answers kept about architectures seen lately."""


class Counted(NamedTuple):
    """Trained weights in the layers of one GPU: bytes of gradients, tensors, and elements in tensors below each of
    bitsandbytes' limits (bnb_bytes.py)."""

    gradients: int
    tensors: int
    tiny: int
    small: int


_COUNTED: dict[tuple[object, ...], tuple[Architecture, Counted]] = {}


def _counted(
    arch: Architecture, method: str, rank: int, targets: tuple[str, ...] | str, tp: int, pp: int, dora: bool = False
) -> Counted:
    """What is trained in the layers of one GPU, counted on the trace of each layer."""
    key = (id(arch), method, rank, targets, tp, pp, dora)
    if key not in _COUNTED:
        if len(_COUNTED) >= LIMIT:
            _COUNTED.clear()
        recipe = recipe_for("bf16", method=method, rank=rank, targets=targets, tp=tp, dora=dora)
        item = recipe.adapter_item if recipe.adapters else recipe.item
        sums = [0, 0, 0, 0]
        for index, count in stage_runs(arch, pp):
            region = layer(arch, arch.groups[index], recipe, 1)
            sizes = [size // item for size in region.weights]
            tiny = sum(size for size in sizes if size < bnb_bytes.LEAST)
            small = sum(size for size in sizes if size < bnb_bytes.LEAST_PAGED)
            for place, size in enumerate((region.gradients, region.tensors, tiny, small)):
                sums[place] += count * size
        _COUNTED[key] = (arch, Counted(*sums))
    return _COUNTED[key][1]


def adapter_parameters(
    arch: Architecture,
    rank: int,
    targets: tuple[str, ...] | str = "all_linear",
    tp: int = 1,
    pp: int = 1,
    dora: bool = False,
) -> int:
    """Parameters of LoRA's adapters on one GPU: rank × (inputs + outputs) of each adapted linear layer (arXiv
    2106.09685), and with `dora` its outputs once more (2402.09353); counted on the trace of a layer, so that fused
    projections and what is not a linear layer are right."""
    return _counted(arch, "lora", rank, targets, tp, pp, dora).gradients // 4


def _tensors(arch: Architecture, choice: StateChoice) -> int:
    """How many tensors are trained on one GPU."""
    inside = _trained(arch, choice).tensors
    return inside if choice.method in ("lora", "qlora") else inside + 3


def _trained(arch: Architecture, choice: StateChoice) -> Counted:
    method = "lora" if choice.method in ("lora", "qlora") else "full"
    return _counted(arch, method, choice.rank, choice.targets, choice.tp, choice.pp, choice.dora and method == "lora")


def bnb_states(
    arch: Architecture, choice: StateChoice, optimizer: str, trained: int, embedding: int
) -> tuple[int, int]:
    """Bytes of a bitsandbytes optimizer's states on the GPU, and of those that are paged.

    DeepSpeed and FSDP1 step on flat tensors, in which nothing is small.
    """
    flat = choice.framework == "deepspeed" or (choice.framework == "accelerate" and choice.fsdp == 1)
    tiny = small = 0
    if not flat:
        inside = _trained(arch, choice)
        outside = 0 if choice.method in ("lora", "qlora") else arch.hidden * arch.final_norm
        tiny = inside.tiny + outside * (outside < bnb_bytes.LEAST)
        small = inside.small + outside * (outside < bnb_bytes.LEAST_PAGED)
    trainer = choice.framework in ("transformers", "accelerate") and choice.method not in ("lora", "qlora")
    wide = embedding if trainer and "embedding" not in choice.frozen else 0
    return bnb_bytes.state_bytes(optimizer, trained, wide, tiny, small)


def _factored(arch: Architecture) -> int:
    """Adafactor's states: a number for each row and column of a matrix, and vectors whole (arXiv 1804.04235)."""
    width = arch.embed_dim or arch.hidden
    total = arch.hidden + (arch.vocab + width) * (1 if arch.tied else 2)
    for group in arch.groups:
        counts = layer_parameters(arch, group)
        mixer, ffn = group.mixer, group.ffn
        rows = 0
        if isinstance(mixer, Attention):
            query, key, _ = mixer.widths
            rows += 2 * (arch.hidden + query) + 2 * (arch.hidden + key)
            rows += query + 2 * key if mixer.qkv_bias else 0
        else:
            rows += counts["attention"] // max(1, arch.hidden)
        if not isinstance(ffn, NoPart):
            times = ffn.experts if isinstance(ffn, Experts) else 1
            rows += times * (3 if ffn.gated else 2) * (arch.hidden + ffn.inter)
        total += group.count * (rows + group.norms * arch.hidden)
    return total


def optimizer_bytes(
    arch: Architecture,
    choice: StateChoice,
    optimizer: str,
    trained: int,
    counts: dict[str, int],
    item: int,
) -> int:
    """Bytes of an optimizer's states of `item` bytes each (whatever the choice's own is)."""
    adapters = choice.method in ("lora", "qlora")
    if optimizer == "adafactor":
        # transformers keeps the factors in fp32, and the root mean square of each tensor, which the step replaces one
        # by one: when a head of its own, the last and largest, has its turn, they are scratch of the step
        rows = 2 * trained // 64 if adapters else share(_factored(arch), choice.tp * choice.pp)
        return 4 * rows + (SMALLEST * _tensors(arch, choice) if arch.tied else SMALLEST)
    if optimizer in bnb_bytes.OPTIMIZERS:
        return bnb_states(arch, choice, optimizer, trained, counts["embedding"])[0]
    kept = OPTIMIZERS[optimizer]
    total = trained * kept.own * item
    if choice.kernel == "fused" and optimizer in ("adam", "adamw") and choice.framework == "transformers":
        total += SMALLEST * _tensors(arch, choice)  # a counter of steps on the GPU for each tensor
    if optimizer == "muon" and not adapters:
        # Muon takes the matrices of the layers; the rest stays with AdamW (Keller Jordan, github.com/KellerJordan/Muon)
        total += item * (counts["embedding"] + counts["head"] + counts["norm"] + counts["router"])
    return total


def largest(arch: Architecture, tp: int, inside: bool = False) -> int:
    """Parameters of the largest single weight of one GPU, or of those `inside` the layers."""
    best = arch.hidden * arch.hidden if inside else arch.vocab * (arch.embed_dim or arch.hidden)
    for group in arch.groups:
        match group.ffn:
            case Experts(experts=experts, inter=inter):
                best = max(best, experts * arch.hidden * inter * 2)
            case FeedForward(inter=inter):
                best = max(best, arch.hidden * inter)
            case NoPart():
                pass
            case _:
                assert_never(group.ffn)
    return share(best, tp)


def _input_width(mixer: Mixer, hidden: int, fused: bool) -> int:
    """Columns of the projection of a mixer's input, as transformers 5.23 writes it (models/mamba, mamba2, qwen3_next,
    lfm2, minimax: one matrix for all that a recurrent mixer projects); attention's is that of the queries unless fused.

    0 for mixers whose largest matrix is another.
    """
    match mixer:
        case Attention():
            return (mixer.heads + (2 * mixer.kv_heads if fused else 0)) * mixer.head_dim
        case Mamba1():
            return 2 * mixer.d_inner
        case Mamba2():
            return 2 * (mixer.d_inner + mixer.groups * mixer.d_state) + mixer.heads
        case GatedDeltaNet():
            return 2 * (mixer.keys + mixer.values)
        case ShortConvolution():
            return 3 * hidden
        case LightningAttention():
            return 3 * mixer.width
        case LatentAttention() | CompressedAttention() | NoPart():
            return 0
        case _:
            assert_never(mixer)


def _muon(arch: Architecture, choice: StateChoice, counts: dict[str, int], gradient_item: int, item: int) -> int:
    """What torch.optim.Muon (2.13) needs for the largest matrix: the update in the gradient's type, two 16-bit copies
    in the iteration and two squares of its short side; and before or after it AdamW for the rest, one list of it."""
    if choice.method in ("lora", "qlora"):
        return 0
    traits = family(arch)
    matrices = [
        (arch.hidden, group.ffn.inter * (1 + traits.fused_gate))
        for group in arch.groups
        if not isinstance(group.ffn, NoPart)
    ]
    widths = (_input_width(group.mixer, arch.hidden, traits.fused_qkv) for group in arch.groups)
    matrices += [(arch.hidden, width) for width in widths if width]
    rows, columns = max(matrices, key=lambda each: each[0] * each[1], default=(arch.hidden, arch.hidden))
    matrix = (item + 2 * 2) * share(rows * columns, choice.tp) + 2 * 2 * min(rows, columns) ** 2
    rest = sum(counts[name] for name in ("embedding", "head", "norm", "router"))
    return max(matrix, gradient_item * rest if choice.kernel == "foreach" else 0)


def step_bytes(
    arch: Architecture,
    choice: StateChoice,
    optimizer: str,
    trained: int,
    counts: dict[str, int],
    gradient_item: int,
    item: int,
    full_precision: bool,
) -> int:
    """What the optimizer needs beside the states: a list of all parameters for foreach, a tensor or two else."""
    adapters = choice.method in ("lora", "qlora")
    if optimizer == "adafactor":
        scalars = SMALLEST * (4 if arch.tied else _tensors(arch, choice))
        return 0 if adapters else (16 if item == 2 else 8) * largest(arch, choice.tp) + scalars
    if optimizer == "muon":
        return _muon(arch, choice, counts, gradient_item, item)
    if optimizer == "lion":
        return 2 * item * largest(arch, choice.tp)  # the update, and its copy (lion-pytorch 0.2.5, `update_fn`)
    if optimizer in ("adam", "adamw"):
        if choice.framework in ("megatron", "deepspeed") and full_precision:
            return 0
        if choice.kernel == "foreach":
            return gradient_item * trained
        if choice.kernel == "for_loop":
            return 0 if adapters else 2 * item * largest(arch, choice.tp)
        return 0
    assert optimizer in IN_PLACE, optimizer
    return 0
