"""What must hold of answers whatever the numbers are."""

from __future__ import annotations

import random
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest

from planner.catalog.load import load as load_catalog
from planner.cli.plan import load_plan
from planner.language.problem import Problem
from planner.solve import solve
from planner.solve.answer import Answer, Conflict
from planner.solve.candidate import EXPECTED
from planner.solve.columns.rules import broken_by
from planner.solve.fleet import cpsat
from planner.solve.inference.layerwise import layers_of
from planner.solve.kinds import judge, tables_of
from planner.solve.needs import Need
from planner.wording import note_text

CATALOG, _ = load_catalog()
MICRO = Fraction(1, 10**6)

FLEET = """
offer small { gpu = l4; gpus = 1; price = $1/h; available = 3 }
offer large { gpu = l40s; gpus = 4; price = $6/h }
offer other { gpu = a100_sxm_80gb; gpus = 8; price = $15/h }
inference a { model = "meta-llama/Llama-3.1-8B"; context = 4096; concurrency = 8; gpus in 1..4; provider = own }
inference b { model = "meta-llama/Llama-3.2-1B"; context = 2048; concurrency = 16; gpus in 1..2; provider = own }
inference c { model = "Qwen/Qwen2.5-7B"; context = 4096; concurrency = 4; gpus in 1..4; provider = own
              weights in {bf16, int4} }
"""


def problem_of(text: str, folder: Path) -> Problem:
    plan = folder / "plan.mem"
    plan.write_text(text)
    loaded = load_plan(str(plan))
    assert loaded.problem is not None, loaded.findings
    return loaded.problem


def answer_of(text: str, folder: Path) -> Answer:
    return solve(problem_of(text, folder), CATALOG)


def cost_of(text: str, folder: Path) -> int:
    answer = answer_of(text, folder)
    assert answer.outcome == "optimal"
    assert answer.cost is not None
    return answer.cost


def test_more_inventory_never_costs_more(tmp_path: Path) -> None:
    single = FLEET.replace('3.1-8B"; context = 4096; concurrency = 8;', '3.1-8B"; context = 4096; concurrency = 2;')
    costs = [cost_of(single.replace("available = 3", f"available = {count}"), tmp_path) for count in range(5)]
    assert costs == sorted(costs, reverse=True)
    assert costs[0] > costs[-1]


def test_twice_the_price_is_twice_the_cost(tmp_path: Path) -> None:
    twice = FLEET.replace("$15/h", "$30/h").replace("$6/h", "$12/h").replace("$1/h", "$2/h")
    assert cost_of(twice, tmp_path) == 2 * cost_of(FLEET, tmp_path)


def test_names_and_order_do_not_matter(tmp_path: Path) -> None:
    blocks = FLEET.strip().split("\n")
    lines = [*blocks[:-2], "\n".join(blocks[-2:])]
    random.Random(5).shuffle(lines)
    assert answer_of("\n".join(lines), tmp_path).workloads == answer_of(FLEET, tmp_path).workloads
    renamed = FLEET.replace("inference a ", "inference z ").replace("inference b ", "inference a ")
    assert cost_of(renamed, tmp_path) == cost_of(FLEET, tmp_path)


def test_a_duplicate_offer_changes_nothing(tmp_path: Path) -> None:
    more = FLEET + "offer zz_other { gpu = a100_sxm_80gb; gpus = 8; price = $15/h }\n"
    first, second = answer_of(FLEET, tmp_path), answer_of(more, tmp_path)
    assert [item.chosen.choice for item in first.workloads] == [item.chosen.choice for item in second.workloads]


def test_the_budget_at_the_optimum_is_kept_and_a_micro_dollar_less_is_not(tmp_path: Path) -> None:
    problem = problem_of(FLEET + "fleet { cost <= $99/h }\n", tmp_path)
    best = solve(problem, CATALOG).cost
    assert best is not None
    for spare, outcome in ((0, "optimal"), (1, "infeasible")):
        bound = replace(problem.fleet[0], value=(best - spare) * MICRO)
        answer = solve(replace(problem, fleet=(bound,)), CATALOG)
        assert answer.outcome == outcome
    assert [(item.rule, item.relax_to) for item in answer.conflict if item.rule == "fleet.cost"] == [
        ("fleet.cost", best * MICRO)
    ]


