"""What a page shows, run: plans are checked, commands are run and their output compared, Python is executed.

A page is Markdown. Each fenced block has its language:

- `mem`: a plan, whole but perhaps for its edition; it must have no error, or the one that `<!-- wrong: CODE -->` above
  it names. A note `<!-- file: NAME -->` writes it where the later commands of the page find it, `<!-- same: PATH -->`
  says that it is the text of that file.
- `console`: commands behind `$ `, each followed by what it prints. `planner` is run in this process; `| head -N`,
  `| tail -N` and `# exits N` are understood, and `git`, `cat` and `mv`.
- `python`: executed; where it has `>>>`, as a doctest.
- `yaml`, `json`: parsed. Everything else (`sh`, `text`) is shown only.
"""

from __future__ import annotations

import contextlib
import doctest
import json
import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import yaml
from typer.testing import CliRunner

from planner.cli import progress
from planner.cli.main import app

ROOT = Path(__file__).parents[1]
os.environ.setdefault("SOURCE_DATE_EPOCH", "1756684800")  # pages show the day the tests run on
FENCE = re.compile(r"^(?P<notes>(?:<!--[^\n]*-->\n)*)```(?P<language>\w+)\n(?P<text>.*?)^```$", re.M | re.S)
NOTE = re.compile(r"<!-- (\w+): (.*?) -->")
SHELL = ("git", "cat", "mv", "ls")
COLUMNS = "88"


@dataclass(frozen=True, slots=True)
class Snippet:
    """A fenced block of a page: its language, its text, the notes above it, and where its text stands."""

    language: str
    text: str
    notes: dict[str, str]
    start: int
    end: int


def snippets(page: str) -> list[Snippet]:
    """Return the fenced blocks of a page."""
    return [
        Snippet(
            found["language"], found["text"], dict(NOTE.findall(found["notes"])), found.start("text"), found.end("text")
        )
        for found in FENCE.finditer(page)
    ]


@contextlib.contextmanager
def playground(folder: Path) -> Iterator[None]:
    """Work in a folder that has the examples in it, without what the machine's own settings would change."""
    shutil.copytree(ROOT / "examples", folder / "examples", dirs_exist_ok=True)
    before, patience = Path.cwd(), progress.PATIENCE
    progress.PATIENCE = 3600.0
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)
        progress.PATIENCE = patience


def run(command: str) -> str:
    """Return what a command prints; raise AssertionError where its exit code is another than it says."""
    line, _, comment = command.partition("  #")
    words, _, cut = line.partition(" | head -")
    words, _, end = words.partition(" | tail -")
    expected = int(comment.split("exits ")[1]) if "exits " in comment else 0
    program, *arguments = shlex.split(words)
    if program == "planner":
        result = CliRunner().invoke(app, arguments, prog_name="planner", env={"COLUMNS": COLUMNS, "NO_COLOR": "1"})
        if result.exception and not isinstance(result.exception, SystemExit):
            raise result.exception
        code, output = result.exit_code, result.output
    else:
        assert program in SHELL, f"`{program}` cannot be run here"
        environment = {
            **os.environ,
            "GIT_CONFIG_GLOBAL": "/dev/null",
            "GIT_AUTHOR_NAME": "a",
            "GIT_AUTHOR_EMAIL": "a@b",
        }
        environment |= {"GIT_COMMITTER_NAME": "a", "GIT_COMMITTER_EMAIL": "a@b"}
        done = subprocess.run([program, *arguments], capture_output=True, text=True, env=environment)
        code, output = done.returncode, done.stdout + done.stderr
    assert code == expected, f"`{words}` exits {code}, not {expected}:\n{output}"
    lines = output.rstrip("\n").split("\n")
    return "\n".join(lines[: int(cut)] if cut else lines[-int(end) :] if end else lines)


def transcript(text: str) -> str:
    """Return a console block as it is when its commands are run now."""
    out: list[str] = []
    for line in text.splitlines():
        if line.startswith("$ "):
            shown = run(line[2:])
            out += [line, *([shown] if shown else [])]
    return "".join(f"{line}\n" for line in out)


def codes(plan: str, folder: Path = Path()) -> list[str]:
    """Return the codes of a plan's errors, as it lies in a folder."""
    place = folder / "snippet.mem"
    place.write_text(plan, encoding="utf-8")
    env = {"COLUMNS": COLUMNS, "NO_COLOR": "1"}
    result = CliRunner().invoke(app, ["check", "--format", "json", str(place)], env=env)
    place.unlink()
    return [item["code"] for item in json.loads(result.stdout or "[]") if item["severity"] == "error"]


def check(snippet: Snippet) -> None:
    """Raise AssertionError where a snippet is not what it seems; console blocks apart."""
    match snippet.language:
        case "mem":
            plan = snippet.text if "edition" in snippet.text else f"edition 2026\n{snippet.text}"
            wrong = snippet.notes.get("wrong")
            folder = Path(snippet.notes["same"]).parent if "same" in snippet.notes else Path()
            assert codes(plan, folder) == ([wrong] if wrong else []), plan
            if "file" in snippet.notes:
                Path(snippet.notes["file"]).write_text(plan, encoding="utf-8")
        case "python" if ">>>" in snippet.text:
            parser, runner = doctest.DocTestParser(), doctest.DocTestRunner(verbose=False)
            runner.run(parser.get_doctest(snippet.text, {}, "snippet", None, 0))
            assert not runner.failures, snippet.text
        case "python":
            exec(compile(snippet.text, "snippet", "exec"), {"__name__": "snippet"})
        case "yaml":
            yaml.safe_load(snippet.text)
            if "file" in snippet.notes:
                Path(snippet.notes["file"]).write_text(snippet.text, encoding="utf-8")
        case "json":
            json.loads(snippet.text)


def replay(page: str) -> str:
    """Return the page with every console block as it is now; raise AssertionError for a snippet that is wrong."""
    out, last = [], 0
    for snippet in snippets(page):
        out.append(page[last : snippet.start])
        if snippet.language == "console":
            out.append(transcript(snippet.text))
        elif "same" in snippet.notes:
            text = (ROOT / snippet.notes["same"]).read_text(encoding="utf-8")
            check(replace(snippet, text=text))
            out.append(text)
        else:
            check(snippet)
            out.append(snippet.text)
        last = snippet.end
    return "".join((*out, page[last:]))


def pages() -> list[Path]:
    """Return the pages whose snippets are run."""
    found = sorted((ROOT / "docs").rglob("*.md"))
    return [
        ROOT / "README.md",
        *(path for path in found if "generated" not in path.parts and "_build" not in path.parts),
    ]
