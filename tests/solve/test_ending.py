"""Several trainings: what they share, that they are solved and proven, and what is answered where that is too much."""

from __future__ import annotations

import pytest

from planner.catalog.load import load
from planner.plan import load_plan
from planner.solve import solve
from planner.solve.answer import Answer

RUN = 'model = "Qwen/Qwen2.5-0.5B"; sequence = 1Ki tokens; global_batch = 8; gpus = 4; offer = node'
NODE = "offer node { provider = here; gpu = l40s; gpus = 8; price = $8/h%s }\n"


def answered(body: str) -> Answer:
    """Return the answer of a plan."""
    problem = load_plan("runs.mem", text=f"edition 2026\n{body}").problem
    assert problem is not None
    return solve(problem, load()[0])


def costs(answer: Answer) -> list[float]:
    """Return what each workload pays an hour."""
    return [item.chosen.cost / 1e6 for item in answer.workloads]


def test_two_open_trainings_are_solved_and_proven() -> None:
    """Five lines that nothing couples once ended in E0703, and with `gpus` in a search of 28 s."""
    each = "sequence = 4Ki tokens; global_batch = 64; tokens = 100M tokens"
    found = answered(
        f'training a {{ model = "Qwen/Qwen3-4B"; {each} }}\ntraining b {{ model = "Qwen/Qwen3-8B"; {each} }}'
    )
    assert found.outcome == "optimal"
    assert found.reproducible
    total = sum(item.chosen.outcomes["total_cost_expected"] or 0 for item in found.workloads)
    (part,) = found.objective
    assert part.value is not None and part.value == part.bound
    assert float(part.value) == pytest.approx(float(total), abs=0.01)


def test_a_run_beside_a_service_pays_its_share() -> None:
    service = (
        'inference s { model = "Qwen/Qwen2.5-0.5B"; context = 1Ki tokens; concurrency = 1; gpus = 4; offer = node; '
    )
    service += "replicas = 4 }"
    found = answered(f"{NODE % ''}training a {{ {RUN}; tokens = 10M tokens }}\n{service}\nminimize cost")
    assert costs(found) == [4, 4]


def test_runs_share_while_they_run() -> None:
    """`cost` is what is paid while all of a plan runs: two halves of a node, whoever ends first."""
    found = answered(
        f"{NODE % ''}training a {{ {RUN}; tokens = 10M tokens }}\n"
        f"training b {{ {RUN}; tokens = 20M tokens }}\nminimize cost"
    )
    assert found.outcome == "optimal" and costs(found) == [4, 4]


def test_who_fills_an_instance_shares_none() -> None:
    """Eight of eight GPUs leave nothing to others: those who fill half of one share it among themselves."""
    other = RUN.replace("gpus = 4", "gpus = 8")
    found = answered(
        f"{NODE % ''}training a {{ {other} }}\ntraining b {{ {RUN} }}\ntraining c {{ {RUN} }}\nminimize cost"
    )
    assert costs(found) == [8, 4, 4]


def test_what_is_too_much_to_prove_is_still_answered() -> None:
    """A goal that reads the share of one workload beside two that leave everything open."""
    found = answered(
        'training a { model = "Qwen/Qwen3-4B"; sequence = 4Ki tokens; global_batch = 63; tokens = 100M tokens }\n'
        'inference b { model = "Qwen/Qwen3-8B"; context = 8Ki tokens; concurrency = 16 }\n'
        "minimize a.total_cost then minimize cost"
    )
    assert found.outcome in ("optimal", "feasible")
    first = found.objective[0]
    assert first.value is not None and first.bound is not None
    assert first.bound <= first.value
    assert (found.outcome == "optimal") == all(part.value == part.bound for part in found.objective)
