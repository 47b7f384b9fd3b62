"""Building the records from the rows as the files write them (natural units in, bytes and FLOP/s out)."""

from __future__ import annotations

from fractions import Fraction
from math import isfinite
from typing import Any

from planner.catalog.architecture import Layers, feed_forward_of, mixer_of
from planner.catalog.lazily import Lazily
from planner.catalog.records import (
    MARKETS,
    Architecture,
    CacheDefault,
    Engine,
    ExpertKernel,
    Format,
    Gpu,
    Lack,
    Model,
    Offer,
    Recovery,
    Release,
    Vision,
)

Row = dict[str, Any]
MOST, MOST_WHOLE = 10**12, 10**15
"""No price or rate, and no number of bytes or parameters, in a catalog is larger, in the units of the files."""
MOST_GPUS = 100_000
MOST_LAYERS = 10_000
FILE_LAYERS = ("all", "grouped", "first_eighth", "first_sixteenth", "more", "below_2", "below_4", "middle")
"""The layers a rule of a GGUF file can be for (planner/physics/inference/gguf.py)."""


def _text(row: Row, key: str) -> str:
    value = row[key]
    if not isinstance(value, str) or not value:
        raise ValueError(f"`{key}` must be a text")
    return value


def _texts(row: Row, key: str) -> tuple[str, ...]:
    value = row.get(key) or []
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise ValueError(f"`{key}` must be a list of texts")
    return tuple(value)


def _whole(row: Row, key: str) -> int:
    value = row[key]
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= MOST_WHOLE:
        raise ValueError(f"`{key}` must be a whole number up to {MOST_WHOLE:.0e}")
    return value


def _scaled(row: Row, key: str, unit: int) -> int:
    value = row[key]
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < MOST:
        raise ValueError(f"`{key}` must be a number below {MOST:.0e}")
    return round(value * unit)


def _maybe(row: Row, key: str) -> Any:
    value = row.get(key)
    if value is not None and (isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value)):
        raise ValueError(f"`{key}` must be a number")
    return value


def _fraction(row: Row, key: str, default: str | None = None) -> Fraction:
    return Fraction(str(row[key] if default is None else row.get(key, default)))


def _integers(row: Row, key: str) -> dict[str, int]:
    return {name: _whole(row[key], name) for name in row.get(key) or {}}


def build_gpu(row: Row) -> Gpu:
    """Return the accelerator of a row of gpus.yaml."""
    return Gpu(
        id=_text(row, "id"),
        name=_text(row, "name"),
        vendor=_text(row, "vendor"),
        architecture=_text(row, "architecture"),
        memory=_whole(row, "memory_mib") * 2**20,
        device_memory=_whole(row, "device_memory_mib") * 2**20,
        marketed_gb=_whole(row, "marketed_gb"),
        bandwidth=_scaled(row, "bandwidth_gb_s", 10**9),
        flops={name: _scaled(row["tflops"], name, 10**12) for name in row["tflops"]},
        native_formats=_texts(row, "native_formats"),
        link_bandwidth=_scaled(row, "link_gb_s", 10**9),
        pcie=row.get("pcie"),
        max_gpus_per_node=_whole(row, "max_gpus_per_node"),
        power_w=_whole(row, "power_w"),
        release_year=_whole(row, "release_year"),
        confidence=_text(row, "confidence"),
        aliases=_texts(row, "aliases"),
        source=_text(row, "source"),
        memory_source=_text(row, "memory_source"),
        note=row.get("note", ""),
        compute_capability=row.get("compute_capability"),
        memory_type=row.get("memory_type", ""),
        unified=bool(row.get("unified", False)),
        link=row.get("link"),
        mig=_texts(row, "mig"),
        multiprocessors=_maybe(row, "multiprocessors"),
        cpu=row.get("cpu") or "",
        sources={name: str(text) for name, text in (row.get("sources") or {}).items()},
    )


def _price(row: Row, name: str) -> int | None:
    return _scaled(row, f"{name}_usd_h", 10**6) if row.get(f"{name}_usd_h") is not None else None


