"""Memory of DoRA against measured steps of peft.

training_dora.jsonl: one step each on fake CUDA tensors, as in training_pytorch.jsonl (torch 2.8, transformers 5.24,
peft 0.21.2, `use_dora`), of a small Llama and of Llama-3.1-8B and Qwen2.5-1.5B cut to four layers. `bf16_mixed` is
autocast over a bf16 base. `layer` is what a layer in the middle keeps; `forward` and `backward` are the peaks of both.
"""

import json
from fractions import Fraction
from functools import cache
from pathlib import Path
from statistics import mean

import pytest

from planner.catalog.huggingface.read import read_config
from planner.catalog.load import load
from planner.catalog.records import Architecture
from planner.physics import training
from planner.physics.architecture import parameters
from planner.physics.training import ActivationChoice, StateChoice
from planner.report.figures import show
from planner.solve.parallelism import Layout
from planner.solve.training.framework_rules import adapter_faults

TRUTH = Path(__file__).parent / "truth" / "training_dora.jsonl"
ROWS = [json.loads(line) for line in TRUTH.read_text(encoding="utf-8").splitlines()]
SHAPES = {
    "mid": ("llama", 2048, 5632, 5, 16, 4, 32000, False),
    "cut-llama-3.1-8b": ("llama", 4096, 14336, 4, 32, 8, 128256, False),
    "cut-qwen2.5-1.5b": ("qwen2", 1536, 8960, 4, 12, 2, 151936, True),
}
NAMES = (
    *("model_type", "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads"),
    *("num_key_value_heads", "vocab_size", "tie_word_embeddings"),
)


@pytest.fixture(scope="module")
def architectures(tmp_path_factory):
    @cache
    def read(name: str) -> Architecture:
        folder = tmp_path_factory.mktemp("dora")
        said = dict(zip(NAMES, SHAPES[name], strict=True))
        (folder / "config.json").write_text(json.dumps(said), encoding="utf-8")
        found = read_config(folder).architecture
        assert found is not None
        return found

    return read


def predicted(arch, row, dora=True):
    common = {name: row[name] for name in ("precision", "rank", "targets")}
    kept = training.states(
        arch, sum(parameters(arch).values()), StateChoice(method="lora", kernel="fused", dora=dora, **common)
    )
    active = ActivationChoice(
        row["sequence"],
        row["micro_batch"],
        method="lora",
        checkpointing=row["checkpointing"],
        dropout=row["dropout"],
        dora=dora,
        **common,
    )
    layers = arch.layers if row["checkpointing"] == "full" else 0
    return kept, active, training.combine(kept, training.points(arch, active, layers))


def test_peak(architectures):
    off = [predicted(architectures(row["model"]), row)[2].total / row["peak"] - 1 for row in ROWS]
    assert len(off) > 12
    assert max(map(abs, off)) <= 0.015, off
    assert mean(map(abs, off)) <= 0.004


def test_states_and_layers(architectures):
    for row in ROWS:
        arch = architectures(row["model"])
        kept, active, total = predicted(arch, row)
        assert total.sizes["weights"] == pytest.approx(row["weights"], rel=1e-5)
        assert total.sizes["gradients"] == pytest.approx(row["gradients"], rel=1e-5)
        assert kept.optimizer == pytest.approx(row["optimizer_bytes"], rel=1e-4)
        if row["checkpointing"] == "none":
            region = training.traces(arch, active).groups[0]
            each = region.kept.each + (region.input if region.keeps_input else 0)
            assert region.kept.casts + each * row["micro_batch"] == pytest.approx(row["layer"], rel=0.003)


def test_a_plain_adapter_is_not_enough(architectures):
    """LoRA in DoRA's place is up to a half less: what the flag is for."""
    off = [predicted(architectures(row["model"]), row, dora=False)[2].total / row["peak"] for row in ROWS]
    assert min(off) < 0.75


def test_shards_are_refused():
    """On FSDP's shards DoRA is not counted; what would have to be is a number that a plan can have."""
    framework = load()[0].frameworks["transformers"]
    faults = {
        (copies, zero): [
            fault.quantity for fault in adapter_faults(framework, ["lora"], Layout(copies, 1, 1, 1, 1, zero), True)
        ]
        for copies, zero in ((1, 3), (2, 0), (2, 3))
    }
    assert faults == {(1, 3): [], (2, 0): [], (2, 3): ["zero"]}
    assert show("zero", Fraction(0)) == "0"
