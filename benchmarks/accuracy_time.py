"""What the time model says of published speeds (tests/truth/throughput.jsonl), and fits that leave rows out."""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import product
from typing import Any

from accuracy_rows import ROOT, TRUTH, Row, Truth

from planner.physics import inference, time
from planner.physics.time import Pace

SOURCES = {"llama_cpp": "llama.cpp", "lmdeploy": "LMDeploy", "vllm": "vLLM", "tensorrt_llm": "TensorRT-LLM"}
LMDEPLOY = Pace(0.83, 0.68, 1.8e-3, 68e-6, 41e-6)
"""The fit to LMDeploy's static batches, which no catalog row carries: a check of the form, not of an engine."""


@dataclass(frozen=True, slots=True)
class Speed:
    """One published speed: seconds predicted and measured."""

    kind: str
    row: str
    engine: str
    model: str
    gpu: str
    predicted: float
    measured: float

    @property
    def error(self) -> float:
        """The prediction's error in per cent."""
        return (self.predicted / self.measured - 1) * 100


def rows() -> list[Row]:
    """The rows of the file."""
    text = (TRUTH / "throughput.jsonl").read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()]


@dataclass(frozen=True, slots=True)
class Case:
    """A row with what the roofline needs of it; bytes and operations of one GPU."""

    row: Row
    model: Any
    gpu: Any
    tp: int
    batch: int
    context: float
    weights: float
    cache: float
    peak_flops: float

    def step(self, how: Pace) -> float:
        """Seconds of a decoding step."""
        arch = self.model.architecture
        found: float = time.decode_step(
            how,
            weights=self.weights,
            cache=self.cache,
            flops=self.batch * time.token_flops(arch, self.model.active_params, int(self.context)) / self.tp,
            batch=self.batch,
            bandwidth=self.gpu.bandwidth,
            peak_flops=self.peak_flops,
            communication=self._talk(self.batch, how),
        )
        return found

    def prompt(self, how: Pace, count: int = 1) -> float:
        """Seconds of `count` prompts."""
        arch, prompt = self.model.architecture, self.row.get("prompt") or self.row["tokens"]
        found: float = time.prefill_time(
            how,
            flops=count * time.prompt_flops(arch, self.model.active_params, prompt) / self.tp,
            weights=self.weights,
            bandwidth=self.gpu.bandwidth,
            peak_flops=self.peak_flops,
            communication=self._talk(count * prompt, how),
        )
        return found

    def _talk(self, tokens: int, how: Pace) -> float:
        arch = self.model.architecture
        link = self.gpu.link_bandwidth or 16e9
        found: float = time.allreduce(arch.hidden, arch.layers, tokens, self.tp, link, how.collective)
        return found


def case(truth: Truth, row: Row) -> Case:
    """A row with its bytes; a full engine holds as many sequences as its memory lets it, at most 2048."""
    model, gpu, tp = truth.model(row), truth.catalog.gpus[row["gpu"]], row.get("tp", 1)
    arch, fmt, kv = model.architecture, truth.catalog.formats[row["weights"]], truth.catalog.formats[row["kv_cache"]]
    assert arch is not None
    context = row["prompt"] + row["output"] / 2 if "prompt" in row else row["tokens"] / 2
    batch = row.get("batch") or _full(truth, row, int(context))
    read = time.reading(arch, model.params, fmt)
    per_token = inference.kv_bytes_per_token(arch, kv.bits, tp) + inference.window_bytes_per_token(arch, kv.bits, tp)
    computed = fmt.computes_as if gpu.flops.get(fmt.computes_as) else "fp16"
    return Case(
        row,
        model,
        gpu,
        tp,
        batch,
        context,
        read.total * read.share(batch) / tp,
        batch * context * per_token,
        gpu.flops[computed],
    )


def _full(truth: Truth, row: Row, context: int) -> int:
    model, gpu, tp = truth.model(row), truth.catalog.gpus[row["gpu"]], row.get("tp", 1)
    arch, fmt, kv = model.architecture, truth.catalog.formats[row["weights"]], truth.catalog.formats[row["kv_cache"]]
    assert arch is not None
    found = inference.profile(truth.catalog.engines["tensorrt_llm"], None, gpu)
    forward, sampler = inference.peak(arch, found, tp)
    weights = inference.weights_per_gpu(arch, model.params, fmt, tp=tp)
    budget = inference.kv_budget(found, gpu, tp, 1, weights=weights, activations=forward, logits=sampler)
    groups = inference.cache_groups(arch, kv, found, tp)
    most = inference.most_sequences(budget, groups, inference.Sequences(context, 1), found.block)
    return max(1, min(2048, most or 2048))


def speed(made: Case, how: Pace) -> Iterable[Speed]:
    """The comparisons a row gives."""
    row = made.row
    named = (row["id"], row["engine"], row["model"], row["gpu"])
    if row["kind"] == "decode":
        yield Speed("decode", *named, made.step(how), 1 / row["rate"])
    elif row["kind"] == "prefill":
        yield Speed("prefill", *named, made.prompt(how), row["tokens"] / row["rate"])
    elif row["kind"] == "static":
        step = (made.batch * row["output"] / row["rate"] - row["ttft_s"]) / row["output"]
        yield Speed("decode", *named, made.step(how), step)
        if row["prompt"] >= 128 and made.batch >= 16 and row["ttft_s"] < 10:
            yield Speed("prefill", *named, made.prompt(how, made.batch), row["ttft_s"])
    elif row["kind"] == "serve":
        yield Speed("decode", *named, made.step(how), row["tpot_ms"] / 1e3)
    elif row["kind"] == "full":
        rate = time.output_rate(made.batch, row["output"], made.step(how), made.prompt(how))
        yield Speed("full load", *named, 1 / rate, 1 / row["rate"])