def build_offer(row: Row) -> Offer:
    """Return the offer of a row of offers.yaml; USD become micro-dollars."""
    if row["sold_by"] not in ("instance", "gpu"):
        raise ValueError("`sold_by` must be `instance` or `gpu`")
    if all(row.get(f"{name}_usd_h") is None for name in MARKETS.values()):
        raise ValueError("neither `price_usd_h` nor `spot_usd_h` nor a reserved price")
    if not 1 <= _whole(row, "gpus") <= MOST_GPUS:
        raise ValueError(f"`gpus` must be 1 to {MOST_GPUS}")
    if row.get("network_gbit_s") == 0:
        raise ValueError("`network_gbit_s` is above zero; leave it out where it is not known")
    named = f"{_text(row, 'provider')}/{_text(row, 'region')}/{_text(row, 'instance_type')}"
    if _text(row, "id") != named:
        raise ValueError(f"`id` must be its provider, region and instance type: `{named}`")
    return Offer(
        id=_text(row, "id"),
        provider=_text(row, "provider"),
        instance_type=_text(row, "instance_type"),
        region=_text(row, "region"),
        gpu=_text(row, "gpu"),
        gpus=_whole(row, "gpus"),
        price=_price(row, "price"),
        spot=_price(row, "spot"),
        sold_by=row["sold_by"],
        marketplace=bool(row.get("marketplace", False)),
        as_of=_text(row, "as_of"),
        source=_text(row, "source"),
        vcpus=_maybe(row, "vcpus"),
        ram_gib=_maybe(row, "ram_gib"),
        available=_maybe(row, "available"),
        flags=_texts(row, "flags"),
        note=row.get("note", ""),
        network=_scaled(row, "network_gbit_s", 125_000_000) if row.get("network_gbit_s") is not None else None,
        reserved_1y=_price(row, "reserved_1y"),
        reserved_3y=_price(row, "reserved_3y"),
        spot_as_of=row.get("spot_as_of") or "",
    )


def _pair(row: Row, key: str) -> tuple[int, int]:
    value = row.get(key) or [0, 0]
    if not isinstance(value, list) or len(value) != 2:
        raise ValueError(f"`{key}` must be two numbers, tokens and patches")
    return int(value[0]), int(value[1])


def _vision(row: Row) -> Vision:
    return Vision(
        hidden=_whole(row, "hidden"),
        inter=_whole(row, "inter"),
        attention=_whole(row, "attention"),
        pixels=_whole(row, "pixels"),
        image=_pair(row, "image"),
        source=_text(row, "source"),
        gated=bool(row.get("gated", False)),
        rotary=bool(row.get("rotary", False)),
        video=_pair(row, "video"),
        video_steps=_maybe(row, "video_steps") or 1,
        video_spread=_fraction(row, "video_spread", "1"),
        outputs=_maybe(row, "outputs") or 1,
        kept=_maybe(row, "kept") or 0,
    )


def build_architecture(row: Row, family: str = "") -> Architecture:
    """Return the architecture of a model's row; `family` is its `model_type`."""
    groups = tuple(
        Layers(
            count=_whole(group, "count"),
            mixer=mixer_of(group["mixer"]),
            ffn=feed_forward_of(group["ffn"]),
            norms=_whole(group, "norms"),
            extra=group.get("extra", 0),
        )
        for group in row["groups"]
    )
    if sum(group.count for group in groups) > MOST_LAYERS:
        raise ValueError(f"`groups` has more than {MOST_LAYERS} layers")
    named = ("hidden", "vocab", "tied", "norm", "groups", "vision")
    rest = {key: value for key, value in row.items() if key not in named}
    return Architecture(
        hidden=_whole(row, "hidden"),
        vocab=_whole(row, "vocab"),
        tied=bool(row["tied"]),
        norm=_text(row, "norm"),
        groups=groups,
        vision=_vision(row["vision"]) if row.get("vision") else None,
        **{"family": family, **rest},
    )


