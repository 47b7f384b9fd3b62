"""`catalog import --fetch`, and the workflow that turns it into a pull request; against a server of this machine."""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from command import run
from server import Site, serving
from test_repository import EXAMPLE, git, script

ROOT = Path(__file__).parents[1]
TEMPLATE = ROOT / "templates/prices.github-workflow.yml"
SKYPILOT = """\
InstanceType,vCPUs,MemoryGiB,AcceleratorName,AcceleratorCount,GpuInfo,Region,AvailabilityZone,Price,SpotPrice
g6.xlarge,4.0,16.0,L4,1.0,{'Gpus': [{'MemoryInfo': {'SizeInMiB': 22888}}]},us-east-1,us-east-1a,0.8123,0.35
g6e.xlarge,4.0,32.0,L40S,1.0,{'Gpus': [{'MemoryInfo': {'SizeInMiB': 45776}}]},us-east-1,us-east-1a,1.9,0.9
zz.large,4.0,32.0,Z9000,1.0,{'Gpus': [{'MemoryInfo': {'SizeInMiB': 45776}}]},us-east-1,us-east-1a,1.9,0.9
"""
GPUHUNT = """\
instance_name,location,price,cpu,memory,gpu_count,gpu_name,gpu_memory,spot,disk_size
NVIDIA L40S,EU-1,0.86,16,62.0,1,L40S,48.0,False,
NVIDIA L40S,EU-1,0.5,16,62.0,1,L40S,48.0,True,
"""


def archive(text: str, name: str = "runpod.csv") -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr(name, text)
    return out.getvalue()


