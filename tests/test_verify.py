"""`planner verify`: start-up logs of each engine and release, with the figures of real ones, against locked answers."""

from __future__ import annotations

import json
import random
import re
import shutil
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
import start_logs
from command import ROOT, Done, run
from hypothesis import given, settings
from hypothesis import strategies as st

from planner.startup import reported
from planner.startup.read import Unread, decoded, read
from planner.startup.reported import Figure, Reported

TRUTH = [json.loads(line) for line in (ROOT / "tests/truth/inference.jsonl").read_text().splitlines()]
PARTS = {
    "weights_gib_per_gpu": "weights", "activation_peak_gib": "activations", "non_torch_gib": "non_torch",
    "cuda_graph_gib": "graphs", "cuda_graph_estimate_gib": "graph_estimate", "kv_cache_gib_per_gpu": "kv_cache",
    "total_gpu_gib": "card",
}  # fmt: skip
GIB = 2**30


def logged(engine: str) -> list[dict[str, Any]]:
    """Return the rows of an engine whose release is known."""
    known = [row for row in TRUTH if row["engine"] == engine and start_logs.release(row)[-1:].isdigit()]
    return [row for row in known if row["measured"].keys() & {*PARTS, "kv_tokens"}]


def text_of(row: dict[str, Any]) -> str:
    ranks = row.get("tp", 1)
    return start_logs.vllm(row, ranks) if row["engine"] == "vllm" else start_logs.sglang(row, ranks)


def printed(log: str, part: str, measured: float, said: Reported) -> bool:
    """Return whether a figure was read as it was printed, to its last digit."""
    found = said.smallest(part) if part == "kv_cache" else said.largest(part)
    return found is not None and found.least <= Fraction(str(measured)) * GIB <= found.most


