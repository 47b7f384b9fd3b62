"""Checkpoints on disk: the size and type of every tensor from safetensors and GGUF headers, without reading data."""

from __future__ import annotations

import itertools
import json
import os
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO

from planner.catalog.huggingface.config import ConfigError
from planner.catalog.huggingface.read import read_config
from planner.catalog.records import Model
from planner.catalog.stored.tensors import StoredTensor, StoredTensors
from planner.regular_files import opened, read_bytes

MAX_HEADER = 100_000_000
"""Bytes of a header: the limit of the safetensors format itself. Here all files of a checkpoint have it together:
800_000 tensors at 120 bytes each."""
MAX_PARTS = 10_000_000
"""The most values of a header, counted by what opens or separates them: some 70 bytes each once they are read."""
MAX_SHARDS = 10_000
MAX_DIMENSION = 2**48
BITS = {
    "F64": 64, "F32": 32, "F16": 16, "BF16": 16, "I64": 64, "I32": 32, "I16": 16, "I8": 8, "U64": 64, "U32": 32,
    "U16": 16, "U8": 8, "BOOL": 8, "F8_E4M3": 8, "F8_E5M2": 8, "F8_E8M0": 8, "F8_E4M3FNUZ": 8, "F8_E5M2FNUZ": 8,
    "C64": 64, "F6_E2M3": 6, "F6_E3M2": 6, "F4": 4,
}  # fmt: skip
"""Bits of an element by the type's name in a safetensors header (github.com/huggingface/safetensors, tensor.rs)."""
FORMATS = {"F32": "fp32", "F16": "fp16", "BF16": "bf16", "F8_E4M3": "fp8_e4m3", "F8_E5M2": "fp8_e5m2", "I8": "int8"}
"""The catalog's format of a type that holds weights as they are."""


def read_tensors(path: Path) -> StoredTensors:
    """Return the tensors of a `.safetensors` file, a `.safetensors.index.json` or a `.gguf` file; raise ConfigError."""
    if path.name.endswith(".json"):
        return StoredTensors(path, tuple(_indexed(path)))
    if path.suffix == ".gguf":
        from planner.catalog.stored.gguf import read_gguf

        return StoredTensors(path, read_gguf(path)[0])
    return StoredTensors(path, tuple(_safetensors(path)[0]))


def read_checkpoint(path: Path, approximate: bool = False) -> Model:
    """Return the model of a checkpoint: its architecture from the config.json beside it or the GGUF metadata.

    `stored_bytes` and `stored` are exact; without a config the parameters are the elements stored, and no
    architecture is known. Raises ConfigError with the tensor or field that stands in the way.
    """
    if path.is_dir():
        path = next((path / name for name in ("model.safetensors.index.json", "model.safetensors")
                     if (path / name).is_file()), path)  # fmt: skip
    if path.suffix == ".gguf":
        from planner.catalog.stored.gguf import gguf_model

        return gguf_model(path)
    config = path.parent / "config.json"
    base = read_config(config, approximate) if config.is_file() else None
    if path.name.endswith(".json") and base is not None and not _shards(path)[1]:
        total = _index(path)[1]
        note = "; ".join(filter(None, (base.note, "the index alone: its shards are not here")))
        return replace(base, id=str(path), source=f"the index {path} and its config", stored_bytes=total, note=note)
    return _model(read_tensors(path), base)


def _model(checkpoint: StoredTensors, base: Model | None) -> Model:
    stored, count = checkpoint.by_type(), checkpoint.elements
    main = next(iter(stored), "")
    if base is not None:
        native = base.native_format if not base.note.startswith("the config states no dtype") else FORMATS.get(main)
        return replace(
            base,
            id=str(checkpoint.path),
            native_format=native or base.native_format,
            note="" if native and base.note.startswith("the config states no dtype") else base.note,
            source=f"the headers of {checkpoint.path} and its config",
            stored_bytes=checkpoint.bytes,
            stored=stored,
            published_params=count if count != base.params else None,
            published_note="elements the checkpoint stores" if count != base.params else "",
        )
    return Model(
        id=str(checkpoint.path),
        params=count,
        active_params=count,
        native_format=FORMATS.get(main, "bf16"),
        max_context=None,
        licence="unknown",
        model_type="unknown",
        architecture=None,
        verified="checkpoint",
        source=f"the headers of {checkpoint.path}",
        note="no config.json beside it: the architecture is not known"
        + ("" if main in FORMATS else f"; most is stored as {main or 'nothing'}, which packs weights"),
        stored_bytes=checkpoint.bytes,
        stored=stored,
    )


def _index(path: Path) -> tuple[dict[str, str], int | None]:
    """Return which file each tensor is in, and the total size the index states."""
    from planner.catalog.huggingface.config import MAX_BYTES

    try:
        raw = read_bytes(path, 2 * MAX_BYTES)
        data = json.loads(raw) if len(raw) <= 2 * MAX_BYTES else None
    except OSError as problem:
        raise ConfigError(path, "", f"cannot be read: {problem.strerror}") from None
    except (ValueError, RecursionError):
        raise ConfigError(path, "", "is not JSON") from None
    data = data if isinstance(data, dict) else {}
    files = data.get("weight_map")
    if not isinstance(files, dict) or not files:
        raise ConfigError(path, "weight_map", "is missing" if files is None else "must name a file for each tensor")
    for name, file in files.items():
        if not isinstance(file, str) or not file or Path(file).name != file or "\0" in file:
            raise ConfigError(path, name[:80], "must name a file beside the index")
    metadata = data.get("metadata")
    total = metadata.get("total_size") if isinstance(metadata, dict) else None
    if isinstance(total, float) and total.is_integer():
        total = int(total)
    if total is not None and (isinstance(total, bool) or not isinstance(total, int) or not 0 <= total < 2**63):
        raise ConfigError(path, "total_size", "must be a number of bytes")
    return files, total


