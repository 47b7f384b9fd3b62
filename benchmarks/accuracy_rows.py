"""What the physics says of each measured row of tests/truth/inference.jsonl, beside what was measured."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import accuracy_graphs
import accuracy_pages
import accuracy_starts

from planner.catalog.build import build_model
from planner.catalog.catalog import Catalog
from planner.catalog.records import Architecture, Gpu, Model
from planner.physics import inference
from planner.physics.inference.weights import weights_per_gpu
from planner.physics.inference.weights_of_layers import EXACT

ROOT = Path(__file__).parents[1]
TRUTH = ROOT / "tests" / "truth"
GIB, MIB = 2**30, 2**20
CONFIDENCES = (80, 90, 95, 99)
Row = dict[str, Any]
KIMI_TOWERS = Fraction(95, 100) * (1 - (Fraction(27 * 1152**2, 24 * 1024**2) - 1) / 10)
"""SGLang's factor for the encoder of Kimi-K2.5 (27 layers of 1152), a model the catalog does not have."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """One figure of one row: predicted and measured, in bytes (tokens for `tokens`), or why it is left out."""

    part: str
    row: str
    engine: str
    family: str
    name: str
    predicted: float
    measured: float
    reason: str = ""
    gpu: str = ""

    @property
    def error(self) -> float:
        """The prediction's error in per cent."""
        return (self.predicted / self.measured - 1) * 100 if self.measured else 0.0


SUPPOSED = "of the marketed memory"
"""How the source of a GPU's memory reads where no device reported it: what a log prints is held against no such row."""


class Truth:
    """The rows, and the catalogs they speak of."""

    def __init__(self) -> None:
        from yaml import safe_load

        self.catalog = Catalog(ROOT / "catalogs")
        text = (TRUTH / "models.yaml").read_text(encoding="utf-8")
        self.own = {row["id"]: build_model(row) for row in safe_load(text)["rows"]}
        lines = (TRUTH / "inference.jsonl").read_text(encoding="utf-8").splitlines()
        self.rows: list[Row] = [json.loads(line) for line in lines]

    def model(self, row: Row) -> Model:
        """The row's model, from the catalog where it has it."""
        name = row["model"]
        return self.catalog.models[name] if name in self.catalog.models else self.own[name]

    def _known(self, row: Row) -> Architecture | None:
        """The architecture of a row that names a known model."""
        known = row.get("model") in self.catalog.models or row.get("model") in self.own
        return self.model(row).architecture if known else None

    def gpu(self, row: Row) -> Gpu | None:
        """The row's GPU; where it is not named, one with as much memory as the log prints."""
        if row.get("gpu"):
            return self.catalog.gpus[row["gpu"]]
        total = row["measured"].get("total_gpu_gib")
        if not total:
            return None
        known = [gpu for name in self.catalog.gpus if (gpu := self.catalog.gpus[name]).multiprocessors]
        known = [gpu for gpu in known if SUPPOSED not in gpu.memory_source]
        return min(known, key=lambda gpu: (abs(gpu.memory - total * GIB), "bridge" in (gpu.link or ""), gpu.id))

    def profile(self, row: Row) -> inference.Profile:
        """The row's engine with the settings it states."""
        stated = row.get("settings", {})
        share = stated.get("utilization")
        gpu = self.gpu(row)
        engine = self.catalog.engines["llama_cpp" if row["engine"] == "checkpoint" else row["engine"]]
        arch = self._known(row)
        return inference.profile(
            engine,
            row.get("release"),
            gpu,
            utilization=Fraction(str(share)) if share else None,
            max_sequences=stated.get("max_sequences"),
            max_batched_tokens=stated.get("max_batched_tokens"),
            context=stated.get("context") or 0,
            light_sampler=stated.get("light_sampler", False),
            images=stated.get("images", True),
            mixers=inference.traits(arch),
            family=arch.family if arch is not None else "",
            narrow_cache=row["kv_cache"] is not None and self.catalog.formats[row["kv_cache"]].bits < 16,
        )

    def weights(self, row: Row, rounding: str) -> int:
        """Weights of one GPU, or of a whole file."""
        model, left = self.model(row), row.get("left", {})
        fmt = self.catalog.formats[row["weights"]]
        leaves = (*fmt.leaves, *left.get("leaves", ()))
        rope = row.get("settings", {}).get("max_position") or model.max_context
        return weights_per_gpu(
            model.architecture,  # type: ignore[arg-type]
            model.params,
            replace(fmt, leaves=leaves, partly=tuple(left.get("partly", {}).items())),
            Fraction(32 if row["weights"] == "fp32" else 16),
            row.get("tp", 1),
            row.get("pp", 1),
            max_context=rope if rounding != EXACT else None,
            rounding=rounding,
            absorbed=rounding != EXACT and self.profile(row).absorbed,
            kernels=self.profile(row).expert_kernels if rounding != EXACT else (),
        )

    def buffer(self, row: Row, gpus: int) -> int:
        """Weights on the fullest of llama.cpp's GPUs."""
        model = self.model(row)
        fmt = self.catalog.formats[row["weights"]]
        return weights_per_gpu(model.architecture, model.params, fmt, pp=gpus, layer_split=True)  # type: ignore[arg-type]

    def groups(self, row: Row) -> inference.Groups:
        """The cache of the row's fullest stage; a draft head (EAGLE) is one more layer like the last."""
        model, found = self.model(row), self.profile(row)
        kv = self.catalog.formats[row["kv_cache"]]
        tp, pp = row.get("tp", 1), row.get("pp", 1)
        groups = inference.cache_groups(model.architecture, kv, found, tp, pp)  # type: ignore[arg-type]
        if row.get("extra_layers"):
            groups = (*groups, (row["extra_layers"], groups[-1][1]))
        return groups


