"""What is printed is clean: hostile strings in every place a string can come from, in every verb and format."""

from __future__ import annotations

import json
import random
import re
import unicodedata
from collections.abc import Callable, Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
import yaml
from command import Done, run

from planner.diagnostics.diagnostic import Span, error
from planner.diagnostics.formats import FORMATS, render
from planner.diagnostics.shown import cleaned, json_text, lines, shown
from planner.lock.lock import sealed
from planner.lock.text import load
from planner.report import phrases
from planner.report.markdown import code, table, text

ROOT = Path(__file__).parents[1]
ANSWERS = ("table", "json", "markdown", "html")
PARTS = (
    "\x1b]0;title\x07", "\x1b[31m", "\x1b[2J", "\x9b31m", "\x7f", "\x00", "\b\b", "\r", "\x85", "\u2028", "\u2029",
    "\u202e", "\u202d", "\u2066", "\u2069", "\u200e", "\u200f", "\u061c", "\u200b", "\u2060", "\ufeff", "\U000e0041",
    "::error::no", "::warning file=a::no", "##[error]no", "##vso[task.complete]no", "section_start:1:x\r\x1b[0K",
    "<script>no()</script>", "<img src=x onerror=no()>", "`", "|", "\\|", "[no](javascript:no)", "&lt;", "'",
    "%0A::error::no",
)  # fmt: skip
ENDS = ("\n::error::no", "\n##[group]no", "\r\n::stop-commands::no", "\n  ::error::no", "\nforged")
"""Line ends do not stand in a plan's texts, but in YAML, JSON, file names and on the command line."""


def hostile(seed: int, ends: bool, quote: bool = False) -> str:
    """Return a string of hostile parts; without line ends, and `quote`, where it stands in a plan's text."""
    dice = random.Random(seed)
    parts = [*dice.sample(PARTS, 9), *(dice.sample(ENDS[:-1], 2) if ends else ())]
    dice.shuffle(parts)
    parts += ENDS[-1:] if ends else ()
    found = "".join(part + dice.choice(("a", " ", "")) for part in parts)
    return found if quote else found.replace('"', "").replace("\x00", "")


def dirty(said: str, commands: bool = False) -> list[str]:
    """Return what a terminal or a CI runner would act on."""
    out = [
        f"{char!r} in {line[:200]!r}"
        for line in said.split("\n")
        for char in sorted(set(line))
        if unicodedata.category(char) in ("Cc", "Cf", "Cs", "Zl", "Zp") and char != "\t"
    ]
    for line in said.splitlines():
        start = line.lstrip()
        ours = commands and re.match(r"::(error|warning) title=planner [EW]\d{4}(,\w+=[^:,]*)*::", line)
        if start.startswith("::") and not start.startswith("::: ") and not ours:
            out.append(f"begins a command: {line[:200]!r}")
        if start.startswith("forged"):
            out.append(f"a line of its own: {line[:200]!r}")
        if re.search(r"##\w*\[", line):
            out.append(f"holds a command: {line[:200]!r}")
    return out


class _Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}


def check(done: Done, form: str = "") -> Done:
    """Hold what a command printed clean and, where something is printed, whole in its form."""
    assert dirty(done.stdout, form == "github") + dirty(done.stderr) == []
    if not done.stdout.strip():
        return done
    if form in ("json", "gitlab", "sarif"):
        json.loads(done.stdout)
    if form == "junit":
        ElementTree.fromstring(done.stdout)
    if form == "html":
        page = _Page()
        page.feed(done.stdout)
        assert not page.tags & {"script", "img", "a", "iframe"}
        assert not {name for name in page.attributes if name.startswith("on") or name in ("href", "src")}
    if form == "markdown":
        wide = None
        for line in done.stdout.split("\n"):
            assert "<script" not in line and "<img" not in line and not re.search(r"(?<!\\)\[no\]", line)
            cells = len(re.findall(r"(?<!\\)(?:\\\\)*\|", line)) if line.startswith("|") else None
            assert wide is None or cells is None or cells == wide, line
            wide = cells
    return done


def plan_of(folder: Path, seed: int, name: str = "a.mem", extra: str = "") -> Path:
    """Write a plan that has an answer, its offer and its texts hostile."""
    bad, loud = hostile(seed, False), hostile(seed, True)
    row = {
        "id": f"{loud}/{loud}/{loud}", "provider": loud, "region": loud, "instance_type": loud, "gpu": "l40s",
        "gpus": 1, "price_usd_h": 0.01, "sold_by": "instance", "as_of": "2025-08-01", "note": loud, "source": loud,
    }  # fmt: skip
    (folder / "own_offers.yaml").write_text(yaml.safe_dump({"as_of": "2025-08-01", "rows": [row]}))
    path = folder / name
    path.write_text(
        f'edition 2026\nimport "own_offers.yaml"\n# {bad}\n## {bad}\ninference chat {{\n'
        '  model = "meta-llama/Llama-3.1-8B"\n  context = 1Ki tokens\n  concurrency = 4\n  gpus in 1..2\n'
        f'  tpot <= 100 ms because "{bad}"\n}}\n'
        f'require r: chat.gpus >= 1 because "{bad}"\nprefer p: chat.gpus == 2 worth $0.001/h because "{bad}"\n'
        f'test "{bad}" {{ chat.concurrency = 2; expect chat.gpus == 5 }}\n{extra}\nminimize cost\n',
        encoding="utf-8",
    )
    return path


