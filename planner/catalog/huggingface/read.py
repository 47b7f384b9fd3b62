"""From a config.json to a model: which description a `model_type` has, wrappers around a decoder, and the counts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from planner.catalog.architecture import FeedForward
from planner.catalog.huggingface import classic, diffusion, experts, mixed, mixtures, recurrent, sparse
from planner.catalog.huggingface.approximate import assume, only_a_decoder
from planner.catalog.huggingface.config import Config, ConfigError, read_json
from planner.catalog.huggingface.dense import DENSE, defaults, describe
from planner.catalog.huggingface.diffusion import CLASSES, DIFFUSION
from planner.catalog.huggingface.encoders import COUNTS, ENCODERS
from planner.catalog.huggingface.layers import NOTHING, One, gqa, kv_heads, run_length
from planner.catalog.huggingface.native import quantized, sixteen
from planner.catalog.huggingface.overlooked import refuse_overlooked
from planner.catalog.huggingface.towers import encoder
from planner.catalog.huggingface.vision import CLIP_VISION, TOWERS, VISION, llava_projector, pixtral_tower
from planner.catalog.parameters import classes_of, layer_classes, parameters
from planner.catalog.records import Architecture, Model, Vision

Describe = Callable[[Config], Architecture]
_LENGTHS = ("max_position_embeddings", "n_positions", "max_seq_len", "max_context_length", "seq_length")
_ALIEN = (
    "num_experts", "num_local_experts", "n_routed_experts", "moe_num_experts", "q_lora_rank", "kv_lora_rank",
    "block_configs", "hybrid_override_pattern", "cross_attention_layers", "altup_num_inputs", "linear_num_key_heads",
    "mamba_d_state", "ssm_state_size",
)  # fmt: skip
"""Fields that change what a model is built of: one that its `model_type` does not have is not overlooked."""

_MLLAMA = defaults(
    128256, 4096, 14336, 40, 32, 8, 131072, False, cross_attention_layers=[3, 8, 13, 18, 23, 28, 33, 38]
)  # fmt: skip


def _mllama(config: Config) -> Architecture:
    """Return the decoder of Llama 3.2 Vision: cross attention in some layers, eight more rows in the embedding."""
    hidden, heads, count = config.some("hidden_size"), config.some("num_attention_heads"), config.layers()
    crossing = config.items("cross_attention_layers") or []
    kv = kv_heads(config, heads)
    size = config.divided("num_attention_heads", hidden, heads)
    plain = gqa(heads, kv, size)
    cross = replace(plain, cross=True, qk_norm="head")
    ffn = FeedForward(config.some("intermediate_size"))
    layers: list[One] = [(cross, ffn, 2, 2) if index in crossing else (plain, ffn, 2, 0) for index in range(count)]
    return Architecture(
        hidden=hidden,
        vocab=config.some("vocab_size"),
        tied=config.flag("tie_word_embeddings"),
        norm="rms",
        groups=run_length(layers),
        embed_extra_rows=8,
    )


def _decoders() -> dict[str, tuple[Mapping[str, Any], Describe]]:
    decoders: dict[str, tuple[Mapping[str, Any], Describe]] = {
        kind: (rule.defaults, partial(describe, rule=rule)) for kind, rule in DENSE.items()
    }
    decoders |= {
        kind: (experts.EXPERTS[kind], partial(experts.simple, rule=rule)) for kind, rule in experts.SIMPLE.items()
    }
    decoders |= {kind: (rule.defaults, partial(mixtures.listed, rule=rule)) for kind, rule in mixtures.MIXTURES.items()}
    for kind in ("qwen2_moe", "qwen3_moe", "qwen3_vl_moe_text"):
        decoders[kind] = (experts.EXPERTS[kind], partial(experts.qwen_moe, kind=kind))
    for kind in (
        "deepseek",
        "deepseek_v2",
        "deepseek_v3",
        "kimi_k2",
        "glm4_moe",
        "glm4_moe_lite",
        "glm4v_moe_text",
        "mistral4",
        "dots1",
    ):
        decoders[kind] = (experts.EXPERTS[kind], partial(experts.deepseek, kind=kind))
    for kind in ("qwen3_next", "qwen3_5_text", "qwen3_5_moe_text"):
        decoders[kind] = (recurrent.RECURRENT[kind], partial(recurrent.qwen_linear, kind=kind))
    for kind in ("gpt2", "gpt_bigcode", "gptj"):
        decoders[kind] = (classic.CLASSIC[kind], partial(classic.gpt, kind=kind))
    others: dict[str, tuple[Mapping[str, Mapping[str, Any]], Describe]] = {
        "gpt_neo": (classic.CLASSIC, classic.gpt_neo),
        "opt": (classic.CLASSIC, classic.opt),
        "bloom": (classic.CLASSIC, classic.bloom),
        "falcon": (classic.CLASSIC, classic.falcon),
        "mpt": (classic.CLASSIC, classic.mpt),
        "dbrx": (classic.CLASSIC, classic.dbrx),
        "openelm": (classic.CLASSIC, classic.openelm),
        "nemotron-nas": (classic.CLASSIC, classic.nemotron_nas),
        "ernie4_5_moe": (experts.EXPERTS, experts.ernie),
        "hunyuan_v1_moe": (experts.EXPERTS, experts.hunyuan),
        "llama4_text": (experts.EXPERTS, mixed.llama4),
        "mimo_v2_flash": (experts.EXPERTS, mixed.mimo),
        "gemma3n_text": (mixed.MIXED, mixed.gemma3n),
        "gemma4_text": (mixed.MIXED, mixed.gemma4),
        "mamba": (recurrent.RECURRENT, recurrent.mamba),
        "falcon_mamba": (recurrent.RECURRENT, recurrent.mamba),
        "mamba2": (recurrent.RECURRENT, recurrent.mamba2),
        "jamba": (recurrent.RECURRENT, recurrent.jamba),
        "nemotron_h": (recurrent.RECURRENT, recurrent.nemotron_h),
        "granitemoehybrid": (recurrent.RECURRENT, recurrent.granite_hybrid),
        "minimax": (recurrent.RECURRENT, recurrent.minimax),
        "lfm2": (recurrent.RECURRENT, recurrent.lfm2),
        "lfm2_moe": (recurrent.RECURRENT, recurrent.lfm2),
        "deepseek_v32": (sparse.SPARSE, sparse.latent_sparse),
        "glm_moe_dsa": (sparse.SPARSE, sparse.latent_sparse),
        "deepseek_v4": (sparse.SPARSE, sparse.deepseek_v4),
        "minimax_m3_vl_text": (sparse.SPARSE, sparse.minimax_m3),
        "minimax_m3": ({"minimax_m3": sparse.SPARSE["minimax_m3_vl_text"]}, sparse.minimax_m3),
        "step3p5": (mixed.MIXED, mixed.step3),
        "mllama_text_model": ({"mllama_text_model": _MLLAMA}, _mllama),
    }
    decoders |= {kind: (table[kind], make) for kind, (table, make) in others.items()}
    qwen2 = {**DENSE["qwen2"].defaults, "vocab_size": 152064, "hidden_size": 8192, "intermediate_size": 29568,
             "num_hidden_layers": 80, "num_attention_heads": 64, "num_key_value_heads": 8,
             "max_window_layers": 80}  # fmt: skip
    for kind in ("qwen2_vl_text", "qwen2_5_vl_text"):
        decoders[kind] = (qwen2, decoders["qwen2"][1])
    decoders["qwen3_vl_text"] = ({**DENSE["qwen3"].defaults, "max_position_embeddings": 128000}, decoders["qwen3"][1])
    return decoders


DECODERS = _decoders()
WRAPPERS = {
    "llava": "llama",
    "mistral3": "mistral",
    "gemma3": "gemma3_text",
    "gemma3n": "gemma3n_text",
    "gemma4": "gemma4_text",
    "qwen2_vl": "qwen2_vl_text",
    "qwen2_5_vl": "qwen2_5_vl_text",
    "qwen3_vl": "qwen3_vl_text",
    "qwen3_vl_moe": "qwen3_vl_moe_text",
    "qwen3_5": "qwen3_5_text",
    "qwen3_5_moe": "qwen3_5_moe_text",
    "llama4": "llama4_text",
    "mllama": "mllama_text_model",
    "kimi_k25": "kimi_k2",
    "minimax_m3_vl": "minimax_m3_vl_text",
    "step3p7": "step3p5",
    "glm4v": "glm4v_text",
    "glm4v_moe": "glm4v_moe_text",
    "muse_glimmer": "muse_glimmer_text",
}
"""What a multimodal `model_type` wraps, unless its `text_config` names another."""

_UNTIED = ("step3p7", "glm4v", "glm4v_moe", "muse_glimmer")
"""Wrappers whose head is tied only where the wrapper itself says so, Step-3.7's never."""

