"""Dense decoders that differ in their norms, biases, windows and defaults only: one row each.

Defaults and shapes are those of the model classes of Hugging Face transformers 5.23 (`models/*/configuration_*.py`,
`modeling_*.py`); the older names of a field are read too.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import field
from typing import Any

from planner.catalog.architecture import FeedForward
from planner.catalog.huggingface.config import Config
from planner.catalog.huggingface.layers import ATTENTION, every, gqa, head_dim, kv_heads, run_length, window_of
from planner.catalog.records import Architecture
from planner.record import dataclass

Switch = bool | str
"""True, false, or the field that decides."""


def _no_windows(config: Config, count: int) -> list[int | None]:
    return [None] * count


def _all_windows(config: Config, count: int) -> list[int | None]:
    return [window_of(config)] * count


def _listed(config: Config, count: int) -> list[str] | None:
    return config.words("layer_types", ATTENTION, count)


def _qwen_windows(config: Config, count: int) -> list[int | None]:
    window = window_of(config) if config.flag("use_sliding_window") else None
    kinds = _listed(config, count)
    if kinds is not None and config.flag("use_sliding_window"):
        return [window if kind == "sliding_attention" else None for kind in kinds]
    start = config.whole("max_window_layers")
    return [window if index >= start else None for index in range(count)]


def _dots_windows(config: Config, count: int) -> list[int | None]:
    kinds, window, start = _listed(config, count), window_of(config), config.whole("max_window_layers")
    windowed = every(count, kinds, None) if kinds else [index >= start for index in range(count)]
    return [window if own else None for own in windowed]


def patterned(default: int) -> Callable[[Config, int], list[int | None]]:
    """Return how a model whose every `default`-th layer sees everything has its windows."""

    def windows(config: Config, count: int) -> list[int | None]:
        window = window_of(config)
        pattern = config.value("sliding_window_pattern", "_sliding_window_pattern")
        if isinstance(pattern, str) and pattern and set(pattern) <= {"L", "G"}:
            return [window if pattern[index % len(pattern)] == "L" else None for index in range(count)]
        period = config.maybe("sliding_window_pattern", "_sliding_window_pattern")
        windowed = every(count, _listed(config, count), default if period is None else period)
        return [window if own else None for own in windowed]

    return windows


def _muse_windows(config: Config, count: int) -> list[int | None]:
    """Return windows in all but every fourth layer, counted from the last one."""
    kinds, window = _listed(config, count), window_of(config)
    windowed = every(count, kinds, None) if kinds else [bool((count - 1 - index) % 4) for index in range(count)]
    return [window if own else None for own in windowed]


def _smollm_windows(config: Config, count: int) -> list[int | None]:
    window = window_of(config) if config.flag("use_sliding_window") else None
    kinds = _listed(config, count)
    if kinds is not None:
        return [window if kind == "sliding_attention" else None for kind in kinds]
    ropes = config.items("no_rope_layers", count)
    step = config.some("no_rope_layer_interval")
    roped = [bool(item) for item in ropes] if ropes else [bool((index + 1) % step) for index in range(count)]
    return [None if own else window for own in roped]


@dataclass(frozen=True, slots=True)
class Dense:
    """How one `model_type` departs from hidden, heads, layers."""

    defaults: dict[str, Any]
    norm: str = "rms"
    norms: int = 2
    gated: bool = True
    qkv_bias: Switch = False
    o_bias: Switch = False
    mlp_bias: Switch = False
    qk_norm: str = ""
    qk_norm_if: str = ""
    refuses: tuple[str, ...] = field(default=())
    head_bias: bool = False
    parallel: str = ""
    gate: bool = False
    windows: Callable[[Config, int], list[int | None]] = _no_windows


def defaults(
    vocab: int, hidden: int, inter: int, layers: int, heads: int, kv: int | None, longest: int, tied: bool, **more: Any
) -> dict[str, Any]:
    """Return the library's defaults of the fields nearly every decoder has."""
    return {
        "vocab_size": vocab,
        "hidden_size": hidden,
        "intermediate_size": inter,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "num_key_value_heads": kv,
        "max_position_embeddings": longest,
        "tie_word_embeddings": tied,
        **more,
    }