@pytest.mark.parametrize("row", [*logged("vllm"), *logged("sglang")], ids=lambda row: row["id"])
def test_the_figures_of_real_starts_are_read_in_the_wording_of_their_release(row: dict[str, Any]) -> None:
    text = text_of(row)
    said = read(text)
    assert said.engine == row["engine"]
    assert said.model == row["model"]
    for name, part in PARTS.items():
        measured = row["measured"].get(name)
        shown = f"{measured}" in text or part in ("non_torch", "activations", "kv_cache")
        if measured is None or not shown or (part in SPLIT[_old(row)] and _part_untold(row)):
            continue
        assert printed(text, part, measured, said), (name, measured, said)
    tokens = row["measured"].get("kv_tokens")
    if tokens is not None:
        held = [item.value for item in said.tokens] or [item.value * 16 for item in said.blocks]
        assert min(held) == (tokens if said.tokens else tokens // 16 * 16)


SPLIT = {True: ("card", "non_torch", "activations", "kv_cache"), False: ("card", "non_torch", "activations")}
"""What V0 prints in one line, and V1."""


def _old(row: dict[str, Any]) -> bool:
    return row["engine"] == "vllm" and start_logs.release(row) < "0.8"


def _part_untold(row: dict[str, Any]) -> bool:
    """A release prints its split only where all of it is known."""
    names = ["weights_gib_per_gpu", "activation_peak_gib", "non_torch_gib", "total_gpu_gib"]
    names += ["kv_cache_gib_per_gpu"] if _old(row) else []
    return row["engine"] != "vllm" or any(row["measured"].get(name) is None for name in names)


REFUSED = {"mem-0007", "mem-0021", "mem-0037", "mem-0096"}
"""Starts whose plan is refused at its safe end, or has a format that the model is not published in."""
SHORT = {"mem-0101", "mem-0103"}
"""Starts with fewer tokens than the safe end: one has a draft's layer, the other does not say its share."""
HELD = [
    row
    for row in TRUTH
    if row["engine"] == "vllm" and row.get("gpu") and row.get("weights")
    and not row.keys() & {"skip", "unknown", "refused"}
    and row["measured"].get("kv_cache_gib_per_gpu") and str(row.get("version", "x"))[-1].isdigit()
    and row["measured"]["kv_cache_gib_per_gpu"] > 2 and not row.get("pp")
    and row["id"] not in REFUSED
    and row["gpu"] != "v100_sxm"  # its rows name a cache in bf16, which it does not have
]  # fmt: skip


def plan_of(row: dict[str, Any], folder: Path) -> Path:
    """Write and lock a plan that is what a row ran: its model, GPU, split, formats and settings."""
    seen = row.get("settings", {})
    lines = [
        f'model = "{row["model"]}"', f"context = {seen.get('context', 2048)}", "concurrency = 1",
        f'engine_version = "{start_logs.release(row)}"', f"gpu = {row['gpu']}", f"gpus = {row.get('tp', 1)}",
        f"tensor_parallel = {row.get('tp', 1)}", f"weights = {row['weights']}", f"kv_cache = {row['kv_cache']}",
    ]  # fmt: skip
    named = {"utilization": "gpu_memory_utilization", "sequences": "max_sequences", "tokens": "max_batched_tokens"}
    lines += [f"{named[name]} = {seen[name]}" for name in named if name in seen]
    rack = f"offer rack {{ gpu = {row['gpu']}; gpus = {max(1, row.get('tp', 1))}; price = $0/h; available = 1 }}"
    plan = folder / "row.mem"
    plan.write_text(f"edition 2026\n{rack}\ninference seen {{\n" + "\n".join(lines) + "\n}\n")
    done = run("solve", "row.mem", cwd=folder)
    assert done.returncode == 0, done.stderr + done.stdout
    return plan


@pytest.mark.parametrize("row", HELD, ids=lambda row: row["id"])
def test_what_a_real_start_printed_is_held_against_its_plan(row: dict[str, Any], tmp_path: Path) -> None:
    """The verdict is that of the figures: the cache in GiB at least at the safe end, the weights at most at theirs."""
    plan = plan_of(row, tmp_path)
    log = tmp_path / "start.log"
    log.write_text(start_logs.vllm(row, row.get("tp", 1), {"context": row.get("settings", {}).get("context", 2048)}))
    done = run("verify", plan.name, log.name, "--json", cwd=tmp_path)
    document = json.loads(done.stdout)
    assert document["apart"] == [], document
    assert document["changed"] == []
    parts = {item["part"]: item for item in document["parts"]}
    assert parts["kv_cache"]["reported"] == pytest.approx(row["measured"]["kv_cache_gib_per_gpu"] * GIB, abs=1)
    assert document["holds"] is (row["id"] not in SHORT), done.stderr
    assert done.returncode == (0 if document["holds"] else 1)
    assert all(item["verdict"] == "holds" for part, item in parts.items() if part not in ("kv_tokens", "kv_cache"))


CHAT = """\
(APIServer pid=1) INFO 11-20 10:00:00 [utils.py:278] non-default args: \
{'model_tag': 'meta-llama/Llama-3.1-8B-Instruct', \
'max_model_len': 8192, 'gpu_memory_utilization': 0.92, 'max_num_batched_tokens': 2048, 'max_num_seqs': 256}
(EngineCore pid=407) INFO 11-20 10:00:10 [core.py:116] Initializing a V1 LLM engine (v0.33.0) with config: \
model='meta-llama/Llama-3.1-8B-Instruct', dtype=torch.bfloat16, max_seq_len=8192, tensor_parallel_size=1, \
pipeline_parallel_size=1, quantization=None, enforce_eager=False, kv_cache_dtype=fp8_e4m3, seed=0
(EngineCore pid=407) INFO 11-20 10:00:20 [gpu_model_runner.py:5347] Model loading took 14.99 GiB memory and 22.9 seconds
(EngineCore pid=407) INFO 11-20 10:00:30 [gpu_model_runner.py:6806] Estimated CUDA graph memory: 0.36 GiB total
(EngineCore pid=407) INFO 11-20 10:00:30 [gpu_worker.py:563] Available KV cache memory: 23.9 GiB
(EngineCore pid=407) INFO 11-20 10:00:31 [kv_cache_utils.py:1882] GPU KV cache size: 391,568 tokens, Maximum \
concurrency for 8,192 tokens per request: 47.80x
(EngineCore pid=407) INFO 11-20 10:00:40 [gpu_worker.py:793] CUDA graph pool memory: 0.33 GiB (actual), 0.36 GiB \
(estimated), difference: 0.03 GiB (9.1%).
(EngineCore pid=407) INFO 11-20 10:00:40 [gpu_worker.py:857] Free memory on device (43.82/44.43 GiB) on startup. \
Desired GPU memory utilization is (0.92, 40.87 GiB). Actual usage is 15.06 GiB for consumed memory (weights + \
non-torch), 1.15 GiB for peak activation, and 0.33 GiB for CUDAGraph memory. Current kv cache memory in use is 23.9 GiB.
"""
"""A start of what examples/chat.mem locks."""
SMI = "index, name, memory.total [MiB], memory.used [MiB]\n0, NVIDIA A40, 46068 MiB, 42112 MiB\n"


@pytest.fixture
def chat(tmp_path: Path) -> Path:
    for name in ("chat.mem", "chat.mem.lock"):
        shutil.copy(ROOT / "examples" / name, tmp_path / name)
    return tmp_path


def verify(folder: Path, *words: str, stdin: str | bytes = CHAT) -> Done:
    return run("verify", "chat.mem", *(words or ("-",)), cwd=folder, stdin=stdin)


def test_a_start_that_holds_ends_well_and_gives_a_measurement(chat: Path) -> None:
    done = verify(chat)
    assert done.returncode == 0, done.stdout + done.stderr
    for label in ("weights", "activation peak", "non-torch", "graphs", "KV cache", "KV tokens", "max concurrency"):
        assert any(line.strip().startswith(label) and line.endswith("holds") for line in done.stdout.splitlines()), (
            label
        )
    block = done.stdout[done.stdout.index("measurement seen_chat") :]
    plan = chat / "chat.mem"
    plan.write_text(plan.read_text() + "\n" + block)
    assert run("fmt", "--check", "chat.mem", cwd=chat).returncode == 0
    solved = run("solve", "chat.mem", "--json", cwd=chat)
    (workload,) = json.loads(solved.stdout)["workloads"]
    assert workload["anchored_on"] == ["seen_chat"]


@pytest.mark.parametrize(
    "old, new, reason",
    [
        ("391,568", "361,568", "KV tokens: 361_568 tokens reported, at least 372_480 tokens proved"),
        ("14.99 GiB", "15.60 GiB", "weights: 15.60 GiB reported, at most 15.22 GiB proved"),
        ("47.80x", "44.10x", "max concurrency"),
        ("max_seq_len=8192", "max_seq_len=4096", "context: the log has 4096, the lock 8192"),
        ("utilization': 0.92", "utilization': 0.8", "gpu_memory_utilization: the log has 0.8, the lock 0.92"),
        ("(v0.33.0)", "(v0.20.1)", "engine_version: the log has 0.20.1, the lock 0.33"),
        ("num_seqs': 256", "num_seqs': 16", "max_sequences: the log has 16, the lock 256"),
        ("enforce_eager=False", "enforce_eager=True", "cuda_graphs"),
        ("memory: 23.9 GiB\n", "memory: 15.1 GiB\n", "0.85 GiB short of what context and concurrency need"),
    ],
)
def test_where_it_does_not_hold_is_said(chat: Path, old: str, new: str, reason: str) -> None:
    assert CHAT.count(old) >= 1
    done = verify(chat, stdin=CHAT.replace(old, new))
    assert done.returncode == 1
    assert reason in done.stdout
    assert "E0808" in done.stderr


@pytest.mark.parametrize(
    "old, new, quantity",
    [
        ("meta-llama/Llama-3.1-8B-Instruct", "meta-llama/Llama-3.1-70B-Instruct", "model"),
        ("meta-llama/Llama-3.1-8B-Instruct", "/data/Qwen/Qwen3-8B", "model"),
        ("tensor_parallel_size=1", "tensor_parallel_size=2", "tensor_parallel"),
        ("quantization=None", "quantization=fp8", "weights"),
        ("kv_cache_dtype=fp8_e4m3", "kv_cache_dtype=bfloat16", "kv_cache"),
        ("43.82/44.43", "78.6/79.18", "gpu"),
    ],
)
def test_a_log_of_something_else_is_said_so_and_not_compared(chat: Path, old: str, new: str, quantity: str) -> None:
    done = verify(chat, "-", "--json", stdin=CHAT.replace(old, new))
    document = json.loads(done.stdout)
    assert done.returncode == 1
    assert [item["quantity"] for item in document["apart"]] == [quantity]
    assert document["parts"] == []
    assert document["measurement"] is None
    assert "E0807" in done.stderr


def test_a_cache_that_follows_the_checkpoint_is_told_by_the_bytes_of_a_token(chat: Path) -> None:
    """23.9 GiB in 391,568 tokens are fp8; in half the tokens they are 16 bit, and no measurement of fp8."""
    auto = CHAT.replace("kv_cache_dtype=fp8_e4m3", "kv_cache_dtype=auto")
    assert verify(chat, stdin=auto).returncode == 0
    wide = auto.replace("391,568", "195,784").replace("47.80x", "23.90x")
    done = verify(chat, "-", "--json", stdin=wide)
    document = json.loads(done.stdout)
    assert (done.returncode, document["parts"], document["measurement"]) == (1, [], None)
    (found,) = document["apart"]
    assert (found["quantity"], found["log"], found["lock"][:8]) == (
        "kv_cache",
        "auto, 131_075 bytes a token",
        "fp8_e4m3",
    )
    assert "E0807" in done.stderr
    untold = "".join(line for line in auto.splitlines(True) if "KV cache memory" not in line and "GiB)" not in line)
    said = verify(chat, stdin=untold)
    assert "whether it is fp8_e4m3 is not known" in said.stdout
    assert "measurement" not in said.stdout


def test_a_cache_that_is_too_small_is_less_than_predicted(chat: Path) -> None:
    done = verify(chat, stdin=CHAT.replace("23.9 GiB", "20.1 GiB"))
    (line,) = [line for line in done.stdout.splitlines() if line.strip().startswith("KV cache") and ">=" in line]
    assert line.endswith("less than predicted")
    assert "more than predicted" not in done.stdout


@pytest.mark.parametrize("written", ["/models/Llama-3.1-8B-Instruct", "Llama-3.1-8B-Instruct/",
                                     "meta-llama/Llama-3.1-8B",
                                     "/root/.cache/hub/models--meta-llama--Llama-3.1-8B-Instruct/snapshots/0e9e39f",
                                     "C:\\models\\Llama-3.1-8B-Instruct"])  # fmt: skip
def test_a_model_is_told_by_its_folder_too(chat: Path, written: str) -> None:
    done = verify(chat, stdin=CHAT.replace("meta-llama/Llama-3.1-8B-Instruct", written))
    assert done.returncode == 0, done.stdout
    assert "is in no catalog" not in done.stdout


def test_a_model_that_no_catalog_has_is_not_taken_for_the_locked_one_in_silence(chat: Path) -> None:
    done = verify(chat, stdin=CHAT.replace("meta-llama/Llama-3.1-8B-Instruct", "/data/checkpoint-4000"))
    assert "`/data/checkpoint-4000` is in no catalog" in done.stdout


def test_another_engine_is_not_compared(chat: Path) -> None:
    row = {"model": "meta-llama/Llama-3.1-8B", "weights": "bf16", "measured": {"kv_tokens": 400000}}
    done = verify(chat, stdin=start_logs.sglang(row))
    assert done.returncode == 1
    assert "engine: the log has sglang, the lock vllm" in done.stdout


def test_nvidia_smi_is_read_beside_a_log_and_alone(chat: Path) -> None:
    (chat / "vllm.log").write_text(CHAT)
    done = verify(chat, "vllm.log", "-", "--json", stdin=SMI)
    total = next(item for item in json.loads(done.stdout)["parts"] if item["part"] == "total")
    assert (done.returncode, total["reported"], total["verdict"]) == (0, 42112 * 2**20, "holds")
    done = verify(chat, stdin=SMI.replace("42112", "45112"))
    assert done.returncode == 1
    assert "total used: 44.05 GiB reported, at most 41.48 GiB proved" in done.stdout
    done = verify(chat, stdin=SMI.replace("A40", "L40S"))
    assert "gpu: the log has NVIDIA L40S, the lock a40" in done.stdout


@pytest.mark.parametrize(
    "text, used",
    [
        ("memory.used [MiB], memory.total [MiB]\n40112, 46068\n", 40112),  # nounits
        ("index, memory.used [MiB]\n0, 100 MiB\n1, 40112 MiB\n", 40112),
        ("index, memory.used [MiB]\n0, 40112 MiB\n0, 39000 MiB\n", 40112),  # -l 1: the fullest moment
        ("\ufeffuuid, name, memory.used [MiB]\r\nGPU-1, NVIDIA A40, 40112 MiB\r\nGPU-2, NVIDIA A40, [N/A]\r\n", 40112),
    ],
)
def test_the_fullest_gpu_of_a_table_counts(text: str, used: int) -> None:
    assert read(text).largest("total") == Figure(Fraction(used * 2**20), Fraction(2**19))


def test_the_engines_own_refusal_is_no_start_that_holds(chat: Path) -> None:
    cut = CHAT[: CHAT.index("(EngineCore pid=407) INFO 11-20 10:00:31")]
    fault = (
        "(EngineCore pid=407) ERROR 11-20 10:00:31 [core.py:1346] ValueError: To serve at least one request with the "
        "model's max seq len (8192), (0.5 GiB KV cache is needed, which is larger than the available KV cache memory "
        "(0.3 GiB). Based on the available memory, the estimated maximum model length is 4912.\n"
    )
    done = verify(chat, stdin=cut + fault)
    assert done.returncode == 1
    assert "the engine did not start: To serve at least one request" in done.stdout
    assert "measurement" not in done.stdout


def test_every_rank_counts_the_fullest_and_the_smallest_cache() -> None:
    row = {"model": "a/b", "version": "0.22.0", "kv_cache": "bf16", "tp": 4, "measured": {"weights_gib_per_gpu": 30.5}}
    text = start_logs.vllm(row, 4).replace("30.5 GiB", "31.25 GiB", 1)
    text += "".join(
        f"(Worker_TP{rank} pid={500 + rank}) INFO 01-02 [gpu_worker.py:298] Available KV cache memory: {size} GiB\n"
        for rank, size in enumerate((9.5, 9.25, 9.5, 9.75))
    )
    said = read(text)
    assert len(said.ranks) == 4
    assert (said.largest("weights").value, said.smallest("kv_cache").value) == (  # type: ignore[union-attr]
        Fraction(125, 4) * GIB,
        Fraction(37, 4) * GIB,
    )


def test_a_rank_with_a_draft_model_has_both_of_its_pools() -> None:
    row = {"model": "a/b", "weights": "bf16", "tp": 2,
           "measured": {"weights_gib_per_gpu": 8.0, "kv_tokens": 1000, "kv_cache_gib_per_gpu": 10.0}}  # fmt: skip
    head = "[2026-01-02 03:04:06 TP{rank}] "
    more = "".join(
        f"{head.format(rank=rank)}Load weight end. elapsed=3.1 s, type=Draft, avail mem=9.00 GB, mem usage=0.50 GB.\n"
        f"{head.format(rank=rank)}KV Cache is allocated. dtype: torch.bfloat16, #tokens: 1000, K size: 0.25 GB, "
        "V size: 0.25 GB\n"
        f"{head.format(rank=rank)}Mamba Cache is allocated. max_mamba_cache_size: 43, conv_state size: 0.10GB, "
        "ssm_state size: 3.00GB\n"
        f"{head.format(rank=rank)}Capture cuda graph end. Time elapsed: 5.3 s. mem usage=0.60 GB. avail mem=8.90 GB.\n"
        for rank in range(2)
    )
    said = read(start_logs.sglang(row, 2) + more)
    found = {part: float(said.largest(part).value) / GIB for part in ("weights", "kv_cache", "graphs")}  # type: ignore[union-attr]
    assert found == pytest.approx({"weights": 8.5, "kv_cache": 13.6, "graphs": 0.6})


@pytest.mark.parametrize("build", [3500, 6150, 9967])
def test_llama_cpp_counts_its_devices_and_not_the_host(build: int) -> None:
    said = read(
        start_logs.llama_cpp({"CUDA0": (4403.49, 1024.0, 560.0), "CUDA1": (300.0, 900.0, 100.0)}, 32768, 4, build)
    )
    assert sorted(said.ranks) == ["CUDA0", "CUDA1"]
    assert said.largest("weights") == Figure(Fraction("4403.49") * 2**20, Fraction(2**20, 200))
    assert (said.tokens[0].value, said.settings["slots"], said.version) == (32768, 4, str(build))


LLAMA = """edition 2026
offer desk { gpu = rtx_4090; gpus = 1; price = $0/h; available = 1 }
inference chat {
  model = "meta-llama/Llama-3.1-8B"; engine = llama_cpp; weights = q4_k; kv_cache = fp16; gpu = rtx_4090
  context = 8Ki tokens; concurrency = 4
}
"""


def test_llama_cpp_against_its_lock(tmp_path: Path) -> None:
    (tmp_path / "chat.mem").write_text(LLAMA)
    assert run("solve", "chat.mem", cwd=tmp_path).returncode == 0
    (workload,) = json.loads(run("solve", "chat.mem", "--json", "--no-lock", cwd=tmp_path).stdout)["workloads"]
    parts = {name: size / 2**20 for name, size in workload["memory"]["parts"].items()}
    compute = parts["activations"] + parts["logits"]
    log = start_logs.llama_cpp({"CUDA0": (parts["weights"], parts["kv_cache"], compute)}, 32768, 4)
    log += (
        "common_memory_breakdown_print: |   - CUDA0 (RTX 4090) | 24080 = 11000 + (12600 = 5000 + 4096 + 560) + 480 |\n"
    )
    done = verify(tmp_path, stdin=log)
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"memory += 13081 MiB|memory += 13082 MiB", done.stdout)
    block = done.stdout[done.stdout.index("measurement") :]
    (tmp_path / "chat.mem").write_text(LLAMA + block)
    assert run("check", "chat.mem", cwd=tmp_path).returncode in (0, 1)
    assert run("solve", "chat.mem", cwd=tmp_path).returncode == 0
    fewer = log.replace("n_ctx         = 32768", "n_ctx         = 8192")
    done = verify(tmp_path, stdin=fewer)
    assert done.returncode == 1
    done = verify(tmp_path, stdin=log.replace("33/33", "20/33"))
    assert "20 of 33 layers are on the GPU" in done.stdout


