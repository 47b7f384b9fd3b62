"""Looked at beside sums of the others, a workload has the alternatives that it has beside each of them."""

from __future__ import annotations

from typing import Any

import pytest
from oracle.fleets import fleet, with_copies

from planner import api
from planner.plan import load_plan, shipped_catalog
from planner.solve.choose import other_workloads
from planner.solve.pipeline import with_hardware

SHIPPED = shipped_catalog()


def looked(text: str) -> list[Any]:
    plan = load_plan("fleet.mem", shipped=SHIPPED, text=text)
    assert plan.problem is not None
    answer = with_hardware(plan.problem, plan.catalog, api.solve(plan, top=5).answer)
    said = [row for item in answer.workloads for row in (*item.alternatives, *item.rejected)]
    said += [item.best for item in answer.hardware if item.best is not None]
    return [(row.workload, row.name, row.together, sorted(item.rule for item in row.broken)) for row in said]


@pytest.mark.parametrize("first", range(0, 60, 12))
def test_sums_stand_for_the_others(first: int, monkeypatch: pytest.MonkeyPatch) -> None:
    for seed in range(first, first + 12):
        text = str(with_copies(fleet(seed), seed) if seed % 2 else fleet(seed))
        monkeypatch.setattr(other_workloads, "FEW", 12)
        each = looked(text)
        monkeypatch.setattr(other_workloads, "FEW", 0)
        assert looked(text) == each, text
