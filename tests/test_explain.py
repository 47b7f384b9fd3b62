"""`planner explain` knows every code, kind, quantity, field, unit, word, format, GPU and engine."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from planner.catalog.load import load as load_catalog
from planner.diagnostics.codes import CODES
from planner.language.declared.fields import FIELDS, FIELDS_BY_KIND
from planner.language.quantities.quantity import Quantity
from planner.language.schema import BY_KIND, QUANTITIES
from planner.plan import load_plan
from planner.report.explain import lines_for, near
from planner.report.labels import LABELS
from planner.syntax.tokens import RESERVED, SCALES
from planner.syntax.words import WORDS
from planner.units.quantity import UNITS

CATALOG, _ = load_catalog()


def test_everything_with_a_name_is_explained() -> None:
    named = [*CODES, *BY_KIND, *FIELDS_BY_KIND, *(row.name for row in (*QUANTITIES, *FIELDS)), *UNITS, *SCALES, *WORDS]
    named += [*CATALOG.formats, *CATALOG.gpus, *CATALOG.engines, *list(CATALOG.models)[:5], *CATALOG.offers]
    named += {getattr(row, name) for row in CATALOG.offers.values() for name in ("provider", "region", "instance_type")}
    named += {getattr(row, name) for row in CATALOG.gpus.values() for name in ("vendor", "architecture")} - {""}
    named += [word for row in QUANTITIES for word in row.words]
    assert [name for name in named if len(lines_for(name, CATALOG)) < 2] == []


def test_every_label_of_an_answer_is_explained() -> None:
    """The words before the columns of a table, the parts of memory, and where a GPU type stands."""
    from command import run

    names = ("chat", "finetune", "fleet")
    answers = [run("solve", "--no-lock", f"examples/{name}.mem").stdout for name in names]
    found = [re.findall(r"^  ([a-z_]+)  +\S", text, re.M) for text in answers]
    labels = {label for some in found for label in some}
    assert {"instance", "memory"} <= labels
    assert [name for name in sorted(labels) if not lines_for(name, CATALOG)] == []
    assert [name for name in LABELS if not lines_for(name, CATALOG)] == []


def test_another_name_leads_to_its_quantity() -> None:
    assert any(line.startswith("tensor_parallel:") for line in lines_for("tp", CATALOG))
    assert lines_for("batch_size", CATALOG)[:2] == [
        "batch_size: `concurrency` of inference", "batch_size: `global_batch` of training",
    ]  # fmt: skip


PLANS = {
    "inference": {"model": '"Qwen/Qwen3-8B"', "context": "16Ki tokens", "concurrency": "4", "output": "256 tokens"},
    "training": {"model": '"Qwen/Qwen3-8B"', "sequence": "4Ki tokens", "global_batch": "8"},
}

SIZES = (Path(__file__).parent / "corpus" / "traffic" / "sizes.csv").as_posix()
BESIDE = {"mix": {"traffic": f'csv("{SIZES}")'}, "lost_per_interruption": {"market": "spot", "interruptions": "2"}}
"""What a quantity needs beside it."""


@pytest.mark.parametrize("row", QUANTITIES, ids=lambda row: row.name)
def test_an_example_is_a_line_of_a_plan(row: Quantity) -> None:
    lines = lines_for(row.name, CATALOG)
    examples = [line.split("example", 1)[1].strip() for line in lines if line.startswith("  example  ")]
    if row.kinds not in (("inference",), ("training",), ("inference", "training")) or not examples:
        assert row.role != "outcome" or row.type != "number" or row.unit is None
        return
    kind = row.kinds[0]
    instead = {"total_concurrency": "concurrency", "task": "output", "mix": "output"}.get(row.name, row.name)
    stated = {name: text for name, text in PLANS[kind].items() if name != instead} | BESIDE.get(row.name, {})
    block = "\n".join(f"  {name} = {text}" for name, text in stated.items())
    plan = load_plan("a.mem", text=f"edition 2026\n{kind} w {{\n{block}\n  {examples[0]}\n}}\n")
    errors = [item.message for item in plan.findings if item.severity == "error"]
    assert errors == [], examples[0]


def test_every_reserved_word_has_its_line_and_no_other() -> None:
    assert set(WORDS) == RESERVED


def test_an_ambiguous_name_lists_what_it_could_mean() -> None:
    first, *rest = lines_for("h100", CATALOG)
    assert first == "h100: ambiguous, it names 3 GPUs; say which: h100_pcie, h100_sxm, h100_nvl"
    assert [line.split()[0] for line in rest] == ["h100_pcie", "h100_sxm", "h100_nvl"]


@pytest.mark.parametrize(
    ("what", "said"),
    [("adamww", "adamw"), ("aws/us-east-1/g6e.xlarg", "aws/us-east-1/g6e.xlarge"), ("H100_SMX", "h100_sxm")],
)
def test_the_nearest_name_is_offered(what: str, said: str) -> None:
    assert lines_for(what, CATALOG) == []
    assert near(what, CATALOG) == said


@pytest.mark.parametrize(
    ("what", "said"),
    [
        ("GiB", "1_073_741_824 bytes"),
        ("month", "2_628_000 s"),
        ("$/month", "0.00136986 $/h"),
        ("Ki", "1_024"),
        ("E0401", "dimension mismatch"),
        ("e0401", "dimension mismatch"),
        ("chat.gpus", "GPUs the workload uses"),
        ("fp16", "65504"),
        ("fp16", "hardware     all GPUs but"),
        ("fp8", "hardware      rtx_4090"),
        ("int4", "computed in   bf16"),
        ("int4", "overhead      0.125 bits a weight"),
        ("h100", "h100_sxm"),
        ("gpu", "peak.bf16"),
        ("weights", "The number format of the weights"),
        ("optimizer", "unmentioned  adamw"),
        ("zero", "unmentioned  chosen"),
        ("adamw", "two states a parameter"),
        ("adamw", "unmentioned  it is this"),
        ("qlora", "NF4"),
        ("bf16_mixed", "precision (training)"),
        ("transformers", "framework (training)"),
        ("transformers", "a serving engine"),
        ("aws/us-east-1/g6e.xlarge", "1 x l40s"),
        ("aws", "a provider"),
        ("us-east-1", "a region"),
        ("NVIDIA", "a vendor"),
        ("hopper", "h100_sxm"),
    ],
)
def test_what_is_said(what: str, said: str) -> None:
    assert said in "\n".join(lines_for(what, CATALOG))


def test_nothing_is_explained_of_nothing() -> None:
    assert lines_for("nonsense", CATALOG) == []