def _shards(path: Path) -> tuple[list[str], list[str]]:
    """Return the files an index names, and those of them that are there."""
    names = sorted(set(_index(path)[0].values()))
    if len(names) > MAX_SHARDS:
        raise ConfigError(path, "weight_map", f"names {len(names)} files; {MAX_SHARDS} can be read")
    return names, [name for name in names if (path.parent / name).is_file()]


def _indexed(path: Path) -> Iterable[StoredTensor]:
    files, total = _index(path)
    names, there = _shards(path)
    if len(there) < len(names):
        absent = next(name for name in names if name not in there)
        raise ConfigError(path, absent, "is named by the index and not here")
    by_name: dict[str, StoredTensor] = {}
    left = MAX_HEADER
    for name in names:
        tensors, length = _safetensors(path.parent / name, left)
        left -= length
        for tensor in tensors:
            if tensor.name in by_name:
                raise ConfigError(path, tensor.name[:80], f"is in {by_name[tensor.name].file} and in {name}")
            by_name[tensor.name] = tensor
    for tensor_name, file in files.items():
        if tensor_name not in by_name or by_name[tensor_name].file != file:
            raise ConfigError(path, tensor_name[:80], f"is not in {file}")
    size = sum(tensor.bytes for tensor in by_name.values())
    if total is not None and total != size:
        raise ConfigError(path, "total_size", f"is {total}, and the tensors take {size} bytes")
    return by_name.values()


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) < len(pairs):
        raise ValueError("a name is there twice")
    return fields


def _header(path: Path, file: BinaryIO, size: int, most: int) -> tuple[dict[str, Any], int]:
    """Return the header's JSON, of at most so many bytes, and where the data begins."""
    first = file.read(8)
    if len(first) < 8:
        raise ConfigError(path, "", "is not a safetensors file: it is shorter than the length of its header")
    length = int.from_bytes(first, "little")
    if length > MAX_HEADER:
        raise ConfigError(path, "", f"states a header of {length} bytes; the format allows {MAX_HEADER}")
    if length > most:
        words = f"states a header of {length} bytes; those of all files of a checkpoint may have {MAX_HEADER} together"
        raise ConfigError(path, "", words)
    if length > size - 8:
        raise ConfigError(path, "", f"is truncated: its header has {length} bytes, and {size - 8} are there")
    raw = file.read(length)
    if sum(map(raw.count, (b",", b"[", b"{"))) > MAX_PARTS:
        raise ConfigError(path, "", f"has a header of more than {MAX_PARTS} values")
    try:
        data = json.loads(raw, object_pairs_hook=_unique)
    except (ValueError, RecursionError) as problem:
        reason = str(problem).splitlines()[0] if isinstance(problem, ValueError) else "it is nested too deeply"
        raise ConfigError(path, "", f"has a header that is not JSON: {reason}") from None
    if not isinstance(data, dict):
        raise ConfigError(path, "", "has a header that is not an object")
    return data, 8 + length


def _safetensors(path: Path, most: int = MAX_HEADER) -> tuple[list[StoredTensor], int]:
    """Return the tensors of one file, and the bytes of its header, at most so many.

    A file that ends with its header counts as one whose data is elsewhere.
    """
    try:
        with opened(path) as file:
            size = os.fstat(file.fileno()).st_size
            data, start = _header(path, file, size, most)
    except (OSError, ValueError) as problem:
        if isinstance(problem, ConfigError):
            raise
        raise ConfigError(path, "", f"cannot be read: {getattr(problem, 'strerror', None) or problem}") from None
    tensors = []
    spans = []
    for name, item in data.items():
        if name == "__metadata__":
            continue
        tensor, begin, end = _tensor(path, name, item)
        if size > start and end > size - start:
            raise ConfigError(path, name[:80], f"ends at byte {end} of data, and {size - start} are there")
        tensors.append(tensor)
        spans.append((begin, end, name))
    spans.sort()
    for (_, end, name), (begin, _, other) in itertools.pairwise(spans):
        if begin < end:
            raise ConfigError(path, other[:80], f"overlaps `{name[:80]}`")
    return tensors, start - 8


def _tensor(path: Path, name: str, item: Any) -> tuple[StoredTensor, int, int]:
    """Return a tensor of a header and where its data begins and ends."""
    short = name[:80]
    if not isinstance(item, dict):
        raise ConfigError(path, short, "must be an object")
    dtype, shape, offsets = item.get("dtype"), item.get("shape"), item.get("data_offsets")
    if not isinstance(dtype, str) or dtype not in BITS:
        raise ConfigError(path, short, f"is of type `{str(dtype)[:40]}`, which is not known")
    if not isinstance(shape, list) or len(shape) > 16 or not all(_size(value, MAX_DIMENSION) for value in shape):
        raise ConfigError(path, short, "has no shape of up to 16 whole numbers")
    if not isinstance(offsets, list) or len(offsets) != 2 or not all(_size(value, 2**63) for value in offsets):
        raise ConfigError(path, short, "has no `data_offsets` of two whole numbers")
    begin, end = offsets
    tensor = StoredTensor(name, dtype, tuple(shape), end - begin, path.name)
    if begin > end or tensor.elements * BITS[dtype] != 8 * (end - begin):
        raise ConfigError(path, short, f"has {end - begin} bytes for {tensor.elements} elements of {dtype}")
    return tensor, begin, end


def _size(value: Any, most: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < most
