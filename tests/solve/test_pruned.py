"""Of very many workloads only the rows that an answer can need are kept: the answers are the same."""

from __future__ import annotations

import runpy
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from oracle.fleets import fleet, with_copies
from oracle.plans import Plan

from planner.plan import load_plan, shipped_catalog
from planner.report.answer import render
from planner.solve import pipeline
from planner.solve.fleet import prune

SHIPPED = shipped_catalog()
COMPANY = runpy.run_path(str(Path(__file__).parents[2] / "benchmarks/company.py"))["plan"]


def plain(plan: Plan) -> Plan:
    """Return a plan that only its limits couple."""
    jobs = [replace(job, bounds=tuple(item for item in job.bounds if "cost" not in item.quantity)) for job in plan.jobs]
    return replace(plan, jobs=tuple(jobs), rules=(), wishes=(), goals=(("cost", "minimize"),))


def answered(text: str) -> tuple[Any, bool]:
    loaded = load_plan("w.mem", shipped=SHIPPED, text=text)
    assert loaded.problem is not None
    found = pipeline.solve(loaded.problem, loaded.catalog, top=0, time_limit=120)
    choices = [(item.chosen.workload, item.chosen.copies, item.chosen.name) for item in found.workloads]
    removed = sorted((item.workload, item.gpu, item.rule, item.candidates) for item in found.filtered)
    said = found.outcome, found.cost, found.considered, found.objective, choices, removed, found.conflict
    return said, prune.may_prune(loaded.problem)


@pytest.mark.parametrize("first", range(0, 40, 20))
def test_lean_tables_answer_the_same(first: int, monkeypatch: pytest.MonkeyPatch) -> None:
    tried = 0
    for seed in range(first, first + 20):
        plan = plain(fleet(seed)) if seed % 2 else fleet(seed)
        text = str(with_copies(plan, seed))
        monkeypatch.setattr(pipeline, "_is_brief", lambda problem, top: False)
        whole, may = answered(text)
        monkeypatch.setattr(pipeline, "_is_brief", lambda problem, top: True)
        assert answered(text) == (whole, may), text
        tried += may
    assert tried > 8


def test_a_company_is_answered_in_brief(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prune, "MANY", 20)
    loaded = load_plan("w.mem", shipped=SHIPPED, text=COMPANY(24))
    assert loaded.problem is not None
    brief = pipeline.solve(loaded.problem, loaded.catalog, time_limit=120)
    assert brief.brief
    assert not any(item.alternatives for item in brief.workloads)
    assert "alternatives of 24 workloads are not listed: `--top 4`" in " ".join(render("table", brief).split())
    whole = pipeline.solve(loaded.problem, loaded.catalog, top=4, time_limit=120)
    assert not whole.brief
    assert all(item.alternatives for item in whole.workloads)
    assert (brief.outcome, brief.cost, brief.considered) == (whole.outcome, whole.cost, whole.considered)
    assert [item.chosen.name for item in brief.workloads] == [item.chosen.name for item in whole.workloads]
