"""What a precision recipe and a method mean for one linear layer: types, autocast, adapters, fake quantisation."""

from __future__ import annotations

from typing import Final

from planner.physics.training import dora, low_precision
from planner.physics.training import operations as op
from planner.physics.training.tape import Tape, Tensor, Weight
from planner.record import dataclass

AUTOCAST: Final = ("bf16_mixed", "fp16_mixed", "fp8_mixed", "int8")
ATTENTION: Final = ("q", "k", "v", "o", "qkv")


@dataclass(frozen=True, slots=True)
class Recipe:
    """`item` is the bytes of a weight as the step computes with it, `hidden` of the residual stream."""

    item: int
    hidden: int
    autocast: bool
    method: str = "full"
    rank: int = 0
    targets: tuple[str, ...] | str = "all_linear"
    dropout: bool = False
    fused: bool = False
    frozen: tuple[str, ...] = ()
    tp: int = 1
    sequence_parallel: bool = False
    ep: int = 1
    adapter_item: int = 4
    products: str = ""
    dora: bool = False

    @property
    def adapters(self) -> bool:
        """Whether only adapters are trained."""
        return self.method in ("lora", "qlora")

    def adapts(self, name: str) -> bool:
        """Whether LoRA adapts the linear layer of this short name."""
        if not self.adapters or name in ("router", "experts", "head"):
            return False
        if self.targets == "all_linear":
            return True
        if self.targets == "attention":
            return name in ATTENTION
        wanted = {target.removesuffix("_proj") for target in self.targets}
        if name == "qkv":
            return bool(wanted & {"q", "k", "v", "qkv", "query_key_value", "c_attn", "Wqkv"})
        return name in wanted

    def weight(self, count: int, part: str, item: int | None = None) -> Weight:
        """A weight of the model itself in this part of it, trained unless it is frozen."""
        return Weight(count, item or self.item, not self.adapters and part not in self.frozen)

    def outer(self, width: int) -> int:
        """The width of the residual stream on one GPU: sequence parallelism splits it along the tokens."""
        return share(width, self.tp) if self.sequence_parallel else width


def recipe_for(
    precision: str,
    framework: str = "transformers",
    method: str = "full",
    *,
    rank: int = 16,
    targets: tuple[str, ...] | str = "all_linear",
    dropout: bool = False,
    frozen: tuple[str, ...] = (),
    tp: int = 1,
    ep: int = 1,
    adapter_item: int = 4,
    products: str = "",
    dora: bool = False,
) -> Recipe:
    """The types a step computes in.

    transformers: autocast over fp32 weights where all is trained, over a bf16 base where adapters are (what Trainer
    does with `bf16=True` on a model loaded in bf16). Megatron, DeepSpeed and FSDP's mixed precision compute with bf16
    weights; so does the Trainer under FSDP (`accelerate`), where autocast is on and finds nothing to cast. `products`
    are whose 8-bit products it runs: torchao's (float8), Transformer Engine's (te, te_cached) or int8's.
    """
    if isinstance(targets, str) and targets not in ("attention", "all_linear"):
        targets = tuple(targets.split(","))
    adapters = method in ("lora", "qlora")
    mixed = precision in AUTOCAST
    own = framework == "transformers"
    item = 4 if precision == "fp32" or (mixed and own and not adapters) else 2
    return Recipe(
        item=item,
        hidden=item,
        autocast=mixed and own,
        method=method,
        rank=rank if adapters else 0,
        targets=targets,
        dropout=dropout,
        fused=framework == "megatron",
        frozen=frozen,
        tp=tp,
        sequence_parallel=framework in ("megatron", "fsdp") and tp > 1,
        ep=ep,
        adapter_item=adapter_item,
        products="" if method in ("qlora", "qat") else products,
        dora=dora and adapters,
    )


def project(
    t: Tape, r: Recipe, x: Tensor, out: int, name: str, *, inside: int | None = None, bias: bool = False
) -> Tensor:
    """A linear layer of the model under the recipe, with its adapter where it has one.

    `inside` is the width of its input before sequence parallelism splits it.
    """
    count = (inside or x.width) * out
    part = "attention" if name in ATTENTION or name.startswith(("q_", "kv_")) else "mlp"
    if r.method == "qlora" and name not in ("router", "head"):
        base = _quantised(t, r, x, out, count)
    else:
        base = product(t, r, x, out, name, r.weight(count, part), bias=bias)
    return _adapted(t, r, x, base, out) if r.adapts(name) else base


