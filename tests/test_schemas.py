"""The schemas follow the dataclasses that read the catalogs, and mistakes have their places."""

from __future__ import annotations

import json
from dataclasses import fields
from pathlib import Path
from typing import Any, get_args, get_type_hints

import pytest
import yaml

from planner.catalog import model_rows, schema
from planner.catalog.architecture import LayerFeedForward, Mixer, as_row, feed_forward_of, mixer_of
from planner.catalog.catalog import KINDS
from planner.catalog.load import catalog_folder, load
from planner.catalog.rows import ROWS

FOLDER = catalog_folder()


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.mark.parametrize("kind", KINDS)
def test_schemas_are_those_of_the_dataclasses(kind: str) -> None:
    """Run `python -m planner.catalog.schema catalogs/schemas` after a change of the rows in planner/catalog."""
    assert (FOLDER / "schemas" / f"{kind}.schema.json").read_text() == schema.text(kind)


@pytest.mark.parametrize("kind", KINDS)
def test_files_name_their_schema_and_keep_it(kind: str) -> None:
    jsonschema = pytest.importorskip("jsonschema")
    raw = (FOLDER / f"{kind}.yaml").read_text()
    assert raw.splitlines()[0] == f"# yaml-language-server: $schema=schemas/{kind}.schema.json"
    document = json.loads(json.dumps(yaml.load(raw, Loader=yaml.CSafeLoader)))
    checker = jsonschema.Draft202012Validator(schema.schema(kind))
    checker.check_schema(checker.schema)
    assert [error.message for error in checker.iter_errors(document)] == []


def test_every_kind_has_a_form() -> None:
    assert tuple(ROWS) == KINDS


def findings(folder: Path, kind: str, text: str) -> list[tuple[int, int, str]]:
    (folder / f"{kind}.yaml").write_text(text)
    table = load(folder)[0].table(kind)
    found: list[Any] = [finding.span for finding in table.findings]
    return [(span.line, span.column, item.message) for span, item in zip(found, table.findings, strict=True)]


OFFER = """\
- id: a/b/c{n}
  provider: a
  region: b
  instance_type: c{n}
  gpu: l4
  gpus: {gpus}
  price_usd_h: 1
  sold_by: instance
  as_of: 2026-07
  source: a page
"""


def test_a_mistake_in_row_214_is_shown_there(tmp_path: Path) -> None:
    rows = [OFFER.format(n=number, gpus=0 if number == 214 else 1) for number in range(1, 301)]
    found = findings(tmp_path, "offers", "as_of: x\nrows:\n" + "".join(rows))
    assert found == [(2 + 213 * 10 + 6, 3, "offers.yaml: `a/b/c214`: `gpus` is 0; it must be 1 or more")]
    assert len(load(tmp_path)[0].offers) == 299
    assert [finding.span.line for finding in load(tmp_path)[0].offers.findings if finding.span] == [2138]


@pytest.mark.parametrize(
    ("change", "line", "message"),
    [
        (("price_usd_h: 1", "price_usd_h: -1"), 9, "`price_usd_h` is -1"),
        (("price_usd_h: 1", "price_usd_h: lots"), 9, "must be a number"),
        (("price_usd_h: 1", "price_usd_h: .nan"), 9, "must be a number"),
        (("price_usd_h: 1", "price_usd_hour: 1"), 9, "did you mean `price_usd_h`"),
        (("  price_usd_h: 1\n", ""), 3, "neither `price_usd_h` nor `spot_usd_h`"),
        (("gpus: 1", "gpus: true"), 8, "must be a whole number"),
        (("gpu: l4", "gpu: ''"), 7, "is empty"),
        (("sold_by: instance", "sold_by: weight"), 10, "one of instance, gpu"),
        (("as_of: 2026-07\n", "as_of: last week\n"), 11, "a day, month, half-year"),
        (("  provider: a\n", ""), 3, "`provider` is missing"),
    ],
)
def test_mistakes_have_their_places(tmp_path: Path, change: tuple[str, str], line: int, message: str) -> None:
    found, *more = findings(tmp_path, "offers", "as_of: x\nrows:\n" + OFFER.format(n=1, gpus=1).replace(*change))
    assert (found[0], more) == (line, [])
    assert message in found[2]


def test_a_mistake_deep_in_a_model(tmp_path: Path) -> None:
    text = """\
as_of: x
rows:
- id: a/b
  params: 10
  active_params: 10
  native_format: bf16
  licence: none
  model_type: llama
  verified: config
  source: a page
  architecture:
    hidden: 8
    vocab: 8
    tied: false
    norm: rms
    groups:
    - {count: 1, mixer: {kind: gqa, heads: 0, kv_heads: 1, head_dim: 8}, ffn: {kind: mpl}, norms: 2}
"""
    found = findings(tmp_path, "models", text)
    assert [item[0] for item in found] == [17, 17]
    assert "`architecture.groups[0].mixer.heads` is 0" in found[0][2]
    assert "must be one of mlp, moe, none" in found[1][2]


def test_twenty_mistakes_of_a_row_are_enough(tmp_path: Path) -> None:
    extra = "".join(f"  what{number}: 1\n" for number in range(100))
    assert len(findings(tmp_path, "offers", "as_of: x\nrows:\n" + OFFER.format(n=1, gpus=1) + extra)) == 20


@pytest.mark.parametrize(
    ("form", "part"),
    [(model_rows.MixerRow, Mixer), (model_rows.FeedForwardRow, LayerFeedForward)],
    ids=["mixer", "ffn"],
)
def test_parts_of_layers_have_the_fields_of_their_rows(form: Any, part: Any) -> None:
    """A field that a row may have and the record has not would be an error in the middle of a plan."""
    records = {kind.kind: kind for kind in get_args(part) if isinstance(kind.kind, str)}
    records |= dict.fromkeys(("gqa", "cross"), get_args(part)[0])
    for row in get_args(form):
        for kind in get_args(get_type_hints(row)["kind"]):
            own = {item.name for item in fields(records[kind])} - {"cross"}
            assert own == {item.name for item in fields(row)} - {"kind"}, kind


def test_a_part_is_written_as_its_row_has_it() -> None:
    """Digests of models that plans declare are of what is written here: kinds, sizes, and what is said to be so."""
    for row in yaml.load((FOLDER / "models.yaml").read_text(), Loader=yaml.CSafeLoader)["rows"]:
        for group in (row.get("architecture") or {}).get("groups", ()):
            mixer, ffn = group["mixer"], group["ffn"] or {"kind": "none"}
            assert as_row(mixer_of(mixer)) == mixer, row["id"]
            said = {name: value for name, value in ffn.items() if value is not None}
            assert as_row(feed_forward_of(group["ffn"])) == {
                **({"bias": False} if ffn["kind"] == "mlp" else {}),
                **said,
            }


def test_what_a_row_says_as_nothing_is_nothing() -> None:
    attention = {"kind": "cross", "heads": 8, "kv_heads": 2, "head_dim": 64}
    empty = {**attention, "qk_norm": False, "window": None, "sinks": False}
    assert mixer_of(empty) == mixer_of(attention) != mixer_of({**attention, "kind": "gqa"})
    assert as_row(mixer_of(empty)) == attention
    assert feed_forward_of(None) == feed_forward_of({"kind": "none"})
