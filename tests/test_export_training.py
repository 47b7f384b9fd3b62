"""Trainings exported: the batches multiply, every setting has its word, or the setting is named."""

from __future__ import annotations

import json
import shlex
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import golden
import pytest
import yaml
from hypothesis import given, settings
from said import trained, trainings

from planner.export import training
from planner.export.faults import Unsayable
from planner.export.forms import BY_NAME, FORMS
from planner.export.locked import LockedWorkload

TRAINERS = [form for form in FORMS if form.frameworks]


def rendered(this: LockedWorkload, form: str) -> str | list[Unsayable]:
    faults = training.faults(this, BY_NAME[form])
    return faults or training.render(this, BY_NAME[form])


RECORDED = Path(__file__).parent / "truth/options"


def recorded(name: str) -> set[str]:
    """Return the keys of a program, as they were recorded from it."""
    return set(json.loads((RECORDED / f"{name}.json").read_text())["options"])


def keys(document: dict[str, Any], inside: str) -> set[str]:
    """Return the keys of a document, and those of one part of it as `part.key`."""
    return {*document, *(f"{inside}.{name}" for name in document.get(inside) or ())}


def named(text: str | list[Unsayable], this: LockedWorkload) -> bool:
    """Return whether an answer was refused; then each fault names a setting of it, why, and a way out."""
    if isinstance(text, str):
        return False
    assert all(fault.quantity in {*this.choice, *this.given} and fault.reason and fault.help for fault in text)
    return True


@settings(max_examples=200, deadline=None)
@given(trainings("deepspeed"))
def test_the_batches_of_deepspeed_multiply(this: LockedWorkload) -> None:
    text = rendered(this, "deepspeed")
    if named(text, this):
        return
    found = json.loads(str(text))
    micro, rounds = found["train_micro_batch_size_per_gpu"], found["gradient_accumulation_steps"]
    assert micro * rounds * this.choice["gpus"] == found["train_batch_size"] == this.given["global_batch"]
    zero = found["zero_optimization"]
    assert set(zero) <= recorded("deepspeed-0.19.8")
    assert zero["stage"] == this.choice["zero"]
    assert (found["bf16"]["enabled"], found["fp16"]["enabled"]) != (True, True)
    away = this.choice["offload"]
    assert ("offload_param" in zero) == (away == "parameters" and zero["stage"] == 3)
    assert ("offload_optimizer" in zero) == (away != "none" and zero["stage"] > 0)
    kernel = found["optimizer"]["params"]
    assert kernel["torch_adam"] == (this.given["optimizer_kernel"] != "fused")
    assert kernel.get("foreach", False) == (this.given["optimizer_kernel"] == "foreach")
    if this.choice["method"] == "full":
        assert found["data_types"]["grad_accum_dtype"] == this.given["gradient_precision"]
    assert not any(key.startswith("stage3") for key in zero) or zero["stage"] == 3
    assert found["_planner"]["set_elsewhere"]["sequence"] == this.given["sequence"]


@settings(max_examples=200, deadline=None)
@given(trainings("transformers"))
def test_the_files_of_the_trainer_agree(this: LockedWorkload) -> None:
    text = rendered(this, "trl")
    if not named(text, this):
        found = yaml.safe_load(str(text))
        assert set(found) <= recorded("trl-1.16.0")
        each = found["per_device_train_batch_size"] * found["gradient_accumulation_steps"]
        assert found["per_device_eval_batch_size"] == this.choice["micro_batch"], "8 unless it is said"
        assert each * this.choice["gpus"] == this.given["global_batch"]
        assert found["max_length"] == this.given["sequence"]
        kept = found["accelerator_config"]["gradient_accumulation_kwargs"]
        assert kept == {"sync_each_batch": this.given["sync_each_batch"]}
        if this.given["tokens"]:
            seen = found["max_steps"] * this.given["global_batch"] * this.given["sequence"]
            last = this.given["global_batch"] * this.given["sequence"]
            assert seen - last < this.given["tokens"] <= seen
        assert not (found["bf16"] and found["fp16"])
        assert (found["loss_type"], found["use_liger_kernel"]) == ("nll", False)
        assert this.choice["method"] != "full" or this.given["gradient_precision"] == (
            "fp32" if wide_states(this) else "bf16"
        )
        wide = found["model_init_kwargs"]["dtype"] == "float32"
        assert wide == (this.choice["precision"] != "bf16" and this.choice["method"] == "full")
        sharded = this.choice["zero"] > 0 and this.choice["data_parallel"] > 1
        assert found["activation_checkpointing"] == (this.choice["checkpointed_layers"] == 32 and not sharded)
    text = rendered(this, "accelerate")
    if not named(text, this):
        found = yaml.safe_load(str(text))
        assert found["num_processes"] == this.choice["gpus"]
        inner = found.get("fsdp_config")
        assert {*found, *(inner or ())} <= recorded("accelerate-1.15.0")
        assert (inner is not None) == (this.choice["zero"] > 1 and this.choice["data_parallel"] > 1)
        if inner:
            again = inner["fsdp_reshard_after_forward"]
            assert again in ((True, False) if inner["fsdp_version"] == 2 else ("FULL_SHARD", "SHARD_GRAD_OP"))
            assert (again in (True, "FULL_SHARD")) == (this.choice["zero"] == 3)


