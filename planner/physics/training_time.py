"""How long a training step takes: matrix products, attention, memory traffic and what communication leaves uncovered.

Compute is a sum of three terms, each at its own share of the hardware's peak, because they do not overlap on one
stream: matrix products against the dense peak, attention against it, and the bytes of activations, logits and states
against the bandwidth. The shares are fitted to 160 published runs of llm-foundry (scripts/train/benchmarking/README.md
at 8c8dd48, MPT 125M to 70B on 8 to 512 A100 and H100): median error 5 %, nine of ten within 13 %, the largest 30 %.
Communication counts where compute does not cover it.

`work` is what a choice has to do on one GPU, `GpuSpeeds` what a GPU can; `step` divides the two. All of it is plain
arithmetic, so that the fields may be numbers or arrays of numpy alike.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final, NamedTuple

from planner.catalog.architecture import Attention, Experts, LatentAttention
from planner.catalog.records import Architecture, Gpu
from planner.physics.architecture import layer_parameters, routed_parameters
from planner.physics.time import attention_flops
from planner.physics.training.activations import traces
from planner.physics.training.choice import ActivationChoice
from planner.physics.training.fsdp import FRAMEWORKS
from planner.physics.training.recipe import share

BANDWIDTH_SHARE: Final = 0.50
"""Share of the memory bandwidth that reading and writing activations reaches: the fit (see the module)."""
PRODUCTS_SHARE: Final = {"Hopper": 0.565, "Ampere GA100": 0.72}
ATTENTION_SHARE: Final = {"Hopper": 0.186, "Ampere GA100": 0.33}
"""Shares of the dense peak: the fit. Other hardware counts as Hopper, the lower.

Of 13 runs of Megatron-Bridge in FP8 on H100, B200, GB200 and GB300 (docs/performance-summary-archive.md at 0a25f91) the
model gives 29 % less to 5 % more than the published speed. For AMD and consumer cards it is an estimate: no run is
published that says enough."""
TRAFFIC: Final = 3
"""How often the bytes kept for backward cross the memory: written, read, and their gradients; once more each time they
are recomputed. The fit's constant."""
STATE_TRAFFIC: Final = 20
"""Bytes an AdamW step moves for each parameter: weight, gradient and both states, read and written, in fp32 or less."""
BACKWARD_SCORES: Final = 2.5
"""Products of flash attention's backward for one of forward: five for two (arXiv 2205.14135)."""
PCIE: Final = 25_000_000_000
"""Bytes/s between GPUs without a link of their own: PCIe 4.0 x16 as NCCL reaches it; an estimate for other buses, and
for what crosses between GPU and host."""
UPDATED: Final = 1_000_000_000
"""Parameters/s that a host updates: Qwen2.5-3B on two A100 and 128 cores steps in 3.08 s (deepspeedai/DeepSpeed,
docs/_tutorials/zero-offload.md, without `--bind_cores_to_rank`), all of which is counted as the update: the slow side.
"""
UNPACKED: Final = 2.52
"""Bytes that move for each frozen parameter of QLoRA before every product, forward and backward: 4.127 bits are read
(NF4 with its scales quantized twice, arXiv 2305.14314) and 16 written, a matrix at a time (bitsandbytes,
autograd/_functions.py, MatMul4Bit). Reading those again is the product's own."""
COMMUNICATING: Final = 20 / 132
"""Share of a GPU's multiprocessors that send and gather tokens while the others compute, where experts' traffic is
hidden: 20 of 132 of an H800 (DeepSeek-V3, arXiv 2412.19437, section 3.2.2)."""


MARGINS: Final = ((50, 90_000), (90, 260_000), (99, 430_000))
"""By confidence in per cent, millionths by which measured steps take longer than expected: torchtitan's 24 published
runs, which no constant is fitted to, are off by 9 % in the median and 26 % in nine of ten, here all to the slow side;
the largest residual of llm-foundry's is 43 %."""

