"""Options by engine and release: the rows against the sources of each release, and what an export makes of them."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from said import answers, said

from planner.catalog.load import load
from planner.catalog.programs.engine_options import build_engine_option, numbers
from planner.export import serving
from planner.export.engines.option_names import OptionNames
from planner.export.forms import BY_NAME
from planner.export.locked import LockedWorkload

RELEASES: dict[str, Any] = json.loads((Path(__file__).parent / "truth/options/releases.json").read_text())
READ = [(engine, release) for engine in ("vllm", "sglang") for release in RELEASES[engine]]
ROWS = load()[0].engine_options


@pytest.mark.parametrize(("engine", "release"), READ)
def test_the_rows_are_what_the_release_has(engine: str, release: str) -> None:
    """An option is there by its row where the release's source has it, and nowhere else; a word is in its choices."""
    source = RELEASES[engine][release]
    known = {option for one in RELEASES[engine].values() for option in one["options"]}
    for row in ROWS.values():
        if row.engine != engine or row.option not in known:
            continue
        if not row.value:
            assert row.there(numbers(release)) == (row.option in source["options"]), row.id
        elif row.there(numbers(release)) and row.option == "--kv-cache-dtype":
            assert row.value in source["caches"], row.id


@settings(max_examples=150, deadline=None)
@given(answers(versions=tuple(RELEASES["vllm"])))
def test_vllm_is_told_what_its_release_has(this: LockedWorkload) -> None:
    told(this, "vllm", "--headless")


@settings(max_examples=150, deadline=None)
@given(answers("sglang", versions=tuple(RELEASES["sglang"])))
def test_sglang_is_told_what_its_release_has(this: LockedWorkload) -> None:
    told(this, "sglang")


def told(this: LockedWorkload, form: str, *others: str) -> None:
    if serving.faults(this, BY_NAME[form]):
        return
    source = RELEASES[this.engine][this.version]
    text = serving.render(this, BY_NAME[form])
    words = shlex.split(text.replace("\\\n", " "), comments=True)
    assert {word for word in words if word.startswith("--")} <= {*source["options"], *others}
    assert words[words.index("--kv-cache-dtype") + 1] in source["caches"]


def test_a_missing_option_is_named_with_the_release_that_has_it() -> None:
    (fault,) = serving.faults(said(offloaded_cache=2**30, engine_version="0.10.2"), BY_NAME["vllm"])
    assert fault.reason == "vLLM 0.10.2 is not known to have --kv-offloading-size"
    assert fault.help == 'set engine_version = "0.12" or later'


def test_a_release_before_those_that_were_read_is_refused() -> None:
    faults = serving.faults(said(engine_version="0.5", kv_cache="bf16"), BY_NAME["vllm"])
    assert {"context", "max_sequences"} <= {fault.quantity for fault in faults}
    assert all('"0.6.4" or later' in fault.help for fault in faults)


def test_a_cache_in_16_bits_is_named_where_the_release_has_a_word() -> None:
    """SGLang 0.5.3 takes auto and fp8 alone, and `auto` is the model's type; 0.5.10 has `bf16`."""
    assert [OptionNames("sglang", version).value("kv_cache", "bf16") for version in ("0.5.3", "0.5.10")] == ["", "bf16"]


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({"since": "0.12", "until": "0.9"}, "`since` is not before `until`"),
        ({"value": "fp8"}, "an id with `=`"),
        ({"id": "vllm/kv_cache=fp8"}, "an id with `=`"),
    ],
)
def test_a_row_that_contradicts_itself_is_refused(row: dict[str, str], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        build_engine_option({"id": "vllm/context", "option": "--x", "source": "there", **row})
