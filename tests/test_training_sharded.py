"""Training memory of one of many GPUs against measured steps.

The tolerances are those of the project for what is no plain fine-tune (mean 1 %, largest 3 %), but on the side where a
plan would be said to fit and does not: there 0.15 %, which is the allocator's rounding, positions and masks.
"""

from dataclasses import replace
from statistics import mean

import pytest
from training_sharded import PHASES, architectures, error, measured, predicted, standing

import planner
from planner.physics.architecture import layer_parameters, outside_parameters, parameters
from planner.physics.training import StateChoice, states
from planner.physics.training.fsdp import WHOLE

OPTIONS = sorted({row["option"] for row in measured().values()})


@pytest.mark.parametrize("option", OPTIONS)
def test_peak(option):
    off = {name: error(name) for name, row in measured().items() if row["option"] == option}
    assert max(off.values()) <= 0.03, max(off, key=off.__getitem__)
    assert min(off.values()) >= -0.0015, min(off, key=off.__getitem__)
    assert mean(map(abs, off.values())) <= 0.01


def test_phase():
    right = [PHASES.get(predicted(name).peak_moment, "bwd") == row["phase"] for name, row in measured().items()]
    assert sum(right) >= 0.95 * len(right)


def test_states():
    for name, row in measured().items():
        found = predicted(name)
        assert standing(name).optimizer == pytest.approx(row["optimizer_bytes"], rel=0.0005), name
        assert found.moments["optimizer"] == pytest.approx(row["phases"]["opt"], rel=0.002), name


@pytest.mark.parametrize("framework", ["fsdp", "megatron", "deepspeed"])
def test_experts_are_never_divided_by_more_than_their_copies(framework):
    """Expert parallelism splits experts inside the copies of the data: what ZeRO divides of them is divided already."""
    arch = architectures()["mixtral-cut"]
    params = sum(parameters(arch).values())
    plain, split = (
        states(arch, params, StateChoice(precision="bf16_mixed", framework=framework, zero=3, dp=8, ep=ep))
        for ep in (1, 4)
    )
    for part in ("weights", "master", "gradients", "optimizer"):
        assert getattr(split, part) == pytest.approx(getattr(plain, part), rel=1e-6)


def test_experts_split_over_ranks_hold_what_a_router_may_send(tmp_path):
    """pytorch/torchtitan#1789: 73.32 GiB reserved on each of 8 H100; the margin rests on this one run."""
    path = tmp_path / "plan.mem"
    path.write_text(
        "edition 2026\noffer own { gpu = h100_sxm; gpus = 8; price = $1/h }\n"
        'training a { model = "deepseek-ai/DeepSeek-V2-Lite"; sequence = 4096; global_batch = 32; micro_batch = 4\n'
        "  framework = fsdp; zero = 3; expert_parallel = 8; checkpointing = selective; gpu = h100_sxm; gpus = 8\n"
        "  offer = own; tensor_parallel = 1; pipeline_parallel = 1 }\n"
    )
    result = planner.estimate(path)
    assert isinstance(result, planner.Result)
    found = result.answer.workloads[0].chosen
    assert found.total - found.parts["margin"] < 73.32 * 2**30 <= found.total
    fastest, slowest = (32 * 4096 / (8 * speed) for speed in (11_758, 11_254))  # the log's tokens a second of a GPU
    expected, safe = (float(found.outcomes[name] or 0) for name in ("step_time_expected", "step_time"))
    assert expected < fastest < slowest < safe


@pytest.mark.parametrize(
    ("version", "zero", "left", "more"),
    [(1, 3, "root", "layer"), (1, 2, "all", "none"), (2, 3, "none", "twice all"), (2, 2, "all", "all")],
)
def test_a_reference_model_stays_gathered_as_torch_leaves_it(version, zero, left, more):
    """Forward passes without gradients on two ranks of torch 2.8: FSDP1 leaves its outermost unit gathered, with
    SHARD_GRAD_OP all units; `fully_shard` of a whole model, as trl 1.16 does it (models/utils.py, `prepare_fsdp`), has
    all of it while it runs, and leaves it so unless it reshards. The buffer it was gathered in is the second copy."""
    arch = architectures()["llama-cut"]
    params = sum(parameters(arch).values())
    choice = StateChoice(precision="bf16_mixed", framework="accelerate", zero=zero, dp=8, fsdp=version)
    plain, pairs = (states(arch, params, replace(choice, dpo=dpo)) for dpo in (False, True))
    outside = outside_parameters(arch)
    sizes = {
        "none": 0,
        "root": 2 * sum(outside.values()),
        "layer": 2 * max(sum(layer_parameters(arch, group).values()) for group in arch.groups),
        "all": 2 * params,
        "twice all": 4 * params,
    }
    shard = 4 * params / 8  # fp32, as the trained model is loaded
    assert pairs.weights - plain.weights == pytest.approx(shard + sizes[left], rel=1e-6)
    assert pairs.beside.gathered[WHOLE] - plain.beside.gathered[WHOLE] == pytest.approx(sizes[more], rel=1e-6)
    assert pairs.beside.gathered[WHOLE + 1] == plain.beside.gathered[WHOLE + 1]


def test_adapters_have_no_reference_model_beside_them():
    arch = architectures()["llama-cut"]
    params = sum(parameters(arch).values())
    choice = StateChoice(method="lora", precision="bf16_mixed", framework="accelerate", zero=3, dp=8, fsdp=2)
    plain, pairs = (states(arch, params, replace(choice, dpo=dpo)) for dpo in (False, True))
    assert (pairs.weights, pairs.beside) == (plain.weights, plain.beside)
