"""What an editor shows at a place of a plan; a `|` marks the place. None of it needs the protocol."""

from __future__ import annotations

from pathlib import Path

import pytest

from planner.lsp.analysis import Analysis
from planner.lsp.completion import completions
from planner.lsp.definition import definition
from planner.lsp.hover import explained, hover
from planner.lsp.places import Encoding, Lines
from planner.lsp.symbols import symbols
from planner.plan import shipped_catalog
from planner.syntax import tree
from planner.syntax.files import read

ROOT = Path(__file__).parents[1]
SHIPPED = shipped_catalog()
FLEET = (ROOT / "examples/fleet.mem").read_text()
BROKEN = sorted((ROOT / "tests/corpus/errors").glob("*.mem"))[::9]
PLANS = [
    *sorted((ROOT / "examples").rglob("*.mem")),
    *sorted((ROOT / "tests/corpus/good").glob("*.mem")),
    *sorted((ROOT / "tests/corpus/lints").glob("*.mem")),
]


def marked(text: str, path: Path | str = ROOT / "examples/typed.mem") -> tuple[Analysis, int]:
    """Return a plan without its mark, and where that was."""
    place = text.index("|")
    return Analysis(text[:place] + text[place + 1 :], str(path), SHIPPED), place


def offered(text: str) -> dict[str, str]:
    """Return what can be typed at the mark, each with what is inserted."""
    return {item.label: item.text for item in completions(*marked(text))[1]}


def said(text: str) -> str:
    found = hover(*marked(text))
    return "" if found is None else found[0]


@pytest.mark.parametrize(
    ("typed", "some", "none"),
    [
        ("|", {"edition", "inference", "minimize", "offer"}, {"drop", "weights"}),
        ("inference z {\n  |", {"context", "weights", "quality"}, {"optimizer", "minimize"}),
        ("training z {\n  |", {"optimizer", "sequence"}, {"kv_cache"}),
        ("inference z {\n  context = 8Ki tokens\n  |\n}", {"weights"}, {"context"}),
        ("inference z { weights in {bf16, |", {"int4", "fp8"}, {"l40s", "fp8_kv"}),
        ("inference z { kv_cache = |", {"fp8_e4m3"}, {"int4_g64"}),
        ("inference z { gpu = h|", {"h100_sxm", "l40s"}, {"bf16"}),
        ("inference z { engine = |", {"vllm", "sglang", "llama_cpp"}, {"trl"}),
        ("inference z { gpu in |", {"any", "h100_sxm"}, {"weights"}),
        ("inference z { gpu in any |", {"where"}, {"memory"}),
        ("inference z { gpu in any where |", {"memory", "vendor", "bf16"}, {"price", "weights"}),
        ("inference z { gpu in any where vendor == |", {"nvidia", "amd"}, {"l40s"}),
        ("inference z { gpu in any where bf16 in |", {"native_formats"}, {"vendor"}),
        ("inference z { offer in any where |", {"price", "region"}, {"memory"}),
        ("inference z { context = 8 |", {"tokens"}, {"GiB", "$/h"}),
        ("inference z { gpu in any where memory >= 40 |", {"GiB", "and"}, {"tokens"}),
        ("inference z { ttft <= 1 |", {"s", "ms"}, {"GiB"}),
        ("inference z { weights in {bf16, int4} |", {"per", "because"}, {"bf16"}),
        ("inference z { gpus in 8..64 |", {"step"}, {"per"}),
        ("training z { optimizer = |", {"adamw", "muon"}, {"vllm"}),
        ("offer z { sold_by = |", {"instance", "gpu"}, {"aws"}),
        ("gpu z like |", {"l40s", "h100_sxm"}, {"bf16"}),
        ("inference z like |", {"chat", "search"}, {"nightly", "our_rack"}),
        ("require |", {"chat", "fleet", "budget", "sum"}, {"weights"}),
        ("require chat.|", {"weights", "tpot"}, {"optimizer"}),
        ("require nightly.|", {"optimizer"}, {"tpot"}),
        ("require chat.gpu == |", {"l40s"}, {"bf16"}),
        ("require chat.weights in {|", {"int4"}, {"l40s"}),
        ("require all(w.|", {"cost", "kind"}, {"chat"}),
        ("require sum(w.cost for w in |", {"workloads", "chat"}, {"budget"}),
        ("require sum(w.cost for w in workloads |", {"where"}, {"worth"}),
        ("require sum(w.cost for w in workloads where |", {"w"}, set()),
        ("prefer chat.gpus <= 2 |", {"worth", "because"}, {"per"}),
        ("minimize |", {"cost", "tpot"}, {"weights", "context"}),
        ("minimize cost |", {"then"}, {"cost"}),
        ("minimize cost then |", {"maximize"}, {"cost"}),
        ("fleet {\n  |", {"cost", "available"}, {"weights"}),
        ("fleet { available.|", {"l40s"}, {"bf16"}),
        ("model z = |", {"config", "checkpoint"}, {"chat"}),
        ('test "t" {\n  |', {"drop", "expect", "chat"}, {"weights", "edition"}),
        ('test "t" { drop |', {"quality", "fleet.cost"}, {"bf16"}),
        ('test "t" { expect infeasible by |', {"fleet.cost", "chat"}, {"bf16"}),
        ('test "t" { chat.weights = |', {"int4"}, {"l40s"}),
        ('test "t" { nightly.optimizer = |', {"adamw"}, {"int4"}),
        ('import "|', {"chat.mem", "fleet.mem", "repository/"}, {"chat.mem.lock"}),
        ('inference z { model = "|', {"Qwen/Qwen3-32B"}, {"chat"}),
        ("# |", set(), {"inference"}),
        ("inference z { context = 8|", set(), {"tokens"}),
    ],
)  # fmt: skip
def test_what_can_be_typed(typed: str, some: set[str], none: set[str]) -> None:
    found = set(offered(f"{FLEET}\n{typed}"))
    assert some <= found
    assert not found & none