WRONG = (
    "{bad}",
    'let x = "{bad}',
    'import "{bad}"',
    'import "{bad}.yaml"',
    'model own = config("{bad}.json")',
    'model own = config("odd.json")',
    'inference b {{ model = "{bad}"; context = 1Ki tokens; concurrency = 1 }}',
    'inference b {{ model = "meta-llama/Llama-3.1-8B"; offer = "{bad}"; provider = "{bad}"; context = 1Ki tokens }}',
    'inference b like "{bad}" {{ gpus = 1 }}',
    'test "x" {{ drop "{bad}"; expect infeasible by chat.memory }}',
    'require "{bad}" == chat.gpus because "{bad}"',
    'let y = "{bad}"\nlet y = "{bad}"',
    'inference c {{ "{bad}" = 3 }}  # planner: allow W9999 {bad}',
    'training t {{ model = "meta-llama/Llama-3.1-8B"; {bad} = 1 }}',
)  # fmt: skip


def broken(folder: Path, seed: int) -> Path:
    """Write a plan of mistakes that quote hostile strings."""
    bad = hostile(seed, False)
    config = {"model_type": hostile(seed, True), "architectures": [hostile(seed, True)], "hidden_size": bad}
    (folder / "odd.json").write_text(json.dumps(config), encoding="utf-8")
    words = [item.format(bad=hostile(seed + place, False)) for place, item in enumerate(WRONG)]
    return plan_of(folder, seed, "b.mem", "\n".join(words))


@pytest.mark.parametrize("form", ANSWERS)
def test_answers(form: str, tmp_path: Path) -> None:
    for seed in (ANSWERS.index(form), 9):
        path = plan_of(tmp_path, seed)
        done = check(run("solve", "--format", form, "a.mem", cwd=tmp_path), form)
        assert done.returncode == 0, done.stderr
        assert "forged" in done.stdout
        if form == "json":
            assert json.loads(done.stdout)["workloads"][0]["choice"]["offer"] == "/".join([hostile(seed, True)] * 3)
        check(run("diff", "--format", form, "a.mem", cwd=tmp_path), form)
    check(run("why", "--format", form, "a.mem", cwd=tmp_path), form)
    path.write_text(path.read_text().replace("1..2", "1; gpu = l40s; weights = bf16; kv_cache = bf16"))
    check(run("estimate", "--format", form, "a.mem", cwd=tmp_path), form)
    path.write_text(path.read_text().replace("100 ms", "1 us"))
    infeasible = check(run("solve", "--format", form, "a.mem", cwd=tmp_path), form)
    assert infeasible.returncode == 1


@pytest.mark.parametrize("form", FORMATS)
def test_findings(form: str, tmp_path: Path) -> None:
    for seed in range(3):
        path = broken(tmp_path, seed)
        done = check(run("check", "--format", form, path.name, cwd=tmp_path), form)
        assert done.returncode == 1
        assert len(done.stdout) > 500
    plan_of(tmp_path, 5)
    done = check(run("test", "--format", form, "a.mem", cwd=tmp_path), form)
    assert done.returncode == 1 and done.stdout
    run("solve", "a.mem", cwd=tmp_path)
    (tmp_path / "own_offers.yaml").write_text(
        'as_of: "2025-08-01"\nrows: [{id: "\\n::error::\\e[1m", source: "\\e"}]\n'
    )
    check(run("check", "--format", form, "a.mem", cwd=tmp_path), form)


def test_files_with_hostile_names(tmp_path: Path) -> None:
    for seed in range(2):
        name = hostile(seed, True).replace("/", "")[:60] + "\u202e.mem"
        path = plan_of(tmp_path, seed, name)
        for form in FORMATS:
            check(run("check", "--format", form, name, cwd=tmp_path), form)
        for words in (("solve",), ("fmt", "--check"), ("fmt", "--diff"), ("fix", "--diff"), ("diff",), ("init",)):
            check(run(*words, "--", name, cwd=tmp_path))
        check(run("init", "--", name + "2", cwd=tmp_path))
        path.write_text("gpus = (")
        for form in FORMATS:
            check(run("check", "--format", form, ".", cwd=tmp_path), form)
        path.unlink()
        check(run("check", ".", cwd=tmp_path))  # a lock without its plan
        check(run("check", name, cwd=tmp_path))


