"""The rows as the files write them: what a loader checks and what the JSON schemas are generated from."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from planner.catalog.model_rows import CheckpointRow, ModelRow
from planner.catalog.programs.program_rows import EngineModelRow, EngineOptionRow, EngineRow, FrameworkRow
from planner.catalog.reading.limits import AsOf, Count, Exact, Limit, Number, Text, Whole, Words
from planner.record import dataclass


@dataclass(frozen=True, slots=True)
class GpuRow:
    """An accelerator; the shipped catalog is gpus.yaml."""

    id: Annotated[str, Limit(1, r"[a-z][a-z0-9_]*", "snake_case")]
    name: Text
    vendor: Text
    architecture: Text
    marketed_gb: Annotated[int, Limit(1, about="the memory it is sold with, in GB")]
    memory_mib: Annotated[int, Limit(1, about="what a framework can use, in MiB")]
    device_memory_mib: Annotated[int, Limit(1, about="what the device reports, in MiB")]
    memory_source: Text
    bandwidth_gb_s: Annotated[float, Limit(0, about="memory bandwidth in GB/s")]
    tflops: Annotated[dict[str, Number], Limit(about="dense peaks in TFLOP/s by format")]
    native_formats: Words
    link_gb_s: Annotated[float, Limit(0, about="GB/s to the other GPUs of a node, one direction; 0 without a link")]
    max_gpus_per_node: Count
    power_w: Annotated[int, Limit(0, about="board power in W; 0 where it is not published")]
    release_year: Count
    confidence: Literal["high", "medium", "low"]
    source: Text
    compute_capability: Text | None = None
    memory_type: Text | None = None
    unified: bool = False
    link: Text | None = None
    pcie: Text | None = None
    mig: Words | None = None
    multiprocessors: Count | None = None
    cpu: Annotated[Literal["arm"] | None, Limit(about="the host's processor, where it comes with this alone")] = None
    aliases: Words | None = None
    sources: Annotated[dict[str, Text] | None, Limit(about="where each figure comes from, by field")] = None
    note: str = ""
    override: bool = False


@dataclass(frozen=True, slots=True)
class OfferRow:
    """Something that can be rented; the shipped catalog is offers.yaml."""

    id: Annotated[str, Limit(1, about="provider/region/instance_type")]
    provider: Text
    instance_type: Text
    region: Text
    gpu: Text
    gpus: Count
    sold_by: Literal["instance", "gpu"]
    as_of: AsOf
    source: Text
    price_usd_h: Annotated[float | None, Limit(0, about="USD per hour of the whole row, on demand")] = None
    spot_usd_h: Annotated[float | None, Limit(0, about="USD per hour of the whole row, spot")] = None
    reserved_1y_usd_h: Annotated[
        float | None, Limit(0, about="USD per hour of the whole row, committed for a year")
    ] = None
    reserved_3y_usd_h: Annotated[float | None, Limit(0, about="USD per hour of the whole row, for three years")] = None
    spot_as_of: AsOf | None = None
    marketplace: bool = False
    vcpus: Number | None = None
    ram_gib: Number | None = None
    available: Annotated[int | None, Limit(0, about="how many can be had")] = None
    network_gbit_s: Annotated[Number | None, Limit(0, about="Gbit/s between instances, of one of them")] = None
    flags: Words | None = None
    note: str = ""
    override: bool = False


@dataclass(frozen=True, slots=True)
class FormatRow:
    """A number format; the shipped catalog is formats.yaml."""

    id: Text
    name: Text
    bits: Exact
    element_bits: Count
    source: Text
    exponent: Whole | None = None
    mantissa: Whole | None = None
    largest: Number | None = None
    epsilon: Number | None = None
    block: Count | None = None
    overhead_bits: Exact | None = None
    leaves: Words | None = None
    left_bits: Count | None = None
    computes_as: Text | None = None
    needs: Words | None = None
    roles: Words | None = None
    engines: Words | None = None
    row_bytes: Whole | None = None
    kv_scale_bits: Whole | None = None
    kv_whole_layers: Whole | None = None
    kv_needs: Words | None = None
    expert_multiple: Count | None = None
    only: Text | None = None
    file_types: list[Any] | None = None
    aliases: Words | None = None
    note: str = ""
    override: bool = False


@dataclass(frozen=True, slots=True)
class RecoveryRow:
    """A measured quality of a format relative to the native one; the shipped catalog is quality.yaml."""

    id: Text
    role: Literal["weights", "kv_cache", "activations"]
    format: Text
    model: Text
    method: Text
    quantization: Text
    metric: Text
    recovery: Exact
    source: Text
    note: str = ""
    override: bool = False


ROWS: dict[str, type] = {
    "gpus": GpuRow,
    "offers": OfferRow,
    "models": ModelRow,
    "formats": FormatRow,
    "engines": EngineRow,
    "engine_models": EngineModelRow,
    "engine_options": EngineOptionRow,
    "frameworks": FrameworkRow,
    "quality": RecoveryRow,
    "checkpoints": CheckpointRow,
}
"""The form of a row, by catalog."""
