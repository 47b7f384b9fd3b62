"""What the time model says of published speeds (tests/truth/throughput.jsonl), and fits that leave rows out."""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

from accuracy_rows import ROOT, TRUTH, Row, Truth

from planner.physics import inference, kernels, serving_time, time

SOURCES = {"llama_cpp": "llama.cpp", "lmdeploy": "LMDeploy", "vllm": "vLLM", "tensorrt_llm": "TensorRT-LLM"}


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


class Pace(NamedTuple):
    """An engine by five figures: shares of bandwidth and dense peak, and seconds of a step, a sequence and a sum."""

    bandwidth: float
    flops: float
    step: float = 0.0
    sequence: float = 0.0
    collective: float = 0.0


@dataclass(frozen=True, slots=True)
class Case:
    """A row with what its time needs; bytes and operations of one GPU. `reached` is the catalog's card."""

    row: Row
    model: Any
    gpu: Any
    tp: int
    batch: int
    context: float
    weights: float
    cache: float
    peak_flops: float
    part: serving_time.Part
    made: serving_time.Calls
    reached: serving_time.KernelSpeeds | None
    between: serving_time.Between

    def _way(self, how: Pace | None) -> tuple[serving_time.KernelSpeeds, serving_time.Between]:
        if how is None:
            assert self.reached is not None
            return self.reached, self.between
        kernel = serving_time.Kernel(0.0, self.gpu.bandwidth * how.bandwidth, self.peak_flops * how.flops)
        link = self.gpu.link_bandwidth or 16e9
        card = serving_time.KernelSpeeds(kernel, kernel, kernel, kernel, how.collective, link)
        return card, serving_time.Between(0.0, how.step, how.sequence, 0.0, 1.0, 0.0, 0.0)

    def step(self, how: Pace | None) -> float:
        """Seconds of a decoding step."""
        card, between = self._way(how)
        found: float = serving_time.passing(card, between, self.made, self.part, self.batch, self.cache, 0.0)
        return found + between.step + between.sequence * self.batch

    def prompt(self, how: Pace | None, count: int = 1) -> float:
        """Seconds of `count` prompts."""
        card, between = self._way(how)
        prompt = self.row.get("prompt") or self.row["tokens"]
        scores = count * time.attention_flops(self.model.architecture, prompt) / 2 * prompt / self.tp
        found: float = serving_time.passing(card, between, self.made, self.part, count * prompt, 0.0, scores)
        return found + between.step


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
    engine = truth.catalog.engines.get(row["engine"])
    acts = truth.catalog.formats[{"fp8_e4m3": "fp8_e4m3", "fp4": "nvfp4"}.get(computed, "bf16")]
    link = gpu.link_bandwidth or 16 * 10**9
    reached = None
    if engine is not None:
        reached = kernels.card(engine, gpu, kernels.runs(arch, fmt, acts, kv.bits < 16, model.native_format), link)
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
        serving_time.part(arch, model.active_params, read, tp, 1, read.total / tp),
        serving_time.calls(arch),
        reached,
        serving_time.between(engine) if engine is not None else serving_time.Between(*[0.0] * 7),
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


def speed(made: Case, how: Pace | None) -> Iterable[Speed]:
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
        others = (made.batch - 1) / row["output"] * made.prompt(how)  # mean times hold the prompts of the others
        yield Speed("decode", *named, made.step(how) + others, row["tpot_ms"] / 1e3)
    elif row["kind"] == "full":
        rate = made.batch * row["output"] / (made.batch * made.prompt(how) + row["output"] * made.step(how))
        yield Speed("full load", *named, 1 / rate, 1 / row["rate"])


LMDEPLOY = Pace(0.83, 0.68, 1.8e-3, 68e-6, 41e-6)
"""The fit to LMDeploy's static batches, which no catalog row carries: a check of the form, not of an engine."""


def pace_of(engine: str) -> Pace | None:
    """An engine's five figures where the catalog does not have it; None for what the catalog says of it."""
    return LMDEPLOY if engine == "lmdeploy" else None


