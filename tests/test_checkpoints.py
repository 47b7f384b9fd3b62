"""Checkpoints: the same model under other names, each in its own format."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path

import pytest
from command import run

from planner.catalog.architecture import Experts
from planner.catalog.catalog import Catalog
from planner.catalog.checkpoints import WIDE
from planner.catalog.load import load
from planner.catalog.reading.table import folded
from planner.catalog.records import Model
from planner.physics.quality import steps


@pytest.fixture(scope="module")
def catalog() -> Catalog:
    return load()[0]


def model(catalog: Catalog, name: str) -> Model:
    found = catalog.find_model(name)
    assert isinstance(found, Model), name
    return found


KIMI = ("attention", "dense", "head", "shared_expert")


@pytest.mark.parametrize(
    ("name", "of", "form", "leaves"),
    [
        ("Qwen/Qwen3-32B-AWQ", "Qwen/Qwen3-32B", "int4_awq", ()),
        ("Qwen/Qwen3-8B-FP8", "Qwen/Qwen3-8B", "fp8_e4m3", ()),
        ("RedHatAI/Llama-3.3-70B-Instruct-quantized.w4a16", "meta-llama/Llama-3.3-70B-Instruct", "int4", ()),
        ("unsloth/Llama-3.2-1B-Instruct", "meta-llama/Llama-3.2-1B", "bf16", ()),
        ("moonshotai/Kimi-K2.6", "moonshotai/Kimi-K2.5", "int4_g32", KIMI),
        ("nvidia/DeepSeek-V3.1-NVFP4", "deepseek-ai/DeepSeek-V3", "nvfp4", ("attention",)),
        ("nvidia/GLM-5.1-NVFP4", "zai-org/GLM-5.1", "nvfp4", ("shared_expert",)),
        ("zai-org/GLM-5-FP8", "zai-org/GLM-5", "fp8_e4m3", ("indexer",)),
    ],
)  # fmt: skip
def test_a_checkpoint_has_its_own_format(
    catalog: Catalog, name: str, of: str, form: str, leaves: tuple[str, ...]
) -> None:
    found, base = model(catalog, name), catalog.models[of]
    assert (found.id, found.of, found.native_format, found.native_leaves) == (name, of, form, leaves)
    assert found.params == base.params
    assert found.architecture is base.architecture or found.architecture == base.architecture


def test_how_many_names_there_are(catalog: Catalog) -> None:
    assert len(catalog.checkpoints) >= 390
    assert sum(row.layout == "read" for row in catalog.checkpoints.values()) >= 29


def test_no_name_is_there_twice(catalog: Catalog) -> None:
    assert [name for name, keys in catalog.checkpoints.names.items() if len(keys) > 1] == []
    assert not {folded(key) for key in catalog.checkpoints} & set(catalog.models.names)
    assert catalog.check() == ()


def test_a_mixture_known_by_its_name_has_only_its_experts_in_four_bits(catalog: Catalog) -> None:
    """What a maker left alone is not known, so all that may have been left alone counts as in 16 bit."""
    for row in catalog.checkpoints.values():
        base = catalog.models[row.of]
        groups = base.architecture.groups if base.architecture else ()
        mixture = any(isinstance(group.ffn, Experts) for group in groups)
        if mixture and row.layout == "named" and row.native_format not in (*WIDE, base.native_format):
            assert "attention" in row.native_leaves, row.id


def test_a_short_name_means_a_checkpoint_where_no_model_has_it(catalog: Catalog) -> None:
    assert model(catalog, "Qwen3-32B-AWQ").id == "Qwen/Qwen3-32B-AWQ"
    assert model(catalog, "qwen3-32b").id == "Qwen/Qwen3-32B"


def test_what_a_checkpoint_lost_counts(catalog: Catalog) -> None:
    quantized = model(catalog, "Qwen/Qwen3-32B-AWQ")
    assert steps(quantized, "int4_awq") == ("int4_awq",)
    assert steps(quantized, "fp8_e4m3") == ("int4_awq", "fp8_e4m3")
    assert steps(quantized, "bf16") == ("int4_awq",)
    assert steps(catalog.models["Qwen/Qwen3-32B"], "bf16") == ()
    assert steps(model(catalog, "unsloth/DeepSeek-R1-BF16"), "bf16") == ()
    assert steps(catalog.models["deepseek-ai/DeepSeek-R1"], "fp8_e4m3") == ()


PLAN = """edition 2026
inference chat {{
  model = "{model}"; context = 8Ki tokens; concurrency = 4; engine = vllm; gpu = h100_sxm; gpus = 1{weights}
}}
minimize cost
"""


def answer(tmp_path: Path, name: str, weights: str = "") -> dict[str, object]:
    plan = tmp_path / "plan.mem"
    plan.write_text(PLAN.format(model=name, weights=weights))
    result = run("solve", "--json", "--no-lock", str(plan))
    assert result.returncode == 0, result.stdout + result.stderr
    (workload,) = json.loads(result.stdout)["workloads"]
    found: dict[str, object] = workload
    return found


def test_a_checkpoint_costs_what_its_format_does(tmp_path: Path) -> None:
    """The same bytes, and the same loss, as the model quantized by the plan."""
    own, said = answer(tmp_path, "Qwen/Qwen3-32B-AWQ"), answer(tmp_path, "Qwen/Qwen3-32B", "; weights = int4_awq")
    assert own["memory"] == said["memory"]
    assert own["outcomes"] == said["outcomes"]


def test_a_lock_of_a_checkpoint_holds(tmp_path: Path) -> None:
    plan = tmp_path / "plan.mem"
    plan.write_text(PLAN.format(model="Qwen/Qwen3-32B-AWQ", weights=""))
    assert run("solve", str(plan)).returncode == 0
    assert "quality" in (tmp_path / "plan.mem.lock").read_text()
    assert run("check", "--locked", str(plan)).returncode == 0


ROW = "- {{id: {id}, of: {of}, native_format: {form}, layout: named, source: a page}}\n"


@pytest.mark.parametrize(
    ("id", "of", "form", "message"),
    [
        ("a/b", "a/b", "bf16", "`of` must name the row of another model"),
        ("a/b", "a/none", "bf16", "has no known model: `a/none`"),
        ("a/b", "Qwen/Qwen3-32B", "int3", "has no known format: `int3`"),
        ("Qwen/Qwen3-8B", "Qwen/Qwen3-32B", "bf16", "is the name of a model in models.yaml"),
    ],
)
def test_mistakes_are_findings(tmp_path: Path, id: str, of: str, form: str, message: str) -> None:
    shipped = load()[0].folder
    for path in shipped.glob("*.yaml"):
        (tmp_path / path.name).symlink_to(path)
    (tmp_path / "checkpoints.yaml").unlink()
    (tmp_path / "checkpoints.yaml").write_text("as_of: x\nrows:\n" + ROW.format(id=id, of=of, form=form))
    (finding,) = load(tmp_path)[0].check()
    assert message in finding.message


def test_quantized_weights_are_smaller(catalog: Catalog) -> None:
    for name, share in (("Qwen/Qwen3-32B-AWQ", Fraction(1, 3)), ("nvidia/DeepSeek-V3.1-NVFP4", Fraction(2, 3))):
        found = model(catalog, name)
        own, base = (
            catalog.formats[found.native_format].bits,
            catalog.formats[catalog.models[found.of].native_format].bits,
        )
        assert own < base * share


@pytest.mark.parametrize(
    ("name", "base", "context"),
    [
        ("Qwen/Qwen2.5-7B-Instruct", "Qwen/Qwen2.5-7B", 32768),  # vllm-project/vllm#16757: 72,000 tokens are refused
        ("Qwen/Qwen2.5-72B-Instruct", "Qwen/Qwen2.5-72B", 32768),  # vllm-project/vllm#8793: 131,072 are refused
        ("Qwen/Qwen2-57B-A14B-Instruct", "Qwen/Qwen2-57B-A14B", 32768),  # QwenLM/Qwen3#679
        ("Qwen/Qwen2.5-72B-Instruct-AWQ", "Qwen/Qwen2.5-72B", 32768),
        ("Qwen/QwQ-32B", "Qwen/Qwen2.5-32B", 40960),  # QwenLM/QwQ#26
        ("Qwen/Qwen3-4B-Base", "Qwen/Qwen3-4B", 32768),  # its card (Robojiang/qwen_mlsys)
    ],
)
def test_a_release_has_a_context_of_its_own(catalog: Catalog, name: str, base: str, context: int) -> None:
    """What an engine reads of the config that is served, not of the base model's."""
    assert model(catalog, name).max_context == context
    assert model(catalog, base).max_context == (40960 if "Qwen3-" in base else 131072)
