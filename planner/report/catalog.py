"""Rows of the catalogs for people: a table of many, a page of one, and a model's layers as a run-length list."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from typing import Any

from planner.catalog.architecture import LayerPart, as_row
from planner.catalog.programs.frameworks import Framework
from planner.catalog.records import Architecture, Gpu, Model, Offer
from planner.diagnostics.shown import cleaned

COLUMNS = {
    "gpus": ("id", "name", "vendor", "memory", "bandwidth", "power_w", "confidence"),
    "offers": ("id", "gpu", "gpus", "price", "spot", "sold_by", "as_of", "flags"),
    "models": ("id", "params", "active_params", "native_format", "max_context", "licence", "verified"),
    "formats": ("id", "name", "bits", "roles", "engines"),
    "engines": ("id", "name", "block_tokens", "max_sequences", "max_batched_tokens"),
    "engine_models": ("id", "architecture", "release", "absent", "through", "last", "lora", "pipeline", "fp16"),
    "engine_options": ("id", "option", "value", "since", "until"),
    "frameworks": ("id", "name", "runs_on", "instead"),
    "quality": ("id", "role", "format", "model", "metric", "recovery"),
    "checkpoints": ("id", "of", "native_format", "layout"),
}
"""What a table of each catalog shows."""


MOST_OFFERS = 20
"""So many offers are listed with a GPU, the cheapest first."""


def cell(column: str, value: Any) -> str:
    """Return a field as a table shows it, with its unit."""
    value = cleaned(value)
    if value is None or value == ():
        return "-"
    match column:
        case "memory" | "device_memory":
            return f"{value / 2**30:.2f} GiB"
        case "bandwidth" | "link_bandwidth":
            return f"{value / 1e9:_.0f} GB/s"
        case "price" | "spot" | "reserved_1y" | "reserved_3y":
            return f"${value / 1e6:.4f}/h"
        case "params" | "active_params" | "published_params" | "max_context":
            return f"{value:_}"
        case "power_w":
            return f"{value} W" if value else "-"
    if isinstance(value, Fraction):
        return f"{float(value):g}"
    return ", ".join(map(str, value)) if isinstance(value, tuple | list) else str(value)


def table(columns: Sequence[str], records: Iterable[Any]) -> str:
    """Return records as aligned columns under their names."""
    rows = [tuple(columns), *(tuple(cell(name, getattr(row, name)) for name in columns) for row in records)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )


def facts(pairs: Mapping[str, Any], indent: str = "") -> list[str]:
    """Return names and values as lines, aligned."""
    shown = {name: text for name, value in pairs.items() if (text := cell(name, value)) not in ("-", "")}
    width = max(map(len, shown), default=0)
    return [f"{indent}{name:<{width}}  {text}" for name, text in shown.items()]


def gpu_page(gpu: Gpu, offers: Sequence[Offer]) -> str:
    """Return one GPU: its figures, where each comes from, and its offers, the cheapest GPU-hour first."""
    gpu = cleaned(gpu)
    plain = ("id", "name", "vendor", "architecture", "compute_capability", "memory_type", "memory", "device_memory",
             "marketed_gb", "bandwidth", "link", "link_bandwidth", "pcie", "max_gpus_per_node", "power_w",
             "release_year", "confidence", "mig", "aliases", "note")  # fmt: skip
    out = facts({name: getattr(gpu, name) for name in plain})
    out += ["", "dense peaks (TFLOP/s)"]
    out += [f"  {name:<10}{peak / 1e12:g}" for name, peak in gpu.flops.items()]
    out += ["", "sources", *facts({"memory_mib": gpu.memory_source, **gpu.sources}, "  ")]
    firm = sorted(offers, key=lambda offer: ((offer.price or offer.spot or 0) / offer.gpus, offer.id))
    out += ["", f"{len(firm)} offers" if firm else "no offer rents it"]
    if firm:
        shown = firm[:MOST_OFFERS]
        out += ["  " + line for line in table(("id", "gpus", "price", "spot", "as_of"), shown).splitlines()]
    if len(firm) > MOST_OFFERS:
        out += [f"  and {len(firm) - MOST_OFFERS} more: planner catalog list offers --where gpu={gpu.id}"]
    return "\n".join(out)


def framework_page(row: Framework, base: Framework | None) -> str:
    """Return one framework: what it runs on, its settings (its own or those of `base`), and what it lacks."""
    row = cleaned(row)
    shown = base or row
    plain = ("id", "name", "runs_on", "unmodelled", "instead", "aliases", "note", "source")
    out = facts({name: getattr(row, name) for name in plain})
    if row.sets:
        out += ["", "sets", *facts(row.sets, "  ")]
    if not row.unmodelled:
        can = ("vendors", "zero", "piped_zero", "pipelines", "hybrid", "joint", "some_layers", "selective",
               "selectives", "fsdp_version", "sync_each_batch")  # fmt: skip
        products = {"products": tuple(f"{name} {how}" for name, how in shown.products.items())}
        out += ["", "settings", *facts({name: getattr(shown, name) for name in can} | products, "  ")]
    lacks = row.lacks if base is None else (*row.lacks, *base.lacks)
    out += ["", "lacks", *(f"  {item.decision}  {item.what}: {item.source}" for item in lacks)] if lacks else []
    out += ["", "sources", *facts({**shown.sources, **row.sources}, "  ")] if shown.sources or row.sources else []
    return "\n".join(out)


def part(layer_part: LayerPart) -> str:
    """Return a mixer or feed-forward part as its kind and what it is made of."""
    fields = as_row(layer_part)
    said = [str(fields.pop("kind"))]
    for name, value in fields.items():
        if value is None or value is False:
            continue
        said.append(name if value is True else f"{name} {value}")
    return " ".join(said)


def layers(arch: Architecture) -> list[str]:
    """Return the run-length list of layers, one line a kind."""
    digits = len(str(max(group.count for group in arch.groups)))
    rows = [(f"{group.count:>{digits}} x", part(group.mixer), part(group.ffn)) for group in arch.groups]
    width = max(len(mixer) for _, mixer, _ in rows)
    return [f"  {count}  {mixer:<{width}}  {ffn}" for count, mixer, ffn in rows]


def model_page(model: Model, shown: Mapping[str, Any]) -> str:
    """Return one model: its counts, its layers drawn, its KV cache, and where it comes from."""
    model, shown = cleaned(model), cleaned(shown)
    plain = ("id", "params", "active_params", "published_params", "published_note", "of", "native_format",
             "original_format", "layout", "native_leaves", "native_partly", "native_classes", "max_context",
             "licence", "model_type", "verified", "assumed", "stored_bytes", "aliases", "note", "source")  # fmt: skip
    plain_facts = {name: getattr(model, name) for name in plain}
    plain_facts["native_classes"] = tuple(f"{kind} {form}" for kind, form in model.native_classes.items())
    plain_facts["native_partly"] = tuple(f"{kind} in {layers} layers" for kind, layers in model.native_partly.items())
    out = facts(plain_facts)
    arch = model.architecture
    if arch is not None:
        out += ["", f"{arch.layers} layers, hidden {arch.hidden}, vocabulary {arch.vocab}, "
                    f"{'tied' if arch.tied else 'untied'} head, norm {arch.norm}", *layers(arch)]  # fmt: skip
    cache = shown.get("kv_cache")
    if cache:
        out += ["", "KV cache in 16 bit, on one GPU", *facts({k: v for k, v in cache.items() if v}, "  ")]
    if model.breakdown:
        out += ["", "parameters", *(f"  {name:<14}{count:>22_}" for name, count in model.breakdown.items() if count)]
    if model.stored:
        out += ["", "stored bytes", *(f"  {name:<14}{count:>22_}" for name, count in model.stored.items())]
    return "\n".join(out)