def build_model(row: Row) -> Model:
    """Return the model of a row of models.yaml."""
    architecture = row.get("architecture")
    return Model(
        id=_text(row, "id"),
        params=_whole(row, "params"),
        active_params=_whole(row, "active_params"),
        native_format=_text(row, "native_format"),
        max_context=_maybe(row, "max_context"),
        licence=_text(row, "licence"),
        model_type=_text(row, "model_type"),
        architecture=build_architecture(architecture, _text(row, "model_type")) if architecture else None,
        verified=_text(row, "verified"),
        source=_text(row, "source"),
        aliases=_texts(row, "aliases"),
        breakdown=_integers(row, "breakdown"),
        note=row.get("note", ""),
        published_params=_maybe(row, "published_params"),
        published_note=row.get("published_note", ""),
        native_leaves=_texts(row, "native_leaves"),
        native_classes={str(name): str(form) for name, form in (row.get("native_classes") or {}).items()},
        native_partly=_integers(row, "native_partly"),
        native_block=_maybe(row, "native_block") or 0,
    )


def build_format(row: Row) -> Format:
    """Return the number format of a row of formats.yaml."""
    return Format(
        id=_text(row, "id"),
        name=_text(row, "name"),
        bits=_fraction(row, "bits"),
        element_bits=_whole(row, "element_bits"),
        source=_text(row, "source"),
        exponent=_maybe(row, "exponent"),
        mantissa=_maybe(row, "mantissa"),
        largest=_maybe(row, "largest"),
        epsilon=_maybe(row, "epsilon"),
        block=_maybe(row, "block"),
        overhead_bits=_fraction(row, "overhead_bits", "0"),
        leaves=_texts(row, "leaves"),
        computes_as=row.get("computes_as", "bf16"),
        needs=_texts(row, "needs"),
        roles=_texts(row, "roles"),
        engines=_texts(row, "engines"),
        note=row.get("note", ""),
        row_bytes=_maybe(row, "row_bytes") or 0,
        expert_multiple=_maybe(row, "expert_multiple") or 1,
        kv_scale_bits=_maybe(row, "kv_scale_bits") or 0,
        kv_whole_layers=_maybe(row, "kv_whole_layers") or 0,
        kv_needs=_texts(row, "kv_needs"),
        left_bits=_maybe(row, "left_bits") or 16,
        only=row.get("only", ""),
        file_types=tuple(_file_type(*rule) for rule in row.get("file_types") or ()),
    )


def _file_type(tensor: Any, layers: Any, block: Any, bits: Any) -> tuple[str, str, str, Fraction]:
    if layers not in FILE_LAYERS:
        raise ValueError(f"`file_types` has the layers `{str(layers)[:40]}`; known are {', '.join(FILE_LAYERS)}")
    return str(tensor), str(layers), str(block), Fraction(str(bits))


def _version(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split("."))