@settings(max_examples=200, deadline=None)
@given(trainings("axolotl"))
def test_the_file_of_axolotl_gives_back_the_answer(this: LockedWorkload) -> None:
    text = rendered(this, "axolotl")
    if named(text, this):
        return
    found = yaml.safe_load(str(text))
    assert keys(found, "fsdp_config") <= recorded("axolotl-0.19.0")
    assert found["micro_batch_size"] * found["gradient_accumulation_steps"] * this.choice["gpus"] == batch(this)
    assert (found["sequence_len"], found["sample_packing"]) == (this.given["sequence"], False)
    assert found["bf16"] == (this.choice["precision"] == "bf16_mixed")
    assert found.get("chunked_cross_entropy", False) == (this.given["loss"] == "chunked")
    assert found.get("liger_fused_linear_cross_entropy", False) == (this.given["loss"] == "fused")
    assert (found.get("lora_r"), found.get("adapter")) == (
        (16, "lora") if this.choice["method"] == "lora" else (None, None)
    )
    sharded, full = is_sharded(this), this.choice["checkpointing"] == "full"
    assert found["gradient_checkpointing"] == (full and not sharded)
    if sharded:
        inner = found["fsdp_config"]
        assert inner["reshard_after_forward"] == (this.choice["zero"] == 3)
        assert inner["activation_checkpointing"] == full
        assert inner["offload_params"] == (this.choice["offload"] == "parameters")


@settings(max_examples=200, deadline=None)
@given(trainings("llama_factory"))
def test_the_file_of_llama_factory_gives_back_the_answer(this: LockedWorkload) -> None:
    text = rendered(this, "llama-factory")
    if named(text, this):
        return
    found = yaml.safe_load(str(text))
    assert set(found) <= recorded("llamafactory-0.9.5")
    each = found["per_device_train_batch_size"] * found["gradient_accumulation_steps"]
    assert each * this.choice["gpus"] == batch(this)
    assert found["per_device_eval_batch_size"] == this.choice["micro_batch"]
    assert found["cutoff_len"] == this.given["sequence"]
    words = {"bf16_mixed": "bf16", "fp16_mixed": "fp16", "bf16": "pure_bf16"}
    said = {name for name in words.values() if found[name]}
    assert said == ({words[this.choice["precision"]]} if this.choice["precision"] != "fp32" else set())
    assert found.get("quantization_bit") == (4 if this.choice["method"] == "qlora" else None)
    assert found["enable_liger_kernel"] == (this.given["loss"] == "fused")
    full = this.choice["checkpointing"] == "full"
    assert found["disable_gradient_checkpointing"] == (not full or is_sharded(this))


@settings(max_examples=200, deadline=None)
@given(trainings("torchtitan"))
def test_the_options_of_torchtitan_give_back_the_answer(this: LockedWorkload) -> None:
    text = rendered(this, "torchtitan")
    if named(text, this):
        return
    body = "\n".join(line for line in str(text).splitlines() if not line.startswith("#"))
    words = shlex.split(body.removeprefix("options=(").removesuffix("\n)"))
    options = {name.removeprefix("--"): value for name, value in pairwise([*words, ""])}
    assert {name for name in words if name.startswith("--")} <= recorded("torchtitan-0.3.0")
    assert int(options["training.global-batch-size"]) == batch(this)
    shards, copies = (int(options[f"parallelism.data-parallel-{name}-degree"]) for name in ("shard", "replicate"))
    assert (shards * copies, copies) == (this.choice["data_parallel"], this.choice["shard_replicas"])
    assert int(options["parallelism.context-parallel-degree"]) == this.choice["context_parallel"]
    assert (options["loss.num-chunks"] == "8") == (this.given["loss"] == "chunked")
    assert words[-1] == f"activation-checkpoint:{this.choice['checkpointing']}"
    assert "--training.disable-cuda-graphs" in words and "--compile.no-enable" in words


