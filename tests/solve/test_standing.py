"""Where every GPU type stands: against every choice judged one by one, with the other workloads as they were chosen."""

from __future__ import annotations

import random
from pathlib import Path

import brute
import pytest
from test_oracle import offers, problem_of, service

from planner.catalog.load import load as load_catalog
from planner.language.problem import Problem
from planner.solve import solve
from planner.solve.answer import Answer
from planner.solve.candidate import Candidate
from planner.solve.kinds import judge
from planner.solve.objective import decisive, goal_value, is_worst
from planner.solve.rent.sharing import allocate_costs, broken_together
from planner.solve.rules import holds_together, speaks_of

CATALOG, _ = load_catalog()
GOALS = (
    "minimize cost",
    "minimize cost",
    "minimize cost then maximize headroom",
    "minimize tpot then minimize cost",
    "maximize quality then maximize max_context",
    "maximize quality then minimize cost",
    "maximize headroom",
    "minimize gpus then minimize cost",
)
RULES = ("", "", "quality >= 97%", "headroom >= 20%", "tpot <= 30 ms", "cost <= $4/h", "cost <= $2/h")


def alone(chance: random.Random) -> str:
    text = offers(chance, 4) + service(chance, "w", chance.randint(1, 3), chance.choice(RULES))
    text += chance.choice(("", "", "prefer native: w.weights == bf16 worth $2/h\n", "require one: w.gpus != 2\n"))
    return f"{text}{chance.choice(GOALS)}\n"


def several(chance: random.Random) -> str:
    racks = "".join(
        f"offer r{index} {{ gpu = {chance.choice(('l4', 'l40s', 'a10g'))}; gpus = {chance.choice((2, 4))}; "
        f"price = ${chance.randint(2, 12)}/h{chance.choice(('', '; available = 1'))} }}\n"
        for index in range(chance.choice((1, 2)))
    )
    names = ("a", "b", "c")[: chance.choice((2, 2, 3))]
    blocks = "".join(service(chance, name, 2, chance.choice((*RULES, "", "cost <= $3/h"))) for name in names)
    fleet = chance.choice(
        ("", "", "fleet { cost <= $12/h }\n", "fleet { gpus <= 4 }\n", "fleet { available.l4 <= 2 }\n")
    )
    extra = chance.choice(
        (
            "",
            "",
            "require same: a.gpu == b.gpu\n",
            "prefer even: a.weights == b.weights worth $2/h\n",
            "require roomy: min(w.headroom for w in workloads) >= 20%\n",
        )
    )
    return f"{racks}{offers(chance, 2, limited=True)}{blocks}{fleet}{extra}{chance.choice(GOALS)}\n"


@pytest.mark.parametrize("seed", range(20))
def test_one_workload(seed: int, tmp_path: Path) -> None:
    compare(alone(random.Random(20_000 + seed)), tmp_path)


@pytest.mark.parametrize("seed", range(20))
def test_several_workloads(seed: int, tmp_path: Path) -> None:
    compare(several(random.Random(30_000 + seed)), tmp_path)


def whole(problem: Problem, others: dict[str, Candidate], row: Candidate) -> tuple[tuple[int, ...], list[str]]:
    """Return what the plan's objective is with a candidate in place of the choice, and the rules that it breaks."""
    chosen = allocate_costs(problem, {**others, row.workload: row})
    broken = [item.rule for found in chosen.values() for item in found.broken]
    if others or problem.fleet:
        broken += [item.rule for item in broken_together(problem, chosen)]
    goals = []
    for goal in problem.goals:
        worst = is_worst(goal, problem)
        parts = [goal_value(found, goal, worst) for found in chosen.values()]
        goals.append(max(parts) if worst else sum(parts))
        if goal.quantity == "cost":
            goals[-1] += sum(
                wish.worth
                for wish in problem.preferences
                if len(speaks_of(wish.condition)) > 1 and not holds_together(wish.condition, problem, chosen)
            )
    return tuple(goals), sorted(broken)


def compare(text: str, folder: Path) -> None:
    problem = problem_of(text, folder)
    answer = solve(problem, CATALOG, hardware=True)
    known = {item.name: item for item in problem.workloads}
    plain = {
        item.chosen.workload: judge(problem, known[item.chosen.workload], item.chosen.choice, CATALOG)
        for item in answer.workloads
    }
    for name, workload in known.items():
        others = {owner: row for owner, row in plain.items() if owner != name}
        base = problem if answer.workloads else _alone(problem, name)
        tried: dict[str, list[tuple[tuple[int, ...], list[str]]]] = {}
        for row in brute.candidates(problem, workload, CATALOG):
            tried.setdefault(row.gpu, []).append(whole(base, others, row))
        stands = {item.gpu: item for item in answer.hardware if item.workload == name}
        for gpu, options in tried.items():
            fitting = [goals for goals, broken in options if not broken]
            stand = stands[gpu]
            assert (stand.status in ("chosen", "fits")) == bool(fitting), (text, name, gpu, stand.status)
            assert stand.best is not None
            mine, broken = whole(base, others, _plain(problem, stand.best))
            assert [item.rule for item in stand.best.broken] == [] or not fitting
            assert sorted({item.rule for item in stand.best.broken}) == sorted(set(broken)), (text, name, gpu)
            if fitting:
                assert mine == min(fitting), (text, name, gpu)
            else:
                assert len(broken) == min(len(rules) for _, rules in options), (text, name, gpu)
        assert {gpu for gpu, item in stands.items() if item.status != "not_offered"} == set(tried), text
    lists(problem, answer, plain, text)