def _release(row: Row) -> Release:
    sequences, batched = _whole(row, "max_sequences"), _whole(row, "max_batched_tokens")
    sampler = _fraction(row, "sampler_bytes_per_logit")
    return Release(
        since=_version(str(row["since"])),
        budget=_text(row, "budget"),
        gpu_memory_utilization=_fraction(row, "gpu_memory_utilization"),
        max_sequences=sequences,
        max_sequences_large=row.get("max_sequences_large", sequences),
        max_batched_tokens=batched,
        max_batched_tokens_large=row.get("max_batched_tokens_large", batched),
        sampler_bytes_per_logit=sampler,
        light_sampler_bytes_per_logit=_fraction(row, "light_sampler_bytes_per_logit", str(sampler)),
        non_torch_bytes={int(key): value for key, value in _integers(row, "non_torch_bytes").items()},
        context_bytes=_whole(row, "context_bytes"),
        graph_bytes=_whole(row, "graph_bytes"),
        whole_prompts=bool(row.get("whole_prompts", False)),
        graphs_in_budget=bool(row.get("graphs_in_budget", False)),
        state_bits=_maybe(row, "state_bits") or 16,
        windows=bool(row.get("windows", True)),
        rope_cache=bool(row.get("rope_cache", True)),
        latent_multiple=_maybe(row, "latent_multiple") or 1,
        reserves=tuple(
            (int(below), int(fixed), int(each), int(four[0]) if four else 0)
            for below, fixed, each, *four in row.get("reserves") or ()
        ),
        shares={int(ranks): Fraction(str(share)) for ranks, share in (row.get("shares") or {}).items()},
        source=_text(row, "source"),
        encoder=row.get("encoder", ""),
        thread_bytes=_maybe(row, "thread_bytes") or 0,
        non_torch_bridged_bytes={int(key): value for key, value in _integers(row, "non_torch_bridged_bytes").items()},
        vendor_bytes=_integers(row, "vendor_bytes"),
        state_pages=_maybe(row, "state_pages") or 0,
        by_request=bool(row.get("by_request", False)),
        absorbed=bool(row.get("absorbed", False)),
        graph_layer_bytes={int(key): value for key, value in _integers(row, "graph_layer_bytes").items()},
        graph_vendor_bytes=_integers(row, "graph_vendor_bytes"),
        graph_modes=_texts(row, "graph_modes"),
        graph_steps=tuple((int(step), int(most)) for step, most in row.get("graph_steps") or ()),
        graphs_by_sequences=bool(row.get("graphs_by_sequences", False)),
        large_gpus=_texts(row, "large_gpus"),
        large_excludes=("a100",) if row.get("large_excludes") is None else _texts(row, "large_excludes"),
        max_batched_tokens_huge=_maybe(row, "max_batched_tokens_huge") or 0,
        batches_in_flight=_maybe(row, "batches_in_flight") or 1,
        state_blocks=bool(row.get("state_blocks", False)),
        non_torch_paired_bytes={int(key): value for key, value in _integers(row, "non_torch_paired_bytes").items()},
        expert_tokens=_maybe(row, "expert_tokens") or 0,
        communicator_bytes=_maybe(row, "communicator_bytes") or 0,
        falls_back=_fallback(row, "falls_back"),
        falls_back_mixers=_texts(row, "falls_back_mixers"),
        compressed_pool=row.get("compressed_pool") or "",
        scores_kept_on=_texts(row, "scores_kept_on"),
        outputs_by_sequence=bool(row.get("outputs_by_sequence")),
        prefill_graphs=tuple((int(below), int(kept)) for below, kept in row.get("prefill_graphs") or ()),
        prefill_graphs_latent=int(row.get("prefill_graphs_latent") or 0),
        prefill_graphs_never=_texts(row, "prefill_graphs_never"),
        graph_batches=tuple((int(below), int(few), int(many)) for below, few, many in row.get("graph_batches") or ()),
        second_runner=row.get("second_runner") or "",
        second_runner_families=_texts(row, "second_runner_families"),
        second_sampler_bytes_per_logit=_fraction(row, "second_sampler_bytes_per_logit", "0"),
        warm_up_bytes_per_logit=_fraction(row, "warm_up_bytes_per_logit", "4"),
        compiles=bool(row.get("compiles", False)),
        communicator_switched_bytes=_maybe(row, "communicator_switched_bytes") or 0,
        unified_bytes=_maybe(row, "unified_bytes") or 0,
    )


def _fallback(row: Row, name: str) -> tuple[str, str]:
    first, second = row.get(name) or ("", "")
    return str(first), str(second)


def _lack(row: Row) -> Lack:
    return Lack(
        decision=_text(row, "decision"),
        what=_text(row, "what"),
        source=_text(row, "source"),
        formats=_texts(row, "formats"),
        sparse=bool(row.get("sparse", False)),
        dense=bool(row.get("dense", False)),
        by_sequence=bool(row.get("by_sequence", False)),
        all_to_all=_texts(row, "all_to_all"),
        split=row.get("split") or "",
        vendors=_texts(row, "vendors"),
        runs_on=_texts(row, "runs_on"),
        until=row.get("until") or "",
        since=row.get("since") or "",
        caches=_texts(row, "caches"),
        latent=bool(row.get("latent", False)),
        plain=bool(row.get("plain", False)),
        mixed=bool(row.get("mixed", False)),
        families=_texts(row, "families"),
        tasks=_texts(row, "tasks"),
        experts=bool(row.get("experts", False)),
        sinks=bool(row.get("sinks", False)),
        head_sizes=tuple(row.get("head_sizes") or ()),
        images=bool(row.get("images", False)),
        as_published=bool(row.get("as_published", False)),
        cpus=_texts(row, "cpus"),
    )


