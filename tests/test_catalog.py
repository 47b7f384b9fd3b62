"""The shipped catalogs and their loader."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path

import pytest

from planner.catalog.architecture import Attention
from planner.catalog.catalog import KINDS, Catalog
from planner.catalog.load import load
from planner.catalog.parameters import parameters
from planner.catalog.records import Format, Gpu, Model


@pytest.fixture(scope="module")
def catalog() -> Catalog:
    found, diagnostics = load()
    assert diagnostics == ()
    return found


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def test_everything_builds(catalog: Catalog) -> None:
    assert catalog.check() == ()
    for kind in KINDS:
        table = catalog.table(kind)
        assert table.as_of
        assert all(record.source and record.id == key for key, record in table.items())


def test_counts(catalog: Catalog) -> None:
    assert len(catalog.gpus) >= 30
    assert len(catalog.offers) >= 100
    assert len({offer.provider for offer in catalog.offers.values()}) >= 6
    assert len(catalog.models) >= 150
    assert len(catalog.quality) >= 60


@pytest.mark.parametrize(
    "key",
    [
        "t4",
        "l4",
        "l40s",
        "a10g",
        "h100_sxm",
        "h200_sxm",
        "b200",
        "mi300x",
        "rtx_4090",
        "a100_sxm_80gb",
        "v100",
        "v100_sxm",
    ],
)
def test_gpu_ids(catalog: Catalog, key: str) -> None:
    gpu = catalog.find_gpu(key)
    assert isinstance(gpu, Gpu)
    assert gpu.id == key
    assert 0 < gpu.memory <= gpu.device_memory


def test_gpu_figures(catalog: Catalog) -> None:
    l40s = catalog.gpus["l40s"]
    assert (l40s.memory, l40s.bandwidth) == (45373 * 2**20, 864 * 10**9)
    assert catalog.gpus["mi250"].device_memory == 65520 * 2**20


def test_ambiguous_and_unknown_names(catalog: Catalog) -> None:
    several = catalog.find_gpu("h100")
    assert isinstance(several, tuple)
    assert {gpu.id for gpu in several} >= {"h100_sxm", "h100_pcie"}
    assert isinstance(catalog.find_gpu("A100"), tuple)
    assert catalog.find_gpu("voodoo2") is None


def test_offers_refer_to_gpus(catalog: Catalog) -> None:
    for offer in catalog.offers.values():
        assert offer.gpu in catalog.gpus
        assert offer.id == f"{offer.provider}/{offer.region}/{offer.instance_type}"
        assert offer.price or offer.spot
    assert catalog.offers["aws/us-east-1/g6e.xlarge"].price == 1_861_000


@pytest.mark.parametrize(
    ("text", "bits"),
    [
        ("fp32", "32"), ("bf16", "16"), ("fp16", "16"), ("fp8", "8"), ("fp8_e5m2", "8"), ("int8", "8"),
        ("int4", "33/8"), ("int4_awq", "133/32"), ("int4_gptq_g64", "69/16"), ("int4_gptq_g32", "37/8"),
        ("int4_g64", "17/4"), ("int4_g32", "9/2"), ("int4_awq_g64", "69/16"), ("int4_awq_g32", "37/8"),
        ("nf4", "9/2"), ("nf4_dq", "2113/512"), ("mxfp4", "17/4"), ("mxfp8", "33/4"), ("nvfp4", "9/2"),
        ("q8_0", "17/2"), ("q6_k", "105/16"), ("q5_k", "11/2"), ("q4_k", "9/2"), ("q3_k", "55/16"),
        ("q2_k", "21/8"), ("iq3_xxs", "49/16"), ("iq2_xs", "37/16"), ("iq1_m", "7/4"), ("iq1_s", "25/16"),
    ],
)  # fmt: skip
def test_format_bits(catalog: Catalog, text: str, bits: str) -> None:
    found = catalog.find_format(text)
    assert isinstance(found, Format)
    assert found.bits == Fraction(bits)


@pytest.mark.parametrize(
    "text",
    [
        "meta-llama/Llama-3.1-8B",
        "meta-llama/Llama-3.1-8B-Instruct",
        "meta-llama/Llama-3.1-70B-Instruct",
        "meta-llama/Llama-2-7b-hf",
        "Qwen/Qwen2.5-7B-Instruct",
        "mistralai/Mistral-7B-v0.1",
        "llama-3.1-8b",
    ],
)
def test_models_resolve(catalog: Catalog, text: str) -> None:
    model = catalog.find_model(text)
    assert isinstance(model, Model)
    assert model.architecture is not None
    assert model.architecture.layers in (28, 32, 80)


def test_model_aliases_are_unambiguous(catalog: Catalog) -> None:
    assert [text for text, keys in catalog.models.names.items() if len(keys) > 1] == []


def test_quality_refers_to_formats(catalog: Catalog) -> None:
    for row in catalog.quality.values():
        assert row.format in catalog.formats
        assert row.role in ("weights", "kv_cache")
        assert 0 < row.recovery < Fraction(3, 2)


def test_digest_is_of_the_rows(catalog: Catalog) -> None:
    assert catalog.digest("gpus", ["l4", "t4"]) == catalog.digest("gpus", ["t4", "l4", "l4"])
    assert catalog.digest("gpus", ["l4"]) != catalog.digest("gpus", ["t4"])


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("as_of: x\na: &a [1]\nb: [*a, *a]\nrows: []\n", 2),
        ("as_of: x\nrows: [\n", 3),
        ("[]", 1),
        ("as_of: x\nrows:\n- {id: t4, source: s}\n", 3),
        ("as_of: x\nrows:\n- {id: t4}\n", 3),
        ("as_of: x\nrows:\n- 5\n", 3),
    ],
)
def test_bad_files_are_findings(tmp_path: Path, text: str, line: int) -> None:
    (tmp_path / "gpus.yaml").write_text(text)
    catalog, missing = load(tmp_path)
    assert len(missing) == len(KINDS) - 1
    assert len(catalog.gpus) == 0
    finding = catalog.diagnostics[0]
    assert finding.code == "E0203"
    assert finding.span is not None
    assert finding.span.line == line


def test_unwritable_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert len(load()[0].formats) >= 30


def test_cache_gives_the_same(tmp_path: Path) -> None:
    first, second = load()[0].engines, load()[0].engines
    assert list((tmp_path / "cache" / "planner").glob("*.catalog"))
    assert dict(first) == dict(second)


EXACT = ("published-exact", "corroborated-exact")


def test_models_count_exactly(catalog: Catalog) -> None:
    """No tolerance: what the layers add up to is the row's count, in all and in use; the rest says why it cannot."""
    for key, model in catalog.models.items():
        if model.breakdown:
            assert sum(model.breakdown.values()) == model.params, key
        if model.architecture is None:
            assert model.note, key
            assert model.verified not in EXACT or model.breakdown, key
            continue
        assert sum(parameters(model.architecture).values()) == model.params, key
        assert sum(parameters(model.architecture, active=True).values()) == model.active_params, key
    bare = {key: model for key, model in catalog.models.items() if model.architecture is None}
    decoders = {key for key, model in bare.items() if "No decoder" not in model.note}
    assert not decoders


