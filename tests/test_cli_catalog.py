import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from planner.cli import catalog
from planner.cli.explain import explain
from planner.cli.init import init
from planner.syntax.parse import parse

EXPLAIN, INIT = typer.Typer(), typer.Typer()
EXPLAIN.command()(explain)
INIT.command()(init)
LLAMA = "meta-llama/Llama-3.1-8B-Instruct"


def run(app, *words):
    return CliRunner().invoke(app, [str(word) for word in words])


@pytest.mark.parametrize("word", ["E0301", "e0301", "inference", "training", "context", "fp8", "l4", LLAMA])
def test_explains(word):
    result = run(EXPLAIN, word)
    assert result.exit_code == 0, result.output
    assert result.stdout.strip()


def test_explain_suggests():
    result = run(EXPLAIN, "contxt")
    assert result.exit_code == 2 and "did you mean `context`" in result.stderr and not result.stdout


@pytest.mark.parametrize("kind", list(catalog.COLUMNS))
def test_lists(kind):
    result = run(catalog.app, "list", kind)
    assert result.exit_code == 0 and len(result.stdout.splitlines()) > 1


def test_shows_a_model():
    [model] = json.loads(run(catalog.app, "show", LLAMA, "--format", "json").stdout)
    assert model["layers"] == 32
    assert model["kv_cache"] == {
        "bytes_per_token": 131072,
        "window_bytes_per_token": 0,
        "window": None,
        "state_bytes": 0,
    }


def test_shows_others_and_refuses():
    assert run(catalog.app, "show", "l4", "fp8", LLAMA).exit_code == 0
    assert run(catalog.app, "show", "l4", "fp8", "--format", "json").exit_code == 0
    assert run(catalog.app, "show", "nosuch").exit_code == 2
    assert run(catalog.app, "list", "nosuch").exit_code == 2
    assert run(catalog.app, "check").exit_code == 0


def test_init(tmp_path: Path):
    path = tmp_path / "a.mem"
    assert run(INIT, path).exit_code == 0
    assert parse(path.read_text(), str(path))[1] == ()
    assert run(INIT, path).exit_code == 2