def test_shared_instances_cost_once_and_shares_add_up(tmp_path: Path) -> None:
    text = "\n".join(
        f'inference {name} {{ model = "meta-llama/Llama-3.2-1B"; context = 2048; concurrency = 4; gpus = 1; '
        "provider = own }"
        for name in "abc"
    )
    answer = answer_of("offer rack { gpu = h100_sxm; gpus = 8; price = $20/h }\n" + text, tmp_path)
    assert answer.cost == 20_000_000
    assert sum(item.chosen.cost for item in answer.workloads) == answer.cost
    assert all("shares 1 × rack" in note_text(item.chosen.notes[-1]) for item in answer.workloads)


TIGHT = (
    "quality >= 99.9%; cost <= $1/h; weights in {int4, bf16}",
    "tpot <= 2 ms; cost <= $2/h",
    "headroom >= 60%; gpus in 1..2; cost <= $3/h",
    "gpu in {l4, t4}; gpus = 1",
    "tpot <= 1 ms; quality >= 99%",
)


def relaxed(problem: Problem, item: Conflict) -> Problem:
    """Return the problem with one relaxation applied to its only workload."""
    workload = problem.workloads[0]
    quantity, value = item.rule.partition(".")[2], item.relax_to
    assert value is not None and not isinstance(value, Need)
    if any(bound.rule == item.rule for bound in workload.bounds):
        bounds = tuple(replace(bound, value=value) if bound.rule == item.rule else bound for bound in workload.bounds)
        changed = replace(workload, bounds=bounds)
    else:
        changed = replace(workload, domains={**workload.domains, quantity: (value,)})
    return replace(problem, workloads=(changed,))


@pytest.mark.parametrize("rules", TIGHT)
def test_each_relaxation_of_a_conflict_is_enough(rules: str, tmp_path: Path) -> None:
    text = f'inference w {{ model = "meta-llama/Llama-3.1-70B"; context = 8192; concurrency = 8; {rules} }}\n'
    problem = problem_of(text, tmp_path)
    answer = solve(problem, CATALOG)
    assert answer.outcome == "infeasible"
    tried = 0
    for item in answer.conflict:
        for hint in item.hints:
            if hint.quantity in ("context", "concurrency"):
                given = {**problem.workloads[0].given, hint.quantity: hint.value}
                changed = replace(problem.workloads[0], given=given)
                assert solve(replace(problem, workloads=(changed,)), CATALOG).outcome == "optimal", (item, hint)
                tried += 1
        if item.relax_to is None or item.rule == "w.memory" or any("." in hint.quantity for hint in item.hints):
            continue
        assert solve(relaxed(problem, item), CATALOG).outcome == "optimal", item
        tried += 1
    assert tried


def test_dropping_any_rule_of_a_conflict_is_enough(tmp_path: Path) -> None:
    text = (
        'inference w { model = "meta-llama/Llama-3.1-70B"; context = 8192; concurrency = 8; weights in {bf16, int4}\n'
        "quality >= 99.9%; cost <= $1/h }\n"
    )
    problem = problem_of(text, tmp_path)
    conflict = solve(problem, CATALOG).conflict
    own = {bound.rule for bound in problem.workloads[0].bounds} & {item.rule for item in conflict}
    assert own == {"w.quality", "w.cost"}
    for rule in own:
        bounds = tuple(bound for bound in problem.workloads[0].bounds if bound.rule != rule)
        changed = replace(problem, workloads=(replace(problem.workloads[0], bounds=bounds),))
        assert solve(changed, CATALOG).outcome == "optimal"


