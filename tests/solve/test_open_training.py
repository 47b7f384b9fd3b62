"""Fine-tunes left open: what is picked from grids is what all rows say, to the answer, its alternatives and refusals.

The reference is the table of all rows, whose rows are the plain judge's; on models of a few layers also brute force.
"""

from __future__ import annotations

import random
from collections import defaultdict
from fractions import Fraction
from pathlib import Path

import numpy
import pytest
from test_oracle import compare, problem_of

from planner.catalog.load import load as load_catalog
from planner.language.problem import Problem
from planner.plan import load_plan
from planner.solve import solve
from planner.solve.choose.choose import choose
from planner.solve.columns.rules import broken_by
from planner.solve.columns.steps import SCALES, UNKNOWN
from planner.solve.columns.table import Table
from planner.solve.kinds import judge_row, table_of, tables_of
from planner.solve.training import workload as training_workload
from planner.solve.training.grid import order_of
from planner.solve.training.hosts import offloads

MODELS = (
    "Qwen/Qwen2.5-0.5B",
    "meta-llama/Llama-3.2-1B",
    "meta-llama/Llama-3.1-8B",
    "mistralai/Mixtral-8x7B-v0.1",
    "tiiuae/falcon-7b",
    "openai-community/gpt2",
)
GPUS = ("l4", "l40s", "a10g", "rtx_4090", "a100_sxm_80gb", "h100_sxm", "v100", "t4", "mi300x")
METHODS = ("full", "lora", "qlora", "qat")
PRECISIONS = ("fp32", "bf16", "fp16_mixed", "bf16_mixed", "fp8_mixed", "int8")
OPTIMIZERS = ("sgd", "adam", "adamw", "adamw_8bit", "paged_adamw_8bit", "adafactor", "lion", "muon")
FRAMEWORKS = ("transformers", "fsdp", "deepspeed", "megatron")
RULES = (
    "",
    "",
    "headroom >= 10%",
    "memory <= 20 GiB",
    "duration <= 5 day",
    "step_time <= 10 s",
    "total_cost <= $400",
    "throughput >= 3000 tok/s",
    "mfu >= 20%",
    "cost <= $4/h",
    "quality >= 99%",
    "gpus <= 2; duration < 30 day",
    "headroom >= 5%; throughput > 500 tok/s; cost <= $20/h",
)
APART = (
    "require many: w.micro_batch * w.data_parallel <= 8\n",
    "require light: w.optimizer != sgd or w.zero >= 1\n",
    "prefer full: w.method == full worth $3/h\n",
    "prefer plain: w.checkpointing != full worth $1/h\n",
)
GOALS = (
    "minimize cost",
    "minimize cost",
    "minimize total_cost",
    "minimize total_cost then maximize headroom",
    "minimize cost then minimize step_time",
    "minimize step_time",
    "minimize duration",
    "minimize memory",
    "minimize gpus then minimize total_cost",
    "maximize headroom",
    "maximize throughput then minimize cost",
    "maximize mfu",
    "maximize quality then minimize total_cost",
    "minimize power then minimize step_time",
)


def some(chance: random.Random, words: tuple[str, ...], most: int) -> str:
    return "{" + ", ".join(chance.sample(words, chance.randint(1, most))) + "}"


def block(chance: random.Random, most: int) -> str:
    """What a fine-tune `w` offers, but its model and hardware."""
    lines = [
        f"sequence = {chance.choice((512, 2048))}",
        "tokens = 20M" if chance.random() < 0.9 else "",
        f"global_batch = {chance.choice((4, 8, 16))}" if chance.random() < 0.7 else "",
        f"framework = {chance.choice(FRAMEWORKS)}",
        f"method in {some(chance, METHODS, most)}",
        f"precision in {some(chance, PRECISIONS, most)}",
        f"optimizer in {some(chance, OPTIMIZERS, 3)}",
        chance.choice(("", "", "attention = eager", "preference = dpo", "selective = operations", "schedule = gpipe")),
        chance.choice(("", "", "loss = fused", "offload in {none, optimizer}", "frozen = {embedding}")),
        chance.choice(RULES),
    ]
    return "; ".join(filter(None, lines))


