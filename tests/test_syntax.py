"""The language reads what it should, names each mistake once and never raises."""

import json
import random
from fractions import Fraction
from pathlib import Path

import pytest

from planner.diagnostics import concise, full, json_
from planner.diagnostics.codes import CODES
from planner.syntax import tree
from planner.syntax.files import read
from planner.syntax.parse import parse

PLAN = """\
## One chat endpoint
edition 2026
import "shared/models.mem" as models            # or: i
import {house_70b} from "…"
let budget = $40/h
model  house_13b { parameters = 13B }
model  tuned like "meta-llama/Llama-3.1-8B" { vocab = 128_512 }
model  mine = config("models/mine/config.json")
gpu    lab_card like l40s { memory = 46068 MiB }
offer  our_rack { gpu = h100_sxm; gpus = 8; price = $0/h; available = 2 }
format int4_house like int4 { quality = 99.2% }
## doc of chat
inference chat {
  model       = "meta-llama/Llama-3.1-8B-Instruct"
  context     = 8Ki tokens
  weights  in {bf16, fp8, int4} per layer because "x"  # `in` hands
  gpus     in 1..8 step 2
  gpu in any where memory >= 40 GiB and
     vendor == nvidia
  quality  >= 99%
  demand = 20 req/s
}
fleet { cost <= budget; available.h100_sxm <= 16 }
require spare: chat.replicas >= 2            because "one node may fail"
require sum(w.cost for w in workloads where w.gpus > 1) <= $3/h and any(w.x for w in workloads)
prefer  quality: chat.weights == bf16        worth $150/month
minimize cost then maximize headroom
let z = if a then 1 else -b * (2 + 3)
test "black friday" { chat.concurrency = 300; drop spare; expect fleet.cost <= $90/h }
test "no T4"        { chat.gpu = t4; expect infeasible by chat.tpot }
"""


def codes(text: str) -> list[str]:
    return [d.code for d in parse(text, "t.mem")[1]]


def test_every_form_parses() -> None:
    file, found = parse(PLAN, "t.mem")
    assert found == ()
    assert len(file.items) == 19
    chat = file.items[10]
    assert isinstance(chat, tree.Declaration)
    assert chat.doc == "doc of chat"
    assert [line.target.text for line in chat.body][-1] == "demand"
    assert chat.body[2].per_layer
    context = chat.body[1].value
    assert isinstance(context, tree.Number)
    assert (context.value, context.unit) == (8192, "tokens")
    assert len(file.comments) == 4


@pytest.mark.parametrize(
    ("text", "value", "unit"),
    [
        ("8_192", "8192", None),
        ("3.5", "3.5", None),
        ("1e12", "1e12", None),
        ("13B", "13e9", None),
        ("$40/h", "40", "USD/h"),
        ("$2.10", "2.1", "USD"),
        ("$0.40/Mtok", "0.4", "USD/Mtok"),
        ("20 req/s", "20", "req/s"),
        ("99%", "99", "%"),
        ("40GiB", "40", "GiB"),
        ("3 TB/s", "3", "TB/s"),
        ("2k tok/s", "2000", "tok/s"),
        ("312 TFLOPS", "312", "TFLOPS"),
    ],
)
def test_numbers(text: str, value: str, unit: str | None) -> None:
    file, found = parse(f"let x = {text}", "t.mem")
    assert found == ()
    item = file.items[0]
    assert isinstance(item, tree.Let)
    assert isinstance(item.value, tree.Number)
    assert (item.value.value, item.value.unit) == (Fraction(value), unit)


def test_one_diagnostic_for_each_mistake() -> None:
    text = """
let a =
let = 3
import 7
inference chat {
  gpus in 1..
  weights in {bf16, fp8
  context = 8 foo
  quality >= 99% because
  good = 1
  x == ?
}
require a >=
prefer a worth
minimize
let fine = 2
"""
    file, found = parse(text, "t.mem")
    assert len(found) == 11, concise.render(found)
    assert isinstance(file.items[-1], tree.Let)
    chat = next(i for i in file.items if isinstance(i, tree.Declaration))
    assert [line.target.text for line in chat.body] == ["good"]
    texts = {"t.mem": text}
    assert "-->" in full.render(found, texts)
    assert len(json.loads(json_.render(found))) == len(found)
    assert all(d.code in CODES for d in found)


def test_unclosed_block() -> None:
    file, found = parse("inference a {\n  gpus = 1\n\nlet b = 2\n", "t.mem")
    assert [d.code for d in found] == ["E0103"]
    assert len(file.items) == 2
    assert codes("let a = 1\n}\n") == ["E0103"]


@pytest.mark.parametrize("opening", ["(", "{", "[", "a {", "not ", "- ", "1 + ", "if a then b else "])
def test_deep_nesting(opening: str) -> None:
    for text in (opening * 10_000, "let x = " + opening * 10_000 + "1", "a b {\nx = " + opening * 10_000):
        assert 1 <= len(codes(text)) <= 3


def test_mutations_never_raise() -> None:
    chance = random.Random(7)
    alphabet = [*list(PLAN), '"', "{", "}", "(", "\n", "\x00", "é", "$", "..", " in ", " if ", "�"]
    for _ in range(400):
        text = list(PLAN[chance.randrange(600) :])
        for _ in range(chance.randrange(1, 12)):
            at = chance.randrange(len(text))
            action = chance.randrange(3)
            if action == 0:
                del text[at : at + chance.randrange(1, 5)]
            elif action == 1:
                text.insert(at, chance.choice(alphabet))
            else:
                text[at] = chance.choice(alphabet)
        whole = "".join(text)
        _, found = parse(whole, "t.mem")
        full.render(found, {"t.mem": whole})
        concise.render(found)


def test_files(tmp_path: Path) -> None:
    assert read(tmp_path / "no.mem")[1].code == "E0001"  # type: ignore[union-attr]
    (tmp_path / "b").write_bytes(b"a\0b")
    assert read(tmp_path / "b")[1].code == "E0002"  # type: ignore[union-attr]
    assert read(tmp_path)[1].code == "E0004"  # type: ignore[union-attr]
    (tmp_path / "e").write_bytes(b"")
    assert read(tmp_path / "e") == ("", None)


FIRST = """\
## One chat endpoint: the cheapest cards that hold 32 conversations of 8 Ki tokens.
edition 2026

inference chat {
  model       = "meta-llama/Llama-3.1-8B-Instruct"
  context     = 8Ki tokens
  concurrency = 32

  weights  in {bf16, fp8, int4}      # `in` hands the decision to the solver, `=` makes it yours
  kv_cache in {bf16, fp8}
  gpus     in 1..8
  quality  >= 99%
}

minimize cost
"""


def test_first_plan_of_the_specification() -> None:
    file, found = parse(FIRST, "chat.mem")
    assert found == ()
    assert [type(item).__name__ for item in file.items] == ["Edition", "Declaration", "Optimize"]
