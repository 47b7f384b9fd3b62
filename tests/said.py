"""Answers as an exporter reads them, for tests: a plain one, and any that a plan could have."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from planner.export.locked import LockedWorkload
from planner.physics.training.choice import StateChoice
from planner.physics.training.states import gradient_format

CHOICE: dict[str, Any] = {
    "activations": "bf16", "expert_parallel": 1, "gpu": "a40", "gpus": 1, "kv_cache": "fp8_e4m3", "market": "on_demand",
    "nodes": 1, "offer": "runpod/secure/1x_A40_SECURE", "pipeline_parallel": 1, "provider": "runpod",
    "quantization": "ptq", "region": "secure", "replicas": 1, "tensor_parallel": 1, "weights": "bf16",
}  # fmt: skip
GIVEN: dict[str, Any] = {
    "adapter_rank": 16, "adapters": 0, "all_to_all": "gather", "attention_parallel": "tensor", "concurrency": 32,
    "confidence": 0.95, "context": 8192, "cuda_graphs": True, "draft_model": "",
    "draft_tokens": 5, "acceptance": 0, "engine": "vllm",
    "engine_version": "0.32", "gpu_memory_utilization": 0.92, "images": True, "max_batched_tokens": 2048,
    "max_sequences": 256, "model": "meta-llama/Llama-3.1-8B-Instruct", "native_format": "bf16", "offloaded_cache": 0,
    "offloaded_weights": 0, "prompt": 8192, "sampler": "native", "shared_prefix": 0, "task": "generate",
    "vision_tokens": 0,
}  # fmt: skip
OFFERS = (
    ("runpod", "secure", "1x_A40_SECURE", "gpu", 1),
    ("aws", "us-east-1", "g6e.48xlarge", "instance", 8),
    ("own", "own", "our rack; rm -rf $HOME", "instance", 4),
)


def said(name: str = "chat", instances: int = 1, sold_by: str = "gpu", offered: int = 1, **more: Any) -> LockedWorkload:
    """Return a plain inference with other values of what it chose or is given."""
    choice = CHOICE | {key: value for key, value in more.items() if key in CHOICE}
    given = GIVEN | {key: value for key, value in more.items() if key in GIVEN}
    vendor, native = more.get("vendor", "nvidia"), given["native_format"]
    lock = "5eed" * 16
    return LockedWorkload(
        "chat.mem", name, "inference", choice, given, instances, lock, "0.2.0", native, sold_by, offered, vendor
    )


@st.composite
def answers(draw: st.DrawFn, engine: str = "vllm", versions: tuple[str, ...] = ("0.32",)) -> LockedWorkload:
    """Return an answer of any settings, also of those that a target has no words for."""
    tensor, pipeline, replicas = (draw(st.sampled_from((1, 2, 4))) for _ in range(3))
    nodes = draw(st.sampled_from(tuple(at for at in (1, 2) if tensor * pipeline % at == 0)))
    provider, region, kind, sold_by, offered = draw(st.sampled_from(OFFERS))
    files = ('checkpoint("a b/x.gguf")', 'checkpoint("a b/x.gguf")', GIVEN["model"])
    formats = ("bf16", "fp16", "fp32", "fp8_e4m3", "int8", "int4", "mxfp4", "q4_k", "bf16*3+int8*29")
    return said(
        draw(st.sampled_from(("chat", "a_b", "Ünï", "x" * 80))),
        draw(st.integers(1, 4)),
        sold_by,
        offered,
        vendor=draw(st.sampled_from(("nvidia", "nvidia", "amd", "intel"))),
        weights=draw(st.sampled_from(formats)),
        native_format=draw(st.sampled_from(formats[:8])),
        kv_cache=draw(st.sampled_from(("bf16", "fp16", "fp8_e4m3", "fp8_e5m2", "int8", "q8_0"))),
        activations=draw(st.sampled_from(("bf16", "fp16", "fp8_e4m3"))),
        model=draw(
            st.sampled_from(
                files
                if engine == "llama_cpp"
                else (GIVEN["model"], GIVEN["model"], "house", 'checkpoint("a b/x.gguf")', 'config("c")')
            )
        ),
        tensor_parallel=tensor,
        pipeline_parallel=pipeline,
        replicas=replicas,
        nodes=nodes,
        gpus=tensor * pipeline * replicas,
        expert_parallel=draw(st.sampled_from((1, tensor, 3))),
        provider=provider,
        region=region,
        offer=f"{provider}/{region}/{kind}",
        market=draw(st.sampled_from(("on_demand", "spot"))),
        engine=engine,
        engine_version=draw(st.sampled_from(versions)),
        context=draw(st.integers(1, 2**20)),
        concurrency=draw(st.integers(1, 4096)),
        max_sequences=draw(st.integers(1, 4096)),
        max_batched_tokens=draw(st.integers(1, 2**17)),
        gpu_memory_utilization=draw(st.integers(1, 100)) / 100,
        attention_parallel=draw(st.sampled_from(("tensor", "tensor", "data"))),
        all_to_all=draw(st.sampled_from(("gather", "deepep", "deepep_low_latency"))),
        cuda_graphs=draw(st.booleans()),
        images=draw(st.booleans()),
        sampler=draw(st.sampled_from(("native", "flashinfer"))),
        shared_prefix=draw(st.sampled_from((0, 512))),
        adapters=draw(st.sampled_from((0, 4))),
        adapter_rank=draw(st.sampled_from((16, 24, 64))),
        draft_model=draw(st.sampled_from(("", "", "", "Qwen/Qwen3-0.6B"))),
        draft_tokens=draw(st.sampled_from((5, 5, 2, 8))),
        offloaded_weights=draw(st.sampled_from((0, 2**30, 10**9))),
        offloaded_cache=draw(st.sampled_from((0, 3 * 2**30))),
    )


TRAINED: dict[str, Any] = {
    "checkpointed_layers": 0, "checkpointing": "none", "context_parallel": 1, "data_parallel": 1, "expert_parallel": 1,
    "gpu": "h100_sxm", "gpus": 1, "market": "on_demand", "method": "full", "micro_batch": 1,
    "offer": "verda/FIN-02/1H100.80S.32V", "offload": "none", "optimizer": "adamw", "pipeline_parallel": 1,
    "precision": "bf16_mixed", "provider": "verda", "region": "FIN-02", "shard_replicas": 1, "tensor_parallel": 1,
    "zero": 0,
}  # fmt: skip
RUN: dict[str, Any] = {
    "attention": "sdpa", "framework": "transformers", "frozen": "", "fsdp_version": 1, "global_batch": 16,
    "gradient_precision": "bf16", "layers": 32, "loss": "standard", "loss_precision": "fp32",
    "lora_dropout": 0, "lora_precision": "fp32", "lora_rank": 16, "lora_targets": "all_linear",
    "model": "meta-llama/Llama-3.1-8B", "native_format": "bf16", "offload_activations": False,
    "optimizer_kernel": "fused", "overlap_comm": False,
    "packing": False, "preference": "none", "reduce_bucket_size": 500_000_000, "schedule": "one_f_one_b",
    "selective": "products", "sync_each_batch": False, "sequence": 8192, "stage3_max_live_parameters": 10**9,
    "stage3_max_reuse_distance": 10**9, "stage3_prefetch_bucket_size": 50_000_000, "sub_group_size": 10**9,
    "tokens": 100_000_000, "use_dora": False,
}  # fmt: skip


def _gradients(choice: dict[str, Any], given: dict[str, Any]) -> str:
    who = given["framework"]
    if who in ("transformers", "trl", "axolotl", "llama_factory"):
        who = "accelerate" if choice["zero"] and choice["data_parallel"] > 1 else "transformers"
    who = "fsdp" if who == "torchtitan" else who
    kept = given["lora_precision"]
    return gradient_format(StateChoice(choice["method"], choice["precision"], framework=who, adapter_precision=kept))


def trained(name: str = "tune", instances: int = 1, **more: Any) -> LockedWorkload:
    """Return a plain training with other values of what it chose or is given."""
    choice = TRAINED | {key: value for key, value in more.items() if key in TRAINED}
    given = RUN | {key: value for key, value in more.items() if key in RUN}
    if "gradient_precision" not in more:  # what the lock has where the plan says nothing
        given["gradient_precision"] = _gradients(choice, given)
    lock = "5eed" * 16
    return LockedWorkload(
        "tune.mem", name, "training", choice, given, instances, lock, "0.2.0", "bf16", "instance", 8, "nvidia"
    )


@st.composite
def trainings(draw: st.DrawFn, framework: str) -> LockedWorkload:
    """Return a training of any settings, also of those that a target has no words for."""
    data, micro, pipeline = (draw(st.sampled_from((1, 2, 4))) for _ in range(3))
    pipeline = draw(st.sampled_from((1, 1, pipeline)))
    formats: tuple[dict[str, Any], ...] = ({}, {}, {"gradient_precision": "bf16"}, {"gradient_precision": "fp32"})
    precision = draw(st.sampled_from(formats))
    return trained(
        data_parallel=data,
        micro_batch=micro,
        pipeline_parallel=pipeline,
        gpus=data * pipeline,
        global_batch=data * micro * draw(st.integers(1, 8)),
        framework=framework,
        checkpointing=(checkpointing := draw(st.sampled_from(("none", "selective", "full")))),
        checkpointed_layers=draw(st.sampled_from((32, 26))) if checkpointing == "full" else 0,
        context_parallel=draw(st.sampled_from((1, 1, 1, 2))),
        method=draw(st.sampled_from(("full", "full", "lora", "qlora"))),
        offload=draw(st.sampled_from(("none", "none", "optimizer", "parameters"))),
        optimizer=draw(st.sampled_from(("adamw", "adamw", "adam", "adamw_8bit", "muon", "sgd"))),
        precision=draw(st.sampled_from(("fp32", "bf16", "bf16_mixed", "fp16_mixed", "fp8_mixed"))),
        shard_replicas=draw(st.sampled_from((1, 1, 1, 2))),
        zero=draw(st.integers(0, 3)),
        fsdp_version=draw(st.integers(1, 2)),
        sync_each_batch=draw(st.booleans()),
        loss=draw(st.sampled_from(("standard", "fused", "chunked"))),
        optimizer_kernel=draw(st.sampled_from(("fused", "foreach", "for_loop"))),
        sequence=draw(st.integers(1, 2**20)),
        tokens=draw(st.sampled_from((0, 1, 10**8, 10**12))),
        selective=draw(st.sampled_from(("attention", "products"))),
        **precision,
    )