def open_plan(chance: random.Random) -> str:
    gpus = ", ".join(chance.sample(GPUS, 4))
    totals = ", ".join(map(str, sorted(chance.sample((1, 2, 4, 8), chance.randint(1, 3)))))
    extra = chance.choice(("", "", "; market in {on_demand, spot}", "; checkpointed_layers in 0..layers step 4"))
    rule = chance.choice(APART) if chance.random() < 0.2 else ""
    return (
        f'training w {{ model = "{chance.choice(MODELS)}"; gpu in {{{gpus}}}; gpus in {{{totals}}}; '
        f"{block(chance, 3)}{extra} }}\n{rule}{chance.choice(GOALS)}\n"
    )


def opened(seed: int, folder: Path) -> tuple[str, Problem]:
    text = open_plan(random.Random(seed))
    return text, problem_of(text, folder)


@pytest.mark.parametrize("seed", range(26))
def test_what_is_picked_answers_as_all_rows_do(seed: int, tmp_path: Path) -> None:
    catalog, _ = load_catalog()
    text, problem = opened(seed, tmp_path)
    all_rows, picked = (
        choose(problem, tables_of(problem, catalog, rows=rows), catalog, 3, 10.0, 1) for rows in ("all", "best")
    )
    assert picked.outcome == all_rows.outcome, text
    assert picked.considered == all_rows.considered, text
    assert picked.objective == all_rows.objective, text
    workload = problem.workloads[0]
    # where states may be offloaded rows are picked by what fits alone, and few of what does not are kept
    grids = order_of(problem, workload, training_workload.run_of(problem, workload).tokens) is not None
    grids = grids and not offloads(workload)
    for mine, other in zip(picked.workloads, all_rows.workloads, strict=True):
        assert mine.chosen == other.chosen, text
        assert mine.alternatives == other.alternatives, text
        assert not grids or mine.rejected == other.rejected, text


def test_most_plans_are_picked_from_grids(tmp_path: Path) -> None:
    """The test before this one says little where grids do not answer."""
    found = 0
    for seed in range(40):
        _, problem = opened(seed, tmp_path)
        workload = problem.workloads[0]
        found += order_of(problem, workload, training_workload.run_of(problem, workload).tokens) is not None
    assert found >= 27


@pytest.mark.parametrize("seed", range(10))
def test_rows_are_the_plain_judge(seed: int, tmp_path: Path) -> None:
    catalog, _ = load_catalog()
    text, problem = opened(seed, tmp_path)
    chance = random.Random(seed)
    for rows in ("all", "best"):
        table = table_of(problem, problem.workloads[0], catalog, rows=rows)
        broken = broken_by(table, problem)
        for row in chance.sample(range(table.rows), min(table.rows, 12)):
            found = judge_row(problem, table, row, catalog)
            for quantity in table.outcomes:
                have = int(table.outcome(quantity)[row])
                stated = found.outcomes[quantity]
                expected = UNKNOWN if stated is None else stated * SCALES[quantity]
                assert have == expected, (text, quantity, table.choice(row))
            assert found.total == int(table.outcome("memory")[row])
            assert {item.rule for item in found.broken} == {rule for rule, where in broken.items() if where[row]}, text


def counted(table: Table, problem: Problem) -> dict[str, dict[str, int]]:
    """How many candidates break each rule on each GPU type, told from all rows.

    Of what fits, a configuration counts by its fewest layers recomputed; what breaks a rule on memory or cannot run is
    not counted again for its time.
    """
    broken = broken_by(table, problem)
    axes = [table.axes[name].index for name in sorted(table.axes) if name not in ("checkpointed_layers", "optimizer")]
    _, first = numpy.unique(numpy.stack(axes, axis=1), axis=0, return_index=True)
    named = ("memory", "headroom", "precision", "quality", "method", "attention", "gpu")
    physics = [rule for rule in broken if rule.rpartition(".")[2] in named]
    held = ~numpy.any([broken[rule] for rule in physics] or [numpy.zeros(table.rows, bool)], axis=0)
    out: dict[str, dict[str, int]] = defaultdict(dict)
    assert table.weights is not None
    for rule, where in broken.items():
        late = rule.rpartition(".")[2] in ("duration", "step_time", "total_cost", "throughput", "mfu")
        mine = where & held if late else where
        for index, gpu in enumerate(table.axes["gpu"].values):
            rows = first[mine[first] & (table.axes["gpu"].index[first] == index)]
            if len(rows):
                out[rule][str(gpu)] = int(table.weights[rows].sum())
    return out