def product(
    t: Tape, r: Recipe, x: Tensor, out: int, name: str, weight: Weight, *, bias: bool = False, vocab: bool = False
) -> Tensor:
    """A product with a weight, in the format and by the library the recipe says."""
    if r.method == "qat" and name not in ("router", "experts"):
        return low_precision.fake_quantised_linear(t, x, out, weight, bias=bias, vocab=vocab)
    match r.products if name not in ("router", "head") else "":
        case "float8" if name != "experts":
            return low_precision.float8_linear(t, x, out, weight, bias=bias)
        case "int8" if name != "experts":
            return low_precision.int8_linear(t, x, out, weight, bias=bias)
        case "te" if name != "experts":
            return low_precision.te_linear(t, x, out, weight, bias=bias, cached=False)
        case "te_cached":
            return low_precision.te_linear(t, x, out, weight, bias=bias, cached=True)
    return op.linear(t, x, out, weight, bias=bias, vocab=vocab)


def _adapted(t: Tape, r: Recipe, x: Tensor, base: Tensor, out: int) -> Tensor:
    """`result + lora_B(lora_A(dropout(x))) * scaling` (peft 0.21, tuners/lora/layer.py); peft's adapters are fp32."""
    if r.dora:
        return dora.adapted(t, dora.Adapter(r.rank, r.adapter_item, r.item, r.dropout), x, base, out)
    item = r.adapter_item
    wide = op.dropout(t, op.cast(t, x, item), r.dropout)
    low = op.linear(t, wide, r.rank, Weight(x.width * r.rank, item, True))
    high = op.linear(t, low, out, Weight(out * r.rank, item, True))
    return op.cast(t, op.add(t, base, op.unary(t, high)), base.item)


def _quantised(t: Tape, r: Recipe, x: Tensor, out: int, count: int) -> Tensor:
    """bitsandbytes `MatMul4Bit`: keeps no input; backward makes the weight anew in 16 bits (autograd/_functions.py)."""
    item = 2 if r.autocast else r.item
    x = op.cast(t, x, item)
    y = t.tensor(out, item, x.grad)
    t.record((y,), ((x, True),), (), 0, ((0, 2 * count),) if x.grad else ())
    t.outputs.append(("product", out * item * t.tokens))
    return y


def norm(t: Tape, r: Recipe, x: Tensor, kind: str, style: str, *, groups: int = 1, width: int | None = None) -> Tensor:
    """A norm of the kind the architecture names: rms, ln, ln_nobias or none."""
    count = width or x.width
    if r.fused and kind != "none":
        return _fused_norm(t, r, x, count)
    if kind in ("ln", "layer", "ln_nobias") and style != "cohere":
        count *= 1 if kind == "ln_nobias" else 2
        return op.layer_norm(t, x, r.weight(count, "norm"), narrow=style == "nemotron")
    if style == "cohere":
        return op.rms_norm(t, x, r.weight(count, "norm"), style=style, groups=groups)
    if kind == "none":
        return op.cast(t, op.layer_norm(t, op.cast(t, x, 4), Weight(0, 4, False)), x.item)
    return op.rms_norm(t, x, r.weight(count, "norm"), style=style, groups=groups)


def _fused_norm(t: Tape, r: Recipe, x: Tensor, count: int) -> Tensor:
    """A norm in one kernel (Transformer Engine, Apex): keeps its input and a statistic."""
    weight = r.weight(count, "norm")
    y = t.tensor(x.width, x.item, x.grad or weight.trained)
    statistics = t.tensor(1, 4, False)
    weights = ((weight.size * weight.item, 0),) if weight.trained else ()
    t.record((y,), ((x, True),), (x.storage, statistics.storage), 0, weights)
    return y


def opened(t: Tape, r: Recipe, x: Tensor, width: int) -> Tensor:
    """The tokens of all GPUs before a product whose weight tensor parallelism splits. PyTorch's products keep them
    whole (torch 2.13, distributed/tensor/parallel); Megatron-LM's keep their part and gather again (2205.05198)."""
    if r.fused or not r.sequence_parallel or x.width == width:
        return x
    y = t.tensor(width, x.item, x.grad)
    t.record((y,), ((x, True),))
    return y


def share(count: int, tp: int) -> int:
    """What one of `tp` GPUs holds of something they split, rounded up."""
    return -(-count // tp)