SHAPES = [json.loads(line) for line in (Path(__file__).parent / "corpus/configs/shapes.jsonl").read_text().splitlines()]


SHORTER = {f"Qwen/Qwen2.5-{size}-Instruct": 32768 for size in ("1.5B", "7B", "14B", "32B", "72B")}
SHORTER |= {"Qwen/QwQ-32B": 40960}
"""Fine-tunes to which litgpt gives their base model's context, where engines read another of their config.json."""


def test_rows_and_aliases_have_the_shape_that_litgpt_gives_them(catalog: Catalog) -> None:
    """Vocabulary, width, depth and KV heads of github:Lightning-AI/litgpt@26857050, litgpt/config.py.

    Left out: what it pads itself (the vocabularies of Gemma 3 and of Mixtral-8x22B's base model), and contexts but for
    Qwen2.5, whose fine-tunes differ in them. There litgpt gives those of 7B and more the base model's context, where
    the engines that read their config.json refuse more than 32,768 (vllm-project/vllm#16757 and #8793).
    """
    assert len(SHAPES) > 170
    for row in SHAPES:
        model = catalog.find_model(row["id"])
        assert isinstance(model, Model), row["id"]
        arch = model.architecture
        assert arch is not None
        mixer = next(group.mixer for group in arch.groups if isinstance(group.mixer, Attention))
        found: dict[str, int | None] = {
            "vocab": arch.vocab,
            "hidden": arch.hidden,
            "layers": arch.layers,
            "kv_heads": mixer.kv_heads,
        }
        found |= {"context": model.max_context} if "context" in row else {}
        assert {"id": row["id"], **found} == row | ({"context": SHORTER[row["id"]]} if row["id"] in SHORTER else {})


def test_published_totals_are_explained(catalog: Catalog) -> None:
    for key, model in catalog.models.items():
        assert (model.published_params is None) == (not model.published_note), key
        assert model.published_params != model.params, key


def test_native_formats_are_formats(catalog: Catalog) -> None:
    for key, model in catalog.models.items():
        assert model.native_format in catalog.formats, key
    assert catalog.models["deepseek-ai/DeepSeek-V3"].native_format == "fp8_e4m3"
    assert catalog.models["openai/gpt-oss-120b"].native_leaves == ("attention", "embedding", "head", "router")


def test_gpu_figures_are_sourced_and_plausible(catalog: Catalog) -> None:
    """Bytes of bandwidth for each 16-bit FLOP lie between those of a TPU v6e (1.8e-3) and of a laptop."""
    assert len(catalog.gpus) >= 65
    for key, gpu in catalog.gpus.items():
        assert set(gpu.sources) >= {"device_memory_mib", "bandwidth_gb_s", "tflops", "power_w"}, key
        assert all(gpu.sources.values()), key
        assert ("mig" in gpu.sources) == bool(gpu.mig), key
        assert gpu.confidence in ("high", "medium", "low"), key
        assert key == key.lower() and key.isidentifier(), key
        assert 0.7 < gpu.memory / gpu.device_memory <= 1, key
        assert 0.85 < gpu.device_memory / (gpu.marketed_gb * 1e9) < 1.1, key
        peak = gpu.flops.get("bf16") or gpu.flops.get("fp16")
        if peak:
            assert 1.5e-3 < gpu.bandwidth / peak < 5e-2, key


def test_offers_are_all_there(catalog: Catalog) -> None:
    assert len(catalog.offers) >= 275
    assert {offer.sold_by for offer in catalog.offers.values()} == {"instance", "gpu"}
