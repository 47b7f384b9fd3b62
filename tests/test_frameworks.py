"""Training frameworks are rows of a catalog: one that runs on another is answered as that one."""

from __future__ import annotations

from pathlib import Path

import pytest

import planner
from planner.catalog.load import load
from planner.catalog.programs.frameworks import Framework, build_framework, resolved
from planner.export.forms import FORMS
from planner.language.problem import Problem
from planner.language.schema import BY_KIND
from planner.physics.training.overheads import RESERVED
from planner.plan import load_plan
from planner.report.phrases import in_words
from planner.solve import estimate, solve
from planner.solve.answer import Answer
from planner.solve.needs import Need
from planner.wording import need_text

CATALOG = load()[0]
FRAMEWORKS = CATALOG.frameworks
OWN = [row.id for row in FRAMEWORKS.values() if row.vendors]
BUILT = [row.id for row in FRAMEWORKS.values() if row.runs_on]
PLAN = """edition 2026
offer node {{ provider = here; gpu = {gpu}; gpus = 8; price = $16/h }}
training t {{
  model = "Qwen/Qwen2.5-0.5B"; sequence = 1Ki tokens; offer = node; gpus = 8; micro_batch = 4; {more}
}}
"""


def read(more: str, gpu: str = "h100_sxm") -> Problem:
    """Return a training with more lines."""
    found = load_plan("t.mem", text=PLAN.format(more=more, gpu=gpu))
    assert found.problem is not None, found.findings
    return found.problem


def answered(more: str, gpu: str = "h100_sxm") -> Answer:
    return solve(read(more, gpu), CATALOG)


def test_each_trainer_has_its_physics() -> None:
    assert {*OWN, "accelerate"} == set(RESERVED)
    assert all(FRAMEWORKS[FRAMEWORKS[name].runs_on].vendors for name in BUILT)
    assert all(FRAMEWORKS[row.instead].vendors for row in FRAMEWORKS.values() if row.unmodelled)


@pytest.mark.parametrize("name", BUILT)
@pytest.mark.parametrize("more", ["method = full", "method = lora; lora_rank = 16"])
def test_what_runs_on_another_is_answered_as_that_one(name: str, more: str) -> None:
    mine, base = (answered(f"framework = {each}; {more}") for each in (name, FRAMEWORKS[name].runs_on))
    assert mine.outcome == base.outcome == "optimal"
    (one,), (other,) = mine.workloads, base.workloads
    assert one.chosen.choice == other.chosen.choice
    assert (one.chosen.parts, one.chosen.outcomes) == (other.chosen.parts, other.chosen.outcomes)


def test_what_a_framework_sets_is_its_default() -> None:
    assert read("method = lora; framework = llama_factory").workloads[0].given["lora_rank"] == 8
    assert read("method = lora; framework = llama_factory; lora_rank = 32").workloads[0].given["lora_rank"] == 32
    assert read("method = lora").workloads[0].given["lora_rank"] == 16
    ranked, usual = (answered(f"method = lora; framework = {name}") for name in ("llama_factory", "transformers"))
    assert ranked.workloads[0].chosen.total < usual.workloads[0].chosen.total


@pytest.mark.parametrize("row", FRAMEWORKS.values(), ids=lambda row: row.id)
def test_a_row_says_what_plans_can_say(row: Framework) -> None:
    for name, value in row.sets.items():
        quantity = BY_KIND["training"][name]
        assert quantity.role == "given"
        assert value in quantity.words or (quantity.low or 0) <= value <= (quantity.high or 0)
    words = BY_KIND["training"]["selective"].words
    assert {*row.selectives, row.selective} <= set(words)
    for lack in row.lacks:
        for name, stated in (("method", lack.methods), ("precision", lack.precisions), ("attention", lack.attention)):
            assert set(stated) <= set(BY_KIND["training"][name].words)


