"""What a plan does not mention is the same for every rule: of one candidate, of columns, of a fleet, of tests."""

from __future__ import annotations

from fractions import Fraction
from functools import cache

import pytest

from planner.catalog.catalog import Catalog
from planner.catalog.load import load as load_catalog
from planner.language.defaults import DEFAULTS, FOLLOWS, JUDGED, changed
from planner.language.problem import Problem, Value
from planner.language.quantities.quantity import Quantity
from planner.language.resolve import resolve
from planner.language.schema import BY_KIND, QUANTITIES
from planner.report import figures
from planner.report.explain import lines_for
from planner.solve import solve
from planner.solve.columns.rules import breaks, broken_by, penalties
from planner.solve.columns.table import Table
from planner.solve.kinds import judge_row, table_of
from planner.solve.rules import measure
from planner.syntax.parse import parse
from planner.trials.run import run

GPUS = "gpu = h100_sxm; gpus = 2"
INFERENCE = f'model = "meta-llama/Llama-3.1-8B"; context = 4Ki tokens; concurrency = 4; {GPUS}; tensor_parallel = 2'
TRAINING = (
    f'model = "meta-llama/Llama-3.2-1B"; sequence = 1Ki tokens; {GPUS}; data_parallel = 2; micro_batch = 2; zero = 3'
)
THUMB = f"model = house; {GPUS}"
BLOCKS = {
    "inference": [
        INFERENCE,
        *(f"{INFERENCE}; engine = {name}" for name in ("sglang", "tensorrt_llm", "llama_cpp")),
        THUMB,
    ],
    "training": [
        TRAINING,
        *(
            f"{TRAINING.replace('zero = 3', f'zero = {zero}')}; framework = {name}; precision = {precision}"
            for name, zero in (("fsdp", 3), ("deepspeed", 3), ("megatron", 1))
            for precision in ("bf16", "fp16_mixed")
        ),
        f"{TRAINING}; method = lora; lora_precision = bf16",
        f"model = house; {GPUS}; data_parallel = 2; micro_batch = 2",
    ],
}
CASES = [(kind, block) for kind, blocks in BLOCKS.items() for block in blocks]
DECIDED = {
    "method",
    "precision",
    "optimizer",
    "quantization",
    "market",
    "replicas",
    "weights",
    "activations",
    "kv_cache",
}
DECIDED |= {"offload", "context_parallel", "expert_parallel"}


@cache
def catalog() -> Catalog:
    return load_catalog()[0]


def problem_of(text: str) -> Problem:
    file, broken = parse(f"edition 2026\nmodel house {{ parameters = 3B }}\n{text}", "plan.mem")
    problem, found = resolve(file, catalog())
    assert problem is not None, [*broken, *found]
    return problem


def with_default(kind: str) -> list[Quantity]:
    """The quantities of a kind that have a value where a plan does not mention them, of whatever role."""
    rows = BY_KIND[kind].values()
    return [row for row in rows if row.name in DEFAULTS[kind] or row.name in JUDGED | DECIDED or row.name == "prompt"]


def tabled(problem: Problem, name: str = "a") -> Table:
    return table_of(problem, next(item for item in problem.workloads if item.name == name), catalog())


def values_of(kind: str, block: str) -> dict[str, Value]:
    """What the first candidate of a block has of every quantity with a default."""
    problem = problem_of(f"{kind} a {{ {block} }}")
    row = judge_row(problem, tabled(problem), 0, catalog())
    out = {}
    for item in with_default(kind):
        found = measure(item.name, problem.workloads[0], row.known, row.outcomes)
        if found is None:  # a rule of thumb knows no context
            assert item.name == "prompt" and "house" in block
            continue
        out[item.name] = found.value
    return out


