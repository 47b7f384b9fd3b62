"""How a family's published code differs from a llama-style decoder, where an architecture does not say it.

One row a `model_type` of Hugging Face transformers 5.23 (models/*/modeling_*.py and the defaults of its configuration):
activation functions, dropout that is on in training, parallel branches, fused projections, rotary share, soft caps.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from planner.catalog.architecture import NoPart
from planner.catalog.records import Architecture
from planner.physics.training.recipe import Recipe
from planner.record import dataclass


@dataclass(frozen=True, slots=True)
class Family:
    """What the modelling code does. `branches` is serial, shared (one norm for both) or two (a norm each)."""

    act: str = "silu"
    norm: str = "llama"
    branches: str = "serial"
    fused_qkv: bool = False
    fused_gate: bool = False
    rotary: float = 1.0  # share of the head that turns; 0 for learned or no positions
    hidden_dropout: bool = False
    attention_dropout: bool = False
    embedding_dropout: bool = False
    query_scaled: bool = False
    softcap: bool = False  # of the scores, in eager attention
    logit_cap: bool = False
    plain_attention: bool = False
    plain_softmax: bool = False  # eager attention's softmax stays in the scores' type
    joins: bool = False  # rotary heads pass through a `cat` even when all of a head turns
    scaled_embedding: bool = False
    after_only: bool = False  # norms stand behind attention and feed-forward part only
    sdpa: bool = True  # whether the code has more than eager attention
    router: str = "softmax"
    known: bool = True
    conv1d: bool = False  # its products are no `nn.Linear`, which torchao and accelerate look for

    def linears(self, recipe: Recipe) -> Recipe:
        """The recipe as it applies to the family's products."""
        if not self.conv1d or recipe.products == "te_cached" or not (recipe.products or recipe.method == "qat"):
            return recipe
        return replace(recipe, products="", method="full" if recipe.method == "qat" else recipe.method)


_LLAMA: Final = Family()
_FAMILIES: Final[dict[str, Family]] = {
    "gemma": Family(act="gelu", norm="gemma", scaled_embedding=True),
    "gemma2": Family(act="gelu", norm="gemma", scaled_embedding=True, softcap=True, logit_cap=True, sdpa=False),
    "gemma3_text": Family(act="gelu", norm="gemma", scaled_embedding=True),
    "gemma3": Family(act="gelu", norm="gemma", scaled_embedding=True),
    "phi3": Family(fused_qkv=True, fused_gate=True, joins=True),
    "gpt2": Family(
        act="gelu_new",
        fused_qkv=True,
        rotary=0,
        plain_softmax=True,
        hidden_dropout=True,
        attention_dropout=True,
        embedding_dropout=True,
        conv1d=True,
    ),
    "gpt_bigcode": Family(
        act="gelu",
        fused_qkv=True,
        rotary=0,
        hidden_dropout=True,
        attention_dropout=True,
        embedding_dropout=True,
    ),
    "opt": Family(act="relu", rotary=0, hidden_dropout=True, query_scaled=True),
    "gpt_oss": Family(known=False, sdpa=False),
    "mimo_v2_flash": Family(known=False, sdpa=False),
    "gpt_neo": Family(act="gelu_new", rotary=0, sdpa=False),
    "gptj": Family(act="gelu_new", branches="shared", rotary=0.25, sdpa=False),
    "gpt_neox": Family(act="gelu", branches="two", fused_qkv=True, rotary=0.25),
    "falcon": Family(act="gelu", branches="shared", fused_qkv=True, plain_attention=True),
    "bloom": Family(act="gelu", fused_qkv=True, rotary=0, sdpa=False),
    "mpt": Family(act="gelu", fused_qkv=True, rotary=0, sdpa=False),
    "phi": Family(act="gelu_new", branches="shared", rotary=0.5),
    "stablelm": Family(rotary=0.25),
    "starcoder2": Family(act="gelu"),
    "cohere": Family(branches="shared", norm="cohere"),
    "cohere2": Family(branches="shared", norm="cohere"),
    "nemotron": Family(act="relu2", norm="nemotron", rotary=0.5),
    "olmo": Family(),
    "olmo2": Family(norm="olmo2", after_only=True),
    "olmo3": Family(norm="olmo2", after_only=True),
    "olmoe": Family(),
    "qwen2_moe": Family(),
    "exaone4": Family(after_only=True),
    "seed_oss": Family(hidden_dropout=True),
    "deepseek_v3": Family(router="sigmoid"),
    "glm4": Family(fused_gate=True, rotary=0.5),
    "glm": Family(fused_gate=True, rotary=0.5),
    "mixtral": Family(router="softmax_fp32"),
}
_LLAMA_STYLE: Final = frozenset(
    (
        "llama",
        "mistral",
        "ministral",
        "mistral3",
        "qwen2",
        "qwen3",
        "qwen3_moe",
        "granite",
        "smollm3",
        "internlm3",
        "lfm2",
        "minimax",
        "deepseek_v2",
        "qwen2_vl",
        "qwen2_5_vl",
        "qwen3_vl",
        "qwen3_vl_moe",
        "llava",
        "ministral3",
    )
)


def family(arch: Architecture) -> Family:
    """The traits of an architecture's family; an unknown one is read as llama-style, with GELU where no gate is."""
    name = arch.family if arch.family in _FAMILIES else arch.family.removesuffix("_text")
    row = _FAMILIES.get(name)
    if row:
        return row
    gated = all(isinstance(group.ffn, NoPart) or group.ffn.gated for group in arch.groups)
    if name in _LLAMA_STYLE or not name:
        return _LLAMA if gated else Family(act="gelu", known=arch.norm == "rms")
    return Family(known=False) if gated else Family(act="gelu", known=False)
