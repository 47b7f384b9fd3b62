"""`planner export`: every setting in the words of the target, the same bytes for the same lock, or the named error."""

from __future__ import annotations

import importlib.resources
import json
import random
import re
import shlex
import shutil
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import golden
import jsonschema
import pytest
import yaml
from command import run
from hypothesis import given, settings
from lock_plans import plan as random_plan
from said import answers, said

from planner.catalog.load import load as load_catalog
from planner.cli.plan import load_plan
from planner.export import serving
from planner.export.engines import tensorrt_llm, vllm
from planner.export.engines.option_names import OptionNames
from planner.export.export import export
from planner.export.faults import Unsayable
from planner.export.forms import BY_NAME, FORMS
from planner.export.locked import LockedWorkload, version_of
from planner.lock import read as reading
from planner.lock.lock import path_for, render
from planner.solve import solve

ROOT = Path(__file__).parents[1]
PLANS = sorted(path for path in (ROOT / "examples").rglob("*.mem") if path_for(path).exists())
RECORDED = ROOT / "tests/truth/options"
SERVING = [form for form in FORMS if form.engines]
SCHEMAS = ROOT / "tests/exports"


def recorded(name: str) -> dict[str, Any]:
    """Return the options of a real parser, as they were recorded from it."""
    options: dict[str, Any] = json.loads((RECORDED / f"{name}.json").read_text())["options"]
    return options


def parsed(words: list[str], options: dict[str, Any]) -> dict[str, str | None]:
    """Read options as the recorded parser does: none unknown or shortened, none twice, its choices and numbers."""
    found: dict[str, str | None] = {}
    left = list(words)
    while left:
        name = left.pop(0)
        assert name in options, name
        assert name not in found, name
        row = options[name]
        if row["nargs"] == 0:
            found[name] = None
            continue
        value = found[name] = left.pop(0)
        assert row["choices"] is None or value in row["choices"], (name, value)
        if row["type"] == "int" and not value.startswith("$"):
            assert str(int(value)) == value, name
        elif row["type"] == "float":
            assert 0 <= float(value) < 10**6, name
        elif row["type"] in ("human_readable_int", "human_readable_int_or_auto"):
            assert re.fullmatch(r"[1-9]\d*", value), (name, value)  # plain digits: `8k` is 8000 and `8K` 8192
    return found


def words_of(text: str) -> list[str]:
    """Return the words of the command of a script, behind its comment and its variables."""
    lines = [line for line in text.splitlines() if not line.startswith(("#", "export "))]
    return shlex.split("\n".join(lines).replace("\\\n", " "))


def rendered(this: LockedWorkload, form: str) -> str | list[Unsayable]:
    faults = serving.faults(this, BY_NAME[form])
    return faults or serving.render(this, BY_NAME[form])


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.name)
@pytest.mark.parametrize("path", PLANS, ids=lambda path: path.stem)
def test_every_example_is_written_or_refused_by_name(path: Path, form: Any) -> None:
    """Twice the same bytes, whatever the plan's path is typed like; or an E0806 for each setting without a form."""
    lock, broken = reading.read(path_for(path), str(path))
    assert lock is not None, broken
    files, found = export(lock, str(path), lock.workloads, form, {})
    again, _ = export(lock, path.name, lock.workloads, form, {})
    assert files == again
    assert {item.code for item in found} <= {"E0806"}
    assert all(item.help and ": " in item.message for item in found)
    assert len(files) + len({item.message.split(":")[0].split(".")[0] for item in found}) == len(lock.workloads)
    for text in files.values():
        assert lock.text.rstrip()[-64:] in text
        assert path.name in text


@pytest.mark.parametrize("seed", range(12))
def test_random_answers_are_written_or_refused_by_name(seed: int) -> None:
    """Locks of fleets that share machines, of rules of thumb, of every framework: no traceback in any form."""
    loaded = load_plan("w.mem", text=random_plan(random.Random(seed)))
    assert loaded.problem is not None, loaded.findings
    answer = solve(loaded.problem, loaded.catalog, top=0)
    if not answer.workloads:
        return
    lock, broken = reading.parse(render(answer, loaded.problem, loaded.catalog, loaded.texts), "w.mem.lock", "again")
    assert lock is not None, broken
    for form in FORMS:
        files, found = export(lock, "w.mem", lock.workloads, form, {})
        assert files == export(lock, "w.mem", lock.workloads, form, {})[0]
        assert {item.code for item in found} <= {"E0806"}
        named = {item.message.partition(":")[0].partition(".")[0] for item in found}
        assert named | {name.partition(".")[0] for name in files} == set(lock.workloads)
        for text in files.values():
            assert [*yaml.safe_load_all(text)] if form.suffix.endswith(("yaml", "json")) else shlex.split(text, True)