PLANS = {
    "service": 'inference w { model = "meta-llama/Llama-3.1-8B"; context = 8192; concurrency = 32; gpus in 1..4\n'
    "weights in {bf16, fp8, int4}; kv_cache in {bf16, fp8}; replicas in 1..2; quality >= 90%; cost <= $9/h }\n",
    "layers": 'inference w { model = "meta-llama/Llama-3.1-8B"; context = 8192; concurrency = 8; gpus in 1..2\n'
    "weights in {bf16, int8, int4} per layer; quality >= 97% }\n",
    "mixture": 'inference w { model = "deepseek-ai/DeepSeek-V2-Lite"; context = 8192; concurrency = 8\n'
    "gpus in 1..4 }\n",
    "demand": 'inference w { model = "meta-llama/Llama-3.1-8B"; context = 4096; concurrency = 16; output = 256\n'
    "demand = 40 req/s; tpot <= 60 ms }\n",
    "by_sequence": 'inference w { model = "deepseek-ai/DeepSeek-V2-Lite"; context = 8192; concurrency = 8\n'
    "attention_parallel = data; engine = llama_cpp; gpus in 1..4 }\n",
    "beside": 'inference w { model = "meta-llama/Llama-3.1-8B"; context = 8192; concurrency = 8; gpus in 1..4\n'
    'adapters = 8; draft_model = "meta-llama/Llama-3.2-1B"; offloaded_weights = 2GiB; offloaded_cache = 8GiB }\n',
    "training": 'training w { model = "meta-llama/Llama-3.1-8B"; sequence = 4096; global_batch = 32; tokens = 1B\n'
    "optimizer in {adamw, adamw_8bit}; gpus in {1, 2, 4, 8, 16}; duration <= 20 day; headroom >= 5% }\n"
    "minimize total_cost\n",
    "adapters": 'training w { model = "Qwen/Qwen2.5-7B"; sequence = 2048; method in {lora, qlora}; tokens = 10M\n'
    "gpus in 1..4 }\n",
    "thumb": "model m { parameters = 13B }\ninference w { model = m; gpus in 1..4 }\n",
}


@pytest.mark.parametrize("name", PLANS)
def test_a_table_and_a_single_choice_say_the_same(name: str, tmp_path: Path) -> None:
    problem = problem_of(PLANS[name], tmp_path)
    workload = problem.workloads[0]
    table = tables_of(problem, CATALOG)["w"]
    broken = broken_by(table, problem)
    chance = random.Random(3)
    for row in chance.sample(range(table.rows), min(60, table.rows)):
        one = judge(problem, workload, table.choice(row), CATALOG)
        assert one.cost == table.costs[row] and one.gpus == table.gpus[row]
        assert {item.rule for item in one.broken} == {rule for rule, where in broken.items() if where[row]}
        for quantity, value in one.outcomes.items():
            if quantity.endswith(EXPECTED):
                continue  # shown beside the safe end, which is the column
            from planner.solve.columns.steps import value as steps_to

            assert steps_to(quantity, int(table.outcome(quantity)[row])) == value, (quantity, table.name(row))


def test_formats_per_layer_are_never_worse_than_one_format(tmp_path: Path) -> None:
    plan = (
        'inference w { model = "meta-llama/Llama-3.1-8B"; context = 8192; concurrency = 4; gpu = rtx_4090; gpus = 1\n'
        "weights in {bf16, int8, int4}%s }\nmaximize quality\n"
    )
    one = answer_of(plan % "", tmp_path).workloads[0].chosen
    mixed = answer_of(plan % " per layer", tmp_path).workloads[0].chosen
    assert mixed.outcomes["quality"] > one.outcomes["quality"]  # type: ignore[operator]
    assert len(layers_of(str(mixed.choice["weights"]))) == 32
    assert mixed.total <= mixed.usable


def test_replicas_are_the_fewest_that_sustain_the_demand(tmp_path: Path) -> None:
    plan = (
        'inference w { model = "meta-llama/Llama-3.1-8B"; context = 4096; concurrency = 8; output = 256\n'
        "gpu = l4; gpus in 1..64; tensor_parallel = 1; pipeline_parallel = 1; weights = fp8; demand = %s req/s%s }\n"
    )
    chosen = answer_of(plan % (4, ""), tmp_path).workloads[0].chosen
    replicas = int(chosen.choice["replicas"])
    assert replicas > 1
    fewer = answer_of(plan % (4, f"; replicas = {replicas - 1}"), tmp_path)
    assert fewer.outcome == "infeasible" and "w.demand" in {item.rule for item in fewer.conflict}


def test_a_front_has_no_point_that_another_beats(tmp_path: Path) -> None:
    problem = problem_of(PLANS["service"], tmp_path)
    answer = solve(problem, CATALOG, pareto=("cost", "quality", "tpot"))
    points = [
        (row.cost, -row.outcomes["quality"], row.outcomes["tpot"])  # type: ignore[operator]
        for (row,) in answer.pareto
    ]
    assert len(points) > 3 and points[0][0] == answer.cost
    for one in points:
        assert not any(other != one and all(a <= b for a, b in zip(other, one, strict=True)) for other in points)  # type: ignore[operator]


