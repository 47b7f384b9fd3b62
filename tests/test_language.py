"""What a plan means: values, choices, rules over several workloads, imports, tests, and overrides."""

from __future__ import annotations

import random
import re
from dataclasses import fields, is_dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from planner.catalog.architecture import Attention, Experts, NoPart
from planner.catalog.load import load as load_catalog
from planner.diagnostics import Diagnostic, Span
from planner.language.expressions.evaluate import evaluate, holds, lookup_in, names, stated
from planner.language.expressions.linear import Linear, conjuncts, linear, separable
from planner.language.imports import load, load_text
from planner.language.override import override, read_setting
from planner.language.problem import Measure, Problem
from planner.language.resolve import resolve
from planner.syntax import tree
from planner.syntax.parse import parse

CATALOG, _ = load_catalog()
ROOT = Path(__file__).parents[1]
CHAT = """\
inference chat {
  model       = "meta-llama/Llama-3.1-8B"
  context     = 8Ki tokens
  concurrency = 32
}
"""
RAG = CHAT.replace("chat", "rag")
TUNE = 'training tune { model = "meta-llama/Llama-3.1-8B"; sequence = 4Ki tokens; global_batch = 8 }\n'


def read(text: str) -> tuple[Problem | None, tuple[Diagnostic, ...]]:
    file, found, texts = load_text(text, "plan.mem")
    problem, more = resolve(file, CATALOG, texts=texts)
    return problem, (*found, *more)


def good(text: str) -> Problem:
    problem, found = read(text)
    assert problem is not None, found
    return problem


def rule(condition: str, plan: str = CHAT + RAG + TUNE) -> tree.Expression:
    return good(f"{plan}require it: {condition}\n").rules[0].condition


def measures(**values: Fraction | int | str | bool | None) -> dict[tuple[str, str], Measure | None]:
    """Return measures by (workload, quantity) of keywords like chat_cost."""
    out: dict[tuple[str, str], Measure | None] = {}
    for name, value in values.items():
        workload, _, quantity = name.partition("_")
        exact = Fraction(value) if isinstance(value, int) and not isinstance(value, bool) else value
        out[workload, quantity] = None if exact is None else Measure(exact)
    return out


@pytest.mark.parametrize(
    ("condition", "reads"),
    [
        ("chat.gpu == rag.gpu", {("chat", "gpu"), ("rag", "gpu")}),
        ("fleet.cost <= $9/h", {("chat", "cost"), ("rag", "cost"), ("tune", "cost")}),
        ("fleet.replicas <= 9", {("chat", "replicas"), ("rag", "replicas")}),
        ("all(w.gpus <= 4 for w in {chat, tune})", {("chat", "gpus"), ("tune", "gpus")}),
        ("sum(w.cost for w in workloads where w.kind == training) <= $9/h", {("tune", "cost")}),
        ("count(w for w in workloads where w.name != chat and w.gpus > 1) <= 1", {("rag", "gpus"), ("tune", "gpus")}),
        ("chat.weights in {bf16, fp8}", {("chat", "weights")}),
    ],
)
def test_a_rule_reads_what_it_names(condition: str, reads: set[tuple[str, str]]) -> None:
    assert set(names(rule(condition))) == reads