def test_a_restart_counts_and_not_what_was_before(chat: Path) -> None:
    first = CHAT.replace("391,568", "100,000").replace(
        "(APIServer", "INFO 1 [x.py:1] vLLM API server version 0.33.0\n(APIServer"
    )
    second = "INFO 2 [x.py:1] vLLM API server version 0.33.0\n" + CHAT
    done = verify(chat, stdin=first + second)
    assert done.returncode == 0, done.stdout
    assert "the log has several starts; the last one is read" in done.stdout


@pytest.mark.parametrize("made", [
    lambda text: text.replace("\n", "\r\n").encode(),
    lambda text: b"\xff\xfe" + text.encode("utf-16-le"),
    lambda text: "".join(f"\x1b[32m{line}\x1b[0m\n" for line in text.splitlines()).encode(),
    lambda text: "".join(f"2026-11-20T10:00:00.1Z vllm-0 | {line}\n" for line in text.splitlines()).encode(),
    lambda text: b"\xf0\x28\x8c\x28 progress\n" + text.encode(),
])  # fmt: skip
def test_what_terminals_and_collectors_put_around_lines_is_no_matter(chat: Path, made: Any) -> None:
    done = verify(chat, stdin=made(CHAT))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "holds: 9 figures compared" in done.stdout


@pytest.mark.parametrize("text", ["", "\n\n", "hello", "index, name\n0, A40\n", "memory.used [MiB]\n", "\x00" * 100,
                                  "GPU KV cache size: many tokens", "KV buffer size = lots MiB"])  # fmt: skip