def test_what_has_quotes_is_inserted_with_them() -> None:
    assert offered("inference z { model = |")["Qwen/Qwen3-32B"] == '"Qwen/Qwen3-32B"'
    assert offered('inference z { model = "|')["Qwen/Qwen3-32B"] == "Qwen/Qwen3-32B"
    assert offered("inference z { provider = |")["jarvis-labs"] == '"jarvis-labs"'


@pytest.mark.parametrize("path", PLANS, ids=lambda path: path.stem)
def test_what_plans_say_is_what_is_offered(path: Path) -> None:
    """Each word of a plan can be completed where it stands, but for names that it makes up and texts for people."""
    text, _ = read(path)
    assert text is not None
    analysis = Analysis(text, str(path), SHIPPED)
    made_up = {item.name for item in analysis.own.items if isinstance(item, tree.Let | tree.Declaration | tree.Require)}
    made_up |= {item.name for item in analysis.own.items if isinstance(item, tree.Prefer)}
    made_up |= {
        name for item in analysis.own.items if isinstance(item, tree.Import) for name in (item.alias, *item.names)
    }
    before, missing = "", []
    for token in analysis.tokens:
        place = token.span.start
        if token.type == "NAME" or token.text.isalpha():
            found = {item.label.split(".")[0] for item in completions(analysis, place)[1]}
            name = token.text not in made_up and not (before == "FOR" or token.text == "w")
            if (
                name
                and token.text not in found
                and not (before == "EQUAL" and "let" in text[:place].rpartition("\n")[2])
            ):
                missing.append(f"{path.name}:{token.span.line}: {token.text}")
        elif token.type == "STRING" and before in ("EQUAL", "LIKE") and "model" in text[:place].rpartition("\n")[2]:
            found = {item.label for item in completions(analysis, place + 1)[1]}
            if token.text.strip('"') not in found:
                missing.append(f"{path.name}:{token.span.line}: {token.text}")
        before = token.type
    assert missing == []