@pytest.mark.parametrize(
    ("condition", "known", "answer"),
    [
        ("chat.gpu == rag.gpu", {"chat_gpu": "l4", "rag_gpu": "l4"}, True),
        ("chat.weights == fp8", {"chat_weights": "fp8_e4m3"}, True),
        ("chat.weights in {bf16, int4}", {"chat_weights": "fp8_e4m3"}, False),
        ("chat.gpus in 2..4", {"chat_gpus": 3}, True),
        ("chat.gpus in 2..8 step 3", {"chat_gpus": 4}, False),
        ("chat.gpu in any where memory >= 40 GiB", {"chat_gpu": "l40s"}, True),
        ("chat.gpu in any where memory >= 40 GiB", {"chat_gpu": "l4"}, False),
        ("sum(w.gpus for w in workloads where w.gpus > 1) <= 6", {"chat_gpus": 4, "rag_gpus": 2, "tune_gpus": 1}, True),
        ("count(w for w in workloads where w.gpus > 1) == 2", {"chat_gpus": 4, "rag_gpus": 2, "tune_gpus": 1}, True),
        ("count(w.gpus > 1 for w in workloads) == 2", {"chat_gpus": 4, "rag_gpus": 2, "tune_gpus": 1}, True),
        ("max(w.gpus for w in workloads) == 4", {"chat_gpus": 4, "rag_gpus": 2, "tune_gpus": 1}, True),
        ("min(chat.gpus, 3) == 3", {"chat_gpus": 4}, True),
        ("any(w.gpus > 3 for w in workloads)", {"chat_gpus": 4, "rag_gpus": None, "tune_gpus": 1}, True),
        ("all(w.gpus > 3 for w in workloads)", {"chat_gpus": 4, "rag_gpus": None, "tune_gpus": 1}, False),
        ("if chat.gpus > 2 then rag.gpus == 1 else rag.gpus == 2", {"chat_gpus": 1, "rag_gpus": 2}, True),
        ("not (chat.gpus > 2) and rag.gpus / 2 == 1.5", {"chat_gpus": 1, "rag_gpus": 3}, True),
        ("chat.cost * 2 h <= $5", {"chat_cost": 2}, True),
    ],
)
def test_a_rule_holds_or_not(condition: str, known: dict[str, Any], answer: bool) -> None:
    values = measures(**known)
    units = {"cost": "USD/h"}
    values = {key: replace(item, unit=units.get(key[1])) if item else None for key, item in values.items()}
    assert holds(rule(condition), lookup_in(values)) is answer


@pytest.mark.parametrize(
    ("condition", "answer"),
    [
        ("chat.tpot <= 1 s", None),
        ("not (chat.tpot <= 1 s)", None),
        ("chat.tpot <= 1 s or chat.gpus == 1", True),
        ("chat.gpus == 1 or chat.tpot <= 1 s", True),
        ("chat.tpot <= 1 s and chat.gpus == 2", False),
        ("chat.tpot <= 1 s and chat.gpus == 1", None),
        ("1 / (chat.gpus - 1) <= 3", None),
        ("if chat.tpot <= 1 s then chat.gpus == 1 else chat.gpus == 1", True),
        ("if chat.tpot <= 1 s then chat.gpus == 1 else chat.gpus == 2", None),
    ],
)
def test_what_is_not_known_is_neither_true_nor_false(condition: str, answer: bool | None) -> None:
    node = rule(condition)
    found = evaluate(node, lookup_in(measures(chat_gpus=1, chat_tpot=None)))
    assert (None if found is None else found.value) is answer
    assert holds(node, lookup_in(measures(chat_gpus=1, chat_tpot=None))) is (answer is True)


@pytest.mark.parametrize(
    ("condition", "terms", "operator", "constant"),
    [
        ("fleet.cost <= $9/h", {("chat", "cost"): 1, ("rag", "cost"): 1, ("tune", "cost"): 1}, "<=", 9),
        ("2 * chat.gpus >= rag.gpus + 3", {("chat", "gpus"): -2, ("rag", "gpus"): 1}, "<=", -3),
        ("chat.memory < 40 GiB", {("chat", "memory"): 1}, "<", 40 * 2**30),
        ("chat.cost * 2 h == $5", {("chat", "cost"): 2}, "==", 5),
        ("chat.cost * 1 day <= tune.cost * 12 h + $1", {("chat", "cost"): 24, ("tune", "cost"): -12}, "<=", 1),
    ],
)
def test_linear_rules(condition: str, terms: dict[tuple[str, str], int], operator: str, constant: int) -> None:
    found = linear(rule(condition))
    assert found is not None
    assert {(workload, quantity): factor for workload, quantity, factor in found.terms} == terms
    assert (found.operator, found.constant) == (operator, constant)


@pytest.mark.parametrize(
    "condition",
    [
        "chat.gpus * rag.gpus <= 4",
        "chat.gpu == l4",
        "max(chat.gpus, rag.gpus) <= 4",
        "chat.gpus != 2",
        "2 / chat.gpus < 1",
    ],
)
def test_what_is_not_linear_says_so(condition: str) -> None:
    assert linear(rule(condition)) is None


def test_a_conjunction_falls_into_its_parts() -> None:
    parts = conjuncts(rule("chat.gpus <= 4 and all(w.gpus >= 1 for w in workloads) and chat.gpu == l4"))
    assert [linear(part) is not None for part in parts] == [True, True, True, True, False]