def test_the_public_solver_answers_as_the_light_one(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    light = answer_of(FLEET, tmp_path)

    def gone(*_: object) -> None:
        raise ImportError

    monkeypatch.setattr(cpsat, "_light", gone)
    assert answer_of(FLEET, tmp_path) == light


def test_no_time_is_no_proof(tmp_path: Path) -> None:
    problem = problem_of(FLEET, tmp_path)
    answer = solve(problem, CATALOG, time_limit=0.0)
    assert answer.outcome in ("optimal", "feasible", "unknown")
    if answer.outcome != "optimal":
        assert not answer.reproducible


WISHES = "prefer dear: a.gpu == a100_sxm_80gb worth $2/h\nprefer alike: a.gpu != b.gpu worth $1/h\n"


@pytest.mark.parametrize("shared", ["", "fleet { cost <= $99/h }\n"])
def test_what_preferences_cost_stands_beside_the_cost(shared: str, tmp_path: Path) -> None:
    """The objective's value is what is paid; its penalty is the worth of every preference that is not kept."""
    problem = problem_of(FLEET + WISHES.replace("worth $1/h", "worth $0.10/h") + shared, tmp_path)
    answer = solve(problem, CATALOG)
    (part,) = answer.objective
    lost = sum(wish.worth for wish in problem.preferences if not dict(answer.wishes)[wish.name])
    assert lost
    assert answer.cost is not None
    assert (part.value, part.penalty, part.bound) == (answer.cost * MICRO, lost * MICRO, answer.cost * MICRO)


def test_what_is_rejected_is_better_by_the_objective(tmp_path: Path) -> None:
    """A dear GPU makes a run cheaper in all; one that breaks a rule is told where the whole price is the objective."""
    text = (
        "offer slow { gpu = l4; gpus = 1; price = $1/h }\noffer fast { gpu = h100_sxm; gpus = 1; price = $3/h }\n"
        'training t { model = "Qwen/Qwen2.5-0.5B"; sequence = 1024; global_batch = 8; tokens = 50M; precision = bf16; '
        "gpus = 1; micro_batch = 1; provider = own; cost <= $2/h }\n"
    )
    for goal, better in (("total_cost", ["h100_sxm"]), ("step_time", ["h100_sxm"]), ("cost", [])):
        (item,) = answer_of(f"{text}minimize {goal}\n", tmp_path).workloads
        assert item.chosen.gpu == "l4"
        assert [row.gpu for row in item.rejected] == better
        for row in item.rejected:
            assert [fault.rule for fault in row.broken] == ["t.cost"]
            have, chosen = row.outcomes[goal], item.chosen.outcomes[goal]
            assert have is not None and chosen is not None and have < chosen


def test_an_answer_says_how_far_was_searched(tmp_path: Path) -> None:
    """What a plan leaves open has a limit, which a proof rests on; what it says has none but its own."""
    service = 'inference a { model = "meta-llama/Llama-3.1-8B"; context = 4096; concurrency = 8; %s }\n'
    training = 'training t { model = "Qwen/Qwen2.5-0.5B"; sequence = 1024; global_batch = 8; precision = bf16; %s }\n'
    parallel = {"tensor_parallel": 8, "pipeline_parallel": 8}
    for text, limits in (
        (service % "", {"a": {"gpus": 64, **parallel}}),
        (service % "gpus in 1..8", {}),
        (service % "gpus in 8..16 step 8; tensor_parallel in {8, 16}", {"a": {"pipeline_parallel": 8}}),
        (training % "framework = fsdp", {"t": {"gpus": 128, **parallel, "context_parallel": 1}}),
        (training % "", {"t": {"gpus": 128, "tensor_parallel": 1, "pipeline_parallel": 1, "context_parallel": 1}}),
        (training % "gpus = 2; framework = fsdp", {}),
        (training % "gpus = 2", {"t": {"tensor_parallel": 1, "pipeline_parallel": 1}}),
    ):
        answer = answer_of(text, tmp_path)
        assert answer.searched == limits, text
        assert (
            not answer.workloads
            or all(
                Fraction(str(item.chosen.choice[name])) <= most
                for item in answer.workloads
                for name, most in limits[item.chosen.workload].items()
            )
            if limits
            else True
        )
