"""What is known of quantities stands in their rows: no table beside the schema lists names of quantities as facts."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from planner.language.quantities.decisions import DECISIONS
from planner.language.schema import FROM_OFFER, HOW, IN_TURN, QUANTITIES, SUGGESTED, WHERE, grouped

PACKAGE = Path(__file__).parents[1] / "planner"
SCHEMA = ("language/quantities", "language/schema.py")
NAMES = {row.name for row in QUANTITIES}
SECTIONS, KINDS, PARTS = (
    "files of a catalog, which are called like some quantities",
    "kinds of rows, which some quantities are of",
    "parts of memory, which are called like some quantities",
)
FIELDS = "the fields of a record, in their order"
EXPORTED = "what one exported file says or leaves to a script"
ALLOWED = {
    "api/plans.py": KINDS,
    "catalog/prices/difference.py": SECTIONS,
    "catalog/programs/program_rows.py": "what a `lacks` row can be about",
    "catalog/rows.py": SECTIONS,
    "catalog/reading/table.py": "columns of a price list",
    "export/trainers/deepspeed.py": EXPORTED,
    "export/trainers/run.py": EXPORTED,
    "export/trainers/torchtitan.py": "what its mesh of ranks has an option for",
    "language/declared/declare.py": KINDS,
    "language/declared/fields.py": KINDS,
    "language/declared/measurements.py": "what a measurement states: fields of its own, with names of quantities",
    "language/mixes.py": "what cannot stand beside traffic, each with its way out, and what is bounded of a mix",
    "language/names.py": KINDS,
    "language/resolve.py": KINDS,
    "language/sets.py": KINDS,
    "language/tables.py": SECTIONS,
    "language/expressions/types.py": KINDS,
    "language/traffic.py": "columns of a file, which are called like some quantities",
    "language/unmodelled.py": "what trainers call what no quantity of a plan is",
    "lsp/values.py": KINDS,
    "lock/verify.py": "what locks of the first format lack",
    "physics/inference": PARTS,
    "physics/training": PARTS,
    "report/bar.py": PARTS,
    "report/cards.py": "the fields that a page of cards names",
    "report/catalog.py": "columns of a catalog",
    "report/compared.py": "what is given that a comparison begins with, and outcomes that it has said before",
    "report/csv_.py": "the outcomes of a CSV file, in an order of their own",
    "report/difference.py": "parts of memory, and figures that only the JSON of a difference has",
    "report/phrases.py": "moments of a training step",
    "report/page/pictures.py": PARTS,
    "report/sheet.py": "outcomes with a place of their own on the page",
    "report/thumb.py": "the keys of a JSON document",
    "solve/choose/other_workloads.py": "what is counted of workloads that share, called like some quantities",
    "solve/choose/hardware.py": "rules of physics, which are called like the quantities that they bound",
    "solve/inference/anchors.py": "what a measurement cannot state",
    "solve/inference/by_size.py": "outcomes that follow from several request sizes at once, or are unknown of them",
    "solve/inference/frame.py": "what a table is made of, which is called like some quantities",
    "solve/inference/offered.py": "what the format of the weights decides by itself",
    "solve/inference/support.py": "the order in which an engine's refusals are told",
    "solve/inference/table.py": "columns of a table that its replicas multiply",
    "solve/mix/options.py": "the columns of a table that first tokens follow from",
    "solve/inference/workload.py": FIELDS,
    "solve/parallelism.py": FIELDS,
    "solve/training/workload.py": FIELDS,
    "solve/sensitivity.py": "by how much the bounds of a fleet are loosened for `why`, a unit of each",
    "solve/rent/share_bounds.py": "a formula: by what a share of the cost is divided",
    "solve/training/grid.py": "what the rows of a cell have alike, by how cells are made",
    "startup/compare.py": PARTS,
    "startup/predicted.py": "what the lock alone says of a part of a mix",
    "startup/reported.py": PARTS,
    "syntax/tokens.py": "the syntax knows no schema: names after which a string is read as an id",
    "wording.py": "kinds of needs, which are called like some quantities",
}
"""Where two or more names of quantities stand in one table all the same, and why that is no fact about them."""


def tables(source: str) -> Iterator[list[str]]:
    """Yield the names of quantities in each tuple, list, set or dict outside functions, and in each that a comparison
    asks for a member, where they are two or more."""
    tree = ast.parse(source)
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.Lambda)]
    inside = {inner for node in functions for inner in ast.walk(node)}
    asked = {
        item
        for node in inside
        if isinstance(node, ast.Compare) and any(isinstance(op, ast.In | ast.NotIn) for op in node.ops)
        for item in node.comparators
    }
    for node in ast.walk(tree):
        if node in inside and not (node in asked and isinstance(node, ast.Tuple | ast.Set) and len(node.elts) > 2):
            continue
        match node:
            case ast.Tuple() | ast.List() | ast.Set():
                items: list[ast.expr | None] = [*node.elts]
            case ast.Dict():
                items = [*node.keys]
            case _:
                continue
        found = [item.value for item in items if isinstance(item, ast.Constant) and item.value in NAMES]
        if len(found) > 1:
            yield [str(name) for name in found]


def test_facts_about_quantities_stand_in_their_rows() -> None:
    used, wrong = set(), []
    for path in sorted(PACKAGE.rglob("*.py")):
        name = path.relative_to(PACKAGE).as_posix()
        if name.startswith(SCHEMA):
            continue
        for found in tables(path.read_text(encoding="utf-8")):
            place = next((place for place in ALLOWED if name.startswith(place)), None)
            if place is None:
                wrong.append(f"{name}: {', '.join(found)}")
            else:
                used.add(place)
    assert wrong == []
    assert used == set(ALLOWED)


@pytest.mark.parametrize(
    "source",
    [
        'TRIED = ("gpus", "gpu", "weights")',
        'HIDDEN = frozenset({"provider", "region"})',
        'NEUTRAL = {"activations": ("bf16",), "zero": (0,)}',
        'class A:\n    B = ["memory", "cost"]',
        'def f(name):\n    return name in ("zero", "offload", "nodes")',
    ],
)
def test_a_table_of_facts_is_found(source: str) -> None:
    assert list(tables(source))


def test_every_decision_has_its_place_and_its_turn() -> None:
    names = [row.name for row in DECISIONS]
    assert [*WHERE, *HOW] == names and set(HOW) == {*grouped("arithmetic"), *grouped("split")}
    assert sorted(row.turn for row in DECISIONS) == list(range(1, len(DECISIONS) + 1))
    assert set(IN_TURN) == set(names)
    assert not [row.name for row in DECISIONS if row.suggested and row.free]
    assert FROM_OFFER == ("provider", "region") and SUGGESTED[0] == "weights"


def test_every_word_has_its_meaning() -> None:
    for row in QUANTITIES:
        assert len(row.words) == len(row.meanings) == len(set(row.words))
        assert all(line.endswith(".") for line in row.meanings), row.name