def edits(bad: str) -> Iterator[Callable[[dict[str, Any]], Any]]:
    """Yield what puts a hostile string somewhere in a lock's document."""
    yield lambda lock: lock.update(outcome=bad)
    yield lambda lock: lock.update(schema=bad)
    yield lambda lock: lock["objective"][0].update(quantity=bad)
    yield lambda lock: lock["imports"].update({bad: bad})
    yield lambda lock: lock["workloads"].update({bad: lock["workloads"].pop("chat")})
    yield lambda lock: lock["workloads"]["chat"]["choice"].update({bad: bad})
    yield from (
        lambda lock, name=name: lock["workloads"]["chat"]["choice"].update({name: bad})
        for name in ("gpu", "offer", "weights", "engine")
    )
    yield lambda lock: lock["used"]["gpus"].update({bad: lock["used"]["gpus"]["l40s"]})


def test_hostile_locks(tmp_path: Path) -> None:
    plan_of(tmp_path, 3)
    run("solve", "a.mem", cwd=tmp_path)
    lock = tmp_path / "a.mem.lock"
    good = lock.read_text().partition("checksum: ")[0]
    assert good.replace("\n", "").isascii() and good.replace("\n", "").isprintable()
    told = 0
    for number, edit in enumerate(edits(hostile(1, True))):
        document = load(good)
        edit(document)
        lock.write_text(sealed(document))
        said = [check(run("check", "--format", form, "a.mem", cwd=tmp_path), form) for form in ("full", "github")]
        form = ANSWERS[number % len(ANSWERS)]
        said.append(check(run("diff", "--format", form, "a.mem", cwd=tmp_path), form))
        told += any("forged" in re.sub(r"forged[^ ]*/[^ ]*", "", item.stdout + item.stderr) for item in said)
    assert told >= 6  # the others are not quoted
    check(run("solve", "--check", "a.mem", cwd=tmp_path))


def words() -> Iterator[tuple[str, ...]]:
    bad = hostile(11, True)
    yield from (
        ("solve", "--set", bad, "a.mem"),
        ("solve", "--set", f"chat.gpu={bad}", "a.mem"),
        ("solve", "--set", f'chat.offer="{bad}"', "a.mem"),
        ("solve", "--pareto", bad, "a.mem"),
        ("solve", "--pareto", f"cost,{bad}.quality", "a.mem"),
        ("solve", "--time-limit", bad, "a.mem"),
        ("solve", "--format", bad, "a.mem"),
        ("solve", "--top", bad, "a.mem"),
        ("solve", bad),
        ("why", "a.mem", bad),
        ("check", "--format", bad, "a.mem"),
        ("check", bad),
        ("test", "-k", bad, "a.mem"),
        ("test", "--format", bad, "a.mem"),
        ("explain", bad),
        ("estimate", bad),
        ("estimate", "13B", "--weights", bad),
        ("estimate", "13B", "--training", "--optimizer", bad),
        ("diff", "--against", bad, "a.mem"),
        ("fmt", bad),
        ("fix", bad),
        ("init", f"no/{bad}"),
        ("catalog", "list", bad),
        ("catalog", "list", "gpus", bad),
        ("catalog", "list", "gpus", "--where", bad),
        ("catalog", "list", "gpus", "--where", f"memory>={bad}"),
        ("catalog", "list", "gpus", "--format", bad),
        ("catalog", "show", bad),
        ("catalog", "show", "odd.json"),
        ("catalog", "show", "--approximate", "odd.json"),
        ("catalog", "diff", bad),
        ("catalog", "diff", "own_offers.yaml"),
        ("catalog", "diff", "--format", "json", "own_offers.yaml"),
        ("catalog", "diff", "bad_offers.yaml"),
        ("catalog", "import", "--from", bad, "a.csv"),
        ("catalog", "import", "--from", "gpuhunt", "--cloud", bad, "--region", bad, "a.csv"),
        ("catalog", "import", "--from", "gpuhunt", "--as-of", bad, "a.csv"),
        ("catalog", "import", "--from", "gpuhunt", "-o", bad, "a.csv"),
        (bad,),
        (f"--{bad}",),
        ("solve", f"--{bad}"),
        ("catalog", bad),
        ("solve", "a.mem", "--workers", bad),
    )


def test_hostile_words(tmp_path: Path) -> None:
    broken(tmp_path, 2)
    plan_of(tmp_path, 2)
    (tmp_path / "bad_offers.yaml").write_text(
        'as_of: "1"\nrows: [{id: "\\n::error::\\e[1m", source: x, "\\e[2J": 1}]\n'
    )
    (tmp_path / "a.csv").write_text("instance_name,location,price,gpu_name\n\x1b[1m,\u202e,1,\x1b[2J\n")
    for said in words():
        done = check(run(*said, cwd=tmp_path))
        assert done.returncode in (0, 1, 2), said