@settings(max_examples=300, deadline=None)
@given(answers(versions=("0.8.5", "0.12", "0.29", "0.32")))
def test_the_line_of_vllm_gives_back_the_answer(this: LockedWorkload) -> None:
    """Read by the recorded parser of 0.32, the numbers are the answer's; what is refused names a setting and a way."""
    text = rendered(this, "vllm")
    if isinstance(text, list):
        known = {*this.choice, *this.given}
        assert all(fault.quantity in known and fault.reason and fault.help for fault in text)
        return
    text, headless, _ = text.partition(' \\\n  $([ "$NODE_RANK" = 0 ] || echo --headless)')
    assert bool(headless) == (this.choice["nodes"] > 1)
    entry, serve, model, *words = words_of(text)
    assert (entry, serve, model) == ("vllm", "serve", this.given["model"])
    if version_of(this.version) < (0, 18):  # what later releases no longer have
        at = words.index("--swap-space")
        assert words[at : at + 2] == ["--swap-space", "0"]
        del words[at : at + 2]
    options = parsed(words, recorded("vllm-0.32.0"))
    assert options["--max-model-len"] == str(this.given["context"])
    assert options["--max-num-seqs"] == str(this.given["max_sequences"])
    assert options["--max-num-batched-tokens"] == str(this.given["max_batched_tokens"])
    assert float(options["--gpu-memory-utilization"] or 0) == this.given["gpu_memory_utilization"]
    ranks = ("--tensor-parallel-size", "--data-parallel-size", "--pipeline-parallel-size")
    tensor, data, pipeline = (int(options.get(name) or 1) for name in ranks)
    assert (tensor * data, pipeline) == (this.choice["tensor_parallel"], this.choice["pipeline_parallel"])
    assert ("--enable-expert-parallel" in options) == (this.choice["expert_parallel"] > 1)
    assert ("--enforce-eager" in options) == (not this.given["cuda_graphs"])
    assert ("--enable-lora" in options) == bool(this.given["adapters"])
    drafting = json.loads(options.get("--speculative-config") or "{}")
    assert drafting.get("model", "") == this.given["draft_model"]
    assert drafting.get("num_speculative_tokens", this.given["draft_tokens"]) == this.given["draft_tokens"]
    assert f"VLLM_USE_FLASHINFER_SAMPLER={int(this.given['sampler'] == 'flashinfer')}" in text
    online = this.choice["weights"] == "fp8_e4m3" and this.native in ("bf16", "fp16")
    assert (options.get("--quantization") == "fp8") == online
    assert online or this.choice["weights"] == this.native or this.native in ("bf16", "fp16", "fp32")


@settings(max_examples=200, deadline=None)
@given(answers(versions=("0.29", "0.32")))
def test_documents_say_what_the_line_says(this: LockedWorkload) -> None:
    """Compose, Kubernetes, SkyPilot and the configuration have the model, the options and the GPUs of the command."""
    for form in ("vllm-yaml", "compose", "kubernetes", "skypilot"):
        text = rendered(this, form)
        if isinstance(text, list):
            assert all(fault.reason and fault.help for fault in text)
            continue
        documents = list(yaml.safe_load_all(text))
        program = vllm.program(this)
        assert text.startswith(f"# {this.name} of chat.mem, written by `planner export --to {form}`")
        if form == "compose":
            jsonschema.validate(documents[0], compose_schema())
            services = documents[0]["services"]
            assert len(services) == this.on_a_machine
            used = [gpu for row in services.values() for gpu in devices(row)]
            assert len(used) == len(set(used)) == this.on_a_machine * this.per_replica
            assert all(row["command"] == program.arguments() for row in services.values())
        elif form == "kubernetes":
            check_kubernetes(documents, this)
        elif form == "skypilot":
            (task,) = documents
            assert task["num_nodes"] == program.hosts
            assert set(task) <= {"name", "service", "resources", "num_nodes", "secrets", "setup", "run"}
            wheel = f"vllm=={program.image.rpartition(':v')[2]}"
            if this.vendor == "nvidia":
                assert wheel in task["setup"] and "image_id" not in task["resources"]
            else:  # what PyPI has is built for CUDA
                assert "setup" not in task
                assert task["resources"]["image_id"] == f"docker:{program.image}"
                assert this.vendor in program.image or "rocm" in program.image
            assert all(word in task["run"] for word in program.arguments())
        else:
            assert documents[0].pop("model") == this.given["model"]
            assert len(documents[0]) == len(program.options)
            assert {f"--{name}" for name in documents[0]} <= set(recorded("vllm-0.32.0"))