@pytest.mark.parametrize(
    ("condition", "parts"),
    [
        ("all(w.gpus <= 4 for w in workloads where w.cost > $1/h)", 3),
        ("max(w.gpus for w in workloads) <= 4", 3),
        ("9 >= max(chat.gpus, rag.gpus) and min(chat.gpus, rag.gpus) > 1", 4),
        ("if chat.gpus > 4 then rag.gpus <= 4 else rag.gpus == chat.gpus", 2),
        ("any(w.gpus <= 4 for w in workloads)", 1),
        ("min(chat.gpus, rag.gpus) <= 4", 1),
    ],
)
def test_a_condition_falls_into_parts_that_mean_the_same(condition: str, parts: int) -> None:
    node = rule(condition)
    items = conjuncts(node)
    assert len(items) == parts
    chance = random.Random(3)
    for _ in range(60):
        known: dict[tuple[str, str], Measure | None] = {}
        for owner in ("chat", "rag", "tune"):
            known[owner, "gpus"] = Measure(Fraction(chance.randint(1, 8)))
            known[owner, "cost"] = Measure(Fraction(chance.randint(0, 2)), "USD/h") if chance.random() < 0.8 else None
        lookup = lookup_in(known)
        assert all(holds(item, lookup) for item in items) is holds(node, lookup)


@pytest.mark.parametrize(
    ("condition", "owners"),
    [
        ("sum(w.cost for w in workloads where w.gpus > 1) <= $9/h", ["chat", "rag", "tune"]),
        ("count(w for w in workloads where w.cost > $3/h) < 2", ["chat", "rag", "tune"]),
        ("chat.gpus * chat.gpus + 2 * rag.gpus >= rag.gpus * 3 - 4", ["chat", "rag"]),
        ("fleet.gpus == 7", ["chat", "rag", "tune"]),
    ],
)
def test_a_sum_over_workloads_is_one_term_a_workload(condition: str, owners: list[str]) -> None:
    node = rule(condition)
    form = separable(node)
    assert form is not None and [owner for owner, _ in form.terms] == owners
    chance = random.Random(5)
    for _ in range(60):
        known: dict[tuple[str, str], Measure | None] = {}
        for owner in ("chat", "rag", "tune"):
            known[owner, "gpus"] = Measure(Fraction(chance.randint(1, 4)))
            known[owner, "cost"] = Measure(Fraction(chance.randint(0, 5)), "USD/h")
        lookup = lookup_in(known)
        values = [evaluate(term, lookup) for _, term in form.terms]
        total = sum((item.value for item in values if item and isinstance(item.value, Fraction)), Fraction(0))
        kept = {"<=": total <= form.constant, "<": total < form.constant, "==": total == form.constant}[form.operator]
        assert kept is holds(node, lookup)


@pytest.mark.parametrize(
    "condition", ["chat.gpus * rag.gpus <= 4", "chat.gpu == rag.gpu", "max(chat.gpus, rag.gpus) <= 4"]
)
def test_what_reads_two_workloads_at_once_is_no_sum(condition: str) -> None:
    assert separable(rule(condition)) is None


counts = st.integers(1, 64)


@given(
    st.tuples(*[st.integers(-5, 5)] * 3),
    st.integers(-20, 20),
    st.tuples(counts, counts, counts),
    st.sampled_from(["<=", "<", ">=", ">", "=="]),
)
@settings(max_examples=60, deadline=None)
def test_a_linear_form_holds_where_the_rule_does(
    factors: tuple[int, ...], constant: int, values: tuple[int, ...], operator: str
) -> None:
    owners = ("chat", "rag", "tune")
    left = " + ".join(f"({factor}) * {owner}.gpus" for factor, owner in zip(factors, owners, strict=True))
    node = rule(f"{left} + chat.gpus - chat.gpus {operator} {constant}")
    lookup = lookup_in({(owner, "gpus"): Measure(Fraction(value)) for owner, value in zip(owners, values, strict=True)})
    form = linear(node)
    if not any(factors):
        assert form is None
        return
    assert isinstance(form, Linear)
    total = sum(factor * values[owners.index(owner)] for owner, _, factor in form.terms)
    kept = {"<=": total <= form.constant, "<": total < form.constant, "==": total == form.constant}[form.operator]
    assert kept is holds(node, lookup)


def plain(value: Any) -> Any:
    """Return a problem without the places its parts were read from."""
    if isinstance(value, Span):
        return None
    if is_dataclass(value) and not isinstance(value, type):
        return (type(value).__name__, *(plain(getattr(value, item.name)) for item in fields(value)))
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    return tuple(plain(item) for item in value) if isinstance(value, tuple | list) else value