def compared(truth: Truth) -> list[Speed]:
    """Every row against the catalog's figures."""
    return [found for row in rows() for found in speed(case(truth, row), pace_of(row["engine"]))]


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


def left_out(truth: Truth) -> dict[str, list[Speed]]:
    """llama.cpp's rows predicted by a fit to those of all other GPUs."""
    groups: dict[str, list[Case]] = {}
    for row in rows():
        if row["kind"] != "prefill" and row["engine"] == "llama_cpp":
            groups.setdefault(row["engine"], []).append(case(truth, row))
    out: dict[str, list[Speed]] = {}
    for engine, cases in groups.items():
        for name in sorted({made.row["gpu"] for made in cases}):
            others = [made for made in cases if made.row["gpu"] != name]
            if not others:
                continue
            how = fit_decode(others)
            for made in cases:
                if made.row["gpu"] == name:
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
    return [
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
        "llama.cpp's with each GPU's rows left out of the fit they are held against:",
        "",
        "| engine | rows | median | mean | worst | worst row |",
        "|---|---:|---:|---:|---:|---|",
        *(f"| {SOURCES[engine]} | {_line(part)} |" for engine, part in sorted(left_out(truth).items())),
        "",
        *serving(),
    ]


def serving() -> list[str]:
    """The part about the times of a service under load, of the rows that tests/truth carries."""
    from fit_serving import Table, report
    from serving_rows import cases

    lines, _, _ = report(Table(cases()))
    return [
        "### Serving under load",
        "",
        "Mean time per output token and to the first token at a concurrency, of vLLM, SGLang and TensorRT-LLM on",
        "H100, H200, B200 and B300: measurements of aiconfigurator-core 0.12.0 (`systems/silicon_sample.csv`), a sixth",
        "of its clean rows for fitting and a sixth kept out of every fit; `benchmarks/fit_serving.py` reads others.",
        "The kernels are measured by themselves; what stands between them is fitted. The catalog's constants are of",
        "two thirds of all 1,781 clean rows: 11 / 31 % and 24 / 61 % there, 11 / 33 % and 24 / 57 % on the third kept",
        "out, 12 / 33 % and 31 / 91 % with the whole model left out. Errors are |expected / measured - 1|.",
        "",
        *lines,
        "",
        "A bound holds at the safe end: `time_confidence` of the measured times are at or below it, by the errors with",
        "the model left out.",
        "",
        "Anchored on three to eight other rows of the same model, GPU, number of GPUs, engine, release and format, of",
        "which three are within a factor of four in concurrency (`measurement` blocks); chosen at random, or of the",
        "lowest or the highest concurrency. The last columns are the share of rows above the safe end of 80 %.",
        "",
        *anchored(),
    ]


def anchored() -> list[str]:
    """Errors without and with an anchor, and how often anchored safe ends are exceeded, by how anchors are chosen."""
    import anchoring
    from numpy import abs as size
    from numpy import array, mean, quantile

    from planner.catalog.load import load
    from planner.physics.anchors import ENOUGH

    catalog, _ = load()
    every = anchoring.ratios(catalog)
    lines = [
        "| anchors | rows | TPOT before | anchored | TTFT before | anchored | above: TPOT | TTFT |",
        "|---|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for way in anchoring.WAYS:
        found = [item for item in anchoring.predicted(every, way) if item.near >= ENOUGH]
        cells, above = [], []
        for name in ("tpot", "ttft"):
            for ratios in ([getattr(item.of, name) for item in found], [getattr(item, name) for item in found]):
                off = size(1 / array(ratios) - 1)
                cells.append(" / ".join(f"{100 * quantile(off, at):.0f}" for at in (0.5, 0.9)) + " %")
            margins = [catalog.engines[item.of.engine].anchored_margins[name][80] for item in found]
            above.append(
                f"{100 * mean(array([getattr(item, name) for item in found]) > 1 + array(margins) / 1e6):.0f} %"
            )
        lines.append(f"| {way} | {len(found)} | {' | '.join((*cells, *above))} |")
    return lines


__all__ = ["ROOT", "compared", "left_out", "section"]
