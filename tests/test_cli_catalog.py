import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from planner.cli.verbs import catalog
from planner.cli.verbs.explain import explain
from planner.cli.verbs.init import init
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


@pytest.mark.parametrize("kind", list(catalog.KINDS))
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


def test_lists_are_filtered():
    rows = json.loads(
        run(catalog.app, "list", "gpus", "-w", "memory>=100GiB", "-w", "vendor=nvidia", "--format", "json").stdout
    )
    assert {"h200_sxm", "b200"} <= {row["id"] for row in rows}
    assert all(row["memory"] >= 100 * 2**30 for row in rows)
    assert run(catalog.app, "list", "models", "llama", "8b").stdout.count("\n") >= 3
    cheap = json.loads(run(catalog.app, "list", "offers", "-w", "gpu=l4", "-w", "price<1", "--format", "json").stdout)
    assert cheap and all(row["price"] < 10**6 for row in cheap)
    for filter in ("nosuch=1", "memory", "vendor>nvidia", "memory>=lots"):
        assert run(catalog.app, "list", "gpus", "-w", filter).exit_code == 2


def test_shows_a_config_and_refuses_by_field(tmp_path: Path):
    path = tmp_path / "config.json"
    path.write_text('{"model_type": "llama", "torch_dtype": "bfloat16"}')
    for what in (path, tmp_path):
        [model] = json.loads(run(catalog.app, "show", what, "--format", "json").stdout)
        assert (model["params"], model["native_format"], model["layers"]) == (6738415616, "bf16", 32)
    assert "32 x  gqa heads 32" in run(catalog.app, "show", path).stdout
    path.write_text('{"model_type": "llama",\n "num_hidden_layers": 1000000}')
    result = run(catalog.app, "show", path)
    assert result.exit_code == 2 and "config.json:2:2" in result.stderr and "num_hidden_layers" in result.stderr


def test_shows_a_gpu_with_its_offers_and_sources():
    page = run(catalog.app, "show", "l4").stdout
    assert "aws/us-east-1/g6.xlarge" in page and "bandwidth_gb_s" in page and "300 GB/s" in page