def statements(text: str) -> list[str]:
    file, found = parse(text, "plan.mem")
    assert not found
    return [text[item.span.start : item.span.end] for item in file.items]


@pytest.mark.parametrize("seed", range(8))
def test_declarations_in_any_order_are_one_problem(seed: int) -> None:
    text = (ROOT / "tests/corpus/good/everything.mem").read_text(encoding="utf-8")
    body = re.sub(r"(?m)^\s*##.*$|^import .*$", "", text).replace("night_rate", "$1/h")
    items = statements(body)
    first = good("\n".join(items))
    random.Random(seed).shuffle(items)
    assert plain(replace(good("\n".join(items)), trials=())) == plain(replace(first, trials=()))


def test_demand_needs_an_output_and_leaves_replicas_free() -> None:
    problem = good(CHAT.replace("}", "demand = 3 req/s; output = 512 tokens }"))
    chat = problem.workloads[0]
    assert "replicas" not in chat.domains
    assert (chat.given["demand"], chat.given["prompt"]) == (3, 8192 - 512)


def test_formats_per_layer() -> None:
    chat = good(CHAT.replace("}", "weights in {bf16, int4} per layer }")).workloads[0]
    assert chat.per_layer == {"weights"}
    assert chat.domains["weights"] == ("bf16", "int4")


def test_any_of_a_count() -> None:
    chat = good(CHAT.replace("}", "gpus in any; replicas in any }")).workloads[0]
    assert "gpus" not in chat.domains  # free, as if it were not mentioned
    assert chat.domains["replicas"][:2] == (1, 2)
    tune = good(TUNE.replace("}", "; zero in any; checkpointed_layers in any }")).workloads[0]
    assert tune.domains["zero"] == (0, 1, 2, 3)
    assert tune.domains["checkpointed_layers"] == tuple(range(33))


def test_layers_are_the_models() -> None:
    tune = good(TUNE.replace("}", "; checkpointed_layers in 0..layers step 8 }")).workloads[0]
    assert tune.domains["checkpointed_layers"] == (0, 8, 16, 24, 32)


def test_a_set_of_lora_targets() -> None:
    tune = good(TUNE.replace("}", "; lora_targets = {v_proj, q_proj} }")).workloads[0]
    assert tune.given["lora_targets"] == "q_proj,v_proj"
    assert stated(tune, "lora_targets") == Measure("q_proj,v_proj")
    assert stated(tune, "attention") == Measure("sdpa")


def test_a_let_that_holds_a_text_names_a_row() -> None:
    chat = good('let card = "l40s"\n' + CHAT.replace("}", "gpu = card }")).workloads[0]
    assert chat.domains["gpu"] == ("l40s",)


def test_units_make_products() -> None:
    lets = good(CHAT + "let a = $3/h * 2 day\nlet b = $6 / 3 h\nlet c = 40 GB / 2 s\nlet d = 6 GiB / 3 GiB\n").lets
    assert lets == {
        "a": Measure(Fraction(144), "USD"),
        "b": Measure(Fraction(2), "USD/h"),
        "c": Measure(Fraction(20), "GB/s"),
        "d": Measure(Fraction(2)),
    }


@pytest.mark.parametrize("model", ["meta-llama/Llama-3.1-8B", "Qwen/Qwen2.5-7B", "mistralai/Mixtral-8x7B-v0.1"])
def test_an_architecture_of_ones_own_counts_as_the_catalog_does(model: str) -> None:
    row = CATALOG.models[model]
    arch = row.architecture
    assert arch is not None
    mixer, ffn = arch.groups[0].mixer, arch.groups[0].ffn
    assert isinstance(mixer, Attention) and not isinstance(ffn, NoPart)
    if mixer.qkv_bias:
        text = f'model own like "{model}" {{ hidden = {arch.hidden} }}\n'
    else:
        said = {"hidden": arch.hidden, "layers": arch.layers, "vocab": arch.vocab, "inter": ffn.inter}
        said |= {name: getattr(mixer, name) for name in ("heads", "kv_heads", "head_dim")}
        if isinstance(ffn, Experts):
            said |= {"experts": ffn.experts, "active_experts": ffn.topk}
        text = f"model own {{ {'; '.join(f'{name} = {value}' for name, value in said.items())} }}\n"
    own = good(text + CHAT.replace(f'"{model}"', "own").replace('"meta-llama/Llama-3.1-8B"', "own")).workloads[0].model
    assert (own.params, own.active_params) == (row.params, row.active_params)


