"""What can be said about a declared model, GPU, offer, format or fleet, and what a filter can ask of such a row."""

from __future__ import annotations

from fractions import Fraction

from planner.catalog.dates import first_day
from planner.catalog.records import Format, Gpu, Offer
from planner.language.problem import Measure
from planner.language.quantities.quantity import Quantity, Role, count, number, word
from planner.units.quantity import DATE


def _id(kind: str) -> Quantity:
    return Quantity("id", (kind,), "outcome", kind, "Its id.")


def _text(name: str, kind: str, doc: str, role: Role = "given") -> Quantity:
    return Quantity(name, (kind,), role, "text", doc)


def _set(name: str, kind: str, doc: str) -> Quantity:
    return Quantity(name, (kind,), "given", "set", doc)


FIELDS: tuple[Quantity, ...] = (
    number("parameters", ("model",), "given", "params", "How many parameters it has, where nothing else is known.", 1),
    number("active_parameters", ("model",), "given", "params", "Parameters that compute a token, of a MoE model.", 1),
    count("hidden", ("model",), "given", "The width of the residual stream.", 1, 1_000_000),
    count("layers", ("model",), "given", "How many layers it has.", 1, 10_000),
    count("heads", ("model",), "given", "Attention heads of a layer.", 1, 10_000),
    count("kv_heads", ("model",), "given", "Key and value heads of a layer; unset they are `heads`.", 1, 10_000),
    count("head_dim", ("model",), "given", "Width of a head; unset it is hidden / heads.", 1, 100_000),
    count("inter", ("model",), "given", "Width of the feed-forward part, of one expert in a MoE model.", 1, 10_000_000),
    Quantity("gated", ("model",), "given", "boolean", "Whether the feed-forward part is gated (SwiGLU).", default=True),
    count("experts", ("model",), "given", "Experts of a layer.", 2, 100_000),
    count("active_experts", ("model",), "given", "Experts that compute a token.", 1, 100_000),
    count("shared_inter", ("model",), "given", "Width of the expert that every token takes.", 0, 10_000_000),
    count("window", ("model",), "given", "Tokens a layer's sliding window sees.", 1, 1 << 40),
    count("vocab", ("model",), "given", "Rows of the embedding.", 1, 1 << 40),
    Quantity("tied", ("model",), "given", "boolean", "Whether the head is the embedding.", default=False),
    number("max_context", ("model",), "given", "tokens", "The longest context it was made for.", 1, whole=True),
    Quantity("native_format", ("model",), "given", "format", "The format its weights are published in."),
    _text("licence", "model", "Its licence."),
    _id("gpu"),
    number("memory", ("gpu",), "given", "bytes", "What a framework can use of it.", 0),
    number("device_memory", ("gpu",), "given", "bytes", "What the device reports.", 0),
    number("bandwidth", ("gpu",), "given", "GB/s", "Memory bandwidth.", 0),
    number("link_bandwidth", ("gpu",), "given", "GB/s", "Bandwidth to its neighbours, one direction.", 0),
    number("power", ("gpu",), "given", "W", "Board power.", 0),
    number("peak", ("gpu",), "given", "FLOPS", "Dense peak by format: `peak.bf16 = 989 TFLOPS`.", 0),
    count("max_gpus_per_node", ("gpu",), "given", "GPUs one machine holds.", 1, 100_000),
    count("release_year", ("gpu",), "given", "When it came out.", 1990, 2100),
    _text("vendor", "gpu", "Who makes it."),
    _text("architecture", "gpu", "Its generation."),
    _text("pcie", "gpu", "Its host link."),
    _text("cpu", "gpu", "Its host's processor, where it comes with one kind alone: `arm`."),
    _text("confidence", "gpu", "How far its row is measured.", "outcome"),
    _set("native_formats", "gpu", "The number formats its hardware computes."),
    _id("offer"),
    Quantity("gpu", ("offer",), "given", "gpu", "The GPU type of an instance."),
    count("gpus", ("offer",), "given", "GPUs of an instance."),
    number("price", ("offer",), "given", "USD/h", "Price of an instance on demand.", 0),
    number("spot", ("offer",), "given", "USD/h", "Spot price of an instance.", 0),
    number("reserved_1y", ("offer",), "given", "USD/h", "Price of an instance that is committed to for one year.", 0),
    number(
        "reserved_3y", ("offer",), "given", "USD/h", "Price of an instance that is committed to for three years.", 0
    ),
    number("as_of", ("offer",), "given", DATE, "The day its price was read: 2026-06-01.", 1),
    number("electricity", ("offer",), "given", "USD/kWh", "What power costs; it joins the price.", 0),
    count("available", ("offer",), "given", "How many instances there are.", 0, 1_000_000_000),
    number("network", ("offer",), "given", "GB/s", "Bandwidth between instances, of one of them.", 0),
    _text("provider", "offer", "Cloud provider."),
    _text("region", "offer", "Cloud region."),
    _text("instance_type", "offer", "The provider's name for it."),
    word(
        "sold_by",
        ("offer",),
        "given",
        {"instance": "Instances are rented whole.", "gpu": "Single GPUs of an instance are rented."},
        "instance",
        "Whether instances or single GPUs are sold.",
    ),
    Quantity("marketplace", ("offer",), "given", "boolean", "Whether hosts of others are rented.", default=False),
    count("vcpus", ("offer",), "given", "Virtual processors of an instance.", 0, 1_000_000),
    number("ram", ("offer",), "given", "bytes", "Host memory of an instance.", 0),
    _id("format"),
    number("bits", ("format",), "given", None, "Bits of one weight, scales and zero points included.", 0),
    number("element_bits", ("format",), "given", None, "Bits of one element alone.", 0),
    count("exponent", ("format",), "given", "Bits of the exponent.", 0, 64),
    count("mantissa", ("format",), "given", "Bits of the mantissa.", 0, 64),
    number("largest", ("format",), "given", None, "The largest value it holds.", 0),
    number("epsilon", ("format",), "given", None, "The step above 1.", 0),
    count("block", ("format",), "given", "Weights that share a scale.", 1, 1_000_000),
    number("overhead_bits", ("format",), "given", None, "Bits a weight pays for scales and zero points.", 0),
    number("quality", ("format",), "given", None, "Your own measurement: recovery against the native format.", 0),
    Quantity("computes_as", ("format",), "given", "format", "What the hardware multiplies in."),
    _set("roles", "format", "What it is a format of: weights, activations, kv_cache."),
    _set("engines", "format", "The engines that read it."),
    _set("needs", "format", "What a GPU must compute for it."),
    _set("leaves", "format", "The tensors it leaves in 16 bits."),
    Quantity("model", ("measurement",), "given", "model", "The model that was served."),
    Quantity("gpu", ("measurement",), "given", "gpu", "The GPU type it ran on."),
    count("gpus", ("measurement",), "given", "GPUs of the one replica that was measured; 1 unless said."),
    count("tensor_parallel", ("measurement",), "given", "GPUs that share each layer; all unless said.", 1, 64),
    count("pipeline_parallel", ("measurement",), "given", "Stages that share the layers; 1 unless said.", 1, 64),
    Quantity("engine", ("measurement",), "given", "engine", "The engine; vllm, or what its file says."),
    _text("engine_version", "measurement", "Its release; the catalog's newest unless said."),
    Quantity("weights", ("measurement",), "given", "format", "The format of its weights; the native one unless said."),
    Quantity("kv_cache", ("measurement",), "given", "format", "That of its cache; the engine's own unless said."),
    Quantity(
        "gpu_memory_utilization",
        ("measurement",),
        "given",
        "number",
        "The engine's share of usable memory, where one was set.",
        low=Fraction(1, 100),
        high=Fraction(1),
    ),
    count("max_sequences", ("measurement",), "given", "The engine's largest batch, where one was set.", 1, 10**6),
    count("max_batched_tokens", ("measurement",), "given", "Its tokens per pass, where they were set.", 1, 2**32),
    count("concurrency", ("measurement",), "given", "Sequences in flight while it was measured.", 1, 10**6),
    number("prompt", ("measurement",), "given", "tokens", "Mean tokens of a prompt.", 1, True, high=2**32),
    number("output", ("measurement",), "given", "tokens", "Mean tokens of an answer.", 1, True, high=2**32),
    number("tpot", ("measurement",), "given", "s", "Mean time per output token.", 0),
    number("ttft", ("measurement",), "given", "s", "Mean time to the first token.", 0),
    number("throughput", ("measurement",), "given", "tok/s", "Output tokens per second, of the replica.", 0),
    number("kv_tokens", ("measurement",), "given", "tokens", "What the engine reports that its cache holds.", 1, True),
    number("memory", ("measurement",), "given", "bytes", "The peak on the fullest GPU, of llama.cpp.", 1, True),
    number("quality", ("measurement",), "given", None, "Recovery of your evaluation, or lm_eval of its two files.", 0),
    _text("results", "measurement", "A file of `vllm bench serve`, `sglang.bench_serving` or `llama-bench -o json`."),
    number("cost", ("fleet",), "outcome", "USD/h", "What all workloads cost together."),
    number("gpus", ("fleet",), "outcome", None, "GPUs of all workloads."),
    number("power", ("fleet",), "outcome", "W", "Board power of all GPUs."),
    number("throughput", ("fleet",), "outcome", "tok/s", "Tokens per second, generated and trained."),
    number("replicas", ("fleet",), "outcome", None, "Replicas of all inference workloads; a training adds none."),
    number("total_cost", ("fleet",), "outcome", "USD", "Price of all training runs; an inference adds none."),
    number("available", ("fleet",), "outcome", None, "GPUs of one type that may be used: `available.h100_sxm <= 16`."),
)
"""The fields of rows. `given` ones can be declared; a filter can ask for all of a GPU, offer or format."""

