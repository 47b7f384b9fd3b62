"""Training memory of 8-bit products, fake quantisation, optimizers, losses and frozen parts against measured steps.

The tolerances are those the project sets for what is no plain fine-tune: mean 1 %, largest 3 %, and 0.05 % of states;
scales of fake quantisers, which a step makes anew, differ by up to 0.1 % of the weights.
"""

from dataclasses import replace
from statistics import mean

import pytest
from trainers import products
from training_options import architectures, choices, measured, option, predicted, standing

from planner.catalog.load import load
from planner.physics.architecture import routed_parameters
from planner.physics.training import MOMENTS, ActivationChoice, StateChoice, points, states, traces

OPTIONS = sorted({option(name) for name in measured()})


@pytest.mark.parametrize("wanted", OPTIONS)
def test_peak(wanted):
    rows = {name: row for name, row in measured().items() if option(name) == wanted}
    off = {name: abs(predicted(name).total / row["peak"] - 1) for name, row in rows.items()}
    worst = max(off, key=off.__getitem__)
    assert off[worst] <= 0.03, worst
    assert mean(off.values()) <= 0.01


@pytest.mark.parametrize("part", ["weights", "gradients", "optimizer"])
def test_states(part):
    for name, row in measured().items():
        found = standing(name).optimizer if part == "optimizer" else predicted(name).sizes[part]
        slack = 0.001 if row.get("method") == "qat" and part == "weights" else 0.0005
        assert found == pytest.approx(row["optimizer_bytes" if part == "optimizer" else part], rel=slack), name


def test_layer():
    """What a layer keeps without checkpointing: the allocator's rounding is all that may differ."""
    seen = 0
    for name, row in measured().items():
        if row["checkpointing"] == "full" or row.get("dpo") or row.get("offload_activations"):
            continue
        if architectures()[row["model"]].layers < 4:
            continue  # no layer between the first and the last
        _, choice, _ = choices(row)
        region = traces(architectures()[row["model"]], choice).groups[0]
        each = region.kept.each + (region.input if region.keeps_input else 0)
        assert region.kept.casts + each * row["micro_batch"] == pytest.approx(row["layer"], rel=0.0005), name
        seen += 1
    assert seen > 30


MIB = 2**20


def test_transformer_engine():
    """NVIDIA/TransformerEngine, docs/features/low_precision_training/performance_considerations at d0067d0: a Linear of
    1024 × 1024 on 1024 tokens, on Hopper, holds 6.00 MB after forward in bf16 and 6.02 in fp8: weight, output, and
    either the input (2 MB) or its 8-bit copy and the weight's first one (1 MB each)."""
    from planner.physics.training.low_precision import te_linear
    from planner.physics.training.operations import linear
    from planner.physics.training.tape import Tape, Weight

    weight = Weight(1024 * 1024, 2, True)
    plain, eighth = Tape(1024), Tape(1024)
    linear(plain, plain.tensor(1024, 2, False), 1024, weight)
    te_linear(eighth, eighth.tensor(1024, 2, False), 1024, weight, cached=True)
    output = 1024 * 1024 * 2
    assert plain.activations_kept().each + weight.size * 2 + output == 6 * MIB
    # the docs' input needs no gradient, so that the weight is kept by rows alone: one byte, not two
    assert eighth.activations_kept().each + weight.size * 2 + weight.size + output == pytest.approx(
        6.02 * MIB, rel=0.004
    )


def test_megatron_holds_copies_of_weights_in_fp8():
    """Two bytes for each weight of a linear layer (by rows, by columns), as TransformerEngine#2168 says of them too."""
    arch = architectures()["llama-cut"]
    linear = 4 * (2 * 2048 * 2048 + 2 * 2048 * 512 + 3 * 2048 * 8192)
    half, eighth = (
        states(arch, 374360064, StateChoice(precision=name, framework="megatron", products=products("megatron", name)))
        for name in ("bf16_mixed", "fp8_mixed")
    )
    assert eighth.weights - half.weights == 2 * linear
    assert eighth.master == half.master


def test_fp8_keeps_less_where_inputs_are_kept_in_8_bits():
    arch = architectures()["llama-cut"]
    kept = {
        (framework, precision): traces(
            arch,
            ActivationChoice(
                2048,
                precision=precision,
                framework=framework,
                attention="flash",
                products=products(framework, precision),
            ),
        )
        .groups[0]
        .kept.each
        for framework in ("megatron", "fsdp")
        for precision in ("bf16_mixed", "fp8_mixed")
    }
    # norm outputs (twice h) and the product before down (i) are a byte each and not two; attention's output, which it
    # keeps by itself, has an 8-bit copy beside it
    saved = kept["megatron", "bf16_mixed"] - kept["megatron", "fp8_mixed"]
    assert saved == 2048 * (2 * 2048 + 8192 - 2048)
    assert kept["fsdp", "bf16_mixed"] == kept["fsdp", "fp8_mixed"]


def test_int8_needs_more_only_in_backward():
    arch = architectures()["llama-cut"]

    def eight(name: str) -> ActivationChoice:
        return ActivationChoice(2048, precision=name, products=products("transformers", name))

    half, eighth = (
        {point.moment: point.activations for point in points(arch, eight(name), 0)} for name in ("bf16_mixed", "int8")
    )
    more = [moment for moment, size in half.items() if eighth[moment] > size]
    assert [MOMENTS[moment] for moment in more] == ["backward_last_layer", "backward_first_layer"]
    assert all(eighth[moment] >= size for moment, size in half.items())


@pytest.mark.parametrize("name", ["Qwen/Qwen3-30B-A3B", "zai-org/GLM-4.5-Air", "mistralai/Mixtral-8x7B-v0.1"])
def test_qlora_leaves_routed_experts_in_16_bit(name):
    """Fused parameters since transformers 5, which bitsandbytes does not quantize (bitsandbytes#1849). axolotl#3374:
    GLM-4.5-Air ran out of memory while loading on two GPUs of 96 GB, and took 48 GB before."""
    model = load()[0].models[name]
    arch = model.architecture
    assert arch is not None
    routed = sum([int(group.count * routed_parameters(arch, group)) for group in arch.groups])
    found = states(arch, model.params, StateChoice("qlora", "bf16_mixed")).weights
    assert 2 * routed < found < 2 * routed + 2 * (model.params - routed)
    plain = StateChoice("qlora", "bf16_mixed")
    for split, share in ((replace(plain, pp=2), 2), (replace(plain, ep=8, dp=8), 8)):
        part = states(arch, model.params, split).weights
        assert 2 * routed / share * 0.99 < part < found
    if name == "zai-org/GLM-4.5-Air":
        assert found > 2 * 96e9