def family(model: str) -> str:
    """The letters of a model's name before its version."""
    return re.split(r"[-\d.]", model.rsplit("/", 1)[-1].lower().replace("meta-llama", "llama"))[0] or model


def _tokens(row: Row) -> int | None:
    measured = row["measured"]
    found = measured.get("kv_tokens") or 16 * measured.get("gpu_blocks", 0)
    return found or None


def _compare(part: str, row: Row, predicted: float, measured: float, *skips: str) -> Comparison:
    reason = next((row["skip"][name] for name in skips if name in row.get("skip", {})), "")
    named = (row["id"], row["engine"], family(row["model"]), row["model"])
    return Comparison(part, *named, predicted, measured, reason, row.get("gpu", "not named"))


def cache_rows(truth: Truth) -> Iterable[Comparison]:
    """KV cache: bytes of a token in logs that print size and tokens, and whole buffers of llama.cpp."""
    for row in truth.rows:
        measured = row["measured"]
        if "unknown" in row:
            continue
        if "kv_cache_gib_per_gpu" in measured and _tokens(row):
            groups, size = truth.groups(row), measured["kv_cache_gib_per_gpu"] * GIB
            if any(cache.block for _, cache in groups):  # long blocks: the tokens of whole ones
                yield _compare("kv", row, inference.pool_tokens(int(size), groups), _tokens(row) or 1, "kv")
                continue
            per_token = sum(count * cache.pool_bits for count, cache in groups) / 8
            yield _compare("kv", row, float(per_token), measured["kv_cache_gib_per_gpu"] * GIB / _tokens(row), "kv")
        elif "kv_buffers_mib" in measured:
            parts = measured["kv_buffers_mib"]
            load = inference.Sequences(row["settings"]["context"], 1)
            fullest = inference.bytes_held(truth.groups({**row, "pp": len(parts)}), load)
            yield _compare("kv", row, fullest, max(parts.values()) * MIB, "kv")
        elif "kv_self_mib" in measured:
            load = inference.Sequences(row["settings"]["context"], 1)
            yield _compare(
                "kv", row, inference.bytes_held(truth.groups(row), load), measured["kv_self_mib"] * MIB, "kv"
            )


def weight_rows(truth: Truth) -> Iterable[Comparison]:
    """Weights of one GPU as the engine's log prints them."""
    for row in truth.rows:
        measured = row["measured"]
        buffers = [size for name, size in measured.get("weights_buffers_mib", {}).items() if name != "CPU"]
        if buffers and "unknown" not in row and row["weights"]:
            yield _compare("weights", row, truth.buffer(row, len(buffers)), max(buffers) * MIB, "weights")
        if "unknown" not in row and row["weights"] and "weights_gib_per_gpu" in measured:
            yield _compare("weights", row, truth.weights(row, "cuda"), measured["weights_gib_per_gpu"] * GIB, "weights")