def test_what_is_no_log_is_said_so(chat: Path, text: str) -> None:
    done = verify(chat, stdin=text)
    assert (done.returncode, done.stdout) == (2, "")
    assert "E0809" in done.stderr


def test_files_that_cannot_be_read(chat: Path) -> None:
    assert "E0001" in verify(chat, "nosuch.log").stderr
    assert "E0004" in verify(chat, ".").stderr
    (chat / "one.log").write_text(CHAT)
    done = verify(chat, "one.log", "-")
    assert (done.returncode, "second log" in done.stderr) == (2, True)
    (chat / "chat.mem.lock").unlink()
    assert "E0801" in verify(chat).stderr


def test_a_workload_is_named_where_several_may_be_meant(tmp_path: Path) -> None:
    two = (
        (ROOT / "examples/chat.mem").read_text().replace("minimize cost", "inference other like chat {}\nminimize cost")
    )
    (tmp_path / "chat.mem").write_text(two)
    assert run("solve", "chat.mem", cwd=tmp_path).returncode == 0
    done = verify(tmp_path)
    assert (done.returncode, "--workload" in done.stderr) == (2, True)
    assert verify(tmp_path, "-", "--workload", "other").returncode == 0
    assert verify(tmp_path, "-", "--workload", "none").returncode == 2