_PARTS = {kind: (filled, COUNTS[kind]) for kind, filled in ENCODERS.items()} | {
    kind: (filled, diffusion.COUNTS[kind]) for kind, filled in DIFFUSION.items()
}
MODEL_TYPES = (*DECODERS, *WRAPPERS, *_PARTS)
"""Every `model_type` that can be described."""


def read_config(path: Path, approximate: bool = False) -> Model:
    """Return the model a Hugging Face `config.json` (or the folder that has one) describes.

    Defaults are filled as transformers fills them. Raises ConfigError, which names the field, where the config cannot
    be described exactly; with `approximate` an unknown `model_type` is read as the largest dense decoder of its sizes,
    and parts that are not described are left out, which the model's `verified` and `assumed` say.
    """
    data, text = read_json(path)
    whole = Config(path, text, data, {}, approximate)
    kind = data.get("model_type")
    if kind is None and isinstance(data.get("_class_name"), str):
        if data["_class_name"] not in CLASSES:
            known = ", ".join(CLASSES)
            raise whole.refuse("_class_name", f"is `{data['_class_name'][:60]}`; of diffusers {known} are described")
        kind = CLASSES[data["_class_name"]]
    if not isinstance(kind, str):
        raise whole.refuse("model_type", "is missing" if kind is None else "must be a text")
    if kind in _PARTS:
        filled, counts = _PARTS[kind]
        return _encoder(kind, counts, whole.at(data, filled))
    if kind in WRAPPERS:
        architecture, decoder = _wrapped(kind, whole)
    elif kind in DECODERS:
        decoder = whole.at(data, DECODERS[kind][0])
        architecture = _decoder(kind, decoder)
    elif approximate:
        architecture, decoder = _assumed(kind, whole)
    else:
        raise whole.refuse("model_type", f"is `{kind[:60]}`, which is not known", approximable=True)
    model = _model(kind, whole, decoder, architecture)
    if kind not in (*WRAPPERS, *DECODERS):  # what an approximate description does not know it has refused by itself
        return model
    refuse_overlooked(kind, whole, decoder)
    return replace(model, verified="approximate", assumed=tuple(whole.assumed)) if whole.assumed else model