@settings(max_examples=200, deadline=None)
@given(answers("sglang", versions=("0.5.3", "0.5.23")))
def test_the_line_of_sglang_gives_back_the_answer(this: LockedWorkload) -> None:
    text = rendered(this, "sglang")
    if isinstance(text, list):
        assert all(fault.quantity in {*this.choice, *this.given} and fault.reason and fault.help for fault in text)
        return
    words = words_of(text)
    start = ["sglang", "serve"] if this.version == "0.5.23" else ["python3", "-m", "sglang.launch_server"]
    assert words[: len(start)] == start
    options = parsed(words[len(start) :], recorded("sglang-0.5.23"))
    for name, quantity in SGLANG.items():
        assert float(options[name] or 0) == {**this.given, **this.choice}[quantity], name
    assert options["--model-path"] == this.given["model"]
    assert ("--disable-cuda-graph" in options) == (not this.given["cuda_graphs"])
    assert options.get("--speculative-draft-model-path", "") == this.given["draft_model"]
    assert int(options.get("--speculative-num-steps") or 5) == this.given["draft_tokens"]
    for form in ("compose", "kubernetes", "skypilot"):
        text = rendered(this, form)
        if not isinstance(text, list):
            assert "lmsysorg/sglang:v0.5." in text or f"sglang=={this.version}" in text


SGLANG = {
    "--context-length": "context", "--max-running-requests": "max_sequences", "--mem-fraction-static":
    "gpu_memory_utilization", "--chunked-prefill-size": "max_batched_tokens", "--tp-size": "tensor_parallel",
    "--pp-size": "pipeline_parallel", "--ep-size": "expert_parallel",
}  # fmt: skip


@settings(max_examples=200, deadline=None)
@given(answers("llama_cpp", versions=("5427", "6327", "10434")))
def test_every_slot_of_llama_server_has_the_context(this: LockedWorkload) -> None:
    """`-c` is shared by the slots: 32 of 8192 tokens are 262144, and 8192 would leave each 256."""
    text = rendered(this, "llama-server")
    if isinstance(text, list):
        assert all(fault.reason and fault.help for fault in text)
        return
    words = words_of(text)
    assert words[:3] == ["llama-server", "-m", "a b/x.gguf"]
    assert ("--no-kv-unified" in words) == (this.version == "10434")
    options = dict(pairwise(words[1:]))
    assert int(options["-c"]) == int(options["-np"]) * this.given["context"]
    assert int(options["-np"]) == this.given["concurrency"]
    assert options["-sm"] == ("none" if this.per_replica == 1 else options["-sm"])
    assert ("-fit" in options) == (this.version == "10434")
    assert options.get("--cache-ram") == ("0" if this.version == "10434" else None)  # host memory was not counted


@settings(max_examples=100, deadline=None)
@given(answers("tensorrt_llm", versions=("1.0",)))
def test_the_file_of_tensorrt_llm_has_the_answer(this: LockedWorkload) -> None:
    text = rendered(this, "tensorrt-llm")
    if isinstance(text, list):
        assert all(fault.quantity in {*this.choice, *this.given} and fault.reason and fault.help for fault in text)
        return
    found = yaml.safe_load(text)
    assert (found["max_seq_len"], found["max_batch_size"]) == (this.given["context"], this.given["max_sequences"])
    assert found["tensor_parallel_size"] * found["pipeline_parallel_size"] == this.per_replica
    assert found["kv_cache_config"]["free_gpu_memory_fraction"] == this.given["gpu_memory_utilization"]
    assert "# unchecked" in text


def devices(service: dict[str, Any]) -> list[str]:
    (device,) = service["deploy"]["resources"]["reservations"]["devices"]
    found: list[str] = device["device_ids"]
    return found


def compose_schema() -> Any:
    """Return the specification's own schema, which check-jsonschema carries."""
    vendor = importlib.resources.files("check_jsonschema") / "builtin_schemas/vendor/compose-spec.json"
    return json.loads(vendor.read_text())


def kubernetes_schema(kind: str) -> Any:
    schema = json.loads((SCHEMAS / "kubernetes.schema.json").read_text())
    return {**schema, "$ref": f"#/$defs/{kind}"}