MIXED_MARGINS: Final = ((50, 280_000), (90, 800_000), (99, 1_800_000))
"""The same for mixtures of experts outside Megatron-LM, whose small products reach less of the peak: DeepSeek-V2-Lite
under torchtitan takes 1.25 to 1.31 times the expected on 8 H100 (pytorch/torchtitan#1789) and 1.8 times on 8 B200
(#1993). What transformers did before it fused experts is another thing: 27 to 85 times the expected with ZeRO 3
(modelscope/ms-swift, examples/train/megatron/qwen3_moe.sh; hiyouga/LLaMA-Factory#9374)."""


class Work(NamedTuple):
    """What one GPU does in a step: operations and bytes of one forward pass, and what comes with them.

    `waits` are bytes of tensor and expert parallelism in a forward pass, which nothing covers; `behind` bytes that hide
    behind compute; `hops` those that a stage of a pipeline sends on, `hidden` the share of them that hides too;
    `once` those sent at the end of a step, behind the `last` share of its compute; `bubble` the share a pipeline
    waits; `tokens` those of all GPUs; `bus` bytes cross between GPU and host, and `updated` parameters step there.
    `unpacked` are bytes of weights that become 16 bits in a forward pass, `experts` those of expert parallelism in it
    that run behind compute, from which `sending` takes that share of the GPU. `counted` are the scores that MFU counts,
    where windows and masks make other ones.
    """

    products: Any
    scores: Any
    passes: Any
    adapters: Any
    kept: Any
    states: Any
    waits: Any
    waiting_group: Any
    tensor: Any
    behind: Any
    group: Any
    hops: Any
    hidden: Any
    once: Any
    last: Any
    bubble: Any
    tokens: Any
    gpus: Any
    bus: Any = 0
    updated: Any = 0
    unpacked: Any = 0
    experts: Any = 0
    sending: Any = 0
    counted: Any = None


class GpuSpeeds(NamedTuple):
    """What a GPU can: FLOP/s of products and of attention as they are reached, bytes/s of memory and of its link.

    `per_host` GPUs are joined by their links, and hosts by a network of so many bytes/s a host."""

    peak: Any
    products: Any
    attention: Any
    bandwidth: Any
    link: Any
    per_host: Any
    network: Any


class StepTime(NamedTuple):
    """Seconds of a step by cause; `mfu` is Model FLOPs utilization as PaLM counts it (arXiv 2204.02311, appendix B):
    what training needs without recomputation, 6 N + 12 L H Q T a token with attention over the whole sequence though
    its mask leaves half, of the dense peak."""

    products: Any
    attention: Any
    traffic: Any
    communication: Any
    bubble: Any
    seconds: Any
    throughput: Any
    mfu: Any


def _share(gpu: Gpu, table: dict[str, float]) -> float:
    return next((reached for name, reached in table.items() if gpu.architecture.startswith(name)), table["Hopper"])


def card(gpu: Gpu, peak: int, per_host: int, network: int) -> GpuSpeeds:
    """A GPU that computes products at `peak` (dense FLOP/s at the format computed in), attention in 16 bits.

    So many GPUs `per_host` are joined by a `network` of bytes/s a host.
    """
    half = gpu.flops.get("bf16") or gpu.flops.get("fp16") or peak
    return GpuSpeeds(
        peak,
        peak * _share(gpu, PRODUCTS_SHARE),
        min(peak, half) * _share(gpu, ATTENTION_SHARE),
        gpu.bandwidth * BANDWIDTH_SHARE,
        gpu.link_bandwidth or PCIE,
        per_host,
        network,
    )


def recomputed(choice: ActivationChoice, part: Any) -> tuple[Any, Any]:
    """The shares of the forward products and of the forward attention that run again when a `part` of the layers do."""
    if choice.checkpointing == "none":
        return 0.0, 0.0
    if choice.checkpointing == "full":
        return part, part
    match choice.selective:
        case "attention":
            return 0.0, 1.0
        case "operations":
            return 0.5 * part, 0.0  # every second product; attention's output is kept
        case "every_second_layer":
            return 0.5 * part, 0.5 * part
    return 0.0, 0.0  # neither products nor attention; what stands between them is traffic (kept_for_backward)