def batch(this: LockedWorkload) -> int:
    return int(this.given["global_batch"])


def is_sharded(this: LockedWorkload) -> bool:
    return bool(this.choice["zero"] > 0 and this.choice["data_parallel"] > 1)


@pytest.mark.parametrize(
    ("form", "recording", "broken"),
    [
        ("axolotl", "axolotl-0.19.0", "micro_batchsize"),
        ("llama-factory", "llamafactory-0.9.5", "cutoff_length"),
        ("trl", "trl-1.16.0", "max_seq_length"),
        ("accelerate", "accelerate-1.15.0", "fsdp_sharding_stratgy"),
    ],
)
def test_the_recordings_find_a_broken_key(form: str, recording: str, broken: str) -> None:
    framework = {"axolotl": "axolotl", "llama-factory": "llama_factory"}.get(form, "transformers")
    found = yaml.safe_load(str(rendered(trained(framework=framework), form)))
    assert set(found) <= recorded(recording)
    assert broken not in recorded(recording)


def wide_states(this: LockedWorkload) -> bool:
    """Return whether gradients of full training are fp32: those of weights in fp32, which FSDP reduces in 16 bits."""
    return bool(this.choice["precision"] == "fp32" or ("mixed" in this.choice["precision"] and not is_sharded(this)))


@settings(max_examples=200, deadline=None)
@given(trainings("megatron"))
def test_the_options_of_megatron_give_back_the_answer(this: LockedWorkload) -> None:
    text = rendered(this, "megatron")
    if named(text, this):
        return
    body = "\n".join(line for line in str(text).splitlines() if not line.startswith("#"))
    words = shlex.split(body.removeprefix("options=(").removesuffix("\n)"))
    assert int(words[words.index("--global-batch-size") + 1]) == this.given["global_batch"]
    assert int(words[words.index("--context-parallel-size") + 1]) == this.choice["context_parallel"]
    assert ("--use-distributed-optimizer" in words) == (this.choice["zero"] == 1)
    assert words[words.index("--attention-dropout") + 1] == words[words.index("--hidden-dropout") + 1] == "0"
    assert ("--sgd-momentum" in words) == this.choice["optimizer"].startswith("sgd")
    if this.choice["precision"] != "fp32":
        assert ("--grad-reduce-in-bf16" in words) == (this.given["gradient_precision"] == "bf16")
        assert ("--accumulate-allreduce-grads-in-fp32" in words) == (this.given["gradient_precision"] == "fp32")
    if this.choice["checkpointing"] == "full":
        stage = int(words[words.index("--recompute-num-layers") + 1])
        assert stage * this.choice["pipeline_parallel"] == this.choice["checkpointed_layers"]


TITAN: dict[str, Any] = {"framework": "torchtitan", "fsdp_version": 2, "sync_each_batch": True}


