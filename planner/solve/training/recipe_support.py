"""What frameworks and hardware support of training."""

from __future__ import annotations

from planner.catalog.catalog import Catalog
from planner.catalog.programs.frameworks import TrainerLack
from planner.catalog.records import Gpu, Model
from planner.language.schema import COMPUTED
from planner.solve.needs import Need, need
from planner.solve.parallelism import experts_of
from planner.solve.training.workload import TrainingWorkload, targets

SIXTEEN = ("bf16", "fp16", "fp32", "")
"""What a model is published in that is trained. transformers does not quantize to 4 bits what is quantized already
(quantizers/auto.py, merge_quantization_configs, 5.20: FP8 and MXFP4 beside bitsandbytes are a ValueError), and its FP8
and MXFP4 weights take no gradients (quantizer_finegrained_fp8.py, quantizer_mxfp4.py: is_trainable is False); what it
holds of weights that are dequantized as they load is not modelled."""

PLAIN_EXPERTS = frozenset(
    [
        "llama4",
        "qwen2_moe",
        "qwen3_5_moe",
        "qwen3_5_moe_text",
        "qwen3_vl_moe",
        "phimoe",
        "deepseek_v4",
        "gpt_oss",
        "dbrx",
        "jamba",
        "nemotron_h",
        "granitemoe",
        "granitemoehybrid",
        "mimo_v2_flash",
        "gemma4",
        "kimi_k25",
        "minimax_m3_vl",
        "mistral3",
        "laguna",
        "hy_v3",
        "step3p5",
        "step3p7",
        "lfm2_moe",
    ]
)
"""Model types of transformers (5.24) whose routed experts peft (0.21) leaves alone, as the parameters that they are.

Of the others it adapts every expert, by `all-linear` too, and makes their weights anew in each pass
(utils/transformers_weight_conversion.py, `_MOE_TARGET_MODULE_MAPPING`); code that is not in transformers has a linear
layer for each. Megatron Bridge adapts `linear_fc1` and `linear_fc2` of experts by default (docs/training/peft.md)."""
ATTENTION = frozenset({"q_proj", "k_proj", "v_proj", "o_proj"})


def adapts_experts(run: TrainingWorkload) -> bool:
    """Return whether adapters stand at routed experts, which is not modelled."""
    arch, wanted = run.model.architecture, targets(run)
    if arch is None or not experts_of(run.model) or wanted == "attention":
        return False
    if not isinstance(wanted, str) and ATTENTION.issuperset(wanted):
        return False
    return run.framework.trainer == "megatron" or arch.family not in PLAIN_EXPERTS


def refusal(run: TrainingWorkload, gpu: Gpu, method: str, precision: str) -> tuple[str, Need, str] | None:
    """Return what keeps a recipe from running on a GPU, None where nothing does: the quantity of the plan that is
    refused, what is needed, and who has it not."""
    framework, kernel = run.framework, str(run.workload.given["attention"])
    native = run.model.native_format
    loads_its_own = framework.trainer == "megatron" or (framework.trainer == "fsdp" and method not in ("lora", "qlora"))
    if native not in SIXTEEN and not loads_its_own:
        return "method", need("trains_published", method, native), framework.id
    dora = run.workload.given["use_dora"] is True and method in ("lora", "qlora")
    counted = method == "lora" and framework.trainer == "transformers" and precision not in ("fp8_mixed", "int8")
    if dora and not counted:
        return "method", need("trains_dora", method, precision), framework.id
    if method in ("lora", "qlora") and adapts_experts(run):
        return "method", need("trains_experts", method), framework.id
    arch = run.model.architecture
    family = arch.family if arch is not None else ""
    met = [row for row in framework.lacks if _meets(row, gpu, family, method, precision, kernel)]
    for row in met:
        if not row.of_hardware:
            return row.decision, need("trains", row.what), framework.id
    if gpu.vendor not in framework.vendors:
        return "gpu", need("framework_runs_on", gpu.vendor), framework.id
    for row in met:
        return row.decision, need("hardware", row.what), gpu.id
    return None if computes(run, gpu, precision) else ("precision", need("hardware", precision), gpu.id)


def with_checkpoint(needs: Need, model: Model, catalog: Catalog) -> Need:
    """Return what a recipe needs with the checkpoint of its model that is published in 16 bits, where that is needed
    and the catalog has one."""
    if needs.kind != "trains_published":
        return needs
    rows = sorted(
        (row.native_format, row.id)
        for row in catalog.checkpoints.values()
        if row.of == (model.of or model.id) and row.native_format in ("bf16", "fp16")
    )
    return need("trains_published", *needs.of, *rows[0]) if rows else needs


def _meets(row: TrainerLack, gpu: Gpu, family: str, method: str, precision: str, kernel: str) -> bool:
    """Return whether a recipe on a GPU is what a framework lacks; a capability that is not stated is taken to do."""
    asked = (
        (row.methods, method),
        (row.precisions, precision),
        (row.attention, kernel),
        (row.vendors, gpu.vendor),
        (row.families, family),
    )
    if any(names and name not in names for names, name in asked) or (row.cpus and gpu.cpu not in row.cpus):
        return False
    capability = gpu.compute_capability
    if row.below and (capability is None or _version(capability) >= _version(row.below)):
        return False
    return not row.runs_on or (capability is not None and capability not in row.runs_on)


def _version(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split(".") if part.isdigit())


def computes(run: TrainingWorkload, gpu: Gpu, precision: str) -> int:
    """Return the dense peak of what a recipe computes in, 0 where the GPU has none or the framework does not run on
    it."""
    return (gpu.flops.get(COMPUTED[precision]) or 0) if gpu.vendor in run.framework.vendors else 0