_QWEN_WINDOW = {"use_sliding_window": False, "sliding_window": 4096, "max_window_layers": 28}
_GLM = defaults(151552, 4096, 13696, 40, 32, 2, 131072, False, head_dim=128, attention_bias=True)
_OLMO = defaults(50304, 4096, 11008, 32, 32, None, 2048, False)


def _biased(filled: dict[str, Any], **more: Any) -> Dense:
    return Dense(filled, qkv_bias="attention_bias", o_bias="attention_bias", **more)


DENSE: dict[str, Dense] = {
    "llama": _biased(defaults(32000, 4096, 11008, 32, 32, None, 2048, False), mlp_bias="mlp_bias"),
    "mistral": Dense(
        defaults(32000, 4096, 14336, 32, 32, 8, 131072, False, sliding_window=4096), windows=_all_windows
    ),
    "ministral3": Dense(
        defaults(131072, 4096, 14336, 34, 32, 8, 262144, False, head_dim=128), windows=_all_windows
    ),
    "qwen2": Dense(
        defaults(151936, 4096, 22016, 32, 32, 32, 32768, False, **_QWEN_WINDOW), qkv_bias=True, windows=_qwen_windows
    ),
    "qwen3": _biased(
        defaults(151936, 4096, 22016, 32, 32, 32, 32768, False, head_dim=128, **_QWEN_WINDOW),
        qk_norm="head", windows=_qwen_windows,
    ),
    "mimo": Dense(
        defaults(151680, 4096, 11008, 36, 32, 8, 32768, False, head_dim=128, **_QWEN_WINDOW), qkv_bias=True,
        windows=_qwen_windows,
    ),
    "gemma": _biased(defaults(256000, 3072, 24576, 28, 16, 16, 8192, True, head_dim=256)),
    "gemma2": _biased(
        defaults(256000, 2304, 9216, 26, 8, 4, 8192, True, head_dim=256, sliding_window=4096),
        norms=4, windows=patterned(2),
    ),
    "gemma3_text": _biased(
        defaults(262208, 2304, 9216, 26, 8, 4, 131072, True, head_dim=256, sliding_window=4096),
        norms=4, qk_norm="head", windows=patterned(6),
    ),
    "phi3": Dense(defaults(32064, 3072, 8192, 32, 32, None, 4096, False), windows=_all_windows),
    "phi": Dense(
        defaults(51200, 2048, 8192, 24, 32, None, 2048, False), norm="ln", norms=1, gated=False, qkv_bias=True,
        o_bias=True, mlp_bias=True, head_bias=True, refuses=("qk_layernorm",),
    ),
    "glm": Dense(_GLM, qkv_bias="attention_bias"),
    "glm4": Dense(_GLM, qkv_bias="attention_bias", norms=4),
    "glm4v_text": Dense(
        defaults(151552, 4096, 13696, 40, 32, 2, 32768, False, attention_bias=True), qkv_bias="attention_bias", norms=4
    ),
    "muse_glimmer_text": Dense(
        defaults(202048, 6656, 19968, 52, 32, 2, 131072, False, head_dim=128, sliding_window=2048),
        norms=4, gate=True, refuses=("attention_bias",), windows=_muse_windows,
    ),
    "cohere": _biased(
        defaults(256000, 8192, 22528, 40, 64, None, 8192, True),
        norm="ln_nobias", norms=1, qk_norm="full", qk_norm_if="use_qk_norm",
    ),
    "cohere2": _biased(
        defaults(256000, 8192, 22528, 40, 64, None, 8192, True, sliding_window=4096),
        norm="ln_nobias", norms=1, windows=patterned(4),
    ),
    "olmo": _biased(_OLMO, norm="none"),
    "olmo2": _biased(_OLMO, qk_norm="full"),
    "olmo3": _biased({**_OLMO, "sliding_window": 4096}, qk_norm="full", windows=patterned(4)),
    "smollm3": _biased(
        defaults(128256, 2048, 11008, 36, 16, 4, 32768, True, use_sliding_window=False, no_rope_layer_interval=4),
        mlp_bias="mlp_bias", windows=_smollm_windows,
    ),
    "nemotron": _biased(
        defaults(256000, 6144, 24576, 32, 48, None, 4096, False),
        norm="ln", gated=False, mlp_bias="mlp_bias",
    ),
    "exaone4": Dense(
        defaults(102400, 4096, 16384, 32, 32, 32, 2048, False, sliding_window=4096, sliding_window_pattern=4),
        qk_norm="head", windows=patterned(4),
    ),
    "seed_oss": Dense(
        defaults(155136, 4096, 27648, 64, 80, 8, 524288, False, head_dim=128, attention_bias=True),
        qkv_bias="attention_bias", o_bias="attention_out_bias", mlp_bias="mlp_bias",
    ),
    "internlm3": _biased(
        defaults(128512, 4096, 10240, 48, 32, 2, 32768, False, head_dim=128), mlp_bias="mlp_bias"
    ),
    "granite": _biased(defaults(32000, 4096, 11008, 32, 32, None, 2048, False), mlp_bias="mlp_bias"),
    "stablelm": Dense(
        defaults(50304, 2560, 6912, 32, 32, 32, 4096, False),
        norm="ln", qkv_bias="use_qkv_bias", qk_norm="full", qk_norm_if="qk_layernorm", parallel="use_parallel_residual",
    ),
    "starcoder2": Dense(
        defaults(49152, 3072, 12288, 30, 24, 2, 4096, True, use_bias=True),
        norm="ln", gated=False, qkv_bias="use_bias", o_bias="use_bias", mlp_bias="use_bias", windows=_all_windows,
    ),
    "gpt_neox": _biased(
        defaults(50432, 6144, 24576, 44, 64, None, 2048, False, attention_bias=True),
        norm="ln", gated=False, mlp_bias=True,
    ),
}  # fmt: skip
"""What the library fills in and builds, by `model_type`."""