@pytest.mark.parametrize(
    ("form", "changes", "quantity"),
    [
        ("trl", {"checkpointing": "full", "checkpointed_layers": 26}, "checkpointed_layers"),
        ("trl", {"method": "qat"}, "method"),
        ("trl", {"method": "lora", "precision": "bf16", "lora_precision": "bf16"}, "lora_precision"),
        ("accelerate", {"method": "qlora", "checkpointing": "full", "checkpointed_layers": 18}, "checkpointed_layers"),
        ("trl", {"layers": 0}, "model"),
        ("trl", {"loss": "fused"}, "loss"),
        ("trl", {"loss": "chunked"}, "loss"),
        ("trl", {"precision": "bf16", "sequence": 4096}, "loss"),
        ("trl", {"loss_precision": "bf16"}, "loss_precision"),
        ("trl", {"gradient_precision": "bf16"}, "gradient_precision"),
        ("trl", {"zero": 1, "data_parallel": 2, "gpus": 2}, "zero"),
        ("accelerate", {"zero": 3, "data_parallel": 2, "gpus": 2, "gradient_precision": "fp32"}, "gradient_precision"),
        ("trl", {"tensor_parallel": 2}, "tensor_parallel"),
        ("accelerate", {"zero": 1, "data_parallel": 2, "gpus": 2}, "zero"),
        ("accelerate", {"shard_replicas": 2}, "shard_replicas"),
        ("deepspeed", {"precision": "bf16"}, "precision"),
        ("deepspeed", {"optimizer": "muon", "framework": "deepspeed"}, "optimizer"),
        ("deepspeed", {"gradient_precision": "fp32"}, "gradient_precision"),
        ("axolotl", {"framework": "axolotl", "precision": "bf16"}, "precision"),
        ("axolotl", {"framework": "axolotl", "method": "qlora"}, "method"),
        ("axolotl", {"framework": "axolotl", "zero": 3, "data_parallel": 2, "gpus": 2}, "fsdp_version"),
        (
            "axolotl",
            {"framework": "axolotl", "checkpointing": "full", "checkpointed_layers": 20},
            "checkpointed_layers",
        ),
        ("llama-factory", {"framework": "llama_factory", "loss": "chunked"}, "loss"),
        ("llama-factory", {"framework": "llama_factory", "offload_activations": True}, "offload_activations"),
        ("torchtitan", TITAN | {"precision": "bf16"}, "gradient_precision"),
        ("torchtitan", TITAN | {"zero": 1, "data_parallel": 2, "gpus": 2}, "zero"),
        ("torchtitan", TITAN | {"sync_each_batch": False}, "sync_each_batch"),
        ("torchtitan", TITAN | {"checkpointing": "full", "checkpointed_layers": 20}, "checkpointed_layers"),
        ("torchtitan", TITAN | {"checkpointing": "selective"}, "selective"),
        ("megatron", {"zero": 3}, "zero"),
        ("megatron", {"loss": "fused"}, "loss"),
        ("megatron", {"loss_precision": "bf16"}, "loss_precision"),
        ("megatron", {"preference": "dpo"}, "preference"),
        ("megatron", {"packing": True}, "packing"),
        ("megatron", {"frozen": "embedding"}, "frozen"),
        ("megatron", {"offload_activations": True}, "offload_activations"),
        ("megatron", {"optimizer": "sgd", "optimizer_kernel": "foreach"}, "optimizer_kernel"),
        ("megatron", {"precision": "fp16_mixed", "gradient_precision": "fp16"}, "gradient_precision"),
        ("megatron", {"checkpointing": "selective"}, "selective"),
    ],
)
def test_what_a_trainer_cannot_say_is_named(form: str, changes: dict[str, Any], quantity: str) -> None:
    found = rendered(trained(**changes), form)
    assert isinstance(found, list)
    assert [fault.quantity for fault in found] == [quantity]


def test_a_loss_of_less_than_tiles_needs_room_for_them() -> None:
    """TRL's tile has 4,096 x 32,768 logits in 16 bits, and gradients in fp32 stand beside hidden states."""
    this = trained(loss="fused", micro_batch=1, sequence=4096)
    assert isinstance(rendered(this, "trl"), list)
    roomy = replace(this, outcomes={"memory": 10 * 2**30, "headroom": 0.5})
    assert roomy.spare == 10 * 2**30
    assert isinstance(rendered(roomy, "trl"), str)


def test_a_momentum_that_was_not_counted_is_turned_off() -> None:
    """Megatron's SGD has one of 0.9 by default, four bytes a parameter."""
    text = str(rendered(trained(framework="megatron", optimizer="sgd"), "megatron"))
    assert "--optimizer sgd\n  --sgd-momentum 0\n" in text


def test_the_worked_example() -> None:
    """`finetune.mem` as SFTConfig of TRL 1.16 took it, but for all layers recomputed, and a loss that TRL has."""
    this = trained(precision="bf16", checkpointing="full", checkpointed_layers=32)
    found = yaml.safe_load(str(rendered(this, "trl")))
    assert (found["per_device_train_batch_size"], found["gradient_accumulation_steps"]) == (1, 16)
    assert (found["max_steps"], found["max_length"], found["optim"]) == (763, 8192, "adamw_torch_fused")
    assert (found["bf16"], found["model_init_kwargs"]["dtype"]) == (True, "bfloat16")
    assert Fraction(763 - 1) * 16 * 8192 < 10**8 <= 763 * 16 * 8192