def _assumed(kind: str, whole: Config) -> tuple[Architecture, Config]:
    """Return the decoder of a `model_type` that is not known: the one its `text_config` names, or a dense one."""
    only_a_decoder(kind, whole)
    inner = whole.data.get("text_config")
    named = inner.get("model_type") if isinstance(inner, Mapping) else None
    if not isinstance(named, str) or named not in DECODERS:
        return assume(kind, whole)
    decoder = whole.part("text_config", DECODERS[named][0])
    assert decoder is not None
    whole.assumed.append(f"no row describes `{kind[:60]}`: the `{named}` of its `text_config` is counted, and no more")
    return _decoder(named, decoder), decoder


def _model(kind: str, whole: Config, decoder: Config, architecture: Architecture) -> Model:
    plain, doubt = sixteen(whole)
    if not plain and decoder is not whole:
        plain, doubt = sixteen(decoder)
    native = quantized(whole, architecture)
    if not native.format and whole is not decoder:
        native = quantized(decoder, architecture)
    own = classes_of(architecture)
    held = {name: sum(g.count for g in architecture.groups if name in layer_classes(g)) for name, _ in native.partly}
    whole_classes = {name for name, layers in native.partly if layers >= held[name]}
    for part, layers in native.layers:
        having = sum(group.count for group in architecture.groups if part in layer_classes(group))
        if layers < having:
            whole.doubt("quantized_layers", f"names `{part}` in {layers} of the {having} layers that have it")
    counts = {name: count for name, count in parameters(architecture).items() if count}
    ahead = decoder.maybe("num_nextn_predict_layers") or 0
    stored = "1 layer of multi-token prediction is" if ahead == 1 else f"{ahead} layers of multi-token prediction are"
    mtp = f"{stored} stored beside the model and not counted" if ahead else ""
    longest = next((value for name in _LENGTHS if (value := decoder.maybe(name)) is not None), None)
    return Model(
        id=str(whole.path),
        params=sum(counts.values()),
        active_params=sum(parameters(architecture, active=True).values()),
        native_format=native.format or plain or "fp32",
        max_context=longest,
        licence="unknown",
        model_type=kind,
        architecture=architecture,
        verified="approximate" if whole.assumed else "config",
        source=f"the config {whole.path}",
        breakdown=counts,
        note="; ".join(text for text in ("" if native.format else doubt, mtp) if text),
        assumed=tuple(whole.assumed),
        native_leaves=tuple(kind for kind in sorted({*native.leaves, *whole_classes}) if kind in own),
        native_partly={name: layers for name, layers in native.partly if name in own and layers < held[name]},
        native_classes={kind: form for kind, form in native.classes if kind in own},
        native_block=native.block,
    )


def _decoder(kind: str, config: Config) -> Architecture:
    for field in ("is_encoder_decoder", "add_cross_attention"):
        if config.data.get(field) is True:
            config.doubt(field, f"is true: a `{kind}` with an encoder or cross attention is not described")
    if config.data.get("pruned_heads"):
        config.doubt("pruned_heads", "is not empty: heads that differ from layer to layer are not described")
    rule = DECODERS[kind]
    if kind in DENSE or kind in classic.CLASSIC:
        for field in _ALIEN:
            value = config.data.get(field)
            if value and value != 1 and field not in rule[0] and (kind, field) != ("nemotron-nas", "block_configs"):
                config.doubt(field, f"is not part of a `{kind}` model")
    architecture = replace(rule[1](config), family=kind)
    for group in architecture.groups:
        if group.mixer == NOTHING and group.ffn == NOTHING:
            raise config.refuse("num_hidden_layers", "includes layers without any part")
    return architecture