FIELDS_BY_KIND: dict[str, dict[str, Quantity]] = {
    kind: {row.name: row for row in FIELDS if kind in row.kinds}
    for kind in ("model", "gpu", "offer", "format", "measurement", "fleet")
}
"""The fields of each kind of declaration by name."""

SETS = frozenset(row.name for row in FIELDS if row.type == "set")
MICRO = 1_000_000


def _number(value: float | Fraction | None, unit: str | None = None) -> Measure | None:
    return None if value is None else Measure(Fraction(value), unit)


def _word(value: str | None) -> Measure | None:
    return None if value is None or value == "" else Measure(value)


def members(row: Gpu | Format, name: str) -> tuple[str, ...]:
    """Return the words of a field that holds a set."""
    value = getattr(row, name, ())
    return tuple(value)


def ask(row: Gpu | Offer | Format, field: str, part: str = "") -> Measure | None:
    """Return a field of a row in canonical units, None where the row does not know it.

    `part` is the format of `peak`, or the word that a set is asked for.
    """
    if field in SETS:
        return Measure(part in members(row, field)) if isinstance(row, Gpu | Format) else None
    match row:
        case Gpu():
            return _ask_gpu(row, field, part)
        case Offer():
            return _ask_offer(row, field)
        case Format():
            if field in ("id", "computes_as"):
                return _word(getattr(row, field))
            return _number(getattr(row, field, None))


def _ask_gpu(row: Gpu, field: str, part: str) -> Measure | None:
    match field:
        case "memory" | "device_memory":
            return _number(getattr(row, field), "bytes")
        case "bandwidth" | "link_bandwidth":
            return _number(Fraction(getattr(row, field), 10**9), "GB/s")
        case "power":
            return _number(row.power_w, "W")
        case "peak":
            return _number(row.flops.get(part), "FLOPS")
        case "max_gpus_per_node" | "release_year":
            return _number(getattr(row, field))
    return _word(getattr(row, field, None))


def _ask_offer(row: Offer, field: str) -> Measure | None:
    match field:
        case "price" | "spot" | "reserved_1y" | "reserved_3y":
            price: int | None = getattr(row, field)
            return None if price is None else Measure(Fraction(price, MICRO), "USD/h")
        case "gpus" | "available" | "vcpus":
            return _number(getattr(row, field))
        case "ram":
            return None if row.ram_gib is None else Measure(Fraction(row.ram_gib) * 2**30, "bytes")
        case "marketplace":
            return Measure(row.marketplace)
        case "as_of":
            day = first_day(row.as_of)
            return None if day is None else Measure(Fraction(day.toordinal()), DATE)
    return _word(getattr(row, field, None))