SHARDED: dict[str, Any] = {"data_parallel": 8, "gpus": 8, "zero": 3}
ADAPTERS: dict[str, Any] = {"method": "qlora", "lora_rank": 16, "lora_targets": "all_linear", "lora_dropout": 0.1}
ADAPTERS |= {"lora_precision": "fp32", "precision": "bf16", "checkpointing": "full", "checkpointed_layers": 32}


@pytest.mark.parametrize(
    ("sharded", "storage"), [({}, "uint8"), ({"gpus": 8, "data_parallel": 8, "zero": 3}, "bfloat16")]
)
def test_the_files_of_qlora_say_what_was_counted(sharded: dict[str, Any], storage: str) -> None:
    """FSDP flattens a layer's weights, which must have one type: a base in 4 bits is stored in 16."""
    this = trained(**ADAPTERS, **sharded)
    found = yaml.safe_load(str(rendered(this, "trl")))
    assert (found["use_peft"], found["lora_r"], found["lora_target_modules"]) == (True, 16, ["all-linear"])
    assert (found["load_in_4bit"], found["use_bnb_nested_quant"]) == (True, True)
    assert (found["bnb_4bit_quant_type"], found["bnb_4bit_quant_storage"]) == ("nf4", storage)
    assert (found["dtype"], found["bf16"], found["lora_dropout"]) == ("bfloat16", False, 0.1)
    text = str(rendered(this, "accelerate"))
    assert f"bnb_4bit_quant_storage={storage}" in text
    for line in ("method = qlora", "lora_rank = 16", "micro_batch = 1", "sequence = 8192", "optimizer = adamw"):
        assert f"# elsewhere {line}\n" in text
    assert ("# elsewhere checkpointing = full" in text) is not bool(sharded)


def test_dora_is_written_where_it_is_counted() -> None:
    for form, framework, name in (
        ("trl", "trl", "use_dora"),
        ("llama-factory", "llama_factory", "use_dora"),
        ("axolotl", "axolotl", "peft_use_dora"),
    ):
        this: dict[str, Any] = {"method": "lora", "framework": framework, "fsdp_version": 2}
        assert name not in yaml.safe_load(str(rendered(trained(**this), form)))
        assert yaml.safe_load(str(rendered(trained(**this, use_dora=True), form)))[name] is True


STORED = {
    "qlora": trained(**ADAPTERS),
    "fsdp_qlora": trained(**ADAPTERS, data_parallel=8, gpus=8, zero=3),
    "finetune": trained(precision="bf16", checkpointing="full", checkpointed_layers=32),
    "fsdp": trained(fsdp_version=2, precision="bf16", **SHARDED),
    "zero_3": trained(framework="deepspeed", offload="parameters", **SHARDED),
    "axolotl": trained(
        framework="axolotl", method="lora", fsdp_version=2, checkpointing="full", checkpointed_layers=32, loss="fused",
        **SHARDED,
    ),
    "axolotl_full": trained(framework="axolotl", loss="chunked", checkpointing="full", checkpointed_layers=32),
    "factory": trained(framework="llama_factory", checkpointing="full", checkpointed_layers=32, precision="bf16"),
    "factory_qlora": trained(
        framework="llama_factory", method="qlora", precision="bf16_mixed", loss="fused", checkpointing="full",
        checkpointed_layers=32, lora_targets="attention", **SHARDED,
    ),
    "titan": trained(
        **TITAN, zero=3, data_parallel=16, gpus=16, shard_replicas=2, checkpointing="selective", selective="operations",
        loss="chunked",
    ),
    "pretrain": trained(
        framework="megatron", tensor_parallel=4, gpus=16, data_parallel=4, zero=1, checkpointing="full",
        checkpointed_layers=26,
    ),
}  # fmt: skip


@pytest.mark.parametrize(
    ("name", "form"),
    [
        (name, form)
        for name, this in STORED.items()
        for form in TRAINERS
        if this.word("framework") in form.frameworks and form.name != "slurm"
    ],
    ids=lambda item: getattr(item, "name", item),
)
def test_stored_files(name: str, form: Any) -> None:
    text = rendered(STORED[name], form.name)
    assert isinstance(text, str), text
    golden.compare(f"export/{name}{form.suffix}", text)
