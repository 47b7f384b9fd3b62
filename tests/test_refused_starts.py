"""What engines refuse to start with, beside memory: rows of refusals in their own code, and what they take instead."""

from __future__ import annotations

import pytest

import planner

DENSE, MIXTURE, GLM = "Qwen/Qwen3-8B", "Qwen/Qwen3-30B-A3B", "zai-org/GLM-4.1V-9B-Thinking"
DRAFTED, NANO = 'draft_model = "Qwen/Qwen3-0.6B"', "nvidia/NVIDIA-Nemotron-3-Nano-30B-A3B-BF16"
SPREAD = "tensor_parallel = 2; expert_parallel = 2; attention_parallel = data"


@pytest.mark.parametrize(
    ("model", "refused", "rule", "taken"),
    [
        # vllm/config/lora.py (0.32.0) MaxLoRARanks
        (DENSE, "adapters = 2; adapter_rank = 12", "adapter_rank", "adapters = 2; adapter_rank = 16"),
        (DENSE, "adapters = 2; adapter_rank = 1024", "adapter_rank", "adapters = 2; adapter_rank = 512"),
        (DENSE, "adapters = 1; adapter_rank = 1024", "adapter_rank", "adapter_rank = 1024"),
        # vllm/config.py (0.7.3) possible_max_ranks; a model of that time
        (
            "Qwen/Qwen2.5-7B",
            'adapters = 2; adapter_rank = 512; engine_version = "0.7.3"',
            "adapter_rank",
            'adapters = 2; adapter_rank = 512; engine_version = "0.8.5"',
        ),
        # vllm/lora/layers/fused_moe.py (0.11.2 to 0.20.0): no whole experts on ranks
        (
            MIXTURE,
            'adapters = 2; tensor_parallel = 4; expert_parallel = 4; engine_version = "0.20.0"',
            "adapters",
            'adapters = 2; tensor_parallel = 4; expert_parallel = 1; engine_version = "0.20.0"',
        ),
        # vllm/config/scheduler.py (0.32.0) verify_max_model_len
        (DENSE, "max_batched_tokens = 256; max_sequences = 512", "max_batched_tokens", "max_batched_tokens = 256"),
        # vllm/spec_decode/spec_decode_worker.py (0.9.0) create_spec_worker
        (
            "meta-llama/Llama-3.1-8B",
            'draft_model = "meta-llama/Llama-3.2-1B"; pipeline_parallel = 2; engine_version = "0.9.0"',
            "draft_model",
            'draft_model = "meta-llama/Llama-3.2-1B"; engine_version = "0.9.0"',
        ),
        # vllm/engine/arg_utils.py (0.10.0): draft models alone are refused
        (
            "meta-llama/Llama-3.1-8B",
            'draft_model = "meta-llama/Llama-3.2-1B"; engine_version = "0.10.0"',
            "draft_model",
            'engine_version = "0.10.0"',
        ),
        # vllm/config/speculative.py (0.32.0) verify_with_parallel_config of the draft: 14 heads
        (
            "Qwen/Qwen2.5-3B",
            'draft_model = "Qwen/Qwen2.5-0.5B"; tensor_parallel = 4',
            "tensor_parallel",
            'draft_model = "Qwen/Qwen2.5-0.5B"; tensor_parallel = 2',
        ),
        # docs.vllm.ai, serving/expert_parallel_deployment: over all ranks; llama.cpp has no option
        (
            MIXTURE,
            "tensor_parallel = 4; expert_parallel = 2",
            "expert_parallel",
            "tensor_parallel = 4; expert_parallel = 2; engine = sglang",
        ),
        (
            MIXTURE,
            "gpus = 4; expert_parallel = 4; engine = llama_cpp",
            "expert_parallel",
            "gpus = 4; engine = llama_cpp",
        ),
        # vllm/model_executor/layers/vocab_parallel_embedding.py: 32064 has no fifth; linear.py: 8192 no 24th
        (
            "microsoft/Phi-3-medium-4k-instruct",
            "tensor_parallel = 5",
            "tensor_parallel",
            "tensor_parallel = 5; engine = sglang",
        ),
        ("meta-llama/Llama-3.2-3B", "tensor_parallel = 24; engine = sglang", "tensor_parallel", "tensor_parallel = 8"),
        # vllm/model_executor/models/glm4_1v.py Glm4vVisionAttention: 12 heads
        (GLM, "tensor_parallel = 8", "tensor_parallel", "tensor_parallel = 8; images = false"),
        # vllm/distributed/kv_transfer/kv_connector/v1/offloading_connector.py, in 0.11.0
        (
            DENSE,
            'offloaded_cache = 8 GiB; engine_version = "0.10.2"',
            "offloaded_cache",
            'offloaded_cache = 8 GiB; engine_version = "0.11.0"',
        ),
        # there: SupportsHMA in 0.21.0
        (
            "openai/gpt-oss-20b",
            'offloaded_cache = 8 GiB; engine_version = "0.20.0"',
            "offloaded_cache",
            'offloaded_cache = 8 GiB; engine_version = "0.21.0"',
        ),
        # vllm/config.py (0.8.0) LoRAConfig.verify_with_cache_config
        (
            "Qwen/Qwen2.5-7B",
            'adapters = 2; offloaded_weights = 4 GiB; engine_version = "0.8.0"',
            "offloaded_weights",
            'adapters = 2; offloaded_weights = 4 GiB; engine_version = "0.8.3"',
        ),
        # vllm/platforms/rocm.py supported_quantization
        (
            "Qwen/Qwen2.5-7B",
            'gpu = mi300x; weights = nvfp4; engine_version = "0.10.1"',
            "weights",
            'gpu = mi300x; weights = nvfp4; engine_version = "0.10.2"',
        ),
        # vllm/model_executor/layers/fused_moe/deepep_ll_prepare_finalize.py SUPPORTED_HIDDEN_SIZES: 2688 here
        (NANO, f"{SPREAD}; all_to_all = deepep_low_latency", "all_to_all", SPREAD),
        (
            NANO,
            f"{SPREAD}; all_to_all = deepep_low_latency; engine = sglang",
            "all_to_all",
            f"{SPREAD}; engine = sglang",
        ),
        # sglang/srt/arg_groups/validation_hook.py and lora_hook.py (0.5.23)
        (DENSE, f"{DRAFTED}; pipeline_parallel = 2; engine = sglang", "draft_model", f"{DRAFTED}; engine = sglang"),
        (DENSE, f"{DRAFTED}; adapters = 2; engine = sglang", "draft_model", "adapters = 2; engine = sglang"),
        # vllm/model_executor/layers/mamba/mamba_mixer2.py: "must divide num_groups, or num_groups must equal 1", 8 here
        ("nvidia/Nemotron-H-8B-Base-8K", "tensor_parallel = 16", "tensor_parallel", "tensor_parallel = 8"),
        # sgl-project/sglang#5871
        (
            "Qwen/Qwen3-30B-A3B-FP8",
            "gpu = a100_sxm_80gb; engine = sglang",
            "weights",
            "gpu = a100_sxm_80gb; engine = vllm",
        ),
        # huggingface/transformers#48307
        (
            MIXTURE,
            "tensor_parallel = 8; engine = transformers",
            "tensor_parallel",
            "tensor_parallel = 4; engine = transformers",
        ),
        # NVIDIA/TensorRT-LLM#9009
        (
            DENSE,
            f"{DRAFTED}; pipeline_parallel = 2; engine = tensorrt_llm",
            "draft_model",
            f"{DRAFTED}; engine = tensorrt_llm",
        ),
        # NVIDIA/Model-Optimizer#763
        (DENSE, "kv_cache = int8; engine = tensorrt_llm", "kv_cache", "kv_cache = fp8_e4m3; engine = tensorrt_llm"),
        # ggml-org/llama.cpp#28455 and #4425
        (DENSE, "kv_cache = q5_1; engine = llama_cpp", "kv_cache", "kv_cache = q8_0; engine = llama_cpp"),
        ("microsoft/phi-2", "kv_cache = q8_0; engine = llama_cpp", "kv_cache", "engine = llama_cpp"),
    ],
)
def test_what_an_engine_does_not_start_with_does_not_fit(model: str, refused: str, rule: str, taken: str) -> None:
    base = f'model = "{model}"; context = 1Ki tokens; concurrency = 4' + (
        "" if "gpu =" in taken else "; gpu = h100_sxm"
    )
    answer = planner.solve(text=f"edition 2026\ninference a {{ {base}; {refused} }}").answer
    assert f"a.{rule}" in {item.rule for item in answer.conflict}
    assert planner.solve(text=f"edition 2026\ninference a {{ {base}; {taken} }}").fits


