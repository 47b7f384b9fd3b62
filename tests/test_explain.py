"""`planner explain` knows every code, kind, quantity, field, unit, word, format, GPU and engine."""

from __future__ import annotations

import pytest

from planner.catalog.load import load as load_catalog
from planner.cli.explain import lines_for
from planner.diagnostics.codes import CODES
from planner.language.fields import FIELDS, FIELDS_BY_KIND
from planner.language.schema import BY_KIND, QUANTITIES
from planner.syntax.tokens import RESERVED, SCALES
from planner.syntax.words import WORDS
from planner.units.quantity import UNITS

CATALOG, _ = load_catalog()


def test_everything_with_a_name_is_explained() -> None:
    named = [*CODES, *BY_KIND, *FIELDS_BY_KIND, *(row.name for row in (*QUANTITIES, *FIELDS)), *UNITS, *SCALES, *WORDS]
    named += [*CATALOG.formats, *CATALOG.gpus, *CATALOG.engines, *list(CATALOG.models)[:5]]
    assert [name for name in named if len(lines_for(name)) < 2] == []


def test_every_reserved_word_has_its_line_and_no_other() -> None:
    assert set(WORDS) == RESERVED


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
        ("h100", "h100_sxm"),
        ("gpu", "peak.bf16"),
        ("weights", "The number format of the weights"),
        ("optimizer", "unmentioned  adamw"),
        ("zero", "unmentioned  chosen"),
    ],
)
def test_what_is_said(what: str, said: str) -> None:
    assert said in "\n".join(lines_for(what))


def test_nothing_is_explained_of_nothing() -> None:
    assert lines_for("nonsense") == []