def file_rows(truth: Truth) -> Iterable[Comparison]:
    """Sizes of GGUF files and checkpoints, from the figure with the most digits."""
    for row in truth.rows:
        measured = row["measured"]
        if row["kind"] != "file" or "unknown" in row:
            continue
        size = measured.get("total_size_bytes")
        if not size and "bpw" in measured:
            size = measured["bpw"] * truth.model(row).params / 8
        if not size:
            size = measured.get("file_size_gib", 0) * GIB or measured["file_size_gb"] * 1e9
        yield _compare("files", row, truth.weights(row, EXACT), size, "weights")


def peak_rows(truth: Truth) -> Iterable[Comparison]:
    """The activation peak of vLLM's profiling run."""
    for row in truth.rows:
        if row["engine"] == "vllm" and "unknown" not in row and "activation_peak_gib" in row["measured"]:
            model = truth.model(row)
            found = inference.peak(model.architecture, truth.profile(row), row.get("tp", 1))  # type: ignore[arg-type]
            yield _compare("peak", row, sum(found), row["measured"]["activation_peak_gib"] * GIB, "peak")


def _cards(measured: Row) -> int:
    """GPUs that a log of llama.cpp names."""
    named = {*measured.get("compute_buffers_mib", {}), *measured.get("weights_buffers_mib", {})}
    return max(1, sum(bool(re.match(r"(CUDA|ROCm)\d", name)) for name in named))


def buffer_rows(truth: Truth) -> Iterable[Comparison]:
    """The compute buffers of llama.cpp: the largest of a log."""
    for row in truth.rows:
        measured = row["measured"]
        if row["engine"] != "llama_cpp" or "unknown" in row or row["kind"] != "log":
            continue
        buffers = [value for name, value in measured.get("compute_buffers_mib", {}).items() if "Host" not in name]
        largest = max(buffers, default=measured.get("scratch_mib"))
        if largest:
            model, context = truth.model(row), row["settings"]["context"]
            found = inference.peak(
                model.architecture,  # type: ignore[arg-type]
                truth.profile(row),
                stages=_cards(measured),
                context=context,
            )
            yield _compare("peak", row, sum(found), largest * MIB, "peak")


def overhead_rows(truth: Truth) -> Iterable[Comparison]:
    """What vLLM calls non-torch memory, and what llama.cpp finds in use beside its buffers: the fullest of a log."""
    for row in truth.rows:
        if "unaccounted_mib" in row["measured"]:
            found = inference.fixed(truth.profile(row), truth.gpu(row))
            yield _compare("overhead", row, found, max(row["measured"]["unaccounted_mib"]) * MIB, "overhead")
        if row["engine"] == "vllm" and "non_torch_gib" in row["measured"]:
            found = inference.non_torch(truth.profile(row), truth.gpu(row), row.get("tp", 1), row.get("pp", 1))
            yield _compare("overhead", row, found, row["measured"]["non_torch_gib"] * GIB, "overhead")


def beside_rows(truth: Truth) -> Iterable[Comparison]:
    """What vLLM's budget holds beside weights and cache (peak, non-torch memory, counted graphs), by its log's sum."""
    for row in truth.rows:
        measured, stated = row["measured"], row.get("settings", {})
        needed = measured.keys() >= {"weights_gib_per_gpu", "kv_cache_gib_per_gpu"}
        if row["engine"] != "vllm" or "unknown" in row or not needed or "utilization" not in stated:
            continue
        if not row.get("gpu") or "activation_peak_gib" in measured or not re.match(r"\d+\.\d+", row.get("version", "")):
            continue
        found, tp, pp = truth.profile(row), row.get("tp", 1), row.get("pp", 1)
        total = measured.get("total_gpu_gib", truth.catalog.gpus[row["gpu"]].memory / GIB)
        held = measured["weights_gib_per_gpu"] + measured["kv_cache_gib_per_gpu"]
        peak = sum(inference.peak(truth.model(row).architecture, found, tp))  # type: ignore[arg-type]
        predicted = peak + inference.in_budget(found, truth.gpu(row), tp, pp)
        yield _compare("beside", row, predicted, (total * stated["utilization"] - held) * GIB, "beside")


