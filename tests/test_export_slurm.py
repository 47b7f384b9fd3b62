"""Scripts for Slurm: what the job asks for is the answer's, what it starts is the other forms' command."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from fractions import Fraction
from pathlib import Path
from typing import Any

import golden
import pytest
from hypothesis import given, settings
from said import answers, said, trained, trainings

from planner.export import serving, training
from planner.export.around import slurm
from planner.export.faults import Unsayable
from planner.export.forms import BY_NAME
from planner.export.locked import LockedWorkload

ROOT = Path(__file__).parents[1]
FORM = BY_NAME["slurm"]
OPTIONS: dict[str, Any] = json.loads((ROOT / "tests/truth/options/slurm-22.05.8.json").read_text())["options"]
HOSTS = {"nodes": 2, "tensor_parallel": 8, "pipeline_parallel": 2, "gpus": 16, "provider": "aws", "region": "us-east-1"}
NODE = "aws/us-east-1/p5.48xlarge"


def rendered(this: LockedWorkload) -> str | list[Unsayable]:
    room = serving if this.kind == "inference" else training
    return room.faults(this, FORM) or room.render(this, FORM)


def asked(text: str) -> dict[str, str]:
    """Read the options of a job as `sbatch` does: before the first command, none unknown, none twice."""
    found: dict[str, str] = {}
    lines = text.splitlines()
    assert lines[0] == "#!/bin/bash"
    for line in lines[1:]:
        if not line.startswith("#"):
            break
        if not line.startswith("#SBATCH "):
            continue
        name, equals, value = line.removeprefix("#SBATCH ").partition("=")
        assert name not in found and OPTIONS[name] in ("?", int(bool(equals))), line
        found[name] = value
    assert text.count("#SBATCH") == len(found)
    if "--time" in found:
        assert re.fullmatch(r"(\d+-)?\d\d:00:00", found["--time"])
    return found


def body(text: str, name: str) -> str:
    """Return what a step runs on a node."""
    return text.partition(f"{name}() {{\n")[2].partition("\n}\n")[0]


def bash(text: str) -> None:
    done = subprocess.run(["bash", "-n"], input=text, text=True, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr


@settings(max_examples=60, deadline=None)
@given(answers(versions=("0.12", "0.32")))
def test_a_replica_has_its_hosts_and_gpus(this: LockedWorkload) -> None:
    text = rendered(this)
    if isinstance(text, list):
        known = {*this.choice, *this.given}
        assert all(fault.quantity in known and fault.reason and fault.help for fault in text)
        return
    bash(text)
    job = asked(text)
    assert int(job["--nodes"]) == this.choice["nodes"]
    assert int(job["--nodes"]) * int(job["--gpus-per-node"]) == this.per_replica
    assert job.get("--array", "0-0") == f"0-{this.choice['replicas'] - 1}"
    assert ("--time" in job) is False
    started = " ".join(body(text, "serve").replace("\\\n", " ").split())
    line = serving.render(this, BY_NAME["vllm"]).partition("vllm serve")[2]
    same = line.partition("--distributed-executor-backend")[0].replace("\\\n", " ")
    assert " ".join(same.split()) in started
    assert ("--headless" in started) == (this.choice["nodes"] > 1)


@settings(max_examples=60, deadline=None)
@given(trainings("transformers") | trainings("deepspeed") | trainings("megatron") | trainings("torchtitan"))
def test_a_training_has_its_ranks(this: LockedWorkload) -> None:
    text = rendered(this)
    if isinstance(text, list):
        assert all(fault.reason and fault.help for fault in text)
        return
    bash(text)
    job, words = asked(text), body(text, "train").split()
    assert int(job["--nodes"]) * int(job["--gpus-per-node"]) == this.choice["gpus"]
    if "torchrun" in words:
        ranks = int(words[words.index("--nnodes") + 1]) * int(words[words.index("--nproc-per-node") + 1])
        assert ranks == this.choice["gpus"]
    if this.word("framework") == "megatron":
        assert words[words.index("--global-batch-size") + 1] == str(this.given["global_batch"])


def test_servers_that_may_share_a_node_have_ports_of_their_own() -> None:
    this = said("chat", 1, "instance", 8, tensor_parallel=2, replicas=4, gpus=8)
    assert '--port "$((8000 + SLURM_ARRAY_TASK_ID))"' in str(rendered(this))
    this = said(engine="sglang", engine_version="0.5.23", kv_cache="bf16", replicas=2, gpus=2)
    text = str(rendered(this))
    assert text.count("--port") == 1 and '--port "$((30000 + SLURM_ARRAY_TASK_ID))"' in text


@pytest.mark.parametrize(("seconds", "limit"), [(1, "02:00:00"), (5 * 3600, "06:00:00"), (90000.5, "1-03:00:00")])
def test_a_job_has_an_hour_more_than_it_takes(seconds: float, limit: str) -> None:
    """sbatch takes hours up to a day as HH:MM:SS, and days before them."""
    assert slurm.duration(Fraction(seconds)) == limit


def test_gpus_that_no_node_has_alike_are_refused() -> None:
    found = rendered(trained(instances=2, gpus=9, data_parallel=9, global_batch=9))
    assert isinstance(found, list)
    assert [fault.quantity for fault in found] == ["gpus"]


@pytest.mark.parametrize("broken", ["--gpu-per-node=2", "--nodes", "--exclusive-user=1"])
def test_the_recorded_options_find_a_broken_script(broken: str) -> None:
    text = str(rendered(said())).replace("#SBATCH --nodes=1", f"#SBATCH {broken}")
    with pytest.raises((AssertionError, KeyError)):
        asked(text)


def test_a_broken_script_is_no_bash() -> None:
    with pytest.raises(AssertionError):
        bash(str(rendered(said())).replace("\n}\n", "\n"))


STORED = {
    "chat": said(),
    "hosts": said("two_hosts", 2, "instance", 8, offer=NODE, **HOSTS),
    "sglang_hosts": said("hosts", 2, "instance", 8, engine="sglang", engine_version="0.5.23", offer=NODE, **HOSTS),
    "replicas": said("chat", 1, "instance", 8, tensor_parallel=2, replicas=4, gpus=8, adapters=4, shared_prefix=512),
    "llama": said(
        engine="llama_cpp", engine_version="10434", model='checkpoint("models/my model.gguf")', native_format="q4_k",
        weights="q4_k", kv_cache="q8_0",
    ),
    "fsdp": trained(fsdp_version=2, precision="bf16", data_parallel=16, gpus=16, zero=3, instances=2),
    "zero_3": trained(framework="deepspeed", offload="parameters", data_parallel=8, gpus=8, zero=3),
    "pretrain": trained(
        framework="megatron", tensor_parallel=4, gpus=16, data_parallel=4, zero=1, checkpointing="full", instances=2,
        checkpointed_layers=26,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", STORED)
def test_stored_files(name: str) -> None:
    text = rendered(STORED[name])
    assert isinstance(text, str), text
    golden.compare(f"export/{name}.slurm.sh", text)
    asked(text)
    bash(text)
    if program := shutil.which("shellcheck"):
        done = subprocess.run([program, "-s", "bash", "-"], input=text, text=True, capture_output=True, check=False)
        assert done.returncode == 0, done.stdout