def work(
    arch: Architecture,
    active_params: int,
    choice: ActivationChoice,
    *,
    dp: Any = 1,
    zero: Any = 0,
    global_batch: int = 0,
    trained_params: int = 0,
    kept: Any = None,
    offload: Any = "none",
    overlap: bool = False,
    synced: bool = True,
    params: int = 0,
) -> Work:
    """A step of `global_batch` sequences (one micro-batch for each copy where it is 0) on dp × tp × pp × cp GPUs.

    A token computes with `active_params`; gathered, reduced, updated and moved to the host are all `params` (the same
    where it is 0), of routed experts those of a rank.

    `global_batch` is a multiple of dp × micro-batch; `trained_params` are those of adapters where only they are
    trained, `kept` is what `kept_for_backward` returns; with `overlap` experts' traffic runs behind compute; `synced`
    says whether PyTorch reduces gradients after every micro-batch or after the last. `dp`, `zero`, `kept`, `offload`
    and the choice's micro-batch, tp, pp, cp and ep may be arrays of numpy.
    """
    sequences = global_batch or choice.micro_batch * dp
    rounds = -(-sequences // (choice.micro_batch * dp))
    tokens = sequences * choice.sequence
    split = choice.tp * choice.pp
    gpus = dp * split * choice.cp
    local = tokens / gpus
    adapters = choice.method in ("lora", "qlora")
    routed = sum(group.count * routed_parameters(arch, group) for group in arch.groups) if params else 0
    held = (max(params, active_params) - routed + routed / choice.ep) / split
    gradients = trained_params / split if trained_params else held
    stage = choice.micro_batch * rounds * choice.sequence / choice.cp
    layers = arch.layers / choice.pp
    # two all-reduces of 16-bit activations a layer (arXiv 1909.08053), each 2 (p - 1) / p of the tensor
    waits = layers * 2 * 2 * 2 * arch.hidden * stage * (choice.tp - 1) / choice.tp
    topk = max((group.ffn.topk for group in arch.groups if isinstance(group.ffn, Experts)), default=0)
    experts = layers * 2 * topk * 2 * arch.hidden * stage * (choice.ep - 1) / choice.ep
    waits = waits if overlap else waits + experts
    copies = dp * choice.cp
    # where gradients are shards they are scattered for every micro-batch; with ZeRO 3 weights are gathered in forward
    # and again in backward, with PyTorch's ZeRO 2 in forward, with DeepSpeed's once a step
    sharded, parted = (zero >= 2) * 1, (zero >= 3) * 1
    gathers = 1 + sharded * (rounds - 1) if choice.framework in FRAMEWORKS else 1
    torch = choice.framework in FRAMEWORKS
    every = rounds if synced or not torch else 0 * rounds
    moved = sharded * every * 4 * gradients + 2 * held * ((sharded - parted) * gathers + parted * rounds * 2)
    if torch and synced:
        moved = moved + (1 - sharded) * (rounds - 1) * 4 * gradients * 2
    behind = moved * (copies - 1) / copies
    # keys and values around the ring, in backward with their gradients
    behind = behind + 3 * 2 * _keys_and_values(arch) / split * stage * (choice.cp - 1)
    chunks = choice.chunks if choice.schedule == "interleaved" else 1
    # gradients go to the host, weights come back; where they live there, for forward and again for backward
    away, gone = (offload != "none") * 1, (offload == "parameters") * 1
    owners = (zero > 0) * (dp - 1) + 1
    again = rounds - 1 if synced or not torch else 0 * rounds
    bus = away * 2 * (gradients * (1 + sharded * again) + gradients) / owners
    bus = bus + gone * 2 * 2 * rounds * held / ((zero > 0) * (copies - 1) + 1)
    return Work(
        products=2.0 * active_params * local,
        scores=_scores(arch, choice) * local,
        passes=2.0 if adapters else 3.0,
        adapters=6.0 * trained_params * local,
        kept=(kept_for_backward(arch, choice) if kept is None else kept) * local,
        states=STATE_TRAFFIC * gradients / ((zero > 0) * (dp - 1) + 1),
        waits=waits,
        waiting_group=choice.tp * choice.ep,
        tensor=choice.tp,
        behind=behind,
        group=copies * choice.tp,
        # 16-bit activations to the next stage, their gradients back, each tensor rank a part (2104.04473, section 4.1)
        hops=2 * 2 * arch.hidden * stage * chunks / choice.tp * (choice.pp > 1),
        # Megatron-LM sends while it computes where stages are interleaved (overlap_p2p_comm), and only there
        hidden=1.0 * (choice.schedule == "interleaved"),
        # whole gradients are reduced once, behind the backward pass of the last micro-batch, or scattered
        once=((1 - sharded) * 2 + sharded * (0 if synced or not torch else 1)) * 4 * gradients * (copies - 1) / copies,
        last=(1 if adapters else 2) / (2 if adapters else 3) / rounds,
        # a pipeline waits (p - 1) / m of its time, 1/v of that when interleaved (arXiv 2104.04473, section 2.2)
        bubble=(choice.pp - 1) / (rounds * chunks),
        tokens=tokens,
        gpus=gpus,
        bus=bus,
        updated=away * gradients / owners,
        unpacked=(UNPACKED * _quantized(arch) if choice.method == "qlora" else _remade(arch, choice)) / split * rounds,
        experts=experts if overlap else 0,
        sending=COMMUNICATING * (choice.ep > 1) if overlap else 0,
        counted=attention_flops(arch, choice.sequence) / 2 * local,
    )


def _scores(arch: Architecture, choice: ActivationChoice) -> float:
    """Operations of a token's scores and values in one forward pass: half of a sequence, that is before it, or of a
    window what it holds.

    PyTorch's own kernel takes a window as a mask, beside which it computes all of a sequence (transformers 5.20,
    masking_utils.py, `_ignore_causal_mask_sdpa`: no mask is left out where a sequence is longer than the window).
    """
    total = attention_flops(arch, choice.sequence) / 2
    for group in arch.groups:
        mixer = group.mixer
        reach = (mixer.window or mixer.chunk) if isinstance(mixer, Attention) else 0
        if not isinstance(mixer, Attention) or not 0 < reach < choice.sequence:
            continue
        each = group.count * 4 * mixer.widths[0]
        seen = choice.sequence if choice.attention == "sdpa" else reach - reach * reach / (2 * choice.sequence)
        total += each * (seen - reach / 2)
    return total


def _quantized(arch: Architecture) -> int:
    """Parameters of all layers that QLoRA keeps in 4 bit: all but those of routed experts."""
    return sum(
        group.count * (sum(layer_parameters(arch, group).values()) - routed_parameters(arch, group))
        for group in arch.groups
    )


def _remade(arch: Architecture, choice: ActivationChoice) -> int:
    """Bytes that DoRA moves in a forward pass of one micro-batch; backward, which makes none of it anew, counts as
    much: the slow side."""
    if not choice.dora or choice.method != "lora":
        return 0
    held = traces(arch, replace(choice, micro_batch=1, tp=1, pp=1, cp=1, ep=1))
    return sum(region.moved * group.count for region, group in zip(held.groups, arch.groups, strict=True))


def _keys_and_values(arch: Architecture) -> int:
    """Numbers of a token's keys and values in all layers that attend to its sequence."""
    total = 0
    for group in arch.groups:
        match group.mixer:
            case Attention(cross=False, widths=(_, keys, values)):
                total += group.count * (keys + values)
            case LatentAttention(heads=heads, query=query, v_head_dim=value):
                total += group.count * heads * (query + value)
    return total


def kept_for_backward(arch: Architecture, choice: ActivationChoice) -> float:
    """Bytes kept for each token over all layers and the loss, as if one GPU held them all."""
    held = traces(arch, choice)
    tokens = share(choice.sequence, choice.cp)
    inside: float = sum(region.kept.each * group.count for region, group in zip(held.groups, arch.groups, strict=True))
    if choice.checkpointing == "selective" and choice.selective == "products":
        inside = inside * (TRAFFIC + 1) / TRAFFIC  # all but the products' outputs is recomputed; all counts
    return choice.tp * (inside + held.head.kept.each + 3 * held.head.kept.logits) / tokens


def _least(first: Any, second: Any) -> Any:
    return (first + second - abs(first - second)) / 2


def link(what: GpuSpeeds, group: Any, through: Any) -> Any:
    """Bytes/s of a GPU within a group: its link; beyond a host its share of the network, which so many of the host's
    GPUs send `through` at once."""
    outside = (group > what.per_host) * 1.0
    shared = what.network / _least(what.per_host, through)
    return what.link * (1 - outside) + _least(what.link, shared) * outside


def demands(what: Work, again: Any = 0.0, attention_again: Any = 0.0) -> tuple[Any, Any, Any, Any]:
    """What a step asks of a card: FLOPs of products and of attention, bytes of memory traffic, and bytes of its link
    that nothing covers. A step takes no less than what these take one after the other, and what a pipeline waits."""
    return (
        what.products * (what.passes + again) + what.adapters,
        what.scores * (1 + BACKWARD_SCORES + attention_again),
        what.kept * (TRAFFIC + again) + what.states + what.unpacked * (2 + again),
        what.waits * (2 + again),
    )


def _sendings(what: Work, on: GpuSpeeds) -> tuple[Any, Any, Any]:
    """Seconds of what is sent between stages, and of what is sent among copies: all along, and once."""
    # a ring enters a host once, so each host sends for as many rings as pass it: those of its tensor ranks or stages
    rings = on.per_host / _least(on.per_host / what.tensor, what.group / what.tensor)
    ring = link(on, what.group, rings)
    return what.hops / link(on, what.gpus, what.group), what.behind / ring, what.once / ring


def sent(what: Work, on: GpuSpeeds) -> Any:
    """Seconds that a step takes at least by what is sent, before what a pipeline waits: all of it over one link."""
    hops, behind, once = _sendings(what, on)
    return hops + behind + once


def useful_flops(what: Work) -> Any:
    """FLOPs of a step as PaLM counts them: all scores of a sequence, of which the mask leaves half."""
    scores = what.scores if what.counted is None else what.counted
    return (what.products + 2 * scores) * what.passes


def step(what: Work, on: GpuSpeeds, again: Any = 0.0, attention_again: Any = 0.0) -> StepTime:
    """A step's time, its tokens a second on all GPUs and its MFU; `again` are the shares of forward run twice."""
    asked = demands(what, again, attention_again)
    products, attention, traffic = asked[0] / on.products, asked[1] / on.attention, asked[2] / on.bandwidth
    compute = (products + attention + traffic) / (1 - what.sending)
    hops, behind, once = _sendings(what, on)
    away = link(on, what.waiting_group, on.per_host)
    behind = behind + what.experts * (2 + again) / away
    # one link carries both: what is sent once begins with the last part of the compute, and behind all that was sent
    uncovered, left = behind + what.hidden * hops + once - compute, once - what.last * compute
    waits = asked[3] / away + (1 - what.hidden) * hops
    longest = (uncovered + left + abs(uncovered - left)) / 2
    talk = waits + (longest + abs(longest)) / 2
    bubble = what.bubble * (compute + talk)
    # nothing is assumed to hide what crosses the bus, or the update of all that a host's ranks have
    moved = what.bus / PCIE + what.updated * _least(on.per_host, what.gpus) / UPDATED
    seconds = compute + talk + bubble + moved
    useful = useful_flops(what) / on.peak
    return StepTime(
        products=products,
        attention=attention,
        traffic=traffic,
        communication=talk,
        bubble=bubble,
        seconds=seconds,
        throughput=what.tokens / seconds,
        mfu=useful / seconds,
    )
