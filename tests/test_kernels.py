"""What an engine's builds and kernels do not run on a GPU is refused in words, and its neighbours that run are not."""

from __future__ import annotations

from pathlib import Path

import pytest
from test_support import SERVED, broken

import planner
from planner.plan import load_plan

LLAMA = f'model = "meta-llama/Llama-3.2-3B"; {SERVED}; gpus = 1; '
OSS = f'model = "openai/gpt-oss-20b"; {SERVED}; gpus = 1; '
GEMMA = f'model = "google/gemma-3-27b-it"; {SERVED}; gpus = 1; '
PHI = f'model = "microsoft/Phi-3-mini-4k-instruct"; {SERVED}; gpus = 1; '
MIMO = f'model = "XiaomiMiMo/MiMo-V2-Flash"; {SERVED}; gpus = 8; '
BNB = f'model = "unsloth/Llama-3.3-70B-Instruct-bnb-4bit"; {SERVED}; gpus = 2; '
STEP = 'model = "meta-llama/Llama-3.2-1B"; sequence = 1Ki tokens; global_batch = 8; gpus = 1; precision = fp16_mixed; '
A100, H100 = "gpu = a100_sxm_80gb; ", "gpu = h100_sxm; "
WIDE = "hardware for an fp8 cache of heads that are not 64, 128, 256 or 512 wide"
UNKNOWN = "(none is known to run)"
SINKS = "hardware for an fp8 cache beside attention sinks"
IMAGES = "hardware for an fp8 cache where text attends to whole images"
TORCH = "hardware for PyTorch on an Arm host, whose builds begin at 8.0"
NVFP4 = "hardware for nvfp4 weights in vLLM"
PLUGIN = "an engine with bitsandbytes weights since 0.28 without a plugin"
SPLIT = "an engine with tensor parallelism of a checkpoint in bitsandbytes"


@pytest.mark.parametrize(
    ("text", "rule", "needs"),
    [
        (LLAMA + "gpu = v100_sxm", "gpu", "hardware for vLLM 0.20 or later"),
        (LLAMA + 'gpu = v100_sxm; engine_version = "0.20.0"', "gpu", "hardware for vLLM 0.20 or later"),
        (LLAMA + "gpu = t4; engine = sglang", "gpu", "an engine that runs on t4"),
        (LLAMA + "gpu = v100_sxm; engine = sglang", "gpu", "an engine that runs on v100_sxm"),
        (LLAMA + "gpu = t4g", "gpu", "hardware for vLLM on an Arm host, whose builds begin at 8.0"),
        (
            LLAMA + "gpu = t4g; engine = transformers",
            "gpu",
            "hardware for PyTorch on an Arm host, whose builds begin at 8.0",
        ),
        (OSS.replace("gpus = 1", "gpus = 4") + "gpu = t4", "weights", "hardware for mxfp4 weights in vLLM"),
        (
            LLAMA + 'gpu = t4; weights = nvfp4; engine_version = "0.14.0"',
            "weights",
            "hardware for nvfp4 weights in vLLM",
        ),
        (
            LLAMA + 'gpu = t4; weights = int4_zp_g128; engine_version = "0.11.0"',
            "weights",
            "hardware for packed 4-bit weights in vLLM",
        ),
        (LLAMA + "gpu = l40s; weights = nf4", "weights", PLUGIN),
        (LLAMA + "gpu = l40s; weights = nf4_dq", "weights", PLUGIN),
        (BNB + A100 + 'engine_version = "0.27.0"', "tensor_parallel", SPLIT),
        (BNB + A100 + "engine = sglang", "tensor_parallel", SPLIT),
        (LLAMA + A100 + "weights = int4_2of4", "weights", "an engine with 2-of-4 sparse weights since 0.15"),
        (
            f'model = "Qwen/Qwen3-30B-A3B"; {SERVED}; gpus = 1; {A100}weights = int4_2of4; engine_version = "0.14.0"',
            "weights",
            "an engine with 2-of-4 sparse experts",
        ),
        (OSS + A100 + "kv_cache = fp8", "kv_cache", SINKS),
        (OSS + A100 + "kv_cache = fp8_e5m2", "kv_cache", SINKS),
        (
            OSS + A100 + "kv_cache = fp8; engine = sglang",
            "kv_cache",
            "hardware for an fp8_e4m3 cache beside attention sinks (none is known to run)",
        ),
        (
            f'model = "deepseek-ai/DeepSeek-V2-Lite"; {SERVED}; gpus = 1; {A100}kv_cache = fp8; engine = sglang',
            "kv_cache",
            "hardware for a latent cache in fp8_e4m3 (none is known to run)",
        ),
        (PHI + A100 + "kv_cache = fp8; engine = sglang", "kv_cache", f"{WIDE.replace('fp8', 'fp8_e4m3')} {UNKNOWN}"),
        (
            'model = "google/gemma-4-31B-it"; ' + SERVED + f"; gpus = 1; {A100}kv_cache = fp8; engine = sglang",
            "kv_cache",
            f"hardware for an fp8_e4m3 cache of this model {UNKNOWN}",
        ),
        (GEMMA + A100 + "kv_cache = fp8", "kv_cache", IMAGES),
        (GEMMA + A100 + 'kv_cache = fp8; images = false; engine_version = "0.25.1"', "kv_cache", IMAGES),
        (PHI + "gpu = a40; kv_cache = fp8", "kv_cache", WIDE),
        (MIMO + A100 + "kv_cache = fp8; weights = int4", "kv_cache", WIDE),
        (
            OSS + H100 + "kv_cache = nvfp4",
            "kv_cache",
            "hardware for an nvfp4 cache of heads that are not 128, 256 or 512 wide",
        ),
        (
            PHI + H100 + "kv_cache = nvfp4",
            "kv_cache",
            "an engine with an nvfp4 cache of heads that are not 64, 128, 256 or 512 wide",
        ),
        (LLAMA + "gpu = t4; kv_cache = fp8_e5m2", "kv_cache", "hardware for a cache in fp8_e5m2"),
    ],
)
def test_what_no_kernel_runs_is_refused(tmp_path: Path, text: str, rule: str, needs: str) -> None:
    assert broken(tmp_path, "inference", text) == {rule: needs}


