"""Page, Markdown, JSON and `why` say the same of every GPU type: where it stands, for how much, and what it breaks."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import command
import pytest

from planner import api
from planner.report import figures

pytestmark = pytest.mark.usefixtures("without_margins")

Fact = tuple[str, str, str, str, tuple[str, ...]]
"""A workload, a GPU type, its status, the price per hour and the rules it breaks."""
EXAMPLES = sorted(Path(command.ROOT / "examples").glob("*.mem"))
SERVICE = 'inference big { model = "meta-llama/Llama-3.3-70B-Instruct"; context = 8Ki; concurrency = 32; prompt = 2k\n'
PLANS = {
    "many fit": f"{SERVICE}output = 500; weights in {{bf16, fp8}}; provider in {{aws, gcp, azure}}; market = spot\n"
    "tpot <= 50 ms; ttft <= 1 s; demand = 5 req/s }\n",
    "owned cards": "offer rig { gpu = rtx_a6000; gpus = 2; price = $0/h; available = 1 }\n"
    f"{SERVICE}weights in {{bf16, fp8, int4}}; gpus in 1..8; cost <= $0/h }}\n"
    "maximize quality then maximize max_context\n",
    "a preference": f"{SERVICE}weights in {{fp8, int4}}; gpus in 1..8 }}\n"
    "prefer native: big.weights == fp8 worth $9/h\n",
    "a training": 'training t { model = "Qwen/Qwen2.5-7B"; sequence = 4Ki; global_batch = 64; tokens = 20M\n'
    "gpus in 1..8; method in {full, lora}; duration <= 12 h }\nminimize total_cost\n",
    "a shared rack": "offer rack { gpu = l40s; gpus = 4; price = $3/h; available = 1 }\n"
    + "".join(
        f'inference {name} {{ model = "meta-llama/Llama-3.1-8B"; context = 4Ki; concurrency = 8; gpus in 1..2 }}\n'
        for name in ("a", "b")
    )
    + "fleet { cost <= $6/h }\n",
    "nothing fits": f"{SERVICE}weights = bf16; gpus in 1..2; cost <= $2/h }}\n",
}


class Tables(HTMLParser):
    """The headings and tables of a page, in order."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, list[list[str]]]] = []
        self.heading = self.cell = ""
        self.within = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "h2":
            self.heading = ""
        if tag == "table":
            self.found.append((self.heading, []))
        if tag == "tr":
            self.found[-1][1].append([])
        if tag in ("h2", "td", "th"):
            self.within, self.cell = tag, ""

    def handle_data(self, data: str) -> None:
        if self.within == "h2":
            self.heading += data
        self.cell += data

    def handle_endtag(self, tag: str) -> None:
        if tag in ("td", "th"):
            self.found[-1][1][-1].append(self.cell.replace("\xa0", " "))
        if tag == self.within:
            self.within = ""


BAD = ("breaks", "unsupported")
BEHIND = ": why this and no other GPU"


def rules(text: str) -> tuple[str, ...]:
    """The rules that a text of faults names."""
    return tuple(sorted(set(re.findall(r"(?:^|; )(\S+): ", text))))


def of_json(text: str) -> set[Fact]:
    return {
        (
            item["workload"],
            item["gpu"],
            item["status"],
            figures.hourly(round(item["cost_usd_per_hour"] * 1e6)),
            tuple(sorted({fault["rule"] for fault in item["broken"]})),
        )
        for item in json.loads(text)["hardware"]
        if item["status"] != "not_offered"
    }


def of_page(text: str) -> set[Fact]:
    page = Tables()
    page.feed(text)
    return {
        (heading.removesuffix(BEHIND), row[0], row[1], row[3], rules(row[5]) if row[1] in BAD else ())
        for heading, rows in page.found
        if heading.endswith(BEHIND)
        for row in rows[1:]
    }


def of_markdown(text: str) -> set[Fact]:
    out: set[Fact] = set()
    name = ""
    for line in text.replace("\\*", "*").splitlines():
        if line.startswith("<details>"):
            of_gpus = line.endswith(f"{BEHIND}</summary>")
            name = line.removeprefix("<details><summary>").removesuffix(f"{BEHIND}</summary>") if of_gpus else ""
        elif line == "</details>":
            name = ""
        elif name and line.startswith("| ") and not line.startswith(("| GPU |", "| ---")):
            gpu, status, _, cost, said = (cell.strip() for cell in line.strip("|").split(" | "))
            out.add((name, gpu, status, cost, rules(said) if status in BAD else ()))
    return out


