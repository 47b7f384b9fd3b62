"""Answers as an exporter reads them, for tests: a plain one, and any that a plan could have."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from planner.export.said import Said

CHOICE: dict[str, Any] = {
    "activations": "bf16", "expert_parallel": 1, "gpu": "a40", "gpus": 1, "kv_cache": "fp8_e4m3", "market": "on_demand",
    "nodes": 1, "offer": "runpod/secure/1x_A40_SECURE", "pipeline_parallel": 1, "provider": "runpod",
    "quantization": "ptq", "region": "secure", "replicas": 1, "tensor_parallel": 1, "weights": "bf16",
}  # fmt: skip
GIVEN: dict[str, Any] = {
    "adapter_rank": 16, "adapters": 0, "all_to_all": "gather", "attention_parallel": "tensor", "concurrency": 32,
    "confidence": 0.95, "context": 8192, "cuda_graphs": True, "draft_model": "", "engine": "vllm",
    "engine_version": "0.32", "gpu_memory_utilization": 0.92, "images": True, "max_batched_tokens": 2048,
    "max_sequences": 256, "model": "meta-llama/Llama-3.1-8B-Instruct", "native_format": "bf16", "offloaded_cache": 0,
    "offloaded_weights": 0, "prompt": 8192, "sampler": "native", "shared_prefix": 0, "vision_tokens": 0,
}  # fmt: skip
OFFERS = (
    ("runpod", "secure", "1x_A40_SECURE", "gpu", 1),
    ("aws", "us-east-1", "g6e.48xlarge", "instance", 8),
    ("own", "own", "our rack; rm -rf $HOME", "instance", 4),
)


def said(name: str = "chat", instances: int = 1, sold_by: str = "gpu", offered: int = 1, **more: Any) -> Said:
    """Return a plain inference with other values of what it chose or is given."""
    choice = CHOICE | {key: value for key, value in more.items() if key in CHOICE}
    given = GIVEN | {key: value for key, value in more.items() if key in GIVEN}
    vendor, native = more.get("vendor", "nvidia"), given["native_format"]
    lock = "5eed" * 16
    return Said(
        "chat.mem", name, "inference", choice, given, instances, lock, "0.1.0", native, sold_by, offered, vendor
    )


@st.composite
def answers(draw: st.DrawFn, engine: str = "vllm", versions: tuple[str, ...] = ("0.32",)) -> Said:
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
        offloaded_weights=draw(st.sampled_from((0, 2**30, 10**9))),
        offloaded_cache=draw(st.sampled_from((0, 3 * 2**30))),
    )