def pace_of(truth: Truth, engine: str) -> Pace:
    """The catalog's pace of an engine."""
    return LMDEPLOY if engine == "lmdeploy" else time.pace(truth.catalog.engines[engine])


def compared(truth: Truth) -> list[Speed]:
    """Every row against the catalog's figures."""
    return [found for row in rows() for found in speed(case(truth, row), pace_of(truth, row["engine"]))]


def fit_decode(cases: list[Case]) -> Pace:
    """Least squares of relative errors: seconds = bytes / (bandwidth × e) + a + b × batch + c × collectives."""
    import numpy

    table, seconds = [], []
    for made in cases:
        measured = next(found.measured for found in speed(made, Pace(1.0, 1.0)) if found.kind == "decode")
        collectives = 2 * made.model.architecture.layers if made.tp > 1 else 0
        table.append([(made.weights + made.cache) / made.gpu.bandwidth, 1.0, made.batch, collectives])
        seconds.append(measured)
    matrix, wanted = numpy.array(table), numpy.array(seconds)
    used = [at for at in range(4) if matrix[:, at].any() and (at in (0, 1) or len(set(matrix[:, at])) > 1)]
    found, *_ = numpy.linalg.lstsq(matrix[:, used] / wanted[:, None], numpy.ones(len(wanted)), rcond=None)
    slope, step, *rest = (float(value) for value in found)
    named = dict(zip(used[2:], rest, strict=True))
    return Pace(1 / slope, 1.0, max(0.0, step), max(0.0, named.get(2, 0.0)), max(0.0, named.get(3, 0.0)))


def fit_full(cases: list[Case], fixed: Pace) -> Pace:
    """The share of the dense peak and the seconds of a sequence with the least mean logarithmic error."""

    def loss(flops: float, sequence: float) -> float:
        how = Pace(fixed.bandwidth, flops, fixed.step, sequence, fixed.collective)
        return statistics.fmean(
            abs(math.log(found.predicted / found.measured)) for made in cases for found in speed(made, how)
        )

    tried = product([at / 100 for at in range(30, 75, 5)], [at * 5e-6 for at in range(0, 9)])
    flops, sequence = min(tried, key=lambda pair: loss(*pair))
    return Pace(fixed.bandwidth, flops, fixed.step, sequence, fixed.collective)


def left_out(truth: Truth) -> dict[str, list[Speed]]:
    """Each engine's rows predicted by a fit to the rows of all other models (llama.cpp: of all other GPUs)."""
    groups: dict[str, list[Case]] = {}
    for row in rows():
        if row["kind"] != "prefill" and row["engine"] in ("llama_cpp", "tensorrt_llm"):
            groups.setdefault(row["engine"], []).append(case(truth, row))
    out: dict[str, list[Speed]] = {}
    for engine, cases in groups.items():
        key = "gpu" if engine == "llama_cpp" else "model"
        for name in sorted({made.row[key] for made in cases}):
            others = [made for made in cases if made.row[key] != name]
            if not others:
                continue
            how = fit_full(others, pace_of(truth, engine)) if engine == "tensorrt_llm" else fit_decode(others)
            for made in cases:
                if made.row[key] == name:
                    out.setdefault(engine, []).extend(x for x in speed(made, how) if x.kind != "prefill")
    return out


def _line(found: list[Speed]) -> str:
    errors = [abs(row.error) for row in found]
    worst = max(found, key=lambda row: abs(row.error))
    named = f"{worst.row}, {worst.model} on {worst.gpu}"
    middle = f"{statistics.median(errors):.1f} | {statistics.fmean(errors):.1f}"
    return f"{len(found)} | {middle} | {worst.error:+.0f} | {named}"


def section() -> list[str]:
    """The part of docs/accuracy.md about time."""
    truth = Truth()
    found = compared(truth)
    groups: dict[tuple[str, str], list[Speed]] = {}
    for row in found:
        groups.setdefault((SOURCES[row.engine], row.kind), []).append(row)
    lines = [
        "## Time",
        "",
        "Seconds of the roofline against published speeds, in per cent. `decode` is a step at a known batch, `prefill`",
        "a prompt, `full load` the output rate of an engine with as many requests as its memory holds. LMDeploy is no",
        "engine of the catalog; its static batches check the form of the model.",
        "",
        "| engine | what | rows | median | mean | worst | worst row |",
        "|---|---|---:|---:|---:|---:|---|",
        *(f"| {engine} | {kind} | {_line(part)} |" for (engine, kind), part in sorted(groups.items())),
        "",
        "The figures behind it, each engine's in the catalog and as a fit to these rows gives them:",
        "",
        "| engine | share of bandwidth | of the dense peak | a step | a sequence | a collective |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    for engine in ("vllm", "tensorrt_llm", "llama_cpp"):
        how = pace_of(truth, engine)
        lines.append(
            f"| {SOURCES[engine]} | {how.bandwidth:.2f} | {how.flops:.2f} | {how.step * 1e3:.1f} ms | "
            f"{how.sequence * 1e6:.0f} µs | {how.collective * 1e6:.0f} µs |"
        )
    lines += [
        "",
        "With each model's rows (llama.cpp: each GPU's) left out of the fit they are held against; vLLM's rows are of",
        "two models, too few to leave one out:",
        "",
        "| engine | rows | median | mean | worst | worst row |",
        "|---|---:|---:|---:|---:|---|",
        *(f"| {SOURCES[engine]} | {_line(part)} |" for engine, part in sorted(left_out(truth).items())),
    ]
    return lines


__all__ = ["ROOT", "compared", "left_out", "section"]
