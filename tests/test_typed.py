"""What people type by the habit of other tools is accepted, or one error says what to type (tests/corpus/typed)."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from planner.catalog.load import load as load_catalog
from planner.language import unmodelled
from planner.language.schema import BY_KIND
from planner.language.synonyms import OTHER_NAMES, OTHER_WORDS
from planner.plan import Loaded, load_plan
from planner.syntax.format import format_text
from planner.units.quantity import SPELLINGS, UNITS

CATALOG = load_catalog()
TABLE = Path(__file__).parent / "corpus" / "typed" / "lines.txt"
ROWS = [row.split("  ->  ") for row in TABLE.read_text().splitlines() if row and not row.startswith("#")]
INFERENCE = """edition 2026
inference chat {{
  model = "meta-llama/Llama-3.1-8B"
  context = 8Ki tokens
  concurrency = 4
  output = 100
  {}
}}
{}
"""
TRAINING = """edition 2026
training tune {{
  model = "meta-llama/Llama-3.1-8B"
  sequence = 2Ki tokens
  global_batch = 8
  tokens = 1M tokens
  {}
}}
"""


def loaded(text: str) -> Loaded:
    return load_plan("typed.mem", text=text, shipped=CATALOG)


@pytest.mark.parametrize(("typed", "answer"), ROWS, ids=[row[0] for row in ROWS])
def test_what_is_typed_is_answered(typed: str, answer: str) -> None:
    where, line = typed.split(None, 1)
    text = TRAINING.format(line) if where == "tr" else INFERENCE.format(*((line, "") if where == "in" else ("", line)))
    found = loaded(text)
    if answer.startswith("= "):
        assert found.problem is not None, found.findings
        laid, _ = format_text(text)
        assert laid is not None
        assert answer[2:] in re.sub(r" +", " ", laid)
        return
    assert [item.help for item in found.findings] == [answer]


CHAT = 'model = "meta-llama/Llama-3.1-8B"\n  context = 8Ki tokens\n  concurrency = 4\n'
WHOLE = {
    "conflict": (f"inference chat {{\n  {CHAT}<<<<<<< HEAD\n  gpus = 1\n=======\n  gpus = 2\n>>>>>>> b\n}}\n",
                 "the plan holds a merge conflict"),
    "brace": (f"edition 2026\ninference chat\n  {CHAT}}}\n", "`{` is missing after `chat`"),
    "yaml": ("model: meta-llama/Llama-3.1-8B\ngpus: 4\n", "this is YAML, not a plan"),
    "nested yaml": ("---\nworkloads:\n  - name: chat\n    model: x\n", "this is YAML, not a plan"),
    "json": ('{"model": "x", "gpus": 2}\n', "this is JSON, not a plan"),
    "slashes": (f"// ours\nedition 2026\ninference chat {{\n  {CHAT}}}\n", "`//` does not begin a comment"),
    "unquoted": ("edition 2026\ninference chat { model = Qwen/Qwen3-32B; context = 8Ki tokens; concurrency = 4 }\n",
                 "`Qwen/Qwen3-32B` is not a name of letters, digits and `_`"),
    "one line": ('inference chat { model = "meta-llama/Llama-3.1-8B"; context = 8Ki tokens  concurrency = 4 }\n',
                 "`concurrency` cannot stand here"),
}  # fmt: skip


@pytest.mark.parametrize("name", WHOLE)
def test_what_is_no_plan_is_one_error_that_says_it(name: str) -> None:
    text, message = WHOLE[name]
    assert [item.message for item in loaded(text).findings if item.is_error] == [message]
    assert all(item.help and item.span for item in loaded(text).findings)


def test_a_model_may_be_read_from_a_file_where_it_is_named(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(
        '{"architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": 256, "num_hidden_layers": 2,'
        '"num_attention_heads": 4, "num_key_value_heads": 2, "intermediate_size": 512, "vocab_size": 1000,'
        '"max_position_embeddings": 2048, "torch_dtype": "bfloat16", "hidden_act": "silu"}'
    )
    texts = []
    for start, model in (("", 'config("config.json")'), ('model m = config("config.json")\n', "m")):
        body = f"inference a {{ model = {model}; context = 1Ki tokens; concurrency = 2 }}"
        found = load_plan(str(tmp_path / "plan.mem"), text=f"edition 2026\n{start}{body}\n", shipped=CATALOG)
        assert found.problem is not None, found.findings
        texts.append((found.problem.workloads[0].model.architecture, sorted(found.texts)))
    assert texts[0] == texts[1]  # the same model, and a lock knows of the file


def test_other_names_lead_to_quantities_that_there_are() -> None:
    for name, other in OTHER_NAMES.items():
        for kind, meant in (("inference", other.inference), ("training", other.training)):
            assert not meant or meant in BY_KIND[kind], name
            assert name not in BY_KIND[kind] or not meant, name
        assert other.inference or other.training
    for quantity, words in OTHER_WORDS.items():
        for row in (table[quantity] for table in BY_KIND.values() if quantity in table):
            assert set(words.values()) <= set(row.words)
            assert not set(words) & set(row.words)


def test_what_is_not_modelled_is_refused_by_its_name(tmp_path: Path) -> None:
    """A word of a trainer is never read as another: it is said what it is, and the nearest that is modelled."""
    for name, words in unmodelled.WORDS.items():
        row = BY_KIND["training"][name]
        for word, other in words.items():
            assert word not in row.words and word not in OTHER_WORDS.get(name, {}), word
            assert other.instead.split(" = ")[0] in BY_KIND["training"], word
    for name in unmodelled.SETTINGS:
        assert name not in BY_KIND["training"] and name not in OTHER_NAMES, name
    plan = (
        'edition 2026\ntraining t {{ model = "meta-llama/Llama-3.1-8B"; sequence = 1Ki tokens; global_batch = 1; '
        "gpu = h100_sxm; gpus = 1; {} }}\n"
    )
    for said, name, way_out in (
        ("optimizer in {adamw, galore_adamw}", "GaLore", "optimizer = adamw, whose states are larger"),
        ("preference = GRPO", "training on sampled completions", "method = full or lora"),
        ("method = dora", "DoRA as a method", "method = lora with use_dora = true"),
    ):
        findings = load_plan(str(tmp_path / "plan.mem"), text=plan.format(said), shipped=CATALOG).findings
        assert [finding.code for finding in findings] == ["E0405"], said
        assert findings[0].message.startswith(f"{name} is not modelled: ")
        assert way_out in (findings[0].help or "")


def test_other_spellings_of_units_are_units_that_there_are() -> None:
    assert set(SPELLINGS.values()) <= set(UNITS)
    assert not set(SPELLINGS) & set(UNITS)
