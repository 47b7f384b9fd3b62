"""Building the records from the rows as the files write them (natural units in, bytes and FLOP/s out)."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from planner.catalog.architecture import Layers, feed_forward_of, mixer_of
from planner.catalog.reading.fields import (
    Row,
    fraction_of,
    integers_of,
    number_of,
    scaled_of,
    text_of,
    texts_of,
    whole_of,
)
from planner.catalog.records import MARKETS, Architecture, Format, Gpu, Model, Offer, Recovery, Vision

MOST_GPUS = 100_000


MOST_LAYERS = 10_000


FILE_LAYERS = ("all", "grouped", "first_eighth", "first_sixteenth", "more", "below_2", "below_4", "middle")
"""The layers a rule of a GGUF file can be for (planner/physics/inference/gguf.py)."""


def build_gpu(row: Row) -> Gpu:
    """Return the accelerator of a row of gpus.yaml."""
    return Gpu(
        id=text_of(row, "id"),
        name=text_of(row, "name"),
        vendor=text_of(row, "vendor"),
        architecture=text_of(row, "architecture"),
        memory=whole_of(row, "memory_mib") * 2**20,
        device_memory=whole_of(row, "device_memory_mib") * 2**20,
        marketed_gb=whole_of(row, "marketed_gb"),
        bandwidth=scaled_of(row, "bandwidth_gb_s", 10**9),
        flops={name: scaled_of(row["tflops"], name, 10**12) for name in row["tflops"]},
        native_formats=texts_of(row, "native_formats"),
        link_bandwidth=scaled_of(row, "link_gb_s", 10**9),
        pcie=row.get("pcie"),
        max_gpus_per_node=whole_of(row, "max_gpus_per_node"),
        power_w=whole_of(row, "power_w"),
        release_year=whole_of(row, "release_year"),
        confidence=text_of(row, "confidence"),
        aliases=texts_of(row, "aliases"),
        source=text_of(row, "source"),
        memory_source=text_of(row, "memory_source"),
        note=row.get("note", ""),
        compute_capability=row.get("compute_capability"),
        memory_type=row.get("memory_type", ""),
        unified=bool(row.get("unified", False)),
        link=row.get("link"),
        mig=texts_of(row, "mig"),
        multiprocessors=number_of(row, "multiprocessors"),
        cpu=row.get("cpu") or "",
        sources={name: str(text) for name, text in (row.get("sources") or {}).items()},
    )


def _price(row: Row, name: str) -> int | None:
    return scaled_of(row, f"{name}_usd_h", 10**6) if row.get(f"{name}_usd_h") is not None else None


def build_offer(row: Row) -> Offer:
    """Return the offer of a row of offers.yaml; USD become micro-dollars."""
    if row["sold_by"] not in ("instance", "gpu"):
        raise ValueError("`sold_by` must be `instance` or `gpu`")
    if all(row.get(f"{name}_usd_h") is None for name in MARKETS.values()):
        raise ValueError("neither `price_usd_h` nor `spot_usd_h` nor a reserved price")
    if not 1 <= whole_of(row, "gpus") <= MOST_GPUS:
        raise ValueError(f"`gpus` must be 1 to {MOST_GPUS}")
    if row.get("network_gbit_s") == 0:
        raise ValueError("`network_gbit_s` is above zero; leave it out where it is not known")
    named = f"{text_of(row, 'provider')}/{text_of(row, 'region')}/{text_of(row, 'instance_type')}"
    if text_of(row, "id") != named:
        raise ValueError(f"`id` must be its provider, region and instance type: `{named}`")
    return Offer(
        id=text_of(row, "id"),
        provider=text_of(row, "provider"),
        instance_type=text_of(row, "instance_type"),
        region=text_of(row, "region"),
        gpu=text_of(row, "gpu"),
        gpus=whole_of(row, "gpus"),
        price=_price(row, "price"),
        spot=_price(row, "spot"),
        sold_by=row["sold_by"],
        marketplace=bool(row.get("marketplace", False)),
        as_of=text_of(row, "as_of"),
        source=text_of(row, "source"),
        vcpus=number_of(row, "vcpus"),
        ram_gib=number_of(row, "ram_gib"),
        available=number_of(row, "available"),
        flags=texts_of(row, "flags"),
        note=row.get("note", ""),
        network=scaled_of(row, "network_gbit_s", 125_000_000) if row.get("network_gbit_s") is not None else None,
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
        hidden=whole_of(row, "hidden"),
        inter=whole_of(row, "inter"),
        attention=whole_of(row, "attention"),
        pixels=whole_of(row, "pixels"),
        image=_pair(row, "image"),
        source=text_of(row, "source"),
        gated=bool(row.get("gated", False)),
        rotary=bool(row.get("rotary", False)),
        video=_pair(row, "video"),
        video_steps=number_of(row, "video_steps") or 1,
        video_spread=fraction_of(row, "video_spread", "1"),
        outputs=number_of(row, "outputs") or 1,
        kept=number_of(row, "kept") or 0,
    )


def build_architecture(row: Row, family: str = "") -> Architecture:
    """Return the architecture of a model's row; `family` is its `model_type`."""
    groups = tuple(
        Layers(
            count=whole_of(group, "count"),
            mixer=mixer_of(group["mixer"]),
            ffn=feed_forward_of(group["ffn"]),
            norms=whole_of(group, "norms"),
            extra=group.get("extra", 0),
        )
        for group in row["groups"]
    )
    if sum(group.count for group in groups) > MOST_LAYERS:
        raise ValueError(f"`groups` has more than {MOST_LAYERS} layers")
    named = ("hidden", "vocab", "tied", "norm", "groups", "vision")
    rest = {key: value for key, value in row.items() if key not in named}
    return Architecture(
        hidden=whole_of(row, "hidden"),
        vocab=whole_of(row, "vocab"),
        tied=bool(row["tied"]),
        norm=text_of(row, "norm"),
        groups=groups,
        vision=_vision(row["vision"]) if row.get("vision") else None,
        **{"family": family, **rest},
    )