@pytest.fixture(autouse=True)
def direct(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def site() -> Iterator[Site]:
    files = {
        "/aws/vms.csv": SKYPILOT.encode(),
        "/runpod/version": b"20260814-77\n",
        "/runpod/20260814-77/catalog.zip": archive(GPUHUNT),
    }
    with serving(Site(files)) as found:  # type: ignore[arg-type]
        yield found


def ask(site: Site, cwd: Path, *words: str) -> tuple[int, str]:
    done = run("catalog", "import", "--fetch", "--url", site.url, *words, cwd=cwd)
    return done.returncode, done.stdout + done.stderr


def test_a_published_list_of_skypilot(site: Site, tmp_path: Path) -> None:
    code, said = ask(
        site, tmp_path, "--from", "skypilot", "aws", "--region", "us-east-1", "-o", "aws_offers.yaml", "--dry-run"
    )
    assert code == 0 and "~ aws/us-east-1/g6.xlarge" in said and "-> 0.8123" in said
    assert f"{site.url}/aws/vms.csv:4" in said and "planner-" not in said
    assert list(tmp_path.iterdir()) == []
    assert ask(site, tmp_path, "--from", "skypilot", "aws", "-o", "aws_offers.yaml", "--as-of", "2026-11-30")[0] == 0
    rows = yaml.safe_load((tmp_path / "aws_offers.yaml").read_text())
    assert [row["id"] for row in rows["rows"]] == ["aws/us-east-1/g6.xlarge", "aws/us-east-1/g6e.xlarge"]
    assert rows["as_of"] == rows["rows"][0]["as_of"] == "2026-11-30"
    code, said = ask(site, tmp_path, "--from", "skypilot", "aws", "-o", "aws_offers.yaml", "--as-of", "2026-11-30")
    assert code == 0 and "0 new, 0 gone, 0 changed" in said


def test_a_published_list_of_gpuhunt_has_its_own_day(site: Site, tmp_path: Path) -> None:
    assert ask(site, tmp_path, "--from", "gpuhunt", "runpod", "-o", "runpod_offers.yaml")[0] == 0
    rows = yaml.safe_load((tmp_path / "runpod_offers.yaml").read_text())
    assert rows["as_of"] == "2026-08-14" and rows["rows"][0]["price_usd_h"] == 0.86
    assert rows["rows"][0]["spot_usd_h"] == 0.5


@pytest.mark.parametrize(
    ("change", "words", "said"),
    [
        ({}, ("--from", "skypilot", "nowhere"), "the server answers 404"),
        ({}, ("--from", "skypilot", "../aws"), "is not the name of a cloud"),
        ({}, ("--from", "skypilot", "AWS"), "is not the name of a cloud"),
        ({"/aws/vms.csv": b"<html>"}, ("--from", "skypilot", "aws"), "there is no column"),
        ({"/runpod/version": b"../../x"}, ("--from", "gpuhunt", "runpod"), "names no version"),
        ({"/runpod/20260814-77/catalog.zip": b"PK"}, ("--from", "gpuhunt", "runpod"), "holds no runpod.csv"),
        (
            {"/runpod/20260814-77/catalog.zip": archive("", "x.csv")},
            ("--from", "gpuhunt", "runpod"),
            "holds no runpod.csv",
        ),
    ],
)
def test_what_is_no_list(
    site: Site, tmp_path: Path, change: dict[str, bytes], words: tuple[str, ...], said: str
) -> None:
    site.files |= change
    code, text = ask(site, tmp_path, *words)
    assert code == 2 and said in text, text
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_fetched_without_being_asked(site: Site, tmp_path: Path) -> None:
    done = run("catalog", "import", "--from", "skypilot", "aws", cwd=tmp_path)
    assert done.returncode == 2 and site.asked == []
    assert run("catalog", "import", "--url", site.url, "--from", "skypilot", "aws", cwd=tmp_path).returncode == 2


def test_a_large_archive_is_not_unpacked(site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("planner.catalog.stored.published.MAX_BYTES", 100)
    code, said = ask(site, tmp_path, "--from", "gpuhunt", "runpod")
    assert code == 2 and "runpod.csv" in said and "is over" in said


def test_the_workflow_keeps_its_schema() -> None:
    words = ["-m", "check_jsonschema", "--builtin-schema", "vendor.github-workflows", str(TEMPLATE)]
    done = subprocess.run([sys.executable, *words], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_workflow_opens_a_pull_request_with_dollars(site: Site, tmp_path: Path) -> None:
    """Its steps, run as they stand in a clone of the example, with a `gh` that writes down what it is asked."""
    origin, clone, tools = tmp_path / "origin.git", tmp_path / "clone", tmp_path / "bin"
    shutil.copytree(EXAMPLE, clone)
    plan = clone / "plans" / "chat.mem"
    plan.write_text('import "../prices/aws_offers.yaml"\n' + plan.read_text())
    (clone / "prices").mkdir()
    row = {"id": "aws/us-east-1/g6.xlarge", "provider": "aws", "instance_type": "g6.xlarge", "region": "us-east-1",
           "gpu": "l4", "gpus": 1, "price_usd_h": 0.05, "sold_by": "instance", "as_of": "2026-10-01", "override": True,
           "source": "a test"}  # fmt: skip
    rows = f"as_of: '2026-10-01'\nschema_version: 1\nrows:\n- {json.dumps(row)}\n"
    (clone / "prices" / "aws_offers.yaml").write_text(rows)
    assert run("solve", "plans/chat.mem", cwd=clone).returncode == 0
    git(clone, "init", "-q", "-b", "main")
    git(clone, "add", "-A")
    git(clone, "commit", "-qm", "plans")
    subprocess.run(["git", "init", "-q", "--bare", str(origin)], check=True)
    git(clone, "remote", "add", "origin", str(origin))
    tools.mkdir()
    script(tools / "planner", f'#!/bin/sh\nPYTHONPATH="{ROOT}" exec "{sys.executable}" -m planner "$@"\n')
    script(tools / "gh", f'#!/bin/sh\nprintf "%s\\n" "$@" >> {tmp_path}/asked\n')
    text = TEMPLATE.read_text().replace("--fetch --from", f"--fetch --url {site.url} --from")
    workflow = yaml.safe_load(text)
    env = {**os.environ, **workflow["env"], "PATH": f"{tools}:{os.environ['PATH']}", "RUNNER_TEMP": str(tmp_path)}
    env["PLANS"] = "plans/chat.mem"
    for step in workflow["jobs"]["prices"]["steps"]:
        if "run" in step and step["name"] != "Install":
            words = ["bash", "-e", "-o", "pipefail", "-c", step["run"]]
            done = subprocess.run(words, cwd=clone, env=env, capture_output=True, text=True)
            assert done.returncode == 0, (step["name"], done.stdout, done.stderr)
    asked = (tmp_path / "asked").read_text().split("\n")
    assert asked[:4] == ["pr", "create", "--head", "planner/prices"]
    body = Path(asked[asked.index("--body-file") + 1]).read_text()
    assert "chat" in body and "/month" in body and "$" in body
    named = git(clone, "ls-tree", "-r", "--name-only", "origin/planner/prices")
    assert "prices/aws_offers.yaml" in named and "prices/runpod_offers.yaml" in named