def _cache_default(row: Row) -> CacheDefault:
    return CacheDefault(_text(row, "format"), _texts(row, "families"), _text(row, "source"), _texts(row, "runs_on"))


def _kernel(row: Row) -> ExpertKernel:
    return ExpertKernel(
        formats=_texts(row, "formats"),
        runs_on=_texts(row, "runs_on"),
        inner=_whole(row, "inner"),
        hidden=_whole(row, "hidden"),
        sparse=bool(row.get("sparse", False)),
        source=_text(row, "source"),
        since=row.get("since") or "",
        until=row.get("until") or "",
        kept_bits=_fraction(row, "kept_bits", "0"),
    )


def build_engine(row: Row) -> Engine:
    """Return the engine of a row of engines.yaml."""
    return Engine(
        id=_text(row, "id"),
        name=_text(row, "name"),
        block_tokens=_whole(row, "block_tokens"),
        gpu_memory_utilization=_fraction(row, "gpu_memory_utilization"),
        max_sequences=_whole(row, "max_sequences"),
        max_batched_tokens=_whole(row, "max_batched_tokens"),
        context_bytes=_whole(row, "context_bytes"),
        non_torch_bytes={int(key): value for key, value in _integers(row, "non_torch_bytes").items()},
        graph_bytes=_whole(row, "graph_bytes"),
        sampler_bytes_per_logit=_fraction(row, "sampler_bytes_per_logit"),
        bandwidth_efficiency=_fraction(row, "bandwidth_efficiency"),
        flops_efficiency=_fraction(row, "flops_efficiency"),
        sources={key: str(value) for key, value in row["sources"].items()},
        source=_text(row, "source"),
        note=row.get("note", ""),
        releases=Lazily(_release, sorted(row.get("releases") or (), key=lambda one: _version(_text(one, "since")))),
        margins={
            part: {int(at): _whole(table, at) for at in table} for part, table in (row.get("margins") or {}).items()
        },
        kv_formats=_texts(row, "kv_formats"),
        layer_split=bool(row.get("layer_split", False)),
        offload=row.get("offload", ""),
        vendors=_texts(row, "vendors"),
        excludes=_texts(row, "excludes"),
        least_capability=row.get("least_capability") or "",
        step_us=float(_maybe(row, "step_us") or 0),
        sequence_us=float(_maybe(row, "sequence_us") or 0),
        collective_us=float(_maybe(row, "collective_us") or 0),
        lacks=tuple(map(_lack, row.get("lacks") or ())),
        expert_kernels=tuple(map(_kernel, row.get("expert_kernels") or ())),
        cache_defaults=tuple(map(_cache_default, row.get("cache_defaults") or ())),
        one_host=bool(row.get("one_host", False)),
        whole_blocks=bool(row.get("whole_blocks", False)),
        encoder_apart=bool(row.get("encoder_apart", False)),
        sets=dict(row.get("sets") or {}),
        **{name: float(row[name]) for name in FITTED if row.get(name) is not None},
        kernels={
            operation: {
                name: {str(at): tuple(map(float, shares)) for at, shares in entries.items()}
                for name, entries in formats.items()
            }
            for operation, formats in (row.get("kernels") or {}).items()
        },
        time_margins=_time_margins(row, "time_margins"),
        anchored_margins=_time_margins(row, "anchored_margins"),
    )


def _time_margins(row: Row, key: str) -> dict[str, dict[int, int]]:
    return {name: {int(at): _whole(table, at) for at in table} for name, table in (row.get(key) or {}).items()}


FITTED = ("layer_us", "request_us", "prompt_factor", "prompt_steps", "prompt_waiting")
"""The times of an engine that are fitted end to end."""


def build_recovery(row: Row) -> Recovery:
    """Return the measured quality of a row of quality.yaml."""
    return Recovery(
        id=_text(row, "id"),
        role=_text(row, "role"),
        format=_text(row, "format"),
        model=_text(row, "model"),
        method=_text(row, "method"),
        quantization=_text(row, "quantization"),
        metric=_text(row, "metric"),
        recovery=_fraction(row, "recovery"),
        source=_text(row, "source"),
    )