def _on(config: Config, switch: Switch) -> bool:
    return config.flag(switch) if isinstance(switch, str) else switch


def describe(config: Config, rule: Dense) -> Architecture:
    """Return the architecture of a dense decoder."""
    for name in rule.refuses:
        if config.flag(name):
            config.doubt(name, "adds norms or biases that are not described")
    hidden, heads, count = config.some("hidden_size"), config.some("num_attention_heads"), config.layers()
    kv, size = kv_heads(config, heads), head_dim(config, heads, hidden)
    qk_norm = rule.qk_norm if not rule.qk_norm_if or config.flag(rule.qk_norm_if) else None
    qkv, out, up = _on(config, rule.qkv_bias), _on(config, rule.o_bias), _on(config, rule.mlp_bias)
    if config.has("qkv_bias", "bias"):  # InternLM3's own code names them so
        qkv, out, up = config.flag("qkv_bias") or qkv, config.flag("bias") or out, config.flag("bias") or up
    ffn = FeedForward(config.some("intermediate_size"), rule.gated, up)
    norms = 1 if rule.parallel and config.flag(rule.parallel) else rule.norms
    layers = (
        (
            gqa(heads, kv, size, qkv_bias=qkv, o_bias=out, qk_norm=qk_norm, window=window, q_gate=rule.gate),
            ffn,
            norms,
            0,
        )
        for window in rule.windows(config, count)
    )
    return Architecture(
        hidden=hidden,
        vocab=config.some("vocab_size"),
        tied=config.flag("tie_word_embeddings"),
        norm=rule.norm,
        groups=run_length(layers),
        head_bias=rule.head_bias,
    )