def test_a_training_is_held_against_nvidia_smi(tmp_path: Path) -> None:
    for name in ("finetune.mem", "finetune.mem.lock"):
        shutil.copy(ROOT / "examples" / name, tmp_path / name)
    lock = (tmp_path / "finetune.mem.lock").read_text()
    used = int(next(line for line in lock.splitlines() if "usable:" in line).split()[1]) // 2**20
    table = "index, memory.used [MiB]\n0, {} MiB\n"
    assert run("verify", "finetune.mem", "-", cwd=tmp_path, stdin=table.format(used - 100)).returncode == 0
    done = run("verify", "finetune.mem", "-", cwd=tmp_path, stdin=table.format(used + 100))
    assert done.returncode == 1
    assert "measurement" not in done.stdout


@pytest.mark.parametrize("form", ["json", "markdown"])
def test_forms(chat: Path, form: str) -> None:
    done = verify(chat, "-", "--format", form)
    assert done.returncode == 0
    if form == "json":
        assert json.loads(done.stdout)["schema"] == "planner.verified/1"
    else:
        assert done.stdout.startswith("## chat: vllm 0.33.0")
    assert verify(chat, "-", "--format", "html").returncode == 2


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=400), st.integers(0, 2**32))
def test_no_bytes_end_in_a_traceback(noise: bytes, seed: int) -> None:
    """Logs with bytes of them changed, cut and doubled, and what never was a log."""
    chance = random.Random(seed)
    others = [start_logs.llama_cpp({"CUDA0": (1.0, 2.0, 3.0)}, 512, 1), start_logs.sglang(logged("sglang")[0], 2)]
    base = chance.choice([CHAT, SMI, *others, *(text_of(row) for row in logged("vllm")[:3])])
    data = bytearray(base.encode())
    for _ in range(chance.randrange(12)):
        at = chance.randrange(max(1, len(data)))
        data[at : at + chance.randrange(40)] = chance.choice(
            [b"", b"9" * 300, b"-", b",", noise[:20], bytes([chance.randrange(256)])]
        )
    for piece in (bytes(data), noise, bytes(data) + noise):
        try:
            said = read(decoded(piece))
        except Unread:
            continue
        assert said.figures or said.failure


def test_long_garbage_is_read_quickly(chat: Path) -> None:
    """Lines without an end and digits without an end: the time must not grow with their square."""
    import time

    start = time.perf_counter()
    for piece in ("9" * 2_000_000, "GiB " * 500_000, "CUDA0 " * 300_000 + "buffer size", "memory (" * 300_000):
        with pytest.raises(Unread):
            read(piece)
    assert time.perf_counter() - start < 20


def test_the_parts_have_names() -> None:
    from planner.startup.compare import LABELS

    assert set(LABELS) - {"kv_tokens", "max_concurrency"} == set(reported.PARTS) - {"free"}
