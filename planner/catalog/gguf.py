"""GGUF files: tensors and metadata by the `gguf` package (the extra `gguf`), within bounds."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from planner.catalog.huggingface.config import Config, ConfigError
from planner.catalog.huggingface.read import DECODERS
from planner.catalog.parameters import parameters
from planner.catalog.records import Architecture, Model
from planner.catalog.tensors import Checkpoint, Tensor
from planner.regular import opened

MAX_TENSORS = 1_000_000
MAX_KEYS = 100_000
FORMATS = {"F32": "fp32", "F16": "fp16", "BF16": "bf16"} | {
    name: name.lower()
    for name in (
        "Q8_0", "Q6_K", "Q5_K", "Q5_1", "Q5_0", "Q4_K", "Q4_1", "Q4_0", "Q3_K", "Q2_K", "IQ4_NL", "IQ4_XS", "IQ3_S",
        "IQ3_XXS", "IQ2_S", "IQ2_XS", "IQ2_XXS", "IQ1_M", "IQ1_S", "TQ2_0", "TQ1_0", "Q1_0", "MXFP4", "NVFP4",
    )
}  # fmt: skip
"""The catalog's format of each type that weights are stored in (ggml.h, `enum ggml_type` of ggml-org/llama.cpp); the
rest hold activations while a model runs (Q8_1, Q8_K), or numbers other than weights."""
TYPES = {
    "llama": "llama", "qwen2": "qwen2", "qwen3": "qwen3", "gemma": "gemma", "gemma2": "gemma2", "gemma3": "gemma3_text",
    "phi3": "phi3", "stablelm": "stablelm", "starcoder2": "starcoder2", "olmo2": "olmo2", "granite": "granite",
    "command-r": "cohere", "qwen3moe": "qwen3_moe", "qwen2moe": "qwen2_moe", "gpt-oss": "gpt_oss",
}  # fmt: skip
"""The `model_type` whose tensors a GGUF architecture has."""


def _first(path: Path) -> None:
    """Refuse what is no GGUF, and counts no file of this size can hold, before anything is built."""
    try:
        with opened(path) as file:
            size = os.fstat(file.fileno()).st_size
            head = file.read(24)
    except (OSError, ValueError) as problem:
        raise ConfigError(path, "", f"cannot be read: {getattr(problem, 'strerror', None) or problem}") from None
    if head[:4] != b"GGUF":
        raise ConfigError(path, "", "is no GGUF file")
    if len(head) < 24:
        raise ConfigError(path, "", "is truncated: it ends within its header")
    order: Any = "little" if int.from_bytes(head[4:8], "little") < 2**16 else "big"
    version, tensors, keys = (int.from_bytes(head[a:b], order) for a, b in ((4, 8), (8, 16), (16, 24)))
    if version not in (2, 3):
        raise ConfigError(path, "version", f"is {version}; 2 and 3 can be read")
    # the smallest tensor entry has 24 bytes, the smallest key 13
    if tensors > min(MAX_TENSORS, size // 24):
        raise ConfigError(path, "tensor_count", f"is {tensors}, more than a file of {size} bytes can hold")
    if keys > min(MAX_KEYS, size // 13):
        raise ConfigError(path, "metadata_kv_count", f"is {keys}, more than a file of {size} bytes can hold")


def read_gguf(path: Path) -> tuple[tuple[Tensor, ...], dict[str, Any]]:
    """Return the tensors of a GGUF file and its scalar metadata; raise ConfigError."""
    _first(path)
    try:
        from gguf import GGUFReader
    except ImportError:
        raise ConfigError(path, "", "is a GGUF file: install `mem-planner[gguf]` to read it") from None
    try:
        reader = GGUFReader(path)
        tensors = tuple(
            Tensor(
                str(item.name), item.tensor_type.name, tuple(int(size) for size in reversed(item.shape)),
                int(item.n_bytes), path.name,
            )
            for item in reader.tensors
        )  # fmt: skip
        fields = {name: _scalar(field) for name, field in reader.fields.items()}
    except Exception as problem:  # the package raises whatever its arrays do on what does not hold
        reason = str(problem).splitlines()[0][:120] if str(problem) else type(problem).__name__
        raise ConfigError(path, "", f"is a broken or truncated GGUF file: {reason}") from None
    return tensors, {name: value for name, value in fields.items() if value is not None}


def _scalar(field: Any) -> Any:
    if len(field.types) == 1:
        value = field.contents()
        return value if isinstance(value, str | int | float | bool) else None
    if field.types and field.types[0].name == "ARRAY" and len(field.data) <= 1000:
        return field.contents()
    return None


def gguf_model(path: Path) -> Model:
    """Return the model of a GGUF file: exact bytes, and its architecture where its tensors are those of one."""
    tensors, fields = read_gguf(path)
    checkpoint = Checkpoint(path, tensors)
    stored = checkpoint.by_type()
    name = str(fields.get("general.architecture", ""))
    count = checkpoint.elements
    architecture, note = _architecture(path, name, fields, tensors)
    main = next(iter(stored), "F16")
    if main not in FORMATS:
        tensor = next(item for item in tensors if item.dtype == main)
        reason = f"is stored as {main}, as most of the file is: no format of weights is known by that type"
        raise ConfigError(path, tensor.name[:80], reason)
    return Model(
        id=str(path),
        params=count,
        active_params=sum(parameters(architecture, active=True).values()) if architecture else count,
        native_format=FORMATS[main],
        max_context=_whole(fields, f"{name}.context_length"),
        licence=str(fields.get("general.license", "unknown")),
        model_type=TYPES.get(name, name or "unknown"),
        architecture=architecture,
        verified="checkpoint",
        source=f"the header of {path}",
        note=note,
        stored_bytes=checkpoint.bytes,
        stored=stored,
    )


def _whole(fields: dict[str, Any], key: str) -> int | None:
    value = fields.get(key)
    if isinstance(value, list):
        value = value[0] if value and all(item == value[0] for item in value) else None
    return int(value) if isinstance(value, int) and not isinstance(value, bool) else None


def _architecture(
    path: Path, name: str, fields: dict[str, Any], tensors: tuple[Tensor, ...]
) -> tuple[Architecture | None, str]:
    shapes = {tensor.name: tensor.shape for tensor in tensors}
    kind = TYPES.get(name)
    if kind == "llama" and _whole(fields, "llama.expert_count"):
        kind = "mixtral"
    embedding = shapes.get("token_embd.weight")
    if kind is None or embedding is None or len(embedding) != 2:
        return None, f"the architecture `{name or 'unnamed'}` is not described"
    config = {
        "vocab_size": embedding[0],
        "hidden_size": _whole(fields, f"{name}.embedding_length"),
        "intermediate_size": _whole(fields, f"{name}.feed_forward_length"),
        "num_hidden_layers": _whole(fields, f"{name}.block_count"),
        "num_attention_heads": _whole(fields, f"{name}.attention.head_count"),
        "num_key_value_heads": _whole(fields, f"{name}.attention.head_count_kv"),
        "head_dim": _whole(fields, f"{name}.attention.key_length"),
        "sliding_window": _whole(fields, f"{name}.attention.sliding_window"),
        "num_experts": _whole(fields, f"{name}.expert_count"),
        "num_local_experts": _whole(fields, f"{name}.expert_count"),
        "num_experts_per_tok": _whole(fields, f"{name}.expert_used_count"),
        "moe_intermediate_size": _whole(fields, f"{name}.expert_feed_forward_length"),
        "shared_expert_intermediate_size": _whole(fields, f"{name}.expert_shared_feed_forward_length"),
        "tie_word_embeddings": "output.weight" not in shapes,
        "attention_bias": "blk.0.attn_q.bias" in shapes,
    }
    known = {key: value for key, value in config.items() if value is not None or key == "sliding_window"}
    try:
        architecture = DECODERS[kind][1](Config(path, "", known, DECODERS[kind][0]))
    except ConfigError as refusal:
        return None, f"its metadata do not describe a `{kind}`: `{refusal.field}` {refusal.reason}"
    tables = sum(tensor.elements for tensor in tensors if tensor.name.startswith("rope_"))
    stored = sum(tensor.elements for tensor in tensors) - tables
    total = sum(parameters(architecture).values())
    if total != stored:
        return None, f"its {stored} elements are not the {total} of a `{kind}` of its metadata"
    return architecture, ""
