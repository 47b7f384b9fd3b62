"""Measured serving as the tools write it: `vllm bench serve`, `sglang.bench_serving` and `llama-bench -o json`.

vLLM writes one JSON object of a run (vllm/benchmarks/serve.py; with --append-result one a line), SGLang one a line
(python/sglang/bench_serving.py), llama-bench a list of tests, each of prompts alone or of generation alone
(tools/llama-bench/llama-bench.cpp). Times are means: the physics speaks of means.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from planner.record import dataclass

MOST = 1000
"""Runs that are read of one file."""
LARGEST = 10**12
"""No number of a run is larger: tokens of all its requests, milliseconds, tokens a second."""
LONGEST, BUSIEST = 2**32, 10**6
"""The most tokens of a prompt or an answer, and sequences in flight, as a plan may state them."""
KINDS = "`vllm bench serve --save-result`, `python -m sglang.bench_serving --output-file` or `llama-bench -o json`"


@dataclass(frozen=True, slots=True)
class BenchmarkRun:
    """One measured run: what was asked, seconds per output token, to the first one, of a prompt alone, and tokens/s.

    `model`, `engine`, `engine_version` and `cache` (llama.cpp's type of keys and values) are "" where a file does not
    say them.
    """

    concurrency: int
    prompt: int
    output: int
    tpot: float | None = None
    ttft: float | None = None
    prefill: float | None = None
    throughput: float | None = None
    model: str = ""
    engine: str = ""
    engine_version: str = ""
    cache: str = ""


def read(text: str) -> list[BenchmarkRun]:
    """Return the runs of a file; raise ValueError where it is none of a tool that is known, or says too little."""
    runs = [_within(_run(item)) for item in _documents(text)]
    if not runs:
        raise ValueError("it holds no run")
    if len(runs) > MOST:
        raise ValueError(f"it holds more than {MOST} runs")
    return runs


def _within(run: BenchmarkRun) -> BenchmarkRun:
    if max(run.prompt, run.output) > LONGEST or run.concurrency > BUSIEST:
        raise ValueError("its requests are longer, or more of them are in flight, than a plan may state")
    return run


def _documents(text: str) -> list[Mapping[str, Any]]:
    try:
        whole = json.loads(text)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    except ValueError:
        whole = [_line(line, number) for number, line in enumerate(text.splitlines(), 1) if line.strip()]
    every = whole if isinstance(whole, list) else [whole]
    if not all(isinstance(item, dict) for item in every):
        raise ValueError("it is neither an object, a list of objects nor one object a line")
    return every


def _line(line: str, number: int) -> Any:
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        raise ValueError(f"line {number} is not JSON") from None


def _run(item: Mapping[str, Any]) -> BenchmarkRun:
    if "n_gen" in item and "avg_ts" in item:
        return _llama_bench(item)
    if "mean_ttft_ms" in item and "total_input_tokens" in item:
        return _serving(item)
    raise ValueError(f"it is not a result of {KINDS}")


def _number(item: Mapping[str, Any], key: str) -> float:
    value = item.get(key)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"`{key}` is {'missing' if value is None else 'not a number'}")
    if not 0 <= value <= LARGEST:
        raise ValueError(f"`{key}` is not between 0 and {LARGEST:.0e}")
    return float(value)


def _positive(item: Mapping[str, Any], key: str) -> float:
    value = _number(item, key)
    if value == 0:
        raise ValueError(f"`{key}` is zero")
    return value


def _text(item: Mapping[str, Any], key: str) -> str:
    value = item.get(key)
    return value if isinstance(value, str) else ""


def _serving(item: Mapping[str, Any]) -> BenchmarkRun:
    """Return a run of a client that sends requests.

    Where all are sent at once it keeps `max_concurrency` of them in flight; where they arrive at a rate, as many as
    their number times their mean time lasts of the duration (Little's law).
    """
    completed, duration = _positive(item, "completed"), _positive(item, "duration")
    output = _positive(item, "total_output_tokens") / completed
    ttft, tpot = _positive(item, "mean_ttft_ms") / 1e3, _positive(item, "mean_tpot_ms") / 1e3
    most = item.get("max_concurrency")
    endless = item.get("request_rate") in ("inf", None) or item.get("request_rate") == float("inf")
    in_flight = completed * (ttft + max(0.0, output - 1) * tpot) / duration
    if endless and most is not None:
        in_flight = min(_positive(item, "max_concurrency"), completed)
    engine = _text(item, "backend").partition("-")[0]
    return BenchmarkRun(
        max(1, round(in_flight)),
        max(1, round(_positive(item, "total_input_tokens") / completed)),
        max(1, round(output)),
        tpot,
        ttft,
        throughput=_positive(item, "output_throughput"),
        model=_text(item, "model_id"),
        engine=engine if engine in ("vllm", "sglang") else "",
    )


def _llama_bench(item: Mapping[str, Any]) -> BenchmarkRun:
    """Return a test of llama-bench: one sequence, whose prompt or whose tokens are timed, never both."""
    prompt, output = int(_number(item, "n_prompt")), int(_number(item, "n_gen"))
    depth, rate = int(_number(item, "n_depth")) if "n_depth" in item else 0, _positive(item, "avg_ts")
    build = item.get("build_number")
    keys, values = _text(item, "type_k"), _text(item, "type_v")
    if prompt and output:
        raise ValueError("a test of both prompt and generation (-pg) tells neither time; run -p and -n")
    if keys != values:
        raise ValueError(f"its cache has two formats, {keys} and {values}")
    if prompt and depth:
        raise ValueError("prompts behind a depth (-d with -p) are not read; run -d with -n alone")
    if not (prompt or output):
        raise ValueError("`n_prompt` and `n_gen` are both zero")
    return BenchmarkRun(
        1,
        prompt or max(1, depth),
        output or 1,
        tpot=1 / rate if output else None,
        prefill=prompt / rate if prompt else None,
        engine="llama_cpp",
        engine_version=f"b{build}" if isinstance(build, int) and not isinstance(build, bool) and build > 0 else "",
        cache={"f16": "fp16", "f32": "fp32"}.get(keys, keys),
    )