def test_a_rank_of_adapters_is_mended_by_the_next_that_the_engine_has() -> None:
    model = f'model = "{DENSE}"; context = 1Ki tokens; concurrency = 1; gpu = l40s'
    plan = f"edition 2026\ninference a {{{{ {model}; {{}} }}}}"
    (conflict,) = planner.solve(text=plan.format("adapters = 1; adapter_rank = 100")).answer.conflict
    assert [(hint.quantity, hint.value) for hint in conflict.hints] == [("adapter_rank", 128)]
    (conflict,) = planner.solve(text=plan.format("max_batched_tokens = 64; max_sequences = 100")).answer.conflict
    assert [(hint.quantity, hint.value) for hint in conflict.hints] == [("max_batched_tokens", 100)]


@pytest.mark.parametrize(
    ("model", "engine", "before", "since"),
    [
        ("Qwen/Qwen3-8B", "vllm", "0.8.3", "0.8.4"),
        ("openai/gpt-oss-20b", "vllm", "0.10.0", "0.10.1"),
        ("google/gemma-3-12b-it", "vllm", "0.7.3", "0.8.0"),
        ("Qwen/Qwen3-30B-A3B", "sglang", "0.4.5", "0.4.6"),
    ],
)
def test_a_release_before_the_first_that_has_the_class_is_refused(
    model: str, engine: str, before: str, since: str
) -> None:
    """vllm/model_executor/models/registry.py and sglang/srt/models of both releases."""
    plan = f'model = "{model}"; context = 1Ki tokens; concurrency = 1; gpu = h200_sxm; engine = {engine}'
    plan = f'edition 2026\ninference a {{{{ {plan}; engine_version = "{{}}" }}}}'
    conflict = planner.solve(text=plan.format(before)).answer.conflict
    assert "a.engine_version" in {item.rule for item in conflict}
    assert planner.solve(text=plan.format(since)).fits