@pytest.mark.parametrize("path", [*PLANS[:2], *BROKEN], ids=lambda path: path.stem)
def test_every_place_has_an_answer(path: Path) -> None:
    """Wherever the cursor stands, also in a text that is cut off there, nothing fails."""
    text = path.read_text(errors="replace")
    whole = Analysis(text, str(path), SHIPPED)
    for place in range(0, len(text) + 1, 5):
        hover(whole, place)
        definition(whole, place)
    for place in range(0, len(text) + 1, 61):
        cut = Analysis(text[:place], str(path), SHIPPED)
        start, _ = completions(cut, place)
        assert 0 <= start <= place
        symbols(cut.own)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("inference z { wei|ghts = bf16 }", ("The number format of the weights", "formats", "native format")),
        ("inference z { concurrency| = 3 }", ("unmentioned",)),
        ("offer z { pri|ce = $1/h }", ("Price of an instance on demand", "USD/h")),
        ("inference z { weights = b|f16 }", ("a number format", "bits")),
        ("inference z { gpu = l4|0s }", ("NVIDIA L40S", "bandwidth")),
        ('inference z { model = "Qwen/Qwen3|-32B" }', ("parameters", "32_762_123_264")),
        ("training z { method = ql|ora }", ("LoRA over a frozen base",)),
        ("inference z { context = 8K|i tokens }", ("8_192 tokens",)),
        ("fleet { cost <= $150|/month }", ("$0.205/h",)),
        ("fleet { co|st <= $1/h }", ("What all workloads cost together",)),
        ("let budget = $4/h + $1/h\nfleet { cost <= bud|get }", ("let budget = $4/h + $1/h", "$5.00/h")),
        ("## The one\nlet a = 1\nlet b = |a", ("let a = 1", "The one")),
        ("gpu mine like l40s { memory = 48 GiB }\nfleet { available.mi|ne <= 1 }", ("gpu mine like l40s", "48.00 GiB")),
        ("inference z { gpu = l4 }\nrequire z|.gpus == 1", ("inference z", "gpu = l4")),
        ("inference z { gpu = l4 }\nrequire z.tp|ot <= 1 s", ("tpot:", "of")),
        ("mini|mize cost", ("the least of",)),
        ("# planner: allow W06|06\nlet a = 1", ("W0606",)),
        ('require few: z.gpus <= 2\ninference z { }\ntest "t" { drop f|ew }', ("require few: z.gpus",)),
    ],
)  # fmt: skip
def test_hover_says_what_explain_knows(text: str, words: tuple[str, ...]) -> None:
    found = said(text)
    assert [word for word in words if word not in found] == []


def test_hover_has_nothing_to_say_of_blanks_and_comments() -> None:
    assert said("inference z {|}") == ""
    assert said("# a comme|nt") == ""


def test_choices_are_explained_as_explain_does() -> None:
    analysis = Analysis("", "", SHIPPED)
    assert "The number format of the weights" in explained("inference.weights", analysis)
    assert "NVIDIA L40S" in explained("l40s", analysis)
    assert explained("no such thing", analysis) == ""


@pytest.mark.parametrize(
    ("text", "line", "column"),
    [
        ("let a = 1\nlet b = |a", 1, 5),
        ("inference z { gpu = l4 }\nrequire |z.gpu == l4", 1, 11),
        ("inference z { gpu = l4 }\nrequire z.g|pu == l4", 1, 15),
        ("inference y { gpu = l4 }\ninference z like y { }\nrequire z.g|pu == l4", 1, 15),
        ("inference y { }\ninference z like |y { }", 1, 11),
        ("model m { parameters = 7B }\ninference z { model = |m }", 1, 7),
        ("gpu g like l4 { memory = 30 GiB }\ninference z { gpu in {l4, |g} }", 1, 5),
        ("inference z { }\nrequire few: z.gpus <= 2\ntest \"t\" { drop |few }", 2, 1),
        ("inference z { tpot <= 1 s }\ntest \"t\" { expect infeasible by z.t|pot }", 1, 15),
        ("fleet { cost <= $1/h }\ntest \"t\" { drop fleet.|cost }", 1, 9),
    ],
)  # fmt: skip
def test_definitions(text: str, line: int, column: int) -> None:
    found = definition(*marked(text))
    assert found is not None
    assert (found.line, found.column) == (line, column)