@pytest.mark.parametrize("seed", range(14))
def test_what_breaks_a_rule_is_counted(seed: int, tmp_path: Path) -> None:
    catalog, _ = load_catalog()
    text, problem = opened(seed, tmp_path)
    workload = problem.workloads[0]
    picked = table_of(problem, workload, catalog, rows="best")
    if picked.filtered is None:
        return
    gpus = picked.axes["gpu"].values
    found = {
        rule: {str(gpu): int(count) for gpu, count in zip(gpus, counts, strict=True) if count}
        for rule, counts in picked.filtered.items()
        if any(counts)
    }
    assert found == counted(table_of(problem, workload, catalog), problem), text


def network(chance: random.Random) -> str:
    return chance.choice(("", "", "; network = 0.1 GB/s", "; network = 12.5 GB/s", "; network = 400 GB/s"))


@pytest.mark.parametrize("seed", range(20))
def test_small_models_equal_brute_force(seed: int, tmp_path: Path) -> None:
    chance = random.Random(7000 + seed)
    text = "model tiny { hidden = 512; layers = 3; heads = 8; kv_heads = 4; inter = 1408; vocab = 32_000; "
    text += "max_context = 8Ki tokens; native_format = bf16 }\n"
    for index, like in enumerate(chance.sample(("l4", "v100", "h100_sxm"), 2)):
        memory = chance.choice((1400, 2600, 4000, 12_000))
        text += f"gpu card{index} like {like} {{ memory = {memory} MiB }}\n"
        text += f"offer o{index} {{ gpu = card{index}; gpus = {chance.choice((1, 2, 4))}; "
        text += f"price = ${chance.randint(1, 9)}/h{network(chance)} }}\n"
        if chance.random() < 0.5:
            text += f"offer p{index} {{ gpu = card{index}; gpus = 2; "
            text += f"price = ${chance.randint(1, 9)}/h{network(chance)} }}\n"
    text += f"training w {{ model = tiny; provider = own; gpus in {{1, {chance.choice((2, 4))}}}; "
    text += f"micro_batch in {{1, 4}}; {block(chance, 2)} }}\n"
    text += (chance.choice(APART) if chance.random() < 0.3 else "") + chance.choice(GOALS) + "\n"
    compare(text, tmp_path)


def test_a_price_of_nothing_makes_no_difference_in_cost(tmp_path: Path) -> None:
    """Where all rows of a cell cost the same in all, what follows in the order decides between all of them."""
    text = (
        "offer rack { gpu = l40s; gpus = 4; price = $0/h }\n"
        'training w { model = "Qwen/Qwen2.5-0.5B"; sequence = 1024; global_batch = 8; tokens = 10M; provider = own; '
        "gpus in {1, 2, 4}; precision in any; method in {full, lora} }\nminimize total_cost\n"
    )
    catalog, _ = load_catalog()
    problem = problem_of(text, tmp_path)
    picked, all_rows = (
        choose(problem, tables_of(problem, catalog, rows=rows), catalog, 3, 10.0, 1) for rows in ("best", "all")
    )
    assert picked.workloads == all_rows.workloads
    assert picked.workloads[0].chosen.outcomes["total_cost"] == Fraction(0)


@pytest.mark.parametrize("sequence", [100_000, 3_000_000, 2**27])
def test_what_is_beyond_every_machine_does_not_fit(sequence: int, tmp_path: Path) -> None:
    """Scores of eager attention, kept by many micro-batches at once: sums that must not come round to small ones."""
    text = (
        f'training w {{ model = "meta-llama/Llama-3.1-8B"; sequence = {sequence}; global_batch = 8192; tokens = 1B; '
        "attention = eager; schedule = gpipe; gpus = 8; gpu in {h100_sxm, b200}; checkpointing = none }\n"
        "minimize cost\n"
    )
    catalog, _ = load_catalog()
    answer = solve(problem_of(text, tmp_path), catalog)
    assert answer.outcome in ("infeasible", "unknown")


@pytest.mark.parametrize("goal", ["total_cost", "duration", "step_time"])
def test_a_run_of_many_tokens_is_timed_where_it_fits(goal: str, tmp_path: Path) -> None:
    """What hardware that is out of all proportion would cost is beyond what is counted; it is not looked at."""
    file = tmp_path / "long.mem"
    given = 'model = "meta-llama/Llama-3.1-8B"; sequence = 4Ki tokens; global_batch = 256; tokens = 1000B tokens'
    file.write_text(f"edition 2026\ntraining w {{ {given} }}\nminimize {goal}\n")
    problem = load_plan(str(file)).problem
    assert problem is not None
    catalog, _ = load_catalog()
    assert solve(problem, catalog).outcome == "optimal"