def written(row: Quantity, value: Value) -> str:
    """A value as a plan writes it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Fraction):
        return f"{value.numerator}{'' if row.unit is None else f' {row.unit}'}" + f" / {value.denominator}" * (
            value.denominator != 1
        )
    return f'"{value}"' if row.type in ("text", "model") else value


def spoken(kind: str, block: str) -> dict[str, str]:
    """Every default of a block as a plan can write it; what is nothing cannot be written."""
    return {name: written(BY_KIND[kind][name], value) for name, value in values_of(kind, block).items() if value != ""}


@pytest.mark.parametrize("said", [False, True], ids=["unsaid", "said"])
@pytest.mark.parametrize(("kind", "block"), CASES)
def test_candidates_columns_and_preferences_see_one_default(kind: str, block: str, said: bool) -> None:
    defaults = spoken(kind, block)
    lines = [f"{name} = {text}" for name, text in defaults.items() if name not in block] if said else []
    rules = [
        f"require {name}_{word}: a.{name} {operator} {text}\n"
        f"require part_{name}_{word}: a.{name} {operator} {text} and a.gpus >= 1\n"
        f"prefer wish_{name}_{word}: a.{name} {operator} {text} worth $1/h"
        for name, text in defaults.items()
        for word, operator in (("is", "=="), ("not", "!="))
    ]
    problem = problem_of(f"{kind} a {{ {'; '.join([block, *lines])} }}\n" + "\n".join(rules))
    table = tabled(problem)
    broken = broken_by(table, problem)
    row = judge_row(problem, table, 0, catalog())
    of_columns = {rule for rule, where in broken.items() if where[0]}
    wanted = {f"{part}{name}_not" for name in defaults for part in ("", "part_")}
    assert wanted == {rule for rule in of_columns if rule.endswith(("_not", "_is"))}
    assert of_columns == {item.rule for item in row.broken}
    assert row.penalty == int(penalties(table, problem)[0]) == len(defaults) * 10**6


@pytest.mark.parametrize(("kind", "block"), CASES)
def test_saying_a_default_changes_nothing(kind: str, block: str) -> None:
    lines = [f"{name} = {text}" for name, text in spoken(kind, block).items() if name not in block]
    one, other = (problem_of(f"{kind} a {{ {'; '.join([block, *more])} }}") for more in ([], lines))
    tables = [tabled(problem) for problem in (one, other)]
    assert tables[0].rows == tables[1].rows > 0
    first, second = (
        judge_row(problem, table, 0, catalog()) for problem, table in zip((one, other), tables, strict=True)
    )
    assert (first.choice, first.parts, first.outcomes) == (second.choice, second.parts, second.outcomes)
    assert second.defaults == {}


@pytest.mark.parametrize(("kind", "block"), [case for case in CASES if case[1] in (INFERENCE, TRAINING)])
def test_saying_one_default_changes_nothing(kind: str, block: str) -> None:
    for name, text in spoken(kind, block).items():
        if name not in block:
            one, other = (
                problem_of(f"{kind} a {{ {'; '.join([block, *more])} }}") for more in ([], [f"{name} = {text}"])
            )
            tables = [tabled(problem) for problem in (one, other)]
            assert next(table.outcome("memory").tolist() for table in tables) == tables[1].outcome("memory").tolist(), (
                name
            )


@pytest.mark.parametrize(("kind", "block"), [case for case in CASES if case[1] in (INFERENCE, TRAINING)])
def test_a_fleet_and_its_tests_see_one_default(kind: str, block: str) -> None:
    defaults = spoken(kind, block)
    lines = [f"{name} = {text}" for name, text in defaults.items() if name not in block]
    names = [item.name for item in with_default(kind)]
    same = "\n".join(f"prefer same_{name}: a.{name} == b.{name} worth $1/h" for name in names)
    other = "\n".join(f"prefer other_{name}: a.{name} != b.{name} worth $1/h" for name in names)
    expected = "; ".join(f"expect b.{name} == {text}" for name, text in defaults.items())
    denied = "; ".join(f"expect b.{name} != {text}" for name, text in defaults.items())
    workloads = f"{kind} a {{ {'; '.join([block, *lines])} }}\n{kind} b {{ {block} }}\n"
    tests = f'test "are" {{ {expected} }}\ntest "are not" {{ {denied} }}\n'
    problem = problem_of(f"{workloads}{same}\n{other}\n{tests}")
    answer = solve(problem, catalog())
    assert answer.outcome == "optimal"
    assert {name for name, kept in answer.wishes if kept} == {f"same_{name}" for name in names}
    are, are_not = (run(trial, lambda _: answer) for trial in problem.trials)
    assert are.passed and len(are_not.failures) == len(defaults)
    both = " and ".join(f"a.{name} == b.{name}" for name in names)
    assert solve(problem_of(f"{workloads}require both: {both}"), catalog()).outcome == "optimal"
    whole = [item for item in with_default(kind) if item.type == "number" and item.name in defaults]
    sums = "\n".join(
        f"require a.{item.name} + b.{item.name} == {defaults[item.name]} + b.{item.name}" for item in whole
    )
    assert solve(problem_of(f"{workloads}{sums}"), catalog()).outcome == "optimal"
    more = "\n".join(f"require a.{item.name} + b.{item.name} > {defaults[item.name]} + b.{item.name}" for item in whole)
    assert solve(problem_of(f"{workloads}{more}"), catalog()).outcome == "infeasible"
    some = " or ".join(f"a.{name} != b.{name}" for name in names)
    assert solve(problem_of(f"{workloads}require some: {some}"), catalog()).outcome == "infeasible"


def test_a_rule_chooses_by_what_follows_from_the_choice() -> None:
    block = INFERENCE.replace(GPUS, "gpu in {l40s, h100_sxm}; gpus = 2")
    plan = f"inference a {{ {block} }}"
    few, many = (
        solve(problem_of(f"{plan}\nrequire batch: a.max_sequences {rule}"), catalog()) for rule in ("< 1000", "> 1000")
    )
    assert [answer.workloads[0].chosen.gpu for answer in (few, many)] == ["l40s", "h100_sxm"]
    # the Trainer's FSDP reduces in 16 bits in mixed precision too
    train = f"training a {{ {TRAINING}; precision in {{bf16_mixed, fp32}} }}\nrequire a.gradient_precision == fp32"
    chosen = solve(problem_of(train), catalog()).workloads[0].chosen
    assert chosen.choice["precision"] == "fp32"
    batch = 'training a { model = "meta-llama/Llama-3.2-1B"; sequence = 1Ki tokens; gpu = h100_sxm; gpus = 2 }'
    chosen = solve(problem_of(f"{batch}\nrequire a.global_batch == 16"), catalog()).workloads[0].chosen
    assert chosen.choice["micro_batch"] * chosen.choice["data_parallel"] == 16  # type: ignore[operator]


def test_what_is_judged_is_what_follows_from_choices() -> None:
    for kind, block in (("inference", INFERENCE), ("training", TRAINING)):
        problem = problem_of(f"{kind} a {{ {block} }}")
        table = tabled(problem)
        assert set(table.defaults) == {name for name in JUDGED if name in BY_KIND[kind]}
        assert set(table.axes) | set(DEFAULTS[kind]) >= {row.name for row in with_default(kind)} - JUDGED - {"prompt"}
        for name in table.defaults:
            assert not breaks(table, name, "=", judge_row(problem, table, 0, catalog()).defaults[name])[0]


@pytest.mark.parametrize("row", QUANTITIES, ids=lambda row: f"{row.name}-{row.kinds[0]}")
def test_explain_prints_the_default_that_rules_see(row: Quantity) -> None:
    lines = [line.split(maxsplit=1)[1] for line in lines_for(row.name, catalog()) if line.startswith("  unmentioned")]
    if row.role == "outcome":
        assert lines == []
        return
    for kind in row.kinds:
        value = DEFAULTS[kind].get(row.name)
        if value is not None:
            assert lines == ["0" if value == 0 and row.type == "number" else figures.show(row.name, value, row.unit)]
        elif row.name in FOLLOWS:
            assert lines == [FOLLOWS[row.name]]
        elif row.free:
            assert lines == ["chosen by the solver"]
        elif row.role == "given":
            assert lines == ["no default"]
            block = {"inference": INFERENCE, "training": TRAINING}[kind]
            if row.name not in block:
                assert _finding(f"{kind} a {{ {block} }}\nrequire a.{row.name} != a.{row.name}") == "E0404"
        else:
            assert lines == [row.default]


def _finding(text: str) -> str:
    file, _ = parse(f"edition 2026\n{text}", "plan.mem")
    _, found = resolve(file, catalog())
    return found[0].code


def test_explain_and_rules_agree_on_an_engines_own_settings() -> None:
    for engine in ("vllm", "tensorrt_llm", "llama_cpp", "transformers"):
        for gpu, place in (("l4", 0), ("h100_sxm", -1)):
            block = f"{INFERENCE}; engine = {engine}".replace("h100_sxm", gpu)
            for name, value in values_of("inference", block).items():
                if name in JUDGED:
                    (line,) = [line for line in lines_for(name, catalog()) if line.strip().startswith(engine)]
                    if engine == "transformers" and name == "max_batched_tokens":
                        assert line.endswith("the prompts of all sequences")
                        continue
                    assert line.split("  ")[-1].strip().split("; ")[place].partition(" on ")[0] == figures.show(
                        name, value
                    )


def test_a_prompt_follows_another_context() -> None:
    problem = problem_of(f"inference a {{ {INFERENCE}; output = 1Ki tokens }}")
    workload = problem.workloads[0]
    assert workload.given["prompt"] == 3072
    assert changed(workload, "context", Fraction(2048)).given["prompt"] == 1024
    said = problem_of(f"inference a {{ {INFERENCE}; prompt = 1000 tokens }}").workloads[0]
    assert changed(said, "context", Fraction(2048)).given["prompt"] == 1000


def test_what_has_no_value_is_no_rule() -> None:
    for line in (
        "require a.demand <= 3 req/s",
        "prefer a.output <= 3 tokens worth $1/h",
        'test "t" { expect a.demand <= 3 req/s }',
    ):
        assert _finding(f"inference a {{ {INFERENCE} }}\n{line}") == "E0404"
    assert problem_of(f'inference a {{ {INFERENCE} }}\ntest "t" {{ a.output = 4 tokens; expect a.output == 4 tokens }}')