def _wrapped(kind: str, whole: Config) -> tuple[Architecture, Config]:
    """Return the decoder inside a wrapper with the rest as opaque parameters, and the decoder's own config."""
    text_kind = WRAPPERS[kind]
    inner = whole.data.get("text_config")
    if isinstance(inner, Mapping) and isinstance(inner.get("model_type"), str):
        named: str = inner["model_type"]
        text_kind = WRAPPERS.get(named, named)
    if text_kind not in DECODERS:
        raise whole.refuse("text_config", f"is a `{text_kind[:60]}`, which is not known")
    filled = DECODERS[text_kind][0]
    if inner is None and whole.has("hidden_size"):  # Qwen-VL configs before transformers 4.52 are flat
        config = whole.at(whole.data, filled)
    else:
        part = whole.part("text_config", filled)
        assert part is not None
        config = part
    architecture = _decoder(text_kind, config)
    if kind in _UNTIED:
        architecture = replace(architecture, tied=kind != "step3p7" and whole.flag("tie_word_embeddings"))
    elif kind == "kimi_k25" and "tie_word_embeddings" not in whole.data:
        architecture = replace(architecture, tied=True)
    elif whole.has("tie_word_embeddings") and kind not in ("mllama", "llama4"):  # these never tie
        architecture = replace(architecture, tied=whole.flag("tie_word_embeddings"))
    beside, vision = _beside(kind, whole, architecture.hidden)
    return replace(architecture, opaque_params=beside, vision=vision), config


def _text_only(whole: Config) -> bool:
    """Return whether the classes that a wrapper's config names are of its decoder alone."""
    named = whole.value("architectures")
    names = [str(name) for name in named] if isinstance(named, list) else []
    return bool(names) and all(name.endswith("ForCausalLM") for name in names)


def _beside(kind: str, whole: Config, hidden: int) -> tuple[int, Vision | None]:
    """Return the parameters of a wrapper's vision tower and projector, and the tower's shapes where they are known.

    A config without its `vision_config` says nothing of the tower that its checkpoint has: the library would build one
    of its defaults, which for Llama 4 is 417 million parameters short of the published one.
    """
    if whole.data.get("audio_config") is not None:
        whole.doubt("audio_config", "describes an audio tower, which is not described here")
    tower = TOWERS.get(kind)
    if tower is None:
        whole.doubt("vision_config", "describes a vision tower that is not described here; give the text part alone")
        return 0, None
    filled = CLIP_VISION if kind == "llava" else VISION[kind]
    vision = whole.part("vision_config", filled, required=False)
    if vision is None:
        if kind == "gemma4" or _text_only(whole):  # Gemma 4 without a tower is the library's own default
            return 0, None
        whole.doubt("vision_config", f"is missing, and a `{kind}` has a vision tower",
                    "the library's default tower is counted")  # fmt: skip
        absent = {**VISION[kind], "patch_size": 14} if kind == "mistral3" else VISION[kind]
        vision = whole.at({}, absent, "vision_config")
    stated = str(vision.value("model_type") or "")
    if kind == "llava" and stated == "pixtral":
        vision = whole.at(vision.data, VISION["mistral3"], "vision_config")
        return pixtral_tower(vision) + llava_projector(whole, vision, hidden), encoder(kind, whole, vision)
    if kind == "llava" and stated not in ("", "clip_vision_model"):
        vision.doubt("model_type", f"is `{stated[:60]}`; CLIP and Pixtral towers are described")
    return tower(whole, vision, hidden), encoder(kind, whole, vision)


def _encoder(kind: str, count: Callable[[Config], dict[str, int]], config: Config) -> Model:
    counts = {name: number for name, number in count(config).items() if number}
    plain, doubt = sixteen(config)
    total = sum(counts.values())
    return Model(
        id=str(config.path),
        params=total,
        active_params=total,
        native_format=plain or "fp32",
        max_context=config.maybe("max_position_embeddings", "max_target_positions"),
        licence="unknown",
        model_type=kind,
        architecture=None,
        verified="approximate" if config.assumed else "config",
        assumed=tuple(config.assumed),
        source=f"the config {config.path}",
        breakdown=counts,
        note="; ".join(text for text in ("no decoder: only its parameters are described", doubt) if text),
    )


__all__ = ["DECODERS", "MODEL_TYPES", "WRAPPERS", "ConfigError", "read_config"]
