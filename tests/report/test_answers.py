"""Each renderer against its golden file, and what must hold of every table and page."""

from __future__ import annotations

import json
import os
import re
from fractions import Fraction
from html.parser import HTMLParser
from pathlib import Path

import pytest
from command import run
from made_answers import ANSWERS, WARNING

from planner.report import why
from planner.report.answer import FORMATS, render
from planner.report.lines import clamp
from planner.report.page import pictures
from planner.report.sheet import Memory, Option

GOLDEN = Path(__file__).parent / "golden"
SUFFIX = {"table": "txt", "json": "json", "markdown": "md", "html": "html", "csv": "csv"}
VOID = {"meta", "rect", "line", "circle", "br", "link"}


def held(name: str, text: str) -> None:
    """Compare with a golden file; PLANNER_GOLDEN=write stores it anew."""
    path = GOLDEN / name
    if os.environ.get("PLANNER_GOLDEN") == "write":
        path.write_text(text + "\n", encoding="utf-8")
    assert path.read_text(encoding="utf-8") == text + "\n"


@pytest.mark.parametrize("name", ANSWERS)
@pytest.mark.parametrize("form", FORMATS)
def test_golden(name: str, form: str) -> None:
    text = render(form, ANSWERS[name], None, (WARNING,), title="chat.mem", traded=("cost", "quality"))
    held(f"{name}.{SUFFIX[form]}", text)


@pytest.mark.parametrize("name", ANSWERS)
def test_golden_why(name: str) -> None:
    held(f"{name}.why.txt", why.render(why.reasons(ANSWERS[name], {})))


def test_golden_colour(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    held("one.ansi", render("table", ANSWERS["one"], colour=True))


@pytest.mark.parametrize("width", [20, 60, 79, 100, 137, 200, 400])
@pytest.mark.parametrize("name", ANSWERS)
def test_no_line_is_wider_than_the_terminal(name: str, width: int) -> None:
    for text in (
        render("table", ANSWERS[name], traded=("cost", "quality"), width=width),
        why.render(why.reasons(ANSWERS[name], {}), width=width),
    ):
        assert max(map(len, text.splitlines())) <= clamp(width), text


@pytest.mark.parametrize("name", ANSWERS)
def test_json_keeps_its_keys(name: str) -> None:
    document = json.loads(render("json", ANSWERS[name], None, (WARNING,)))
    assert document["schema"] == "planner.answer/1"
    assert set(document) >= {"outcome", "objective", "cost_usd_per_hour", "workloads", "conflict", "diagnostics"}
    for item in document["workloads"]:
        assert set(item) >= {"name", "kind", "choice", "memory", "outcomes", "alternatives", "rejected"}
        assert sum(item["memory"]["parts"].values()) == item["memory"]["total"]
    assert document["diagnostics"][0]["line"] == 5


class Page(HTMLParser):
    """Follows the open tags, and every address the page names."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.addresses: list[str] = []
        self.tags: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.addresses += [value or "" for name, value in attrs if name in ("src", "href", "srcset", "xlink:href")]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag


@pytest.mark.parametrize("name", ANSWERS)
def test_page_is_whole_and_loads_nothing(name: str) -> None:
    text = render("html", ANSWERS[name], None, (WARNING,), title="<b>chat</b> & co")
    page = Page()
    page.feed(text)
    assert page.open == []
    assert page.addresses == []
    assert "script" not in page.tags
    assert "http" not in text
    assert "<b>chat</b>" not in text


def test_page_has_its_pictures() -> None:
    """Memory by part of each workload, cost by workload, and options by cost and quality."""
    text = render("html", ANSWERS["fleet"])
    assert text.count("memory of one GPU by part") == 2
    assert text.count("cost of each workload") == 1
    assert text.count("options by cost and quality") == 1


def test_page_shows_no_more_memory_than_there_is() -> None:
    """What does not fit ends behind the upright line of the usable memory, which is then red."""
    text = render("html", ANSWERS["too_large"])
    assert 'class="over"' in text


def test_options_are_pictured_by_what_the_plan_is_about() -> None:
    """The first outcome of the objective, of a bound, or of its kind, in which the options differ."""
    same, other = ((("tpot", Fraction(1, slow)), ("quality", Fraction(1))) for slow in (50, 20))
    options = [("chosen", _option(same)), ("rejected", _option(other))]
    assert pictures.axis_of(options, ("quality", "tpot", "headroom")) == "tpot"
    assert pictures.axis_of(options[:1], ("quality", "tpot")) == "quality"
    assert pictures.axis_of([("chosen", _option(()))], ("quality", "tpot")) == ""
    drawn = pictures.scatter(options, ("quality", "tpot"))
    assert "dollars per hour against tpot; up is better" in drawn
    dots = r'<circle cx="[\d.]+" cy="([\d.]+)" r="[58]" class="dot (?:chosen|rejected)"><title>'
    high, low = map(float, re.findall(dots, drawn))
    assert high > low  # the rejected one is slower, and drawn first, further down


def _option(known: tuple[tuple[str, Fraction], ...]) -> Option:
    return Option("l4", 1, "1 x l4", "", "", 1000000, Memory((), 1, 1, 2), None, known=known)


@pytest.mark.parametrize(
    "plan, asked, heading",
    [
        ("chat", ("states", "model meta-llama/Llama-3.1-8B-Instruct; context 8Ki tokens; concurrency 32"), "quality"),
        ("finetune", ("states", "sequence 8Ki tokens"), "duration"),
        ("demand", ("must hold", "ttft_p95 &lt;= 2 s; tpot &lt;= 50 ms"), "ttft"),
    ],
)
def test_a_page_says_what_was_asked_and_what_else_fits(plan: str, asked: tuple[str, str], heading: str) -> None:
    page = run("solve", f"examples/{plan}.mem", "--no-lock", "--format", "html").stdout
    assert f"<dt>{asked[0]}</dt>" in page and asked[1] in page
    assert f"Options by cost and {heading}" in page
    assert "<h3>Fits, and costs more</h3>" in page
    assert re.search(r"<td class=n>\+\$[\d.]+/h</td><td>20\d\d-\d\d(-\d\d)?</td>", page)
    assert "How to read this page" in page and "<dt>headroom</dt>" in page


def test_a_page_says_how_many_of_the_rented_gpus_are_used(tmp_path: Path) -> None:
    (tmp_path / "w.mem").write_text(
        "edition 2026\noffer rack { gpu = l4; gpus = 8; price = $4/h }\n"
        'inference chat { model = "Qwen/Qwen3-8B"; context = 4Ki tokens; concurrency = 8; offer = rack\n'
        "gpus in 1..2 }\n"
        "minimize tpot\n"
    )
    page = run("solve", "w.mem", "--format", "html", cwd=tmp_path).stdout
    assert re.search(r"[12] of 8 (GPUs used|rented)", page)
