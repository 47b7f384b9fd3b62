"""Random plans through every verb: mostly valid ones, and mutated ones (fuzz.py runs more, with other seeds)."""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path

import fuzz
import generate
import pytest

from planner.catalog import load as catalogs
from planner.catalog.load import load as load_catalog
from planner.catalog.records import Model
from planner.language.declared.fields import FIELDS_BY_KIND
from planner.language.schema import QUANTITIES

PLANS, MUTATED, EACH = 3000, 10_000, 100


@pytest.fixture(autouse=True)
def _read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalogs, "load", fuzz.READ_ONCE)


@pytest.mark.parametrize("part", range(PLANS // EACH))
def test_a_plan_through_a_verb(part: int, tmp_path: Path) -> None:
    where, good, seed = fuzz.folder_of(tmp_path), 0, -1
    try:
        for seed in range(part * EACH, part * EACH + EACH):
            good += fuzz.valid(seed, where)[1]
    except BaseException as problem:
        problem.add_note(f"seed {seed}\n{(where / 'plan.mem').read_text()}")
        raise
    assert good > EACH * 0.7  # mostly valid: what is refused at once shows little


@pytest.mark.parametrize("seed", range(MUTATED // 500))
def test_mutated_plans_end_in_findings_with_a_place(seed: int, tmp_path: Path) -> None:
    now = ""
    try:
        for text, run in fuzz.spoiled(seed, 500, fuzz.folder_of(tmp_path)):
            now = text
            run()
    except BaseException as problem:
        problem.add_note(f"seed {seed}\n{now!r}")
        raise


def test_plans_are_made_of_all_that_the_language_has() -> None:
    texts = [generate.plan(random.Random(seed), seed % 5 == 0) for seed in range(PLANS)]
    words = Counter(word for text in texts for word in set(generate.WORDS.findall(text)))
    for row in QUANTITIES:
        assert words[row.name] > 5, row.name
        for value in row.words:
            assert words[value] > 0, (row.name, value)
    for fields in FIELDS_BY_KIND["offer"], FIELDS_BY_KIND["fleet"]:
        for row in fields.values():
            assert words[row.name] > 5 or row.role == "outcome", row.name
    catalog, _ = load_catalog()
    assert all(words[name] > 5 for name in catalog.engines)
    assert all(words[name] > 0 for name, row in catalog.frameworks.items() if row.vendors)
    mixers = {
        group.mixer.kind
        for model in catalog.models.values()
        if model.architecture
        for group in model.architecture.groups
    }
    found = [catalog.find_model(name) for names in generate.MODELS.values() for name in names]
    used = [model for model in found if isinstance(model, Model)]
    assert len(used) == len(found)
    assert mixers == {group.mixer.kind for model in used if model.architecture for group in model.architecture.groups}
    assert any(model.architecture is None for model in used)


def test_every_verb_has_hundred_and_fifty_plans() -> None:
    counts = Counter(verb for seed in range(PLANS) for verb in fuzz.turn(seed))
    assert set(counts) == set(fuzz.VERBS)
    assert min(counts.values()) >= 150