def pool_rows(truth: Truth) -> Iterable[Comparison]:
    """The cache of SGLang and TensorRT-LLM out of the free memory their logs print, by the rule that sizes it."""
    for row in truth.rows:
        measured, share = row["measured"], row.get("settings", {}).get("utilization")
        if row["engine"] == "sglang" and measured.keys() >= {"free_before_gib", "free_after_gib"}:
            arch = None if "unknown" in row else truth.model(row).architecture
            found = truth.profile(row)
            factor = inference.towers(arch, found) if arch else KIMI_TOWERS if "Kimi" in row["model"] else Fraction(1)
            kept = inference.static_free(found, truth.catalog.gpus[row["gpu"]], row.get("tp", 1), towers=factor)
            predicted = measured["free_after_gib"] - measured["free_before_gib"] * float(kept)
        elif row["engine"] == "tensorrt_llm" and "available_gib" in measured and share:
            predicted = measured["available_gib"] * share
        else:
            continue
        cache = measured.get("kv_cache_gib_per_gpu")
        if not cache:
            cache = measured["gpu_blocks_64"] * 64 * inference.kv_bytes_per_token(truth.model(row).architecture) / GIB  # type: ignore[arg-type]
        yield _compare("pool", row, predicted * GIB, cache * GIB, "pool")


def buffers_rows(truth: Truth) -> Iterable[Comparison]:
    """What TensorRT-LLM allocates for execution, buffers and decoder, where a log prints or implies it."""
    for row in truth.rows:
        measured = row["measured"]
        if row["engine"] != "tensorrt_llm" or "unknown" in row or not row["weights"]:
            continue
        found, model = truth.profile(row), truth.model(row)
        if "decoder_gib" in measured:
            size = sum(measured[name] for name in ("execution_gib", "buffers_gib", "decoder_gib"))
        elif measured.keys() >= {"available_gib", "total_gpu_gib"}:
            fixed = (truth.weights(row, "cuda") + inference.non_torch(found, truth.gpu(row)) + found.context) / GIB
            size = measured["total_gpu_gib"] - measured["available_gib"] - fixed
        else:
            continue
        predicted = sum(inference.peak(model.architecture, found))  # type: ignore[arg-type]
        yield _compare("peak", row, predicted, size * GIB, "peak")


def token_rows(truth: Truth) -> Iterable[Comparison]:
    """Tokens of vLLM's KV cache from model, GPU, version and settings alone, where the row states all of them."""
    for row in truth.rows:
        measured, stated = row["measured"], row.get("settings", {})
        if row["engine"] != "vllm" or "unknown" in row or not row.get("gpu") or not row["weights"]:
            continue
        if "utilization" not in stated or not re.match(r"\d+\.\d+", row.get("version", "")):
            continue
        tokens, gib = _tokens(row), measured.get("kv_cache_gib_per_gpu")
        if not tokens and not gib:
            continue
        found, gpu = truth.profile(row), truth.catalog.gpus[row["gpu"]]
        tp, pp = row.get("tp", 1), row.get("pp", 1)
        forward, sampler = inference.peak(truth.model(row).architecture, found, tp)  # type: ignore[arg-type]
        budget = inference.kv_budget(
            found, gpu, tp, pp, weights=truth.weights(row, "cuda"), activations=forward, logits=sampler
        )
        if tokens:
            predicted: float = inference.pool_tokens(budget, truth.groups(row), found.block)
            yield _compare("tokens", row, predicted, tokens, "weights", "peak", "kv", "beside")
        else:
            yield _compare("tokens", row, max(0, budget), gib * GIB, "weights", "peak", "kv", "beside")


def used_rows(truth: Truth, confidence: Fraction) -> Iterable[Comparison]:
    """What vLLM used beside its cache, against the safe end of the same parts."""
    for row in truth.rows:
        measured = row["measured"]
        needed = ("weights_gib_per_gpu", "non_torch_gib", "activation_peak_gib")
        if row["engine"] != "vllm" or "unknown" in row or not row["weights"] or not all(k in measured for k in needed):
            continue
        found, tp = truth.profile(row), row.get("tp", 1)
        weights = truth.weights(row, "cuda")
        forward, sampler = inference.peak(truth.model(row).architecture, found, tp)  # type: ignore[arg-type]
        rest = inference.non_torch(found, truth.gpu(row), tp, row.get("pp", 1))
        extra = inference.margin(found, confidence, weights, 0, forward, sampler, rest)
        used = sum(measured[name] for name in needed) * GIB
        yield _compare("used", row, weights + forward + sampler + rest + extra, used, "weights", "peak")


