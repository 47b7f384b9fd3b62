"""The rows of the catalogs as frozen records."""

from __future__ import annotations

from dataclasses import field
from fractions import Fraction

from planner.catalog.architecture import Architecture, Layers, Vision
from planner.record import dataclass

__all__ = [
    "MARKETS",
    "Architecture",
    "Format",
    "Gpu",
    "Layers",
    "Model",
    "Offer",
    "Recovery",
    "Vision",
]


@dataclass(frozen=True, slots=True)
class Format:
    """A number format. `bits` is what one weight costs on disk and on the GPU, scales and zero points included.

    A format that a plan declares may have a `quality` of its own, a recovery that stands before any measurement;
    `like` is the shipped format it copies, whose measurements hold for it otherwise.

    `row_bytes` are scales of each output channel, `expert_multiple` what kernels pad experts to, `only` the one
    tensor class that is quantised (`experts`), `left_bits` what the classes left alone are stored in, `file_types`
    the (tensor, layers, block type, bits) rules of a GGUF file that mixes block types; the first that fits holds.
    `kv_needs` is what hardware must compute for a cache in the format, `kv_whole_layers` how many layers keep theirs in
    16 bit, the first and the last ones. `classes` are tensors of a native checkpoint that are in another format,
    `partly` those left alone in so many layers, and a `tile` of so many rows and columns has one scale; no row has
    them, a model's `native_classes`, `native_partly` and `native_block` say it.
    """

    id: str
    name: str
    bits: Fraction
    element_bits: int
    source: str
    exponent: int | None = None
    mantissa: int | None = None
    largest: float | None = None
    epsilon: float | None = None
    block: int | None = None
    overhead_bits: Fraction = Fraction(0)
    leaves: tuple[str, ...] = ()
    computes_as: str = "bf16"
    needs: tuple[str, ...] = ()
    roles: tuple[str, ...] = ("weights",)
    engines: tuple[str, ...] = ()
    note: str = ""
    quality: Fraction | None = None
    like: str = ""
    row_bytes: int = 0
    expert_multiple: int = 1
    kv_scale_bits: int = 0
    kv_whole_layers: int = 0
    kv_needs: tuple[str, ...] = ()
    left_bits: int = 16
    tile: int = 0
    only: str = ""
    file_types: tuple[tuple[str, str, str, Fraction], ...] = ()
    classes: tuple[tuple[str, Format], ...] = ()
    partly: tuple[tuple[str, int], ...] = ()

    def __hash__(self) -> int:
        return hash(self.id)  # formats of one name are few; to hash a fraction takes longer than to look one up


@dataclass(frozen=True, slots=True)
class Gpu:
    """An accelerator. Sizes in bytes, bandwidth in bytes/s, peaks in FLOP/s by format (dense)."""

    id: str
    name: str
    vendor: str
    architecture: str
    memory: int
    device_memory: int
    marketed_gb: int
    bandwidth: int
    flops: dict[str, int]
    native_formats: tuple[str, ...]
    link_bandwidth: int
    pcie: str | None
    max_gpus_per_node: int
    power_w: int
    release_year: int
    confidence: str
    aliases: tuple[str, ...]
    source: str
    memory_source: str
    note: str = ""
    compute_capability: str | None = None
    memory_type: str = ""
    unified: bool = False
    link: str | None = None
    mig: tuple[str, ...] = ()
    multiprocessors: int | None = None
    cpu: str = ""
    """The architecture of the host's processor where the GPU comes with one kind alone: `arm`, else empty."""
    sources: dict[str, str] = field(default_factory=dict)
    """Where each figure comes from, under the name of its field in the file."""


MARKETS = {"on_demand": "price", "spot": "spot", "reserved_1y": "reserved_1y", "reserved_3y": "reserved_3y"}
"""The markets of an offer, each with the field that has its price."""


@dataclass(frozen=True, slots=True)
class Offer:
    """Something that can be rented. Prices in micro-dollars per hour for the whole instance; None where not sold so."""

    id: str
    provider: str
    instance_type: str
    region: str
    gpu: str
    gpus: int
    price: int | None
    spot: int | None
    sold_by: str
    marketplace: bool
    as_of: str
    source: str
    vcpus: int | None = None
    ram_gib: float | None = None
    available: int | None = None
    flags: tuple[str, ...] = ()
    note: str = ""
    network: int | None = None
    """Bytes/s between its instances, of one of them; None where nobody states it."""
    reserved_1y: int | None = None
    reserved_3y: int | None = None
    """What an hour costs where it is committed to for one year, and for three."""
    spot_as_of: str = ""
    """The day of the spot price, where it is another than that of the others."""

    def dated(self, market: str) -> str:
        """Return the day of the price in a market."""
        return self.spot_as_of if market == "spot" and self.spot_as_of else self.as_of

    def price_in(self, market: str) -> int | None:
        """Return what an hour costs in a market, None where it is not sold so."""
        price: int | None = getattr(self, MARKETS[market], None) if market in MARKETS else None
        return price


@dataclass(frozen=True, slots=True)
class Model:
    """A model: exact parameter counts and, unless only their number is known, its architecture."""

    id: str
    params: int
    active_params: int
    native_format: str
    max_context: int | None
    licence: str
    model_type: str
    architecture: Architecture | None
    verified: str
    source: str
    aliases: tuple[str, ...] = ()
    breakdown: dict[str, int] = field(default_factory=dict)
    note: str = ""
    published_params: int | None = None
    """What the published checkpoint stores, where that is not `params`; `published_note` says why."""
    published_note: str = ""
    native_leaves: tuple[str, ...] = ()
    """Tensor classes that a natively quantized checkpoint keeps in 16 bit, beside those its format leaves."""
    native_classes: dict[str, str] = field(default_factory=dict)
    """Tensor classes that it keeps in a format of their own, with the format's id."""
    native_partly: dict[str, int] = field(default_factory=dict)
    """Tensor classes that it keeps in 16 bit in some layers, with the number of these layers."""
    native_block: int = 0
    """Rows and columns of a weight that share a scale in its fp8 tensors, 0 where scales are of tensors or rows."""
    stored_bytes: int | None = None
    """Bytes of a checkpoint's data, where the model was read from one; `stored` has them by type."""
    stored: dict[str, int] = field(default_factory=dict)
    of: str = ""
    """The model's row, where this is a checkpoint of it under a name of its own."""
    original_format: str = ""
    """What the model was published in, where this checkpoint was quantized or converted from it."""
    assumed: tuple[str, ...] = ()
    """What an approximate description takes for granted, in sentences; empty where it is exact."""
    layout: str = ""
    """How the formats of a checkpoint's tensors are known: `read`, or `named` where only its name says them."""


@dataclass(frozen=True, slots=True)
class Recovery:
    """A measured quality of a format relative to the native one, as a fraction (1 = all kept)."""

    id: str
    role: str
    format: str
    model: str
    method: str
    quantization: str
    metric: str
    recovery: Fraction
    source: str