def check_kubernetes(documents: list[Any], this: LockedWorkload) -> None:
    """The documents have the strict schema, the Service selects the pods that serve, the GPUs are the answer's."""
    whole, service = documents
    for document in documents:
        jsonschema.validate(document, kubernetes_schema(document["kind"]))
    spec = whole["spec"]
    assert spec["replicas"] == this.choice["replicas"]
    if whole["kind"] == "Deployment":
        pods = [spec["template"]]
        assert spec["selector"]["matchLabels"] == pods[0]["metadata"]["labels"]
    else:
        group = spec["leaderWorkerTemplate"]
        assert group["size"] == this.choice["nodes"]
        pods = [group["leaderTemplate"], group["workerTemplate"]]
    assert service["spec"]["selector"].items() <= pods[0]["metadata"]["labels"].items()
    for pod in pods:
        (container,) = pod["spec"]["containers"]
        (gpus,) = container["resources"]["limits"].items()
        vendor = {"nvidia": "nvidia.com/gpu", "amd": "amd.com/gpu"}[this.vendor]
        assert gpus == (vendor, str(this.per_replica // this.choice["nodes"]))
        words = container["args"]
        assert words[0] == this.given["model"]
        ranked = [("0" if word == "$(LWS_WORKER_INDEX)" else word) for word in words]
        parsed(ranked[1:], recorded("vllm-0.32.0"))
        assert ("--headless" in words) == (pod is not pods[0])


@pytest.mark.parametrize(
    ("name", "value"), [("imagge", "x"), ("deploy", {"resources": {"reservations": {"devices": [{"count": 1}]}}})]
)
def test_the_schema_of_compose_finds_a_broken_file(name: str, value: Any) -> None:
    document = yaml.safe_load(str(rendered(said(), "compose")))
    document["services"]["chat"][name] = value
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(document, compose_schema())


@pytest.mark.parametrize("kind", ["Deployment", "LeaderWorkerSet", "Service"])
def test_the_schema_of_kubernetes_finds_a_broken_file(kind: str) -> None:
    nodes = 2 if kind == "LeaderWorkerSet" else 1
    documents = yaml.safe_load_all(str(rendered(said(nodes=nodes, tensor_parallel=2, gpus=2), "kubernetes")))
    document = next(item for item in documents if item["kind"] == kind)
    jsonschema.validate(document, kubernetes_schema(kind))
    for where, value in ((("spec", "replica"), 1), (("metadata", "name"), "A_B"), (("kind",), "Deploymnt")):
        twin = json.loads(json.dumps(document))
        inner = twin
        for key in where[:-1]:
            inner = inner[key]
        inner[where[-1]] = value
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(twin, kubernetes_schema(kind))


HOSTS = {"nodes": 2, "tensor_parallel": 8, "pipeline_parallel": 2, "gpus": 16, "provider": "aws", "region": "us-east-1"}
STORED = {
    "chat": said(),
    "online_fp8": said(weights="fp8_e4m3", activations="fp8_e4m3", kv_cache="bf16", cuda_graphs=False, images=False),
    "experts": said(
        "experts", 1, "instance", 8, tensor_parallel=8, gpus=8, expert_parallel=8, attention_parallel="data",
        all_to_all="deepep", model="deepseek-ai/DeepSeek-V3", native_format="fp8_e4m3", weights="fp8_e4m3",
        activations="fp8_e4m3", kv_cache="bf16", offer="aws/us-east-1/p5.48xlarge", provider="aws", region="us-east-1",
    ),
    "hosts": said("two_hosts", 2, "instance", 8, offer="aws/us-east-1/p5.48xlarge", **HOSTS),
    "sglang": said(engine="sglang", engine_version="0.5.23", kv_cache="bf16", tensor_parallel=2, gpus=2),
    "sglang_hosts": said(
        "hosts", 2, "instance", 8, engine="sglang", engine_version="0.5.23", offer="aws/us-east-1/p5.48xlarge", **HOSTS
    ),
    "llama": said(
        engine="llama_cpp", engine_version="10434", model='checkpoint("models/my model.gguf")', native_format="q4_k",
        weights="q4_k", kv_cache="q8_0",
    ),
    "tensorrt": said(engine="tensorrt_llm", engine_version="1.0", cuda_graphs=False),
    "replicas": said("chat", 1, "instance", 8, tensor_parallel=2, replicas=4, gpus=8, adapters=4, shared_prefix=512),
}  # fmt: skip


@pytest.mark.parametrize(
    ("name", "form"),
    [
        (name, form)
        for name, this in STORED.items()
        for form in SERVING
        if this.engine in form.engines and form.name != "slurm"
    ],
    ids=lambda item: getattr(item, "name", item),
)
def test_stored_files(name: str, form: Any) -> None:
    text = rendered(STORED[name], form.name)
    if isinstance(text, list):
        text = "".join(f"{fault.quantity}: {fault.reason}\n  {fault.help}\n" for fault in text)
    golden.compare(f"export/{name}{form.suffix}", text)


@pytest.mark.parametrize(
    ("changes", "quantity"),
    [
        ({"weights": "int4"}, "weights"),  # the plan names no checkpoint in int4
        ({"weights": "int8"}, "weights"),  # int8_per_channel_weight_only quantizes experts alone
        ({"weights": "bf16*3+int8*29"}, "weights"),
        ({"weights": "bf16", "native_format": "fp8_e4m3"}, "weights"),
        ({"model": "house"}, "model"),
        ({"model": 'config("config.json")'}, "model"),
        ({"weights": "fp8_e4m3", "model": "house"}, "model"),
        ({"kv_cache": "q8_0"}, "kv_cache"),
        ({"kv_cache": "int8", "engine_version": "0.12"}, "kv_cache"),
        ({"kv_cache": "fp16"}, "kv_cache"),
        ({"activations": "fp16"}, "activations"),
        ({"adapters": 2, "adapter_rank": 24}, "adapter_rank"),
        ({"draft_model": "little"}, "draft_model"),
        ({"draft_model": "Qwen/Qwen3-0.6B", "engine_version": "0.9"}, "draft_model"),
        ({"expert_parallel": 2, "tensor_parallel": 4, "gpus": 4}, "expert_parallel"),
        ({"nodes": 2, "tensor_parallel": 2, "gpus": 2, "engine_version": "0.11"}, "nodes"),
        ({"offloaded_cache": 2**30, "engine_version": "0.10.2"}, "offloaded_cache"),
        ({"task": "embed", "engine_version": "0.8.5"}, "task"),
        ({"attention_parallel": "data", "tensor_parallel": 2, "gpus": 2, "engine_version": "0.10.2"}, "all_to_all"),
        ({"nodes": 2, "tensor_parallel": 2, "gpus": 2, "attention_parallel": "data"}, "attention_parallel"),
    ],
)
def test_what_vllm_cannot_say_is_named(changes: dict[str, Any], quantity: str) -> None:
    found = rendered(said(**changes), "vllm")
    assert isinstance(found, list)
    assert [fault.quantity for fault in found] == [quantity]


RACK = """\
edition 2026
offer rack { gpu = l40s; gpus = 2; price = $0/h; available = 1 }
inference one { model = "Qwen/Qwen3-8B"; context = 4Ki tokens; concurrency = 4; gpus = 1; offer = rack }
inference two { model = "Qwen/Qwen3-4B"; context = 4Ki tokens; concurrency = 4; gpus = 1; offer = rack }
"""


def test_two_workloads_of_one_machine_have_gpus_of_their_own(tmp_path: Path) -> None:
    (tmp_path / "rack.mem").write_text(RACK)
    assert run("solve", "rack.mem", cwd=tmp_path).returncode == 0
    done = run("export", "rack.mem", "--to", "compose", "-o", "out", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    found = {}
    for path in (tmp_path / "out").iterdir():
        ((name, service),) = yaml.safe_load(path.read_text())["services"].items()
        found[name] = (devices(service), service["ports"])
    assert found == {"one": (["0"], ["8000:8000"]), "two": (["1"], ["8001:8000"])}
    assert "CUDA_VISIBLE_DEVICES=1," in run("export", "rack.mem", "two", "--to", "vllm", cwd=tmp_path).stdout
    done = run("export", "rack.mem", "two", "--to", "skypilot", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (1, "")


BOX = """
offer box { gpu = l40s; gpus = 8; price = $8/h; available = %d }
inference embed { copies = %d; gpus = 2; offer = box; context = 4Ki tokens; concurrency = 4; model = "Qwen/Qwen3-4B" }
inference small { gpus = 2; offer = box; context = 4Ki tokens; concurrency = 4; model = "Qwen/Qwen3-4B" }
"""


def test_copies_that_share_a_machine_with_others_have_gpus_of_their_own(tmp_path: Path) -> None:
    (tmp_path / "box.mem").write_text(BOX % (1, 3))
    assert run("solve", "box.mem", cwd=tmp_path).returncode == 0
    done = run("export", "box.mem", "--to", "compose", "-o", "out", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    services = [
        service
        for path in sorted((tmp_path / "out").iterdir())
        for service in yaml.safe_load(path.read_text())["services"].values()
    ]
    assert [devices(service) for service in services] == [["0", "1"], ["2", "3"], ["4", "5"], ["6", "7"]]
    assert len({service["ports"][0] for service in services}) == 4
    assert "3: 3 a machine, this file on 1" in (tmp_path / "out/embed.compose.yaml").read_text()
    text = run("export", "box.mem", "embed", "--to", "vllm", cwd=tmp_path).stdout
    assert "CUDA_VISIBLE_DEVICES=0,1 for the first, 2,3; 4,5 for the next, --port" in text
    assert "CUDA_VISIBLE_DEVICES=6,7," in run("export", "box.mem", "small", "--to", "vllm", cwd=tmp_path).stdout


def test_devices_that_do_not_follow_from_the_lock_are_not_made_up(tmp_path: Path) -> None:
    (tmp_path / "box.mem").write_text(BOX % (2, 5))
    assert run("solve", "box.mem", cwd=tmp_path).returncode == 0
    done = run("export", "box.mem", "small", "--to", "compose", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    assert "`small` may share a machine with embed, and its GPUs there are not locked" in done.stderr
    text = run("export", "box.mem", "small", "--to", "vllm", cwd=tmp_path).stdout
    assert "embed may be on the same machine: set CUDA_VISIBLE_DEVICES to GPUs of it that nothing else has" in text


def test_copies_alone_fill_their_machines(tmp_path: Path) -> None:
    (tmp_path / "box.mem").write_text("\n".join((BOX % (2, 6)).splitlines()[:-1]))
    assert run("solve", "box.mem", cwd=tmp_path).returncode == 0
    text = run("export", "box.mem", "embed", "--to", "compose", cwd=tmp_path).stdout
    assert [devices(one)[0] for one in yaml.safe_load(text)["services"].values()] == ["0", "2", "4", "6"]
    assert "6: 4 a machine, this file on 2" in text


def test_copies_of_three_gpus_have_machines_of_their_own(tmp_path: Path) -> None:
    text = "\n".join((BOX % (2, 2)).splitlines()[:-1]).replace(
        "gpus = 2", "gpus = 3; tensor_parallel = 1; pipeline_parallel = 3"
    )
    (tmp_path / "box.mem").write_text(text)
    done = run("solve", "box.mem", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    written = yaml.safe_load(run("export", "box.mem", "embed", "--to", "compose", cwd=tmp_path).stdout)["services"]
    assert [devices(one) for one in written.values()] == [["0", "1", "2"]]


@pytest.fixture
def plan(tmp_path: Path) -> Path:
    for name in ("chat.mem", "chat.mem.lock"):
        shutil.copy(ROOT / "examples" / name, tmp_path)
    return tmp_path / "chat.mem"


def test_a_stale_lock_is_refused(plan: Path) -> None:
    plan.write_text(plan.read_text().replace("concurrency = 32", "concurrency = 33"))
    done = run("export", "chat.mem", "--to", "vllm", cwd=plan.parent)
    assert (done.returncode, done.stdout) == (1, "")
    assert "error[E0802]" in done.stderr


def test_a_missing_or_old_lock_is_refused(plan: Path) -> None:
    shutil.copy(ROOT / "tests/locks/v2/chat.mem.lock", path_for(plan))
    done = run("export", "chat.mem", "--to", "vllm", cwd=plan.parent)
    assert (done.returncode, done.stdout) == (1, "")
    assert "error[E0806]" in done.stderr and "planner solve chat.mem" in done.stderr
    path_for(plan).unlink()
    done = run("export", "chat.mem", "--to", "vllm", cwd=plan.parent)
    assert (done.returncode, done.stdout) == (1, "")
    assert "error[E0801]" in done.stderr


@pytest.mark.parametrize("words", [(), ("--to", "vlm"), ("--to", "")])
def test_an_unknown_form_lists_the_forms(plan: Path, words: tuple[str, ...]) -> None:
    done = run("export", "chat.mem", *words, cwd=plan.parent)
    assert (done.returncode, done.stdout) == (2, "")
    assert all(f"  {form.name} " in done.stderr for form in FORMS)


def test_words_that_name_nothing(plan: Path) -> None:
    assert run("export", "chat.mem", "nosuch", "--to", "vllm", cwd=plan.parent).returncode == 2
    assert run("export", "nosuch.mem", "--to", "vllm", cwd=plan.parent).returncode == 2
    done = run("export", "examples/fleet.mem", "--to", "vllm")
    assert (done.returncode, done.stdout) == (2, "")
    assert "chat, code, nightly, search" in done.stderr


def test_a_folder_has_whole_files_or_none(plan: Path) -> None:
    text = run("export", "chat.mem", "--to", "vllm", cwd=plan.parent).stdout
    assert run("export", "chat.mem", "--to", "vllm", "-o", "out", cwd=plan.parent).returncode == 0
    assert [path.name for path in (plan.parent / "out").iterdir()] == ["chat.vllm.sh"]
    assert (plan.parent / "out/chat.vllm.sh").read_text() == text
    (plan.parent / "file").write_text("")
    done = run("export", "chat.mem", "--to", "vllm", "-o", "file", cwd=plan.parent)
    assert done.returncode == 2
    assert "error[E0005]" in done.stderr
    assert (plan.parent / "file").read_text() == ""


def test_a_checked_in_file_that_no_longer_follows_is_found(plan: Path) -> None:
    words = ("export", "chat.mem", "--to", "compose")
    assert run(*words, "--check", cwd=plan.parent).returncode == 2
    done = run(*words, "-o", "out", "--check", cwd=plan.parent)
    assert (done.returncode, done.stderr) == (1, "out/chat.compose.yaml is missing\n")
    assert not (plan.parent / "out").exists()
    assert run(*words, "-o", "out", cwd=plan.parent).returncode == 0
    assert run(*words, "-o", "out", "--check", cwd=plan.parent).returncode == 0
    file = plan.parent / "out/chat.compose.yaml"
    file.write_bytes(file.read_bytes().replace(b"\n", b"\r\n"))  # as git may check it out
    assert run(*words, "-o", "out", "--check", cwd=plan.parent).returncode == 0
    file.write_text(file.read_text().replace("'8192'", "'8191'"))
    done = run(*words, "-o", "out", "--check", cwd=plan.parent)
    assert done.returncode == 1
    assert "out of date" in done.stderr


def test_a_plan_s_name_stays_inside_the_comment() -> None:
    this = said(name="a")
    hostile = LockedWorkload(**{**{name: getattr(this, name) for name in this.__slots__}, "plan": "x\nrm -rf /\n.mem"})
    text = serving.render(hostile, BY_NAME["vllm"])
    assert not any(line.startswith("rm") for line in text.splitlines())


def test_every_maker_of_the_catalog_is_one_that_locks_record() -> None:
    catalog, _ = load_catalog()
    known = {catalog.gpus[name].vendor for name in catalog.gpus}
    assert {"nvidia", "amd"} <= known


def test_the_way_out_names_a_checkpoint_of_the_catalog(tmp_path: Path) -> None:
    """Weights that only another checkpoint has: named in the help, and with it the same answer has a form."""
    body = "{ model = MODEL; context = 4Ki tokens; concurrency = 4; gpu = l40s; gpus = 1; weights = int4_awq }\n"
    path = tmp_path / "w.mem"
    path.write_text("inference w " + body.replace("MODEL", '"Qwen/Qwen3-32B"'))
    assert run("solve", "w.mem", cwd=tmp_path).returncode == 0
    done = run("export", "w.mem", "--to", "vllm", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    assert 'model = "Qwen/Qwen3-32B-AWQ"' in done.stderr
    path.write_text("inference w " + body.replace("MODEL", '"Qwen/Qwen3-32B-AWQ"'))
    assert run("solve", "w.mem", cwd=tmp_path).returncode == 0
    done = run("export", "w.mem", "--to", "vllm", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "vllm serve Qwen/Qwen3-32B-AWQ" in done.stdout
    assert "--quantization" not in done.stdout


def test_every_cache_that_an_engine_keeps_has_a_flag() -> None:
    """A cache in the model's own type needs none."""
    engines = load_catalog()[0].engines
    newest = {"vllm": "0.33", "sglang": "0.5.23", "llama_cpp": "10434"}
    for name in ("vllm", "sglang", "llama_cpp"):
        words = OptionNames(name, newest[name])
        for kept in set(engines[name].kv_formats) - {"fp32", "fp16"}:
            assert words.value("kv_cache", kept), (name, kept)
    assert set(engines["tensorrt_llm"].kv_formats) - {"fp32", "fp16", "bf16", "int8"} <= set(tensorrt_llm.CACHES)


def test_a_server_of_embeddings_says_so() -> None:
    command = " ".join(vllm.program(said(task="embed")).arguments())
    assert "--runner pooling --convert embed" in command
    assert "--runner" not in " ".join(vllm.program(said()).arguments())


@pytest.mark.parametrize(
    ("version", "vendor", "sparse", "word"),
    [
        ("0.33", "nvidia", True, "fp8_ds_mla"),
        ("0.22", "nvidia", True, "fp8_ds_mla"),
        ("0.19", "nvidia", True, "fp8_e4m3"),
        ("0.33", "amd", True, "fp8_e4m3"),
        ("0.33", "nvidia", False, "fp8_e4m3"),
    ],
)
def test_sparse_latents_in_fp8_have_the_name_of_the_layout_that_was_planned(
    version: str, vendor: str, sparse: bool, word: str
) -> None:
    """656 bytes a token, where vLLM keeps 576 under fp8_e4m3 or refuses it (vllm-project/recipes#565)."""
    this = said(engine_version=version, vendor=vendor)
    this = replace(this, given={**this.given, "sparse_latents": True} if sparse else this.given)
    command = " ".join(vllm.program(this).arguments())
    assert f"--kv-cache-dtype {word} " in command


def test_a_lock_says_that_latents_are_sparse(tmp_path: Path) -> None:
    block = "context = 8Ki tokens; concurrency = 1; kv_cache = fp8; gpu = h200_sxm; gpus = 8"
    for model, sparse in (("deepseek-ai/DeepSeek-V3.2", True), ("deepseek-ai/DeepSeek-V3", False)):
        (tmp_path / "w.mem").write_text(f'edition 2026\ninference w {{ model = "{model}"; {block} }}\n')
        assert run("solve", "w.mem", cwd=tmp_path).returncode == 0
        assert ("sparse_latents: true" in (tmp_path / "w.mem.lock").read_text()) is sparse
        assert run("check", "w.mem", cwd=tmp_path).returncode == 0


def test_hardware_without_bf16_is_told_fp16(tmp_path: Path) -> None:
    plan = 'inference w { model = "Qwen/Qwen3-4B"; context = 4Ki tokens; concurrency = 1; gpu = t4; gpus = 1 }'
    (tmp_path / "w.mem").write_text(f"edition 2026\n{plan}\n")
    solved = run("solve", "w.mem", cwd=tmp_path)
    assert solved.returncode == 0 and "t4 has no bf16" in solved.stdout
    assert run("check", "w.mem", cwd=tmp_path).returncode == 0
    done = run("export", "w.mem", "--to", "vllm", cwd=tmp_path)
    assert "--dtype float16" in done.stdout and "--kv-cache-dtype float16" in done.stdout


def test_a_service_of_transformers_has_no_form(tmp_path: Path) -> None:
    """Trainers' forms are of trainings: they were named as a way out, and then called the model a rule of thumb."""
    path = tmp_path / "plan.mem"
    path.write_text(
        'edition 2026\ninference a { model = "Qwen/Qwen3-8B"; context = 4Ki; concurrency = 2; engine = transformers\n'
        "  gpu = l4; gpus = 1 }\n"
    )
    assert run("solve", str(path)).returncode == 0
    for form in ("vllm", "trl"):
        done = run("export", str(path), "--to", form)
        assert done.returncode == 1
        assert "no form is there for transformers yet" in done.stderr
        assert "rule of thumb" not in done.stderr


def test_one_gpu_is_no_plural() -> None:
    this = said("chat", 1, "instance", 8, tensor_parallel=1, replicas=4, gpus=4)
    assert "replicas  4: start this for each, on 1 GPU of its own" in str(rendered(this, "vllm"))


@pytest.mark.parametrize("form", ["vllm", "slurm", "kubernetes"])
def test_check_finds_an_export_that_no_longer_follows(plan: Path, form: str) -> None:
    words = ("check", "chat.mem", "--exports", "out")
    assert run("export", "chat.mem", "--to", form, "-o", "out/deep", cwd=plan.parent).returncode == 0
    done = run(*words, cwd=plan.parent)
    assert (done.returncode, done.stdout) == (0, "")
    (file,) = (plan.parent / "out/deep").iterdir()
    whole = file.read_text()
    file.write_bytes(whole.replace("\n", "\r\n").encode())  # as git may check it out
    assert run(*words, cwd=plan.parent).returncode == 0
    file.write_text(whole.replace("2048", "4096"))
    done = run(*words, cwd=plan.parent)
    assert done.returncode == 1
    assert "error[E0810]" in done.stdout and f"planner export chat.mem --to {form} -o out/deep" in done.stdout
    file.write_text(whole.replace("chat of chat.mem", "gone of chat.mem"))
    assert "which chat.mem does not have" in run(*words, cwd=plan.parent).stdout
    file.write_text(whole.replace("chat of chat.mem", "chat of other.mem"))  # of a plan that is not asked about
    assert run(*words, cwd=plan.parent).returncode == 0


def test_check_finds_an_export_of_an_older_answer(plan: Path) -> None:
    assert run("export", "chat.mem", "--to", "vllm", "-o", "out", cwd=plan.parent).returncode == 0
    plan.write_text(plan.read_text().replace("concurrency = 32", "concurrency = 31"))
    assert run("solve", "chat.mem", cwd=plan.parent).returncode == 0
    done = run("check", "chat.mem", "--exports", "out", "--format", "concise", cwd=plan.parent)
    assert done.returncode == 1
    assert "E0810" in done.stdout
    assert run("check", "chat.mem", "--exports", "nowhere", cwd=plan.parent).returncode == 2


def test_check_reads_the_head_of_a_file_of_json(tmp_path: Path) -> None:
    body = (
        "sequence = 1Ki tokens; global_batch = 8; gpu = h100_sxm; gpus = 1; framework = deepspeed; tokens = 1M tokens"
    )
    (tmp_path / "t.mem").write_text(f'edition 2026\ntraining tune {{ model = "Qwen/Qwen2.5-0.5B"; {body} }}\n')
    assert run("solve", "t.mem", cwd=tmp_path).returncode == 0
    done = run("export", "t.mem", "--to", "deepspeed", "-o", "out", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert run("check", "t.mem", "--exports", ".", cwd=tmp_path).returncode == 0
    file = tmp_path / "out/tune.deepspeed.json"
    file.write_text(file.read_text().replace('"train_batch_size": 8', '"train_batch_size": 16'))
    assert "E0810" in run("check", "t.mem", "--exports", ".", cwd=tmp_path).stdout


LONG_PLAN = """edition 2026
inference chat {{
  model = "microsoft/Phi-3-mini-4k-instruct"; context = {}; concurrency = 1; engine = {}; gpu = h100_sxm; gpus = 1
}}
"""


@pytest.mark.parametrize(
    ("engine", "form"),
    [("vllm", "vllm"), ("vllm", "kubernetes"), ("vllm", "slurm"), ("sglang", "sglang"), ("sglang", "compose")],
)
def test_a_context_beyond_the_models_config_is_refused(tmp_path: Path, engine: str, form: str) -> None:
    """`--max-model-len` above the length that a config states is a ValueError of vLLM and SGLang."""
    path = tmp_path / "chat.mem"
    for context, code in (("4_096 tokens", 0), ("5_000 tokens", 1)):
        path.write_text(LONG_PLAN.format(context, engine))
        solved = run("solve", "chat.mem", "--format", "json", cwd=tmp_path)
        assert ("does not start with 5_000 tokens of context" in solved.stdout) is bool(code)
        done = run("export", "chat.mem", "--to", form, cwd=tmp_path)
        assert done.returncode == code, done.stderr
        if code:
            assert "error[E0806]: chat.context:" in done.stderr and "4_096" in done.stderr and done.stdout == ""