@pytest.mark.parametrize(
    ("more", "gpu", "rule", "needs", "who"),
    [
        ("framework = megatron; method = qlora", "h100_sxm", "method", "a framework that trains qlora", "megatron"),
        ("framework = megatron_bridge; method = qlora", "h100_sxm", "method", "trains qlora", "megatron_bridge"),
        ("framework = trl; method = qlora", "h100_sxm", "method", "embedding and head in fp32", "trl"),
        ("framework = axolotl; precision = bf16", "h100_sxm", "precision", "embedding in fp32", "axolotl"),
        (
            "framework = trl; attention = flash",
            "t4",
            "attention",
            "support flash attention",
            "t4",
        ),
        (
            "framework = torchtitan; attention = flash",
            "rx_7900_xtx",
            "attention",
            "support flash attention",
            "rx_7900_xtx",
        ),
    ],
)
def test_what_a_framework_lacks_is_refused(more: str, gpu: str, rule: str, needs: str, who: str) -> None:
    found = answered(more, gpu)
    assert found.outcome == "infeasible"
    (conflict,) = [item for item in found.conflict if item.rule == f"t.{rule}"]
    text = str(in_words(conflict.has))
    assert needs in text and who in text


@pytest.mark.parametrize("name", [row.id for row in FRAMEWORKS.values() if row.unmodelled])
def test_what_is_not_modelled_is_refused_with_the_nearest(name: str) -> None:
    found = load_plan("t.mem", text=PLAN.format(more=f"framework = {name}", gpu="h100_sxm"))
    (finding,) = [item for item in found.findings if item.is_error]
    assert found.problem is None and finding.code == "E0301" and finding.help is not None
    assert FRAMEWORKS[name].unmodelled in finding.help and f"framework = {FRAMEWORKS[name].instead}" in finding.help


def test_plans_of_inference_read_no_frameworks() -> None:
    catalog = load()[0]
    assert "frameworks" not in vars(catalog)
    plan = 'edition 2026\ninference a { model = "Qwen/Qwen3-8B"; context = 4Ki tokens; concurrency = 4; gpu = l40s }\n'
    found = load_plan("a.mem", shipped=(catalog, ()), text=plan).problem
    assert found is not None and solve(found, catalog).outcome == "optimal"
    assert "frameworks" not in vars(catalog)