def test_a_model_that_is_like_another() -> None:
    model = (
        good(
            'model more like "meta-llama/Llama-3.1-8B" { vocab = 128_512 }\n'
            + CHAT.replace('"meta-llama/Llama-3.1-8B"', "more")
        )
        .workloads[0]
        .model
    )
    base = CATALOG.models["meta-llama/Llama-3.1-8B"]
    assert model.params - base.params == (128_512 - 128_256) * 4096 * 2


def test_rows_of_ones_own() -> None:
    problem = good(
        CHAT
        + "gpu card like l40s { memory = 40 GiB; peak.bf16 = 300 TFLOPS }\n"
        + 'gpu other { memory = 80 GiB; bandwidth = 2 TB/s; peak.bf16 = 300 TFLOPS; vendor = "acme" }\n'
        + "format house like int4 { quality = 99.2% }\n"
        + "offer rack { gpu = card; gpus = 8; price = $0/h; available = 2 }\n"
        + "offer spare like rack { gpus = 4 }\n"
    )
    assert problem.gpus["card"].memory == problem.gpus["card"].device_memory == 40 * 2**30
    assert problem.gpus["card"].flops["bf16"] == 300 * 10**12
    assert problem.gpus["other"].bandwidth == 2 * 10**12
    assert problem.formats["house"].quality == Fraction(992, 1000)
    assert problem.formats["house"].like == "int4"
    offers = {offer.id: offer for offer in problem.offers}
    assert (offers["rack"].price, offers["rack"].available) == (0, 2)
    assert (offers["spare"].gpus, offers["spare"].gpu) == (4, "card")


def test_like_copies_statement_by_statement() -> None:
    base = CHAT.replace("}", "gpus in 1..8; gpus != 3; quality >= 90% }")
    code = good(base + "inference code like chat { gpus = 2 }\n").workloads[1]
    assert code.domains["gpus"] == (2,)
    assert [bound.rule for bound in code.bounds] == ["code.quality"]


def test_tests_of_a_plan() -> None:
    problem = good(
        "let budget = $9/h\n"
        + CHAT
        + "fleet { cost <= budget }\nrequire spare: chat.replicas >= 1\n"
        + 'test "one" { chat.concurrency = 300; drop spare; expect fleet.cost <= $9/h }\n'
        + 'test "two" { budget = $1/h; expect infeasible by fleet.cost }\n'
    )
    one, two = problem.trials
    assert one.problem.workloads[0].given["concurrency"] == 300
    assert one.problem.rules == ()
    assert one.expects[0].condition is not None
    assert two.problem.fleet[0].value == 1
    assert (two.expects[0].infeasible, two.expects[0].blamed) == (True, "fleet.cost")
    assert problem.workloads[0].given["concurrency"] == 32


@pytest.mark.parametrize(
    ("setting", "domain"),
    [("chat.gpus=2", (2,)), ("chat.gpus in {1, 4}", (1, 4)), ("chat.gpus = n", (3,))],
)
def test_set_is_of_the_language(setting: str, domain: tuple[int, ...]) -> None:
    file, _ = parse("let n = 3\n" + CHAT.replace("}", "gpus in 1..8 }"), "plan.mem")
    relation, found = read_setting(setting)
    assert relation is not None and not found
    changed, found = override(file, [relation])
    problem, more = resolve(changed, CATALOG)
    assert not found and not more and problem is not None
    assert problem.workloads[0].domains["gpus"] == domain


@pytest.mark.parametrize(
    ("setting", "code"),
    [("chat.gpus", "E0402"), ("chat.gpus=2; chat.gpus=3", "E0402"), ("chta.gpus=2", "E0301"), ("chat.gpuz=2", "E0303"),
     ("chat.gpus=bf16", "E0402"), ("chat=2", "E0303"), ("}", "E0402"), ("", "E0402")],
)  # fmt: skip
def test_a_wrong_setting_has_a_code_and_a_place(setting: str, code: str) -> None:
    file, _ = parse(CHAT, "plan.mem")
    relation, found = read_setting(setting)
    if relation is not None:
        changed, found = override(file, [relation])
        found = (*found, *resolve(changed, CATALOG)[1])
    assert [item.code for item in found] == [code]
    assert (found[0].span is not None) == bool(setting)
    if found[0].span is not None:
        assert found[0].span.path == f"--set {setting}"
        assert 0 <= found[0].span.start < found[0].span.end <= len(setting)