@pytest.mark.parametrize(
    "text",
    [
        LLAMA + 'gpu = v100_sxm; engine_version = "0.19.1"',
        LLAMA + "gpu = v100_sxm; engine = llama_cpp; weights = q4_k_m",
        LLAMA + "gpu = t4",
        LLAMA + "gpu = t4; weights = fp16",
        LLAMA + "gpu = t4; weights = awq",
        LLAMA + "gpu = t4; weights = nvfp4",
        LLAMA + "gpu = t4; weights = int4_zp_g128",
        LLAMA + "gpu = t4; engine = llama_cpp; weights = q4_k_m",
        LLAMA + "gpu = t4g; engine = llama_cpp; weights = q4_k_m",
        LLAMA + "gpu = t4; engine = transformers",
        f'model = "meta-llama/Llama-3.1-8B"; {SERVED}; gpus = 1; gpu = gh200_96gb',
        LLAMA + 'gpu = l40s; weights = nf4; engine_version = "0.27.0"',
        BNB.replace("gpus = 2", "gpus = 2; tensor_parallel = 1; pipeline_parallel = 2") + A100 + "engine = sglang",
        LLAMA + A100 + 'weights = int4_2of4; engine_version = "0.14.0"',
        OSS + A100,
        OSS + "gpu = l40s; kv_cache = fp8",
        OSS + H100 + "kv_cache = fp8",
        GEMMA + H100 + "kv_cache = fp8",
        GEMMA + A100 + "kv_cache = fp8; images = false",
        PHI + "gpu = l4; kv_cache = fp8",
        LLAMA + A100 + "kv_cache = fp8; engine = sglang",
        f'model = "deepseek-ai/DeepSeek-V2-Lite"; {SERVED}; gpus = 1; {H100}kv_cache = fp8; engine = sglang',
        LLAMA + "gpu = a40; kv_cache = fp8",
        LLAMA + H100 + "kv_cache = nvfp4",
    ],
)
def test_what_some_kernel_runs_is_not_refused(tmp_path: Path, text: str) -> None:
    assert broken(tmp_path, "inference", text) == {}


def test_gpt_oss_runs_on_gb10_in_16_bits() -> None:
    """Marlin unpacks MXFP4 there: 33 to 34 tokens a second (NVIDIA/dgx-spark-playbooks#79)."""
    plan = f"edition 2026\noffer ours {{ gpu = gb10; gpus = 1; price = $1/h }}\ninference w {{ {OSS}gpu = gb10 }}\n"
    chosen = planner.solve(planner.load("plan.mem", text=plan))["w"].chosen
    assert chosen is not None and chosen.choice["activations"] == "bf16"


@pytest.mark.parametrize(("gpu", "found"), [("t4", {}), ("t4g", {"gpu": TORCH})])
def test_a_training_runs_on_no_arm_host_below_8(tmp_path: Path, gpu: str, found: dict[str, str]) -> None:
    assert broken(tmp_path, "training", f"{STEP}gpu = {gpu}") == found


@pytest.mark.parametrize(("gpu", "help"), [("= t4", "choose a GPU with bf16"), ("in {t4, l4}", "weights = bf16")])
def test_fp16_is_warned_of_with_a_way_out_that_is_one(gpu: str, help: str) -> None:
    loaded = load_plan("plan.mem", text=f"edition 2026\ninference w {{ {LLAMA}gpu {gpu}; weights = fp16 }}\n")
    (finding,) = [item for item in loaded.findings if item.code == "W0601"]
    assert finding.help is not None and finding.help.startswith(help)


def test_a_plan_says_that_its_own_hosts_are_arm() -> None:
    plan = """edition 2026
gpu ours like t4 { cpu = "arm" }
offer rack { gpu = ours; gpus = 1; price = $1/h }
inference w { model = "meta-llama/Llama-3.2-3B"; context = 4Ki tokens; concurrency = 1; gpus = 1; gpu WHICH }
"""
    own = planner.solve(planner.load("plan.mem", text=plan.replace("WHICH", "= ours")))
    assert not own.fits and "on an Arm host" in own.render("table")
    any_arm = planner.solve(planner.load("plan.mem", text=plan.replace("WHICH", 'in any where cpu == "arm"')))[
        "w"
    ].chosen
    assert any_arm is not None and any_arm.gpu.startswith("g")