def lists(problem: Problem, answer: Answer, plain: dict[str, Candidate], text: str) -> None:
    """Nothing that fits is better than the choice; what is listed as better is, and breaks what it says."""
    lead = decisive(problem)
    for item in answer.workloads:
        name = item.chosen.workload
        others = {owner: row for owner, row in plain.items() if owner != name}
        chosen, _ = whole(problem, others, plain[name])
        fitting = []
        for row in item.alternatives:
            goals, broken = whole(problem, others, _plain(problem, row))
            assert not broken and not row.broken, (text, name)
            assert goals >= chosen, (text, name, row.gpu)
            fitting.append(goals)
        assert fitting == sorted(fitting), text
        for row in item.rejected:
            goals, broken = whole(problem, others, _plain(problem, row))
            assert goals[:lead] < chosen[:lead], (text, name, row.gpu)
            assert broken and sorted({fault.rule for fault in row.broken}) == sorted(set(broken)), (text, name)
        if problem.goals[0].quantity == "cost" and not problem.preferences and not others:
            assert [row.cost for row in item.rejected] == sorted(row.cost for row in item.rejected)


def _plain(problem: Problem, row: Candidate) -> Candidate:
    workload = next(item for item in problem.workloads if item.name == row.workload)
    return judge(problem, workload, row.choice, CATALOG)


def _alone(problem: Problem, name: str) -> Problem:
    from dataclasses import replace

    return replace(problem, fleet=(), workloads=tuple(item for item in problem.workloads if item.name == name))


def test_what_is_better_is_better_in_what_comes_first(tmp_path: Path) -> None:
    """Of a quality that a rule on cost bars the options are told, the cheapest first; no more context at the same."""
    text = (
        "offer mine { gpu = l4; gpus = 1; price = $0/h; available = 1 }\n"
        "offer big { gpu = l40s; gpus = 1; price = $2/h }\noffer more { gpu = a10g; gpus = 1; price = $1/h }\n"
        'inference w { model = "meta-llama/Llama-3.1-8B"; context = 4Ki; concurrency = 16; gpus = 1\n'
        "weights in {bf16, int4}; provider = own; cost <= $0/h }\nmaximize quality then maximize max_context\n"
    )
    (item,) = solve(problem_of(text, tmp_path), CATALOG).workloads
    assert item.chosen.gpu == "l4" and item.chosen.choice["weights"] == "int4"
    native = [row for row in item.rejected if row.choice["weights"] == "bf16"]
    assert [(row.gpu, row.cost) for row in item.rejected] == [(row.gpu, row.cost) for row in native]
    assert ("l40s", 2_000_000) in [(row.gpu, row.cost) for row in native]
    for row in native:
        assert (row.outcomes["quality"] or 0) > (item.chosen.outcomes["quality"] or 0)
        assert "w.cost" in {fault.rule for fault in row.broken}


def test_what_another_workload_uses_up_does_not_fit(tmp_path: Path) -> None:
    """One free card, two workloads: for the one without it, it is no cheaper option that fits."""
    text = (
        "offer free { gpu = l40s; gpus = 1; price = $0/h; available = 1 }\n"
        "offer paid { gpu = a10g; gpus = 1; price = $1/h }\n"
    ) + "".join(
        f'inference {name} {{ model = "meta-llama/Llama-3.2-1B"; context = 4Ki; concurrency = 4; gpus = 1; '
        "provider = own }\n"
        for name in ("a", "b")
    )
    answer = solve(problem_of(text, tmp_path), CATALOG, hardware=True)
    without = next(item for item in answer.workloads if item.chosen.gpu == "a10g")
    assert not without.alternatives
    (row,) = without.rejected
    assert (row.gpu, [fault.rule for fault in row.broken]) == ("l40s", ["free.available"])
    stands = {item.gpu: item.status for item in answer.hardware if item.workload == without.chosen.workload}
    assert (stands["a10g"], stands["l40s"]) == ("chosen", "breaks")


def test_what_leaves_another_workload_to_pay_alone_breaks_its_rule(tmp_path: Path) -> None:
    """Two workloads share a rack, one may not pay more than its half: the other cannot move away."""
    text = (
        "offer rack { gpu = l40s; gpus = 2; price = $4/h }\noffer card { gpu = a10g; gpus = 1; price = $3/h }\n"
        + "".join(
            f'inference {name} {{ model = "meta-llama/Llama-3.2-1B"; context = 4Ki; concurrency = 4; gpus = 1; '
            f"provider = own; {rule} }}\n"
            for name, rule in (("a", ""), ("b", "cost <= $2/h"))
        )
    )
    answer = solve(problem_of(text, tmp_path), CATALOG, hardware=True)
    assert [item.chosen.gpu for item in answer.workloads] == ["l40s", "l40s"]
    (stand,) = (item for item in answer.hardware if (item.workload, item.gpu) == ("a", "a10g"))
    assert stand.status == "breaks" and stand.best is not None
    assert [fault.rule for fault in stand.best.broken] == ["b.cost"]