@pytest.mark.parametrize("text", ["inference z { gp|u = l4 }", "inference z { gpu = |l4 }", "mini|mize cost", "# |x"])
def test_what_no_plan_declares_has_no_definition(text: str) -> None:
    assert definition(*marked(text)) is None


def test_definitions_across_imports(tmp_path: Path) -> None:
    (tmp_path / "shared.mem").write_text("edition 2026\nmodel house { parameters = 7B }\nlet night = $3/h\n")
    (tmp_path / "config.json").write_text("{}")
    here = tmp_path / "plan.mem"
    cases = {
        'import "shared.mem" as s\ninference z { model = s.ho|use }': (2, 7),
        'import "shared.mem" as s\ninference z { model = |s.house }': (1, 1),
        'import {ni|ght} from "shared.mem"': (3, 5),
        'import {night} from "shared.mem"\nfleet { cost <= ni|ght }': (3, 5),
        'import "sha|red.mem" as s': (1, 1),
    }
    for text, place in cases.items():
        found = definition(*marked(text, here))
        assert found is not None, text
        assert (Path(found.path).name, found.line, found.column) == ("shared.mem", *place)
    found = definition(*marked('model m = config("con|fig.json")', here))
    assert found is not None and Path(found.path).name == "config.json"


def test_texts_that_are_not_saved_stand_for_files(tmp_path: Path) -> None:
    shared = tmp_path / "shared.mem"
    shared.write_text("edition 2026\nlet night = $3/h\n")
    text = 'edition 2026\nimport {day} from "shared.mem"\nfleet { cost <= day }\n'
    saved = Analysis(text, str(tmp_path / "plan.mem"), SHIPPED)
    assert "E0301" in {item.code for item in saved.findings(saved=False)}
    unsaved = {str(shared.resolve()): "edition 2026\nlet day = $3/h\n"}
    typed = Analysis(text, str(tmp_path / "plan.mem"), SHIPPED, unsaved)
    assert "E0301" not in {item.code for item in typed.findings(saved=False)}


def test_the_outline_of_a_plan() -> None:
    found = symbols(Analysis(FLEET, "fleet.mem", SHIPPED).own)
    assert [item.name for item in found][:4] == ["budget", "our_rack", "chat", "code"]
    assert [(inner.name, inner.detail) for inner in found[2].inner][3] == ("weights", "in {bf16, fp8}")
    for item in found:
        assert item.span.start <= item.name_span.start <= item.name_span.end <= item.span.end


@pytest.mark.parametrize(("encoding", "size"), [("utf-8", 4), ("utf-16", 2), ("utf-32", 1)])
def test_columns_are_counted_as_the_client_counts(encoding: Encoding, size: int) -> None:
    text = "a🦙b\r\nc\rd\u2028e\x0cf\n"  # of the last line ends only the protocol's own end a line
    lines = Lines(text, encoding)
    assert lines.position(2) == (0, 1 + size)
    assert lines.offset(0, 1 + size) == 2
    assert lines.position(text.index("d")) == (2, 0)
    assert lines.position(text.index("f"))[0] == 2
    assert lines.position(len(text)) == (3, 0)
    assert lines.offset(0, 99) == 3
    assert lines.offset(9, 0) == len(text)
    assert [lines.offset(*lines.position(at)) for at in range(len(text))] == [
        at if text[at] != "\n" or text[at - 1] != "\r" else at - 1 for at in range(len(text))
    ]