def kept(rows: Iterable[Comparison]) -> list[Comparison]:
    """The rows that are not left out."""
    return [row for row in rows if not row.reason]


def excess_quantile(rows: list[Comparison], per_cent: int) -> int:
    """Millionths by which the measured exceeds the predicted in at most 1 - `per_cent` of the rows (at least 0)."""
    excess = sorted(max(0.0, row.measured / row.predicted - 1) for row in rows)
    return math.ceil(excess[math.ceil(len(excess) * per_cent / 100) - 1] * 1_000_000) if excess else 0


def margins(truth: Truth) -> dict[str, dict[str, dict[int, int]]]:
    """The margins of each engine's parts as the catalog states them."""
    logs: list[Comparison] = kept(weight_rows(truth))
    caches, peaks = kept(cache_rows(truth)), kept(peak_rows(truth))
    buffers, above = kept(buffer_rows(truth)), kept(overhead_rows(truth))
    rests = [row for row in above if row.engine == "vllm"]
    files = kept(file_rows(truth))

    def table(rows: list[Comparison]) -> dict[int, int]:
        return {at: excess_quantile(rows, at) for at in CONFIDENCES}

    served = {
        "weights": table(logs),
        "kv_cache": table(caches),
        "activations": table(peaks),
        "logits": table(peaks),
        "overhead": table(rests),
    }
    captured = [row for row in accuracy_graphs.captures(truth.catalog) if row.fitted]
    graphs = {at: accuracy_graphs.quantile(captured, at) for at in CONFIDENCES}
    over = accuracy_graphs.over(accuracy_graphs.captures(truth.catalog))
    estimate = {at: accuracy_graphs.quantile(over, at) for at in CONFIDENCES}
    shared = accuracy_graphs.estimates(truth.catalog)
    unified = {at: accuracy_graphs.quantile(shared, at) for at in CONFIDENCES}
    stated = [row for row in accuracy_pages.reports(truth.catalog) if row.fitted]
    pages = {at: accuracy_pages.quantile(stated, at) for at in CONFIDENCES}
    started = [row for row in accuracy_starts.starts(truth.catalog) if row.fitted]
    host = {
        "weights": table(files),
        "kv_cache": table(caches),
        "activations": table(buffers),
        "logits": table(buffers),
        "overhead": table([row for row in above if row.engine == "llama_cpp"]),
    }
    pools, buffers_ahead = kept(pool_rows(truth)), kept(buffers_rows(truth))
    ahead = table(peaks + buffers_ahead)
    own = {
        "vllm": {**served, "graphs": graphs, "estimate": estimate, "pages": pages, "unified": unified},
        "llama_cpp": host,
        "sglang": {
            **served,
            "overhead": table([row for row in pools if row.engine == "sglang"]),
            "fixed": {at: accuracy_starts.quantile(started, at) for at in CONFIDENCES},
        },
        "tensorrt_llm": {
            **served,
            "activations": ahead,
            "logits": ahead,
            "overhead": table([row for row in pools if row.engine == "tensorrt_llm"]),
            "fixed": table(rests),
        },
    }
    return {name: own.get(name, served) for name in truth.catalog.engines}


Fit = Callable[[list[float]], float]


def leave_one_out(rows: list[Comparison], fit: Fit, group: str = "name") -> list[tuple[str, str, float]]:
    """(group, row, error in per cent) of a scale fitted to the rows of all other models (`name`) or GPUs (`gpu`)."""
    found = []
    for name in sorted({getattr(row, group) for row in rows}):
        scale = fit([row.measured / row.predicted for row in rows if getattr(row, group) != name])
        here = [row for row in rows if getattr(row, group) == name]
        found += [(name, row.row, (scale * row.predicted / row.measured - 1) * 100) for row in here]
    return found