def files(folder: Path, **texts: str) -> Path:
    for name, text in texts.items():
        (folder / f"{name}.mem").write_text(text)
    return folder / "main.mem"


def plan_of(path: Path) -> tuple[Problem | None, list[str]]:
    file, found, texts = load(str(path))
    assert file is not None
    problem, more = resolve(file, CATALOG, texts=texts)
    return problem, [item.code for item in (*found, *more)]


def test_an_imported_file_keeps_its_own_names(tmp_path: Path) -> None:
    other = "let rate = $2/h\noffer rack { gpu = l4; gpus = 1; price = rate }\nmodel m { parameters = 7B }\n"
    chat = CHAT.replace('"meta-llama/Llama-3.1-8B"', "lib.m").replace("}", "cost <= rate }")
    problem, found = plan_of(files(tmp_path, main=f'import "lib.mem" as lib\nlet rate = $5/h\n{chat}', lib=other))
    assert found == [] and problem is not None
    assert problem.lets == {"lib.rate": Measure(Fraction(2), "USD/h"), "rate": Measure(Fraction(5), "USD/h")}
    assert {offer.id: offer.price for offer in problem.offers if offer.source == "the plan"} == {"lib.rack": 2_000_000}
    assert problem.workloads[0].model.params == 7_000_000_000
    assert problem.workloads[0].bounds[0].value == 5


def test_names_of_a_list_bring_what_they_need(tmp_path: Path) -> None:
    other = "let rate = $2/h\nlet twice = 2 * rate\nlet unused = 1\n"
    problem, found = plan_of(files(tmp_path, main='import {twice} from "lib.mem"\nlet rate = 1\n' + CHAT, lib=other))
    assert found == [] and problem is not None
    assert problem.lets["twice"] == Measure(Fraction(4), "USD/h")
    assert "unused" not in problem.lets


def test_a_file_imported_twice_is_the_same_file(tmp_path: Path) -> None:
    main = 'import "a.mem"\nimport "b.mem"\n' + CHAT.replace("}", "cost <= shared }")
    texts = {
        "a": 'import "c.mem"\nlet x = shared\n',
        "b": 'import "c.mem"\nlet y = shared\n',
        "c": "let shared = $3/h\n",
    }
    problem, found = plan_of(files(tmp_path, main=main, **texts))
    assert found == [] and problem is not None


def test_rules_and_fleets_are_imported_with_their_workloads(tmp_path: Path) -> None:
    other = CHAT + "require few: chat.gpus <= 2\nfleet { cost <= $9/h }\nminimize gpus\n"
    problem, found = plan_of(files(tmp_path, main='import "lib.mem" as lib\n' + RAG, lib=other))
    assert found == [] and problem is not None
    assert [item.name for item in problem.workloads] == ["lib.chat", "rag"]
    assert names(problem.rules[0].condition) == (("lib.chat", "gpus"),)
    assert (problem.rules[0].name, problem.fleet[0].rule, problem.goals[0].quantity) == (
        "lib.few",
        "fleet.cost",
        "cost",
    )