def build_model(row: Row) -> Model:
    """Return the model of a row of models.yaml."""
    architecture = row.get("architecture")
    return Model(
        id=text_of(row, "id"),
        params=whole_of(row, "params"),
        active_params=whole_of(row, "active_params"),
        native_format=text_of(row, "native_format"),
        max_context=number_of(row, "max_context"),
        licence=text_of(row, "licence"),
        model_type=text_of(row, "model_type"),
        architecture=build_architecture(architecture, text_of(row, "model_type")) if architecture else None,
        verified=text_of(row, "verified"),
        source=text_of(row, "source"),
        aliases=texts_of(row, "aliases"),
        breakdown=integers_of(row, "breakdown"),
        note=row.get("note", ""),
        published_params=number_of(row, "published_params"),
        published_note=row.get("published_note", ""),
        native_leaves=texts_of(row, "native_leaves"),
        native_classes={str(name): str(form) for name, form in (row.get("native_classes") or {}).items()},
        native_partly=integers_of(row, "native_partly"),
        native_block=number_of(row, "native_block") or 0,
    )


def build_format(row: Row) -> Format:
    """Return the number format of a row of formats.yaml."""
    return Format(
        id=text_of(row, "id"),
        name=text_of(row, "name"),
        bits=fraction_of(row, "bits"),
        element_bits=whole_of(row, "element_bits"),
        source=text_of(row, "source"),
        exponent=number_of(row, "exponent"),
        mantissa=number_of(row, "mantissa"),
        largest=number_of(row, "largest"),
        epsilon=number_of(row, "epsilon"),
        block=number_of(row, "block"),
        overhead_bits=fraction_of(row, "overhead_bits", "0"),
        leaves=texts_of(row, "leaves"),
        computes_as=row.get("computes_as", "bf16"),
        needs=texts_of(row, "needs"),
        roles=texts_of(row, "roles"),
        engines=texts_of(row, "engines"),
        note=row.get("note", ""),
        row_bytes=number_of(row, "row_bytes") or 0,
        expert_multiple=number_of(row, "expert_multiple") or 1,
        kv_scale_bits=number_of(row, "kv_scale_bits") or 0,
        kv_whole_layers=number_of(row, "kv_whole_layers") or 0,
        kv_needs=texts_of(row, "kv_needs"),
        left_bits=number_of(row, "left_bits") or 16,
        only=row.get("only", ""),
        file_types=tuple(_file_type(*rule) for rule in row.get("file_types") or ()),
    )


def _file_type(tensor: Any, layers: Any, block: Any, bits: Any) -> tuple[str, str, str, Fraction]:
    if layers not in FILE_LAYERS:
        raise ValueError(f"`file_types` has the layers `{str(layers)[:40]}`; known are {', '.join(FILE_LAYERS)}")
    return str(tensor), str(layers), str(block), Fraction(str(bits))


def build_recovery(row: Row) -> Recovery:
    """Return the measured quality of a row of quality.yaml."""
    return Recovery(
        id=text_of(row, "id"),
        role=text_of(row, "role"),
        format=text_of(row, "format"),
        model=text_of(row, "model"),
        method=text_of(row, "method"),
        quantization=text_of(row, "quantization"),
        metric=text_of(row, "metric"),
        recovery=fraction_of(row, "recovery"),
        source=text_of(row, "source"),
    )