def test_a_diff_of_a_hostile_plan_is_clean_and_a_filter_is_faithful(tmp_path: Path) -> None:
    path = plan_of(tmp_path, 4)
    messy = path.read_text().replace("  gpus", "      gpus").replace("\nrequire", "\r\nrequire")
    path.write_text(messy, newline="")
    for verb in ("fmt", "fix"):
        check(run(verb, "--diff", "a.mem", cwd=tmp_path))
    out = run("fmt", "-", stdin=messy.encode())
    assert hostile(4, False) in out.stdout


@pytest.mark.parametrize("form", FORMATS)
def test_renderers_alone(form: str) -> None:
    """Also where a library calls them: no string of a finding reaches its form as it is."""
    for seed in range(40):
        bad = hostile(seed, True, quote=True)
        span = Span(f"{bad}.mem", 0, 5, 1, 1)
        found = error("E0301", bad, span, label=bad, secondary=((span, bad),), help=bad)
        done = Done(
            0,
            lines(render(form, [found], {f"{bad}.mem": bad.replace("\n", "") + "\nb"}), commands=form == "github"),
            "",
        )
        check(done, form)
        if form == "github":
            assert done.stdout.count("\n") == 0


def test_strings_are_shown() -> None:
    assert shown("a\x1b[1m\n\t\u202e\u2028\x9b\U000e0041\udcff") == r"a\x1b[1m\n\t\u202e\u2028\x9b\U000e0041\udcff"
    assert shown("##[error] ##vso[a] # ## [b]") == r"#\#[error] #\#vso[a] # ## [b]"
    kept = "Größe 漢字 עברית नमस्ते 👍 50 % ~`|<>&"
    assert shown(kept) == lines(kept) == kept
    assert lines("::error::a\n ::a\n ::: a.mem:1\na ::b\n\tc") == "\\::error::a\n \\::a\n ::: a.mem:1\na ::b\n\tc"
    assert lines("\x1b[1;31ma\x1b[0m\x1b[2J", styled=True) == "\x1b[1;31ma\x1b[0m\\x1b[2J"


def test_records_are_cleaned_whole() -> None:
    span = Span("a\n", 0, 0, 1, 1)
    assert cleaned((1, "a\n", {"\x1b": ["\r"]}, span)) == (1, "a\\n", {"\\x1b": ["\\r"]}, Span("a\\n", 0, 0, 1, 1))
    same = (1, "a", {"b": ["c"]}, Span("a", 0, 0, 1, 1), frozenset({"d"}))
    assert cleaned(same) is same


def test_json_is_the_same_document() -> None:
    for seed in range(60):
        document = {hostile(seed, True): [hostile(seed + 1, True), {"a": "\U000e0041\udcff"}]}
        said = json_text(document)
        assert json.loads(said) == document
        assert dirty(said) == []


def test_markdown_shows_names_as_they_are() -> None:
    assert text("a|b`c<d>*e*[f](g)\\|&") == r"a\|b\`c&lt;d&gt;\*e\*\[f](g)\\\|&amp;"
    assert code("fp8_e4m3") == "`fp8_e4m3`"
    assert code("a`b|c\\") == r"a\`b\|c\\"
    (_, _, row) = table(("a", "b"), [(text("x|y\\"), code("`|"))])
    assert len(re.findall(r"(?<!\\)(?:\\\\)*\|", row)) == 3


SOURCES = {file: file.read_text(encoding="utf-8") for file in (ROOT / "planner").rglob("*.py")}


def test_one_place_prints() -> None:
    """What prints is `say` and `tell`; `fmt -` writes a plan to whoever reads it, a fault cleans its own line."""
    known = {"screen.py": "typer.echo", "fmt.py": "sys.stdout.write", "fault.py": "print", "progress.py": "print"}
    prints = re.compile(r"(?<![\w.`])(print|typer\.s?echo|typer\.style|sys\.std(?:out|err)\.write)\(")
    found = {
        (file.name, name) for file, text in SOURCES.items() if "cli" in file.parts for name in prints.findall(text)
    }
    assert found == set(known.items())


def test_findings_are_made_in_one_place() -> None:
    makers = {file.name for file, text in SOURCES.items() if re.search(r"(?<!class )\bDiagnostic\(", text)}
    assert makers == {"diagnostic.py", "convert.py"}  # the second makes the protocol's own


def test_one_candidate_is_no_plural() -> None:
    assert [phrases.considered(count) for count in (1, 2, 1000)] == [
        "1 candidate considered",
        "2 candidates considered",
        "1_000 candidates considered",
    ]