def of_why(text: str) -> set[Fact]:
    out: list[Fact] = []
    name, faults = "", set[str]()
    of_gpus = re.split(r"\n(?=\S+: by \w+\n)", text)[0]  # the tables by format are of the same candidates
    of_gpus = re.split(r"\n(?:limits|prices): what ", of_gpus)[0]  # what would change the answer
    lines = [*of_gpus.splitlines(), "end: why this and no other GPU"]
    for line in lines:
        head = re.match(r"  (\S+) +(chosen|fits|breaks|unsupported)  \d+ x \S+  (\$\S+)", line)
        if (line.endswith(BEHIND) or head) and name and out:
            out[-1] = (*out[-1][:4], tuple(sorted({*out[-1][4], *faults})))
            faults = set()
        if line.endswith(BEHIND):
            name = line.removesuffix(BEHIND)
        elif name and head:
            out.append((name, head[1], head[2], head[3], ()))
        elif name and (fault := re.match(r" {20}(\S+): ", line)):
            faults.add(fault[1])
    return set(out)


def four(path: str) -> dict[str, set[Fact]]:
    result = api.solve(path)
    return {
        "json": of_json(result.render("json")),
        "html": of_page(result.render("html")),
        "markdown": of_markdown(result.render("markdown")),
        "why": of_why(command.run("why", path).stdout),
    }


def agree(path: str) -> set[Fact]:
    facts = four(path)
    for form, found in facts.items():
        assert found == facts["json"], (form, sorted(found ^ facts["json"]))
    for workload, gpu, status, _, broken in facts["json"]:
        assert bool(broken) == (status in BAD), (workload, gpu, status, broken)
    return facts["json"]


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_examples(path: Path) -> None:
    agree(str(path))


@pytest.mark.parametrize("name", PLANS)
def test_plans(name: str, tmp_path: Path) -> None:
    path = tmp_path / "plan.mem"
    path.write_text(PLANS[name])
    found = agree(str(path))
    statuses = {(gpu, status) for _, gpu, status, _, _ in found}
    if name == "many fit":
        assert {("h100_sxm", "fits"), ("b200", "fits"), ("l4", "breaks")} <= statuses
        assert len({gpu for gpu, status in statuses if status == "chosen"}) == 1
    if name == "nothing fits":
        assert not {status for _, status in statuses} & {"chosen", "fits"}


def test_what_is_left_out_is_not_called_broken(tmp_path: Path) -> None:
    """However few alternatives are asked for, what fits is said to fit, for its price."""
    path = tmp_path / "plan.mem"
    path.write_text(PLANS["many fit"])
    few = command.run("solve", str(path), "--no-lock", "--format", "html", "--top", "0").stdout
    assert of_page(few) == of_why(command.run("why", str(path)).stdout)


def test_an_instance_that_is_partly_used_says_so(tmp_path: Path) -> None:
    """One GPU of four is used: the page says that four are paid. What two workloads share, neither uses alone."""
    rack = "offer rack { gpu = l40s; gpus = 4; price = $3/h }\n"
    block = (
        'inference %s { model = "meta-llama/Llama-3.1-8B"; context = 4Ki; concurrency = 8; gpus = 1; provider = own }\n'
    )
    path = tmp_path / "plan.mem"
    for text, said in ((block % "a", True), (block % "a" + block % "b", False)):
        path.write_text(rack + text)
        result = api.solve(path)
        for form in ("table", "markdown", "html"):
            assert ("1 of 4 GPUs used" in result.render(form)) == said, (form, said)


def test_every_price_has_its_date() -> None:
    """The date of the catalog's row stands beside the rent in every form, and of each alternative in JSON."""
    result = api.solve(command.ROOT / "examples" / "chat.mem")
    document = result.document()
    (workload,) = document["workloads"]
    offer = workload["choice"]["offer"]
    assert result.plan.problem is not None
    date = result.plan.problem.offers[offer].as_of
    assert workload["price_as_of"] == date
    for form in ("table", "markdown", "html"):
        assert f"price of {date}" in result.render(form), form
    for row in (*workload["alternatives"], *workload["rejected"]):
        assert row["price_as_of"] == result.plan.problem.offers[row["choice"]["offer"]].as_of