ROW = {"id": "mine", "name": "Mine", "source": "here"}


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({}, "why it is `unmodelled`"),
        ({"vendors": ["nvidia"], "runs_on": "fsdp"}, "why it is `unmodelled`"),
        ({"unmodelled": "nobody knows"}, "`instead`"),
        ({"runs_on": "fsdp", "pipelines": False}, "`pipelines` is said by the row of a framework with its own"),
    ],
)
def test_a_row_that_cannot_be_is_refused(more: dict[str, object], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        build_framework({**ROW, **more})


def test_a_base_that_is_not_there_is_a_finding(tmp_path: Path) -> None:
    for file in CATALOG.folder.glob("*.yaml"):
        text = file.read_text(encoding="utf-8")
        (tmp_path / file.name).write_text(
            text.replace("runs_on: megatron", "runs_on: trl") if file.stem == "frameworks" else text, encoding="utf-8"
        )
    (finding,) = load(tmp_path)[0].check()
    assert "`megatron_bridge` names `trl`" in finding.message


def test_a_row_has_what_the_row_it_runs_on_has() -> None:
    row, base = resolved(FRAMEWORKS, "trl"), FRAMEWORKS["transformers"]
    assert (row.id, row.trainer, row.zero, row.fsdp_version) == ("trl", "transformers", base.zero, 1)
    assert len(row.lacks) == len(base.lacks) + 1


def test_exports_are_of_frameworks_that_there_are() -> None:
    """What runs the Trainer of transformers by TRL's own options is written as TRL and accelerate read it."""
    targets = {form.name: form.frameworks for form in FORMS if form.frameworks}
    assert {name for programs in targets.values() for name in programs} <= {*OWN, *BUILT}
    assert [name for name, programs in targets.items() if "trl" in programs] == ["slurm", "trl", "accelerate"]


@pytest.mark.parametrize(
    ("model", "framework", "method", "trains"),
    [
        ("openai/gpt-oss-20b", "transformers", "qlora", False),
        ("Qwen/Qwen3-32B-FP8", "transformers", "lora", False),
        ("Qwen/Qwen3-32B-FP8", "trl", "full", False),
        ("Qwen/Qwen3-32B", "transformers", "qlora", True),
        ("deepseek-ai/DeepSeek-V3", "megatron", "full", True),
    ],
)
def test_what_is_published_in_8_or_4_bits_is_not_trained_by_transformers(
    model: str, framework: str, method: str, trains: bool, tmp_path: Path
) -> None:
    """transformers 5.20: merge_quantization_configs raises beside bitsandbytes, and is_trainable is False."""
    path = tmp_path / "plan.mem"
    path.write_text(
        f'edition 2026\ntraining t {{ model = "{model}"; sequence = 2Ki; global_batch = 8; framework = {framework}\n'
        f"  method = {method}; gpu = h200_sxm; gpus = 8 }}\n"
    )
    loaded = load_plan(str(path))
    assert loaded.problem is not None
    found = estimate(loaded.problem, loaded.catalog).workloads[0].chosen
    assert ("t.method" not in {item.rule for item in found.broken}) is trains


@pytest.mark.parametrize(
    ("model", "framework", "targets", "trains"),
    [
        ("Qwen/Qwen3-30B-A3B", "transformers", "all_linear", False),
        ("Qwen/Qwen3-30B-A3B", "transformers", "{q_proj, v_proj}", True),
        ("unsloth/gpt-oss-20b-BF16", "transformers", "all_linear", True),
        ("unsloth/gpt-oss-20b-BF16", "megatron", "all_linear", False),
        ("Qwen/Qwen3-32B", "megatron", "all_linear", True),
    ],
)
def test_adapters_of_experts_are_refused(
    model: str, framework: str, targets: str, trains: bool, tmp_path: Path
) -> None:
    """peft 0.21.2 on transformers 5.24, `all-linear` with rank 4: `mlp.experts` of a Qwen3-MoE is adapted, and nothing
    but attention of a gpt-oss."""
    path = tmp_path / "plan.mem"
    path.write_text(
        f'edition 2026\ntraining t {{ model = "{model}"; sequence = 2Ki; global_batch = 8; framework = {framework}\n'
        f"  method = lora; lora_targets = {targets}; gpu = h200_sxm; gpus = 8 }}\n"
    )
    loaded = load_plan(str(path))
    assert loaded.problem is not None, loaded.findings
    found = estimate(loaded.problem, loaded.catalog).workloads[0].chosen
    assert ("t.method" not in {item.rule for item in found.broken}) is trains


SINKS, IMAGES = "unsloth/gpt-oss-20b-BF16", "google/gemma-3-12b-pt"
TUNED = """edition 2026
training a {{ model = "{}"; method = lora; sequence = 2Ki tokens; global_batch = 8; micro_batch = 1; gpus = 1
  gpu = {}; attention = {}; checkpointing = none; {} }}
"""


def test_scores_of_a_model_without_a_fused_kernel_are_kept() -> None:
    """gpt-oss has sinks, which PyTorch's kernels do not take: transformers 5.24 falls back on eager attention.

    24 layers of 64 heads keep a softmax in fp32 and its copy in 16 bit. A run on an A100 of 80 GB died in that matmul.
    """
    unsaid, eager = (
        planner.solve(text=TUNED.format(SINKS, "h200_sxm", how, ""))["a"].chosen for how in ("sdpa", "eager")
    )
    assert unsaid.parts["activations"] == eager.parts["activations"] > 24 * 64 * 2048**2 * 6
    assert not planner.solve(text=TUNED.format(SINKS, "h100_sxm", "sdpa", "")).fits


@pytest.mark.parametrize(
    ("model", "gpu", "more", "runs"),
    [
        (SINKS, "h100_sxm", "", True),  # FlashAttention 3
        (SINKS, "a100_sxm_80gb", "", False),
        (IMAGES, "h100_sxm", "", False),
        (IMAGES, "h100_sxm", "framework = deepspeed", False),
        ("google/gemma-2-9b", "h100_sxm", "", True),
    ],
)
def test_flash_attention_is_refused_where_the_code_has_none(model: str, gpu: str, more: str, runs: bool) -> None:
    text = TUNED.format(model, gpu, "flash", more)
    answer = planner.solve(text=text).answer
    assert ("a.attention" not in [item.rule for item in answer.conflict]) is runs


@pytest.mark.parametrize("size", ["20b", "120b"])
def test_a_refused_format_names_the_checkpoint_in_16_bits(size: str) -> None:
    """transformers does not train MXFP4: what does is the same model as it is published in bf16."""
    text = TUNED.format(f"openai/gpt-oss-{size}", "h200_sxm", "sdpa", "")
    (conflict,) = planner.solve(text=text).answer.conflict
    assert isinstance(conflict.has, Need)
    assert conflict.rule == "a.method" and f"in bf16 it is unsloth/gpt-oss-{size}-BF16" in need_text(conflict.has)
    assert planner.solve(text=TUNED.format("unsloth/gpt-oss-20b-BF16", "h200_sxm", "sdpa", "")).fits
