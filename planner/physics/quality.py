"""Measured quality of a format relative to the native one, the `recovery` rows of the catalog."""

from __future__ import annotations

import re
from collections.abc import Iterable
from fractions import Fraction

from planner.catalog.records import Model, Recovery


def family(model: str) -> str:
    """The first letters and digits of a model's name, without owner, version and size: `llama`, `qwen`."""
    name = model.rsplit("/", 1)[-1].lower().removeprefix("meta-").removeprefix("nvidia-")
    letters = ""
    for letter in name:
        if not letter.isalpha():
            break
        letters += letter
    return letters


SMALL = 3 * 10**9
"""Parameters below which a model loses more by rounding than the large ones of its family: what was measured on one so
small is taken for larger models only where nothing else was."""
_SIZE = re.compile(r"(?<![a-z0-9.])(\d+(?:\.\d+)?)([bm])(?![a-z0-9])")


def is_small(model: str) -> bool:
    """Return whether the name of a measured model states a size below SMALL; of a mixture the whole counts."""
    match = _SIZE.search(model.lower())
    return match is not None and float(match[1]) * (1e9 if match[2] == "b" else 1e6) < SMALL


FILE_SUFFIXES = ("_s", "_m", "_l", "_xs")
"""Endings of GGUF files that mix block types: without measurements of their own they take those of their block."""


def related(format_id: str) -> frozenset[str]:
    """The formats among which `measured_as` finds the one whose measurements hold."""
    shorter = {format_id.removesuffix(suffix) for suffix in FILE_SUFFIXES} - {format_id}
    return frozenset((format_id, *shorter, *(f"{name}_s" for name in shorter)))


def measured_as(rows: Iterable[Recovery], format_id: str, role: str) -> str:
    """The format whose measurements hold: the format's own, or those of a GGUF file's main block type."""
    known = {row.format for row in rows if row.role == role}
    for suffix in FILE_SUFFIXES:
        shorter = format_id.removesuffix(suffix)
        if format_id not in known and shorter != format_id:
            same = {shorter, f"{shorter}_s"} & known
            if same:
                return min(same)
    return format_id


def recovery(
    rows: Iterable[Recovery],
    format_id: str,
    role: str,
    model_id: str,
    quantization: str | None = None,
    native: str = "",
    params: int = 0,
) -> tuple[Fraction | None, str]:
    """The worst measurement that fits, and its basis; 1 for the native format, None if unmeasured.

    At most 1: what a benchmark shows above it is its noise. Rounding weights or a cache adds nothing to a model, and
    what was measured on one model is not a gain of another.
    """
    if format_id == native:
        return Fraction(1), "native"
    worst, basis = deciding(rows, format_id, role, model_id, quantization, params)
    if worst is None:
        return None, basis
    capped = ", above 100 % in its measurement" if worst.recovery > 1 else ""
    return min(Fraction(1), worst.recovery), f"{basis}: {worst.id}{capped}"


def steps(model: Model, format_id: str) -> tuple[str, ...]:
    """The formats that weights go through from what the model was published in to `format_id`, the lossless one aside.

    A checkpoint that was quantized has lost what its own format loses, whatever it is stored in on the GPU.
    """
    reference = model.original_format or model.native_format
    return tuple(name for name in dict.fromkeys((model.native_format, format_id)) if name != reference)


def deciding(
    rows: Iterable[Recovery],
    format_id: str,
    role: str,
    model_id: str,
    quantization: str | None = None,
    params: int = 0,
) -> tuple[Recovery | None, str]:
    """The measurement that decides, the worst that fits, and of how many it is the worst; None if unmeasured.

    `params` are the model's parameters, 0 where they are not known.
    """
    rows = tuple(rows)
    wanted = measured_as(rows, format_id, role)
    fitting = [row for row in rows if row.format == wanted and row.role == role]
    if quantization:
        fitting = [row for row in fitting if row.quantization == quantization]
    if not fitting:
        return None, "not measured"
    if not 0 < params < SMALL:
        fitting = [row for row in fitting if not is_small(row.model)] or fitting
    own = family(model_id)
    same = [row for row in fitting if own and family(row.model) == own]
    worst = min(same or fitting, key=lambda row: (row.recovery, row.id))
    basis = f"worst of {len(same)} of the family {own}" if same else f"worst of {len(fitting)} of other families"
    return worst, basis


def combined(weights: Fraction | None, kv_cache: Fraction | None) -> Fraction | None:
    """Weights and KV cache together: the product, as if independent; None if one is unknown."""
    return None if weights is None or kv_cache is None else weights * kv_cache