def test_a_config_of_ones_own(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(
        '{"model_type": "llama", "hidden_size": 4096, "intermediate_size": 14336, "num_attention_heads": 32,'
        ' "num_hidden_layers": 32, "num_key_value_heads": 8, "vocab_size": 128256, "torch_dtype": "bfloat16",'
        ' "tie_word_embeddings": false, "max_position_embeddings": 131072, "rms_norm_eps": 1e-05}'
    )
    path = files(
        tmp_path, main='model mine = config("config.json")\n' + CHAT.replace('"meta-llama/Llama-3.1-8B"', "mine")
    )
    problem, found = plan_of(path)
    assert found == [] and problem is not None
    assert problem.workloads[0].model.params == CATALOG.models["meta-llama/Llama-3.1-8B"].params


def test_a_config_nobody_knows_may_be_guessed(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(
        '{"model_type": "brand_new", "hidden_size": 1024, "intermediate_size": 4096, "num_attention_heads": 16,'
        ' "num_hidden_layers": 8, "vocab_size": 32000, "torch_dtype": "bfloat16", "tie_word_embeddings": false}'
    )
    chat = CHAT.replace('"meta-llama/Llama-3.1-8B"', "mine")
    assert plan_of(files(tmp_path, main='model mine = config("config.json")\n' + chat))[1] == ["E0204"]
    problem, found = plan_of(files(tmp_path, main='model mine = config("config.json", approximate)\n' + chat))
    assert found == [] and problem is not None
    assert problem.workloads[0].model.params > 100_000_000


def test_an_imported_catalog_adds_rows(tmp_path: Path) -> None:
    row = (ROOT / "tests/corpus/good/shared/our_gpus.yaml").read_text(encoding="utf-8")
    (tmp_path / "our_gpus.yaml").write_text(row)
    path = files(tmp_path, main='import "our_gpus.yaml" as ours\n' + CHAT.replace("}", "gpu = ours.house_card }"))
    problem, found = plan_of(path)
    assert found == [] and problem is not None
    assert problem.workloads[0].domains["gpu"] == ("ours.house_card",)
    assert problem.gpus["ours.house_card"].memory == 45_000 * 2**20


def test_an_imported_row_may_override_a_shipped_one(tmp_path: Path) -> None:
    row = (ROOT / "tests/corpus/good/shared/our_gpus.yaml").read_text(encoding="utf-8")
    (tmp_path / "our_gpus.yaml").write_text(row.replace("{id: house_card,", "{id: l40s, override: true,"))
    problem, found = plan_of(files(tmp_path, main='import "our_gpus.yaml"\n' + CHAT.replace("}", "gpu = l40s }")))
    assert found == [] and problem is not None
    assert problem.gpus["l40s"].memory == 45_000 * 2**20


OFFER = (
    "{id: us/here/one, provider: us, region: here, instance_type: one, gpu: l4, gpus: 1, price_usd_h: 1, "
    "sold_by: instance, as_of: '2026-01', source: us}"
)
MODEL = (
    "{id: our/model, params: 86848, active_params: 86848, native_format: bf16, licence: mit, model_type: llama, "
    "verified: by hand, source: us, architecture: {hidden: 64, vocab: 100, tied: false, norm: rms, groups: "
    "[{count: 2, mixer: {kind: gqa, heads: 4, kv_heads: 2, head_dim: 16}, ffn: {kind: mlp, inter: 128}, norms: 2}]}}"
)


@pytest.mark.parametrize(
    ("row", "change", "to", "reason"),
    [
        (OFFER, "", "", ""),
        (OFFER, "gpu: l4", "gpu: l5", "the GPU `l5`, which no catalog has"),
        (OFFER, "id: us/here/one", "id: us/one", "`us/here/one`"),
        (OFFER, "gpus: 1", "gpus: 999999999999", "1 to 100000"),
        (OFFER, "price_usd_h: 1", "price_usd_h: .inf", "must be a number"),
        (MODEL, "", "", ""),
        (MODEL, "native_format: bf16", "native_format: bf15", "the format `bf15`, which no catalog has"),
        (MODEL, "licence", "native_classes: {attention: fp7}, licence", "the format `fp7`, which no catalog has"),
        (MODEL, "licence", "native_classes: {attentoin: fp8_e4m3}, licence", "must be one of experts"),
        (MODEL, "licence", "native_leaves: [all], licence", "must be one of experts"),
        (MODEL, "{id: our/model, params: 86848", "{id: our/model, params: 86849", "its architecture 86848"),
        (MODEL, "count: 2", "count: 1000000000", "more than 10000 layers"),
        (MODEL, "active_params: 86848", f"active_params: {2**70}", "a whole number up to"),
    ],
)
def test_a_row_that_cannot_be_is_refused_at_its_place(
    tmp_path: Path, row: str, change: str, to: str, reason: str
) -> None:
    kind = "offers" if row is OFFER else "models"
    text = f"as_of: '2026-01-01'\nrows:\n- {row.replace(change, to) if change else row}\n"
    (tmp_path / f"our_{kind}.yaml").write_text(text)
    file, _, texts = load(str(files(tmp_path, main=f'import "our_{kind}.yaml"\n' + CHAT)))
    assert file is not None
    wrong = [finding for finding in resolve(file, CATALOG, texts=texts)[1] if finding.code == "E0203"]
    assert [finding.span.line for finding in wrong if finding.span] == ([3] if reason else [])
    assert all(reason in finding.message for finding in wrong)
